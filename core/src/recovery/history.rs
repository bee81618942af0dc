//! What an account went through. It outlives the actor: the roster keeps it and hands it to the
//! next incarnation.

use crate::failure::{Class, Failure};
use crate::time::{AHEAD, Micros};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Only proven survival resets backoff: this long connected, or a page that moved a cursor. Never a
/// mere login.
pub const SURVIVAL: Duration = Duration::from_secs(300);

/// The failures of one account in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// Failed tries since the last proof of survival.
    pub tries: u32,
    /// Panics at the same place in a row.
    pub panics: u32,
    /// Where the last panic was.
    pub panic_place: Option<String>,
    /// Class of the last failure.
    pub last: Option<Class>,
    /// Whether the account has ever logged in.
    pub has_logged_in: bool,
    /// Logins that were refused in a row, and when the first of them was.
    pub refusals: u32,
    /// See [`History::refusals`].
    pub first_refusal: Option<Micros>,
    /// What was refused: of a password and of a client each is believed for itself.
    pub refused_as: Option<Class>,
    /// Runs that failed in a row.
    pub failed_runs: u32,
}

impl History {
    /// Notes a failure; the same place counts up, another begins anew.
    pub fn failed(&mut self, failure: &Failure, at: Micros) {
        if failure.is_refusal() {
            if self.refused_as.replace(failure.class).is_some_and(|class| class != failure.class) {
                (self.refusals, self.first_refusal) = (0, None);
            }
            self.refusals = self.refusals.saturating_add(1);
            // One of the future was told by a clock that was ahead.
            let first = self.first_refusal.filter(|first| *first <= at.plus(AHEAD));
            self.first_refusal = Some(first.unwrap_or(at));
        }
        self.tries = self.tries.saturating_add(1);
        self.last = Some(failure.class);
        if failure.class == Class::Bug {
            let same = self.panic_place.as_deref() == Some(failure.text.as_str());
            self.panics = if same { self.panics.saturating_add(1) } else { 1 };
            self.panic_place = Some(failure.text.to_string());
        }
    }

    /// A login was accepted. This is no survival: a server that accepts and drops is backed off
    /// from all the same.
    pub fn logged_in(&mut self) {
        self.has_logged_in = true;
        (self.refusals, self.first_refusal, self.refused_as) = (0, None, None);
    }

    /// A page moved a cursor, or the session lived for [`SURVIVAL`].
    pub fn survived(&mut self) {
        self.tries = 0;
        self.last = None;
    }
}
