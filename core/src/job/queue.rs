//! The queue of what somebody asked for, or a fixed time. A job of an account is an order to its follower; it is done
//! when a run that began afterwards has ended. Maintenance is done here, one at a time.
//!
//! Nothing here changes by itself: each function says which jobs are to be stored otherwise, and [`Queue::put`] takes
//! them when they are. What is in memory is what is stored.
//!
//! | status | leaves by |
//! |---|---|
//! | queued | its turn: claimed; taken back: cancelled; a week without a turn: dead |
//! | claimed | its run begins: running; an equal one is asked for: queued |
//! | running | its run ends: done, or queued again, or dead after the third failure |

mod facts;
mod job;

pub use facts::{AccountFacts, HereFacts, RunEnd};
pub use job::{Job, JobError, JobPlace, JobTimes, JobWish, RunOfJob};

use crate::job::words::JobStatus;
use crate::time::Micros;
use std::collections::{BTreeMap, BTreeSet};

/// Open jobs of all.
const OF_ALL: usize = 200_000;
/// So many are handed to their accounts in one look.
const ORDERS_IN_A_LOOK: usize = 200;

/// How maintenance ended.
pub type TaskEnd = Result<String, (&'static str, String)>;

/// What is to be done with a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It is to be stored so.
    Store(Job),
    /// Its account is to be given an order.
    Order(Job),
    /// It is maintenance whose turn it is: to be stored so, then done.
    Do(Job),
}

/// What became of a wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// It is in the queue, as this job.
    Taken(Box<Job>),
    /// It is not, and why.
    Refused(String),
}

/// The open jobs.
#[derive(Debug)]
pub struct Queue {
    open: BTreeMap<u64, Job>,
    of_account: BTreeMap<Option<String>, BTreeSet<u64>>,
    next: u64,
}

impl Queue {
    /// With these open jobs, as they are stored; the next one has this number.
    #[must_use]
    pub fn new(open: impl IntoIterator<Item = Job>, next: u64) -> Self {
        let mut queue = Self { open: BTreeMap::new(), of_account: BTreeMap::new(), next };
        open.into_iter().for_each(|job| queue.put(job));
        queue
    }

    /// What nobody is at any more: the process that knew with which run is another. Queued again. `doing`: the maintenance
    /// that goes on.
    #[must_use]
    pub fn forsaken(&self, doing: Option<u64>, now: Micros) -> Vec<Job> {
        let is_forsaken =
            |job: &&Job| job.status.is_at_work() && job.run.is_none() && Some(job.id) != doing;
        let at_work = self.open.values().filter(is_forsaken);
        at_work.flat_map(|job| self.settled(job.queued_again(now), now)).collect()
    }

    /// A job as it becomes; where it is queued again and an equal one waits, they are one.
    fn settled(&self, job: Job, now: Micros) -> Vec<Job> {
        let is_equal = |other: &&Job| {
            other.id != job.id && other.what == job.what && other.status == JobStatus::Queued
        };
        let equal = self.of(job.what.account.as_deref()).find(is_equal);
        match equal.filter(|_| job.status == JobStatus::Queued) {
            Some(equal) => job.absorbing(equal, now).into(),
            None => vec![job],
        }
    }

    /// A job is stored so.
    pub fn put(&mut self, job: Job) {
        self.next = self.next.max(job.id + 1);
        if job.status.is_open() {
            self.of_account.entry(job.what.account.clone()).or_default().insert(job.id);
            self.open.insert(job.id, job);
            return;
        }
        self.open.remove(&job.id);
        if let Some(all) = self.of_account.get_mut(&job.what.account) {
            all.remove(&job.id);
            if all.is_empty() {
                self.of_account.remove(&job.what.account);
            }
        }
    }

    /// The open job of this number.
    #[must_use]
    pub fn find(&self, id: u64) -> Option<&Job> {
        self.open.get(&id)
    }

    /// The open jobs, in their order.
    pub fn open(&self) -> impl Iterator<Item = &Job> {
        self.open.values()
    }

