//! Puts the parts together: lock, database, bodies, the tree.

use crate::account::actor::{AccountArgs, Progress};
use crate::bodies::PackDir;
use crate::bodies::disk::RealDisk;
use crate::boot::lock::{DataLock, LockError};
use crate::clock::Clock;
use crate::config::{Account, Config};
use crate::connection::actor::ConnectionArgs;
use crate::provider::imap::{Endpoint, Secret, Security, Tls};
use crate::reply::ReplyTo;
use crate::store::actor::OpenAccount;
use crate::store::{Database, OpenError, Reader};
use crate::supervision::root::{Root, RootMsg};
use crate::telemetry::wire::WireLog;
use postrider_core::account::machine::Settings;
use postrider_core::account::summary::{Counts, Outcome, Summary};
use postrider_core::failure::Failure;
use postrider_core::recovery::decide::Policy;
use ractor::{Actor, ActorRef};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

/// What a page being read is reckoned at: blocks on their way to the disk, and rows.
const PAGE_COST: u64 = 2 * 1024 * 1024;
/// How long the tree may take to end.
const SHUTDOWN: Duration = Duration::from_secs(4);

/// Why the engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder is not ours.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The database.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// Bodies, or a bug.
    #[error("{0}")]
    Failure(Failure),
}

/// The running engine.
#[derive(Debug)]
pub struct Engine {
    root: ActorRef<RootMsg>,
    task: JoinHandle<()>,
    db: Database,
    reader: Reader,
    clock: Clock,
    connection: ConnectionArgs,
    _lock: DataLock,
}

/// A server as an account is told of it.
///
/// # Errors
/// Class config when TLS roots or the secret cannot be had.
pub fn reach(account: &Account, config: &Config) -> Result<(Endpoint, Secret), Failure> {
    let tls = match (account.security, &account.ca_file) {
        (Security::Plain, _) => None,
        (_, Some(file)) => Some(Tls::from_file(file)?),
        (_, None) => Some(Tls::system()?),
    };
    let endpoint = Endpoint {
        host: account.host.clone(),
        port: account.port,
        security: account.security,
        tls,
        timeouts: config.timeouts,
    };
    Ok((endpoint, Secret { username: account.username.clone(), password: account.secret.get()? }))
}

impl Engine {
    /// Starts lock, database, bodies and the tree.
    ///
    /// # Errors
    /// [`StartError`], by variant.
    pub async fn start(config: &Config, purpose: &str, wire: WireLog) -> Result<Self, StartError> {
        let lock = DataLock::take(&config.data_dir, purpose)?;
        let db = crate::store::open(&config.database).await?;
        let reader = Reader::new(&db);
        let highest = reader.highest_pack().await.map_err(StartError::Failure)?;
        let packs = PackDir::open(&config.bodies, Arc::new(RealDisk), highest).map_err(StartError::Failure)?;
        let clock = Clock::start();
        let permits = usize::try_from(config.inflight_bytes.div_ceil(PAGE_COST)).unwrap_or(1).clamp(1, 10_000);
        let credits = Arc::new(Semaphore::new(permits));
        let connection = ConnectionArgs { limits: config.limits, clock, packs: Arc::new(packs), wire, credits };
        let (root, task) = Root::spawn(None, Root, (db.clone(), clock))
            .await
            .map_err(|e| StartError::Failure(Failure::bug(format!("the tree did not start: {e}"))))?;
        Ok(Self { root, task, db, reader, clock, connection, _lock: lock })
    }

    /// The readers of the database.
    #[must_use]
    pub fn reader(&self) -> &Reader {
        &self.reader
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
        let gone = || Failure::bug("the tree has ended");
        let (reply, store) = oneshot::channel();
        self.root.cast(RootMsg::Store(reply)).map_err(|_| gone())?;
        let store = store.await.map_err(|_| gone())?;
        let mut accounts = Vec::new();
        let mut summaries = Vec::new();
        for account in &config.accounts {
            let (endpoint, secret) = match reach(account, config) {
                Ok(reached) => reached,
                Err(failure) => {
                    progress.failed(&account.id, &failure);
                    summaries.push((account.id.clone(), refused(failure)));
                    continue;
                }
            };
            let (reply, pool) = oneshot::channel();
            let name = format!("imap {}:{}", account.host, account.port);
            self.root.cast(RootMsg::Pool(name, Box::new(self.connection.clone()), reply)).map_err(|_| gone())?;
            accounts.push(AccountArgs {
                name: account.id.clone(),
                open: OpenAccount {
                    name: account.id.clone(),
                    provider: "imap",
                    host: account.host.clone(),
                    username: account.username.clone(),
                },
                endpoint: Arc::new(endpoint),
                secret: Arc::new(secret),
                settings: settings(account, config),
                store: store.clone(),
                pool: pool.await.map_err(|_| gone())?,
                reader: self.reader.clone(),
                clock: self.clock,
                progress: Arc::clone(&progress),
            });
        }
        if accounts.is_empty() {
            return Ok(summaries);
        }
        let names: Vec<String> = accounts.iter().map(|a| a.name.clone()).collect();
        let (done, finished) = oneshot::channel();
        let reply = ReplyTo::new(move |answer: Option<Vec<(String, Summary)>>| drop(done.send(answer)));
        self.root.cast(RootMsg::RunOnce(accounts, reply)).map_err(|_| gone())?;
        let mut finished = std::pin::pin!(finished);
        let mut stop = std::pin::pin!(stop);
        let answer = tokio::select! {
            answer = &mut finished => answer,
            () = &mut stop => {
                self.root.cast(RootMsg::Stop).map_err(|_| gone())?;
                match tokio::time::timeout(SHUTDOWN, finished).await {
                    Ok(answer) => answer,
                    Err(_) => {
                        // Whoever has not ended by now is cut off; its cursor has not passed what is not durable.
                        summaries.extend(names.into_iter().map(|name| (name, cancelled())));
                        return Ok(summaries);
                    }
                }
            }
        };
        summaries.extend(answer.ok().flatten().ok_or_else(gone)?);
        Ok(summaries)
    }

    /// Ends the tree, then the database.
    pub async fn stop(self) {
        self.root.stop(None);
        if tokio::time::timeout(SHUTDOWN, self.task).await.is_err() {
            self.root.kill();
        }
        // Closing folds the log in; a disk that hangs must not hold the exit.
        drop(tokio::time::timeout(SHUTDOWN, self.db.close()).await);
    }
}

fn cancelled() -> Summary {
    Summary { outcome: Outcome::Cancelled, counts: Counts::default(), left: Vec::new(), failure: None, class: None }
}

fn refused(failure: Failure) -> Summary {
    let class = Some(failure.class);
    Summary { outcome: Outcome::Failed, counts: Counts::default(), left: Vec::new(), failure: Some(failure), class }
}

fn settings(account: &Account, config: &Config) -> Settings {
    let mut hasher = DefaultHasher::new();
    account.id.hash(&mut hasher);
    Settings {
        policy: Policy { first_wait: config.first_wait, salt: hasher.finish(), ..Policy::default() },
        confirm_after: config.confirm_after,
        recent_messages: config.recent_messages,
        folders: account.folders.clone(),
        ..Settings::default()
    }
}
