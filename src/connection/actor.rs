//! The ConnectionActor of an endpoint: paces logins, keeps the limits, waits for a server that is
//! down, parents the sessions.
#![expect(clippy::disallowed_methods, reason = "a probe runs beside the actor, and answers it")]

use crate::bodies::PackSink;
use crate::connection::args::ConnectionArgs;
use crate::connection::budget::payments::Payments;
use crate::connection::children::SessionChild;
use crate::connection::lease::LeaseRequest;
use crate::connection::message::{ConnectionMsg, PoolRequest, SessionMsg, SessionStart, payee};
use crate::connection::session::SessionActor;
use crate::fault;
use crate::provider::{Endpoint, Sink, Sinks};
use postrider_core::endpoint::{Health, Probe};
use postrider_core::failure::{Class, Excess, Failure, Provenance, Reach};
use postrider_core::mail::id::SessionId;
use postrider_core::pool::{Next, Pool};
use postrider_core::standing::Activity;
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

mod paying;
mod view;

/// How long a returned session may take to log out before it is killed.
const FAREWELL: Duration = Duration::from_secs(5);
/// A returned session that has read so many octets behind this reads an answer that nobody waits for: it is killed.
const LAST_ANSWER: Duration = Duration::from_millis(500);
const LAST_OCTETS: u64 = 64 * 1024;
/// How often sessions are looked at, and a server that is down.
const TICK: Duration = Duration::from_secs(1);
/// Of so many looks one is at those that only watch, too: thousands may.
const WHOLE: u32 = 10;

/// The actor.
#[derive(Debug, Default)]
pub struct ConnectionActor;

/// What it holds.
#[derive(Debug)]
pub struct ConnectionState {
    args: ConnectionArgs,
    pool: Pool<SessionId, String>,
    health: Health<String>,
    requests: BTreeMap<SessionId, Box<LeaseRequest>>,
    children: BTreeMap<SessionId, SessionChild>,
    by_actor: BTreeMap<ActorId, SessionId>,
    /// Those of them that do not watch.
    working: BTreeSet<SessionId>,
    /// Where a probe goes: to the server as the last request described it.
    endpoint: Option<Arc<dyn Endpoint>>,
    /// Sessions that are connecting for somebody who no longer wants them.
    withdrawn: BTreeSet<SessionId>,
    /// The request whose login is tried although the server is down.
    trying: Option<SessionId>,
    last_id: i64,
    payments: Payments,
    timers: Timers,
}

