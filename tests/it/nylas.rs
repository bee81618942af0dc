//! Nylas over HTTP: what a mirror costs, what it follows, whose a refusal is.

use crate::support::binary::SHORT;
use crate::support::check::state;
use crate::support::database::{ask, change};
use crate::support::mail::blocking;
use crate::support::nylas::{KEY, a_day_later, follower, granted, mirrors, serves, short, well};
use crate::support::served::{head, wait_until};
use postrider_feedd::nylas::{NylasLife, seed};
use postrider_feedd::{NylasApplication, NylasBox, NylasServer, Play, Question};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// Messages whose bytes were asked for, and whose state was.
fn gets(asked: &[Question]) -> (usize, usize) {
    let of = |raw: bool| asked.iter().filter(|q| q.message().is_some_and(|m| m.1 == raw)).count();
    (of(true), of(false))
}

/// Everything, once, behind each kind of provider; then what is new is told by a window, and what else has changed by
/// the daily list.
#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_is_mirrored_and_followed() {
    for provider in ["microsoft", "google", "imap"] {
        let mailbox = seed::mailbox(7, 450, provider);
        if provider == "imap" {
            // Half a year of it is kept; the rest is behind it.
            mailbox.lock().kept_since = Some(1_767_225_600 - 182 * 86_400);
        }
        let server = serves(&mailbox, well).await;
        blocking(move || {
            let postrider = short(&server);
            postrider.sync().exits(0);
            mirrors(&postrider, &mailbox);
            let asked = server.asked();
            let read: BTreeSet<&str> =
                asked.iter().filter_map(|q| q.message().filter(|m| m.1).map(|m| m.0)).collect();
            assert_eq!(read.len(), 451, "{provider}");
            if provider != "imap" {
                assert_eq!(gets(&asked).0, 451, "{provider}: each is read once");
            }
            assert!(
                asked
                    .iter()
                    .filter(|q| q.lists())
                    .all(|q| q.query["limit"].parse::<u32>().unwrap() <= 200),
                "{provider}"
            );

            postrider.sync().exits(0);
            let asked = server.asked();
            assert_eq!(asked.len(), 2, "{provider}: a login and a window: {asked:?}");

            let new = mailbox.insert("Subject: new\r\n\r\nnew\r\n", &["INBOX"], now());
            postrider.sync().exits(0);
            mirrors(&postrider, &mailbox);
            mailbox.change(&new, |mail| mail.unread = false);
            mailbox.put_into(&new, &["TRASH"]);
            postrider.sync().exits(0);
            mirrors(&postrider, &mailbox);
            assert_eq!(gets(&server.asked()).0, 1, "{provider}: its bytes are read once");

            let ids = mailbox.ids();
            mailbox.change(&ids[3], |mail| mail.starred = !mail.starred);
            mailbox.put_into(&ids[4], &["SPAM"]);
            mailbox.delete(&ids[5]);
            mailbox.delete(&new);
            postrider.sync().exits(0);
            assert_ne!(postrider.manifest("u"), mailbox.manifest(), "{provider}: nobody has told");
            a_day_later(&postrider);
            // An absence is believed at the second look.
            postrider.sync().exits(0);
            postrider.sync().exits(0);
            mirrors(&postrider, &mailbox);
            let told = |kind: &str| {
                let text = format!(
                    "SELECT count(*) AS x FROM event WHERE kind = 'message.{kind}' AND NOT backfill"
                );
                ask(&postrider.database(), &text)
            };
            assert_eq!((told("created"), told("deleted")), ("1".into(), "2".into()), "{provider}");
        })
        .await;
    }
}

