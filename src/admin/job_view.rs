//! Jobs, as the API shows and takes them.

use crate::admin::Shared;
use crate::instant::instant;
use crate::jobs::held;
use postrider_core::job::queue::{Job, JobError};
use postrider_core::job::words::{JobStatus, JobTask};
use postrider_core::time::Micros;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A job.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobView {
    id: u64,
    uuid: String,
    /// `full` (everything is compared), `incremental` (by the best proof), `selective` (some of the unread history comes first), `webhook_triggered`, `maintenance`.
    kind: &'static str,
    /// Of maintenance: `reindex`, `purge`, `verify`, `repair`, `repair_insisted`.
    task: Option<&'static str>,
    account: Option<String>,
    /// Of selective ones: paths of folders; of all without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    folders: Option<Vec<String>>,
    /// Of selective ones: mail that came at this instant or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    /// Of selective ones: mail that came before this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    /// Of selective ones: so many of each folder, the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    owner: Option<String>,
    /// 0 is the best.
    priority: u8,
    /// `queued`, `claimed` (its account has taken it), `running`, `done`, `dead`, `cancelled`.
    status: &'static str,
    /// While it is queued: why its account takes it not now, or that its time has not come.
    reason: Option<String>,
    /// It is not begun before.
    not_before: String,
    /// So often it has failed; after the third time it is dead.
    attempts: u32,
    /// How, the latest last.
    errors: Vec<JobErrorView>,
    /// Messages that its runs have stored.
    stored: u64,
    /// So many wishes are this one.
    merged: u64,
    /// Whose token asked first.
    by: String,
    created_at: String,
    /// When it was begun, the last time.
    started_at: Option<String>,
    finished_at: Option<String>,
    /// How it ended.
    outcome: Option<String>,
}

/// A failure of a job.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobErrorView {
    at: String,
    class: String,
    text: String,
}

impl From<&JobError> for JobErrorView {
    fn from(error: &JobError) -> Self {
        let at = instant(Micros(error.at));
        Self { at, class: error.class.clone(), text: error.text.clone() }
    }
}

/// A job that was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TakenView {
    pub(super) id: u64,
    pub(super) account: Option<String>,
    pub(super) status: &'static str,
    /// So many wishes are this one.
    pub(super) merged: u64,
    /// It is not begun before.
    pub(super) not_before: String,
}

/// An account for which none is taken.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RefusedView {
    pub(super) account: Option<String>,
    pub(super) why: String,
}

/// What became of a wish.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SubmittedView {
    pub(super) items: Vec<TakenView>,
    pub(super) refused: Vec<RefusedView>,
}

/// Jobs that were taken back.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CancelledView {
    /// So many.
    pub(super) jobs: usize,
    /// Those that cannot be taken back.
    pub(super) refused: usize,
}

/// What is asked for. Without `accounts`, `owner` or `all` it is of the whole process.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WishedJob {
    /// `full`, `incremental`, `selective`, `webhook_triggered`, `maintenance`.
    pub(crate) kind: String,
    /// Of maintenance: `reindex` and `verify` (of accounts), `purge` (rows of finished jobs) and `gc` (what is kept no longer), of the whole process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) task: Option<String>,
    /// Of selective: only of these folders, by path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) folders: Option<Vec<String>>,
    /// Of selective: mail that its server took in since this day (`2026-01-31`, UTC) or instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<String>,
    /// Of selective: up to the end of this day, or before this instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<String>,
    /// Of selective: so many of each folder at most, the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<u64>,
    /// For these accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) accounts: Option<Vec<String>>,
    /// For this owner's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<String>,
    /// For all.
    #[serde(default)]
    pub(crate) all: bool,
    /// 0 (the best; if nothing else is said) to 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) priority: Option<u8>,
    /// Not before then: RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) not_before: Option<String>,
}

/// When an account is to be looked at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScheduledAt {
    /// RFC 3339; what has passed is now.
    pub(super) at: String,
}

impl JobView {
    pub(super) fn of(shared: &Shared, job: &Job) -> Self {
        let queued = job.status == JobStatus::Queued;
        let account = job.what.account.as_deref().filter(|_| queued);
        let held = account.and_then(|account| shared.registry.look(account, held).flatten());
        let is_early = queued && job.not_before > shared.registry.clock().now().wall;
        let first = job.what.first.as_ref();
        let early = || format!("it is not begun before {}", instant(job.not_before));
        let held = held.or_else(|| is_early.then(early));
        Self {
            id: job.id,
            uuid: job.uuid.clone(),
            kind: job.what.kind.as_str(),
            task: job.what.task.map(JobTask::as_str),
            account: job.what.account.clone(),
            folders: first.map(|first| first.folders.clone()).filter(|paths| !paths.is_empty()),
            since: first.and_then(|first| first.since).map(|at| instant(Micros(at))),
            until: first.and_then(|first| first.until).map(|at| instant(Micros(at))),
            limit: first.and_then(|first| first.limit),
            owner: job.owner.clone(),
            priority: job.priority.number(),
            status: job.status.as_str(),
            reason: held,
            not_before: instant(job.not_before),
            attempts: job.attempts,
            errors: job.errors.iter().map(JobErrorView::from).collect(),
            stored: job.stored,
            merged: job.merged,
            by: job.by.clone(),
            created_at: instant(job.times.created_at),
            started_at: job.times.started_at.map(instant),
            finished_at: job.times.finished_at.map(instant),
            outcome: job.outcome.clone(),
        }
    }
}
