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
        let queue = Queue::new(open, next);
        let again = queue.forsaken(doing, now);
        self.queue = Some(queue);
        self.store(again, None).await
    }

    /// Jobs are stored so, and with the last of them that a schedule's time is done with; nothing is known where that
    /// has failed.
    pub(super) async fn store(
        &mut self,
        jobs: Vec<Job>,
        fired: Option<(String, Micros)>,
    ) -> Result<(), Failure> {
        let mut parts: Vec<&[Job]> = jobs.chunks(ROWS).collect();
        if parts.is_empty() && fired.is_some() {
            parts.push(&[]);
        }
        let last = parts.len().saturating_sub(1);
        for (n, some) in parts.into_iter().enumerate() {
            let Some(queue) = &mut self.queue else { return Err(unknown()) };
            let next = some.iter().map(|job| job.id + 1).fold(queue.next(), u64::max);
            let fired = fired.iter().filter(|_| n == last).cloned().collect();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::Soon;
    use postrider_core::account::follow::Order;
    use postrider_core::job::queue::{JobPlace, JobWish, Submitted};
    use postrider_core::job::slots::Level;
    use postrider_core::job::words::JobKind;
    use std::sync::Mutex;

    /// A store that writes so many parts, then none, and notes what it has written.
    #[derive(Default)]
    struct Away {
        writes: Mutex<usize>,
        written: Mutex<Vec<(usize, bool)>>,
    }

    impl JobHands for Away {
        fn order(&self, _: &str, _: Order) -> Soon<Result<u64, String>> {
            Box::pin(async { Err(String::new()) })
        }

        fn cancel(&self, _: &str) {}

        fn write(&self, work: JobWork) -> Soon<Result<bool, Failure>> {
            let mut writes = self.writes.lock().unwrap();
            let JobWork::Put { jobs, fired, .. } = work else {
                return Box::pin(async { Ok(false) });
            };
            if *writes == 0 {
                return Box::pin(async { Err(unknown()) });
            }
            *writes -= 1;
            self.written.lock().unwrap().push((jobs.len(), !fired.is_empty()));
            Box::pin(async { Ok(true) })
        }

        fn reindex(&self, _: &str) -> Soon<Result<String, Failure>> {
            Box::pin(async { Ok(String::new()) })
        }

        fn repair(&self, account: &str, _: bool) -> Soon<Result<String, Failure>> {
            self.verify(account)
        }
        fn collect(&self) -> Soon<Result<String, Failure>> {
            self.verify("")
        }
        fn verify(&self, _: &str) -> Soon<Result<String, Failure>> {
            Box::pin(async { Ok(String::new()) })
        }

        fn names(&self, _: &str) -> bool {
            true
        }
    }

    /// Jobs of many accounts are stored in parts; where one fails the schedule's time is still to come.
    #[tokio::test]
    async fn a_time_is_done_with_behind_the_last_of_its_jobs() {
        let dir = tempfile::tempdir().unwrap();
        let db = crate::store::open(&dir.path().join("x.db").into()).await.unwrap();
        let away = Arc::new(Away::default());
        let mut kept = KeptQueue::new(&Reader::new(&db), away.clone());
        let now = Micros(1_700_000_000_000_000);
        let wish = |n: usize| JobWish {
            uuid: String::new(),
            what: JobPlace {
                kind: JobKind::Full,
                task: None,
                account: Some(format!("a{n}")),
                first: None,
                at: None,
            },
            priority: Level::Schedule,
            not_before: now,
            owner: None,
            by: "a schedule".to_owned(),
        };
        let wishes: Vec<JobWish> = (0..2 * ROWS + 1).map(wish).collect();
        for (writes, written) in
            [(1, &[(ROWS, false)][..]), (3, &[(ROWS, false), (ROWS, false), (1, true)])]
        {
            *away.writes.lock().unwrap() = writes;
            kept.load(now, None).await.unwrap();
            let submitted = kept.queue().unwrap().submit(&wishes, now).into_iter();
            let job = |one| if let Submitted::Taken(job) = one { Some(*job) } else { None };
            let jobs = submitted.filter_map(job).collect();
            let stored = kept.store(jobs, Some(("nightly".to_owned(), now))).await;
            assert_eq!(stored.is_ok(), writes == 3);
            assert_eq!(std::mem::take(&mut *away.written.lock().unwrap()), written);
            assert_eq!(kept.queue().is_some(), writes == 3, "what is stored is known, or not held");
        }
        // Alone it is a write of its own.
        *away.writes.lock().unwrap() = 1;
        kept.store(Vec::new(), Some(("nightly".to_owned(), now))).await.unwrap();
        assert_eq!(*away.written.lock().unwrap(), [(0, true)]);
        db.close().await;
    }
}
