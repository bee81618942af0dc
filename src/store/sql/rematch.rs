//! Folders whose UIDs begin anew.

use crate::store::sql::query::{Document, queries, rows};
use postrider_core::mail::id::{AccountId, FolderId, MessageId, UidValidity};
use postrider_core::time::Micros;

rows! {
    pub(in crate::store) struct KeyColumns {
        pub(in crate::store) uid: u32,
        pub(in crate::store) message: MessageId,
        pub(in crate::store) message_id: Option<String>,
        pub(in crate::store) internal_date: Option<Micros>,
        pub(in crate::store) size: i64,
    }
}

queries! {
    /// A text about a folder whose UIDs begin anew.
    RematchText, rematch:
    HeldKeys { folder: FolderId, after: u32, most: i64 } -> KeyColumns;
    ForgetSights { account: AccountId, folder: FolderId, uidvalidity: UidValidity };
    ForgetPlaces { folder: FolderId, uidvalidity: UidValidity };
    Renumber { folder: FolderId, from: UidValidity, to: UidValidity, pairs: Document };
    SwitchFolder {
        folder: FolderId,
        uidvalidity: UidValidity,
        exists: i64,
        grown_at: Option<Micros>,
        surplus: i64,
    };
}
