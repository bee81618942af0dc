//! The rows that commits compare with and change, as the core sees them.

use crate::mail::body::BodyHash;
use crate::mail::change::Role;
use crate::mail::cursor::{Backfill, Live};
use crate::mail::flags::Flags;
use crate::mail::id::{AccountId, FolderId, Identity, Incarnation, MessageId, SessionId, UidValidity};
use crate::mail::uid_set::UidSet;
use crate::time::Micros;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The account row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// Row number.
    pub id: AccountId,
    /// Raised whenever the cursors are handed out.
    pub incarnation: Incarnation,
    /// Start of the LIST under which the first folder was opened.
    pub opened_at: Option<Micros>,
    /// Start of the last LIST that was complete and lacked nothing.
    pub listed_at: Option<Micros>,
    /// Folders that one LIST lacked and a second must lack too.
    pub list_look: Option<ListLook>,
}

/// The first look at a LIST that lacks folders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListLook {
    /// The folders that were missing.
    pub missing: BTreeSet<FolderId>,
    /// The session that saw it.
    pub session: SessionId,
    /// When that LIST began.
    pub at: Micros,
}

/// The first look at a folder that lost a lot, or at a listing that does not fit EXISTS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderLook {
    /// The UIDVALIDITY it was seen under.
    pub uidvalidity: UidValidity,
    /// The locations that would end.
    pub ends: UidSet,
    /// Number and digest of a listing that did not fit EXISTS.
    pub misfit: Option<(u64, u64)>,
    /// The session that saw it.
    pub session: SessionId,
    /// When that pass began.
    pub at: Micros,
}

/// A folder with both lanes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderRow {
    /// Row number.
    pub id: FolderId,
    /// Wire name.
    pub remote_id: Vec<u8>,
    /// Name for people.
    pub path: String,
    /// Role.
    pub role: Option<Role>,
    /// The live lane.
    pub live: Live,
    /// The backfill lane.
    pub backfill: Backfill,
    /// Start of the LIST under which it was opened.
    pub opened_at: Micros,
    /// Start of the last complete pass.
    pub passed_at: Option<Micros>,
    /// Start of the last pass that proved the folder whole.
    pub proved_at: Option<Micros>,
    /// Why it is not proved although its pass was complete.
    pub unproved: Option<String>,
    /// A first look that waits for its second.
    pub look: Option<FolderLook>,
    /// UIDs with an open failure.
    pub failures: UidSet,
    /// The config leaves it out: its rows stay, it is not looked at, and nobody waits for it.
    pub excluded: bool,
}

/// A message, as far as commits decide on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRow {
    /// Row number.
    pub id: MessageId,
    /// Identity in the account.
    pub identity: Identity,
    /// Its bytes.
    pub body: BodyHash,
    /// Since when it has no location.
    pub limbo_since: Option<Micros>,
    /// The folder it was seen in last.
    pub last_folder: Option<FolderId>,
    /// When it was last seen there.
    pub last_sight: Option<Micros>,
    /// When it was declared deleted.
    pub deleted_at: Option<Micros>,
}

/// A message's place in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocationRow {
    /// The folder.
    pub folder: FolderId,
    /// The folder's UIDVALIDITY.
    pub uidvalidity: UidValidity,
    /// The UID.
    pub uid: u32,
    /// The message.
    pub message: MessageId,
    /// Flags and keywords.
    pub flags: Flags,
    /// Modification sequence.
    pub modseq: Option<i64>,
    /// INTERNALDATE.
    pub internal_date: Option<Micros>,
    /// When we first stored it.
    pub began_at: Micros,
    /// When it ended.
    pub ended_at: Option<Micros>,
}
