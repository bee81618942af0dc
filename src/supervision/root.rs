//! The root of the tree: store, endpoints, accounts, faces. A service that dies is started again
//! and its handle re-pointed.

use crate::account::args::AccountArgs;
use crate::clock::Clock;
use crate::connection::actor::ConnectionActor;
use crate::connection::args::ConnectionArgs;
use crate::connection::message::{ConnectionMsg, LimitsView};
use crate::credentials::actor::{CredentialActor, CredentialArgs, CredentialMsg};
use crate::handle::{Backlog, Handle};
use crate::reply::ReplyTo;
use crate::store::actor::{StoreActor, StoreArgs};
use crate::store::message::StoreMsg;
use crate::supervision::accounts::{Above, AccountsArgs, AccountsMsg, AccountsSupervisor, Wanted};
use crate::supervision::exit::failure_of;
use crate::telemetry::names;
use crate::telemetry::registry::Registry;
use postrider_core::account::follow::Past;
use postrider_core::failure::Failure;
use postrider_core::run::summary::Summary;
use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Deaths of services within [`WINDOW`] after which the process gives up: whoever started it starts
/// it anew.
const DEATHS: usize = 10;
/// See [`DEATHS`].
const WINDOW: Duration = Duration::from_secs(60);

/// Starts a face (an actor above this row) under the root.
pub type Spawn = Arc<dyn Fn(ActorCell) -> Spawning + Send + Sync>;
/// The face that is being started.
pub type Spawning =
    std::pin::Pin<Box<dyn Future<Output = Result<ActorCell, ActorProcessingErr>> + Send>>;

/// What the root is told.
pub enum RootMsg {
    /// The handle of the store.
    Store(oneshot::Sender<Handle<StoreMsg>>),
    /// The handle of the accounts' supervisor.
    Accounts(oneshot::Sender<Handle<AccountsMsg>>),
    /// The handle of an endpoint's pool, which is started if need be.
    Pool(Box<ConnectionArgs>, oneshot::Sender<Handle<ConnectionMsg>>),
    /// The handle of an account's credential, which is started if need be.
    Credential(Box<CredentialArgs>, oneshot::Sender<Handle<CredentialMsg>>),
    /// Run accounts once.
    RunOnce(Vec<AccountArgs>, ReplyTo<Vec<(String, Summary)>>),
    /// Follow these accounts, no longer follow those.
    Follow(Vec<Wanted>, Vec<String>),
    /// What an account went through: who follows it next is to know.
    Went(String, Past),
    /// Start a face of this kind, and keep it alive.
    Face(&'static str, Spawn),
    /// What each endpoint limits; each drops its sender when it has said so.
    Limits(mpsc::UnboundedSender<LimitsView>),
    /// End all accounts.
    Stop(ReplyTo<()>),
    /// Credentials end their work, endpoints store what was spent; each drops its sender then.
    Settle(mpsc::Sender<()>),
}

impl std::fmt::Debug for RootMsg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RootMsg")
    }
}

/// The root.
#[derive(Debug)]
pub struct Root;

enum Service {
    Store,
    Pool(String),
    Credential(String),
    Accounts,
    Face(&'static str, Spawn),
}

/// What it is made with.
#[derive(Debug)]
pub struct RootArgs {
    /// For the store.
    pub store: StoreArgs,
    /// Time.
    pub clock: Clock,
    /// Where actors are seen.
    pub registry: Registry,
}

/// What it holds.
pub struct RootState {
    args: RootArgs,
    store: Handle<StoreMsg>,
    accounts: Handle<AccountsMsg>,
    accounts_args: AccountsArgs,
    pools: BTreeMap<String, (Handle<ConnectionMsg>, ConnectionArgs)>,
    credentials: BTreeMap<String, (Handle<CredentialMsg>, CredentialArgs)>,
    /// Who is to be followed, should the accounts' supervisor have to be started again.
    wanted: BTreeMap<String, Wanted>,
    once: bool,
    children: BTreeMap<ActorId, Service>,
    deaths: VecDeque<Duration>,
}

impl std::fmt::Debug for RootState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RootState").field("pools", &self.pools.len()).finish_non_exhaustive()
    }
}

impl Actor for Root {
    type Msg = RootMsg;
    type State = RootState;
    type Arguments = RootArgs;

