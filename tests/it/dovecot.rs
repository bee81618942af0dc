//! Against a real Dovecot, changed by another mail client.

use crate::support::binary::{Postrider, SHORT};
use crate::support::check::{consistent, sha256, state};
use crate::support::database::ask;
use crate::support::dovecot::{Dovecot, Traits};
use crate::support::mail::{blocking, seed};
use async_imap::Session;
use futures::TryStreamExt;
use std::collections::BTreeMap;
use tokio::net::TcpStream;

pub(crate) type Client = Session<TcpStream>;

pub(crate) async fn client(server: &Dovecot, user: &str) -> Client {
    let stream = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    let mut client = async_imap::Client::new(stream);
    client.read_response().await.unwrap();
    client.login(user, "pw").await.map_err(|(e, _)| e).unwrap()
}

/// Fills a mailbox with seeded mail in several folders; returns what is where.
pub(crate) async fn fill(client: &mut Client, count: usize) {
    let mut dice = seed::Dice::new(77);
    for folder in ["Archive", "Entw&APw-rfe &- &ZeVnLIqe-", "Projects/Alpha"] {
        client.create(folder).await.unwrap();
    }
    for n in 0..count {
        let folder = ["INBOX", "Archive", "Entw&APw-rfe &- &ZeVnLIqe-", "Projects/Alpha"][n % 4];
        let mail = seed::message(&mut dice, n);
        let flags = format!("({})", mail.flags.join(" "));
        client.append(folder, Some(&flags), None, mail.raw.as_slice()).await.unwrap();
    }
}

/// What the server has: folder, hash, flags; read by the other client.
pub(crate) async fn truth(client: &mut Client) -> Vec<String> {
    let (lines, ghosts) = truth_and_ghosts(client).await;
    assert!(ghosts.is_empty(), "Dovecot lists what it does not open: {ghosts:?}");
    lines
}

/// The same, and the folders that Dovecot lists and does not open, since they are no more: after many
/// renames its index of folders may hold one for good.
pub(crate) async fn truth_and_ghosts(client: &mut Client) -> (Vec<String>, Vec<String>) {
    let names: Vec<_> = client.list(None, Some("*")).await.unwrap().try_collect().await.unwrap();
    let (mut lines, mut ghosts) = (Vec::new(), Vec::new());
    for name in names {
        if name.attributes().contains(&async_imap::types::NameAttribute::NoSelect) {
            continue;
        }
        let mailbox = match client.examine(name.name()).await {
            Ok(mailbox) => mailbox,
            Err(e) if e.to_string().contains("doesn't exist") => {
                ghosts.push(postrider::provider::imap::wire::utf7::decode(name.name().as_bytes()));
                continue;
            }
            Err(e) => panic!("{e}"),
        };
        if mailbox.exists == 0 {
            continue;
        }
        let fetched: Vec<_> =
            client.fetch("1:*", "(FLAGS BODY.PEEK[])").await.unwrap().try_collect().await.unwrap();
        assert_eq!(fetched.len(), usize::try_from(mailbox.exists).unwrap());
        for one in fetched {
            let mut flags: Vec<String> = one
                .flags()
                .filter(|f| *f != async_imap::types::Flag::Recent)
                .map(|f| match f {
                    async_imap::types::Flag::Seen => "\\Seen".into(),
                    async_imap::types::Flag::Answered => "\\Answered".into(),
                    async_imap::types::Flag::Flagged => "\\Flagged".into(),
                    async_imap::types::Flag::Deleted => "\\Deleted".into(),
                    async_imap::types::Flag::Draft => "\\Draft".into(),
                    other => format!("{other:?}")
                        .trim_start_matches("Custom(\"")
                        .trim_end_matches("\")")
                        .to_owned(),
                })
                .collect();
            flags.sort();
            let path = postrider::provider::imap::wire::utf7::decode(name.name().as_bytes());
            lines.push(format!("{path}\t{}\t{}", sha256(one.body().unwrap()), flags.join(" ")));
        }
    }
    lines.sort();
    (lines, ghosts)
}

fn config(server: &Dovecot, tls: &str, port: u16) -> String {
    format!(
        "{SHORT}[[account]]\nid = \"u\"\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"{tls}\"\nca_file = \"{}\"\nusername = \"u\"\npassword = \"pw\"\n",
        server.file("cert.pem")
    )
}

