//! The DeliverActor: keeps who delivers alive.
#![expect(
    clippy::disallowed_methods,
    reason = "who delivers goes on beside the actor, which hears of its end"
)]

use crate::apart::Apart;
use crate::clock::Clock;
use crate::deliver::book::SubscriberBook;
use crate::deliver::desk::DeliverDesk;
use crate::deliver::keeper::Keeper;
use crate::deliver::task::Around;
use crate::deliver::webhook::Clients;
use crate::feed::Hub;
use crate::store::Reader;
use postrider_core::failure::Failure;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

/// The actor.
#[derive(Debug)]
pub(crate) struct DeliverActor;

/// What it is made with.
#[derive(Clone)]
pub(crate) struct DeliverArgs {
    /// The newest events.
    pub(crate) hub: Arc<Hub>,
    /// Rows.
    pub(crate) reader: Reader,
    /// Time.
    pub(crate) clock: Clock,
    /// How each stands.
    pub(crate) desk: Arc<DeliverDesk>,
    /// The first of the waits behind a try that failed.
    pub(crate) first_wait: Duration,
    /// Who the config has.
    pub(crate) book: Arc<SubscriberBook>,
    /// Whoever mirrors comes first.
    pub(crate) apart: Arc<Apart>,
}

/// What it is told.
#[derive(Debug)]
pub(crate) enum DeliverMsg {
    /// Who delivers has ended.
    Ended,
}

/// What it holds: who delivers ends with it.
#[derive(Debug)]
pub(crate) struct DeliverState(AbortHandle);

impl Drop for DeliverState {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Actor for DeliverActor {
    type Msg = DeliverMsg;
    type State = DeliverState;
    type Arguments = DeliverArgs;

    async fn pre_start(
        &self,
        me: ActorRef<DeliverMsg>,
        args: DeliverArgs,
    ) -> Result<DeliverState, ActorProcessingErr> {
        let DeliverArgs { hub, reader, clock, desk, first_wait, book, apart } = args;
        let (reader, clients, stops) = (reader.apart().at_home(), Clients::default(), hub.stops());
        let home = Handle::current();
        let around = Around { hub, reader, clock, desk, first_wait, clients, home, book };
        let keeps = apart.spawn(Keeper::new(around).run());
        let state = DeliverState(keeps.abort_handle());
        tokio::spawn(async move {
            // Why it ended is in the log already.
            drop(keeps.await);
            if !*stops.borrow() {
                drop(me.cast(DeliverMsg::Ended));
            }
        });
        Ok(state)
    }

    async fn handle(
        &self,
        _: ActorRef<DeliverMsg>,
        message: DeliverMsg,
        _: &mut DeliverState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            DeliverMsg::Ended => Err(Failure::bug("who delivers has ended by itself").into()),
        }
    }
}
