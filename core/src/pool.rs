//! The sessions of one endpoint: how many may live, who waits, how fast logins may follow each
//! other, and whose watching session gives way when others wait. Pure.

use crate::budget::{Bucket, RateLimit, Slots};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Limits of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Sessions of the endpoint.
    pub per_endpoint: usize,
    /// Sessions of one account.
    pub per_account: usize,
    /// Logins in a second.
    pub logins_per_second: u32,
}

#[derive(Debug)]
struct LiveSession<A> {
    account: A,
    /// Since when it does nothing but watch.
    watching: Option<Duration>,
    /// It works beside another one of its account, and can be spared.
    helping: bool,
    /// It has been asked to give way.
    retiring: bool,
}

/// Slots and the queue in front of them. `K` names a request, `A` an account.
#[derive(Debug)]
pub struct Pool<K, A> {
    limits: Limits,
    live: BTreeMap<K, LiveSession<A>>,
    /// How many of them each account has.
    live_of: BTreeMap<A, usize>,
    waiting: VecDeque<(K, A)>,
    logins: Bucket,
    /// What servers that said "too many" leave of the limits.
    left: Slots,
    left_of: BTreeMap<A, Slots>,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<K> {
    /// Log in for this request now.
    Grant(K),
    /// Ask again after this time: logins are paced.
    After(Duration),
    /// The endpoint is full and others wait: ask this session, which watches or helps, to go.
    Retire(K),
    /// Nothing until a slot returns or a request comes.
    Idle,
}

impl<K: Ord + Copy, A: Ord + Clone> Pool<K, A> {
    /// An empty pool.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let pace =
            RateLimit { units: limits.logins_per_second.into(), per: Duration::from_secs(1) };
        Self {
            limits,
            live: BTreeMap::new(),
            live_of: BTreeMap::new(),
            waiting: VecDeque::new(),
            logins: Bucket::spaced(pace),
            left: Slots::default(),
            left_of: BTreeMap::new(),
        }
    }

    /// A request joins the queue.
    pub fn request(&mut self, key: K, account: A) {
        self.waiting.push_back((key, account));
    }

    /// Whether a slot is free for this account with nobody waiting for it: who merely wishes for a
    /// session gets no other.
    #[must_use]
    pub fn has_spare(&self, account: &A, mono: Duration) -> bool {
        self.waiting.is_empty()
            && self.live.len() < self.sessions(mono)
            && self.of(account) < self.sessions_of(account, mono)
    }

    /// Sessions that may live now.
    #[must_use]
    pub fn sessions(&self, mono: Duration) -> usize {
        self.left.now(self.limits.per_endpoint, mono)
    }

    /// Sessions that an account may have now.
    #[must_use]
    pub fn sessions_of(&self, account: &A, mono: Duration) -> usize {
        let left = self.left_of.get(account).copied().unwrap_or_default();
        left.now(self.limits.per_account, mono)
    }

    /// The server has said "too many", of an account or of all: half of what lives.
    pub fn too_many(&mut self, account: Option<&A>, mono: Duration) {
        let Some(account) = account else {
            return self.left.too_many(self.live.len(), self.limits.per_endpoint, mono);
        };
        let live = self.of(account);
        let left = self.left_of.entry(account.clone()).or_default();
        left.too_many(live, self.limits.per_account, mono);
    }

    /// A slot returns, or a request is withdrawn.
    pub fn release(&mut self, key: K) {
        let Some(session) = self.live.remove(&key) else {
            return self.waiting.retain(|(k, _)| *k != key);
        };
        if let Some(mine) = self.live_of.get_mut(&session.account) {
            *mine -= 1;
            if *mine == 0 {
                self.live_of.remove(&session.account);
            }
        }
    }

    /// A session began to watch at this moment, or stopped.
    pub fn watches(&mut self, key: K, since: Option<Duration>) {
        if let Some(live) = self.live.get_mut(&key) {
            live.watching = since;
            live.helping &= since.is_none();
        }
    }

    /// Whether it was asked to go and has not gone.
    #[must_use]
    pub fn is_retiring(&self, key: K) -> bool {
        self.live.get(&key).is_some_and(|live| live.retiring)
    }

