//! Nylas when it refuses or answers with nonsense: what of it ends a run, what costs one message, what nothing.

use crate::support::binary::Ran;
use crate::support::database::{ask, change};
use crate::support::mail::blocking;
use crate::support::nylas::{a_day_later, follower, granted, mirrors, serves, short};
use crate::support::served::{head, wait_within};
use postrider_feedd::nylas::seed;
use postrider_feedd::{Play, Question};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

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
    let mailbox = seed::mailbox(3, 60, "microsoft");
    let server = serves(&mailbox, script).await;
    blocking(move || {
        let postrider = short(&server);
        let ran = postrider.sync();
        if ran.code == Some(0) {
            mirrors(&postrider, &mailbox);
        }
        ran
    })
    .await
}

const ALWAYS: usize = usize::MAX;

/// Each refusal, once and for ever: what a run comes to, and the class that is told.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_told_apart() {
    for (status, kind, message, code, class) in [
        (429, "nylas_rate_limit_exceeded", "Too many requests", 6, "rate_limit"),
        (429, "rate_limit_error", "slow down", 6, "rate_limit"),
        (403, "provider_error", "Forbidden", 4, "auth"),
        (401, "unauthorized", "Grant is no longer valid", 4, "auth"),
        (400, "invalid_request_error", "no", 6, "provider"),
        (500, "provider_error", "Internal", 6, "provider"),
        (503, "service_unavailable", "Unavailable", 6, "provider"),
        (504, "provider_error", "Timeout", 5, "timeout"),
    ] {
        let play = Play {
            headers: vec![("retry-after", "1".into())],
            ..Play::nylas(status, kind, message)
        };
        let all: fn(&Question) -> bool = |q| !q.is_of_grant() && q.path.contains('/');
        let bytes: fn(&Question) -> bool = |q| q.message().is_some_and(|m| m.1);
        let ran = first(at_most(ALWAYS, all, play.clone())).await;
        let told = format!("{} {}", ran.stdout, ran.stderr);
        assert_eq!(ran.code, Some(code), "{status} {kind}: {told}");
        assert!(told.contains(class), "{status} {kind}: {told}");
        // Neither a human nor tomorrow is waited for within a run.
        if code != 4 {
            first(at_most(1, bytes, play)).await.exits(0);
        }
    }
}

/// A time that is named is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn a_named_time_is_kept() {
    let play = Play {
        headers: vec![("retry-after", "2".into())],
        ..Play::nylas(429, "rate_limit_error", "slow down")
    };
    let began = Instant::now();
    first(at_most(1, Question::lists, play)).await.exits(0);
    let waited = began.elapsed();
    assert!(waited >= Duration::from_secs(2), "{waited:?}");
}

/// What is no answer, once: the run goes on with another session.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_cut_or_nonsense_once_costs_nothing() {
    let base64 =
        Play::says(200, "application/json", "{\"data\": {\"id\": \"x\", \"raw_mime\": \"####\"}}");
    let gzip = Play {
        headers: vec![("content-encoding", "gzip".into())],
        ..Play::says(200, "application/json", "{}")
    };
    for (what, play) in [
        ("cut", Play { cut: Some(20), ..Play::default() }),
        ("short", Play { short: Some(30), ..Play::default() }),
        ("html", Play::says(200, "text/html", "<html>please log in</html>")),
        ("502", Play::says(502, "text/html", "<html>Bad Gateway</html>")),
        ("404", Play::says(404, "text/html", "<html>Not Found</html>")),
        ("gzip", gzip),
        ("base64", base64),
    ] {
        for path in ["grant", "folders", "list", "state", "bytes"] {
            if what == "base64" && path != "bytes" {
                continue;
            }
            println!("{what} at {path}");
            let is_it = move |q: &Question| match path {
                "grant" => q.is_of_grant(),
                "folders" => q.path.ends_with("/folders"),
                "list" => q.lists(),
                "state" => q.message().is_some_and(|m| !m.1),
                _ => q.message().is_some_and(|m| m.1),
            };
            first(at_most(1, is_it, play.clone())).await.exits(0);
        }
    }
}

/// Tokens that die at every page: a list begins anew, and comes to its end; one whose pages never live waits.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_whose_tokens_die_comes_to_its_end() {
    for times in [1, 3, ALWAYS] {
        let mailbox = seed::mailbox(4, 700, "microsoft");
        let dead = Play::nylas(400, "invalid_request_error", "invalid page_token");
        let is_page = |q: &Question| q.lists() && q.query.contains_key("page_token");
        let server = serves(&mailbox, at_most(times, is_page, dead)).await;
        blocking(move || {
            let postrider = short(&server);
            let ran = postrider.sync();
            if times == ALWAYS {
                assert_eq!(ran.code, Some(3), "{}", ran.stderr);
                assert_eq!(postrider.manifest("u").len(), 200, "the first page is held");
            } else {
                ran.exits(0);
                mirrors(&postrider, &mailbox);
            }
        })
        .await;
    }
}

