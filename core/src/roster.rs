//! Who runs and who waits, and each account's history: what outlives an actor. Pure.

use crate::failure::Failure;
use crate::recovery::decide::{Policy, Verdict, decide};
use crate::recovery::history::History;
use crate::time::Now;
use std::collections::{BTreeMap, VecDeque};

/// The accounts of a process.
#[derive(Debug)]
pub struct Roster {
    limit: usize,
    running: usize,
    waiting: VecDeque<String>,
    histories: BTreeMap<String, History>,
}

impl Roster {
    /// A roster that lets `limit` accounts run at a time.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit: limit.max(1), running: 0, waiting: VecDeque::new(), histories: BTreeMap::new() }
    }

    /// An account wants to run.
    pub fn enqueue(&mut self, account: String) {
        self.waiting.push_back(account);
    }

    /// The next account that may start, if there is room.
    pub fn admit(&mut self) -> Option<(String, History)> {
        if self.running >= self.limit {
            return None;
        }
        let account = self.waiting.pop_front()?;
        self.running += 1;
        let history = self.histories.get(&account).cloned().unwrap_or_default();
        Some((account, history))
    }

    /// An account has ended its run.
    pub fn finished(&mut self) {
        self.running = self.running.saturating_sub(1);
    }

    /// An account's actor died of `failure`: what is to be done. It keeps its place.
    pub fn died(&mut self, account: &str, failure: &Failure, policy: &Policy, now: Now) -> (Verdict, History) {
        let history = self.histories.entry(account.to_owned()).or_default();
        history.failed(failure);
        (decide(failure, history, policy, now), history.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admits_in_order_and_remembers() {
        let mut roster = Roster::new(1);
        roster.enqueue("a".into());
        roster.enqueue("b".into());
        assert_eq!(roster.admit().unwrap().0, "a");
        assert!(roster.admit().is_none());
        let bug = Failure::bug("here");
        for n in 1..=3 {
            let (verdict, history) = roster.died("a", &bug, &Policy::default(), Now::default());
            assert_eq!(history.panics, n);
            assert_eq!(verdict == Verdict::Park, n == 3);
        }
        roster.finished();
        assert_eq!(roster.admit().unwrap().0, "b");
    }
}