/// A mailbox lives for a while, again and again: each time the mirror is the mailbox.
#[tokio::test(flavor = "multi_thread")]
async fn a_life_is_followed() {
    let first: u64 =
        std::env::var("POSTRIDER_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(31);
    println!("seed {first}");
    for provider in ["microsoft", "google"] {
        let mailbox = seed::mailbox(first, 120, provider);
        let server = serves(&mailbox, well).await;
        blocking(move || {
            let postrider = short(&server);
            postrider.sync().exits(0);
            let mut life = NylasLife::new(first);
            for _ in 0..8 {
                for _ in 0..30 {
                    life.step(&mailbox, now());
                }
                a_day_later(&postrider);
                for _ in 0..3 {
                    postrider.sync();
                }
                mirrors(&postrider, &mailbox);
            }
        })
        .await;
    }
}

/// A look of one process is the first of the next one's: whoever is run again and again (`sync --once`) believes what is gone.
#[tokio::test(flavor = "multi_thread")]
async fn looks_of_processes_that_run_once_add_up() {
    let mailbox = seed::mailbox(31, 20, "microsoft");
    let server = serves(&mailbox, well).await;
    blocking(move || {
        let slow = SHORT.replace("confirm_after = \"1ms\"", "confirm_after = \"60s\"");
        let postrider = follower(&slow, &server, &granted("u", "grant-1", "demo@example.com"));
        let clock = postrider.path("clock");
        // Nothing is gone for a quarter of an hour (`DOUBT`).
        let after = |minutes: i64| {
            std::fs::write(&clock, (minutes * 60).to_string()).unwrap();
            let env = [("POSTRIDER_CLOCK", clock.to_str().unwrap())];
            // Where something is not to be found a run has not done all.
            drop(postrider.run_with(&["sync", "--once"], &env));
        };
        let owed = || ask(&postrider.database(), "SELECT count(*) AS x FROM owed");
        after(0);
        assert_ne!(owed(), "0");
        after(2);
        assert_eq!(owed(), "0", "an answer of the next process is late enough");
        mailbox.delete(&mailbox.ids()[0].clone());
        a_day_later(&postrider);
        after(4);
        a_day_later(&postrider);
        after(10);
        assert_ne!(postrider.manifest("u"), mailbox.manifest(), "it is too soon");
        after(30);
        mirrors(&postrider, &mailbox);
        assert_eq!(owed(), "0");
    })
    .await;
}

/// A key that is refused is the application's trouble; a grant that is refused is its account's alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_reaches_as_far_as_it_should() {
    let (one, two) = (
        NylasBox::new("g1", "a@example.com", "google"),
        NylasBox::new("g2", "b@example.com", "imap"),
    );
    for mailbox in [&one, &two] {
        mailbox.insert("Subject: x\r\n\r\nx\r\n", &["INBOX"], now());
    }
    let application = NylasApplication::new(KEY, &[&one, &two]);
    let server = NylasServer::start(&application, well).await.unwrap();
    blocking(move || {
        let accounts = format!(
            "{}{}",
            granted("a", "g1", "a@example.com"),
            granted("b", "g2", "b@example.com")
        );
        let postrider = follower(crate::support::binary::SHORT, &server, &accounts);
        let ran = postrider.run(&["check", "--config", "config.toml"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert!(
            ran.stdout.contains("grant g1 of google") && ran.stdout.contains("grant g2 of imap"),
            "{}",
            ran.stdout
        );
        postrider.sync().exits(0);

        one.lock().is_valid = false;
        let ran = postrider.sync();
        assert_eq!(ran.code, Some(4), "{}", ran.stderr);
        assert!(
            ran.stderr.contains("given anew") || ran.stderr.contains("log in again"),
            "{}",
            ran.stderr
        );
        two.insert("Subject: y\r\n\r\ny\r\n", &["INBOX"], now());
        one.lock().is_valid = true;
        postrider.sync().exits(0);
        assert_eq!(postrider.manifest("b").len(), 2);

        // The list of grants shows the key itself to be good or not, whatever a refusal says.
        std::fs::write(postrider.path("nylas"), "nyk-bad\n").unwrap();
        let ran = postrider.sync();
        let told = format!("{}{}", ran.stdout, ran.stderr);
        assert!(told.contains("api_key_file") && !told.contains("nyk-bad"), "{told}");
        assert_eq!(ran.code, Some(4), "{told}");
    })
    .await;
}

/// A grant of another mailbox, or none: nothing is synced into the wrong account.
#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_of_the_mailbox_that_is_named() {
    let mailbox = seed::mailbox(5, 20, "microsoft");
    let server = serves(&mailbox, well).await;
    blocking(move || {
        for (accounts, word) in [
            (granted("u", "grant-1", "other@example.com"), "another mailbox"),
            (granted("u", "grant-9", "demo@example.com"), "no such grant"),
        ] {
            let postrider = follower(crate::support::binary::SHORT, &server, &accounts);
            let ran = postrider.sync();
            let told = format!("{}{}", ran.stdout, ran.stderr);
            assert!(ran.code != Some(0) && told.contains(word), "{:?} {told}", ran.code);
            assert!(postrider.manifest("u").is_empty());
        }
    })
    .await;
}

/// What is wrong in the config is told where it is wrong.
#[test]
fn a_config_is_told_what_is_wrong_with_it() {
    let of = |text: &str| {
        let postrider = crate::support::binary::Postrider::new(text);
        std::fs::write(postrider.path("nylas"), "k").unwrap();
        let ran = postrider.run(&["check", "--config", "config.toml", "--offline"]);
        (ran.code, format!("{}{}", ran.stdout, ran.stderr))
    };
    let account = granted("u", "g", "a@example.com");
    let main = "[nylas.main]\napi_key_file = \"nylas\"\n";
    let (code, told) = of(&format!("{main}{account}"));
    assert_eq!(code, Some(0), "{told}");
    for (text, word) in [
        (account.clone(), "there is no [nylas.main]"),
        (format!("{main}webhook_secret_file = \"\"\n{account}"), "it is empty; write the file"),
        (
            format!("{main}webhook_secret_file = \"nylas\"\n{account}"),
            "write listen = \"127.0.0.1:8026\" into [webhooks]",
        ),
        (
            format!(
                "[webhooks]\nlisten = \"127.0.0.1:0\"\n{main}webhook_secret_file = \"none\"\n{account}"
            ),
            "webhook main: webhook_secret_file none cannot be read",
        ),
        (format!("[nylas]\napi_key_file = \"nylas\"\n{account}"), "write [nylas.main]"),
        (format!("[nylas.main]\nregion = \"us\"\n{account}"), "api_key_file: it is missing"),
        (
            format!("[nylas.main]\napi_key_file = \"nylas\"\nregion = \"mars\"\n{account}"),
            "\"us\" or \"eu\"",
        ),
        (format!("[nylas.main]\napi_key_file = \"nylas\"\nwebhook = 1\n{account}"), "no such key"),
        (format!("{main}{account}password_file = \"nylas\"\n"), "it is for provider = \"imap\""),
        (format!("{main}{account}auth = \"oauth.google\"\n"), "application's key"),
        (
            format!("{main}{}", account.replace("\"main\"", "\"mian\"")),
            "there is no [nylas.mian]; write \"main\"",
        ),
        (format!("{main}{}", account.replace("grant_id = \"g\"\n", "")), "grant_id: it is missing"),
        (
            format!("{main}{}", account.replace("\"nylas\"", "\"imap\"")),
            "it is for provider = \"nylas\"",
        ),
    ] {
        let (code, told) = of(&text);
        assert!(code == Some(2) && told.contains(word), "{word}: {code:?} {told}");
    }
}

/// What was to be read is refused in its bytes alone: it stays owed, and nothing is made of it.
#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_late_are_read_later() {
    let mailbox = seed::mailbox(9, 30, "microsoft");
    let bad = mailbox.ids()[3].clone();
    let open = Arc::new(AtomicBool::new(false));
    let (id, opens) = (bad.clone(), Arc::clone(&open));
    let server = serves(&mailbox, move |q| {
        let is_it = q.message() == Some((id.as_str(), true));
        (is_it && !opens.load(Ordering::SeqCst))
            .then(|| Play::nylas(500, "provider_error", "an error of the provider"))
    })
    .await;
    blocking(move || {
        let postrider = short(&server);
        postrider.sync();
        assert_eq!(postrider.manifest("u").len(), mailbox.manifest().len() - 1);
        assert_eq!(ask(&postrider.database(), "SELECT count(*) AS x FROM message"), "30");
        open.store(true, Ordering::SeqCst);
        change(&postrider.database(), "UPDATE owed SET due_at = 0");
        postrider.sync();
        postrider.sync().exits(0);
        mirrors(&postrider, &mailbox);
    })
    .await;
}

