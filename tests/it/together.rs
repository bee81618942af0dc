//! Accounts whose commits share a transaction cost each other nothing.

use crate::support::binary::{Postrider, SHORT, account};
use crate::support::check::{equal, told};
use crate::support::database::{ask, change, rows};
use crate::support::mail::{Mailbox, blocking, note, serve};
use crate::support::served::{head, until, wait_until};
use std::process::Command;

fn fill(mailbox: &Mailbox, folders: u32, mails: u32) {
    for folder in 0..folders {
        mailbox.create(&format!("f{folder}"), "");
        for n in 0..mails {
            mailbox.append(&format!("f{folder}"), note(&format!("n{}", folder * mails + n)));
        }
    }
}

/// The config of two mailboxes of one server, and what keeps that up.
async fn two_accounts(u: &Mailbox, v: &Mailbox) -> (impl Sized + use<>, String) {
    let server = serve(&[("u", u), ("v", v)], |_, _| None).await;
    let accounts = ["u", "v"].map(|id| account(id, server.port(), "pw")).concat();
    (server, format!("{SHORT}{accounts}"))
}

/// Mailboxes of 30 folders with ten mails each; the schema is there, and nothing of the mail.
async fn two_mailboxes(work: impl FnOnce(&Postrider, &Mailbox, &Mailbox) + Send + 'static) {
    let (u, v) = (Mailbox::new(), Mailbox::new());
    let (server, config) = two_accounts(&u, &v).await;
    let postrider = Postrider::new(&config);
    blocking(move || {
        postrider.sync().exits(0);
        fill(&u, 30, 10);
        fill(&v, 30, 10);
        work(&postrider, &u, &v);
    })
    .await;
    drop(server);
}

