//! The follower: stages, runs, commands.

use crate::account::follow::stage::{
    After, BESIDE_AFTER, Cause, NextRun, Parked, Resting, Stage, Watches, Working,
};
use crate::account::follow::vocabulary::{Begin, Input, Output, Past, Rules, Slot};
use crate::account::machine::Machine;
use crate::account::schedule::{COOL_AFTER, Schedule};
use crate::budget::Wait;
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

/// An account whose config cannot be used is looked at so often.
const HOURLY: Duration = Duration::from_secs(3600);
/// Second looks in a row that are not left to the schedule.
const SECOND_LOOKS: u8 = 3;

#[derive(Clone, Copy, Debug)]
pub(super) struct SessionHeld {
    pub(super) at: Connected,
    pub(super) since: Duration,
    /// The watch that goes on there.
    pub(super) watch: Option<u64>,
    /// The server tells there of every folder.
    pub(super) wide: bool,
}

/// Large absences that are looked at again, on another session.
#[derive(Debug, Default)]
pub(super) struct SecondLook {
    /// In a row.
    pub(super) taken: u8,
    pub(super) due: Option<Duration>,
}

/// Follows one mailbox.
#[derive(Debug)]
pub struct Follower {
    pub(super) rules: Rules,
    pub(super) stage: Stage,
    pub(super) schedule: Schedule,
    pub(super) history: History,
    /// As the last run left them.
    pub(super) folders: Vec<FolderLine>,
    pub(super) main: Option<SessionHeld>,
    pub(super) beside: Option<SessionHeld>,
    /// The run that was asked for last.
    pub(super) run: u64,
    pub(super) runs_ended: u64,
    pub(super) watching: Watches,
    pub(super) second: SecondLook,
    pub(super) connected_once: bool,
    /// What went wrong last, while it is not mended.
    pub(super) trouble: Option<Failure>,
    /// What the last run has left undone, in words.
    pub(super) left: String,
    /// There is no budget for mail of the past before then.
    pub(super) deferred: Option<Wait>,
    pub(super) armed: Option<Duration>,
    /// When the live end was last proved.
    pub(super) proved: Option<Duration>,
    /// The last pass of INBOX that is known to be durable.
    pub(super) passed: Option<Micros>,
}

impl Follower {
    /// A follower that waits for `Start`.
    #[must_use]
    pub fn new(rules: Rules, past: Past) -> Self {
        let schedule = Schedule::new(rules.mode, rules.settings.policy.salt);
        Self {
            rules,
            stage: Stage::New(past.begin),
            schedule,
            history: past.history,
            folders: Vec::new(),
            main: None,
            beside: None,
            run: 0,
            runs_ended: 0,
            watching: Watches::default(),
            second: SecondLook::default(),
            connected_once: false,
            trouble: None,
            left: String::new(),
            deferred: None,
            armed: None,
            proved: None,
            passed: None,
        }
    }

    /// The number of the run that is under way, or of the last one.
    #[must_use]
    pub fn run(&self) -> u64 {
        self.run
    }

    /// Runs that have ended, and the number of the run that will have looked at everything that is
    /// asked for now.
    #[must_use]
    pub fn runs(&self) -> (u64, u64) {
        let again = matches!(&self.stage, Stage::Working(working) if working.again.is_some());
        (self.runs_ended, self.run + u64::from(again))
    }

    /// Failures so far, for the next incarnation.
    #[must_use]
    pub fn history(&self) -> History {
        match &self.stage {
            Stage::Working(working) => working.machine.history(),
            _ => self.history.clone(),
        }
    }

    /// What the next incarnation is to know, should this one die now.
    #[must_use]
    pub fn past(&self) -> Past {
        let begin = match &self.stage {
            Stage::New(begin) => begin.clone(),
            Stage::Paused => Begin::Paused,
            Stage::Working(working) if working.after == After::Pause => Begin::Paused,
            Stage::Parked(parked) => Begin::Parked(parked.standing, parked.reason.clone()),
            Stage::Asking(_) | Stage::Working(_) | Stage::Resting(_) | Stage::Ended => Begin::Run,
        };
        Past { history: self.history(), begin }
    }

