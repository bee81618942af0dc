//! How much memory the process has: while it has much, mail of the past waits.

use crate::clock::Clock;
use postrider_core::budget::Wait;
use postrider_core::failure::Class;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What is known is this fresh at least.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Who was put off asks again after this: late enough that its run ends, and new mail is looked for as ever.
const AGAIN_AFTER: Duration = Duration::from_secs(300);

/// Whether mail of the past may be read. Clones share it.
#[derive(Clone, Debug)]
pub struct Pressure {
    clock: Clock,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug)]
struct Seen {
    limit: u64,
    used: Option<u64>,
    /// When it is looked at again, monotonic.
    next: Duration,
    is_high: bool,
}

/// Octets that are the process's own: what it has mapped of files the system takes back by itself. Nothing where
/// the system has no such file.
fn used() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let mut pages =
        text.split_ascii_whitespace().skip(1).map_while(|word| word.parse::<u64>().ok());
    let (resident, shared) = (pages.next()?, pages.next()?);
    let page = u64::try_from(rustix::param::page_size()).ok()?;
    Some(resident.saturating_sub(shared).saturating_mul(page))
}

/// Of a limit, what may be used: four fifths; where that was too much, three quarters.
fn most(limit: u64, was_high: bool) -> u64 {
    if was_high { limit / 4 * 3 } else { limit / 5 * 4 }
}

impl Pressure {
    /// A process that is to have so many octets at most; none: as many as it needs.
    #[must_use]
    pub fn of(clock: Clock, limit: u64) -> Self {
        let seen = Seen { limit, used: None, next: Duration::ZERO, is_high: false };
        Self { clock, seen: Arc::new(Mutex::new(seen)) }
    }

    /// It is to have so many from now on.
    pub fn limit(&self, octets: u64) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).limit = octets;
    }

    /// Why mail of the past waits, if it does.
    #[must_use]
    pub fn wait(&self) -> Option<Wait> {
        self.wait_with(used)
    }

    fn wait_with(&self, used: impl FnOnce() -> Option<u64>) -> Option<Wait> {
        let now = self.clock.now().mono;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if now >= seen.next {
            (seen.used, seen.next) = (used(), now + LOOK_EVERY);
        }
        let (in_use, limit) = (seen.used?, seen.limit);
        let is_high = limit > 0 && in_use > most(limit, seen.is_high);
        let text = format!(
            "{} of {} MiB of memory are in use (sync.memory_limit)",
            in_use >> 20,
            limit >> 20
        );
        if std::mem::replace(&mut seen.is_high, is_high) != is_high {
            match is_high {
                true => tracing::warn!(
                    "mail of the past waits (of a new account all), new mail goes on: {text}"
                ),
                false => tracing::info!("history goes on: {text}"),
            }
        }
        is_high.then(|| Wait { until: now + AGAIN_AFTER, class: Class::RateLimit, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn above_four_fifths_history_waits() {
        let pressure = Pressure::of(Clock::start(), 100 << 20);
        assert_eq!(pressure.wait_with(|| Some(80 << 20)), None);
        assert_eq!(pressure.wait_with(|| Some(99 << 20)), None, "it was looked at just now");
        pressure.limit(99 << 20);
        let wait = pressure.wait_with(|| None).unwrap();
        assert_eq!(wait.text, "80 of 99 MiB of memory are in use (sync.memory_limit)");
        assert!(wait.until >= AGAIN_AFTER && wait.class == Class::RateLimit);
        pressure.limit(100 << 20);
        assert!(pressure.wait_with(|| None).is_some(), "still");
        pressure.limit(107 << 20);
        assert_eq!(pressure.wait_with(|| None), None);
        pressure.limit(0);
        assert_eq!(pressure.wait_with(|| None), None, "nothing is limited");
        let blind = Pressure::of(Clock::start(), 0);
        assert_eq!(blind.wait_with(|| None), None, "where nobody tells, nobody waits");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_is_used_is_told() {
        let before = used().unwrap();
        let much = vec![1_u8; 64 << 20];
        let with = used().unwrap();
        assert!(with >= before + much.len() as u64 / 2, "{before} {with}");
    }
}
