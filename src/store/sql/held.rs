//! Mail that is held already.

use crate::store::sql::packs::CountOfBodies;
use crate::store::sql::query::{Document, queries, rows};
use postrider_core::mail::body::BodyHash;
use postrider_core::mail::folder::WireName;
use postrider_core::mail::id::FolderId;
use postrider_core::time::Micros;

rows! {
    pub(in crate::store) struct HeldColumns {
        pub(in crate::store) identity: Option<String>,
        pub(in crate::store) hash: BodyHash,
        pub(in crate::store) pack: i64,
        pub(in crate::store) offset: i64,
        pub(in crate::store) length: i64,
        pub(in crate::store) size: i64,
    }

    pub(in crate::store) struct LostColumns {
        pub(in crate::store) held: HeldColumns,
        pub(in crate::store) message_id: Option<String>,
        pub(in crate::store) internal_date: Option<Micros>,
        pub(in crate::store) last_sight: Option<Micros>,
        pub(in crate::store) last_folder: Option<FolderId>,
    }

    pub(in crate::store) struct TwinColumns {
        pub(in crate::store) identity: Option<String>,
        pub(in crate::store) hash: Option<BodyHash>,
    }

    pub(in crate::store) struct FolderFound {
        pub(in crate::store) passed_at: Option<Micros>,
        pub(in crate::store) opened_at: Option<Micros>,
        pub(in crate::store) uidnext: u32,
        pub(in crate::store) sizes_estimated: bool,
        pub(in crate::store) folder: FolderId,
    }
}

queries! {
    /// A text about mail that is held already.
    HeldText, held:
    HeldBodies { account: String, names: Document } -> HeldColumns;
    /// What is in limbo and larger than that.
    LostMail { account: String, most: i64, larger_than: i64 } -> LostColumns;
    Twins { account: String, names: Document, hashes: Document } -> TwinColumns;
    /// How many of these have a row.
    BodiesThere { hashes: Document } -> CountOfBodies;
    FoundIn { account: String, remote_id: WireName } -> FolderFound;
}
