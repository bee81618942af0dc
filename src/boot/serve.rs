//! `serve`: starts everything, watches config, secrets, space and signals, and stops everything in order.

use crate::account::message::Obeyed;
use crate::admin::actor::{AdminActor, AdminArgs, TlsError, tls};
use crate::admin::token::{TokenError, Tokens};
use crate::admin::{Door, NotPurged, Operator, Shared, Soon, address};
use crate::bodies::PackDir;
use crate::boot::follow::{Followed, Refused, Stamp, stamp_of};
use crate::boot::wiring::{Engine, StartError, Switchboard};
use crate::boot::{drift::Drift, space};
use crate::config::{Config, Flaw};
use crate::store::orders::Control;
use crate::store::{Done, Reader};
use crate::supervision::root::RootMsg;
use crate::telemetry::names;
use crate::telemetry::wire::WireLog;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use postrider_core::account::follow::Command;
use postrider_core::standing::Activity;
use ractor::Actor;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How often config, secrets and space are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Looks between two at the free space.
const SPACE: u32 = 5;
/// Longest time of a purge.
const PURGE: Duration = Duration::from_secs(50);

/// Why the server did not start, or did not go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The engine.
    #[error(transparent)]
    Start(#[from] StartError),
    /// What config and database say against each other.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Config(Vec<Flaw>),
    /// The token file.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Certificate or key.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address is taken, or not ours.
    #[error("admin.listen: cannot listen on {listen}: {source}; choose another address")]
    Listen {
        /// The address.
        listen: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// Something of the system.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What it said.
        source: std::io::Error,
    },
    /// A signal came while it was starting.
    #[error("stopped while starting")]
    Stopped,
    /// The tree ended by itself.
    #[error("the server has ended by itself: an actor died too often; see the log")]
    Ended,
}

/// A server that runs.
#[derive(Debug)]
pub struct RunningServer {
    engine: Engine,
    followed: Followed,
    file: Option<Watched>,
    data_dir: PathBuf,
    url: String,
    signals: Signals,
}

/// Why a config is applied that has not changed.
const SECRETS: &str = "secrets are read again";

/// A config file that is watched.
#[derive(Debug)]
struct Watched {
    file: PathBuf,
    /// What it looked like when it was read.
    read: Stamp,
    /// What it looked like a moment ago: a file that is still being written is not read yet.
    seen: Stamp,
}

impl Watched {
    /// Whether it has changed, and is quiet.
    fn has_settled(&mut self) -> bool {
        let now = stamp_of(&self.file);
        let quiet = std::mem::replace(&mut self.seen, now) == now;
        quiet && now != self.read
    }
}

/// How a server is started.
#[derive(Debug)]
pub struct ServerStart {
    /// What the config says.
    pub config: Config,
    /// Where it says so; watched.
    pub file: Option<PathBuf>,
    /// What the next one who wants the data folder is told.
    pub purpose: &'static str,
    /// Where commands are noted.
    pub wire: WireLog,
    /// A copy becomes a mirror of its own.
    pub fresh: bool,
}

#[derive(Debug)]
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

/// What is heard while serving.
enum Heard {
    End,
    Reload,
    Look,
}

impl Signals {
    fn new() -> Result<Self, ServeError> {
        let on = |kind| signal(kind).map_err(|source| ServeError::System { what: "listening for signals", source });
        Ok(Self {
            interrupt: on(SignalKind::interrupt())?,
            terminate: on(SignalKind::terminate())?,
            hangup: on(SignalKind::hangup())?,
        })
    }

