//! The PushActor: holds the tasks that listen, pull, tell and ask to be pushed to, and ends with them.
#![expect(
    clippy::disallowed_methods,
    reason = "who listens goes on beside the actor, which hears of its end"
)]

use crate::apart::Apart;
use crate::http::listen::{Room, serve};
use crate::provider::{Coming, PushEntry};
use crate::push::desk::PushDesk;
use crate::push::keep::keep;
use crate::push::pull::pull;
use crate::push::receive::service;
use postrider_core::failure::Failure;
use postrider_core::recovery::decide::Policy;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::sync::Arc;
use tokio::task::{AbortHandle, JoinHandle};
use tokio_rustls::TlsAcceptor;

/// Connections at a time, and octets of the head of a request.
const ROOM: Room = Room { connections: 512, head: 16 * 1024, a_second: Some(1500) };

/// The actor.
#[derive(Debug)]
pub(crate) struct PushActor;

/// Where it listens.
#[derive(Clone)]
pub(crate) struct PushDoor {
    /// The socket. It outlives the actor: a restart loses no connection that waits.
    pub(crate) listener: Arc<std::net::TcpListener>,
    /// TLS, if the config has a certificate.
    pub(crate) tls: Option<TlsAcceptor>,
    /// A proxy stands before it.
    pub(crate) behind_proxy: bool,
    /// What strangers send costs nobody else much there.
    pub(crate) apart: Arc<Apart>,
}

/// What it is made with.
#[derive(Clone)]
pub(crate) struct PushArgs {
    /// Where it listens, if it does.
    pub(crate) door: Option<PushDoor>,
    /// What comes goes there.
    pub(crate) desk: Arc<PushDesk>,
    /// How a queue that fails is asked again.
    pub(crate) policy: Policy,
}

/// What it is told.
#[derive(Debug)]
pub(crate) enum PushMsg {
    /// One of its tasks has ended.
    Ended,
}

/// What it holds: its tasks end with it.
#[derive(Debug)]
pub(crate) struct PushState(Vec<AbortHandle>);

impl Drop for PushState {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

impl Actor for PushActor {
    type Msg = PushMsg;
    type State = PushState;
    type Arguments = PushArgs;

    async fn pre_start(
        &self,
        me: ActorRef<PushMsg>,
        args: PushArgs,
    ) -> Result<PushState, ActorProcessingErr> {
        let PushArgs { door, desk, policy } = args;
        let mut state = PushState(Vec::new());
        let mut owns = |task: JoinHandle<()>| {
            state.0.push(task.abort_handle());
            let me = me.clone();
            tokio::spawn(async move {
                // None ends, unless it meets a bug, which is in the log already.
                drop(task.await);
                drop(me.cast(PushMsg::Ended));
            });
        };
        if let Some(PushDoor { listener, tls, behind_proxy, apart }) = door {
            let failed =
                |e: std::io::Error| Failure::storage("who takes pushes cannot listen").caused_by(e);
            let listener = listener.try_clone().map_err(failed)?;
            let listener = {
                let _inside = apart.enter();
                tokio::net::TcpListener::from_std(listener).map_err(failed)?
            };
            let service = service(Arc::clone(&desk), behind_proxy);
            owns(apart.spawn(serve(listener, tls, ROOM, service)));
        }
        let mut tasks: Vec<Coming<'static, ()>> = Vec::new();
        for (n, source) in desk.sources.iter().enumerate() {
            if let PushEntry::Pulled(queue) = &source.entry {
                tasks.push(Box::pin(pull(Arc::clone(&desk), n, Arc::clone(queue), policy)));
            }
        }
        if let Some(hands) = desk.hands.clone() {
            let (desk, to) = (Arc::clone(&desk), Arc::clone(&hands));
            tasks.push(Box::pin(async move { desk.write(to.as_ref()).await }));
        }
        if let Some(hands) = desk.hands.clone() {
            let all = (Arc::clone(&desk.subscriptions), Arc::clone(&desk.webhooks));
            tasks.push(Box::pin(keep(all, desk.whose.clone(), hands)));
        }
        tasks.push(Box::pin(async move { desk.paced().await }));
        tasks.into_iter().for_each(|task| owns(tokio::spawn(task)));
        Ok(state)
    }

    async fn handle(
        &self,
        _: ActorRef<PushMsg>,
        message: PushMsg,
        _: &mut PushState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            PushMsg::Ended => Err(Failure::bug("who takes pushes has ended by itself").into()),
        }
    }
}
