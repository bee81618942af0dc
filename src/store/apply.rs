//! The only SQL that writes. A page costs a constant number of statements: one text and one JSON document a table.

mod control;
mod messages;
mod opening;
mod own;
mod quiet;

pub use control::Done;
pub(super) use control::{Portion, control};
pub(super) use opening::open_account;
pub(super) use quiet::{Quiet, write_quiet};

use crate::fault;
use crate::store::failure::Trouble;
use crate::store::rows::{ALL_FOLDERS, GUARD, LOCATION, MESSAGE, get, guard, location, message};
use messages::save;
use own::{close_failures, open_failures, write_account_rows, write_folder_rows};
use postrider_core::commit::apply::{apply as change_rows, begin, may_end_limbo};
use postrider_core::commit::change::{Change, Commit, FolderChange, Refusal, StoredRows};
use postrider_core::commit::event::SHOWN;
use postrider_core::commit::lane::{Admitted, admit};
use postrider_core::commit::ledger::Ledger;
use postrider_core::commit::rows::{AccountRow, FolderRow};
use postrider_core::failure::Class;
use postrider_core::mail::cursor;
use postrider_core::mail::id::{AccountId, FolderId};
use postrider_core::mail::message::Fetched;
use postrider_core::mail::page::{Again, Page, Unfetched};
use postrider_core::mail::uid_set::UidSet;
use postrider_core::time::Micros;
use sea_orm::{ConnectionTrait, DatabaseTransaction, ExecResult, QueryResult, Statement, TransactionTrait, Value};

/// Numbers handed out in a transaction; they are written back with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counters {
    message: i64,
    event: i64,
    folder: i64,
}

/// The rows as they are stored before a commit.
struct Before {
    account: AccountRow,
    folder: Option<FolderRow>,
}

/// What came of a commit inside a transaction.
#[derive(Debug)]
pub(super) enum Applied {
    Done(Box<StoredRows>),
    Refused(Refusal, Option<Box<StoredRows>>),
}

/// Messages in limbo that are judged at a time.
const SWEEP: i64 = 5000;

fn statement(sql: &str, values: Vec<Value>) -> Statement {
    Statement::from_sql_and_values(sea_orm::DbBackend::Sqlite, sql, values)
}

async fn write(db: &impl ConnectionTrait, sql: &str, values: Vec<Value>) -> Result<ExecResult, Trouble> {
    Ok(db.execute_raw(statement(sql, values)).await?)
}

async fn read(db: &impl ConnectionTrait, sql: &str, values: Vec<Value>) -> Result<Vec<QueryResult>, Trouble> {
    Ok(db.query_all_raw(statement(sql, values)).await?)
}

fn text(json: &impl serde::Serialize) -> Result<Value, Trouble> {
    let text = serde_json::to_string(json).map_err(|e| Trouble::Damaged(format!("cannot write JSON: {e}")))?;
    Ok(text.into())
}

fn lane(state: &impl serde::Serialize) -> Result<String, Trouble> {
    cursor::to_text(state).map_err(|e| Trouble::Damaged(e.to_string()))
}

impl Counters {
    /// The number of the last event.
    pub(super) fn last_event(self) -> i64 {
        self.event - 1
    }

    pub(super) async fn load(db: &DatabaseTransaction) -> Result<Self, Trouble> {
        let rows = read(db, "SELECT name, next FROM counter", vec![]).await?;
        let mut counters = Self { message: 1, event: 1, folder: 1 };
        for row in rows {
            let next = get(&row, 1)?;
            match get::<String>(&row, 0)?.as_str() {
                "message" => counters.message = next,
                "event" => counters.event = next,
                "folder" => counters.folder = next,
                _ => {}
            }
        }
        Ok(counters)
    }

    pub(super) async fn save(self, db: &DatabaseTransaction) -> Result<(), Trouble> {
        let sql = "UPDATE counter SET next = CASE name WHEN 'message' THEN ?1 WHEN 'event' THEN ?2 ELSE ?3 END \
                   WHERE name IN ('message', 'event', 'folder')";
        write(db, sql, vec![self.message.into(), self.event.into(), self.folder.into()]).await.map(|_| ())
    }
}

/// Applies a commit in a savepoint of `outer`. On `Err` or a refusal nothing of it remains.
pub(super) async fn commit(
    outer: &DatabaseTransaction,
    counters: &mut Counters,
    commit: &Commit,
) -> Result<Applied, Trouble> {
    let db = outer.begin().await?;
    let mut next = *counters;
    let applied = inside(&db, &mut next, commit).await;
    match &applied {
        Ok(Applied::Done(_)) => {
            db.commit().await?;
            *counters = next;
            fault::pass("store.savepoint_released");
        }
        Ok(Applied::Refused(..)) | Err(_) => db.rollback().await?,
    }
    applied
}

