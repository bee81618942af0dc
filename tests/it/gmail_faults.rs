//! Gmail's API when it refuses or answers with nonsense: what of it ends a run, what costs one message, what nothing.

use crate::support::binary::Ran;
use crate::support::database::{ask, change};
use crate::support::gmail::{follower, gets, mirrors, short, well};
use crate::support::mail::blocking;
use postrider_feedd::{GmailServer, Play, Question, seed};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Does this to the questions that `which` names, to so many of them.
fn at_most(
    times: usize,
    which: impl Fn(&Question) -> bool + Send + Sync + 'static,
    play: Play,
) -> impl Fn(&Question) -> Option<Play> + Send + Sync + 'static {
    let done = AtomicUsize::new(0);
    move |question| {
        (which(question) && done.fetch_add(1, Ordering::SeqCst) < times).then(|| play.clone())
    }
}

/// A first sync of a small mailbox at a server that does this.
async fn first(script: impl Fn(&Question) -> Option<Play> + Send + Sync + 'static) -> Ran {
    let mailbox = seed::mailbox(3, 60);
    let (comes, begun) = (mailbox.clone(), AtomicUsize::new(0));
    let server = GmailServer::start(&mailbox, move |q| {
        // Something comes after the login has seen where the history ends.
        if q.path == "labels" && begun.fetch_add(1, Ordering::SeqCst) == 0 {
            comes.insert("Subject: new\r\n\r\nx\r\n", &["INBOX"], i64::MAX / 2000);
        }
        script(q)
    })
    .await
    .unwrap();
    blocking(move || {
        let postrider = short(&server);
        let ran = postrider.sync();
        if ran.code == Some(0) {
            mirrors(&postrider, &mailbox, |_| true);
        }
        ran
    })
    .await
}

const ALWAYS: usize = usize::MAX;

/// Each refusal, once and for ever: what a run comes to, and the class that is told.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_told_apart() {
    for (status, reason, message, code, class) in [
        (403, "userRateLimitExceeded", "User Rate Limit Exceeded", 6, "rate_limit"),
        (403, "rateLimitExceeded", "Rate Limit Exceeded", 6, "rate_limit"),
        (429, "rateLimitExceeded", "Too many concurrent requests for user", 6, "rate_limit"),
        (403, "dailyLimitExceeded", "Daily Limit Exceeded", 6, "quota"),
        (403, "quotaExceeded", "Quota exceeded", 6, "quota"),
        (403, "domainPolicy", "no", 4, "auth"),
        (403, "accessNotConfigured", "no", 4, "auth"),
        (403, "insufficientPermissions", "Insufficient Permission", 4, "auth"),
        (401, "authError", "Invalid Credentials", 4, "auth"),
        (400, "failedPrecondition", "Mail service not enabled", 6, "provider"),
        (500, "backendError", "Backend Error", 6, "provider"),
        (503, "backendError", "Backend Error", 6, "provider"),
    ] {
        let play = Play::refuse(status, reason, message);
        let all: fn(&Question) -> bool = |_| true;
        let mail: fn(&Question) -> bool = |q| q.raw().is_some();
        for (which, what) in [(all, "everything"), (mail, "mail")] {
            let ran = first(at_most(ALWAYS, which, play.clone())).await;
            let told = format!("{} {}", ran.stdout, ran.stderr);
            assert_eq!(ran.code, Some(code), "{status} {reason} of {what}: {told}");
            assert!(told.contains(class), "{status} {reason} of {what}: {told}");
        }
        // Neither a human nor tomorrow is waited for within a run.
        if !matches!(class, "quota") && code != 4 || status == 401 {
            first(at_most(1, mail, play)).await.exits(0);
        }
    }
}

/// A time that is named is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn a_named_time_is_kept() {
    let play = Play {
        headers: vec![("retry-after", "2".into())],
        ..Play::refuse(429, "userRateLimitExceeded", "slow down")
    };
    let began = std::time::Instant::now();
    first(at_most(1, |q| q.path == "history", play.clone())).await.exits(0);
    let waited = began.elapsed();
    assert!(waited >= Duration::from_secs(2), "{waited:?}");
}

