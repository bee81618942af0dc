//! The only SQL that writes. A page costs a constant number of statements: one text and one JSON document a table.

use crate::fault;
use crate::store::actor::OpenAccount;
use crate::store::rows::{ALL_FOLDERS, GUARD, LOCATION, MESSAGE, get, guard, location, message, uid};
use postrider_core::account::machine::AccountSnapshot;
use postrider_core::commit::apply::{apply as change_rows, may_end_limbo};
use postrider_core::commit::lane::{Admitted, admit};
use postrider_core::commit::ledger::{Ledger, NewMessage, Writes};
use postrider_core::commit::request::{Change, Commit, Refusal, RunRecord, StoredRows};
use postrider_core::commit::rows::{FolderRow, LocationRow, MessageRow};
use postrider_core::failure::{Class, Failure, Provenance, Reach, When};
use postrider_core::mail::cursor;
use postrider_core::mail::id::{AccountId, FolderId};
use postrider_core::mail::message::Fetched;
use postrider_core::mail::page::{Page, Unfetched};
use postrider_core::mail::uid_set::UidSet;
use postrider_core::time::Micros;
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbErr, ExecResult, QueryResult, Statement, TransactionTrait, Value,
};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// Numbers handed out in a transaction; they are written back with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counters {
    message: i64,
    event: i64,
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

async fn write(db: &impl ConnectionTrait, sql: &str, values: Vec<Value>) -> Result<ExecResult, DbErr> {
    db.execute_raw(statement(sql, values)).await
}

async fn read(db: &impl ConnectionTrait, sql: &str, values: Vec<Value>) -> Result<Vec<QueryResult>, DbErr> {
    db.query_all_raw(statement(sql, values)).await
}

fn text(json: &impl serde::Serialize) -> Result<Value, DbErr> {
    let text = serde_json::to_string(json).map_err(|e| DbErr::Custom(format!("cannot write JSON: {e}")))?;
    Ok(text.into())
}

fn lane(state: &impl serde::Serialize) -> Result<Value, DbErr> {
    let text = cursor::to_text(state).map_err(|e| DbErr::Custom(e.to_string()))?;
    Ok(text.into())
}

impl Counters {
    pub(super) async fn load(db: &DatabaseTransaction) -> Result<Self, DbErr> {
        let rows = read(db, "SELECT name, next FROM counter", vec![]).await?;
        let mut counters = Self { message: 1, event: 1 };
        for row in rows {
            let next = get(&row, 1)?;
            match get::<String>(&row, 0)?.as_str() {
                "message" => counters.message = next,
                "event" => counters.event = next,
                _ => {}
            }
        }
        Ok(counters)
    }

    pub(super) async fn save(self, db: &DatabaseTransaction) -> Result<(), DbErr> {
        let sql =
            "UPDATE counter SET next = CASE name WHEN 'message' THEN ?1 ELSE ?2 END WHERE name IN ('message', 'event')";
        write(db, sql, vec![self.message.into(), self.event.into()])
            .await
            .map(|_| ())
    }
}

/// Whether the database refuses the content, rather than the work.
fn is_content(e: &DbErr) -> bool {
    let text = e.to_string();
    // SQLITE_CONSTRAINT, SQLITE_TOOBIG, SQLITE_MISMATCH; everything else is the disk's or ours.
    ["constraint", "too big", "datatype mismatch"]
        .iter()
        .any(|word| text.contains(word))
}

