//! What is seen of a follower: its state in words, its counters, its folders.

use super::Follower;
use super::vocabulary::Status;
use crate::account::follow::stage::Stage;
use crate::budget::Wait;
use crate::failure::{Class, Failure};
use crate::run::summary::{Counts, FolderLine};
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
        self.proved
    }

    /// The folders as the last run left them.
    #[must_use]
    pub fn folders(&self) -> &[FolderLine] {
        &self.folders
    }

    /// How new mail is noticed.
    #[must_use]
    pub fn push(&self) -> Push {
        let watching = [self.main, self.beside].into_iter().flatten().filter(|h| h.watch.is_some());
        match watching.map(|held| held.wide).max() {
            Some(true) => Push::Notify,
            Some(false) => Push::Idle,
            None => Push::Poll,
        }
    }

    /// What the account is doing.
    #[must_use]
    pub fn status(&self) -> Status {
        let stalled = self.stalled_folders() > 0;
        let told = |standing, reason: String, next| Status {
            standing,
            reason,
            class: None,
            stalled,
            follows: false,
            next,
        };
        let failed = |standing, failure: &Failure, next| Status {
            standing,
            reason: failure.to_string(),
            class: Some(failure.class),
            stalled,
            follows: false,
            next,
        };
        let throttled = |wait: &Wait| Status {
            class: Some(wait.class),
            follows: true,
            ..told(Standing::Throttled, format!("history waits: {}", wait.text), Some(wait.until))
        };
        match &self.stage {
            Stage::New(_) => told(Standing::Starting, String::new(), None),
            Stage::Paused => told(Standing::Paused, "paused by an operator".into(), None),
            Stage::Parked(parked) => {
                Status { class: parked.class, ..told(parked.standing, parked.reason.clone(), None) }
            }
            Stage::Ended => told(Standing::Idle, "the server has stopped".into(), None),
            Stage::Resting(rest) => match (&self.trouble, &self.deferred) {
                (Some(failure), _) => failed(waiting(failure), failure, Some(rest.next)),
                (None, Some(wait)) => throttled(wait),
                (None, None) => told(Standing::Idle, self.undone_in_words(), Some(rest.next)),
            },
            Stage::Asking(_) => match &self.trouble {
                Some(failure) => failed(waiting(failure), failure, None),
                None if !self.connected_once => {
                    told(Standing::Starting, "waits for its turn".into(), None)
                }
                None => told(Standing::Running, "waits for its turn".into(), None),
            },
            Stage::Working(working) => {
                if let Some(wait) = working.machine.rests() {
                    return throttled(wait);
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
                        if self.main.is_none() =>
                    {
                        failed(waiting(failure), failure, None)
                    }
                    (
                        Phase::Opening | Phase::Reopening | Phase::Connecting | Phase::Waiting,
                        ..,
                    ) if !self.connected_once => {
                        told(Standing::Starting, "logging in".into(), None)
                    }
                    (Phase::Connecting, ..) => told(Standing::Running, "logging in".into(), None),
                    _ => told(Standing::Running, String::new(), None),
                }
            }
        }
    }
}

fn waiting(failure: &Failure) -> Standing {
    match failure.class {
        Class::RateLimit | Class::Quota => Standing::Throttled,
        Class::Config => Standing::Failed,
        _ => Standing::Waiting,
    }
}
