//! The ledger of what could not be done: how it is shown, and worked.

use crate::store::sql::query::{queries, rows};
use postrider_core::mail::id::{AccountId, FolderId, Identity};
use postrider_core::time::Micros;

rows! {
    /// A row of the ledger.
    pub struct StoredFailure {
        /// Row number.
        pub id: i64,
        /// Its account.
        pub account: String,
        /// The folder's path.
        pub folder: Option<String>,
        /// The UID.
        pub uid: Option<i64>,
        /// How far.
        pub reach: String,
        /// What kind.
        pub class: String,
        /// How often.
        pub attempts: i64,
        /// When it is tried again.
        pub next_try_at: Option<Micros>,
        /// The raw words.
        pub text: String,
        /// The first time.
        pub first_at: Micros,
        /// The last time.
        pub last_at: Micros,
        /// The message's identity, where it has no UID.
        pub message: Option<String>,
        /// Why a human leaves it out.
        pub note: Option<String>,
        /// The beginning of what came of it is kept.
        pub came: bool,
    }

    pub(in crate::store) struct ClassCount {
        pub(in crate::store) class: String,
        pub(in crate::store) count: i64,
    }

    pub(in crate::store) struct LeftOutId {
        pub(in crate::store) identity: Identity,
    }

    pub(in crate::store) struct CameColumn {
        pub(in crate::store) came: Option<Vec<u8>>,
    }

    /// A mail that a human leaves out.
    pub struct LeftOut {
        /// Its UID.
        pub uid: u32,
        /// Why.
        pub note: String,
    }

    /// An account with rows that are tried again.
    pub struct FailingAccount {
        /// Its id in the config.
        pub name: String,
        /// How many rows.
        pub rows: u64,
    }
}

queries! {
    /// A text about the ledger of what could not be done.
    FailureText, failures:
    /// Open rows, those that are left out too.
    StoredFailures {
        account: Option<String>,
        owner: Option<String>,
        class: Option<String>,
        reach: Option<String>,
        after: i64,
        most: u32,
        run: Option<i64>,
    } -> StoredFailure;
    LedgerByClass {} -> ClassCount;
    CameOf { id: i64 } -> CameColumn;
    LeftOutOf { folder: FolderId } -> LeftOut;
    LeftOutOfFeed { account: AccountId } -> LeftOutId;
    FailingAccounts { account: Option<String>, owner: Option<String>, class: Option<String> } -> FailingAccount;
    // What is left out is tried again where it is named.
    RetryFailure { id: i64, at: Micros };
    RetryOwed { id: i64, at: Micros };
    RetryFailures { account: Option<String>, owner: Option<String>, class: Option<String>, at: Micros };
    RetryAllOwed { account: Option<String>, owner: Option<String>, class: Option<String>, at: Micros };
    LeaveOutFailure { id: i64, note: String };
    LeaveOutOwed { id: i64, note: String };
    /// The beginning of what came of a message.
    FailureCame { folder: FolderId, uid: u32, came: Vec<u8> };
    OwedCame { account: AccountId, identity: Identity, came: Vec<u8> };
}
