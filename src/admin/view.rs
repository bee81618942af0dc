//! What the API answers: its own types, so that rows and registry may change without it.

use crate::admin::derived_view::DerivedView;
use crate::admin::feed_view::FeedView;
use crate::admin::progress::{EndedRunView, ProgressView};
use crate::clock::Clock;
pub(crate) use crate::instant::instant;
use crate::store::{Reader, StoredAccount, StoredRun};
use crate::telemetry::registry::{AccountLine, ActorLine, ShownFailure};
use postrider_core::account::advice::advice;
use postrider_core::account::schedule::{Mode, Tier};
use postrider_core::failure::{Class, Failure};
use postrider_core::job::slots::Level;
use postrider_core::run::summary::FolderSummary;
use postrider_core::standing::{Push, Standing};
use postrider_core::time::Now;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use utoipa::ToSchema;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// The items.
    pub(crate) items: Vec<T>,
    /// Where the next page begins; nothing when this is the last.
    pub(crate) next: Option<String>,
}

/// A failure.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TroubleView {
    class: &'static str,
    reach: &'static str,
    text: String,
    at: String,
}

impl From<&ShownFailure> for TroubleView {
    fn from(t: &ShownFailure) -> Self {
        Self { class: t.class, reach: t.reach, text: t.text.clone(), at: instant(t.at) }
    }
}

/// An actor of the live tree.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ActorView {
    /// Its place in the tree.
    pub(crate) path: String,
    kind: &'static str,
    state: &'static str,
    since: String,
    /// Messages that wait for it.
    depth: usize,
    /// Work it has given away and waits for: sessions, children.
    in_flight: usize,
    restarts: u32,
    last_failure: Option<TroubleView>,
    next_step: String,
    next_at: Option<String>,
}

impl ActorView {
    pub(crate) fn of(path: String, line: &ActorLine) -> Self {
        Self {
            path,
            kind: line.kind,
            state: line.state,
            since: instant(line.since),
            depth: line.depth.get(),
            in_flight: line.in_flight,
            restarts: line.restarts,
            last_failure: line.last_failure.as_ref().map(TroubleView::from),
            next_step: line.next_step.clone(),
            next_at: line.next_at.map(instant),
        }
    }
}

/// A folder, as the schedule sees it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TierView {
    path: String,
    /// `inbox`, `own`, `active`, `archive`.
    tier: &'static str,
    /// It is looked at fully no more often than this.
    interval_seconds: u64,
    /// How changes are noticed in between: `notify`, `idle`, `pubsub` or `poll`.
    push: &'static str,
    /// What a pass asks for where something has changed: `qresync`, `condstore`, or the whole
    /// `listing`; nothing where changes are told by message id.
    proof: Option<&'static str>,
    /// LIST tells its counters along: it is not opened while they prove that nothing has changed.
    counted: bool,
}

/// An account.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AccountView {
    /// Its id in the config.
    pub(crate) id: String,
    /// Whose it is, as the config has it.
    owner: Option<String>,
    provider: String,
    /// `starting`, `running`, `idle`, `waiting`, `throttled`, `paused`, `needs_reauth`, `failed`,
    /// `removed`.
    pub(crate) state: &'static str,
    reason: String,
    /// What kind of failure `reason` is: `network`, `auth`, `storage` …
    class: Option<&'static str>,
    /// What happens by itself.
    what_next: &'static str,
    /// What a human can do.
    to_do: &'static str,
    since: String,
    next_attempt_at: Option<String>,
    /// Seconds since the live end was last proved; nothing for an account that is not followed
    /// here.
    lag_seconds: Option<f64>,
    /// By how many seconds that is longer than the schedule has it.
    overdue_seconds: Option<f64>,
    last_success_at: Option<String>,
    /// The run that is under way.
    progress: Option<ProgressView>,
    /// Messages held that the server has too; like the next two null while the database does not answer.
    messages: Option<i64>,
    /// Octets of those.
    octets: Option<i64>,
    /// Folders and mails that stand still: open rows of the ledger.
    failures: Option<i64>,
    /// Mails that cannot be read and are left out.
    left_out: Option<i64>,
    /// Messages stored since this process started.
    stored: u64,
    /// Failures handled since this process started, by class.
    errors: BTreeMap<&'static str, u64>,
    push: &'static str,
    /// How soon its run is to work, or works: 0 an operator wants it, 1 a watch has told something, 2 it is due, 3 the
    /// same after a failed run (or `sync.mode = "conservative"`), 4 history; null between runs.
    level: Option<u8>,
    /// Runs that have failed since the last one that did not.
    failed_runs: u32,
    /// Runs that have ended since this process started.
    runs_ended: u64,
    /// How the latest of them ended, the newest last.
    ended: Vec<EndedRunView>,
    folders: Vec<TierView>,
    /// How far its mail is read into tables.
    pub(crate) derived: Option<DerivedView>,
    /// Where changes are told by message id, and one account is asked for.
    pub(super) feed: Option<FeedView>,
}

