//! Who takes what is handed on, and the tries.

use crate::store::sql::query::{Document, queries, rows};
use postrider_core::time::Micros;

rows! {
    pub(in crate::store) struct StoredSubscriber {
        pub(in crate::store) id: String,
        pub(in crate::store) cursor: i64,
        pub(in crate::store) sending: Option<i64>,
        pub(in crate::store) state: String,
        pub(in crate::store) reason: String,
        pub(in crate::store) since: Micros,
        pub(in crate::store) failing_since: Option<Micros>,
        pub(in crate::store) attempts: u32,
        pub(in crate::store) next_at: Option<Micros>,
        pub(in crate::store) lost_first: Option<i64>,
        pub(in crate::store) lost_last: Option<i64>,
    }

    pub(in crate::store) struct LastDelivery {
        pub(in crate::store) subscriber: String,
        pub(in crate::store) number: i64,
    }

    /// A try.
    pub struct StoredDelivery {
        /// Its number, among those of its subscriber.
        pub number: i64,
        /// The first number of what was given; none of a test.
        pub first: Option<i64>,
        /// The last.
        pub last: Option<i64>,
        /// The how manieth of the same.
        pub attempt: u32,
        /// When it began.
        pub at: Micros,
        /// What was answered.
        pub status: Option<i64>,
        /// How long it took.
        pub millis: u64,
        /// The beginning of the answer, or why there is none.
        pub text: String,
    }
}

queries! {
    /// A text about who takes what is handed on.
    DeliverText, deliver:
    StoredSubscribers {} -> StoredSubscriber;
    /// The number of each one's last try.
    LastDeliveries {} -> LastDelivery;
    /// Those of a subscriber before a number, the newest first.
    StoredDeliveries { subscriber: String, before: i64, most: u32 } -> StoredDelivery;
    PutSubscribers { rows: Document };
    PutDeliveries { rows: Document };
    /// Up to a number of each.
    ForgetDeliveries { rows: Document };
}
