//! Puts the parts together: lock, database, bodies, the tree.
#![expect(
    clippy::disallowed_methods,
    reason = "secrets and certificates are read off the runtime, and waited for"
)]

use crate::account::args::{AccountArgs, Progress};
use crate::bodies::PackDir;
use crate::bodies::disk::RealDisk;
use crate::boot::claims::{Claims, may_take_over};
use crate::boot::ends::learn;
use crate::boot::grants::Grants;
use crate::boot::lock::{DataLock, is_closed};
use crate::boot::place::pool_of;
use crate::boot::remembered::Remembered;
use crate::boot::spent::SpentStore;
use crate::boot::start_error::StartError;
use crate::boot::switchboard::Switchboard;
use crate::clock::Clock;
use crate::config::{Account, Config};
use crate::connection::args::ConnectionArgs;
use crate::derive::DeriveArgs;
use crate::handle::Handle;
use crate::jobs::SlotDesk;
use crate::provider::pressure::Pressure;
use crate::provider::{Credential, Credits, Endpoint};
use crate::reply::ReplyTo;
use crate::store::actor::StoreArgs;
use crate::store::arrivals::Arrivals;
use crate::store::message::{StoreMsg, StoreRequest};
use crate::store::orders::OpenAccount;
use crate::store::{Database, Disagreement, FeedEnd, PackReader, Reader, adopt, agree};
use crate::supervision::root::{Root, RootArgs, RootMsg};
use crate::telemetry::registry::Registry;
use crate::telemetry::wire::WireLog;
use postrider_core::account::follow::Rules;
use postrider_core::derive::Made;
use postrider_core::failure::Failure;
use postrider_core::provider::server::Server;
use postrider_core::recovery::decide::Policy;
use postrider_core::recovery::history::History;
use postrider_core::run::settings::Settings;
use postrider_core::run::summary::Summary;
use postrider_core::standing::Outcome;
use ractor::{Actor, ActorRef};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// How long runs may take to settle what they have in hand.
const SETTLE: Duration = Duration::from_secs(4);
/// How long the tree may take to end.
const SHUTDOWN: Duration = Duration::from_secs(2);
/// How long the database may take to close.
const CLOSE: Duration = Duration::from_secs(2);

/// The running engine.
#[derive(Debug)]
pub struct Engine {
    root: ActorRef<RootMsg>,
    /// Gone once the tree has ended.
    task: Option<JoinHandle<()>>,
    db: Database,
    reader: Reader,
    registry: Registry,
    connection: ConnectionArgs,
    slots: SlotDesk,
    events: watch::Receiver<FeedEnd>,
    arrivals: Arrivals,
    taken: watch::Receiver<Option<String>>,
    switchboard: Switchboard,
    grants: Grants,
    instance: String,
    data_dir: PathBuf,
    _lock: DataLock,
}

/// A server as an account is told of it.
///
/// # Errors
/// Class config when TLS roots cannot be had.
pub fn endpoint(account: &Account, config: &Config) -> Result<Arc<dyn Endpoint>, Failure> {
    crate::provider::endpoint(account.provider, server(account, config))
}

fn server(account: &Account, config: &Config) -> Server {
    Server {
        host: account.host.clone(),
        port: account.port,
        security: account.security,
        proxy: account.proxy.clone(),
        compress: account.compress,
        ca_file: account.ca_file.clone(),
        download_per_day: account.download_per_day,
        api: account.api.clone(),
        timeouts: config.timeouts,
    }
}

fn gone() -> Failure {
    Failure::bug("the tree has ended")
}

