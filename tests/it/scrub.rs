//! Stored bytes are read again: what is damaged is told, once, to whoever has it, and set right where the config says so.

use crate::integrity::flip;
use crate::repair::comes_whole;
use crate::support::binary::{Postrider, account};
use crate::support::database::{ask, change};
use crate::support::mail::{Mailbox, blocking, note, serve};
use crate::support::served::{Served, head, wait_until};
use postrider_core::recovery::backoff::mix;
use postrider_imapd::{Mail, Server};
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

/// Two accounts, of which one mail is both's.
async fn two(bodies: &str) -> (Server, [Mailbox; 2], Postrider) {
    let (u, v) = (Mailbox::new(), Mailbox::new());
    for n in 0..60 {
        u.append("INBOX", note(&format!("n{n}")));
        v.append("INBOX", note(&format!("v{n}")));
    }
    u.append("INBOX", note("both"));
    v.append("INBOX", note("both"));
    let server = serve(&[("u", &u), ("v", &v)], |_, _| None).await;
    let accounts = ["u", "v"].map(|id| account(id, server.port(), "pw")).concat();
    let postrider = Postrider::new(&format!("{}[bodies]\n{bodies}\n{accounts}", head()));
    (server, [u, v], postrider)
}

/// A server that follows both, and has read all of it.
fn settled(postrider: &Postrider, [u, v]: &[Mailbox; 2]) -> Served {
    let served = postrider.serve(&[]);
    served.settle(postrider, "u", u);
    served.settle(postrider, "v", v);
    served
}

/// Bodies that are given up.
fn lost(postrider: &Postrider) -> u64 {
    let count = "SELECT count(*) AS x FROM body WHERE length = 0";
    ask(&postrider.database(), count).parse().unwrap()
}

/// Where the bytes of a mail lie: of an account's, by subject.
fn place(postrider: &Postrider, account: &str, subject: &str) -> (u64, u64) {
    let place = format!(
        "SELECT b.pack || ' ' || b.\"offset\" AS x FROM body b JOIN message m ON m.body = b.id JOIN account a ON a.id = m.account \
         WHERE a.name = '{account}' AND m.subject = '{subject}'"
    );
    let place = ask(&postrider.database(), place.leak());
    let (pack, offset) = place.split_once(' ').unwrap();
    (pack.parse().unwrap(), offset.parse().unwrap())
}

/// One octet of it is another one.
fn flipped(postrider: &Postrider, account: &str, subject: &str) -> u64 {
    let (pack, offset) = place(postrider, account, subject);
    flip(postrider, pack, offset + 3);
    pack
}

fn id(postrider: &Postrider, account: &str, subject: &str) -> i64 {
    let id = format!(
        "SELECT m.id AS x FROM message m JOIN account a ON a.id = m.account WHERE a.name = '{account}' AND m.subject = '{subject}'"
    );
    ask(&postrider.database(), id.leak()).parse().unwrap()
}

/// What was told of damage: account, and data.
fn told(served: &Served) -> Vec<(String, Value)> {
    let events = served.get("/v1/events?limit=1000&kind=store.damaged");
    let events = events["items"].as_array().unwrap().iter();
    events.map(|e| (e["account"].as_str().unwrap().to_owned(), e["data"].clone())).collect()
}

fn damaged(served: &Served) -> u64 {
    served.metric("postrider_bodies_damaged") as u64
}

fn scrubbed(served: &Served) -> u64 {
    served.metric("postrider_scrubbed_bytes_total") as u64
}

/// Waits until all of it was read once more from here on.
fn read_again(served: &Served, postrider: &Postrider) {
    let all = "SELECT sum(length) AS x FROM body";
    let all: u64 = ask(&postrider.database(), all).parse().unwrap();
    let before = scrubbed(served);
    wait_until("all is read again", || scrubbed(served) >= before + 2 * all);
}

fn notes(served: &Served) -> String {
    let notes = served.get("/v1/health")["notes"].as_array().unwrap().clone();
    notes.iter().map(|note| note.as_str().unwrap().to_owned()).collect::<Vec<_>>().join("\n")
}

