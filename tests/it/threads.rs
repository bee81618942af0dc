//! Which mails are one thread: by what they name, or by what their server says.

use crate::derive::{SOON, config, stop, wait_until_derived};
use crate::support::binary::Postrider;
use crate::support::database::{TestDatabase, ask, change, rows, try_change};
use crate::support::gmail::{follower, well};
use crate::support::mail::{Mail, Mailbox, blocking, seed, serve};
use crate::support::served::{head, wait_until};
use postrider_feedd::{GmailBox, GmailServer};
use postrider_imapd::{Misbehaviour, Server, User};
use std::collections::BTreeMap;

/// A mail that answers others.
fn answer(own: u32, to: &[u32]) -> Mail {
    let to: Vec<String> = to.iter().map(|id| format!("<m{id}@example.org>")).collect();
    Mail::new(format!(
        "From: a@example.org\r\nSubject: about {own}\r\nDate: Thu, 1 Feb 2024 10:00:00 +0000\r\nMessage-ID: <m{own}@example.org>\r\n\
         References: {}\r\n\r\nwords\r\n",
        to.join(" ")
    ))
}

/// Which mails are together, by their Message-IDs; and the number that stands for each.
fn threads(database: &TestDatabase) -> BTreeMap<String, Vec<String>> {
    let all = "SELECT COALESCE(a.thread, d.thread) || ' ' || m.message_id AS x FROM derived d JOIN message m ON m.id = d.message \
               LEFT JOIN thread_alias a ON a.id = d.thread";
    let mut threads: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in rows(database, all) {
        let (thread, mail) = line.split_once(' ').unwrap();
        threads.entry(thread.to_owned()).or_default().push(mail.to_owned());
    }
    threads.values_mut().for_each(|mails| mails.sort());
    threads
}

/// What must be together: each with all that it names.
fn together(mails: &[(u32, Vec<u32>)]) -> Vec<Vec<String>> {
    let mut of: BTreeMap<u32, u32> = BTreeMap::new();
    for (own, to) in mails {
        let ids: Vec<u32> = to.iter().chain([own]).copied().collect();
        let known: Vec<u32> = ids.iter().filter_map(|id| of.get(id)).copied().collect();
        of.extend(ids.iter().map(|id| (*id, *own)));
        of.values_mut().filter(|of| known.contains(of)).for_each(|of| *of = *own);
    }
    let mut threads: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for (own, _) in mails {
        threads.entry(of[own]).or_default().push(format!("m{own}@example.org"));
    }
    let mut threads: Vec<_> = threads.into_values().collect();
    threads.iter_mut().for_each(|mails| mails.sort());
    threads.sort();
    threads
}

/// Rows of threads that are not what their mails are, and numbers that lead nowhere.
pub(crate) fn wrong(database: &TestDatabase) -> Vec<String> {
    rows(
        database,
        "SELECT 'thread ' || t.id AS x FROM thread t LEFT JOIN (SELECT thread, count(*) AS n, max(rank) AS newest, min(received_at) \
         AS oldest FROM derived GROUP BY thread) d ON d.thread = t.id WHERE d.n IS NULL OR d.n <> t.messages OR d.newest <> t.rank \
         OR d.oldest <> t.first_at UNION ALL SELECT 'mail ' || message FROM derived WHERE thread IS NULL OR thread NOT IN (SELECT id FROM thread) \
         UNION ALL SELECT 'alias ' || id FROM thread_alias WHERE moves OR thread NOT IN (SELECT id FROM thread)",
    )
}

