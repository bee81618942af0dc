//! The only SQL that writes. A page costs a constant number of statements: one text and one JSON
//! document a table.

mod applied;
mod asked;
mod audit;
mod clock;
mod collect;
mod contacts;
mod control;
mod deliver;
mod derive;
mod ended;
mod failures;
mod feed;
mod forget;
mod guards;
mod inbound;
mod indexed;
mod jobs;
mod mend;
mod messages;
mod numbers;
mod opening;
mod own;
mod packs;
mod purge;
mod quiet;
mod rematch;
mod repair;
mod subscriptions;
mod threads;
mod words;

pub(super) use applied::{Applied, Care};
pub(super) use clock::{bring_back, correction_of};
pub use control::Done;
pub(super) use control::{Pass, Portion, control};
pub(super) use derive::derive;
pub(super) use guards::Guards;
pub(super) use numbers::Numbers;
pub(super) use opening::{HandOut, Opened, open_account};
pub(super) use quiet::{Quiet, write_quiet};

use crate::fault;
use crate::store::failure::Trouble;
use crate::store::rows::{Names, guarded, location, message};
use crate::store::sql::commit::{
    AllFolders, LimboAfter, LimboMayBeOver, LocationElsewhere, LocationsLeft, LocationsNeeded,
    MessagesLeft, MessagesTouched, NameIsTaken, Stamped,
};
use crate::store::sql::query::Document;
use crate::store::transaction::{SavepointOf, Sql, Transaction};
use applied::whole;
use guards::Compared;
use messages::save;
use own::{Before, close_failures, open_failures, write_account_rows, write_folder_rows};
use postrider_core::commit::apply::{apply as change_rows, begin, may_end_limbo, mistaken};
use postrider_core::commit::change::{Change, Commit, FolderChange, Refusal, StoredRows};
use postrider_core::commit::event::SHOWN;
use postrider_core::commit::lane::{Admitted, admit};
use postrider_core::commit::ledger::Ledger;
use postrider_core::commit::rows::FolderRow;
use postrider_core::failure::Class;
use postrider_core::mail::folder::WireName;
use postrider_core::mail::id::{AccountId, FolderId, Identity, MessageId};
use postrider_core::mail::message::Fetched;
use postrider_core::mail::page::{Again, Page, Unfetched};
use postrider_core::mail::uid_set::UidSet;
use postrider_core::standing::EventKind;
use postrider_core::time::Micros;
use rematch::write_rematch;

/// Messages in limbo that are judged at a time.
const SWEEP: i64 = 5000;

/// Applies a commit. Of one that is refused nothing was written.
pub(super) async fn commit(
    tx: &Transaction,
    numbers: &mut Numbers,
    guards: &mut Guards,
    commit: &Commit,
    care: Care,
) -> Result<Applied, Trouble> {
    let mut next = *numbers;
    let applied = match care {
        Care::Together => inside(tx, &mut next, guards, commit, care).await?,
        Care::Apart => {
            let part = tx.begin(SavepointOf::Commit).await?;
            let mut applied = inside(tx, &mut next, guards, commit, care).await;
            // What is taken back is not what was left.
            guards.forget(commit.account);
            if matches!(applied, Ok(Applied::Done(_)))
                && let Err(why) = tx.hand_over().await
            {
                applied = Err(why);
            }
            let applied = match applied {
                Ok(applied) => applied,
                Err(why) => return Err(part.undo(why).await),
            };
            match applied {
                Applied::Done(_) => part.keep().await?,
                Applied::Refused(..) => part.rollback().await?,
            }
            applied
        }
    };
    if let Applied::Done(_) = applied {
        *numbers = next;
    }
    Ok(applied)
}

