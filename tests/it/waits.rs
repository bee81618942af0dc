//! What an account waits for outlives the process: killed or stopped, the next one goes on with that wait to its
//! end, and asks nobody before.

use crate::support::binary::{Postrider, account};
use crate::support::database::ask;
use crate::support::gmail::follower;
use crate::support::mail::{blocking, seed, serve};
use crate::support::served::{Served, head, wait_until};
use postrider_feedd::{GmailServer, Play};
use postrider_imapd::Misbehaviour;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What a server was asked, and whether it refuses.
#[derive(Clone, Default)]
struct Refusing {
    asked: Arc<AtomicUsize>,
    is_on: Arc<AtomicBool>,
}

impl Refusing {
    /// Notes a question; whether it is refused.
    fn refuses(&self) -> bool {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.is_on.load(Ordering::SeqCst)
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

const WAITS: &str = "SELECT COALESCE(waits, '') AS x FROM account";

fn seconds(view: &Value, field: &str) -> i64 {
    let text = view[field].as_str().unwrap_or_else(|| panic!("{field}: {view}"));
    OffsetDateTime::parse(text, &Rfc3339).unwrap().unix_timestamp()
}

/// The account as it is told once it waits, and that is kept.
fn waiting(served: &Served, postrider: &Postrider, state: &str) -> Value {
    served.wait_for_state("u", state);
    wait_until("what is kept", || ask(&postrider.database(), WAITS).contains("until"));
    served.account("u")
}

fn is_the_same(now: &Value, before: &Value) {
    for field in ["state", "reason", "class", "since"] {
        assert_eq!(now[field], before[field], "{field}");
    }
    let ends = ["next_attempt_at"].map(|end| seconds(now, end) - seconds(before, end));
    assert!(ends[0].abs() <= 1, "{now} {before}");
    assert!(now["lag_seconds"].as_f64() >= before["lag_seconds"].as_f64(), "{now} {before}");
}

/// An account that was in step is refused, and waits; then it is killed, stopped, ordered, and well again.
fn goes_on(postrider: &Postrider, refusing: &Refusing, state: &str, class: &str) {
    postrider.sync().exits(0);
    refusing.is_on.store(true, Ordering::SeqCst);
    let mut served = postrider.serve(&[]);
    let before = waiting(&served, postrider, state);
    assert_eq!(before["class"], class, "{before}");
    let wait = seconds(&before, "next_attempt_at") - seconds(&before, "since");
    assert!(wait >= 60, "{before}");
    let asked = refusing.asked();
    served.running.child.kill().unwrap();
    served.running.child.wait().unwrap();
    drop(served);
    for _ in 0..2 {
        let served = postrider.serve(&[]);
        served.wait_for_state("u", state);
        is_the_same(&served.account("u"), &before);
        served.stop();
    }
    assert_eq!(refusing.asked(), asked, "nobody was asked");
    let stored = "SELECT state AS x FROM account";
    assert_eq!(ask(&postrider.database(), stored), state);
    // An operator's word ends it.
    let served = postrider.serve(&[]);
    refusing.is_on.store(false, Ordering::SeqCst);
    postrider.run(&["sync-now", "u", "--wait"]).exits(0);
    assert!(refusing.asked() > asked);
    served.wait_for_state("u", "idle");
    wait_until("what was kept is forgotten", || ask(&postrider.database(), WAITS).is_empty());
    served.stop();
    let asked = refusing.asked();
    let served = postrider.serve(&[]);
    served.wait_for_state("u", "idle");
    assert!(refusing.asked() > asked, "it begins at once");
    served.stop();
}

fn with_waits(recovery: &str) -> String {
    head().replace("first_wait = \"20ms\"", recovery)
}

/// A login is refused with this.
async fn refused(text: &'static str, recovery: &str, state: &'static str, class: &'static str) {
    let mailbox = seed::mailbox(41, 30);
    let refusing = Refusing::default();
    let script = refusing.clone();
    let server = serve(&[("u", &mailbox)], move |_, command| {
        let is_login = command.starts_with("LOGIN") || command.starts_with("AUTHENTICATE");
        let is_refused = is_login && script.refuses();
        is_refused.then(|| Misbehaviour::Refuse(text.into()))
    })
    .await;
    let postrider =
        Postrider::new(&format!("{}{}", with_waits(recovery), account("u", server.port(), "pw")));
    blocking(move || goes_on(&postrider, &refusing, state, class)).await;
}

/// A time that the server names.
#[tokio::test(flavor = "multi_thread")]
async fn a_named_wait_goes_on() {
    let text = "NO [LIMIT] Request is throttled. Suggested Backoff Time: 1800000 milliseconds";
    refused(text, "first_wait = \"10s\"", "throttled", "rate_limit").await;
}

/// A login that was refused, until that is believed.
#[tokio::test(flavor = "multi_thread")]
async fn doubt_of_a_refusal_goes_on() {
    let text = "NO [AUTHENTICATIONFAILED] Authentication failed.";
    refused(text, "first_wait = \"10s\"", "waiting", "auth").await;
}

/// The schedule's, behind a run that has failed.
#[tokio::test(flavor = "multi_thread")]
async fn the_wait_behind_a_failed_run_goes_on() {
    let recovery = "first_wait = \"20ms\"\ntries = 1";
    refused("NO [SERVERBUG] Internal error", recovery, "waiting", "provider").await;
}

/// The same of Gmail.
#[tokio::test(flavor = "multi_thread")]
async fn a_named_wait_of_gmail_goes_on() {
    let mailbox = postrider_feedd::seed::mailbox(42, 30);
    let refusing = Refusing::default();
    let script = refusing.clone();
    let server = GmailServer::start(&mailbox, move |_| {
        script.refuses().then(|| Play {
            headers: vec![("retry-after", "1800".into())],
            ..Play::refuse(429, "userRateLimitExceeded", "slow down")
        })
    })
    .await
    .unwrap();
    let postrider = follower(&with_waits("first_wait = \"10s\""), &server, "");
    blocking(move || goes_on(&postrider, &refusing, "throttled", "rate_limit")).await;
}

/// Another secret is tried at once, whatever was waited for with the old one.
#[tokio::test(flavor = "multi_thread")]
async fn another_secret_is_tried_at_once() {
    let mailbox = seed::mailbox(43, 30);
    let server = serve(&[("u", &mailbox)], |_, _| None).await;
    let config = |password: &str| {
        format!("{}{}", with_waits("first_wait = \"10s\""), account("u", server.port(), password))
    };
    let (well, wrong) = (config("pw"), config("wrong"));
    let postrider = Postrider::new(&well);
    blocking(move || {
        postrider.sync().exits(0);
        std::fs::write(postrider.path("config.toml"), wrong).unwrap();
        let served = postrider.serve(&[]);
        waiting(&served, &postrider, "waiting");
        served.stop();
        std::fs::write(postrider.path("config.toml"), well).unwrap();
        let served = postrider.serve(&[]);
        served.wait_for_state("u", "idle");
        served.stop();
    })
    .await;
}