/// One message of u is refused by a trigger, the text given; nothing else is, and it comes once the
/// trigger is gone.
async fn refused(trigger: &'static str) {
    two_mailboxes(move |postrider, u, v| {
        let database = postrider.database();
        change(&database, trigger);
        postrider.sync().exits(3);
        equal(postrider, "v", v);
        assert_eq!(postrider.manifest("u").len(), 299);
        change(&database, "DROP TRIGGER poison");
        change(&database, "UPDATE failure SET next_try_at = 0");
        postrider.sync().exits(0);
        equal(postrider, "u", u);
        let told = "SELECT count(*) || ' ' || count(DISTINCT message) AS x FROM event WHERE kind = 'message.created'";
        assert_eq!(ask(&database, told), "600 600", "nothing is told twice");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_refused_costs_no_other_account() {
    refused(
        "CREATE TRIGGER poison BEFORE INSERT ON message \
         WHEN NEW.subject = 'n117' AND NEW.account = (SELECT id FROM account WHERE name = 'u') \
         BEGIN SELECT RAISE(ABORT, 'constraint: poison'); END",
    )
    .await;
}

/// Events are what is written last of a page.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_refused_costs_no_other_account() {
    refused(
        "CREATE TRIGGER poison BEFORE INSERT ON event \
         WHEN NEW.account = (SELECT id FROM account WHERE name = 'u') \
         AND (SELECT subject FROM message WHERE id = NEW.message) = 'n117' \
         BEGIN SELECT RAISE(ABORT, 'constraint: poison'); END",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_read_costs_no_other_account() {
    two_mailboxes(|postrider, u, v| {
        let database = postrider.database();
        change(
            &database,
            "CREATE TRIGGER damage AFTER INSERT ON message \
             WHEN NEW.subject = 'n117' AND NEW.account = (SELECT id FROM account WHERE name = 'u') \
             BEGIN UPDATE account SET identity_kind = 'nonsense' WHERE id = NEW.account; END",
        );
        let run = postrider.sync().exits(70);
        assert!(!run.stderr.contains("could not commit"), "{}", run.stderr);
        equal(postrider, "v", v);
        change(&database, "DROP TRIGGER damage");
        change(
            &database,
            "UPDATE account SET identity_kind = (SELECT identity_kind FROM account WHERE name = 'v')",
        );
        postrider.sync().exits(0);
        equal(postrider, "u", u);
    })
    .await;
}

/// Two rows of one name are our own mistake: the account that makes them stands, and no other.
#[tokio::test(flavor = "multi_thread")]
async fn rows_of_one_name_cost_no_other_account() {
    two_mailboxes(|postrider, u, v| {
        let database = postrider.database();
        for folder in ["f3", "f4"] {
            u.append(folder, note(&format!("twice\r\nX: {folder}")));
        }
        change(&database, "CREATE UNIQUE INDEX poison ON message (account, subject)");
        let run = postrider.sync().exits(70);
        assert!(run.stderr.contains("two rows of one name"), "{}", run.stderr);
        equal(postrider, "v", v);
        change(&database, "DROP INDEX poison");
        postrider.sync().exits(0);
        equal(postrider, "u", u);
    })
    .await;
}

/// Refuses the event of one message.
const EVENT: &str = "CREATE TRIGGER poison BEFORE INSERT ON event \
     WHEN NEW.account = (SELECT id FROM account WHERE name = 'u') \
     AND (SELECT subject FROM message WHERE id = NEW.message) = 'late' \
     BEGIN SELECT RAISE(ABORT, 'constraint: poison'); END";

/// The last write of a commit, of one that is alone in its transaction, and what passes of the other
/// account proved meanwhile: the refusal is told in time to be halved down, and the proofs stay.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_write_of_the_last_commit_is_looked_at() {
    two_mailboxes(|postrider, u, v| {
        let database = postrider.database();
        postrider.sync().exits(0);
        change(&database, EVENT);
        u.append("f29", note("late"));
        let before = ask(&database, "SELECT max(proved_at) AS x FROM folder");
        postrider.sync().exits(3);
        let unproved = format!(
            "SELECT count(*) AS x FROM folder WHERE path <> 'f29' AND proved_at <= {before}"
        );
        assert_eq!(ask(&database, &unproved), "0");
        change(&database, "DROP TRIGGER poison");
        change(&database, "UPDATE failure SET next_try_at = 0");
        postrider.sync().exits(0);
        equal(postrider, "u", u);
        equal(postrider, "v", v);
    })
    .await;
}

/// What passes proved is no commit's: where the database refuses that, no mail is blamed.
#[tokio::test(flavor = "multi_thread")]
async fn a_proof_that_is_refused_is_no_fault_of_a_mail() {
    two_mailboxes(|postrider, u, _| {
        let database = postrider.database();
        postrider.sync().exits(0);
        change(
            &database,
            "CREATE TRIGGER poison BEFORE UPDATE OF proved_at ON folder WHEN NEW.path = 'f3' \
             BEGIN SELECT RAISE(ABORT, 'constraint: poison'); END",
        );
        u.append("f29", note("late"));
        let run = postrider.sync().exits(7);
        assert!(run.stderr.contains("constraint: poison"), "{}", run.stderr);
        let blamed = "SELECT count(*) AS x FROM failure WHERE folder IS NOT NULL";
        assert_eq!(ask(&database, blamed), "0");
        change(&database, "DROP TRIGGER poison");
        postrider.sync().exits(0);
        equal(postrider, "u", u);
    })
    .await;
}

/// What no page is cannot be halved: its account fails, and no other.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_refused_costs_no_other_account() {
    two_mailboxes(|postrider, u, v| {
        let database = postrider.database();
        change(
            &database,
            "CREATE TRIGGER poison BEFORE INSERT ON folder \
             WHEN NEW.path = 'f7' AND NEW.account = (SELECT id FROM account WHERE name = 'u') \
             BEGIN SELECT RAISE(ABORT, 'constraint: poison'); END",
        );
        let run = postrider.sync().exits(7);
        assert!(run.stderr.contains("constraint: poison"), "{}", run.stderr);
        equal(postrider, "v", v);
        change(&database, "DROP TRIGGER poison");
        postrider.sync().exits(0);
        equal(postrider, "u", u);
    })
    .await;
}

/// The mark of a page is written before the page's messages are read: it does not move without them.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_whose_message_cannot_be_read_moves_no_mark() {
    two_mailboxes(|postrider, u, v| {
        let database = postrider.database();
        postrider.sync().exits(0);
        let lanes = "SELECT lane || ' ' || state AS x FROM cursor JOIN folder ON id = folder \
                     WHERE path = 'f4' AND account = (SELECT id FROM account WHERE name = 'u') ORDER BY lane";
        let before = rows(&database, lanes);
        change(
            &database,
            "UPDATE message SET last_sight = 'x' WHERE subject = 'n5' \
             AND account = (SELECT id FROM account WHERE name = 'u')",
        );
        u.append("f4", note("n5"));
        v.append("f4", note("n5"));
        let run = postrider.sync().exits(70);
        assert!(run.stderr.contains("a stored value is damaged"), "{}", run.stderr);
        assert_eq!(rows(&database, lanes), before);
        equal(postrider, "v", v);
        change(&database, "UPDATE message SET last_sight = NULL WHERE last_sight = 'x'");
        postrider.sync().exits(0);
        equal(postrider, "u", u);
    })
    .await;
}

/// The process is aborted at each passing of a step, in a run in which commits are written twice: what
/// comes of it in the end is what a process tells that nobody aborted.
async fn crash_while_written_twice(point: &'static str) {
    let (u, v) = (Mailbox::new(), Mailbox::new());
    let (server, config) = two_accounts(&u, &v).await;
    blocking(move || {
        let empty = Postrider::new(&config);
        empty.sync().exits(0);
        change(&empty.database(), EVENT);
        for mailbox in [&u, &v] {
            fill(mailbox, 2, 3);
            mailbox.append("f1", note("late"));
        }
        let began = || {
            let postrider = Postrider::new(&config);
            let (from, to) = (empty.path("data"), postrider.path("data"));
            let copied = Command::new("cp").arg("-r").args([from, to]).status().unwrap();
            assert!(copied.success());
            postrider
        };
        let ended = |postrider: &Postrider| {
            change(&postrider.database(), "DROP TRIGGER poison");
            change(&postrider.database(), "UPDATE failure SET next_try_at = 0");
            postrider.sync().exits(0);
            equal(postrider, "u", &u);
            equal(postrider, "v", &v);
            told(&postrider.database())
        };
        let unhurt = began();
        unhurt.sync().exits(3);
        let want = ended(&unhurt);
        let mut aborted = 0;
        for nth in 1..40 {
            let postrider = began();
            let fault = format!("{point}:{nth}");
            let ran = postrider.run_with(&["sync", "--once"], &[("POSTRIDER_FAULT", &fault)]);
            let hit = ran.stderr.contains("scripted fault");
            assert_eq!(ran.code, if hit { None } else { Some(3) }, "{fault}\n{}", ran.stderr);
            assert_eq!(ended(&postrider), want, "{fault}");
            if !hit {
                break;
            }
            aborted = nth;
        }
        assert!((2..39).contains(&aborted), "{point}: {aborted}");
    })
    .await;
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_in_the_second_try_loses_nothing() {
    for point in ["store.begun", "store.rows_written", "store.before_commit", "store.committed"] {
        crash_while_written_twice(point).await;
    }
}

/// The transactions of a run, as its metrics have it.
fn transactions(postrider: &Postrider) -> u32 {
    transactions_with(postrider, &[])
}

fn transactions_with(postrider: &Postrider, environment: &[(&str, &str)]) -> u32 {
    postrider.run_with(&["sync", "--once", "--metrics", "metrics"], environment).exits(0);
    let metrics = std::fs::read_to_string(postrider.path("metrics")).unwrap();
    let count =
        metrics.lines().find_map(|l| l.strip_prefix("postrider_store_commit_seconds_count "));
    count.map_or(0, |count| count.trim().parse().unwrap())
}

/// Small folders are not stored one by one: neither their mail nor the marks of their passes. Each COMMIT
/// takes so long that the others come meanwhile, however busy the machine is.
#[tokio::test(flavor = "multi_thread")]
async fn small_folders_share_transactions() {
    let u = Mailbox::new();
    let server = serve(&[("u", &u)], |_, _| None).await;
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", server.port(), "pw")));
    blocking(move || {
        fill(&u, 100, 2);
        let transactions =
            transactions_with(&postrider, &[("POSTRIDER_FAULT", "slow.commit:1-1000")]);
        assert!(
            transactions <= 40,
            "{transactions} transactions for 100 folders, a page and a mark each"
        );
        equal(&postrider, "u", &u);
    })
    .await;
}

/// Who finds nothing leaves nothing that the disk would be waited for: no start is counted, nobody's
/// incarnation is raised, no commit is made. Who finds something counts its start before.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_finds_nothing_counts_no_start() {
    let u = Mailbox::new();
    let server = serve(&[("u", &u)], |_, _| None).await;
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", server.port(), "pw")));
    blocking(move || {
        fill(&u, 3, 4);
        // What the first one has left for later is done.
        assert!((0..5).any(|_| transactions(&postrider) == 0), "it comes to rest");
        let left = || {
            let starts = std::fs::read_to_string(postrider.path("data/starts")).unwrap();
            let incarnation = ask(&postrider.database(), "SELECT incarnation AS x FROM account");
            (starts, incarnation)
        };
        let before = left();
        assert_eq!(transactions(&postrider), 0);
        assert_eq!(left(), before);
        u.append("f1", note("new"));
        assert!(transactions(&postrider) > 0);
        let after = left();
        assert!(after.0 != before.0 && after.1 == before.1, "{before:?} {after:?}");
        equal(&postrider, "u", &u);
    })
    .await;
}

/// New mail in the folder that is watched costs one transaction: its page, and the mark of its pass.
#[tokio::test(flavor = "multi_thread")]
async fn an_arrival_is_one_transaction() {
    let u = Mailbox::new();
    let server = serve(&[("u", &u)], |_, _| None).await;
    let postrider = Postrider::new(&format!("{}{}", head(), account("u", server.port(), "pw")));
    blocking(move || {
        fill(&u, 2, 3);
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &u);
        let rests = || served.account("u")["push"] == "idle" && served.state("u") == "idle";
        let commits = || served.metric("postrider_store_commit_seconds_count");
        wait_until("a watch", rests);
        let arrive = |n: u32| {
            u.append("INBOX", note(&format!("arrival {n}")));
            let here = format!("SELECT count(*) AS x FROM message WHERE subject = 'arrival {n}'");
            until(&postrider.database(), &here, "1");
            served.settle(&postrider, "u", &u);
            wait_until("a watch", rests);
        };
        // The first ends what the first sync has left.
        arrive(0);
        let before = commits();
        (1..=5).for_each(arrive);
        assert_eq!(commits() - before, 5.0, "transactions of five arrivals");
        served.stop();
        equal(&postrider, "u", &u);
    })
    .await;
}

