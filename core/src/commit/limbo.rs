//! When a message without a location is deleted: its owner may only be moving it.

use crate::commit::rows::{AccountRow, FolderRow, MessageRow};

/// Whether everything that could still show the message has been looked at since it lost its last location.
///
/// All must have begun since: a complete LIST and a pass of every folder. A folder opened after the message was last seen
/// may hold it in what it has not read yet.
#[must_use]
pub fn is_over<'a>(
    message: &MessageRow,
    account: &AccountRow,
    folders: impl IntoIterator<Item = &'a FolderRow>,
) -> bool {
    let Some(since) = message.limbo_since else { return false };
    if message.deleted_at.is_some() || account.listed_at.is_none_or(|at| at <= since) {
        return false;
    }
    folders.into_iter().filter(|folder| !folder.excluded).all(|folder| {
        let looked = folder.passed_at.is_some_and(|at| at > since);
        let opened_since = message.last_sight.is_none_or(|seen| folder.opened_at > seen);
        looked && (folder.backfill.remaining.is_empty() || !opened_since)
    })
}
