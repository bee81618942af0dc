//! What providers have pushed.

use crate::store::sql::query::{Document, queries, rows};
use postrider_core::mail::id::AccountId;
use postrider_core::time::Micros;

rows! {
    pub(in crate::store) struct CameFirst {
        pub(in crate::store) event: String,
    }
}

queries! {
    /// A text about what providers have pushed.
    InboundText, inbound:
    NoteInbound { source: String, events: Document, at: Micros } -> CameFirst;
    LetIn { account: AccountId };
    ForgetInbound { before: Micros, most: i64 };
}
