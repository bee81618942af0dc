//! Google's side of a push: who signs it, where the keys are shown, and what it looks like.

use crate::support::binary::Postrider;
use crate::support::gmail::follower;
use crate::support::served::{Served, head, request, wait_until};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use postrider_feedd::{GmailBox, GmailServer};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) const SIGNER: &str = "push@project.iam.gserviceaccount.com";
pub(crate) const AUDIENCE: &str = "https://in.example.org/gmail";

/// A key that tokens are signed with.
pub(crate) struct Signer {
    kid: String,
    key: EncodingKey,
    /// The modulus, and the public key as a file has it.
    modulus: String,
    pub(crate) public: Vec<u8>,
}

pub(crate) fn openssl(args: &[&str]) -> Vec<u8> {
    let made = Command::new("openssl").args(args).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    made.stdout
}

impl Signer {
    pub(crate) fn new(kid: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key.pem").to_str().unwrap().to_owned();
        openssl(&["genrsa", "-out", &file, "2048"]);
        let key = EncodingKey::from_rsa_pem(&std::fs::read(&file).unwrap()).unwrap();
        let told =
            String::from_utf8(openssl(&["rsa", "-in", &file, "-noout", "-modulus"])).unwrap();
        let hex = told.trim().strip_prefix("Modulus=").unwrap().to_owned();
        let octet = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap();
        let octets: Vec<u8> = hex.as_bytes().chunks(2).map(octet).collect();
        let public = openssl(&["rsa", "-in", &file, "-pubout"]);
        Self { kid: kid.to_owned(), key, modulus: URL_SAFE_NO_PAD.encode(octets), public }
    }

    /// As it is shown to the world.
    pub(crate) fn shown(&self) -> Value {
        json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid, "n": self.modulus, "e": "AQAB"})
    }

    /// A token that says this, under this head.
    pub(crate) fn signs(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(Algorithm::RS256) };
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }

    /// The token of a push that is in order.
    pub(crate) fn token(&self) -> String {
        self.signs(&claims(&[]))
    }
}

/// What a token says, but for these.
pub(crate) fn claims(other: &[(&str, Value)]) -> Value {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let mut claims = json!({
        "iss": "https://accounts.google.com", "aud": AUDIENCE, "email": SIGNER, "email_verified": true,
        "iat": now, "exp": now + 3600, "sub": "1",
    });
    for (name, value) in other {
        claims[*name] = value.clone();
    }
    claims
}

/// Where keys are shown; counts who asks.
pub(crate) struct Certs {
    pub(crate) url: String,
    pub(crate) asked: Arc<AtomicUsize>,
    /// The status, and the keys.
    pub(crate) shows: Arc<Mutex<(u16, Vec<Value>)>>,
}

impl Certs {
    pub(crate) fn showing(keys: Vec<Value>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://127.0.0.1:{}/certs", listener.local_addr().unwrap().port());
        let (asked, shows) = (Arc::<AtomicUsize>::default(), Arc::new(Mutex::new((200, keys))));
        let (counts, shown) = (Arc::clone(&asked), Arc::clone(&shows));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let ended = lines.map_while(Result::ok).any(|line| line.is_empty());
                assert!(ended, "it asks with a head");
                counts.fetch_add(1, Ordering::SeqCst);
                let (status, keys) = shown.lock().unwrap().clone();
                let body = json!({"keys": keys}).to_string();
                let length = body.len();
                let said = format!(
                    "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nCache-Control: max-age=7200\r\nConnection: close\r\n\r\n{body}"
                );
                // Who has gone needs none.
                drop(stream.write_all(said.as_bytes()));
            }
        });
        Self { url, asked, shows }
    }
}

/// What tells where pushes go, and who signs them.
pub(crate) fn webhooks(certs: &Certs) -> String {
    format!(
        "[webhooks]\nlisten = \"127.0.0.1:0\"\npublic_url = \"https://in.example.org\"\n\
         [webhooks.gmail]\nservice_account = \"{SIGNER}\"\ncerts_url = \"{}\"\n",
        certs.url
    )
}

/// A notification as Pub/Sub brings it.
pub(crate) fn notification(address: &str, history: u64) -> String {
    let data = json!({"emailAddress": address, "historyId": history}).to_string();
    json!({
        "message": {"data": STANDARD.encode(data), "messageId": "1", "publishTime": "2026-01-01T00:00:00Z"},
        "subscription": "projects/p/subscriptions/s",
    })
    .to_string()
}

/// Pushes it; returns the status.
pub(crate) fn push(address: &str, token: &str, body: &str) -> u16 {
    let length = body.len();
    let head = format!(
        "POST /gmail HTTP/1.1\r\nHost: in.example.org\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n"
    );
    request(address, &head, body).0
}

pub(crate) const ADDRESS: &str = "demo@example.com";

impl Served {
    /// The newest request of the only source.
    pub(crate) fn last(&self) -> Value {
        self.get("/v1/inbound")["sources"][0]["latest"][0].clone()
    }

    /// Waits until an account holds as many messages as there are.
    pub(crate) fn holds(&self, account: &str, mailbox: &GmailBox) {
        let all = mailbox.ids().len();
        wait_until("all mail", || self.account(account)["messages"] == all);
    }

    pub(crate) fn counted(&self, outcome: &str) -> f64 {
        self.metric(&format!("postrider_inbound_total{{source=\"gmail\",outcome=\"{outcome}\"}}"))
    }
}

/// A mailbox that is mirrored and looked at once in hours, and who pushes for it.
pub(crate) struct Pushed {
    pub(crate) postrider: Postrider,
    pub(crate) served: Served,
    pub(crate) at: String,
}

/// A folder of one that is.
pub(crate) fn seldom(server: &GmailServer, webhooks: &str) -> Postrider {
    let head = head().replace("[sync]\n", "[sync]\nmode = \"conservative\"\n");
    follower(&format!("{head}{webhooks}"), server, "")
}

pub(crate) fn followed(server: &GmailServer, certs: &Certs, env: &[(&str, &str)]) -> Pushed {
    let postrider = seldom(server, &webhooks(certs));
    let served = postrider.serve(env);
    served.wait_for_state("u", "idle");
    let at = served.inbound();
    // What is asked for once more in a while has been.
    wait_until("rest", || {
        let before = served.account("u")["runs"].clone();
        std::thread::sleep(Duration::from_millis(300));
        served.account("u")["runs"] == before && served.state("u") == "idle"
    });
    // From here on what is asked counts.
    let _ = server.asked();
    Pushed { postrider, served, at }
}

/// A mail comes; returns the history id.
pub(crate) fn insert(mailbox: &GmailBox, n: usize) -> u64 {
    mailbox.insert(format!("Subject: news {n}\r\n\r\nx\r\n"), &["INBOX"], 1_700_000_000_000);
    mailbox.lock().now
}
