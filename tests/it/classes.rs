//! Each class of failure, as a server brings it about, of both families: what `/v1/accounts`, `/v1/actors` and
//! `status` say is what the table says (`core/src/recovery/table.rs`).

use crate::support::binary::{Postrider, SHORT, account};
use crate::support::check::equal;
use crate::support::database::ask;
use crate::support::gmail::follower;
use crate::support::mail::{blocking, note, seed, serve};
use crate::support::served::{Served, head, wait_until};
use postrider_core::failure::{Class, Reach};
use postrider_core::recovery::table::{Leads, row_of};
use postrider_feedd::{GmailServer, Play};
use postrider_imapd::Misbehaviour;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What is seen of an account whose server does this, once its try, or its tries, have failed.
struct Seen {
    class: Class,
    state: &'static str,
}

const fn seen(class: Class, state: &'static str) -> Seen {
    Seen { class, state }
}

/// A few tries at once, then a wait that a test can see; a refusal is believed at the third.
fn config() -> String {
    let recovery = "first_wait = \"20ms\"\ntries = 2\nbelieve_after = \"100ms\"";
    head().replace("first_wait = \"20ms\"", recovery)
}

/// Whether the table has the account wait by itself, or for a human.
fn waits(class: Class) -> bool {
    match row_of(class, Reach::Account).leads {
        Leads::AskHuman => false,
        Leads::Wait(_) | Leads::LeaveOut | Leads::BeginAgain => true,
    }
}

/// The account's actor has met this, or its endpoint's, which waits for all of its accounts.
fn met(served: &Served, class: &str) -> bool {
    let tree = served.get("/v1/actors");
    tree["items"].as_array().unwrap().iter().any(|actor| {
        let failure = &actor["last_failure"];
        failure["class"] == class && failure["reach"].is_string()
    })
}

fn says_so(served: &Served, postrider: &Postrider, what: &str, seen: &Seen) {
    let path = "root/accounts/u";
    let class = seen.class.as_str();
    let deadline = Instant::now() + Duration::from_secs(20);
    let view = loop {
        // Both are read while they may change: they agree as soon as it waits.
        let (view, actor) = (served.account("u"), served.actor(path).unwrap_or_default());
        let is_told = view["state"] == seen.state
            && view["class"] == class
            && view["since"].is_string()
            && actor["state"] == seen.state
            && met(served, class);
        let goes_on = if waits(seen.class) {
            view["next_attempt_at"].is_string()
                && actor["next_step"] == "try again"
                && actor["next_at"] == view["next_attempt_at"]
        } else {
            actor["next_step"] == "none before something changes" && actor["next_at"].is_null()
        };
        if is_told && goes_on {
            break view;
        }
        let why = (&view["state"], &view["class"], &view["reason"]);
        assert!(Instant::now() < deadline, "{what}: {why:?} {actor}");
        std::thread::sleep(Duration::from_millis(20));
    };
    let reason = view["reason"].as_str().unwrap_or_default();
    assert!(!reason.is_empty(), "{what}: {view}");
    let says = || postrider.run(&["status", "u"]).stdout;
    wait_until(what, || says().contains(seen.state) && says().contains(reason));
}