/// What is no answer, once: the run goes on with another session.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_cut_or_nonsense_once_costs_nothing() {
    let cut = Play { cut: Some(20), ..Play::default() };
    let short = Play { short: Some(30), ..Play::default() };
    let html = Play::says(200, "text/html", "<html>please log in</html>");
    let bad_gateway = Play::says(502, "text/html", "<html>Bad Gateway</html>");
    let not_found = Play::says(404, "text/html", "<html>Not Found</html>");
    let late = Play { delay: Duration::from_secs(6), ..Play::default() };
    let base64 = Play::says(200, "application/json", "{\"id\": \"x\", \"raw\": \"####\"}");
    for (what, play) in [
        ("cut", cut),
        ("short", short),
        ("html", html),
        ("502", bad_gateway),
        ("404", not_found),
        ("late", late),
        ("base64", base64),
    ] {
        for path in ["labels", "profile", "messages", "history", "mail"] {
            let is_there = match what {
                "base64" => path == "mail",
                // A deadline takes its time.
                "late" => path == "history" || path == "mail",
                _ => true,
            };
            if !is_there {
                continue;
            }
            println!("{what} at {path}");
            let is_it = move |q: &Question| q.path == path || (path == "mail" && q.raw().is_some());
            first(at_most(1, is_it, play.clone())).await.exits(0);
        }
    }
}

/// One message that cannot be read costs itself: everything else is there, it is in the ledger, and
/// is read when it can be.
#[tokio::test(flavor = "multi_thread")]
async fn one_bad_message_costs_itself() {
    for (what, play, class) in [
        (
            "base64",
            Play::says(200, "application/json", "{\"id\": \"x\", \"raw\": \"####\"}"),
            "invalid_data",
        ),
        ("short", Play { short: Some(60), ..Play::default() }, "invalid_data"),
        ("no bytes", Play::says(200, "application/json", "{\"id\": \"x\"}"), "invalid_data"),
        ("500", Play::refuse(500, "backendError", "Backend Error"), "provider"),
        ("400", Play::refuse(400, "failedPrecondition", "Precondition check failed."), "provider"),
        ("cut", Play { cut: Some(60), ..Play::default() }, "network"),
    ] {
        let mailbox = seed::mailbox(3, 40);
        let bad = mailbox.ids()[7].clone();
        let healed = Arc::new(AtomicUsize::new(0));
        let (of, until) = (bad.clone(), Arc::clone(&healed));
        let server = GmailServer::start(&mailbox, move |q| {
            let is_bad = q.raw() == Some(of.as_str()) && until.load(Ordering::SeqCst) == 0;
            is_bad.then(|| play.clone())
        })
        .await
        .unwrap();
        blocking(move || {
            let postrider = short(&server);
            let ran = postrider.sync().exits(3);
            assert!(ran.stdout.contains("1 message(s) could not be fetched"), "{what}: {}", ran.stdout);
            let failure = "SELECT class || ' ' || attempts || ' ' || identity AS x FROM owed WHERE attempts > 0";
            assert_eq!(ask(&postrider.database(), failure), format!("{class} 1 gm:{bad}"), "{what}");
            let held = ask(&postrider.database(), "SELECT count(*) AS x FROM message");
            assert_eq!(held, "40", "{what}");
            let asked = server.asked();
            let times = asked.iter().filter(|q| q.raw() == Some(bad.as_str())).count();
            assert!(times >= 2, "{what}: it was asked for alone once more");
            let others: Vec<&str> = asked.iter().filter_map(|q| q.raw()).filter(|id| *id != bad).collect();
            let each: BTreeSet<&&str> = others.iter().collect();
            // Whether the server is there is asked by another one.
            let more = usize::from(class == "provider");
            assert!(
                what == "cut" || others.len() <= each.len() + more,
                "{what}: others are read once"
            );
            healed.store(1, Ordering::SeqCst);
            change(&postrider.database(), "UPDATE owed SET due_at = 0");
            postrider.sync().exits(0);
            mirrors(&postrider, &mailbox, |_| true);
        })
        .await;
    }
}

