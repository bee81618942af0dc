//! What one account, or all of an endpoint together, may spend: a rate, a day, and what the server
//! asked for.

use crate::budget::bucket::{Bucket, RateLimit};
use crate::budget::day::{Day, Spending};
use crate::budget::lane::Lane;
use crate::failure::{Class, Excess};
use crate::time::Now;
use std::time::Duration;

/// Of a hundred units, so many are for history; the others are the live lane's.
const FOR_HISTORY: u64 = 90;

fn for_history(units: u64) -> u64 {
    units.saturating_mul(FOR_HISTORY) / 100
}

/// What may be spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// In a time.
    pub rate: Option<RateLimit>,
    /// In any 24 hours.
    pub day: Option<u64>,
}

/// Why units are not to be had, and until when at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Until when, monotonic.
    pub until: Duration,
    /// `rate_limit`, or `quota` where a day's units are spent.
    pub class: Class,
    /// Which limit it is, for people.
    pub text: String,
}

/// A meter as people see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MeterView {
    /// What may be spent.
    pub allowance: Allowance,
    /// Units of the last 24 hours.
    pub spent_today: u64,
    /// Units that could be taken at once, of the rate.
    pub left_now: Option<u64>,
    /// Thousandths of the rate that are in use.
    pub share: Option<u64>,
    /// The server asked for nothing before this (monotonic), and said this.
    pub paused: Option<(Duration, String)>,
}

#[derive(Clone, Debug)]
pub(super) struct Meter {
    allowance: Allowance,
    all: Option<Bucket>,
    /// What history may take of it.
    history: Option<Bucket>,
    day: Day,
    paused: Option<(Duration, Class, String)>,
}

impl Meter {
    pub(super) fn new(allowance: Allowance, largest: u64) -> Self {
        let share = |limit: RateLimit| RateLimit { units: for_history(limit.units), ..limit };
        Self {
            allowance,
            all: allowance.rate.map(|limit| Bucket::new(limit, largest)),
            history: allowance.rate.map(|limit| Bucket::new(share(limit), largest)),
            day: Day::default(),
            paused: None,
        }
    }

    /// Another limit from here on; what was spent is kept.
    pub(super) fn allow(&mut self, allowance: Allowance, largest: u64) {
        let Self { day, paused, .. } = std::mem::replace(self, Self::new(allowance, largest));
        (self.day, self.paused) = (day, paused);
    }

    /// How long so many units take to come in.
    pub(super) fn time(&self, units: u64) -> Duration {
        self.all.as_ref().map_or(Duration::ZERO, |bucket| bucket.time(units))
    }

    pub(super) fn remember(&mut self, spent: Spending) {
        self.day.remember(spent);
    }

    /// Why so many units are not to be had now, if they are not.
    pub(super) fn shortage(&mut self, lane: Lane, units: u64, now: Now) -> Option<Wait> {
        if let Some((until, class, text)) = self.paused.clone().filter(|(t, ..)| *t > now.mono) {
            return Some(Wait { until, class, text });
        }
        if let Some(limit) = self.allowance.day {
            let own = if lane == Lane::Live { limit } else { for_history(limit) };
            if let Some(free) = self.day.wait(units, own, now.wall) {
                let spent = self.day.spent(now.wall);
                let kept =
                    if lane == Lane::Live { "" } else { ", and the rest is kept for new mail" };
                let text = format!("{spent} of the {limit} units of a day are spent{kept}");
                let until = now.mono.saturating_add(free.since(now.wall));
                return Some(Wait { until, class: Class::Quota, text });
            }
        }
        let of = |bucket: &mut Option<Bucket>| {
            bucket.as_mut().map_or(Duration::ZERO, |bucket| bucket.wait(units, now.mono))
        };
        let mut wait = of(&mut self.all);
        if lane == Lane::Backfill {
            wait = wait.max(of(&mut self.history));
        }
        let limit = self.allowance.rate.filter(|_| !wait.is_zero())?;
        let text = format!("{} units in {} s are spent", limit.units, limit.per.as_secs_f64());
        Some(Wait { until: now.mono.saturating_add(wait), class: Class::RateLimit, text })
    }

    pub(super) fn take(&mut self, lane: Lane, units: u64, now: Now) {
        self.day.spend(units, now.wall);
        if let Some(all) = &mut self.all {
            all.take(units, now.mono);
        }
        if let Some(history) = self.history.as_mut().filter(|_| lane == Lane::Backfill) {
            history.take(units, now.mono);
        }
    }

    /// What was taken is settled: so many of it were spent, or more.
    pub(super) fn settle(&mut self, lane: Lane, taken: u64, spent: u64, now: Now) -> Spending {
        let correct = |bucket: &mut Bucket| {
            bucket.give_back(taken.saturating_sub(spent));
            bucket.take(spent.saturating_sub(taken), now.mono);
        };
        self.all.as_mut().map(correct);
        self.history.as_mut().filter(|_| lane == Lane::Backfill).map(correct);
        self.day.give_back(taken.saturating_sub(spent), now.wall);
        self.day.spend(spent.saturating_sub(taken), now.wall)
    }

    /// The server has refused: less from here on, and nothing before the time that it named.
    pub(super) fn refused(
        &mut self,
        excess: Excess,
        until: Option<Duration>,
        (class, text): (Class, &str),
        mono: Duration,
    ) {
        if excess == Excess::Rate {
            for bucket in [&mut self.all, &mut self.history].into_iter().flatten() {
                bucket.halve(mono);
            }
        }
        if let Some(until) = until
            && self.paused.as_ref().is_none_or(|(before, ..)| *before < until)
        {
            self.paused = Some((until, class, text.to_owned()));
        }
    }

    pub(super) fn view(&mut self, now: Now) -> MeterView {
        let paused = self.paused.clone().filter(|(until, ..)| *until > now.mono);
        MeterView {
            allowance: self.allowance,
            spent_today: self.day.spent(now.wall),
            left_now: self.all.as_mut().map(|bucket| bucket.left(now.mono)),
            share: self.all.as_ref().map(|bucket| bucket.share(now.mono)),
            paused: paused.map(|(until, _, text)| (until, text)),
        }
    }
}