/// Damage is told to each that has it, and once; it stands in status and metrics until it is set right.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_is_told_once() {
    let (_server, both, postrider) = two("scrub = \"1s\"").await;
    blocking(move || {
        let served = settled(&postrider, &both);
        read_again(&served, &postrider);
        assert_eq!((told(&served), damaged(&served), notes(&served)), (vec![], 0, String::new()));
        let pack = flipped(&postrider, "u", "both");
        wait_until("it is found", || damaged(&served) == 1);
        let of = |account: &str, subjects: &[&str]| {
            let ids: Vec<i64> = subjects.iter().map(|s| id(&postrider, account, s)).collect();
            (account.to_owned(), json!({ "pack": pack, "count": ids.len(), "messages": ids }))
        };
        assert_eq!(told(&served), [of("u", &["both"]), of("v", &["both"])]);
        assert!(notes(&served).contains("1 bodies are damaged"), "{}", notes(&served));
        let status = postrider.run(&["status"]).exits(0).stdout;
        assert!(status.contains("scrub: 1 bodies are damaged"), "{status}");
        assert_eq!(served.ask("GET", "/readyz").0, 200, "all is followed");
        read_again(&served, &postrider);
        assert_eq!(told(&served).len(), 2, "it is known");
        // The next process knows it as well.
        served.stop();
        let served = postrider.serve(&[]);
        wait_until("it is known", || damaged(&served) == 1);
        read_again(&served, &postrider);
        assert_eq!(told(&served).len(), 2);
        // One more in the same file, whosever lies there, is told with it.
        let beside = format!(
            "SELECT a.name || ' ' || m.subject AS x FROM body b JOIN message m ON m.body = b.id JOIN account a ON a.id = m.account WHERE \
             b.pack = {pack} AND m.subject <> 'both' ORDER BY m.id LIMIT 1"
        );
        let beside = ask(&postrider.database(), beside.leak());
        let (owner, subject) = beside.split_once(' ').unwrap();
        assert_eq!(flipped(&postrider, owner, subject), pack);
        wait_until("it is found", || damaged(&served) == 2);
        let all = |account: &str| {
            if account == owner { of(account, &[subject, "both"]) } else { of(account, &["both"]) }
        };
        assert_eq!(told(&served)[2..], [all("u"), all("v")]);
        postrider.run(&["verify", "--all", "--repair"]).exits(0);
        comes_whole(&postrider, &["--all"]);
        wait_until("it is set right", || damaged(&served) == 0);
        assert_eq!(served.metric("postrider_messages_stored_total"), 2.0, "one fetch each");
        wait_until("nothing is to be said", || notes(&served).is_empty());
        assert_eq!(told(&served).len(), 4);
        let log = served.stop();
        assert!(log.contains(&format!("pack {pack}: 1 bodies in it are damaged")), "{log}");
    })
    .await;
}

/// Where the config says so it is read again, each once; what looks like the disk's trouble is not.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_is_set_right() {
    let seed = std::env::var("POSTRIDER_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or(1);
    let (_server, both, postrider) = two("scrub = \"1s\"\nrepair = true").await;
    blocking(move || {
        let served = settled(&postrider, &both);
        let stored = || served.metric("postrider_messages_stored_total") as u64;
        let before = stored();
        let which: Vec<u64> = (0..5).map(|n| mix(mix(seed) ^ n) % 12 + 12 * n).collect();
        flipped(&postrider, "u", "both");
        for n in &which {
            flipped(&postrider, "u", &format!("n{n}"));
            flipped(&postrider, "v", &format!("v{n}"));
        }
        wait_until("all are found and read again", || stored() >= before + 11);
        comes_whole(&postrider, &["--all"]);
        wait_until("it is set right", || damaged(&served) == 0);
        read_again(&served, &postrider);
        assert_eq!(stored(), before + 11, "one fetch each, of {seed}");
        let events = served.get("/v1/events?limit=1000&kind=message.*");
        let anew = events["items"].as_array().unwrap().iter();
        assert_eq!(anew.filter(|e| e["kind"] == "message.created").count(), 122, "nothing is new");
        served.stop();

        // Thirty of them, and as many again: more than fifty of late.
        for n in 0..30 {
            flipped(&postrider, "v", &format!("v{n}"));
        }
        let served = settled(&postrider, &both);
        let stored = || served.metric("postrider_messages_stored_total") as u64;
        wait_until("they are read again", || stored() == 30 && damaged(&served) == 0);
        postrider.run(&["pause", "u"]).exits(0);
        for n in 0..30 {
            flipped(&postrider, "u", &format!("n{n}"));
        }
        wait_until("it is said", || notes(&served).contains("may be the disk's trouble"));
        wait_until("all are found", || damaged(&served) == 30);
        read_again(&served, &postrider);
        assert!(lost(&postrider) <= 20, "fifty in all");
        assert_eq!(stored(), 30, "nothing is read");
        let log = served.stop();
        assert!(log.contains("that may be the disk's trouble"), "{log}");
    })
    .await;
}

