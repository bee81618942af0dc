//! Handing out an account, and bringing back what a clock has written that was ahead.

use crate::store::sql::commit::AccountAndFolder;
use crate::store::sql::query::{Document, queries, rows};
use postrider_core::mail::folder::WireName;
use postrider_core::mail::id::{AccountId, FolderId, UidValidity};
use postrider_core::standing::Standing;
use postrider_core::time::Micros;

rows! {
    pub(in crate::store) struct FoundColumns {
        pub(in crate::store) rows: AccountAndFolder,
        pub(in crate::store) id: AccountId,
        pub(in crate::store) provider: String,
        pub(in crate::store) username: String,
        pub(in crate::store) state: Standing,
        pub(in crate::store) reason: String,
        pub(in crate::store) limbo: bool,
        pub(in crate::store) failed: bool,
        pub(in crate::store) noted: bool,
        /// What was on its way when processes ended, JSON.
        pub(in crate::store) asked: Option<String>,
        pub(in crate::store) feeds: bool,
        /// Its own addresses.
        pub(in crate::store) addresses: Option<String>,
        /// Handing it out would change nothing but its incarnation.
        pub(in crate::store) known: bool,
    }

    pub(in crate::store) struct RetryColumns {
        pub(in crate::store) folder: FolderId,
        pub(in crate::store) uid: u32,
        pub(in crate::store) is_due: Option<bool>,
        pub(in crate::store) is_lone: bool,
        pub(in crate::store) burst: bool,
        /// Of class bug.
        pub(in crate::store) is_fatal: bool,
    }

    pub(in crate::store) struct NoteColumns {
        pub(in crate::store) about: String,
        pub(in crate::store) folder: FolderId,
        pub(in crate::store) remote_id: WireName,
        pub(in crate::store) uidvalidity: UidValidity,
        pub(in crate::store) uid: u32,
        pub(in crate::store) count: u32,
        pub(in crate::store) text: String,
    }

    pub(in crate::store) struct Newest {
        pub(in crate::store) newest: Option<Micros>,
    }

    pub(in crate::store) struct Dated {
        pub(in crate::store) internal_date: Micros,
    }
}

queries! {
    /// A text about handing out an account.
    OpeningText, opening:
    AccountFound {
        name: String,
        host: String,
        keep: bool,
        owner: Option<String>,
        removed: Standing,
        addresses: Document,
    } -> FoundColumns;
    HandOutAccount {
        name: String,
        provider: &'static str,
        host: String,
        username: String,
        at: Micros,
        keep: bool,
        starting: Standing,
        removed: Standing,
        owner: Option<String>,
        addresses: Document,
    };
    FailuresToRetry { account: AccountId, at: Micros, version: &'static str } -> RetryColumns;
    Notes { account: AccountId } -> NoteColumns;
    // What a clock has written that was ahead.
    AccountWas {
        account: AccountId,
        stamped_at: Option<Micros>,
        listed_at: Option<Micros>,
        opened_at: Option<Micros>,
        list_look: Option<Document>,
        now: Micros,
        last_attempt: Micros,
    };
    FolderWas {
        folder: FolderId,
        opened_at: Micros,
        passed_at: Option<Micros>,
        proved_at: Option<Micros>,
        grown_at: Option<Micros>,
        look: Option<Document>,
        misfit: Option<Document>,
        refused: Option<Document>,
    };
    NewestDate { account: AccountId, now: Micros } -> Newest;
    DatesAhead { account: AccountId, now: Micros } -> Dated;
    MessagesWere { account: AccountId, now: Micros, latest: Micros, slope: i64, kept: i64 };
    NotesWere { account: AccountId, now: Micros, latest: Micros, slope: i64, kept: i64 };
    FailuresWere {
        account: AccountId,
        now: Micros,
        latest: Micros,
        slope: i64,
        kept: i64,
        last_try: Micros,
    };
    OwedWere {
        account: AccountId,
        now: Micros,
        latest: Micros,
        slope: i64,
        kept: i64,
        last_try: Micros,
        last_due: Micros,
    };
}
