//! The follower: stages, runs, commands.

use crate::account::follow::vocabulary::{Begin, Input, Output, Past, Rules, Slot};
use crate::account::machine::Machine;
use crate::account::schedule::{COOL_AFTER, Schedule};
use crate::failure::{Class, Failure};
use crate::mail::id::FolderId;
use crate::provider::Connected;
use crate::recovery::history::{History, SURVIVAL};
use crate::run::event::{Action, Event};
use crate::run::scope::Scope;
use crate::run::summary::{FolderLine, Summary};
use crate::standing::{Outcome, Standing};
use crate::time::{Micros, Now};
use std::collections::VecDeque;
use std::time::Duration;

/// A run that lasts longer gets a watch beside it.
const BESIDE_AFTER: Duration = Duration::from_secs(2);
/// An account whose config cannot be used is looked at so often.
const HOURLY: Duration = Duration::from_secs(3600);
/// Second looks in a row that are not left to the schedule.
const SECOND_LOOKS: u8 = 3;

#[derive(Debug)]
pub(super) enum Stage {
    Working(Box<Machine>),
    Resting { next: Duration, scope: Option<Scope> },
    Parked(Standing, String),
    Paused,
    Ended,
}

/// What is to follow the run that is being ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum After {
    Rest,
    Pause,
    End,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct SessionHeld {
    pub(super) at: Connected,
    pub(super) since: Duration,
    /// The watch that goes on there.
    pub(super) watch: Option<u64>,
}

/// Follows one mailbox.
#[derive(Debug)]
pub struct Follower {
    pub(super) rules: Rules,
    pub(super) stage: Stage,
    pub(super) begin: Begin,
    pub(super) schedule: Schedule,
    pub(super) history: History,
    pub(super) folders: Vec<FolderLine>,
    pub(super) main: Option<SessionHeld>,
    pub(super) beside: Option<SessionHeld>,
    pub(super) wished: bool,
    pub(super) run: u64,
    pub(super) runs_ended: u64,
    pub(super) watches: u64,
    pub(super) began: Duration,
    pub(super) beside_at: Duration,
    pub(super) after: After,
    pub(super) again: Option<Scope>,
    pub(super) second_looks: u8,
    /// When a large absence is looked at again, on another session.
    pub(super) second_at: Option<Duration>,
    /// The server has no IDLE.
    pub(super) unable: bool,
    /// Watches were cut early: IDLE is begun anew before the time at which that happened.
    pub(super) renew: Option<Duration>,
    pub(super) connected_once: bool,
    pub(super) held: Option<(Failure, Duration)>,
    pub(super) trouble: Option<Failure>,
    /// What kind of failure it is parked with.
    pub(super) parked_for: Option<Class>,
    pub(super) wakes: Option<Duration>,
    pub(super) armed: Option<Duration>,
    pub(super) proved: Option<Duration>,
    /// The last run was begun to see what happened to flags between a pass and its watch.
    pub(super) caught_up: bool,
    /// The run under way was begun by a hint.
    pub(super) hinted: bool,
    /// Runs in a row that a hint began and that found nothing.
    pub(super) fruitless: u8,
    /// Failures are to be forgotten when the run under way has ended.
    pub(super) forgets: bool,
    /// The secret was exchanged while the run under way may have been logging in.
    pub(super) woken: bool,
    /// The last pass of INBOX that is known to be durable.
    pub(super) passed: Option<Micros>,
}

impl Follower {
    /// A follower that waits for `Start`.
    #[must_use]
    pub fn new(rules: Rules, past: Past) -> Self {
        let Past { history, begin } = past;
        let schedule = Schedule::new(rules.mode, rules.settings.policy.salt);
        Self {
            rules,
            stage: Stage::Resting { next: Duration::ZERO, scope: None },
            begin,
            schedule,
            history,
            folders: Vec::new(),
            main: None,
            beside: None,
            wished: false,
            run: 0,
            runs_ended: 0,
            watches: 0,
            began: Duration::ZERO,
            beside_at: Duration::ZERO,
            after: After::Rest,
            again: None,
            second_looks: 0,
            second_at: None,
            unable: false,
            renew: None,
            connected_once: false,
            held: None,
            trouble: None,
            parked_for: None,
            wakes: None,
            armed: None,
            proved: None,
            caught_up: false,
            hinted: false,
            fruitless: 0,
            forgets: false,
            woken: false,
            passed: None,
        }
    }

