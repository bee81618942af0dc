//! Gmail's API when it misbehaves: what of it ends a run, what costs one message, what nothing.

use crate::support::binary::Ran;
use crate::support::binary::SHORT;
use crate::support::check::{ask, change};
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

/// Gmail forgets its history: everything is compared, nothing is read again.
#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_history_costs_no_bytes() {
    let mailbox = seed::mailbox(11, 300);
    let server = GmailServer::start(&mailbox, well).await.unwrap();
    blocking(move || {
        let postrider = short(&server);
        postrider.sync().exits(0);
        let ids = mailbox.ids();
        mailbox.modify(&ids[3], &["STARRED"], &["UNREAD"]);
        mailbox.trash(&ids[4]);
        mailbox.delete(&ids[5]);
        mailbox.delete(&ids[6]);
        let new = mailbox.insert("Subject: in the gap\r\n\r\nx\r\n", &["INBOX"], i64::MAX / 2000);
        mailbox.forget_history();
        drop(server.asked());
        postrider.sync();
        postrider.sync().exits(0);
        postrider.sync().exits(0);
        mirrors(&postrider, &mailbox, |_| true);
        let asked = server.asked();
        let read: Vec<&str> = asked.iter().filter_map(|q| q.raw()).collect();
        assert_eq!(read, [new.as_str()], "what is held is not read again");
        // What differs, and what is missing twice.
        assert!(gets(&asked).1 <= 8, "{} states", gets(&asked).1);
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

/// For a while messages that exist are said not to: none of them ends.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_denied_for_a_while_is_not_deleted() {
    let mailbox = seed::mailbox(13, 260);
    let denied: BTreeSet<String> = mailbox.ids().into_iter().take(200).collect();
    let on = Arc::new(AtomicUsize::new(0));
    let (of, switch) = (denied.clone(), Arc::clone(&on));
    let server = GmailServer::start(&mailbox, move |q| {
        let id = q.raw().or(q.minimal())?;
        let is_denied = of.contains(id) && switch.load(Ordering::SeqCst) == 1;
        is_denied.then(|| Play::refuse(404, "notFound", "Requested entity was not found."))
    })
    .await
    .unwrap();
    blocking(move || {
        let postrider = short(&server);
        postrider.sync().exits(0);
        on.store(1, Ordering::SeqCst);
        for id in &denied {
            mailbox.modify(id, &["IMPORTANT"], &["UNREAD"]);
        }
        for _ in 0..3 {
            // A day has passed, each time.
            change(&postrider.database(), "UPDATE account SET listed_at = 0");
            postrider.sync().exits(0);
            mirrors(&postrider, &mailbox, |_| true);
        }
        let deleted = "SELECT count(*) AS x FROM event WHERE kind = 'message.deleted'";
        assert_eq!(ask(&postrider.database(), deleted), "0");
    })
    .await;
}

/// Mail that comes while it is still denied is there in the end.
#[tokio::test(flavor = "multi_thread")]
async fn new_mail_that_is_denied_at_first_comes() {
    let mailbox = seed::mailbox(17, 20);
    let denials = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&denials);
    let server = GmailServer::start(&mailbox, move |q| {
        q.raw()?;
        let is_first = count.fetch_add(1, Ordering::SeqCst) < 20;
        is_first.then(|| Play::refuse(404, "notFound", "Requested entity was not found."))
    })
    .await
    .unwrap();
    blocking(move || {
        let postrider = short(&server);
        postrider.sync();
        postrider.sync();
        postrider.sync().exits(0);
        mirrors(&postrider, &mailbox, |_| true);
    })
    .await;
}

/// What the config leaves out is not read, day after day.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_out_is_not_read() {
    let mailbox = seed::mailbox(19, 300);
    let hidden: BTreeSet<String> = {
        let contents = mailbox.lock();
        let lies = |m: &postrider_feedd::mailbox::Message| {
            m.labels.contains("TRASH") || m.labels.contains("SPAM")
        };
        contents.messages.iter().filter(|(_, m)| lies(m)).map(|(id, _)| id.clone()).collect()
    };
    assert!(hidden.len() > 10);
    let server = GmailServer::start(&mailbox, well).await.unwrap();
    blocking(move || {
        let more = "folders = { exclude = [\"Trash\", \"Spam\"] }\n";
        let postrider = follower(SHORT, &server, more);
        let wants = |place: &str| place != "Trash" && place != "Spam";
        for day in 0..3 {
            postrider.sync().exits(0);
            mirrors(&postrider, &mailbox, wants);
            let asked = server.asked();
            let about = asked.iter().filter_map(|q| q.raw().or(q.minimal()));
            let about = about.filter(|id| hidden.contains(*id)).count();
            assert_eq!(about, 0, "day {day}");
            change(&postrider.database(), "UPDATE account SET listed_at = 0");
            // Something happens there, too.
            for id in hidden.iter().take(3) {
                mailbox.modify(id, &["IMPORTANT"], &[]);
                mailbox.modify(id, &[], &["IMPORTANT"]);
            }
        }
        // Out of the trash, into it.
        let back = hidden.iter().next().unwrap();
        mailbox.modify(back, &["INBOX"], &["TRASH", "SPAM"]);
        let gone = mailbox.ids().into_iter().find(|id| !hidden.contains(id)).unwrap();
        mailbox.trash(&gone);
        postrider.sync().exits(0);
        mirrors(&postrider, &mailbox, wants);
        assert_eq!(gets(&server.asked()), (1, 0));
    })
    .await;
}

