//! What mail may take of the process's memory: pages that are being read, and rows that are on their way
//! to the database. Rows are counted at the door of every provider, and who would bring more is asked for
//! nothing until some are stored.

use crate::provider::in_flight::{InFlight, MarkedPart};
use crate::provider::waits::Waits;
use postrider_core::mail::room::Room;
use postrider_core::provider::Answer;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

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
    pub(super) pages: PageCredits,
    /// Rows on their way.
    pub(super) rows: RowsInFlight,
    /// What the next process is told of, should this one end.
    pub(super) in_flight: InFlight,
}

impl Credits {
    /// For mail that may take so many octets.
    #[must_use]
    pub fn of(octets: u64) -> Self {
        let pages = usize::try_from(octets.div_ceil(PAGE_COST)).unwrap_or(1).clamp(1, 10_000);
        let rows = RowsInFlight(Arc::new(Counter { limit: octets / ROWS, ..Counter::default() }));
        let in_flight = InFlight::default();
        Self { pages: PageCredits::of(pages), rows, in_flight }
    }

    /// The same, for a session that says so while it waits.
    #[must_use]
    pub fn waiting(self, waits: Waits) -> Self {
        Self { pages: PageCredits { waits, ..self.pages }, ..self }
    }

    /// The process ends as it was told to: nothing that was on its way has ended it.
    pub fn ended(&self) {
        self.in_flight.end();
    }

    /// The same, and what is on its way is marked there.
    #[must_use]
    pub fn marked(self, in_flight: InFlight) -> Self {
        Self { in_flight, ..self }
    }
}

/// Pages that may be read, of the whole process. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct PageCredits {
    free: Arc<Semaphore>,
    waits: Waits,
}

impl PageCredits {
    fn of(pages: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(pages)), waits: Waits::default() }
    }

    /// One page, for who looks beside the engine.
    pub(super) fn one() -> Self {
        Self::of(1)
    }

    /// A credit, if there is one now.
    pub(super) fn try_take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.free).try_acquire_owned().ok()
    }

    /// A credit, when there is one; none where the process is ending.
    ///
    /// # Cancel safety
    /// A dropped wait has taken none.
    pub(super) async fn take(&self) -> Option<OwnedSemaphorePermit> {
        let _waits = self.waits.begin();
        // A closed semaphore gives no credit and takes none.
        Arc::clone(&self.free).acquire_owned().await.ok()
    }

    /// Whether there is none now.
    pub(super) fn are_used_up(&self) -> bool {
        self.free.available_permits() == 0
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
    /// What the next process is told of it meanwhile.
    _marked: Option<MarkedPart>,
}

impl Drop for RowGuard {
    fn drop(&mut self) {
        self.of.octets.fetch_sub(self.octets, Ordering::AcqRel);
        self.of.freed.notify_waiters();
    }
}

impl RowsInFlight {
    /// The answer, its rows counted and marked until they are dropped.
    pub(super) fn counted(&self, mut answer: Answer, marked: Option<MarkedPart>) -> Answer {
        let octets = answer.row_octets();
        if octets > 0 {
            self.0.octets.fetch_add(octets, Ordering::AcqRel);
            answer.holds(&Room::held(RowGuard {
                of: Arc::clone(&self.0),
                octets,
                _marked: marked,
            }));
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
        let failed =
            Unfetched { uid: 1, class: Class::Provider, text, again: Again::default(), came: None };
        Answer::Folders(FolderAnswer::Fetched {
            page: Page { failed: vec![failed], ..Page::default() },
            last: true,
        })
    }

    #[tokio::test]
    async fn who_brought_too_much_waits_until_it_is_stored() {
        let credits = Credits::of(64 * 1024);
        let small = credits.rows.counted(answer(1000), None);
        assert!(credits.rows.has_room());
        let large = credits.rows.counted(answer(16 * 1024), None);
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
        let _never_stored = credits.rows.counted(answer(16 * 1024), None);
        credits.rows.room_within(Duration::from_millis(20)).await;
        assert!(!credits.rows.has_room());
    }
}
