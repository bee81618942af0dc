//! What providers were asked to push.

use crate::store::sql::query::{Document, queries, rows};
use postrider_core::time::Micros;

rows! {
    pub(in crate::store) struct StoredSubscription {
        pub(in crate::store) source: String,
        pub(in crate::store) account: String,
        pub(in crate::store) remote_id: String,
        pub(in crate::store) renewed_at: Option<Micros>,
        pub(in crate::store) expires_at: Option<Micros>,
        pub(in crate::store) proof_at: Option<Micros>,
        pub(in crate::store) state: String,
        pub(in crate::store) reason: String,
        pub(in crate::store) secret: Option<String>,
    }
}

queries! {
    /// A text about what providers were asked to push.
    SubscriptionText, subscriptions:
    StoredSubscriptions {} -> StoredSubscription;
    PutSubscriptions { rows: Document };
    DropSubscription { source: String, account: String };
}