async fn mirrored(postrider: Postrider, want: Vec<String>) -> Postrider {
    blocking(move || {
        postrider.sync().exits(0);
        assert_eq!(postrider.manifest("u"), want);
        postrider.run(&["verify", "u"]).exits(0);
        consistent(&postrider.database());
        let before = state(&postrider.database());
        postrider.run(&["sync", "--once", "--wire-log", "wire"]).exits(0);
        assert_eq!(state(&postrider.database()), before);
        let wire = std::fs::read_to_string(postrider.path("wire")).unwrap();
        for word in
            ["BODY", "SELECT", "STORE", "COPY", "MOVE", "APPEND", "EXPUNGE", "CLOSE", "CREATE"]
        {
            assert!(!wire.contains(&format!(" {word}")), "{word} in\n{wire}");
        }
        postrider
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn follows_another_client() {
    let server = Dovecot::start();
    let mut other = client(&server, "u").await;
    fill(&mut other, 120).await;
    let postrider = Postrider::new(&config(&server, "none", server.port));
    let postrider = mirrored(postrider, truth(&mut other).await).await;
    let last = ask(&postrider.database(), "SELECT max(seq) AS x FROM event");

    other.select("INBOX").await.unwrap();
    let stored: Vec<_> =
        other.store("1:3", "+FLAGS (\\Flagged later)").await.unwrap().try_collect().await.unwrap();
    assert_eq!(stored.len(), 3);
    other.uid_mv("5:7", "Archive").await.unwrap();
    other.uid_copy("8", "Archive").await.unwrap();
    let _: Vec<_> =
        other.store("10", "+FLAGS (\\Deleted)").await.unwrap().try_collect().await.unwrap();
    let _: Vec<_> = other.expunge().await.unwrap().try_collect().await.unwrap();
    other.append("INBOX", None, None, b"Subject: new\r\n\r\nnew\r\n").await.unwrap();
    other.create("Later").await.unwrap();
    other.append("Later", None, None, b"Subject: newer\r\n\r\nnewer\r\n").await.unwrap();
    let postrider = mirrored(postrider, truth(&mut other).await).await;

    let sql = format!(
        "SELECT kind || CASE backfill WHEN 1 THEN ' old' ELSE '' END AS x FROM event WHERE seq > {last} AND message IS NOT NULL"
    );
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for kind in crate::support::database::rows(&postrider.database(), &sql) {
        *kinds.entry(kind).or_default() += 1;
    }
    assert_eq!(kinds.get("message.moved"), Some(&3), "{kinds:?}");
    assert_eq!(kinds.get("message.deleted"), Some(&1), "{kinds:?}");
    assert_eq!(kinds.get("message.created"), Some(&2), "{kinds:?}");
    other.logout().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_and_starttls() {
    let server = Dovecot::start();
    let mut other = client(&server, "u").await;
    fill(&mut other, 24).await;
    let want = truth(&mut other).await;
    mirrored(Postrider::new(&config(&server, "implicit", server.tls_port)), want.clone()).await;
    mirrored(Postrider::new(&config(&server, "starttls", server.port)), want).await;
    // The system's roots do not know this certificate.
    let untrusted = config(&server, "implicit", server.tls_port)
        .lines()
        .filter(|l| !l.starts_with("ca_file"))
        .collect::<Vec<_>>()
        .join("\n");
    let postrider = Postrider::new(&untrusted);
    blocking(move || {
        // Told at once, with what to do.
        let began = std::time::Instant::now();
        let ran = postrider.sync().exits(2);
        assert!(
            ran.stdout.contains("TLS handshake failed") && ran.stdout.contains("ca_file"),
            "{}",
            ran.stdout
        );
        assert!(began.elapsed() < std::time::Duration::from_secs(10), "it waited");
    })
    .await;
    // TLS spoken to a plain port.
    let postrider = Postrider::new(&config(&server, "implicit", server.port));
    blocking(move || {
        let ran = postrider.sync().exits(2);
        assert!(ran.stdout.contains("starttls"), "{}", ran.stdout);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_signed_itself_is_believed_when_it_is_listed() {
    let authority = Traits { constraints: "CA:TRUE", ..Traits::default() };
    let (server, another) = (Dovecot::start_with(authority), Dovecot::start_with(authority));
    let mut other = client(&server, "u").await;
    fill(&mut other, 6).await;
    let want = truth(&mut other).await;
    mirrored(Postrider::new(&config(&server, "implicit", server.tls_port)), want).await;
    // Another one that calls itself the same is not it.
    let stranger = config(&server, "implicit", another.tls_port);
    blocking(move || {
        let ran = Postrider::new(&stranger).sync().exits(2);
        assert!(ran.stdout.contains("is not believed"), "{}", ran.stdout);
    })
    .await;
}
