//! What passes that changed nothing leave behind: written with the next page, or once a minute, one
//! statement for all.

use super::own::CLOSED_KEPT;
use super::words::{text, write};
use crate::store::failure::Trouble;
use crate::store::sql::{FeedText, Text};
use crate::store::transaction::Transaction;
use postrider_core::mail::id::{AccountId, FolderId};
use postrider_core::run::reads::FeedProof;
use postrider_core::time::Micros;
use serde_json::json;
use std::collections::BTreeMap;

/// Proofs and quiet runs that wait to be written. Bounded by the number of folders and of accounts.
#[derive(Debug, Default)]
pub(in crate::store) struct Quiet {
    /// By folder: when its last pass began, and when the last one that proved it whole.
    folders: BTreeMap<FolderId, (Micros, Option<Micros>)>,
    /// By account: when its last LIST began.
    lists: BTreeMap<AccountId, Micros>,
    /// By account: what was proved of its feeds.
    feeds: BTreeMap<AccountId, FeedProof>,
    /// By account and hour: runs and passes.
    hours: BTreeMap<(AccountId, i64), (i64, i64)>,
}

const HOUR: i64 = 3_600_000_000;
/// See [`Quiet::is_much`].
const MUCH: usize = 200;

impl Quiet {
    pub(in crate::store) fn is_empty(&self) -> bool {
        self.folders.is_empty()
            && self.lists.is_empty()
            && self.hours.is_empty()
            && self.feeds.is_empty()
    }

    /// Whether rows that an account is opened with are to say more.
    pub(in crate::store) fn is_of_rows(&self) -> bool {
        !self.folders.is_empty() || !self.lists.is_empty() || !self.feeds.is_empty()
    }

    /// So much of it that it is not to be written only to be read.
    pub(in crate::store) fn is_much(&self) -> bool {
        self.folders.len() + self.lists.len() + self.hours.len() + self.feeds.len() > MUCH
    }

    /// A pass changed nothing.
    pub(in crate::store) fn proved(&mut self, folder: FolderId, started: Micros, whole: bool) {
        let entry = self.folders.entry(folder).or_default();
        entry.0 = entry.0.max(started);
        if whole {
            entry.1 = entry.1.max(Some(started));
        }
    }

    /// A LIST showed what is stored.
    pub(in crate::store) fn listed(&mut self, account: AccountId, started: Micros) {
        let entry = self.lists.entry(account).or_insert(started);
        *entry = started.max(*entry);
    }

    /// A run has proved something of a feed account.
    pub(in crate::store) fn proved_feed(&mut self, account: AccountId, proof: FeedProof) {
        let entry = self.feeds.entry(account).or_default();
        *entry = entry.and(proof);
    }

    /// A run changed nothing.
    pub(in crate::store) fn ran(&mut self, account: AccountId, at: Micros, passes: i64) {
        let entry = self.hours.entry((account, at.0 - at.0.rem_euclid(HOUR))).or_default();
        entry.0 += 1;
        entry.1 += passes;
    }

    /// Takes back what could not be written.
    pub(in crate::store) fn merge(&mut self, other: Self) {
        for (folder, (passed, proved)) in other.folders {
            let entry = self.folders.entry(folder).or_default();
            *entry = (entry.0.max(passed), entry.1.max(proved));
        }
        for (account, started) in other.lists {
            self.listed(account, started);
        }
        for (account, proof) in other.feeds {
            self.proved_feed(account, proof);
        }
        for (key, (runs, passes)) in other.hours {
            let entry = self.hours.entry(key).or_default();
            *entry = (entry.0 + runs, entry.1 + passes);
        }
    }
}

/// Writes them; never an instant older than the stored one.
pub(in crate::store) async fn write_quiet(db: &Transaction, quiet: &Quiet) -> Result<(), Trouble> {
    if !quiet.folders.is_empty() {
        let rows: Vec<_> = quiet
            .folders
            .iter()
            .map(|(id, (passed, proved))| json!([id.0, passed, proved]))
            .collect();
        write(db, Text::QuietPasses, vec![text(&rows)?]).await?;
        // What reached the folder is settled by its clean pass.
        write(db, Text::QuietSettle, vec![text(&rows)?]).await?;
    }
    if let Some(latest) = quiet.lists.values().max() {
        let rows: Vec<_> = quiet.lists.iter().map(|(id, started)| json!([id.0, started])).collect();
        write(db, Text::QuietLists, vec![text(&rows)?]).await?;
        // What reached the account is settled by a LIST that lacks nothing.
        write(db, Text::QuietSettleLists, vec![text(&rows)?]).await?;
        let kept = latest.0 - CLOSED_KEPT;
        write(db, Text::QuietForget, vec![kept.into(), text(&rows)?]).await?;
    }
    for (account, proof) in &quiet.feeds {
        let instant = |at: Option<Micros>| at.map(|at| at.0).into();
        let whole = proof.compared.filter(|_| proof.whole);
        let values = vec![account.0.into(), instant(proof.looked), instant(whole)];
        write(db, FeedText::QuietPlaces, values).await?;
        let values = vec![
            account.0.into(),
            instant(proof.compared),
            instant(proof.placed),
            instant(proof.counted),
            proof.misfit.into(),
        ];
        write(db, FeedText::QuietFeed, values).await?;
        // What reached the account is settled by changes that were told to their end.
        let values = vec![account.0.into(), instant(proof.looked)];
        write(db, Text::QuietSettleAccount, values).await?;
    }
    if !quiet.hours.is_empty() {
        let rows: Vec<_> = quiet
            .hours
            .iter()
            .map(|((account, hour), (runs, passes))| json!([account.0, hour, runs, passes]))
            .collect();
        write(db, Text::QuietRuns, vec![text(&rows)?]).await?;
    }
    Ok(())
}