/// Where no raw MIME is to be had in two runs, what is told of a message stands in its place, and nothing says that it is
/// exact.
#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_bytes_is_kept_as_it_is_told() {
    let mailbox = seed::mailbox(11, 12, "ews");
    mailbox.insert("Subject: young\r\n\r\nx\r\n", &["INBOX"], now());
    let bad = mailbox.ids()[3].clone();
    let id = bad.clone();
    let server = serves(&mailbox, move |q| {
        (q.message() == Some((id.as_str(), true))).then(|| {
            Play::nylas(400, "invalid_request_error", "raw_mime is not supported for this provider")
        })
    })
    .await;
    blocking(move || {
        let postrider = short(&server);
        let database = postrider.database();
        let count = |of: &str| ask(&database, &format!("SELECT count(*) AS x FROM message WHERE {of}"));
        postrider.sync().exits(3);
        assert_eq!((count("synthetic"), count("TRUE")), ("0".into(), "13".into()), "it may be a hiccup");
        change(&database, "UPDATE owed SET due_at = 0");
        postrider.sync().exits(3);
        assert_eq!(count("synthetic"), "0", "nor is it none a moment later");
        change(&database, "UPDATE owed SET due_at = 0, failed_at = 0");
        postrider.sync().exits(0);
        let told = format!("synthetic AND subject = '…' AND from_text = 'A <a@example.org>' AND message_id = '{bad}@example.org'");
        assert_eq!((count(&told), count("TRUE")), ("1".into(), "14".into()));

        let lines = postrider.run(&["export", "u", "--config", "config.toml", "--format", "manifest"]);
        assert_eq!(lines.stdout.lines().filter(|line| line.ends_with("\tsynthetic")).count(), 1);
        let files = postrider.run(&["export", "u", "--config", "config.toml", "--format", "eml", "--out", "out"]);
        assert_eq!(files.code, Some(0), "{}", files.stderr);
        let is_json = |path: &PathBuf| path.extension().is_some_and(|end| end == "json");
        let found: Vec<PathBuf> = walk(&postrider.path("out")).into_iter().filter(is_json).collect();
        let json: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(&found[0]).unwrap()).unwrap();
        assert_eq!((found.len(), json["id"].as_str()), (1, Some(bad.as_str())));

        // What is young is shown by each window, and has not changed for that.
        let verified = postrider.run(&["verify", "u", "--config", "config.toml"]);
        let told = format!("{}{}", verified.stdout, verified.stderr);
        assert!(told.contains("but for 1 synthetic"), "{told}");
        assert_eq!(verified.code, Some(0), "{told}");
        mailbox.change(&mailbox.ids()[5], |mail| mail.starred = !mail.starred);
        let verified = postrider.run(&["verify", "u", "--config", "config.toml"]);
        assert_eq!(verified.code, Some(1), "{}{}", verified.stdout, verified.stderr);

        drop(server.asked());
        a_day_later(&postrider);
        postrider.sync().exits(0);
        assert_eq!(gets(&server.asked()).0, 0, "what is held is not asked for again");
    })
    .await;
}

