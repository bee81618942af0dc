//! The root of the tree: store, endpoints, accounts, faces. A service that dies is started again
//! and its handle re-pointed.

use crate::account::args::AccountArgs;
use crate::clock::Clock;
use crate::connection::actor::ConnectionActor;
use crate::connection::args::ConnectionArgs;
use crate::connection::message::{ConnectionMsg, LimitsView, PoolRequest};
use crate::credentials::actor::{
    CredentialActor, CredentialArgs, CredentialMsg, CredentialRequest,
};
use crate::derive::{DeriveActor, DeriveArgs, DeriveRequest};
use crate::handle::Handle;
use crate::jobs::{JobsActor, JobsArgs, JobsMsg};
use crate::reply::ReplyTo;
use crate::store::actor::{StoreActor, StoreArgs};
use crate::store::message::StoreMsg;
use crate::supervision::accounts::{
    Above, AccountsArgs, AccountsMsg, AccountsRequest, AccountsSupervisor, Wanted,
};
use crate::supervision::exit::failure_of;
use crate::supervision::service::Service;
use crate::telemetry::names;
use crate::telemetry::registry::Registry;
use postrider_core::account::follow::Past;
use postrider_core::derive::Made;
use postrider_core::failure::{Class, Failure, Provenance, Reach, When};
use postrider_core::mail::id::AccountId;
use postrider_core::run::summary::Summary;
use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
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
    /// Derive what is owed.
    Derive(Box<DeriveArgs>),
    /// Derive so from now on.
    DeriveSo(Made),
    /// Derive everything of an account anew.
    DeriveAgain(AccountId, ReplyTo<Result<(), Failure>>),
    /// The handle of who keeps jobs, who is started.
    Jobs(JobsArgs, oneshot::Sender<Handle<JobsMsg>>),
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

