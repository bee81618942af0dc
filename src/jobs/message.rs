//! What the JobsActor is made with, asked, and told.

use crate::config::Schedule;
use crate::handle::{Queued, Served};
use crate::jobs::hands::JobHands;
use crate::reply::ReplyTo;
use crate::store::Reader;
use crate::telemetry::registry::Registry;
use postrider_core::failure::Failure;
use postrider_core::job::queue::{Job, JobWish, RunOfJob, Submitted, TaskEnd};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What is done with a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobVerb {
    /// It is taken back.
    Cancel,
    /// A finished one is to be done after all.
    Retry,
    /// Nobody needs a dead one any more.
    Discard,
}

/// What became of a job that something was to be done with: how it stands now, or why that was not done.
pub type Worked = Result<Job, String>;

/// Something is to be done with these jobs, for somebody of this name.
#[derive(Debug)]
pub struct JobsWork {
    /// What.
    pub verb: JobVerb,
    /// With which; those that are not there are not answered.
    pub ids: Vec<u64>,
    /// Who asks.
    pub by: String,
}

/// What the actor is asked; not after this, on the monotonic clock: nobody waits for it then.
#[derive(Debug)]
pub enum JobsRequest {
    /// Put these in the queue; answered when they are durable.
    Submit(Vec<JobWish>, Duration, ReplyTo<Result<Vec<Submitted>, Failure>>),
    /// Do something with jobs; answered when that is durable.
    Work(JobsWork, Duration, ReplyTo<Result<Vec<Worked>, Failure>>),
}

/// What it is told: that, and what it tells itself.
#[derive(Debug)]
pub enum JobsMsg {
    /// What others ask.
    Asked(Queued<JobsRequest>),
    /// See what is due; one of an earlier number comes too late.
    Look(u64),
    /// An account has answered an order, which has this number: of which life, and with which run.
    Ordered(u64, u64, Result<RunOfJob, String>),
    /// Maintenance has ended.
    Maintained(u64, TaskEnd),
}

impl From<Queued<JobsRequest>> for JobsMsg {
    fn from(asked: Queued<JobsRequest>) -> Self {
        Self::Asked(asked)
    }
}

impl Served for JobsMsg {
    type Request = JobsRequest;
}

/// What it is made with.
#[derive(Clone)]
pub struct JobsArgs {
    /// Reads jobs.
    pub reader: Reader,
    /// Who carries them out.
    pub hands: Arc<dyn JobHands>,
    /// Where accounts are seen.
    pub registry: Registry,
    /// The schedules of the config.
    pub schedules: watch::Receiver<Arc<[Schedule]>>,
}

impl std::fmt::Debug for JobsArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JobsArgs").finish_non_exhaustive()
    }
}
