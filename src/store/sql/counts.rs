//! What an account and its folders hold.

use crate::store::sql::query::{Document, queries, rows};
use postrider_core::mail::id::{AccountId, FolderId};

rows! {
    /// A count that is kept and is not that of the rows.
    pub struct Miscount {
        /// The folder; `None` for the account.
        pub folder: Option<FolderId>,
        /// Octets are counted, and not messages.
        pub octets: bool,
        /// What is kept.
        pub kept: i64,
        /// What is there.
        pub counted: i64,
    }
}

queries! {
    /// A text about what an account and its folders hold.
    CountText, counts:
    CountMessages { account: AccountId, messages: i64, octets: i64 };
    CountLocations { rows: Document };
    UncountPurged { account: AccountId, most: i64 };
    UncountLocations { account: AccountId, most: i64 };
    Miscounts { account: AccountId } -> Miscount;
    /// Folders, each with what was proved of it.
    PutProofs { folders: Document };
}
