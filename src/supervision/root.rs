//! The root of the tree: store, endpoints, accounts. A service that dies is started again and its handle re-pointed.

use crate::account::actor::{AccountArgs, Handle};
use crate::clock::Clock;
use crate::connection::actor::{ConnectionActor, ConnectionArgs, ConnectionMsg};
use crate::reply::ReplyTo;
use crate::store::Database;
use crate::store::actor::{StoreActor, StoreMsg};
use crate::supervision::accounts::{AccountsMsg, AccountsSupervisor};
use crate::supervision::exit::failure_of;
use crate::telemetry::names;
use postrider_core::account::summary::Summary;
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use std::collections::BTreeMap;
use tokio::sync::oneshot;

/// Times that a service may die before the process gives up.
const DEATHS: u32 = 10;

/// What the root is told.
#[derive(Debug)]
pub enum RootMsg {
    /// The handle of the store.
    Store(oneshot::Sender<Handle<StoreMsg>>),
    /// The handle of an endpoint's pool, which is started if need be.
    Pool(String, Box<ConnectionArgs>, oneshot::Sender<Handle<ConnectionMsg>>),
    /// Run accounts once.
    RunOnce(Vec<AccountArgs>, ReplyTo<Vec<(String, Summary)>>),
    /// End all runs.
    Stop,
}

/// The root.
#[derive(Debug)]
pub struct Root;

#[derive(Debug)]
enum Child {
    Store,
    Pool(String),
    Accounts,
}

/// What it holds.
#[derive(Debug)]
pub struct RootState {
    db: Database,
    clock: Clock,
    store: Handle<StoreMsg>,
    pools: BTreeMap<String, (Handle<ConnectionMsg>, ConnectionArgs)>,
    accounts: ActorRef<AccountsMsg>,
    children: BTreeMap<ActorId, Child>,
    deaths: u32,
}

impl Actor for Root {
    type Msg = RootMsg;
    type State = RootState;
    type Arguments = (Database, Clock);

    async fn pre_start(
        &self,
        me: ActorRef<RootMsg>,
        (db, clock): Self::Arguments,
    ) -> Result<RootState, ActorProcessingErr> {
        let (store, _) = StoreActor::spawn_linked(None, StoreActor, (db.clone(), clock, false), me.get_cell()).await?;
        let (accounts, _) = AccountsSupervisor::spawn_linked(None, AccountsSupervisor, (), me.get_cell()).await?;
        let children = BTreeMap::from([(store.get_id(), Child::Store), (accounts.get_id(), Child::Accounts)]);
        Ok(RootState { db, clock, store: Handle::new(store), pools: BTreeMap::new(), accounts, children, deaths: 0 })
    }

    async fn handle(
        &self,
        me: ActorRef<RootMsg>,
        message: RootMsg,
        state: &mut RootState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            RootMsg::Store(reply) => drop(reply.send(state.store.clone())),
            RootMsg::Pool(name, args, reply) => {
                if !state.pools.contains_key(&name) {
                    let (pool, _) =
                        ConnectionActor::spawn_linked(None, ConnectionActor, (*args).clone(), me.get_cell()).await?;
                    state.children.insert(pool.get_id(), Child::Pool(name.clone()));
                    state.pools.insert(name.clone(), (Handle::new(pool), *args));
                }
                if let Some((handle, _)) = state.pools.get(&name) {
                    drop(reply.send(handle.clone()));
                }
            }
            RootMsg::RunOnce(accounts, reply) => state.accounts.cast(AccountsMsg::RunOnce(accounts, reply))?,
            RootMsg::Stop => state.accounts.cast(AccountsMsg::Stop)?,
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<RootMsg>,
        event: SupervisionEvent,
        state: &mut RootState,
    ) -> Result<(), ActorProcessingErr> {
        let (id, error) = match event {
            SupervisionEvent::ActorFailed(cell, error) => (cell.get_id(), error),
            SupervisionEvent::ActorTerminated(cell, ..) => {
                state.children.remove(&cell.get_id());
                return Ok(());
            }
            _ => return Ok(()),
        };
        let Some(child) = state.children.remove(&id) else { return Ok(()) };
        let failure = failure_of(&error);
        state.deaths += 1;
        if state.deaths > DEATHS {
            return Err(failure.into());
        }
        let kind = match child {
            Child::Store => {
                let (store, _) =
                    StoreActor::spawn_linked(None, StoreActor, (state.db.clone(), state.clock, true), me.get_cell())
                        .await?;
                state.children.insert(store.get_id(), Child::Store);
                state.store.repoint(store);
                "store"
            }
            Child::Pool(name) => {
                if let Some((handle, args)) = state.pools.get(&name) {
                    let (pool, _) =
                        ConnectionActor::spawn_linked(None, ConnectionActor, args.clone(), me.get_cell()).await?;
                    state.children.insert(pool.get_id(), Child::Pool(name));
                    handle.repoint(pool);
                }
                "endpoint"
            }
            // The runs it held cannot be answered any more: the process ends, and says why.
            Child::Accounts => return Err(failure.into()),
        };
        tracing::error!(actor.kind = kind, "an actor died and was started again: {}", failure.chain());
        metrics::counter!(names::ACTOR_RESTARTS, "kind" => kind, "class" => failure.class.as_str()).increment(1);
        Ok(())
    }
}
