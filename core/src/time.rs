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

/// A wall clock that goes as time passes, whatever is done to the real one in between. It is set where a run reads its
/// rows, and outlives runs, but no process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Steady {
    set: Option<Now>,
    since: Option<Micros>,
}

impl Steady {
    /// One that believes what an earlier process has written.
    #[must_use]
    pub fn trusting() -> Self {
        Self { set: None, since: Some(Micros(i64::MIN)) }
    }

    /// Set now.
    #[must_use]
    pub fn set(self, now: Now) -> Self {
        let goes_on = match self.set {
            None => self.since.is_some(),
            Some(_) => {
                let expected = self.now(now).wall;
                now.wall <= expected.plus(AHEAD) && now.wall.plus(AHEAD) >= expected
            }
        };
        Self { set: Some(now), since: self.since.filter(|_| goes_on).or(Some(now.wall)) }
    }

    /// This moment by it.
    #[must_use]
    pub fn now(&self, now: Now) -> Now {
        let wall = |set: Now| set.wall.plus(now.mono.saturating_sub(set.mono));
        Now { wall: self.set.map_or(now.wall, wall), ..now }
    }

    /// Since when it has gone on without a leap. How long before that something was is not known: it counts as if it
    /// had been then.
    #[must_use]
    pub fn since(&self) -> Micros {
        self.since.unwrap_or(Micros(i64::MIN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(wall: i64, mono: u64) -> Now {
        Now { wall: Micros::from_seconds(wall), mono: Duration::from_secs(mono) }
    }

    fn seconds(at: i64) -> Micros {
        Micros::from_seconds(at)
    }

    #[test]
    fn a_steady_clock_goes_as_time_passes() {
        assert_eq!(Steady::default().now(at(7, 5)), at(7, 5));
        let steady = Steady::default().set(at(1000, 50));
        for wall in [0, 1000, 1_000_000] {
            assert_eq!(steady.now(at(wall, 60)), at(1010, 60));
        }
    }

    #[test]
    fn it_tells_since_when_it_has_not_leapt() {
        let steady = Steady::default().set(at(1000, 50));
        assert_eq!(steady.since(), seconds(1000), "a process begins");
        let since = |wall| steady.set(at(wall, 60)).since();
        for wall in [710, 1010, 1310] {
            assert_eq!(since(wall), seconds(1000), "{wall}");
        }
        for wall in [0, 709, 1311, 1_000_000] {
            assert_eq!(since(wall), seconds(wall));
        }
        let leapt = steady.set(at(5000, 60));
        assert_eq!(leapt.set(at(5100, 160)).since(), seconds(5000));
    }

    #[test]
    fn who_runs_once_believes_what_was_written() {
        let once = Steady::trusting().set(at(1000, 0));
        assert!(once.since() < seconds(0));
        assert!(once.set(at(1010, 10)).since() < seconds(0), "its rows were read anew");
        assert_eq!(once.set(at(5000, 10)).since(), seconds(5000));
    }
}
