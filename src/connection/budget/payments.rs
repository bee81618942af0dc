//! The money of an endpoint: opened with its first request from what earlier processes have spent,
//! paid into by sessions, stored as it goes.

use crate::clock::Clock;
use crate::connection::budget::till::{Payer, Spent, Till, TillView};
use crate::connection::lease::{LeaseRequest, OnHeld};
use crate::provider::{Coming, Payee, Payment};
use crate::reply::ReplyTo;
use postrider_core::budget::Spending;
use postrider_core::failure::Failure;
use postrider_core::mail::id::SessionId;
use std::sync::Arc;
use std::time::Duration;

/// What was spent is stored so often.
const SAVE: Duration = Duration::from_secs(10);
/// Longest wait for what was spent in earlier processes.
const READ: Duration = Duration::from_secs(10);

/// Where it is kept what was spent of daily limits: a restart must not forget it.
pub trait SpentRows: std::fmt::Debug + Send + Sync {
    /// What an account has spent at an endpoint (its place in the tree), or all of them together.
    ///
    /// # Errors
    /// Class storage.
    fn read<'a>(
        &'a self,
        endpoint: &'a str,
        account: Option<&'a str>,
    ) -> Coming<'a, Result<Vec<Spending>, Failure>>;

    /// Keeps rows; `done` is answered with whether they are kept. What a crash takes of the last
    /// seconds may be spent twice.
    fn keep(&self, endpoint: &str, rows: Vec<Spent>, done: ReplyTo<bool>);
}

#[derive(Debug)]
pub(in crate::connection) struct Payments {
    path: String,
    clock: Clock,
    spent: Arc<dyn SpentRows>,
    till: Option<Till>,
    saved: Duration,
}

impl Payments {
    pub(in crate::connection) fn new(
        path: String,
        clock: Clock,
        spent: Arc<dyn SpentRows>,
    ) -> Self {
        Self { path, clock, spent, till: None, saved: Duration::ZERO }
    }

    /// An account wants a session: what it may spend is known from here on.
    ///
    /// # Errors
    /// Class storage: it cannot be known what was spent already.
    pub(in crate::connection) async fn open(
        &mut self,
        request: &LeaseRequest,
    ) -> Result<(), Failure> {
        let quota = request.endpoint.quota();
        let account = request.account.as_str();
        if self.till.is_none() {
            let spent = self.spent_by(None).await?;
            self.till = Some(Till::new(request.endpoint.kind(), quota, self.clock, spent));
        }
        // Who is new here may have spent something under another id, or in an earlier process.
        if quota.user.day.is_some() && !self.till.as_ref().is_some_and(|till| till.has(account)) {
            let spent = self.spent_by(Some(account)).await?;
            if let Some(till) = &mut self.till {
                till.remember(account, spent);
            }
        }
        if let Some(till) = &mut self.till {
            till.knows(account, &quota);
        }
        Ok(())
    }

    async fn spent_by(&self, account: Option<&str>) -> Result<Vec<Spending>, Failure> {
        let late = |_| Failure::storage("the database did not say in time what was spent");
        tokio::time::timeout(READ, self.spent.read(&self.path, account)).await.map_err(late)?
    }

    /// Whether an account has a limit at all.
    pub(in crate::connection) fn is_limited(&self, account: &str) -> bool {
        self.till.as_ref().is_some_and(|till| till.is_limited(account))
    }

    /// A session pays. `held`: what tells its account of a long wait; nothing where it has ended.
    pub(in crate::connection) fn take(
        &mut self,
        (session, account): (SessionId, &Arc<str>),
        payment: Payment,
        held: Option<OnHeld>,
        payee: Payee,
    ) {
        let Some(till) = &mut self.till else { return };
        match (payment, held) {
            (Payment::Settled { lane, taken, spent }, _) => {
                till.settled(account, lane, taken, spent);
            }
            (Payment::Wanted { lane, units, answer }, Some(held)) => {
                let payer = Payer { session, account: account.to_string(), held, payee };
                till.wanted(payer, lane, units, answer);
            }
            // Dropped, it is answered that nothing comes.
            (Payment::Wanted { .. }, None) => {}
        }
    }

    /// So many octets have come.
    pub(in crate::connection) fn came(&mut self, account: &str, octets: u64) {
        if let Some(till) = &mut self.till {
            till.came(account, octets);
        }
    }

    /// A server has asked for less.
    pub(in crate::connection) fn slowed(&mut self, account: &str, failure: &Failure) {
        if let Some(till) = &mut self.till {
            till.slowed(account, failure);
        }
    }

    /// Grants what may be granted. Returns when to look again.
    pub(in crate::connection) fn turns(&mut self) -> Option<Duration> {
        self.till.as_mut().and_then(Till::turns)
    }

    /// Long waits are told.
    pub(in crate::connection) fn look(&mut self) {
        if let Some(till) = &mut self.till {
            till.look();
        }
    }

    /// Whether it is time to store what was spent.
    pub(in crate::connection) fn is_due(&self, mono: Duration) -> bool {
        mono.saturating_sub(self.saved) >= SAVE
    }

    /// These could not be stored: they are tried again.
    pub(in crate::connection) fn restore(&mut self, rows: Vec<Spent>) {
        if let Some(till) = &mut self.till {
            till.restore(rows);
        }
    }

    /// A session has ended: it waits for nothing.
    pub(in crate::connection) fn left(&mut self, session: SessionId) {
        if let Some(till) = &mut self.till {
            till.left(session);
        }
    }

    /// Stores what was spent. `lost` is told the rows that could not be; `done` is answered when it
    /// is over.
    pub(in crate::connection) fn save(
        &mut self,
        mono: Duration,
        lost: impl FnOnce(Vec<Spent>) + Send + Sync + 'static,
        done: Option<ReplyTo<()>>,
    ) {
        self.saved = mono;
        let rows = self.till.as_mut().map(Till::unsaved).unwrap_or_default();
        if rows.is_empty() {
            return;
        }
        let again = rows.clone();
        let kept = ReplyTo::new(move |kept: Option<bool>| {
            if kept != Some(true) {
                lost(again);
            }
            // Dropped, it is answered.
            drop(done);
        });
        self.spent.keep(&self.path, rows, kept);
    }

    pub(in crate::connection) fn view(&mut self) -> Option<TillView> {
        self.till.as_mut().map(Till::view)
    }
}
