//! What each event does to a run, whatever its work: the steps behind the machine's table.

use crate::commit::change::{Commit, CommitAnswer, Refusal};
use crate::failure::{Class, Failure, When};
use crate::haste::Haste;
use crate::provider::Answer;
use crate::recovery::decide::{Verdict, after_cut, decide};
use crate::run::context::{Common, RunCtx, RunStart};
use crate::run::ending::close;
use crate::run::event::{AccountSnapshot, Action, SecondNews, Token};
use crate::run::fetcher::Brought;
use crate::run::reads::Rows;
use crate::run::state::{Run, State};
use crate::run::summary::Summary;
use crate::run::work::{CUTS, Cut, OpenQuestion, Taken, Work};
use crate::standing::Outcome;
use crate::time::Now;
use std::time::Duration;

/// A run waits no longer for a budget.
const SOON: Duration = Duration::from_secs(60);
/// Commits of a run that may be refused: more means that it plans the same for ever.
const REFUSALS: u32 = 1000;

/// Another incarnation has the account: this one stops and touches nothing.
pub(super) fn abandon<W: Work>(mut run: Run<W>, out: &mut Vec<Action>) -> State<W> {
    run.shared.second.forget(out);
    out.push(Action::Disconnect);
    let failure = Failure::bug("a later incarnation holds the account");
    out.push(Action::Finish(Box::new(Summary::failed(failure, run.shared.history))));
    State::Finished
}

pub(super) fn opened<W: Work>(
    start: RunStart,
    before: Option<Box<Run<W>>>,
    mut snapshot: AccountSnapshot,
    now: Now,
    out: &mut Vec<Action>,
) -> State<W> {
    let (shared, work) =
        before.map_or((None, None), |before| (Some(before.shared), Some(before.work)));
    let mut shared = Common::new(start, snapshot.account.clone(), shared);
    shared.stood = snapshot.stood.take();
    let look = shared.account.list_look.as_ref().map(|look| look.at);
    // A feed is opened by the server's clock, which says nothing of ours.
    let opened = shared.account.opened_at.filter(|_| W::LIMBO);
    let listed = shared.account.listed_at;
    for instant in [opened, listed, look, shared.account.stamped_at] {
        shared.book.stamp_after(instant);
    }
    let work = W::opened(work, snapshot, &mut RunCtx::new(&mut shared, now, out));
    if shared.started.0 == 0 {
        shared.started = shared.book.stamp(now);
    }
    let run = Box::new(Run { shared, work });
    if run.shared.session.is_some() {
        return go_on(run, now, out);
    }
    out.push(Action::Connect);
    State::Connecting(run)
}

pub(super) fn open_failed<W: Work>(
    mut start: RunStart,
    run: Option<Box<Run<W>>>,
    failure: Failure,
    now: Now,
    out: &mut Vec<Action>,
) -> State<W> {
    start.history.failed(&failure, now.wall);
    out.push(Action::Report(failure.clone()));
    let verdict = decide(&failure, &start.history, &start.settings.policy, now);
    match verdict {
        Verdict::Wait(wait) | Verdict::Restart(wait) => {
            out.push(Action::WakeAfter(wait));
            State::Reopening { start, run }
        }
        Verdict::Park | Verdict::LeaveOut | Verdict::GiveUp => {
            out.push(Action::Disconnect);
            let parked = verdict == Verdict::Park;
            out.push(Action::Finish(Box::new(Summary {
                parked,
                ..Summary::failed(failure, start.history)
            })));
            State::Finished
        }
    }
}

