//! The end of a run: what is still on its way is settled, then the last words are stored.

use crate::account::event::Action;
use crate::account::machine::{End, Phase};
use crate::account::run::{Owner, Run, leave};
use crate::account::summary::{Outcome, Summary};
use crate::commit::request::{Change, RunRecord};
use crate::failure::{Class, Failure, Reach};
use crate::time::Now;

pub(super) fn close(
    mut run: Box<Run>,
    outcome: Outcome,
    failure: Option<Failure>,
    parked: bool,
    now: Now,
    out: &mut Vec<Action>,
) -> Phase {
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
    closing(run, End { outcome, failure, parked, sent: false }, now, out)
}

/// All folders refused alike are no trouble of each: it is the server's.
fn refused_alike(run: &Run) -> Option<Failure> {
    let mut ours = run.folders.values().filter(|f| !f.row.excluded);
    let first = ours.next()?.standing.clone().filter(|f| f.class != Class::StateLost)?;
    let mut others = 0;
    for folder in ours {
        others += 1;
        if folder.standing.as_ref().is_none_or(|f| f.class != first.class) {
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
fn inbox_stands(run: &Run) -> Option<Failure> {
    let inbox = run.folders.inbox().and_then(|id| run.folders.get(&id)).filter(|f| !f.row.excluded)?;
    let standing = inbox.standing.clone()?;
    Some(Failure { text: format!("INBOX stands still: {}", standing.text), ..standing })
}

pub(super) fn closing(mut run: Box<Run>, mut end: End, now: Now, out: &mut Vec<Action>) -> Phase {
    if !run.commits.is_empty() {
        return Phase::Closing(run, end);
    }
    let storage = end.failure.as_ref().is_some_and(|f| f.class == Class::Storage);
    if !end.sent && !storage {
        end.sent = true;
        last_words(&mut run, &end, now, out);
        if !run.commits.is_empty() {
            return Phase::Closing(run, end);
        }
    }
    let class = end.failure.as_ref().map(|f| f.class);
    run.folders.refresh();
    let inbox = inbox_stands(&run);
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
    Phase::Finished
}

/// The run's row, the account's state, and the ledger row of what ended it.
fn last_words(run: &mut Run, end: &End, now: Now, out: &mut Vec<Action>) {
    run.folders.refresh();
    let inbox = inbox_stands(run).map(|f| f.chain());
    let told = end.failure.as_ref().map(Failure::chain).or_else(|| inbox.clone());
    let reason = told.or_else(|| run.left.first().cloned()).unwrap_or_default();
    if let Some(failure) = &end.failure {
        let at = run.stamp(now);
        let change = Change::Fail { folder: None, class: failure.class, text: failure.chain(), at };
        run.commit(Owner::Nobody, change, now, out);
    }
    let was_down = matches!(run.stored_state.0.as_str(), "needs_reauth" | "failed");
    let (state, event) = match end.failure.as_ref().map(|f| f.class) {
        Some(Class::Auth) if end.parked => ("needs_reauth", Some("account.needs_reauth")),
        Some(Class::Config | Class::Bug) if end.parked => ("failed", Some("account.failed")),
        Some(Class::RateLimit | Class::Quota) => ("throttled", None),
        Some(_) => ("waiting", None),
        None if inbox.is_some() => ("waiting", None),
        None => ("idle", was_down.then_some("account.recovered")),
    };
    // Who is stopped or paused keeps the state it has; what is stored already is not written again.
    let keeps = end.outcome == Outcome::Cancelled || run.stored_state.0 == "paused";
    if !keeps && (run.stored_state.0 != state || run.stored_state.1 != reason) {
        let change = Change::State { state, reason: reason.clone(), next_attempt_at: None, event };
        run.commit(Owner::Nobody, change, now, out);
    }
    if run.counts.changed() || end.outcome != Outcome::Success {
        let record = RunRecord {
            started: run.started,
            outcome: end.outcome.as_str(),
            reason,
            stored: run.counts.stored,
            octets: run.counts.octets,
            facts: run.counts.facts,
            failed: run.counts.failed,
        };
        run.commit(Owner::Nobody, Change::Finish(record), now, out);
    }
}