    async fn pre_start(
        &self,
        me: ActorRef<RootMsg>,
        mut args: RootArgs,
    ) -> Result<RootState, ActorProcessingErr> {
        let registry = args.registry.clone();
        registry.started("root", "root");
        args.store.depth = registry.started("root/store", "store");
        let (store, _) =
            StoreActor::spawn_linked(None, StoreActor, args.store.clone(), me.get_cell()).await?;
        let mut children = BTreeMap::from([(store.get_id(), Service::Store)]);
        let store = Handle::new(store, args.store.depth.clone());
        let root = me.clone();
        // A root that is gone starts nobody again.
        let above = Above(Arc::new(move |name, past| drop(root.cast(RootMsg::Went(name, past)))));
        let (clock, depth) = (args.clock, Backlog::default());
        let accounts_args =
            AccountsArgs { clock, store: store.clone(), registry, depth: depth.clone(), above };
        let (accounts, _) = AccountsSupervisor::spawn_linked(
            None,
            AccountsSupervisor,
            accounts_args.clone(),
            me.get_cell(),
        )
        .await?;
        children.insert(accounts.get_id(), Service::Accounts);
        let accounts = Handle::new(accounts, depth);
        Ok(RootState {
            args,
            store,
            accounts,
            accounts_args,
            pools: BTreeMap::new(),
            credentials: BTreeMap::new(),
            wanted: BTreeMap::new(),
            once: false,
            children,
            deaths: VecDeque::new(),
        })
    }

    async fn handle(
        &self,
        me: ActorRef<RootMsg>,
        message: RootMsg,
        state: &mut RootState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            RootMsg::Store(reply) => drop(reply.send(state.store.clone())),
            RootMsg::Accounts(reply) => drop(reply.send(state.accounts.clone())),
            RootMsg::Pool(args, reply) => {
                let name = args.path.clone();
                if !state.pools.contains_key(&name) {
                    let mut args = *args;
                    args.depth = args.registry.started(&name, "endpoint");
                    let depth = args.depth.clone();
                    let pool = state.pool(&me, &args).await?;
                    state.pools.insert(name.clone(), (Handle::new(pool, depth), args));
                }
                if let Some((handle, _)) = state.pools.get(&name) {
                    drop(reply.send(handle.clone()));
                }
            }
            RootMsg::Credential(mut args, reply) => {
                let name = args.path.clone();
                if !state.credentials.contains_key(&name) {
                    args.depth = args.registry.started(&name, "credential");
                    let depth = args.depth.clone();
                    let actor = state.credential(&me, &args).await?;
                    let handle = Handle::new(actor, depth);
                    state.credentials.insert(name.clone(), (handle, (*args).clone()));
                }
                if let Some((handle, kept)) = state.credentials.get_mut(&name) {
                    args.depth = kept.depth.clone();
                    *kept = (*args).clone();
                    handle.send(CredentialMsg::Configure(args));
                    drop(reply.send(handle.clone()));
                }
            }
            RootMsg::RunOnce(accounts, reply) => {
                state.once = true;
                state.accounts.send(AccountsMsg::RunOnce(accounts, reply));
            }
            RootMsg::Follow(wanted, removed) => {
                for one in &wanted {
                    state.wanted.insert(one.name.clone(), one.clone());
                }
                for name in &removed {
                    state.wanted.remove(name);
                }
                // An account may have another id now: who is removed goes first.
                state.accounts.send(AccountsMsg::Remove(removed));
                state.accounts.send(AccountsMsg::Follow(wanted));
            }
            RootMsg::Went(name, past) => {
                if let Some(wanted) = state.wanted.get_mut(&name) {
                    wanted.past = past;
                }
            }
            RootMsg::Face(kind, spawn) => {
                let cell = spawn(me.get_cell()).await?;
                state.args.registry.started(&format!("root/{kind}"), kind);
                state.children.insert(cell.get_id(), Service::Face(kind, spawn));
            }
            RootMsg::Settle(each) => {
                for (handle, _) in state.credentials.values() {
                    let each = each.clone();
                    handle.send(CredentialMsg::Settle(ReplyTo::new(move |_| drop(each))));
                }
                for (handle, _) in state.pools.values() {
                    let each = each.clone();
                    handle.send(ConnectionMsg::Settle(ReplyTo::new(move |_| drop(each))));
                }
            }
            RootMsg::Limits(each) => {
                for (handle, _) in state.pools.values() {
                    let each = each.clone();
                    let told = move |view: Option<LimitsView>| {
                        // Who asked may have gone.
                        if let Some(view) = view {
                            each.send(view).ok();
                        }
                    };
                    handle.send(ConnectionMsg::Limits(ReplyTo::new(told)));
                }
            }
            RootMsg::Stop(reply) => {
                state.wanted.clear();
                state.accounts.send(AccountsMsg::Stop(reply));
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<RootMsg>,
        event: SupervisionEvent,
        state: &mut RootState,
    ) -> Result<(), ActorProcessingErr> {
        let (id, failure) = match event {
            SupervisionEvent::ActorFailed(cell, error) => (cell.get_id(), failure_of(&error)),
            SupervisionEvent::ActorTerminated(cell, ..) => {
                state.children.remove(&cell.get_id());
                return Ok(());
            }
            _ => return Ok(()),
        };
        let Some(child) = state.children.remove(&id) else { return Ok(()) };
        let now = state.args.clock.now().mono;
        state.deaths.retain(|at| now.saturating_sub(*at) < WINDOW);
        state.deaths.push_back(now);
        if state.deaths.len() > DEATHS {
            return Err(failure.into());
        }
        state.restart(&me, child, &failure).await
    }
}

impl RootState {
    async fn pool(
        &mut self,
        me: &ActorRef<RootMsg>,
        args: &ConnectionArgs,
    ) -> Result<ActorRef<ConnectionMsg>, ActorProcessingErr> {
        let spawned =
            ConnectionActor::spawn_linked(None, ConnectionActor, args.clone(), me.get_cell());
        let (pool, _) = spawned.await?;
        self.children.insert(pool.get_id(), Service::Pool(args.path.clone()));
        Ok(pool)
    }

