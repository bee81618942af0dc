//! A host of a fleet: the real pool and the real health of an endpoint, and how it is ill.

use super::till::Till;
use postrider_core::endpoint::{Health, Probe};
use postrider_core::failure::{Class, Excess, Failure, Provenance, Reach};
use postrider_core::pool::{Limits, Next, Pool};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

/// How a host is ill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Illness {
    /// Nobody can connect.
    Away,
    /// It greets, and says that it cannot log in anybody.
    Unavailable,
    /// It refuses every secret.
    Refuses,
    /// It has too many sessions.
    Crowded,
}

/// Somebody wants a session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) account: usize,
    /// Beside another one, if there is one to spare.
    pub(crate) wish: bool,
}

/// What became of those that want sessions.
pub(crate) enum Told {
    /// A session is logged in.
    In(u64, Wanted),
    /// None is to be had.
    Refused(Wanted, Failure),
    /// What was asked for comes later. Under another number from now on.
    Held(u64, Wanted, Failure, Duration),
    /// This session is to go.
    Retire(u64),
}

pub(crate) struct Host {
    pub(crate) pool: Pool<u64, usize>,
    pub(crate) health: Health<usize>,
    pub(crate) wanted: BTreeMap<u64, Wanted>,
    /// Whose sessions live.
    live: BTreeMap<u64, usize>,
    pub(crate) till: Rc<RefCell<Till>>,
    limits: Limits,
    /// Until when, and how.
    pub(crate) ill: Option<(i64, Illness)>,
    ill_since: i64,
    /// Of the last minute: connections that only probe, and logins.
    tries: VecDeque<i64>,
    last: u64,
    pub(crate) logins: u64,
    pub(crate) probes: u64,
    /// Logins in a minute, at most.
    pub(crate) most: usize,
    pub(crate) broken: Option<String>,
}

impl Host {
    pub(crate) fn new(limits: Limits, units: u64) -> Self {
        Self {
            pool: Pool::new(limits),
            health: Health::new(),
            wanted: BTreeMap::new(),
            live: BTreeMap::new(),
            till: Till::new(units),
            limits,
            ill: None,
            ill_since: 0,
            tries: VecDeque::new(),
            last: 0,
            logins: 0,
            probes: 0,
            most: 0,
            broken: None,
        }
    }

    /// The process begins anew.
    pub(crate) fn forget(&mut self) {
        self.pool = Pool::new(self.limits);
        self.health = Health::new();
        self.wanted.clear();
        self.live.clear();
        // A bucket that is new is full.
        self.tries.clear();
    }

    pub(crate) fn falls_ill(&mut self, until: i64, how: Illness, now: i64) {
        (self.ill, self.ill_since) = (Some((until, how)), now);
    }

    pub(crate) fn illness(&self, now: i64) -> Option<Illness> {
        self.ill.filter(|(until, _)| now < *until).map(|(_, how)| how)
    }

    /// Since when, or (it is well) since when not: its accounts have reasons to wait for a while then.
    pub(crate) fn trouble(&self, now: i64) -> Option<i64> {
        self.ill.map(|(until, _)| until.min(now))
    }

    pub(crate) fn wants(&mut self, wanted: Wanted) -> u64 {
        self.last += 1;
        self.pool.request(self.last, wanted.account);
        self.wanted.insert(self.last, wanted);
        self.last
    }

    /// A session is over.
    pub(crate) fn release(&mut self, key: u64) {
        self.live.remove(&key);
        self.pool.release(key);
    }

    pub(crate) fn account_of(&self, key: u64) -> Option<usize> {
        self.live.get(&key).copied()
    }

    pub(crate) fn withdraw(&mut self, key: u64) {
        self.wanted.remove(&key);
        self.pool.release(key);
    }

    /// What it does in this second.
    pub(crate) fn work(&mut self, now: i64, wrong: &dyn Fn(usize) -> bool) -> Vec<Told> {
        let mut told = Vec::new();
        let second = Duration::from_secs(u64::try_from(now).unwrap());
        if !self.wanted.is_empty() {
            self.probe(now, wrong, &mut told);
        }
        let mut at = second;
        while self.health.down().is_none() && !self.wanted.is_empty() {
            match self.pool.next(at) {
                Next::Grant(key) => self.login(key, now, wrong, &mut told),
                Next::Retire(key) => told.push(Told::Retire(key)),
                Next::After(wait) => at += wait,
                Next::Idle => break,
            }
            if at >= second + Duration::from_secs(1) {
                break;
            }
        }
        told
    }