impl Engine {
    /// Starts lock, database, bodies and the tree.
    ///
    /// # Errors
    /// [`StartError`], by variant.
    pub async fn start(
        config: &Config,
        purpose: &str,
        wire: WireLog,
        claims: Claims,
    ) -> Result<Self, StartError> {
        let lock = DataLock::take(&config.data_dir, purpose)?;
        for elsewhere in
            [config.database.folder(), Some(config.bodies.as_path())].into_iter().flatten()
        {
            is_closed(elsewhere)?;
        }
        // Where an earlier server listened that was killed: somebody else may by now, and no client
        // is to ask there.
        crate::admin::address::withdraw(&config.data_dir);
        if claims.take_over {
            may_take_over(config, claims.adopt).await?;
        }
        let db = crate::store::open_as(&config.database, claims.take_over).await?;
        let reader = Reader::new(&db);
        let named = reader.named_packs().await.map_err(StartError::Failure)?;
        let (instance, is_older, start) = if claims.adopt {
            let (id, start) = adopt(&db, &config.data_dir).await?;
            tracing::info!(
                "adopted: a mirror of its own from now on; its events are numbered from 2^32 further up"
            );
            (id, true, start)
        } else {
            crate::store::own_bodies(&db, &config.data_dir, &config.bodies, &named).await?;
            agree(&db, &config.data_dir).await?
        };
        crate::store::excuse_bodies(&db, &config.bodies, &named).await?;
        crate::store::note_place(&db, &config.data_dir)?;
        let grants = Grants::of(config, &reader).await.map_err(StartError::Failure)?;
        let given = PackReader::new(&reader).highest().await.map_err(StartError::Failure)?;
        let highest = named.last_key_value().map_or(given, |(pack, _)| given.max(*pack));
        let packs = PackDir::open(&config.bodies, Arc::new(RealDisk), highest)
            .map_err(StartError::Failure)?;
        packs.keep_free(config.min_free);
        packs.take_at_most(config.message_max);
        // The packs that a newer copy of this database names are not ours to judge.
        packs.spare(
            crate::store::mark_bodies(&db, &config.bodies, &instance, packs.highest(), is_older)
                .await?,
        );
        db.is_started().await.map_err(Disagreement::Database)?;
        // What no row names is what a cut or a crash left behind; nobody holds it now.
        let spared =
            PackReader::new(&reader).spared_at_start().await.map_err(StartError::Failure)?;
        packs.clear_unnamed(&spared).map_err(StartError::Failure)?;
        let clock = Clock::start();
        let registry = Registry::new(clock);
        let last = reader.event_span().await.map_err(StartError::Failure)?.last;
        let (told, events) = watch::channel(FeedEnd { last, named: 0 });
        let (has_it, taken) = watch::channel(None);
        let arrivals = Arrivals::default();
        let store = StoreArgs {
            db: db.clone(),
            clock,
            events: told,
            taken: has_it,
            arrivals: arrivals.clone(),
            registry: registry.clone(),
            dying: packs.dying(),
            start,
            restarted: false,
        };
        let args = RootArgs { store, clock, registry: registry.clone() };
        let (root, task) = Root::spawn(None, Root, args).await.map_err(|e| {
            StartError::Failure(Failure::bug(format!("the tree did not start: {e}")))
        })?;
        let ask = async {
            let (reply, store) = oneshot::channel();
            root.cast(RootMsg::Store(reply)).map_err(|_| gone())?;
            let (reply, accounts) = oneshot::channel();
            root.cast(RootMsg::Accounts(reply)).map_err(|_| gone())?;
            Ok((store.await.map_err(|_| gone())?, accounts.await.map_err(|_| gone())?))
        };
        let (store, accounts) = ask.await.map_err(StartError::Failure)?;
        let in_flight = learn(&config.data_dir, &store, &accounts).await;
        let connection = ConnectionArgs {
            path: String::new(),
            limits: config.limits,
            clock,
            packs: Arc::new(packs),
            wire,
            credits: Credits::of(config.inflight_bytes).marked(in_flight),
            pressure: Pressure::of(clock, config.memory_limit),
            registry: registry.clone(),
            spent: Arc::new(SpentStore { reader: reader.clone(), store: store.clone() }),
            memory: Arc::new(Remembered { reader: reader.clone(), store: store.clone() }),
        };
        Ok(Self {
            root,
            task: Some(task),
            db,
            reader,
            registry,
            connection,
            slots: SlotDesk::new(config.runs, clock),
            events,
            arrivals,
            taken,
            switchboard: Switchboard { store, accounts },
            grants,
            instance,
            data_dir: config.data_dir.clone(),
            _lock: lock,
        })
    }

    /// What memory the process has.
    #[must_use]
    pub fn pressure(&self) -> &Pressure {
        &self.connection.pressure
    }

    /// The readers of the database.
    #[must_use]
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// What every actor and account is doing.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The folder of packs.
    #[must_use]
    pub fn packs(&self) -> &Arc<PackDir> {
        &self.connection.packs
    }

