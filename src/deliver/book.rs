//! The subscribers of the config in force, and the edits of it that are under way: whose an account's events are changes
//! with them, and who is given one owner's waits until an edit is over.

use crate::config::Subscriber;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::watch;

/// An edit's number, and whom the config has since.
pub(super) type Told = (u64, Arc<[Subscriber]>);

/// The book.
#[derive(Debug)]
pub(crate) struct SubscriberBook {
    told: watch::Sender<Told>,
    begun: AtomicU64,
    done: AtomicU64,
}

/// An edit that is under way, and over when it is dropped.
#[derive(Debug)]
pub(crate) struct SubscriberEdit {
    book: Arc<SubscriberBook>,
    number: u64,
    all: Option<Arc<[Subscriber]>>,
}

impl Default for SubscriberBook {
    fn default() -> Self {
        let told = watch::Sender::new((0, Arc::default()));
        Self { told, begun: AtomicU64::new(0), done: AtomicU64::new(0) }
    }
}

impl SubscriberBook {
    /// An edit begins.
    pub(crate) fn edit(self: &Arc<Self>) -> SubscriberEdit {
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        SubscriberEdit { book: Arc::clone(self), number, all: None }
    }

    /// Hears of edits that are over.
    pub(super) fn told(&self) -> watch::Receiver<Told> {
        self.told.subscribe()
    }

    /// Each subscriber follows this edit.
    pub(super) fn is_done(&self, number: u64) {
        self.done.fetch_max(number, Ordering::SeqCst);
    }

    /// Whether no edit is under way.
    pub(super) fn rests(&self) -> bool {
        self.begun.load(Ordering::SeqCst) == self.done.load(Ordering::SeqCst)
    }
}

impl SubscriberEdit {
    /// The config has these from now on.
    pub(crate) fn has(&mut self, all: Arc<[Subscriber]>) {
        self.all = Some(all);
    }
}

impl Drop for SubscriberEdit {
    fn drop(&mut self) {
        let all = self.all.take();
        self.book.told.send_modify(|(number, told)| {
            *number = self.number.max(*number);
            if let Some(all) = all {
                *told = all;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_is_over_when_each_follows_it_or_it_was_refused() {
        let book = Arc::new(SubscriberBook::default());
        assert!(book.rests());
        let edit = book.edit();
        assert!(!book.rests());
        drop(edit);
        let told = book.told();
        assert!(!book.rests() && told.borrow().0 == 1, "it is told before it is followed");
        let other = book.edit();
        book.is_done(1);
        assert!(!book.rests());
        drop(other);
        book.is_done(2);
        assert!(book.rests());
    }
}