    /// The number of the run that is under way, or of the last one.
    #[must_use]
    pub fn run(&self) -> u64 {
        self.run
    }

    /// Runs that have ended, and the number of the run that will have looked at everything that is asked for now.
    #[must_use]
    pub fn runs(&self) -> (u64, u64) {
        (self.runs_ended, self.run + u64::from(self.again.is_some()))
    }

    /// Failures so far, for the next incarnation.
    #[must_use]
    pub fn history(&self) -> History {
        match &self.stage {
            Stage::Working(machine) => machine.history(),
            _ => self.history.clone(),
        }
    }

    /// What the next incarnation is to know, should this one die now.
    #[must_use]
    pub fn past(&self) -> Past {
        let begin = match &self.stage {
            Stage::Paused => Begin::Paused,
            Stage::Working(_) if self.after == After::Pause => Begin::Paused,
            Stage::Parked(standing, reason) => Begin::Parked(*standing, reason.clone()),
            Stage::Working(_) | Stage::Resting { .. } | Stage::Ended => Begin::Run,
        };
        Past { history: self.history(), begin }
    }

    /// Takes one input.
    pub fn step(&mut self, input: Input, now: Now) -> Vec<Output> {
        let mut out = Vec::new();
        match input {
            Input::Start => self.start(now, &mut out),
            // Whatever began this run, a human who paused the account has the last word.
            Input::Machine(run, Event::Opened(snapshot))
                if run == self.run && matches!(snapshot.stood, Some((Standing::Paused, _))) && !self.rules.once =>
            {
                self.end_run(After::Pause, now, &mut out);
            }
            Input::Machine(run, event) if run == self.run => self.drive(event, now, &mut out),
            Input::Machine(..) => {}
            Input::Connected(at) => {
                self.main = Some(SessionHeld { at, since: now.mono, watch: None });
                // What a server cannot do at all is not asked of it.
                self.unable |= !at.capabilities.push;
                self.connected_once = true;
                self.held = None;
                self.woken = false;
                match &self.stage {
                    Stage::Working(_) => self.drive(Event::Connected(at), now, &mut out),
                    _ => self.release(Slot::Main, &mut out),
                }
            }
            Input::ConnectFailed(failure) => {
                self.held = None;
                self.drive(Event::ConnectFailed(failure), now, &mut out);
            }
            Input::Held(failure, next) => self.held = Some((failure, next)),
            Input::Beside(id) => self.on_beside(id, now, &mut out),
            Input::Hinted(number, hint) => self.on_hint(number, hint, now, &mut out),
            Input::Unwatched(number, end) => self.on_unwatched(number, end, now, &mut out),
            Input::Tick => {
                self.armed = None;
                self.on_tick(now, &mut out);
            }
            Input::Command(command) => self.command(command, now, &mut out),
        }
        self.try_anew(now, &mut out);
        self.survive(now);
        self.arm(now, &mut out);
        out
    }

    pub(super) fn start(&mut self, now: Now, out: &mut Vec<Output>) {
        match std::mem::take(&mut self.begin) {
            Begin::Run => self.begin_run(Scope::Everything, now, out),
            Begin::Paused => self.stage = Stage::Paused,
            Begin::Parked(standing, reason) => self.stage = Stage::Parked(standing, reason),
        }
    }

    pub(super) fn begin_run(&mut self, scope: Scope, now: Now, out: &mut Vec<Output>) {
        self.run += 1;
        self.began = now.mono;
        self.beside_at = now.mono + BESIDE_AFTER;
        self.after = After::Rest;
        self.wished = false;
        self.caught_up = false;
        self.hinted = false;
        self.woken = false;
        let machine = Machine::new(self.rules.settings.clone(), self.history.clone());
        self.stage = Stage::Working(Box::new(machine));
        self.drive(Event::Begin(scope), now, out);
    }

