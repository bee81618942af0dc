//! What the actors of a pool are told.

use crate::connection::budget::till::{Spent, TillView};
use crate::connection::lease::LeaseRequest;
use crate::handle::{Queued, Served};
use crate::provider::{Credits, Leash, Memory, Payee, Payment, Purse, Sinks};
use crate::reply::ReplyTo;
use crate::telemetry::wire::WireLog;
use postrider_core::failure::Failure;
use postrider_core::mail::id::SessionId;
use ractor::ActorRef;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What a pool is asked.
#[derive(Debug)]
pub enum PoolRequest {
    /// A session is wanted.
    Lease(Box<LeaseRequest>),
    /// An account no longer wants the sessions that it waits for.
    Withdraw(String),
    /// The process ends: what was spent is stored.
    Settle(ReplyTo<()>),
    /// What is limited, spent, waited for.
    Limits(ReplyTo<LimitsView>),
    /// A session helps another one of its account.
    Helping(SessionId),
}

/// What a pool is told.
#[derive(Debug)]
pub enum ConnectionMsg {
    /// What others ask.
    Asked(Queued<PoolRequest>),
    /// A session has logged in.
    Opened(SessionId, Leash),
    /// A session could not be had.
    Refused(SessionId, Box<LeaseRequest>, Failure),
    /// A session of this account pays.
    Pays(SessionId, Arc<str>, Payment),
    /// A server has asked an account for less.
    Slowed(String, Failure),
    /// What was spent could not be stored.
    Unkept(Vec<Spent>),
    /// There may be units for who waits.
    Turn(Duration),
    /// A session began to watch, or stopped.
    Watching(SessionId, bool),
    /// A lease was dropped.
    Returned(SessionId),
    /// A returned session has had its time.
    Overdue(SessionId),
    /// A returned session had read so many octets then: is it still reading?
    StillReads(SessionId, u64),
    /// What a bare connection met.
    Probed(Result<(), Failure>),
    /// Look at the queue again: logins are paced.
    Pace,
    /// Look at the sessions.
    Tick,
}

impl From<Queued<PoolRequest>> for ConnectionMsg {
    fn from(asked: Queued<PoolRequest>) -> Self {
        Self::Asked(asked)
    }
}

impl Served for ConnectionMsg {
    type Request = PoolRequest;
}

/// Where a session's payments go. A pool that is gone has taken its sessions with it.
pub(super) fn payee(id: SessionId, account: Arc<str>, me: &ActorRef<ConnectionMsg>) -> Payee {
    let me = me.clone();
    Arc::new(move |payment| drop(me.cast(ConnectionMsg::Pays(id, Arc::clone(&account), payment))))
}

/// What an endpoint limits, and how much of it is in use.
#[derive(Clone, Debug)]
pub struct LimitsView {
    /// Its place in the tree.
    pub path: String,
    /// Budgets; nothing before an account has asked for a session.
    pub till: Option<TillView>,
    /// Sessions that live, that may, and that the config allows.
    pub sessions: (usize, usize, usize),
    /// Of each account: those that live, that may, and that the config allows.
    pub sessions_of: BTreeMap<String, (usize, usize, usize)>,
    /// Requests that wait for a session.
    pub queued: usize,
    /// Logins in a second.
    pub logins_per_second: u32,
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
    pub(super) sinks: Sinks,
    pub(super) wire: WireLog,
    pub(super) credits: Credits,
    pub(super) pool: ActorRef<ConnectionMsg>,
    pub(super) purse: Purse,
    pub(super) memory: Arc<dyn Memory>,
}