async fn inside(
    db: &Transaction,
    numbers: &mut Numbers,
    guards: &mut Guards,
    commit: &Commit,
    care: Care,
) -> Result<Applied, Trouble> {
    let are_gone = guards.are_gone(db, &commit.change).await?;
    if let Change::Feed(change) = &commit.change {
        guards.forget(commit.account);
        let applied = feed::commit_feed(db, numbers, commit, change, (care, are_gone)).await?;
        fault::pass("store.rows_written");
        return Ok(applied);
    }
    let (account, at) = (commit.account, commit.at);
    let Some(compared) = guards.of(db, commit).await? else {
        return Ok(Applied::Refused(Refusal::Missing, None));
    };
    let Compared { account: stored, folder: before, has_limbo } = compared.clone();
    let new_folder = numbers.next_folder();
    if let Change::Folder(FolderChange::Rename { folder, to, .. }) = &commit.change
        && is_taken(db, account, *folder, &to.remote_id).await?
    {
        let rows = StoredRows::of(stored, before);
        return Ok(Applied::Refused(Refusal::Open, Some(Box::new(rows))));
    }
    let (incarnation, change) = (commit.incarnation, &commit.change);
    let admitted = admit(&stored, before.as_ref(), incarnation, change, at, new_folder);
    let admitted = match admitted.and_then(|admitted| whole(admitted, are_gone)) {
        Ok(admitted) => admitted,
        Err(refusal) => {
            let rows = StoredRows::of(stored, before);
            return Ok(Applied::Refused(
                refusal,
                (refusal != Refusal::Incarnation).then(|| Box::new(rows)),
            ));
        }
    };
    if let Change::Folder(FolderChange::Open { .. }) = &commit.change {
        // Never used twice, not even after a purge.
        numbers.take_folder();
    }
    if stored.stamped_at != admitted.account.stamped_at {
        db.put(Stamped { account, at: admitted.account.stamped_at }).await?;
    }
    let before = Before { account: stored, folder: before, has_limbo };
    let mut writer = Writer { db, numbers, at, care, is_in_limbo: false };
    let admitted = writer.write_change(&before, admitted, &commit.change).await?;
    let is_in_limbo = writer.is_in_limbo;
    guards.left(&commit.change, &compared, &admitted, is_in_limbo);
    tracing::debug!("rows written");
    fault::pass("store.rows_written");
    Ok(Applied::Done(Box::new(StoredRows::of(admitted.account, admitted.folder))))
}

/// Whether another folder of the account has this wire name already.
async fn is_taken(
    db: &Transaction,
    account: AccountId,
    folder: FolderId,
    remote_id: &WireName,
) -> Result<bool, Trouble> {
    let taken = NameIsTaken { account, remote_id: remote_id.clone(), folder };
    db.finds(taken).await
}

/// A commit that is being written.
struct Writer<'a> {
    db: &'a Transaction,
    numbers: &'a mut Numbers,
    /// When the commit was begun.
    at: Micros,
    care: Care,
    /// It has put a message in limbo.
    is_in_limbo: bool,
}

