//! Everything of a change that is not a message: lanes, folder, account, ledger, state, run.

use super::asked::save_asked;
use super::derive::tell_threads;
use super::numbers::{Numbers, event_id};
use super::words::lane;
use crate::store::failure::Trouble;
use crate::store::sql::change::{
    AccountListed, AccountOpened, CloseFailures, CloseFailuresOfFolder, CloseShut, DropFolder,
    DropNotes, ExcludeFolders, FailAgain, FolderGrew, FolderLook, FolderMisfit, FolderPassed,
    FolderRefused, ForgetNote, InsertEvent, InsertFailure, InsertFolder, InsertRun, ListLook,
    PutFailures, PutLanes, PutNote, PutShut, RenameFolder, ReopenFolder, SettleAccount,
    SettleFolder, SizesEstimated, Stand,
};
use crate::store::sql::failures::FailureCame;
use crate::store::sql::query::Document;
use crate::store::transaction::{Sql, Transaction};
use postrider_core::commit::change::{AccountChange, FolderChange, Note, Poison, RunRecord};
use postrider_core::commit::lane::Admitted;
use postrider_core::commit::rows::{AccountRow, FolderRow};
use postrider_core::failure::Class;
use postrider_core::mail::cursor::Lanes;
use postrider_core::mail::folder::WireName;
use postrider_core::mail::id::{AccountId, FolderId, UidValidity};
use postrider_core::mail::page::{Again, Unfetched};
use postrider_core::mail::uid_set::UidSet;
use postrider_core::standing::EventKind;
use postrider_core::time::Micros;
use serde_json::{Value as Json, json};

/// The rows as they are stored before a commit.
pub(super) struct Before {
    pub(super) account: AccountRow,
    pub(super) folder: Option<FolderRow>,
    /// Whether any message of the account is in limbo.
    pub(super) has_limbo: bool,
}

/// Everything of a folder's change that is not a message: lanes, folder, ledger.
pub(super) async fn write_folder_rows(
    db: &Transaction,
    rows: &Before,
    admitted: &Admitted,
    change: &FolderChange,
    at: Micros,
) -> Result<(), Trouble> {
    let (account, before) = (rows.account.id, rows.folder.as_ref());
    match change {
        FolderChange::Open { folder, .. } => {
            if let Some(row) = &admitted.folder {
                insert_folder(db, account, row, folder.delimiter).await?;
            }
            if rows.account.opened_at.is_none() {
                let (opened_at, identity_kind) =
                    (admitted.account.opened_at, admitted.account.names);
                db.put(AccountOpened { account, opened_at, identity_kind }).await?;
            }
            close_shut(db, rows, &[&folder.remote_id], at).await?;
        }
        FolderChange::Reopen { .. } => {
            if let Some(row) = &admitted.folder {
                write_lanes(db, before, row).await?;
                db.put(ReopenFolder {
                    folder: row.id,
                    uidvalidity: row.uidvalidity(),
                    exists: row.lanes.as_ref().map_or(0, |lanes| lanes.live.mark.exists),
                    opened_at: row.opened_at,
                })
                .await?;
            }
        }
        FolderChange::Arrivals { page, .. }
        | FolderChange::Backfill { page, .. }
        | FolderChange::Retry { page, .. } => {
            if let (Some(before), Some(row)) = (before, &admitted.folder) {
                write_lanes(db, Some(before), row).await?;
                open_failures(db, account, row.id, &page.failed, at).await?;
            }
        }
        FolderChange::Facts { gone, .. } | FolderChange::DropFolder { uids: gone, .. } => {
            if let Some(before) = before {
                close_failures(db, before.id, &before.failures.intersect(gone), at).await?;
                if let Some(row) = &admitted.folder {
                    write_lanes(db, Some(before), row).await?;
                    if row.grown_at != before.grown_at {
                        db.put(FolderGrew { folder: row.id, grown_at: row.grown_at }).await?;
                    }
                }
            }
            if let (FolderChange::DropFolder { last: true, .. }, Some(before)) = (change, before) {
                let folder = before.id;
                db.put(DropNotes { folder }).await?;
                db.put(DropFolder { folder, at }).await?;
                db.put(CloseFailuresOfFolder { folder, at }).await?;
                write_list_look(db, admitted).await?;
            }
        }
        // Its way is another.
        FolderChange::Rematch { .. } => {}
        FolderChange::Rename { folder, from, to, .. } => {
            close_shut(db, rows, &[from, &to.remote_id], at).await?;
            db.put(RenameFolder {
                folder: *folder,
                remote_id: to.remote_id.clone(),
                path: to.path.clone(),
                delimiter: to.delimiter.map(String::from),
                role: to.role,
            })
            .await?;
            if let Some(row) = &admitted.folder {
                write_lanes(db, before, row).await?;
            }
        }
        FolderChange::Look { folder, look } => {
            db.put(FolderLook { folder: *folder, look: Document::of(look)? }).await?;
        }
        FolderChange::Misfit { folder, misfit } => {
            db.put(FolderMisfit { folder: *folder, misfit: Document::of(misfit)? }).await?;
        }
        FolderChange::Pass { to, unproved, .. } => {
            if let Some(row) = &admitted.folder {
                write_lanes(db, before, row).await?;
                db.put(FolderPassed {
                    folder: row.id,
                    passed_at: row.passed_at,
                    proved_at: row.proved_at,
                    unproved: unproved.clone(),
                    exists: to.exists,
                    surplus: row.surplus,
                    grown_at: row.grown_at,
                })
                .await?;
                // What reached the folder is settled by its clean pass.
                if before.is_some_and(|before| before.stalled_at.is_some()) {
                    db.put(SettleFolder { folder: row.id, at }).await?;
                }
                close_shut(db, rows, &[&row.remote_id], at).await?;
            }
        }
    }
    Ok(())
}

