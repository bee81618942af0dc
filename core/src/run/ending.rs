//! The end of a run: what is still on its way is settled, then the last words are stored.

use crate::commit::change::{Change, RunRecord};
use crate::failure::{Class, Failure, Reach};
use crate::run::event::Action;
use crate::run::machine::{Ending, State};
use crate::run::state::{Owner, Run, leave};
use crate::run::summary::Summary;
use crate::standing::{EventKind, Outcome, Standing};
use crate::time::Now;

pub(super) fn close(
    mut run: Box<Run>,
    outcome: Outcome,
    failure: Option<Failure>,
    parked: bool,
    now: Now,
    out: &mut Vec<Action>,
) -> State {
    // A session on which everything went well is left to whoever began the run.
    if run.session.take().is_some() && outcome != Outcome::Success {
        out.push(Action::Disconnect);
    }
    run.asks.clear();
    for token in std::mem::take(&mut run.parked).into_keys() {
        run.commits.remove(&token);
    }
    let open: u64 = run.folders.values().filter(|f| !f.row.excluded).map(|f| f.row.failures.len()).sum();
    if open > 0 {
        leave(
            &mut run.left,
            format!("{open} message(s) could not be fetched; they are in the ledger and are tried again"),
        );
    }
    let held = |name: &Vec<u8>| run.folders.values().any(|f| f.row.excluded && f.row.remote_id == *name);
    let shut = run.account.shut.keys().filter(|name| !held(name)).count();
    if shut > 0 {
        let text = format!("{shut} folder(s) are listed and cannot be opened; they are asked again in their own time");
        leave(&mut run.left, text);
    }
    let outcome = if outcome == Outcome::Success && !run.left.is_empty() { Outcome::Partial } else { outcome };
    let (outcome, failure) = match (outcome, refused_alike(&run)) {
        (Outcome::Partial, Some(failure)) => (Outcome::Failed, Some(failure)),
        (outcome, _) => (outcome, failure),
    };
    closing(run, Ending { outcome, failure, parked, sent: false }, now, out)
}

/// All folders refused alike are no trouble of each: it is the server's.
fn refused_alike(run: &Run) -> Option<Failure> {
    let mut ours = run.folders.values().filter(|f| !f.row.excluded);
    let first = ours.next()?.stalled.clone().filter(|f| f.class != Class::StateLost)?;
    let mut others = 0;
    for folder in ours {
        others += 1;
        if folder.stalled.as_ref().is_none_or(|f| f.class != first.class) {
            return None;
        }
    }
    (others > 0).then(|| Failure {
        reach: Reach::Account,
        text: format!("every folder is refused: {}", first.text),
        ..first
    })
}

/// Why INBOX stands still, if it does.
fn inbox_stalled(run: &Run) -> Option<Failure> {
    let inbox = run.folders.inbox().and_then(|id| run.folders.get(&id)).filter(|f| !f.row.excluded)?;
    let stalled = inbox.stalled.clone()?;
    Some(Failure { text: format!("INBOX stands still: {}", stalled.text), ..stalled })
}

pub(super) fn closing(mut run: Box<Run>, mut end: Ending, now: Now, out: &mut Vec<Action>) -> State {
    if !run.commits.is_empty() {
        return State::Closing(run, end);
    }
    let storage = end.failure.as_ref().is_some_and(|f| f.class == Class::Storage);
    if !end.sent && !storage {
        end.sent = true;
        last_words(&mut run, &end, now, out);
        if !run.commits.is_empty() {
            return State::Closing(run, end);
        }
    }
    let class = end.failure.as_ref().map(|f| f.class);
    run.folders.refresh();
    let inbox = inbox_stalled(&run);
    let (counts, folders) = (run.totals(), run.lines());
    let summary = Summary {
        outcome: end.outcome,
        counts,
        left: run.left,
        failure: end.failure,
        class,
        parked: end.parked,
        second_look: run.second_look,
        inbox,
        folders,
        history: run.history,
    };
    out.push(Action::Finish(Box::new(summary)));
    State::Finished
}

/// The run's row, the account's state, and the ledger row of what ended it.
fn last_words(run: &mut Run, end: &Ending, now: Now, out: &mut Vec<Action>) {
    run.folders.refresh();
    let inbox = inbox_stalled(run).map(|f| f.chain());
    let told = end.failure.as_ref().map(Failure::chain).or_else(|| inbox.clone());
    let reason = told.or_else(|| run.left.first().cloned()).unwrap_or_default();
    if let Some(failure) = &end.failure {
        let at = run.stamp(now);
        let change = Change::Fail { folder: None, class: failure.class, text: failure.chain(), at };
        run.commit(Owner::Nobody, change, now, out);
    }
    let was_down = run.stood.as_ref().is_some_and(|(standing, _)| standing.is_stuck());
    let (standing, event) = match end.failure.as_ref().map(|f| f.class) {
        Some(Class::Auth) if end.parked => (Standing::NeedsReauth, Some(EventKind::AccountNeedsReauth)),
        Some(Class::Config | Class::Bug) if end.parked => (Standing::Failed, Some(EventKind::AccountFailed)),
        Some(Class::RateLimit | Class::Quota) => (Standing::Throttled, None),
        Some(_) => (Standing::Waiting, None),
        None if inbox.is_some() => (Standing::Waiting, None),
        None => (Standing::Idle, was_down.then_some(EventKind::AccountRecovered)),
    };
    // Who is stopped or paused keeps the state it has; what is stored already is not written again.
    let keeps = end.outcome == Outcome::Cancelled || matches!(run.stood, Some((Standing::Paused, _)));
    if !keeps && run.stood != Some((standing, reason.clone())) {
        let change = Change::Stand { standing, reason: reason.clone(), next_attempt_at: None, event };
        run.commit(Owner::Nobody, change, now, out);
    }
    if run.counts.changed() || end.outcome != Outcome::Success {
        let record = RunRecord {
            started: run.started,
            outcome: end.outcome,
            reason,
            stored: run.counts.stored,
            octets: run.counts.octets,
            facts: run.counts.facts,
            failed: run.counts.failed,
        };
        run.commit(Owner::Nobody, Change::Finish(record), now, out);
    }
}
