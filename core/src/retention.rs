//! What is kept no longer, when it is looked for that, and by which clock.

use crate::time::{AHEAD, Micros};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A day.
const DAY: Duration = Duration::from_secs(86_400);

/// By so much the wall clock may rise while nobody looks, and is believed.
const RISE: Duration = Duration::from_secs(2 * 86_400);

/// How long things are kept, and when those that are older go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Events: so long; none: for ever.
    pub events: Option<Duration>,
    /// Mail that its server has deleted.
    pub deleted: Option<Duration>,
    /// Runs that have ended.
    pub runs: Option<Duration>,
    /// Failures that are settled.
    pub failures: Option<Duration>,
    /// Bytes that no message has any more.
    pub grace: Duration,
    /// Whether bytes are compressed that lie there already, where that saves a tenth.
    pub compress: bool,
    /// At this time of the day (UTC), since midnight.
    pub at: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            events: Some(DAY * 30),
            deleted: Some(DAY * 30),
            runs: Some(DAY * 90),
            failures: Some(DAY * 90),
            grace: DAY,
            compress: true,
            at: Duration::from_secs(3 * 3600 + 30 * 60),
        }
    }
}

impl Retention {
    /// The first of its times behind this one.
    #[must_use]
    pub fn next(self, now: Micros) -> Micros {
        let day = i64::try_from(DAY.as_micros()).unwrap_or(i64::MAX);
        let midnight = Micros(now.0 - now.0.rem_euclid(day));
        let today = midnight.plus(self.at);
        if today > now { today } else { today.plus(DAY) }
    }

    /// Whether a time was missed: the oldest event is a day older than the oldest that is kept.
    #[must_use]
    pub fn is_missed(self, oldest: Micros, now: Micros) -> bool {
        self.events.is_some_and(|kept| oldest.plus(kept).plus(DAY) < now)
    }

    /// What has ended before then is kept no longer.
    #[must_use]
    pub fn expiry(self, now: Micros) -> Expiry {
        let before = |kept: Option<Duration>| kept.map(|kept| now.less(kept));
        Expiry {
            now,
            deleted: before(self.deleted),
            runs: before(self.runs),
            failures: before(self.failures),
            bodies: now.less(self.grace),
        }
    }

    /// What is to be found out now; nothing where all is kept.
    #[must_use]
    pub fn look(self, now: Micros) -> Option<Expired> {
        let kept = i64::try_from(self.events?.as_micros()).unwrap_or(i64::MAX);
        let before = Micros(now.0.saturating_sub(kept));
        Some(Expired { before, until: now.plus(AHEAD), upto: None })
    }
}

/// What is kept no longer, of each kind: what was over before then. None: all is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// Now.
    pub now: Micros,
    /// Mail that its server has deleted, and places of it that have ended.
    pub deleted: Option<Micros>,
    /// Runs.
    pub runs: Option<Micros>,
    /// Failures that are settled.
    pub failures: Option<Micros>,
    /// Bytes that no message has any more.
    pub bodies: Micros,
}

/// What was seen of the wall clock: what is deleted for good never goes by one reading of it. It is stored, so that the next
/// process knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockSeen {
    /// The newest time that was seen.
    pub newest: Micros,
    /// It has risen by days while nobody looked: at this time that was seen.
    pub risen_at: Option<Micros>,
}

impl ClockSeen {
    /// It is this late. Where it has risen by over two days, beyond what has passed since it was seen last (in this process: by
    /// the monotonic clock), nobody knows which of both was right; one that went back was wrong before.
    #[must_use]
    pub fn look(before: Option<Self>, now: Micros, passed: Duration) -> Self {
        let Some(before) = before else { return Self { newest: now, risen_at: None } };
        let Self { newest, risen_at } = before;
        if now.plus(AHEAD) < newest {
            return Self { newest: now, risen_at: None };
        }
        let has_risen = newest.plus(passed).plus(RISE) < now;
        Self { newest: newest.max(now), risen_at: if has_risen { Some(now) } else { risen_at } }
    }

    /// Until when nothing is deleted: a day of the time that it has risen to.
    #[must_use]
    pub fn waits_until(self, now: Micros) -> Option<Micros> {
        self.risen_at.map(|at| at.plus(DAY)).filter(|until| now < *until)
    }
}

/// Finds the last event that is kept no longer: whoever looks goes up from the lowest number. An event of a time to come
/// (the clock was ahead) goes with what comes behind it: alone it would keep everything above it for as long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired {
    before: Micros,
    until: Micros,
    upto: Option<i64>,
}

impl Expired {
    /// The next event: its number, and when it was told. Whether there may be others.
    pub fn goes_on(&mut self, seq: i64, at: Micros) -> bool {
        if at < self.before {
            self.upto = Some(seq);
        }
        at < self.before || at > self.until
    }