impl AccountView {
    /// An account as it is stored, with nobody who follows it.
    pub(crate) fn stored(row: &StoredAccount) -> Self {
        let class = row.class.as_deref().and_then(Class::from_word);
        let class = class.filter(|_| {
            !matches!(row.standing, Standing::Idle | Standing::Paused | Standing::Removed)
        });
        let advice = advice(row.standing, class, row.failures > 0);
        Self {
            id: row.name.clone(),
            owner: row.owner.clone(),
            provider: row.provider.clone(),
            state: row.standing.as_str(),
            reason: row.reason.clone(),
            class: class.map(Class::as_str),
            what_next: advice.next,
            to_do: advice.to_do,
            failures: Some(row.failures),
            left_out: Some(row.left_out),
            since: instant(row.troubled_since()),
            next_attempt_at: None,
            lag_seconds: None,
            overdue_seconds: None,
            last_success_at: row.proved_at.map(instant),
            progress: None,
            messages: Some(row.messages),
            octets: Some(row.octets),
            stored: 0,
            errors: BTreeMap::new(),
            push: Push::Poll.as_str(),
            level: None,
            failed_runs: 0,
            runs_ended: 0,
            ended: Vec::new(),
            folders: Vec::new(),
            derived: None,
            feed: None,
        }
    }

    pub(crate) fn of(
        row: &StoredAccount,
        live: Option<&AccountLine>,
        mode: Mode,
        now: Now,
    ) -> Self {
        let mut view = Self::stored(row);
        if let Some(line) = live {
            view.take(row, line, mode, now);
        }
        view
    }

    /// An account that has no row yet: its first opening is still to come.
    pub(crate) fn unborn(id: &str, line: &AccountLine, mode: Mode, now: Now) -> Self {
        let row = StoredAccount {
            id: 0,
            name: id.to_owned(),
            provider: line.provider.into(),
            username: String::new(),
            standing: Standing::Starting,
            reason: String::new(),
            since: line.since,
            history: None,
            parked_for: None,
            waits: None,
            messages: 0,
            octets: 0,
            class: None,
            failures: 0,
            left_out: 0,
            looked_at: None,
            proved_at: None,
            owner: None,
        };
        Self::of(&row, Some(line), mode, now)
    }

    /// An account of which the database tells nothing now.
    pub(crate) fn unread(id: &str, line: &AccountLine, mode: Mode, now: Now) -> Self {
        let view = Self::unborn(id, line, mode, now);
        Self { messages: None, octets: None, failures: None, left_out: None, ..view }
    }

    fn take(&mut self, row: &StoredAccount, line: &AccountLine, mode: Mode, now: Now) {
        self.state = line.standing.as_str();
        self.reason.clone_from(&line.reason);
        // What was so before this process began is so since then.
        let as_before = row.standing == line.standing && row.since.0 > 0;
        let since = if as_before { line.since.min(row.since) } else { line.since };
        let waited = row.waiting().filter(|w| w.is_until(line.next_attempt_at));
        let since = waited.map_or(since, |waiting| since.min(waiting.since));
        // What is not stored of an outage (it waited, say) is not forgotten for it.
        let is_well = line.standing == Standing::Idle;
        self.since = instant(since.max(line.waited.filter(|_| is_well).unwrap_or(since)));
        self.class = line.class.map(Class::as_str);
        let advice = advice(line.standing, line.class, line.stalled || self.failures > Some(0));
        (self.what_next, self.to_do) = (advice.next, advice.to_do);
        self.next_attempt_at = line.next_attempt_at.map(instant);
        self.lag_seconds = line.is_wanted().then(|| line.lag(now.mono).as_secs_f64());
        self.overdue_seconds = line.is_wanted().then(|| line.overdue(now.mono, mode).as_secs_f64());
        self.last_success_at = line.last_success.or(row.proved_at).map(instant);
        self.progress = ProgressView::of(line, now.mono);
        self.stored = line.totals.stored;
        self.errors.clone_from(&line.errors);
        self.push = line.notices().as_str();
        self.level = line.slot.level().map(Level::number);
        self.failed_runs = line.failed_runs;
        self.runs_ended = line.runs.0;
        self.ended = line.ended.iter().map(EndedRunView::of).collect();
        self.folders = line
            .folders
            .iter()
            .filter(|f| !f.excluded)
            .map(|f| TierView::of(f, line.notices(), mode))
            .collect();
    }
}

