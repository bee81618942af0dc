//! The random scheduler: carries out the machine's actions late, in pieces, or not at all.

use crate::server::{EVER, Lie};
use crate::words::question;
use crate::world::{Queued, Session, Work, World};
use postrider_core::account::follow::SessionRole;
use postrider_core::account::machine::Machine;
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::haste::Haste;
use postrider_core::mail::id::FolderId;
use postrider_core::run::event::{Action, Event, SecondNews};
use postrider_core::run::first::FirstOf;
use postrider_core::run::scope::{Depth, Scope};
use postrider_core::run::settings::Settings;
use postrider_core::run::summary::Summary;
use postrider_core::standing::Outcome;
use postrider_core::time::{Micros, Now};
use std::collections::BTreeMap;
use std::time::Duration;

const MONTH: i64 = 30 * 86_400;

impl World {
    pub(crate) fn note(&mut self, text: impl FnOnce() -> String) {
        if self.trace {
            let line = format!("{:5} {}", self.now, text());
            self.log.push(line);
        }
    }

    // ------------------------------------------------------------------ machine and store

    pub(crate) fn instant(&self) -> Now {
        let since = u64::try_from(self.now).unwrap();
        // A follower's schedule is of minutes; a run's own waits are of no length here.
        let mono = if self.life.is_some() || self.slow {
            Duration::from_secs(since)
        } else {
            Duration::from_micros(since)
        };
        // No clock tells of a time before 1970.
        let wall = Micros::from_seconds((self.now + self.off).max(0));
        Now { wall, mono }
    }

    pub(crate) fn deliver(&mut self, event: Event) {
        let Some(event) = self.is_own(event) else { return };
        if self.life.is_some() {
            return self.follow_run(self.epoch, event);
        }
        let now = self.instant();
        let Some(machine) = self.machine.take() else { return };
        let (machine, actions) = machine.step(event, now);
        self.machine = Some(machine);
        for action in actions {
            self.note(|| format!("  action {action:?}"));
            self.act(action);
        }
    }

    pub(crate) fn act(&mut self, action: Action) {
        match action {
            Action::Open { anew } => {
                let anew = std::mem::take(&mut self.newborn) || anew;
                self.queue.push_back(Queued::Open(self.epoch, anew));
            }
            Action::Connect => self.connecting = true,
            Action::Disconnect => {
                self.session = None;
                self.connecting = false;
            }
            Action::AskSecond { token, request } => self.ask_second(token, request),
            Action::Ask { token, request } => {
                if let Some(asked) = &mut self.asked {
                    asked.push(question(&request));
                }
                let token = self.token(token);
                if self.life.is_some() {
                    self.unwatch(SessionRole::Main);
                }
                if let Some(session) = &mut self.session {
                    session.work.push_back(Work::Ask(token, request));
                    self.check_asked();
                } else {
                    let failure = Failure::new(
                        Class::Network,
                        Reach::Session,
                        Provenance::Local,
                        "the session is gone",
                    );
                    self.answers
                        .push_back((self.epoch, Event::Answered { token, answer: Err(failure) }));
                }
            }
            Action::Commit { token, commit } => {
                self.queue.push_back(Queued::Commit(self.epoch, token, commit))
            }
            Action::Read { token, query } => self.reads.push_back((self.epoch, token, query)),
            Action::Prove(proof) => self.queue.push_back(Queued::Proved(proof)),
            // A run without a follower has one session.
            Action::WishSecond => self.deliver(Event::Second(SecondNews::NoneSpared)),
            Action::LeaveSecond { .. } => {}
            Action::CountLimbo => self.counting = true,
            Action::Hurry => {
                for queued in &mut self.queue {
                    if let Queued::Commit(_, _, commit) = queued {
                        commit.haste = Haste::Now;
                    }
                }
            }
            Action::WakeAfter(wait) => {
                self.wakes_at = self.now + i64::try_from(wait.as_secs()).unwrap_or(EVER / 2) + 1;
                self.timer = true;
            }
            Action::Report(_) => {}
            Action::Finish(summary) => {
                self.run_ended(&summary);
                self.last_lines = summary.folders;
                self.machine = None;
                self.session = None;
                self.connecting = false;
                self.timer = false;
                self.counting = false;
            }
        }
    }

    /// Everything, or a few folders as the schedule and hints have them.
    fn scope(&mut self) -> Scope {
        if !self.faults || self.dice.chance(50) {
            return match self.dice.roll(10) {
                0 => Scope::Insist,
                1 => Scope::Doubt,
                _ => Scope::Everything,
            };
        }
        let list = self.dice.chance(50);
        let mut folders = BTreeMap::new();
        for id in self.truth.keys().copied().collect::<Vec<_>>() {
            if self.dice.chance(60) {
                folders.insert(id, self.depth());
            }
        }
        Scope::Some { list, folders }
    }

    fn depth(&mut self) -> Depth {
        *self.dice.pick(&[Depth::Quick, Depth::Quick, Depth::Told, Depth::Full])
    }

    pub(crate) fn start_run(&mut self) {
        let scope = self.scope();
        self.begin(scope);
    }

