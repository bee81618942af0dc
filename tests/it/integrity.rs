//! Rows that lack what they name are named, and nothing else is: by `verify --all`, on either database.

use crate::support::binary::{Postrider, SHORT, account};
use crate::support::database::{ask, change};
use crate::support::gmail::{follower, well};
use crate::support::mail::{Mailbox, blocking, note, serve};
use crate::support::served::{Served, head, wait_until};
use postrider_feedd::{GmailServer, Play, seed};
use postrider_imapd::Server;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::FileExt;

/// A change by hand, and what is said then that was not said before: `{}` is what the question answers that is asked first.
pub(crate) struct Hand {
    number: &'static str,
    pub(crate) change: &'static str,
    told: &'static [&'static str],
}

const fn hand(number: &'static str, change: &'static str, told: &'static [&'static str]) -> Hand {
    Hand { number, change, told }
}

pub(crate) const HANDS: &[Hand] = &[
    // A message in one place.
    hand(
        "SELECT min(id) AS x FROM message WHERE account = 1 AND places = 1",
        "DELETE FROM location WHERE message = (SELECT min(id) FROM message WHERE account = 1 AND places = 1)",
        &[
            "u: message {}: it is said to lie in 1 place(s), and lies in 0",
            "u/INBOX: 12 are counted as held, and 11 are there",
            "u/INBOX: 11 messages are held and 0 failed, and its server showed 12",
        ],
    ),
    // One of two.
    hand(
        "SELECT min(id) AS x FROM message WHERE account = 1 AND places = 2",
        "DELETE FROM location WHERE message = (SELECT min(id) FROM message WHERE account = 1 AND places = 2) AND folder = \
         (SELECT id FROM folder WHERE path = 'Twice' AND account = 1)",
        &[
            "u: message {}: it is said to lie in 2 place(s), and lies in 1",
            "u/Twice: 2 are counted as held, and 1 are there",
            "u/Twice: 1 messages are held and 0 failed, and its server showed 2",
        ],
    ),
    hand(
        "SELECT l.uid || ': its message ' || l.message AS x FROM location l JOIN folder f ON f.id = l.folder WHERE f.path = 'Alone' \
         AND f.account = 1",
        "DELETE FROM message WHERE id = (SELECT l.message FROM location l JOIN folder f ON f.id = l.folder WHERE f.path = 'Alone' AND \
         f.account = 1)",
        &["u/Alone: UID {} is missing", "u: * are counted as held, and * are there"],
    ),
    hand(
        "SELECT l.uid AS x FROM location l JOIN folder f ON f.id = l.folder WHERE f.path = 'Body' AND f.account = 1",
        "DELETE FROM body WHERE id = (SELECT m.body FROM message m JOIN location l ON l.message = m.id JOIN folder f ON f.id = l.folder \
         WHERE f.path = 'Body' AND f.account = 1)",
        &["u/Body: UID {}: its body row is missing"],
    ),
    // Of what is deleted.
    hand(
        "SELECT max(id) AS x FROM message WHERE account = 1 AND deleted_at IS NOT NULL",
        "DELETE FROM body WHERE id = (SELECT body FROM message WHERE id = (SELECT max(id) FROM message WHERE account = 1 AND \
         deleted_at IS NOT NULL))",
        &["u: message {}: it lies nowhere, and its bytes are missing"],
    ),
    hand(
        "SELECT 0 AS x",
        "DELETE FROM cursor WHERE lane = 'live' AND folder = (SELECT id FROM folder WHERE path = 'Cursor' AND account = 1)",
        &["u/Cursor: its cursor is missing (live)"],
    ),
    hand(
        "SELECT id AS x FROM folder WHERE path = 'Gone' AND account = 1",
        "DELETE FROM folder WHERE path = 'Gone' AND account = 1",
        &[
            "u: folder {} is missing, and named by",
            "folder {} is missing, and named by 3 cursor(s) and place(s)",
        ],
    ),
    // One in which nothing ever was.
    hand(
        "SELECT id AS x FROM folder WHERE path = 'Empty' AND account = 1",
        "DELETE FROM folder WHERE path = 'Empty' AND account = 1",
        &[
            "u: folder {} is missing, and named by",
            "folder {} is missing, and named by 2 cursor(s) and place(s)",
        ],
    ),
    hand(
        "SELECT seq AS x FROM event ORDER BY seq LIMIT 1 OFFSET 5",
        "DELETE FROM event WHERE seq = (SELECT seq FROM event ORDER BY seq LIMIT 1 OFFSET 5)",
        &["event {} is missing"],
    ),
    // The first and the last of them.
    hand(
        "SELECT min(seq) AS x FROM event",
        "DELETE FROM event WHERE seq = (SELECT min(seq) FROM event)",
        &["event {} is missing"],
    ),
    hand(
        "SELECT (max(seq) - 1) || ' to ' || max(seq) AS x FROM event",
        "DELETE FROM event WHERE seq > (SELECT max(seq) - 2 FROM event)",
        &["events {} are missing"],
    ),
    hand(
        "SELECT max(id) AS x FROM message",
        "UPDATE counter SET next = (SELECT max(id) FROM message) WHERE name = 'message'",
        &["the counter message gives {}, and {} is given already"],
    ),
    // What is held and is said not to be.
    hand(
        "SELECT min(l.uid) AS x FROM location l JOIN folder f ON f.id = l.folder WHERE f.path = 'Twice' AND f.account = 1",
        "INSERT INTO failure (account, folder, uid, reach, class, attempts, version, text, first_at, last_at) SELECT 1, f.id, min(l.uid), \
         'message', 'bug', 1, '', '', 0, 0 FROM folder f JOIN location l ON l.folder = f.id WHERE f.path = 'Twice' AND f.account = 1 GROUP BY f.id",
        &["u/Twice: UID {}: it is held, and in the ledger as what is not"],
    ),
    hand(
        "SELECT id AS x FROM account WHERE name = 'v'",
        "DELETE FROM account WHERE name = 'v'",
        &[
            "account {} is missing, and named by 1 row(s) of folder",
            "account {} is missing, and named by 1 row(s) of message",
            "account {} is missing, and named by 1 row(s) of run",
        ],
    ),
];