    /// Takes one input.
    pub fn step(&mut self, input: Input, now: Now) -> Vec<Output> {
        let mut out = Vec::new();
        match input {
            Input::Start => self.start(&mut out),
            Input::Granted(run) if run == self.run => self.granted(now, &mut out),
            // It is no longer wanted.
            Input::Granted(_) => {}
            // Whatever began this run, a human who paused the account has the last word.
            Input::Machine(run, Event::Opened(snapshot))
                if run == self.run
                    && matches!(snapshot.stood, Some((Standing::Paused, _)))
                    && !self.rules.once =>
            {
                self.end_run(After::Pause, now, &mut out);
            }
            Input::Machine(run, event) if run == self.run => self.drive(event, now, &mut out),
            Input::Machine(..) => {}
            Input::Connected(at) => self.connected(at, now, &mut out),
            Input::ConnectFailed(failure) => {
                if let Some(working) = self.stage.working() {
                    working.held = None;
                }
                self.drive(Event::ConnectFailed(failure), now, &mut out);
            }
            Input::Held(held) => {
                if let Some(working) = self.stage.working() {
                    working.held = held;
                }
            }
            Input::Beside(id) => self.on_beside(id, now, &mut out),
            Input::Hinted(number, hint) => self.on_hint(number, hint, now, &mut out),
            Input::Told(watch, name, at) => self.on_told(watch, &name, at, now, &mut out),
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

    fn start(&mut self, out: &mut Vec<Output>) {
        match std::mem::replace(&mut self.stage, Stage::Ended) {
            Stage::New(Begin::Run) => self.ask(Scope::Everything, Cause::Plan, out),
            Stage::New(Begin::Paused) => self.stage = Stage::Paused,
            Stage::New(Begin::Parked(standing, reason)) => {
                self.stage = Stage::Parked(Parked { standing, reason, class: None });
            }
            // It has begun already.
            stage => self.stage = stage,
        }
    }

    /// A run is wanted: it asks for a slot. What it watches goes on meanwhile.
    pub(super) fn ask(&mut self, scope: Scope, cause: Cause, out: &mut Vec<Output>) {
        self.run += 1;
        self.look_again(&scope, out);
        self.stage = Stage::Asking(NextRun { scope, cause });
        out.push(Output::AskSlot(self.run));
    }

    /// Who insists while a second look is due gets a session that can take it.
    pub(super) fn look_again(&mut self, scope: &Scope, out: &mut Vec<Output>) {
        if self.second.due.is_some() && matches!(scope, Scope::Insist | Scope::Doubt) {
            self.release_all(out);
        }
    }

    /// The run that is wanted begins.
    fn granted(&mut self, now: Now, out: &mut Vec<Output>) {
        let Stage::Asking(wanted) = &mut self.stage else { return };
        let (scope, cause) =
            (std::mem::replace(&mut wanted.scope, Scope::Everything), wanted.cause);
        let machine = Machine::new(self.rules.settings.clone(), self.history.clone());
        self.stage = Stage::Working(Box::new(Working::new(machine, cause, now.mono)));
        self.drive(Event::Begin(scope), now, out);
    }

    /// A session for runs is logged in.
    fn connected(&mut self, at: Connected, now: Now, out: &mut Vec<Output>) {
        self.main = Some(SessionHeld { at, since: now.mono, watch: None, wide: false });
        // What a server cannot do at all is not asked of it.
        self.watching.unable |= !at.capabilities.push;
        self.connected_once = true;
        match self.stage.working() {
            Some(working) => {
                working.held = None;
                working.woken = false;
                self.drive(Event::Connected(at), now, out);
            }
            None => self.release(Slot::Main, out),
        }
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
            let Stage::Working(working) = std::mem::replace(&mut self.stage, Stage::Ended) else {
                return;
            };
            let working = *working;
            let (machine, actions) = working.machine.step(event, now);
            self.note_pass(&machine, working.began, now);
            self.stage = Stage::Working(Box::new(Working { machine, ..working }));
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
                        if let Some(working) = self.stage.working() {
                            working.wakes = Some(now.mono.saturating_add(wait));
                        }
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
    fn note_pass(&mut self, machine: &Machine, began: Duration, now: Now) {
        if let Some((Some(passed), _)) = self.live_end().and_then(|id| machine.passed(id))
            && self.passed != Some(passed)
        {
            self.passed = Some(passed);
            let ago = u64::try_from(now.wall.0.saturating_sub(passed.0)).unwrap_or(0);
            let since = now.mono.saturating_sub(began);
            self.proved = Some(now.mono.saturating_sub(Duration::from_micros(ago).min(since)));
        }
    }

    /// The folder whose proof is the account's: INBOX.
    pub(super) fn live_end(&self) -> Option<FolderId> {
        self.folders.iter().find(|f| is_inbox(f) && !f.excluded).map(|f| f.id)
    }

    /// The run under way has ended.
    pub(super) fn finished(&mut self, summary: Summary, now: Now, out: &mut Vec<Output>) {
        let Stage::Working(working) = std::mem::replace(&mut self.stage, Stage::Ended) else {
            return;
        };
        self.runs_ended = self.run;
        self.history = summary.history.clone();
        if working.forgets {
            self.forget();
        }
        let nothing =
            working.cause != Cause::Plan && summary.failure.is_none() && !summary.counts.changed();
        self.watching.fruitless =
            if nothing { self.watching.fruitless.saturating_add(1) } else { 0 };
        self.learn(&summary, working.began, now);
        self.learn_left(&summary);
        let caught_up = working.cause == Cause::Stale;
        self.stage = self.next_stage(&summary, caught_up, now);
        // Refused with the secret before, while there is another.
        if summary.outcome != Outcome::Cancelled && working.woken && self.is_refused() {
            self.forget();
            self.stage = Stage::Resting(Resting { next: now.mono, scope: None, caught_up });
        }
        out.push(Output::Ended(Box::new(summary)));
        match (working.after, &self.stage) {
            _ if self.rules.once => self.end(out),
            (After::End, _) => self.end(out),
            (After::Pause, _) => self.pause(out),
            (After::Rest, Stage::Resting(_)) => match working.again {
                Some(scope) => self.ask(scope, Cause::Plan, out),
                None => self.watch(out),
            },
            (After::Rest, _) => self.release_all(out),
        }
    }

    /// What a run's end tells of the account and its folders.
    fn learn(&mut self, summary: &Summary, began: Duration, now: Now) {
        match summary.outcome {
            Outcome::Failed => {
                self.history.failed_runs = self.history.failed_runs.saturating_add(1);
                self.trouble.clone_from(&summary.failure);
                self.watching.strange.clear();
            }
            Outcome::Success | Outcome::Partial => {
                self.history.failed_runs = 0;
                self.trouble.clone_from(&summary.inbox);
            }
            Outcome::Cancelled => self.trouble = None,
        }
        // A run that did not come so far, or looked elsewhere, knows nothing about it.
        let read = summary.outcome != Outcome::Failed
            && !summary.folders.is_empty()
            && !summary.folders.iter().any(|f| !f.excluded && f.unread);
        // Nor does one that began before it was time.
        let still = self.deferred.take().filter(|wait| began < wait.until && !read);
        self.deferred = summary.deferred.clone().or(still);
        if summary.folders.is_empty() {
            return;
        }
        self.folders.clone_from(&summary.folders);
        self.know_strange();
        self.schedule.looked(&summary.folders, now.mono);
        // A first run learns only here which folder is INBOX; where there is none, every folder is
        // the live end.
        let live = |f: &&FolderLine| !f.excluded && (is_inbox(f) || self.live_end().is_none());
        if self.proved.is_none() && summary.folders.iter().filter(live).any(|f| f.looked.is_some())
        {
            self.proved = Some(began);
        }
    }

    fn next_stage(&mut self, summary: &Summary, caught_up: bool, now: Now) -> Stage {
        let parked = |standing| {
            let reason = summary.failure.as_ref().map(Failure::to_string).unwrap_or_default();
            Stage::Parked(Parked {
                standing,
                reason,
                class: summary.failure.as_ref().map(|failure| failure.class),
            })
        };
        let next = match summary.outcome {
            Outcome::Failed if summary.parked && summary.class == Some(Class::Auth) => {
                return parked(Standing::NeedsReauth);
            }
            // Names, certificates and files mend without a word to us.
            Outcome::Failed if summary.parked && summary.class == Some(Class::Config) => {
                now.mono + HOURLY
            }
            Outcome::Failed if summary.parked => return parked(Standing::Failed),
            Outcome::Failed => self.schedule.after_failure(self.history.failed_runs, now.mono),
            _ => {
                if summary.second_look && self.second.taken < SECOND_LOOKS {
                    // INBOX is watched meanwhile; what that begins does not put this off.
                    let due = now.mono + self.rules.settings.confirm_after + Duration::from_secs(1);
                    self.second.due.get_or_insert(due);
                } else if !summary.second_look && self.second.due.is_none() {
                    self.second.taken = 0;
                }
                let next = self.schedule.next(now.mono);
                let next = self.deferred.as_ref().map_or(next, |wait| next.min(wait.until));
                self.second.due.map_or(next, |due| next.min(due))
            }
        };
        Stage::Resting(Resting { next, scope: None, caught_up })
    }

    fn on_tick(&mut self, now: Now, out: &mut Vec<Output>) {
        let wants_beside = self.wants_beside();
        match &mut self.stage {
            Stage::Resting(rest)
                if now.mono >= rest.next && self.second.due.is_some_and(|due| now.mono >= due) =>
            {
                self.second.due = None;
                self.second.taken += 1;
                self.release_all(out);
                self.ask(Scope::Everything, Cause::Plan, out);
            }
            Stage::Resting(rest) if now.mono >= rest.next => {
                let scope = match (rest.scope.take(), &self.deferred) {
                    (Some(scope), _) => scope,
                    (None, Some(wait)) => {
                        self.schedule.scope_of_budget(now.mono, wait.until <= now.mono)
                    }
                    (None, None) => self.schedule.scope(now.mono),
                };
                self.ask(scope, Cause::Plan, out);
            }
            Stage::Working(working) if wants_beside && now.mono >= working.beside_at => {
                if let Some(lines) = working.machine.lines().filter(|_| self.folders.is_empty()) {
                    self.folders = lines;
                }
                // Without a session of its own a run has nothing to stand beside.
                if self.main.is_some() && !self.folders.is_empty() {
                    working.wished = true;
                    out.push(Output::Wish);
                } else {
                    working.beside_at = now.mono + BESIDE_AFTER;
                }
            }
            _ => {}
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
        if let Stage::Resting(_) = self.stage
            && self.main.is_some_and(|held| now.mono.saturating_sub(held.since) >= SURVIVAL)
        {
            self.history.survived();
            self.history.panics = 0;
        }
    }

    /// Sets the timer for what comes next.
    pub(super) fn arm(&mut self, now: Now, out: &mut Vec<Output>) {
        let at = match &self.stage {
            Stage::Resting(rest) => Some(rest.next),
            Stage::Working(working) if self.wants_beside() => Some(working.beside_at),
            _ => None,
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
