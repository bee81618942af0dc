//! Who has had what done.

use crate::store::sql::query::{queries, rows};

rows! {
    /// A request that was to change something.
    pub struct StoredAudit {
        /// When, in microseconds; no two are of the same one.
        pub id: i64,
        /// Whose token.
        pub who: Option<String>,
        /// What that allows.
        pub role: Option<String>,
        /// Method and route.
        pub verb: String,
        /// Of what.
        pub what: Option<String>,
        /// The address that it came from.
        pub source: Option<String>,
        /// What was answered.
        pub status: Option<i64>,
        /// What came of it.
        pub detail: Option<String>,
    }
}

queries! {
    /// A text about who has had what done.
    AuditText, audit:
    /// Those of an owner, of somebody, about something; older than a number, the newest first.
    StoredAudits {
        owner: Option<String>,
        who: Option<String>,
        what: Option<String>,
        before: i64,
        most: u32,
    } -> StoredAudit;
    PutAudit {
        id: i64,
        who: Option<String>,
        role: Option<String>,
        owner: Option<String>,
        verb: String,
        what: Option<String>,
        source: Option<String>,
        status: Option<i64>,
        detail: Option<String>,
    };
    ForgetAudits { before: i64 };
}
