//! What is derived, and of which messages it still has to be.

use crate::store::sql::query::{Document, queries, rows};
use postrider_core::mail::body::BodyHash;
use postrider_core::mail::id::{AccountId, MessageId};
use postrider_core::time::Micros;

rows! {
    pub(in crate::store) struct DerivedAccount {
        pub(in crate::store) id: AccountId,
        pub(in crate::store) derive: Option<String>,
        pub(in crate::store) newest: Option<i64>,
        pub(in crate::store) moves: bool,
    }

    /// A message of which something is owed.
    pub struct OwedMail {
        /// The message.
        pub message: MessageId,
        /// When its server received it, or it is said to have been written, or it was stored.
        pub received_at: Micros,
        /// When it was stored.
        pub stored_at: Micros,
        /// Its bytes.
        pub hash: BodyHash,
        /// Where they lie.
        pub pack: i64,
        /// Where in it.
        pub offset: u64,
        /// How many.
        pub length: u64,
        /// How many they take there, where they are compressed.
        pub stored: Option<u64>,
        /// They are what its provider tells of it.
        pub synthetic: bool,
    }

    pub(in crate::store) struct DeriveColumn {
        pub(in crate::store) derive: Option<String>,
        /// Its server tells threads.
        pub(in crate::store) tells_threads: bool,
        /// Its own addresses.
        pub(in crate::store) addresses: Option<String>,
    }

    pub(in crate::store) struct MessageThere {
        pub(in crate::store) id: MessageId,
        /// What its server calls its thread.
        pub(in crate::store) thread: Option<String>,
        /// It was derived before.
        pub(in crate::store) was_derived: bool,
    }

    pub(in crate::store) struct OwedCount {
        pub(in crate::store) count: i64,
    }
}

queries! {
    /// A text about what is derived.
    DeriveText, derive:
    DeriveState { account: AccountId } -> DeriveColumn;
    /// Those of these messages that the account still has.
    MessagesThere { account: AccountId, messages: Document } -> MessageThere;
    SaveDerive { account: AccountId, derive: Document };
    /// What its server calls the threads of messages.
    TellThreads { rows: Document };
    PutDerived { account: AccountId, rows: Document };
    DropAttachments { messages: Document };
    PutAttachments { account: AccountId, rows: Document };
    // Of a purge: what the next messages of the account, so many, are about.
    PurgeDerived { account: AccountId, most: i64 };
    PurgeAttachments { account: AccountId, most: i64 };
    /// All accounts, or one.
    DerivedAccounts { account: Option<AccountId> } -> DerivedAccount;
    /// Messages of a range, by their numbers.
    OwedMails { account: AccountId, low: i64, high: i64, most: i64 } -> OwedMail;
    /// How many messages of an account are in these ranges.
    OwedMessages { account: AccountId, ranges: Document } -> OwedCount;
}
