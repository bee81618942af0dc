//! Instants as plain numbers. Nothing here reads a clock: the shells pass a [`Now`] in.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// An instant of what was that lies further ahead of now is not believed: clocks that are set by the network
/// differ by less.
pub const AHEAD: Duration = Duration::from_secs(300);

/// A wall-clock instant: microseconds since 1970-01-01 UTC. This is what is persisted.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Micros(pub i64);

impl Micros {
    /// The instant `after` later, saturating.
    #[must_use]
    pub fn plus(self, after: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(after.as_micros()).unwrap_or(i64::MAX)))
    }

    /// The instant `before` earlier, saturating.
    #[must_use]
    pub fn less(self, before: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(before.as_micros()).unwrap_or(i64::MAX)))
    }

    /// How long after `before` it is; nothing if it is not.
    #[must_use]
    pub fn since(self, before: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(before.0)).unwrap_or(0))
    }

    /// The beginning of its second.
    #[must_use]
    pub fn second(self) -> Self {
        Self(self.0 - self.0.rem_euclid(1_000_000))
    }

    /// The instant of a Unix time in whole seconds, saturating.
    #[must_use]
    pub fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }
}

/// The two clocks at one moment. Waits inside a process use `mono`, what is stored uses `wall`;
/// so a wall-clock jump never fires all timers at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Wall clock.
    pub wall: Micros,
    /// Monotonic time since the process started.
    pub mono: Duration,
}
