//! A token bucket in exact numbers.

use std::time::Duration;

/// A refusal halves the rate at most so often.
const FLOOR: u64 = 1000 / 16;
/// After a refusal the rate stays as it is for so long, then regains [`STEP`] in each such time.
const REGAIN: Duration = Duration::from_secs(60);
/// In thousandths of the whole rate.
const STEP: u64 = 100;
const WHOLE: u64 = 1000;

/// So many units in a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Units.
    pub units: u64,
    /// In any window of this length.
    pub per: Duration,
}

/// Lets through no more than its limit in any window of its length: what it holds when full (a
/// sixth) and what comes in a window (five sixths) are the limit together.
///
/// Levels are counted in units × nanoseconds of the window, so that nothing is lost to rounding.
#[derive(Clone, Debug)]
pub struct Bucket {
    limit: RateLimit,
    /// Held when full.
    burst: u64,
    /// Coming in a window.
    refill: u64,
    level: i128,
    at: Duration,
    /// Thousandths of the rate that are in use, and when a server last asked for less.
    pressure: (u64, Duration),
}

impl Bucket {
    /// A full bucket. It holds at least `largest`, the dearest question that there is; a limit that
    /// is no larger than that is passed by one unit.
    #[must_use]
    pub fn new(limit: RateLimit, largest: u64) -> Self {
        let burst = (limit.units / 6).max(largest).max(1).min(limit.units.max(1));
        Self::of(limit, burst, limit.units.saturating_sub(burst).max(1))
    }

    /// One that lets units through one by one, evenly spaced.
    #[must_use]
    pub fn spaced(limit: RateLimit) -> Self {
        Self::of(limit, 1, limit.units.max(1))
    }

    fn of(limit: RateLimit, burst: u64, refill: u64) -> Self {
        let limit = RateLimit { per: limit.per.max(Duration::from_nanos(1)), ..limit };
        let mut bucket = Self {
            limit,
            burst,
            refill,
            level: 0,
            at: Duration::ZERO,
            pressure: (WHOLE, Duration::ZERO),
        };
        bucket.level = bucket.full();
        bucket
    }

    fn scale(&self) -> i128 {
        i128::try_from(self.limit.per.as_nanos()).unwrap_or(i128::MAX)
    }

    fn full(&self) -> i128 {
        i128::from(self.burst) * self.scale()
    }

    /// How much of the rate is in use, in thousandths: less after a server has asked for less.
    #[must_use]
    pub fn share(&self, mono: Duration) -> u64 {
        let (share, since) = self.pressure;
        let regained = mono.saturating_sub(since).as_nanos() / REGAIN.as_nanos();
        // The first step is earned by the time of quiet itself.
        let steps = u64::try_from(regained).unwrap_or(u64::MAX);
        share.saturating_add(steps.saturating_mul(STEP)).min(WHOLE)
    }

    fn refill(&mut self, mono: Duration) {
        let passed = i128::try_from(mono.saturating_sub(self.at).as_nanos()).unwrap_or(i128::MAX);
        let share = self.share(mono);
        let gain = passed.saturating_mul(i128::from(self.refill) * i128::from(share)) / 1000;
        self.level = self.level.saturating_add(gain).min(self.full());
        self.at = self.at.max(mono);
    }

    /// How long until so many units may be taken; nothing when they may now. More than it ever
    /// holds is let through when it is full.
    pub fn wait(&mut self, units: u64, mono: Duration) -> Duration {
        self.refill(mono);
        let wanted = (i128::from(units) * self.scale()).min(self.full());
        let lacking = wanted - self.level;
        if lacking <= 0 {
            return Duration::ZERO;
        }
        let pace = (i128::from(self.refill) * i128::from(self.share(mono))).max(1);
        let nanos = (lacking.saturating_mul(1000) + pace - 1) / pace;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How long so many units take to come in at the whole rate.
    #[must_use]
    pub fn time(&self, units: u64) -> Duration {
        let nanos = u128::from(units) * self.limit.per.as_nanos() / u128::from(self.refill.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Takes units, whether they are there or not: what is lacking is waited for by who comes next.
    pub fn take(&mut self, units: u64, mono: Duration) {
        self.refill(mono);
        self.level = self.level.saturating_sub(i128::from(units) * self.scale());
    }

    /// Units come back that were taken and not used.
    pub fn give_back(&mut self, units: u64) {
        self.level = self.level.saturating_add(i128::from(units) * self.scale()).min(self.full());
    }

    /// A server has asked for less: half the rate from here on, regained slowly.
    pub fn halve(&mut self, mono: Duration) {
        self.refill(mono);
        self.pressure = ((self.share(mono) / 2).max(FLOOR), mono);
        // What it still holds was gathered at the old rate.
        self.level = self.level.min(self.full() / 2);
    }

    /// Units that could be taken now.
    #[must_use]
    pub fn left(&mut self, mono: Duration) -> u64 {
        self.refill(mono);
        u64::try_from(self.level.max(0) / self.scale()).unwrap_or(u64::MAX)
    }
}
