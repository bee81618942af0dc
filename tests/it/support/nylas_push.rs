//! Nylas's side of a webhook: what it looks like, who signs it, and how it is sent.

use crate::support::binary::Postrider;
use crate::support::nylas::{follower, granted};
use crate::support::served::{Served, head, request, wait_until};
use flate2::Compression;
use flate2::write::GzEncoder;
use postrider_feedd::NylasServer;
use serde_json::{Value, json};
use std::io::Write;
use std::time::Duration;

pub(crate) const SECRET: &str = "a-secret-of-the-webhook";

/// A notification of this type about a thing of a grant.
pub(crate) fn notice(event: &str, kind: &str, object: &Value) -> Vec<u8> {
    json!({
        "specversion": "1.0", "type": kind, "source": "/nylas/emails/realtime", "id": event, "time": 1_700_000_000,
        "webhook_delivery_attempt": 1, "data": {"application_id": "app-1", "object": object},
    })
    .to_string()
    .into_bytes()
}

/// One about a message of the grant that tests have.
pub(crate) fn about(event: &str, kind: &str, id: &str) -> Vec<u8> {
    let object = json!({"id": id, "grant_id": "grant-1", "object": "message", "subject": "x"});
    notice(event, kind, &object)
}

pub(crate) fn signature(secret: &str, octets: &[u8]) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    ring::hmac::sign(&key, octets).as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

pub(crate) fn packed(octets: &[u8]) -> Vec<u8> {
    packed_with(octets, 0)
}

/// The same, with so many MiB of blanks behind them.
pub(crate) fn packed_with(octets: &[u8], blanks: usize) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(octets).unwrap();
    let mib = vec![b' '; 1 << 20];
    for _ in 0..blanks {
        packer.write_all(&mib).unwrap();
    }
    packer.finish().unwrap()
}

/// Sends it as it is, with this signature; returns the status.
pub(crate) fn send(at: &str, octets: &[u8], signature: &str, more: &str) -> u16 {
    let length = octets.len();
    let head = format!(
        "POST /nylas/main HTTP/1.1\r\nHost: in.example.org\r\nX-Nylas-Signature: {signature}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{more}"
    );
    request(at, &head, octets).0
}

/// Sends what is in order.
pub(crate) fn hook(at: &str, octets: &[u8]) -> u16 {
    send(at, octets, &signature(SECRET, octets), "")
}

/// The same, packed.
pub(crate) fn hook_packed(at: &str, octets: &[u8]) -> u16 {
    let octets = packed(octets);
    send(at, &octets, &signature(SECRET, &octets), "Content-Encoding: gzip\r\n")
}

/// A mailbox that is mirrored and looked at once in hours, and to which webhooks may be sent.
pub(crate) struct Hooked {
    pub(crate) postrider: Postrider,
    pub(crate) served: Served,
    pub(crate) at: String,
}

/// A folder of one that is.
pub(crate) fn seldom(server: &NylasServer) -> Postrider {
    let seldom = head().replace("[sync]\n", "[sync]\nmode = \"conservative\"\n");
    let head = format!("{seldom}[webhooks]\nlisten = \"127.0.0.1:0\"\n");
    let postrider = follower(&head, server, &granted("u", "grant-1", "demo@example.com"));
    let config = std::fs::read_to_string(postrider.path("config.toml")).unwrap();
    let hooked = config.replace("[nylas.main]\n", "[nylas.main]\nwebhook_secret_file = \"hook\"\n");
    assert_ne!(config, hooked);
    std::fs::write(postrider.path("config.toml"), hooked).unwrap();
    std::fs::write(postrider.path("hook"), format!("{SECRET}\n")).unwrap();
    postrider
}

pub(crate) fn hooked(server: &NylasServer, env: &[(&str, &str)]) -> Hooked {
    let postrider = seldom(server);
    let served = postrider.serve(env);
    rests(&served);
    let at = served.inbound();
    // From here on what is asked counts.
    let _ = server.asked();
    Hooked { postrider, served, at }
}

/// Waits until what is asked for once more in a while has been.
pub(crate) fn rests(served: &Served) {
    served.wait_for_state("u", "idle");
    wait_until("rest", || {
        let before = served.account("u")["runs"].clone();
        std::thread::sleep(Duration::from_millis(300));
        let after = served.account("u");
        let is_owed = |what: &str| after["feed"]["owed"][what] != 0;
        after["runs"] == before
            && after["state"] == "idle"
            && !["due", "missing", "settling"].into_iter().any(is_owed)
    });
}

impl Served {
    /// How many webhooks of Nylas's came to this.
    pub(crate) fn hooks(&self, outcome: &str) -> f64 {
        self.metric(&format!(
            "postrider_inbound_total{{source=\"nylas/main\",outcome=\"{outcome}\"}}"
        ))
    }
}