/// Everything of an account's change: account, ledger, notes, run, and what is told of them.
pub(super) async fn write_account_rows(
    db: &Transaction,
    numbers: &mut Numbers,
    rows: &Before,
    admitted: &Admitted,
    change: &AccountChange,
    at: Micros,
) -> Result<(), Trouble> {
    let account = rows.account.id;
    match change {
        AccountChange::ListLook(_) => write_list_look(db, admitted).await?,
        AccountChange::Listed { started, excluded, unlisted } => {
            db.put(AccountListed { account, started: *started }).await?;
            // What reached the account is settled by a LIST that lacks nothing.
            db.put(SettleAccount { account, at }).await?;
            let names: Vec<&WireName> = unlisted.iter().collect();
            close_shut(db, rows, &names, at).await?;
            db.put(ExcludeFolders { account, folders: Document::of(excluded)? }).await?;
        }
        AccountChange::Shut { remote_id, path, folder, class, text, .. } => {
            if let Some(shut) = admitted.account.shut.get(remote_id) {
                db.put(PutShut {
                    account,
                    folder: *folder,
                    remote_id: remote_id.clone(),
                    path: path.clone(),
                    class: *class,
                    attempts: shut.attempts,
                    due_at: shut.due_at,
                    version: env!("CARGO_PKG_VERSION"),
                    text: text.clone(),
                    first_at: shut.first_at,
                    at,
                })
                .await?;
            }
        }
        AccountChange::Refused { folder, look } => {
            let look = look.as_ref().map(Document::of).transpose()?;
            db.put(FolderRefused { folder: *folder, look }).await?;
        }
        AccountChange::Note(note) => write_note(db, account, note, at).await?,
        AccountChange::Asked(asked) => save_asked(db, account, asked).await?,
        AccountChange::SizesEstimated => {
            db.put(SizesEstimated { account }).await?;
        }
        AccountChange::Threads(told) => tell_threads(db, numbers, account, told).await?,
        AccountChange::Fail { folder, class, text, .. } => {
            fail(db, account, *folder, *class, text, at).await?
        }
        AccountChange::Stand { standing, reason, next_attempt_at, event } => {
            let (state, reason, since) = (*standing, reason.clone(), at);
            let next_attempt_at = *next_attempt_at;
            let stand = Stand { account, state, reason: reason.clone(), since, next_attempt_at };
            let Some(kind) = *event else { return db.put(stand).await };
            if db.put_now(stand).await? > 0 {
                announce(db, numbers, account, kind, &json!({ "reason": reason })).await?;
            }
        }
        AccountChange::Finish(run) => finish(db, numbers, account, run, at).await?,
    }
    Ok(())
}

/// Closes the ledger rows of names that open, or are gone.
pub(super) async fn close_shut(
    db: &Transaction,
    rows: &Before,
    names: &[&WireName],
    at: Micros,
) -> Result<(), Trouble> {
    let shut: Vec<_> = names.iter().filter(|name| rows.account.shut.contains_key(**name)).collect();
    if shut.is_empty() {
        return Ok(());
    }
    let hex: Vec<String> =
        shut.iter().map(|name| name.iter().map(|b| format!("{b:02X}")).collect()).collect();
    db.put(CloseShut { account: rows.account.id, names: Document::of(&hex)?, at }).await
}

/// A note of poison, or its end.
async fn write_note(
    db: &Transaction,
    account: AccountId,
    note: &Note,
    at: Micros,
) -> Result<(), Trouble> {
    let named = |about, name: &WireName| {
        (about, FolderId::default(), name.clone(), UidValidity::default(), 0)
    };
    let (about, folder, remote_id, uidvalidity, uid) = match &note.about {
        Poison::Examine(name) => named("examine", name),
        Poison::Index(name) => named("index", name),
        Poison::Mail(folder, uidvalidity, uid) => {
            ("mail", *folder, WireName::default(), *uidvalidity, *uid)
        }
    };
    if note.count == 0 {
        let forget = ForgetNote { account, about, folder, remote_id, uidvalidity, uid };
        return db.put(forget).await;
    }
    let (count, text) = (note.count, note.text.clone());
    db.put(PutNote { account, about, folder, remote_id, uidvalidity, uid, count, text, at }).await
}

