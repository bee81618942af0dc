//! Waits of a session for something of our own: room in memory, units of a budget. Who looks whether it is stuck does
//! not count them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many there are now. Clones share the number.
#[derive(Clone, Debug, Default)]
pub struct Waits(Arc<AtomicU64>);

/// A wait, as long as this is held.
#[derive(Debug)]
pub struct Wait(Waits);

impl Waits {
    /// One begins.
    #[must_use]
    pub fn begin(&self) -> Wait {
        self.0.fetch_add(1, Ordering::Relaxed);
        Wait(self.clone())
    }

    /// Whether there is one.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