/// Mails that name each other are one thread, in whatever order they come; a number that was told leads there
/// for good; and who reads them anew finds the same.
#[tokio::test(flavor = "multi_thread")]
async fn mails_that_name_each_other_are_one_thread() {
    let u = Mailbox::new();
    let server = serve(&[("u", &u)], |_, _| None).await;
    let postrider = Postrider::new(&config(server.port(), &["u"]));
    blocking(move || {
        let mut dice = seed::Dice::new(77);
        let mut mails: Vec<(u32, Vec<u32>)> = Vec::new();
        let (mut told, mut serving) = (BTreeMap::new(), Some(postrider.serve(&[])));
        let database = postrider.database();
        for round in 0..6 {
            for n in 0..40 {
                let to = (0..dice.below(3)).map(|_| dice.below(400) as u32).collect();
                mails.push((round * 40 + n, to));
            }
            // Some come while nobody reads.
            if round == 3 {
                stop(serving.take().unwrap());
            }
            for (own, to) in &mails[round as usize * 40..] {
                u.append("INBOX", answer(*own, to));
            }
            if round == 3 {
                postrider.sync().exits(0);
            }
            let served = serving.get_or_insert_with(|| postrider.serve(&[]));
            served.settle(&postrider, "u", &u);
            wait_until_derived(served, &database);
            let now = threads(&database);
            let mut found: Vec<Vec<String>> = now.values().cloned().collect();
            found.sort();
            assert_eq!(found, together(&mails), "round {round}");
            assert_eq!(wrong(&database), [""; 0], "round {round}");
            for (mail, thread) in &told {
                let leads = format!("SELECT COALESCE((SELECT thread FROM thread_alias WHERE id = {thread}), {thread}) AS x");
                assert!(now[&ask(&database, &leads)].contains(mail), "{mail} was of {thread}");
            }
            told.extend(now.into_iter().flat_map(|(id, mails)| {
                mails.into_iter().map(move |mail| (mail, id.clone()))
            }));
        }
        let before = (threads(&database), rows(&database, "SELECT id || ' ' || thread AS x FROM thread_alias ORDER BY id"));
        assert!(!before.1.is_empty(), "none was part of another");
        postrider.run(&["reindex", "--wait"]).exits(0);
        let after = (threads(&database), rows(&database, "SELECT id || ' ' || thread AS x FROM thread_alias ORDER BY id"));
        assert_eq!(after, before);
        assert_eq!(wrong(&database), [""; 0]);
        stop(serving.unwrap());
    })
    .await;
}

/// Small threads.
const SMALL: usize = 20;

/// Two large threads and twenty small ones become one: what moves, moves in pieces, each of as many threads as there is
/// room for, and a kill among them loses nothing.
#[tokio::test(flavor = "multi_thread")]
async fn large_threads_move_in_pieces() {
    let (u, v) = (Mailbox::new(), Mailbox::new());
    let server = serve(&[("u", &u), ("v", &v)], |_, _| None).await;
    let postrider = Postrider::new(&config(server.port(), &["u", "v"]));
    blocking(move || {
        for n in 0..1300 {
            u.append("INBOX", answer(n, &[if n < 600 { 0 } else { 600 }]));
            if n == 200 {
                // Their numbers are higher than that of the thread around them: they wait behind it.
                for n in 2001..2061 {
                    u.append("INBOX", answer(n, &[n - n % 3]));
                }
            }
        }
        v.append("INBOX", answer(9000, &[]));
        postrider.sync().exits(0);
        let database = postrider.database();
        let served = postrider.serve(&[]);
        wait_until_derived(&served, &database);
        assert_eq!(threads(&database).len(), 3 + SMALL);
        stop(served);
        let all: Vec<u32> = [0, 600].into_iter().chain((2001..2061).step_by(3)).collect();
        u.append("INBOX", answer(5000, &all));
        postrider.sync().exits(0);
        // Asked, taken, moved.
        let killed = postrider.start(&["serve"], &[("POSTRIDER_FAULT", "derive.kept:3")]);
        assert_eq!(killed.wait(SOON).code, None);
        let halves = "SELECT count(*) AS x FROM (SELECT DISTINCT thread FROM derived) AS t";
        let left = (3 + SMALL).to_string();
        assert_eq!((ask(&database, halves), threads(&database).len()), (left, 2));
        // While the database refuses it, others have their turn.
        let account = ask(&database, "SELECT id AS x FROM account WHERE name = 'u'");
        let (refuse, forgive) = match &database {
            TestDatabase::File(_) => (
                format!("CREATE TRIGGER kept BEFORE UPDATE OF thread ON derived WHEN OLD.account = {account} BEGIN SELECT RAISE(ABORT, 'kept'); END"),
                "DROP TRIGGER kept",
            ),
            TestDatabase::Server(_) => (
                format!("ALTER TABLE derived ADD CONSTRAINT kept CHECK (account <> {account}) NOT VALID"),
                "ALTER TABLE derived DROP CONSTRAINT kept",
            ),
        };
        assert!(try_change(&database, &refuse));
        let served = postrider.serve(&[]);
        postrider.run(&["reindex", "v", "--wait", "--timeout", "60"]).exits(0);
        let log = served.running.stderr();
        stop(served);
        assert!(log.contains("mails are not moved to their thread now"), "{log}");
        change(&database, forgive);
        let left = || ask(&database, "SELECT count(*) AS x FROM thread_alias WHERE moves");
        assert_ne!(left(), "0");
        let killed = postrider.start(&["serve"], &[("POSTRIDER_FAULT", "derive.kept:1")]);
        assert_eq!(killed.wait(SOON).code, None);
        assert_eq!(left(), "0");
        let served = postrider.serve(&[]);
        assert_eq!(wrong(&database), [""; 0]);
        let mut sizes: Vec<_> = threads(&database).into_values().map(|mails| mails.len()).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [1, 1361]);
        stop(served);
    })
    .await;
}

