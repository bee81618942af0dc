//! Prometheus text. Gauges are computed when they are asked for; labels come from closed sets.

use crate::admin::Shared;
use crate::store::derive::OwedReader;
use crate::store::{FailureReader, JobReader};
use crate::telemetry::names;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use metrics::gauge;
use postrider_core::account::follow::SlotWish;
use postrider_core::deliver::SubscriberState;
use postrider_core::failure::{Class, Failure};
use postrider_core::job::words::JobStatus;
use postrider_core::standing::{Activity, Push, Standing};
use std::time::Duration;

/// Quantiles that are told.
const QUANTILES: [(&str, f64); 4] = [("0.5", 0.5), ("0.9", 0.9), ("0.99", 0.99), ("1", 1.0)];

/// Longest wait for what the database counts; a scrape waits ten seconds, as a rule.
const COUNTING: Duration = Duration::from_secs(5);

/// How subscribers stand.
#[expect(clippy::cast_precision_loss, reason = "gauges are floating point")]
fn deliveries(shared: &Shared) {
    let (seen, now) = (shared.desks.deliver.seen(), shared.registry.clock().now().wall);
    for state in SubscriberState::ALL {
        let n = seen.iter().filter(|line| line.delivered.state == *state).count();
        gauge!(names::SUBSCRIBERS, "state" => state.as_str()).set(n as f64);
    }
    let lag = seen.iter().filter_map(|line| line.lag(now)).max().unwrap_or_default();
    gauge!(names::DELIVERY_LAG).set(lag.as_secs_f64());
    if shared.per_account {
        for line in &seen {
            let id = line.subscriber.id.clone();
            gauge!(names::SUBSCRIBER_LAG, "subscriber" => id)
                .set(line.lag(now).unwrap_or_default().as_secs_f64());
        }
    }
}