/// A list of what is older goes on through folders that hold nothing old, however many, and past one that cannot be listed.
#[tokio::test(flavor = "multi_thread")]
async fn empty_folders_are_no_end_of_a_list() {
    let mailbox = NylasBox::new("grant-1", "demo@example.com", "imap");
    for n in 0..30 {
        mailbox.create_folder(&format!("Empty {n}"), None);
    }
    let last = mailbox.create_folder("Z", None);
    let old = now() - 400 * 86_400;
    for n in 0..5 {
        mailbox.insert(format!("Subject: {n}\r\n\r\nx\r\n"), &[last.as_str()], old + n);
    }
    mailbox.insert("Subject: young\r\n\r\nx\r\n", &["INBOX"], now());
    mailbox.lock().kept_since = Some(now() - 90 * 86_400);
    let all = Arc::new(AtomicBool::new(false));
    let refuses_all = Arc::clone(&all);
    let server = serves(&mailbox, move |q| {
        let of = |id: &str| q.query.get("in").is_some_and(|within| within == id);
        let all = refuses_all.load(Ordering::SeqCst);
        let refuses = of("folder 3") || (all && (of("folder 31") || q.message().is_some()));
        (refuses && q.query.contains_key("query_imap"))
            .then(|| Play::nylas(400, "provider_error", "the folder cannot be opened"))
    })
    .await;
    blocking(move || {
        let postrider = short(&server);
        postrider.sync().exits(0);
        mirrors(&postrider, &mailbox);
        a_day_later(&postrider);
        drop(server.asked());
        postrider.sync().exits(0);
        let asked = server.asked();
        let folders = asked.iter().filter(|q| q.path.ends_with("/folders")).count();
        assert!(folders <= 3, "{folders}");
        assert_eq!(gets(&asked).0, 0);
        let verified = postrider.run(&["verify", "u", "--config", "config.toml"]);
        assert!(verified.stdout.contains("could not be listed whole"), "{}", verified.stdout);

        // A folder that is refused, and each mail of it by name, ends nothing.
        all.store(true, Ordering::SeqCst);
        for _ in 0..4 {
            a_day_later(&postrider);
            change(&postrider.database(), "UPDATE owed SET due_at = 0");
            postrider.sync();
        }
        mirrors(&postrider, &mailbox);
        let deleted = "SELECT count(*) AS x FROM event WHERE kind = 'message.deleted'";
        assert_eq!(ask(&postrider.database(), deleted), "0");
    })
    .await;
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

/// The demo's mailbox is mirrored, and there is nothing to do when it is started again.
#[test]
fn the_demo_follows_nylas() {
    let postrider = crate::support::binary::Postrider::new("");
    let first = postrider.run(&["demo", "--nylas", "--once"]).exits(0).stdout;
    assert!(
        first.contains("401 messages in") && first.contains("the mirror is in demo-nylas"),
        "{first}"
    );
    let second = postrider.run(&["demo", "--nylas", "--once"]).exits(0).stdout;
    assert!(second.contains("0 messages in"), "{second}");
    postrider.run(&["verify", "demo", "--offline", "--data", "demo-nylas"]).exits(0);
}

/// The process is aborted at each durable step, at first and while it follows: the same mirror, and the third run changes
/// nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_step_loses_nothing() {
    for point in [
        "bodies.block_written",
        "bodies.synced",
        "account.page_sent",
        "store.rows_written",
        "store.before_commit",
        "store.committed",
        "store.answered",
        "account.answered",
    ] {
        let mut aborted = 0;
        for nth in [1, 2, 7] {
            let mailbox = seed::mailbox(43, 60, "microsoft");
            let server = serves(&mailbox, well).await;
            let fault = format!("{point}:{nth}");
            aborted += blocking(move || {
                let postrider = short(&server);
                let env = [("POSTRIDER_FAULT", fault.as_str())];
                let (mut aborted, mut life) = (0, NylasLife::new(5));
                for _ in 0..2 {
                    let ran = postrider.run_with(&["sync", "--once"], &env);
                    aborted += u32::from(ran.stderr.contains("scripted fault"));
                    postrider.sync();
                    a_day_later(&postrider);
                    postrider.sync();
                    postrider.sync();
                    postrider.sync().exits(0);
                    mirrors(&postrider, &mailbox);
                    let before = state(&postrider.database());
                    postrider.sync().exits(0);
                    assert_eq!(state(&postrider.database()), before, "{fault}");
                    for _ in 0..15 {
                        life.step(&mailbox, now());
                    }
                }
                aborted
            })
            .await;
        }
        assert!(aborted > 0, "{point} was never passed");
    }
}