/// Several messages that are never told do not keep the others from being read, and not for ever.
#[tokio::test(flavor = "multi_thread")]
async fn several_bad_messages_cost_themselves() {
    let mailbox = seed::mailbox(3, 40);
    let bad: BTreeSet<String> = mailbox.ids().into_iter().take(9).collect();
    let of = bad.clone();
    let server = GmailServer::start(&mailbox, move |q| {
        let is_bad = q.raw().or(q.minimal()).is_some_and(|id| of.contains(id));
        is_bad.then(|| Play::refuse(500, "backendError", "Backend Error"))
    })
    .await
    .unwrap();
    blocking(move || {
        let postrider = short(&server);
        for _ in 0..2 {
            postrider.sync().exits(3);
            let told = "SELECT (SELECT count(*) FROM message) || ' ' || (SELECT count(*) FROM owed WHERE attempts > 0) AS x";
            assert_eq!(ask(&postrider.database(), told), "32 9");
            change(&postrider.database(), "UPDATE owed SET due_at = 0");
            drop(server.asked());
        }
        let new = mailbox.insert("Subject: n\r\n\r\nx\r\n", &["INBOX"], i64::MAX / 2000);
        postrider.sync().exits(3);
        let sql = format!("SELECT count(*) AS x FROM message WHERE identity = 'gm:{new}'");
        assert_eq!(ask(&postrider.database(), &sql), "1");
        // It is told to who asks, and nothing is called proved.
        let told = postrider.run(&["status", "u", "--json"]).exits(0).stdout;
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["failures"], 9, "{told}");
        let told = postrider.run(&["verify", "u"]).exits(3).stdout;
        assert!(told.contains("not proved") && told.contains("0 differences"), "{told}");
    })
    .await;
}

/// Under a server that stays a refused token ends with its account waiting for a human; another
/// token wakes it.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_waits_for_another() {
    let mailbox = seed::mailbox(3, 20);
    let server = GmailServer::start(&mailbox, |q| {
        (q.token != "better").then(|| Play::refuse(401, "authError", "Invalid Credentials"))
    })
    .await
    .unwrap();
    blocking(move || {
        let postrider = follower(&crate::support::served::head(), &server, "");
        let served = postrider.serve(&[]);
        crate::support::served::wait_until("a human is asked", || {
            served.account("u")["state"] == "needs_reauth"
        });
        std::fs::write(postrider.path("token"), "better\n").unwrap();
        crate::support::served::until(
            &postrider.database(),
            "SELECT count(*) AS x FROM message",
            "21",
        );
        served.stop();
        mirrors(&postrider, &mailbox, |_| true);
    })
    .await;
}

/// A server that is away is waited for, and nobody's mail fails for it.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_costs_no_message() {
    let mailbox = seed::mailbox(3, 30);
    let server = GmailServer::start(&mailbox, well).await.unwrap();
    let (port, moved) = (server.port(), mailbox.clone());
    let postrider = blocking(move || {
        let postrider = follower(&crate::support::served::head(), &server, "");
        postrider.sync().exits(0);
        mailbox.insert("Subject: later\r\n\r\nx\r\n", &["INBOX"], i64::MAX / 2000);
        drop(server);
        let served = postrider.serve(&[]);
        crate::support::served::wait_until("it waits", || {
            let account = served.account("u");
            account["state"] == "waiting" && account["class"] == "network"
        });
        assert_eq!(
            ask(&postrider.database(), "SELECT count(*) AS x FROM owed WHERE attempts > 0"),
            "0"
        );
        (postrider, served)
    })
    .await;
    let server = GmailServer::start_at(&moved, port, well).await.unwrap();
    blocking(move || {
        let (postrider, served) = postrider;
        crate::support::served::until(
            &postrider.database(),
            "SELECT count(*) AS x FROM message",
            "32",
        );
        served.stop();
        drop(server);
        mirrors(&postrider, &moved, |_| true);
    })
    .await;
}

/// The token of a list dies, at each of its pages.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_whose_token_dies_begins_again() {
    for page in 1..=3_usize {
        let mailbox = seed::mailbox(5, 1600);
        let dead = Play::refuse(400, "invalidArgument", "Invalid pageToken");
        let of_page = move |q: &Question| {
            let is_all = q.path == "messages" && !q.query.contains_key("labelIds");
            is_all && q.query.get("pageToken") == Some(&(500 * page).to_string())
        };
        let server = GmailServer::start(&mailbox, at_most(1, of_page, dead)).await.unwrap();
        blocking(move || {
            let postrider = short(&server);
            postrider.sync().exits(0);
            mirrors(&postrider, &mailbox, |_| true);
            assert_eq!(gets(&server.asked()).0, 1601, "page {page}");
        })
        .await;
    }
}

/// A token of another mailbox changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn another_mailbox_is_refused() {
    let mailbox = seed::mailbox(23, 30);
    let server = GmailServer::start(&mailbox, well).await.unwrap();
    blocking(move || {
        let postrider = short(&server);
        postrider.sync().exits(0);
        mailbox.lock().address = "somebody.else@example.com".into();
        mailbox.insert("Subject: not ours\r\n\r\nx\r\n", &["INBOX"], i64::MAX / 2000);
        let held = || {
            let sql = "SELECT (SELECT count(*) FROM message) || (SELECT state FROM feed) AS x";
            (ask(&postrider.database(), sql), postrider.manifest("u"))
        };
        let before = held();
        let ran = postrider.sync().exits(2);
        assert!(ran.stderr.contains("another mailbox"), "{}", ran.stderr);
        assert!(!ran.stderr.contains("somebody"), "{}", ran.stderr);
        assert_eq!(held(), before);
    })
    .await;
}