async fn inside(db: &DatabaseTransaction, counters: &mut Counters, commit: &Commit) -> Result<Applied, Trouble> {
    let (account, at) = (commit.account, commit.at);
    let remote_id: Value = match &commit.change {
        Change::Folder(FolderChange::Open { folder, .. }) => folder.remote_id.clone().into(),
        _ => Value::Bytes(None),
    };
    let folder_id = commit.change.folder().map(|f| f.0);
    let rows = read(db, GUARD, vec![account.0.into(), folder_id.into(), remote_id]).await?;
    let Some(row) = rows.first() else { return Ok(Applied::Refused(Refusal::Missing, None)) };
    let (stored, before) = guard(account, row)?;
    let new_folder = FolderId(counters.folder);
    if let Change::Folder(FolderChange::Rename { folder, to, .. }) = &commit.change
        && is_taken(db, account, *folder, &to.remote_id).await?
    {
        let rows = StoredRows { account: stored, folder: before };
        return Ok(Applied::Refused(Refusal::Open, Some(Box::new(rows))));
    }
    let admitted = match admit(&stored, before.as_ref(), commit.incarnation, &commit.change, new_folder) {
        Ok(admitted) => admitted,
        Err(refusal) => {
            let rows = StoredRows { account: stored, folder: before };
            return Ok(Applied::Refused(refusal, (refusal != Refusal::Incarnation).then(|| Box::new(rows))));
        }
    };
    if let Change::Folder(FolderChange::Open { .. }) = &commit.change {
        // Never used twice, not even after a purge.
        counters.folder += 1;
    }
    let before = Before { account: stored, folder: before };
    let admitted = write_change(db, counters, account, &before, admitted, &commit.change, at).await?;
    tracing::debug!("rows written");
    fault::pass("store.rows_written");
    Ok(Applied::Done(Box::new(StoredRows { account: admitted.account, folder: admitted.folder })))
}

/// Whether another folder of the account has this wire name already.
async fn is_taken(
    db: &DatabaseTransaction,
    account: AccountId,
    folder: FolderId,
    remote_id: &[u8],
) -> Result<bool, Trouble> {
    let sql = "SELECT 1 FROM folder WHERE account = ?1 AND remote_id = ?2 AND deleted_at IS NULL AND id <> ?3";
    let values = vec![account.0.into(), remote_id.to_vec().into(), folder.0.into()];
    Ok(!read(db, sql, values).await?.is_empty())
}

async fn write_change(
    db: &DatabaseTransaction,
    counters: &mut Counters,
    account: AccountId,
    rows: &Before,
    mut admitted: Admitted,
    change: &Change,
    at: Micros,
) -> Result<Admitted, Trouble> {
    let before = rows.folder.as_ref();
    let sweeps = may_end_limbo(change, &admitted);
    match change {
        Change::Folder(change) => {
            write_folder_rows(db, rows, &admitted, change, at).await?;
            if let Some(page) = change.page() {
                let Some(folder) = before else { return Ok(admitted) };
                let refused = write_page(db, counters, account, folder, &admitted, page, at).await?;
                if let Some(row) = &mut admitted.folder {
                    // What the database refused stays open, and counts its tries.
                    row.failures = row.failures.union(&refused);
                    close_failures(db, row.id, &folder.failures.minus(&row.failures), at.0).await?;
                }
            } else {
                let mut ledger = loaded(db, counters, account, before, change).await?;
                change_rows(change, before, &admitted, at, &mut ledger);
                save(db, counters, account, &mut ledger, at).await?;
            }
        }
        Change::Account(change) => write_account_rows(db, counters, rows, &admitted, change, at).await?,
    }
    if sweeps {
        sweep(db, counters, account, at).await?;
    }
    Ok(admitted)
}

/// The rows that a change other than a page touches.
async fn loaded(
    db: &DatabaseTransaction,
    counters: &Counters,
    account: AccountId,
    before: Option<&FolderRow>,
    change: &FolderChange,
) -> Result<Ledger, Trouble> {
    let touched = match change {
        FolderChange::Facts { gone, flags, .. } => gone.union(&flags.iter().map(|(uid, _)| *uid).collect()),
        FolderChange::DropFolder { uids, .. } => uids.clone(),
        _ => return Ok(Ledger::new(counters.message)),
    };
    let mut ledger = load(db, counters, account, before, &touched, &[]).await?;
    if let Some(folder) = before {
        load_elsewhere(db, &mut ledger, folder).await?;
        if let FolderChange::DropFolder { last: true, .. } = change {
            load_left(db, &mut ledger, folder).await?;
        }
    }
    Ok(ledger)
}

