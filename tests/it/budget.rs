//! Budgets: no server is asked for more than it allows, what it charged is what is counted, live mail
//! never waits for an import, and a restart forgets nothing.

use crate::support::binary::{Postrider, SHORT, account};
use crate::support::database::ask;
use crate::support::gmail::{follower, well};
use crate::support::mail::{Mail, Mailbox, blocking, note, serve_well};
use crate::support::served::{head, wait_until};
use crate::support::shelf::{Charge, Shelf, Toll};
use metrics_exporter_prometheus::PrometheusBuilder;
use postrider::account::args::Unseen;
use postrider::boot::claims::Claims;
use postrider::boot::wiring::Engine;
use postrider::config::load;
use postrider::connection::message::LimitsView;
use postrider::reply::ReplyTo;
use postrider::supervision::root::RootMsg;
use postrider::telemetry::wire::WireLog;
use postrider_core::budget::{Allowance, Lane, Quota, RateLimit};
use postrider_core::failure::{Class, Failure, Provenance, Reach, When};
use postrider_core::standing::Outcome;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// In place of the minute of real providers.
const WINDOW: Duration = Duration::from_secs(3);
/// The log is written a moment after units were granted.
const LATE: Duration = Duration::from_millis(500);
const USERS: u64 = 20;

/// The most that was charged in any window.
fn most<'a>(log: impl Iterator<Item = &'a Charge>) -> u64 {
    let (mut inside, mut sum, mut most) = (VecDeque::new(), 0, 0);
    for charge in log {
        inside.push_back(charge);
        sum += charge.units;
        while inside.front().is_some_and(|first| charge.at - first.at >= WINDOW - LATE) {
            sum -= inside.pop_front().unwrap().units;
        }
        most = most.max(sum);
    }
    most
}

/// Two questions of the import are refused, each in its way.
fn refuses(number: usize) -> Option<Failure> {
    let said = |text| Failure::new(Class::RateLimit, Reach::Account, Provenance::Server, text);
    match number {
        200 => Some(said("slow down").when(When::After(Duration::from_millis(300)))),
        300 => Some(said("slow down")),
        _ => None,
    }
}

fn mailbox(folders: &[&str], messages: usize) -> Mailbox {
    let mailbox = Mailbox::default();
    for name in folders {
        mailbox.create(name, "");
        for n in 0..messages {
            mailbox.append(name, note(&format!("{name} {n}")));
        }
    }
    mailbox
}

fn counted(text: &str, metric: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(metric));
    line.and_then(|n| n.trim().parse().ok()).unwrap_or(0)
}

