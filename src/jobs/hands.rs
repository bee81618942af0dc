//! What the keeper of jobs may have done.

use crate::reply::Soon;
use crate::store::JobWork;
use postrider_core::account::follow::Order;
use postrider_core::failure::Failure;

/// Who carries jobs out.
pub trait JobHands: Send + Sync {
    /// Gives an account an order: it is done when the run of this number has ended. Or why it takes none now.
    fn order(&self, account: &str, order: Order) -> Soon<Result<u64, String>>;
    /// Ends the run of an account that is under way.
    fn cancel(&self, account: &str);
    /// Writes of jobs; answered when that is durable, with whether anything was.
    fn write(&self, work: JobWork) -> Soon<Result<bool, Failure>>;
    /// Has what is derived of an account read anew. Says what came of it.
    fn reindex(&self, account: &str) -> Soon<Result<String, Failure>>;
    /// Looks at an account's whole mirror. Says what was found.
    fn verify(&self, account: &str) -> Soon<Result<String, Failure>>;
    /// Sets right what is damaged of an account; `insists`: also what may be the disk's trouble. Says what was done.
    fn repair(&self, account: &str, insists: bool) -> Soon<Result<String, Failure>>;
    /// Deletes what is kept no longer. Says what that was.
    fn collect(&self) -> Soon<Result<String, Failure>>;
    /// Whether the config names an account.
    fn names(&self, account: &str) -> bool;
}
