//! Orders that are on their way to accounts, or were not taken.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The orders of jobs, by the job's number.
#[derive(Debug, Default)]
pub(super) struct OrderBook {
    /// The number of each, and until when it is not given again.
    given: BTreeMap<u64, (u64, Duration)>,
    last: u64,
}

impl OrderBook {
    /// A job's order is given; until then it is not given again. Its number.
    pub(super) fn give(&mut self, job: u64, until: Duration) -> u64 {
        self.last += 1;
        self.given.insert(job, (self.last, until));
        self.last
    }

    /// It was answered; whether that is the answer to the latest one.
    pub(super) fn answered(&mut self, job: u64, number: u64) -> bool {
        let is_latest = self.given.get(&job).is_some_and(|(given, _)| *given == number);
        if is_latest {
            self.given.remove(&job);
        }
        is_latest
    }

    /// Whatever is answered to it comes too late.
    pub(super) fn withdraw(&mut self, job: u64) {
        self.given.remove(&job);
    }

    /// Jobs whose orders are not to be given now.
    pub(super) fn given(&mut self, mono: Duration) -> BTreeSet<u64> {
        self.given.retain(|_, (_, until)| *until > mono);
        self.given.keys().copied().collect()
    }
}
