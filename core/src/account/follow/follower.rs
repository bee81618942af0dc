//! The follower: stages, runs, commands.

use crate::account::follow::mailbox::Mailbox;
use crate::account::follow::sessions::{SessionHeld, Sessions};
use crate::account::follow::stage::{
    After, Cause, INBOX_LOOK_EVERY, Parked, Resting, Stage, Watches, Working,
};
use crate::account::follow::vocabulary::{
    Begin, Input, Output, Past, Rules, SessionRole, SlotWish, Status,
};
use crate::account::machine::Machine;
use crate::account::schedule::Schedule;
use crate::budget::Wait;
use crate::failure::Failure;
use crate::provider::Connected;
use crate::recovery::history::{History, SURVIVAL};
use crate::run::event::{Action, Event};
use crate::run::scope::Scope;
use crate::run::settings::Settings;
use crate::standing::Standing;
use crate::time::{Now, Steady};
use std::collections::VecDeque;
use std::time::Duration;

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
    pub(super) mailbox: Mailbox,
    pub(super) sessions: Sessions,
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
}

impl Follower {
    /// A follower that waits for `Start`.
    #[must_use]
    pub fn new(mut rules: Rules, past: Past) -> Self {
        let schedule = Schedule::new(rules.mode, rules.settings.policy);
        // A process for each run would believe nothing, ever.
        rules.settings.clock = if rules.once { Steady::trusting() } else { Steady::default() };
        Self {
            rules,
            stage: Stage::New(past.begin),
            schedule,
            history: past.history,
            mailbox: Mailbox::default(),
            sessions: Sessions::default(),
            run: 0,
            runs_ended: 0,
            watching: Watches::default(),
            second: SecondLook::default(),
            connected_once: false,
            trouble: None,
            left: String::new(),
            deferred: None,
            armed: None,
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
        let again = match &self.stage {
            Stage::Working(working) => working.again.numbers(),
            _ => 0,
        };
        (self.runs_ended, self.run + again)
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
            Input::Start => self.start(now, &mut out),
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
            Input::Recalled => self.on_recalled(now, &mut out),
            // Who has lent its slot meanwhile holds up nobody.
            Input::PutOff if matches!(self.slot(), SlotWish::Held(_)) => {
                self.drive(Event::PutOff, now, &mut out)
            }
            Input::PutOff => {}
            Input::Hinted(number, hint) => self.on_hint(number, hint, now, &mut out),
            Input::Told(watch, name, at) => self.on_told(watch, &name, at, now, &mut out),
            Input::Pushed(hint) => self.on_push(hint, now, &mut out),
            Input::Unwatched(number, end) => self.on_unwatched(number, end, now, &mut out),
            Input::Tick => {
                self.armed = None;
                self.on_tick(now, &mut out);
            }
            Input::Command(command) => self.command(command, now, &mut out),
            Input::NotStored(command) => self.not_stored(command, &mut out),
        }
        self.try_anew(now, &mut out);
        self.makes_room(now, &mut out);
        self.survive(now);
        self.arm(now, &mut out);
        out
    }

    fn start(&mut self, now: Now, out: &mut Vec<Output>) {
        match std::mem::replace(&mut self.stage, Stage::Ended) {
            Stage::New(Begin::Waiting(waiting)) if !self.rules.once => {
                let left = waiting.left(now.wall, &self.rules.settings.policy);
                self.trouble = Some(waiting.failure());
                let (next, scope) = (now.mono + left, Some(Scope::Everything));
                self.stage = Stage::Resting(Resting { next, scope, caught_up: false });
                // A process that was killed has not stored it.
                let Status { standing, reason, .. } = self.status();
                out.push(Output::Persist { standing, reason, event: None });
            }
            Stage::New(Begin::Run | Begin::Waiting(_)) => {
                self.ask(Scope::Everything, Cause::Plan, out)
            }
            Stage::New(Begin::Paused) => self.stage = Stage::Paused,
            Stage::New(Begin::Parked(standing, reason)) => {
                self.stage = Stage::Parked(Parked { standing, reason, class: None });
            }
            // It has begun already.
            stage => self.stage = stage,
        }
    }

    /// Who insists while a second look is due gets a session that can take it.
    pub(super) fn look_again(&mut self, scope: &Scope, out: &mut Vec<Output>) {
        if self.second.due.is_some() && matches!(scope, Scope::Insist | Scope::Doubt) {
            self.sessions.release_all(out);
        }
    }

