//! Mail at which the process ends: it alone is a row of the ledger after the third start, all else is stored. Whoever
//! stops the process, or kills it, means no mail.

use crate::support::binary::{Postrider, Ran, SHORT, account};
use crate::support::check::{consistent, equal};
use crate::support::database::{ask, change, rows};
use crate::support::gmail::{mirrors, short, well};
use crate::support::mail::{Mail, Mailbox, blocking, note, seed, serve};
use crate::support::served::{head, wait_until};
use postrider_feedd::{GmailBox, GmailServer};
use postrider_imapd::{Misbehaviour, Server};
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What a mail holds that is poison.
const MARK: &str = "a mail like no other";
/// Where the process ends at it.
const READ: (&str, &str) = ("POSTRIDER_FAULT_MAIL", "read.abort:a mail like no other");
const WRITTEN: (&str, &str) = ("POSTRIDER_FAULT_MAIL", "write.abort:a mail like no other");
const PANICS: (&str, &str) = ("POSTRIDER_FAULT_MAIL", "read.panic:a mail like no other");

const STORED: &str = "SELECT count(*) AS x FROM message WHERE deleted_at IS NULL";
const ASKED: &str = "SELECT COALESCE(asked, '') AS x FROM account";
const LEDGER: &str = "SELECT class || ' ' || attempts AS x FROM failure WHERE closed_at IS NULL UNION ALL \
    SELECT class || ' ' || attempts FROM owed WHERE attempts > 0";

const NEVER: &str = "SELECT (SELECT count(*) FROM failure WHERE closed_at IS NULL AND next_try_at > 0) + \
    (SELECT count(*) FROM owed WHERE attempts > 0 AND due_at < told_at + 20 * 86400000000) AS x";

fn poison() -> String {
    format!("Subject: {MARK}\r\nMessage-ID: <poison@example.com>\r\n\r\nnothing\r\n")
}

fn aborts(ran: &Ran) {
    assert_eq!(ran.code, None, "{}", ran.stderr);
    assert!(ran.stderr.contains("scripted fault"), "{}", ran.stderr);
}

/// Two starts end at the mail, the third lives.
fn costs_itself(postrider: &Postrider, fault: (&str, &str), others: usize) {
    for _ in 0..2 {
        aborts(&postrider.run_with(&["sync", "--once"], &[fault]));
    }
    let third = postrider.run_with(&["sync", "--once"], &[fault]);
    has_cost_itself(postrider, third, fault, others);
}

fn has_cost_itself(postrider: &Postrider, third: Ran, fault: (&str, &str), others: usize) {
    let third = third.exits(3);
    assert!(third.stderr.contains("ended by itself"), "{}", third.stderr);
    let database = postrider.database();
    assert_eq!(ask(&database, STORED), others.to_string(), "all the others");
    assert_eq!(rows(&database, LEDGER), ["bug 1"]);
    assert_eq!(rows(&database, ASKED).concat(), "", "nothing is suspected any more");
    let told = postrider.run(&["failures"]).exits(0).stdout;
    assert!(told.contains("the process ended whenever it read this mail"), "{told}");
    // It is not asked for before its time.
    postrider.run_with(&["sync", "--once"], &[fault]).exits(3);
    assert_eq!(rows(&database, LEDGER), ["bug 1"]);
}

/// A tried row costs one more end, not two; a better version stores it.
fn is_tried_again(postrider: &Postrider, fault: (&str, &str), due: &'static str) {
    let database = postrider.database();
    for tries in ["bug 2", "bug 3"] {
        assert_eq!(ask(&database, NEVER), "1", "in an hour, in a day");
        change(&database, due);
        aborts(&postrider.run_with(&["sync", "--once"], &[fault]));
        postrider.run_with(&["sync", "--once"], &[fault]).exits(3);
        assert_eq!(rows(&database, LEDGER), [tries]);
    }
    // From now on it waits for another version, or for a month.
    assert_eq!(ask(&database, NEVER), "0");
    change(&database, due);
    postrider.sync().exits(0);
    assert_eq!(rows(&database, LEDGER), [""; 0]);
}

const DUE: &str = "UPDATE failure SET next_try_at = 0";
const OWED_DUE: &str = "UPDATE owed SET due_at = 0 WHERE attempts > 0";