    /// A session helps another one of its account, until it watches or returns.
    pub fn helps(&mut self, key: K) {
        if let Some(live) = self.live.get_mut(&key) {
            live.helping = true;
        }
    }

    /// Sessions that live, and requests that wait.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.live.len(), self.waiting.len())
    }

    fn of(&self, account: &A) -> usize {
        self.live_of.get(account).copied().unwrap_or(0)
    }

    /// Who may log in at `mono`. First come, first served, but for accounts that have all their
    /// sessions.
    pub fn next(&mut self, mono: Duration) -> Next<K> {
        let free = |account: &A| self.of(account) < self.sessions_of(account, mono);
        let Some(at) = self.waiting.iter().position(|(_, account)| free(account)) else {
            return self.retire_own(mono);
        };
        if self.live.len() >= self.sessions(mono) {
            return self.retire();
        }
        let wait = self.logins.wait(1, mono);
        if !wait.is_zero() {
            return Next::After(wait);
        }
        let Some((key, account)) = self.waiting.remove(at) else { return Next::Idle };
        self.logins.take(1, mono);
        *self.live_of.entry(account.clone()).or_default() += 1;
        self.live
            .insert(key, LiveSession { account, watching: None, helping: false, retiring: false });
        Next::Grant(key)
    }

    /// An account that may have fewer sessions for a while works rather than watches.
    fn retire_own(&mut self, mono: Duration) -> Next<K> {
        let own = self.waiting.iter().find_map(|(_, account)| {
            let lowered = self.sessions_of(account, mono) < self.limits.per_account;
            let mut mine = self.live.iter().filter(|(_, live)| live.account == *account);
            let asked = mine.clone().any(|(_, live)| live.retiring);
            let watches = mine.find(|(_, live)| live.watching.is_some() || live.helping);
            watches.filter(|_| lowered && !asked).map(|(key, _)| *key)
        });
        let Some(key) = own else { return Next::Idle };
        if let Some(live) = self.live.get_mut(&key) {
            live.retiring = true;
        }
        Next::Retire(key)
    }

    /// The session that has watched longest gives way, else one that only helps; as many as there are
    /// requests.
    fn retire(&mut self) -> Next<K> {
        if self.live.values().filter(|live| live.retiring).count() >= self.waiting.len() {
            return Next::Idle;
        }
        let idle = || self.live.iter().filter(|(_, live)| !live.retiring);
        let longest = idle().filter_map(|(key, live)| Some((live.watching?, *key))).min();
        let helper = || idle().find(|(_, live)| live.helping).map(|(key, _)| *key);
        let Some(key) = longest.map(|(_, key)| key).or_else(helper) else { return Next::Idle };
        if let Some(live) = self.live.get_mut(&key) {
            live.retiring = true;
        }
        Next::Retire(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn paces_limits_and_returns() {
        let limits = Limits { per_endpoint: 2, per_account: 1, logins_per_second: 5 };
        let mut pool = Pool::new(limits);
        for (key, account) in [(1, "a"), (2, "a"), (3, "b"), (4, "c")] {
            pool.request(key, account);
        }
        assert_eq!(pool.next(s(0)), Next::Grant(1));
        assert_eq!(pool.next(s(50)), Next::After(s(150)));
        assert_eq!(pool.next(s(200)), Next::Grant(3), "a has its one session");
        assert_eq!(pool.next(s(500)), Next::Idle, "the endpoint is full");
        pool.release(1);
        assert_eq!(pool.next(s(500)), Next::Grant(2));
        pool.release(4);
        pool.release(3);
        assert_eq!((pool.next(s(900)), pool.counts()), (Next::Idle, (1, 0)));
    }

    #[test]
    fn who_watches_longest_gives_way_to_who_waits() {
        let mut pool =
            Pool::new(Limits { per_endpoint: 2, per_account: 2, logins_per_second: 1000 });
        for (key, account) in [(1, "a"), (2, "b")] {
            pool.request(key, account);
        }
        assert_eq!((pool.next(s(0)), pool.next(s(1))), (Next::Grant(1), Next::Grant(2)));
        pool.watches(1, Some(s(20)));
        pool.watches(2, Some(s(10)));
        assert!(!pool.has_spare(&"c", s(25)), "the endpoint is full");
        pool.request(3, "c");
        assert_eq!(pool.next(s(30)), Next::Retire(2));
        assert_eq!(pool.next(s(30)), Next::Idle, "one is enough for one");
        pool.watches(1, None);
        pool.request(4, "d");
        assert_eq!(pool.next(s(30)), Next::Idle, "who works is left alone");
        pool.release(2);
        assert_eq!(pool.next(s(40)), Next::Grant(3));
    }

    #[test]
    fn who_helps_gives_way_after_those_that_watch() {
        let limits = Limits { per_endpoint: 3, per_account: 2, logins_per_second: 1000 };
        let mut pool = Pool::new(limits);
        for (key, account) in [(1, "a"), (2, "a"), (3, "b")] {
            pool.request(key, account);
            assert_eq!(pool.next(s(key)), Next::Grant(key));
        }
        pool.helps(2);
        pool.watches(3, Some(s(20)));
        for key in [4, 5, 6] {
            pool.request(key, "c");
        }
        assert_eq!(pool.next(s(30)), Next::Retire(3), "it only watches");
        assert_eq!(pool.next(s(30)), Next::Retire(2));
        assert_eq!(pool.next(s(30)), Next::Idle, "who works alone is left alone");
        assert_eq!((pool.is_retiring(1), pool.is_retiring(2)), (false, true));
        // What watches by now helps nobody.
        pool.release(3);
        pool.watches(2, Some(s(40)));
        pool.watches(2, None);
        assert_eq!(pool.next(s(50)), Next::Grant(4));
        assert_eq!(pool.next(s(50)), Next::Idle);
    }

    /// Who merely has all its sessions keeps its watch.
    #[test]
    fn a_watch_gives_way_to_its_own_account_only_where_less_is_allowed() {
        let mut pool =
            Pool::new(Limits { per_endpoint: 9, per_account: 1, logins_per_second: 1000 });
        pool.request(1, "a");
        assert_eq!(pool.next(s(0)), Next::Grant(1));
        pool.watches(1, Some(s(5)));
        pool.request(2, "a");
        assert_eq!(pool.next(s(10)), Next::Idle);
    }

    #[test]
    fn too_many_leaves_half_for_a_while() {
        let minutes = |n: u64| Duration::from_secs(60 * n);
        let limits = Limits { per_endpoint: 9, per_account: 4, logins_per_second: 1000 };
        let mut pool = Pool::new(limits);
        for key in 0..4 {
            pool.request(key, "a");
            assert_eq!(pool.next(minutes(1) + s(key)), Next::Grant(key));
        }
        pool.too_many(Some(&"a"), minutes(2));
        pool.release(0);
        assert!(!pool.has_spare(&"a", minutes(2)) && pool.has_spare(&"b", minutes(2)));
        pool.request(4, "a");
        assert_eq!(pool.next(minutes(3)), Next::Idle, "three live, two may");
        pool.release(4);
        pool.release(1);
        assert!(!pool.has_spare(&"a", minutes(3)), "two live, two may");
        pool.request(4, "a");
        pool.release(2);
        assert_eq!((pool.next(minutes(3)), pool.counts()), (Next::Grant(4), (2, 0)));
        assert_eq!(
            (pool.sessions_of(&"a", minutes(16)), pool.sessions_of(&"a", minutes(30))),
            (2, 4)
        );
        // Where one may live and that one watches, it gives way to work.
        for key in [3, 4] {
            pool.release(key);
        }
        pool.request(5, "a");
        assert_eq!(pool.next(minutes(3) + s(100)), Next::Grant(5));
        pool.too_many(Some(&"a"), minutes(3));
        pool.request(6, "a");
        assert_eq!(pool.next(minutes(3) + s(200)), Next::Idle, "it works");
        pool.watches(5, Some(minutes(3)));
        assert_eq!(pool.next(minutes(3) + s(300)), Next::Retire(5));
        assert_eq!(pool.next(minutes(3) + s(400)), Next::Idle, "once is enough");
        pool.release(5);
        assert_eq!(pool.next(minutes(3) + s(500)), Next::Grant(6));
        pool.too_many(None, minutes(4));
        assert_eq!((pool.sessions(minutes(4)), pool.sessions(minutes(60))), (1, 9));
    }
}