/// A key that is refused to all is waited for at the endpoint: nobody is flagged, one line says it, and all go on when it is
/// taken again. A grant that is refused flags its own account, and nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_key_flags_nobody() {
    let all: Vec<NylasBox> = (0..3)
        .map(|n| NylasBox::new(&format!("g{n}"), &format!("{n}@example.com"), "microsoft"))
        .collect();
    for mailbox in &all {
        mailbox.insert("Subject: x\r\n\r\nx\r\n", &["INBOX"], now());
    }
    let (good, asked) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let (is_good, counts) = (Arc::clone(&good), Arc::clone(&asked));
    let application = NylasApplication::new(KEY, &all.iter().collect::<Vec<_>>());
    let server = NylasServer::start(&application, move |_| {
        (!is_good.load(Ordering::SeqCst)).then(|| {
            counts.fetch_add(1, Ordering::SeqCst);
            // Its words tell nothing.
            Play::nylas(401, "unauthorized", "Unauthorized")
        })
    })
    .await
    .unwrap();
    blocking(move || {
        let ids = ["a", "b", "c"];
        let accounts: String = ids
            .iter()
            .enumerate()
            .map(|(n, id)| granted(id, &format!("g{n}"), &format!("{n}@example.com")))
            .collect();
        let postrider = follower(&head(), &server, &accounts);
        let served = postrider.serve(&[]);
        for id in ids {
            served.wait_for_state(id, "idle");
        }
        good.store(false, Ordering::SeqCst);
        for id in ids {
            served.post(&format!("/v1/accounts/{id}/sync-now"), "");
        }
        for id in ids {
            served.wait_for_state(id, "waiting");
        }
        let path = format!("root/endpoints/nylas 127.0.0.1:{} main", server.port());
        wait_until("the endpoint is down", || {
            served.actor(&path).is_some_and(|it| it["state"] == "down")
        });
        let flagged = "SELECT count(*) AS x FROM event WHERE kind = 'account.needs_reauth'";
        assert_eq!(ask(&postrider.database(), flagged), "0");
        served.stop();
        good.store(true, Ordering::SeqCst);
        let served = postrider.serve(&[]);
        for id in ids {
            served.wait_for_state(id, "idle");
        }

        all[1].lock().is_valid = false;
        served.post("/v1/accounts/b/sync-now", "");
        served.wait_for_state("b", "needs_reauth");
        assert_eq!((served.state("a").as_str(), served.state("c").as_str()), ("idle", "idle"));
        all[1].lock().is_valid = true;
        served.post("/v1/accounts/b/sync-now", "");
        served.wait_for_state("b", "idle");
        served.stop();
    })
    .await;
}

