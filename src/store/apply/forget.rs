//! Events that are kept no longer: from the bottom, so that what is left has no gap but where the database says it begins.

use crate::store::failure::Trouble;
use crate::store::pass::RowPass;
use crate::store::sql::control::{DeleteEvents, EventsAfter, KeepEvents};
use crate::store::transaction::{Sql, Transaction};

/// Those up to this number go.
#[derive(Debug)]
pub(in crate::store) struct ForgetEvents {
    pub(super) upto: i64,
}

impl RowPass for ForgetEvents {
    const NAME: &'static str = "retention of events";
    const MOST: i64 = 1000;
    /// What is left says where it goes on.
    type Cursor = ();

    async fn piece(&self, db: &Transaction, (): (), most: i64) -> Result<Option<()>, Trouble> {
        let lowest = db.ask_one(EventsAfter { after: 0, most }).await?.and_then(|row| row.last);
        let Some(upto) = lowest.map(|last| last.min(self.upto)) else { return Ok(None) };
        if db.put_now(DeleteEvents { upto }).await? == 0 {
            return Ok(None);
        }
        db.put(KeepEvents { first: upto.saturating_add(1) }).await?;
        Ok((upto < self.upto).then_some(()))
    }
}