    /// Some of the past that somebody may ask for.
    pub(crate) fn some_first(&mut self) -> FirstOf {
        let date = |world: &mut Self| {
            world.dice.chance(40).then(|| i64::try_from(world.dice.roll(3000) * 1_000_000).unwrap())
        };
        let (since, until) = (date(self), date(self));
        let limit = self.dice.chance(40).then(|| self.dice.roll(5));
        let names: Vec<String> = self.server.folders.keys().cloned().collect();
        let folders = if names.is_empty() || self.dice.chance(60) {
            Vec::new()
        } else {
            vec![self.dice.pick(&names).clone()]
        };
        FirstOf { folders, since, until, limit }
    }

    pub(crate) fn begin(&mut self, scope: Scope) {
        self.epoch += 1;
        self.session = None;
        self.connecting = false;
        self.timer = false;
        self.counting = false;
        // Somebody has asked for some of the past.
        let is_asked = self.faults && self.life.is_none() && self.dice.chance(10);
        let first = is_asked.then(|| self.some_first()).into_iter().collect();
        let settings = Settings { first, ..self.settings.clone() };
        self.machine = Some(Machine::new(settings, self.history.clone()));
        self.note(|| format!("== run {scope:?}"));
        self.deliver(Event::Begin(scope));
    }

    pub(crate) fn answer_step(&mut self) {
        match self.answers.pop_front() {
            Some((epoch, event)) if self.life.is_some() => self.follow_run(epoch, event),
            Some((epoch, event)) if epoch == self.epoch => self.deliver(event),
            _ => {}
        }
    }

    pub(crate) fn other_step(&mut self) {
        if self.connecting && self.dice.chance(60) {
            self.connecting = false;
            if self.faults && self.cfg.drops && self.dice.chance(10) {
                let failure = Failure::new(
                    Class::Network,
                    Reach::Endpoint,
                    Provenance::Local,
                    "scripted: refused",
                );
                self.deliver(Event::ConnectFailed(failure));
            } else {
                self.new_session();
            }
        }
        if !self.reads.is_empty() && self.dice.chance(60) {
            self.read_one();
        }
        if self.counting && self.dice.chance(60) {
            self.count_limbo();
        }
        if self.timer && self.dice.chance(60) {
            self.wake();
        }
    }

    pub(crate) fn count_limbo(&mut self) {
        self.counting = false;
        self.deliver(Event::LimboCounted(Ok(self.store.limbo())));
    }

    pub(crate) fn wake(&mut self) {
        self.timer = false;
        self.deliver(Event::Woke);
    }

    pub(crate) fn read_one(&mut self) {
        let Some((epoch, token, query)) = self.reads.pop_front() else { return };
        let event = Event::Read { token, rows: Ok(self.store.read(&query, self.cfg.alike)) };
        if epoch == self.epoch || self.life.is_some() {
            self.answers.push_back((epoch, event));
        }
    }

    /// No question to the store's readers, no timer of a run, no login is on its way.
    pub(crate) fn is_answered(&self) -> bool {
        self.reads.is_empty() && !self.counting && !self.timer && !self.connecting
    }

    /// A mark that may wait for company is none that the run waits for: something else is under way.
    pub(crate) fn check_haste(&self) -> Result<(), String> {
        let rests = |session: &Session| session.work.is_empty() && session.read.is_empty();
        let may_wait =
            |queued: &Queued| matches!(queued, Queued::Commit(_, _, c) if c.haste == Haste::Soon);
        let stands = self.machine.is_some()
            && self.session.as_ref().is_some_and(rests)
            && self.answers.is_empty()
            && self.is_answered()
            && !self.queue.is_empty()
            && self.queue.iter().all(may_wait);
        if stands {
            Err("INV-9: a run stands still for marks that may wait".into())
        } else {
            Ok(())
        }
    }

    /// The process begins again, or the account's actor alone.
    pub(crate) fn restart(&mut self, process: bool) {
        self.newborn = true;
        if self.life.is_some() { self.life_after(process) } else { self.start_run() }
    }

    pub(crate) fn server_step(&mut self) {
        let mut operations = vec!["append", "append", "append", "expunge", "flag", "flag"];
        if self.cfg.moves {
            operations.extend(["move", "move"]);
        }
        if self.cfg.moves && self.cfg.dups {
            operations.push("copy");
        }
        if self.cfg.rewrites {
            operations.extend(["rewrite", "rewrite"]);
        }
        if self.cfg.folder_ops {
            operations.extend(["create", "delete", "rename"]);
        }
        let kind = *self.dice.pick(&operations);
        self.operate(kind);
        // Each change counts, also one that is taken back before anybody looks.
        let tells = self.cfg.changes == Some(true);
        self.server.folders.values_mut().for_each(|folder| folder.count_changes(tells));
        if self.dice.chance(8) {
            self.operate("odd");
        }
        if self.cfg.anew && self.dice.chance(6) {
            self.begin_anew();
        }
        if self.cfg.restores && self.dice.chance(8) {
            self.restore();
        }
        if self.cfg.jumps && self.dice.chance(10) {
            let near = i64::try_from(self.dice.roll(8000)).unwrap() - 4000;
            let off = if self.cfg.far { *self.dice.pick(&[near, MONTH, -MONTH]) } else { near };
            self.off = off;
            self.note(|| format!("-- the wall clock is off by {off} s"));
        }
    }

