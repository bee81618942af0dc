//! Jobs: as they are kept, and as faces show them.

use crate::store::failure::Trouble;
use crate::store::read::{Reader, failed};
use crate::store::sql::jobs::{
    FiredSchedules, JobColumns, JobsByStatus, NextJob, OpenJobs, StoredCheckpoint, StoredJob,
    StoredJobs, StoredSpec,
};
use crate::store::sql::query::Json;
use postrider_core::failure::Failure;
use postrider_core::job::queue::{Job, JobPlace, JobTimes};
use postrider_core::job::slots::Level;
use postrider_core::job::words::{JobKind, JobStatus, JobTask};
use postrider_core::time::Micros;
use std::collections::BTreeMap;

/// Which jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WhichJobs {
    /// Only this account's.
    pub account: Option<String>,
    /// Only this owner's.
    pub owner: Option<String>,
    /// Only of this kind.
    pub kind: Option<JobKind>,
    /// Only of this status.
    pub status: Option<JobStatus>,
}

/// What is written of jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobWork {
    /// They stand so now; those that are dead are told. The next one has this number.
    Put {
        /// As they are from now on.
        jobs: Vec<Job>,
        /// The number of the next one.
        next: u64,
        /// Schedules whose time this was: their names, and which.
        fired: Vec<(String, Micros)>,
    },
    /// Those that were finished before go, so many at most.
    Forget {
        /// When.
        before: Micros,
        /// How many.
        most: i64,
    },
}

/// Reads jobs.
#[derive(Clone, Debug)]
pub struct JobReader {
    reader: Reader,
}

impl JobReader {
    /// Reads through this.
    #[must_use]
    pub fn new(reader: &Reader) -> Self {
        Self { reader: reader.clone() }
    }

    /// Those that are to be done, and the number of the next one.
    ///
    /// # Errors
    /// Class storage.
    pub async fn open(&self) -> Result<(Vec<Job>, u64), Failure> {
        let open = self.reader.ask(OpenJobs {}).await.map_err(failed)?;
        let next = self.reader.ask_one(NextJob {}).await.map_err(failed)?;
        let open: Result<Vec<Job>, Trouble> = open.into_iter().map(job).collect();
        Ok((open.map_err(failed)?, next.map_or(1, |row| row.next)))
    }

    /// Jobs behind this number.
    ///
    /// # Errors
    /// Class storage.
    pub async fn rows(
        &self,
        which: &WhichJobs,
        after: u64,
        most: u32,
    ) -> Result<Vec<Job>, Failure> {
        let rows = StoredJobs {
            account: which.account.clone(),
            owner: which.owner.clone(),
            kind: which.kind.map(|kind| kind.as_str().to_owned()),
            status: which.status.map(|status| status.as_str().to_owned()),
            after,
            most,
        };
        let rows = self.reader.ask(rows).await.map_err(failed)?;
        rows.into_iter().map(job).collect::<Result<_, _>>().map_err(failed)
    }

    /// The job of this number.
    ///
    /// # Errors
    /// Class storage.
    pub async fn row(&self, id: u64) -> Result<Option<Job>, Failure> {
        let row = self.reader.ask_one(StoredJob { id }).await.map_err(failed)?;
        row.map(job).transpose().map_err(failed)
    }

    /// Schedules that have been seen, and the last time of each that is done with.
    ///
    /// # Errors
    /// Class storage.
    pub async fn fired(&self) -> Result<BTreeMap<String, Micros>, Failure> {
        let rows = self.reader.ask(FiredSchedules {}).await.map_err(failed)?;
        Ok(rows.into_iter().map(|row| (row.id, row.fired_at)).collect())
    }

    /// How many there are of each status.
    ///
    /// # Errors
    /// Class storage.
    pub async fn counts(&self) -> Result<BTreeMap<String, u64>, Failure> {
        let rows = self.reader.ask(JobsByStatus {}).await.map_err(failed)?;
        Ok(rows.into_iter().map(|row| (row.status, row.count)).collect())
    }
}

/// A word that this binary knows; one of a newer binary is damage to it.
fn word<T>(word: &str, read: impl Fn(&str) -> Option<T>) -> Result<T, Trouble> {
    read(word).ok_or_else(|| Trouble::Damaged(format!("a stored job says `{word}`")))
}

fn job(row: JobColumns) -> Result<Job, Trouble> {
    let (Json(StoredSpec { task, first, at }), Json(errors)) = (row.spec, row.errors);
    let Json(StoredCheckpoint { stored }) = row.checkpoint;
    let level = |n: i64| Level::ALL.into_iter().find(|level| i64::from(level.number()) == n);
    let task = task.map(|task| word(&task, JobTask::from_word)).transpose()?;
    let kind = word(&row.kind, JobKind::from_word)?;
    let (created_at, started_at) = (row.created_at, row.started_at);
    Ok(Job {
        id: row.id,
        uuid: row.uuid,
        what: JobPlace { kind, task, account: row.account, first, at },
        status: word(&row.status, JobStatus::from_word)?,
        priority: level(row.priority).unwrap_or(Level::Late),
        not_before: row.not_before,
        merged: row.merged,
        attempts: row.attempts,
        errors,
        stored,
        owner: row.owner,
        by: row.by,
        // Numbers of runs are those of a process.
        run: None,
        outcome: row.outcome,
        times: JobTimes { created_at, started_at, finished_at: row.finished_at },
    })
}
