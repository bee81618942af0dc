//! The rows of feeds.

use crate::store::sql::commit::{LocationColumns, MessageColumns};
use crate::store::sql::query::{Document, queries, rows};
use crate::store::sql::reading::Counted;
use postrider_core::mail::folder::WireName;
use postrider_core::mail::id::{AccountId, FolderId, Identity};
use postrider_core::time::Micros;

rows! {
    pub(in crate::store) struct FeedColumn {
        pub(in crate::store) feed: Option<String>,
    }

    pub(in crate::store) struct FeedColumns {
        pub(in crate::store) place: FolderId,
        pub(in crate::store) state: String,
    }

    /// A folder whose messages have no UIDs.
    pub(in crate::store) struct PlaceColumns {
        pub(in crate::store) id: FolderId,
        pub(in crate::store) remote_id: WireName,
        pub(in crate::store) path: String,
        pub(in crate::store) role: Option<String>,
        pub(in crate::store) opened_at: Micros,
        pub(in crate::store) passed_at: Option<Micros>,
        pub(in crate::store) proved_at: Option<Micros>,
        pub(in crate::store) grown_at: Option<Micros>,
        pub(in crate::store) excluded: bool,
    }

    /// Rows as one document: a thousand of them cost what three rows of their own do.
    pub(in crate::store) struct Packed {
        pub(in crate::store) packed: String,
    }

    pub(in crate::store) struct StandingColumns {
        pub(in crate::store) feed: Option<String>,
        pub(in crate::store) feeds: String,
        pub(in crate::store) listed_at: Option<Micros>,
        pub(in crate::store) proved_at: Option<Micros>,
        pub(in crate::store) due: u64,
        pub(in crate::store) settling: u64,
        pub(in crate::store) missing: u64,
        pub(in crate::store) failed: u64,
        pub(in crate::store) left_out: u64,
        pub(in crate::store) away: u64,
    }

    pub(in crate::store) struct WaitColumns {
        pub(in crate::store) next: Option<Micros>,
        pub(in crate::store) failed: u64,
        pub(in crate::store) missing: u64,
        pub(in crate::store) settling: u64,
    }

    pub(in crate::store) struct AwayColumn {
        pub(in crate::store) identity: Identity,
    }

    pub(in crate::store) struct TallyColumns {
        pub(in crate::store) held: u64,
        pub(in crate::store) unheld: u64,
        pub(in crate::store) away: u64,
        pub(in crate::store) owed: u64,
        pub(in crate::store) left_out: u64,
    }
}

queries! {
    /// A text about the rows of feeds.
    FeedText, feeds:
    FeedAccount { account: AccountId } -> FeedColumn;
    Feeds { account: AccountId } -> FeedColumns;
    /// The feed of the whole account that is called so.
    FeedNamed { account: String } -> FeedColumns;
    Places { account: AccountId } -> PlaceColumns;
    MessagesNamed { account: AccountId, names: Document } -> MessageColumns;
    MessagesThere { place: FolderId, most: i64 } -> MessageColumns;
    LocationsOf { messages: Document } -> LocationColumns;
    OwedOf { account: AccountId, names: Document } -> Packed;
    HeldCount { account: AccountId } -> Counted;
    StandingOfFeed { account: AccountId, at: Micros } -> StandingColumns;
    PutFeedAccount { account: AccountId, state: String };
    PutFeeds { account: AccountId, feeds: Document };
    DropFeed { account: AccountId, place: FolderId };
    RenewUnknown { account: AccountId, at: Micros };
    RenewAway { account: AccountId, at: Micros };
    PutOwed { account: AccountId, rows: Document };
    PayOwed { account: AccountId, names: Document };
    PurgeFeeds { account: AccountId };
    PurgeOwed { account: AccountId, most: i64 };
    QuietPlaces { account: AccountId, looked_at: Option<Micros>, proved_at: Option<Micros> };
    QuietFeed {
        account: AccountId,
        compared_at: Option<Micros>,
        placed_at: Option<Micros>,
        counted_at: Option<Micros>,
        misfit: Option<i64>,
    };
    /// What is due by then; with what has failed, where it insists.
    DueOwed { account: AccountId, at: Micros, insists: bool, most: i64 } -> Packed;
    NextOwed { account: AccountId, at: Micros } -> WaitColumns;
    DueCount { account: AccountId } -> Counted;
    KnownIds { account: AccountId, names: Document } -> Packed;
    KnownWhole { account: AccountId, names: Document } -> Packed;
    /// Behind this name.
    HeldMail { account: AccountId, after: String, most: i64 } -> Packed;
    AwayMail { account: AccountId, after: String, most: i64 } -> AwayColumn;
    TallyOfFeed { account: AccountId } -> TallyColumns;
}
