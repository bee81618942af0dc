//! The PushActor: holds the task that listens and the one that tells, and ends with them.
#![expect(
    clippy::disallowed_methods,
    reason = "who listens goes on beside the actor, which hears of its end"
)]

use crate::http::listen::{Room, serve};
use crate::push::desk::PushDesk;
use crate::push::receive::service;
use postrider_core::failure::Failure;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::sync::Arc;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

/// Connections at a time, and octets of the head of a request.
const ROOM: Room = Room { connections: 512, head: 16 * 1024 };

/// The actor.
#[derive(Debug)]
pub(crate) struct PushActor;

/// What it is made with. The socket outlives the actor: a restart loses no connection that waits.
#[derive(Clone)]
pub(crate) struct PushArgs {
    /// The socket that listens.
    pub(crate) listener: Arc<std::net::TcpListener>,
    /// TLS, if the config has a certificate.
    pub(crate) tls: Option<TlsAcceptor>,
    /// A proxy stands before it.
    pub(crate) behind_proxy: bool,
    /// What comes goes there.
    pub(crate) desk: Arc<PushDesk>,
}

/// What it is told.
#[derive(Debug)]
pub(crate) enum PushMsg {
    /// One of its tasks has ended.
    Ended,
}

/// What it holds: its tasks end with it.
#[derive(Debug)]
pub(crate) struct PushState([AbortHandle; 2]);

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
        let failed =
            |e: std::io::Error| Failure::storage("who takes pushes cannot listen").caused_by(e);
        let listener = args.listener.try_clone().map_err(failed)?;
        let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
        let service = service(Arc::clone(&args.desk), args.behind_proxy);
        let tasks = [
            tokio::spawn(serve(listener, args.tls, ROOM, service)),
            tokio::spawn(async move { args.desk.paced().await }),
        ];
        let state = PushState([tasks[0].abort_handle(), tasks[1].abort_handle()]);
        for task in tasks {
            let me = me.clone();
            tokio::spawn(async move {
                // Neither ends, unless it meets a bug, which is in the log already.
                drop(task.await);
                drop(me.cast(PushMsg::Ended));
            });
        }
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
