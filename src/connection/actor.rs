//! The ConnectionActor of an endpoint: paces logins, keeps the limits, parents the sessions.

use crate::bodies::PackDir;
use crate::clock::Clock;
use crate::connection::lease::SessionLease;
use crate::connection::session::{SessionActor, SessionMsg, Start};
use crate::fault;
use crate::provider::imap::{Ask, Endpoint, Secret};
use crate::reply::ReplyTo;
use crate::telemetry::wire::WireLog;
use postrider_core::failure::Failure;
use postrider_core::mail::id::SessionId;
use postrider_core::pool::{Limits, Next, Pool};
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};

/// How long a returned session may take to log out before it is killed.
const FAREWELL: Duration = Duration::from_secs(5);

/// A session is wanted.
#[derive(Debug)]
pub struct LeaseRequest {
    /// For which account (its id in the config).
    pub account: String,
    /// Where.
    pub endpoint: Arc<Endpoint>,
    /// As whom.
    pub secret: Arc<Secret>,
    /// The lease, or why there is none.
    pub reply: ReplyTo<Result<SessionLease, Failure>>,
}

impl LeaseRequest {
    pub(super) fn grant(self, id: SessionId, asks: mpsc::UnboundedSender<Ask>, pool: ActorRef<ConnectionMsg>) {
        self.reply.send(Ok(SessionLease { id, asks, pool }));
    }

    pub(super) fn refuse(self, failure: Failure) {
        self.reply.send(Err(failure));
    }
}

/// What the actor is told.
#[derive(Debug)]
pub enum ConnectionMsg {
    /// A session is wanted.
    Lease(LeaseRequest),
    /// A lease was dropped.
    Returned(SessionId),
    /// A returned session has had its time.
    Overdue(SessionId),
    /// Look at the queue again.
    Pace,
}

/// What it is made with.
#[derive(Clone, Debug)]
pub struct ConnectionArgs {
    /// Limits of the endpoint.
    pub limits: Limits,
    /// Time.
    pub clock: Clock,
    /// Where bodies go.
    pub packs: Arc<PackDir>,
    /// Where commands are noted.
    pub wire: WireLog,
    /// Pages being read, in the whole process.
    pub credits: Arc<Semaphore>,
}

/// The actor.
#[derive(Debug)]
pub struct ConnectionActor;

/// What it holds.
#[derive(Debug)]
pub struct ConnectionState {
    args: ConnectionArgs,
    pool: Pool<SessionId, String>,
    requests: BTreeMap<SessionId, LeaseRequest>,
    children: BTreeMap<SessionId, ActorRef<SessionMsg>>,
    by_actor: BTreeMap<ActorId, SessionId>,
    last_id: i64,
}

impl Actor for ConnectionActor {
    type Msg = ConnectionMsg;
    type State = ConnectionState;
    type Arguments = ConnectionArgs;

    async fn pre_start(
        &self,
        _me: ActorRef<ConnectionMsg>,
        args: ConnectionArgs,
    ) -> Result<ConnectionState, ActorProcessingErr> {
        Ok(ConnectionState {
            pool: Pool::new(args.limits),
            args,
            requests: BTreeMap::new(),
            children: BTreeMap::new(),
            by_actor: BTreeMap::new(),
            last_id: 0,
        })
    }

    async fn handle(
        &self,
        me: ActorRef<ConnectionMsg>,
        message: ConnectionMsg,
        state: &mut ConnectionState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            ConnectionMsg::Lease(request) => {
                fault::pass("panic.endpoint");
                // Made from the wall clock, so that it differs from the numbers of earlier processes too.
                state.last_id = state.args.clock.now().wall.0.max(state.last_id + 1);
                let id = SessionId(state.last_id);
                state.pool.request(id, request.account.clone());
                state.requests.insert(id, request);
            }
            ConnectionMsg::Returned(id) => {
                me.send_after(FAREWELL, move || ConnectionMsg::Overdue(id));
            }
            ConnectionMsg::Overdue(id) => {
                if let Some(child) = state.children.get(&id) {
                    child.kill();
                }
            }
            ConnectionMsg::Pace => {}
        }
        state.work(&me).await
    }

    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<ConnectionMsg>,
        event: SupervisionEvent,
        state: &mut ConnectionState,
    ) -> Result<(), ActorProcessingErr> {
        // However a session ended, its slot is free again. Its account has been told by the session's own questions.
        if let SupervisionEvent::ActorTerminated(cell, ..) | SupervisionEvent::ActorFailed(cell, _) = &event
            && let Some(id) = state.by_actor.remove(&cell.get_id())
        {
            state.children.remove(&id);
            state.pool.release(id);
        }
        state.work(&me).await
    }
}

impl ConnectionState {
    /// Starts the sessions that may start.
    async fn work(&mut self, me: &ActorRef<ConnectionMsg>) -> Result<(), ActorProcessingErr> {
        loop {
            match self.pool.next(self.args.clock.now().mono) {
                Next::Grant(id) => {
                    let Some(request) = self.requests.remove(&id) else {
                        self.pool.release(id);
                        continue;
                    };
                    self.start(id, request, me).await?;
                }
                Next::After(wait) => {
                    me.send_after(wait, || ConnectionMsg::Pace);
                    return Ok(());
                }
                Next::Idle => return Ok(()),
            }
        }
    }

    async fn start(
        &mut self,
        id: SessionId,
        request: LeaseRequest,
        me: &ActorRef<ConnectionMsg>,
    ) -> Result<(), ActorProcessingErr> {
        let sink = match self.args.packs.lease() {
            Ok(sink) => sink,
            Err(failure) => {
                self.pool.release(id);
                request.refuse(failure);
                return Ok(());
            }
        };
        let (child, _) = SessionActor::spawn_linked(None, SessionActor, (), me.get_cell()).await?;
        self.by_actor.insert(child.get_id(), id);
        self.children.insert(id, child.clone());
        let start = Start {
            id,
            request,
            sink,
            wire: self.args.wire.clone(),
            credits: Arc::clone(&self.args.credits),
            pool: me.clone(),
        };
        child.cast(SessionMsg::Start(Box::new(start)))?;
        Ok(())
    }
}
