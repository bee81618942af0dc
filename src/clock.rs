//! The only place that reads a clock. Everything else is handed a [`Now`].

use crate::fault;
use postrider_core::time::{Micros, Now};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The process's clocks.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// A clock whose monotonic time begins now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// Both clocks at this moment.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall = Micros(
            i64::try_from(wall.as_micros()).unwrap_or(i64::MAX).saturating_add(fault::clock_skew()),
        );
        Now { wall, mono: self.started.elapsed() }
    }
}
