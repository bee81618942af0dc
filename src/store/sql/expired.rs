//! What is kept no longer.

use crate::store::sql::integrity::OneMessage;
use crate::store::sql::query::{Document, queries, rows};
use postrider_core::mail::id::AccountId;
use postrider_core::standing::Standing;
use postrider_core::time::Micros;

rows! {
    /// Whether an account keeps what its server deletes, and since when it does not.
    pub(in crate::store) struct RetainedAccount {
        pub(in crate::store) account: AccountId,
        pub(in crate::store) keeps: bool,
        pub(in crate::store) unkept_at: Option<Micros>,
    }

    /// How much is kept no longer.
    pub struct ExpiredCounts {
        /// Messages that their servers have deleted.
        pub messages: u64,
        /// Octets of these.
        pub octets: u64,
        /// Places that have ended, of other mail.
        pub places: u64,
        /// Runs.
        pub runs: u64,
        /// Failures.
        pub failures: u64,
        /// Bodies that no message has.
        pub bodies: u64,
    }

    pub(in crate::store) struct ExpiredMail {
        pub(in crate::store) id: i64,
        pub(in crate::store) body: i64,
    }
}

queries! {
    /// A text about what is kept no longer.
    ExpiredText, expired:
    /// How much of each is over before then; none: nothing.
    CountExpired {
        deleted: Option<Micros>,
        runs: Option<Micros>,
        failures: Option<Micros>,
        bodies: Micros,
        removed: Standing,
    } -> ExpiredCounts;
    /// The account behind this one.
    NextAccount { after: i64, removed: Standing } -> RetainedAccount;
    /// Mail that was deleted at a time to come counts from now on.
    DeletedAhead { account: AccountId, ahead: Micros, now: Micros, most: i64 };
    ExpiredMails { account: AccountId, before: Micros, most: i64 } -> ExpiredMail;
    DropMails { messages: Document };
    DropPlacesOfMails { messages: Document };
    /// Places that have ended; not those of mail that is looked for.
    DropExpiredPlaces { account: AccountId, before: Micros, most: i64 };
    DropExpiredRuns { account: AccountId, before: Micros, most: i64 };
    DropExpiredHours { account: AccountId, before: i64 };
    DropExpiredFailures { before: Micros, most: i64 };
    /// Of these bodies, those that no message has.
    Unname { bodies: Document, at: Micros };
    /// Bodies that had none then.
    UnnamedSince { before: Micros, most: i64 } -> OneMessage;
    /// Bodies that a message has again.
    NamedAgain { bodies: Document };
}
