//! Which way of showing a password a server has refused.

use crate::clock::Clock;
use postrider_core::time::Micros;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// For so long what was refused is not tried again.
const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// What was seen of it, on all sessions of an account.
#[derive(Debug)]
pub(in crate::provider::imap) struct Mechanisms {
    clock: Clock,
    /// The mark of the password whose proof was refused, and when.
    refused: Mutex<Option<(String, Micros)>>,
}

impl Default for Mechanisms {
    fn default() -> Self {
        Self { clock: Clock::start(), refused: Mutex::default() }
    }
}

impl Mechanisms {
    /// Whether the server is to be asked for a proof of the password of this mark (SCRAM): not where it has
    /// refused one, for a week.
    pub(in crate::provider::imap) fn may_prove(&self, mark: &str) -> bool {
        self.refused_at(mark).is_none_or(|at| self.clock.now().wall.since(at) >= WEEK)
    }

    /// When it has refused one.
    pub(in crate::provider::imap) fn refused_at(&self, mark: &str) -> Option<Micros> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.as_ref().filter(|(of, _)| of == mark).map(|(_, at)| *at)
    }

    /// It has refused one, now or at an instant that somebody remembers.
    pub(in crate::provider::imap) fn refused(&self, mark: &str, at: Option<Micros>) {
        let now = self.clock.now().wall;
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was ahead has told it: from here on it is a week.
        *refused = Some((mark.to_owned(), at.unwrap_or(now).min(now)));
    }
}
