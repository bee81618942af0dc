//! What is seen of a follower: its state in words, its counters, its folders.

use super::Follower;
use super::vocabulary::Status;
use crate::account::follow::stage::{After, Slot, Stage, Working};
use crate::budget::Wait;
use crate::failure::{Class, Failure};
use crate::run::summary::{Counts, FolderSummary};
use crate::standing::{Phase, Push, Standing};
use std::time::Duration;

impl Follower {
    /// Counters of the run that is under way.
    #[must_use]
    pub fn counts(&self) -> Option<Counts> {
        if let Stage::Working(working) = &self.stage {
            Some(working.machine.counts())
        } else {
            None
        }
    }

    /// When the live end was last proved: a run that looked at INBOX, or a sign of life from a
    /// watch.
    #[must_use]
    pub fn proved(&self) -> Option<Duration> {
        self.mailbox.proved
    }

    /// The folders as the last run left them.
    #[must_use]
    pub fn folders(&self) -> &[FolderSummary] {
        &self.mailbox.folders
    }

    /// How new mail is noticed.
    #[must_use]
    pub fn push(&self) -> Push {
        let watching = self.sessions.each().filter(|held| held.watch.is_some());
        match watching.map(|held| held.wide).max() {
            Some(true) => Push::Notify,
            Some(false) => Push::Idle,
            None => Push::Poll,
        }
    }

    /// What the account is doing.
    #[must_use]
    pub fn status(&self) -> Status {
        match &self.stage {
            Stage::New(_) => self.told(Standing::Starting, "", None),
            Stage::Paused => self.told(Standing::Paused, "paused by an operator", None),
            Stage::Parked(parked) => {
                Status { class: parked.class, ..self.told(parked.standing, &parked.reason, None) }
            }
            Stage::Ended => self.told(Standing::Idle, "the server has stopped", None),
            Stage::Resting(rest) => match (&self.trouble, &self.deferred) {
                (Some(failure), _) => self.failed(waiting(failure), failure, Some(rest.next)),
                (None, Some(wait)) => self.throttled(wait),
                (None, None) => self.told(Standing::Idle, &self.undone_in_words(), Some(rest.next)),
            },
            Stage::Asking(_) => match &self.trouble {
                Some(failure) => self.failed(waiting(failure), failure, None),
                None if !self.connected_once => {
                    self.told(Standing::Starting, "waits for its turn", None)
                }
                None => self.told(Standing::Running, "waits for its turn", None),
            },
            Stage::Working(working) => self.at_work(working),
        }
    }

    /// The same, while a run is under way.
    fn at_work(&self, working: &Working) -> Status {
        let (failed, told) = (
            |standing, failure, next| self.failed(standing, failure, next),
            |standing, reason: &str| self.told(standing, reason, None),
        );
        if matches!(working.slot, Slot::Asked(_)) && self.trouble.is_none() {
            return told(Standing::Running, "waits for its turn");
        }
        if let Some(wait) = working.machine.rests() {
            return self.throttled(wait);
        }
        match (working.machine.phase(), &working.held, &self.trouble) {
            (Phase::Working, Some((failure, next)), _) => {
                failed(waiting(failure), failure, Some(*next))
            }
            (Phase::Connecting, Some((failure, next)), _) => {
                failed(Standing::Waiting, failure, Some(*next))
            }
            (Phase::Waiting | Phase::Reopening, _, Some(failure)) => {
                failed(waiting(failure), failure, working.wakes)
            }
            // What was lost is not back before somebody has logged in.
            (Phase::Opening | Phase::Connecting, _, Some(failure))
                if self.sessions.main.is_none() =>
            {
                failed(waiting(failure), failure, None)
            }
            (Phase::Opening | Phase::Reopening | Phase::Connecting | Phase::Waiting, ..)
                if !self.connected_once =>
            {
                told(Standing::Starting, "logging in")
            }
            (Phase::Connecting, ..) => told(Standing::Running, "logging in"),
            _ => told(Standing::Running, ""),
        }
    }

    /// It has been stopped, or is about to be.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        match &self.stage {
            Stage::Ended => true,
            Stage::Working(working) => working.after == After::End,
            _ => false,
        }
    }

    /// A run is under way that waits for no session and no time: what it waits for now are answers.
    #[must_use]
    pub fn is_at_work(&self) -> bool {
        let Stage::Working(working) = &self.stage else { return false };
        working.held.is_none()
            && matches!(working.slot, Slot::Held)
            && !matches!(working.machine.phase(), Phase::Connecting | Phase::Waiting)
    }

    /// Nothing has gone wrong since a page moved a cursor, or a session lived long enough.
    #[must_use]
    pub fn has_survived(&self) -> bool {
        self.history().last.is_none()
    }

    /// For what it waits before the next try, and until when (monotonic); not that history waits for a budget, nor that
    /// its endpoint is away: who begins anew meets these again.
    #[must_use]
    pub fn waits(&self) -> Option<(&Failure, Duration)> {
        let failure = self.trouble.as_ref()?;
        match &self.stage {
            // Of a run that has failed; what INBOX alone lacks is on the schedule.
            Stage::Resting(rest) if self.history.failed_runs > 0 => Some((failure, rest.next)),
            Stage::Working(working)
                if working.held.is_none() && working.machine.phase() == Phase::Waiting =>
            {
                Some((failure, working.wakes?))
            }
            _ => None,
        }
    }

    fn told(&self, standing: Standing, reason: &str, next: Option<Duration>) -> Status {
        let stalled = self.mailbox.stalled_folders() > 0;
        Status { standing, reason: reason.into(), class: None, stalled, follows: false, next }
    }

    fn failed(&self, standing: Standing, failure: &Failure, next: Option<Duration>) -> Status {
        Status { class: Some(failure.class), ..self.told(standing, &failure.to_string(), next) }
    }

    fn throttled(&self, wait: &Wait) -> Status {
        let reason = format!("history waits: {}", wait.text);
        let told = self.told(Standing::Throttled, &reason, Some(wait.until));
        Status { class: Some(wait.class), follows: true, ..told }
    }
}

fn waiting(failure: &Failure) -> Standing {
    match failure.class {
        Class::RateLimit | Class::Quota => Standing::Throttled,
        Class::Config => Standing::Failed,
        _ => Standing::Waiting,
    }
}
