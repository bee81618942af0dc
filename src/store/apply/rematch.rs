//! A folder whose UIDs begin anew: its locations get their new numbers in place, by one statement
//! whatever their number, and its row and lanes follow.

use super::own::{Before, close_shut, write_lanes};
use crate::store::failure::Trouble;
use crate::store::sql::change::{CloseFailuresOfFolder, DropNotes};
use crate::store::sql::query::Document;
use crate::store::sql::rematch::{ForgetPlaces, ForgetSights, Renumber, SwitchFolder};
use crate::store::transaction::{Sql, Transaction};
use postrider_core::commit::rows::FolderRow;
use postrider_core::mail::id::UidValidity;
use postrider_core::time::Micros;

/// Does what [`Ledger::renumber`](postrider_core::commit::ledger::Ledger::renumber) does to rows in
/// memory, and writes the folder's own rows.
pub(super) async fn write_rematch(
    db: &Transaction,
    rows: &Before,
    row: &FolderRow,
    (from, to): (UidValidity, UidValidity),
    pairs: &[(u32, u32)],
    at: Micros,
) -> Result<(), Trouble> {
    let (account, folder) = (rows.account.id, row.id);
    db.put(ForgetSights { account, folder, uidvalidity: to }).await?;
    db.put(ForgetPlaces { folder, uidvalidity: to }).await?;
    db.put(Renumber { folder, from, to, pairs: Document::of(&pairs)? }).await?;
    let exists = row.lanes.as_ref().map_or(0, |lanes| lanes.backfill.remaining.len());
    let exists = i64::try_from(exists).unwrap_or(i64::MAX).saturating_add(pairs.len() as i64);
    let (grown_at, surplus) = (row.grown_at, row.surplus);
    db.put(SwitchFolder { folder, uidvalidity: to, exists, grown_at, surplus }).await?;
    write_lanes(db, rows.folder.as_ref(), row).await?;
    // Rows of the ledger and notes of poison name UIDs that are no more; what they were about
    // remains to be read.
    db.put(CloseFailuresOfFolder { folder, at }).await?;
    db.put(DropNotes { folder }).await?;
    close_shut(db, rows, &[&row.remote_id], at).await
}