    /// Gives an event to the machine, and carries out what concerns sessions.
    pub(super) fn drive(&mut self, event: Event, now: Now, out: &mut Vec<Output>) {
        let mut events = VecDeque::from([event]);
        let mut finished = None;
        while let Some(event) = events.pop_front() {
            // A run that has ended hears what comes too late, and nothing comes of it.
            if !matches!(self.stage, Stage::Working(_)) {
                return;
            }
            let Stage::Working(machine) = std::mem::replace(&mut self.stage, Stage::Ended) else { return };
            let (machine, actions) = machine.step(event, now);
            self.note_pass(&machine, now);
            self.stage = Stage::Working(Box::new(machine));
            for action in actions {
                match action {
                    Action::Connect => match self.main {
                        Some(main) => events.push_back(Event::Connected(main.at)),
                        None => out.push(Output::Connect),
                    },
                    Action::Disconnect => self.release(Slot::Main, out),
                    Action::Finish(summary) => finished = Some(summary),
                    Action::Report(failure) => {
                        self.trouble = Some(failure.clone());
                        out.push(Output::Run(self.run, Action::Report(failure)));
                    }
                    Action::WakeAfter(wait) => {
                        self.wakes = Some(now.mono.saturating_add(wait));
                        out.push(Output::Run(self.run, Action::WakeAfter(wait)));
                    }
                    other => out.push(Output::Run(self.run, other)),
                }
            }
        }
        if let Some(summary) = finished {
            self.finished(*summary, now, out);
        }
    }

    /// A pass of INBOX proves the live end as it was when the pass began.
    pub(super) fn note_pass(&mut self, machine: &Machine, now: Now) {
        if let Some((Some(passed), _)) = self.live_end().and_then(|id| machine.passed(id))
            && self.passed != Some(passed)
        {
            self.passed = Some(passed);
            let ago = u64::try_from(now.wall.0.saturating_sub(passed.0)).unwrap_or(0);
            let since = self.run_time(now);
            self.proved = Some(now.mono.saturating_sub(Duration::from_micros(ago).min(since)));
        }
    }

    pub(super) fn run_time(&self, now: Now) -> Duration {
        now.mono.saturating_sub(self.began)
    }

    /// The folder whose proof is the account's: INBOX.
    pub(super) fn live_end(&self) -> Option<FolderId> {
        self.folders.iter().find(|f| is_inbox(f) && !f.excluded).map(|f| f.id)
    }

    pub(super) fn finished(&mut self, summary: Summary, now: Now, out: &mut Vec<Output>) {
        self.runs_ended = self.run;
        self.wakes = None;
        self.held = None;
        self.history = summary.history.clone();
        if std::mem::take(&mut self.forgets) {
            self.forget();
        }
        let nothing = self.hinted && summary.failure.is_none() && !summary.counts.changed();
        self.fruitless = if nothing { self.fruitless.saturating_add(1) } else { 0 };
        match summary.outcome {
            Outcome::Failed => {
                self.history.failed_runs = self.history.failed_runs.saturating_add(1);
                self.trouble.clone_from(&summary.failure);
            }
            Outcome::Success | Outcome::Partial => {
                self.history.failed_runs = 0;
                self.trouble.clone_from(&summary.inbox);
            }
            Outcome::Cancelled => self.trouble = None,
        }
        if !summary.folders.is_empty() {
            self.folders.clone_from(&summary.folders);
            self.schedule.looked(&summary.folders, now.mono);
            // A first run learns only here which folder is INBOX; where there is none, every folder is the live end.
            let live = |f: &&FolderLine| !f.excluded && (is_inbox(f) || self.live_end().is_none());
            if self.proved.is_none() && summary.folders.iter().filter(live).any(|f| f.looked.is_some()) {
                self.proved = Some(self.began);
            }
        }
        self.stage = self.next_stage(&summary, now);
        if summary.outcome != Outcome::Cancelled && self.was_woken() {
            self.forget();
            self.stage = Stage::Resting { next: now.mono, scope: None };
        }
        out.push(Output::Ended(Box::new(summary)));
        match (self.after, &self.stage) {
            _ if self.rules.once => self.end(out),
            (After::End, _) => self.end(out),
            (After::Pause, _) => self.pause(out),
            (After::Rest, Stage::Resting { .. }) => match self.again.take() {
                Some(scope) => self.begin_run(scope, now, out),
                None => self.watch(out),
            },
            (After::Rest, _) => self.release_all(out),
        }
    }