/// A mail that its server has put into a thread, whatever it names.
fn told(own: u32, to: u32, thread: Option<u32>) -> String {
    let thread = thread.map(|thread| format!("X-Thread: {thread}\r\n")).unwrap_or_default();
    format!(
        "Subject: about {own}\r\nMessage-ID: <m{own}@example.org>\r\nReferences: <m{to}@example.org>\r\n{thread}\r\nwords\r\n"
    )
}

/// By these threads, two of which meet in what they name, and three mails of none.
const TOLD: [(u32, u32, Option<u32>); 8] = [
    (1, 9, Some(70)),
    (2, 1, Some(71)),
    (3, 1, Some(70)),
    (4, 2, None),
    (5, 2, None),
    (6, 8, Some(71)),
    (7, 8, Some(72)),
    (8, 4, None),
];

/// What that comes to.
fn by_what_was_told(database: &TestDatabase) {
    let mut found: Vec<Vec<String>> = threads(database).into_values().collect();
    found.sort();
    let mut want: BTreeMap<(Option<u32>, u32), Vec<String>> = BTreeMap::new();
    for (own, _, thread) in TOLD {
        let alone = if thread.is_some() { 0 } else { own };
        want.entry((thread, alone)).or_default().push(format!("m{own}@example.org"));
    }
    let mut want: Vec<Vec<String>> = want.into_values().collect();
    want.sort();
    assert_eq!(found, want);
    assert_eq!(wrong(database), [""; 0]);
}

/// As a database is left that was made before threads were asked for: mails are stored and derived, each a thread of
/// its own.
fn forget_threads(postrider: &Postrider, day_later: &[&'static str]) {
    let database = postrider.database();
    for sql in [
        "UPDATE message SET thread = NULL",
        "UPDATE account SET derive = NULL",
        "DELETE FROM derived",
        "DELETE FROM thread",
        "DELETE FROM thread_key",
        "DELETE FROM thread_alias",
    ] {
        change(&database, sql);
    }
    let served = postrider.serve(&[]);
    wait_until_derived(&served, &database);
    assert_eq!(threads(&database).len(), TOLD.len(), "what is not told joins nothing");
    stop(served);
    day_later.iter().for_each(|sql| change(&database, sql));
}

/// What the daily listing tells is kept, and joins what is stored.
fn are_told_later(postrider: &Postrider) {
    let database = postrider.database();
    let served = postrider.serve(&[]);
    let untold = "SELECT count(*) AS x FROM message WHERE thread IS NULL";
    let before = TOLD.iter().filter(|(_, _, thread)| thread.is_none()).count().to_string();
    wait_until("they are told", || ["0", &before].contains(&ask(&database, untold).as_str()));
    wait_until_derived(&served, &database);
    by_what_was_told(&database);
    stop(served);
}

/// A server that makes threads is believed, and what mails name joins nothing there.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_tells_threads_decides() {
    for (can, first) in [("OBJECTID", "T46"), ("X-GM-EXT-1", "46")] {
        let mailbox = Mailbox::new();
        let user = User { password: "pw".into(), mailbox: mailbox.clone() };
        let users = BTreeMap::from([("u".to_owned(), user)]);
        let server = Server::start_with(can, users, |_, _| None).await.unwrap();
        let postrider = Postrider::new(&config(server.port(), &["u"]));
        blocking(move || {
            for (own, to, thread) in TOLD {
                mailbox.append("INBOX", Mail::new(told(own, to, thread)));
            }
            let served = postrider.serve(&[]);
            served.settle(&postrider, "u", &mailbox);
            let database = postrider.database();
            wait_until_derived(&served, &database);
            by_what_was_told(&database);
            let kept = "SELECT thread AS x FROM message WHERE message_id = 'm1@example.org'";
            assert_eq!(ask(&database, kept), first, "{can}");
            stop(served);
            let day = ["UPDATE folder SET opened_at = opened_at - 86400000000"];
            forget_threads(&postrider, &day);
            are_told_later(&postrider);
            assert_eq!(ask(&database, kept), first, "{can}");
        })
        .await;
    }
}

