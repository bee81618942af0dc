//! What commits compare with: read for all that wait at once, and then as the commit before has left it, since
//! nobody else writes.

use crate::bodies::DyingPacks;
use crate::fault;
use crate::store::apply::opening::Opened;
use crate::store::failure::Trouble;
use crate::store::orders::OpenAccount;
use crate::store::rows::guarded;
use crate::store::sql::commit::{Guard, Guarded, GuardedMany, GuardsOfMany};
use crate::store::sql::held::BodiesThere;
use crate::store::sql::query::Document;
use crate::store::transaction::{Sql, Transaction};
use postrider_core::commit::change::{Change, Commit, FolderChange};
use postrider_core::commit::lane::Admitted;
use postrider_core::commit::rows::{AccountRow, FolderRow};
use postrider_core::mail::folder::WireName;
use postrider_core::mail::id::{AccountId, FolderId};
use postrider_core::run::event::AccountSnapshot;
use postrider_core::standing::Standing;
use serde::Serialize;
use std::collections::BTreeMap;

/// What a commit asks of: an account, and a folder of it by its number or its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Asked {
    account: AccountId,
    folder: Option<FolderId>,
    name: Option<WireName>,
}

impl Asked {
    fn of(commit: &Commit) -> Self {
        let name = match &commit.change {
            Change::Folder(FolderChange::Open { folder, .. }) => Some(folder.remote_id.clone()),
            _ => None,
        };
        Self { account: commit.account, folder: commit.change.folder(), name }
    }

    fn text(&self) -> impl Serialize + use<> {
        let hex =
            |name: &WireName| name.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
        (self.account, self.folder, self.name.as_ref().map(hex))
    }
}

/// The rows that a commit compares with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Compared {
    pub(super) account: AccountRow,
    pub(super) folder: Option<FolderRow>,
    pub(super) has_limbo: bool,
}

/// Folders that are known at a time, of all accounts; then they are read again.
const MOST: usize = 20_000;

/// What is known of an account.
#[derive(Clone, Debug)]
struct OfAccount {
    row: AccountRow,
    /// Whether any message of it may be in limbo.
    has_limbo: bool,
    folders: BTreeMap<FolderId, FolderRow>,
    /// It has no other folders than these.
    is_whole: bool,
    /// It was handed out so, with nothing but its row and its folders.
    opened: Option<(OpenAccount, (Standing, String))>,
}

/// What is known of the rows that commits compare with: as they were read, or as the commit before has left them.
/// Whatever else writes forgets it.
#[derive(Debug)]
pub(in crate::store) struct Guards {
    accounts: BTreeMap<AccountId, OfAccount>,
    /// Those that can be handed out as they are known, by name.
    names: BTreeMap<String, AccountId>,
    /// Packs in which nothing is named any more.
    dying: DyingPacks,
}

