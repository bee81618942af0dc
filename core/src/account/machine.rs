//! The account machine: `step(state, event, now) -> (state, actions)`. No clock, no I/O, no randomness.
//!
//! The shell carries out the actions and brings their answers back as events, each with the token of what it answers.
//! Answers to tokens that the machine no longer knows are dropped.
//!
//! | phase | what it waits for | leaves by |
//! |---|---|---|
//! | Dormant | to be started | Begin |
//! | Opening | the store's rows, under a new incarnation | Opened, OpenFailed |
//! | Connecting | a session | Connected, ConnectFailed |
//! | Working | answers and acknowledgements | the end of the run, a failure, Stop |
//! | Waiting | a moment | Woke, Stop |
//! | Closing | the last acknowledgements | all of them |
//! | Finished | nothing | – |

use crate::account::listing::Listing;
use crate::account::run::{Folder, Owner, Run, leave};
use crate::account::summary::{Counts, Outcome, Summary};
use crate::commit::request::{Change, Commit, CommitAnswer, Refusal, RunRecord};
use crate::commit::rows::{AccountRow, FolderRow};
use crate::failure::{Class, Failure};
use crate::mail::change::{Answer, Request};
use crate::mail::id::{FolderId, SessionId};
use crate::mail::uid_set::UidSet;
use crate::recovery::decide::{Verdict, decide};
use crate::recovery::history::History;
use crate::time::Now;
use std::collections::BTreeMap;
use std::time::Duration;

pub use crate::account::pass::FolderRows;
pub use crate::account::run::Settings;

/// Names a question or a commit until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

impl Token {
    /// Stands for the page without a fetch that takes holes out of `remaining` (one a folder at a time).
    pub(super) const HOLES: Self = Self(0);
}

/// An account as the store hands it out.
#[derive(Debug)]
pub struct AccountSnapshot {
    /// The account, its incarnation just raised.
    pub account: AccountRow,
    /// Its folders.
    pub folders: Vec<FolderRow>,
    /// Failures that are due for another try.
    pub due: BTreeMap<FolderId, UidSet>,
}

/// What happens to a machine.
#[derive(Debug)]
pub enum Event {
    /// Start.
    Begin,
    /// The store handed out the account.
    Opened(Box<AccountSnapshot>),
    /// It could not.
    OpenFailed(Failure),
    /// A session is logged in.
    Connected(SessionId),
    /// None could be had.
    ConnectFailed(Failure),
    /// A session's answer.
    Answered {
        /// To what.
        token: Token,
        /// The answer.
        answer: Result<Answer, Failure>,
    },
    /// The store's answer to a commit.
    Committed {
        /// To which.
        token: Token,
        /// The answer.
        answer: CommitAnswer,
    },
    /// No answer will come: the outcome of the commit (or of a read) is unknown.
    Lost {
        /// Of which.
        token: Token,
    },
    /// A folder's rows.
    RowsRead {
        /// To what.
        token: Token,
        /// The rows.
        rows: Result<FolderRows, Failure>,
    },
    /// How many messages are in limbo.
    LimboCounted(Result<u64, Failure>),
    /// A hint that a folder has changed.
    Nudged(FolderId),
    /// The wait is over.
    Woke,
    /// Somebody wants the run to end.
    Stop,
}

/// What the shell is to do.
#[derive(Debug)]
pub enum Action {
    /// Raise the incarnation and read the account.
    Open,
    /// Get a session.
    Connect,
    /// Give the session back.
    Disconnect,
    /// Ask the session; questions are answered in their order.
    Ask {
        /// Comes back with the answer.
        token: Token,
        /// The question.
        request: Request,
    },
    /// Commit; commits are applied in their order.
    Commit {
        /// Comes back with the answer.
        token: Token,
        /// The commit.
        commit: Box<Commit>,
    },
    /// Read a folder's living locations and open failures.
    ReadRows {
        /// Comes back with the answer.
        token: Token,
        /// The folder.
        folder: FolderId,
    },
    /// Count the messages in limbo.
    CountLimbo,
    /// Send `Woke` after this much monotonic time.
    WakeAfter(Duration),
    /// Log a failure, once, here where it is handled.
    Report(Failure),
    /// The run is over.
    Finish(Box<Summary>),
}

