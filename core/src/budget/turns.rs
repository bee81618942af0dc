//! Who gets units next: the live lane before history, and among accounts who has spent least.

use crate::budget::day::Spending;
use crate::budget::lane::Lane;
use crate::budget::meter::{Allowance, Meter, MeterView, Wait};
use crate::failure::{Class, Excess, Failure};
use crate::time::Now;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// What a provider's questions cost, and what may be spent on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// What is counted.
    pub unit: &'static str,
    /// By each account.
    pub user: Allowance,
    /// By all accounts of the endpoint.
    pub shared: Allowance,
    /// The dearest question, in units.
    pub largest: u64,
    /// What is spent is known by the octets that came, not by the questions that were asked: only
    /// a day is kept then, and a question may be asked as long as anything is left of it.
    pub by_octets: bool,
}

impl Default for Quota {
    fn default() -> Self {
        let none = Allowance::default();
        Self { unit: "octets", user: none, shared: none, largest: 1, by_octets: true }
    }
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn<K> {
    /// This question may be asked now; its units are taken.
    Grant(K),
    /// Look again then (monotonic).
    At(Duration),
    /// Nobody waits.
    Idle,
}

/// Somebody waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitLine<A> {
    /// Which account.
    pub account: A,
    /// In which lane.
    pub lane: Lane,
    /// For how much.
    pub units: u64,
    /// Since when, monotonic.
    pub since: Duration,
    /// Until when at least, monotonic.
    pub until: Duration,
}

/// Where an account stands in a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Queued {
    /// Its turn is by what it has spent.
    Ready(u64),
    /// It is looked at again then.
    Later(Duration),
}

#[derive(Clone, Copy, Debug)]
struct Wish<K> {
    key: K,
    units: u64,
    since: Duration,
}

#[derive(Debug)]
struct Queue<K> {
    wishes: VecDeque<Wish<K>>,
    place: Option<Queued>,
}

impl<K> Default for Queue<K> {
    fn default() -> Self {
        Self { wishes: VecDeque::new(), place: None }
    }
}

#[derive(Debug)]
struct User<K> {
    meter: Meter,
    allowance: Allowance,
    /// Units so far, on the scale on which turns are taken.
    served: u64,
    live: Queue<K>,
    backfill: Queue<K>,
}

impl<K> User<K> {
    fn new(allowance: Allowance, largest: u64) -> Self {
        Self {
            meter: Meter::new(allowance, largest),
            allowance,
            served: 0,
            live: Queue::default(),
            backfill: Queue::default(),
        }
    }

    fn queue(&mut self, lane: Lane) -> &mut Queue<K> {
        match lane {
            Lane::Live => &mut self.live,
            Lane::Backfill => &mut self.backfill,
        }
    }
}

/// The budget of an endpoint: one meter an account, one for all of them, and who waits. `K` names a
/// question, `A` an account.
#[derive(Debug)]
pub struct Budget<K, A> {
    largest: u64,
    shared: Meter,
    users: BTreeMap<A, User<K>>,
    keys: BTreeMap<K, (A, Lane)>,
    /// Units that are waited for, by lane.
    wanted: BTreeMap<Lane, u64>,
    ready: BTreeSet<(Lane, u64, A)>,
    later: BTreeSet<(Duration, Lane, A)>,
    /// What the account whose turn was last had been served: who comes anew begins there.
    turn: u64,
}

impl<K: Ord + Copy, A: Ord + Clone> Budget<K, A> {
    /// Of an endpoint whose accounts share this.
    #[must_use]
    pub fn new(shared: Allowance, largest: u64) -> Self {
        Self {
            largest,
            shared: Meter::new(shared, largest),
            users: BTreeMap::new(),
            keys: BTreeMap::new(),
            wanted: BTreeMap::new(),
            ready: BTreeSet::new(),
            later: BTreeSet::new(),
            turn: 0,
        }
    }

    /// An account, and what it may spend; what it spent before is kept.
    pub fn knows(&mut self, account: &A, allowance: Allowance) {
        let largest = self.largest;
        let user =
            self.users.entry(account.clone()).or_insert_with(|| User::new(allowance, largest));
        if user.allowance != allowance {
            user.allowance = allowance;
            user.meter.allow(allowance, largest);
            self.look_again(account);
        }
    }

