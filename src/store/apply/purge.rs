//! Deleting an account, whatever its size: its mail first and its own row last, so that a purge that was
//! cut off is begun again by its name.

use crate::store::failure::Trouble;
use crate::store::pass::RowPass;
use crate::store::sql::control::{
    PurgeAccount, PurgeBodies, PurgeCursors, PurgeEventData, PurgeFailures, PurgeFolderLocations,
    PurgeFolders, PurgeLocations, PurgeMessages, PurgeNotes, PurgeRunHours, PurgeRuns,
    PurgedBodies,
};
use crate::store::sql::counts::{UncountLocations, UncountPurged};
use crate::store::sql::feeds::{PurgeFeeds, PurgeOwed};
use crate::store::sql::query::Document;
use crate::store::transaction::{Sql, Transaction};
use postrider_core::mail::id::AccountId;

/// The account that goes. It is fenced off: nobody writes rows of it any more.
#[derive(Debug)]
pub(in crate::store) struct Purge {
    pub(super) account: AccountId,
}

/// What goes next.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::store) enum PurgeCursor {
    /// Its messages, their places and bodies.
    #[default]
    Mail,
    /// What is owed.
    Owed,
    /// Everything else.
    Rest,
}

impl RowPass for Purge {
    const NAME: &'static str = "purge";
    const MOST: i64 = 1000;
    type Cursor = PurgeCursor;

    async fn piece(
        &self,
        db: &Transaction,
        from: PurgeCursor,
        most: i64,
    ) -> Result<Option<PurgeCursor>, Trouble> {
        let account = self.account;
        Ok(match from {
            PurgeCursor::Mail => {
                let deleted = purge_mail(db, account, most).await?;
                Some(if deleted > 0 { PurgeCursor::Mail } else { PurgeCursor::Owed })
            }
            PurgeCursor::Owed => {
                let deleted = db.put_now(PurgeOwed { account, most }).await?;
                Some(if deleted > 0 { PurgeCursor::Owed } else { PurgeCursor::Rest })
            }
            PurgeCursor::Rest => {
                purge_rest(db, account).await?;
                None
            }
        })
    }
}

async fn purge_mail(db: &Transaction, account: AccountId, most: i64) -> Result<u64, Trouble> {
    db.put(UncountPurged { account, most }).await?;
    db.put(UncountLocations { account, most }).await?;
    db.put(PurgeLocations { account, most }).await?;
    let bodies = db.ask(PurgedBodies { account, most }).await?;
    let deleted = db.put_now(PurgeMessages { account, most }).await?;
    let bodies: Vec<i64> = bodies.into_iter().map(|row| row.body).collect();
    db.put(PurgeBodies { bodies: Document::of(&bodies)? }).await?;
    Ok(deleted)
}

async fn purge_rest(db: &Transaction, account: AccountId) -> Result<(), Trouble> {
    db.put(PurgeFeeds { account }).await?;
    db.put(PurgeFolderLocations { account }).await?;
    db.put(PurgeCursors { account }).await?;
    db.put(PurgeFolders { account }).await?;
    db.put(PurgeFailures { account }).await?;
    db.put(PurgeNotes { account }).await?;
    db.put(PurgeRuns { account }).await?;
    db.put(PurgeRunHours { account }).await?;
    // The feed's numbers have no gaps: what its events say goes, that they were does not.
    db.put(PurgeEventData { account }).await?;
    db.put(PurgeAccount { account }).await
}
