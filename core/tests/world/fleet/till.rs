//! What the questions of a fleet cost: the real budget of a host, as its sessions meet it.

use postrider_core::budget::{Allowance, Budget, Lane, RateLimit, Turn, Wait};
use postrider_core::provider::Request;
use postrider_core::provider::folders::FolderRequest;
use postrider_core::time::Now;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
/// Units of a question for mail, for each of it; any other costs one.
const EACH: u64 = 3;
/// A page of three, at most.
const LARGEST: u64 = 3 * EACH;

/// Of a host.
pub(crate) struct Till {
    budget: Budget<u64, usize>,
    next: u64,
    /// Units in a minute that all may spend.
    limit: u64,
    /// What was granted in the last minute.
    granted: VecDeque<(Duration, u64)>,
    /// For how long mail that has just come has waited for units, at most.
    pub(crate) longest: Duration,
    /// History that was put off.
    pub(crate) deferred: u64,
    /// More than the limit was granted in a minute.
    pub(crate) broken: Option<String>,
}

impl Till {
    /// So many units in a minute for all of them together.
    pub(crate) fn new(limit: u64) -> Rc<RefCell<Self>> {
        let rate = RateLimit { units: limit, per: MINUTE };
        let budget = Budget::new(Allowance { rate: Some(rate), day: None }, LARGEST);
        Rc::new(RefCell::new(Self {
            budget,
            next: 0,
            limit,
            granted: VecDeque::new(),
            longest: Duration::ZERO,
            deferred: 0,
            broken: None,
        }))
    }

    /// An account may spend so many in a minute, and so many in a day.
    pub(crate) fn knows(&mut self, account: usize, minute: u64, day: u64) {
        let rate = RateLimit { units: minute, per: MINUTE };
        self.budget.knows(&account, Allowance { rate: Some(rate), day: Some(day) });
    }

    fn ask(&mut self, account: usize, lane: Lane, units: u64, now: Now) -> Option<Wait> {
        self.next += 1;
        let key = self.next;
        self.budget.ask(key, &account, lane, units, now.mono);
        // Whoever else waits has withdrawn, and comes again.
        if self.budget.turn(now) == Turn::Grant(key) {
            self.count(units, now.mono);
            self.budget.settle(&account, lane, (units, units), now);
            return None;
        }
        let wait = self.budget.wait_of(key, now);
        self.budget.withdraw(key);
        wait
    }

    fn count(&mut self, units: u64, mono: Duration) {
        self.granted.push_back((mono, units));
        while self.granted.front().is_some_and(|(at, _)| mono.saturating_sub(*at) >= MINUTE) {
            self.granted.pop_front();
        }
        let sum: u64 = self.granted.iter().map(|(_, units)| units).sum();
        if sum > self.limit {
            self.broken = Some(format!("{sum} units in a minute, {} may be", self.limit));
        }
    }
}

/// Of an account.
pub(crate) struct Purse {
    till: Rc<RefCell<Till>>,
    account: usize,
    /// Since when a question of the live lane waits.
    since: Option<Duration>,
}

impl Purse {
    pub(crate) fn of(till: &Rc<RefCell<Till>>, account: usize) -> Self {
        Self { till: Rc::clone(till), account, since: None }
    }

    /// Why a question may not be asked now.
    pub(crate) fn pays(&mut self, request: &Request, now: Now) -> Option<Wait> {
        let (lane, units) = match request {
            Request::Folders(FolderRequest::Fetch { lane, uids, .. }) => (*lane, EACH * uids.len()),
            _ => (Lane::Live, 1),
        };
        let mut till = self.till.borrow_mut();
        let wait = till.ask(self.account, lane, units.min(LARGEST), now);
        match (lane, &wait) {
            (Lane::Backfill, _) => till.deferred += u64::from(wait.is_some()),
            (Lane::Live, None) => self.since = None,
            (Lane::Live, Some(_)) => {
                let since = *self.since.get_or_insert(now.mono);
                till.longest = till.longest.max(now.mono.saturating_sub(since));
            }
        }
        wait
    }
}