#[derive(Debug)]
struct End {
    outcome: Outcome,
    failure: Option<Failure>,
    sent: bool,
}

#[derive(Debug)]
enum Phase {
    Dormant {
        settings: Settings,
        history: History,
    },
    Opening {
        settings: Settings,
        history: History,
        run: Option<Box<Run>>,
    },
    Connecting(Box<Run>),
    Working(Box<Run>),
    Waiting {
        run: Box<Run>,
        reopen: bool,
    },
    Closing(Box<Run>, End),
    Finished,
}

/// The machine of one account.
#[derive(Debug)]
pub struct Machine {
    phase: Phase,
}

impl Machine {
    /// A machine that waits for `Begin`.
    #[must_use]
    pub fn new(settings: Settings, history: History) -> Self {
        Self {
            phase: Phase::Dormant { settings, history },
        }
    }

    /// The phase's name.
    #[must_use]
    pub fn phase(&self) -> &'static str {
        match &self.phase {
            Phase::Dormant { .. } => "dormant",
            Phase::Opening { .. } => "opening",
            Phase::Connecting(_) => "connecting",
            Phase::Working(_) => "working",
            Phase::Waiting { .. } => "waiting",
            Phase::Closing(..) => "closing",
            Phase::Finished => "finished",
        }
    }

    /// The account's history, for the incarnation after this one.
    #[must_use]
    pub fn history(&self) -> History {
        match &self.phase {
            Phase::Dormant { history, .. } | Phase::Opening { history, .. } => history.clone(),
            Phase::Connecting(run) | Phase::Working(run) | Phase::Closing(run, _) | Phase::Waiting { run, .. } => {
                run.history.clone()
            }
            Phase::Finished => History::default(),
        }
    }

    /// What has been done, and what remains as far as is known.
    #[must_use]
    pub fn counts(&self) -> Counts {
        match &self.phase {
            Phase::Connecting(run) | Phase::Working(run) | Phase::Closing(run, _) | Phase::Waiting { run, .. } => {
                run.totals()
            }
            Phase::Dormant { .. } | Phase::Opening { .. } | Phase::Finished => Counts::default(),
        }
    }

    /// Takes one event.
    #[must_use]
    pub fn step(self, event: Event, now: Now) -> (Self, Vec<Action>) {
        let mut out = Vec::new();
        let phase = match (self.phase, event) {
            (Phase::Dormant { settings, history }, Event::Begin) => {
                out.push(Action::Open);
                Phase::Opening {
                    settings,
                    history,
                    run: None,
                }
            }
            (Phase::Dormant { .. }, Event::Stop) => {
                out.push(Action::Finish(Box::new(stopped())));
                Phase::Finished
            }
            (Phase::Opening { settings, history, run }, Event::Opened(snapshot)) => {
                opened(settings, history, run, *snapshot, now, &mut out)
            }
            (Phase::Opening { settings, history, run }, Event::OpenFailed(failure)) => {
                open_failed(settings, history, run, failure, now, &mut out)
            }
            (Phase::Opening { .. }, Event::Stop) => {
                out.push(Action::Finish(Box::new(stopped())));
                Phase::Finished
            }
            (Phase::Connecting(mut run), Event::Connected(session)) => {
                run.session = Some(session);
                run.history.has_logged_in = true;
                work(run, now, &mut out)
            }
            (Phase::Connecting(run), Event::ConnectFailed(failure)) => failed(run, failure, now, &mut out),
            (Phase::Working(mut run), Event::Answered { token, answer }) => match run.asks.remove(&token) {
                Some((owner, page)) => answered(run, token, owner, page, answer, now, &mut out),
                None => Phase::Working(run),
            },
            (Phase::Working(run), Event::Committed { token, answer }) => committed(run, token, answer, now, &mut out),
            (Phase::Working(run), Event::RowsRead { token, rows }) => rows_read(run, token, rows, now, &mut out),
            (Phase::Working(mut run), Event::LimboCounted(count)) => {
                run.counting = false;
                match count {
                    Ok(0) => close(run, Outcome::Success, None, now, &mut out),
                    Ok(_) if run.rounds == 0 => {
                        run.next_round();
                        work(run, now, &mut out)
                    }
                    Ok(left) => {
                        if run.left.is_empty() {
                            leave(
                                &mut run.left,
                                format!("{left} message(s) without a folder are still looked for"),
                            );
                        }
                        close(run, Outcome::Success, None, now, &mut out)
                    }
                    Err(failure) => failed(run, failure, now, &mut out),
                }
            }
            (Phase::Working(mut run), Event::Nudged(folder)) => {
                if let Some(folder) = run.folders.get_mut(&folder) {
                    folder.wanted = folder.standing.is_none();
                }
                work(run, now, &mut out)
            }
            (Phase::Working(run), Event::Lost { .. }) => reopen(run, &mut out),
            (Phase::Working(run), Event::ConnectFailed(failure)) => failed(run, failure, now, &mut out),
            // While waiting, what the store still answers is noted; what it could not take is kept for later.
            (Phase::Waiting { mut run, reopen }, Event::Committed { token, answer }) => {
                let superseded = note_answer(&mut run, token, answer);
                if superseded {
                    abandon(&mut out)
                } else {
                    Phase::Waiting { run, reopen }
                }
            }
            (Phase::Waiting { mut run, .. }, Event::Lost { token }) => {
                run.commits.remove(&token);
                Phase::Waiting { run, reopen: true }
            }
            (Phase::Waiting { mut run, reopen }, Event::RowsRead { token, .. }) => {
                if let Some(Owner::Pass(id)) = run.commits.remove(&token) {
                    run.break_off_pass(id, false);
                }
                Phase::Waiting { run, reopen }
            }
            (Phase::Waiting { run, reopen: again }, Event::Woke) => {
                if again {
                    reopen(run, &mut out)
                } else {
                    resume(run, &mut out)
                }
            }
            // The run is over: what the store cannot take now is not waited for; its cursor has not moved.
            (
                Phase::Closing(mut run, mut end),
                Event::Committed {
                    token,
                    answer: CommitAnswer::Failed(failure, _),
                },
            ) => {
                run.commits.remove(&token);
                end.outcome = Outcome::Failed;
                end.failure.get_or_insert(failure);
                closing(run, end, now, &mut out)
            }
            (Phase::Closing(mut run, end), Event::Committed { token, answer }) => {
                let superseded = note_answer(&mut run, token, answer);
                if superseded {
                    abandon(&mut out)
                } else {
                    closing(run, end, now, &mut out)
                }
            }
            (Phase::Closing(mut run, end), Event::Lost { token } | Event::RowsRead { token, .. }) => {
                run.commits.remove(&token);
                closing(run, end, now, &mut out)
            }
            (Phase::Connecting(run) | Phase::Working(run) | Phase::Waiting { run, .. }, Event::Stop) => {
                close(run, Outcome::Cancelled, None, now, &mut out)
            }
            (
                Phase::Connecting(mut run),
                Event::Committed {
                    token,
                    answer: CommitAnswer::Failed(failure, commit),
                },
            ) => {
                run.parked.insert(token, *commit);
                failed(run, failure, now, &mut out)
            }
            (Phase::Connecting(mut run), Event::Committed { token, answer }) => {
                let superseded = note_answer(&mut run, token, answer);
                if superseded {
                    abandon(&mut out)
                } else {
                    Phase::Connecting(run)
                }
            }
            (Phase::Connecting(mut run), Event::RowsRead { token, .. }) => {
                if let Some(Owner::Pass(id)) = run.commits.remove(&token) {
                    run.break_off_pass(id, false);
                }
                Phase::Connecting(run)
            }
            (Phase::Connecting(run), Event::Lost { .. }) => reopen(run, &mut out),
            // The session died while the store was asked: the next question needs another.
            (
                Phase::Opening {
                    settings,
                    history,
                    run: Some(mut run),
                },
                Event::Answered { answer: Err(_), .. },
            ) => {
                run.session = None;
                out.push(Action::Disconnect);
                Phase::Opening {
                    settings,
                    history,
                    run: Some(run),
                }
            }
            // Answers that come too late, and hints that a start will see by itself: nothing to do.
            (
                phase @ Phase::Connecting(_),
                Event::Answered { .. } | Event::LimboCounted(_) | Event::Nudged(_) | Event::Woke,
            )
            | (
                phase @ Phase::Waiting { .. },
                Event::Answered { .. }
                | Event::LimboCounted(_)
                | Event::Nudged(_)
                | Event::Connected(_)
                | Event::ConnectFailed(_),
            )
            | (
                phase @ Phase::Opening { .. },
                Event::Answered { .. }
                | Event::Committed { .. }
                | Event::Lost { .. }
                | Event::RowsRead { .. }
                | Event::LimboCounted(_)
                | Event::Nudged(_)
                | Event::Woke
                | Event::Connected(_)
                | Event::ConnectFailed(_),
            )
            | (
                phase @ Phase::Closing(..),
                Event::Answered { .. }
                | Event::LimboCounted(_)
                | Event::Nudged(_)
                | Event::Woke
                | Event::Connected(_)
                | Event::ConnectFailed(_)
                | Event::Stop,
            )
            | (phase @ Phase::Working(_), Event::Woke)
            | (phase @ Phase::Dormant { .. }, Event::Nudged(_) | Event::Woke)
            | (phase @ Phase::Finished, _) => phase,
            // Pairs that cannot be: an answer to a question that was never put.
            (
                Phase::Dormant { .. },
                Event::Opened(_)
                | Event::OpenFailed(_)
                | Event::Connected(_)
                | Event::ConnectFailed(_)
                | Event::Answered { .. }
                | Event::Committed { .. }
                | Event::Lost { .. }
                | Event::RowsRead { .. }
                | Event::LimboCounted(_),
            )
            | (Phase::Opening { .. }, Event::Begin) => impossible(&mut out),
            (Phase::Connecting(_), Event::Begin | Event::Opened(_) | Event::OpenFailed(_)) => impossible(&mut out),
            (Phase::Working(_), Event::Begin | Event::Opened(_) | Event::OpenFailed(_) | Event::Connected(_)) => {
                impossible(&mut out)
            }
            (Phase::Waiting { .. } | Phase::Closing(..), Event::Begin | Event::Opened(_) | Event::OpenFailed(_)) => {
                impossible(&mut out)
            }
        };
        (Self { phase }, out)
    }
}

