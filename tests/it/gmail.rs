//! Gmail's API, over HTTP: what a mirror costs, what it follows.

use crate::support::binary::{Postrider, SHORT};
use crate::support::check::{consistent, state};
use crate::support::database::{ask, change};
use crate::support::gmail::{follower, gets, gmail_account, mirrors, short, well};
use crate::support::mail::blocking;
use crate::support::served::{head, until, wait_until};
use postrider_feedd::life::GmailLife;
use postrider_feedd::{GmailBox, GmailServer, Question, seed};
use std::collections::BTreeSet;
use std::time::Duration;

/// Everything, once; then nothing; then what each change costs.
#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_is_mirrored_and_followed() {
    let mailbox = seed::mailbox(7, 700);
    mailbox.insert("Subject: a chat\r\n\r\nx", &["CHAT"], 1);
    let server = GmailServer::start(&mailbox, well).await.unwrap();
    blocking(move || {
        let postrider = short(&server);
        postrider.sync().exits(0);
        mirrors(&postrider, &mailbox, |_| true);
        let asked = server.asked();
        let read: BTreeSet<&str> = asked.iter().filter_map(|q| q.raw()).collect();
        assert_eq!((gets(&asked).0, read.len()), (701, 701), "each is read once, chats are not");
        let states = gets(&asked).1;
        assert!(states <= 14, "{states} states were asked for");

        postrider.sync().exits(0);
        let asked = server.asked();
        assert_eq!(asked.len(), 1, "nothing has changed: {asked:?}");

        let costs = |what: &str, want: (usize, usize)| {
            postrider.sync().exits(0);
            mirrors(&postrider, &mailbox, |_| true);
            assert_eq!(gets(&server.asked()), want, "{what}");
        };
        let new =
            mailbox.insert("Subject: new\r\n\r\nnew\r\n", &["INBOX", "UNREAD"], i64::MAX / 2000);
        costs("new mail", (1, 0));
        mailbox.modify(&new, &["STARRED", "Label_1"], &["UNREAD"]);
        costs("a label", (0, 0));
        mailbox.trash(&new);
        costs("the trash", (0, 0));
        mailbox.delete(&new);
        costs("its end", (0, 0));
    })
    .await;
}

/// What questions cost, by Gmail's table of 2026.
fn units(asked: &[Question]) -> usize {
    let cost = |q: &Question| match q.path.as_str() {
        "profile" | "labels" => 1,
        "history" => 2,
        "messages" => 5,
        _ => 20,
    };
    asked.iter().map(cost).sum()
}

/// States are asked for of what was read within settle_after of its word, and of nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_sync_costs_little_more_than_its_messages() {
    let mailbox = seed::mailbox(29, 2000);
    let server = GmailServer::start(&mailbox, well).await.unwrap();
    blocking(move || {
        let head = SHORT.replace("confirm_after = \"1ms\"", "confirm_after = \"1s\"");
        let postrider = follower(&head, &server, "");
        postrider.sync().exits(0);
        mirrors(&postrider, &mailbox, |_| true);
        let asked = server.asked();
        let lists = asked.iter().filter(|q| q.path == "messages").count();
        let (spent, least) = (units(&asked), 2001 * 20 + lists * 5);
        println!("{spent} units, {least} at least, {:?}", gets(&asked));
        assert!(spent * 100 <= least * 102, "{spent} units, {least} at least");
    })
    .await;
}

