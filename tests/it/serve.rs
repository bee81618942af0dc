//! `serve`: follows mailboxes as they change, stops in order, goes on where it was.

use crate::support::binary::{Postrider, account};
use crate::support::check::{equal, state};
use crate::support::database::{ask, rows};
use crate::support::mail::{Mailbox, blocking, note, seed, serve, serve_well};
use crate::support::served::{head, until, wait_until};
use postrider_imapd::Misbehaviour;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const MESSAGES: &str =
    "SELECT count(*) AS x FROM message WHERE deleted_at IS NULL AND limbo_since IS NULL";

#[tokio::test(flavor = "multi_thread")]
async fn follows_mail_flags_moves_renames_and_deletions() {
    let mailbox = seed::mailbox(51, 150);
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::new(&format!("{}{}", head(), account("u", server.port(), "pw")));
    let log = blocking(move || {
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &mailbox);
        served.wait_for_state("u", "idle");
        wait_until("a watch", || served.account("u")["push"] == "idle");
        let bodies = |log: &[String]| log.iter().filter(|l| l.contains("BODY.PEEK[]")).count();
        let database = postrider.database();
        let last = ask(&database, "SELECT max(seq) AS x FROM event");

        // New mail comes by itself, and soon; it is announced as new, once.
        let before: u64 = ask(&database, MESSAGES).parse().unwrap();
        mailbox.append("INBOX", note("new").dated("01-Feb-2031 10:00:00 +0000"));
        let took = until(&database, MESSAGES, &(before + 1).to_string());
        assert!(took < Duration::from_secs(2), "{took:?}");
        // Flags of a message in INBOX.
        let uid = *mailbox.lock()["INBOX"].mail.keys().next().unwrap();
        mailbox.set_flags("INBOX", uid, &["\\Seen", "\\Flagged", "done"]);
        served.settle(&postrider, "u", &mailbox);
        // A move out of INBOX is chased at once; its bytes are held already.
        let fetched = bodies(&server.log());
        let uid = *mailbox.lock()["INBOX"].mail.keys().nth(3).unwrap();
        mailbox.relocate("INBOX", uid, "Archive");
        served.settle(&postrider, "u", &mailbox);
        // A rename is seen with the next LIST, and fetches nothing.
        wait_until("rest", || served.state("u") == "idle");
        let moved = bodies(&server.log());
        assert!(moved <= fetched + 1, "a move fetches one message at most");
        mailbox.rename("Projects/Alpha", "Projects/Beta");
        mailbox.delete("Junk");
        postrider.run(&["sync-now", "u", "--wait"]);
        // The folder that is gone takes a second look, which comes by itself.
        served.settle(&postrider, "u", &mailbox);
        assert_eq!(bodies(&server.log()), moved, "a rename fetches nothing");

        let sql = format!("SELECT kind AS x FROM event WHERE seq > {last}");
        let kinds = rows(&database, &sql);
        let count = |kind: &str| kinds.iter().filter(|k| *k == kind).count();
        assert_eq!((count("message.created"), count("message.moved")), (1, 1), "{kinds:?}");
        assert_eq!(
            (count("folder.renamed"), count("folder.created"), count("folder.deleted")),
            (1, 0, 1),
            "{kinds:?}"
        );
        let paths = rows(
            &database,
            "SELECT json_extract(data, '$.path') AS x FROM event WHERE kind = 'folder.renamed'",
        );
        assert_eq!(paths, ["Projects/Beta"]);
        served.stop();
        assert!(server.log().iter().filter(|l| l.starts_with("LOGOUT")).count() >= 1);
        (server.log(), postrider)
    })
    .await
    .0;
    for word in ["SELECT", "STORE", "COPY", "MOVE", "APPEND", "EXPUNGE", "CLOSE", "CREATE"] {
        assert!(
            !log.iter().any(|l| l.starts_with(word) || l.starts_with(&format!("UID {word}"))),
            "{word} was sent"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_look_writes_nothing_but_its_hour() {
    let mailbox = seed::mailbox(52, 60);
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::new(&format!("{}{}", head(), account("u", server.port(), "pw")));
    blocking(move || {
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &mailbox);
        postrider.run(&["sync-now", "u", "--wait"]).exits(0);
        let before = state(&postrider.database());
        for _ in 0..3 {
            postrider.run(&["sync-now", "u", "--wait"]).exits(0);
        }
        assert_eq!(state(&postrider.database()), before, "no message, location, event or run row");
        served.stop();
        assert_eq!(state(&postrider.database()), before);
        let hours = ask(
            &postrider.database(),
            "SELECT sum(runs) || ' ' || CASE WHEN sum(passes) > sum(runs) THEN 1 ELSE 0 END AS x FROM run_hour",
        );
        let (runs, more_passes) = hours.split_once(' ').unwrap();
        assert!(runs.parse::<u32>().unwrap() >= 3 && more_passes == "1", "{hours}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_stops_is_seen_everywhere_and_healed() {
    let mailbox = seed::mailbox(53, 40);
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::new(&format!("{}{}", head(), account("u", server.port(), "pw")));
    blocking(move || {
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &mailbox);
        wait_until("a watch", || served.account("u")["push"] == "idle");
        wait_until("a proof", || served.metric("postrider_sync_lag_seconds{quantile=\"1\"}") < 1.0);
        assert_eq!(served.ask("GET", "/readyz").0, 200);
        wait_until("idle", || {
            (served.metric("postrider_accounts{state=\"idle\"}") - 1.0).abs() < 0.1
        });

        server.freeze(true);
        mailbox.append("INBOX", note("unseen").dated("01-Feb-2031 10:00:00 +0000"));
        wait_until("trouble", || served.state("u") == "waiting");
        wait_until("lag", || served.metric("postrider_sync_lag_seconds{quantile=\"1\"}") > 3.0);
        assert!(served.metric("postrider_accounts{state=\"waiting\"}") > 0.9);
        let (status, body) = served.ask("GET", "/readyz");
        assert_eq!(status, 503, "{body}");
        assert_eq!(body["troubled"]["waiting"], 1, "{body}");
        assert!(
            served.account("u")["reason"].as_str().unwrap().starts_with("timeout"),
            "{}",
            served.account("u")
        );
        wait_until("a next attempt", || served.account("u")["next_attempt_at"].is_string());
        assert!(served.account("u")["errors"]["timeout"].as_u64() > Some(0));

        server.freeze(false);
        served.settle(&postrider, "u", &mailbox);
        wait_until("readiness", || served.ask("GET", "/readyz").0 == 200);
        wait_until("a proof", || served.metric("postrider_sync_lag_seconds{quantile=\"1\"}") < 2.0);
        served.stop();
    })
    .await;
}

/// New mail in the folder that is watched: nothing is opened again, and only what came is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_hint_of_new_mail_opens_nothing_again() {
    let mailbox = seed::mailbox(5, 30);
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::new(&format!("{}{}", head(), account("u", server.port(), "pw")));
    blocking(move || {
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &mailbox);
        wait_until("a watch", || {
            served.account("u")["push"] == "idle" && served.state("u") == "idle"
        });
        let mut seen: Vec<(String, String)> = Vec::new();
        for n in 0..3 {
            let before = server.log().len();
            let uidnext = mailbox.lock()["INBOX"].uidnext;
            mailbox.append("INBOX", note(&format!("hint {n}")));
            until(
                &postrider.database(),
                &format!("SELECT count(*) AS x FROM message WHERE subject = 'hint {n}'"),
                "1",
            );
            let asked: Vec<String> = server.log()[before..].to_vec();
            assert!(!asked.iter().any(|c| c.contains("EXAMINE")), "{asked:?}");
            let which = format!("UID FETCH {uidnext}:* (UID)");
            assert!(asked.iter().any(|c| c.contains(&which)), "{asked:?}");
            served.settle(&postrider, "u", &mailbox);
            wait_until("a watch", || served.state("u") == "idle");
            let instants =
                "SELECT passed_at || ' ' || proved_at AS x FROM folder WHERE path = 'INBOX'";
            let instants = ask(&postrider.database(), instants);
            let (passed, proved) = instants.split_once(' ').unwrap();
            seen.push((passed.to_owned(), proved.to_owned()));
        }
        // What an open folder tells proves it, and is no sight of what it holds.
        assert!(seen.windows(2).all(|w| w[0].0 == w[1].0 && w[0].1 < w[1].1), "{seen:?}");
        // One that goes is no arrival: it is looked at, and what happened is seen.
        let uid = *mailbox.lock()["INBOX"].mail.keys().next().unwrap();
        mailbox.expunge("INBOX", uid);
        served.settle(&postrider, "u", &mailbox);
        served.stop();
        equal(&postrider, "u", &mailbox);
    })
    .await;
}

/// Flags that the server tells of in the folder that is watched: those messages are asked for, and nothing is
/// opened again, also where mail comes at the same time. Where something went, too, the folder is looked at.
#[tokio::test(flavor = "multi_thread")]
async fn flags_that_are_told_are_asked_alone() {
    let mailbox = seed::mailbox(5, 30);
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::new(&format!("{}{}", head(), account("u", server.port(), "pw")));
    blocking(move || {
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &mailbox);
        let rests = || served.account("u")["push"] == "idle" && served.state("u") == "idle";
        wait_until("a watch", rests);
        let uids: Vec<u32> = mailbox.lock()["INBOX"].mail.keys().copied().collect();
        let asked = |before: usize| -> Vec<String> {
            let of_flags = |c: &&String| c.contains("FLAGS") || c.contains("EXAMINE");
            server.log()[before..].iter().filter(of_flags).cloned().collect()
        };
        let before = server.log().len();
        mailbox.set_flags("INBOX", uids[2], &["\\Flagged", "told"]);
        served.settle(&postrider, "u", &mailbox);
        wait_until("a watch", rests);
        let told = asked(before);
        assert!(told[0].starts_with("FETCH 3 (UID FLAGS)"), "{told:?}");
        assert!(told.iter().all(|c| c.starts_with("FETCH 3 ") || c.contains(":* ")), "{told:?}");
        assert!(!told.iter().any(|c| c.contains(" 1:* ")), "{told:?}");
        // With mail that comes at the same time.
        let before = server.log().len();
        {
            let mut folders = mailbox.lock();
            let inbox = folders.get_mut("INBOX").unwrap();
            inbox.mail.get_mut(&uids[4]).unwrap().flags = vec!["\\Seen".into(), "two".into()];
            let (uid, mail) = (inbox.uidnext, note("beside").flagged(&["\\Draft"]));
            inbox.mail.insert(uid, mail);
            inbox.uidnext += 1;
        }
        mailbox.touch();
        served.settle(&postrider, "u", &mailbox);
        wait_until("a watch", rests);
        let told = asked(before);
        assert!(told[0].starts_with("FETCH 5 (UID FLAGS)"), "{told:?}");
        assert!(!told.iter().any(|c| c.contains("EXAMINE")), "{told:?}");
        // Something went, too: that is not known by counting, and looked at.
        {
            let mut folders = mailbox.lock();
            let inbox = folders.get_mut("INBOX").unwrap();
            inbox.mail.remove(&uids[0]);
            inbox.mail.get_mut(&uids[9]).unwrap().flags = vec!["three".into()];
        }
        mailbox.touch();
        served.settle(&postrider, "u", &mailbox);
        served.stop();
        equal(&postrider, "u", &mailbox);
    })
    .await;
}

