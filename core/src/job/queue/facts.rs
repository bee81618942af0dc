//! What becomes of a job, given what is known of its account.

use crate::job::queue::job::{Job, RunOfJob};
use crate::job::words::{JobKind, JobStatus};
use crate::run::first::FirstEnd;
use crate::standing::Outcome;
use crate::time::Micros;
use std::time::Duration;

/// A job that has failed so often is dead.
pub(super) const ATTEMPTS: u32 = 3;
/// A job that has no turn for so long is dead.
pub(super) const HELD_FOR: Duration = Duration::from_secs(7 * 86_400);
/// Maintenance that has failed so often is tried again after so many of these.
const MAINTAIN_AGAIN: Duration = Duration::from_secs(60);
/// One whose account had no budget for it is looked at again behind this.
const BUDGET_AGAIN: Duration = Duration::from_secs(15 * 60);
/// One that has failed is not tried again before.
pub(super) const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEnd {
    /// Its number.
    pub run: u64,
    /// How.
    pub outcome: Outcome,
    /// It was cut short because its account is paused, is followed otherwise, or no longer.
    pub left: bool,
    /// Why it failed: what kind, and in words.
    pub failure: Option<(&'static str, String)>,
    /// Messages that it has stored.
    pub stored: u64,
    /// What it has read of what somebody asked for first.
    pub first: FirstEnd,
    /// It had no budget for all of the past before then.
    pub deferred: Option<Micros>,
}

/// What is known of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountFacts {
    /// The config does not name it.
    Unnamed,
    /// It has not begun.
    Coming,
    /// It is followed.
    Here(HereFacts),
}

/// What is known of an account that is followed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HereFacts {
    /// Which life of its actor this is: numbers of runs begin anew with each.
    pub life: u64,
    /// Why it takes no order now: it waits for something.
    pub held: Option<String>,
    /// The number of the run that works.
    pub at_work: Option<u64>,
    /// Runs up to this one have ended.
    pub ended: u64,
    /// How the latest did.
    pub ends: Vec<RunEnd>,
}

/// How a job stands otherwise now, if it does.
pub(super) fn moved(job: &Job, facts: Option<&AccountFacts>, now: Micros) -> Option<Job> {
    if matches!(facts, Some(AccountFacts::Unnamed)) && !job.status.is_at_work() {
        let why = "the config no longer names its account".to_owned();
        return Some(job.finished(JobStatus::Cancelled, why, now));
    }
    if job.status == JobStatus::Queued {
        return is_over(job, facts?, now);
    }
    if job.is_maintenance() {
        return None;
    }
    let AccountFacts::Here(here) = facts? else { return Some(job.queued_again(now)) };
    let Some(run) = job.run.filter(|run| run.life == here.life) else {
        return Some(job.queued_again(now));
    };
    if here.ended >= run.number {
        return Some(ended(job, run, here, now));
    }
    match here.at_work {
        // Nothing works on it, and nothing will before something changes.
        None if here.held.is_some() => Some(job.queued_again(now)),
        Some(at_work) if at_work >= run.number && job.status == JobStatus::Claimed => {
            Some(job.begun(Some(run), now))
        }
        _ => None,
    }
}

/// It has waited for so long that nobody waits for it any more: its account could not take it.
fn is_over(job: &Job, facts: &AccountFacts, now: Micros) -> Option<Job> {
    let AccountFacts::Here(HereFacts { held: Some(held), .. }) = facts else { return None };
    let since = job.times.created_at.max(job.not_before);
    (since.plus(HELD_FOR) < now).then(|| {
        let text = format!("it has had no turn for a week: {held}");
        job.with_error("config", text, now).finished(JobStatus::Dead, String::new(), now)
    })
}

/// Its run has ended.
fn ended(job: &Job, run: RunOfJob, here: &HereFacts, now: Micros) -> Job {
    // Where there is none it never began, or that was too long ago.
    let Some(end) = here.ends.iter().find(|end| end.run == run.number) else {
        return job.queued_again(now);
    };
    let job = &Job { stored: job.stored + end.stored, ..job.clone() };
    match end.outcome {
        Outcome::Success | Outcome::Partial if job.what.kind == JobKind::Selective => {
            read_first(job, end, now)
        }
        Outcome::Success | Outcome::Partial => {
            job.finished(JobStatus::Done, end.outcome.as_str().to_owned(), now)
        }
        Outcome::Failed => {
            let unknown = || ("unknown", "its run has failed".to_owned());
            let (class, text) = end.failure.clone().unwrap_or_else(unknown);
            failed(job, class, text, now)
        }
        // The job is still to be done.
        Outcome::Cancelled if end.left => job.queued_again(now),
        Outcome::Cancelled => {
            let how = "its run was cancelled".to_owned();
            job.finished(JobStatus::Cancelled, how, now)
        }
    }
}

/// A run that was to read some of the past has ended well.
fn read_first(job: &Job, end: &RunEnd, now: Micros) -> Job {
    match end.first {
        FirstEnd::Read | FirstEnd::Nothing => {
            let how = match job.stored {
                0 => "nothing of what was asked for was still to be read",
                _ => "what was asked for is read; the rest of the history follows",
            };
            job.finished(JobStatus::Done, how.to_owned(), now)
        }
        FirstEnd::Undated => {
            let text = "when its mail came cannot be learned: history is read in its order";
            failed(job, "provider", text.to_owned(), now)
        }
        FirstEnd::Left if end.deferred.is_none() && end.stored == 0 => {
            failed(job, "unknown", "what was asked for could not be read".to_owned(), now)
        }
        // It made room for others, or has no budget for more.
        FirstEnd::Left => {
            let soonest = now.plus(if end.deferred.is_some() { BUDGET_AGAIN } else { AGAIN_AFTER });
            let job = job.queued_again(now);
            let not_before = job.not_before.max(soonest).max(end.deferred.unwrap_or(soonest));
            Job { not_before, ..job }
        }
    }
}

/// It has failed once more.
pub(super) fn failed(job: &Job, class: &str, text: String, now: Micros) -> Job {
    let job = job.with_error(class, text, now);
    let attempts = job.attempts + 1;
    let job = Job { attempts, ..job };
    if attempts >= ATTEMPTS {
        return job.finished(JobStatus::Dead, String::new(), now);
    }
    // Maintenance has no account behind whose wait it stands.
    let wait = if job.is_maintenance() { MAINTAIN_AGAIN * attempts } else { AGAIN_AFTER };
    let job = job.queued_again(now);
    Job { not_before: job.not_before.max(now.plus(wait)), ..job }
}
