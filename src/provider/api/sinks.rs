//! Sinks of long bodies: each takes one of its own, so that a slow one holds up nobody.

use crate::provider::credits::PageCredits;
use crate::provider::sink::{Sink, Sinks};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Sinks to spare.
#[derive(Debug)]
pub(in crate::provider) struct SpareSinks {
    make: Sinks,
    spare: Mutex<Vec<Sink>>,
    /// Pages being read, in the whole process: a sink's blocks are as much.
    credits: PageCredits,
    /// Without a credit to spare one goes on, on the credit of its page.
    turn: Arc<Semaphore>,
}

/// A sink on loan.
#[derive(Debug)]
pub(in crate::provider) struct Loan {
    pub(in crate::provider) sink: Sink,
    permit: Option<OwnedSemaphorePermit>,
}

impl SpareSinks {
    pub(in crate::provider) fn new(make: Sinks, credits: PageCredits) -> Self {
        Self { make, spare: Mutex::default(), credits, turn: Arc::new(Semaphore::new(1)) }
    }

    /// A sink. Who has to wait waits for another long body of this session, which needs nothing of
    /// it.
    pub(in crate::provider) async fn take(&self) -> Loan {
        // A closed semaphore gives none and takes none: the process is ending.
        let permit = match self.credits.try_take() {
            Some(permit) => Some(permit),
            None => Arc::clone(&self.turn).acquire_owned().await.ok(),
        };
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Loan { sink: spare.unwrap_or_else(|| self.make.sink()), permit }
    }

    /// Gives one back whose body is sealed.
    pub(in crate::provider) fn give_back(&self, loan: Loan) {
        drop(loan.permit);
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(loan.sink);
    }

    /// Nothing is being read: none is kept.
    pub(in crate::provider) fn rest(&self) {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
