//! The machine of a run, whatever its work: `step(state, event, now) -> (state, actions)`. No
//! clock, no I/O, no randomness.
//!
//! The shell carries out the actions and brings their answers back as events, each with the token
//! of what it answers. Answers to tokens that the machine no longer knows are dropped.
//!
//! | phase | what it waits for | leaves by |
//! |---|---|---|
//! | Dormant | to be started | Begin |
//! | Opening | the store's rows, under a new incarnation | Opened, OpenFailed |
//! | Reopening | a moment, before the store is asked again | Woke, Stop |
//! | Connecting | a session | Connected, ConnectFailed |
//! | Working | answers and acknowledgements | the end of the run, a failure, Stop |
//! | Waiting | a moment | Woke, Stop |
//! | Closing | the last acknowledgements | all of them |
//! | Finished | nothing | – |

use crate::budget::Wait;
use crate::commit::change::CommitAnswer;
use crate::mail::id::FolderId;
use crate::recovery::history::History;
use crate::run::context::RunStart;
use crate::run::ending::{close, closing, impossible};
use crate::run::event::{Action, Event, SecondNews};
use crate::run::settings::Settings;
use crate::run::state::State;
use crate::run::steps::{
    Noted, abandon, committed, failed, go_on, heard, limbo_counted, note_answer, open_failed,
    opened, put_off, reopen, resume, rows_read, rows_too_late, second_session,
};
use crate::run::summary::{Counts, FolderSummary, Summary};
use crate::run::work::{Cut, Work};
use crate::standing::{Outcome, Phase};
use crate::time::{Micros, Now, Steady};

/// The machine of one run.
#[derive(Debug)]
pub(crate) struct RunMachine<W: Work> {
    state: State<W>,
    /// The wall clock of its runs, set where rows are read. From then on ages are spans of time that passed: a
    /// clock that is ahead for two seconds makes no answer a late one.
    clock: Steady,
}

impl<W: Work> RunMachine<W> {
    /// A machine that waits for `Begin`.
    #[must_use]
    pub(crate) fn new(settings: Settings, history: History) -> Self {
        Self { clock: settings.clock, state: State::Dormant { settings, history } }
    }

    /// The clock that it goes by, for the run after this one.
    #[must_use]
    pub(crate) fn clock(&self) -> Steady {
        self.clock
    }

    /// What it waits for.
    #[must_use]
    pub(crate) fn phase(&self) -> Phase {
        match &self.state {
            State::Dormant { .. } => Phase::Dormant,
            State::Opening { .. } => Phase::Opening,
            State::Reopening { .. } => Phase::Reopening,
            State::Connecting(_) => Phase::Connecting,
            State::Working(_) => Phase::Working,
            State::Waiting { .. } => Phase::Waiting,
            State::Closing(..) => Phase::Closing,
            State::Finished => Phase::Finished,
        }
    }

    /// The account's history, for the incarnation after this one.
    #[must_use]
    pub(crate) fn history(&self) -> History {
        match &self.state {
            State::Dormant { history, .. } => history.clone(),
            State::Opening { start, .. } | State::Reopening { start, .. } => start.history.clone(),
            State::Connecting(run)
            | State::Working(run)
            | State::Closing(run, _)
            | State::Waiting { run, .. } => run.shared.history.clone(),
            State::Finished => History::default(),
        }
    }

    /// When the last durable pass of a folder began, and whether nothing more is wanted of it now.
    #[must_use]
    pub(crate) fn passed(&self, folder: FolderId) -> Option<(Option<Micros>, bool)> {
        let run = match &self.state {
            State::Connecting(run)
            | State::Working(run)
            | State::Closing(run, _)
            | State::Waiting { run, .. } => run,
            State::Dormant { .. }
            | State::Opening { .. }
            | State::Reopening { .. }
            | State::Finished => return None,
        };
        run.work.passed(folder)
    }