fn stopped() -> Summary {
    Summary {
        outcome: Outcome::Cancelled,
        counts: Counts::default(),
        left: Vec::new(),
        failure: None,
        class: None,
    }
}

fn impossible(out: &mut Vec<Action>) -> Phase {
    let failure = Failure::bug("an answer came to a question that was never put");
    out.push(Action::Report(failure.clone()));
    let summary = Summary {
        outcome: Outcome::Failed,
        class: Some(Class::Bug),
        failure: Some(failure),
        ..stopped()
    };
    out.push(Action::Finish(Box::new(summary)));
    Phase::Finished
}

/// Another incarnation has the account: this one stops and touches nothing.
fn abandon(out: &mut Vec<Action>) -> Phase {
    out.push(Action::Disconnect);
    let failure = Failure::bug("a later incarnation holds the account");
    let summary = Summary {
        outcome: Outcome::Failed,
        class: Some(Class::Bug),
        failure: Some(failure),
        ..stopped()
    };
    out.push(Action::Finish(Box::new(summary)));
    Phase::Finished
}

fn opened(
    settings: Settings,
    history: History,
    before: Option<Box<Run>>,
    snapshot: AccountSnapshot,
    now: Now,
    out: &mut Vec<Action>,
) -> Phase {
    let mut run = Run::new(settings, snapshot.account, history);
    if let Some(before) = before {
        run.counts = before.counts;
        run.left = before.left;
        run.session = before.session;
        run.started = before.started;
        run.rounds = before.rounds;
        run.next_token = before.next_token;
    }
    let look = run.account.list_look.as_ref().map(|look| look.at);
    for instant in [run.account.opened_at, run.account.listed_at, look] {
        run.stamp_after(instant);
    }
    let mut due = snapshot.due;
    for row in snapshot.folders {
        for instant in [
            Some(row.opened_at),
            row.passed_at,
            row.look.as_ref().map(|look| look.at),
        ] {
            run.stamp_after(instant);
        }
        let due = due.remove(&row.id).unwrap_or_default();
        run.folders.insert(row.id, Folder::new(row, due));
    }
    if run.started.0 == 0 {
        run.started = run.stamp(now);
    }
    if run.session.is_some() {
        return work(Box::new(run), now, out);
    }
    out.push(Action::Connect);
    Phase::Connecting(Box::new(run))
}