impl Guards {
    /// Reads what this commit compares with, and those that wait behind it, unless that is known.
    pub(in crate::store) async fn prepare<'a>(
        &mut self,
        db: &Transaction,
        commit: &'a Commit,
        behind: impl Iterator<Item = &'a Commit>,
    ) -> Result<(), Trouble> {
        if matches!(commit.change, Change::Feed(_)) || self.known(&Asked::of(commit)).is_some() {
            return Ok(());
        }
        let of_folders = behind.filter(|commit| matches!(commit.change, Change::Folder(_)));
        let mut wanted: Vec<Asked> =
            std::iter::once(commit).chain(of_folders).map(Asked::of).collect();
        wanted.sort();
        wanted.dedup();
        wanted.retain(|asked| self.known(asked).is_none());
        if wanted.len() < 2 {
            return Ok(());
        }
        let texts: Vec<_> = wanted.iter().map(Asked::text).collect();
        let answer = db.ask(GuardsOfMany { wanted: Document::of(&texts)? }).await?;
        for GuardedMany { n, rows, has_limbo } in answer {
            let asked = usize::try_from(n).ok().and_then(|n| wanted.get(n));
            let Some(asked) = asked else { continue };
            let (account, folder) = guarded(asked.account, rows)?;
            self.keep(Compared { account, folder, has_limbo });
        }
        Ok(())
    }

    /// What a commit compares with; none where there is no such account.
    pub(super) async fn of(
        &self,
        db: &Transaction,
        commit: &Commit,
    ) -> Result<Option<Compared>, Trouble> {
        let asked = Asked::of(commit);
        match self.known(&asked) {
            Some(known) => {
                if fault::checks_guards() {
                    fault::same(
                        "what a commit compares with",
                        read(db, asked).await?.as_ref(),
                        &known,
                    );
                }
                Ok(Some(known))
            }
            None => read(db, asked).await,
        }
    }

    /// Nothing is known but which packs are given back.
    pub(in crate::store) fn new(dying: DyingPacks) -> Self {
        Self { accounts: BTreeMap::new(), names: BTreeMap::new(), dying }
    }

    /// Nothing is known any more.
    pub(in crate::store) fn clear(&mut self) {
        drop(self.take());
    }

    /// What is known; nothing is any more.
    pub(in crate::store) fn take(&mut self) -> Self {
        let empty = Self::new(self.dying.clone());
        std::mem::replace(self, empty)
    }

    /// Whether bytes that it brings have gone since they came: they lie in a pack that is given back, or, where it names by id what
    /// was here, are here no more.
    pub(super) async fn are_gone(
        &self,
        db: &Transaction,
        change: &Change,
    ) -> Result<bool, Trouble> {
        if self.dying.have_any(|is_dying| change.brings_of(is_dying)) {
            return Ok(true);
        }
        let held = change.held_bytes();
        if held.is_empty() {
            return Ok(false);
        }
        let hashes = Document::of(&held.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        let there = db.ask_one(BodiesThere { hashes }).await?.map_or(0, |row| row.bodies);
        Ok(there < held.len() as u64)
    }

    /// An account as it is handed out: all of it.
    pub(in crate::store) fn handed_out(&mut self, open: &OpenAccount, opened: &Opened) {
        let rows = &opened.rows;
        let account = rows.account.id;
        self.forget(account);
        if rows.feed.is_some() {
            return;
        }
        self.make_room(rows.folders.len());
        let folders = rows.folders.iter().map(|row| (row.id, row.clone())).collect();
        let (row, has_limbo) = (rows.account.clone(), rows.limbo);
        let opened = rows.stood.clone().filter(|_| opened.is_plain).map(|s| (open.clone(), s));
        if opened.is_some() {
            self.names.insert(open.name.clone(), account);
        }
        self.accounts
            .insert(account, OfAccount { row, has_limbo, folders, is_whole: true, opened });
    }

    /// The same account, as the commits since have left it; none where it may have more than its row and its
    /// folders.
    pub(in crate::store) fn opened(&self, open: &OpenAccount) -> Option<AccountSnapshot> {
        let known = self.accounts.get(self.names.get(&open.name)?)?;
        let (of, stood) = known.opened.as_ref()?;
        (known.is_whole && of == open).then(|| AccountSnapshot {
            folders: known.folders.values().cloned().collect(),
            stood: Some(stood.clone()),
            limbo: known.has_limbo,
            ..AccountSnapshot::of(known.row.clone())
        })
    }

    /// The rows as a commit has left them; `is_in_limbo`: it has put a message there.
    pub(super) fn left(
        &mut self,
        change: &Change,
        before: &Compared,
        admitted: &Admitted,
        is_in_limbo: bool,
    ) {
        let Change::Folder(change) = change else { return self.forget(admitted.account.id) };
        // These are about one folder, and what is theirs of the account's row is in it.
        let is_of_one = matches!(
            change,
            FolderChange::Open { .. }
                | FolderChange::Arrivals { .. }
                | FolderChange::Backfill { .. }
                | FolderChange::Retry { .. }
                | FolderChange::Facts { .. }
                | FolderChange::Pass { .. }
        );
        // What ends limbo is known when it is read again.
        let ends_limbo = before.has_limbo && !matches!(change, FolderChange::Open { .. });
        // Whether anything is held is known only while something is in the ledger.
        let settles = |row: &FolderRow| {
            let had = before.folder.as_ref().is_some_and(|before| !before.failures.is_empty());
            had && row.failures.is_empty()
        };
        match &admitted.folder {
            Some(row) if is_of_one && !ends_limbo && !settles(row) => {
                let folder = Some(row.clone());
                let has_limbo = before.has_limbo || is_in_limbo;
                self.keep(Compared { account: admitted.account.clone(), folder, has_limbo });
            }
            _ => self.forget(admitted.account.id),
        }
    }

    /// Nothing is known of an account any more.
    pub(in crate::store) fn forget(&mut self, account: AccountId) {
        self.may_hold_more(account);
        self.accounts.remove(&account);
    }

    /// An account may have more than its row and its folders.
    fn may_hold_more(&mut self, account: AccountId) {
        let known = self.accounts.get_mut(&account);
        if let Some((open, _)) = known.and_then(|known| known.opened.take()) {
            self.names.remove(&open.name);
        }
    }

    /// Where this many more come, others go.
    fn make_room(&mut self, more: usize) {
        let known: usize = self.accounts.values().map(|known| known.folders.len()).sum();
        if known + more > MOST {
            self.clear();
        }
    }

    fn keep(&mut self, compared: Compared) {
        self.make_room(1);
        let Compared { account: row, folder, has_limbo } = compared;
        if folder.as_ref().is_some_and(|row| !row.failures.is_empty()) {
            self.may_hold_more(row.id);
        }
        let fresh = || OfAccount {
            row: row.clone(),
            has_limbo,
            folders: BTreeMap::new(),
            is_whole: false,
            opened: None,
        };
        let known = self.accounts.entry(row.id).or_insert_with(fresh);
        (known.row, known.has_limbo) = (row, has_limbo);
        known.folders.extend(folder.map(|row| (row.id, row)));
    }

    fn known(&self, asked: &Asked) -> Option<Compared> {
        let OfAccount { row, has_limbo, folders, is_whole, .. } =
            self.accounts.get(&asked.account)?;
        let folder = match (&asked.folder, &asked.name) {
            (Some(id), _) => folders.get(id),
            (None, Some(name)) => folders.values().find(|row| row.remote_id == *name),
            (None, None) => None,
        };
        let is_of_none = asked.folder.is_none() && asked.name.is_none();
        let is_known = folder.is_some() || *is_whole || is_of_none;
        let (account, folder) = (row.clone(), folder.cloned());
        is_known.then_some(Compared { account, folder, has_limbo: *has_limbo })
    }
}

async fn read(db: &Transaction, asked: Asked) -> Result<Option<Compared>, Trouble> {
    let Asked { account, folder, name } = asked;
    let guard = Guard { account, folder, remote_id: name };
    let Some(Guarded { rows, has_limbo }) = db.ask_one(guard).await? else { return Ok(None) };
    let (account, folder) = guarded(account, rows)?;
    Ok(Some(Compared { account, folder, has_limbo }))
}
