//! The live registry: what every actor and every account is doing now. Actors write their own line;
//! admin, metrics and the terminal read. Nothing here is stored, and nothing waits for it.

use crate::clock::Clock;
use crate::handle::Backlog;
use crate::telemetry::names;
use dashmap::DashMap;
use postrider_core::account::follow::SlotWish;
use postrider_core::account::schedule::Mode;
use postrider_core::failure::{Class, Failure};
use postrider_core::job::queue::RunEnd;
use postrider_core::provider::Family;
use postrider_core::run::summary::{Counts, FolderSummary};
use postrider_core::standing::{Activity, Push, Standing};
use postrider_core::time::{Micros, Now};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A failure as it is shown: never a secret, an address or a subject.
#[derive(Clone, Debug)]
pub struct ShownFailure {
    /// Class.
    pub class: &'static str,
    /// Reach.
    pub reach: &'static str,
    /// The chain of causes.
    pub text: String,
    /// When it was handled.
    pub at: Micros,
}

/// An actor.
#[derive(Clone, Debug)]
pub struct ActorLine {
    /// `root`, `store`, `endpoint`, `session`, `accounts`, `account`, `admin`, `config`.
    pub kind: &'static str,
    /// What it is doing.
    pub state: &'static str,
    /// Since when.
    pub since: Micros,
    /// Messages that wait for it.
    pub depth: Backlog,
    /// Work it has given away and waits for.
    pub in_flight: usize,
    /// How often it was started again.
    pub restarts: u32,
    /// Why, or what it met last.
    pub last_failure: Option<ShownFailure>,
    /// What it does next.
    pub next_step: String,
    /// And when.
    pub next_at: Option<Micros>,
}

/// An account.
#[derive(Clone, Debug)]
pub struct AccountLine {
    /// How it stands.
    pub standing: Standing,
    /// Why.
    pub reason: String,
    /// What kind of failure that is.
    pub class: Option<Class>,
    /// A folder or a mail stands still.
    pub stalled: bool,
    /// It is throttled, and new mail comes in all the same.
    pub follows: bool,
    /// Messages that history had left when it last waited.
    pub left: u64,
    /// Since when.
    pub since: Micros,
    /// When it last left a state in which nothing could be done.
    pub waited: Option<Micros>,
    /// When something happens next.
    pub next_attempt_at: Option<Micros>,
    /// What its run wants of the slots.
    pub slot: SlotWish,
    /// Counters of the run that is under way.
    pub run: Option<Counts>,
    /// When it began, on the monotonic clock.
    pub run_since: Option<Duration>,
    /// Counters of all runs of this process.
    pub totals: Counts,
    /// Runs that have ended, and the number a run asked for now would have.
    pub runs: (u64, u64),
    /// When the live end was last proved, on the monotonic clock.
    pub proved: Option<Duration>,
    /// Since when this process follows it, on the monotonic clock.
    pub followed: Duration,
    /// How old the last proof was then, as it is stored: a restart forgets nothing.
    pub stale: Duration,
    /// How the latest runs ended, by number: the newest last.
    pub ended: VecDeque<RunEnd>,
    /// Runs that have failed since the last one that did not.
    pub failed_runs: u32,
    /// Which life of its actor this is; numbers of runs begin anew with each.
    pub life: u64,
    /// End of the last run that left nothing undone.
    pub last_success: Option<Micros>,
    /// Failures handled, by class.
    pub errors: BTreeMap<&'static str, u64>,
    /// Which protocol; nothing before it is followed.
    pub provider: &'static str,
    /// How mail lies there; nothing while it cannot be followed.
    pub family: Option<Family>,
    /// Whose it is, as the config says.
    pub owner: Option<String>,
    /// How new mail is noticed on its sessions.
    pub push: Push,
    /// Its provider pushes, as far as is known.
    pub pushed: bool,
    /// Folders as the last run left them.
    pub folders: Arc<Vec<FolderSummary>>,
    /// While it is throttled: up to when that has been counted, on the monotonic clock.
    throttled: Option<Duration>,
}