/// Waits are monotonic: a wall clock that jumps fires nothing at once, and loses nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_causes_no_storm() {
    let mailbox = seed::mailbox(56, 40);
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::new(&format!("{}{}", head(), account("u", server.port(), "pw")));
    blocking(move || {
        let file = postrider.path("clock");
        std::fs::write(&file, "0").unwrap();
        let served = postrider.serve(&[("POSTRIDER_CLOCK", file.to_str().unwrap())]);
        served.settle(&postrider, "u", &mailbox);
        wait_until("a watch", || {
            served.account("u")["push"] == "idle" && served.state("u") == "idle"
        });
        let jumps = [("86400", "+86400 s"), ("82800", "-3600 s"), ("0", "-82800 s")];
        for (n, (jump, said)) in jumps.into_iter().enumerate() {
            let before = server.log().len();
            std::fs::write(&file, jump).unwrap();
            wait_until("its line in the log", || {
                served.running.stderr().contains(&format!("jumped by {said}"))
            });
            mailbox.append("INBOX", note(&format!("jump {n}")).dated("01-Feb-2031 10:00:00 +0000"));
            until(
                &postrider.database(),
                &format!("SELECT count(*) AS x FROM message WHERE subject = 'jump {n}'"),
                "1",
            );
            let uid = *mailbox.lock()["INBOX"].mail.keys().last().unwrap();
            mailbox.set_flags("INBOX", uid, &["\\Seen"]);
            served.settle(&postrider, "u", &mailbox);
            // IDLE is re-issued every second here; three looks at INBOX are a few commands each, and
            // after a day sizes and dates are asked of every folder.
            let commands = server.log().len() - before;
            assert!(commands < 60, "{commands} commands after a jump to {jump}");
            let told = served.account("u");
            let is_scheduled = told["state"] == "running" || told["next_attempt_at"].is_string();
            assert!(is_scheduled, "the schedule is lost: {told}");
        }
        let logins = server.log().iter().filter(|l| l.starts_with("AUTHENTICATE")).count();
        assert!(logins <= 2, "{logins} logins");
        assert!(served.metric("postrider_clock_jumps_total") >= 3.0);
        served.stop();
        equal(&postrider, "u", &mailbox);
    })
    .await;
}