impl TierView {
    fn of(folder: &FolderSummary, push: Push, mode: Mode) -> Self {
        let tier = Tier::of(folder.role, &folder.path);
        Self {
            path: folder.path.clone(),
            tier: tier.as_str(),
            interval_seconds: mode.shortest().max(tier.floor()).as_secs(),
            push: match push {
                Push::Idle if tier != Tier::Inbox => Push::Poll,
                push => push,
            }
            .as_str(),
            proof: folder.proof.map(|proof| proof.tells.as_str()),
            counted: folder.proof.is_some_and(|proof| proof.counted),
        }
    }
}

/// A run that changed something or failed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunView {
    pub(crate) id: i64,
    account: String,
    started_at: String,
    finished_at: String,
    /// Why it was begun: `schedule`, `hint`, `operator`, `job`, `history`; null of one of an older version.
    cause: Option<String>,
    /// `success`, `partial`, `failed`, `cancelled`.
    outcome: String,
    reason: String,
    stored: i64,
    octets: i64,
    changes: i64,
    failed: i64,
}

impl From<&StoredRun> for RunView {
    fn from(row: &StoredRun) -> Self {
        Self {
            id: row.id,
            account: row.account.clone(),
            started_at: instant(row.started_at),
            finished_at: instant(row.finished_at),
            cause: row.cause.clone(),
            outcome: row.outcome.clone(),
            reason: row.reason.clone(),
            stored: row.stored,
            octets: row.octets,
            changes: row.facts,
            failed: row.failed,
        }
    }
}

/// What came of a command.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StateView {
    /// The account.
    pub(crate) id: String,
    /// Its state now.
    pub(crate) state: &'static str,
    /// Why.
    pub(crate) reason: String,
    /// The command is carried out when so many runs have ended (`runs_ended`).
    pub(crate) run: u64,
}

/// What was purged.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PurgedView {
    /// The account.
    pub(crate) id: String,
    /// Octets of bodies that were given back at once.
    pub(crate) freed: u64,
}

/// Whether the server follows what it should.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HealthView {
    /// `ok` or `unavailable`.
    pub(crate) status: &'static str,
    /// What keeps it from working.
    pub(crate) reasons: Vec<String>,
    /// How many accounts are in trouble, by state; which ones, `/v1/accounts` says.
    pub(crate) troubled: BTreeMap<&'static str, usize>,
}

/// How the server and its database do, in full.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FullHealthView {
    /// `ok` or `unavailable`.
    pub(crate) status: &'static str,
    /// What keeps it from working, in full.
    pub(crate) reasons: Vec<String>,
    /// What else somebody is to know: of bytes that are damaged, or not looked at in time.
    pub(crate) notes: Vec<String>,
    /// How many accounts are in trouble, by state.
    pub(crate) troubled: BTreeMap<&'static str, usize>,
    /// The database.
    pub(crate) database: DatabaseView,
}

/// The database, as a reader of it finds it now.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct DatabaseView {
    /// Where it is; no password.
    pub(crate) place: String,
    /// What it is, with its version; null while it does not answer.
    pub(crate) version: Option<String>,
    /// How long it took to say so, in milliseconds.
    pub(crate) latency_ms: Option<f64>,
    /// Why it does not answer.
    pub(crate) trouble: Option<String>,
}

/// Longest wait for a sign of life of the database.
const ANSWER: Duration = Duration::from_secs(2);

impl DatabaseView {
    /// As it answers now.
    pub(crate) async fn asked(reader: &Reader, clock: Clock) -> Self {
        let asked = clock.now().mono;
        let late = |_| Err(Failure::storage("it does not answer"));
        let version = tokio::time::timeout(ANSWER, reader.version()).await.unwrap_or_else(late);
        let took = clock.now().mono.saturating_sub(asked).as_secs_f64() * 1e3;
        Self {
            place: reader.place().to_string(),
            latency_ms: version.is_ok().then_some(took),
            trouble: version.as_ref().err().map(Failure::chain),
            version: version.ok(),
        }
    }
}

#[cfg(test)]
mod tests;
