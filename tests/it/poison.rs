//! Mails and folders at which the connection ends, and servers whose lengths are wrong: each costs
//! itself.

use crate::support::binary::{Postrider, SHORT, account};
use crate::support::check::{consistent, equal};
use crate::support::database::{TestDatabase, ask, change};
use crate::support::mail::{Mail, Mailbox, blocking, note, seed, serve};
use postrider_imapd::Misbehaviour;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a body that is poison holds.
const MARK: &str = "the line goes dead here";

fn folders(mailbox: &Mailbox, each: usize) {
    for folder in ["INBOX", "Work", "Private", "Zoo"] {
        if folder != "INBOX" {
            mailbox.create(folder, "");
        }
        for n in 0..each {
            mailbox
                .append(folder, note(&format!("{folder} {n}")).dated("01-Feb-2024 10:00:00 +0000"));
        }
    }
}

/// A server for `u` that misbehaves while the switch is on.
async fn sick(
    mailbox: &Mailbox,
    script: impl Fn(&str) -> Option<Misbehaviour> + Send + Sync + 'static,
) -> (postrider_imapd::Server, Postrider, Arc<AtomicBool>) {
    let on = Arc::new(AtomicBool::new(true));
    let switch = Arc::clone(&on);
    let scripted = move |_: &str, command: &str| {
        if switch.load(Ordering::SeqCst) { script(command) } else { None }
    };
    let server = serve(&[("u", mailbox)], scripted).await;
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", server.port(), "pw")));
    (server, postrider, on)
}