/// While history is read for long, new mail is not waited for.
#[tokio::test(flavor = "multi_thread")]
async fn new_mail_comes_beside_a_long_backfill() {
    let mailbox = seed::mailbox(54, 2600);
    let slow = |_: &str, command: &str| {
        let history = command.contains("BODY.PEEK[]") && command.len() > 70;
        history.then(|| Misbehaviour::Delay(Duration::from_millis(1500)))
    };
    let server = serve(&[("u", &mailbox)], slow).await;
    let config = head().replace("silence = \"500ms\"", "silence = \"5s\"");
    let postrider = Postrider::new(&format!("{config}{}", account("u", server.port(), "pw")));
    blocking(move || {
        let served = postrider.serve(&[]);
        wait_until("a watch beside the run", || {
            served.account("u")["push"] == "idle" && served.state("u") == "running"
        });
        let sessions = served.get("/v1/actors");
        let sessions =
            sessions["items"].as_array().unwrap().iter().filter(|a| a["kind"] == "session").count();
        assert_eq!(sessions, 2, "one works, one watches");
        let before = served.account("u")["progress"]["remaining"].as_u64().unwrap_or(0);
        assert!(before > 0, "the history is read too fast for this test");
        let began = Instant::now();
        mailbox.append("INBOX", note("urgent").dated("01-Feb-2031 10:00:00 +0000"));
        let sql = "SELECT count(*) AS x FROM message WHERE subject = 'urgent'";
        until(&postrider.database(), sql, "1");
        let took = began.elapsed();
        let running = served.state("u") == "running";
        assert!(running, "the history was over before the mail came: {took:?}");
        served.settle(&postrider, "u", &mailbox);
        served.stop();
        equal(&postrider, "u", &mailbox);
    })
    .await;
}