/// A mailbox lives for a while, again and again: each time the mirror is the mailbox, and replaying
/// what was told leads there.
#[tokio::test(flavor = "multi_thread")]
async fn a_life_is_followed() {
    let first: u64 =
        std::env::var("POSTRIDER_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(31);
    println!("seed {first}");
    let mailbox = seed::mailbox(first, 120);
    let server = GmailServer::start(&mailbox, well).await.unwrap();
    blocking(move || {
        let postrider = short(&server);
        let mut life = GmailLife::new(first);
        for day in 0..12 {
            for n in 0..40 {
                life.step(&mailbox, i64::MAX / 2000 + day * 1000 + n);
            }
            postrider.sync().exits(0);
            // A label that is new owes a list of its own.
            postrider.sync().exits(0);
            mirrors(&postrider, &mailbox, |_| true);
        }
        let asked = server.asked();
        let read: Vec<&str> = asked.iter().filter_map(|q| q.raw()).collect();
        let each: BTreeSet<&&str> = read.iter().collect();
        assert_eq!(read.len(), each.len(), "each is read once");
        let before = state(&postrider.database());
        postrider.sync().exits(0);
        assert_eq!(state(&postrider.database()), before);
    })
    .await;
}

/// A draft is another message each time it is saved.
#[tokio::test(flavor = "multi_thread")]
async fn a_saved_draft_is_one_end_and_one_beginning() {
    let mailbox = seed::mailbox(37, 20);
    let server = GmailServer::start(&mailbox, well).await.unwrap();
    blocking(move || {
        let postrider = short(&server);
        let mut draft = mailbox.save_draft(None, "Subject: d\r\n\r\n0", 1);
        postrider.sync().exits(0);
        for n in 1..4 {
            draft = mailbox.save_draft(Some(&draft), format!("Subject: d\r\n\r\n{n}"), 1);
            let last = ask(&postrider.database(), "SELECT max(seq) AS x FROM event");
            postrider.sync().exits(0);
            let told = format!(
                "SELECT group_concat(kind, ' ') AS x FROM (SELECT kind FROM event WHERE seq > {last} AND kind LIKE 'message.%' ORDER BY kind) AS told"
            );
            let told = ask(&postrider.database(), &told);
            assert_eq!(told, "message.created message.deleted");
            mirrors(&postrider, &mailbox, |_| true);
        }
    })
    .await;
}

/// Memory does not grow with a message, nor with several long ones at once.
#[tokio::test(flavor = "multi_thread")]
async fn long_messages_need_no_memory() {
    let mailbox = GmailBox::new("demo@example.com");
    let body = |octets: usize, n: usize| {
        let line = format!("{n:04} {}\r\n", "x".repeat(70));
        format!("Subject: long {n}\r\n\r\n{}", line.repeat(octets / line.len()))
    };
    mailbox.insert(body(60_000_000, 0), &["INBOX"], 1);
    for n in 1..7 {
        mailbox.insert(body(6_000_000, n), &["INBOX"], 1);
    }
    for n in 7..40 {
        mailbox.insert(body(300_000, n), &["INBOX"], 1);
    }
    let server = GmailServer::start(&mailbox, well).await.unwrap();
    blocking(move || {
        let slow = SHORT.replace("silence = \"500ms\"", "silence = \"20s\"");
        let slow = slow.replace("command = \"5s\"", "command = \"60s\"");
        let postrider = follower(&slow, &server, "");
        let ran = postrider.sync().exits(0);
        mirrors(&postrider, &mailbox, |_| true);
        println!("peak {} KiB", ran.peak_kib);
        assert!(ran.peak_kib > 0 && ran.peak_kib < 56 << 10, "{} KiB", ran.peak_kib);
    })
    .await;
}

/// Old mail is never new: what is imported with old dates is history; what comes during the first
/// sync is told once, as new.
#[tokio::test(flavor = "multi_thread")]
async fn old_mail_is_never_new() {
    let mailbox = seed::mailbox(41, 400);
    let server = GmailServer::start(&mailbox, |q| {
        // The first sync takes a while.
        let delay = Duration::from_millis(if q.raw().is_some() { 10 } else { 0 });
        Some(postrider_feedd::Play { delay, ..Default::default() })
    })
    .await
    .unwrap();
    blocking(move || {
        let postrider = follower(&head(), &server, "");
        let served = postrider.serve(&[]);
        let database = postrider.database();
        until(&database, "SELECT count(*) > 20 AS x FROM message", "1");
        let now = i64::MAX / 2000;
        mailbox.insert("Subject: during\r\n\r\nx\r\n", &["INBOX", "UNREAD"], now);
        postrider.run(&["sync-now", "u", "--wait"]).exits(0);
        until(&database, "SELECT count(*) AS x FROM message", "402");
        for n in 0..200 {
            let raw = format!("Subject: imported {n}\r\n\r\nx\r\n");
            mailbox.insert(raw, &["Label_1"], 1_400_000_000_000 + n);
        }
        postrider.run(&["sync-now", "u", "--wait"]).exits(0);
        until(&database, "SELECT count(*) AS x FROM message", "602");
        let told = "SELECT group_concat(x, ' ') AS x FROM (SELECT json_extract(data, '$.subject') || backfill AS x FROM event WHERE kind = 'message.created' AND NOT backfill) AS told";
        println!("{}", ask(&database, told));
        let fresh = "SELECT count(*) AS x FROM event WHERE kind = 'message.created' AND NOT backfill";
        assert_eq!(ask(&database, fresh), "1");
        let of_new = "SELECT group_concat(m.subject || ' ' || e.backfill) AS x FROM event e JOIN message m ON m.id = e.message WHERE m.subject = 'during' AND e.kind = 'message.created'";
        assert_eq!(ask(&database, of_new), "during 0");
        mirrors(&postrider, &mailbox, |_| true);
        served.stop();
        consistent(&database);
    })
    .await;
}

/// The process is aborted at each durable step, at first and while it follows: the same mirror, and
/// the third run changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_step_loses_nothing() {
    for point in [
        "bodies.block_written",
        "bodies.synced",
        "bodies.dir_synced",
        "account.page_sent",
        "store.begun",
        "store.rows_written",
        "store.before_commit",
        "store.committed",
        "store.answered",
        "account.answered",
    ] {
        let mut aborted = 0;
        for nth in [1, 2, 4, 9] {
            let mailbox = seed::mailbox(43, 90);
            let server = GmailServer::start(&mailbox, well).await.unwrap();
            let fault = format!("{point}:{nth}");
            aborted += blocking(move || {
                let postrider = short(&server);
                let env = [("POSTRIDER_FAULT", fault.as_str())];
                let mut aborted = 0;
                let mut life = GmailLife::new(5);
                for _ in 0..2 {
                    let ran = postrider.run_with(&["sync", "--once"], &env);
                    aborted += u32::from(ran.stderr.contains("scripted fault"));
                    postrider.sync().exits(0);
                    postrider.sync().exits(0);
                    mirrors(&postrider, &mailbox, |_| true);
                    let before = state(&postrider.database());
                    postrider.sync().exits(0);
                    assert_eq!(state(&postrider.database()), before, "{fault}");
                    for n in 0..25 {
                        life.step(&mailbox, i64::MAX / 2000 + n);
                    }
                }
                aborted
            })
            .await;
        }
        assert!(aborted > 0, "{point} was never passed");
    }
}

