//! A wall clock that jumps (it was set, or the machine slept) is said. Waits follow the time that
//! passed, so nothing else happens.

use crate::telemetry::names;
use postrider_core::time::Now;

/// Less than this is a clock that is kept right.
const JUMP: i64 = 60_000_000;

/// The distance between the two clocks, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drift(i64);

impl Drift {
    /// From now on.
    pub(super) fn new(now: Now) -> Self {
        Self(distance(now))
    }

    /// Tells of a jump since the last look.
    pub(super) fn look(&mut self, now: Now) {
        let distance = distance(now);
        let jump = distance.saturating_sub(self.0);
        // What is smaller adds up until it is told.
        if jump.abs() < JUMP {
            return;
        }
        self.0 = distance;
        metrics::counter!(names::CLOCK_JUMPS).increment(1);
        let seconds = (jump + jump.signum() * 500_000) / 1_000_000;
        tracing::warn!(
            "the clock has jumped by {seconds:+} s (it was set, or this machine slept): waits follow the time that passed, \
             times on display are off by as much until they are next written"
        );
    }
}

fn distance(now: Now) -> i64 {
    now.wall.0.saturating_sub(i64::try_from(now.mono.as_micros()).unwrap_or(i64::MAX))
}
