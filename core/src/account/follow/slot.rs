//! What a follower wants of the slots: one while its run works, none while that waits for a session or for a time.

use super::Follower;
use super::stage::{Cause, Held, NextLook, NextRun, Slot, Stage, Working};
use super::vocabulary::{Output, SlotWish};
use crate::account::schedule::Mode;
use crate::budget::Wait;
use crate::failure::Class;
use crate::job::slots::Level;
use crate::provider::Family;
use crate::run::event::Event;
use crate::run::scope::{Depth, Scope};
use crate::standing::Phase;
use crate::time::Now;
use std::time::Duration;

/// Where history is read on a session of its own each time, that is done so often.
const LOGIN_EVERY: Duration = Duration::from_secs(60);

impl Follower {
    /// What it wants of the slots now.
    #[must_use]
    pub fn slot(&self) -> SlotWish {
        match &self.stage {
            Stage::Asking(wanted) => SlotWish::Wanted(wanted.level),
            Stage::Working(working) => match working.slot {
                Slot::Held => SlotWish::Held(working.level),
                Slot::Free => SlotWish::None,
                Slot::Asked(_) => SlotWish::Wanted(working.level),
            },
            Stage::New(_) | Stage::Resting(_) | Stage::Parked(_) | Stage::Paused | Stage::Ended => {
                SlotWish::None
            }
        }
    }

    /// Runs that have failed since the last one that did not.
    #[must_use]
    pub fn failed_runs(&self) -> u32 {
        self.history.failed_runs
    }

    /// Whether nothing is known of its mailbox yet: its run is the first.
    #[must_use]
    pub fn is_first(&self) -> bool {
        !self.rules.once && self.mailbox.folders.is_empty()
    }

    /// Whether its run reads nothing but mail of the past.
    #[must_use]
    pub fn reads_past(&self) -> bool {
        // Who runs once ends with its run: it is to have read all of it.
        let can_ask_again = !self.rules.once;
        can_ask_again
            && matches!(&self.stage, Stage::Working(working) if working.machine.reads_past())
    }

    /// Whether its run leaves mail of the past to another one.
    #[must_use]
    pub fn is_put_off(&self) -> bool {
        matches!(&self.stage, Stage::Working(working) if working.machine.is_put_off())
    }

    /// A run is wanted: it asks for a slot. What it watches goes on meanwhile.
    pub(super) fn ask(&mut self, scope: Scope, cause: Cause, out: &mut Vec<Output>) {
        self.ask_at(self.level(cause), scope, cause, out);
    }

    /// The same, this soon.
    pub(super) fn ask_at(
        &mut self,
        level: Level,
        scope: Scope,
        cause: Cause,
        out: &mut Vec<Output>,
    ) {
        self.run += 1;
        self.look_again(&scope, out);
        self.stage = Stage::Asking(NextRun::new(scope, cause, level));
        out.push(Output::AskSlot(self.run));
    }

    /// The same, for this.
    pub(super) fn ask_for(&mut self, look: NextLook, out: &mut Vec<Output>) {
        self.ask_at(look.level, look.scope, Cause::Plan, out);
        if let Stage::Asking(wanted) = &mut self.stage {
            (wanted.by_job, wanted.by_operator) = (look.by_job, look.by_operator);
            wanted.first = look.first;
        }
    }

    /// Somebody waits for some of the past: the run under way leaves what it has not asked for to another one.
    pub(super) fn makes_room(&mut self, now: Now, out: &mut Vec<Output>) {
        let waits = |working: &Working| {
            let next = working.again.next.as_ref();
            next.is_some_and(|next| !next.first.is_empty())
                && working.machine.phase() == Phase::Working
                && !working.machine.is_put_off()
        };
        if matches!(&self.stage, Stage::Working(working) if waits(working)) {
            self.drive(Event::PutOff, now, out);
        }
    }

    /// How soon a run is to begin that this has begun.
    pub(super) fn level(&self, cause: Cause) -> Level {
        match cause {
            Cause::Hint | Cause::Stale | Cause::Push => Level::Hint,
            Cause::Plan if self.history.failed_runs > 0 => Level::Late,
            Cause::Plan if self.rules.mode == Mode::Conservative => Level::Late,
            Cause::Plan => Level::Schedule,
        }
    }

    /// What the run would go on with needs a slot: it waits for that where it has none. Returns what is carried
    /// out now.
    pub(super) fn needs_slot(&mut self, event: Event, out: &mut Vec<Output>) -> Option<Event> {
        let has_session = self.sessions.main.is_some();
        let run = self.run;
        let Stage::Working(working) = &mut self.stage else { return Some(event) };
        let rests = working.machine.rests().is_some();
        match (&event, &working.slot) {
            (_, Slot::Held) => return Some(event),
            (Event::Connected(_), _) => {}
            // Without a session it asks for one first.
            (Event::Woke, _) if has_session && working.machine.phase() != Phase::Connecting => {}
            (Event::Nudged(..), _) if rests => {}
            _ => return Some(event),
        }
        if matches!(working.slot, Slot::Free) {
            working.slot = Slot::Asked(Held::default());
            out.push(Output::AskSlot(run));
        }
        let Slot::Asked(held) = &mut working.slot else { return Some(event) };
        match event {
            Event::Connected(_) => held.connected = true,
            Event::Nudged(folder, depth) => {
                let wanted = held.nudged.entry(folder).or_insert(depth);
                *wanted = (*wanted).max(depth);
            }
            _ => held.woke = true,
        }
        None
    }