/// A day's units are a day's, whichever process has spent them: a timer that syncs once an hour
/// keeps them as a server does.
#[tokio::test(flavor = "multi_thread")]
async fn one_day_is_kept_by_several_processes() {
    let mailbox = seed::mailbox(48, 60);
    let server = GmailServer::start(&mailbox, well).await.unwrap();
    blocking(move || {
        let account = gmail_account(&server.url()).replace("\"none\"", "800");
        let postrider = Postrider::new(&format!("{SHORT}{account}"));
        std::fs::write(postrider.path("token"), "good\n").unwrap();
        let stored = || ask(&postrider.database(), "SELECT count(*) AS x FROM message");
        postrider.sync().exits(3);
        let first = stored();
        assert!(first != "0" && first != "60", "{first}");
        let spent =
            ask(&postrider.database(), "SELECT max(units) AS x FROM spending WHERE account = 'u'");
        assert!(
            spent.parse::<u32>().unwrap() >= 20 * first.parse::<u32>().unwrap(),
            "{spent} for {first}"
        );
        for _ in 0..2 {
            postrider.sync().exits(3);
        }
        // The logins of three processes are a unit each.
        assert!(units(&server.asked()) <= 803);
    })
    .await;
}

/// `check`, `verify`, `failures` and the API show how it stands.
#[tokio::test(flavor = "multi_thread")]
async fn the_faces_tell_how_it_stands() {
    let mailbox = seed::mailbox(47, 80);
    let metadata = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let narrow = std::sync::Arc::clone(&metadata);
    let server = GmailServer::start(&mailbox, move |q| {
        let is_narrow = narrow.load(std::sync::atomic::Ordering::SeqCst) && q.raw().is_some();
        let words = "Metadata scope doesn't allow format RAW";
        is_narrow.then(|| postrider_feedd::Play::refuse(403, "insufficientPermissions", words))
    })
    .await
    .unwrap();
    blocking(move || {
        let slow = head().replace("confirm_after = \"1ms\"", "confirm_after = \"1s\"");
        let postrider = follower(&slow, &server, "");
        let told = postrider.run(&["check"]).exits(0).stdout;
        assert!(
            told.contains("u: access granted; 81 messages; 15 labels, 14 to be synced: "),
            "{told}"
        );
        assert!(told.contains("Work/Größe") && !told.contains("Chats"), "{told}");
        let config = std::fs::read_to_string(postrider.path("config.toml")).unwrap();
        // A label is never so long: no name server is asked.
        let nowhere = format!("https://{}.invalid", "a".repeat(70));
        let odd = config.replace(&server.url(), &nowhere);
        let odd = format!("{odd}folders = {{ exclude = [\"Junk\", \"Tr*\"] }}\n");
        std::fs::write(postrider.path("config.toml"), &odd).unwrap();
        let told = postrider.run(&["check"]).exits(2).stderr;
        assert!(told.contains("is not known: see whether `api_url` is right"), "{told}");
        let odd = odd.replace(&nowhere, &server.url());
        std::fs::write(postrider.path("config.toml"), odd).unwrap();
        let told = postrider.run(&["check"]).exits(0).stderr;
        assert!(told.contains("folders.exclude: \"Junk\" matches no folder"), "{told}");
        assert!(!told.contains("Tr*"), "{told}");
        std::fs::write(postrider.path("config.toml"), config).unwrap();
        metadata.store(true, std::sync::atomic::Ordering::SeqCst);
        let told = postrider.run(&["check"]).exits(4).stderr;
        assert!(told.contains("gmail.readonly"), "{told}");
        metadata.store(false, std::sync::atomic::Ordering::SeqCst);

        let ran = postrider.sync().exits(0);
        assert!(ran.stdout.contains("u: in a while, all lists are compared"), "{}", ran.stdout);
        wait_until("the compare", || !postrider.sync().exits(0).stdout.contains("in a while"));
        let told = postrider.run(&["verify", "u"]).exits(0).stdout;
        assert!(told.contains("0 differences") && !told.contains("not proved"), "{told}");

        // What was changed behind the back of both.
        let database = postrider.database();
        let nth =
            |n: usize| ask(&database, &format!("SELECT identity AS x FROM message WHERE id = {n}"));
        let ids = [nth(3), nth(5)];
        change(
            &database,
            "UPDATE location SET flags = CASE WHEN flags LIKE '%Seen%' THEN '' ELSE '\\Seen' END WHERE message = 3",
        );
        change(
            &database,
            "UPDATE folder SET held = held - 1 WHERE id IN (SELECT folder FROM location WHERE message = 5 AND ended_at IS NULL)",
        );
        change(&database, "UPDATE location SET ended_at = 1 WHERE message = 5");
        let told = postrider.run(&["verify", "u"]).exits(1).stdout;
        assert!(told.contains(&format!("{}: flags [", ids[0])), "{told}");
        assert!(told.contains(&format!("{}: the server has it here, we do not", ids[1])), "{told}");
        mailbox.insert("Subject: later\r\n\r\nx\r\n", &["INBOX"], i64::MAX / 2000);
        let told = postrider.run(&["verify", "u"]).exits(1).stdout;
        let said = "every folder: 1 messages have changed since the last sync";
        assert_eq!(told.matches(said).count(), 1, "{told}");

        let served = postrider.serve(&[]);
        postrider.run(&["sync-now", "u", "--wait"]).exits(0);
        let account = served.get("/v1/accounts/u");
        assert_eq!(account["feed"]["listed"], true, "{account}");
        let cursor = &account["feed"]["cursors"][0]["state"]["state"]["cursor"];
        assert_eq!(cursor.as_str(), Some(mailbox.lock().now.to_string().as_str()), "{account}");
        assert_eq!(account["feed"]["owed"]["failed"], 0, "{account}");
        assert!(account["lag_seconds"].as_f64().is_some_and(|lag| lag < 20.0), "{account}");
        // A compare heals what differs, and the next one proves it.
        wait_until("the compare", || {
            postrider.run(&["sync-now", "u", "--wait"]).exits(0);
            postrider.manifest("u") == mailbox.manifest(|_| true)
        });
        mirrors(&postrider, &mailbox, |_| true);
        wait_until("the proof", || {
            postrider.run(&["sync-now", "u", "--wait"]).exits(0);
            served.get("/v1/accounts/u")["feed"]["proved_at"].is_string()
        });
        served.stop();
    })
    .await;
}