impl Writer<'_> {
    async fn write_change(
        &mut self,
        rows: &Before,
        mut admitted: Admitted,
        change: &Change,
    ) -> Result<Admitted, Trouble> {
        let (db, at) = (self.db, self.at);
        let (account, before) = (rows.account.id, rows.folder.as_ref());
        // What this commit itself puts there began after every LIST and proof that could end it.
        let sweeps = rows.has_limbo && may_end_limbo(change, &admitted);
        match change {
            Change::Folder(FolderChange::Rematch { from, to, pairs, .. }) => {
                if let Some(row) = &admitted.folder {
                    write_rematch(db, rows, row, (*from, *to), pairs, at).await?;
                }
                let mut ledger = self.numbers.ledger();
                ledger.announce(EventKind::FolderReset, before);
                save(db, self.numbers, account, &mut ledger, at).await?;
            }
            Change::Folder(change) => {
                write_folder_rows(db, rows, &admitted, change, at).await?;
                if let Some(page) = change.page() {
                    let Some(folder) = before else { return Ok(admitted) };
                    let refused = self.write_page(folder, &admitted, page).await?;
                    if let Some(row) = &mut admitted.folder {
                        // What the database refused stays open, and counts its tries.
                        row.failures = row.failures.union(&refused);
                        row.left_out = folder.left_out.intersect(&row.failures);
                        close_failures(db, row.id, &folder.failures.minus(&row.failures), at)
                            .await?;
                    }
                } else {
                    let mut ledger = loaded(db, self.numbers, account, before, change).await?;
                    // What is no page mistakes nothing.
                    drop(change_rows(change, before, &admitted, at, &mut ledger));
                    self.is_in_limbo |= save(db, self.numbers, account, &mut ledger, at).await?;
                }
            }
            Change::Account(change) => {
                write_account_rows(db, self.numbers, rows, &admitted, change, at).await?
            }
            // Its way is another.
            Change::Feed(_) => {}
        }
        if sweeps {
            sweep(db, self.numbers, account, at).await?;
        }
        Ok(admitted)
    }

    /// Writes a page; where commits are kept apart, what the database refuses for its content is halved down
    /// to the one message, which becomes a failure. Returns the UIDs that were refused.
    async fn write_page(
        &mut self,
        folder: &FolderRow,
        admitted: &Admitted,
        page: &Page,
    ) -> Result<UidSet, Trouble> {
        let (db, at) = (self.db, self.at);
        let (account, mut refused) = (admitted.account.id, UidSet::new());
        let mut parts: Vec<&[Fetched]> = vec![&page.rows];
        while let Some(rows) = parts.pop() {
            if rows.is_empty() {
                continue;
            }
            let uids: UidSet = rows.iter().map(|r| r.uid).collect();
            let named = rows.iter().filter(|r| !r.identity.is_hash() && !r.held);
            let by_bytes: Vec<Identity> =
                named.map(|r| Identity::of_bytes(r.body.hash())).collect();
            let told = rows.iter().map(|r| &r.identity);
            let names = Names::of(told.chain(&by_bytes));
            let mut ledger = load(db, self.numbers, account, Some(folder), &uids, &names).await?;
            let wrong = begin(rows, folder, &admitted.account, at, &mut ledger);
            let mut next = *self.numbers;
            let savepoint = if self.care == Care::Apart {
                Some(db.begin(SavepointOf::Rows).await?)
            } else {
                None
            };
            let mut saved = save(db, &mut next, account, &mut ledger, at).await;
            if savepoint.is_some()
                && saved.is_ok()
                && let Err(why) = db.hand_over().await
            {
                saved = Err(why);
            }
            match saved {
                Ok(is_in_limbo) => {
                    self.is_in_limbo |= is_in_limbo;
                    let failed: Vec<_> = wrong.iter().map(mistaken).collect();
                    open_failures(db, account, folder.id, &failed, at).await?;
                    if let Some(savepoint) = savepoint {
                        savepoint.keep().await?;
                    }
                    *self.numbers = next;
                    refused = refused.union(&wrong);
                }
                Err(e) => {
                    let Some(savepoint) = savepoint else { return Err(e) };
                    let e = savepoint.undo(e).await;
                    match (&e, rows) {
                        (Trouble::Refused(_), [poison]) => {
                            let (uid, class, text) =
                                (poison.uid, Class::InvalidData, e.to_string());
                            let text = text.into();
                            let failed =
                                Unfetched { uid, class, text, again: Again::Spaced, came: None };
                            open_failures(db, account, folder.id, &[failed], at).await?;
                            refused.insert(poison.uid);
                        }
                        (Trouble::Refused(_), _) => {
                            let (lower, upper) = rows.split_at(rows.len() / 2);
                            parts.push(upper);
                            parts.push(lower);
                        }
                        _ => return Err(e),
                    }
                }
            }
        }
        Ok(refused)
    }
}

/// The rows that a change other than a page touches.
async fn loaded(
    db: &Transaction,
    numbers: &Numbers,
    account: AccountId,
    before: Option<&FolderRow>,
    change: &FolderChange,
) -> Result<Ledger, Trouble> {
    let touched = match change {
        FolderChange::Facts { gone, flags, .. } => {
            gone.union(&flags.iter().map(|(uid, _)| *uid).collect())
        }
        FolderChange::DropFolder { uids, .. } => uids.clone(),
        _ => return Ok(numbers.ledger()),
    };
    let mut ledger = load(db, numbers, account, before, &touched, &Names::default()).await?;
    if let Some(folder) = before {
        load_elsewhere(db, &mut ledger, folder).await?;
        if let FolderChange::DropFolder { last: true, .. } = change {
            load_left(db, &mut ledger, folder).await?;
        }
    }
    Ok(ledger)
}