/// The same of Gmail's API.
#[tokio::test(flavor = "multi_thread")]
async fn gmails_threads_are_gmails() {
    let mailbox = GmailBox::new("demo@example.com");
    let server = GmailServer::start(&mailbox, well).await.unwrap();
    blocking(move || {
        for (n, (own, to, thread)) in TOLD.into_iter().enumerate() {
            mailbox.insert(told(own, to, thread), &["INBOX"], n as i64 + 1);
        }
        let postrider = follower(&head(), &server, "");
        let served = postrider.serve(&[]);
        let database = postrider.database();
        wait_until("all of it", || ask(&database, "SELECT count(*) AS x FROM message") == "8");
        wait_until_derived(&served, &database);
        by_what_was_told(&database);
        let kept = "SELECT thread AS x FROM message WHERE message_id = 'm1@example.org'";
        assert_eq!(ask(&database, kept), "46");
        // A compare that is owed would tell the threads to the next server.
        wait_until("the compare behind the first list", || {
            let paid = "SELECT count(*) AS x FROM account WHERE replace(feed, ' ', '') LIKE '%\"debt\":null%'";
            ask(&database, paid) == "1"
        });
        stop(served);
        let day = [
            "UPDATE account SET feed = replace(feed, '\"debt\":null', '\"debt\":1')",
            "UPDATE account SET feed = replace(feed, '\"debt\": null', '\"debt\": 1')",
        ];
        forget_threads(&postrider, &day);
        are_told_later(&postrider);
        assert_eq!(ask(&database, kept), "46");
    })
    .await;
}

/// Other mail that lies under our UID says nothing of the thread of ours; and it is found where the server does not
/// know what it has offered.
#[tokio::test(flavor = "multi_thread")]
async fn other_mail_under_a_uid_tells_nothing_of_ours() {
    for refusal in [None, Some("BAD what?"), Some("NO not now")] {
        let mailbox = Mailbox::new();
        let user = User { password: "pw".into(), mailbox: mailbox.clone() };
        let users = BTreeMap::from([("u".to_owned(), user)]);
        let script = move |_: &str, command: &str| {
            let refusal = refusal.filter(|_| command.contains("INTERNALDATE THREADID"));
            refusal.map(|text| Misbehaviour::Refuse(text.to_owned()))
        };
        let server = Server::start_with("OBJECTID", users, script).await.unwrap();
        let postrider = Postrider::new(&config(server.port(), &["u"]));
        blocking(move || {
            for own in 1..4 {
                mailbox.append("INBOX", Mail::new(told(own, 9, Some(70))));
            }
            postrider.sync().exits(0);
            let database = postrider.database();
            change(&database, "UPDATE message SET thread = NULL");
            change(&database, "UPDATE folder SET opened_at = opened_at - 86400000000");
            let other = Mail::new(told(1000, 9, Some(80)));
            mailbox.lock().get_mut("INBOX").unwrap().mail.insert(2, other);
            mailbox.touch();
            let served = postrider.serve(&[]);
            let count = "SELECT count(*) AS x FROM message";
            wait_until("the other mail", || ask(&database, count) == "4");
            let known =
                "SELECT message_id || ' ' || COALESCE(thread, '-') AS x FROM message ORDER BY id";
            let known = rows(&database, known);
            let of = |own: &str| {
                known.iter().find_map(|line| line.strip_prefix(&format!("m{own}@example.org ")))
            };
            let ours = if refusal.is_some() { Some("-") } else { Some("T46") };
            assert_eq!((of("1"), of("2"), of("3")), (ours, Some("-"), ours), "{refusal:?}");
            stop(served);
        })
        .await;
    }
}
