//! Lists, for who reads mail: what leads to their rows, in pieces.

use crate::store::sql::query::{Document, Json, queries, rows};
use postrider_core::mail::id::{AccountId, FolderId};
use postrider_core::time::Micros;

rows! {
    /// An account that is read.
    pub(in crate::store) struct ReadAccount {
        pub(in crate::store) id: AccountId,
        /// JSON.
        pub(in crate::store) derive: Option<String>,
        /// Its highest message number.
        pub(in crate::store) newest: Option<i64>,
    }

    pub(in crate::store) struct OfAccount {
        pub(in crate::store) account: AccountId,
    }

    /// What is somebody's.
    pub(in crate::store) struct Owned {
        pub(in crate::store) owner: Option<String>,
    }

    pub(in crate::store) struct FolderOfAccount {
        pub(in crate::store) account: AccountId,
        pub(in crate::store) deleted_at: Option<Micros>,
    }

    pub(in crate::store) struct Number {
        pub(in crate::store) id: i64,
    }

    /// A folder that is read.
    pub(in crate::store) struct NamedFolder {
        pub(in crate::store) id: FolderId,
        pub(in crate::store) path: String,
        pub(in crate::store) delimiter: Option<String>,
        pub(in crate::store) role: Option<String>,
    }

    /// A thread, and numbers under which mails of it still stand.
    pub(in crate::store) struct ThreadNumbers {
        pub(in crate::store) id: i64,
        pub(in crate::store) account: AccountId,
        pub(in crate::store) moves: Option<i64>,
    }

    /// A piece of a list.
    pub(in crate::store) struct Piece {
        pub(in crate::store) list: i64,
        /// Of each row where it stands (rank or date, and number), and its message, thread or contact.
        pub(in crate::store) found: Option<Json<Vec<(i64, i64, i64)>>>,
    }

    /// A thread.
    pub struct ListedThread {
        /// Its number.
        pub id: i64,
        /// Its account's id in the config.
        pub account: String,
        /// Mails in it, those that their server has deleted, too.
        pub messages: u64,
        /// When its first one was received.
        pub first_at: Micros,
    }

    /// Somebody who is named in an account's mail.
    pub struct ListedContact {
        /// Its number.
        pub id: i64,
        /// Its account's id in the config.
        pub account: String,
        /// Its address, as the newest mail writes it.
        pub address: String,
        /// Its name, as the newest mail that has one writes it.
        pub name: Option<String>,
        /// When the first mail that names it was received.
        pub first_at: Micros,
        /// And the last.
        pub last_at: Micros,
        /// Mails from it.
        pub from_count: u64,
        /// Mails to it, or with a copy for it.
        pub to_count: u64,
    }
}

queries! {
    /// A text by which lists are read.
    ListText, list:
    /// The one of this name, or those of this owner, or all.
    ReadAccounts { name: Option<String>, owner: Option<String> } -> ReadAccount;
    FoldersOfAccounts { accounts: Document } -> NamedFolder;
    AccountOfFolder { folder: FolderId } -> FolderOfAccount;
    AccountOfContact { contact: i64 } -> OfAccount;
    OwnerOfAccount { name: String } -> Owned;
    OwnerOfMessage { message: i64 } -> Owned;
    OwnerOfThread { thread: i64 } -> Owned;
    OwnerOfContact { contact: i64 } -> Owned;
    NumbersOfThread { thread: i64 } -> ThreadNumbers;
    /// Of all of these those under which mails of them still stand.
    NumbersThatMove { threads: Document } -> ThreadNumbers;
    ContactsOfAddress { accounts: Document, key: String } -> Number;
    // Of each list, from where it goes on, so many rows.
    NewestOfAccounts { lists: Document, most: i64 } -> Piece;
    NewestOfThreads { lists: Document, most: i64 } -> Piece;
    NewestOfContacts { lists: Document, most: i64 } -> Piece;
    NewestOfFolders { lists: Document, most: i64 } -> Piece;
    UnseenOfFolders { lists: Document, most: i64 } -> Piece;
    ThreadsOfAccounts { lists: Document, most: i64 } -> Piece;
    ContactsOfAccounts { lists: Document, most: i64 } -> Piece;
    ListedThreads { threads: Document } -> ListedThread;
    ListedContacts { contacts: Document } -> ListedContact;
}
