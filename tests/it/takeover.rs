//! Who writes a PostgreSQL database: a start that would not stand takes nothing, and a server that comes back without
//! what was told is noticed.

use crate::support::binary::{Postrider, account};
use crate::support::check::consistent;
use crate::support::database::{ask, change};
use crate::support::mail::{blocking, note, seed, serve_well};
use crate::support::served::{head, until};

const URL: &str = "POSTRIDER_STORE__URL";

fn config(port: u16) -> String {
    format!("{}{}", head(), account("u", port, "pw"))
}

/// A start whose data folder is another mirror's says so, and whoever has the database does not notice.
#[tokio::test(flavor = "multi_thread")]
async fn what_would_not_stand_takes_nothing_over() {
    let mailbox = seed::mailbox(71, 20);
    let server = serve_well("u", &mailbox).await;
    let a = Postrider::on_server(&config(server.port()));
    let b = Postrider::new(&config(server.port()));
    blocking(move || {
        let url = a.database().url().to_owned();
        let served = a.serve(&[]);
        served.settle(&a, "u", &mailbox);
        let signed = "SELECT value AS x FROM setting WHERE name = 'writer'";
        let before = ask(&a.database(), signed);
        let ran = b.run_with(&["serve", "--take-over"], &[(URL, &url)]).exits(2);
        assert!(ran.stderr.contains("do not belong together"), "{}", ran.stderr);
        assert_eq!(ask(&a.database(), signed), before);
        mailbox.append("INBOX", note("still here"));
        until(&a.database(), "SELECT count(*) AS x FROM message WHERE subject = 'still here'", "1");
        served.stop();
        consistent(&a.database());
        let ran = b.run(&["serve", "--take-over"]).exits(2);
        assert!(ran.stderr.contains("--take-over is for"), "{}", ran.stderr);
    })
    .await;
}

/// A standby that was promoted lacks the last commits: no number of an event that was told is used again.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lacks_what_was_told_is_noticed() {
    let mailbox = seed::mailbox(72, 20);
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::on_server(&config(server.port()));
    blocking(move || {
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &mailbox);
        let database = postrider.database();
        let last: i64 = ask(&database, "SELECT max(seq) AS x FROM event").parse().unwrap();
        change(
            &database,
            "DELETE FROM event WHERE seq > (SELECT max(seq) - 4 FROM event); UPDATE counter SET next = next - 4 WHERE \
             name = 'event'; SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted AND \
             database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        );
        mailbox.append("INBOX", note("behind it"));
        until(&database, "SELECT count(*) AS x FROM message WHERE subject = 'behind it'", "1");
        let between = format!(
            "SELECT count(*) AS x FROM event WHERE seq > {} AND seq <= {}",
            last - 4,
            last + (1_i64 << 32)
        );
        assert_eq!(ask(&database, &between), "0");
        let beyond = format!("SELECT count(*) > 0 AS x FROM event WHERE seq > {}", last + (1_i64 << 32));
        assert_eq!(ask(&database, &beyond), "1");
        served.stop();
        // What is missing is said by no gap: the leap is a row.
        postrider.run(&["verify", "u", "--offline"]).exits(0);
    })
    .await;
}
