//! A daily limit: any 24 hours, not a calendar's day, so that it holds wherever the provider's day
//! begins. Counted by the hour of the wall clock, since it must outlive the process.

use crate::time::Micros;
use std::collections::BTreeMap;

/// Microseconds in an hour.
pub const HOUR: i64 = 3_600_000_000;
/// The window, and the hour that is under way.
const HOURS: i64 = 25;

/// Units that were spent in an hour, as they are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spending {
    /// Hours since 1970.
    pub hour: i64,
    /// Units.
    pub units: u64,
}

/// What was spent, by the hour.
#[derive(Clone, Debug, Default)]
pub struct Day {
    hours: BTreeMap<i64, u64>,
}

impl Day {
    /// What was spent while the clock was ahead is taken for spent now: it ends a day from now.
    fn heed(&mut self, hour: i64) {
        let ahead = self.hours.split_off(&(hour + 2));
        if !ahead.is_empty() {
            let spent = self.hours.entry(hour).or_default();
            *spent = ahead.into_values().fold(*spent, u64::saturating_add);
        }
    }

    /// What is known of earlier processes. Of two numbers for one hour the larger holds.
    pub fn remember(&mut self, spent: Spending) {
        let units = self.hours.entry(spent.hour).or_default();
        *units = (*units).max(spent.units);
    }

    /// Spends. Returns the hour as it is now.
    pub fn spend(&mut self, units: u64, wall: Micros) -> Spending {
        let hour = wall.0.div_euclid(HOUR);
        self.heed(hour);
        self.hours.retain(|at, _| *at > hour - HOURS);
        let spent = self.hours.entry(hour).or_default();
        *spent = spent.saturating_add(units);
        Spending { hour, units: *spent }
    }

    /// Units that were not spent after all come back.
    pub fn give_back(&mut self, units: u64, wall: Micros) {
        let spent = self.hours.entry(wall.0.div_euclid(HOUR)).or_default();
        *spent = spent.saturating_sub(units);
    }

    /// Units of the last 24 hours and more. A clock that was set back forgets nothing.
    #[must_use]
    pub fn spent(&self, wall: Micros) -> u64 {
        let hour = wall.0.div_euclid(HOUR);
        let counted = self.hours.range(hour - HOURS + 1..);
        counted.fold(0, |sum, (_, units)| sum.saturating_add(*units))
    }

    /// When so many units can be spent under this limit; nothing when they can be now. Whoever wants
    /// more than the limit gets it when nothing is spent.
    #[must_use]
    pub fn wait(&mut self, units: u64, limit: u64, wall: Micros) -> Option<Micros> {
        let hour = wall.0.div_euclid(HOUR);
        self.heed(hour);
        let room = limit.saturating_sub(units);
        let (mut spent, mut free) = (self.spent(wall), None);
        for (at, units) in self.hours.range(hour - HOURS + 1..) {
            if spent <= room {
                break;
            }
            spent = spent.saturating_sub(*units);
            free = Some(Micros((at + HOURS) * HOUR));
        }
        free
    }
}
