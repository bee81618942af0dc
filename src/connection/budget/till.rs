//! Where the sessions of an endpoint pay: the budget with who waits for it, what was spent and is
//! not stored yet, and what people are told of it.

use crate::clock::Clock;
use crate::connection::lease::OnHeld;
use crate::provider::{Denied, Payee, Units};
use crate::telemetry::names;
use postrider_core::budget::{
    Allowance, Budget, Lane, MeterView, Quota, Spending, Turn, Wait, WaitLine,
};
use postrider_core::failure::{Class, Failure, Provenance, Reach, When};
use postrider_core::mail::id::SessionId;
use postrider_core::recovery::decide::named;
use postrider_core::time::Now;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::oneshot;

/// A longer wait is told; mail of the past does not sit it out.
const TOLD: Duration = Duration::from_secs(1);
/// The live lane waits no longer with a session in hand.
const HELD_SESSION_WAIT: Duration = Duration::from_secs(60);

/// A question that wants units: its session, and which of its questions.
type AskKey = (SessionId, u64);

/// Who asks.
#[derive(Clone)]
pub(super) struct Payer {
    pub(super) session: SessionId,
    pub(super) account: String,
    pub(super) held: OnHeld,
    pub(super) payee: Payee,
}

struct Customer {
    payer: Payer,
    lane: Lane,
    units: u64,
    since: Duration,
    answer: oneshot::Sender<Result<Units, Denied>>,
    told: bool,
}

/// What was spent of a day's units in an hour, as it is stored: by an account, or by all.
pub type Spent = (Option<String>, Spending);

/// What people are told.
#[derive(Clone, Debug)]
pub struct TillView {
    /// Its units.
    pub quota: Quota,
    /// What all accounts share.
    pub shared: MeterView,
    /// Each account that has paid.
    pub users: BTreeMap<String, MeterView>,
    /// Who waits.
    pub waiting: Vec<WaitLine<String>>,
    /// Every account of the endpoint.
    pub accounts: BTreeSet<String>,
}

pub(super) struct Till {
    provider: &'static str,
    quota: Quota,
    clock: Clock,
    budget: Budget<AskKey, String>,
    quotas: BTreeMap<String, Quota>,
    customers: BTreeMap<AskKey, Customer>,
    unsaved: BTreeMap<(Option<String>, i64), u64>,
    next: u64,
}

impl std::fmt::Debug for Till {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Till").field("customers", &self.customers.len()).finish_non_exhaustive()
    }
}

impl Till {
    /// `spent`: by all, in earlier processes.
    pub(super) fn new(
        provider: &'static str,
        quota: Quota,
        clock: Clock,
        spent: Vec<Spending>,
    ) -> Self {
        let mut budget = Budget::new(quota.shared, quota.largest);
        for spending in spent {
            budget.remember(None, spending);
        }
        let (quotas, customers, unsaved) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { provider, quota, clock, budget, quotas, customers, unsaved, next: 0 }
    }

    /// Whether it is known what an account may spend.
    pub(super) fn has(&self, account: &str) -> bool {
        self.quotas.contains_key(account)
    }

    /// What an account has spent before.
    pub(super) fn remember(&mut self, account: &str, spent: Vec<Spending>) {
        for spending in spent {
            self.budget.remember(Some(&account.to_owned()), spending);
        }
    }

    /// An account and what it may spend.
    pub(super) fn knows(&mut self, account: &str, quota: &Quota) {
        self.budget.knows(&account.to_owned(), quota.user);
        self.quotas.insert(account.to_owned(), *quota);
    }

    /// Whether an account has a limit at all.
    pub(super) fn is_limited(&self, account: &str) -> bool {
        let own = self.quotas.get(account).map(|quota| quota.user).unwrap_or_default();
        own != Allowance::default() || self.quota.shared != Allowance::default()
    }

    /// A question wants units.
    pub(super) fn wanted(
        &mut self,
        payer: Payer,
        lane: Lane,
        units: u64,
        answer: oneshot::Sender<Result<Units, Denied>>,
    ) {
        let now = self.clock.now();
        // What octets a question will bring nobody knows: it may be asked while any are left.
        let units = if self.quota.by_octets { 1 } else { units };
        self.next += 1;
        let key = (payer.session, self.next);
        self.budget.ask(key, &payer.account, lane, units, now.mono);
        let since = now.mono;
        self.customers.insert(key, Customer { payer, lane, units, since, answer, told: false });
        self.grant(now);
        self.judge(key, now);
    }

    /// Grants what may be granted. Returns when to look again.
    pub(super) fn turns(&mut self) -> Option<Duration> {
        let now = self.clock.now();
        self.grant(now).map(|at| at.saturating_sub(now.mono))
    }

    fn grant(&mut self, now: Now) -> Option<Duration> {
        loop {
            match self.budget.turn(now) {
                Turn::Grant(key) => {
                    let Some(customer) = self.customers.remove(&key) else { continue };
                    if customer.told {
                        (customer.payer.held)(None);
                    }
                    let units = Units::granted(customer.payer.payee, customer.lane, customer.units);
                    if let Err(Ok(units)) = customer.answer.send(Ok(units)) {
                        units.unspent();
                    }
                }
                Turn::At(at) => return Some(at),
                Turn::Idle => return None,
            }
        }
    }