/// A folder that is not mounted is no damage; a file that is gone for longer is.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_away_is_waited_for() {
    let (_server, both, postrider) = two("scrub = \"4s\"\nrepair = true").await;
    blocking(move || {
        let served = settled(&postrider, &both);
        let (bodies, away) = (postrider.path("data/bodies"), postrider.path("away"));
        fs::rename(&bodies, &away).unwrap();
        fs::create_dir(&bodies).unwrap();
        wait_until("it is said", || notes(&served).contains("is it mounted?"));
        fs::remove_dir(&bodies).unwrap();
        fs::rename(&away, &bodies).unwrap();
        wait_until("it goes on", || notes(&served).is_empty());
        assert_eq!((told(&served), damaged(&served)), (vec![], 0));
        // The end of a file is cut off: first it is waited for.
        let (pack, _) = place(&postrider, "v", "v59");
        let pack = bodies.join(format!("{pack:010}.pack"));
        let whole = fs::read(&pack).unwrap();
        let cut = |to: usize| fs::write(&pack, &whole[..to]).unwrap();
        cut(0);
        std::thread::sleep(Duration::from_millis(500));
        cut(whole.len());
        read_again(&served, &postrider);
        assert_eq!((told(&served), damaged(&served)), (vec![], 0));
        cut(0);
        wait_until("it is told", || !told(&served).is_empty() && damaged(&served) >= 60);
        cut(whole.len());
        wait_until("it is whole again", || damaged(&served) == 0);
        assert_eq!(
            served.metric("postrider_messages_stored_total"),
            122.0,
            "nothing is read again"
        );
    })
    .await;
}

/// Who cannot read all of it in the time that is given says so.
#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_keep_up_says_so() {
    let u = Mailbox::new();
    for n in 0..12_u8 {
        let mut long = format!("Subject: long {n}\r\n\r\n").into_bytes();
        long.resize(6 << 20, b'a' + n);
        u.append("INBOX", Mail::new(long));
    }
    let server = serve(&[("u", &u)], |_, _| None).await;
    let account = account("u", server.port(), "pw");
    let postrider = Postrider::new(&format!("{}[bodies]\nscrub = \"1s\"\n{account}", head()));
    blocking(move || {
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &u);
        wait_until("it is said", || notes(&served).contains("it cannot keep up: pack"));
        let status = postrider.run(&["status"]).exits(0).stdout;
        assert!(status.contains("scrub: it cannot keep up"), "{status}");
        let file = postrider.path("config.toml");
        let config = fs::read_to_string(&file).unwrap();
        fs::write(&file, config.replace("\"1s\"", "\"10m\"")).unwrap();
        wait_until("it has time", || notes(&served).is_empty());
        drop(server);
    })
    .await;
}

/// Rows of packs are made by who reads them: with it off there are none; one that is taken away is named, and there again.
#[tokio::test(flavor = "multi_thread")]
async fn packs_have_rows() {
    let (_server, both, postrider) = two("scrub = \"off\"\ncompress = false").await;
    blocking(move || {
        let database = postrider.database();
        let rows = || ask(&database, "SELECT count(*) AS x FROM pack");
        let packs = || ask(&database, "SELECT count(DISTINCT pack) AS x FROM body");
        settled(&postrider, &both).stop();
        assert_eq!(rows(), "0");
        postrider.run(&["verify", "--all", "--offline"]).exits(0);
        let served = postrider.serve(&[]);
        let file = postrider.path("config.toml");
        let config = fs::read_to_string(&file).unwrap();
        fs::write(&file, config.replace("\"off\"", "\"30d\"")).unwrap();
        wait_until("all are read", || {
            rows() == packs()
                && ask(&database, "SELECT count(*) AS x FROM pack WHERE named IS NULL") == "0"
        });
        let sums =
            "SELECT (SELECT sum(named) FROM pack) || ' ' || (SELECT sum(length) FROM body) AS x";
        let sums = ask(&database, sums);
        let (named, length) = sums.split_once(' ').unwrap();
        assert_eq!(named, length);
        served.stop();
        postrider.run(&["verify", "--all", "--offline"]).exits(0);
        let first = ask(&database, "SELECT min(id) AS x FROM pack");
        change(&database, "DELETE FROM pack WHERE id = (SELECT min(id) FROM pack)");
        let ran = postrider.run(&["verify", "--all", "--offline"]).exits(1).stdout;
        assert!(ran.contains(&format!("the row of pack {first} is missing")), "{ran}");
        fs::write(&file, &config).unwrap();
        let served = postrider.serve(&[]);
        postrider.run(&["verify", "u", "--repair"]).exits(0);
        assert_eq!(rows(), packs());
        comes_whole(&postrider, &["--all"]);
        drop(served);
    })
    .await;
}
