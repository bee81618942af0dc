//! Packs that are open: this process may still append to them, or something lies in them that is its own.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Which these are.
#[derive(Clone, Debug, Default)]
pub(super) struct OpenPacks(Arc<Mutex<BTreeSet<i64>>>);

/// One of them, until the last who holds it lets it go.
#[derive(Clone, Debug, Default)]
pub(super) struct OpenPack(Arc<Held>);

#[derive(Debug, Default)]
struct Held {
    id: i64,
    of: OpenPacks,
}

impl OpenPacks {
    /// The next number is given to one that is open from now on.
    pub(super) fn begin(&self, next: &AtomicI64) -> OpenPack {
        let id = {
            let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let id = next.fetch_add(1, Ordering::Relaxed);
            open.insert(id);
            id
        };
        OpenPack(Arc::new(Held { id, of: self.clone() }))
    }

    /// Whether this number was given, and its pack is open no more.
    pub(super) fn has_closed(&self, id: i64, next: &AtomicI64) -> bool {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        id < next.load(Ordering::Relaxed) && !open.contains(&id)
    }
}

impl OpenPack {
    /// Its number.
    pub(super) fn id(&self) -> i64 {
        self.0.id
    }
}

/// Packs that are given back: nothing that lies in one is named from then on. What a process has read lies in packs of its own, so
/// that it alone has to know.
#[derive(Clone, Debug, Default)]
pub struct DyingPacks(Arc<RwLock<BTreeSet<i64>>>);

impl DyingPacks {
    /// These are; before who writes is told.
    pub(super) fn add(&self, packs: impl Iterator<Item = i64>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).extend(packs);
    }

    /// Something lies in these: they are not.
    pub(super) fn spare(&self, is_spared: impl Fn(i64) -> bool) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).retain(|pack| !is_spared(*pack));
    }

    /// Asks whether there is one such; not, where there are none.
    #[must_use]
    pub fn have_any(&self, asks: impl FnOnce(&dyn Fn(i64) -> bool) -> bool) -> bool {
        let dying = self.0.read().unwrap_or_else(PoisonError::into_inner);
        !dying.is_empty() && asks(&|pack| dying.contains(&pack))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.of.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}