    /// The number of the last durable event.
    #[must_use]
    pub fn events(&self) -> watch::Receiver<FeedEnd> {
        self.events.clone()
    }

    /// Derives what is owed; not where the config has it off.
    ///
    /// # Errors
    /// Class bug when the tree is gone.
    pub fn derive(&self, config: &Config) -> Result<(), Failure> {
        if config.derive_bytes == 0 {
            return Ok(());
        }
        let args = DeriveArgs {
            path: "root/derive".to_owned(),
            reader: self.reader.apart(),
            store: self.store().clone(),
            arrivals: self.arrivals.clone(),
            bodies: config.bodies.clone(),
            bytes: config.derive_bytes,
            made: Made::now(config.search_index),
            leaving: Arc::default(),
            has_begun: Arc::default(),
            clock: self.registry.clock(),
            registry: self.registry.clone(),
        };
        self.root.cast(RootMsg::Derive(Box::new(args))).map_err(|_| gone())
    }

    /// The root, for faces.
    #[must_use]
    pub fn root(&self) -> &ActorRef<RootMsg> {
        &self.root
    }

    /// What commands and control writes go through; usable when the engine itself is borrowed
    /// elsewhere.
    #[must_use]
    pub fn switchboard(&self) -> Switchboard {
        self.switchboard.clone()
    }

    /// What grants are renewed with.
    pub(crate) fn grants(&self) -> &Grants {
        &self.grants
    }

    /// Tells this mirror from others.
    pub(crate) fn instance(&self) -> &str {
        &self.instance
    }

    /// The handle of the store.
    pub(super) fn store(&self) -> &Handle<StoreMsg> {
        &self.switchboard.store
    }

    /// Everything an account needs.
    ///
    /// # Errors
    /// Class config when TLS roots cannot be had; bug when the tree is gone.
    pub async fn account_args(
        &self,
        account: &Account,
        config: &Config,
        once: bool,
        progress: Arc<dyn Progress>,
        credential: Arc<dyn Credential>,
    ) -> Result<AccountArgs, Failure> {
        let (provider, server) = (account.provider, server(account, config));
        // Roots are read from the disk.
        let found =
            tokio::task::spawn_blocking(move || crate::provider::endpoint(provider, server)).await;
        let endpoint = found.map_err(|_| Failure::bug("reading the roots panicked"))??;
        let path = pool_of(account);
        let (reply, pool) = oneshot::channel();
        let mut args = ConnectionArgs { path, ..self.connection.clone() };
        if let Some(most) = endpoint.logins() {
            args.limits.logins_per_second = args.limits.logins_per_second.min(most);
        }
        self.root.cast(RootMsg::Pool(Box::new(args), reply)).map_err(|_| gone())?;
        Ok(AccountArgs {
            name: account.id.clone(),
            open: OpenAccount {
                name: account.id.clone(),
                provider: account.provider,
                host: account.host.clone(),
                username: account.username.clone(),
                keep: config.keep,
                owner: account.owner.clone(),
                addresses: account.own_keys(),
            },
            endpoint,
            settings: String::new(),
            credential,
            rules: Rules { settings: settings(account, config, once), mode: config.mode, once },
            store: self.store().clone(),
            pool: pool.await.map_err(|_| gone())?,
            slots: self.slots.clone(),
            reader: self.reader.clone(),
            clock: self.registry.clock(),
            progress,
            registry: self.registry.clone(),
        })
    }