/// Plans, and ends the round when nothing is left.
pub(super) fn go_on<W: Work>(mut run: Box<Run<W>>, now: Now, out: &mut Vec<Action>) -> State<W> {
    let (work, mut cx) = run.at(now, out);
    let over = work.plan(&mut cx);
    let left = work.pages_left(&cx);
    let wants_other = work.wants_other_session(over, &cx);
    let shared = &mut run.shared;
    shared.second.tend(left, now.mono, out);
    // For a budget that is soon there the run waits; for a longer time it ends.
    let wait = shared.deferral(now).map(|wait| wait.until.saturating_sub(now.mono));
    let is_put_off = shared.undone.put_off;
    let wait = wait.filter(|wait| over && *wait <= SOON && !is_put_off);
    shared.rests = wait.is_some();
    if let Some(wait) = wait {
        out.push(Action::WakeAfter(wait));
        return State::Working(run);
    }
    if wants_other {
        shared.second.forget(out);
        out.push(Action::Disconnect);
        out.push(Action::Connect);
        shared.session = None;
        shared.book.forget_questions();
        return State::Connecting(run);
    }
    if over && !W::LIMBO {
        return close(run, Outcome::Success, None, false, now, out);
    }
    if over && !run.shared.counting {
        run.shared.counting = true;
        out.push(Action::CountLimbo);
    }
    State::Working(run)
}

/// Somebody better waits: no more pages of the past are asked for, and what was asked is settled.
pub(super) fn put_off<W: Work>(mut run: Box<Run<W>>, now: Now, out: &mut Vec<Action>) -> State<W> {
    run.shared.undone.put_off = true;
    go_on(run, now, out)
}

/// A session has answered.
pub(super) fn heard<W: Work>(
    mut run: Box<Run<W>>,
    token: Token,
    answer: Result<Answer, Failure>,
    now: Now,
    out: &mut Vec<Action>,
) -> State<W> {
    let second = &mut run.shared.second;
    let answer = if second.reads(token) {
        let Brought { answer, rest, lost } = second.brought(token, answer);
        if lost.is_some() {
            second.end(lost, now.mono, out);
        }
        if let Some(rest) = rest {
            second.give_back(token, rest);
        }
        let Some(answer) = answer else { return go_on(run, now, out) };
        Ok(answer)
    } else {
        answer
    };
    match run.shared.book.asks.remove(&token) {
        Some(asked) => answered(run, token, asked, answer, now, out),
        // The session has ended at something that nobody waited for any more: what it says of that is
        // why the questions behind it will have no answer.
        None if run.shared.book.ends_session(token, &answer) => {
            run.shared.session = None;
            out.push(Action::Disconnect);
            match answer {
                Err(failure) => failed(run, failure, Cut::Unnoted, now, out),
                Ok(_) => State::Working(run),
            }
        }
        None => State::Working(run),
    }
}

/// What is known of the second session.
pub(super) fn second_session<W: Work>(
    mut run: Box<Run<W>>,
    news: SecondNews,
    now: Now,
    out: &mut Vec<Action>,
) -> State<W> {
    let second = &mut run.shared.second;
    match news {
        SecondNews::Came if !second.came() => {
            out.push(Action::LeaveSecond { watches: true, lost: None });
        }
        SecondNews::Came => {}
        SecondNews::NoneSpared => second.is_not_to_be_had(now.mono),
        SecondNews::Recalled => second.recall(),
    }
    go_on(run, now, out)
}

fn answered<W: Work>(
    mut run: Box<Run<W>>,
    token: Token,
    (owner, page): (W::Owner, bool),
    answer: Result<Answer, Failure>,
    now: Now,
    out: &mut Vec<Action>,
) -> State<W> {
    let request = run.shared.book.about.remove(&token);
    let (work, mut cx) = run.at(now, out);
    let Err(failure) = work.answered(OpenQuestion { token, owner, page, request }, answer, &mut cx)
    else {
        return go_on(run, now, out);
    };
    // A disk that failed has taken the session with it; one that is merely too full has refused the
    // question.
    if failure.class == Class::Storage && !matches!(failure.when, When::After(_)) {
        out.push(Action::Disconnect);
        run.shared.session = None;
    }
    let (work, mut cx) = run.at(now, out);
    let cut = work.cut(token, owner, &failure, &mut cx);
    failed(run, failure, cut, now, out)
}