async fn write_list_look(db: &Transaction, admitted: &Admitted) -> Result<(), Trouble> {
    let look = admitted.account.list_look.as_ref().map(Document::of).transpose()?;
    db.put(ListLook { account: admitted.account.id, look }).await
}

async fn insert_folder(
    db: &Transaction,
    account: AccountId,
    row: &FolderRow,
    delimiter: Option<char>,
) -> Result<(), Trouble> {
    db.put(InsertFolder {
        folder: row.id,
        account,
        remote_id: row.remote_id.clone(),
        path: row.path.clone(),
        delimiter: delimiter.map(String::from),
        role: row.role,
        uidvalidity: row.uidvalidity(),
        exists: row.lanes.as_ref().map_or(0, |lanes| lanes.live.mark.exists),
        opened_at: row.opened_at,
    })
    .await?;
    write_lanes(db, None, row).await
}

/// Writes the lanes that changed.
pub(super) async fn write_lanes(
    db: &Transaction,
    before: Option<&FolderRow>,
    row: &FolderRow,
) -> Result<(), Trouble> {
    let Some(Lanes { live, backfill }) = &row.lanes else { return Ok(()) };
    let before = before.and_then(|before| before.lanes.as_ref());
    let mut lanes = Vec::new();
    if before.is_none_or(|before| before.live != *live) {
        lanes.push(json!(["live", lane(live)?]));
    }
    if before.is_none_or(|before| before.backfill != *backfill) {
        lanes.push(json!(["backfill", lane(backfill)?]));
    }
    if lanes.is_empty() {
        return Ok(());
    }
    db.put(PutLanes { folder: row.id, lanes: Document::of(&lanes)? }).await
}

pub(super) async fn close_failures(
    db: &Transaction,
    folder: FolderId,
    uids: &UidSet,
    at: Micros,
) -> Result<(), Trouble> {
    if uids.is_empty() {
        return Ok(());
    }
    let uids: Vec<u32> = uids.iter().collect();
    db.put(CloseFailures { folder, uids: Document::of(&uids)?, at }).await
}

/// Ledger rows of messages: tried again after an hour, after a day, then on a new version; where
/// the mail itself is not at fault, daily for ever. What is to be tried elsewhere is due now, and
/// that try does not count.
pub(super) async fn open_failures(
    db: &Transaction,
    account: AccountId,
    folder: FolderId,
    failed: &[Unfetched],
    at: Micros,
) -> Result<(), Trouble> {
    if failed.is_empty() {
        return Ok(());
    }
    let row = |f: &Unfetched| {
        let tries = i64::from(f.again != Again::Elsewhere);
        json!([
            f.uid,
            f.class.as_str(),
            f.text.as_str(),
            tries,
            i64::from(f.again == Again::WithBurst)
        ])
    };
    let rows: Vec<Json> = failed.iter().map(row).collect();
    let version = env!("CARGO_PKG_VERSION");
    db.put(PutFailures { account, folder, at, version, rows: Document::of(&rows)? }).await?;
    for f in failed {
        if let Some(came) = &f.came {
            db.put(FailureCame { folder, uid: f.uid, came: came.octets().to_vec() }).await?;
        }
    }
    Ok(())
}

/// A ledger row of reach folder or account; an open one of the same class counts up.
async fn fail(
    db: &Transaction,
    account: AccountId,
    folder: Option<FolderId>,
    class: Class,
    words: &str,
    at: Micros,
) -> Result<(), Trouble> {
    let text = words.to_owned();
    if db.put_now(FailAgain { account, folder, class, at, text: text.clone() }).await? > 0 {
        return Ok(());
    }
    let reach = if folder.is_some() { "folder" } else { "account" };
    let version = env!("CARGO_PKG_VERSION");
    db.put(InsertFailure { account, folder, reach, class, version, text, at }).await
}

async fn finish(
    db: &Transaction,
    numbers: &mut Numbers,
    account: AccountId,
    run: &RunRecord,
    at: Micros,
) -> Result<(), Trouble> {
    db.put(InsertRun {
        account,
        started_at: run.started,
        finished_at: at,
        outcome: run.outcome,
        reason: run.reason.clone(),
        stored: run.stored,
        octets: run.octets,
        facts: run.facts,
        failed: run.failed,
        cause: run.cause.as_str().to_owned(),
    })
    .await?;
    let data = json!({ "outcome": run.outcome, "reason": run.reason, "stored": run.stored, "failed": run.failed });
    announce(db, numbers, account, EventKind::RunFinished, &data).await
}

/// An event that is not about a message, numbered on the spot.
pub(super) async fn announce(
    db: &Transaction,
    numbers: &mut Numbers,
    account: AccountId,
    kind: EventKind,
    data: &Json,
) -> Result<(), Trouble> {
    let (seq, at) = (numbers.event(), numbers.at());
    let (id, data) = (event_id(at.0, seq), data.to_string());
    db.put(InsertEvent { seq, id, at, kind, account, data }).await
}
