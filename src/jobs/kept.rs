//! The queue with what is stored of it: each change is written first, and where nobody knows whether it was, all is
//! read anew.

use crate::jobs::hands::JobHands;
use crate::store::{JobReader, JobWork, Reader};
use postrider_core::failure::Failure;
use postrider_core::job::queue::{Job, Queue, RunOfJob};
use postrider_core::time::Micros;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Rows in a write.
const ROWS: usize = 500;

/// The queue as it is stored.
pub(super) struct KeptQueue {
    jobs: JobReader,
    hands: Arc<dyn JobHands>,
    /// None where it is not known what is stored.
    queue: Option<Queue>,
    /// The runs of jobs that are at work, while it is not known.
    runs: BTreeMap<u64, RunOfJob>,
}

impl KeptQueue {
    pub(super) fn new(reader: &Reader, hands: Arc<dyn JobHands>) -> Self {
        Self { jobs: JobReader::new(reader), hands, queue: None, runs: BTreeMap::new() }
    }

    /// What is stored, where that is known.
    pub(super) fn queue(&self) -> Option<&Queue> {
        self.queue.as_ref()
    }

    pub(super) fn reader(&self) -> &JobReader {
        &self.jobs
    }

    /// What is stored, read where it is not known: behind every write of this process.
    /// `doing`: the maintenance that goes on in this process.
    pub(super) async fn load(&mut self, now: Micros, doing: Option<u64>) -> Result<(), Failure> {
        if self.queue.is_some() {
            return Ok(());
        }
        let fence = JobWork::Forget { before: Micros(0), most: 0 };
        self.hands.write(fence).await?;
        let (mut open, next) = self.jobs.open().await?;
        let at_work = open.iter_mut().filter(|job| job.status.is_at_work());
        at_work.for_each(|job| job.run = self.runs.get(&job.id).copied());
        let goes_on = open.iter_mut().filter(|job| Some(job.id) == doing);
        goes_on.for_each(|job| job.run = Some(RunOfJob { life: 0, number: 0 }));
        let queue = Queue::new(open, next);
        let again = queue.forsaken(now);
        self.queue = Some(queue);
        self.store(again, None).await
    }

    /// Jobs are stored so, and with the first of them that a schedule's time is done with; nothing is known where that
    /// has failed.
    pub(super) async fn store(
        &mut self,
        jobs: Vec<Job>,
        fired: Option<(String, Micros)>,
    ) -> Result<(), Failure> {
        let mut fired: Vec<_> = fired.into_iter().collect();
        let mut parts: Vec<&[Job]> = jobs.chunks(ROWS).collect();
        if parts.is_empty() && !fired.is_empty() {
            parts.push(&[]);
        }
        for some in parts {
            let Some(queue) = &mut self.queue else { return Err(unknown()) };
            let next = some.iter().map(|job| job.id + 1).fold(queue.next(), u64::max);
            let fired = std::mem::take(&mut fired);
            let work = JobWork::Put { jobs: some.to_vec(), next, fired };
            if let Err(failure) = self.hands.write(work).await {
                self.lose();
                return Err(failure);
            }
            some.iter().cloned().for_each(|job| queue.put(job));
        }
        Ok(())
    }

    /// What is stored is no longer known.
    pub(super) fn lose(&mut self) {
        let Some(queue) = self.queue.take() else { return };
        self.runs = queue.open().filter_map(|job| Some((job.id, job.run?))).collect();
    }
}

/// What is asked for cannot be done now.
pub(super) fn unknown() -> Failure {
    Failure::storage("what is stored of jobs is not known")
}