/// Transactions that a write-ahead log holds: a frame that ends one names the size of the database behind it (SQLite,
/// "WAL File Format").
fn logged(log: &[u8]) -> usize {
    let number = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().unwrap());
    let (page, salts) = (number(8) as usize, &log[16..24]);
    let frames = log[32..].chunks_exact(24 + page);
    // What was there before the log began anew has other salts.
    let living = frames.take_while(|frame| &frame[8..16] == salts);
    living.filter(|frame| frame[4..8] != [0; 4]).count()
}

/// What operators do at once waits for the disk a few times, not once for each.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_controlled_at_once_shares_transactions() {
    let mailboxes: Vec<Mailbox> = (0..20).map(|_| Mailbox::new()).collect();
    let names: Vec<String> = (0..20).map(|n| format!("u{n}")).collect();
    let users: Vec<(&str, &Mailbox)> = names.iter().map(String::as_str).zip(&mailboxes).collect();
    let server = serve(&users, |_, _| None).await;
    let accounts: String = names.iter().map(|id| account(id, server.port(), "pw")).collect();
    let postrider = Postrider::new(&format!("{}{accounts}", head()));
    blocking(move || {
        let served = postrider.serve(&[]);
        names.iter().for_each(|id| served.wait_for_state(id, "idle"));
        let database = postrider.database();
        let log = || std::fs::read(postrider.path("data/postrider.db-wal")).unwrap();
        let ask_all = |what: &str, refused: &str| {
            std::thread::scope(|threads| {
                crate::support::database::locked(&database, || {
                    let before = log();
                    for id in &names {
                        let (served, path) = (&served, format!("/v1/accounts/{id}/{what}"));
                        let wanted = if id == refused { 503 } else { 202 };
                        threads.spawn(move || {
                            let (status, said) = served.ask("POST", &path);
                            assert_eq!(status, wanted, "{path}: {said}");
                        });
                    }
                    // All have been asked for by then, and none can be written.
                    std::thread::sleep(std::time::Duration::from_secs(1));
                    before
                })
            })
        };
        let paused = "SELECT count(*) AS x FROM account WHERE state = 'paused'";
        let before = ask_all("pause", "");
        until(&database, paused, "20");
        let (after, many) = (log(), names.len());
        // It may have begun anew.
        let is_same = before[16..24] == after[16..24];
        let written = logged(&after) - if is_same { logged(&before) } else { 0 };
        assert!(written < many / 2, "{written} transactions for {many} accounts");

        // What is refused to one costs no other.
        ask_all("resume", "");
        names.iter().for_each(|id| served.wait_for_state(id, "idle"));
        change(
            &database,
            "CREATE TRIGGER poison BEFORE UPDATE ON account WHEN NEW.name = 'u3' AND NEW.state = 'paused' \
             BEGIN SELECT RAISE(ABORT, 'constraint: poison'); END",
        );
        ask_all("pause", "u3");
        until(&database, paused, "19");
        change(&database, "DROP TRIGGER poison");
        served.stop();
    })
    .await;
}