    fn step(&mut self) -> Result<(), String> {
        self.now += 1;
        self.dice.turn();
        let (server, session) = if self.cfg.race { (10, 45) } else { (6, 60) };
        match self.dice.roll(100) {
            n if n < server => self.server_step(),
            n if n < server + 2 && self.cfg.crashes => self.crash(),
            n if n < server + 3 && self.cfg.crashes && self.dice.chance(10) => {
                self.note(|| "== stop".into());
                self.deliver(Event::Stop);
            }
            n if n < server + 6 => {
                if self.machine.is_none() {
                    self.start_run();
                } else {
                    let ids: Vec<FolderId> = self.truth.keys().copied().collect();
                    if !ids.is_empty() {
                        let id = *self.dice.pick(&ids);
                        let depth = self.depth();
                        self.deliver(Event::Nudged(id, depth));
                    }
                }
            }
            n if n < session => self.session_step(),
            n if n < session + 12 => self.store_step()?,
            n if n < session + 27 => self.answer_step(),
            _ => self.other_step(),
        }
        self.check_step()
    }

    /// Runs to the end of a run, without faults and without changes.
    pub(crate) fn clean_run(&mut self) -> Result<(), String> {
        if self.machine.is_none() {
            self.start_run();
        }
        let mut steps = 0;
        while self.machine.is_some() {
            self.now += 1;
            self.dice.turn();
            steps += 1;
            if steps > 20_000 {
                let phase = self.machine.as_ref().map(Machine::phase);
                let state = if self.trace { format!("{:?}", self.machine) } else { String::new() };
                return Err(format!("INV-9: a run does not end; phase {phase:?} {state}"));
            }
            match self.dice.roll(4) {
                0 => self.session_step(),
                1 => self.store_step()?,
                2 => self.answer_step(),
                _ => self.other_step(),
            }
            self.check_haste()?;
        }
        while !self.queue.is_empty() {
            self.store_step()?;
        }
        self.answers.clear();
        self.reads.clear();
        self.check_said()
    }

    /// A run has ended.
    pub(crate) fn run_ended(&mut self, summary: &Summary) {
        self.last_outcome = Some(summary.outcome);
        self.last_when = summary.failure.as_ref().map(|failure| failure.when);
        if summary.outcome == Outcome::Success {
            self.left_unread = self.left_unread.max(summary.counts.remaining);
        }
    }

    /// What it says is so.
    pub(crate) fn check_said(&self) -> Result<(), String> {
        match self.left_unread {
            0 => Ok(()),
            n => Err(format!("INV-9: a run says that it has all, and has left {n} unread")),
        }
    }

    /// Runs the world; returns the clean rounds it needed.
    pub(crate) fn run(&mut self) -> Result<usize, String> {
        if self.dice.chance(70) {
            let faults = std::mem::replace(&mut self.faults, false);
            self.clean_run()?;
            self.faults = faults;
        }
        for _ in 0..self.steps {
            self.step()?;
        }
        self.stop_faults();
        if self.machine.is_some() {
            self.session = self.session.take().map(|s| Session { lie: Lie::None, ..s });
            self.clean_run()?;
        }
        for rounds in 0..12 {
            if self.difference().is_none() && self.is_quiet() {
                self.check_idle()?;
                self.check_end()?;
                return Ok(rounds);
            }
            self.check_flags(rounds)?;
            // What was shut, and what limbo waits for, has its own time.
            self.now += if rounds < 2 { 10 } else { 90_000 };
            self.clean_run()?;
        }
        let open: Vec<_> =
            self.store.folders.values().map(|f| (&f.path, &f.lanes, &f.look, f.excluded)).collect();
        let limbo = self.store.limbo();
        Err(format!(
            "INV-4: no convergence in 12 clean rounds: {:?}; limbo {limbo}, open {open:?}",
            self.difference()
        ))
    }

    /// From now on the server misbehaves only as it always does.
    pub(crate) fn stop_faults(&mut self) {
        self.faults = false;
        (self.off, self.server.refuses) = (0, 0);
        for folder in self.server.folders.values_mut() {
            folder.ahead = None;
            for until in [&mut folder.shut, &mut folder.cut] {
                *until = if *until == EVER { EVER } else { 0 };
            }
        }
        self.note(|| "== faults stop".into());
    }

    fn check_idle(&mut self) -> Result<(), String> {
        // A mail that is tried again on one page with one at which sessions end is read when that
        // one is known: in the third of such runs.
        for _ in 0..3 {
            self.now += 90_000;
            self.clean_run()?;
        }
        let before = (self.store.events.len(), self.fetched);
        self.clean_run()?;
        let after = (self.store.events.len(), self.fetched);
        if before == after {
            Ok(())
        } else {
            Err(format!("INV-8: not idle after convergence: {before:?} -> {after:?}"))
        }
    }
}