impl AccountLine {
    /// One that nothing is known of.
    #[must_use]
    pub fn new(now: Now) -> Self {
        Self {
            standing: Standing::Starting,
            reason: String::new(),
            class: None,
            stalled: false,
            follows: false,
            left: 0,
            since: now.wall,
            waited: None,
            next_attempt_at: None,
            slot: SlotWish::None,
            run: None,
            run_since: None,
            totals: Counts::default(),
            runs: (0, 1),
            proved: None,
            followed: now.mono,
            stale: Duration::ZERO,
            ended: VecDeque::new(),
            life: 0,
            last_success: None,
            errors: BTreeMap::new(),
            provider: "",
            family: None,
            failed_runs: 0,
            owner: None,
            push: Push::Poll,
            pushed: false,
            folders: Arc::default(),
            throttled: None,
        }
    }

    /// Time since the live end was last proved; an account that never was counts from when it began
    /// to be followed.
    #[must_use]
    pub fn lag(&self, mono: Duration) -> Duration {
        match self.proved {
            Some(proved) => mono.saturating_sub(proved),
            None => self.stale + mono.saturating_sub(self.followed),
        }
    }

    /// By how much the proof is older than it is to be: one who is watched proves itself again and again, the
    /// others are looked at as often as `mode` says.
    #[must_use]
    pub fn overdue(&self, mono: Duration, mode: Mode) -> Duration {
        self.lag(mono).saturating_sub(mode.shortest())
    }

    /// Counts the time that it was throttled, as it passes.
    fn count_throttled(&mut self, mono: Duration) {
        let Some(counted) = &mut self.throttled else { return };
        let seconds = mono.saturating_sub(*counted).as_secs();
        metrics::counter!(names::THROTTLE_WAIT).increment(seconds);
        *counted += Duration::from_secs(seconds);
    }

    /// How new mail is noticed.
    #[must_use]
    pub fn notices(&self) -> Push {
        if self.push == Push::Poll && self.pushed { Push::Pubsub } else { self.push }
    }

    /// Whether it is meant to be followed: a paused or removed one is not.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.standing.is_wanted()
    }

    /// Whether it follows its mailbox now.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.standing.is_well() || self.follows
    }
}

/// The registry. Clones share it.
#[derive(Clone, Debug)]
pub struct Registry {
    clock: Clock,
    actors: Arc<DashMap<String, ActorLine>>,
    accounts: Arc<DashMap<String, AccountLine>>,
    /// What keeps the whole process from working, by what it is about.
    conditions: Arc<DashMap<&'static str, String>>,
    /// What somebody is to know, though all is followed.
    notes: Arc<DashMap<&'static str, String>>,
    /// Lives of accounts' actors that have begun.
    lives: Arc<AtomicU64>,
}

