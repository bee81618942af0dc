//! A service's address that survives the service: its supervisor re-points it, and counts what
//! waits for it.

use ractor::ActorRef;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// Messages that wait in an actor's mailbox; counted by us, since mailboxes are unbounded.
#[derive(Clone, Debug, Default)]
pub struct Backlog(Arc<AtomicUsize>);

impl Backlog {
    /// One more waits.
    fn enter(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// One is being handled.
    fn leave(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many wait.
    #[must_use]
    pub fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// What an actor is asked, on its way: it counts among what waits until it is opened, or lost with
/// the actor.
#[derive(Debug)]
pub struct Queued<Q> {
    asked: Q,
    _waits: Waits,
}

/// One that waits; no more when this is dropped.
#[derive(Debug)]
struct Waits(Backlog);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl<Q> Queued<Q> {
    /// One more waits there.
    #[must_use]
    pub fn new(asked: Q, depth: &Backlog) -> Self {
        depth.enter();
        Self { asked, _waits: Waits(depth.clone()) }
    }

    /// Whether it is like this; it waits still.
    pub(crate) fn is(&self, like: impl FnOnce(&Q) -> bool) -> bool {
        like(&self.asked)
    }

    /// It is handled now.
    pub fn open(self) -> Q {
        self.asked
    }
}

/// The messages of a service, beside which it may have others of its own.
pub trait Served: ractor::Message + From<Queued<Self::Request>> {
    /// What others may ask.
    type Request;
}

impl<Q: Send + 'static> Served for Queued<Q> {
    type Request = Q;
}

/// A service that its supervisor re-points when it restarts. A send to a dead actor is lost, and
/// its reply says so.
#[derive(Debug)]
pub struct Handle<M> {
    actor: Arc<RwLock<ActorRef<M>>>,
    depth: Backlog,
}

impl<M> Clone for Handle<M> {
    fn clone(&self) -> Self {
        Self { actor: Arc::clone(&self.actor), depth: self.depth.clone() }
    }
}

impl<M: Served> Handle<M> {
    /// A handle to `actor`, whose mailbox `depth` counts.
    #[must_use]
    pub fn new(actor: ActorRef<M>, depth: Backlog) -> Self {
        Self { actor: Arc::new(RwLock::new(actor)), depth }
    }

    /// Points at another incarnation.
    pub fn repoint(&self, actor: ActorRef<M>) {
        *self.actor.write().unwrap_or_else(PoisonError::into_inner) = actor;
    }

    /// Asks. When the actor is gone the question is dropped, and the reply inside it tells.
    pub fn send(&self, request: M::Request) {
        let actor = self.actor.read().unwrap_or_else(PoisonError::into_inner).clone();
        // A send that fails drops what was sent.
        drop(actor.cast(Queued::new(request, &self.depth).into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_counted_until_it_is_opened_or_lost() {
        let depth = Backlog::default();
        let (opened, lost) = (Queued::new(1, &depth), Queued::new(2, &depth));
        assert_eq!(depth.get(), 2);
        assert_eq!((opened.open(), depth.get()), (1, 1));
        drop(lost);
        assert_eq!(depth.get(), 0);
    }
}
