//! What has come, told to who derives: nothing durable, a hint of what is owed. A crash, or more than can be kept,
//! costs a message its turn, not more.

use postrider_core::derive::Numbers;
use postrider_core::mail::id::AccountId;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Messages that are told of by their numbers; of others it is told that they are there.
const NUMBERS: u64 = 1000;

/// What has come since it was last asked.
#[derive(Debug, Default)]
pub struct Arrived {
    /// New mail.
    pub live: BTreeMap<AccountId, Numbers>,
    /// Accounts of which there is more than before, and the highest number that they have.
    pub more: BTreeMap<AccountId, i64>,
    /// When a page of history was last committed, in the process's time.
    pub history_at: Option<Duration>,
    /// What has come may be more: the rows say it.
    pub is_unsure: bool,
}

/// Where it is told, and asked.
#[derive(Clone, Default)]
pub struct Arrivals(Arc<Mutex<Told>>);

#[derive(Default)]
struct Told {
    arrived: Arrived,
    numbers: u64,
    wake: Option<Box<dyn Fn() + Send>>,
    is_woken: bool,
}

impl fmt::Debug for Arrivals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrivals").finish_non_exhaustive()
    }
}

/// A page that was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredPage {
    /// The account.
    pub account: AccountId,
    /// Numbers of its new messages: the first, and the one behind the last.
    pub numbers: (i64, i64),
    /// It is history.
    pub is_history: bool,
    /// Of other messages it is owed anew what is derived.
    pub puts_back: bool,
}

impl Told {
    fn wake(&mut self) {
        if !self.is_woken
            && let Some(wake) = &self.wake
        {
            wake();
            self.is_woken = true;
        }
    }
}

impl Arrivals {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on, this is called when something has come: once, until it is asked what.
    pub fn wakes(&self, wake: impl Fn() + Send + 'static) {
        let mut told = self.told();
        told.wake = Some(Box::new(wake));
        told.is_woken = false;
    }

    /// A page is stored.
    pub fn stored(&self, page: StoredPage, mono: Duration) {
        let mut told = self.told();
        // Nobody derives.
        if told.wake.is_none() {
            return;
        }
        if page.is_history {
            told.arrived.history_at = Some(mono);
        }
        if page.puts_back {
            told.arrived.is_unsure = true;
            told.wake();
        }
        let (first, behind) = page.numbers;
        if first >= behind {
            return;
        }
        told.arrived.more.insert(page.account, behind - 1);
        let count = behind.abs_diff(first);
        if !page.is_history && told.numbers + count <= NUMBERS {
            told.numbers += count;
            let live = told.arrived.live.entry(page.account).or_default();
            *live = live.union(&Numbers::range(first, behind - 1));
        }
        told.wake();
    }

    /// Whether a page is stored is not known.
    pub fn unsure(&self) {
        let mut told = self.told();
        told.arrived.is_unsure = true;
        told.wake();
    }

    /// Whether new mail has come since it was last asked.
    #[must_use]
    pub fn has_live(&self) -> bool {
        self.told().numbers > 0
    }

    /// What has come since it was last asked.
    #[must_use]
    pub fn take(&self) -> Arrived {
        let mut told = self.told();
        (told.numbers, told.is_woken) = (0, false);
        let history_at = told.arrived.history_at;
        std::mem::replace(&mut told.arrived, Arrived { history_at, ..Arrived::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn page(account: i64, numbers: (i64, i64), is_history: bool) -> StoredPage {
        StoredPage { account: AccountId(account), numbers, is_history, puts_back: false }
    }

    #[test]
    fn wakes_once_until_it_is_asked() {
        let (arrivals, woken) = (Arrivals::default(), Arc::new(AtomicU32::new(0)));
        arrivals.stored(page(1, (1, 2), false), Duration::ZERO);
        assert!(arrivals.take().live.is_empty(), "nobody derives");
        let count = Arc::clone(&woken);
        arrivals.wakes(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        arrivals.stored(page(1, (5, 5), false), Duration::ZERO);
        assert_eq!(woken.load(Ordering::Relaxed), 0, "it has brought nothing");
        arrivals.stored(page(1, (5, 8), false), Duration::ZERO);
        arrivals.stored(page(2, (8, 9), true), Duration::from_secs(3));
        assert_eq!((woken.load(Ordering::Relaxed), arrivals.has_live()), (1, true));
        let arrived = arrivals.take();
        assert_eq!(arrived.live, BTreeMap::from([(AccountId(1), Numbers::range(5, 7))]));
        assert_eq!(arrived.more, BTreeMap::from([(AccountId(1), 7), (AccountId(2), 8)]));
        assert_eq!(arrived.history_at, Some(Duration::from_secs(3)));
        assert!(!arrivals.has_live());
        arrivals.stored(page(1, (9, 10), false), Duration::ZERO);
        assert_eq!(woken.load(Ordering::Relaxed), 2);
        assert_eq!(arrivals.take().history_at, Some(Duration::from_secs(3)), "it is kept");
        arrivals.unsure();
        assert_eq!((woken.load(Ordering::Relaxed), arrivals.take().is_unsure), (3, true));
        assert!(!arrivals.take().is_unsure);
        arrivals.stored(StoredPage { puts_back: true, ..page(1, (9, 9), false) }, Duration::ZERO);
        assert_eq!((woken.load(Ordering::Relaxed), arrivals.take().is_unsure), (4, true));
    }

    #[test]
    fn a_flood_is_not_kept() {
        let arrivals = Arrivals::default();
        arrivals.wakes(|| ());
        for number in 1..2000_i64 {
            arrivals.stored(page(number % 7, (number * 2, number * 2 + 1), false), Duration::ZERO);
        }
        let arrived = arrivals.take();
        // One number each, with another's between them.
        assert_eq!(arrived.live.values().map(Numbers::len).sum::<u64>(), NUMBERS);
        assert_eq!(arrived.more.len(), 7);
    }
}
