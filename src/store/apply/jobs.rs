//! What is written of jobs.

use super::numbers::Numbers;
use super::own::announce;
use crate::store::failure::Trouble;
use crate::store::jobs::JobWork;
use crate::store::sql::control::{Stood, StoodByName};
use crate::store::sql::jobs::{
    CountJobs, ForgetJobs, PutFired, PutJobs, StoredCheckpoint, StoredSpec,
};
use crate::store::sql::query::Document;
use crate::store::transaction::{Sql, Transaction};
use postrider_core::job::queue::Job;
use postrider_core::job::words::{JobStatus, JobTask};
use postrider_core::standing::EventKind;
use serde_json::{Value as Json, json};

/// Writes it; whether anything was.
pub(super) async fn work(
    db: &Transaction,
    numbers: &mut Numbers,
    work: &JobWork,
) -> Result<bool, Trouble> {
    let (jobs, next, fired) = match work {
        JobWork::Forget { before, most } => {
            return Ok(db.put_now(ForgetJobs { before: *before, most: *most }).await? > 0);
        }
        JobWork::Put { jobs, next, fired } => (jobs, *next, fired),
    };
    let rows = jobs.iter().map(row).collect::<Result<Vec<Json>, Trouble>>()?;
    db.put(PutJobs { rows: Document::of(&rows)? }).await?;
    db.put(CountJobs { next }).await?;
    for (id, at) in fired {
        db.put(PutFired { id: id.clone(), at: *at }).await?;
    }
    for job in jobs.iter().filter(|job| job.status == JobStatus::Dead) {
        let Some(name) = &job.what.account else { continue };
        // An account that has never begun has no events.
        if let Some(Stood { id, .. }) = db.ask_one(StoodByName { name: name.clone() }).await? {
            let reason = job.errors.last().map_or("", |error| &error.text);
            let told = json!({ "job": job.id, "what": job.what.kind.as_str(), "reason": reason });
            announce(db, numbers, id, EventKind::JobDead, &told).await?;
        }
    }
    Ok(true)
}

/// In the order of the columns.
fn row(job: &Job) -> Result<Json, Trouble> {
    let text = |document: Document| document.into_text();
    let task = job.what.task.map(|task| JobTask::as_str(task).to_owned());
    let spec = StoredSpec { task, first: job.what.first.clone(), at: job.what.at };
    let checkpoint = StoredCheckpoint { stored: job.stored };
    Ok(json!([
        job.id,
        job.uuid,
        job.what.kind.as_str(),
        job.what.account,
        job.owner,
        job.priority.number(),
        job.status.as_str(),
        job.what.key(),
        text(Document::of(&spec)?),
        job.not_before.0,
        job.attempts,
        text(Document::of(&job.errors)?),
        text(Document::of(&checkpoint)?),
        job.merged,
        job.by,
        job.times.created_at.0,
        job.times.started_at.map(|at| at.0),
        job.times.finished_at.map(|at| at.0),
        job.outcome,
        job.run.map(|run| run.number),
    ]))
}
