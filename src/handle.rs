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
    pub fn enter(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// One is being handled.
    pub fn leave(&self) {
        // What was lost with an earlier incarnation has been counted out at once.
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).ok();
    }

    /// An actor that died has lost what waited.
    pub fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// How many wait.
    #[must_use]
    pub fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
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

impl<M: ractor::Message> Handle<M> {
    /// A handle to `actor`, whose mailbox `depth` counts.
    #[must_use]
    pub fn new(actor: ActorRef<M>, depth: Backlog) -> Self {
        Self { actor: Arc::new(RwLock::new(actor)), depth }
    }

    /// Points at another incarnation.
    pub fn repoint(&self, actor: ActorRef<M>) {
        *self.actor.write().unwrap_or_else(PoisonError::into_inner) = actor;
    }

    /// Sends. When the actor is gone the message is dropped, and the reply inside it tells.
    pub fn send(&self, message: M) {
        let actor = self.actor.read().unwrap_or_else(PoisonError::into_inner).clone();
        self.depth.enter();
        if actor.cast(message).is_err() {
            self.depth.leave();
        }
    }
}
