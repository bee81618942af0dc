//! What is damaged by hand is set right by a repair: rows from rows, bytes from the server, each of them once.

use crate::integrity::{HANDS, differences, flip, mirrored};
use crate::support::binary::{Postrider, SHORT, account};
use crate::support::database::{ask, change, rows, try_change};

use crate::support::gmail::{follower, well};
use crate::support::mail::{Mailbox, blocking, note, serve};
use crate::support::served::{Served, head, wait_until};
use postrider_core::recovery::backoff::mix;
use postrider_feedd::{GmailServer, seed};
use postrider_imapd::Server;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// An octet of the bytes of a living mail is another one: of the one of this number, in the order of numbers.
fn damaged(postrider: &Postrider, nth: usize) {
    let place = format!(
        "SELECT b.pack || ' ' || b.\"offset\" AS x FROM body b JOIN message m ON m.body = b.id WHERE m.account = 1 AND m.places > 0 AND \
         b.length > 0 ORDER BY m.id LIMIT 1 OFFSET {nth}"
    );
    let place = ask(&postrider.database(), place.leak());
    let (pack, offset) = place.split_once(' ').unwrap();
    flip(postrider, pack.parse().unwrap(), offset.parse::<u64>().unwrap() + 3);
}

/// A mirror of so much mail, which is served.
async fn served(mails: usize) -> (Server, Mailbox, Postrider) {
    let u = Mailbox::new();
    for n in 0..mails {
        u.append("INBOX", note(&format!("n{n}")));
    }
    let server = serve(&[("u", &u)], |_, _| None).await;
    let postrider = Postrider::new(&format!("{}{}", head(), account("u", server.port(), "pw")));
    (server, u, postrider)
}

fn stored(served: &Served) -> u64 {
    served.metric("postrider_messages_stored_total") as u64
}

/// Has what is damaged set right. What is said of it.
fn repaired(postrider: &Postrider, args: &[&str]) -> String {
    postrider.run(&[&["verify", "--repair"], args].concat()).exits(0).stdout
}