/// All metrics, in Prometheus' text format.
#[utoipa::path(get, path = "/metrics", tag = "health", responses((status = 200, body = String, content_type = "text/plain"), (status = 401, body = crate::admin::problem::Problem)))]
pub(super) async fn metrics(State(shared): State<Shared>) -> Response {
    let summaries = measure(&shared).await;
    metrics_process::Collector::default().collect();
    let text = shared.metrics.render() + &summaries;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

#[expect(clippy::cast_precision_loss, reason = "gauges are floating point")]
async fn measure(shared: &Shared) -> String {
    shared.registry.count_throttled();
    let accounts = shared.registry.accounts();
    let mono = shared.registry.clock().now().mono;
    // Who is removed is in no registry.
    for standing in Standing::ALL.iter().copied().filter(|standing| *standing != Standing::Removed)
    {
        let n = accounts.values().filter(|line| line.standing == standing).count();
        gauge!(names::ACCOUNTS, "state" => standing.as_str()).set(n as f64);
    }
    let followed = || accounts.values().filter(|line| line.is_wanted());
    let ages = followed().map(|line| line.lag(mono)).collect();
    let mut summaries = summary(
        names::SYNC_LAG,
        "Seconds since the live end was last proved, over accounts",
        "",
        ages,
    );
    let mode = *shared.mode.borrow();
    summaries += &summary(
        names::SYNC_OVERDUE,
        "Seconds by which that proof is older than the schedule has it, over accounts",
        "",
        followed().map(|line| line.overdue(mono, mode)).collect(),
    );
    let watched =
        followed().filter(|line| line.push != Push::Poll).map(|line| line.lag(mono)).collect();
    let help = "Seconds since a push channel last proved itself, over accounts that have one";
    summaries += &summary(names::PUSH_PROOF_AGE, help, "kind=\"idle\",", watched);
    let push = &shared.desks.push;
    let failing = push.seen().1.iter().filter(|source| source.failing.is_some()).count();
    gauge!(names::INBOUND_FAILING).set(failing as f64);
    let subscriptions = &push.subscriptions;
    for source in subscriptions.sources() {
        let kind = format!("kind=\"{source}\",");
        summaries += &quantiles(names::PUSH_PROOF_AGE, &kind, subscriptions.unproved(source));
    }
    for (source, age) in push.webhooks.unproved() {
        let kind = format!("kind=\"{source}\",");
        summaries += &quantiles(names::PUSH_PROOF_AGE, &kind, vec![age]);
    }
    if shared.per_account {
        for (id, line) in &accounts {
            gauge!(names::ACCOUNT_LAG, "account" => id.clone()).set(line.lag(mono).as_secs_f64());
        }
    }
    deliveries(shared);
    let remaining: u64 =
        accounts.values().map(|line| line.run.map_or(line.left, |run| run.remaining)).sum();
    gauge!(names::BACKFILL_REMAINING).set(remaining as f64);
    let slots = |has: fn(SlotWish) -> bool| accounts.values().filter(|l| has(l.slot)).count();
    let (work, wait) = (
        slots(|slot| matches!(slot, SlotWish::Held(_))),
        slots(|slot| matches!(slot, SlotWish::Wanted(_))),
    );
    gauge!(names::RUNS_BY_SLOT, "state" => Activity::Working.as_str()).set(work as f64);
    gauge!(names::RUNS_BY_SLOT, "state" => Standing::Waiting.as_str()).set(wait as f64);
    let actors = shared.registry.actors();
    for state in Activity::OF_SESSIONS.map(Activity::as_str) {
        let n =
            actors.values().filter(|actor| actor.kind == "session" && actor.state == state).count();
        gauge!(names::SESSIONS, "state" => state).set(n as f64);
    }
    for (state, n) in shared.reader.connections() {
        gauge!(names::STORE_CONNECTIONS, "state" => state).set(n as f64);
    }
    count_rows(shared).await;
    summaries
}

/// What only the rows know.
#[expect(clippy::cast_precision_loss, reason = "gauges are floating point")]
async fn count_rows(shared: &Shared) {
    let owed = OwedReader::new(shared.reader.clone());
    let ledger = FailureReader::new(&shared.reader);
    let jobs = JobReader::new(&shared.reader);
    let all = async { tokio::join!(ledger.counts(), owed.standings(None), jobs.counts()) };
    // Whoever asks for numbers waits no longer than for that.
    let counted = tokio::time::timeout(COUNTING, all).await;
    let nothing = |_| (Err(late()), Err(late()), Err(late()));
    let (ledger, derived, jobs) = counted.unwrap_or_else(nothing);
    match ledger {
        Ok((by_class, unproved)) => {
            for class in Class::ALL {
                let n = by_class.get(class.as_str()).copied().unwrap_or(0);
                gauge!(names::LEDGER_OPEN, "class" => class.as_str()).set(n as f64);
            }
            gauge!(names::UNPROVED_FOLDERS).set(unproved as f64);
        }
        // The others are told all the same; readiness says what is wrong with the database.
        Err(failure) => tracing::warn!("the ledger cannot be counted: {}", failure.chain()),
    }
    match jobs {
        Ok(by_status) => {
            for status in JobStatus::ALL.iter().copied().map(JobStatus::as_str) {
                let n = by_status.get(status).copied().unwrap_or(0);
                gauge!(names::JOBS, "status" => status).set(n as f64);
            }
        }
        Err(failure) => tracing::warn!("jobs cannot be counted: {}", failure.chain()),
    }
    match derived {
        Ok(derived) => {
            let behind: u64 = derived.values().map(|standing| standing.behind).sum();
            gauge!(names::DERIVE_BEHIND).set(behind as f64);
        }
        Err(failure) => {
            tracing::warn!("what is to be derived cannot be counted: {}", failure.chain());
        }
    }
}

fn late() -> Failure {
    Failure::storage("the database does not answer")
}

/// A summary as Prometheus reads it: quantiles over the accounts as they are now.
fn summary(name: &str, help: &str, labels: &str, ages: Vec<Duration>) -> String {
    format!("# HELP {name} {help}\n# TYPE {name} summary\n") + &quantiles(name, labels, ages)
}

fn quantiles(name: &str, labels: &str, mut ages: Vec<Duration>) -> String {
    ages.sort_unstable();
    let mut text = String::new();
    for (label, quantile) in QUANTILES {
        let at = rank(ages.len(), quantile);
        let value = at.and_then(|at| ages.get(at)).map_or(0.0, Duration::as_secs_f64);
        text += &format!("{name}{{{labels}quantile=\"{label}\"}} {value}\n");
    }
    let own = if labels.is_empty() {
        String::new()
    } else {
        format!("{{{}}}", labels.trim_end_matches(','))
    };
    let sum: f64 = ages.iter().map(Duration::as_secs_f64).sum();
    text += &format!("{name}_sum{own} {sum}\n{name}_count{own} {}\n", ages.len());
    text
}

/// The nearest rank of a quantile among `n` sorted values.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rank"
)]
fn rank(n: usize, quantile: f64) -> Option<usize> {
    let rank = (quantile * n as f64).ceil() as usize;
    (n > 0).then(|| rank.clamp(1, n) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_rank() {
        assert_eq!(
            (rank(0, 0.5), rank(1, 0.99), rank(100, 0.5), rank(100, 1.0)),
            (None, Some(0), Some(49), Some(99))
        );
    }
}
