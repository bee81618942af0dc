//! What runs, manifests and verification read.

use crate::store::sql::query::{Document, queries, rows};
use postrider_core::mail::body::BodyHash;
use postrider_core::mail::id::{AccountId, FolderId, MessageId};
use postrider_core::standing::Standing;
use postrider_core::time::Micros;

rows! {
    /// An account as it is shown.
    pub struct AccountInfo {
        /// Row number.
        pub id: AccountId,
        /// Its id in the config.
        pub name: String,
        /// How it stands.
        pub standing: Standing,
    }

    /// A folder of a manifest. Its number is its name: paths are for people, and several may be alike.
    pub struct ManifestFolder {
        /// Row number.
        pub id: FolderId,
        /// Path.
        pub path: String,
        /// Delimiter.
        pub delimiter: Option<String>,
    }

    pub(in crate::store) struct ManifestColumns {
        pub(in crate::store) uidvalidity: u32,
        /// Where changes are told by message id, the message's number.
        pub(in crate::store) uid: u64,
        pub(in crate::store) flags: String,
        pub(in crate::store) keywords: String,
        pub(in crate::store) size: i64,
        pub(in crate::store) announced: Option<i64>,
        pub(in crate::store) synthetic: bool,
        pub(in crate::store) hash: Option<BodyHash>,
        pub(in crate::store) pack: Option<i64>,
        pub(in crate::store) offset: Option<u64>,
        pub(in crate::store) length: Option<u64>,
        pub(in crate::store) stored: Option<u64>,
    }

    pub(in crate::store) struct SizesEstimates {
        pub(in crate::store) sizes_estimated: bool,
    }

    /// What lives in a piece of a folder and has the same flags.
    pub(in crate::store) struct LivingAlike {
        pub(in crate::store) flags: String,
        pub(in crate::store) keywords: String,
        pub(in crate::store) count: i64,
        pub(in crate::store) last: i64,
        /// Joined by commas.
        pub(in crate::store) uids: String,
    }

    pub(in crate::store) struct SampleColumns {
        pub(in crate::store) uid: u32,
        pub(in crate::store) size: i64,
        pub(in crate::store) internal_date: Option<Micros>,
        /// Of which its server has told no thread.
        pub(in crate::store) threadless: Option<MessageId>,
    }

    pub(in crate::store) struct Counted {
        pub(in crate::store) count: i64,
    }
}

queries! {
    /// A text by which runs, manifests and verification read.
    ReadText, reading:
    /// By name.
    Accounts {} -> AccountInfo;
    ManifestFolders { account: AccountId } -> ManifestFolder;
    /// Deleted ones, too.
    AllManifestFolders { account: AccountId } -> ManifestFolder;
    /// Behind this UIDVALIDITY and UID.
    Manifest { folder: FolderId, uidvalidity: u32, uid: u64, most: i64 } -> ManifestColumns;
    DeletedManifest { folder: FolderId, uidvalidity: u32, uid: u64, most: i64 } -> ManifestColumns;
    EstimatesSizes { account: AccountId } -> SizesEstimates;
    /// Behind this UID; the last row, which counts none, is of the UIDs that are in the ledger.
    Living { folder: FolderId, after: i64, most: i64 } -> LivingAlike;
    LivingAmong { folder: FolderId, after: i64, most: i64, ranges: Document } -> LivingAlike;
    SampleOfPart { folder: FolderId, first: u32, last: u32 } -> SampleColumns;
    /// So many, spread over the folder.
    Sample { folder: FolderId, most: i64 } -> SampleColumns;
    LimboCount { account: AccountId } -> Counted;
}
