//! The AdminActor: holds the tasks that serve HTTP and read what comes for who listens, and ends with them.
#![expect(
    clippy::disallowed_methods,
    reason = "the listener's task ends with the actor that holds it"
)]

use crate::admin::Shared;
use crate::admin::routes::service;
use crate::fault;
use crate::http::listen::{Room, serve};
use postrider_core::failure::Failure;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

/// Connections at a time, and octets of the head of a request.
const ROOM: Room = Room { connections: 256, head: 32 * 1024, a_second: None };
/// How often it is looked whether there are other tokens.
const TICK: Duration = Duration::from_millis(500);
/// After so many looks counters are kept in shape.
const UPKEEP: u32 = 10;

/// What the actor is told.
#[derive(Debug)]
pub enum AdminMsg {
    /// Look at the tokens; keep counters in shape.
    Tick,
    /// Serving has ended.
    Ended,
}

/// What it is made with. The socket outlives the actor: a restart loses no connection that waits.
#[derive(Clone)]
pub struct AdminArgs {
    /// The socket that listens.
    pub listener: Arc<std::net::TcpListener>,
    /// TLS, if the config has a certificate.
    pub tls: Option<TlsAcceptor>,
    /// What every route may use.
    pub shared: Shared,
}

/// The actor.
#[derive(Debug)]
pub struct AdminActor;

/// Ends the task with its actor.
pub struct AdminState {
    args: AdminArgs,
    tasks: [AbortHandle; 2],
    looks: u32,
}

impl Drop for AdminState {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Actor for AdminActor {
    type Msg = AdminMsg;
    type State = AdminState;
    type Arguments = AdminArgs;

    async fn pre_start(
        &self,
        me: ActorRef<AdminMsg>,
        args: AdminArgs,
    ) -> Result<AdminState, ActorProcessingErr> {
        let failed =
            |e: std::io::Error| Failure::storage("the admin API cannot listen").caused_by(e);
        let listener = args.listener.try_clone().map_err(failed)?;
        let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
        let (tls, service) = (args.tls.clone(), service(args.shared.clone()));
        let actor = me.clone();
        let task = tokio::spawn(async move {
            serve(listener, tls, ROOM, service).await;
            drop(actor.cast(AdminMsg::Ended));
        });
        let hub = Arc::clone(&args.shared.hub);
        let (listening, actor) = (tokio::spawn(async move { hub.run().await }), me.clone());
        let ends = listening.abort_handle();
        tokio::spawn(async move {
            // It goes on for ever, unless it meets a bug.
            drop(listening.await);
            drop(actor.cast(AdminMsg::Ended));
        });
        me.cast(AdminMsg::Tick)?;
        let tasks = [task.abort_handle(), ends];
        Ok(AdminState { args, tasks, looks: 0 })
    }

    async fn handle(
        &self,
        me: ActorRef<AdminMsg>,
        message: AdminMsg,
        state: &mut AdminState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            AdminMsg::Tick => {
                fault::pass("panic.admin");
                state.args.shared.tokens.follow();
                state.looks += 1;
                if state.looks >= UPKEEP {
                    state.looks = 0;
                    state.args.shared.metrics.run_upkeep();
                }
                me.send_after(TICK, || AdminMsg::Tick);
                Ok(())
            }
            AdminMsg::Ended => Err(Failure::bug("the admin API has ended by itself").into()),
        }
    }
}
