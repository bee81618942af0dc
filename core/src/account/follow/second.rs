//! The session beside a run, when it is the run's: how it comes by it, and who looks meanwhile what comes.

use crate::account::follow::follower::Follower;
use crate::account::follow::sessions::SessionHeld;
use crate::account::follow::stage::{BESIDE_AGAIN, INBOX_LOOK_EVERY};
use crate::account::follow::vocabulary::{Output, SessionRole};
use crate::failure::Failure;
use crate::provider::Connected;
use crate::run::event::{Action, Event, SecondNews};
use crate::run::scope::Depth;
use crate::time::Now;

impl Follower {
    /// The run wishes for a second session: the one that watches beside it is that, or one is asked for.
    pub(super) fn wish_second(&mut self, now: Now, out: &mut Vec<Output>) -> Option<Event> {
        let is_there = self.sessions.beside.is_some();
        let working = self.stage.working()?;
        if is_there {
            self.sessions.borrowed = Some(now.mono);
            return Some(Event::Second(SecondNews::Came));
        }
        // It costs a login each time.
        if self.sessions.left.is_some_and(|left| now.mono.saturating_sub(left) < BESIDE_AGAIN) {
            return Some(Event::Second(SecondNews::NoneSpared));
        }
        working.wants_second = true;
        if !std::mem::replace(&mut working.second_wished, true) {
            out.push(Output::Wish);
        }
        None
    }

    /// A session that was wished for is there, while a run works: it is the run's, or it watches.
    pub(super) fn use_beside(&mut self, at: Connected, now: Now, out: &mut Vec<Output>) {
        self.sessions.beside = Some(SessionHeld { at, since: now.mono, watch: None, wide: false });
        let is_runs = self.stage.working().is_some_and(|run| std::mem::take(&mut run.wants_second));
        if is_runs && self.sessions.main.is_some() {
            self.sessions.borrowed = Some(now.mono);
            self.drive(Event::Second(SecondNews::Came), now, out);
        } else {
            self.watch_beside(out);
        }
    }

    /// The run is done with its second session: it watches, if it is well. How it was lost is nobody's failure
    /// but its own.
    pub(super) fn leave_second(
        &mut self,
        watches: bool,
        lost: Option<Failure>,
        now: Now,
        out: &mut Vec<Output>,
    ) {
        out.extend(lost.map(|failure| Output::Run(self.run, Action::Report(failure))));
        if let Some(working) = self.stage.working() {
            working.beside_at = now.mono + BESIDE_AGAIN;
        }
        if self.sessions.borrowed.take().is_none() {
            return;
        }
        self.learn_lines();
        if watches && !self.rules.once && !self.watching.lacks_idle {
            self.watch_beside(out);
        } else {
            self.sessions.release(SessionRole::Beside, out);
        }
        if self.sessions.beside.is_none() {
            self.sessions.left = Some(now.mono);
        }
    }

    fn watch_beside(&mut self, out: &mut Vec<Output>) {
        if !self.watch_on(SessionRole::Beside, out) {
            self.sessions.release(SessionRole::Beside, out);
        }
    }

    /// A session is no longer there for its watch; one that the run has by now goes when it has brought what it
    /// was asked for.
    pub(super) fn give_up(&mut self, which: SessionRole, now: Now, out: &mut Vec<Output>) {
        if which == SessionRole::Beside && self.sessions.borrowed.is_some() {
            return self.on_recalled(now, out);
        }
        self.sessions.release(which, out);
    }

    /// Somebody else needs the session beside.
    pub(super) fn on_recalled(&mut self, now: Now, out: &mut Vec<Output>) {
        if self.sessions.borrowed.is_some() {
            self.drive(Event::Second(SecondNews::Recalled), now, out);
        }
    }

    /// While the run has it, INBOX is looked at.
    pub(super) fn look_meanwhile(&mut self, now: Now, out: &mut Vec<Output>) {
        self.learn_lines();
        if self
            .sessions
            .borrowed
            .is_none_or(|looked| now.mono.saturating_sub(looked) < INBOX_LOOK_EVERY)
        {
            return;
        }
        // Where there is no INBOX, nobody misses it.
        self.sessions.borrowed = Some(now.mono);
        if let Some(inbox) = self.mailbox.inbox_id() {
            self.drive(Event::Nudged(inbox, Depth::Quick), now, out);
        }
    }
}
