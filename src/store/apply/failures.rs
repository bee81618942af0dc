//! What a human does with rows of the ledger.

use crate::store::failure::Trouble;
use crate::store::failures::{FailureWork, WhichFailures};
use crate::store::sql::failures::{
    LeaveOutFailure, LeaveOutOwed, RetryAllOwed, RetryFailure, RetryFailures, RetryOwed,
};
use crate::store::transaction::Transaction;
use postrider_core::time::Micros;

/// Works them: so many, none where they have been settled meanwhile.
pub(super) async fn work(db: &Transaction, work: &FailureWork, at: Micros) -> Result<u64, Trouble> {
    Ok(match work {
        FailureWork::Retry(id) => {
            let id = *id;
            db.put_now(RetryFailure { id, at }).await? + db.put_now(RetryOwed { id, at }).await?
        }
        FailureWork::RetryAll(WhichFailures { account, owner, class, .. }) => {
            let (account, owner) = (|| account.clone(), || owner.clone());
            let class = || class.map(|class| class.as_str().to_owned());
            let rows = RetryFailures { account: account(), owner: owner(), class: class(), at };
            let owed = RetryAllOwed { account: account(), owner: owner(), class: class(), at };
            db.put_now(rows).await? + db.put_now(owed).await?
        }
        FailureWork::LeaveOut(id, note) => {
            let (id, note) = (*id, || note.as_str().to_owned());
            let row = db.put_now(LeaveOutFailure { id, note: note() }).await?;
            row + db.put_now(LeaveOutOwed { id, note: note() }).await?
        }
    })
}