    /// The last of those that go; nothing where none does.
    #[must_use]
    pub fn upto(self) -> Option<i64> {
        self.upto
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;

    fn hours(n: i64) -> Micros {
        Micros(n * HOUR)
    }

    fn kept(hours: u64) -> Retention {
        Retention { events: Some(Duration::from_secs(hours * 3600)), ..Retention::default() }
    }

    /// The last that goes of events that were told at these hours, seen at that hour.
    fn upto(kept_for: u64, told: &[i64], now: i64) -> Option<i64> {
        let mut expired = kept(kept_for).look(hours(now)).unwrap();
        for (seq, at) in (1..).zip(told) {
            if !expired.goes_on(seq, hours(*at)) {
                break;
            }
        }
        expired.upto()
    }

    #[test]
    fn from_the_bottom_and_no_further_than_the_first_that_is_young() {
        assert_eq!(upto(10, &[], 100), None);
        assert_eq!(upto(10, &[1, 2, 95], 100), Some(2));
        assert_eq!(upto(10, &[89, 90, 91], 100), Some(1), "what is as old as that is kept");
        assert_eq!(upto(10, &[1, 2, 3], 100), Some(3), "all of them");
        // The clock was back for a while: what lies behind somebody young stays.
        assert_eq!(upto(10, &[1, 95, 2, 3], 100), Some(1));
        assert_eq!(Retention { events: None, ..kept(1) }.look(hours(9)), None);
    }

    /// A clock that was ahead for an hour keeps nothing for a year.
    #[test]
    fn what_is_to_come_goes_with_what_is_behind_it() {
        assert_eq!(upto(10, &[1, 9000, 9000, 2, 95], 100), Some(4));
        assert_eq!(upto(10, &[1, 9000, 95], 100), Some(1), "what is behind it is young");
        assert_eq!(upto(10, &[9000, 9000], 100), None, "nothing says how old it is");
    }

    #[test]
    fn its_time_is_the_next_one() {
        let half_past_three = |day: i64| Micros(day * 24 * HOUR + 3 * HOUR + HOUR / 2);
        let of = |now| Retention::default().next(now);
        assert_eq!(of(hours(48)), half_past_three(2));
        assert_eq!(of(half_past_three(2)), half_past_three(3), "behind, not at");
        assert_eq!(of(hours(54)), half_past_three(3));
        assert_eq!(of(hours(-20)), half_past_three(0), "before 1970: yesterday's is past");
    }

    /// A clock that is a year ahead for an hour deletes nothing, whatever begins anew meanwhile; nor does one that is right
    /// again. Who was off for long waits a day.
    #[test]
    fn a_clock_that_rose_is_waited_for() {
        let (hour, year) = (Duration::from_secs(3600), 366 * 24);
        let look = |seen, now: i64, passed| ClockSeen::look(seen, hours(now), passed);
        let mut seen = look(None, 1000, Duration::ZERO);
        assert_eq!((seen.newest, seen.waits_until(hours(1000))), (hours(1000), None));
        seen = look(Some(seen), 1000 + 47, Duration::ZERO);
        assert_eq!(seen.waits_until(hours(1047)), None, "it was off for less than two days");
        let ahead = 1048 + year;
        let mut wrong = look(Some(seen), ahead, hour);
        assert_eq!(wrong.waits_until(hours(ahead)), Some(hours(ahead + 24)));
        for later in 1..24 {
            wrong = look(Some(wrong), ahead + later, Duration::ZERO);
            assert_eq!(wrong.waits_until(hours(ahead + later)), Some(hours(ahead + 24)));
        }
        let right = look(Some(wrong), 1050, hour);
        assert_eq!(right, ClockSeen { newest: hours(1050), risen_at: None });
        wrong = look(Some(wrong), ahead + 24, hour);
        assert_eq!(wrong.waits_until(hours(ahead + 24)), None, "it goes on so");
        // A process that sees each hour pass for a week.
        for later in 1..168 {
            seen = look(Some(seen), 1047 + later, hour);
        }
        assert_eq!(seen.risen_at, None);
        // A machine that slept for a week: its monotonic clock did not go.
        seen = look(Some(seen), 1047 + 400, hour);
        assert_eq!(seen.waits_until(hours(1447)), Some(hours(1471)));
        seen = look(Some(seen), 1047 + 700, hour * 300);
        assert_eq!(seen.risen_at, Some(hours(1447)), "what has passed was seen");
    }

    #[test]
    fn each_kind_has_its_time() {
        let kept = Retention { runs: None, failures: Some(DAY), ..Retention::default() };
        let expiry = kept.expiry(hours(24 * 40));
        assert_eq!((expiry.deleted, expiry.runs), (Some(hours(24 * 10)), None));
        assert_eq!((expiry.failures, expiry.bodies), (Some(hours(24 * 39)), hours(24 * 39)));
    }

    #[test]
    fn a_day_late_is_missed() {
        assert!(!kept(10).is_missed(hours(66), hours(100)));
        assert!(kept(10).is_missed(hours(65), hours(100)));
        assert!(!Retention { events: None, ..kept(1) }.is_missed(hours(0), hours(100)));
    }
}