    /// What it waits for, where it waits for nothing but a budget.
    #[must_use]
    pub(crate) fn rests(&self) -> Option<&Wait> {
        let State::Working(run) = &self.state else { return None };
        run.shared.undone.deferred.as_ref().filter(|_| run.shared.rests)
    }

    /// Whether it reads nothing but mail of the past.
    #[must_use]
    pub(crate) fn reads_past(&self) -> bool {
        let State::Working(run) = &self.state else { return false };
        run.work.reads_past(&run.shared.settings)
    }

    /// Whether it leaves mail of the past to another run.
    #[must_use]
    pub(crate) fn is_put_off(&self) -> bool {
        let (State::Working(run) | State::Closing(run, _)) = &self.state else { return false };
        run.shared.undone.put_off
    }

    /// The folders of the run that is under way.
    #[must_use]
    pub(crate) fn lines(&self) -> Option<Vec<FolderSummary>> {
        match &self.state {
            State::Connecting(run)
            | State::Working(run)
            | State::Closing(run, _)
            | State::Waiting { run, .. } => Some(run.work.lines(&run.shared.account)),
            State::Dormant { .. }
            | State::Opening { .. }
            | State::Reopening { .. }
            | State::Finished => None,
        }
    }

    /// What has been done, and what remains as far as is known.
    #[must_use]
    pub(crate) fn counts(&self) -> Counts {
        match &self.state {
            State::Connecting(run)
            | State::Working(run)
            | State::Closing(run, _)
            | State::Waiting { run, .. } => run.work.totals(run.shared.counts),
            State::Opening { run: Some(run), .. } | State::Reopening { run: Some(run), .. } => {
                run.work.totals(run.shared.counts)
            }
            State::Dormant { .. }
            | State::Opening { .. }
            | State::Reopening { .. }
            | State::Finished => Counts::default(),
        }
    }