fn open_failed(
    settings: Settings,
    mut history: History,
    run: Option<Box<Run>>,
    failure: Failure,
    now: Now,
    out: &mut Vec<Action>,
) -> Phase {
    history.failed(&failure);
    out.push(Action::Report(failure.clone()));
    let verdict = decide(&failure, &history, &settings.policy, now);
    match (verdict, run) {
        (Verdict::Wait(wait) | Verdict::Restart(wait), Some(mut run)) => {
            run.history = history;
            out.push(Action::WakeAfter(wait));
            Phase::Waiting { run, reopen: true }
        }
        (
            Verdict::Wait(_)
            | Verdict::Restart(_)
            | Verdict::Park
            | Verdict::Quarantine
            | Verdict::SkipFolder
            | Verdict::GiveUp,
            _,
        ) => {
            out.push(Action::Disconnect);
            let class = Some(failure.class);
            let summary = Summary {
                outcome: Outcome::Failed,
                class,
                failure: Some(failure),
                ..stopped()
            };
            out.push(Action::Finish(Box::new(summary)));
            Phase::Finished
        }
    }
}

/// Plans, and ends the round when nothing is left.
fn work(mut run: Box<Run>, now: Now, out: &mut Vec<Action>) -> Phase {
    if run.plan(now, out) && !run.counting {
        run.counting = true;
        out.push(Action::CountLimbo);
    }
    Phase::Working(run)
}

