//! Who is named in mail.

use crate::store::sql::query::{Document, queries, rows};
use postrider_core::mail::id::{AccountId, MessageId};

rows! {
    pub(in crate::store) struct ContactColumns {
        pub(in crate::store) id: i64,
        pub(in crate::store) key: String,
        pub(in crate::store) address: String,
        pub(in crate::store) rank: i64,
        pub(in crate::store) name: Option<String>,
        pub(in crate::store) name_rank: i64,
        pub(in crate::store) first_at: i64,
        pub(in crate::store) from_count: i64,
        pub(in crate::store) to_count: i64,
        /// The rank of the newest mail, by its rows.
        pub(in crate::store) newest: i64,
    }

    pub(in crate::store) struct ContactOfMail {
        pub(in crate::store) message: MessageId,
        pub(in crate::store) role: String,
        pub(in crate::store) position: u64,
        pub(in crate::store) rank: i64,
        pub(in crate::store) key: String,
        pub(in crate::store) address: Option<String>,
        pub(in crate::store) name: Option<String>,
    }

    pub(in crate::store) struct NextColumn {
        pub(in crate::store) next: i64,
    }
}

queries! {
    /// A text about who is named.
    ContactText, contacts:
    ContactsOfKeys { account: AccountId, keys: Document } -> ContactColumns;
    ContactsOfMails { mails: Document } -> ContactOfMail;
    /// The number of the next one that is new.
    NextContact {} -> NextColumn;
    SaveNextContact { next: i64 };
    PutContacts { account: AccountId, rows: Document };
    DropNamed { mails: Document };
    PutNamed { rows: Document };
    /// These, by what mails say of them.
    RecountContacts { contacts: Document };
    /// Those of these whom no mail names.
    DropUnnamed { contacts: Document };
    // Of a purge: what the next messages of the account, so many, are about.
    PurgeNamed { account: AccountId, most: i64 };
    /// So many.
    PurgeContacts { account: AccountId, most: i64 };
}
