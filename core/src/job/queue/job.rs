//! A job, and how one becomes another.

use crate::job::slots::Level;
use crate::job::words::{JobKind, JobStatus, JobTask};
use crate::run::first::FirstOf;
use crate::time::Micros;
use serde::{Deserialize, Serialize};

/// Errors of a job that are kept.
const ERRORS: usize = 10;
/// Signs of an error that are kept.
const ERROR_SIGNS: usize = 500;

/// What a job is for: two that are the same are one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct JobPlace {
    /// What it is.
    pub kind: JobKind,
    /// Which maintenance.
    pub task: Option<JobTask>,
    /// The account's id in the config; none where it is of the whole process.
    pub account: Option<String>,
    /// What of the unread history, where that is what it is for.
    pub first: Option<FirstOf>,
    /// At which time, in microseconds, where it is for that alone.
    pub at: Option<i64>,
}

impl JobPlace {
    /// Two with the same one are the same.
    #[must_use]
    pub fn key(&self) -> String {
        let task = self.task.map_or("", JobTask::as_str);
        let account = self.account.as_deref().unwrap_or_default();
        let first = self.first.as_ref().map(|first| format!(" {first:?}")).unwrap_or_default();
        let at = self.at.map(|at| format!(" at {at}")).unwrap_or_default();
        format!("{} {task} {account}{first}{at}", self.kind)
    }
}

/// What somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobWish {
    /// A name for it that no other has.
    pub uuid: String,
    /// What for.
    pub what: JobPlace,
    /// How soon.
    pub priority: Level,
    /// Not before then.
    pub not_before: Micros,
    /// Whose account it is.
    pub owner: Option<String>,
    /// Who asks.
    pub by: String,
}

/// A failure of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobError {
    /// When, in microseconds.
    pub at: i64,
    /// What kind.
    pub class: String,
    /// In words.
    pub text: String,
}

/// The run that a job is done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunOfJob {
    /// Of which life of the account's actor.
    pub life: u64,
    /// Its number in that.
    pub number: u64,
}

/// When.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobTimes {
    /// It was asked for.
    pub created_at: Micros,
    /// It was begun, the last time.
    pub started_at: Option<Micros>,
    /// It ended.
    pub finished_at: Option<Micros>,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its number.
    pub id: u64,
    /// A name for it that no other has.
    pub uuid: String,
    /// What for.
    pub what: JobPlace,
    /// How far it is.
    pub status: JobStatus,
    /// How soon it is to begin.
    pub priority: Level,
    /// Not before then.
    pub not_before: Micros,
    /// So many wishes are this one.
    pub merged: u64,
    /// So often it has failed.
    pub attempts: u32,
    /// How, the latest last.
    pub errors: Vec<JobError>,
    /// Messages that its runs have stored.
    pub stored: u64,
    /// Whose account it is, as it was asked for.
    pub owner: Option<String>,
    /// Who asked first.
    pub by: String,
    /// The run that it is done with.
    pub run: Option<RunOfJob>,
    /// How it ended, in words.
    pub outcome: Option<String>,
    /// When.
    pub times: JobTimes,
}

impl Job {
    /// Somebody takes it back.
    ///
    /// # Errors
    /// Why that cannot be.
    pub fn cancelled(&self, by: &str, now: Micros) -> Result<Self, String> {
        if !self.status.is_open() {
            return Err(format!("it is {} already", self.status));
        }
        if self.is_maintenance() && self.status == JobStatus::Running {
            return Err("it is being done, and ends by itself".to_owned());
        }
        Ok(self.finished(JobStatus::Cancelled, format!("cancelled by {by}"), now))
    }

    /// Nobody needs a dead one any more.
    ///
    /// # Errors
    /// Why that cannot be.
    pub fn discarded(&self, by: &str, now: Micros) -> Result<Self, String> {
        match self.status {
            JobStatus::Dead => {
                Ok(self.finished(JobStatus::Cancelled, format!("discarded by {by}"), now))
            }
            status if status.is_open() => Err(format!("it is {status}: cancel it")),
            status => Err(format!("it is {status}: only a dead one is discarded")),
        }
    }

    /// Whether it is no order to an account.
    #[must_use]
    pub fn is_maintenance(&self) -> bool {
        self.what.kind == JobKind::Maintenance
    }

    pub(super) fn new(id: u64, wish: &JobWish, now: Micros) -> Self {
        Self {
            id,
            uuid: wish.uuid.clone(),
            what: wish.what.clone(),
            status: JobStatus::Queued,
            priority: wish.priority,
            not_before: wish.not_before,
            merged: 1,
            attempts: 0,
            errors: Vec::new(),
            stored: 0,
            owner: wish.owner.clone(),
            by: wish.by.clone(),
            run: None,
            outcome: None,
            times: JobTimes { created_at: now, started_at: None, finished_at: None },
        }
    }

    /// An equal wish has come: what was claimed is ordered anew, for its run may have begun by now.
    pub(super) fn merged_with(&self, wish: &JobWish, now: Micros) -> Self {
        let job = Self {
            priority: self.priority.min(wish.priority),
            // Whoever asks now waits from now on.
            not_before: self.not_before.min(wish.not_before).max(now),
            merged: self.merged + 1,
            ..self.clone()
        };
        job.queued_again(now)
    }

    /// It is to be done after all.
    pub(super) fn asked_again(&self, now: Micros) -> Self {
        let times = JobTimes { finished_at: None, created_at: now, started_at: None };
        let job = Self { not_before: now, attempts: 0, outcome: None, times, ..self.clone() };
        job.queued_again(now)
    }

    /// Nobody is at it any more. Where it has had a turn it waits from now on.
    pub(super) fn queued_again(&self, now: Micros) -> Self {
        let since = if self.status == JobStatus::Running { now } else { self.not_before };
        let not_before = self.not_before.max(since);
        Self { status: JobStatus::Queued, run: None, not_before, ..self.clone() }
    }

    /// An equal one is this one from now on.
    pub(super) fn absorbing(&self, other: &Self, now: Micros) -> [Self; 2] {
        let why = format!("it is job {} now", self.id);
        let gone = other.finished(JobStatus::Cancelled, why, now);
        let job = Self {
            priority: self.priority.min(other.priority),
            not_before: self.not_before.min(other.not_before).max(now),
            merged: self.merged + other.merged,
            ..self.clone()
        };
        [job, Self { merged: 0, ..gone }]
    }

    /// It is being done, with this run.
    pub(super) fn begun(&self, run: Option<RunOfJob>, now: Micros) -> Self {
        let times = JobTimes { started_at: Some(now), ..self.times };
        Self { status: JobStatus::Running, run, times, ..self.clone() }
    }

    /// It has ended.
    pub(super) fn finished(&self, status: JobStatus, outcome: String, now: Micros) -> Self {
        let times = JobTimes { finished_at: Some(now), ..self.times };
        let outcome = Some(outcome).filter(|outcome| !outcome.is_empty());
        Self { status, outcome, times, ..self.clone() }
    }

    /// It has failed so.
    pub(super) fn with_error(&self, class: &str, text: String, now: Micros) -> Self {
        let text = text.chars().take(ERROR_SIGNS).collect();
        let mut errors = self.errors.clone();
        errors.push(JobError { at: now.0, class: class.to_owned(), text });
        let over = errors.len().saturating_sub(ERRORS);
        errors.drain(..over);
        Self { errors, ..self.clone() }
    }

    /// Who comes first: the best level, then who was asked for first.
    pub(super) fn rank(&self) -> (Level, u64) {
        (self.priority, self.id)
    }
}
