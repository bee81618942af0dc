//! Which way of showing a password a server has refused.

use crate::clock::Clock;
use secrecy::{ExposeSecret, SecretString};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// For so long what was refused is not tried again.
const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// What was seen of it, on all sessions of an account.
#[derive(Debug)]
pub(super) struct Mechanisms {
    clock: Clock,
    /// The password whose proof was refused, and when.
    refused: Mutex<Option<(SecretString, Duration)>>,
}

impl Default for Mechanisms {
    fn default() -> Self {
        Self { clock: Clock::start(), refused: Mutex::default() }
    }
}

impl Mechanisms {
    /// Whether the server is to be asked for a proof of this password (SCRAM): not where it has
    /// refused one, for a week.
    pub(super) fn may_prove(&self, password: &SecretString) -> bool {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.as_ref().is_none_or(|(of, at)| {
            of.expose_secret() != password.expose_secret()
                || self.clock.now().mono.saturating_sub(*at) >= WEEK
        })
    }

    /// It has refused one.
    pub(super) fn refused(&self, password: &SecretString) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        *refused = Some((password.clone(), self.clock.now().mono));
    }
}
