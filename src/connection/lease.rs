//! A wish for a session, and the session that comes of it. A lease returns by `Drop`, however its
//! holder ends.

use crate::provider::{Ask, Credential, Endpoint, Leash};
use crate::reply::ReplyTo;
use postrider_core::failure::Failure;
use postrider_core::mail::id::SessionId;
use postrider_core::provider::Connected;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Told that the endpoint is down, or has no budget for what is asked, and when it is looked at next
/// (monotonic); and that this is over.
pub type OnHeld = Arc<dyn Fn(Option<(Failure, Duration)>) + Send + Sync>;

/// Told that others wait and that the session, which only helps, is to be given back.
pub type OnRecalled = Arc<dyn Fn() + Send + Sync>;

/// A session is wanted.
pub struct LeaseRequest {
    /// For which account (its id in the config).
    pub account: String,
    /// Where.
    pub endpoint: Arc<dyn Endpoint>,
    /// As whom.
    pub credential: Arc<dyn Credential>,
    /// While the endpoint is down it waits, instead of being told.
    pub patient: bool,
    /// Only if one is to spare.
    pub wish: bool,
    /// The account has logged in before.
    pub known: bool,
    /// The lease, or why there is none.
    pub reply: ReplyTo<Result<SessionLease, Failure>>,
    /// Told while it waits for an endpoint that is down.
    pub held: OnHeld,
    /// Told when it is needed elsewhere.
    pub recalled: OnRecalled,
}

impl std::fmt::Debug for LeaseRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LeaseRequest")
            .field("account", &self.account)
            .field("wish", &self.wish)
            .finish_non_exhaustive()
    }
}

impl LeaseRequest {
    pub(super) fn grant(
        self,
        at: Connected,
        asks: mpsc::UnboundedSender<Ask>,
        leash: Leash,
        returned: Returned,
    ) {
        self.reply.send(Ok(SessionLease { at, asks, leash, returned }));
    }

    pub(super) fn refuse(self, failure: Failure) {
        self.reply.send(Err(failure));
    }

    pub(super) fn hold(&self, failure: &Failure, next: Duration) {
        // Who merely wishes for a session waits for nothing.
        if !self.wish {
            (self.held)(Some((failure.clone(), next)));
        }
    }
}

/// Told that a lease is over.
pub(super) type Returned = Box<dyn Fn(SessionId) + Send + Sync>;

/// A logged-in session, held by one account.
pub struct SessionLease {
    at: Connected,
    asks: mpsc::UnboundedSender<Ask>,
    leash: Leash,
    returned: Returned,
}

impl SessionLease {
    /// The session.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.at.session
    }

    /// The session, with what the server can do there.
    #[must_use]
    pub fn connected(&self) -> Connected {
        self.at
    }

    /// What is seen of it.
    #[must_use]
    pub fn leash(&self) -> &Leash {
        &self.leash
    }

    /// Puts a question. Its answers, or the news that there will be none, come through the question
    /// itself.
    pub fn ask(&self, ask: Ask) {
        // A session that has ended drops the question, and the question says so.
        drop(self.asks.send(ask));
    }
}

impl std::fmt::Debug for SessionLease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionLease").field("at", &self.at).finish_non_exhaustive()
    }
}

impl Drop for SessionLease {
    fn drop(&mut self) {
        (self.returned)(self.id());
    }
}
