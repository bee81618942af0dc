//! `serve`: starts everything, watches config, secrets, space and signals, and stops everything in
//! order.
#![expect(clippy::disallowed_methods, reason = "a second signal is heard while everything stops")]

use crate::admin::token::Tokens;
use crate::admin::{Desks, address};
use crate::boot::claims::Claims;
use crate::boot::start_error::StartError;
use crate::boot::wiring::Engine;
use crate::config::{Config, Flaw};
use crate::deliver::DeliverDesk;
use crate::feed::Hub;
use crate::server::face::{face, open_door};
use crate::server::follow::{Followed, Refused, stamp_of};
use crate::server::hear::{Heard, SURROUNDINGS_LOOK_EVERY, Signals, Watched};
use crate::server::serve_error::ServeError;
use crate::server::{
    collect::Hands as CollectHands,
    deliver_hands,
    drift::Drift,
    job_hands, push_hands,
    retention::{Hands, Housekeeping},
    scrub::Scrubbing,
    space,
};
use crate::supervision::root::RootMsg;
use crate::telemetry::names;
use crate::telemetry::wire::WireLog;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use postrider_core::standing::Activity;
use postrider_core::time::Now;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Longest wait at the end for who is being given something.
const GIVEN: Duration = Duration::from_secs(3);
/// Looks between two at the free space.
const SPACE: u32 = 5;
/// A server that runs.
#[derive(Debug)]
pub struct RunningServer {
    engine: Engine,
    followed: Followed,
    file: Option<Watched>,
    data_dir: PathBuf,
    url: String,
    signals: Signals,
    hub: Arc<Hub>,
    desk: Arc<DeliverDesk>,
    housekeeping: Housekeeping,
    scrubbing: Scrubbing,
}

/// Why a config is applied that has not changed.
const SECRETS: &str = "secrets are read again";

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
    /// What it claims.
    pub claims: Claims,
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
        let ServerStart { config, file, purpose, wire, claims } = start;
        let file = file.map(Watched::new);
        let mut signals = Signals::new()?;
        let engine = Engine::start(&config, purpose, wire.clone(), claims).await?;
        let data_dir = config.data_dir.clone();
        let mut followed = Followed::nobody(&config, engine.registry());
        space::look(&config, engine.packs(), engine.registry());
        let hub = Arc::new(Hub::new(engine.reader(), engine.events()));
        let opened = async {
            // What cannot be opened is said before anybody logs in.
            let door = open_door(&config, Tokens::open(&config.data_dir)?)?;
            let push = push_hands::open(&config)?;
            let applied = tokio::select! {
                applied = followed.apply(&engine, config.clone()) => applied,
                // A command that prints a password may hang; who is asked to stop does.
                () = signals.end() => return Err(ServeError::Stopped),
            };
            engine.derive(&config).map_err(StartError::Failure)?;
            match applied {
                Ok(_) => {
                    let jobs = job_hands::start(&engine, &followed).await?;
                    let desk = deliver_hands::start(&engine, &config, &followed, &hub).await?;
                    let push = push_hands::start(&engine, &config, &followed, (push, wire)).await?;
                    let desks = Desks { deliver: Arc::clone(&desk), push };
                    let parts = (jobs, Arc::clone(&hub), desks);
                    let url = face(&engine, &config, &followed, metrics, door, parts)?;
                    let now = engine.registry().clock().now();
                    let housekeeping = Housekeeping::open(engine.reader(), now).await;
                    Ok((url, desk, housekeeping.map_err(StartError::Failure)?))
                }
                Err(Refused::Problems(problems)) => Err(ServeError::Config(problems)),
                Err(Refused::Failure(failure)) => Err(StartError::Failure(failure).into()),
            }
        };
        match opened.await {
            Ok((url, desk, housekeeping)) => {
                let scrubbing = Scrubbing::none();
                Ok(Self {
                    engine,
                    followed,
                    file,
                    data_dir,
                    url,
                    signals,
                    hub,
                    desk,
                    housekeeping,
                    scrubbing,
                })
            }
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

    /// Serves until a signal, then stops: pages in hand are settled, sessions log out, the database
    /// is closed. A second signal ends the process at once.
    ///
    /// # Errors
    /// When the tree ended by itself.
    pub async fn run(mut self, at_once: impl FnOnce() + Send + 'static) -> Result<(), ServeError> {
        tell_systemd(&[sd_notify::NotifyState::Ready]);
        let (mut looks, mut drift) = (0_u32, Drift::new(self.engine.registry().clock().now()));
        let mut taken = std::pin::pin!(self.engine.taken());
        let ended = loop {
            let heard = tokio::select! {
                heard = self.signals.hear() => heard,
                who = &mut taken => break Err(ServeError::Taken(who)),
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
                    let now = self.engine.registry().clock().now();
                    drift.look(now);
                    self.keeps_house(now);
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
                        space::look(
                            self.followed.config(),
                            self.engine.packs(),
                            self.engine.registry(),
                        );
                    }
                    self.watchdog().await;
                }
            }
        };
        tell_systemd(&[sd_notify::NotifyState::Stopping]);
        address::withdraw(&self.data_dir);
        let Self { engine, mut signals, hub, desk, scrubbing, .. } = self;
        drop(scrubbing);
        hub.end();
        tokio::spawn(async move {
            signals.end().await;
            at_once();
        });
        if ended.is_ok() {
            tracing::info!("stopping: pages in hand are settled; once more to end at once");
            // Who is being given something may take it: what has come of it is known at the next start.
            drop(tokio::time::timeout(GIVEN, desk.settles()).await);
            engine.settle().await;
        }
        engine.stop().await;
        ended
    }

    /// What is kept no longer goes, and stored bytes are read again: each at its time.
    fn keeps_house(&mut self, now: Now) {
        let hands = || Hands {
            collect: CollectHands {
                reader: self.engine.reader().clone(),
                switchboard: self.engine.switchboard(),
                packs: Arc::clone(self.engine.packs()),
                clock: self.engine.registry().clock(),
            },
            registry: self.engine.registry().clone(),
        };
        let config = self.followed.config();
        self.housekeeping.look(config.retention, now, hands);
        self.scrubbing.follow(config.scrub, &self.engine);
    }

    /// Reads the file again. A broken one changes nothing. Says whether a signal to stop came
    /// meanwhile.
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

    /// Brings a config into force. Says whether a signal to stop came meanwhile: then nothing has
    /// changed.
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
                tracing::error!(
                    "the edit is not in force, and is tried again: {}",
                    failure.chain()
                );
                if let Some(watched) = &mut self.file {
                    watched.read = None;
                }
            }
        }
        false
    }

    fn refuse(&self, problems: &[Flaw]) {
        // What is told stands already where whoever reads it looks next.
        let first = problems.first().map(ToString::to_string).unwrap_or_default();
        self.engine.registry().does("root/config", Activity::Refused.as_str(), &first, None);
        metrics::gauge!(names::CONFIG_IN_FORCE).set(0.0);
        for problem in problems {
            tracing::error!("{problem}");
        }
        tracing::error!(
            "the config is refused with {} error(s); the old one stays in force",
            problems.len()
        );
    }

    /// Tells systemd that the tree is alive: the database can be read, and the root answers.
    async fn watchdog(&self) {
        let alive = async {
            let (reply, answer) = tokio::sync::oneshot::channel();
            self.engine.root().cast(RootMsg::Store(reply)).is_ok() && answer.await.is_ok()
        };
        if tokio::time::timeout(SURROUNDINGS_LOOK_EVERY, alive).await == Ok(true) {
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