/// Ids that answer 404 for a while, held and new: none is deleted, and each is read in the end.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_found_for_a_while_is_not_gone() {
    let mailbox = seed::mailbox(6, 40, "microsoft");
    let lies = Arc::new(AtomicBool::new(false));
    let lying = Arc::clone(&lies);
    let server = serves(&mailbox, move |q| {
        (lying.load(Ordering::SeqCst) && q.message().is_some())
            .then(|| Play::nylas(404, "not_found_error", "Message not found"))
    })
    .await;
    blocking(move || {
        let head = crate::support::binary::SHORT.replace("confirm_after = \"1ms\"", "confirm_after = \"1s\"");
        let accounts = granted("u", "grant-1", "demo@example.com");
        let postrider = follower(&head, &server, &accounts);
        postrider.sync().exits(0);
        lies.store(true, Ordering::SeqCst);
        // Ten are asked about, whoever has told of them.
        change(
            &postrider.database(),
            "INSERT INTO owed (account, identity, told_at, due_at, rank, bytes, attempts) SELECT account, identity, 1, 0, -1, false, 0 FROM message WHERE identity NOT IN (SELECT identity FROM owed) LIMIT 10",
        );
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(1100));
            postrider.sync();
        }
        let deleted = "SELECT count(*) AS x FROM event WHERE kind = 'message.deleted'";
        assert_eq!(ask(&postrider.database(), deleted), "0");
        lies.store(false, Ordering::SeqCst);
        a_day_later(&postrider);
        change(&postrider.database(), "UPDATE owed SET due_at = 0");
        postrider.sync();
        postrider.sync().exits(0);
        mirrors(&postrider, &mailbox);
        assert_eq!(ask(&postrider.database(), deleted), "0");
    })
    .await;
}

/// One message that cannot be read costs itself: everything else is there, it is in the ledger, and is read when it can be.
#[tokio::test(flavor = "multi_thread")]
async fn one_bad_message_costs_itself() {
    for (what, play, class) in [
        (
            "base64",
            Play::says(
                200,
                "application/json",
                "{\"data\": {\"id\": \"x\", \"raw_mime\": \"####\"}}",
            ),
            "invalid_data",
        ),
        (
            "no bytes",
            Play::says(200, "application/json", "{\"data\": {\"id\": \"x\"}}"),
            "invalid_data",
        ),
        ("500", Play::nylas(500, "provider_error", "Internal"), "provider"),
        ("403", Play::nylas(403, "provider_error", "Access is denied"), "provider"),
        ("cut", Play { cut: Some(60), ..Play::default() }, "network"),
    ] {
        let mailbox = seed::mailbox(3, 40, "microsoft");
        let bad = mailbox.ids()[7].clone();
        let is_open = Arc::new(AtomicBool::new(false));
        let (opened, id) = (Arc::clone(&is_open), bad.clone());
        let server = serves(&mailbox, move |q| {
            (q.message() == Some((id.as_str(), true)) && !opened.load(Ordering::SeqCst))
                .then(|| play.clone())
        })
        .await;
        blocking(move || {
            let postrider = short(&server);
            for _ in 0..4 {
                postrider.sync();
                change(&postrider.database(), "UPDATE owed SET due_at = 0");
            }
            assert_eq!(
                ask(&postrider.database(), "SELECT count(*) AS x FROM message"),
                "40",
                "{what}"
            );
            let told = ask(&postrider.database(), "SELECT class AS x FROM owed");
            assert_eq!(told, class, "{what}");
            is_open.store(true, Ordering::SeqCst);
            postrider.sync();
            postrider.sync().exits(0);
            mirrors(&postrider, &mailbox);
        })
        .await;
    }
}

/// Answers that hold more than was asked for, and come packed: they cost little memory, and no wrong row.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_costs_what_was_asked_for() {
    let rows = |row: &str, octets: usize| {
        let all = vec![row; octets / (row.len() + 1)].join(",");
        Play::says(200, "application/json", &format!("{{\"data\":[{all}]}}"))
    };
    let (folder, mail) = ("{\"id\":\"a\"}", "{\"id\":\"a\",\"folders\":[],\"unread\":true}");
    for (path, play) in [
        ("/folders", rows(folder, 30_000_000)),
        ("/messages", rows(mail, 30_000_000)),
        ("/messages", rows(mail, 3_900_000)),
    ] {
        let mailbox = seed::mailbox(3, 20, "microsoft");
        let floods = Arc::new(AtomicUsize::new(0));
        let counts = Arc::clone(&floods);
        let server = serves(&mailbox, move |q| {
            let is_it = counts.load(Ordering::SeqCst) > 0 && q.path.ends_with(path);
            is_it.then(|| {
                counts.fetch_add(1, Ordering::SeqCst);
                play.clone()
            })
        })
        .await;
        blocking(move || {
            let accounts = granted("u", "grant-1", "demo@example.com");
            let postrider = follower(&head(), &server, &accounts);
            let served = postrider.serve(&[]);
            served.wait_for_state("u", "idle");
            let before = served.peak();
            floods.store(1, Ordering::SeqCst);
            served.post("/v1/accounts/u/sync-now", "");
            wait_within(Duration::from_secs(60), "the flood", || floods.load(Ordering::SeqCst) > 1);
            wait_within(Duration::from_secs(60), "its refusal", || {
                let reason = served.account("u")["reason"].as_str().unwrap_or_default().to_owned();
                reason.contains("more than was asked for") || reason.contains("more folders")
            });
            served.has_cost_little(before, path, 0);
            served.stop();
        })
        .await;
    }
}