    async fn end(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    async fn hear(&mut self) -> Heard {
        tokio::select! {
            _ = self.interrupt.recv() => Heard::End,
            _ = self.terminate.recv() => Heard::End,
            _ = self.hangup.recv() => Heard::Reload,
            () = tokio::time::sleep(LOOK) => Heard::Look,
        }
    }
}

/// The process's counters; asked for once.
///
/// # Errors
/// When a recorder is installed already.
pub fn recorder() -> Result<PrometheusHandle, String> {
    let handle = PrometheusBuilder::new().install_recorder().map_err(|e| e.to_string())?;
    names::describe();
    Ok(handle)
}

impl RunningServer {
    /// Starts engine, admin API and accounts.
    ///
    /// # Errors
    /// [`ServeError`], by variant; nothing is left running.
    pub async fn start(start: ServerStart, metrics: PrometheusHandle) -> Result<Self, ServeError> {
        let ServerStart { config, file, purpose, wire, fresh } = start;
        let file = file.map(|file| {
            let look = stamp_of(&file);
            Watched { file, read: look, seen: look }
        });
        let mut signals = Signals::new()?;
        let engine = Engine::start(&config, purpose, wire, fresh).await?;
        let data_dir = config.data_dir.clone();
        let mut followed = Followed::nobody(&config);
        space::look(&config, engine.packs(), engine.registry());
        let opened = async {
            // What cannot be opened is said before anybody logs in.
            let door = open_door(&config)?;
            let applied = tokio::select! {
                applied = followed.apply(&engine, config.clone()) => applied,
                // A command that prints a password may hang; who is asked to stop does.
                () = signals.end() => return Err(ServeError::Stopped),
            };
            match applied {
                Ok(_) => face(&engine, &config, &followed, metrics, door),
                Err(Refused::Problems(problems)) => Err(ServeError::Config(problems)),
                Err(Refused::Failure(failure)) => Err(StartError::Failure(failure).into()),
            }
        };
        match opened.await {
            Ok(url) => Ok(Self { engine, followed, file, data_dir, url, signals }),
            Err(e) => {
                address::withdraw(&data_dir);
                engine.stop().await;
                Err(e)
            }
        }
    }

    /// Where the admin API is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Serves until a signal, then stops: pages in hand are settled, sessions log out, the database is closed. A second
    /// signal ends the process at once.
    ///
    /// # Errors
    /// When the tree ended by itself.
    pub async fn run(mut self, at_once: impl FnOnce() + Send + 'static) -> Result<(), ServeError> {
        tell_systemd(&[sd_notify::NotifyState::Ready]);
        let (mut looks, mut drift) = (0_u32, Drift::new(self.engine.registry().clock().now()));
        let ended = loop {
            let heard = tokio::select! {
                heard = self.signals.hear() => heard,
                () = self.engine.ended() => break Err(ServeError::Ended),
            };
            match heard {
                Heard::End => break Ok(()),
                Heard::Reload => {
                    match sd_notify::NotifyState::monotonic_usec_now() {
                        Ok(now) => tell_systemd(&[sd_notify::NotifyState::Reloading, now]),
                        Err(e) => tracing::debug!("systemd was not told of the reload: {e}"),
                    }
                    let ended = self.reload("SIGHUP").await;
                    tell_systemd(&[sd_notify::NotifyState::Ready]);
                    if ended {
                        break Ok(());
                    }
                }
                Heard::Look => {
                    looks = looks.wrapping_add(1);
                    drift.look(self.engine.registry().clock().now());
                    let ended = if self.file.as_mut().is_some_and(Watched::has_settled) {
                        self.reload("the file has changed").await
                    } else if self.followed.has_new_secret() {
                        self.apply(self.followed.config().clone(), SECRETS).await
                    } else {
                        false
                    };
                    if ended {
                        break Ok(());
                    }
                    if looks.is_multiple_of(SPACE) {
                        space::look(self.followed.config(), self.engine.packs(), self.engine.registry());
                    }
                    self.watchdog().await;
                }
            }
        };
        tell_systemd(&[sd_notify::NotifyState::Stopping]);
        address::withdraw(&self.data_dir);
        let Self { engine, mut signals, .. } = self;
        tokio::spawn(async move {
            signals.end().await;
            at_once();
        });
        if ended.is_ok() {
            tracing::info!("stopping: pages in hand are settled; once more to end at once");
            engine.settle().await;
        }
        engine.stop().await;
        ended
    }