/// Rows came that were asked for.
pub(super) fn rows_read<W: Work>(
    mut run: Box<Run<W>>,
    token: Token,
    rows: Result<Rows, Failure>,
    now: Now,
    out: &mut Vec<Action>,
) -> State<W> {
    let Some(owner) = run.shared.book.pending.remove(&token) else { return go_on(run, now, out) };
    match rows {
        Ok(rows) => {
            let (work, mut cx) = run.at(now, out);
            work.rows(token, owner, rows, &mut cx);
            go_on(run, now, out)
        }
        Err(failure) => {
            run.work.unread(owner);
            failed(run, failure, Cut::Unnoted, now, out)
        }
    }
}

/// Rows that come when nothing can use them: whoever asked begins anew.
pub(super) fn rows_too_late<W: Work>(run: &mut Run<W>, token: Token) {
    if let Some(owner) = run.shared.book.pending.remove(&token) {
        run.work.unread(owner);
    }
}

pub(super) fn committed<W: Work>(
    mut run: Box<Run<W>>,
    token: Token,
    answer: CommitAnswer,
    now: Now,
    out: &mut Vec<Action>,
) -> State<W> {
    if !run.shared.book.pending.contains_key(&token) {
        return State::Working(run);
    }
    match note_answer(&mut run, token, answer, true, now, out) {
        Noted::Superseded => abandon(*run, out),
        Noted::NotTaken(failure) => failed(run, failure, Cut::Unnoted, now, out),
        Noted::Taken if run.shared.refusals > REFUSALS => {
            failed(run, Failure::bug("the store refuses every plan"), Cut::Unnoted, now, out)
        }
        Noted::Taken => go_on(run, now, out),
    }
}

/// What came of a commit's answer.
pub(super) enum Noted {
    Taken,
    /// The store could not do it now.
    NotTaken(Failure),
    /// A later incarnation holds the account.
    Superseded,
}

/// Takes an answer into the rows. `goes_on`: more may be asked and sent because of it.
pub(super) fn note_answer<W: Work>(
    run: &mut Run<W>,
    token: Token,
    answer: CommitAnswer,
    goes_on: bool,
    now: Now,
    out: &mut Vec<Action>,
) -> Noted {
    let Some(owner) = run.shared.book.pending.get(&token).copied() else { return Noted::Taken };
    let (taken, refused) = match answer {
        CommitAnswer::Failed(failure, commit) => {
            not_taken(run, token, owner, *commit);
            return Noted::NotTaken(failure);
        }
        CommitAnswer::Refused(Refusal::Incarnation, _) => return Noted::Superseded,
        CommitAnswer::Done(rows) => (Taken::Done(rows), false),
        CommitAnswer::Refused(refusal, rows) => (Taken::Refused(refusal, rows), true),
    };
    run.shared.book.pending.remove(&token);
    run.shared.refusals += u32::from(refused);
    if let Taken::Done(rows) | Taken::Refused(_, Some(rows)) = &taken {
        run.shared.account = rows.account.clone();
    }
    let goes_on = goes_on && run.shared.refusals <= REFUSALS;
    let (work, mut cx) = run.at(now, out);
    work.committed(owner, taken, goes_on, &mut cx);
    Noted::Taken
}

fn not_taken<W: Work>(run: &mut Run<W>, token: Token, owner: W::Owner, commit: Commit) {
    if run.work.not_taken(owner) {
        run.shared.book.parked.insert(token, commit);
    } else {
        run.shared.book.pending.remove(&token);
    }
}

/// The outcome of a commit is unknown: ask the store, whose answer is final, and go on from there.
pub(super) fn reopen<W: Work>(mut run: Box<Run<W>>, out: &mut Vec<Action>) -> State<W> {
    // Everything that was asked or sent is read anew; a lease that is still on its way is not
    // waited for.
    let shared = &mut run.shared;
    shared.second.forget(out);
    shared.book.forget();
    shared.counting = false;
    if shared.session.is_none() {
        out.push(Action::Disconnect);
    }
    out.push(Action::Open { anew: true });
    let (settings, history, scope) =
        (shared.settings.clone(), shared.history.clone(), shared.scope.clone());
    State::Opening { start: RunStart { settings, history, scope }, run: Some(run) }
}

