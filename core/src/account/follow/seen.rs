//! What is seen of a follower: its state in words, its counters, its folders.

use super::Follower;
use super::vocabulary::Status;
use crate::account::follow::follower::{Held, Stage};
use crate::account::summary::{Counts, FolderLine};
use crate::failure::{Class, Failure};
use std::time::Duration;

impl Follower {
    /// Counters of the run that is under way.
    #[must_use]
    pub fn counts(&self) -> Option<Counts> {
        if let Stage::Working(machine) = &self.stage { Some(machine.counts()) } else { None }
    }

    /// When the live end was last proved: a run that looked at INBOX, or a sign of life from a watch.
    #[must_use]
    pub fn proved(&self) -> Option<Duration> {
        self.proved
    }

    /// The folders as the last run left them.
    #[must_use]
    pub fn folders(&self) -> &[FolderLine] {
        &self.folders
    }

    /// How new mail is noticed: `idle`, or `poll`.
    #[must_use]
    pub fn push(&self) -> &'static str {
        let watching = |held: &Option<Held>| held.is_some_and(|h| h.watch.is_some());
        if watching(&self.main) || watching(&self.beside) { "idle" } else { "poll" }
    }

    /// What the account is doing.
    #[must_use]
    pub fn status(&self) -> Status {
        let stands = self.stand_still() > 0;
        let told = |state, reason: String, next| Status { state, reason, class: None, stands, next };
        let failed = |state, failure: &Failure, next| Status {
            state,
            reason: failure.to_string(),
            class: Some(failure.class),
            stands,
            next,
        };
        match &self.stage {
            Stage::Paused => told("paused", "paused by an operator".into(), None),
            Stage::Parked(state, reason) => Status { class: self.parked_for, ..told(state, reason.clone(), None) },
            Stage::Ended => told("idle", "the server has stopped".into(), None),
            Stage::Resting { next, .. } => match &self.trouble {
                Some(failure) => failed(waiting(failure), failure, Some(*next)),
                None => told("idle", self.standing(), Some(*next)),
            },
            Stage::Working(machine) => match (machine.phase(), &self.held, &self.trouble) {
                ("connecting", Some((failure, next)), _) => failed("waiting", failure, Some(*next)),
                ("waiting" | "reopening", _, Some(failure)) => failed(waiting(failure), failure, self.wakes),
                // What was lost is not back before somebody has logged in.
                ("opening" | "connecting", _, Some(failure)) if self.main.is_none() => {
                    failed(waiting(failure), failure, None)
                }
                ("opening" | "reopening" | "connecting" | "waiting", ..) if !self.connected_once => {
                    told("starting", "logging in".into(), None)
                }
                ("connecting", ..) => told("running", "logging in".into(), None),
                _ => told("running", String::new(), None),
            },
        }
    }

    /// How many folders stand still, in words; empty when none does.
    fn standing(&self) -> String {
        match self.stand_still() {
            0 => String::new(),
            n => format!("{n} folder(s) stand still"),
        }
    }

    fn stand_still(&self) -> usize {
        self.folders.iter().filter(|f| !f.excluded && (f.standing || f.shut)).count()
    }
}

fn waiting(failure: &Failure) -> &'static str {
    match failure.class {
        Class::RateLimit | Class::Quota => "throttled",
        Class::Config => "failed",
        _ => "waiting",
    }
}