    async fn credential(
        &mut self,
        me: &ActorRef<RootMsg>,
        args: &CredentialArgs,
    ) -> Result<ActorRef<CredentialMsg>, ActorProcessingErr> {
        let spawned =
            CredentialActor::spawn_linked(None, CredentialActor, args.clone(), me.get_cell());
        let (actor, _) = spawned.await?;
        self.children.insert(actor.get_id(), Service::Credential(args.path.clone()));
        Ok(actor)
    }

    async fn restart(
        &mut self,
        me: &ActorRef<RootMsg>,
        child: Service,
        failure: &Failure,
    ) -> Result<(), ActorProcessingErr> {
        let (kind, path) = match &child {
            Service::Store => ("store", "root/store".to_owned()),
            Service::Pool(name) => ("endpoint", name.clone()),
            Service::Credential(name) => ("credential", name.clone()),
            Service::Accounts => ("accounts", "root/accounts".to_owned()),
            Service::Face(kind, _) => (*kind, format!("root/{kind}")),
        };
        self.args.registry.restarts(&path, failure, Some(self.args.clock.now().wall));
        match child {
            Service::Store => {
                let args = StoreArgs { restarted: true, ..self.args.store.clone() };
                self.args.registry.started(&path, "store");
                let (store, _) =
                    StoreActor::spawn_linked(None, StoreActor, args, me.get_cell()).await?;
                self.children.insert(store.get_id(), Service::Store);
                self.store.repoint(store);
            }
            Service::Pool(name) => {
                if let Some((handle, args)) = self.pools.get(&name).cloned() {
                    self.args.registry.gone_under(&path);
                    self.args.registry.started(&path, "endpoint");
                    handle.repoint(self.pool(me, &args).await?);
                }
            }
            Service::Credential(name) => {
                if let Some((handle, args)) = self.credentials.get(&name).cloned() {
                    self.args.registry.started(&path, "credential");
                    handle.repoint(self.credential(me, &args).await?);
                }
            }
            // The runs it held cannot be answered any more: the process ends, and says why.
            Service::Accounts if self.once => return Err(failure.clone().into()),
            Service::Accounts => {
                let (accounts, _) = AccountsSupervisor::spawn_linked(
                    None,
                    AccountsSupervisor,
                    self.accounts_args.clone(),
                    me.get_cell(),
                )
                .await?;
                self.children.insert(accounts.get_id(), Service::Accounts);
                self.accounts.repoint(accounts);
                let wanted = self.wanted.values().cloned().collect();
                self.accounts.send(AccountsMsg::Follow(wanted));
            }
            Service::Face(kind, spawn) => {
                let cell = spawn(me.get_cell()).await?;
                self.args.registry.started(&path, kind);
                self.children.insert(cell.get_id(), Service::Face(kind, spawn));
            }
        }
        tracing::error!(
            actor.kind = kind,
            "an actor died and was started again: {}",
            failure.chain()
        );
        metrics::counter!(names::ACTOR_RESTARTS, "kind" => kind, "class" => failure.class.as_str())
            .increment(1);
        Ok(())
    }
}
