//! A folder whose UIDs begin anew: its locations get their new numbers in place, by one statement
//! whatever their number, and its row and lanes follow.

use super::own::{Before, close_shut, write_lanes};
use super::words::{text, write};
use crate::store::failure::Trouble;
use crate::store::sql::{RematchText, Text};
use crate::store::transaction::Transaction;
use postrider_core::commit::rows::FolderRow;
use postrider_core::mail::id::UidValidity;

/// Does what [`Ledger::renumber`](postrider_core::commit::ledger::Ledger::renumber) does to rows in
/// memory, and writes the folder's own rows.
pub(super) async fn write_rematch(
    db: &Transaction,
    rows: &Before,
    row: &FolderRow,
    (from, to): (UidValidity, UidValidity),
    pairs: &[(u32, u32)],
    at: i64,
) -> Result<(), Trouble> {
    let (account, folder) = (rows.account.id.0, row.id.0);
    let (from, to) = (i64::from(from.0), i64::from(to.0));
    let places = || vec![folder.into(), to.into()];
    write(db, RematchText::ForgetSights, vec![account.into(), folder.into(), to.into()]).await?;
    write(db, RematchText::ForgetPlaces, places()).await?;
    let renumber = vec![folder.into(), from.into(), to.into(), text(&pairs)?];
    write(db, RematchText::Renumber, renumber).await?;
    let exists = row.lanes.as_ref().map_or(0, |lanes| lanes.backfill.remaining.len());
    let exists = i64::try_from(exists).unwrap_or(i64::MAX).saturating_add(pairs.len() as i64);
    let mut values = places();
    values.extend([exists.into(), row.grown_at.map(|at| at.0).into(), row.surplus.into()]);
    write(db, RematchText::SwitchFolder, values).await?;
    write_lanes(db, rows.folder.as_ref(), row).await?;
    // Rows of the ledger and notes of poison name UIDs that are no more; what they were about
    // remains to be read.
    write(db, Text::CloseFailuresOfFolder, vec![folder.into(), at.into()]).await?;
    write(db, Text::DropNotes, vec![folder.into()]).await?;
    close_shut(db, rows, &[&row.remote_id], at).await
}
