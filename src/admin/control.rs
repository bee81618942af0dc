//! Commanding many accounts at once: an owner's, or all; and having all of them looked at, for a scheduler that waits.
#![expect(
    clippy::disallowed_methods,
    reason = "whoever waits looks again after a while, and has a deadline"
)]

use crate::account::message::NotObeyed;
use crate::admin::Shared;
use crate::admin::job_view::RefusedView;
use crate::admin::lists::Asked;
use crate::admin::note::AnswerNote;
use crate::admin::problem::{Problem, ProblemOf};
use crate::admin::sight::Sight;
use crate::admin::verbs::{VERBS, verb_named};
use crate::admin::wish::followed;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use futures_util::{StreamExt, stream};
use postrider_core::account::follow::{Command, Conflict, Order};
use postrider_core::job::slots::Level;
use postrider_core::standing::Outcome;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Accounts that are told at the same time.
const AT_A_TIME: usize = 100;
/// How often it is looked whether runs have ended.
const LOOK: Duration = Duration::from_millis(100);
/// Who has not answered a command by then has not, whatever comes of it.
const TOLD: Duration = Duration::from_secs(15);
/// Longest wait for runs, in seconds, and the usual one.
const WAIT: u64 = 60;

/// Its routes.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(control)).routes(routes!(sync, sync_by_get))
}

/// Whose accounts.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Whose {
    /// This owner's.
    owner: Option<String>,
    /// All.
    #[serde(default)]
    all: bool,
}

/// What became of a command to many.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ControlledView {
    /// So many accounts were meant.
    total: usize,
    /// So many have obeyed, durably.
    accepted: usize,
    /// The others.
    refused: Vec<RefusedView>,
}

/// The run that something is done with: numbers begin anew with each life of an account's actor.
#[derive(Clone, Copy, Debug)]
struct ToldRun {
    life: u64,
    number: u64,
}

/// Tells accounts something. Returns of each which run it is done with, or why it was not.
async fn told(
    shared: &Shared,
    accounts: BTreeSet<String>,
    command: &Command,
) -> BTreeMap<String, Result<ToldRun, String>> {
    let until = tokio::time::Instant::now() + TOLD;
    let all = accounts.into_iter().map(|account| async move {
        let life = shared.registry.look(&account, |line| line.life).unwrap_or_default();
        let answer = shared.operator.command(&account, command.clone());
        let answer = tokio::time::timeout_at(until, answer).await;
        let told = match answer.unwrap_or(Err(NotObeyed::Late)) {
            Ok((_, number)) => Ok(ToldRun { life, number }),
            Err(NotObeyed::Conflict(Conflict(why))) => Err(why.to_owned()),
            Err(NotObeyed::NotStored) => Err(Problem::not_stored().detail),
            Err(NotObeyed::Late) => Err(Problem::late().detail),
        };
        (account, told)
    });
    stream::iter(all).buffer_unordered(AT_A_TIME).collect().await
}

/// Command all accounts, or an owner's: `pause`, `resume`, `cancel`, `sync-now`, `reset-errors`. Answered when each
/// has obeyed, or not; to say it twice changes nothing.
#[utoipa::path(post, path = "/v1/control/{verb}", tag = "accounts", params(("verb" = String, Path, description = "What"), Whose), responses(
    (status = 202, body = ControlledView), ProblemOf<400>, ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<409>, ProblemOf<503>))]
pub(super) async fn control(
    State(shared): State<Shared>,
    sight: Sight,
    Path(verb): Path<String>,
    Asked(asked): Asked<Whose>,
) -> Result<(StatusCode, Extension<AnswerNote>, Json<ControlledView>), Problem> {
    let verb = verb_named(&verb).ok_or_else(|| {
        let verbs: Vec<&str> = VERBS.iter().map(|verb| verb.name).collect();
        Problem::bad(format!("there is no `{verb}`; write one of {}", verbs.join(", ")))
    })?;
    if asked.owner.is_some() == asked.all {
        return Err(Problem::bad("write whose: owner=, or all=true"));
    }
    let accounts = followed(&shared, &sight, asked.owner.as_deref())?;
    let told = told(&shared, accounts, &verb.command).await;
    let (total, mut refused) = (told.len(), Vec::new());
    for (account, told) in told {
        refused.extend(told.err().map(|why| RefusedView { account: Some(account), why }));
    }
    let accepted = total - refused.len();
    let whose = whose(asked.owner.as_deref());
    let outcome = AnswerNote(format!("{} {whose}: {accepted} of {total}", verb.name));
    Ok((
        StatusCode::ACCEPTED,
        Extension(outcome),
        Json(ControlledView { total, accepted, refused }),
    ))
}