/// An account that was in step meets this, and is well again when it is over (where it asks no human).
fn meets(postrider: &Postrider, on: &AtomicBool, what: &str, seen: &Seen) {
    postrider.sync().exits(0);
    on.store(true, Ordering::SeqCst);
    let served = postrider.serve(&[]);
    says_so(&served, postrider, what, seen);
    on.store(false, Ordering::SeqCst);
    // A day's limit is not asked about again because somebody wishes it.
    if seen.class != Class::Quota {
        postrider.run(&["sync-now", "u", "--wait"]).exits(0);
        served.wait_for_state("u", "idle");
    }
    served.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_imap_server_brings_about() {
    let refuse = |text: &str| Misbehaviour::Refuse(text.into());
    let rows = [
        ("LOGIN", refuse("NO [AUTHENTICATIONFAILED] no"), seen(Class::Auth, "needs_reauth")),
        ("LOGIN", refuse("NO [LIMIT] Too many"), seen(Class::RateLimit, "throttled")),
        (
            "LOGIN",
            refuse("NO [OVERQUOTA] Account exceeded its bandwidth limits."),
            seen(Class::Quota, "throttled"),
        ),
        ("LOGIN", refuse("NO [SERVERBUG] Internal error"), seen(Class::Provider, "waiting")),
        ("LIST", refuse("NO the moon is full"), seen(Class::Unknown, "waiting")),
        ("EXAMINE", Misbehaviour::Bye("so long".into()), seen(Class::Network, "waiting")),
        ("EXAMINE", Misbehaviour::Silence, seen(Class::Timeout, "waiting")),
    ];
    for (command, misbehaviour, seen) in rows {
        let mailbox = seed::mailbox(51, 20);
        let on = Arc::new(AtomicBool::new(false));
        let switch = Arc::clone(&on);
        let what = format!("{command}: {misbehaviour:?}");
        let server = serve(&[("u", &mailbox)], move |_, asked| {
            let is_it = asked.starts_with(command)
                || (command == "LOGIN" && asked.starts_with("AUTHENTICATE"));
            (is_it && switch.load(Ordering::SeqCst)).then(|| misbehaviour.clone())
        })
        .await;
        let postrider =
            Postrider::new(&format!("{}{}", config(), account("u", server.port(), "pw")));
        blocking(move || {
            // Something to look at: what counters prove is not opened.
            mailbox.append("INBOX", note("one"));
            meets(&postrider, &on, &what, &seen);
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_gmail_brings_about() {
    let rows = [
        (Play::refuse(403, "domainPolicy", "no"), seen(Class::Auth, "needs_reauth")),
        (
            Play::refuse(429, "userRateLimitExceeded", "slow down"),
            seen(Class::RateLimit, "throttled"),
        ),
        (
            Play::refuse(403, "dailyLimitExceeded", "Daily Limit Exceeded"),
            seen(Class::Quota, "waiting"),
        ),
        (Play::refuse(503, "backendError", "Backend Error"), seen(Class::Provider, "waiting")),
        // What no table knows is the service's, not the account's.
        (Play::refuse(418, "teapot", "I am one"), seen(Class::Provider, "waiting")),
        (Play { cut: Some(5), ..Play::default() }, seen(Class::Network, "waiting")),
        (
            Play { delay: Duration::from_secs(60), ..Play::default() },
            seen(Class::Timeout, "waiting"),
        ),
        (
            Play::says(200, "application/json", "{\"historyId\": []}"),
            seen(Class::Provider, "waiting"),
        ),
    ];
    for (play, seen) in rows {
        let mailbox = postrider_feedd::seed::mailbox(52, 10);
        let on = Arc::new(AtomicBool::new(false));
        let switch = Arc::clone(&on);
        let what = format!("{} {:?}", play.status, seen.class);
        let server = GmailServer::start(&mailbox, move |_| {
            switch.load(Ordering::SeqCst).then(|| play.clone())
        })
        .await
        .unwrap();
        let postrider = follower(&config(), &server, "");
        blocking(move || {
            meets(&postrider, &on, &what, &seen);
            drop(server);
        })
        .await;
    }
}

/// A throttle is no mail's fault, however often it is met.
#[tokio::test(flavor = "multi_thread")]
async fn fifty_limits_are_no_row_of_the_ledger() {
    let mailbox = seed::mailbox(53, 60);
    let refused = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&refused);
    let server = serve(&[("u", &mailbox)], move |_, command| {
        let is_it = command.contains("BODY.PEEK[") && counter.load(Ordering::SeqCst) < 50;
        counter.fetch_add(usize::from(is_it), Ordering::SeqCst);
        is_it.then(|| Misbehaviour::Refuse("NO [LIMIT] Too many requests".into()))
    })
    .await;
    let postrider = Postrider::new(&format!("{SHORT}{}", account("u", server.port(), "pw")));
    blocking(move || {
        while refused.load(Ordering::SeqCst) < 50 {
            let before = refused.load(Ordering::SeqCst);
            postrider.sync();
            assert!(refused.load(Ordering::SeqCst) > before, "mail is asked for in each run");
            let rows =
                "SELECT count(*) AS x FROM failure WHERE uid IS NOT NULL OR class = 'invalid_data'";
            assert_eq!(ask(&postrider.database(), rows), "0");
        }
        postrider.sync().exits(0);
        equal(&postrider, "u", &mailbox);
    })
    .await;
}
