//! One child per live session: it holds the task that connects, logs in and answers questions.
#![expect(
    clippy::disallowed_methods,
    reason = "a session's task is owned by its actor, and ends it"
)]

use crate::connection::message::{ConnectionMsg, SessionMsg, SessionStart};
use crate::fault;
use crate::provider::{self, Ask, Leash, Opening, Waits};
use postrider_core::failure::Failure;
use postrider_core::provider::Connected;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tracing::Instrument;

/// The child.
#[derive(Debug)]
pub(super) struct SessionActor;

/// Ends the task with its actor.
#[derive(Debug, Default)]
pub(super) struct Task(Option<AbortHandle>);

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.abort();
        }
    }
}

impl Actor for SessionActor {
    type Msg = SessionMsg;
    type State = Task;
    type Arguments = ();

    async fn pre_start(
        &self,
        _me: ActorRef<SessionMsg>,
        (): (),
    ) -> Result<Task, ActorProcessingErr> {
        Ok(Task::default())
    }

    async fn handle(
        &self,
        me: ActorRef<SessionMsg>,
        message: SessionMsg,
        task: &mut Task,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            SessionMsg::Start(start) => {
                fault::pass("panic.session");
                let span = tracing::error_span!(
                    "postrider.imap.session",
                    account.id = %start.request.account,
                    session.id = start.id.0,
                );
                let end = Farewell(Some(me.clone()));
                let running =
                    tokio::spawn(async move { end.tell(live(*start).instrument(span).await) });
                task.0 = Some(running.abort_handle());
                Ok(())
            }
            SessionMsg::Ended(Ok(())) => {
                me.stop(None);
                Ok(())
            }
            SessionMsg::Ended(Err(failure)) => Err(failure.into()),
        }
    }
}

/// Tells the actor how its task ended, also when it panicked: a slot is never leaked.
struct Farewell(Option<ActorRef<SessionMsg>>);

impl Farewell {
    fn tell(mut self, ended: Result<(), Failure>) {
        if let Some(actor) = self.0.take() {
            // An actor that is gone has aborted this task.
            drop(actor.cast(SessionMsg::Ended(ended)));
        }
    }
}

impl Drop for Farewell {
    fn drop(&mut self) {
        if let Some(actor) = self.0.take() {
            drop(actor.cast(SessionMsg::Ended(Err(Failure::bug(
                "a session's task ended without a word",
            )))));
        }
    }
}

async fn live(start: SessionStart) -> Result<(), Failure> {
    let SessionStart { id, request, sinks, wire, credits, pool, purse, memory } = start;
    let account = request.account.clone();
    let waits = Waits::default();
    let (credits, purse) = (credits.waiting(waits.clone()), purse.waiting(waits.clone()));
    let opening = Opening { account: account.clone(), wire, sinks, credits, purse, memory };
    let credential = Arc::clone(&request.credential);
    let opened = provider::open(request.endpoint.as_ref(), credential, opening).await;
    match opened {
        Ok(session) => {
            let (asks, questions) = mpsc::unbounded_channel::<Ask>();
            // A pool that is gone has aborted this task.
            let leash = Leash { waits, ..session.leash() };
            drop(pool.cast(ConnectionMsg::Opened(id, leash.clone())));
            let connected = Connected { session: id, capabilities: session.capabilities() };
            let back = pool.clone();
            // A pool that is gone has taken its sessions with it.
            request.grant(
                connected,
                asks,
                leash,
                Box::new(move |id| drop(back.cast(ConnectionMsg::Returned(id)))),
            );
            let told = pool.clone();
            let watching = move |watching| drop(told.cast(ConnectionMsg::Watching(id, watching)));
            let ended = session.run(questions, Box::new(watching)).await;
            if let Err(failure) = ended.as_ref()
                && failure.asks_for_less()
            {
                drop(pool.cast(ConnectionMsg::Slowed(account, failure.clone())));
            }
            ended
        }
        Err(failure) => {
            // The pool says what is to be believed of it.
            drop(pool.cast(ConnectionMsg::Refused(id, request, failure.clone())));
            Err(failure)
        }
    }
}