    /// What was spent in earlier processes, by an account or by all.
    pub fn remember(&mut self, account: Option<&A>, spent: Spending) {
        match account {
            None => self.shared.remember(spent),
            Some(account) => {
                let largest = self.largest;
                let user = self.users.entry(account.clone());
                let none = Allowance::default();
                user.or_insert_with(|| User::new(none, largest)).meter.remember(spent);
            }
        }
    }

    /// A question wants units; [`Budget::turn`] says when it may be asked. A key stands for one
    /// question.
    pub fn ask(&mut self, key: K, account: &A, lane: Lane, units: u64, mono: Duration) {
        let largest = self.largest;
        let none = Allowance::default();
        let user = self.users.entry(account.clone()).or_insert_with(|| User::new(none, largest));
        if user.live.wishes.is_empty() && user.backfill.wishes.is_empty() {
            // Who has been away has gathered no rights.
            user.served = user.served.max(self.turn);
        }
        user.queue(lane).wishes.push_back(Wish { key, units, since: mono });
        self.keys.insert(key, (account.clone(), lane));
        *self.wanted.entry(lane).or_default() += units;
        if user.queue(lane).place.is_none() {
            self.place(account, lane, None);
        }
    }

    /// Puts an account where it belongs in a lane: at its turn, or behind a wait.
    fn place(&mut self, account: &A, lane: Lane, later: Option<Duration>) {
        let Some(user) = self.users.get_mut(account) else { return };
        let served = user.served;
        let queue = user.queue(lane);
        match queue.place.take() {
            Some(Queued::Ready(at)) => drop(self.ready.remove(&(lane, at, account.clone()))),
            Some(Queued::Later(at)) => drop(self.later.remove(&(at, lane, account.clone()))),
            None => {}
        }
        if queue.wishes.is_empty() {
            return;
        }
        let place = later.map_or(Queued::Ready(served), Queued::Later);
        queue.place = Some(place);
        match place {
            Queued::Ready(served) => self.ready.insert((lane, served, account.clone())),
            Queued::Later(at) => self.later.insert((at, lane, account.clone())),
        };
    }

    /// Something about an account has changed: what it waited for may be there.
    fn look_again(&mut self, account: &A) {
        for lane in Lane::ALL {
            self.place(account, *lane, None);
        }
    }

    /// Whose turn it is. Called until nothing is granted.
    pub fn turn(&mut self, now: Now) -> Turn<K> {
        while let Some((at, lane, account)) = self.later.first().cloned()
            && at <= now.mono
        {
            self.place(&account, lane, None);
        }
        while let Some((lane, _, account)) = self.ready.first().cloned() {
            let Some(user) = self.users.get_mut(&account) else { break };
            let Some(wish) = user.queue(lane).wishes.front().copied() else {
                self.place(&account, lane, None);
                continue;
            };
            if let Some(wait) = user.meter.shortage(lane, wish.units, now) {
                self.place(&account, lane, Some(after(wait.until, now)));
                continue;
            }
            if let Some(wait) = self.shared.shortage(lane, wish.units, now) {
                // Whoever is next waits for all: nobody behind it is let through.
                let until = after(wait.until, now);
                return Turn::At(self.later.first().map_or(until, |(at, ..)| until.min(*at)));
            }
            self.shared.take(lane, wish.units, now);
            user.meter.take(lane, wish.units, now);
            user.queue(lane).wishes.pop_front();
            self.turn = self.turn.max(user.served);
            user.served = user.served.saturating_add(wish.units);
            self.forget(wish.key, wish.units);
            self.look_again(&account);
            return Turn::Grant(wish.key);
        }
        self.later.first().map_or(Turn::Idle, |(at, ..)| Turn::At(*at))
    }