    pub(super) fn next_stage(&mut self, summary: &Summary, now: Now) -> Stage {
        let reason = || summary.failure.as_ref().map(Failure::to_string).unwrap_or_default();
        self.parked_for = summary.failure.as_ref().map(|failure| failure.class);
        match summary.outcome {
            Outcome::Failed if summary.parked && summary.class == Some(Class::Auth) => {
                Stage::Parked(Standing::NeedsReauth, reason())
            }
            // Names, certificates and files mend without a word to us.
            Outcome::Failed if summary.parked && summary.class == Some(Class::Config) => {
                Stage::Resting { next: now.mono + HOURLY, scope: None }
            }
            Outcome::Failed if summary.parked => Stage::Parked(Standing::Failed, reason()),
            Outcome::Failed => {
                Stage::Resting { next: self.schedule.after_failure(self.history.failed_runs, now.mono), scope: None }
            }
            _ => {
                if summary.second_look && self.second_looks < SECOND_LOOKS {
                    // INBOX is watched meanwhile; what that begins does not put this off.
                    let due = now.mono + self.rules.settings.confirm_after + Duration::from_secs(1);
                    self.second_at.get_or_insert(due);
                } else if !summary.second_look && self.second_at.is_none() {
                    self.second_looks = 0;
                }
                let next = self.schedule.next(now.mono);
                Stage::Resting { next: self.second_at.map_or(next, |due| next.min(due)), scope: None }
            }
        }
    }

    pub(super) fn on_tick(&mut self, now: Now, out: &mut Vec<Output>) {
        match &self.stage {
            Stage::Resting { next, .. } if now.mono >= *next && self.second_at.is_some_and(|due| now.mono >= due) => {
                self.second_at = None;
                self.second_looks += 1;
                self.release_all(out);
                self.begin_run(Scope::Everything, now, out);
            }
            Stage::Resting { next, scope } if now.mono >= *next => {
                let scope = scope.clone().unwrap_or_else(|| self.schedule.scope(now.mono));
                self.begin_run(scope, now, out);
            }
            Stage::Working(machine) if self.wants_beside() && now.mono >= self.beside_at => {
                if let Some(lines) = machine.lines().filter(|_| self.folders.is_empty()) {
                    self.folders = lines;
                }
                // Without a session of its own a run has nothing to stand beside.
                if self.main.is_some() && !self.folders.is_empty() {
                    self.wished = true;
                    out.push(Output::Wish);
                } else {
                    self.beside_at = now.mono + BESIDE_AFTER;
                }
            }
            Stage::Resting { .. } | Stage::Working(_) | Stage::Parked(..) | Stage::Paused | Stage::Ended => {}
        }
    }

    pub(super) fn end(&mut self, out: &mut Vec<Output>) {
        self.stage = Stage::Ended;
        self.release_all(out);
        out.push(Output::Done);
    }

    pub(super) fn release(&mut self, which: Slot, out: &mut Vec<Output>) {
        let held = match which {
            Slot::Main => self.main.take(),
            Slot::Beside => self.beside.take(),
        };
        // A session that is only on its way is given up too.
        if held.is_some() || which == Slot::Main {
            out.push(Output::Release(which));
        }
    }

    pub(super) fn release_all(&mut self, out: &mut Vec<Output>) {
        self.release(Slot::Main, out);
        self.release(Slot::Beside, out);
    }

    pub(super) fn is_cooling(&self) -> bool {
        self.history.failed_runs >= COOL_AFTER
    }

    /// A session that has lived long enough proves that the account is well.
    pub(super) fn survive(&mut self, now: Now) {
        if let Stage::Resting { .. } = self.stage
            && self.main.is_some_and(|held| now.mono.saturating_sub(held.since) >= SURVIVAL)
        {
            self.history.survived();
            self.history.panics = 0;
        }
    }

    /// Sets the timer for what comes next.
    pub(super) fn arm(&mut self, now: Now, out: &mut Vec<Output>) {
        let at = match &self.stage {
            Stage::Resting { next, .. } => Some(*next),
            Stage::Working(_) if self.wants_beside() => Some(self.beside_at),
            Stage::Working(_) | Stage::Parked(..) | Stage::Paused | Stage::Ended => None,
        };
        if let Some(at) = at.filter(|at| self.armed != Some(*at)) {
            self.armed = Some(at);
            out.push(Output::TickAfter(at.saturating_sub(now.mono)));
        }
    }
}

pub(super) fn is_inbox(folder: &FolderLine) -> bool {
    folder.path.eq_ignore_ascii_case("INBOX")
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