fn mailbox(at: usize) -> Mailbox {
    let mailbox = seed::mailbox(91, 0);
    mailbox.create("Work", "");
    for n in 0..250 {
        let folder = if n % 5 == 0 { "Work" } else { "INBOX" };
        if n == at {
            mailbox.append("INBOX", Mail::new(poison()));
        }
        mailbox.append(folder, note(&format!("a note, {n}")));
    }
    mailbox
}

async fn imap(mailbox: &Mailbox) -> (Server, Postrider) {
    let server = serve(&[("u", mailbox)], |_, _| None).await;
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", server.port(), "pw")));
    (server, postrider)
}

async fn of_imap(fault: (&'static str, &'static str), at: usize) {
    let mailbox = mailbox(at);
    let (_server, postrider) = imap(&mailbox).await;
    blocking(move || {
        costs_itself(&postrider, fault, mailbox.all().len() - 1);
        is_tried_again(&postrider, fault, DUE);
        equal(&postrider, "u", &mailbox);
        consistent(&postrider.database());
    })
    .await;
}

/// Mail of others that was on its way beside it is asked for alone, and stored: one suspect at a time tells which it was.
#[tokio::test(flavor = "multi_thread")]
async fn mail_of_other_accounts_is_not_taken_for_it() {
    let names = ["a", "b", "c", "d"];
    let boxes = names.map(|name| (name, mailbox(if name == "c" { 249 } else { 1000 })));
    let of: Vec<(&str, &Mailbox)> = boxes.iter().map(|(name, mailbox)| (*name, mailbox)).collect();
    let server = serve(&of, |_, _| None).await;
    let accounts = names.map(|name| account(name, server.port(), "pw")).concat();
    let postrider = Postrider::new(&format!("{SHORT}{accounts}"));
    blocking(move || {
        let all: usize = boxes.iter().map(|(_, mailbox)| mailbox.all().len()).sum();
        // What is on its way for others beside it makes it one more.
        let once = || postrider.run_with(&["sync", "--once"], &[READ]);
        aborts(&once());
        aborts(&once());
        let mut last = once();
        if last.code.is_none() {
            last = once();
        }
        has_cost_itself(&postrider, last, READ, all - 1);
        for (name, mailbox) in boxes.iter().filter(|(name, _)| *name != "c") {
            equal(&postrider, name, mailbox);
        }
    })
    .await;
}

/// In the very first page, of which no commit has told anything.
#[tokio::test(flavor = "multi_thread")]
async fn the_newest_mail_ends_the_process_that_reads_it() {
    of_imap(READ, 249).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_mail_ends_the_process_that_reads_it() {
    of_imap(READ, 20).await;
}

/// The session has nothing to do with it any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_mail_ends_the_process_that_writes_it() {
    of_imap(WRITTEN, 100).await;
}

/// It comes while the account is followed: nothing behind it waits for ever.
#[tokio::test(flavor = "multi_thread")]
async fn mail_that_has_just_come_ends_the_process() {
    let mailbox = mailbox(1000);
    let (_server, postrider) = imap(&mailbox).await;
    blocking(move || {
        postrider.sync().exits(0);
        mailbox.append("INBOX", note("before"));
        mailbox.append("INBOX", Mail::new(poison()));
        mailbox.append("INBOX", note("behind"));
        costs_itself(&postrider, READ, mailbox.all().len() - 1);
        is_tried_again(&postrider, READ, DUE);
        equal(&postrider, "u", &mailbox);
    })
    .await;
}

fn gmail_box() -> GmailBox {
    let mailbox = postrider_feedd::seed::mailbox(92, 120);
    mailbox.insert(poison(), &["INBOX"], 7);
    mailbox
}

