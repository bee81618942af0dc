//! The end of a run: what is still on its way is settled, then the last words are stored.

use crate::commit::change::{AccountChange, RunRecord};
use crate::failure::{Class, Failure};
use crate::recovery::history::History;
use crate::run::context::{Common, RunCtx, RunEffects};
use crate::run::event::Action;
use crate::run::scope::Scope;
use crate::run::state::{Ending, Run, State};
use crate::run::summary::{Sight, Summary};
use crate::run::work::Work;
use crate::standing::{EventKind, Outcome, Standing};
use crate::time::Now;

/// A machine that is told what cannot be.
pub(super) fn impossible<W: Work>(out: &mut Vec<Action>) -> State<W> {
    let failure = Failure::bug("an answer came to a question that was never put");
    out.push(Action::Report(failure.clone()));
    out.push(Action::Finish(Box::new(Summary::failed(failure, History::default()))));
    State::Finished
}

pub(super) fn close<W: Work>(
    mut run: Box<Run<W>>,
    outcome: Outcome,
    failure: Option<Failure>,
    parked: bool,
    now: Now,
    out: &mut Vec<Action>,
) -> State<W> {
    run.shared.second.forget(out);
    // A session on which everything went well is left to whoever began the run.
    if run.shared.session.take().is_some() && outcome != Outcome::Success {
        out.push(Action::Disconnect);
    }
    let book = &mut run.shared.book;
    book.asks.clear();
    for token in std::mem::take(&mut book.parked).into_keys() {
        book.pending.remove(&token);
    }
    let (work, mut cx) = run.at(now, out);
    work.leave_undone(&mut cx);
    run.shared.undone.put_off &= run.work.withholds();
    if let Some(text) = deferred(&run.shared, now) {
        run.shared.leave(text);
    }
    let outcome = if outcome == Outcome::Success && !run.shared.undone.left.is_empty() {
        Outcome::Partial
    } else {
        outcome
    };
    let (outcome, failure) = match (outcome, run.work.refused_alike()) {
        (Outcome::Partial, Some(failure)) => (Outcome::Failed, Some(failure)),
        (outcome, _) => (outcome, failure),
    };
    closing(run, Ending { outcome, failure, parked, sent: false }, now, out)
}

pub(super) fn closing<W: Work>(
    mut run: Box<Run<W>>,
    mut end: Ending,
    now: Now,
    out: &mut Vec<Action>,
) -> State<W> {
    if !run.shared.book.pending.is_empty() {
        return State::Closing(run, end);
    }
    let storage = end.failure.as_ref().is_some_and(|f| f.class == Class::Storage);
    if !end.sent && !storage {
        end.sent = true;
        last_words(&mut run, &end, now, out);
        if !run.shared.book.pending.is_empty() {
            return State::Closing(run, end);
        }
    }
    let class = end.failure.as_ref().map(|f| f.class);
    let told = is_told(&run.shared, end.outcome);
    let inbox = run.work.live_end_stalled(&run.shared.settings);
    let (counts, folders) =
        (run.work.totals(run.shared.counts), run.work.lines(&run.shared.account));
    let deferred = run.shared.deferral(now).cloned();
    let first = run.work.first_end(&run.shared.settings);
    let second_look = run.shared.undone.second_look;
    let sight = Sight { second_look, changes: run.work.changes_told() };
    let summary = Summary {
        outcome: end.outcome,
        told,
        counts,
        left: run.shared.undone.left,
        waits: run.shared.undone.waits,
        failure: end.failure,
        class,
        parked: end.parked,
        sight,
        inbox_failure: inbox,
        deferred,
        put_off: run.shared.undone.put_off,
        first,
        folders,
        history: run.shared.history,
    };
    out.push(Action::Finish(Box::new(summary)));
    State::Finished
}

/// Why pages of the past wait, for people.
fn deferred<O>(run: &Common<O>, now: Now) -> Option<String> {
    let budget = run.deferral(now).map(|wait| format!("history waits: {}", wait.text));
    budget.or_else(|| run.undone.put_off.then(|| "history waits for its turn".to_owned()))
}

/// Whether the run gets a row and an event of its own: one that changed something, or did not end well. What
/// single folders were looked at for is told by the events of its messages.
fn is_told<O>(run: &Common<O>, outcome: Outcome) -> bool {
    let is_of_few = matches!(run.scope, Scope::Some { list: false, .. });
    outcome != Outcome::Success || (run.counts.changed() && !is_of_few)
}

/// The run's row, the account's state, and the ledger row of what ended it.
fn last_words<W: Work>(run: &mut Run<W>, end: &Ending, now: Now, out: &mut Vec<Action>) {
    let (work, mut cx) = run.at(now, out);
    work.keep(&mut cx);
    let inbox = run.work.live_end_stalled(&run.shared.settings).map(|f| f.chain());
    let shared = &mut run.shared;
    let waits = deferred(shared, now);
    let told = end.failure.as_ref().map(Failure::chain).or_else(|| inbox.clone());
    let told = told.or(waits);
    let reason = told.or_else(|| shared.undone.left.first().cloned()).unwrap_or_default();
    if let Some(failure) = &end.failure {
        let at = shared.book.stamp(now);
        let change =
            AccountChange::Fail { folder: None, class: failure.class, text: failure.chain(), at };
        RunCtx::new(shared, now, out).commit(W::NOBODY, change);
    }
    let was_down = shared.stood.as_ref().is_some_and(|(standing, _)| standing.is_stuck());
    let (standing, event) = match end.failure.as_ref().map(|f| f.class) {
        Some(Class::Auth) if end.parked => {
            (Standing::NeedsReauth, Some(EventKind::AccountNeedsReauth))
        }
        Some(Class::Config | Class::Bug) if end.parked => {
            (Standing::Failed, Some(EventKind::AccountFailed))
        }
        Some(Class::RateLimit | Class::Quota) => (Standing::Throttled, None),
        Some(_) => (Standing::Waiting, None),
        None if inbox.is_some() => (Standing::Waiting, None),
        None if shared.deferral(now).is_some() => (Standing::Throttled, None),
        None => (Standing::Idle, was_down.then_some(EventKind::AccountRecovered)),
    };
    // Who is stopped or paused keeps the state it has; what is stored already is not written again.
    let keeps =
        end.outcome == Outcome::Cancelled || matches!(shared.stood, Some((Standing::Paused, _)));
    if !keeps && shared.stood != Some((standing, reason.clone())) {
        let change =
            AccountChange::Stand { standing, reason: reason.clone(), next_attempt_at: None, event };
        RunCtx::new(shared, now, out).commit(W::NOBODY, change);
    }
    if is_told(shared, end.outcome) {
        let record = RunRecord {
            started: shared.started,
            cause: shared.settings.cause,
            outcome: end.outcome,
            reason,
            stored: shared.counts.stored,
            octets: shared.counts.octets,
            facts: shared.counts.facts,
            failed: shared.counts.failed,
        };
        RunCtx::new(shared, now, out).commit(W::NOBODY, AccountChange::Finish(record));
    }
}