/// Waits until all of it is proved beside its servers.
pub(crate) fn comes_whole(postrider: &Postrider, args: &[&str]) {
    let args = [&["verify", "--config", "config.toml"], args].concat();
    let until = Instant::now() + Duration::from_secs(50);
    loop {
        let ran = postrider.run(&args);
        if ran.code == Some(0) {
            return;
        }
        assert!(Instant::now() < until, "it does not come whole: {}{}", ran.stdout, ran.stderr);
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn lost(postrider: &Postrider) -> String {
    let count = "SELECT count(*) AS x FROM body WHERE length = 0";
    ask(&postrider.database(), count)
}

/// Each kind of row that was taken away is there again, without an account's own, and so are the bytes that were damaged.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_away_by_hand_is_there_again() {
    let (server, u, postrider) = mirrored().await;
    blocking(move || {
        let ids = "SELECT count(*) || ' ' || max(id) AS x FROM message";
        let (before, last) = (ask(&postrider.database(), ids), "SELECT max(seq) AS x FROM event");
        let last: i64 = ask(&postrider.database(), last).parse().unwrap();
        damaged(&postrider, 7);
        damaged(&postrider, 9);
        // Of what is deleted nobody has the bytes any more, and what is of no account stays.
        let is_healed =
            |change: &str| !change.contains("deleted_at") && !change.contains("FROM account");
        let hands: Vec<&str> =
            HANDS.iter().map(|hand| hand.change).filter(|change| is_healed(change)).collect();
        for by_hand in &hands {
            change(&postrider.database(), by_hand);
        }
        let told = differences(&postrider, 1);
        assert!(told.len() > hands.len(), "{told:#?}");
        let config = std::fs::read_to_string(postrider.path("config.toml")).unwrap();
        std::fs::write(postrider.path("config.toml"), config.replace(SHORT, &head())).unwrap();
        let served = postrider.serve(&[]);
        let told = repaired(&postrider, &["--all"]);
        assert!(told.contains("0 stay") && told.contains("its server was asked"), "{told}");
        comes_whole(&postrider, &["--all"]);
        assert_eq!(differences(&postrider, 0), BTreeSet::new());
        served.settle(&postrider, "u", &u);
        // Two whose bytes were damaged, one whose row of bytes was gone, two whose places were, and one that was gone itself.
        assert_eq!(stored(&served), 6);
        let after = ask(&postrider.database(), ids);
        assert_ne!(after, before, "one has come anew");
        let events = served.get(&format!("/v1/events?limit=1000&after={last}"));
        let events = events["items"].as_array().unwrap();
        let of =
            |kind: &str| events.iter().filter(|event| event["kind"] == kind).collect::<Vec<_>>();
        let (created, deleted) = (of("message.created"), of("message.deleted"));
        assert_eq!((created.len(), deleted.len()), (1, 1), "{events:#?}");
        assert!(created[0]["backfill"] == true && deleted[0]["backfill"] == true, "{events:#?}");
        drop(server);
        let log = served.stop();
        assert!(log.contains("repair: folder"), "{log}");
    })
    .await;
}

/// What cannot be read at all, and damage beyond fifty bodies, is the disk's trouble, unless somebody insists.
#[tokio::test(flavor = "multi_thread")]
async fn the_disks_trouble_loses_nothing() {
    let (_server, u, postrider) = served(60).await;
    blocking(move || {
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &u);
        let before = stored(&served);
        // It is not mounted for a while.
        let (bodies, away) = (postrider.path("data/bodies"), postrider.path("away"));
        std::fs::rename(&bodies, &away).unwrap();
        std::fs::create_dir(&bodies).unwrap();
        let told = repaired(&postrider, &["u"]);
        assert!(
            told.contains("1 stay (60 bodies are damaged, 60 of them cannot be read"),
            "{told}"
        );
        assert_eq!((lost(&postrider), stored(&served)), ("0".to_owned(), before));
        std::fs::remove_dir(&bodies).unwrap();
        std::fs::rename(&away, &bodies).unwrap();
        // A pack that is none: nothing can be read of it.
        let pack = |name: &str| {
            let mut all = std::fs::read_dir(postrider.path("data/bodies")).unwrap().flatten();
            all.find(|entry| entry.file_name().to_string_lossy().ends_with(name)).unwrap().path()
        };
        let (first, aside) = (pack(".pack"), postrider.path("aside"));
        std::fs::rename(&first, &aside).unwrap();
        std::fs::create_dir(&first).unwrap();
        assert!(repaired(&postrider, &["u"]).contains("1 stay ("));
        assert_eq!((lost(&postrider), stored(&served)), ("0".to_owned(), before));
        std::fs::remove_dir(&first).unwrap();
        std::fs::rename(&aside, &first).unwrap();
        assert!(repaired(&postrider, &["u"]).starts_with("u: 0 set right"), "it is mounted again");
        assert_eq!(stored(&served), before);

        for nth in 0..51 {
            damaged(&postrider, nth);
        }
        assert!(repaired(&postrider, &["u"]).contains("1 stay (51 bodies are damaged, 0 of them"));
        assert_eq!((lost(&postrider), stored(&served)), ("0".to_owned(), before));
        postrider.run(&["verify", "u", "--offline"]).exits(1);
        let told = repaired(&postrider, &["u", "--yes"]);
        assert!(told.starts_with("u: 51 set right or asked for again, 0 counts, 0 stay"), "{told}");
        comes_whole(&postrider, &["u"]);
        assert_eq!((lost(&postrider), stored(&served)), ("0".to_owned(), before + 51));
        served.settle(&postrider, "u", &u);
    })
    .await;
}

/// What its server has no more is named, and its old bytes stay where they were.
#[tokio::test(flavor = "multi_thread")]
async fn what_no_server_has_any_more_is_named() {
    let (_server, u, postrider) = served(8).await;
    blocking(move || {
        let running = postrider.serve(&[]);
        running.settle(&postrider, "u", &u);
        postrider.run(&["pause", "u"]).exits(0);
        running.wait_for_state("u", "paused");
        let packs = || {
            let all = std::fs::read_dir(postrider.path("data/bodies")).unwrap().flatten();
            let packs = all.filter(|entry| entry.file_name().to_string_lossy().ends_with(".pack"));
            packs.map(|entry| entry.metadata().unwrap().len()).sum::<u64>()
        };
        // The last of them: behind it nothing is named.
        damaged(&postrider, 7);
        let told = repaired(&postrider, &["u"]);
        assert!(told.contains("1 set right") && told.contains("when it next can be"), "{told}");
        assert_eq!(lost(&postrider), "1");
        let told = postrider.run(&["verify", "u", "--offline"]).exits(1).stdout;
        assert!(told.contains("its bytes are lost"), "{told}");
        let log = running.stop();
        assert!(log.contains("are lost, and read again"), "{log}");
        let before = packs();
        u.expunge("INBOX", 8);
        let running = postrider.serve(&[]);
        assert_eq!(packs(), before, "nothing is cut off");
        postrider.run(&["resume", "u"]).exits(0);
        running.settle(&postrider, "u", &u);
        wait_until("it is gone", || {
            postrider
                .run(&["verify", "u", "--offline"])
                .stdout
                .contains("it lies nowhere, and its bytes are missing")
        });
        let told = repaired(&postrider, &["u"]);
        assert!(told.contains("1 stay (message 8: its bytes are missing"), "{told}");
        // The same bytes come again: they are those that were lost.
        u.append("INBOX", note("n7"));
        running.settle(&postrider, "u", &u);
        assert_eq!(lost(&postrider), "0");
        comes_whole(&postrider, &["u"]);
    })
    .await;
}

