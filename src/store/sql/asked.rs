//! What was on its way when processes ended.

use crate::store::sql::query::{Document, queries, rows};
use postrider_core::failure::Class;
use postrider_core::mail::folder::WireName;
use postrider_core::mail::id::{AccountId, FolderId, UidValidity};
use postrider_core::time::Micros;

rows! {
    pub(in crate::store) struct AskedColumn {
        pub(in crate::store) asked: Option<String>,
    }

    pub(in crate::store) struct FolderOf {
        pub(in crate::store) id: FolderId,
        pub(in crate::store) remote_id: WireName,
        pub(in crate::store) uidvalidity: UidValidity,
    }

    pub(in crate::store) struct FailedMail {
        pub(in crate::store) folder: FolderId,
        pub(in crate::store) uid: u32,
    }
}

queries! {
    /// A text about what was on its way when processes ended.
    AskedText, asked:
    AskedOf { account: AccountId } -> AskedColumn;
    SaveAsked { account: AccountId, asked: Option<Document> };
    FoldersOf { account: AccountId } -> FolderOf;
    OurFailures { account: AccountId, class: Class } -> FailedMail;
    OwedFailsAgain { account: AccountId, identity: String, class: Class, soon: Micros, late: Micros, at: Micros };
}