    /// Reads the file again. A broken one changes nothing. Says whether a signal to stop came meanwhile.
    async fn reload(&mut self, why: &str) -> bool {
        let Some(watched) = &mut self.file else { return false };
        watched.read = stamp_of(&watched.file);
        let file = watched.file.clone();
        match crate::config::load(&file, crate::config::variables()) {
            Ok(config) => {
                for warning in &config.warnings {
                    tracing::warn!("{warning}");
                }
                self.apply(config, why).await
            }
            Err(problems) => {
                self.refuse(&problems);
                false
            }
        }
    }

    /// Brings a config into force. Says whether a signal to stop came meanwhile: then nothing has changed.
    async fn apply(&mut self, config: Config, why: &str) -> bool {
        let applied = tokio::select! {
            applied = self.followed.apply(&self.engine, config) => applied,
            () = self.signals.end() => return true,
        };
        match applied {
            Ok(edit) => {
                self.engine.registry().does("root/config", Activity::Running.as_str(), "", None);
                metrics::gauge!(names::CONFIG_IN_FORCE).set(1.0);
                let (changed, gone) = (edit.changed.len(), edit.gone.len());
                // A secret that is missing is looked for again and again.
                if why == SECRETS && changed + gone == 0 {
                    return false;
                }
                tracing::info!(
                    "{why}: in force; {changed} account(s) new or changed{}, {gone} gone{}",
                    named(&edit.changed),
                    named(&edit.gone)
                );
            }
            Err(Refused::Problems(problems)) => self.refuse(&problems),
            Err(Refused::Failure(failure)) => {
                tracing::error!("the edit is not in force, and is tried again: {}", failure.chain());
                if let Some(watched) = &mut self.file {
                    watched.read = None;
                }
            }
        }
        false
    }

    fn refuse(&self, problems: &[Flaw]) {
        for problem in problems {
            tracing::error!("{problem}");
        }
        tracing::error!("the config is refused with {} error(s); the old one stays in force", problems.len());
        let first = problems.first().map(ToString::to_string).unwrap_or_default();
        self.engine.registry().does("root/config", Activity::Refused.as_str(), &first, None);
        metrics::gauge!(names::CONFIG_IN_FORCE).set(0.0);
    }