/// Who waits for a run hears what `sync --once` says, also of what waits for its second look.
#[tokio::test(flavor = "multi_thread")]
async fn who_waits_hears_of_a_second_look() {
    let mailbox = seed::mailbox(58, 60);
    let server = serve_well("u", &mailbox).await;
    let config = head().replace("confirm_after = \"1ms\"", "confirm_after = \"60s\"");
    let postrider = Postrider::new(&format!("{config}{}", account("u", server.port(), "pw")));
    blocking(move || {
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &mailbox);
        postrider.run(&["sync-now", "u", "--wait"]).exits(0);
        mailbox.delete("Junk");
        postrider.run(&["sync-now", "u", "--wait"]).exits(3);
        served.stop();
    })
    .await;
}

/// A head whose sessions wait long for a server that does not answer.
fn patient_head() -> String {
    head()
        .replace("silence = \"500ms\"", "silence = \"60s\"")
        .replace("command = \"5s\"", "command = \"60s\"")
}

/// What a first sync has to read is told for all folders before most of them were looked at.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_be_read_is_told_of_all_folders() {
    let mailbox = seed::mailbox(57, 400);
    let asked = AtomicUsize::new(0);
    let hangs = move |_: &str, command: &str| {
        let later = command.contains("BODY") && asked.fetch_add(1, Ordering::SeqCst) > 0;
        later.then_some(Misbehaviour::Silence)
    };
    let server = serve(&[("u", &mailbox)], hangs).await;
    let config = patient_head() + &account("u", server.port(), "pw");
    let postrider = Postrider::new(&config);
    blocking(move || {
        let served = postrider.serve(&[]);
        let all = u64::try_from(mailbox.all().len()).unwrap();
        wait_until("all of it is counted", || {
            let progress = &served.account("u")["progress"];
            let of = |key: &str| progress[key].as_u64().unwrap_or(0);
            of("stored") > 0 && of("stored") + of("remaining") == all
        });
        let looked =
            |l: &String| l.starts_with("UID FETCH") && l.contains("FLAGS") && !l.contains("BODY");
        let looked = server.log().iter().filter(|l| looked(l)).count();
        assert!(looked < mailbox.lock().len(), "{looked} folders were looked at");
        served.stop();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stops_within_ten_seconds_even_if_the_server_does_not_answer() {
    let mailbox = seed::mailbox(55, 300);
    let slow = |_: &str, command: &str| command.contains("BODY").then_some(Misbehaviour::Silence);
    let server = serve(&[("u", &mailbox)], slow).await;
    let config = patient_head() + &account("u", server.port(), "pw");
    let postrider = Postrider::new(&config);
    blocking(move || {
        let served = postrider.serve(&[]);
        wait_until("a page that hangs", || server.log().iter().any(|l| l.contains("BODY")));
        served.stop();
        // And at once at the second signal.
        let pages = || server.log().iter().filter(|l| l.contains("BODY")).count();
        let before = pages();
        let served = postrider.serve(&[]);
        wait_until("a page that hangs", || pages() > before);
        served.running.signal("INT");
        wait_until("the first signal", || served.running.stderr().contains("stopping"));
        served.running.signal("INT");
        let ran = served.running.wait(Duration::from_secs(5));
        // 0: the stop that the first one asked for was done before the second came.
        assert!(matches!(ran.code, Some(0 | 130)), "{:?}: {}", ran.code, ran.stderr);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_accounts_start_without_a_storm_and_end_equal() {
    let boxes: Vec<(String, Mailbox)> =
        (0..30).map(|n| (format!("user{n:02}"), seed::mailbox(700 + n, 12))).collect();
    let users: Vec<(&str, &Mailbox)> =
        boxes.iter().map(|(name, mailbox)| (name.as_str(), mailbox)).collect();
    let server = serve(&users, |_, _| None).await;
    let mut config = head()
        .replace("logins_per_second = 1000", "logins_per_second = 20\nsessions_per_endpoint = 12");
    for (name, _) in &boxes {
        config.push_str(&account(name, server.port(), "pw"));
    }
    let postrider = Postrider::new(&config);
    blocking(move || {
        let began = Instant::now();
        let served = postrider.serve(&[]);
        for (name, mailbox) in &boxes {
            served.settle(&postrider, name, mailbox);
        }
        let logins = server.log().iter().filter(|l| l.starts_with("AUTHENTICATE")).count();
        let paced = began.elapsed().as_secs_f64() * 20.0 + 21.0;
        assert!((logins as f64) < paced, "{logins} logins in {:?}", began.elapsed());
        let live =
            served.actor(&format!("root/endpoints/imap 127.0.0.1:{}", server.port())).unwrap();
        assert!(live["in_flight"].as_u64() <= Some(12), "{live}");
        served.stop();
        for (name, mailbox) in boxes.iter().take(3) {
            equal(&postrider, name, mailbox);
        }
    })
    .await;
}

/// What a hint brings is told by its messages alone, and the run that brought it is counted.
#[tokio::test(flavor = "multi_thread")]
async fn an_arrival_is_one_event() {
    let mailbox = seed::mailbox(58, 20);
    let server = serve_well("u", &mailbox).await;
    let postrider = Postrider::new(&format!("{}{}", head(), account("u", server.port(), "pw")));
    blocking(move || {
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &mailbox);
        wait_until("a watch", || {
            served.account("u")["push"] == "idle" && served.state("u") == "idle"
        });
        let database = postrider.database();
        let last = ask(&database, "SELECT max(seq) AS x FROM event");
        let runs = served.account("u")["runs_ended"].as_u64().unwrap();
        mailbox.append("INBOX", note("it comes").dated("01-Feb-2031 10:00:00 +0000"));
        until(&database, "SELECT count(*) AS x FROM message WHERE subject = 'it comes'", "1");
        wait_until("its run's end", || {
            served.account("u")["runs_ended"].as_u64() > Some(runs) && served.state("u") == "idle"
        });
        served.stop();
        let told = format!("SELECT group_concat(kind) AS x FROM event WHERE seq > {last}");
        assert_eq!(ask(&database, &told), "message.created");
        let runs = "SELECT sum(runs) > 0 AS x FROM run_hour";
        assert_eq!(ask(&database, runs), "1");
    })
    .await;
}
