//! When a message without a location is deleted: its owner may only be moving it.

use crate::commit::rows::{AccountRow, FolderRow, MessageRow, Shut};
use std::time::Duration;

/// What cannot be looked at is waited for at least so long: who was away in the meantime asks it once more first.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// Whether everything that could still show the message has been looked at since it lost its last location.
///
/// All must have begun since: a complete LIST and a pass of every folder. A folder opened after the message was last seen
/// may hold it in what it has not read yet, and so may one into whose history something was put back. Folders that cannot be
/// looked at (shut, or standing still) are waited for while they may still open.
#[must_use]
pub fn is_over(message: &MessageRow, account: &AccountRow, folders: &[FolderRow]) -> bool {
    let (Some(since), Some(listed)) = (message.limbo_since, account.listed_at) else { return false };
    if message.deleted_at.is_some() || listed <= since {
        return false;
    }
    let late = listed >= since.plus(PATIENCE);
    // One that is due is asked in this very run, and may open.
    let is_given_up = |shut: &Shut| late && shut.due_at > listed;
    let is_held = |name: &Vec<u8>| folders.iter().any(|f| f.remote_id == *name);
    if account.shut.iter().any(|(name, shut)| !is_given_up(shut) && !is_held(name)) {
        return false;
    }
    let is_away = |folder: &FolderRow| match account.shut.get(&folder.remote_id) {
        Some(shut) => is_given_up(shut),
        None => folder.stands.is_some_and(|refused| late && refused >= since.plus(PATIENCE)),
    };
    folders.iter().filter(|folder| !folder.excluded && !is_away(folder)).all(|folder| {
        let looked = folder.passed_at.is_some_and(|at| at > since);
        let is_new = |seen| folder.opened_at >= seen || folder.grown_at.is_some_and(|grown| grown >= seen);
        looked && (folder.backfill.remaining.is_empty() || !message.last_sight.is_none_or(is_new))
    })
}
