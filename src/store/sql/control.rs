//! What operators and the config change.

use crate::store::sql::commit::Found;
use crate::store::sql::query::{Document, queries, rows};
use postrider_core::mail::id::AccountId;
use postrider_core::standing::Standing;
use postrider_core::time::Micros;

rows! {
    pub(in crate::store) struct Stood {
        pub(in crate::store) id: AccountId,
        pub(in crate::store) state: Standing,
    }

    pub(in crate::store) struct LastOf {
        pub(in crate::store) last: Option<i64>,
    }

    pub(in crate::store) struct PurgedBody {
        pub(in crate::store) body: i64,
    }
}

queries! {
    /// A text by which operators and the config change something.
    ControlText, control:
    StoodByName { name: String } -> Stood;
    OwnAccount { account: String, owner: Option<String> };
    StandByHand {
        account: AccountId,
        state: Standing,
        reason: String,
        since: Micros,
        parked_for: Option<String>,
    };
    SaveHistory { account: AccountId, history: String, parked_for: Option<String>, waits: Option<String> };
    RemoveAccount { account: AccountId, at: Micros, removed: Standing };
    AccountExists { name: String } -> Found;
    RenameAccount { account: AccountId, name: String };
    FenceOff { account: AccountId, removed: Standing };
    // Of a purge: what the next messages of the account, so many, are about.
    PurgeLocations { account: AccountId, most: i64 };
    PurgedBodies { account: AccountId, most: i64 } -> PurgedBody;
    PurgeMessages { account: AccountId, most: i64 };
    PurgeBodies { bodies: Document };
    PurgeFolderLocations { account: AccountId };
    PurgeCursors { account: AccountId };
    PurgeFolders { account: AccountId };
    PurgeFailures { account: AccountId };
    PurgeNotes { account: AccountId };
    PurgeRuns { account: AccountId };
    PurgeRunHours { account: AccountId };
    /// Where the next events end, so many, whoever's they are.
    EventsAfter { after: i64, most: i64 } -> LastOf;
    PurgeEventData { account: AccountId, after: i64, last: i64 };
    DeleteEvents { upto: i64 };
    /// The lowest number of an event that is kept.
    KeepEvents { first: i64 };
    PurgeAccount { account: AccountId };
    PurgeCredential { name: String };
    PurgeSubscriptions { name: String };
    PurgeSpent { name: String };
    RenameSpent { was: String, name: String };
}