    /// The run that is wanted begins, or the one that is under way goes on.
    fn granted(&mut self, now: Now, out: &mut Vec<Output>) {
        let Stage::Asking(wanted) = &mut self.stage else { return self.goes_on(now, out) };
        let scope = std::mem::replace(&mut wanted.scope, Scope::Everything);
        let (cause, first) = (wanted.told_cause(), std::mem::take(&mut wanted.first));
        let settings = Settings { cause, first, ..self.rules.settings.clone() };
        let machine = Machine::new(settings, self.history.clone());
        let working = Working::new(machine, wanted, now.mono);
        self.stage = Stage::Working(Box::new(working));
        self.drive(Event::Begin(scope), now, out);
    }

    /// A session for runs is logged in.
    fn connected(&mut self, at: Connected, now: Now, out: &mut Vec<Output>) {
        self.sessions.main = Some(SessionHeld { at, since: now.mono, watch: None, wide: false });
        // What a server cannot do at all is not asked of it.
        self.watching.lacks_idle |= !at.capabilities.push;
        self.connected_once = true;
        match self.stage.working() {
            Some(working) => {
                working.held = None;
                working.secret_changed = false;
                self.drive(Event::Connected(at), now, out);
            }
            None => self.sessions.release(SessionRole::Main, out),
        }
    }

    /// Gives an event to the machine, and carries out what concerns sessions.
    pub(super) fn drive(&mut self, event: Event, now: Now, out: &mut Vec<Output>) {
        let Some(event) = self.needs_slot(event, out) else { return };
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
            // A pass is stamped by the run's clock.
            self.mailbox.note_pass(&machine, working.began, machine.clock().now(now));
            self.rules.settings.clock = machine.clock();
            self.stage = Stage::Working(Box::new(Working { machine, ..working }));
            for action in actions {
                match action {
                    Action::Connect => match self.sessions.main {
                        Some(main) => events.push_back(Event::Connected(main.at)),
                        None => out.push(Output::Connect),
                    },
                    Action::Disconnect => self.sessions.release(SessionRole::Main, out),
                    Action::WishSecond => events.extend(self.wish_second(now, out)),
                    Action::LeaveSecond { watches, lost } => {
                        self.leave_second(watches, lost, now, out);
                    }
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
        match finished {
            Some(summary) => self.finished(*summary, now, out),
            None => self.lends_slot(out),
        }
    }

    fn on_tick(&mut self, now: Now, out: &mut Vec<Output>) {
        match &mut self.stage {
            Stage::Resting(rest)
                if now.mono >= rest.next && self.second.due.is_some_and(|due| now.mono >= due) =>
            {
                self.second.due = None;
                self.second.taken += 1;
                self.sessions.release_all(out);
                self.ask(Scope::Everything, Cause::Plan, out);
            }
            Stage::Resting(rest) if now.mono >= rest.next => {
                let named = rest.scope.take();
                self.ask_for_what_is_due(named, now, out);
            }
            Stage::Asking(_) => self.due_meanwhile(now, out),
            Stage::Working(_) => {
                let due = self.stage.working().map(|working| working.beside_at);
                if self.sessions.borrowed.is_some() {
                    self.look_meanwhile(now, out);
                } else if due.is_some_and(|due| now.mono >= due) && self.wants_beside() {
                    self.wish_beside(now, out);
                }
            }
            _ => {}
        }
    }

    pub(super) fn end(&mut self, out: &mut Vec<Output>) {
        self.stage = Stage::Ended;
        self.sessions.release_all(out);
        out.push(Output::Done);
    }

    /// A session that has lived long enough proves that the account is well.
    pub(super) fn survive(&mut self, now: Now) {
        if (matches!(self.stage, Stage::Resting(_)) || self.waits_for_history())
            && self
                .sessions
                .main
                .is_some_and(|held| now.mono.saturating_sub(held.since) >= SURVIVAL)
        {
            self.history.survived();
            self.history.panics = 0;
        }
    }

    /// Sets the timer for what comes next.
    pub(super) fn arm(&mut self, now: Now, out: &mut Vec<Output>) {
        let at = match &self.stage {
            Stage::Resting(rest) => Some(rest.next),
            Stage::Working(working) => match self.sessions.borrowed {
                Some(looked) => Some(looked + INBOX_LOOK_EVERY),
                None => self.wants_beside().then_some(working.beside_at),
            },
            Stage::Asking(_) => self.due_at(now),
            _ => None,
        };
        if let Some(at) = at.filter(|at| self.armed != Some(*at)) {
            self.armed = Some(at);
            out.push(Output::TickAfter(at.saturating_sub(now.mono)));
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