/// Ended between its steps it does no harm, and the next one does the rest.
#[tokio::test(flavor = "multi_thread")]
async fn a_repair_that_is_cut_off_is_gone_on_with() {
    let (_server, u, postrider) = served(30).await;
    blocking(move || {
        let running = postrider.serve(&[]);
        running.settle(&postrider, "u", &u);
        running.stop();
        let database = postrider.database();
        let first = |what: &str| -> &'static str {
            let first = "(SELECT min(id) FROM message WHERE account = 1 AND places > 0 AND id % 2 =";
            what.replace("FIRST", first).leak()
        };
        for step in 1..6 {
            for nth in 10..15 {
                damaged(&postrider, nth);
            }
            change(&database, first("DELETE FROM location WHERE message = FIRST 0)"));
            change(&database, first("DELETE FROM body WHERE id = (SELECT body FROM message WHERE id = FIRST 1))"));
            change(&database, "DELETE FROM message WHERE id = (SELECT max(id) FROM message WHERE account = 1 AND places > 0)");
            let fault = format!("repair.step:{step}");
            let running = postrider.serve(&[("POSTRIDER_FAULT", fault.as_str())]);
            let ran = postrider.run(&["verify", "u", "--repair"]);
            assert_ne!(ran.code, Some(0), "it was not killed at step {step}: {}", ran.stdout);
            drop(running);
            let running = postrider.serve(&[]);
            repaired(&postrider, &["u"]);
            comes_whole(&postrider, &["u"]);
            running.stop();
        }
        let running = postrider.serve(&[]);
        running.settle(&postrider, "u", &u);
    })
    .await;
}

/// Where messages have no UIDs each is asked for by its name.
#[tokio::test(flavor = "multi_thread")]
async fn a_feed_is_set_right() {
    let mailbox = seed::mailbox(3, 40);
    let server = GmailServer::start(&mailbox, well).await.unwrap();
    let postrider = follower(&head(), &server, "");
    blocking(move || {
        let running = postrider.serve(&[]);
        running.wait_for_state("u", "idle");
        comes_whole(&postrider, &["u"]);
        damaged(&postrider, 3);
        damaged(&postrider, 5);
        let database = postrider.database();
        for by_hand in [
            "DELETE FROM body WHERE id = (SELECT body FROM message WHERE id = 11)",
            "DELETE FROM message WHERE id = 12",
            "DELETE FROM location WHERE message = 13",
            "DELETE FROM feed",
            "DELETE FROM owed",
        ] {
            change(&database, by_hand);
        }
        let ids = "SELECT count(*) AS x FROM message WHERE id IN (11, 13)";
        drop(server.asked());
        postrider.run(&["verify", "u", "--config", "config.toml"]).exits(1);
        let told = repaired(&postrider, &["u"]);
        assert!(told.contains("0 stay"), "{told}");
        comes_whole(&postrider, &["u"]);
        assert_eq!(ask(&database, ids), "2");
        let raw = server.asked().iter().filter(|question| question.raw().is_some()).count();
        assert_eq!(raw, 4, "two that were damaged, one without a row, one that was gone");
        assert_eq!(postrider.manifest("u"), mailbox.manifest(|_| true));
    })
    .await;
}

/// The columns that name a row of each table.
const NAMED_BY: [(&str, &[&str]); 6] = [
    ("location", &["folder", "uidvalidity", "uid"]),
    ("message", &["id"]),
    ("body", &["id"]),
    ("cursor", &["folder", "lane"]),
    ("folder", &["id"]),
    ("event", &["seq"]),
];