async fn limits(engine: &Engine) -> LimitsView {
    let (each, mut all) = mpsc::unbounded_channel();
    engine.root().cast(RootMsg::Limits(each)).unwrap();
    tokio::time::timeout(Duration::from_secs(5), all.recv()).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_accounts_share_a_project_and_one_imports() {
    let recorder = PrometheusBuilder::new().install_recorder().unwrap();
    let accounts: String =
        (0..USERS).map(|n| account(&format!("u{n}"), 1, "pw")).collect::<Vec<_>>().join("");
    let postrider = Postrider::new(&format!("{SHORT}{accounts}"));
    let config = load(&postrider.path("config.toml"), std::iter::empty()).unwrap();
    let engine =
        Engine::start(&config, "a test", WireLog::default(), Claims::default()).await.unwrap();

    let rate = |units| Allowance { rate: Some(RateLimit { units, per: WINDOW }), day: None };
    let (user, shared) = (rate(450), rate(900));
    let quota = Quota { unit: "units", user, shared, largest: 20, by_octets: false };
    let toll = Arc::new(Toll { quota, log: Mutex::default(), refuses });
    let mut ready = Vec::new();
    for (n, of) in config.accounts.iter().enumerate() {
        let password = engine.given(of).await.unwrap().credential();
        let args = engine.account_args(of, &config, true, Arc::new(Unseen), password).await;
        let mut args = args.unwrap();
        let mailbox =
            if n == 0 { mailbox(&["INBOX"], 250) } else { mailbox(&["INBOX", "Sent", "Old"], 2) };
        let (bodies, toll) = (Arc::new(AtomicUsize::new(0)), Some(Arc::clone(&toll)));
        args.endpoint = Arc::new(Shelf { mailbox, bodies, toll });
        args.rules.settings.page_messages = 5;
        ready.push(args);
    }
    let (done, finished) = oneshot::channel();
    let reply = ReplyTo::new(move |summaries: Option<Vec<_>>| drop(done.send(summaries)));
    engine.root().cast(RootMsg::RunOnce(ready, reply)).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(120), finished).await;
    for (name, summary) in ended.unwrap().unwrap().unwrap() {
        assert_eq!(summary.outcome, Outcome::Success, "{name}: {summary:?}");
    }

    let log = toll.log.lock().unwrap().clone();
    assert!(log.len() > 300, "{} questions: the refusals were met", log.len());
    assert!(most(log.iter()) <= 900, "{} of 900 for all", most(log.iter()));
    for n in 0..USERS {
        let most = most(log.iter().filter(|charge| charge.account == n));
        assert!(most <= 450, "{most} of 450 for u{n}");
    }
    let mut waits: Vec<Duration> =
        log.iter().filter(|c| c.lane == Lane::Live).map(|c| c.waited).collect();
    waits.sort_unstable();
    let p99 = waits[waits.len() * 99 / 100];
    assert!(waits.len() > 300 && p99 < Duration::from_secs(2), "{} looks: {p99:?}", waits.len());

    // What was charged, refusals too, is what is counted.
    let charged: u64 = log.iter().map(|charge| charge.units).sum();
    let mut told = 0;
    for _ in 0..500 {
        let text = recorder.render();
        told = counted(&text, "postrider_quota_units_spent_total{provider=\"shelf\"}");
        if told == charged {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(told, charged);
    let view = limits(&engine).await.till.unwrap();
    let shares: Vec<u64> = view.users.values().filter_map(|user| user.share).collect();
    assert_eq!(shares.len(), usize::try_from(USERS).unwrap());
    assert!(shares.iter().filter(|share| **share < 1000).count() >= 1, "{shares:?}");
    assert_eq!(view.shared.share, Some(1000), "one account's refusal is its own");
    engine.stop().await;
}

/// A mail of so many octets.
fn long(n: usize, octets: usize) -> Mail {
    let line = format!("{n:076}\r\n");
    let body = line.repeat(octets / line.len());
    Mail::new(format!("From: a@example.org\r\nSubject: long {n}\r\n\r\n{body}"))
}

fn day(served: &crate::support::served::Served) -> Value {
    let limits = served.get("/v1/limits");
    let all = limits["items"][0]["limits"].as_array().unwrap().clone();
    all.into_iter().find(|limit| limit["kind"] == "day").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn imap_reads_no_more_than_a_days_octets() {
    let mailbox = Mailbox::default();
    mailbox.create("INBOX", "");
    for n in 0..500 {
        mailbox.append("INBOX", long(n, 20_000));
    }
    let server = serve_well("u", &mailbox).await;
    let day_limit = "download_per_day = \"5MB\"\n";
    let postrider =
        Postrider::new(&format!("{}{}{day_limit}", head(), account("u", server.port(), "pw")));
    let (postrider, mailbox) = blocking(move || {
        let served = postrider.serve(&[]);
        served.wait_for_state("u", "throttled");
        let stored = || ask(&postrider.database(), "SELECT count(*) AS x FROM message");
        let before: u64 = stored().parse().unwrap();
        assert!((210..=245).contains(&before), "{before} of 500 are nine tenths of 5 MB");
        let account = served.account("u");
        let reason = account["reason"].as_str().unwrap();
        assert!(
            reason.ends_with(
                "of the 5000000 octets of a day are spent, and the rest is kept for new mail"
            ),
            "{reason}"
        );
        assert!(account["next_attempt_at"].is_string(), "{account}");
        let shown = postrider.run(&["status", "u"]).exits(0).stdout;
        assert!(shown.contains("octets of a day"), "{shown}");

        let waiting = served.get("/v1/limits")["items"][0]["waiting"][0].clone();
        assert_eq!(
            (waiting["account"].as_str(), waiting["lane"].as_str()),
            (Some("u"), Some("backfill"))
        );
        assert_eq!(served.ask("GET", "/readyz").0, 200, "new mail comes in");
        let left = account["progress"]["remaining"].as_u64().unwrap();
        assert_eq!(left + before, 500, "what is still to be read is told");

        // The live lane goes on, however many come at once.
        for n in 0..150 {
            mailbox.append("INBOX", note(&format!("news {n}")));
        }
        let before = before + 150;
        wait_until("the news", || stored() == before.to_string());
        let limit = day(&served);
        let spent = limit["spent"].as_u64().unwrap();
        assert!((4_000_000..=7_000_000).contains(&spent), "{limit}");
        let units = "postrider_quota_units_spent_total{provider=\"imap\"}";
        assert!(served.metric(units) >= spent as f64, "{spent}");
        wait_until("a second of it", || {
            served.metric("postrider_throttle_wait_seconds_total") >= 1.0
        });
        served.stop();

        // What was spent is not forgotten.
        let served = postrider.serve(&[]);
        served.wait_for_state("u", "throttled");
        assert!(day(&served)["spent"].as_u64().unwrap() >= spent, "{}", day(&served));
        assert_eq!(stored(), before.to_string());
        served.stop();

        // A pool that dies reads what was spent when it begins again.
        let served = postrider.serve(&[("POSTRIDER_FAULT", "panic.endpoint:1")]);
        served.wait_for_state("u", "throttled");
        assert!(day(&served)["spent"].as_u64().unwrap() >= spent, "{}", day(&served));
        assert_eq!(stored(), before.to_string());
        served.stop();

        // A run of its own says so, and what is left is left for later.
        let ran = postrider.sync().exits(3);
        assert!(ran.stdout.contains("octets of a day are spent"), "{}", ran.stdout);
        assert_eq!(stored(), before.to_string());

        // When all of it is spent, nothing is looked at; a run of its own ends with that.
        for n in 1000..1100 {
            mailbox.append("INBOX", long(n, 20_000));
        }
        let served = postrider.serve(&[]);
        wait_until("all of it is spent", || {
            let account = served.account("u");
            let reason = account["reason"].as_str().unwrap_or_default();
            account["state"] == "throttled" && !reason.starts_with("history waits")
        });
        let account = served.account("u");
        assert_eq!(account["class"], "quota", "{account}");
        let spent = day(&served)["spent"].as_u64().unwrap();
        assert!((5_000_000..=5_300_000).contains(&spent), "ten messages past it at most: {spent}");
        served.stop();
        let ran = postrider.sync().exits(6);
        assert!(ran.stderr.contains("octets of a day are spent"), "{}", ran.stderr);
        (postrider, mailbox)
    })
    .await;

    // With another limit it goes on, and is not started again for it.
    blocking(move || {
        let served = postrider.serve(&[]);
        served.wait_for_state("u", "throttled");
        let edit = |from: &str, to: &str| {
            let config = std::fs::read_to_string(postrider.path("config.toml")).unwrap();
            assert!(config.contains(from), "{config}");
            std::fs::write(postrider.path("config.new"), config.replace(from, to)).unwrap();
            std::fs::rename(postrider.path("config.new"), postrider.path("config.toml")).unwrap();
        };
        // Under another id it has spent what it has.
        edit("id = \"u\"", "id = \"v\"\nwas = \"u\"");
        served.wait_for_state("v", "throttled");
        let limits = served.get("/v1/limits");
        let all = limits["items"][0]["limits"].as_array().unwrap();
        let own = all.iter().find(|l| l["kind"] == "day" && l["account"] == "v").unwrap();
        assert!(own["spent"].as_u64().unwrap() >= 5_000_000, "{limits}");
        edit(day_limit, "download_per_day = \"none\"\n");
        served.wait_for_state("v", "idle");
        crate::support::check::equal(&postrider, "v", &mailbox);
        served.stop();
    })
    .await;
}

fn short_of_memory() -> String {
    head().replace("[sync]", "[sync]\nrecent_messages = 20\nmemory_limit = \"4MiB\"")
}

/// Where memory is short history waits, says why, and new mail comes in; with more of it all is read.
fn reads_what_memory_allows(postrider: &Postrider, comes: impl Fn(), is_whole: impl Fn() -> bool) {
    let served = postrider.serve(&[]);
    served.wait_for_state("u", "throttled");
    let view = served.account("u");
    let reason = view["reason"].as_str().unwrap();
    assert!(reason.ends_with("4 MiB of memory are in use (sync.memory_limit)"), "{view}");
    let stored = || ask(&postrider.database(), "SELECT count(*) AS x FROM message");
    let before: u64 = stored().parse().unwrap();
    assert!(before < 100, "{before}");
    comes();
    wait_until("the news", || {
        postrider.run(&["sync-now", "u"]).exits(0);
        stored() == (before + 1).to_string()
    });
    assert_eq!(served.ask("GET", "/readyz").0, 200, "new mail comes in");
    let config = std::fs::read_to_string(postrider.path("config.toml")).unwrap();
    std::fs::write(postrider.path("config.toml"), config.replace("4MiB", "1GiB")).unwrap();
    wait_until("all of it", || {
        postrider.run(&["sync-now", "u"]).exits(0);
        is_whole()
    });
    served.wait_for_state("u", "idle");
    served.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn history_waits_for_memory() {
    let mailbox = Mailbox::default();
    mailbox.create("INBOX", "");
    for n in 0..300 {
        mailbox.append("INBOX", note(&format!("old {n}")));
    }
    let server = serve_well("u", &mailbox).await;
    let postrider =
        Postrider::new(&format!("{}{}", short_of_memory(), account("u", server.port(), "pw")));
    blocking(move || {
        let comes = || {
            mailbox.append("INBOX", note("news"));
        };
        let is_whole = || ask(&postrider.database(), "SELECT count(*) AS x FROM message") == "301";
        reads_what_memory_allows(&postrider, comes, is_whole);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn history_of_gmail_waits_for_memory() {
    let mailbox = postrider_feedd::seed::mailbox(44, 320);
    let server = postrider_feedd::GmailServer::start(&mailbox, well).await.unwrap();
    blocking(move || {
        let postrider = follower(&short_of_memory(), &server, "");
        let comes =
            || drop(mailbox.insert("Subject: news\r\n\r\nx\r\n", &["INBOX"], i64::MAX / 2000));
        let is_whole = || postrider.manifest("u") == mailbox.manifest(|_| true);
        reads_what_memory_allows(&postrider, comes, is_whole);
    })
    .await;
}
