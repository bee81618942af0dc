//! What the actors of a pool are told.

use crate::bodies::PackSink;
use crate::connection::lease::LeaseRequest;
use crate::provider::Leash;
use crate::telemetry::wire::WireLog;
use postrider_core::failure::Failure;
use postrider_core::mail::id::SessionId;
use ractor::ActorRef;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// What a pool is told.
#[derive(Debug)]
pub enum ConnectionMsg {
    /// A session is wanted.
    Lease(Box<LeaseRequest>),
    /// An account no longer wants the sessions that it waits for.
    Withdraw(String),
    /// A session has logged in.
    Opened(SessionId, Leash),
    /// A session could not be had.
    Refused(SessionId, Box<LeaseRequest>, Failure),
    /// A session began to watch, or stopped.
    Watching(SessionId, bool),
    /// A lease was dropped.
    Returned(SessionId),
    /// A returned session has had its time.
    Overdue(SessionId),
    /// What a bare connection met.
    Probed(Result<(), Failure>),
    /// Look at the queue again: logins are paced.
    Pace,
    /// Look at the sessions.
    Tick,
}

/// What a session's actor is told.
#[derive(Debug)]
pub(super) enum SessionMsg {
    /// Connect.
    Start(Box<SessionStart>),
    /// The task has ended.
    Ended(Result<(), Failure>),
}

/// What a session needs.
#[derive(Debug)]
pub(super) struct SessionStart {
    pub(super) id: SessionId,
    pub(super) request: Box<LeaseRequest>,
    pub(super) sink: PackSink,
    pub(super) wire: WireLog,
    pub(super) credits: Arc<Semaphore>,
    pub(super) pool: ActorRef<ConnectionMsg>,
}
