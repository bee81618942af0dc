//! COMPRESS=DEFLATE (RFC 4978).

use crate::dovecot::{client, truth};
use crate::support::binary::Postrider;
use crate::support::check::consistent;
use crate::support::dovecot::{Dovecot, Traits};
use crate::support::mail::blocking;
use crate::support::relay::Relay;
use crate::support::served::{head, until};
use std::sync::atomic::Ordering;

/// Octets of mail that says the same again and again.
const LARGE: usize = 2 * 1024 * 1024;

fn config(server: &Dovecot, tls: &str, port: u16, compress: &str) -> String {
    format!(
        "{}[[account]]\nid = \"u\"\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"{tls}\"\nca_file = \"{}\"\nusername = \"u\"\npassword = \"pw\"\n{compress}",
        head(),
        server.file("cert.pem")
    )
}

async fn dovecot(traits: Traits) -> (Dovecot, Vec<String>) {
    let server = Dovecot::start_with(traits);
    let mut other = client(&server, "u").await;
    for n in 0..30 {
        let text = format!("Line of {n}, and nothing else.\r\n");
        let mut mail = format!("Subject: {n}\r\n\r\n").into_bytes();
        mail.extend(text.bytes().cycle().take(if n == 7 { LARGE } else { 30 * text.len() }));
        other.append("INBOX", None, None, &mail).await.unwrap();
    }
    let want = truth(&mut other).await;
    other.logout().await.unwrap();
    (server, want)
}

/// What a server compresses is the same mail, and fewer octets; what comes while it is watched, too.
#[tokio::test(flavor = "multi_thread")]
async fn compressed_mail_is_the_same_mail() {
    for tls in ["none", "starttls"] {
        let (server, want) = dovecot(Traits { compress: true, ..Traits::default() }).await;
        let relay = Relay::cut_after(server.port, &[]);
        let config = config(&server, tls, relay.port, "compress = true\n");
        let (postrider, mut other) = (Postrider::new(&config), client(&server, "u").await);
        let served = blocking(move || {
            postrider.sync().exits(0);
            let octets = relay.octets.load(Ordering::SeqCst);
            assert!(octets < LARGE as u64 / 8, "{octets}");
            assert_eq!(postrider.manifest("u"), want);
            postrider.run(&["verify", "u"]).exits(0);
            consistent(&postrider.database());
            let served = postrider.serve(&[]);
            served.wait_for_state("u", "idle");
            (postrider, served)
        })
        .await;
        other.append("INBOX", None, None, b"Subject: later\r\n\r\nText\r\n").await.unwrap();
        blocking(move || {
            let (postrider, served) = served;
            let sql = "SELECT count(*) AS x FROM message WHERE subject = 'later'";
            until(&postrider.database(), sql, "1");
            served.stop();
        })
        .await;
        other.logout().await.unwrap();
    }
}

/// A session that is cut inside of what is compressed goes on where it was.
#[tokio::test(flavor = "multi_thread")]
async fn cut_in_what_is_compressed() {
    let (server, want) = dovecot(Traits { compress: true, ..Traits::default() }).await;
    let relay = Relay::cut_after(server.port, &[1_500, 4_000, 9_000]);
    let config = config(&server, "none", relay.port, "compress = true\n");
    let postrider = Postrider::new(&config);
    blocking(move || {
        postrider.sync().exits(0);
        assert!(relay.connections.load(Ordering::SeqCst) > 3);
        assert_eq!(postrider.manifest("u"), want);
        consistent(&postrider.database());
    })
    .await;
}

/// A server that does not compress, or says it would and refuses, is read as it is; what is not asked
/// for is not used.
#[tokio::test(flavor = "multi_thread")]
async fn servers_that_do_not_compress() {
    let offers = "IMAP4rev1 LITERAL+ ENABLE IDLE COMPRESS=DEFLATE";
    for (traits, way, asks) in [
        (Traits::default(), "compress = true\n", false),
        (Traits { capability: Some(offers), ..Traits::default() }, "compress = true\n", true),
        (Traits { compress: true, ..Traits::default() }, "compress = false\n", false),
    ] {
        let (server, want) = dovecot(traits).await;
        let postrider = Postrider::new(&config(&server, "none", server.port, way));
        blocking(move || {
            postrider.run(&["sync", "--once", "--wire-log", "wire"]).exits(0);
            assert_eq!(postrider.manifest("u"), want);
            let wire = std::fs::read_to_string(postrider.path("wire")).unwrap();
            assert_eq!(wire.contains("COMPRESS DEFLATE"), asks, "{wire}");
        })
        .await;
    }
}