/// Writes a page; what the database refuses for its content is halved down to the one message, which becomes a failure.
/// Returns the UIDs that were refused.
async fn write_page(
    db: &DatabaseTransaction,
    counters: &mut Counters,
    account: AccountId,
    folder: &FolderRow,
    admitted: &Admitted,
    page: &Page,
    at: Micros,
) -> Result<UidSet, Trouble> {
    let mut refused = UidSet::new();
    let mut parts: Vec<&[Fetched]> = vec![&page.rows];
    while let Some(rows) = parts.pop() {
        if rows.is_empty() {
            continue;
        }
        let uids: UidSet = rows.iter().map(|r| r.uid).collect();
        let identities: Vec<&str> = rows.iter().map(|r| r.identity.0.as_str()).collect();
        let mut ledger = load(db, counters, account, Some(folder), &uids, &identities).await?;
        begin(rows, folder, &admitted.account, at, &mut ledger);
        let mut next = *counters;
        let savepoint = db.begin().await?;
        match save(&savepoint, &mut next, account, &mut ledger, at).await {
            Ok(()) => {
                savepoint.commit().await?;
                *counters = next;
            }
            Err(e) => {
                savepoint.rollback().await?;
                match (&e, rows) {
                    (Trouble::Refused(_), [poison]) => {
                        let (uid, class, text) = (poison.uid, Class::InvalidData, e.to_string());
                        let failed = Unfetched { uid, class, text, again: Again::Spaced };
                        open_failures(db, account, folder.id, &[failed], at.0).await?;
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

/// Loads the messages that a change touches, with all their locations.
async fn load(
    db: &DatabaseTransaction,
    counters: &Counters,
    account: AccountId,
    folder: Option<&FolderRow>,
    uids: &UidSet,
    identities: &[&str],
) -> Result<Ledger, Trouble> {
    let mut ledger = Ledger::new(counters.message);
    let Some(folder) = folder else { return Ok(ledger) };
    let sql = format!(
        "SELECT {MESSAGE} FROM message m WHERE m.account = ?1 AND m.identity IN (SELECT value FROM json_each(?5)) \
         UNION SELECT {MESSAGE} FROM location l JOIN message m ON m.id = l.message \
         WHERE l.folder = ?2 AND l.uidvalidity = ?3 AND l.uid IN (SELECT value FROM json_each(?4))"
    );
    let uids: Vec<u32> = uids.iter().collect();
    let values = vec![
        account.0.into(),
        folder.id.0.into(),
        i64::from(folder.live.uidvalidity.0).into(),
        text(&uids)?,
        text(&identities)?,
    ];
    let mut ids = Vec::new();
    for row in read(db, &sql, values).await? {
        let message = message(&row)?;
        ids.push(message.id.0);
        ledger.load_message(message);
    }
    if !ids.is_empty() {
        let values = vec![text(&ids)?, folder.id.0.into(), i64::from(folder.live.uidvalidity.0).into(), text(&uids)?];
        load_locations(db, &mut ledger, values).await?;
    }
    Ok(ledger)
}

/// Loads what the ledger needs of the locations of messages: those that are named, some of the living, the one that ended
/// last. A mail of a thousand copies costs no more than one of twenty.
async fn load_locations(db: &DatabaseTransaction, ledger: &mut Ledger, values: Vec<Value>) -> Result<(), Trouble> {
    let some = SHOWN + 1;
    let sql = format!(
        "SELECT {LOCATION} FROM location l WHERE l.folder = ?2 AND l.uidvalidity = ?3 AND l.uid IN (SELECT value FROM json_each(?4)) \
         UNION \
         SELECT {LOCATION} FROM json_each(?1) j JOIN location l ON l.rowid IN \
         (SELECT x.rowid FROM location x WHERE x.message = j.value AND x.ended_at IS NULL LIMIT {some}) \
         UNION \
         SELECT {LOCATION} FROM json_each(?1) j JOIN location l ON l.rowid = \
         (SELECT x.rowid FROM location x WHERE x.message = j.value AND x.ended_at IS NOT NULL ORDER BY x.ended_at DESC LIMIT 1)"
    );
    for row in read(db, &sql, values).await? {
        ledger.load_location(location(&row)?);
    }
    Ok(())
}

/// Of messages with more copies than are loaded: one in another folder that began since this one was passed last.
async fn load_elsewhere(db: &DatabaseTransaction, ledger: &mut Ledger, folder: &FolderRow) -> Result<(), Trouble> {
    let ids: Vec<i64> = ledger.messages().filter(|m| m.places > SHOWN as u64).map(|m| m.id.0).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "SELECT {LOCATION} FROM json_each(?1) j JOIN location l ON l.rowid = (SELECT x.rowid FROM location x \
         WHERE x.message = j.value AND x.ended_at IS NULL AND x.folder <> ?2 AND x.began_at > ?3 LIMIT 1)"
    );
    let since = folder.passed_at.unwrap_or_default();
    for row in read(db, &sql, vec![text(&ids)?, folder.id.0.into(), since.0.into()]).await? {
        ledger.load_location(location(&row)?);
    }
    Ok(())
}

/// Loads what is still living in a folder that is dropped.
async fn load_left(db: &DatabaseTransaction, ledger: &mut Ledger, folder: &FolderRow) -> Result<(), Trouble> {
    let sql = format!(
        "SELECT {MESSAGE} FROM message m WHERE m.id IN (SELECT message FROM location WHERE folder = ?1 AND ended_at IS NULL)"
    );
    let mut ids = Vec::new();
    for row in read(db, &sql, vec![folder.id.0.into()]).await? {
        let message = message(&row)?;
        ids.push(message.id.0);
        ledger.load_message(message);
    }
    let sql = format!("SELECT {LOCATION} FROM location l WHERE l.folder = ?1 AND l.ended_at IS NULL");
    for row in read(db, &sql, vec![folder.id.0.into()]).await? {
        ledger.load_location(location(&row)?);
    }
    if ids.is_empty() {
        return Ok(());
    }
    let values = vec![text(&ids)?, folder.id.0.into(), i64::from(folder.live.uidvalidity.0).into(), "[]".into()];
    load_locations(db, ledger, values).await
}

/// Whether any message's limbo may be over: a LIST and a pass of every folder that can be passed have begun since the first
/// of them vanished. Cheap, where reading all of limbo is not.
async fn may_be_over(db: &DatabaseTransaction, account: AccountId) -> Result<bool, Trouble> {
    let sql = "WITH first AS (SELECT MIN(limbo_since) AS at FROM message WHERE account = ?1 AND limbo_since IS NOT NULL) \
               SELECT 1 FROM account a, first WHERE a.id = ?1 AND first.at IS NOT NULL AND a.listed_at > first.at \
               AND NOT EXISTS (SELECT 1 FROM folder f WHERE f.account = ?1 AND f.deleted_at IS NULL AND NOT f.excluded \
               AND COALESCE(f.passed_at, 0) <= first.at \
               AND NOT EXISTS (SELECT 1 FROM failure x WHERE x.folder = f.id AND x.uid IS NULL AND x.closed_at IS NULL))";
    Ok(!read(db, sql, vec![account.0.into()]).await?.is_empty())
}

/// Ends the limbo of messages for which everything has been looked at.
async fn sweep(
    db: &DatabaseTransaction,
    counters: &mut Counters,
    account: AccountId,
    at: Micros,
) -> Result<(), Trouble> {
    let sql = format!(
        "SELECT {MESSAGE} FROM message m WHERE m.account = ?1 AND m.limbo_since IS NOT NULL AND m.id > ?2 ORDER BY m.id LIMIT ?3"
    );
    let mut after = 0_i64;
    if !may_be_over(db, account).await? {
        return Ok(());
    }
    loop {
        let rows = read(db, &sql, vec![account.0.into(), after.into(), SWEEP.into()]).await?;
        if rows.is_empty() {
            return Ok(());
        }
        let mut ledger = Ledger::new(counters.message);
        for row in &rows {
            let message = message(row)?;
            after = message.id.0;
            ledger.load_message(message);
        }
        let mut folders = Vec::new();
        let mut stored = None;
        for row in read(db, ALL_FOLDERS, vec![account.0.into()]).await? {
            let (account, folder) = guard(account, &row)?;
            stored = Some(account);
            folders.extend(folder);
        }
        if let Some(stored) = stored {
            ledger.sweep(&stored, &folders, at);
            save(db, counters, account, &mut ledger, at).await?;
        }
    }
}
