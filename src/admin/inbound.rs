//! What providers have pushed: how much, from where, and what came of it. Nothing of what was in it.

use crate::admin::Shared;
use crate::admin::problem::ProblemOf;
use crate::instant::instant;
use crate::push::{Received, SourceSeen};
use axum::Json;
use axum::extract::State;
use postrider_core::provider::subscription::Subscription;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use utoipa::ToSchema;

/// What providers push to, and what came.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InboundView {
    /// Where it listens; none: nothing is taken.
    listen: Option<String>,
    /// Requests since the start to where nobody pushes: another path, another method.
    unrouted: u64,
    /// Who pushes.
    sources: Vec<SourceView>,
}

/// Who pushes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SourceView {
    /// Its name.
    source: String,
    /// Where it pushes to, below the address; none: it is asked for.
    path: Option<String>,
    /// The queue that it is asked for from.
    queue: Option<String>,
    /// Why it cannot be asked for now.
    failing: Option<String>,
    /// What it was asked to push: of each account, or, by a webhook, of all of an application.
    subscriptions: Vec<SubscriptionView>,
    /// Requests since the start, by what came of them.
    counts: BTreeMap<&'static str, u64>,
    /// The last 50 that were believed and the last 50 others, the newest first.
    latest: Vec<ReceivedView>,
}

/// What a provider was asked to push.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SubscriptionView {
    /// Of which account; none: of all.
    account: Option<String>,
    /// What the provider calls it, where it is a webhook that is made.
    id: Option<String>,
    /// `active`; `doubted`: something was found of which it had not told, or its provider is not answered; `failed`: it does
    /// not push.
    state: &'static str,
    /// Why.
    reason: Option<String>,
    /// Where it pushes to, in the provider's words: a topic, a URL.
    to: String,
    /// When it was asked for last, and until when it pushes unless it is asked for again.
    renewed_at: Option<String>,
    expires_at: Option<String>,
    /// When it was last seen to push, or a look found nothing of which it had not told.
    proof_at: Option<String>,
}

/// A request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReceivedView {
    at: String,
    /// The address of who sent it; none: it was asked for.
    from: Option<String>,
    /// `taken`, `known`, `stranger`, `ignored`: answered 204, or 200 where that is wanted. `challenged`: 200. `unsigned`: 401. `unreadable`, `bad_challenge`: 400. `too_large`: 413. `too_slow`: 408.
    /// `too_many`: 429. `unjudged`, `unstored`, `no_room`: 503. `gone`: who sent it hung up.
    outcome: &'static str,
    /// Why it was not taken.
    reason: Option<String>,
}

impl SourceView {
    fn of(seen: SourceSeen, subscriptions: Vec<SubscriptionView>) -> Self {
        let SourceSeen { name: source, path, queue, failing, counts, latest } = seen;
        Self {
            source,
            path,
            queue,
            failing,
            subscriptions,
            counts: counts.into_iter().map(|(outcome, n)| (outcome.as_str(), n)).collect(),
            latest: latest.into_iter().map(ReceivedView::of).collect(),
        }
    }
}

impl SubscriptionView {
    /// The webhook that is sent to this URL.
    fn of_webhook((to, row): (String, Subscription)) -> Self {
        let id = Some(row.remote_id.clone()).filter(|id| !id.is_empty());
        Self { account: None, id, to, ..Self::of((String::new(), row)) }
    }

    fn of((account, row): (String, Subscription)) -> Self {
        Self {
            account: Some(account),
            id: None,
            state: row.state.as_str(),
            reason: Some(row.reason).filter(|reason| !reason.is_empty()),
            to: row.remote_id,
            renewed_at: row.renewed_at.map(instant),
            expires_at: row.expires_at.map(instant),
            proof_at: row.proof_at.map(instant),
        }
    }
}

impl ReceivedView {
    fn of(Received { at, from, outcome, reason }: Received) -> Self {
        let reason = Some(reason).filter(|reason| !reason.is_empty());
        Self {
            at: instant(at),
            from: from.map(|from| from.to_string()),
            outcome: outcome.as_str(),
            reason,
        }
    }
}

/// What providers push to, and what came.
#[utoipa::path(get, path = "/v1/inbound", tag = "server", responses(
    (status = 200, body = InboundView), ProblemOf<401>))]
pub(super) async fn inbound(State(shared): State<Shared>) -> Json<InboundView> {
    let push = &shared.desks.push;
    let (at, sources) = push.seen();
    let view = |seen: SourceSeen| {
        let mut subscriptions: Vec<SubscriptionView> =
            push.subscriptions.seen(&seen.name).into_iter().map(SubscriptionView::of).collect();
        let webhook = push.webhooks.seen(&seen.name);
        subscriptions.extend(webhook.map(SubscriptionView::of_webhook));
        SourceView::of(seen, subscriptions)
    };
    let sources = sources.into_iter().map(view).collect();
    let unrouted = push.unrouted.load(Ordering::Relaxed);
    Json(InboundView { listen: at.map(|at| at.to_string()), unrouted, sources })
}
