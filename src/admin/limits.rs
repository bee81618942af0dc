//! What servers allow, how much of it is in use, and who waits for it.

use crate::admin::Shared;
use crate::admin::problem::{Problem, ProblemOf};
use crate::admin::view::{Page, instant};
use crate::connection::message::LimitsView;
use crate::telemetry::registry::AccountLine;
use axum::Json;
use axum::extract::State;
use postrider_core::budget::{Lane, MeterView, WaitLine};
use postrider_core::standing::Standing;
use postrider_core::time::{Micros, Now};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// The limits of one endpoint.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EndpointLimits {
    /// Its place in the tree.
    endpoint: String,
    /// Each limit.
    limits: Vec<LimitView>,
    /// Who waits for units.
    waiting: Vec<WaitView>,
    /// Who waits for a session.
    waiting_for_sessions: usize,
}

/// A limit.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LimitView {
    /// Of which account; nothing where all of the endpoint share it.
    account: Option<String>,
    /// `rate`, `day` (any 24 hours), `sessions`, `logins`.
    kind: &'static str,
    /// What is counted: `octets`, `units`, `sessions`, `logins`.
    unit: &'static str,
    limit: u64,
    /// In any window so long; nothing where it is at once.
    per_seconds: Option<f64>,
    /// What holds now: less than the limit after the server has asked for less.
    in_force: u64,
    /// Spent in the window, or in use; nothing where only what is left is known.
    spent: Option<u64>,
    /// What could be had at once, the part that is kept for new mail with it.
    left: Option<u64>,
    /// Nothing is asked before then, since the server said so.
    paused_until: Option<String>,
    /// What it said.
    reason: Option<String>,
}

/// Somebody waits for units.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WaitView {
    account: String,
    /// `live`, `backfill`.
    lane: &'static str,
    /// How many; nothing where it is all of its history that waits, or all that it does.
    units: Option<u64>,
    since: String,
    until: Option<String>,
    /// For what, in words.
    reason: String,
}

/// A moment on the monotonic clock, for people.
fn wall(at: Duration, now: Now) -> Micros {
    if at >= now.mono {
        now.wall.plus(at - now.mono)
    } else {
        let ago = i64::try_from((now.mono - at).as_micros()).unwrap_or(i64::MAX);
        Micros(now.wall.0.saturating_sub(ago))
    }
}

impl WaitView {
    fn of(wait: WaitLine<String>, now: Now) -> Self {
        Self {
            lane: wait.lane.as_str(),
            units: Some(wait.units),
            since: instant(wall(wait.since, now)),
            until: Some(instant(wall(wait.until, now))),
            reason: String::new(),
            account: wait.account,
        }
    }

    /// An account that is throttled, and holds no session for it.
    fn resting(account: &str, line: &AccountLine) -> Self {
        let lane = if line.follows { Lane::Backfill } else { Lane::Live };
        Self {
            account: account.to_owned(),
            lane: lane.as_str(),
            units: None,
            since: instant(line.since),
            until: line.next_attempt_at.map(instant),
            reason: line.reason.clone(),
        }
    }
}

fn plain(account: Option<&str>, kind: &'static str, unit: &'static str, limit: u64) -> LimitView {
    LimitView {
        account: account.map(str::to_owned),
        kind,
        unit,
        limit,
        per_seconds: None,
        in_force: limit,
        spent: None,
        left: None,
        paused_until: None,
        reason: None,
    }
}

fn metered(
    account: Option<&str>,
    unit: &'static str,
    meter: &MeterView,
    now: Now,
) -> Vec<LimitView> {
    let mut limits = Vec::new();
    if let Some(rate) = meter.allowance.rate {
        let in_force = rate.units.saturating_mul(meter.share.unwrap_or(1000)) / 1000;
        limits.push(LimitView {
            per_seconds: Some(rate.per.as_secs_f64()),
            in_force,
            left: meter.left_now,
            ..plain(account, "rate", unit, rate.units)
        });
    }
    if let Some(day) = meter.allowance.day {
        limits.push(LimitView {
            per_seconds: Some(86_400.0),
            spent: Some(meter.spent_today),
            left: Some(day.saturating_sub(meter.spent_today)),
            ..plain(account, "day", unit, day)
        });
    }
    if let Some((until, said)) = &meter.paused {
        for limit in &mut limits {
            limit.paused_until = Some(instant(wall(*until, now)));
            limit.reason = Some(said.clone());
        }
    }
    limits
}

fn sessions(account: Option<&str>, (live, may, most): (usize, usize, usize)) -> LimitView {
    let [live, may, most] = [live, may, most].map(|n| u64::try_from(n).unwrap_or(u64::MAX));
    LimitView {
        in_force: may,
        spent: Some(live),
        left: Some(may.saturating_sub(live)),
        ..plain(account, "sessions", "sessions", most)
    }
}

impl EndpointLimits {
    fn of(view: LimitsView, now: Now) -> Self {
        let mut limits = vec![
            sessions(None, view.sessions),
            LimitView {
                per_seconds: Some(1.0),
                ..plain(None, "logins", "logins", view.logins_per_second.into())
            },
        ];
        let mut waiting = Vec::new();
        if let Some(till) = view.till {
            let unit = till.quota.unit;
            limits.extend(metered(None, unit, &till.shared, now));
            for (account, meter) in &till.users {
                limits.extend(metered(Some(account), unit, meter, now));
            }
            waiting = till.waiting.into_iter().map(|wait| WaitView::of(wait, now)).collect();
        }
        limits.extend(view.sessions_of.iter().map(|(account, n)| sessions(Some(account), *n)));
        Self { endpoint: view.path, limits, waiting, waiting_for_sessions: view.queued }
    }
}

/// What every endpoint limits, what is spent of it, who waits for what, and until when.
#[utoipa::path(get, path = "/v1/limits", tag = "limits", responses(
    (status = 200, body = Page<EndpointLimits>), ProblemOf<401>, ProblemOf<503>))]
pub(super) async fn limits(
    State(shared): State<Shared>,
) -> Result<Json<Page<EndpointLimits>>, Problem> {
    let mut views = shared.operator.limits().await?;
    views.sort_by(|a, b| a.path.cmp(&b.path));
    let now = shared.registry.clock().now();
    let accounts = shared.registry.accounts();
    let of = |view: LimitsView| {
        let users = view.till.as_ref().map(|till| till.accounts.clone()).unwrap_or_default();
        let mut limits = EndpointLimits::of(view, now);
        let waits = accounts
            .iter()
            .filter(|(name, line)| line.standing == Standing::Throttled && users.contains(*name));
        limits.waiting.extend(waits.map(|(name, line)| WaitView::resting(name, line)));
        limits
    };
    let items = views.into_iter().map(of).collect();
    Ok(Json(Page { items, next: None }))
}
