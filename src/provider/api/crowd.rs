//! How many questions a mailbox takes at a time.
#![expect(clippy::disallowed_methods, reason = "a crowd is forgotten after a while")]

use postrider_core::failure::{Excess, Failure};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Messages that are asked for at a time.
const GETS_AT_ONCE: usize = 8;
/// After "too many concurrent requests".
const FEW: usize = 2;
/// For so long.
const CROWDED: Duration = Duration::from_secs(15 * 60);

/// How many questions a mailbox takes at a time.
#[derive(Debug, Default)]
pub(in crate::provider) struct Crowd(Mutex<Option<Instant>>);

impl Crowd {
    /// So many.
    pub(in crate::provider) fn most(&self) -> usize {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        since.take_if(|since| since.elapsed() > CROWDED);
        if since.is_some() { FEW } else { GETS_AT_ONCE }
    }

    /// A session has ended at this.
    pub(in crate::provider) fn hear(&self, failure: &Failure) {
        if failure.asks_for_less() && failure.excess == Excess::AtOnce {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
    }
}