pub(super) fn resume<W: Work>(mut run: Box<Run<W>>, now: Now, out: &mut Vec<Action>) -> State<W> {
    for (token, commit) in std::mem::take(&mut run.shared.book.parked) {
        // It has waited long enough for others.
        let commit = Box::new(Commit { haste: Haste::Now, ..commit });
        out.push(Action::Commit { token, commit });
    }
    // Our own disk's trouble has not cost the session.
    if run.shared.session.is_some() {
        return go_on(run, now, out);
    }
    out.push(Action::Connect);
    State::Connecting(run)
}

pub(super) fn failed<W: Work>(
    mut run: Box<Run<W>>,
    failure: Failure,
    cut: Cut,
    now: Now,
    out: &mut Vec<Action>,
) -> State<W> {
    let shared = &mut run.shared;
    let verdict = if matches!(cut, Cut::Further | Cut::AtOneThing | Cut::Enough { worked: true }) {
        after_cut(&shared.settings.policy)
    } else {
        shared.history.failed(&failure, now.wall);
        decide(&failure, &shared.history, &shared.settings.policy, now)
    };
    out.push(Action::Report(failure.clone()));
    shared.second.forget(out);
    shared.book.asks.retain(|token, _| !shared.second.was_asked(*token));
    if failure.class != Class::Storage {
        out.push(Action::Disconnect);
        shared.session = None;
    }
    match shared.session {
        // Our own disk's trouble: it goes on with what it was asked.
        Some(_) => shared.book.set_adrift(),
        None => shared.book.forget_questions(),
    }
    shared.counting = false;
    let (work, mut cx) = run.at(now, out);
    work.cut_off(&mut cx);
    if let Cut::Enough { .. } = cut {
        let text = format!(
            "{CUTS} sessions have ended at single messages or folders; the next run goes on"
        );
        run.shared.leave(text);
        let nothing = run.shared.counts.stored == 0;
        let (outcome, failure) =
            if nothing { (Outcome::Failed, Some(failure)) } else { (Outcome::Partial, None) };
        return close(run, outcome, failure, false, now, out);
    }
    match verdict {
        Verdict::Wait(wait) => {
            out.push(Action::WakeAfter(wait));
            State::Waiting { run, reopen: false }
        }
        Verdict::Restart(wait) => {
            out.push(Action::WakeAfter(wait));
            State::Waiting { run, reopen: true }
        }
        Verdict::Park | Verdict::LeaveOut | Verdict::GiveUp => {
            close(run, Outcome::Failed, Some(failure), verdict == Verdict::Park, now, out)
        }
    }
}

/// How much is in limbo is known: nothing, and the run is over; something, and everything is looked
/// at once more.
pub(super) fn limbo_counted<W: Work>(
    mut run: Box<Run<W>>,
    count: Result<u64, Failure>,
    now: Now,
    out: &mut Vec<Action>,
) -> State<W> {
    run.shared.counting = false;
    let (work, mut cx) = run.at(now, out);
    match count {
        // A nudge may have come in between.
        Ok(_) if !work.plan(&mut cx) => State::Working(run),
        Ok(0) => close(run, Outcome::Success, None, false, now, out),
        Ok(_) if run.shared.rounds == 0 => {
            run.shared.rounds += 1;
            run.work.next_round();
            go_on(run, now, out)
        }
        Ok(left) => {
            if run.shared.undone.left.is_empty() {
                run.shared
                    .leave(format!("{left} message(s) without a folder are still looked for"));
            }
            close(run, Outcome::Success, None, false, now, out)
        }
        Err(failure) => failed(run, failure, Cut::Unnoted, now, out),
    }
}
