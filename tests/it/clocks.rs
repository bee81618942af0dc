//! A wall clock that was ahead by a month while the account was synced, and is right since.

use crate::support::binary::{Postrider, SHORT, account};
use crate::support::check::equal;
use crate::support::database::ask;
use crate::support::mail::{Mailbox, blocking, note, seed, serve_well};
use crate::support::served::{head, until, wait_until};
use std::process::Command;

const MONTH: &str = "2592000";

/// Instants that spans are measured from and that lie ahead by more than a minute. (When something was stored
/// stays as it was written.)
fn ahead(postrider: &Postrider) -> String {
    let of = |table: &str, columns: &[&str]| {
        let now = "(strftime('%s', 'now') + 60) * 1000000";
        let is_ahead: Vec<String> = columns.iter().map(|c| format!("{c} > {now}")).collect();
        format!("SELECT '{table}' AS t FROM {table} WHERE {}", is_ahead.join(" OR "))
    };
    let flags = "state->>'$.state.flags.listed_at'";
    let tables = [
        of("account", &["stamped_at", "listed_at", "opened_at", "since", "list_look->>'$.at'"]),
        of("folder", &["opened_at", "passed_at", "proved_at", "look->>'$.at'", "refused->>'$.at'"]),
        of("cursor", &[flags, "state->>'$.state.compared_at'"]),
        of("message", &["limbo_since"]),
        of("failure", &["first_at", "last_at"]),
    ];
    let tables = tables.join(" UNION ALL ");
    ask(
        &postrider.database(),
        &format!("SELECT COALESCE(group_concat(t), '') AS x FROM ({tables})"),
    )
}

fn now() -> String {
    let date = Command::new("date").args(["-u", "+%d-%b-%Y %H:%M:%S +0000"]).output().unwrap();
    String::from_utf8(date.stdout).unwrap().trim().to_owned()
}

fn told_as_old(postrider: &Postrider, subject: &str) -> String {
    let told = format!(
        "SELECT group_concat(e.backfill) AS x FROM event e JOIN message m ON m.id = e.message WHERE e.kind = \
         'message.created' AND m.subject = '{subject}'"
    );
    ask(&postrider.database(), &told)
}

/// Looks that were taken by it are followed by others, and nothing that is stored lies ahead.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_clock_that_was_ahead_has_looked_at_is_looked_at_again() {
    let mailbox = seed::mailbox(57, 200);
    let server = serve_well("u", &mailbox).await;
    let config = format!("{SHORT}{}", account("u", server.port(), "pw"));
    let postrider = Postrider::new(&config.replace("1ms", "1s"));
    blocking(move || {
        let file = postrider.path("clock");
        let sync = |skew: &str| {
            std::fs::write(&file, skew).unwrap();
            let ran = postrider
                .run_with(&["sync", "--once"], &[("POSTRIDER_CLOCK", file.to_str().unwrap())]);
            std::thread::sleep(std::time::Duration::from_millis(1100));
            ran
        };
        sync(MONTH).exits(0);
        let uids: Vec<u32> = mailbox.lock()["INBOX"].mail.keys().copied().collect();
        uids.iter().for_each(|uid| drop(mailbox.expunge("INBOX", *uid)));
        sync(MONTH).exits(3);
        assert!(ahead(&postrider).contains("folder"), "the clock was ahead");
        let ran = sync("0");
        assert!(ran.stderr.contains("was ahead by"), "{}", ran.stderr);
        // What is brought back is as if it had been just now.
        sync("0").exits(0);
        equal(&postrider, "u", &mailbox);
        assert_eq!(ahead(&postrider), "");
        mailbox.append("Archive", note("since").dated(&now()));
        sync("0").exits(0);
        equal(&postrider, "u", &mailbox);
        assert_eq!(told_as_old(&postrider, "since"), "0");
    })
    .await;
}

/// It is set right while the server runs; the account was opened with an empty INBOX.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_right_while_mail_is_followed() {
    let mailbox = Mailbox::default();
    let uid = mailbox.append("INBOX", note("it is empty again"));
    mailbox.expunge("INBOX", uid);
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::new(&format!("{}{}", head(), account("u", server.port(), "pw")));
    blocking(move || {
        let file = postrider.path("clock");
        std::fs::write(&file, MONTH).unwrap();
        let served = postrider.serve(&[("POSTRIDER_CLOCK", file.to_str().unwrap())]);
        served.settle(&postrider, "u", &mailbox);
        wait_until("a watch", || served.account("u")["push"] == "idle");
        std::fs::write(&file, "0").unwrap();
        wait_until("its line in the log", || served.running.stderr().contains("jumped by"));
        mailbox.append("INBOX", note("since").dated(&now()));
        let stored = "SELECT count(*) AS x FROM message WHERE subject = 'since'";
        until(&postrider.database(), stored, "1");
        assert_eq!(told_as_old(&postrider, "since"), "0");
        served.settle(&postrider, "u", &mailbox);
        served.stop();
        assert_eq!(ahead(&postrider), "");
        equal(&postrider, "u", &mailbox);
    })
    .await;
}

/// It is behind for one start, as before a machine has asked what time it is: what was right stays so, and no
/// look counts for longer than it was ago.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_behind_for_a_start_changes_nothing() {
    let mailbox = Mailbox::new();
    for n in 0..30 {
        mailbox.append("INBOX", note(&format!("mail {n}")).dated(&now()));
    }
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", server.port(), "pw")));
    blocking(move || {
        let file = postrider.path("clock");
        let sync = |skew: &str| {
            std::fs::write(&file, skew).unwrap();
            postrider.run_with(&["sync", "--once"], &[("POSTRIDER_CLOCK", file.to_str().unwrap())])
        };
        sync("0").exits(0);
        let opened = "SELECT opened_at AS x FROM account";
        let before = ask(&postrider.database(), opened);
        let ran = sync(&format!("-{MONTH}")).exits(0);
        assert!(!ran.stderr.contains("was ahead by"), "{}", ran.stderr);
        assert_eq!(ask(&postrider.database(), opened), before);
        mailbox.append("INBOX", note("since").dated(&now()));
        sync("0").exits(0);
        assert_eq!(told_as_old(&postrider, "since"), "0");
        equal(&postrider, "u", &mailbox);
    })
    .await;
}
