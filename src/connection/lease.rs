//! A leased session. It returns by `Drop`, however its holder ends.

use crate::connection::actor::ConnectionMsg;
use crate::provider::imap::Ask;
use postrider_core::mail::id::SessionId;
use ractor::ActorRef;
use tokio::sync::mpsc;

/// A logged-in session, held by one account.
#[derive(Debug)]
pub struct SessionLease {
    pub(super) id: SessionId,
    pub(super) asks: mpsc::UnboundedSender<Ask>,
    pub(super) pool: ActorRef<ConnectionMsg>,
}

impl SessionLease {
    /// The session.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Puts a question. Its answers, or the news that there will be none, come through the question itself.
    pub fn ask(&self, ask: Ask) {
        // A session that has ended drops the question, and the question says so.
        drop(self.asks.send(ask));
    }
}

impl Drop for SessionLease {
    fn drop(&mut self) {
        // A pool that is gone has taken its sessions with it.
        drop(self.pool.cast(ConnectionMsg::Returned(self.id)));
    }
}