    /// Why a question still waits, and until when at least; nothing when it does not.
    #[must_use]
    pub fn wait_of(&mut self, key: K, now: Now) -> Option<Wait> {
        let (account, lane) = self.keys.get(&key)?.clone();
        let user = self.users.get_mut(&account)?;
        let ahead = user.queue(lane).wishes.iter().take_while(|wish| wish.key != key);
        let before: u64 = ahead.map(|wish| wish.units).sum();
        let units = user.queue(lane).wishes.iter().find(|wish| wish.key == key)?.units;
        let own = user.meter.shortage(lane, units, now);
        let own = own.map(|wait| Wait { until: wait.until + user.meter.time(before), ..wait });
        // Everybody of the lane waits for the same, each for its turn.
        let queued: u64 = self.wanted.range(..=lane).map(|(_, units)| units).sum();
        let time = self.shared.time(queued.saturating_sub(units));
        let shared = self.shared.shortage(lane, units, now);
        let shared = shared.map(|wait| Wait { until: wait.until.saturating_add(time), ..wait });
        let longest = own.into_iter().chain(shared).max_by_key(|wait| wait.until);
        longest.or_else(|| {
            let text = "others are served first".to_owned();
            Some(Wait { until: now.mono + time, class: Class::RateLimit, text })
        })
    }

    fn forget(&mut self, key: K, units: u64) {
        if let Some((_, lane)) = self.keys.remove(&key) {
            let wanted = self.wanted.entry(lane).or_default();
            *wanted = wanted.saturating_sub(units);
        }
    }

    /// A question is no longer wanted.
    pub fn withdraw(&mut self, key: K) {
        let Some((account, lane)) = self.keys.get(&key).cloned() else { return };
        let Some(user) = self.users.get_mut(&account) else { return };
        let wishes = &mut user.queue(lane).wishes;
        let at = wishes.iter().position(|wish| wish.key == key);
        if let Some(wish) = at.and_then(|at| wishes.remove(at)) {
            self.forget(key, wish.units);
            self.place(&account, lane, None);
        }
    }

    /// What was granted is settled: so many units were spent, none if it was not asked after all.
    /// Returns the hour of the account, and of all.
    pub fn settle(
        &mut self,
        account: &A,
        lane: Lane,
        (taken, spent): (u64, u64),
        now: Now,
    ) -> Option<(Spending, Spending)> {
        let user = self.users.get_mut(account)?;
        let own = user.meter.settle(lane, taken, spent, now);
        let all = self.shared.settle(lane, taken, spent, now);
        user.served = user.served.saturating_add(spent).saturating_sub(taken);
        if spent < taken {
            self.look_again(account);
        }
        Some((own, all))
    }

    /// A server has asked for less, of an account or of all: half from here on, and nothing before
    /// the time that it named (monotonic).
    pub fn refused(
        &mut self,
        account: Option<&A>,
        excess: Excess,
        until: Option<Duration>,
        failure: &Failure,
        mono: Duration,
    ) {
        let meter = match account {
            Some(account) => self.users.get_mut(account).map(|user| &mut user.meter),
            None => Some(&mut self.shared),
        };
        if let Some(meter) = meter {
            meter.refused(excess, until, (failure.class, &failure.text), mono);
        }
    }

    /// An account as people see it.
    #[must_use]
    pub fn user(&mut self, account: &A, now: Now) -> Option<MeterView> {
        Some(self.users.get_mut(account)?.meter.view(now))
    }

    /// What all share, as people see it.
    #[must_use]
    pub fn shared(&mut self, now: Now) -> MeterView {
        self.shared.view(now)
    }

    /// Who waits.
    #[must_use]
    pub fn waiting(&mut self, now: Now) -> Vec<WaitLine<A>> {
        let keys: Vec<K> = self.keys.keys().copied().collect();
        let one = |key| {
            let wait = self.wait_of(key, now)?;
            let (account, lane) = self.keys.get(&key)?.clone();
            let queue = self.users.get_mut(&account)?.queue(lane);
            let wish = queue.wishes.iter().find(|wish| wish.key == key)?;
            let (units, since) = (wish.units, wish.since);
            Some(WaitLine { account, lane, units, since, until: wait.until })
        };
        keys.into_iter().filter_map(one).collect()
    }
}

/// A wait that is over already is looked at a moment later, never in a circle.
fn after(until: Duration, now: Now) -> Duration {
    until.max(now.mono + Duration::from_millis(1))
}