async fn of_gmail(fault: (&'static str, &'static str)) {
    let mailbox = gmail_box();
    let server = GmailServer::start(&mailbox, well).await.unwrap();
    let postrider = short(&server);
    blocking(move || {
        costs_itself(&postrider, fault, mailbox.ids().len() - 1);
        is_tried_again(&postrider, fault, OWED_DUE);
        mirrors(&postrider, &mailbox, |_| true);
        drop(server);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_of_gmail_ends_the_process_that_reads_it() {
    of_gmail(READ).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_of_gmail_ends_the_process_that_writes_it() {
    of_gmail(WRITTEN).await;
}

/// A panic is noticed where the mail is read: it costs neither its session nor its page.
#[tokio::test(flavor = "multi_thread")]
async fn a_mail_whose_reading_panics_costs_itself() {
    let (mails, gmail) = (mailbox(100), gmail_box());
    let (_server, postrider) = imap(&mails).await;
    let server = GmailServer::start(&gmail, well).await.unwrap();
    let of_gmail = short(&server);
    blocking(move || {
        for (postrider, others) in
            [(postrider, mails.all().len() - 1), (of_gmail, gmail.ids().len() - 1)]
        {
            postrider.run_with(&["sync", "--once"], &[PANICS]).exits(3);
            assert_eq!(ask(&postrider.database(), STORED), others.to_string());
            assert_eq!(rows(&postrider.database(), LEDGER), ["bug 1"]);
            let told = postrider.run(&["failures"]).exits(0).stdout;
            assert!(told.contains("panicked"), "{told}");
        }
        drop(server);
    })
    .await;
}

/// A server that says nothing where mail is asked for, while the switch is on: the page is on its way.
async fn silent(mailbox: &Mailbox) -> (Server, Arc<AtomicBool>, Arc<AtomicUsize>) {
    let (on, asked) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let (switch, counter) = (Arc::clone(&on), Arc::clone(&asked));
    let script = move |_: &str, command: &str| {
        let is_silent = command.contains("BODY.PEEK[") && switch.load(Ordering::SeqCst);
        counter.fetch_add(usize::from(is_silent), Ordering::SeqCst);
        is_silent.then_some(Misbehaviour::Silence)
    };
    (serve(&[("u", mailbox)], script).await, on, asked)
}

/// Clean ends tell nothing; a page that is killed five times has every mail of it stored all the same.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_stops_or_kills_the_process_means_no_mail() {
    let mailbox = mailbox(1000);
    let (server, on, asked) = silent(&mailbox).await;
    let patient = head().replace("silence = \"500ms\"", "silence = \"60s\"");
    let postrider = Postrider::new(&format!("{patient}{}", account("u", server.port(), "pw")));
    blocking(move || {
        let begin = || {
            let before = asked.load(Ordering::SeqCst);
            let served = postrider.serve(&[]);
            wait_until("a page is on its way", || asked.load(Ordering::SeqCst) > before);
            served
        };
        for _ in 0..3 {
            begin().stop();
            assert!(!postrider.path("data/in-flight").exists(), "it ended as it was told to");
        }
        assert_eq!(ask(&postrider.database(), ASKED), "");
        for killed in 1..=5 {
            let mut served = begin();
            served.running.child.kill().unwrap();
            served.running.child.wait().unwrap();
            drop(served);
            // What was learned of it is stored by the next start.
            let served = begin();
            let ends = ask(&postrider.database(), ASKED);
            let most = if killed == 1 { "\"ends\":1" } else { "\"ends\":2" };
            assert!(ends.contains(most) && !ends.contains("\"ends\":4"), "{killed}: {ends}");
            served.stop();
        }
        on.store(false, Ordering::SeqCst);
        postrider.sync().exits(0);
        equal(&postrider, "u", &mailbox);
        assert_eq!(ask(&postrider.database(), ASKED), "", "all of it is stored");
    })
    .await;
}

/// Somebody else's `SIGABRT` ends it, as any process.
#[tokio::test(flavor = "multi_thread")]
async fn a_signal_of_others_ends_the_process() {
    let mailbox = mailbox(1000);
    let server = serve(&[("u", &mailbox)], |_, _| None).await;
    let postrider = Postrider::new(&format!("{}{}", head(), account("u", server.port(), "pw")));
    blocking(move || {
        let mut served = postrider.serve(&[]);
        served.wait_for_state("u", "idle");
        let id = served.running.child.id();
        assert!(postrider.shell(&format!("kill -ABRT {id}")).code == Some(0));
        let ended = served.running.child.wait().unwrap();
        assert_eq!(ended.signal(), Some(6));
        drop(served);
        postrider.sync().exits(0);
        assert_eq!(ask(&postrider.database(), ASKED), "", "nothing was on its way");
    })
    .await;
}
