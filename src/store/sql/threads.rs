//! Which mails are one thread.

use crate::store::sql::query::{Document, queries, rows};
use postrider_core::mail::id::{AccountId, MessageId};

/// Numbers that were, under which mails may be left: the first so many.
macro_rules! moving {
    ($account:literal, $most:literal) => {
        concat!(
            "SELECT id, thread FROM thread_alias WHERE account = ",
            $account,
            " AND moves ORDER BY id LIMIT ",
            $most
        )
    };
}
pub(in crate::store::sql) use moving;

rows! {
    pub(in crate::store) struct ThreadColumns {
        pub(in crate::store) id: i64,
        pub(in crate::store) messages: u64,
        pub(in crate::store) rank: i64,
        pub(in crate::store) first_at: i64,
    }

    pub(in crate::store) struct ThreadOfKey {
        pub(in crate::store) key: Vec<u8>,
        pub(in crate::store) thread: ThreadColumns,
    }

    pub(in crate::store) struct ThreadOfMail {
        pub(in crate::store) message: MessageId,
        pub(in crate::store) thread: ThreadColumns,
    }
}

queries! {
    /// A text about threads.
    ThreadText, threads:
    ThreadsOfKeys { account: AccountId, keys: Document } -> ThreadOfKey;
    ThreadsOfMails { mails: Document } -> ThreadOfMail;
    PutThreads { account: AccountId, rows: Document };
    PutThreadKeys { account: AccountId, rows: Document };
    // Of threads that become part of others: each number with the other's.
    DropThreads { merged: Document };
    LeadOn { merged: Document };
    PutAliases { account: AccountId, rows: Document };
    MoveMails { merged: Document };
    /// Of mails under numbers that were, so many: of the first so many numbers. One that leads to another such number is
    /// damaged, and is for a look to mend.
    MoveSome { account: AccountId, most: i64 };
    /// None is left under these.
    AllMoved { account: AccountId, most: i64 };
    Moves { account: AccountId } -> crate::store::sql::commit::Found;
    // Of a purge: what the next messages of the account, so many, are about.
    PurgeThreads { account: AccountId, most: i64 };
    PurgeAliases { account: AccountId, most: i64 };
    PurgeThreadKeys { account: AccountId, most: i64 };
}
