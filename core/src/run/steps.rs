//! What each event does to a run: the work behind the machine's table.

use crate::commit::change::Poison;
use crate::commit::change::{CommitAnswer, Refusal};
use crate::failure::{Class, Failure, When};
use crate::mail::id::FolderId;
use crate::mail::uid_set::UidSet;
use crate::provider::folders::{Answer, Request, Sampled};
use crate::recovery::decide::{Verdict, after_cut, decide};
use crate::recovery::history::History;
use crate::run::ending::close;
use crate::run::event::{AccountSnapshot, Action, Token};
use crate::run::folders::listing::Listing;
use crate::run::folders::pass::FolderRows;
use crate::run::folders::poison::{CUTS, Cut};
use crate::run::machine::{RunStart, State};
use crate::run::state::{Folder, Owner, Run, leave};
use crate::run::summary::Summary;
use crate::standing::Outcome;
use crate::time::Now;

/// Commits of a run that may be refused: more means that it plans the same for ever.
const REFUSALS: u32 = 1000;

pub(super) fn impossible(out: &mut Vec<Action>) -> State {
    let failure = Failure::bug("an answer came to a question that was never put");
    out.push(Action::Report(failure.clone()));
    out.push(Action::Finish(Box::new(Summary::failed(failure, History::default()))));
    State::Finished
}

/// Another incarnation has the account: this one stops and touches nothing.
pub(super) fn abandon(history: History, out: &mut Vec<Action>) -> State {
    out.push(Action::Disconnect);
    let failure = Failure::bug("a later incarnation holds the account");
    out.push(Action::Finish(Box::new(Summary::failed(failure, history))));
    State::Finished
}

pub(super) fn opened(
    start: RunStart,
    before: Option<Box<Run>>,
    snapshot: AccountSnapshot,
    now: Now,
    out: &mut Vec<Action>,
) -> State {
    let mut run = Run::new(start, snapshot.account);
    run.stood = snapshot.stood;
    if let Some(before) = before {
        run.counts = before.counts;
        run.left = before.left;
        run.session = before.session;
        run.started = before.started;
        run.rounds = before.rounds;
        run.next_token = before.next_token;
        run.second_look = before.second_look;
        run.notes = before.notes;
        run.cuts = before.cuts;
        run.answered = before.answered;
        run.equal_sizes = before.equal_sizes;
    }
    for note in snapshot.notes {
        run.notes.insert(note.about, note.count);
    }
    let look = run.account.list_look.as_ref().map(|look| look.at);
    for instant in [run.account.opened_at, run.account.listed_at, look] {
        run.stamp_after(instant);
    }
    let (mut due, mut lone, mut burst) = (snapshot.due, snapshot.lone, snapshot.burst);
    for row in snapshot.folders {
        for instant in [Some(row.opened_at), row.passed_at, row.look.as_ref().map(|look| look.at)] {
            run.stamp_after(instant);
        }
        let id = row.id;
        let mut folder = Folder::new(row);
        let of = |rows: &mut std::collections::BTreeMap<FolderId, UidSet>| rows.remove(&id).unwrap_or_default();
        let (due, lone, burst) = (of(&mut due), of(&mut lone), of(&mut burst));
        let due = if run.insists() { folder.row.failures.clone() } else { due };
        folder.lone = due.intersect(&lone);
        folder.due = due.minus(&lone);
        folder.burst = burst.minus(&due);
        run.folders.insert(folder);
    }
    run.narrow();
    run.leave_shut(now);
    if run.started.0 == 0 {
        run.started = run.stamp(now);
    }
    if run.session.is_some() {
        return work(Box::new(run), now, out);
    }
    out.push(Action::Connect);
    State::Connecting(Box::new(run))
}

pub(super) fn open_failed(
    mut start: RunStart,
    run: Option<Box<Run>>,
    failure: Failure,
    now: Now,
    out: &mut Vec<Action>,
) -> State {
    start.history.failed(&failure, now.wall);
    out.push(Action::Report(failure.clone()));
    let verdict = decide(&failure, &start.history, &start.settings.policy, now);
    match verdict {
        Verdict::Wait(wait) | Verdict::Restart(wait) => {
            out.push(Action::WakeAfter(wait));
            State::Reopening { start, run }
        }
        Verdict::Park | Verdict::Quarantine | Verdict::SkipFolder | Verdict::GiveUp => {
            out.push(Action::Disconnect);
            let parked = verdict == Verdict::Park;
            out.push(Action::Finish(Box::new(Summary { parked, ..Summary::failed(failure, start.history) })));
            State::Finished
        }
    }
}