    fn probe(&mut self, now: i64, wrong: &dyn Fn(usize) -> bool, told: &mut Vec<Told>) {
        let mono = Duration::from_secs(u64::try_from(now).unwrap());
        match self.health.due(mono) {
            Some(Probe::Connect) if self.illness(now) == Some(Illness::Away) => {
                self.tried(now);
                self.probes += 1;
                self.health.failed(&usize::MAX, away(), mono);
            }
            Some(Probe::Connect) => {
                self.tried(now);
                self.probes += 1;
                self.health.greeted();
            }
            Some(Probe::Login) => {
                if let Next::Grant(key) = self.pool.next(mono) {
                    self.login(key, now, wrong, told);
                }
            }
            None => return,
        }
        if let Some((failure, next)) = self.health.down() {
            let held =
                |(key, wanted): (&u64, &Wanted)| Told::Held(*key, *wanted, failure.clone(), next);
            told.extend(self.wanted.iter().map(held));
        }
    }

    fn login(&mut self, key: u64, now: i64, wrong: &dyn Fn(usize) -> bool, told: &mut Vec<Told>) {
        let Some(wanted) = self.wanted.remove(&key) else { return self.pool.release(key) };
        let mono = Duration::from_secs(u64::try_from(now).unwrap());
        self.logins += 1;
        self.tried(now);
        let failure = match self.illness(now) {
            Some(Illness::Away) => away(),
            Some(Illness::Unavailable) => Failure::new(
                Class::Provider,
                Reach::Endpoint,
                Provenance::Server,
                "scripted: unavailable",
            ),
            Some(Illness::Refuses) => refused(),
            Some(Illness::Crowded) if self.pool.counts().0 > 3 => Failure::new(
                Class::RateLimit,
                Reach::Account,
                Provenance::Server,
                "scripted: too many connections",
            )
            .of(Excess::AtOnce),
            _ if wrong(wanted.account) => refused(),
            _ => {
                self.health.logged_in(&wanted.account);
                self.live.insert(key, wanted.account);
                return told.push(Told::In(key, wanted));
            }
        };
        self.pool.release(key);
        if failure.excess == Excess::AtOnce {
            self.pool.too_many(Some(&wanted.account), mono);
        }
        let (failure, waits) = self.health.failed(&wanted.account, failure, mono);
        if !waits || wanted.wish {
            return told.push(Told::Refused(wanted, failure));
        }
        self.wants(wanted);
        if let Some((failure, next)) = self.health.down() {
            let held =
                |(key, wanted): (&u64, &Wanted)| Told::Held(*key, *wanted, failure.clone(), next);
            told.extend(self.wanted.iter().map(held));
        }
    }

    /// No more than the limits let through; no more than a prober's where it is away.
    fn tried(&mut self, now: i64) {
        self.tries.push_back(now);
        while self.tries.front().is_some_and(|at| now - *at >= 60) {
            self.tries.pop_front();
        }
        let within = |seconds| self.tries.iter().filter(|at| now - **at < seconds).count();
        let (tries, lately) = (self.tries.len(), within(10));
        self.most = self.most.max(tries);
        let paced = 10 * self.limits.logins_per_second as usize + 1;
        // Who was about to log in has found out, and a login may have been tried before that.
        let known = self.illness(now) == Some(Illness::Away) && now - self.ill_since > 60 + 6;
        if lately > paced + 2 || (known && tries > 13) {
            let ill = self.illness(now);
            self.broken =
                Some(format!("{lately} connections in 10 s, {tries} in a minute, it is {ill:?}"));
        }
    }
}

fn away() -> Failure {
    Failure::new(Class::Network, Reach::Endpoint, Provenance::Local, "scripted: no route")
}

fn refused() -> Failure {
    Failure::new(Class::Auth, Reach::Account, Provenance::Server, "scripted: wrong secret")
}