/// Messages of its own that are on their way.
#[derive(Debug, Default)]
struct Timers {
    /// Ticks so far.
    ticks: u32,
    pacing: bool,
    ticking: bool,
    /// When it is looked at again who waits for units.
    turning: Option<Duration>,
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
            payments: Payments::new(args.path.clone(), args.clock, Arc::clone(&args.spent)),
            health: Health::new(),
            args,
            requests: BTreeMap::new(),
            children: BTreeMap::new(),
            by_actor: BTreeMap::new(),
            working: BTreeSet::new(),
            endpoint: None,
            withdrawn: BTreeSet::new(),
            trying: None,
            last_id: 0,
            timers: Timers::default(),
        })
    }

    async fn handle(
        &self,
        me: ActorRef<ConnectionMsg>,
        message: ConnectionMsg,
        state: &mut ConnectionState,
    ) -> Result<(), ActorProcessingErr> {
        let mono = state.args.clock.now().mono;
        match message {
            ConnectionMsg::Asked(asked) => state.asked(&me, asked.open(), mono).await,
            ConnectionMsg::Opened(id, leash) => {
                if let Some(child) = state.children.get_mut(&id) {
                    state.health.logged_in(&child.account);
                    child.logged_in(leash, mono);
                    state.args.registry.does(
                        &state.session_path(id),
                        Activity::Working.as_str(),
                        "",
                        None,
                    );
                }
            }
            ConnectionMsg::Refused(id, request, failure) => {
                state.refused(id, request, failure, mono)
            }
            ConnectionMsg::Pays(id, account, payment) => {
                // What a page has brought is known when it is settled.
                state.pay_octets(id);
                let held = state.children.get(&id).map(|child| Arc::clone(&child.held));
                let payee = payee(id, Arc::clone(&account), &me);
                state.payments.take((id, &account), payment, held, payee);
                // Each question comes by: who waits for a session is not looked at for it.
                state.turn(&me);
                return Ok(());
            }
            // One that was overtaken says nothing.
            ConnectionMsg::Turn(at) if state.timers.turning != Some(at) => return Ok(()),
            ConnectionMsg::Turn(_) => {
                state.timers.turning = None;
                state.turn(&me);
                return Ok(());
            }
            ConnectionMsg::Slowed(account, failure) => state.slowed(&account, &failure, mono),
            ConnectionMsg::Unkept(rows) => state.payments.restore(rows),
            ConnectionMsg::Watching(id, watching) => {
                state.pool.watches(id, watching.then_some(mono));
                state.pay_octets(id);
                if let Some(child) = state.children.get_mut(&id) {
                    child.turns(mono);
                    if watching {
                        state.working.remove(&id);
                    } else {
                        state.working.insert(id);
                    }
                    child.helps &= !watching;
                    // It was asked to go while it helped, and watches by now.
                    if watching && state.pool.is_retiring(id) {
                        child.retire();
                    }
                }
                let what = if watching { Activity::Watching } else { Activity::Working };
                state.args.registry.does(&state.session_path(id), what.as_str(), "", None);
            }
            ConnectionMsg::Returned(id) => {
                state.args.registry.does(
                    &state.session_path(id),
                    Activity::Leaving.as_str(),
                    "log out",
                    None,
                );
                me.send_after(FAREWELL, move || ConnectionMsg::Overdue(id));
                let octets = state.children.get(&id).map_or(0, SessionChild::octets);
                me.send_after(LAST_ANSWER, move || ConnectionMsg::StillReads(id, octets));
            }
            ConnectionMsg::StillReads(id, before) => {
                let octets = state.children.get(&id).map_or(0, SessionChild::octets);
                if octets.saturating_sub(before) > LAST_OCTETS {
                    state.kill(id);
                }
            }
            ConnectionMsg::Overdue(id) => state.kill(id),
            ConnectionMsg::Probed(Ok(())) => state.health.greeted(),
            ConnectionMsg::Probed(Err(failure)) => {
                // The prober is nobody's account.
                state.health.failed(&String::new(), failure, mono);
            }
            ConnectionMsg::Pace => state.timers.pacing = false,
            ConnectionMsg::Tick => {
                state.timers.ticking = false;
                state.timers.ticks = state.timers.ticks.wrapping_add(1);
                let looked = if state.timers.ticks.is_multiple_of(WHOLE) {
                    state.children.keys().copied().collect()
                } else {
                    state.working.clone()
                };
                state.end_the_hung(&looked, mono);
                state.probe(&me, mono);
                state.collect(&looked, &me, mono);
            }
        }
        state.work(&me).await
    }

    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<ConnectionMsg>,
        event: SupervisionEvent,
        state: &mut ConnectionState,
    ) -> Result<(), ActorProcessingErr> {
        // However a session ended, its slot is free again. Its account has been told by the
        // session's own questions.
        if let SupervisionEvent::ActorTerminated(cell, ..) | SupervisionEvent::ActorFailed(cell, _) =
            &event
            && let Some(id) = state.by_actor.remove(&cell.get_id())
        {
            state.pay_octets(id);
            state.children.remove(&id);
            state.working.remove(&id);
            state.withdrawn.remove(&id);
            state.payments.left(id);
            if state.children.is_empty() {
                // Nothing ticks any more.
                state.save(&me, state.args.clock.now().mono, None);
            }
            state.pool.release(id);
            state.args.registry.gone(&state.session_path(id));
        }
        state.work(&me).await
    }
}

