//! What providers have pushed: how much, from where, and what came of it. Nothing of what was in it.

use crate::admin::Shared;
use crate::admin::problem::ProblemOf;
use crate::instant::instant;
use crate::push::{Received, SourceSeen};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What providers push to, and what came.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InboundView {
    /// Where it listens; none: nothing is taken.
    listen: Option<String>,
    /// Who pushes.
    sources: Vec<SourceView>,
}

/// Who pushes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SourceView {
    /// Its name.
    source: &'static str,
    /// Where it pushes to, below the address.
    path: String,
    /// Requests since the start, by what came of them.
    counts: BTreeMap<&'static str, u64>,
    /// The last 50 that were believed and the last 50 others, the newest first.
    latest: Vec<ReceivedView>,
}

/// A request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReceivedView {
    at: String,
    /// The address of who sent it.
    from: String,
    /// `taken`, `known`, `stranger`: answered 204. `unsigned`: 401. `unreadable`: 400. `too_large`: 413. `too_slow`: 408.
    /// `too_many`: 429. `unjudged`, `no_room`: 503. `gone`: who sent it hung up.
    outcome: &'static str,
    /// Why it was not taken.
    reason: Option<String>,
}

impl SourceView {
    fn of(seen: SourceSeen) -> Self {
        let SourceSeen { name: source, path, counts, latest } = seen;
        let counts = counts.into_iter().map(|(outcome, n)| (outcome.as_str(), n)).collect();
        Self { source, path, counts, latest: latest.into_iter().map(ReceivedView::of).collect() }
    }
}

impl ReceivedView {
    fn of(Received { at, from, outcome, reason }: Received) -> Self {
        let reason = Some(reason).filter(|reason| !reason.is_empty());
        Self { at: instant(at), from: from.to_string(), outcome: outcome.as_str(), reason }
    }
}

/// What providers push to, and what came.
#[utoipa::path(get, path = "/v1/inbound", tag = "server", responses(
    (status = 200, body = InboundView), ProblemOf<401>))]
pub(super) async fn inbound(State(shared): State<Shared>) -> Json<InboundView> {
    let (at, sources) = shared.desks.push.seen();
    let sources = sources.into_iter().map(SourceView::of).collect();
    Json(InboundView { listen: at.map(|at| at.to_string()), sources })
}