/// Every difference that is named: of an account, of a folder of it, of none.
pub(crate) fn differences(postrider: &Postrider, code: i32) -> BTreeSet<String> {
    let args = ["verify", "--all", "--offline", "--mirror-only", "--json"];
    let ran = postrider.run(&args).exits(code);
    let told: Value = serde_json::from_str(&ran.stdout).unwrap();
    let lines = |of: &Value, at: &str| -> Vec<String> {
        let lines = of["differences"].as_array().unwrap();
        lines.iter().map(|line| format!("{at}{}", line.as_str().unwrap())).collect()
    };
    let mut all: BTreeSet<String> = lines(&told, "").into_iter().collect();
    for account in told["accounts"].as_array().unwrap() {
        let name = account["account"].as_str().unwrap();
        all.extend(lines(account, &format!("{name}: ")));
        for folder in account["folders"].as_array().unwrap() {
            let path = folder["folder"].as_str().unwrap();
            all.extend(lines(folder, &format!("{name}/{path}: ")));
        }
    }
    all
}

/// Whether a line is what is expected: `*` stands for a number.
fn is_it(line: &str, told: &str) -> bool {
    let mut rest = line;
    told.split('*').all(|part| match rest.find(part) {
        Some(at) => {
            rest = rest.get(at + part.len()..).unwrap();
            true
        }
        None => false,
    }) && told.split('*').next().is_some_and(|first| line.starts_with(first))
}

fn found(postrider: &Postrider, hands: &[Hand]) {
    let mut before = differences(postrider, 0);
    assert!(before.is_empty(), "{before:#?}");
    for Hand { number, change: by_hand, told } in hands {
        let number = ask(&postrider.database(), number);
        change(&postrider.database(), by_hand);
        let after = differences(postrider, 1);
        let new: Vec<&String> = after.difference(&before).collect();
        let told: Vec<String> = told.iter().map(|line| line.replace("{}", &number)).collect();
        for line in &told {
            assert!(new.iter().any(|one| is_it(one, line)), "{by_hand}: {line}: {new:#?}");
        }
        for line in &new {
            assert!(told.iter().any(|one| is_it(line, one)), "{by_hand}: more is said: {line}");
        }
        before = after;
    }
}