    /// Takes one event.
    #[must_use]
    pub(crate) fn step(self, event: Event, now: Now) -> (Self, Vec<Action>) {
        let clock = match &event {
            Event::Opened(_) => self.clock.set(now),
            _ => self.clock,
        };
        let now = clock.now(now);
        let mut out = Vec::new();
        let mut state = match (self.state, event) {
            (State::Dormant { settings, history }, Event::Begin(scope)) => {
                out.push(Action::Open { anew: false });
                State::Opening { start: RunStart { settings, history, scope }, run: None }
            }
            (State::Dormant { history, .. }, Event::Stop) => {
                out.push(Action::Finish(Box::new(Summary::of(Outcome::Cancelled, history))));
                State::Finished
            }
            (State::Opening { mut start, run }, Event::Opened(snapshot)) => {
                start.settings.clock = clock;
                opened(start, run, *snapshot, now, &mut out)
            }
            (State::Opening { start, run }, Event::OpenFailed(failure)) => {
                open_failed(start, run, failure, now, &mut out)
            }
            (State::Reopening { start, run }, Event::Woke) => {
                out.push(Action::Open { anew: true });
                State::Opening { start, run }
            }
            (State::Opening { start, .. } | State::Reopening { start, .. }, Event::Stop) => {
                out.push(Action::Disconnect);
                out.push(Action::Finish(Box::new(Summary::of(Outcome::Cancelled, start.history))));
                State::Finished
            }
            (State::Connecting(mut run), Event::Connected(connected)) => {
                run.shared.session = Some(connected.session);
                run.shared.history.logged_in();
                let page = &mut run.shared.settings.page_messages;
                *page = (*page).min(connected.capabilities.page.unwrap_or(*page)).max(1);
                let (work, mut cx) = run.at(now, &mut out);
                work.connected(&connected.capabilities, &mut cx);
                go_on(run, now, &mut out)
            }
            (State::Connecting(run), Event::ConnectFailed(failure)) => {
                failed(run, failure, Cut::Unnoted, now, &mut out)
            }
            (State::Working(run), Event::Answered { token, answer }) => {
                heard(run, token, answer, now, &mut out)
            }
            (State::Working(run), Event::Second(news)) => second_session(run, news, now, &mut out),
            // Who is not wanted any more goes; what is not to be had, or is gone, is of no account.
            (phase, Event::Second(news)) => {
                if news == SecondNews::Came {
                    out.push(Action::LeaveSecond { watches: true, lost: None });
                }
                phase
            }
            (State::Waiting { mut run, reopen }, Event::Answered { token, answer }) => {
                if run.shared.book.ends_session(token, &answer) {
                    run.shared.session = None;
                    run.shared.book.forget_questions();
                    out.push(Action::Disconnect);
                }
                State::Waiting { run, reopen }
            }
            (State::Working(run), Event::Committed { token, answer }) => {
                committed(run, token, answer, now, &mut out)
            }
            (State::Working(run), Event::Read { token, rows }) => {
                rows_read(run, token, rows, now, &mut out)
            }
            (State::Working(run), Event::LimboCounted(count)) => {
                limbo_counted(run, count, now, &mut out)
            }
            (State::Working(mut run), Event::Nudged(folder, depth)) => {
                run.work.want(folder, depth);
                go_on(run, now, &mut out)
            }
            // A hint that comes while the session is away is looked at when it is back.
            (State::Connecting(mut run), Event::Nudged(folder, depth)) => {
                run.work.want(folder, depth);
                State::Connecting(run)
            }
            (State::Waiting { mut run, reopen }, Event::Nudged(folder, depth)) => {
                run.work.want(folder, depth);
                State::Waiting { run, reopen }
            }
            (State::Working(run), Event::Lost { .. }) => reopen(run, &mut out),
            (State::Working(run), Event::ConnectFailed(failure)) => {
                failed(run, failure, Cut::Unnoted, now, &mut out)
            }
            // While waiting, what the store still answers is noted; what it could not take is kept
            // for later.
            (State::Waiting { mut run, reopen }, Event::Committed { token, answer }) => {
                match note_answer(&mut run, token, answer, false, now, &mut out) {
                    Noted::Superseded => abandon(*run, &mut out),
                    Noted::Taken | Noted::NotTaken(_) => State::Waiting { run, reopen },
                }
            }
            (State::Waiting { mut run, .. }, Event::Lost { token }) => {
                run.shared.book.pending.remove(&token);
                State::Waiting { run, reopen: true }
            }
            (State::Waiting { mut run, reopen }, Event::Read { token, .. }) => {
                rows_too_late(&mut run, token);
                State::Waiting { run, reopen }
            }
            (State::Waiting { run, reopen: again }, Event::Woke) => {
                if again {
                    reopen(run, &mut out)
                } else {
                    resume(run, now, &mut out)
                }
            }
            // The run is over: what the store cannot take now is not waited for; its cursor has not
            // moved.
            (
                State::Closing(mut run, mut end),
                Event::Committed { token, answer: CommitAnswer::Failed(failure, _) },
            ) => {
                run.shared.book.pending.remove(&token);
                end.outcome = Outcome::Failed;
                end.failure.get_or_insert(failure);
                closing(run, end, now, &mut out)
            }
            (State::Closing(mut run, end), Event::Committed { token, answer }) => {
                match note_answer(&mut run, token, answer, false, now, &mut out) {
                    Noted::Superseded => abandon(*run, &mut out),
                    Noted::Taken | Noted::NotTaken(_) => closing(run, end, now, &mut out),
                }
            }
            (State::Closing(mut run, end), Event::Lost { token } | Event::Read { token, .. }) => {
                run.shared.book.pending.remove(&token);
                closing(run, end, now, &mut out)
            }
            (
                State::Connecting(run) | State::Working(run) | State::Waiting { run, .. },
                Event::Stop,
            ) => close(run, Outcome::Cancelled, None, false, now, &mut out),
            (State::Connecting(mut run), Event::Committed { token, answer }) => {
                match note_answer(&mut run, token, answer, false, now, &mut out) {
                    Noted::Superseded => abandon(*run, &mut out),
                    Noted::NotTaken(failure) => failed(run, failure, Cut::Unnoted, now, &mut out),
                    Noted::Taken => State::Connecting(run),
                }
            }
            (State::Connecting(mut run), Event::Read { token, .. }) => {
                rows_too_late(&mut run, token);
                State::Connecting(run)
            }
            (State::Connecting(run), Event::Lost { .. }) => reopen(run, &mut out),
            // The session died while the store was asked: the next question needs another.
            (
                State::Opening { start, run: Some(mut run) },
                Event::Answered { token, answer: Err(_) },
            ) if !run.shared.second.was_asked(token) => {
                run.shared.session = None;
                out.push(Action::Disconnect);
                State::Opening { start, run: Some(run) }
            }
            // What was counted for another session is counted again when all is done.
            (State::Connecting(mut run), Event::LimboCounted(_)) => {
                run.shared.counting = false;
                State::Connecting(run)
            }
            // There may be budget again.
            (State::Working(run), Event::Woke) => go_on(run, now, &mut out),
            (State::Working(run), Event::PutOff) => put_off(run, now, &mut out),
            // It reads nothing now.
            (phase, Event::PutOff) => phase,
            // Answers that come too late, and hints that a start will see by itself: nothing to do.
            (phase @ State::Connecting(_), Event::Answered { .. } | Event::Woke)
            | (
                phase @ State::Waiting { .. },
                Event::LimboCounted(_) | Event::Connected(_) | Event::ConnectFailed(_),
            )
            | (
                phase @ State::Opening { .. },
                Event::Answered { .. }
                | Event::Committed { .. }
                | Event::Lost { .. }
                | Event::Read { .. }
                | Event::LimboCounted(_)
                | Event::Nudged(..)
                | Event::Woke
                | Event::Connected(_)
                | Event::ConnectFailed(_),
            )
            | (
                phase @ State::Reopening { .. },
                Event::Answered { .. }
                | Event::Committed { .. }
                | Event::Lost { .. }
                | Event::Read { .. }
                | Event::LimboCounted(_)
                | Event::Nudged(..)
                | Event::Connected(_)
                | Event::ConnectFailed(_),
            )
            | (
                phase @ State::Closing(..),
                Event::Answered { .. }
                | Event::LimboCounted(_)
                | Event::Nudged(..)
                | Event::Woke
                | Event::Connected(_)
                | Event::ConnectFailed(_)
                | Event::Stop,
            )
            | (phase @ State::Dormant { .. }, Event::Nudged(..) | Event::Woke)
            | (phase @ State::Finished, _) => phase,
            // Pairs that cannot be: an answer to a question that was never put.
            (
                State::Dormant { .. },
                Event::Opened(_)
                | Event::OpenFailed(_)
                | Event::Connected(_)
                | Event::ConnectFailed(_)
                | Event::Answered { .. }
                | Event::Committed { .. }
                | Event::Lost { .. }
                | Event::Read { .. }
                | Event::LimboCounted(_),
            )
            | (State::Opening { .. }, Event::Begin(_))
            | (
                State::Reopening { .. },
                Event::Begin(_) | Event::Opened(_) | Event::OpenFailed(_),
            ) => impossible(&mut out),
            (State::Connecting(_), Event::Begin(_) | Event::Opened(_) | Event::OpenFailed(_)) => {
                impossible(&mut out)
            }
            (
                State::Working(_),
                Event::Begin(_) | Event::Opened(_) | Event::OpenFailed(_) | Event::Connected(_),
            ) => impossible(&mut out),
            (
                State::Waiting { .. } | State::Closing(..),
                Event::Begin(_) | Event::Opened(_) | Event::OpenFailed(_),
            ) => impossible(&mut out),
        };
        if let State::Connecting(run)
        | State::Working(run)
        | State::Closing(run, _)
        | State::Waiting { run, .. } = &mut state
            && run.shared.book.stands_still()
        {
            out.push(Action::Hurry);
        }
        (Self { state, clock }, out)
    }
}

#[cfg(test)]
mod tests;