fn answered(
    mut run: Box<Run>,
    token: Token,
    owner: Owner,
    page: bool,
    answer: Result<Answer, Failure>,
    now: Now,
    out: &mut Vec<Action>,
) -> Phase {
    let outcome = match (owner, answer) {
        (Owner::Listing, Ok(Answer::Listed(folders))) => {
            run.on_listed(folders, now, out);
            Ok(())
        }
        (Owner::Listing, Ok(Answer::Examined(examined))) => {
            run.on_listing_examined(Ok(examined), now, out);
            Ok(())
        }
        (Owner::Listing, Err(failure))
            if Run::is_folder_trouble(&failure) && !matches!(run.listing, Listing::Asked { .. }) =>
        {
            out.push(Action::Report(failure.clone()));
            run.on_listing_examined(Err(failure), now, out);
            Ok(())
        }
        (Owner::Pass(id), Ok(Answer::Examined(examined))) => {
            run.on_pass_examined(id, examined, now, out);
            Ok(())
        }
        (Owner::Pass(id), Ok(Answer::Indexed { rows, .. })) => {
            run.on_pass_indexed(id, rows, now, out);
            Ok(())
        }
        (Owner::Page(id, _), Ok(Answer::Fetched { page: part, last })) => {
            if !last {
                run.asks.insert(token, (owner, page));
            }
            run.on_page(id, token, part, last, now, out)
        }
        (Owner::Page(id, _), Err(failure)) if Run::is_folder_trouble(&failure) => {
            out.push(Action::Report(failure.clone()));
            run.drop_fill(id, token);
            run.stand_still(id, failure, now, out);
            Ok(())
        }
        (Owner::Pass(id), Err(failure)) if Run::is_folder_trouble(&failure) => {
            out.push(Action::Report(failure.clone()));
            run.stand_still(id, failure, now, out);
            Ok(())
        }
        (_, Err(failure)) => Err(failure),
        (_, Ok(_)) => Err(Failure::bug("a session answered another question than it was asked")),
    };
    match outcome {
        Ok(()) => work(run, now, out),
        Err(failure) => failed(run, failure, now, out),
    }
}

