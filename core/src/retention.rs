//! What is kept no longer: which events, and when it is looked for them.

use crate::time::{AHEAD, Micros};
use std::time::Duration;

/// A day.
const DAY: Duration = Duration::from_secs(86_400);

/// How long events are kept, and when those that are older go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// So long; none: for ever.
    pub events: Option<Duration>,
    /// At this time of the day (UTC), since midnight.
    pub at: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self { events: Some(DAY * 30), at: Duration::from_secs(3 * 3600 + 30 * 60) }
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

    /// What is to be found out now; nothing where all is kept.
    #[must_use]
    pub fn look(self, now: Micros) -> Option<Expired> {
        let kept = i64::try_from(self.events?.as_micros()).unwrap_or(i64::MAX);
        let before = Micros(now.0.saturating_sub(kept));
        Some(Expired { before, until: now.plus(AHEAD), upto: None })
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

    #[test]
    fn a_day_late_is_missed() {
        assert!(!kept(10).is_missed(hours(66), hours(100)));
        assert!(kept(10).is_missed(hours(65), hours(100)));
        assert!(!Retention { events: None, ..kept(1) }.is_missed(hours(0), hours(100)));
    }
}
