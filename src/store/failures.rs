//! The ledger of what could not be done: as faces show it, and as a human works it.

use crate::store::read::{Reader, failed};
use crate::store::sql::failures::{
    CameOf, FailingAccount, FailingAccounts, LedgerByClass, LeftOut, LeftOutOf, LeftOutOfFeed,
    StoredFailure, StoredFailures,
};
use crate::store::sql::shown::UnprovedFolders;
use postrider_core::failure::{Class, Failure, Reach};
use postrider_core::mail::id::{AccountId, FolderId, Identity};
use postrider_core::plain::PlainText;
use postrider_core::standing::Standing;
use std::collections::{BTreeMap, BTreeSet};

/// Which rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WhichFailures {
    /// Only this account's.
    pub account: Option<String>,
    /// Only this owner's.
    pub owner: Option<String>,
    /// Only of this class.
    pub class: Option<Class>,
    /// Only of this reach.
    pub reach: Option<Reach>,
    /// Only those that last failed while this run was under way.
    pub run: Option<i64>,
}

/// What a human does with rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FailureWork {
    /// This one is due, whether it is left out or not.
    Retry(i64),
    /// These are due, but for those that are left out. Their reach counts for nothing.
    RetryAll(WhichFailures),
    /// The mail is left out, with a note why: it is not tried again.
    LeaveOut(i64, PlainText),
}

impl WhichFailures {
    fn class_word(&self) -> Option<String> {
        self.class.map(|class| class.as_str().to_owned())
    }
}

/// Reads the ledger.
#[derive(Clone, Debug)]
pub struct FailureReader {
    reader: Reader,
}

impl FailureReader {
    /// Reads through this.
    #[must_use]
    pub fn new(reader: &Reader) -> Self {
        Self { reader: reader.clone() }
    }

    /// Open rows of the ledger after row `after`; those that are left out too.
    ///
    /// # Errors
    /// Class storage.
    pub async fn rows(
        &self,
        which: &WhichFailures,
        after: i64,
        limit: u32,
    ) -> Result<Vec<StoredFailure>, Failure> {
        let (account, owner) = (which.account.clone(), which.owner.clone());
        let (class, reach) = (which.class_word(), which.reach.map(|reach| reach.as_str().into()));
        let run = which.run;
        let rows = StoredFailures { account, owner, class, reach, after, most: limit, run };
        self.reader.ask(rows).await.map_err(failed)
    }

    /// The open row of this number.
    ///
    /// # Errors
    /// Class storage.
    pub async fn row(&self, id: i64) -> Result<Option<StoredFailure>, Failure> {
        let Some(before) = id.checked_sub(1) else { return Ok(None) };
        let rows = self.rows(&WhichFailures::default(), before, 1).await?;
        Ok(rows.into_iter().next().filter(|row| row.id == id))
    }

    /// The beginning of what came of a row's mail, where something did.
    ///
    /// # Errors
    /// Class storage.
    pub async fn came_of(&self, id: i64) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.reader.ask_one(CameOf { id }).await.map_err(failed)?.and_then(|row| row.came))
    }

    /// Accounts with such rows, but for those that are left out.
    ///
    /// # Errors
    /// Class storage.
    pub async fn failing_accounts(
        &self,
        which: &WhichFailures,
    ) -> Result<Vec<FailingAccount>, Failure> {
        let (account, owner) = (which.account.clone(), which.owner.clone());
        let accounts = FailingAccounts { account, owner, class: which.class_word() };
        self.reader.ask(accounts).await.map_err(failed)
    }

    /// What a human leaves out of a folder.
    ///
    /// # Errors
    /// Class storage.
    pub async fn left_out_of(&self, folder: FolderId) -> Result<Vec<LeftOut>, Failure> {
        self.reader.ask(LeftOutOf { folder }).await.map_err(failed)
    }

    /// What a human leaves out of an account whose changes are told by message id.
    ///
    /// # Errors
    /// Class storage.
    pub async fn left_out_of_feed(
        &self,
        account: AccountId,
    ) -> Result<BTreeSet<Identity>, Failure> {
        let ids = self.reader.ask(LeftOutOfFeed { account }).await.map_err(failed)?;
        Ok(ids.into_iter().map(|row| row.identity).collect())
    }

    /// Open rows of the ledger by class, but for those that are left out; and folders that are not proved.
    ///
    /// # Errors
    /// Class storage.
    pub async fn counts(&self) -> Result<(BTreeMap<String, i64>, i64), Failure> {
        let by_class = self.reader.ask(LedgerByClass {}).await.map_err(failed)?;
        let unproved = UnprovedFolders { removed: Standing::Removed };
        let unproved = self.reader.ask_one(unproved).await.map_err(failed)?;
        let by_class = by_class.into_iter().map(|row| (row.class, row.count));
        Ok((by_class.collect(), unproved.map_or(0, |unproved| unproved.count)))
    }
}