fn rows_read(
    mut run: Box<Run>,
    token: Token,
    rows: Result<FolderRows, Failure>,
    now: Now,
    out: &mut Vec<Action>,
) -> Phase {
    let owner = run.commits.remove(&token);
    match (owner, rows) {
        (Some(Owner::Pass(id)), Ok(rows)) => run.on_pass_rows(id, &rows, now, out),
        (Some(Owner::Listing), Ok(rows)) => run.on_listing_rows(&rows.living.uids(), now, out),
        (Some(owner), Err(failure)) => {
            if let Owner::Pass(id) = owner {
                run.break_off_pass(id, false);
            }
            return failed(run, failure, now, out);
        }
        (Some(Owner::Page(..) | Owner::Nobody) | None, _) => {}
    }
    work(run, now, out)
}

fn committed(mut run: Box<Run>, token: Token, answer: CommitAnswer, now: Now, out: &mut Vec<Action>) -> Phase {
    let Some(owner) = run.commits.get(&token).copied() else {
        return Phase::Working(run);
    };
    if let CommitAnswer::Failed(failure, commit) = answer {
        run.parked.insert(token, *commit);
        return failed(run, failure, now, out);
    }
    let opening = matches!(run.listing, Listing::Opening(_));
    let opened = match (&answer, owner) {
        (CommitAnswer::Done(rows), Owner::Listing) => rows.folder.as_ref().map(|f| f.id),
        _ => None,
    };
    if note_answer(&mut run, token, answer) {
        return abandon(out);
    }
    if owner == Owner::Listing {
        run.on_listing_committed(opened.filter(|_| opening), now, out);
    }
    work(run, now, out)
}

/// Takes an answer into the rows. Returns whether a later incarnation holds the account.
fn note_answer(run: &mut Run, token: Token, answer: CommitAnswer) -> bool {
    let Some(owner) = run.commits.get(&token).copied() else {
        return false;
    };
    match answer {
        CommitAnswer::Failed(_, commit) => {
            run.parked.insert(token, *commit);
            return false;
        }
        CommitAnswer::Refused(Refusal::Incarnation, _) => return true,
        CommitAnswer::Done(rows) => {
            run.commits.remove(&token);
            run.stored(rows.account, rows.folder.clone());
            match owner {
                Owner::Listing => {
                    if matches!(run.listing, Listing::Closing) {
                        run.listing = Listing::Done;
                    }
                    if let Some(row) = rows.folder {
                        run.adopt_folder(row);
                    }
                }
                Owner::Pass(id) => run.on_pass_committed(id),
                Owner::Page(id, fill) => {
                    run.history.survived();
                    run.on_page_answered(id, fill, false);
                }
                Owner::Nobody => {}
            }
        }
        CommitAnswer::Refused(_, rows) => {
            run.commits.remove(&token);
            if let Some(rows) = rows {
                run.stored(rows.account, rows.folder);
            }
            match owner {
                Owner::Pass(id) => {
                    run.break_off_pass(id, false);
                }
                Owner::Page(id, fill) => run.on_page_answered(id, fill, true),
                Owner::Listing | Owner::Nobody => {}
            }
        }
    }
    false
}

/// The outcome of a commit is unknown: ask the store, whose answer is final, and go on from there.
fn reopen(run: Box<Run>, out: &mut Vec<Action>) -> Phase {
    out.push(Action::Open);
    Phase::Opening {
        settings: run.settings.clone(),
        history: run.history.clone(),
        run: Some(run),
    }
}

fn resume(mut run: Box<Run>, out: &mut Vec<Action>) -> Phase {
    for (token, commit) in std::mem::take(&mut run.parked) {
        out.push(Action::Commit {
            token,
            commit: Box::new(commit),
        });
    }
    out.push(Action::Connect);
    Phase::Connecting(run)
}