/// Whose accounts, in words.
fn whose(owner: Option<&str>) -> String {
    owner.map_or_else(|| "all that are seen".to_owned(), |owner| format!("those of {owner}"))
}

/// For how long, and whose.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Synced {
    /// Seconds to wait for the end of the runs (60; at most 60). 0 waits for none.
    #[param(minimum = 0, maximum = 60)]
    wait: Option<u64>,
    /// Only this owner's accounts.
    owner: Option<String>,
}

/// What became of a look at all accounts.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct SyncedView {
    /// All are done, and nothing was left undone.
    success: bool,
    total: usize,
    successful: usize,
    /// Those whose run failed, was cancelled, or left something undone; and those that could not begin one.
    failed: usize,
    /// Those whose run goes on.
    pending: usize,
    /// Why, of those that failed.
    failures: Vec<RefusedView>,
}

/// Look at every folder of all accounts now, or of an owner's, and wait for that: for schedulers outside. Unlike `sync-now`
/// it cuts no wait short: who waits, is paused or refused is among those that failed.
#[utoipa::path(post, path = "/v1/sync", tag = "accounts", params(Synced), responses(
    (status = 200, body = SyncedView), ProblemOf<400>, ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<503>))]
pub(super) async fn sync(
    State(shared): State<Shared>,
    sight: Sight,
    Asked(asked): Asked<Synced>,
) -> Result<(Extension<AnswerNote>, Json<SyncedView>), Problem> {
    let wait = asked.wait.unwrap_or(WAIT);
    if wait > WAIT {
        return Err(Problem::bad(format!("wait: write seconds, from 0 to {WAIT}")));
    }
    let accounts = followed(&shared, &sight, asked.owner.as_deref())?;
    let until = tokio::time::Instant::now() + Duration::from_secs(wait);
    // A clock that asks again and again cuts no wait short, and is no human.
    let order = Order { doubts: false, level: Level::Schedule, first: None };
    let runs = told(&shared, accounts, &Command::Order(order)).await;
    let mut view = SyncedView { total: runs.len(), ..SyncedView::default() };
    let mut open = BTreeMap::new();
    for (account, run) in runs {
        match run {
            Ok(run) => drop(open.insert(account, run)),
            Err(why) => view.failures.push(RefusedView { account: Some(account), why }),
        }
    }
    loop {
        open.retain(|account, run| match ended(&shared, account, *run) {
            None => true,
            Some(Ok(())) => {
                view.successful += 1;
                false
            }
            Some(Err(why)) => {
                view.failures.push(RefusedView { account: Some(account.clone()), why });
                false
            }
        });
        if open.is_empty() || tokio::time::Instant::now() >= until {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    (view.failed, view.pending) = (view.failures.len(), open.len());
    view.success = view.successful == view.total;
    let whose = whose(asked.owner.as_deref());
    let told = format!(
        "{whose}: {} of {} successful, {} failed",
        view.successful, view.total, view.failed
    );
    Ok((Extension(AnswerNote(told)), Json(view)))
}

/// The same, for schedulers that know no other way to ask.
#[utoipa::path(get, path = "/v1/sync", tag = "accounts", params(Synced), responses(
    (status = 200, body = SyncedView), ProblemOf<400>, ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<503>))]
pub(super) async fn sync_by_get(
    shared: State<Shared>,
    sight: Sight,
    asked: Asked<Synced>,
) -> Result<(Extension<AnswerNote>, Json<SyncedView>), Problem> {
    sync(shared, sight, asked).await
}

/// How the run of this number has ended, if it has; or why nobody need wait for it.
fn ended(shared: &Shared, account: &str, run: ToldRun) -> Option<Result<(), String>> {
    let gone = || Some(Err("the config no longer names it".to_owned()));
    let look = shared.registry.look(account, |line| {
        if line.life != run.life {
            return Some(Err("its actor has begun anew".to_owned()));
        }
        if line.runs.0 >= run.number {
            let end = line.ended.iter().find(|end| end.run == run.number);
            return Some(match end.map(|end| (end.outcome, &end.failure)) {
                Some((Outcome::Success, _)) => Ok(()),
                Some((Outcome::Partial, _)) => {
                    Err("something was left undone: `postrider status` says what".to_owned())
                }
                Some((Outcome::Failed, Some((class, text)))) => Err(format!("{class}: {text}")),
                Some((outcome, _)) => Err(format!("its run has {outcome}")),
                None => Err("its run was given up".to_owned()),
            });
        }
        let is_stuck = line.standing.is_stuck();
        is_stuck.then(|| Err(format!("it is {}: {}", line.standing, line.reason)))
    });
    look.unwrap_or_else(gone)
}
