//! When a message without a location is deleted: its owner may only be moving it.

use crate::commit::rows::{AccountRow, FolderRow, MessageRow};
use std::time::Duration;

/// What cannot be looked at is waited for at most so long: a LIST that begins later does without it.
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
    let is_held = |name: &Vec<u8>| folders.iter().any(|f| f.remote_id == *name);
    if !late && account.shut.keys().any(|name| !is_held(name)) {
        return false;
    }
    folders.iter().filter(|folder| !(folder.excluded || late && folder.stands)).all(|folder| {
        let looked = folder.passed_at.is_some_and(|at| at > since);
        let is_new = |seen| folder.opened_at >= seen || folder.grown_at.is_some_and(|grown| grown >= seen);
        looked && (folder.backfill.remaining.is_empty() || !message.last_sight.is_none_or(is_new))
    })
}