fn failed(mut run: Box<Run>, failure: Failure, now: Now, out: &mut Vec<Action>) -> Phase {
    run.history.failed(&failure);
    out.push(Action::Report(failure.clone()));
    let verdict = decide(&failure, &run.history, &run.settings.policy, now);
    out.push(Action::Disconnect);
    run.session = None;
    run.asks.clear();
    run.counting = false;
    run.drop_fetching();
    run.break_off_listing();
    let ids: Vec<FolderId> = run.folders.keys().copied().collect();
    for id in ids {
        run.break_off_pass(id, true);
    }
    match verdict {
        Verdict::Wait(wait) | Verdict::Restart(wait) => {
            out.push(Action::WakeAfter(wait));
            Phase::Waiting { run, reopen: false }
        }
        Verdict::Park | Verdict::GiveUp | Verdict::Quarantine | Verdict::SkipFolder => {
            close(run, Outcome::Failed, Some(failure), now, out)
        }
    }
}

fn close(mut run: Box<Run>, outcome: Outcome, failure: Option<Failure>, now: Now, out: &mut Vec<Action>) -> Phase {
    if run.session.take().is_some() {
        out.push(Action::Disconnect);
    }
    run.asks.clear();
    for token in std::mem::take(&mut run.parked).into_keys() {
        run.commits.remove(&token);
    }
    let open: u64 = run
        .folders
        .values()
        .filter(|f| !f.row.excluded)
        .map(|f| f.row.failures.len())
        .sum();
    if open > 0 {
        leave(
            &mut run.left,
            format!("{open} message(s) could not be fetched; they are in the ledger and are tried again"),
        );
    }
    let outcome = if outcome == Outcome::Success && !run.left.is_empty() {
        Outcome::Partial
    } else {
        outcome
    };
    closing(
        run,
        End {
            outcome,
            failure,
            sent: false,
        },
        now,
        out,
    )
}

fn closing(mut run: Box<Run>, mut end: End, now: Now, out: &mut Vec<Action>) -> Phase {
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
    let summary = Summary {
        outcome: end.outcome,
        counts: run.totals(),
        left: run.left,
        failure: end.failure,
        class,
    };
    out.push(Action::Finish(Box::new(summary)));
    Phase::Finished
}

/// The run's row, the account's state, and the ledger row of what ended it.
fn last_words(run: &mut Run, end: &End, now: Now, out: &mut Vec<Action>) {
    let reason = end
        .failure
        .as_ref()
        .map(Failure::chain)
        .or_else(|| run.left.first().cloned())
        .unwrap_or_default();
    if let Some(failure) = &end.failure {
        let change = Change::Fail {
            folder: None,
            class: failure.class,
            text: failure.chain(),
        };
        run.commit(Owner::Nobody, change, now, out);
    }
    let (state, event) = match end.failure.as_ref().map(|f| f.class) {
        Some(Class::Auth) => ("needs_reauth", Some("account.needs_reauth")),
        Some(Class::Config | Class::Bug) => ("failed", Some("account.failed")),
        Some(Class::RateLimit | Class::Quota) => ("throttled", None),
        Some(_) => ("waiting", None),
        None => ("idle", None),
    };
    run.commit(
        Owner::Nobody,
        Change::State {
            state,
            reason: reason.clone(),
            next_attempt_at: None,
            event,
        },
        now,
        out,
    );
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

#[cfg(test)]
mod tests {
    use super::*;

    /// INV-9: no activity outlives its run; a pass is always in one of its states.
    #[test]
    fn a_stopped_machine_finishes_and_ignores_the_rest() {
        let (machine, actions) =
            Machine::new(Settings::default(), History::default()).step(Event::Stop, Now::default());
        assert_eq!((machine.phase(), actions.len()), ("finished", 1));
        let (machine, actions) = machine.step(Event::Woke, Now::default());
        assert_eq!((machine.phase(), actions.len()), ("finished", 0));
    }
}
