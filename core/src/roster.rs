//! Who runs and who waits, and each account's history: what outlives an actor. Pure.

use crate::failure::Failure;
use crate::recovery::decide::{Policy, Verdict, decide};
use crate::recovery::history::History;
use crate::time::Now;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How many may run, and how fast they may be started: no herd after a restart.
#[derive(Clone, Copy, Debug)]
pub struct Admission {
    /// Accounts that run at a time.
    pub at_a_time: usize,
    /// Starts in a second.
    pub starts_per_second: u32,
}

/// What the roster says to who wants to start somebody.
#[derive(Debug, PartialEq, Eq)]
pub enum NextStart {
    /// Start this account, with its history.
    Start(String, History),
    /// Ask again after this.
    After(Duration),
    /// Nobody waits, or nobody may start before another ends.
    Nobody,
}

/// The accounts of a process.
#[derive(Debug)]
pub struct Roster {
    admission: Admission,
    running: usize,
    waiting: VecDeque<String>,
    next_start: Duration,
    histories: BTreeMap<String, History>,
}

impl Roster {
    /// An empty roster.
    #[must_use]
    pub fn new(admission: Admission) -> Self {
        Self { admission, running: 0, waiting: VecDeque::new(), next_start: Duration::ZERO, histories: BTreeMap::new() }
    }

    /// An account wants to run.
    pub fn enqueue(&mut self, account: String) {
        self.waiting.push_back(account);
    }

    /// An account no longer wants to run; says whether it was waiting.
    pub fn withdraw(&mut self, account: &str) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|name| name != account);
        self.waiting.len() < before
    }

    /// What is known of an account from before.
    pub fn remember(&mut self, account: &str, history: History) {
        self.histories.insert(account.to_owned(), history);
    }

    /// What an account went through.
    #[must_use]
    pub fn history(&self, account: &str) -> History {
        self.histories.get(account).cloned().unwrap_or_default()
    }

    /// The next account that may start, if there is room.
    pub fn admit(&mut self, mono: Duration) -> NextStart {
        if self.running >= self.admission.at_a_time || self.waiting.is_empty() {
            return NextStart::Nobody;
        }
        if mono < self.next_start {
            return NextStart::After(self.next_start - mono);
        }
        let Some(account) = self.waiting.pop_front() else { return NextStart::Nobody };
        self.running += 1;
        self.next_start = mono + Duration::from_secs(1) / self.admission.starts_per_second.max(1);
        let history = self.histories.get(&account).cloned().unwrap_or_default();
        NextStart::Start(account, history)
    }

    /// An account has ended.
    pub fn finished(&mut self) {
        self.running = self.running.saturating_sub(1);
    }

    /// An account's actor died of `failure`: what is to be done. It keeps its place.
    pub fn died(&mut self, account: &str, failure: &Failure, policy: &Policy, now: Now) -> (Verdict, History) {
        let history = self.histories.entry(account.to_owned()).or_default();
        history.failed(failure, now.wall);
        (decide(failure, history, policy, now), history.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admits_in_order_and_remembers() {
        let mut roster = Roster::new(Admission { at_a_time: 1, starts_per_second: 1000 });
        roster.enqueue("a".into());
        roster.enqueue("b".into());
        let at = Duration::from_secs;
        assert!(matches!(roster.admit(at(0)), NextStart::Start(name, _) if name == "a"));
        assert_eq!(roster.admit(at(1)), NextStart::Nobody);
        let bug = Failure::bug("here");
        for n in 1..=3 {
            let (verdict, history) = roster.died("a", &bug, &Policy::default(), Now::default());
            assert_eq!(history.panics, n);
            assert_eq!(verdict == Verdict::Park, n == 3);
        }
        roster.finished();
        assert!(matches!(roster.admit(at(2)), NextStart::Start(name, _) if name == "b"));
    }

    #[test]
    fn starts_are_spread() {
        let mut roster = Roster::new(Admission { at_a_time: 9, starts_per_second: 10 });
        for name in ["a", "b", "c"] {
            roster.enqueue(name.into());
        }
        assert!(roster.withdraw("b") && !roster.withdraw("b"));
        let ms = Duration::from_millis;
        assert!(matches!(roster.admit(ms(0)), NextStart::Start(..)));
        assert_eq!(roster.admit(ms(30)), NextStart::After(ms(70)));
        assert!(matches!(roster.admit(ms(100)), NextStart::Start(name, _) if name == "c"));
    }
}
