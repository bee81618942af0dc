//! What a session pays with: it asks for units before each question, and says what became of them.

use crate::provider::pressure::Pressure;
use crate::provider::waits::Waits;
use postrider_core::budget::{Lane, Wait};
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use std::sync::Arc;
use tokio::sync::oneshot;

/// What a session has to say about units.
#[derive(Debug)]
pub enum Payment {
    /// It wants to ask something.
    Wanted {
        /// In which lane.
        lane: Lane,
        /// For how much.
        units: u64,
        /// Whether it may.
        answer: oneshot::Sender<Result<Units, Denied>>,
    },
    /// What it was given is settled.
    Settled {
        /// In which lane.
        lane: Lane,
        /// What it was given.
        taken: u64,
        /// What it cost.
        spent: u64,
    },
}

/// Why a question may not be asked.
#[derive(Clone, Debug)]
pub enum Denied {
    /// It is mail of the past: it is asked for later, and the session goes on.
    Later(Wait),
    /// Units come later than a session may be held for them: the session ends.
    Over(Failure),
}

/// Who hears of it.
pub type Payee = Arc<dyn Fn(Payment) + Send + Sync>;

/// A session's way to the budget of its endpoint, and to the process's own.
#[derive(Clone, Default)]
pub struct Purse {
    payee: Option<Payee>,
    pressure: Option<Pressure>,
    waits: Waits,
}

impl std::fmt::Debug for Purse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Purse").field("is_free", &self.is_free()).finish()
    }
}

impl Purse {
    /// One that asks this budget, if there is one, where memory is not short.
    #[must_use]
    pub fn of(payee: Option<Payee>, pressure: Pressure) -> Self {
        Self { payee, pressure: Some(pressure), waits: Waits::default() }
    }

    /// The same, for a session that says so while it waits.
    #[must_use]
    pub fn waiting(self, waits: Waits) -> Self {
        Self { waits, ..self }
    }

    /// Whether nothing is paid here.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.payee.is_none()
    }

    /// Asks for units, and waits while they are soon to be had.
    ///
    /// # Errors
    /// [`Denied`], by variant.
    ///
    /// # Cancel safety
    /// A wait that is dropped may have been granted: those units count as spent.
    pub async fn ask(&self, lane: Lane, units: u64) -> Result<Units, Denied> {
        let past = self.pressure.as_ref().filter(|_| lane == Lane::Backfill);
        if let Some(wait) = past.and_then(Pressure::wait) {
            return Err(Denied::Later(wait));
        }
        let Some(payee) = &self.payee else { return Ok(Units { payee: None, lane, taken: units }) };
        let (answer, granted) = oneshot::channel();
        payee(Payment::Wanted { lane, units, answer });
        let gone = || {
            let text = "the endpoint's actor ended before it granted units";
            Denied::Over(Failure::new(Class::Network, Reach::Session, Provenance::Local, text))
        };
        let _waits = self.waits.begin();
        granted.await.unwrap_or_else(|_| Err(gone()))
    }
}

/// Units that were given for one question. Dropped, they were spent.
#[must_use]
pub struct Units {
    payee: Option<Payee>,
    lane: Lane,
    taken: u64,
}

impl std::fmt::Debug for Units {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Units").field("taken", &self.taken).finish_non_exhaustive()
    }
}

impl Units {
    /// What a budget gives.
    pub(crate) fn granted(payee: Payee, lane: Lane, taken: u64) -> Self {
        Self { payee: Some(payee), lane, taken }
    }

    /// The question was not asked after all.
    pub fn unspent(self) {
        self.cost(0);
    }

    /// It cost this.
    pub fn cost(mut self, spent: u64) {
        self.settle(spent);
    }

    fn settle(&mut self, spent: u64) {
        if let Some(payee) = self.payee.take() {
            payee(Payment::Settled { lane: self.lane, taken: self.taken, spent });
        }
    }
}

impl Drop for Units {
    fn drop(&mut self) {
        self.settle(self.taken);
    }
}
