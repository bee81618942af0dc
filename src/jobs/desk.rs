//! Where slots are handed out. It is no actor: what it knows outlives whoever asks, there is nothing to be restarted,
//! and a ticket that is dropped gives its slot back, however its holder ends.

use crate::clock::Clock;
use postrider_core::job::slots::{Level, Slots};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Told when there is a slot.
type Granted = Box<dyn FnOnce() + Send>;

/// The slots of a process.
#[derive(Clone)]
pub struct SlotDesk(Arc<Desk>);

struct Desk {
    clock: Clock,
    book: Mutex<Book>,
    /// Somebody waits, or soon will.
    tight: AtomicBool,
}

struct Book {
    slots: Slots<String>,
    waiting: BTreeMap<u64, Granted>,
}

impl std::fmt::Debug for SlotDesk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SlotDesk").finish_non_exhaustive()
    }
}

impl SlotDesk {
    /// So many slots.
    #[must_use]
    pub fn new(runs: usize, clock: Clock) -> Self {
        let book = Book { slots: Slots::new(runs), waiting: BTreeMap::new() };
        Self(Arc::new(Desk { clock, book: Mutex::new(book), tight: AtomicBool::new(false) }))
    }

    /// An account's run asks for a slot, its first one perhaps; `granted` is called when it has it, at once perhaps.
    #[must_use]
    pub fn ask(
        &self,
        account: &str,
        (level, first): (Level, bool),
        granted: impl FnOnce() + Send + 'static,
    ) -> SlotTicket {
        let mut book = self.0.book();
        let now = self.0.clock.now().mono;
        let id = book.slots.ask(account.to_owned(), level, first, now);
        book.waiting.insert(id, Box::new(granted));
        let ticket = SlotTicket { desk: self.clone(), id, level };
        self.0.settle(book);
        ticket
    }

    /// How many work, and how many wait.
    #[cfg(test)]
    fn counts(&self) -> (usize, usize) {
        self.0.book().slots.counts()
    }
}

impl Desk {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who may begin is told, with nothing held.
    fn settle(&self, mut book: MutexGuard<'_, Book>) {
        let granted = book.slots.grant(self.clock.now().mono);
        let told: Vec<Granted> =
            granted.into_iter().filter_map(|id| book.waiting.remove(&id)).collect();
        self.tight.store(book.slots.is_tight(), Ordering::Relaxed);
        drop(book);
        told.into_iter().for_each(|granted| granted());
    }
}

/// A slot, or a place in the line for one; given back when it is dropped.
#[derive(Debug)]
pub struct SlotTicket {
    desk: SlotDesk,
    id: u64,
    level: Level,
}

impl SlotTicket {
    /// Who waits has a better reason now.
    pub fn raise(&mut self, level: Level) {
        if level < self.level {
            self.level = level;
            let mut book = self.desk.0.book();
            book.slots.raise(self.id, level);
            self.desk.0.settle(book);
        }
    }

    /// Whether what the run reads matters now.
    #[must_use]
    pub fn is_tight(&self) -> bool {
        self.desk.0.tight.load(Ordering::Relaxed)
    }

    /// The run reads nothing but mail of the past, or something else, too. Whether it is to leave that to another run.
    #[must_use]
    pub fn is_to_leave(&self, past: bool) -> bool {
        let mut book = self.desk.0.book();
        book.slots.reads_past(self.id, past);
        let is_to_leave = book.slots.is_to_leave(self.id, self.desk.0.clock.now().mono);
        // Others may begin where it is no import any more.
        self.desk.0.settle(book);
        is_to_leave
    }
}

impl Drop for SlotTicket {
    fn drop(&mut self) {
        let mut book = self.desk.0.book();
        book.slots.leave(self.id);
        let unheard = book.waiting.remove(&self.id);
        self.desk.0.settle(book);
        drop(unheard);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    fn count(told: &Arc<AtomicUsize>) -> impl FnOnce() + Send + 'static {
        let told = Arc::clone(told);
        move || {
            told.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Who is no longer an import may begin at once, where there is room for others alone.
    #[test]
    fn a_better_reason_may_be_enough() {
        let desk = SlotDesk::new(2, Clock::start());
        let told: [Arc<AtomicUsize>; 2] = std::array::from_fn(|_| Arc::default());
        let _import = desk.ask("a", (Level::Schedule, true), count(&told[0]));
        let mut waits = desk.ask("b", (Level::History, false), count(&told[1]));
        assert_eq!(told[1].load(Ordering::SeqCst), 0);
        waits.raise(Level::Hint);
        assert_eq!(told[1].load(Ordering::SeqCst), 1);
    }

    /// A ticket that is dropped gives its slot, or its place, back; who waits longest hears of it.
    #[test]
    fn a_ticket_that_is_dropped_gives_its_slot_back() {
        let desk = SlotDesk::new(1, Clock::start());
        let told: [Arc<AtomicUsize>; 4] = std::array::from_fn(|_| Arc::default());
        let has = |n: usize| told[n].load(Ordering::SeqCst) == 1;
        let first = desk.ask("a", (Level::Late, false), count(&told[0]));
        let second = desk.ask("b", (Level::Late, false), count(&told[1]));
        let gone = desk.ask("c", (Level::Operator, false), count(&told[2]));
        let mut last = desk.ask("d", (Level::Late, false), count(&told[3]));
        assert!(has(0) && !has(1) && desk.counts() == (1, 3) && first.is_tight());
        drop(gone);
        last.raise(Level::Hint);
        drop(first);
        assert!(has(3) && !has(1) && !has(2), "it has a better reason");
        assert!(!last.is_to_leave(false) && last.is_to_leave(true), "somebody better waits");
        drop(last);
        assert!(has(1) && desk.counts() == (1, 0));
        // Told while it asks: whoever hears of it may ask again.
        let again = desk.clone();
        let (sent, got) = std::sync::mpsc::channel();
        let third = desk.ask("e", (Level::Late, false), move || {
            drop(sent.send(again.ask("f", (Level::Late, false), || ())));
        });
        drop(second);
        drop((third, got.recv().unwrap()));
        assert_eq!(desk.counts(), (0, 0));
    }
}