/// Rows that come when no pass can use them: the pass that asked is begun anew.
pub(super) fn rows_too_late(run: &mut Run, token: Token) {
    if let Some(Owner::Pass(id, generation)) = run.commits.remove(&token)
        && run.is_current(id, generation)
    {
        run.break_off_pass(id, false);
    }
}

/// Plans, and ends the round when nothing is left.
pub(super) fn work(mut run: Box<Run>, now: Now, out: &mut Vec<Action>) -> State {
    let over = run.plan(now, out);
    if run.wants_other_session(over) {
        out.push(Action::Disconnect);
        out.push(Action::Connect);
        run.session = None;
        return State::Connecting(run);
    }
    if over && !run.counting {
        run.counting = true;
        out.push(Action::CountLimbo);
    }
    State::Working(run)
}

/// The name that an answer repeats is the name that was asked about.
fn is_about(request: Option<&Request>, answer: &Answer) -> bool {
    let asked = request.and_then(Request::remote_id);
    match answer {
        Answer::Examined { remote_id, .. } | Answer::Indexed { remote_id, .. } | Answer::Sampled { remote_id, .. } => {
            asked == Some(remote_id.as_slice())
        }
        _ => true,
    }
}

/// Takes the notes away of what has answered, and remembers that the session works for it.
fn note_answered(run: &mut Run, request: Option<&Request>, now: Now, out: &mut Vec<Action>) {
    let Some(name) = request.and_then(Request::remote_id) else { return };
    let about = match request {
        Some(Request::Examine { .. }) => {
            run.opened.insert(name.to_vec());
            Poison::Examine(name.to_vec())
        }
        _ => {
            run.indexed.insert(name.to_vec());
            // Opening it was a part of the question.
            run.forget_note(&Poison::Examine(name.to_vec()), now, out);
            Poison::Index(name.to_vec())
        }
    };
    run.answered.insert(name.to_vec());
    run.forget_note(&about, now, out);
}

pub(super) fn answered(
    mut run: Box<Run>,
    token: Token,
    owner: Owner,
    page: bool,
    answer: Result<Answer, Failure>,
    now: Now,
    out: &mut Vec<Action>,
) -> State {
    let request = run.about.remove(&token);
    match &answer {
        Ok(answer) if !is_about(request.as_ref(), answer) => {
            return failed(
                run,
                Failure::bug("an answer is about another folder than its question"),
                Cut::Unnoted,
                now,
                out,
            );
        }
        Ok(_) => note_answered(&mut run, request.as_ref(), now, out),
        Err(failure) if Run::is_folder_trouble(failure) => note_answered(&mut run, request.as_ref(), now, out),
        Err(_) => {}
    }
    let outcome = match (owner, answer) {
        (Owner::Listing(_), Ok(Answer::Listed { folders, unreadable })) => {
            run.on_listed(folders, unreadable, now, out);
            Ok(())
        }
        (Owner::Listing(_), Ok(Answer::Examined { examined, .. })) => {
            run.on_listing_examined(Ok(examined), now, out);
            Ok(())
        }
        (Owner::Listing(_), Err(failure))
            if Run::is_folder_trouble(&failure) && !matches!(run.listing, Listing::Asked { .. }) =>
        {
            out.push(Action::Report(failure.clone()));
            run.on_listing_examined(Err(failure), now, out);
            Ok(())
        }
        (Owner::Pass(id, _), Ok(Answer::Examined { examined, .. })) => {
            run.on_pass_examined(id, examined, now, out);
            Ok(())
        }
        (Owner::Pass(id, _), Ok(Answer::Indexed { rows, exists, .. })) => {
            run.on_pass_indexed(id, rows, exists, out);
            Ok(())
        }
        (Owner::Listing(_), Ok(Answer::Sampled { rows, .. })) if matches!(run.listing, Listing::Dating(..)) => {
            run.on_dated(&rows, now, out);
            Ok(())
        }
        (Owner::Pass(id, _), Ok(Answer::Sampled { rows, .. })) => {
            run.on_compared(id, &rows, out);
            Ok(())
        }
        (Owner::Listing(_), Ok(Answer::Sampled { rows, .. })) => {
            run.on_match_sampled(&rows, now, out);
            Ok(())
        }
        // Whether it opens or not: the session has answered.
        (Owner::Probe(_), Ok(Answer::Examined { .. })) => Ok(()),
        (Owner::Probe(_), Err(failure)) if Run::is_folder_trouble(&failure) => Ok(()),
        (Owner::Page(id, _), Ok(Answer::Fetched { page: part, last })) => {
            if !last {
                run.asks.insert(token, (owner, page));
            }
            run.on_page(id, token, part, last, now, out)
        }
        (Owner::Page(id, _), Err(failure)) if Run::is_folder_trouble(&failure) => {
            out.push(Action::Report(failure.clone()));
            run.drop_fill(id, token);
            // Opening it was a part of the question, and no session ended at that.
            if let Some(name) = run.folders.get(&id).map(|folder| folder.row.remote_id.clone()) {
                run.forget_note(&Poison::Examine(name), now, out);
            }
            run.folder_trouble(id, failure, false, now, out);
            Ok(())
        }
        (Owner::Pass(id, _), Err(failure)) if Run::is_folder_trouble(&failure) => {
            out.push(Action::Report(failure.clone()));
            let opening = matches!(request, Some(Request::Examine { .. }));
            run.folder_trouble(id, failure, opening, now, out);
            Ok(())
        }
        (_, Err(failure)) => {
            // The question is open still, for who looks which was the oldest.
            run.about.extend(request.map(|request| (token, request)));
            Err(failure)
        }
        (_, Ok(_)) => Err(Failure::bug("a session answered another question than it was asked")),
    };
    match outcome {
        Ok(()) => work(run, now, out),
        Err(failure) => {
            // A disk that failed has taken the session with it; one that is merely too full has refused the question.
            if failure.class == Class::Storage && !matches!(failure.when, When::After(_)) {
                out.push(Action::Disconnect);
                run.session = None;
            }
            let cut = run.note_cut(token, owner, &failure, now, out);
            failed(run, failure, cut, now, out)
        }
    }
}

