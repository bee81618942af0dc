//! The sessions of one endpoint: how many may live, who waits, how fast logins may follow each other. Pure.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Limits of an endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Sessions of the endpoint.
    pub per_endpoint: usize,
    /// Sessions of one account.
    pub per_account: usize,
    /// Logins in a second.
    pub logins_per_second: u32,
}

/// Slots and the queue in front of them. `K` names a request, `A` an account.
#[derive(Debug)]
pub struct Pool<K, A> {
    limits: Limits,
    live: BTreeMap<K, A>,
    waiting: VecDeque<(K, A)>,
    next_login: Duration,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<K> {
    /// Log in for this request now.
    Grant(K),
    /// Ask again after this time: logins are paced.
    After(Duration),
    /// Nothing until a slot returns or a request comes.
    Idle,
}

impl<K: Ord + Copy, A: Ord + Clone> Pool<K, A> {
    /// An empty pool.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, live: BTreeMap::new(), waiting: VecDeque::new(), next_login: Duration::ZERO }
    }

    /// A request joins the queue.
    pub fn request(&mut self, key: K, account: A) {
        self.waiting.push_back((key, account));
    }

    /// A slot returns, or a request is withdrawn.
    pub fn release(&mut self, key: K) {
        self.live.remove(&key);
        self.waiting.retain(|(k, _)| *k != key);
    }

    /// Sessions that live.
    #[must_use]
    pub fn live(&self) -> usize {
        self.live.len()
    }

    /// Who may log in at `mono`. First come, first served, but for accounts that have all their sessions.
    pub fn next(&mut self, mono: Duration) -> Next<K> {
        if self.live.len() >= self.limits.per_endpoint {
            return Next::Idle;
        }
        let mine = |account: &A| self.live.values().filter(|a| *a == account).count();
        let Some(at) = self.waiting.iter().position(|(_, account)| mine(account) < self.limits.per_account) else {
            return Next::Idle;
        };
        if mono < self.next_login {
            return Next::After(self.next_login - mono);
        }
        let Some((key, account)) = self.waiting.remove(at) else { return Next::Idle };
        self.next_login = mono + Duration::from_secs(1) / self.limits.logins_per_second.max(1);
        self.live.insert(key, account);
        Next::Grant(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paces_limits_and_returns() {
        let limits = Limits { per_endpoint: 2, per_account: 1, logins_per_second: 5 };
        let mut pool = Pool::new(limits);
        for (key, account) in [(1, "a"), (2, "a"), (3, "b"), (4, "c")] {
            pool.request(key, account);
        }
        let s = |ms| Duration::from_millis(ms);
        assert_eq!(pool.next(s(0)), Next::Grant(1));
        assert_eq!(pool.next(s(50)), Next::After(s(150)));
        assert_eq!(pool.next(s(200)), Next::Grant(3), "a has its one session");
        assert_eq!(pool.next(s(500)), Next::Idle, "the endpoint is full");
        pool.release(1);
        assert_eq!(pool.next(s(500)), Next::Grant(2));
        pool.release(4);
        pool.release(3);
        assert_eq!((pool.next(s(900)), pool.live()), (Next::Idle, 1));
    }
}