    /// Looks at all who wait: whose wait has become long is told.
    pub(super) fn look(&mut self) {
        let now = self.clock.now();
        for key in self.customers.keys().copied().collect::<Vec<_>>() {
            self.judge(key, now);
        }
    }

    fn judge(&mut self, key: AskKey, now: Now) {
        let Some(customer) = self.customers.get_mut(&key) else { return };
        let Some(wait) = self.budget.wait_of(key, now) else { return };
        let ahead = wait.until.saturating_sub(now.mono);
        let is_long = ahead > TOLD || now.mono.saturating_sub(customer.since) > TOLD;
        let denied = match customer.lane {
            Lane::Backfill if is_long => Denied::Later(Wait {
                until: wait.until.max(now.mono + TOLD),
                ..self.in_units(wait)
            }),
            Lane::Live
                if ahead > HELD_SESSION_WAIT
                    || now.mono.saturating_sub(customer.since) > HELD_SESSION_WAIT =>
            {
                let at = now.wall.plus(ahead.max(TOLD));
                Denied::Over(self.failure(&wait).when(When::At(at)))
            }
            Lane::Live if is_long && !customer.told => {
                customer.told = true;
                let held = std::sync::Arc::clone(&customer.payer.held);
                held(Some((self.failure(&wait), wait.until)));
                return;
            }
            Lane::Live | Lane::Backfill => return,
        };
        self.budget.withdraw(key);
        if let Some(customer) = self.customers.remove(&key) {
            if customer.told {
                (customer.payer.held)(None);
            }
            // Nobody waits any more.
            drop(customer.answer.send(Err(denied)));
        }
    }

    fn in_units(&self, wait: Wait) -> Wait {
        Wait { text: wait.text.replace("units", self.quota.unit), ..wait }
    }

    fn failure(&self, wait: &Wait) -> Failure {
        let class = if wait.class == Class::Quota { Class::Quota } else { Class::RateLimit };
        let text = self.in_units(wait.clone()).text;
        Failure::new(class, Reach::Account, Provenance::Local, text)
    }

    /// What was granted is settled.
    pub(super) fn settled(&mut self, account: &str, lane: Lane, taken: u64, spent: u64) {
        // Octets are counted as they come.
        let spent = if self.quota.by_octets { 0 } else { spent };
        self.charge(account, lane, (taken, spent));
    }

    /// So many octets have come.
    pub(super) fn came(&mut self, account: &str, octets: u64) {
        if self.quota.by_octets && octets > 0 {
            self.charge(account, Lane::Live, (0, octets));
        }
    }

    fn charge(&mut self, account: &str, lane: Lane, (taken, spent): (u64, u64)) {
        metrics::counter!(names::QUOTA_UNITS, "provider" => self.provider).increment(spent);
        let account = account.to_owned();
        let now = self.clock.now();
        let Some((own, all)) = self.budget.settle(&account, lane, (taken, spent), now) else {
            return;
        };
        if spent > 0 && self.is_limited(&account) {
            self.unsaved.insert((Some(account), own.hour), own.units);
        }
        if spent > 0 && self.quota.shared.day.is_some() {
            self.unsaved.insert((None, all.hour), all.units);
        }
    }

    /// A server has asked for less.
    pub(super) fn slowed(&mut self, account: &str, failure: &Failure) {
        let now = self.clock.now();
        let until = named(failure, now).map(|wait| now.mono.saturating_add(wait));
        let account = account.to_owned();
        let whose = Some(&account).filter(|_| failure.reach < Reach::Endpoint);
        self.budget.refused(whose, failure.excess, until, failure, now.mono);
    }

    /// A session has ended: it waits for nothing.
    pub(super) fn left(&mut self, session: SessionId) {
        let keys: Vec<AskKey> =
            self.customers.range((session, 0)..=(session, u64::MAX)).map(|(key, _)| *key).collect();
        for key in keys {
            self.budget.withdraw(key);
            if let Some(customer) = self.customers.remove(&key)
                && customer.told
            {
                (customer.payer.held)(None);
            }
        }
    }

    /// These could not be stored.
    pub(super) fn restore(&mut self, rows: Vec<Spent>) {
        for (account, spent) in rows {
            let units = self.unsaved.entry((account, spent.hour)).or_default();
            *units = (*units).max(spent.units);
        }
    }

    /// What was spent and is not stored yet.
    pub(super) fn unsaved(&mut self) -> Vec<Spent> {
        let rows = std::mem::take(&mut self.unsaved).into_iter();
        rows.map(|((account, hour), units)| (account, Spending { hour, units })).collect()
    }

    pub(super) fn view(&mut self) -> TillView {
        let now = self.clock.now();
        let limited = |quota: &&Quota| quota.user != Allowance::default();
        let names = self.quotas.iter().filter(|(_, quota)| limited(quota)).map(|(name, _)| name);
        let users = names.filter_map(|a| Some((a.clone(), self.budget.user(a, now)?))).collect();
        TillView {
            quota: self.quota,
            shared: self.budget.shared(now),
            users,
            waiting: self.budget.waiting(now),
            accounts: self.quotas.keys().cloned().collect(),
        }
    }
}
