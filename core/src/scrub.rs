//! When packs are read again, and how much of the machine that takes.

use crate::time::Micros;
use std::collections::BTreeMap;
use std::time::Duration;

/// For each second of work so many are rested: at most one in twenty is taken.
const RESTS: u32 = 19;
/// A pack in which something is damaged is looked at as often.
const AGAIN: Duration = Duration::from_secs(86_400);
/// How often it is looked which packs there are, in parts of the time in which each is read.
const LOOKS: u32 = 10;
const LOOK_LEAST: Duration = Duration::from_millis(200);
const LOOK_MOST: Duration = Duration::from_secs(600);
/// So many parts of that time late is too late.
const LATE: u32 = 4;

/// What the config says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScrubRule {
    /// Each pack is read once in this time; none: never.
    pub every: Option<Duration>,
    /// What is damaged is asked for again.
    pub repairs: bool,
}

impl Default for ScrubRule {
    fn default() -> Self {
        Self { every: Some(Duration::from_secs(30 * 86_400)), repairs: false }
    }
}

/// A pack, as it was last read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackStand {
    /// When all of it was read; none: it is to be read now.
    pub scrubbed_at: Option<Micros>,
    /// Bodies that were damaged then.
    pub damaged: u64,
}

impl PackStand {
    /// When it is to be read again. What was read at a time to come (the clock was ahead) is read now.
    #[must_use]
    pub fn due_at(&self, every: Duration, now: Micros) -> Micros {
        let every = if self.damaged > 0 { every.min(AGAIN) } else { every };
        self.scrubbed_at.filter(|at| *at <= now).map_or(Micros(0), |at| at.plus(every))
    }
}

/// The pack that is to be read next, and since when it is, or will be: the one that waits for longest.
#[must_use]
pub fn next(
    packs: &BTreeMap<i64, PackStand>,
    is_put_off: impl Fn(i64) -> bool,
    every: Duration,
    now: Micros,
) -> Option<(i64, Micros)> {
    let of = |(id, pack): (&i64, &PackStand)| (pack.due_at(every, now), *id);
    let asked = packs.iter().filter(|(id, _)| !is_put_off(**id));
    asked.map(of).min().map(|(due, id)| (id, due))
}

/// How long is rested behind so much work.
#[must_use]
pub fn rest(worked: Duration) -> Duration {
    worked.saturating_mul(RESTS)
}

/// How often it is looked which packs there are.
#[must_use]
pub fn look_every(every: Duration) -> Duration {
    (every / LOOKS).clamp(LOOK_LEAST, LOOK_MOST)
}

/// Whether packs are read too late, though they could have been since `began`.
#[must_use]
pub fn is_late(due: Micros, began: Micros, every: Duration, now: Micros) -> bool {
    due.max(began).plus(every / LATE) < now
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(hours: u64) -> Micros {
        Micros(0).plus(Duration::from_secs(hours * 3600))
    }

    fn pack(scrubbed: Option<u64>, damaged: u64) -> PackStand {
        PackStand { scrubbed_at: scrubbed.map(at), damaged }
    }

    /// What was never read comes first, then what was read longest ago; what is damaged is looked at each day, and what was
    /// read at a time to come now.
    #[test]
    fn who_waits_for_longest_is_next() {
        let every = HOUR * 1000;
        let of = |packs: &[(i64, PackStand)], now: u64| {
            next(&packs.iter().copied().collect(), |id| id == 9, every, at(now))
        };
        assert_eq!(of(&[], 5), None);
        let two = [(1, pack(Some(30), 0)), (2, pack(Some(20), 0)), (9, pack(None, 0))];
        assert_eq!(of(&two, 40), Some((2, at(1020))), "it is to come; one is put off");
        assert_eq!(of(&[two[0], two[1], (3, pack(None, 0))], 40), Some((3, at(0))));
        assert_eq!(of(&[two[1], (4, pack(Some(25), 1))], 40), Some((4, at(49))));
        assert_eq!(of(&[two[1], (5, pack(Some(41), 0))], 40), Some((5, at(0))));
        let short = next(&[(4, pack(Some(25), 1))].into(), |_| false, HOUR, at(40));
        assert_eq!(short, Some((4, at(26))), "no less often than the others");
    }

    #[test]
    fn it_takes_a_twentieth() {
        let worked = Duration::from_millis(50);
        assert_eq!(worked * 20, worked + rest(worked));
        assert_eq!(look_every(HOUR * 720), LOOK_MOST);
        assert_eq!(look_every(Duration::from_secs(60)), Duration::from_secs(6));
        assert_eq!(look_every(Duration::from_secs(1)), LOOK_LEAST);
    }

    /// Who was not there could not read.
    #[test]
    fn late_is_what_could_have_been_read() {
        let every = HOUR * 8;
        let late = |due: u64, began: u64, now: u64| is_late(at(due), at(began), every, at(now));
        assert!(!late(10, 0, 12) && late(10, 0, 13));
        assert!(!late(0, 10, 12) && late(0, 10, 13), "it was off for a while");
        assert!(!late(20, 0, 13), "it is to come");
    }
}