fn well_again(postrider: &Postrider, mailbox: &Mailbox, on: &AtomicBool) {
    on.store(false, Ordering::SeqCst);
    change(&postrider.database(), "UPDATE failure SET next_try_at = 0");
    postrider.sync().exits(0);
    equal(postrider, "u", mailbox);
    let failures = postrider.run(&["failures"]).exits(0);
    assert!(failures.stdout.contains("nothing is left undone"), "{}", failures.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn three_mails_and_a_folder_at_which_the_line_goes_dead() {
    let mailbox = seed::mailbox(81, 0);
    folders(&mailbox, 50);
    mailbox.create("Shut", "");
    mailbox.append("Shut", note("behind a door"));
    let poison = || Mail::new(format!("Subject: poison\r\n\r\n{MARK}\r\n{}", "x".repeat(2000)));
    let bad: Vec<(&str, u32)> =
        ["INBOX", "Work", "Work"].map(|folder| (folder, mailbox.append(folder, poison()))).to_vec();
    folders_tail(&mailbox);
    let (_server, postrider, on) = sick(&mailbox, |command| match command {
        c if c.contains("BODY.PEEK[]") => Some(Misbehaviour::CutAt(MARK.into())),
        c if c.starts_with("EXAMINE Shut") => Some(Misbehaviour::Bye("I cannot".into())),
        _ => None,
    })
    .await;
    blocking(move || {
        postrider.sync().exits(3);
        postrider.sync().exits(3);
        let stored = ask(&postrider.database(), "SELECT count(*) AS x FROM location WHERE ended_at IS NULL");
        assert_eq!(stored.parse::<usize>().unwrap(), mailbox.all().len() - bad.len() - 1, "all the others");
        let told = postrider.run(&["failures"]).exits(0).stdout;
        for (folder, uid) in &bad {
            let named = told.lines().any(|line| line.contains(folder) && line.contains(&uid.to_string()));
            assert!(named, "{folder}/{uid}: {told}");
        }
        assert!(told.contains("Shut"), "{told}");
        consistent(&postrider.database());
        well_again(&postrider, &mailbox, &on);
        let alarms =
            "SELECT count(*) AS x FROM event WHERE kind IN ('message.deleted', 'message.restored', 'folder.deleted')";
        assert_eq!(ask(&postrider.database(), alarms), "0");
    })
    .await;
}

/// Mail behind the poison.
fn folders_tail(mailbox: &Mailbox) {
    for folder in ["INBOX", "Work"] {
        mailbox.append(folder, note(&format!("{folder} tail")).dated("01-Feb-2024 10:00:00 +0000"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_cut_every_200_kb() {
    let mailbox = seed::mailbox(82, 0);
    folders(&mailbox, 50);
    let big =
        || Mail::new(format!("Subject: big\r\n\r\n{}", "0123456789abcdef\r\n".repeat(90_000)));
    for folder in ["INBOX", "Work", "Zoo"] {
        mailbox.append(folder, big());
    }
    folders_tail(&mailbox);
    let (_server, postrider, on) = sick(&mailbox, |command| {
        command.contains("BODY.PEEK[]").then_some(Misbehaviour::CutAfter(200_000))
    })
    .await;
    blocking(move || {
        // What is longer comes in pieces, each of which is a step forward.
        postrider.sync().exits(0);
        let stored =
            ask(&postrider.database(), "SELECT count(*) AS x FROM location WHERE ended_at IS NULL");
        assert_eq!(stored, mailbox.all().len().to_string());
        well_again(&postrider, &mailbox, &on);
    })
    .await;
}

/// Octets of all packs.
fn packed(postrider: &Postrider) -> u64 {
    let packs =
        std::fs::read_dir(postrider.path("data/bodies")).unwrap().map(|entry| entry.unwrap());
    packs
        .filter(|p| p.path().extension().is_some_and(|e| e == "pack"))
        .map(|p| p.metadata().unwrap().len())
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_cut_ten_times_leaves_no_octet_behind() {
    let mailbox = seed::mailbox(85, 0);
    folders(&mailbox, 10);
    // One that shares a pack with others, and one that has a file of its own.
    for octets in [1_600_000, 9_000_000] {
        mailbox.append("INBOX", Mail::new(format!("Subject: big\r\n\r\n{}", "x".repeat(octets))));
    }
    folders_tail(&mailbox);
    // It knows no ranges: what is kept of a body is of no use.
    let (server, postrider, on) = sick(&mailbox, |command| match command {
        ranges if ranges.contains("BODY.PEEK[]<") => Some(Misbehaviour::Refuse("BAD what".into())),
        body if body.contains("BODY.PEEK[]") => Some(Misbehaviour::CutAfter(900_000)),
        _ => None,
    })
    .await;
    blocking(move || {
        let alone = |line: &&String| {
            line.contains("BODY.PEEK[]") && (line.contains(" 11 ") || line.contains(" 12 "))
        };
        for _ in 0..30 {
            postrider.sync().exits(3);
            change(&postrider.database(), "UPDATE failure SET next_try_at = 0");
            if server.log().iter().filter(alone).count() >= 10 {
                break;
            }
        }
        assert!(server.log().iter().filter(alone).count() >= 10, "{:#?}", server.log());
        let named = |database: &TestDatabase| {
            ask(database, "SELECT sum(length) AS x FROM body").parse::<u64>().unwrap()
        };
        // What a cut left is given back by the next start, beside what it leaves itself.
        on.store(false, Ordering::SeqCst);
        change(&postrider.database(), "UPDATE failure SET next_try_at = unixepoch() * 2000000");
        postrider.sync().exits(3);
        assert_eq!(packed(&postrider), named(&postrider.database()));
        well_again(&postrider, &mailbox, &on);
        assert_eq!(packed(&postrider), named(&postrider.database()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_literal_one_octet_too_long_stores_no_neighbours_octet() {
    let mailbox = seed::mailbox(83, 0);
    folders(&mailbox, 10);
    let (_server, postrider, on) = sick(&mailbox, |command| {
        command.contains("BODY.PEEK[]").then_some(Misbehaviour::TooLong(1))
    })
    .await;
    blocking(move || {
        let ran = postrider.sync();
        assert!(matches!(ran.code, Some(3 | 6)), "{:?}\n{}\n{}", ran.code, ran.stdout, ran.stderr);
        assert_eq!(
            ask(&postrider.database(), "SELECT count(*) AS x FROM message"),
            "0",
            "none of them is a mail"
        );
        well_again(&postrider, &mailbox, &on);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn estimated_sizes_are_believed_to_be_estimates() {
    let mailbox = seed::mailbox(84, 0);
    folders(&mailbox, 30);
    let (server, postrider, _on) = sick(&mailbox, |command| {
        command.contains("RFC822.SIZE").then_some(Misbehaviour::Estimate(7))
    })
    .await;
    blocking(move || {
        postrider.sync().exits(0);
        equal(&postrider, "u", &mailbox);
        let pages = server.log().iter().filter(|line| line.contains("BODY.PEEK[]")).count();
        postrider.sync().exits(0);
        let again = server.log().iter().filter(|line| line.contains("BODY.PEEK[]")).count();
        assert_eq!(again, pages, "nothing is fetched again");
        let singles = server
            .log()
            .iter()
            .filter(|l| l.starts_with("UID FETCH") && l.contains("BODY.PEEK[]") && !l.contains(':'))
            .count();
        assert!(singles <= 4, "fetched twice: {singles}");
    })
    .await;
}