/// What no place of ours held, and comes into one without a word of history, is found by the next
/// compare; so where All Mail is left out, too.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_away_and_came_untold_is_found() {
    let mailbox = seed::mailbox(23, 40);
    let archived = mailbox.insert("Subject: a\r\n\r\nx\r\n", &[], 1_700_000_000_000);
    let silent = Arc::new(AtomicUsize::new(0));
    let (is_silent, of) = (Arc::clone(&silent), mailbox.clone());
    let server = GmailServer::start(&mailbox, move |q| {
        let is_hushed = q.path == "history" && is_silent.load(Ordering::SeqCst) > 0;
        let body = || format!("{{\"historyId\": \"{}\"}}", of.lock().now);
        is_hushed.then(|| Play::says(200, "application/json", &body()))
    })
    .await
    .unwrap();
    blocking(move || {
        let postrider = follower(SHORT, &server, "folders = { exclude = [\"All Mail\"] }\n");
        postrider.sync().exits(0);
        let away = "SELECT count(*) AS x FROM owed WHERE due_at IS NULL AND identity = 'gm:ID'";
        let away = away.replace("ID", &archived);
        assert_eq!(ask(&postrider.database(), &away), "1");
        silent.store(1, Ordering::SeqCst);
        mailbox.modify(&archived, &["INBOX"], &[]);
        postrider.sync().exits(0);
        assert_eq!(ask(&postrider.database(), &away), "1", "nobody has told of it");
        change(&postrider.database(), "UPDATE account SET listed_at = 0");
        postrider.sync().exits(0);
        mirrors(&postrider, &mailbox, |place| place != "All Mail");
    })
    .await;
}

/// A server that counts what it never lists (chats, say) is compared once, not every hour; what is
/// missed beside it is found all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_count_that_never_fits_is_asked_about_once() {
    let mailbox = seed::mailbox(29, 40);
    let silent = Arc::new(AtomicUsize::new(0));
    let (is_silent, of) = (Arc::clone(&silent), mailbox.clone());
    let server = GmailServer::start(&mailbox, move |q| {
        let (now, all) = {
            let contents = of.lock();
            (contents.now, contents.messages.len())
        };
        let says = |text: String| Some(Play::says(200, "application/json", &text));
        match q.path.as_str() {
            "profile" => says(format!(
                "{{\"emailAddress\": \"demo@example.com\", \"messagesTotal\": {}, \"historyId\": \"{now}\"}}",
                all + 7
            )),
            "history" if is_silent.load(Ordering::SeqCst) > 0 => says(format!("{{\"historyId\": \"{now}\"}}")),
            _ => None,
        }
    })
    .await
    .unwrap();
    blocking(move || {
        let postrider = short(&server);
        postrider.sync().exits(0);
        let an_hour_later = || {
            change(
                &postrider.database(),
                "UPDATE account SET feed = json_set(feed, '$.state.counted_at', 0)",
            );
            let told = postrider.sync().exits(0).stdout;
            (told, server.asked().iter().filter(|q| q.path == "messages").count())
        };
        // The first list, what it owes, and the first count that does not fit.
        for _ in 0..3 {
            an_hour_later();
        }
        for _ in 0..2 {
            let (told, lists) = an_hour_later();
            assert!(told.contains("counts 7 message(s) more than it lists"), "{told}");
            assert_eq!(lists, 0, "{told}");
        }
        silent.store(1, Ordering::SeqCst);
        mailbox.insert("Subject: n\r\n\r\nx\r\n", &["INBOX"], 1_700_000_000_000);
        let (_, lists) = an_hour_later();
        assert!(lists > 0);
        mirrors(&postrider, &mailbox, |_| true);
    })
    .await;
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