pub(super) fn rows_read(
    mut run: Box<Run>,
    token: Token,
    rows: Result<FolderRows, Failure>,
    now: Now,
    out: &mut Vec<Action>,
) -> State {
    let owner = run.commits.remove(&token);
    match (owner, rows) {
        (Some(Owner::Pass(id, generation)), Ok(rows)) if run.is_current(id, generation) => {
            run.on_pass_rows(id, &rows, now, out);
        }
        (Some(Owner::Listing(generation)), Ok(rows)) if generation == run.generation => {
            run.on_listing_rows(&rows.living.uids(), now, out);
        }
        (Some(owner), Err(failure)) => {
            if let Owner::Pass(id, _) = owner {
                run.break_off_pass(id, false);
            }
            return failed(run, failure, Cut::Unnoted, now, out);
        }
        (Some(_) | None, _) => {}
    }
    work(run, now, out)
}

pub(super) fn sampled(
    mut run: Box<Run>,
    token: Token,
    rows: Result<Vec<Sampled>, Failure>,
    now: Now,
    out: &mut Vec<Action>,
) -> State {
    match (run.commits.remove(&token), rows) {
        (Some(Owner::Pass(id, generation)), Ok(ours)) => {
            if run.is_current(id, generation) {
                run.on_compare_rows(id, ours, out);
            }
        }
        (Some(_), Ok(ours)) => run.on_match_rows(token, ours, now, out),
        (Some(owner), Err(failure)) => {
            if let Owner::Pass(id, _) = owner {
                run.break_off_pass(id, false);
            }
            return failed(run, failure, Cut::Unnoted, now, out);
        }
        (None, _) => {}
    }
    work(run, now, out)
}

pub(super) fn committed(
    mut run: Box<Run>,
    token: Token,
    answer: CommitAnswer,
    now: Now,
    out: &mut Vec<Action>,
) -> State {
    let Some(owner) = run.commits.get(&token).copied() else { return State::Working(run) };
    if let CommitAnswer::Failed(failure, commit) = answer {
        run.not_taken(token, *commit);
        return failed(run, failure, Cut::Unnoted, now, out);
    }
    let opening = matches!(run.listing, Listing::Opening(_) | Listing::Examining(_));
    let current = owner == run.owner();
    let opened = match &answer {
        CommitAnswer::Done(rows) if current => rows.folder.as_ref().map(|f| f.id),
        _ => None,
    };
    if note_answer(&mut run, token, answer) {
        return abandon(run.history, out);
    }
    if run.refusals > REFUSALS {
        return failed(run, Failure::bug("the store refuses every plan"), Cut::Unnoted, now, out);
    }
    // An acknowledgement of an earlier LIST has been noted; it moves nothing in this one.
    if current {
        run.on_listing_committed(opened.filter(|_| opening), now, out);
    }
    work(run, now, out)
}