/// Who a child is.
enum Child {
    Store,
    Pool(String),
    Credential(String),
    Derive,
    Jobs,
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
    clock: Clock,
    registry: Registry,
    store: Service<StoreActor>,
    accounts: Service<AccountsSupervisor>,
    derive: Option<Service<DeriveActor>>,
    jobs: Option<Service<JobsActor>>,
    pools: BTreeMap<String, Service<ConnectionActor>>,
    credentials: BTreeMap<String, Service<CredentialActor>>,
    /// Who is to be followed, should the accounts' supervisor have to be started again.
    wanted: BTreeMap<String, Wanted>,
    once: bool,
    children: BTreeMap<ActorId, Child>,
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
        args: RootArgs,
    ) -> Result<RootState, ActorProcessingErr> {
        let RootArgs { store, clock, registry } = args;
        registry.started("root", "root");
        let (cell, path) = (me.get_cell(), "root/store".to_owned());
        let (store, id) =
            Service::<StoreActor>::start("store", path, store, cell, &registry).await?;
        let mut children = BTreeMap::from([(id, Child::Store)]);
        let root = me.clone();
        // A root that is gone starts nobody again.
        let above = Above(Arc::new(move |name, past| drop(root.cast(RootMsg::Went(name, past)))));
        let accounts_args =
            AccountsArgs { clock, store: store.handle.clone(), registry: registry.clone(), above };
        let (cell, path) = (me.get_cell(), "root/accounts".to_owned());
        let (accounts, id) =
            Service::start("accounts", path, accounts_args, cell, &registry).await?;
        children.insert(id, Child::Accounts);
        Ok(RootState {
            clock,
            registry,
            store,
            accounts,
            derive: None,
            jobs: None,
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
            RootMsg::Store(reply) => drop(reply.send(state.store.handle.clone())),
            RootMsg::Accounts(reply) => drop(reply.send(state.accounts.handle.clone())),
            RootMsg::Pool(args, reply) => {
                let name = args.path.clone();
                if !state.pools.contains_key(&name) {
                    let (cell, registry) = (me.get_cell(), &state.registry);
                    let started =
                        Service::start("endpoint", name.clone(), *args, cell, registry).await?;
                    state.children.insert(started.1, Child::Pool(name.clone()));
                    state.pools.insert(name.clone(), started.0);
                }
                if let Some(pool) = state.pools.get(&name) {
                    drop(reply.send(pool.handle.clone()));
                }
            }
            RootMsg::Credential(args, reply) => {
                let name = args.path.clone();
                if !state.credentials.contains_key(&name) {
                    let (cell, registry) = (me.get_cell(), &state.registry);
                    let args = (*args).clone();
                    let started =
                        Service::start("credential", name.clone(), args, cell, registry).await?;
                    state.children.insert(started.1, Child::Credential(name.clone()));
                    state.credentials.insert(name.clone(), started.0);
                }
                if let Some(credential) = state.credentials.get_mut(&name) {
                    credential.args = (*args).clone();
                    credential.handle.send(CredentialRequest::Configure(args));
                    drop(reply.send(credential.handle.clone()));
                }
            }
            RootMsg::Derive(args) => {
                let (cell, registry, path) = (me.get_cell(), &state.registry, args.path.clone());
                let (derive, id) = Service::start("derive", path, *args, cell, registry).await?;
                state.children.insert(id, Child::Derive);
                state.derive = Some(derive);
            }
            RootMsg::DeriveSo(made) => {
                if let Some(derive) = &mut state.derive {
                    derive.args.made = made;
                    derive.handle.send(DeriveRequest::Make(made));
                }
            }
            RootMsg::DeriveAgain(account, reply) => match &state.derive {
                Some(derive) => derive.handle.send(DeriveRequest::Again(account, reply)),
                None => reply.send(Err(is_off())),
            },
            RootMsg::Jobs(args, reply) => {
                let (cell, registry, path) =
                    (me.get_cell(), &state.registry, "root/jobs".to_owned());
                let (jobs, id) = Service::start("jobs", path, args, cell, registry).await?;
                state.children.insert(id, Child::Jobs);
                drop(reply.send(jobs.handle.clone()));
                state.jobs = Some(jobs);
            }
            RootMsg::RunOnce(accounts, reply) => {
                state.once = true;
                state.accounts.handle.send(AccountsRequest::RunOnce(accounts, reply));
            }
            RootMsg::Follow(wanted, removed) => {
                for one in &wanted {
                    state.wanted.insert(one.name.clone(), one.clone());
                }
                for name in &removed {
                    state.wanted.remove(name);
                }
                // An account may have another id now: who is removed goes first.
                state.accounts.handle.send(AccountsRequest::Remove(removed));
                state.accounts.handle.send(AccountsRequest::Follow(wanted));
            }
            RootMsg::Went(name, past) => {
                if let Some(wanted) = state.wanted.get_mut(&name) {
                    wanted.past = past;
                }
            }
            RootMsg::Face(kind, spawn) => {
                let cell = spawn(me.get_cell()).await?;
                state.registry.started(&format!("root/{kind}"), kind);
                state.children.insert(cell.get_id(), Child::Face(kind, spawn));
            }
            RootMsg::Settle(each) => {
                for credential in state.credentials.values() {
                    let each = each.clone();
                    credential
                        .handle
                        .send(CredentialRequest::Settle(ReplyTo::new(move |_| drop(each))));
                }
                if let Some(derive) = &state.derive {
                    derive.args.leaving.store(true, Ordering::Relaxed);
                    let each = each.clone();
                    derive.handle.send(DeriveRequest::Settle(ReplyTo::new(move |_| drop(each))));
                }
                for pool in state.pools.values() {
                    let each = each.clone();
                    pool.handle.send(PoolRequest::Settle(ReplyTo::new(move |_| drop(each))));
                }
            }
            RootMsg::Limits(each) => {
                for pool in state.pools.values() {
                    let each = each.clone();
                    let told = move |view: Option<LimitsView>| {
                        // Who asked may have gone.
                        if let Some(view) = view {
                            each.send(view).ok();
                        }
                    };
                    pool.handle.send(PoolRequest::Limits(ReplyTo::new(told)));
                }
            }
            RootMsg::Stop(reply) => {
                state.wanted.clear();
                state.accounts.handle.send(AccountsRequest::Stop(reply));
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
        let now = state.clock.now().mono;
        state.deaths.retain(|at| now.saturating_sub(*at) < WINDOW);
        state.deaths.push_back(now);
        if state.deaths.len() > DEATHS {
            return Err(failure.into());
        }
        state.restart(&me, child, &failure).await
    }
}

/// Nothing is derived here.
fn is_off() -> Failure {
    let text = "nothing is derived here: the config has limits.derive_bytes = \"0\"";
    Failure::new(Class::Config, Reach::Account, Provenance::Local, text).when(When::AfterChange)
}

impl RootState {
    async fn restart(
        &mut self,
        me: &ActorRef<RootMsg>,
        child: Child,
        failure: &Failure,
    ) -> Result<(), ActorProcessingErr> {
        let (kind, path) = match &child {
            Child::Store => ("store", "root/store".to_owned()),
            Child::Pool(name) => ("endpoint", name.clone()),
            Child::Credential(name) => ("credential", name.clone()),
            Child::Accounts => ("accounts", "root/accounts".to_owned()),
            Child::Derive => ("derive", "root/derive".to_owned()),
            Child::Jobs => ("jobs", "root/jobs".to_owned()),
            Child::Face(kind, _) => (*kind, format!("root/{kind}")),
        };
        self.registry.restarts(&path, failure, Some(self.clock.now().wall));
        let (cell, registry) = (me.get_cell(), self.registry.clone());
        match child {
            Child::Store => {
                self.store.args.restarted = true;
                let id = self.store.restart(cell, &registry).await?;
                self.children.insert(id, Child::Store);
            }
            Child::Pool(name) => {
                if let Some(pool) = self.pools.get(&name) {
                    registry.gone_under(&path);
                    let id = pool.restart(cell, &registry).await?;
                    self.children.insert(id, Child::Pool(name));
                }
            }
            Child::Credential(name) => {
                if let Some(credential) = self.credentials.get(&name) {
                    let id = credential.restart(cell, &registry).await?;
                    self.children.insert(id, Child::Credential(name));
                }
            }
            Child::Derive => {
                if let Some(derive) = &self.derive {
                    let id = derive.restart(cell, &registry).await?;
                    self.children.insert(id, Child::Derive);
                }
            }
            Child::Jobs => {
                if let Some(jobs) = &self.jobs {
                    let id = jobs.restart(cell, &registry).await?;
                    self.children.insert(id, Child::Jobs);
                }
            }
            // The runs it held cannot be answered any more: the process ends, and says why.
            Child::Accounts if self.once => return Err(failure.clone().into()),
            Child::Accounts => {
                let id = self.accounts.restart(cell, &registry).await?;
                self.children.insert(id, Child::Accounts);
                let wanted = self.wanted.values().cloned().collect();
                self.accounts.handle.send(AccountsRequest::Follow(wanted));
            }
            Child::Face(kind, spawn) => {
                let cell = spawn(me.get_cell()).await?;
                self.registry.started(&path, kind);
                self.children.insert(cell.get_id(), Child::Face(kind, spawn));
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
