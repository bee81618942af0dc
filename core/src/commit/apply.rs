//! Carries an admitted commit out on the ledger: the one place that says which verb a change means.

use crate::commit::change::Change;
use crate::commit::lane::Admitted;
use crate::commit::ledger::Ledger;
use crate::commit::rows::{AccountRow, FolderRow};
use crate::mail::message::Fetched;
use crate::standing::EventKind;
use crate::time::Micros;

/// Whether a commit of this kind can end limbo: history does where nothing of it is left.
#[must_use]
pub fn may_end_limbo(change: &Change, admitted: &Admitted) -> bool {
    match change {
        Change::Pass { .. } | Change::Listed { .. } => true,
        // What refuses again is waited for no longer.
        Change::Shut { .. } => true,
        Change::Fail { folder, .. } => folder.is_some(),
        Change::Backfill { .. } => admitted.folder.as_ref().is_none_or(|f| f.backfill.remaining.is_empty()),
        Change::DropFolder { last, .. } => *last,
        Change::Open { .. }
        | Change::Reopen { .. }
        | Change::Arrivals { .. }
        | Change::Retry { .. }
        | Change::Facts { .. }
        | Change::Look { .. }
        | Change::Misfit { .. }
        | Change::Rename { .. }
        | Change::ListLook(_)
        | Change::Note(_)
        | Change::SizesEstimated
        | Change::Stand { .. }
        | Change::Finish(_) => false,
    }
}

/// Begins the locations of messages that were read: a page, or a part of one where the store takes it in parts.
pub fn begin(rows: &[Fetched], folder: &FolderRow, account: &AccountRow, at: Micros, ledger: &mut Ledger) {
    for fetched in rows {
        ledger.begin(folder, account, fetched, at);
    }
}

/// Does to messages and locations what the change means. `before` is the folder's row before the commit (absences are
/// judged by its last pass).
pub fn apply(change: &Change, before: Option<&FolderRow>, admitted: &Admitted, at: Micros, ledger: &mut Ledger) {
    let account = &admitted.account;
    match change {
        Change::Open { .. } => {
            if admitted.first_opening {
                ledger.announce(EventKind::AccountStarted, None);
            }
            ledger.announce(EventKind::FolderCreated, admitted.folder.as_ref());
        }
        Change::Arrivals { page, .. } | Change::Backfill { page, .. } | Change::Retry { page, .. } => {
            let Some(folder) = before else { return };
            begin(&page.rows, folder, account, at, ledger);
        }
        Change::Facts { flags, gone, .. } => {
            let Some(folder) = before else { return };
            for (uid, flags) in flags {
                ledger.set_flags(folder, *uid, flags.clone(), None);
            }
            for uid in gone.iter() {
                ledger.end(folder, uid, at);
            }
        }
        Change::DropFolder { uids, last, .. } => {
            let Some(folder) = before else { return };
            for uid in uids.iter() {
                ledger.end(folder, uid, at);
            }
            if *last {
                let left: Vec<u32> = ledger
                    .locations()
                    .filter(|l| l.folder == folder.id && l.ended_at.is_none())
                    .map(|l| l.uid)
                    .collect();
                for uid in left {
                    ledger.end(folder, uid, at);
                }
                ledger.announce(EventKind::FolderDeleted, Some(folder));
            }
        }
        Change::Rename { .. } => ledger.announce(EventKind::FolderRenamed, admitted.folder.as_ref()),
        Change::Look { .. }
        | Change::Misfit { .. }
        | Change::Reopen { .. }
        | Change::Shut { .. }
        | Change::Note(_)
        | Change::SizesEstimated
        | Change::Pass { .. }
        | Change::ListLook(_)
        | Change::Listed { .. }
        | Change::Fail { .. }
        | Change::Stand { .. }
        | Change::Finish(_) => {}
    }
}