/// So many rows of a table are taken away: whichever a seed says.
fn taken_away(postrider: &Postrider, table: &str, named_by: &[&str], most: u64, seed: u64) -> u64 {
    let database = postrider.database();
    let key = named_by.join(" || ',' || ");
    let keys = rows(
        &database,
        &format!("SELECT {key} AS x FROM {table} ORDER BY {}", named_by.join(", ")),
    );
    let chosen: BTreeSet<usize> =
        (0..most).map(|n| mix(seed ^ n << 32) as usize % keys.len()).collect();
    for nth in &chosen {
        let values = keys[*nth].split(',');
        let is = |(column, value): (&&str, &str)| format!("{column} = '{value}'");
        let which: Vec<String> = named_by.iter().zip(values).map(is).collect();
        assert!(try_change(
            &database,
            &format!("DELETE FROM {table} WHERE {}", which.join(" AND "))
        ));
    }
    chosen.len() as u64
}

/// Whatever rows are taken away, of every table at once, and whatever octets are others: all of it comes back.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_taken_away_comes_back() {
    let seed = std::env::var("POSTRIDER_TEST_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(5);
    let u = Mailbox::new();
    for folder in 0..24 {
        u.create(&format!("F{folder}"), "");
        for n in 0..10 {
            // Some lie in two folders.
            let subject = match n {
                0 => format!("both {}", folder / 2),
                n => format!("{folder} {n}"),
            };
            u.append(&format!("F{folder}"), note(&subject));
        }
    }
    for n in 0..60 {
        u.append("INBOX", note(&format!("n{n}")));
    }
    let server = serve(&[("u", &u)], |_, _| None).await;
    let postrider = Postrider::new(&format!("{}{}", head(), account("u", server.port(), "pw")));
    blocking(move || {
        let running = postrider.serve(&[]);
        running.settle(&postrider, "u", &u);
        comes_whole(&postrider, &["u"]);
        for round in 0..3 {
            let seed = mix(seed) ^ round;
            running_without(&postrider, seed);
            let told = repaired(&postrider, &["--all", "--yes"]);
            assert!(told.contains(" 0 stay"), "{told}");
            comes_whole(&postrider, &["--all"]);
            assert_eq!(differences(&postrider, 0), BTreeSet::new(), "seed {seed}");
            running.settle(&postrider, "u", &u);
            let twice = "SELECT message AS x FROM event WHERE kind = 'message.deleted' GROUP BY message HAVING count(*) > 1";
            assert!(rows(&postrider.database(), twice).is_empty(), "told twice: seed {seed}");
        }
    })
    .await;
}

/// The same where changes are told by message id.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_taken_away_of_a_feed_comes_back() {
    let seed = std::env::var("POSTRIDER_TEST_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(5);
    let mailbox = seed::mailbox(3, 200);
    let server = GmailServer::start(&mailbox, well).await.unwrap();
    let postrider = follower(&head(), &server, "");
    blocking(move || {
        let running = postrider.serve(&[]);
        running.wait_for_state("u", "idle");
        comes_whole(&postrider, &["u"]);
        for round in 0..3 {
            let seed = mix(seed) ^ round;
            running_without(&postrider, seed);
            change(&postrider.database(), "DELETE FROM feed");
            let told = repaired(&postrider, &["--all", "--yes"]);
            assert!(told.contains(" 0 stay"), "{told}");
            comes_whole(&postrider, &["--all"]);
            assert_eq!(differences(&postrider, 0), BTreeSet::new(), "seed {seed}");
            assert_eq!(postrider.manifest("u"), mailbox.manifest(|_| true), "seed {seed}");
        }
    })
    .await;
}

/// Octets are others, and rows are gone.
fn running_without(postrider: &Postrider, seed: u64) {
    let bodies: usize =
        ask(&postrider.database(), "SELECT count(*) AS x FROM body WHERE length > 0")
            .parse()
            .unwrap();
    let flipped: BTreeSet<usize> =
        (0..60).map(|n| mix(seed ^ n << 40) as usize % (bodies - 20)).collect();
    for nth in &flipped {
        damaged(postrider, *nth);
    }
    let has_cursors = ask(&postrider.database(), "SELECT count(*) AS x FROM cursor") != "0";
    for (table, named_by) in NAMED_BY.iter().filter(|(table, _)| has_cursors || *table != "cursor")
    {
        let most = match *table {
            "folder" => 3,
            "cursor" => 5,
            _ => 12,
        };
        taken_away(postrider, table, named_by, most, mix(seed ^ table.len() as u64));
    }
}