/// A grant that expires in a first sync and comes back after four days: what came meanwhile is there by the next window.
#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_comes_back_has_missed_nothing() {
    let mailbox = seed::mailbox(21, 120, "microsoft");
    let (read, expires) = (Arc::new(AtomicUsize::new(0)), mailbox.clone());
    let counts = Arc::clone(&read);
    let server = serves(&mailbox, move |q| {
        if q.message().is_some_and(|m| m.1) && counts.fetch_add(1, Ordering::SeqCst) == 40 {
            expires.lock().is_valid = false;
        }
        None
    })
    .await;
    blocking(move || {
        let postrider = short(&server);
        assert_eq!(postrider.sync().code, Some(4));
        let held: usize =
            ask(&postrider.database(), "SELECT count(*) AS x FROM message").parse().unwrap();
        assert!(held > 0 && held < 121, "{held}");
        // Four days go by.
        let day = 86_400;
        let back = format!(
            "UPDATE cursor SET state = json_set(state, '$.state.cursor', '{}')",
            now() - 4 * day
        );
        change(&postrider.database(), back.leak());
        for days in 0..4 {
            mailbox.insert(format!("Subject: {days}\r\n\r\nx\r\n"), &["INBOX"], now() - days * day);
        }
        mailbox.lock().is_valid = true;
        postrider.sync().exits(0);
        mirrors(&postrider, &mailbox);
        let lists = "SELECT count(*) AS x FROM event WHERE kind = 'message.deleted'";
        assert_eq!(ask(&postrider.database(), lists), "0");
    })
    .await;
}