impl ConnectionState {
    /// What others ask.
    async fn asked(&mut self, me: &ActorRef<ConnectionMsg>, asked: PoolRequest, mono: Duration) {
        match asked {
            PoolRequest::Lease(request) => {
                fault::pass("panic.endpoint");
                match self.payments.open(&request).await {
                    Ok(()) => self.take(request, mono),
                    Err(failure) => request.refuse(failure),
                }
            }
            PoolRequest::Withdraw(account) => {
                let mine: Vec<SessionId> = self
                    .requests
                    .iter()
                    .filter(|(_, r)| r.account == account)
                    .map(|(id, _)| *id)
                    .collect();
                let connecting = |(_, child): &(&SessionId, &SessionChild)| {
                    child.account == account && child.leash.is_none()
                };
                self.withdrawn.extend(self.children.iter().filter(connecting).map(|(id, _)| *id));
                for id in mine {
                    self.requests.remove(&id);
                    self.pool.release(id);
                }
            }
            PoolRequest::Settle(reply) => {
                let all = self.children.keys().copied().collect();
                self.collect(&all, me, mono);
                self.save(me, mono, Some(reply));
            }
            PoolRequest::Limits(reply) => {
                reply.send(self.limits(mono));
            }
            PoolRequest::Helping(id) => {
                self.pool.helps(id);
                if let Some(child) = self.children.get_mut(&id) {
                    child.helps = true;
                    // It was asked to go while it watched, and works by now.
                    if self.pool.is_retiring(id) {
                        child.retire();
                    }
                }
            }
        }
    }

    fn session_path(&self, id: SessionId) -> String {
        format!("{}/session {id}", self.args.path)
    }

    fn take(&mut self, request: Box<LeaseRequest>, mono: Duration) {
        self.endpoint = Some(Arc::clone(&request.endpoint));
        if request.known {
            self.health.knows(&request.account);
        }
        // Who merely wishes for a session is told at once.
        if request.wish
            && (self.health.down().is_some() || !self.pool.has_spare(&request.account, mono))
        {
            let text = "there is no session to spare";
            request.refuse(Failure::new(Class::RateLimit, Reach::Session, Provenance::Local, text));
            return;
        }
        // Made from the wall clock, so that it differs from the numbers of earlier processes too.
        self.last_id = self.args.clock.now().wall.0.max(self.last_id + 1);
        let id = SessionId(self.last_id);
        self.pool.request(id, request.account.clone());
        if let Some((failure, next)) = self.health.down() {
            request.hold(failure, next);
        }
        self.requests.insert(id, request);
    }

    /// A session could not be had: the endpoint's fault is waited for here, any other is told.
    fn refused(
        &mut self,
        id: SessionId,
        request: Box<LeaseRequest>,
        failure: Failure,
        mono: Duration,
    ) {
        self.args.registry.failed(&self.session_path(id), &failure);
        if failure.asks_for_less() {
            self.slowed(&request.account, &failure, mono);
        }
        if failure.class == Class::Config && !request.known {
            // A place where this account never was: nothing says that waiting would help.
            return request.refuse(failure);
        }
        let was_up = self.health.down().is_none();
        let (failure, waits) = self.health.failed(&request.account, failure, mono);
        if was_up && waits {
            tracing::warn!(endpoint = %self.args.path, failure.class = failure.class.as_str(), "the server is waited for: {}", failure.chain());
        }
        if !waits || !request.patient || request.wish || self.withdrawn.contains(&id) {
            return request.refuse(failure);
        }
        self.take(request, mono);
        if let Some((failure, next)) = self.health.down() {
            for request in self.requests.values() {
                request.hold(failure, next);
            }
        }
    }

    fn kill(&mut self, id: SessionId) {
        if let Some(child) = self.children.get(&id) {
            child.actor.kill();
        }
    }

    /// A session that should work and shows no sign of life is killed alone.
    fn end_the_hung(&mut self, looked: &BTreeSet<SessionId>, mono: Duration) {
        for id in looked {
            if let Some(child) = self.children.get_mut(id)
                && child.hangs(mono)
            {
                tracing::error!(account.id = %child.account, session.id = id.0, "a session hangs and is killed");
                child.actor.kill();
            }
        }
    }