/// Two mirrors, of which one has every kind of row; their server with them.
pub(crate) async fn mirrored() -> (Server, Mailbox, Postrider) {
    let (u, v) = (Mailbox::new(), Mailbox::new());
    let twice = note("twice");
    for n in 0..11 {
        u.append("INBOX", note(&format!("n{n}")));
    }
    u.append("INBOX", twice.clone());
    for folder in ["Twice", "Alone", "Body", "Cursor", "Gone", "Empty", "Spent"] {
        u.create(folder, "");
    }
    u.append("Twice", twice);
    for folder in ["Twice", "Alone", "Body", "Cursor", "Gone"] {
        u.append(folder, note(folder));
    }
    let spent = ["one", "two", "three"].map(|subject| u.append("Spent", note(subject)));
    v.append("INBOX", note("v"));
    let server = serve(&[("u", &u), ("v", &v)], |_, _| None).await;
    let accounts = ["u", "v"].map(|id| account(id, server.port(), "pw"));
    let postrider = Postrider::new(&format!("{SHORT}{}", accounts[0]));
    let of_u = u.clone();
    let postrider = blocking(move || {
        let u = of_u;
        postrider.run(&["sync", "--once"]).exits(0);
        let both = format!("{SHORT}{}", accounts.concat());
        std::fs::write(postrider.path("config.toml"), both).unwrap();
        let told = postrider.run(&["verify", "--all", "--offline"]).exits(3).stdout;
        assert!(told.contains("account v\n") && told.contains("it was never synced"), "{told}");
        for uid in &spent[..2] {
            u.expunge("Spent", *uid);
        }
        postrider.run(&["sync", "--once"]).exits(0);
        assert_eq!(
            ask(
                &postrider.database(),
                "SELECT count(*) AS x FROM message WHERE deleted_at IS NOT NULL"
            ),
            "2"
        );
        postrider
    })
    .await;
    (server, u, postrider)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_row_without_its_counterpart_is_named() {
    let (_server, _, postrider) = mirrored().await;
    blocking(move || found(&postrider, HANDS)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cursor_of_a_feed_is_missed() {
    let mailbox = seed::mailbox(3, 20);
    let server = GmailServer::start(&mailbox, well).await.unwrap();
    let postrider = follower(SHORT, &server, "");
    blocking(move || {
        postrider.run(&["sync", "--once"]);
        let hand =
            hand("SELECT 0 AS x", "DELETE FROM feed", &["u: the cursor of its changes is missing"]);
        found(&postrider, &[hand]);
    })
    .await;
}

/// An octet of a pack is another one from now on.
pub(crate) fn flip(postrider: &Postrider, pack: u64, offset: u64) {
    let path = postrider.path(&format!("data/bodies/{pack:010}.pack"));
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut octet = [0];
    file.read_exact_at(&mut octet, offset).unwrap();
    file.write_all_at(&[octet[0] ^ 1], offset).unwrap();
}

/// What is proved of each folder, as the API has it.
fn proofs(served: &Served) -> BTreeMap<String, Value> {
    let folders = served.get("/v1/accounts/u/folders");
    let of =
        |folder: &Value| (folder["path"].as_str().unwrap().to_owned(), folder["proof"].clone());
    folders["items"].as_array().unwrap().iter().map(of).collect()
}

/// The account's mirror is looked at whole, by a job. What came of it.
fn looks(served: &Served, postrider: &Postrider) -> String {
    let before = served.get("/v1/jobs")["items"].as_array().unwrap().len();
    postrider.run(&["jobs", "add", "maintenance", "--task", "verify", "u"]).exits(0);
    let mut outcome = None;
    wait_until("it is looked at", || {
        let jobs = served.get("/v1/jobs");
        let jobs = jobs["items"].as_array().unwrap();
        let job = jobs.iter().max_by_key(|job| job["id"].as_u64());
        outcome = job.and_then(|job| Some(job["outcome"].as_str()?.to_owned()));
        jobs.len() > before && outcome.is_some()
    });
    outcome.unwrap()
}

/// A job that looks at all of a mirror keeps what it has proved of each folder; of what it found otherwise it keeps nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_job_has_proved_is_kept() {
    let u = Mailbox::new();
    u.create("Other", "");
    for n in 0..5 {
        u.append("INBOX", note(&format!("n{n}")));
        u.append("Other", note(&format!("o{n}")));
    }
    let server = serve(&[("u", &u)], |_, _| None).await;
    let postrider = Postrider::new(&format!("{}{}", head(), account("u", server.port(), "pw")));
    blocking(move || {
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &u);
        let passed = proofs(&served);
        assert_eq!(passed["INBOX"]["by"], "pass", "{passed:#?}");
        assert_eq!((&passed["INBOX"]["server"], &passed["INBOX"]["held"]), (&json!(5), &json!(5)));
        assert_eq!(passed["INBOX"]["digest"], Value::Null);
        let said = looks(&served, &postrider);
        assert_eq!(said, "2 of 2 folders proved, 10 messages, 0 differences");
        let whole = proofs(&served);
        let lines = postrider.run(&["export", "u"]).exits(0).stdout;
        for folder in ["INBOX", "Other"] {
            let proof = &whole[folder];
            assert_eq!((&proof["by"], &proof["held"]), (&json!("verify"), &json!(5)), "{proof}");
            assert_eq!((&proof["server"], &proof["failures"]), (&json!(5), &json!(0)));
            let its: Vec<&str> = lines.split_inclusive('\n').filter(|line| line.starts_with(folder)).collect();
            let digest = Sha256::digest(its.concat());
            let digest: String = digest.iter().map(|octet| format!("{octet:02x}")).collect();
            assert_eq!(proof["digest"], digest);
        }
        // An octet of a body is another one.
        let place = "SELECT b.pack || ' ' || b.\"offset\" AS x FROM body b JOIN message m ON m.body = b.id JOIN location l ON l.message = m.id \
                     JOIN folder f ON f.id = l.folder WHERE f.path = 'Other' ORDER BY l.uid LIMIT 1";
        let place = ask(&postrider.database(), place);
        let (pack, offset) = place.split_once(' ').unwrap();
        flip(&postrider, pack.parse().unwrap(), offset.parse().unwrap());
        let said = looks(&served, &postrider);
        assert!(said.starts_with("1 of 2 folders proved, 10 messages, 1 differences (UID 1: "), "{said}");
        let after = proofs(&served);
        assert_eq!(after["Other"], whole["Other"]);
        assert!(after["INBOX"]["at"].as_str() > whole["INBOX"]["at"].as_str());
        let told = served.stop();
        assert!(told.contains("its mirror is not whole"), "{told}");
    })
    .await;
}

/// The differences of an account, whose server is asked.
pub(crate) fn beside_its_server(postrider: &Postrider, code: i32) -> Vec<String> {
    let ran = postrider.run(&["verify", "u", "--mirror-only", "--json", "--config", "config.toml"]);
    let told: Value = serde_json::from_str(&ran.exits(code).stdout).unwrap();
    let of = |of: &Value| -> Vec<String> {
        let lines = of["differences"].as_array().unwrap();
        lines.iter().map(|line| line.as_str().unwrap().to_owned()).collect()
    };
    told["folders"].as_array().unwrap().iter().chain([&told]).flat_map(of).collect()
}

/// What is not held is in the ledger, or is owed: where that row is gone the mail is missed.
#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_nothing_is_known_of_is_missed_beside_its_server() {
    let u = Mailbox::new();
    for n in 1..=9 {
        u.append("INBOX", note(&format!("n{n}")));
    }
    let plays = |_: &str, asked: &str| {
        asked.contains("BODY").then(|| postrider_imapd::Misbehaviour::Hollow(vec![4]))
    };
    let server = serve(&[("u", &u)], plays).await;
    let imap = Postrider::new(&format!("{SHORT}{}", account("u", server.port(), "pw")));
    let mailbox = seed::mailbox(3, 20);
    let lost = mailbox.ids()[7].clone();
    let refused = lost.clone();
    let gmail = GmailServer::start(&mailbox, move |q| {
        (q.raw() == Some(refused.as_str())).then(|| Play::refuse(500, "backendError", "no"))
    });
    let gmail = gmail.await.unwrap();
    let feed = follower(SHORT, &gmail, "");
    blocking(move || {
        imap.run(&["sync", "--once"]).exits(3);
        assert!(beside_its_server(&imap, 3).is_empty(), "it is in the ledger");
        change(&imap.database(), "DELETE FROM failure");
        let told = beside_its_server(&imap, 1);
        assert!(told.contains(&"UID 4: the server has it, we do not".to_owned()), "{told:#?}");
        assert_eq!(told.len(), 2, "its folder does not hold what was shown, either: {told:#?}");

        feed.run(&["sync", "--once"]);
        assert!(beside_its_server(&feed, 3).is_empty(), "it is owed");
        change(&feed.database(), "DELETE FROM owed");
        let told = beside_its_server(&feed, 1);
        assert!(!told.is_empty(), "nothing is said of {lost}");
        let its = |line: &String| line.contains(&lost) && line.contains("the server has it here");
        assert!(told.iter().all(its), "{told:#?}");
    })
    .await;
}
