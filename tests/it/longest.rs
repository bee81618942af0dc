//! Mail that is longer than it may be is left out and told; nothing of it is written.

use crate::support::binary::{Postrider, SHORT, account};
use crate::support::check::equal;
use crate::support::database::{ask, change};
use crate::support::gmail::{gmail_account, mirrors, well};
use crate::support::mail::{Mail, blocking, seed, serve};
use postrider_feedd::GmailServer;
use postrider_imapd::Misbehaviour;

/// Rows that say so, of either family.
const TOLD: &str = "SELECT (SELECT count(*) FROM failure WHERE closed_at IS NULL AND text LIKE '%than limits.message_max (1 MiB)%') \
     + (SELECT count(*) FROM owed WHERE text LIKE '%than limits.message_max (1 MiB)%') AS x";

fn long() -> String {
    format!("Subject: long\r\n\r\n{}", "0123456789abcde\n".repeat(3 * 65_536))
}

fn written(postrider: &Postrider) -> u64 {
    let files = std::fs::read_dir(postrider.path("data/bodies")).unwrap();
    files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
}

/// The limit is raised: it comes.
fn raised(postrider: &Postrider) {
    assert_eq!(ask(&postrider.database(), TOLD), "1");
    assert!(written(postrider) < 1 << 20, "{} octets were written", written(postrider));
    let config = std::fs::read_to_string(postrider.path("config.toml")).unwrap();
    let config = config.replace("message_max = \"1MiB\"", "message_max = \"4MiB\"");
    std::fs::write(postrider.path("config.toml"), config).unwrap();
    change(&postrider.database(), "UPDATE failure SET next_try_at = 0");
    change(&postrider.database(), "UPDATE owed SET due_at = 0");
    postrider.sync().exits(0);
    assert_eq!(ask(&postrider.database(), TOLD), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_imap_server() {
    let mailbox = seed::mailbox(91, 5);
    mailbox.append("INBOX", Mail::new(long()));
    let server = serve(&[("u", &mailbox)], |_, _| None).await;
    let limit = "message_max = \"1MiB\"\n[telemetry]\nlog = \"warn\"\n";
    let postrider = Postrider::new(&format!("{SHORT}{limit}{}", account("u", server.port(), "pw")));
    blocking(move || {
        let told = postrider.sync().exits(3).stderr;
        let is_named = |l: &str| l.contains("left undone") && l.contains("account.id=u");
        assert!(told.lines().any(is_named), "at any level a line says whose it is: {told}");
        raised(&postrider);
        equal(&postrider, "u", &mailbox);
    })
    .await;
}

/// The server estimates, and too low: what is asked for alone, by ranges, is as long as it was.
#[tokio::test(flavor = "multi_thread")]
async fn longer_than_its_size() {
    let mailbox = seed::mailbox(93, 5);
    mailbox.append("INBOX", Mail::new(long()));
    let estimates = |_: &str, command: &str| {
        command.contains("RFC822.SIZE").then_some(Misbehaviour::Estimate(-2_500_000))
    };
    let server = serve(&[("u", &mailbox)], estimates).await;
    let limit = "message_max = \"1MiB\"\n";
    let postrider = Postrider::new(&format!("{SHORT}{limit}{}", account("u", server.port(), "pw")));
    blocking(move || {
        let tries = "SELECT attempts AS x FROM failure WHERE closed_at IS NULL AND uid IS NOT NULL";
        for n in 1..=3 {
            postrider.sync().exits(3);
            assert_eq!(ask(&postrider.database(), tries), n.to_string());
            change(&postrider.database(), "UPDATE failure SET next_try_at = 0");
        }
        let ranges = server.log().iter().filter(|l| l.contains("BODY.PEEK[]<")).count();
        assert!(ranges > 0, "it was asked for by ranges");
        raised(&postrider);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_gmails_api() {
    let mailbox = postrider_feedd::seed::mailbox(92, 5);
    mailbox.insert(long(), &["INBOX"], i64::MAX / 2000);
    let server = GmailServer::start(&mailbox, well).await.unwrap();
    let limit = "message_max = \"1MiB\"\n";
    let postrider = Postrider::new(&format!("{SHORT}{limit}{}", gmail_account(&server.url())));
    std::fs::write(postrider.path("token"), "good\n").unwrap();
    blocking(move || {
        postrider.sync().exits(3);
        raised(&postrider);
        mirrors(&postrider, &mailbox, |_| true);
    })
    .await;
}