/// Loads the messages that a change touches, with all their locations.
async fn load(
    db: &Transaction,
    numbers: &Numbers,
    account: AccountId,
    folder: Option<&FolderRow>,
    uids: &UidSet,
    names: &Names<'_>,
) -> Result<Ledger, Trouble> {
    let mut ledger = numbers.ledger();
    let Some(folder) = folder else { return Ok(ledger) };
    let uids: Vec<u32> = uids.iter().collect();
    let touched = MessagesTouched {
        account,
        folder: folder.id,
        uidvalidity: folder.uidvalidity(),
        uids: Document::of(&uids)?,
        names: Document::of(&names.own)?,
        hashes: Document::of(&names.bytes)?,
    };
    let mut ids = Vec::new();
    for row in db.ask(touched).await? {
        let message = message(row)?;
        ids.push(message.id);
        ledger.load_message(message);
    }
    if !ids.is_empty() {
        load_locations(db, &mut ledger, &ids, folder, &uids).await?;
    }
    Ok(ledger)
}

/// Loads what the ledger needs of the locations of messages: those that are named, some of the
/// living, the one that ended last. A mail of a thousand copies costs no more than one of twenty.
async fn load_locations(
    db: &Transaction,
    ledger: &mut Ledger,
    messages: &[MessageId],
    folder: &FolderRow,
    uids: &[u32],
) -> Result<(), Trouble> {
    let needed = LocationsNeeded {
        messages: Document::of(&messages)?,
        folder: folder.id,
        uidvalidity: folder.uidvalidity(),
        uids: Document::of(&uids)?,
        most: i64::try_from(SHOWN + 1).unwrap_or(i64::MAX),
    };
    for row in db.ask(needed).await? {
        ledger.load_location(location(row));
    }
    Ok(())
}

/// Of messages with more copies than are loaded: one in another folder that began since this one
/// was passed last.
async fn load_elsewhere(
    db: &Transaction,
    ledger: &mut Ledger,
    folder: &FolderRow,
) -> Result<(), Trouble> {
    let ids: Vec<MessageId> =
        ledger.messages().filter(|m| m.places > SHOWN as u64).map(|m| m.id).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let since = folder.passed_at.unwrap_or_default();
    let messages = Document::of(&ids)?;
    for row in db.ask(LocationElsewhere { messages, folder: folder.id, since }).await? {
        ledger.load_location(location(row));
    }
    Ok(())
}

/// Loads what is still living in a folder that is dropped.
async fn load_left(
    db: &Transaction,
    ledger: &mut Ledger,
    folder: &FolderRow,
) -> Result<(), Trouble> {
    let mut ids = Vec::new();
    for row in db.ask(MessagesLeft { folder: folder.id }).await? {
        let message = message(row)?;
        ids.push(message.id);
        ledger.load_message(message);
    }
    for row in db.ask(LocationsLeft { folder: folder.id }).await? {
        ledger.load_location(location(row));
    }
    if ids.is_empty() {
        return Ok(());
    }
    load_locations(db, ledger, &ids, folder, &[]).await
}

/// Whether any message's limbo may be over: a LIST and a pass of every folder that can be passed
/// have begun since the first of them vanished. Cheap, where reading all of limbo is not.
async fn may_be_over(db: &Transaction, account: AccountId) -> Result<bool, Trouble> {
    db.finds(LimboMayBeOver { account }).await
}

/// Ends the limbo of messages for which everything has been looked at.
async fn sweep(
    db: &Transaction,
    numbers: &mut Numbers,
    account: AccountId,
    at: Micros,
) -> Result<(), Trouble> {
    let mut after = MessageId(0);
    if !may_be_over(db, account).await? {
        return Ok(());
    }
    loop {
        let rows = db.ask(LimboAfter { account, after, most: SWEEP }).await?;
        if rows.is_empty() {
            return Ok(());
        }
        let mut ledger = numbers.ledger();
        for row in rows {
            let message = message(row)?;
            after = message.id;
            ledger.load_message(message);
        }
        let mut folders = Vec::new();
        let mut stored = None;
        for rows in db.ask(AllFolders { account }).await? {
            let (account, folder) = guarded(account, rows)?;
            stored = Some(account);
            folders.extend(folder);
        }
        if let Some(stored) = stored {
            ledger.sweep(&stored, &folders, at);
            save(db, numbers, account, &mut ledger, at).await?;
        }
    }
}
