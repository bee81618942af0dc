//! Everything of a change that is not a message: lanes, folder, account, ledger, state, run.

use super::numbers::{Numbers, event_id};
use super::words::{lane, number, text, write, write_now};
use crate::store::failure::Trouble;
use crate::store::sql::Text;
use crate::store::transaction::Transaction;
use postrider_core::commit::change::{AccountChange, FolderChange, Note, Poison, RunRecord};
use postrider_core::commit::lane::Admitted;
use postrider_core::commit::rows::{AccountRow, FolderRow};
use postrider_core::failure::Class;
use postrider_core::mail::cursor::Lanes;
use postrider_core::mail::folder::WireName;
use postrider_core::mail::id::{AccountId, FolderId};
use postrider_core::mail::page::{Again, Unfetched};
use postrider_core::mail::uid_set::UidSet;
use postrider_core::standing::EventKind;
use postrider_core::time::Micros;
use sea_orm::Value;
use serde_json::{Value as Json, json};

/// Closed rows of the ledger are kept for so long.
pub(super) const CLOSED_KEPT: i64 = 30 * 86_400_000_000;

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
    let (id, at) = (account.0, at.0);
    match change {
        FolderChange::Open { folder, .. } => {
            if let Some(row) = &admitted.folder {
                insert_folder(db, account, row, folder.delimiter).await?;
            }
            if rows.account.opened_at.is_none() {
                let opened_at = admitted.account.opened_at.map(|at| at.0);
                let names = admitted.account.names.as_str();
                write(db, Text::AccountOpened, vec![id.into(), opened_at.into(), names.into()])
                    .await?;
            }
            close_shut(db, rows, &[&folder.remote_id], at).await?;
        }
        FolderChange::Reopen { .. } => {
            if let Some(row) = &admitted.folder {
                write_lanes(db, before, row).await?;
                let values = vec![
                    row.id.0.into(),
                    i64::from(row.uidvalidity().0).into(),
                    i64::from(row.lanes.as_ref().map_or(0, |lanes| lanes.live.mark.exists)).into(),
                    row.opened_at.0.into(),
                ];
                write(db, Text::ReopenFolder, values).await?;
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
                        let grown_at = row.grown_at.map(|at| at.0);
                        write(db, Text::FolderGrew, vec![row.id.0.into(), grown_at.into()]).await?;
                    }
                }
            }
            if let (FolderChange::DropFolder { last: true, .. }, Some(before)) = (change, before) {
                write(db, Text::DropNotes, vec![before.id.0.into()]).await?;
                write(db, Text::DropFolder, vec![before.id.0.into(), at.into()]).await?;
                write(db, Text::CloseFailuresOfFolder, vec![before.id.0.into(), at.into()]).await?;
                write_list_look(db, admitted).await?;
            }
        }
        // Its way is another.
        FolderChange::Rematch { .. } => {}
        FolderChange::Rename { folder, from, to, .. } => {
            close_shut(db, rows, &[from, &to.remote_id], at).await?;
            let values = vec![
                folder.0.into(),
                to.remote_id.to_vec().into(),
                to.path.clone().into(),
                to.delimiter.map(String::from).into(),
                to.role.map(|r| r.as_str().to_owned()).into(),
            ];
            write(db, Text::RenameFolder, values).await?;
            if let Some(row) = &admitted.folder {
                write_lanes(db, before, row).await?;
            }
        }
        FolderChange::Look { folder, look } => {
            write(db, Text::FolderLook, vec![folder.0.into(), text(look)?]).await?;
        }
        FolderChange::Misfit { folder, misfit } => {
            write(db, Text::FolderMisfit, vec![folder.0.into(), text(misfit)?]).await?;
        }
        FolderChange::Pass { to, unproved, .. } => {
            if let Some(row) = &admitted.folder {
                write_lanes(db, before, row).await?;
                let instant = |at: Option<Micros>| at.map(|at| at.0).into();
                let values = vec![
                    row.id.0.into(),
                    instant(row.passed_at),
                    instant(row.proved_at),
                    unproved.clone().into(),
                    i64::from(to.exists).into(),
                    row.surplus.into(),
                    instant(row.grown_at),
                ];
                write(db, Text::FolderPassed, values).await?;
                // What reached the folder is settled by its clean pass.
                if before.is_some_and(|before| before.stalled_at.is_some()) {
                    write(db, Text::SettleFolder, vec![row.id.0.into(), at.into()]).await?;
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
    let (id, at) = (account.0, at.0);
    match change {
        AccountChange::ListLook(_) => write_list_look(db, admitted).await?,
        AccountChange::Listed { started, excluded, unlisted } => {
            write(db, Text::AccountListed, vec![id.into(), started.0.into()]).await?;
            // What reached the account is settled by a LIST that lacks nothing.
            write(db, Text::SettleAccount, vec![id.into(), at.into()]).await?;
            let names: Vec<&WireName> = unlisted.iter().collect();
            close_shut(db, rows, &names, at).await?;
            write(db, Text::ForgetClosed, vec![(at - CLOSED_KEPT).into(), id.into()]).await?;
            let ids: Vec<i64> = excluded.iter().map(|f| f.0).collect();
            write(db, Text::ExcludeFolders, vec![id.into(), text(&ids)?]).await?;
        }
        AccountChange::Shut { remote_id, path, folder, class, text, .. } => {
            if let Some(shut) = admitted.account.shut.get(remote_id) {
                let folder = folder.map(|f| f.0);
                let values = vec![
                    id.into(),
                    folder.into(),
                    remote_id.to_vec().into(),
                    path.clone().into(),
                    class.as_str().into(),
                    i64::from(shut.attempts).into(),
                    shut.due_at.0.into(),
                    env!("CARGO_PKG_VERSION").into(),
                    text.clone().into(),
                    shut.first_at.0.into(),
                    at.into(),
                ];
                write(db, Text::PutShut, values).await?;
            }
        }
        AccountChange::Refused { folder, look } => {
            let look = look.as_ref().map_or(Ok(None::<String>.into()), text)?;
            write(db, Text::FolderRefused, vec![folder.0.into(), look]).await?;
        }
        AccountChange::Note(note) => write_note(db, account, note, at).await?,
        AccountChange::SizesEstimated => {
            write(db, Text::SizesEstimated, vec![id.into()]).await?;
        }
        AccountChange::Fail { folder, class, text, .. } => {
            fail(db, account, *folder, *class, text, at).await?
        }
        AccountChange::Stand { standing, reason, next_attempt_at, event } => {
            let next = next_attempt_at.map(|at| at.0);
            let values = vec![
                id.into(),
                standing.as_str().into(),
                reason.clone().into(),
                at.into(),
                next.into(),
            ];
            let Some(kind) = *event else { return write(db, Text::Stand, values).await };
            if write_now(db, Text::Stand, values).await? > 0 {
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
    at: i64,
) -> Result<(), Trouble> {
    let shut: Vec<_> = names.iter().filter(|name| rows.account.shut.contains_key(**name)).collect();
    if shut.is_empty() {
        return Ok(());
    }
    let hex: Vec<String> =
        shut.iter().map(|name| name.iter().map(|b| format!("{b:02X}")).collect()).collect();
    write(db, Text::CloseShut, vec![rows.account.id.0.into(), text(&hex)?, at.into()]).await
}

/// A note of poison, or its end.
async fn write_note(
    db: &Transaction,
    account: AccountId,
    note: &Note,
    at: i64,
) -> Result<(), Trouble> {
    let (about, folder, remote_id, uidvalidity, uid) = match &note.about {
        Poison::Examine(name) => ("examine", 0, name.to_vec(), 0, 0),
        Poison::Index(name) => ("index", 0, name.to_vec(), 0, 0),
        Poison::Mail(folder, uidvalidity, uid) => {
            ("mail", folder.0, Vec::new(), uidvalidity.0, *uid)
        }
    };
    let mut values = vec![
        account.0.into(),
        about.into(),
        folder.into(),
        remote_id.into(),
        i64::from(uidvalidity).into(),
        i64::from(uid).into(),
    ];
    if note.count == 0 {
        return write(db, Text::ForgetNote, values).await;
    }
    values.extend([i64::from(note.count).into(), note.text.clone().into(), at.into()]);
    write(db, Text::PutNote, values).await
}

async fn write_list_look(db: &Transaction, admitted: &Admitted) -> Result<(), Trouble> {
    let look =
        admitted.account.list_look.as_ref().map(text).transpose()?.unwrap_or(Value::String(None));
    write(db, Text::ListLook, vec![admitted.account.id.0.into(), look]).await
}

async fn insert_folder(
    db: &Transaction,
    account: AccountId,
    row: &FolderRow,
    delimiter: Option<char>,
) -> Result<(), Trouble> {
    let values = vec![
        row.id.0.into(),
        account.0.into(),
        row.remote_id.to_vec().into(),
        row.path.clone().into(),
        delimiter.map(String::from).into(),
        row.role.map(|r| r.as_str().to_owned()).into(),
        i64::from(row.uidvalidity().0).into(),
        i64::from(row.lanes.as_ref().map_or(0, |lanes| lanes.live.mark.exists)).into(),
        row.opened_at.0.into(),
    ];
    write(db, Text::InsertFolder, values).await?;
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
    write(db, Text::PutLanes, vec![row.id.0.into(), text(&lanes)?]).await
}

pub(super) async fn close_failures(
    db: &Transaction,
    folder: FolderId,
    uids: &UidSet,
    at: i64,
) -> Result<(), Trouble> {
    if uids.is_empty() {
        return Ok(());
    }
    let uids: Vec<u32> = uids.iter().collect();
    write(db, Text::CloseFailures, vec![folder.0.into(), text(&uids)?, at.into()]).await
}

/// Ledger rows of messages: tried again after an hour, after a day, then on a new version; where
/// the mail itself is not at fault, daily for ever. What is to be tried elsewhere is due now, and
/// that try does not count.
pub(super) async fn open_failures(
    db: &Transaction,
    account: AccountId,
    folder: FolderId,
    failed: &[Unfetched],
    at: i64,
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
    write(
        db,
        Text::PutFailures,
        vec![account.0.into(), folder.0.into(), at.into(), version.into(), text(&rows)?],
    )
    .await
}

/// A ledger row of reach folder or account; an open one of the same class counts up.
async fn fail(
    db: &Transaction,
    account: AccountId,
    folder: Option<FolderId>,
    class: Class,
    words: &str,
    at: i64,
) -> Result<(), Trouble> {
    let folder_id = folder.map(|f| f.0);
    let values =
        vec![account.0.into(), folder_id.into(), class.as_str().into(), at.into(), words.into()];
    if write_now(db, Text::FailAgain, values).await? > 0 {
        return Ok(());
    }
    let reach = if folder.is_some() { "folder" } else { "account" };
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
    write(db, Text::InsertFailure, values).await
}

async fn finish(
    db: &Transaction,
    numbers: &mut Numbers,
    account: AccountId,
    run: &RunRecord,
    at: i64,
) -> Result<(), Trouble> {
    let values = vec![
        account.0.into(),
        run.started.0.into(),
        at.into(),
        run.outcome.as_str().into(),
        run.reason.clone().into(),
        number(run.stored),
        number(run.octets),
        number(run.facts),
        number(run.failed),
    ];
    write(db, Text::InsertRun, values).await?;
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
    let (seq, at) = (numbers.event(), numbers.at().0);
    let id = event_id(at, seq);
    let values = vec![
        seq.into(),
        id.into(),
        at.into(),
        kind.as_str().into(),
        account.0.into(),
        data.to_string().into(),
    ];
    write(db, Text::InsertEvent, values).await
}