    /// Tells systemd that the tree is alive: the database can be read, and the root answers.
    async fn watchdog(&self) {
        let alive = async {
            let (reply, answer) = tokio::sync::oneshot::channel();
            self.engine.root().cast(RootMsg::Store(reply)).is_ok() && answer.await.is_ok()
        };
        if tokio::time::timeout(LOOK, alive).await == Ok(true) {
            tell_systemd(&[sd_notify::NotifyState::Watchdog]);
        }
    }
}

fn tell_systemd(state: &[sd_notify::NotifyState<'_>]) {
    // Without systemd this does nothing; with it, a lost word costs a restart at most.
    if let Err(e) = sd_notify::notify(state) {
        tracing::debug!("systemd was not told: {e}");
    }
}

/// Ids after a number: ` (a, b, …)`.
fn named(ids: &[String]) -> String {
    const SHOWN: usize = 20;
    let more = if ids.len() > SHOWN { ", …" } else { "" };
    let shown: Vec<&str> = ids.iter().take(SHOWN).map(String::as_str).collect();
    if shown.is_empty() { String::new() } else { format!(" ({}{more})", shown.join(", ")) }
}

/// Binds the admin API's address: a port that is taken is said at once.
fn bind(config: &Config) -> Result<std::net::TcpListener, ServeError> {
    let listen = config.admin.listen;
    let failed = |source| ServeError::Listen { listen, source };
    let listener = std::net::TcpListener::bind(listen).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

/// Everything that the admin API needs of the system.
pub(super) struct OpenDoor {
    listener: std::net::TcpListener,
    tls: Option<tokio_rustls::TlsAcceptor>,
    tokens: Tokens,
    pub(super) door: Door,
}

/// Opens the admin API's door: address, certificate, tokens.
pub(super) fn open_door(config: &Config) -> Result<OpenDoor, ServeError> {
    let listener = bind(config)?;
    let address =
        listener.local_addr().map_err(|source| ServeError::System { what: "the admin API's address", source })?;
    let door = Door { address, tls: config.admin.tls.is_some(), behind_proxy: config.admin.behind_proxy };
    let tls = config.admin.tls.as_ref().map(|(cert, key)| tls(cert, key)).transpose()?;
    Ok(OpenDoor { listener, tls, tokens: Tokens::open(&config.data_dir)?, door })
}

impl OpenDoor {
    /// What the AdminActor is made with.
    pub(super) fn args(self, shared: impl FnOnce(Arc<Tokens>) -> Shared) -> AdminArgs {
        AdminArgs { listener: Arc::new(self.listener), tls: self.tls, shared: shared(Arc::new(self.tokens)) }
    }
}

/// Starts the admin API; returns where it is.
fn face(
    engine: &Engine,
    config: &Config,
    followed: &Followed,
    metrics: PrometheusHandle,
    opened: OpenDoor,
) -> Result<String, ServeError> {
    let operator = Switch {
        switchboard: engine.switchboard(),
        ids: Arc::clone(&followed.ids),
        packs: Arc::clone(engine.packs()),
        reader: engine.reader().clone(),
    };
    let door = opened.door;
    let args = opened.args(|tokens| Shared {
        reader: engine.reader().clone(),
        registry: engine.registry().clone(),
        operator: Arc::new(operator),
        events: engine.events(),
        metrics,
        tokens,
        door,
        mode: followed.mode.subscribe(),
        per_account: config.per_account,
        no_sync: false,
    });
    let spawn = Arc::new(move |parent: ractor::ActorCell| -> crate::supervision::root::Spawning {
        let args = args.clone();
        Box::pin(async move {
            let (actor, _) = AdminActor::spawn_linked(None, AdminActor, args, parent).await?;
            Ok(actor.get_cell())
        })
    });
    engine.root().cast(RootMsg::Face("admin", spawn)).map_err(|_| ServeError::Ended)?;
    engine.registry().started("root/config", "config");
    let url = url_of(door);
    address::announce(&config.data_dir, &url)
        .map_err(|source| ServeError::System { what: "writing admin.url", source })?;
    Ok(url)
}

/// Where clients of this machine reach a door.
pub(super) fn url_of(door: Door) -> String {
    let scheme = if door.tls { "https" } else { "http" };
    let mut address = door.address;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv6() {
            std::net::Ipv6Addr::LOCALHOST.into()
        } else {
            std::net::Ipv4Addr::LOCALHOST.into()
        });
    }
    format!("{scheme}://{address}")
}

/// Carries commands out in this process.
struct Switch {
    switchboard: Switchboard,
    ids: Arc<Mutex<Vec<String>>>,
    packs: Arc<PackDir>,
    reader: Reader,
}

impl Operator for Switch {
    fn command(&self, account: &str, command: Command) -> Soon<Obeyed> {
        let (switchboard, account) = (self.switchboard.clone(), account.to_owned());
        Box::pin(async move { switchboard.command(&account, command).await })
    }

    fn purge(&self, account: &str) -> Soon<Result<u64, NotPurged>> {
        let is_named = self.ids.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|id| id == account);
        let (switchboard, account) = (self.switchboard.clone(), account.to_owned());
        let (packs, reader) = (Arc::clone(&self.packs), self.reader.clone());
        Box::pin(async move {
            if is_named {
                let text = format!("the config names {account}: take it out there first");
                return Err(NotPurged::Refused(text));
            }
            let done = switchboard.control(Control::Purge { account }, PURGE).await.map_err(NotPurged::Failed)?;
            if done == Done::Missing {
                return Err(NotPurged::Missing);
            }
            unlink(&packs, &reader).await.map_err(NotPurged::Failed)
        })
    }
}

/// Gives back the packs that no message needs any more.
pub(crate) async fn unlink(packs: &Arc<PackDir>, reader: &Reader) -> Result<u64, postrider_core::failure::Failure> {
    let named = reader.named_packs().await?;
    let packs = Arc::clone(packs);
    let unlinked = tokio::task::spawn_blocking(move || packs.clear_unnamed(&named)).await;
    unlinked.map_err(|_| postrider_core::failure::Failure::bug("unlinking packs panicked"))?
}