    /// Runs every account once; ends when `stop` does, too.
    ///
    /// # Errors
    /// Class bug when the tree is gone.
    pub async fn run_once(
        &self,
        config: &Config,
        progress: Arc<dyn Progress>,
        stop: impl Future<Output = ()>,
    ) -> Result<Vec<(String, Summary)>, Failure> {
        let mut accounts = Vec::new();
        let mut summaries = Vec::new();
        for account in &config.accounts {
            let ready = async {
                let given = self.given(account).await?.credential();
                self.account_args(account, config, true, Arc::clone(&progress), given).await
            };
            match ready.await {
                Ok(args) => accounts.push(args),
                Err(failure) => {
                    progress.failed(&account.id, &failure);
                    summaries
                        .push((account.id.clone(), Summary::failed(failure, History::default())));
                }
            }
        }
        if accounts.is_empty() {
            return Ok(summaries);
        }
        let names: Vec<String> = accounts.iter().map(|a| a.name.clone()).collect();
        let (done, finished) = oneshot::channel();
        let reply =
            ReplyTo::new(move |answer: Option<Vec<(String, Summary)>>| drop(done.send(answer)));
        self.root.cast(RootMsg::RunOnce(accounts, reply)).map_err(|_| gone())?;
        let mut finished = std::pin::pin!(finished);
        let mut stop = std::pin::pin!(stop);
        let answer = tokio::select! {
            answer = &mut finished => answer,
            () = &mut stop => {
                self.root.cast(RootMsg::Stop(ReplyTo::new(|_| ()))).map_err(|_| gone())?;
                match tokio::time::timeout(SETTLE, finished).await {
                    Ok(answer) => answer,
                    Err(_) => {
                        // Whoever has not ended by now is cut off; its cursor has not passed what
                        // is not durable.
                        let cancelled = || Summary::of(Outcome::Cancelled, History::default());
                        summaries.extend(names.into_iter().map(|name| (name, cancelled())));
                        return Ok(summaries);
                    }
                }
            }
        };
        summaries.extend(answer.ok().flatten().ok_or_else(gone)?);
        Ok(summaries)
    }

    /// Waits until another process has the database for good, and says which.
    pub fn taken(&self) -> impl Future<Output = String> + Send + use<> {
        let mut taken = self.taken.clone();
        async move {
            let told = taken.wait_for(Option::is_some).await.ok().and_then(|who| who.clone());
            match told {
                Some(who) => who,
                None => std::future::pending().await,
            }
        }
    }

    /// Waits until the tree has ended by itself.
    pub async fn ended(&mut self) {
        if let Some(task) = &mut self.task {
            // However it ended, the process ends with it.
            drop(task.await);
        }
        self.task = None;
    }

    /// Ends all accounts: pages in hand are settled, sessions log out.
    pub async fn settle(&self) {
        let (done, settled) = oneshot::channel();
        let reply = ReplyTo::new(move |_| {
            done.send(()).ok();
        });
        if self.root.cast(RootMsg::Stop(reply)).is_ok()
            && tokio::time::timeout(SETTLE, settled).await.is_err()
        {
            tracing::warn!(
                "not every account has settled within {} s; their cursors stay where they are",
                SETTLE.as_secs()
            );
        }
        self.settle_services().await;
    }

    /// A token that an issuer has rotated, what was spent and what quiet passes have proved are
    /// durable before the tree ends.
    async fn settle_services(&self) {
        let (each, mut all) = mpsc::channel(1);
        // A root that is gone has taken them with it.
        drop(self.root.cast(RootMsg::Settle(each)));
        if tokio::time::timeout(SHUTDOWN, all.recv()).await.is_err() {
            tracing::warn!(
                "an issuer that is asked for a token, or the database, has not answered; what it answers is lost"
            );
        }
        let (done, settled) = oneshot::channel();
        let reply = ReplyTo::new(move |_| {
            done.send(()).ok();
        });
        // Behind what services have sent it already.
        self.store().send(StoreRequest::Settle(reply));
        // What was not written is looked at again after the next start.
        drop(tokio::time::timeout(SHUTDOWN, settled).await);
    }

    /// Ends the tree, then the database.
    pub async fn stop(self) {
        self.settle_services().await;
        self.root.stop(None);
        if let Some(task) = self.task
            && tokio::time::timeout(SHUTDOWN, task).await.is_err()
        {
            self.root.kill();
        }
        let noted =
            tokio::time::timeout(CLOSE, crate::store::note_stop(&self.db, &self.data_dir)).await;
        if let Ok(Err(e)) = noted {
            tracing::warn!("{e}");
        }
        self.connection.credits.ended();
        // Closing folds the log in; a disk that hangs must not hold the exit.
        drop(tokio::time::timeout(CLOSE, self.db.close()).await);
    }
}

fn settings(account: &Account, config: &Config, once: bool) -> Settings {
    let mut hasher = DefaultHasher::new();
    account.id.hash(&mut hasher);
    let policy = Policy { salt: hasher.finish(), ..config.recovery };
    Settings {
        policy: if once { policy } else { policy.staying() },
        confirm_after: config.confirm_after,
        recent_messages: config.recent_messages,
        folders: account.folders.clone(),
        ..Settings::default()
    }
}
