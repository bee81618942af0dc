//! What mail may take of the process's memory: pages that are being read, and rows that are on their way
//! to the database. Rows are counted at the door of every provider, and who would bring more is asked for
//! nothing until some are stored.

use postrider_core::mail::room::Room;
use postrider_core::provider::Answer;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};

/// What a page being read is reckoned at: blocks on their way to the disk, and rows.
const PAGE_COST: u64 = 4 * 1024 * 1024;
/// Of the memory for pages, the part that rows may take which wait for the database.
const ROWS: u64 = 8;
/// Longest wait for the database to take some: then it goes on, a page at a time.
const STORE_TIMEOUT: Duration = Duration::from_secs(60);

/// Of the whole process. Clones share it.
#[derive(Clone, Debug)]
pub struct Credits {
    /// Pages being read.
    pub pages: Arc<Semaphore>,
    /// Rows on their way.
    pub(super) rows: RowsInFlight,
}

impl Credits {
    /// For mail that may take so many octets.
    #[must_use]
    pub fn of(octets: u64) -> Self {
        let pages = usize::try_from(octets.div_ceil(PAGE_COST)).unwrap_or(1).clamp(1, 10_000);
        let rows = RowsInFlight(Arc::new(Counter { limit: octets / ROWS, ..Counter::default() }));
        Self { pages: Arc::new(Semaphore::new(pages)), rows }
    }
}

#[derive(Debug, Default)]
struct Counter {
    limit: u64,
    octets: AtomicU64,
    freed: Notify,
}

/// Rows that were read and are not stored.
#[derive(Clone, Debug)]
pub(super) struct RowsInFlight(Arc<Counter>);

/// Octets that are given back when this is dropped.
struct RowGuard {
    of: Arc<Counter>,
    octets: u64,
}

impl Drop for RowGuard {
    fn drop(&mut self) {
        self.of.octets.fetch_sub(self.octets, Ordering::AcqRel);
        self.of.freed.notify_waiters();
    }
}

impl RowsInFlight {
    /// The answer, its rows counted until they are dropped.
    pub(super) fn counted(&self, mut answer: Answer) -> Answer {
        let octets = answer.row_octets();
        if octets > 0 {
            self.0.octets.fetch_add(octets, Ordering::AcqRel);
            answer.holds(&Room::held(RowGuard { of: Arc::clone(&self.0), octets }));
        }
        answer
    }

    /// Whether there is room for more.
    pub(super) fn has_room(&self) -> bool {
        self.0.octets.load(Ordering::Acquire) <= self.0.limit
    }

    /// Waits for room, a minute at most.
    ///
    /// # Cancel safety
    /// A dropped wait changes nothing.
    pub(super) async fn room(self) {
        self.room_within(STORE_TIMEOUT).await;
    }

    async fn room_within(&self, patience: Duration) {
        let freed = async {
            loop {
                let freed = self.0.freed.notified();
                if self.has_room() {
                    return;
                }
                freed.await;
            }
        };
        if !self.has_room() && tokio::time::timeout(patience, freed).await.is_err() {
            tracing::debug!("the database has taken too little mail for {} s", patience.as_secs());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_core::failure::Class;
    use postrider_core::mail::page::{Again, Page, Unfetched};
    use postrider_core::provider::folders::FolderAnswer;

    fn answer(octets: usize) -> Answer {
        let text = "x".repeat(octets).as_str().into();
        let failed = Unfetched { uid: 1, class: Class::Provider, text, again: Again::default() };
        Answer::Folders(FolderAnswer::Fetched {
            page: Page { failed: vec![failed], ..Page::default() },
            last: true,
        })
    }

    #[tokio::test]
    async fn who_brought_too_much_waits_until_it_is_stored() {
        let credits = Credits::of(64 * 1024);
        let small = credits.rows.counted(answer(1000));
        assert!(credits.rows.has_room());
        let large = credits.rows.counted(answer(16 * 1024));
        assert!(!credits.rows.has_room());
        let waiting = credits.rows.clone().room();
        let storing = async {
            tokio::task::yield_now().await;
            drop(large);
        };
        tokio::time::timeout(STORE_TIMEOUT / 2, async { tokio::join!(waiting, storing) })
            .await
            .expect("who waits is told");
        drop(small);
        assert_eq!(credits.rows.0.octets.load(Ordering::Acquire), 0, "all is given back");
    }

    #[tokio::test]
    async fn nobody_waits_for_ever() {
        let credits = Credits::of(4);
        let _never_stored = credits.rows.counted(answer(16 * 1024));
        credits.rows.room_within(Duration::from_millis(20)).await;
        assert!(!credits.rows.has_room());
    }
}
