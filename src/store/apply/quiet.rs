//! What passes that changed nothing leave behind: written with the next page, or once a minute, one
//! statement for all.

use crate::store::failure::Trouble;
use crate::store::sql::feeds::{QuietFeed, QuietPlaces};
use crate::store::sql::query::Document;
use crate::store::sql::quiet::{
    AccountSettled, AccountsSettled, FoldersSettled, ListsProved, PassesProved, RunsCounted,
};
use crate::store::transaction::{Sql, Transaction};
use postrider_core::mail::id::{AccountId, FolderId};
use postrider_core::run::reads::{FeedProof, QuietProof};
use postrider_core::time::Micros;
use serde_json::json;
use std::collections::BTreeMap;

/// Proofs and quiet runs that wait to be written. Bounded by the number of folders and of accounts.
#[derive(Debug, Default)]
pub(in crate::store) struct Quiet {
    /// By folder.
    folders: BTreeMap<FolderId, Passes>,
    /// By account: when its last LIST began.
    lists: BTreeMap<AccountId, Micros>,
    /// By account: what was proved of its feeds.
    feeds: BTreeMap<AccountId, FeedProof>,
    /// By account and hour: runs and passes.
    hours: BTreeMap<(AccountId, i64), (i64, i64)>,
}

/// When passes of a folder began.
#[derive(Clone, Copy, Debug, Default)]
struct Passes {
    /// The last one.
    shown: Micros,
    /// The last one that opened it, or counted it anew.
    passed: Option<Micros>,
    /// The last one that proved it whole.
    whole: Option<Micros>,
}

impl Passes {
    fn and(self, other: Self) -> Self {
        Self {
            shown: self.shown.max(other.shown),
            passed: self.passed.max(other.passed),
            whole: self.whole.max(other.whole),
        }
    }
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

    /// Something was proved, and nothing changed.
    pub(in crate::store) fn proved(&mut self, account: AccountId, proof: QuietProof) {
        match proof {
            QuietProof::Pass { folder, started, told, whole } => {
                let if_so = |so: bool| so.then_some(started);
                let passes = Passes { shown: started, passed: if_so(!told), whole: if_so(whole) };
                self.passed(folder, passes);
            }
            QuietProof::List { started } => self.listed(account, started),
            QuietProof::Feed(proof) => self.proved_feed(account, proof),
        }
    }

    fn passed(&mut self, folder: FolderId, passes: Passes) {
        let entry = self.folders.entry(folder).or_default();
        *entry = entry.and(passes);
    }

    /// A LIST showed what is stored.
    fn listed(&mut self, account: AccountId, started: Micros) {
        let entry = self.lists.entry(account).or_insert(started);
        *entry = started.max(*entry);
    }

    /// A run has proved something of a feed account.
    fn proved_feed(&mut self, account: AccountId, proof: FeedProof) {
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
        for (folder, passes) in other.folders {
            self.passed(folder, passes);
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
            .map(|(id, of)| json!([id.0, of.shown, of.whole, of.passed]))
            .collect();
        let rows = Document::of(&rows)?;
        db.put(PassesProved { rows: rows.clone() }).await?;
        // What reached the folder is settled by its clean pass.
        db.put(FoldersSettled { rows }).await?;
    }
    if !quiet.lists.is_empty() {
        let rows: Vec<_> = quiet.lists.iter().map(|(id, started)| json!([id.0, started])).collect();
        let rows = Document::of(&rows)?;
        db.put(ListsProved { rows: rows.clone() }).await?;
        // What reached the account is settled by a LIST that lacks nothing.
        db.put(AccountsSettled { rows }).await?;
    }
    for (account, proof) in &quiet.feeds {
        let (account, looked_at) = (*account, proof.looked);
        let proved_at = proof.compared.filter(|_| proof.whole);
        db.put(QuietPlaces { account, looked_at, proved_at }).await?;
        db.put(QuietFeed {
            account,
            compared_at: proof.compared,
            placed_at: proof.placed,
            counted_at: proof.counted,
            misfit: proof.misfit,
        })
        .await?;
        // What reached the account is settled by changes that were told to their end.
        db.put(AccountSettled { account, looked_at }).await?;
    }
    if !quiet.hours.is_empty() {
        let rows: Vec<_> = quiet
            .hours
            .iter()
            .map(|((account, hour), (runs, passes))| json!([account.0, hour, runs, passes]))
            .collect();
        db.put(RunsCounted { rows: Document::of(&rows)? }).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an open folder told proves it, and is no sight of what it holds; nothing falls back.
    #[tokio::test]
    async fn a_pass_of_an_open_folder_leaves_its_proof_alone() {
        let dir = tempfile::tempdir().unwrap();
        let db = crate::store::open(&dir.path().join("x.db").into()).await.unwrap();
        let rows = "INSERT INTO account (id, name, provider, host, username, identity_kind, state, reason, since, \
                    incarnation, sizes_estimated, keep) VALUES (1, 'a', 'imap', 'h', 'u', 'hash', '', '', 0, 1, \
                    FALSE, FALSE); INSERT INTO folder (id, account, remote_id, path, uidvalidity, exists_count, \
                    opened_at, excluded, passed_at) VALUES (1, 1, x'41', 'A', 1, 0, 1, FALSE, 1)";
        db.writer.run(rows).await.unwrap();
        for (at, told, passed, proved) in
            [(5, true, 1, 5), (7, false, 7, 7), (6, false, 7, 7), (9, true, 7, 9)]
        {
            let mut quiet = Quiet::default();
            let (folder, started) = (FolderId(1), Micros(at));
            let proof = QuietProof::Pass { folder, started, told, whole: true };
            quiet.proved(AccountId(1), proof);
            let tx = db.begin().await.unwrap();
            write_quiet(&tx, &quiet).await.unwrap();
            tx.commit().await.unwrap();
            let row = "SELECT passed_at, proved_at FROM folder";
            let row = db.writer.run(row).await.unwrap().remove(0);
            let instant = |column| row.try_get_by::<i64, _>(column).unwrap();
            assert_eq!((instant(0), instant(1)), (passed, proved), "at {at}");
        }
        db.close().await;
    }
}