    fn probe(&mut self, me: &ActorRef<ConnectionMsg>, mono: Duration) {
        if self.requests.is_empty() {
            return;
        }
        match (self.health.due(mono), &self.endpoint) {
            (Some(Probe::Connect), Some(endpoint)) => {
                let (me, endpoint) = (me.clone(), Arc::clone(endpoint));
                tokio::spawn(async move {
                    // A pool that is gone probes nobody.
                    drop(me.cast(ConnectionMsg::Probed(endpoint.probe().await)));
                });
            }
            (Some(Probe::Login), _) => self.login_probe(mono),
            _ => {}
        }
        if let Some((failure, next)) = self.health.down() {
            for request in self.requests.values() {
                request.hold(failure, next);
            }
        }
    }

    /// One account's login is tried, each in its turn: who fails goes to the end of the queue.
    fn login_probe(&mut self, mono: Duration) {
        if let Next::Grant(id) = self.pool.next(mono) {
            self.trying = Some(id);
        }
    }

    /// Starts the sessions that may start.
    async fn work(&mut self, me: &ActorRef<ConnectionMsg>) -> Result<(), ActorProcessingErr> {
        if let Some(id) = self.trying.take()
            && let Some(request) = self.requests.remove(&id)
        {
            self.start(id, request, me).await?;
        }
        while self.health.down().is_none() || self.requests.values().any(|r| !r.patient) {
            match self.pool.next(self.args.clock.now().mono) {
                Next::Grant(id) => {
                    let Some(request) = self.requests.remove(&id) else {
                        self.pool.release(id);
                        continue;
                    };
                    self.start(id, request, me).await?;
                }
                Next::Retire(id) => {
                    if let Some(child) = self.children.get(&id) {
                        child.retire();
                    }
                }
                Next::After(wait) => {
                    if !std::mem::replace(&mut self.timers.pacing, true) {
                        me.send_after(wait, || ConnectionMsg::Pace);
                    }
                    break;
                }
                Next::Idle => break,
            }
        }
        let waits = !self.requests.is_empty() && self.health.down().is_some();
        self.turn(me);
        if (!self.children.is_empty() || waits)
            && !std::mem::replace(&mut self.timers.ticking, true)
        {
            me.send_after(TICK, || ConnectionMsg::Tick);
        }
        self.show();
        Ok(())
    }

    async fn start(
        &mut self,
        id: SessionId,
        request: Box<LeaseRequest>,
        me: &ActorRef<ConnectionMsg>,
    ) -> Result<(), ActorProcessingErr> {
        let packs = Arc::clone(&self.args.packs);
        let sinks = Sinks::new(move || Sink::new(PackSink::new(Arc::clone(&packs))));
        let (child, _) = SessionActor::spawn_linked(None, SessionActor, (), me.get_cell()).await?;
        self.by_actor.insert(child.get_id(), id);
        let purse = self.purse(&request.account, id, me);
        let born = SessionChild::new(child.clone(), &request, self.args.clock.now().mono);
        self.children.insert(id, born);
        self.working.insert(id);
        let path = self.session_path(id);
        self.args.registry.started(&path, "session");
        self.args.registry.does(
            &path,
            Activity::Connecting.as_str(),
            &format!("log in for {}", request.account),
            None,
        );
        let start = SessionStart {
            id,
            request,
            sinks,
            wire: self.args.wire.clone(),
            credits: self.args.credits.clone(),
            pool: me.clone(),
            purse,
            memory: Arc::clone(&self.args.memory),
        };
        child.cast(SessionMsg::Start(Box::new(start)))?;
        Ok(())
    }

    /// A server has asked for less.
    fn slowed(&mut self, account: &str, failure: &Failure, mono: Duration) {
        self.payments.slowed(account, failure);
        if failure.excess == Excess::AtOnce {
            let account = account.to_owned();
            let whose = Some(&account).filter(|_| failure.reach < Reach::Endpoint);
            self.pool.too_many(whose, mono);
        }
    }
}
