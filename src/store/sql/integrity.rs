//! Rows without their counterpart.

use crate::store::sql::query::{queries, rows};
use postrider_core::mail::id::{AccountId, FolderId};

rows! {
    /// A place in which no message lies.
    pub struct NoMessage {
        /// Its folder.
        pub folder: FolderId,
        /// Its UID; a message's number where there are none.
        pub uid: i64,
        /// The number that is not there.
        pub message: i64,
        /// It is said to be there now.
        pub is_living: bool,
    }

    /// A number that rows name, and that is none.
    pub struct NoRow {
        /// The number.
        pub id: i64,
        /// So many rows name it.
        pub count: i64,
    }

    /// A message, by number.
    pub(in crate::store) struct OneMessage {
        /// The number.
        pub id: i64,
    }

    /// A message whose places are counted otherwise.
    pub struct OtherPlaces {
        /// The number.
        pub id: i64,
        /// As it is kept.
        pub kept: i64,
        /// As it is.
        pub counted: i64,
    }

    /// A folder without a cursor.
    pub struct NoCursor {
        /// The folder.
        pub folder: FolderId,
        /// Which.
        pub lane: String,
    }

    /// Rows of an account that is none.
    pub struct NoAccount {
        /// The table.
        pub kind: String,
        /// The number.
        pub id: i64,
        /// So many rows name it.
        pub count: i64,
    }

    /// A counter that numbers again what has a number.
    pub struct OldCounter {
        /// Its name.
        pub name: String,
        /// What it gives next.
        pub next: i64,
        /// The highest number that was given.
        pub highest: i64,
    }

    pub(in crate::store) struct EventNumber {
        pub(in crate::store) seq: i64,
    }

    /// Numbers that were leapt over: those between.
    pub(in crate::store) struct Leapt {
        pub(in crate::store) after: i64,
        pub(in crate::store) next: i64,
    }

    /// Numbers of events: the lowest that is kept, and the next one.
    pub(in crate::store) struct EventEnds {
        pub(in crate::store) first: i64,
        pub(in crate::store) next: i64,
    }
}

queries! {
    /// A text that looks for rows without their counterpart.
    IntegrityText, integrity:
    NoMessages { account: AccountId, most: i64 } -> NoMessage;
    /// Folders that messages, failures and events of an account name.
    NoFolders { account: AccountId, most: i64 } -> NoRow;
    NoBodies { account: AccountId, most: i64 } -> OneMessage;
    AllOtherPlaces { account: AccountId, most: i64 } -> OtherPlaces;
    NoCursors { account: AccountId, most: i64 } -> NoCursor;
    /// An account whose changes are told by message id, and whose cursor is missing.
    NoFeeds { account: AccountId } -> OneMessage;
    NoAccounts { most: i64 } -> NoAccount;
    /// Folders that cursors and places name.
    NoFoldersAtAll { most: i64 } -> NoRow;
    OldCounters {} -> OldCounter;
    EventsBehind { seq: i64, most: i64 } -> EventNumber;
    AllLeapt {} -> Leapt;
    EndsOfEvents {} -> EventEnds;
}