    /// The number of the next job.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    fn of(&self, account: Option<&str>) -> impl Iterator<Item = &Job> {
        let all = self.of_account.get(&account.map(str::to_owned));
        all.into_iter().flatten().filter_map(|id| self.open.get(id))
    }

    /// The queued or claimed job that a wish is the same as: a run that has begun may have looked already.
    fn equal(&self, place: &JobPlace) -> Option<&Job> {
        let is_equal = |job: &&Job| job.what == *place && job.status != JobStatus::Running;
        self.of(place.account.as_deref()).find(is_equal)
    }

    /// Wishes come: equal ones become one job. Each has an answer, in their order; no two are of the same kind and
    /// account.
    #[must_use]
    pub fn submit(&self, wishes: &[JobWish], now: Micros) -> Vec<Submitted> {
        let (mut id, mut room) = (self.next, OF_ALL.saturating_sub(self.open.len()));
        let mut submitted = Vec::new();
        for wish in wishes {
            submitted.push(match self.equal(&wish.what) {
                Some(job) => Submitted::Taken(Box::new(job.merged_with(wish, now))),
                None if room == 0 => {
                    Submitted::Refused(format!("{OF_ALL} jobs are open: wait, or cancel some"))
                }
                None => {
                    let job = Job::new(id, wish, now);
                    (id, room) = (id + 1, room - 1);
                    Submitted::Taken(Box::new(job))
                }
            });
        }
        submitted
    }

    /// A finished job is to be done after all.
    ///
    /// # Errors
    /// Why it is not.
    pub fn retry(&self, job: &Job, now: Micros) -> Result<Job, String> {
        match job.status {
            JobStatus::Dead | JobStatus::Cancelled => {}
            JobStatus::Done => return Err("it is done: ask for another one".to_owned()),
            open => return Err(format!("it is {open}")),
        }
        if let Some(equal) = self.equal(&job.what) {
            return Err(format!("job {} is the same, and {}", equal.id, equal.status));
        }
        Ok(job.asked_again(now))
    }

    /// What is to be done now, given what is known of accounts. `ordered`: those whose accounts have been given an order
    /// that is not answered yet.
    #[must_use]
    pub fn due(
        &self,
        facts: impl Fn(&str) -> AccountFacts,
        ordered: &BTreeSet<u64>,
        now: Micros,
    ) -> Vec<Turn> {
        let mut turns = Vec::new();
        let mut best: Vec<&Job> = Vec::new();
        let mut maintenance: Option<&Job> = None;
        let mut is_maintaining = false;
        let mut absorbed = BTreeSet::new();
        for (account, ids) in &self.of_account {
            let known = account.as_deref().map(&facts);
            let mut first: Option<&Job> = None;
            let mut is_busy = false;
            for job in ids.iter().filter_map(|id| self.open.get(id)) {
                if absorbed.contains(&job.id) {
                    continue;
                }
                if let Some(changed) = facts::moved(job, known.as_ref(), now) {
                    is_busy |= changed.status.is_at_work();
                    let changed = self.settled(changed, now);
                    absorbed.extend(changed.iter().map(|job| job.id));
                    turns.extend(changed.into_iter().map(Turn::Store));
                    continue;
                }
                let is_due = job.status == JobStatus::Queued && job.not_before <= now;
                if job.is_maintenance() {
                    is_maintaining |= job.status.is_at_work();
                    if is_due && maintenance.is_none_or(|best| job.rank() < best.rank()) {
                        maintenance = Some(job);
                    }
                    continue;
                }
                is_busy |= job.status.is_at_work() || ordered.contains(&job.id);
                if is_due && first.is_none_or(|best| job.rank() < best.rank()) {
                    first = Some(job);
                }
            }
            let takes = matches!(&known, Some(AccountFacts::Here(here)) if here.held.is_none());
            best.extend(first.filter(|_| takes && !is_busy));
        }
        best.sort_by_key(|job| job.rank());
        best.retain(|job| !absorbed.contains(&job.id));
        turns.extend(best.into_iter().take(ORDERS_IN_A_LOOK).cloned().map(Turn::Order));
        if let Some(job) = maintenance.filter(|_| !is_maintaining) {
            turns.push(Turn::Do(job.begun(None, now)));
        }
        turns
    }

    /// An account has taken the order of a job: it is done with this run.
    #[must_use]
    pub fn claimed(&self, id: u64, run: RunOfJob) -> Option<Job> {
        let job = self.open.get(&id).filter(|job| job.status == JobStatus::Queued)?;
        Some(Job { status: JobStatus::Claimed, run: Some(run), ..job.clone() })
    }

    /// Maintenance has ended.
    #[must_use]
    pub fn maintained(&self, id: u64, end: TaskEnd, now: Micros) -> Vec<Job> {
        let job = self.open.get(&id).filter(|job| job.status == JobStatus::Running);
        let ended = job.map(|job| match end {
            Ok(outcome) => job.finished(JobStatus::Done, outcome, now),
            Err((class, text)) => facts::failed(job, class, text, now),
        });
        ended.map_or_else(Vec::new, |job| self.settled(job, now))
    }
}

#[cfg(test)]
mod tests;