/// Applies a commit in a savepoint of `outer`. On `Err` or a refusal nothing of it remains.
pub(super) async fn commit(
    outer: &DatabaseTransaction,
    counters: &mut Counters,
    commit: &Commit,
) -> Result<Applied, DbErr> {
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

async fn inside(db: &DatabaseTransaction, counters: &mut Counters, commit: &Commit) -> Result<Applied, DbErr> {
    let (account, at) = (commit.account, commit.at);
    let remote_id: Value = match &commit.change {
        Change::Open { folder, .. } => folder.remote_id.clone().into(),
        _ => Value::Bytes(None),
    };
    let folder_id = commit.change.folder().map(|f| f.0);
    let rows = read(db, GUARD, vec![account.0.into(), folder_id.into(), remote_id]).await?;
    let Some(row) = rows.first() else {
        return Ok(Applied::Refused(Refusal::Missing, None));
    };
    let (stored, before) = guard(account, row)?;
    let new_folder = if let Change::Open { .. } = &commit.change {
        next_folder(db).await?
    } else {
        FolderId::default()
    };
    let admitted = match admit(&stored, before.as_ref(), commit.incarnation, &commit.change, new_folder) {
        Ok(admitted) => admitted,
        Err(refusal) => {
            let rows = StoredRows {
                account: stored,
                folder: before,
            };
            return Ok(Applied::Refused(
                refusal,
                (refusal != Refusal::Incarnation).then(|| Box::new(rows)),
            ));
        }
    };
    let admitted = write_change(db, counters, account, before.as_ref(), admitted, &commit.change, at).await?;
    fault::pass("store.rows_written");
    Ok(Applied::Done(Box::new(StoredRows {
        account: admitted.account,
        folder: admitted.folder,
    })))
}

async fn next_folder(db: &DatabaseTransaction) -> Result<FolderId, DbErr> {
    let rows = read(db, "SELECT COALESCE(MAX(id), 0) + 1 FROM folder", vec![]).await?;
    rows.first().map_or(Ok(FolderId(1)), |row| get(row, 0).map(FolderId))
}

async fn write_change(
    db: &DatabaseTransaction,
    counters: &mut Counters,
    account: AccountId,
    before: Option<&FolderRow>,
    mut admitted: Admitted,
    change: &Change,
    at: Micros,
) -> Result<Admitted, DbErr> {
    let first_opening = matches!(change, Change::Open { .. }) && is_first(db, account).await?;
    let sweeps = may_end_limbo(change);
    write_own_rows(db, counters, account, before, &admitted, change, at).await?;
    match (before, change) {
        (Some(folder), Change::Arrivals { page, .. } | Change::Backfill { page, .. } | Change::Retry { page, .. }) => {
            let refused = write_page(db, counters, account, folder, &admitted, page, at).await?;
            if let Some(row) = &mut admitted.folder {
                row.failures = row.failures.union(&refused);
            }
        }
        (_, Change::Open { .. }) => {
            let mut ledger = Ledger::new(counters.message);
            change_rows(change, before, &admitted, first_opening, at, &mut ledger);
            save(db, counters, account, &mut ledger, at).await?;
        }
        (_, Change::Facts { .. } | Change::DropFolder { .. }) => {
            let touched = match change {
                Change::Facts { gone, flags, .. } => gone.union(&flags.iter().map(|(uid, _)| *uid).collect()),
                Change::DropFolder { uids, .. } => uids.clone(),
                _ => UidSet::new(),
            };
            let mut ledger = load(db, counters, account, before, &touched, &[]).await?;
            if let (Change::DropFolder { last: true, .. }, Some(folder)) = (change, before) {
                load_left(db, &mut ledger, folder).await?;
            }
            change_rows(change, before, &admitted, first_opening, at, &mut ledger);
            save(db, counters, account, &mut ledger, at).await?;
        }
        _ => {}
    }
    if sweeps {
        sweep(db, counters, account, at).await?;
    }
    Ok(admitted)
}

async fn is_first(db: &DatabaseTransaction, account: AccountId) -> Result<bool, DbErr> {
    let rows = read(
        db,
        "SELECT 1 FROM folder WHERE account = ?1 LIMIT 1",
        vec![account.0.into()],
    )
    .await?;
    Ok(rows.is_empty())
}

/// Everything of a change that is not a message: lanes, folder, account, ledger, state, run.
async fn write_own_rows(
    db: &DatabaseTransaction,
    counters: &mut Counters,
    account: AccountId,
    before: Option<&FolderRow>,
    admitted: &Admitted,
    change: &Change,
    at: Micros,
) -> Result<(), DbErr> {
    let (id, at) = (account.0, at.0);
    match change {
        Change::Open { folder, started, .. } => {
            if let Some(row) = &admitted.folder {
                insert_folder(db, account, row, folder.delimiter).await?;
            }
            let sql = "UPDATE account SET opened_at = COALESCE(opened_at, ?2) WHERE id = ?1";
            write(db, sql, vec![id.into(), started.0.into()]).await?;
        }
        Change::Arrivals { page, .. } | Change::Backfill { page, .. } | Change::Retry { page, .. } => {
            if let (Some(before), Some(row)) = (before, &admitted.folder) {
                write_lanes(db, Some(before), row).await?;
                let closed = before.failures.minus(&row.failures);
                close_failures(db, row.id, &closed, at).await?;
                open_failures(db, account, row.id, &page.failed, at).await?;
            }
        }
        Change::Facts { gone, .. } | Change::DropFolder { uids: gone, .. } => {
            if let Some(before) = before {
                close_failures(db, before.id, &before.failures.intersect(gone), at).await?;
            }
            if let (Change::DropFolder { last: true, .. }, Some(before)) = (change, before) {
                let sql = "UPDATE folder SET deleted_at = ?2, look = NULL WHERE id = ?1";
                write(db, sql, vec![before.id.0.into(), at.into()]).await?;
                let sql = "UPDATE failure SET closed_at = ?2 WHERE folder = ?1 AND closed_at IS NULL";
                write(db, sql, vec![before.id.0.into(), at.into()]).await?;
                write_list_look(db, admitted).await?;
            }
        }
        Change::Look { folder, look } => {
            write(
                db,
                "UPDATE folder SET look = ?2 WHERE id = ?1",
                vec![folder.0.into(), text(look)?],
            )
            .await?;
        }
        Change::Pass {
            started, to, unproved, ..
        } => {
            if let Some(row) = &admitted.folder {
                write_lanes(db, before, row).await?;
                let proved = row.proved_at.map(|at| at.0);
                let values = vec![
                    row.id.0.into(),
                    started.0.into(),
                    proved.into(),
                    unproved.clone().into(),
                    i64::from(to.exists).into(),
                ];
                let sql = "UPDATE folder SET passed_at = ?2, proved_at = ?3, unproved = ?4, exists_count = ?5, look = NULL \
                           WHERE id = ?1";
                write(db, sql, values).await?;
                // What reached the folder or the account is settled by a clean pass.
                let sql = "UPDATE failure SET closed_at = ?3 WHERE account = ?1 AND closed_at IS NULL AND uid IS NULL \
                           AND (folder = ?2 OR folder IS NULL)";
                write(db, sql, vec![id.into(), row.id.0.into(), at.into()]).await?;
            }
        }
        Change::ListLook(_) => write_list_look(db, admitted).await?,
        Change::Listed { started, excluded } => {
            let sql = "UPDATE account SET listed_at = ?2, list_look = NULL WHERE id = ?1";
            write(db, sql, vec![id.into(), started.0.into()]).await?;
            let sql = "UPDATE folder SET excluded = (id IN (SELECT value FROM json_each(?2))) \
                       WHERE account = ?1 AND excluded <> (id IN (SELECT value FROM json_each(?2)))";
            let ids: Vec<i64> = excluded.iter().map(|f| f.0).collect();
            write(db, sql, vec![id.into(), text(&ids)?]).await?;
        }
        Change::Fail { folder, class, text } => fail(db, account, *folder, *class, text, at).await?,
        Change::State {
            state,
            reason,
            next_attempt_at,
            event,
        } => {
            let sql = "UPDATE account SET state = ?2, reason = ?3, since = ?4, next_attempt_at = ?5 \
                       WHERE id = ?1 AND (state <> ?2 OR reason <> ?3)";
            let next = next_attempt_at.map(|at| at.0);
            let values = vec![
                id.into(),
                (*state).into(),
                reason.clone().into(),
                at.into(),
                next.into(),
            ];
            let changed = write(db, sql, values).await?.rows_affected() > 0;
            if let Some(kind) = event.filter(|_| changed) {
                announce(db, counters, account, kind, &json!({ "reason": reason }), at).await?;
            }
        }
        Change::Finish(run) => finish(db, counters, account, run, at).await?,
    }
    Ok(())
}

async fn write_list_look(db: &DatabaseTransaction, admitted: &Admitted) -> Result<(), DbErr> {
    let look = admitted
        .account
        .list_look
        .as_ref()
        .map(text)
        .transpose()?
        .unwrap_or(Value::String(None));
    let sql = "UPDATE account SET list_look = ?2 WHERE id = ?1";
    write(db, sql, vec![admitted.account.id.0.into(), look])
        .await
        .map(|_| ())
}

async fn insert_folder(
    db: &DatabaseTransaction,
    account: AccountId,
    row: &FolderRow,
    delimiter: Option<char>,
) -> Result<(), DbErr> {
    let sql = "INSERT INTO folder (id, account, remote_id, path, delimiter, role, uidvalidity, exists_count, opened_at, excluded) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, FALSE)";
    let values = vec![
        row.id.0.into(),
        account.0.into(),
        row.remote_id.clone().into(),
        row.path.clone().into(),
        delimiter.map(String::from).into(),
        row.role.map(|r| r.as_str().to_owned()).into(),
        i64::from(row.live.uidvalidity.0).into(),
        i64::from(row.live.mark.exists).into(),
        row.opened_at.0.into(),
    ];
    write(db, sql, values).await?;
    write_lanes(db, None, row).await
}

/// Writes the lanes that changed.
async fn write_lanes(db: &DatabaseTransaction, before: Option<&FolderRow>, row: &FolderRow) -> Result<(), DbErr> {
    let sql = "INSERT INTO cursor (folder, lane, state) VALUES (?1, ?2, ?3) \
               ON CONFLICT (folder, lane) DO UPDATE SET state = excluded.state";
    if before.is_none_or(|b| b.live != row.live) {
        write(db, sql, vec![row.id.0.into(), "live".into(), lane(&row.live)?]).await?;
    }
    if before.is_none_or(|b| b.backfill != row.backfill) {
        write(db, sql, vec![row.id.0.into(), "backfill".into(), lane(&row.backfill)?]).await?;
    }
    Ok(())
}

async fn close_failures(db: &DatabaseTransaction, folder: FolderId, uids: &UidSet, at: i64) -> Result<(), DbErr> {
    if uids.is_empty() {
        return Ok(());
    }
    let sql = "UPDATE failure SET closed_at = ?3 WHERE folder = ?1 AND closed_at IS NULL \
               AND uid IN (SELECT value FROM json_each(?2))";
    let uids: Vec<u32> = uids.iter().collect();
    write(db, sql, vec![folder.0.into(), text(&uids)?, at.into()])
        .await
        .map(|_| ())
}

/// Ledger rows of messages: tried again after an hour, after a day, then on a new version.
async fn open_failures(
    db: &DatabaseTransaction,
    account: AccountId,
    folder: FolderId,
    failed: &[Unfetched],
    at: i64,
) -> Result<(), DbErr> {
    if failed.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO failure (account, folder, uid, reach, class, attempts, next_try_at, version, text, first_at, last_at) \
               SELECT ?1, ?2, value->>0, 'message', value->>1, 1, ?3 + 3600000000, ?4, value->>2, ?3, ?3 FROM json_each(?5) \
               WHERE TRUE ON CONFLICT (folder, uid) WHERE closed_at IS NULL AND uid IS NOT NULL DO UPDATE SET \
               attempts = failure.attempts + 1, class = excluded.class, text = excluded.text, version = excluded.version, \
               last_at = excluded.last_at, \
               next_try_at = CASE WHEN failure.attempts = 1 THEN excluded.last_at + 86400000000 ELSE NULL END";
    let rows: Vec<Json> = failed
        .iter()
        .map(|f| json!([f.uid, f.class.as_str(), f.text]))
        .collect();
    let version = env!("CARGO_PKG_VERSION");
    write(
        db,
        sql,
        vec![
            account.0.into(),
            folder.0.into(),
            at.into(),
            version.into(),
            text(&rows)?,
        ],
    )
    .await
    .map(|_| ())
}

/// A ledger row of reach folder or account; an open one of the same class counts up.
async fn fail(
    db: &DatabaseTransaction,
    account: AccountId,
    folder: Option<FolderId>,
    class: Class,
    words: &str,
    at: i64,
) -> Result<(), DbErr> {
    let folder_id = folder.map(|f| f.0);
    let sql = "UPDATE failure SET attempts = attempts + 1, last_at = ?4, text = ?5 WHERE account = ?1 \
               AND folder IS ?2 AND uid IS NULL AND class = ?3 AND closed_at IS NULL";
    let values = vec![
        account.0.into(),
        folder_id.into(),
        class.as_str().into(),
        at.into(),
        words.into(),
    ];
    if write(db, sql, values).await?.rows_affected() > 0 {
        return Ok(());
    }
    let reach = if folder.is_some() { "folder" } else { "account" };
    let sql = "INSERT INTO failure (account, folder, reach, class, attempts, version, text, first_at, last_at) \
               VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, ?7, ?7)";
    let version = env!("CARGO_PKG_VERSION");
    let values = vec![
        account.0.into(),
        folder_id.into(),
        reach.into(),
        class.as_str().into(),
        version.into(),
        words.into(),
        at.into(),
    ];
    write(db, sql, values).await.map(|_| ())
}

async fn finish(
    db: &DatabaseTransaction,
    counters: &mut Counters,
    account: AccountId,
    run: &RunRecord,
    at: i64,
) -> Result<(), DbErr> {
    let sql = "INSERT INTO run (account, started_at, finished_at, outcome, reason, stored, octets, facts, failed) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let count = |n: u64| Value::from(i64::try_from(n).unwrap_or(i64::MAX));
    let values = vec![
        account.0.into(),
        run.started.0.into(),
        at.into(),
        run.outcome.into(),
        run.reason.clone().into(),
        count(run.stored),
        count(run.octets),
        count(run.facts),
        count(run.failed),
    ];
    write(db, sql, values).await?;
    let data = json!({ "outcome": run.outcome, "reason": run.reason, "stored": run.stored, "failed": run.failed });
    announce(db, counters, account, "run.finished", &data, at).await
}

/// An event that is not about a message, numbered on the spot.
async fn announce(
    db: &DatabaseTransaction,
    counters: &mut Counters,
    account: AccountId,
    kind: &str,
    data: &Json,
    at: i64,
) -> Result<(), DbErr> {
    let sql = "INSERT INTO event (seq, id, at, kind, account, backfill, data) VALUES (?1, ?2, ?3, ?4, ?5, FALSE, ?6)";
    let id = uuid::Uuid::now_v7().to_string();
    let seq = counters.event;
    counters.event += 1;
    let values = vec![
        seq.into(),
        id.into(),
        at.into(),
        kind.into(),
        account.0.into(),
        data.to_string().into(),
    ];
    write(db, sql, values).await.map(|_| ())
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
) -> Result<UidSet, DbErr> {
    let mut refused = UidSet::new();
    let mut parts: Vec<&[Fetched]> = vec![&page.rows];
    while let Some(rows) = parts.pop() {
        if rows.is_empty() {
            continue;
        }
        let uids: UidSet = rows.iter().map(|r| r.uid).collect();
        let identities: Vec<&str> = rows.iter().map(|r| r.identity.0.as_str()).collect();
        let mut ledger = load(db, counters, account, Some(folder), &uids, &identities).await?;
        for fetched in rows {
            ledger.begin(folder, &admitted.account, fetched, at);
        }
        let mut next = *counters;
        let savepoint = db.begin().await?;
        match save(&savepoint, &mut next, account, &mut ledger, at).await {
            Ok(()) => {
                savepoint.commit().await?;
                *counters = next;
            }
            Err(e) => {
                savepoint.rollback().await?;
                match (is_content(&e), rows) {
                    (true, [poison]) => {
                        let failed = Unfetched {
                            uid: poison.uid,
                            class: Class::InvalidData,
                            text: e.to_string(),
                        };
                        open_failures(db, account, folder.id, &[failed], at.0).await?;
                        refused.insert(poison.uid);
                    }
                    (true, _) => {
                        let (lower, upper) = rows.split_at(rows.len() / 2);
                        parts.push(upper);
                        parts.push(lower);
                    }
                    (false, _) => return Err(e),
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
) -> Result<Ledger, DbErr> {
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
        let sql = format!("SELECT {LOCATION} FROM location l WHERE l.message IN (SELECT value FROM json_each(?1))");
        for row in read(db, &sql, vec![text(&ids)?]).await? {
            ledger.load_location(location(&row)?);
        }
    }
    Ok(ledger)
}

/// Loads what is still living in a folder that is dropped.
async fn load_left(db: &DatabaseTransaction, ledger: &mut Ledger, folder: &FolderRow) -> Result<(), DbErr> {
    let sql = format!(
        "SELECT {MESSAGE} FROM message m WHERE m.id IN (SELECT message FROM location WHERE folder = ?1 AND ended_at IS NULL)"
    );
    let mut ids = Vec::new();
    for row in read(db, &sql, vec![folder.id.0.into()]).await? {
        let message = message(&row)?;
        ids.push(message.id.0);
        ledger.load_message(message);
    }
    let sql = format!("SELECT {LOCATION} FROM location l WHERE l.message IN (SELECT value FROM json_each(?1))");
    for row in read(db, &sql, vec![text(&ids)?]).await? {
        ledger.load_location(location(&row)?);
    }
    Ok(())
}

async fn save(
    db: &DatabaseTransaction,
    counters: &mut Counters,
    account: AccountId,
    ledger: &mut Ledger,
    at: Micros,
) -> Result<(), DbErr> {
    let writes = ledger.take_writes();
    counters.message = ledger.next_message();
    save_writes(db, counters, account, &writes, at).await
}

async fn save_writes(
    db: &DatabaseTransaction,
    counters: &mut Counters,
    account: AccountId,
    writes: &Writes,
    at: Micros,
) -> Result<(), DbErr> {
    if !writes.created.is_empty() {
        let rows: Vec<Json> = writes.created.iter().map(|m| body_row(m, at)).collect();
        let sql = "INSERT INTO body (hash, pack, \"offset\", length, stored_at) \
                   SELECT unhex(value->>0), value->>1, value->>2, value->>3, value->>4 FROM json_each(?1) WHERE TRUE \
                   ON CONFLICT (hash) DO NOTHING";
        write(db, sql, vec![text(&rows)?]).await?;
        let rows: Vec<Json> = writes.created.iter().map(|m| message_row(m, at)).collect();
        let sql = "INSERT INTO message (id, account, identity, body, size, message_id, subject, from_text, to_text, cc_text, \
                   date, internal_date, stored_at, parse) \
                   SELECT value->>0, ?1, value->>1, unhex(value->>2), value->>3, value->>4, value->>5, value->>6, value->>7, \
                   value->>8, value->>9, value->>10, value->>11, value->>12 FROM json_each(?2)";
        write(db, sql, vec![account.0.into(), text(&rows)?]).await?;
    }
    if !writes.messages.is_empty() {
        let row = |m: &MessageRow| {
            json!([
                m.id.0,
                m.limbo_since,
                m.last_folder.map(|f| f.0),
                m.last_sight,
                m.deleted_at
            ])
        };
        let rows: Vec<Json> = writes.messages.iter().map(row).collect();
        let sql = "UPDATE message SET limbo_since = j.value->>1, last_folder = j.value->>2, last_sight = j.value->>3, \
                   deleted_at = j.value->>4 FROM json_each(?1) j WHERE message.id = j.value->>0";
        write(db, sql, vec![text(&rows)?]).await?;
    }
    if !writes.locations.is_empty() {
        let rows: Vec<Json> = writes.locations.iter().map(location_row).collect();
        let sql = "INSERT INTO location (folder, uidvalidity, uid, message, flags, keywords, modseq, internal_date, began_at, \
                   ended_at) SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, \
                   value->>8, value->>9 FROM json_each(?1) WHERE TRUE \
                   ON CONFLICT (folder, uidvalidity, uid) DO UPDATE SET message = excluded.message, flags = excluded.flags, \
                   keywords = excluded.keywords, modseq = excluded.modseq, internal_date = excluded.internal_date, \
                   began_at = excluded.began_at, ended_at = excluded.ended_at";
        write(db, sql, vec![text(&rows)?]).await?;
    }
    if !writes.events.is_empty() {
        let mut rows = Vec::with_capacity(writes.events.len());
        for event in &writes.events {
            let state: Vec<Json> = event
                .state
                .iter()
                .map(|(f, uid, flags)| json!({ "folder": f.0, "uid": uid, "flags": flags.as_str() }))
                .collect();
            let id = uuid::Uuid::now_v7().to_string();
            rows.push(json!([
                counters.event,
                id,
                event.kind.as_str(),
                event.folder.map(|f| f.0),
                event.message.map(|m| m.0),
                event.backfill,
                json!({ "locations": state }).to_string()
            ]));
            counters.event += 1;
        }
        let sql = "INSERT INTO event (seq, id, at, kind, account, folder, message, backfill, data) \
                   SELECT value->>0, value->>1, ?2, value->>2, ?1, value->>3, value->>4, value->>5, value->>6 FROM json_each(?3)";
        write(db, sql, vec![account.0.into(), at.0.into(), text(&rows)?]).await?;
    }
    Ok(())
}

fn body_row(m: &NewMessage, at: Micros) -> Json {
    json!([
        m.body.hash().to_string(),
        m.body.pack(),
        m.body.offset(),
        m.body.length(),
        at
    ])
}

fn message_row(m: &NewMessage, at: Micros) -> Json {
    let h = &m.header;
    json!([
        m.row.id.0,
        m.row.identity.0,
        m.body.hash().to_string(),
        m.body.length(),
        h.message_id,
        h.subject,
        h.from,
        h.to,
        h.cc,
        h.date,
        m.internal_date,
        at,
        h.parse.as_str()
    ])
}

fn location_row(l: &LocationRow) -> Json {
    json!([
        l.folder.0,
        l.uidvalidity.0,
        l.uid,
        l.message.0,
        l.flags.system(),
        l.flags.keywords(),
        l.modseq,
        l.internal_date,
        l.began_at,
        l.ended_at
    ])
}

/// Ends the limbo of messages for which everything has been looked at.
async fn sweep(db: &DatabaseTransaction, counters: &mut Counters, account: AccountId, at: Micros) -> Result<(), DbErr> {
    let sql = format!(
        "SELECT {MESSAGE} FROM message m WHERE m.account = ?1 AND m.limbo_since IS NOT NULL AND m.id > ?2 ORDER BY m.id LIMIT ?3"
    );
    let mut after = 0_i64;
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

/// Raises the account's incarnation, making its row if need be, and reads it whole. Another provider or username under a
/// known name is refused: it would be another mailbox, and every location would end.
pub(super) async fn open_account(
    db: &DatabaseTransaction,
    open: &OpenAccount,
    at: Micros,
) -> Result<Result<AccountSnapshot, Failure>, DbErr> {
    let name = || Value::from(open.name.clone());
    if let Some(row) = read(
        db,
        "SELECT provider, username FROM account WHERE name = ?1",
        vec![name()],
    )
    .await?
    .first()
    {
        let (provider, username): (String, String) = (get(row, 0)?, get(row, 1)?);
        if provider != open.provider || username != open.username {
            let text = format!(
                "account {} is the mirror of another mailbox (another provider or username); give the new one another id",
                open.name
            );
            let failure = Failure::new(Class::Config, Reach::Account, Provenance::Local, text).when(When::AfterChange);
            return Ok(Err(failure));
        }
    }
    let sql = "INSERT INTO account (name, provider, host, username, identity_kind, state, reason, since, incarnation) \
               VALUES (?1, ?2, ?3, ?4, 'hash', 'starting', '', ?5, 1) \
               ON CONFLICT (name) DO UPDATE SET host = excluded.host, incarnation = account.incarnation + 1";
    let values = vec![
        name(),
        open.provider.into(),
        open.host.clone().into(),
        open.username.clone().into(),
        at.0.into(),
    ];
    write(db, sql, values).await?;
    let rows = read(db, "SELECT id FROM account WHERE name = ?1", vec![name()]).await?;
    let id = rows.first().map_or(Ok(0), |row| get(row, 0)).map(AccountId)?;
    let mut account = None;
    let mut folders = Vec::new();
    for row in read(db, ALL_FOLDERS, vec![id.0.into()]).await? {
        let (stored, folder) = guard(id, &row)?;
        account = Some(stored);
        folders.extend(folder);
    }
    let account = account.ok_or_else(|| DbErr::RecordNotFound(format!("account {}", open.name)))?;
    let mut due: BTreeMap<FolderId, UidSet> = BTreeMap::new();
    let sql = "SELECT folder, uid FROM failure WHERE account = ?1 AND closed_at IS NULL AND uid IS NOT NULL \
               AND (next_try_at <= ?2 OR version <> ?3) ORDER BY uid";
    for row in read(
        db,
        sql,
        vec![id.0.into(), at.0.into(), env!("CARGO_PKG_VERSION").into()],
    )
    .await?
    {
        due.entry(FolderId(get(&row, 0)?)).or_default().insert(uid(&row, 1)?);
    }
    Ok(Ok(AccountSnapshot { account, folders, due }))
}