/// Whichever actor dies, the tree starts it again, and the mirror is the mailbox.
#[tokio::test(flavor = "multi_thread")]
async fn an_actor_that_dies_costs_nothing() {
    for fault in ["panic.session:1", "panic.endpoint:1", "panic.account:2", "panic.store:3"] {
        let mailbox = seed::mailbox(71, 60);
        let server = GmailServer::start(&mailbox, well).await.unwrap();
        blocking(move || {
            let postrider = follower(&crate::support::served::head(), &server, "");
            let served = postrider.serve(&[("POSTRIDER_FAULT", fault)]);
            let database = postrider.database();
            crate::support::served::until(&database, "SELECT count(*) AS x FROM message", "61");
            mailbox.trash(&mailbox.ids()[0]);
            mailbox.insert("Subject: n\r\n\r\nx\r\n", &["INBOX"], i64::MAX / 2000);
            crate::support::served::wait_until(fault, || {
                postrider.run(&["sync-now", "u", "--wait"]);
                postrider.manifest("u") == mailbox.manifest(|_| true)
            });
            assert!(served.running.stderr().contains("scripted fault"), "{fault} never came");
            served.stop();
            mirrors(&postrider, &mailbox, |_| true);
        })
        .await;
    }
}

/// A page that the database refuses for one message's content costs that message, and says so.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_refuses_costs_itself() {
    let mailbox = seed::mailbox(3, 40);
    let server = GmailServer::start(&mailbox, well).await.unwrap();
    blocking(move || {
        let postrider = short(&server);
        postrider.sync().exits(0);
        let database = postrider.database();
        change(
            &database,
            "CREATE TRIGGER poison BEFORE INSERT ON message WHEN NEW.subject = 'n7' BEGIN SELECT RAISE(ABORT, 'poison'); END",
        );
        for n in 0..20 {
            let raw = format!("Subject: n{n}\r\n\r\n{n}\r\n");
            mailbox.insert(raw, &["INBOX"], i64::MAX / 2000);
        }
        postrider.sync().exits(3);
        let there = "SELECT count(*) AS x FROM message WHERE subject GLOB 'n[0-9]*'";
        assert_eq!(ask(&database, there), "19");
        let owed = "SELECT group_concat(class || ' ' || attempts) AS x FROM owed WHERE attempts > 0";
        assert_eq!(ask(&database, owed), "invalid_data 1");
        change(&database, "DROP TRIGGER poison");
        change(&database, "UPDATE owed SET due_at = 0");
        postrider.sync().exits(0);
        mirrors(&postrider, &mailbox, |_| true);
    })
    .await;
}

/// A list that shows nothing of what the server counts is no success, however often it is empty; what
/// it shows later is read.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_list_is_not_believed_against_the_count() {
    for (body, code) in [
        ("{}", 3),
        (r#"{"resultSizeEstimate":60}"#, 3),
        (r#"{"error":{"code":429,"message":"slow down"}}"#, 6),
        (r#"{"error":{"message":"odd"}}"#, 6),
    ] {
        let mailbox = seed::mailbox(3, 60);
        let lies = Arc::new(AtomicUsize::new(1));
        let lying = Arc::clone(&lies);
        let server = GmailServer::start(&mailbox, move |q| {
            let lies = q.path == "messages" && lying.load(Ordering::SeqCst) > 0;
            lies.then(|| Play::says(200, "application/json", body))
        })
        .await
        .unwrap();
        blocking(move || {
            let postrider = short(&server);
            for look in 0..4 {
                let ran = postrider.sync();
                assert_eq!(ran.code, Some(code), "{body}, look {look}: {}", ran.stdout);
                let words = "messages, and its list shows none";
                let told = format!("{}{}", ran.stdout, ran.stderr);
                assert!(code != 3 || told.contains(words), "{body}: {told}");
            }
            let proved = "SELECT count(*) AS x FROM folder WHERE proved_at IS NOT NULL";
            assert_eq!(ask(&postrider.database(), proved), "0", "{body}");
            lies.store(0, Ordering::SeqCst);
            postrider.sync().exits(0);
            mirrors(&postrider, &mailbox, |_| true);
        })
        .await;
    }
}
