//! Carries an admitted commit out on the ledger: the one place that says which verb a change means.

use crate::commit::change::{AccountChange, Change, FolderChange};
use crate::commit::lane::Admitted;
use crate::commit::ledger::Ledger;
use crate::commit::rows::{AccountRow, FolderRow};
use crate::failure::Class;
use crate::mail::message::Fetched;
use crate::mail::page::{Again, Unfetched};
use crate::mail::uid_set::UidSet;
use crate::standing::EventKind;
use crate::time::Micros;

/// Whether a commit of this kind can end limbo: history does where nothing of it is left.
#[must_use]
pub fn may_end_limbo(change: &Change, admitted: &Admitted) -> bool {
    match change {
        Change::Folder(FolderChange::Pass { .. }) => true,
        Change::Folder(FolderChange::Backfill { .. }) => {
            admitted.folder.as_ref().is_none_or(|f| f.is_read())
        }
        Change::Folder(FolderChange::DropFolder { last, .. }) => *last,
        Change::Folder(
            FolderChange::Open { .. }
            | FolderChange::Reopen { .. }
            | FolderChange::Arrivals { .. }
            | FolderChange::Retry { .. }
            | FolderChange::Facts { .. }
            | FolderChange::Look { .. }
            | FolderChange::Misfit { .. }
            | FolderChange::Rematch { .. }
            | FolderChange::Rename { .. },
        ) => false,
        // What refuses again is waited for no longer.
        Change::Account(AccountChange::Listed { .. } | AccountChange::Shut { .. }) => true,
        Change::Account(AccountChange::Fail { folder, .. }) => folder.is_some(),
        Change::Account(
            AccountChange::ListLook(_)
            | AccountChange::Note(_)
            | AccountChange::Asked(_)
            | AccountChange::Refused { .. }
            | AccountChange::SizesEstimated
            | AccountChange::Threads(_)
            | AccountChange::Stand { .. }
            | AccountChange::Finish(_),
        )
        | Change::Feed(_) => false,
    }
}

/// Begins the locations of messages that were read: a page, or a part of one where the store takes
/// it in parts. Returns the UIDs whose message is not what they were taken for any more: their
/// bytes are to be read.
pub fn begin(
    rows: &[Fetched],
    folder: &FolderRow,
    account: &AccountRow,
    at: Micros,
    ledger: &mut Ledger,
) -> UidSet {
    let mut mistaken = UidSet::new();
    for fetched in rows {
        if fetched.held && !ledger.may_be(&fetched.identity) {
            mistaken.insert(fetched.uid);
        } else {
            ledger.begin(folder, account, fetched, at);
        }
    }
    mistaken
}

/// What a UID that was mistaken for a message of ours leaves: it is read by the next session.
#[must_use]
pub fn mistaken(uid: u32) -> Unfetched {
    let text = "it was taken for a message that has been found elsewhere since".into();
    Unfetched { uid, class: Class::InvalidData, text, again: Again::Elsewhere, came: None }
}

/// Does to messages and locations what the change means. `before` is the folder's row before the
/// commit (absences are judged by its last pass). Returns what [`begin`] does.
pub fn apply(
    change: &FolderChange,
    before: Option<&FolderRow>,
    admitted: &Admitted,
    at: Micros,
    ledger: &mut Ledger,
) -> UidSet {
    let account = &admitted.account;
    match change {
        FolderChange::Open { .. } => {
            if admitted.first_opening {
                ledger.announce(EventKind::AccountStarted, None);
            }
            ledger.announce(EventKind::FolderCreated, admitted.folder.as_ref());
        }
        FolderChange::Arrivals { page, .. }
        | FolderChange::Backfill { page, .. }
        | FolderChange::Retry { page, .. } => {
            let Some(folder) = before else { return UidSet::new() };
            return begin(&page.rows, folder, account, at, ledger);
        }
        FolderChange::Facts { flags, gone, .. } => {
            let Some(folder) = before else { return UidSet::new() };
            for (uid, flags) in flags {
                ledger.set_flags(folder, u64::from(*uid), flags.clone(), None);
            }
            for uid in gone.iter() {
                ledger.end(folder, u64::from(uid), at);
            }
        }
        FolderChange::DropFolder { uids, last, .. } => {
            let Some(folder) = before else { return UidSet::new() };
            for uid in uids.iter() {
                ledger.end(folder, u64::from(uid), at);
            }
            if *last {
                let left: Vec<u64> = ledger
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
        FolderChange::Rematch { to, pairs, .. } => {
            let Some(folder) = before else { return UidSet::new() };
            ledger.renumber(folder, *to, pairs);
            ledger.announce(EventKind::FolderReset, Some(folder));
        }
        FolderChange::Rename { .. } => {
            ledger.announce(EventKind::FolderRenamed, admitted.folder.as_ref())
        }
        FolderChange::Look { .. }
        | FolderChange::Misfit { .. }
        | FolderChange::Reopen { .. }
        | FolderChange::Pass { .. } => {}
    }
    UidSet::new()
}
