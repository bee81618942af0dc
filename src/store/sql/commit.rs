//! What every commit compares with, and the messages that it touches.

use crate::store::sql::query::{Document, Joined, Json, queries, rows};
use postrider_core::commit::rows::{FolderLook, ListLook, Misfit, RefusedLook};
use postrider_core::mail::body::BodyHash;
use postrider_core::mail::folder::WireName;
use postrider_core::mail::id::{AccountId, FolderId, Incarnation, MessageId, UidValidity};
use postrider_core::mail::recognise::IdentityKind;
use postrider_core::time::Micros;

rows! {
    /// An account, and a folder of it.
    pub(in crate::store) struct AccountAndFolder {
        pub(in crate::store) account: AccountColumns,
        pub(in crate::store) folder: Joined<FolderColumns>,
    }

    /// The same, and whether any message of the account is in limbo.
    pub(in crate::store) struct Guarded {
        pub(in crate::store) rows: AccountAndFolder,
        pub(in crate::store) has_limbo: bool,
    }

    /// The same, of the `n`-th that was asked.
    pub(in crate::store) struct GuardedMany {
        pub(in crate::store) n: i64,
        pub(in crate::store) rows: AccountAndFolder,
        pub(in crate::store) has_limbo: bool,
    }

    pub(in crate::store) struct AccountColumns {
        pub(in crate::store) incarnation: Incarnation,
        pub(in crate::store) account_opened_at: Option<Micros>,
        pub(in crate::store) listed_at: Option<Micros>,
        pub(in crate::store) list_look: Option<Json<ListLook>>,
        pub(in crate::store) sizes_estimated: bool,
        /// Folders that cannot be opened: wire name in hex, first time, attempts, next time.
        pub(in crate::store) shut: Option<Json<Vec<(String, i64, u32, Option<i64>)>>>,
        pub(in crate::store) keep: bool,
        pub(in crate::store) stamped_at: Option<Micros>,
        pub(in crate::store) identity_kind: IdentityKind,
    }

    pub(in crate::store) struct FolderColumns {
        pub(in crate::store) folder: FolderId,
        pub(in crate::store) remote_id: WireName,
        pub(in crate::store) path: String,
        pub(in crate::store) role: Option<String>,
        pub(in crate::store) opened_at: Micros,
        pub(in crate::store) passed_at: Option<Micros>,
        pub(in crate::store) proved_at: Option<Micros>,
        pub(in crate::store) unproved: Option<String>,
        pub(in crate::store) look: Option<Json<FolderLook>>,
        pub(in crate::store) excluded: bool,
        pub(in crate::store) live: Option<String>,
        pub(in crate::store) backfill: Option<String>,
        /// UIDs that are in the ledger, joined by commas.
        pub(in crate::store) failures: Option<String>,
        pub(in crate::store) misfit: Option<Json<Misfit>>,
        pub(in crate::store) surplus: i64,
        pub(in crate::store) grown_at: Option<Micros>,
        pub(in crate::store) held: bool,
        pub(in crate::store) stalled_at: Option<Micros>,
        pub(in crate::store) refused: Option<Json<RefusedLook>>,
    }

    /// A message as the core sees it.
    pub(in crate::store) struct MessageColumns {
        pub(in crate::store) id: MessageId,
        pub(in crate::store) identity: Option<String>,
        pub(in crate::store) hash: Option<BodyHash>,
        pub(in crate::store) limbo_since: Option<Micros>,
        pub(in crate::store) last_folder: Option<FolderId>,
        pub(in crate::store) last_sight: Option<Micros>,
        pub(in crate::store) deleted_at: Option<Micros>,
        pub(in crate::store) places: i64,
        pub(in crate::store) version: Option<String>,
        pub(in crate::store) size: i64,
    }

    pub(in crate::store) struct LocationColumns {
        pub(in crate::store) folder: FolderId,
        pub(in crate::store) uidvalidity: UidValidity,
        pub(in crate::store) uid: u64,
        pub(in crate::store) message: MessageId,
        pub(in crate::store) flags: String,
        pub(in crate::store) keywords: String,
        pub(in crate::store) modseq: Option<i64>,
        pub(in crate::store) internal_date: Option<Micros>,
        pub(in crate::store) began_at: Micros,
        pub(in crate::store) ended_at: Option<Micros>,
    }

    /// That there is one.
    pub(in crate::store) struct Found {
        pub(in crate::store) found: i64,
    }

    pub(in crate::store) struct NextNumber {
        pub(in crate::store) name: String,
        pub(in crate::store) next: i64,
    }
}

queries! {
    /// A text that commits compare by.
    CommitText, commit:
    /// The account, and the folder of this number, or else of this name.
    Guard { account: AccountId, folder: Option<FolderId>, remote_id: Option<WireName> } -> Guarded;
    /// The same of many: account, number, and name in hex of each.
    GuardsOfMany { wanted: Document } -> GuardedMany;
    AllFolders { account: AccountId } -> AccountAndFolder;
    Counters {} -> NextNumber;
    SaveCounters { message: i64, event: i64, folder: i64 };
    /// Another folder of this name.
    NameIsTaken { account: AccountId, remote_id: WireName, folder: FolderId } -> Found;
    Stamped { account: AccountId, at: Option<Micros> };
    /// Messages of these names, of these bytes, or at these UIDs.
    MessagesTouched {
        account: AccountId,
        folder: FolderId,
        uidvalidity: UidValidity,
        uids: Document,
        names: Document,
        hashes: Document,
    } -> MessageColumns;
    /// Locations at these UIDs, and so many living ones of these messages, and each one's last.
    LocationsNeeded {
        messages: Document,
        folder: FolderId,
        uidvalidity: UidValidity,
        uids: Document,
        most: i64,
    } -> LocationColumns;
    /// Of each message one that began elsewhere since then.
    LocationElsewhere { messages: Document, folder: FolderId, since: Micros } -> LocationColumns;
    MessagesLeft { folder: FolderId } -> MessageColumns;
    LocationsLeft { folder: FolderId } -> LocationColumns;
    LimboMayBeOver { account: AccountId } -> Found;
    LimboAfter { account: AccountId, after: MessageId, most: i64 } -> MessageColumns;
    UpdateMessages { rows: Document };
}