impl Registry {
    /// An empty registry.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let (actors, accounts) = (Arc::default(), Arc::default());
        let (conditions, notes) = (Arc::default(), Arc::default());
        Self { clock, actors, accounts, conditions, notes, lives: Arc::default() }
    }

    /// Something keeps the whole process from working, or no longer does.
    pub fn condition(&self, about: &'static str, what: Option<String>) {
        match what {
            Some(what) => drop(self.conditions.insert(about, what)),
            None => drop(self.conditions.remove(about)),
        }
    }

    /// What keeps the whole process from working.
    #[must_use]
    pub fn conditions(&self) -> BTreeMap<&'static str, String> {
        self.conditions.iter().map(|entry| (*entry.key(), entry.value().clone())).collect()
    }

    /// Somebody is to know this, or no longer.
    pub fn note(&self, about: &'static str, what: Option<String>) {
        match what {
            Some(what) => drop(self.notes.insert(about, what)),
            None => drop(self.notes.remove(about)),
        }
    }

    /// What somebody is to know.
    #[must_use]
    pub fn notes(&self) -> BTreeMap<&'static str, String> {
        self.notes.iter().map(|entry| (*entry.key(), entry.value().clone())).collect()
    }

    /// The clock that its times come from.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// An actor was started; returns the counter of its mailbox. Restarts keep their count and the
    /// last failure.
    pub fn started(&self, path: &str, kind: &'static str) -> Backlog {
        let now = self.clock.now().wall;
        let mut line = self.actors.entry(path.to_owned()).or_insert_with(|| ActorLine {
            kind,
            state: Activity::Running.as_str(),
            since: now,
            depth: Backlog::default(),
            in_flight: 0,
            restarts: 0,
            last_failure: None,
            next_step: String::new(),
            next_at: None,
        });
        line.state = Activity::Running.as_str();
        line.since = now;
        line.next_step = String::new();
        line.next_at = None;
        line.depth.clone()
    }

    /// An actor does something else now.
    pub fn does(&self, path: &str, state: &'static str, next_step: &str, next_at: Option<Micros>) {
        let now = self.clock.now().wall;
        if let Some(mut line) = self.actors.get_mut(path) {
            if line.state != state {
                line.state = state;
                line.since = now;
            }
            if line.next_step != next_step {
                next_step.clone_into(&mut line.next_step);
            }
            line.next_at = next_at;
        }
    }

    /// How much an actor has given away and waits for.
    pub fn in_flight(&self, path: &str, n: usize) {
        if let Some(mut line) = self.actors.get_mut(path) {
            line.in_flight = n;
        }
    }

    /// An actor met a failure.
    pub fn failed(&self, path: &str, failure: &Failure) {
        let trouble = self.trouble(failure);
        if let Some(mut line) = self.actors.get_mut(path) {
            line.last_failure = Some(trouble);
        }
    }

    /// An actor died of a failure and is started again at `at`.
    pub fn restarts(&self, path: &str, failure: &Failure, at: Option<Micros>) {
        let trouble = self.trouble(failure);
        let now = self.clock.now().wall;
        if let Some(mut line) = self.actors.get_mut(path) {
            line.restarts += 1;
            line.last_failure = Some(trouble);
            line.state = if at.is_some() { Activity::Restarting } else { Activity::Down }.as_str();
            line.since = now;
            line.next_step = if at.is_some() {
                "start again".into()
            } else {
                "none before something changes".into()
            };
            line.next_at = at;
        }
    }

    /// A failure as it is shown.
    #[must_use]
    pub fn trouble(&self, failure: &Failure) -> ShownFailure {
        ShownFailure {
            class: failure.class.as_str(),
            reach: failure.reach.as_str(),
            text: failure.chain(),
            at: self.clock.now().wall,
        }
    }

    /// An actor is no more.
    pub fn gone(&self, path: &str) {
        self.actors.remove(path);
    }

    /// Everything below a path is no more.
    pub fn gone_under(&self, path: &str) {
        let below = format!("{path}/");
        self.actors.retain(|path, _| !path.starts_with(&below));
    }

    /// Every actor, by path.
    #[must_use]
    pub fn actors(&self) -> BTreeMap<String, ActorLine> {
        self.actors.iter().map(|line| (line.key().clone(), line.value().clone())).collect()
    }

    /// Changes an account's line, making it if need be.
    pub fn account(&self, name: &str, change: impl FnOnce(&mut AccountLine)) {
        let now = self.clock.now();
        let mut line =
            self.accounts.entry(name.to_owned()).or_insert_with(|| AccountLine::new(now));
        let before = line.standing;
        change(&mut line);
        if line.standing != before {
            line.since = now.wall;
            if !matches!(before, Standing::Starting | Standing::Running | Standing::Idle) {
                line.waited = Some(now.wall);
            }
            line.count_throttled(now.mono);
            line.throttled = (line.standing == Standing::Throttled).then_some(now.mono);
        }
    }

    /// An account's line.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<AccountLine> {
        self.accounts.get(name).map(|line| line.value().clone())
    }

    /// What is to be known of an account's line.
    pub fn look<T>(&self, name: &str, look: impl FnOnce(&AccountLine) -> T) -> Option<T> {
        self.accounts.get(name).map(|line| look(line.value()))
    }

    /// The number of a life that begins now.
    #[must_use]
    pub fn next_life(&self) -> u64 {
        self.lives.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Brings the time that accounts were throttled up to date.
    pub fn count_throttled(&self) {
        let mono = self.clock.now().mono;
        self.accounts.iter_mut().for_each(|mut line| line.count_throttled(mono));
    }

    /// An account is no longer followed.
    pub fn forget(&self, name: &str) {
        let now = self.clock.now().mono;
        if let Some((_, mut line)) = self.accounts.remove(name) {
            line.count_throttled(now);
        }
    }

    /// Every account, by id.
    #[must_use]
    pub fn accounts(&self) -> BTreeMap<String, AccountLine> {
        self.accounts.iter().map(|line| (line.key().clone(), line.value().clone())).collect()
    }
}