/// The demo's mailbox is mirrored, and there is nothing to do when it is started again.
#[test]
fn the_demo_follows_gmail() {
    let postrider = crate::support::binary::Postrider::new("");
    let first = postrider.run(&["demo", "--gmail", "--once"]).exits(0).stdout;
    assert!(
        first.contains("401 messages in") && first.contains("the mirror is in demo-gmail"),
        "{first}"
    );
    let second =
        postrider.run(&["demo", "--gmail", "--once", "--wire-log", "wire"]).exits(0).stdout;
    assert!(second.contains("0 messages in"), "{second}");
    let asked = std::fs::read_to_string(postrider.path("wire")).unwrap();
    assert_eq!(asked.lines().count(), 1, "{asked}");
    postrider.run(&["verify", "demo", "--offline", "--data", "demo-gmail"]).exits(0);
}

/// Another client changes the mailbox while a server follows it and is killed: in the end the mirror
/// is the mailbox, nothing is told twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_storm_with_kills_ends_equal() {
    let first: u64 =
        std::env::var("POSTRIDER_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(61);
    println!("seed {first}");
    let mailbox = seed::mailbox(first, 300);
    let server = GmailServer::start(&mailbox, well).await.unwrap();
    blocking(move || {
        let postrider = follower(&head(), &server, "");
        let mut life = GmailLife::new(first);
        let mut served = postrider.serve(&[]);
        for n in 0..400 {
            life.step(&mailbox, i64::MAX / 2000 + n);
            if n % 20 == 7 {
                postrider.run(&["sync-now", "u"]).exits(0);
            }
            if n % 80 == 33 {
                served.running.child.kill().unwrap();
                served.running.child.wait().unwrap();
                drop(served);
                served = postrider.serve(&[]);
            }
        }
        wait_until("the mailbox", || {
            postrider.run(&["sync-now", "u", "--wait"]);
            postrider.manifest("u") == mailbox.manifest(|_| true)
        });
        served.stop();
        mirrors(&postrider, &mailbox, |_| true);
        let twice = "SELECT count(*) AS x FROM (SELECT 1 FROM event WHERE kind = 'message.deleted' GROUP BY message HAVING count(*) > 1) AS twice";
        assert_eq!(ask(&postrider.database(), twice), "0");
    })
    .await;
}
