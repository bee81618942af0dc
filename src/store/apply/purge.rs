//! Deleting an account, whatever its size: its mail first and its own row last, so that a purge that was
//! cut off is begun again by its name.

use crate::store::failure::Trouble;
use crate::store::held::refused_proof_of;
use crate::store::pass::RowPass;
use crate::store::sql::contacts::{PurgeContacts, PurgeNamed};
use crate::store::sql::control::{
    EventsAfter, FenceOff, PurgeAccount, PurgeBodies, PurgeCredential, PurgeCursors,
    PurgeEventData, PurgeFailures, PurgeFolderLocations, PurgeFolders, PurgeLocations,
    PurgeMessages, PurgeNotes, PurgeRunHours, PurgeRuns, PurgeSpent, PurgeSubscriptions,
    PurgedBodies,
};
use crate::store::sql::counts::{UncountLocations, UncountPurged};
use crate::store::sql::derive::{PurgeAttachments, PurgeDerived};
use crate::store::sql::feeds::{PurgeFeeds, PurgeOwed};
use crate::store::sql::jobs::PurgeJobs;
use crate::store::sql::query::Document;
use crate::store::sql::setting::ForgetSetting;
use crate::store::sql::threads::{PurgeAliases, PurgeThreadKeys, PurgeThreads};
use crate::store::sql::words::{PurgeWordRows, PurgeWords};
use crate::store::transaction::{Sql, Transaction};
use postrider_core::mail::id::AccountId;
use postrider_core::standing::Standing;

/// So many events are looked at in the time of a message.
const EVENTS: i64 = 10;

/// The account that goes, and the id that it had in the config.
#[derive(Debug)]
pub(in crate::store) struct Purge {
    pub(super) account: AccountId,
    pub(super) name: String,
}

impl RowPass for Purge {
    const NAME: &'static str = "purge";
    const MOST: i64 = 1000;
    /// Of mail, what is left of its rows says where it goes on; of events, the last one that was looked at.
    type Cursor = Option<i64>;

    async fn piece(
        &self,
        db: &Transaction,
        from: Option<i64>,
        most: i64,
    ) -> Result<Option<Option<i64>>, Trouble> {
        let account = self.account;
        // Whoever was handed it meanwhile is fenced off: no page may come behind this.
        db.put(FenceOff { account, removed: Standing::Removed }).await?;
        let Some(after) = from else {
            let deleted = purge_mail(db, account, most).await?;
            let owed = db.put_now(PurgeOwed { account, most }).await?;
            let keys = db.put_now(PurgeThreadKeys { account, most }).await?;
            let people = db.put_now(PurgeContacts { account, most }).await?;
            return Ok(Some((deleted + owed + keys + people == 0).then_some(0)));
        };
        // The feed's numbers have no gaps: what its events say goes, that they were does not.
        let looked_at = most.saturating_mul(EVENTS);
        let next = db.ask_one(EventsAfter { after, most: looked_at }).await?;
        if let Some(last) = next.and_then(|next| next.last) {
            db.put(PurgeEventData { account, after, last }).await?;
            return Ok(Some(Some(last)));
        }
        purge_name(db, &self.name).await?;
        purge_rest(db, account).await?;
        Ok(None)
    }
}

/// What bears its name: an account may have some of it before its first run.
pub(super) async fn purge_name(db: &Transaction, name: &str) -> Result<(), Trouble> {
    db.put(PurgeCredential { name: name.to_owned() }).await?;
    db.put(ForgetSetting { name: refused_proof_of(name) }).await?;
    db.put(PurgeSubscriptions { name: name.to_owned() }).await?;
    db.put(PurgeJobs { name: name.to_owned() }).await?;
    db.put(PurgeSpent { name: name.to_owned() }).await
}

async fn purge_mail(db: &Transaction, account: AccountId, most: i64) -> Result<u64, Trouble> {
    db.put(UncountPurged { account, most }).await?;
    db.put(UncountLocations { account, most }).await?;
    db.put(PurgeLocations { account, most }).await?;
    db.put(PurgeAttachments { account, most }).await?;
    db.put(PurgeNamed { account, most }).await?;
    db.put(PurgeWords { account, most }).await?;
    db.put(PurgeWordRows { account, most }).await?;
    db.put(PurgeDerived { account, most }).await?;
    db.put(PurgeThreads { account, most }).await?;
    db.put(PurgeAliases { account, most }).await?;
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
    db.put(PurgeAccount { account }).await
}