    /// It has its slot: the run goes on.
    pub(super) fn goes_on(&mut self, now: Now, out: &mut Vec<Output>) {
        let Some(working) = self.stage.working() else { return };
        let Slot::Asked(held) = &mut working.slot else { return };
        let held = std::mem::take(held);
        working.slot = Slot::Held;
        let nudged = held.nudged.into_iter().map(|(folder, depth)| Event::Nudged(folder, depth));
        // That it came with may be gone.
        let main = self.sessions.main.filter(|_| held.connected);
        let connected = main.map(|main| Event::Connected(main.at));
        for event in connected.into_iter().chain(held.woke.then_some(Event::Woke)).chain(nudged) {
            self.drive(event, now, out);
        }
        self.lends_slot(out);
    }

    /// Its time has come: for what was named, for what the schedule says, or for history that waited for a budget.
    pub(super) fn ask_for_what_is_due(
        &mut self,
        named: Option<Scope>,
        now: Now,
        out: &mut Vec<Output>,
    ) {
        let is_over = self.deferred.as_ref().map(|wait| wait.until <= now.mono);
        let is_due = self.schedule.next(now.mono) <= now.mono;
        let is_history = named.is_none() && is_over == Some(true) && !is_due;
        let scope = named.unwrap_or_else(|| match is_over {
            Some(is_over) => self.schedule.scope_of_budget(now.mono, is_over),
            None => self.schedule.scope(now.mono),
        });
        let level = if is_history { Level::History } else { self.level(Cause::Plan) };
        self.ask_at(level, scope, Cause::Plan, out);
    }

    /// Mail of the past that was put off by a run that began then costs a login each time, where no session is kept:
    /// it waits for a while.
    pub(super) fn spaces_logins(&mut self, began: Duration, now: Now) {
        let has_session = self.sessions.each().next().is_some();
        let watches = !self.watching.lacks_idle && self.mailbox.watchable().is_some();
        // Whose sessions are requests of their own logs in nowhere.
        let logs_in = self.rules.settings.family == Family::Folders;
        let soonest = began + LOGIN_EVERY;
        if !logs_in || (has_session && watches) || soonest <= now.mono {
            return;
        }
        let text = "others work first";
        let own = || Wait { until: soonest, class: Class::RateLimit, text: text.to_owned() };
        let wait = self.deferred.get_or_insert_with(own);
        wait.until = wait.until.max(soonest);
    }

    /// A run is wanted for history alone, and waits: it is between runs that are due.
    pub(super) fn waits_for_history(&self) -> bool {
        matches!(&self.stage, Stage::Asking(wanted) if wanted.waits_for_past())
    }

    /// Such a run is for what is due by now, too.
    pub(super) fn due_meanwhile(&mut self, now: Now, out: &mut Vec<Output>) {
        if self.due_at(now).is_none_or(|due| now.mono < due) {
            return;
        }
        let is_second = self.second.due.is_some_and(|due| now.mono >= due);
        if is_second {
            self.second.due = None;
            self.second.taken += 1;
            self.sessions.release_all(out);
        }
        let due = match self.schedule.next(now.mono) {
            _ if is_second => Scope::Everything,
            next if next <= now.mono => self.schedule.scope(now.mono),
            _ => {
                // INBOX, whose watch has ended.
                let inbox = self.mailbox.inbox_id().map(|id| (id, Depth::Quick));
                Scope::Some { list: false, folders: inbox.into_iter().collect() }
            }
        };
        let level = self.level(Cause::Plan);
        if let Stage::Asking(wanted) = &mut self.stage {
            *wanted.instead(level) = due;
        }
    }

    /// When that is.
    pub(super) fn due_at(&self, now: Now) -> Option<Duration> {
        let Stage::Asking(wanted) = &self.stage else { return None };
        let next = self.schedule.next(now.mono);
        let others = [self.second.due, wanted.inbox_at];
        let next = others.into_iter().flatten().fold(next, Duration::min);
        self.waits_for_history().then_some(next)
    }

    /// A run that waits for a session, or for a time, lets others work. One that goes on all the same asks.
    pub(super) fn lends_slot(&mut self, out: &mut Vec<Output>) {
        let run = self.run;
        let Some(working) = self.stage.working() else { return };
        let phase = working.machine.phase();
        let has_failed = matches!(phase, Phase::Waiting | Phase::Reopening);
        let rests = working.machine.rests().is_some();
        let waits = has_failed || rests || phase == Phase::Connecting;
        // Who has failed is no longer first. In the middle of a run nobody watches INBOX: it does not wait as
        // history does.
        let is_late = has_failed || rests || working.level > Level::Late;
        if waits && is_late && working.level != Level::Operator {
            working.level = Level::Late;
        }
        match working.slot {
            Slot::Held if waits => working.slot = Slot::Free,
            Slot::Free if phase == Phase::Working && !rests => {
                working.slot = Slot::Asked(Held::default());
                out.push(Output::AskSlot(run));
            }
            Slot::Held | Slot::Free | Slot::Asked(_) => {}
        }
    }

    /// A watch, a look or a push has told a run that is under way of something: it does not wait as long.
    pub(super) fn hinted(&mut self, level: Level) {
        if let Some(working) = self.stage.working()
            && !matches!(working.slot, Slot::Held)
        {
            working.level = working.level.min(level);
        }
    }
}