/// Takes an answer into the rows. Returns whether a later incarnation holds the account.
pub(super) fn note_answer(run: &mut Run, token: Token, answer: CommitAnswer) -> bool {
    let Some(owner) = run.commits.get(&token).copied() else { return false };
    match answer {
        CommitAnswer::Failed(_, commit) => {
            run.not_taken(token, *commit);
            return false;
        }
        CommitAnswer::Refused(Refusal::Incarnation, _) => return true,
        CommitAnswer::Done(rows) => {
            run.commits.remove(&token);
            run.stored(rows.account, rows.folder.clone());
            match owner {
                Owner::Listing(generation) => {
                    if generation == run.generation && matches!(run.listing, Listing::Closing) {
                        run.listing = Listing::Done;
                    }
                    if let Some(row) = rows.folder {
                        run.adopt_folder(row);
                    }
                }
                Owner::Pass(id, generation) if run.is_current(id, generation) => run.on_pass_committed(id),
                Owner::Page(id, fill) => {
                    // Holes are closed without a word from the server: they prove nothing about it.
                    if fill != Token::HOLES {
                        run.history.survived();
                    }
                    run.on_page_answered(id, fill, false);
                }
                Owner::Pass(..) | Owner::Probe(_) | Owner::Nobody => {}
            }
        }
        CommitAnswer::Refused(refusal, rows) => {
            run.commits.remove(&token);
            run.refusals += 1;
            if let Some(rows) = rows {
                run.stored(rows.account, rows.folder.clone());
                // An `Open` whose first answer was lost: the folder is there already.
                if let (Owner::Listing(_), Some(row)) = (owner, rows.folder) {
                    run.adopt_folder(row);
                }
            }
            match owner {
                Owner::Pass(id, generation) if run.is_current(id, generation) => {
                    run.break_off_pass(id, false);
                }
                Owner::Page(id, fill) => run.on_page_answered(id, fill, true),
                Owner::Pass(..) | Owner::Listing(_) | Owner::Probe(_) | Owner::Nobody => {}
            }
            if let (Refusal::Missing, Owner::Pass(id, _) | Owner::Page(id, _)) = (refusal, owner) {
                // It was dropped by a commit that this run no longer waited for. If the server has it, it is a new one.
                run.folders.remove(&id);
                if matches!(run.listing, Listing::Done) {
                    run.listing = Listing::Wanted;
                }
            }
        }
    }
    false
}

/// The outcome of a commit is unknown: ask the store, whose answer is final, and go on from there.
pub(super) fn reopen(mut run: Box<Run>, out: &mut Vec<Action>) -> State {
    // Everything that was asked or sent is read anew; a lease that is still on its way is not waited for.
    run.asks.clear();
    run.about.clear();
    run.commits.clear();
    run.parked.clear();
    run.counting = false;
    if run.session.is_none() {
        out.push(Action::Disconnect);
    }
    out.push(Action::Open);
    let start = RunStart { settings: run.settings.clone(), history: run.history.clone(), scope: run.scope.clone() };
    State::Opening { start, run: Some(run) }
}

pub(super) fn resume(mut run: Box<Run>, now: Now, out: &mut Vec<Action>) -> State {
    for (token, commit) in std::mem::take(&mut run.parked) {
        out.push(Action::Commit { token, commit: Box::new(commit) });
    }
    // Our own disk's trouble has not cost the session.
    if run.session.is_some() {
        return work(run, now, out);
    }
    out.push(Action::Connect);
    State::Connecting(run)
}

pub(super) fn failed(mut run: Box<Run>, failure: Failure, cut: Cut, now: Now, out: &mut Vec<Action>) -> State {
    let verdict = if cut == Cut::AtOneThing {
        after_cut(&run.settings.policy)
    } else {
        run.history.failed(&failure, now.wall);
        decide(&failure, &run.history, &run.settings.policy, now)
    };
    out.push(Action::Report(failure.clone()));
    if failure.class != Class::Storage {
        out.push(Action::Disconnect);
        run.session = None;
    }
    run.asks.clear();
    run.about.clear();
    run.counting = false;
    run.drop_fetching();
    run.break_off_listing();
    for id in run.folders.ids() {
        run.break_off_pass(id, true);
    }
    if run.cuts >= CUTS && cut != Cut::Unnoted {
        leave(&mut run.left, format!("{CUTS} sessions have ended at single messages or folders; the next run goes on"));
        let nothing = run.counts.stored == 0;
        let (outcome, failure) = if nothing { (Outcome::Failed, Some(failure)) } else { (Outcome::Partial, None) };
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
        Verdict::Park | Verdict::GiveUp | Verdict::Quarantine | Verdict::SkipFolder => {
            close(run, Outcome::Failed, Some(failure), verdict == Verdict::Park, now, out)
        }
    }
}
