//! What is renewed, and what was spent of daily limits.

use crate::store::sql::query::{Document, queries, rows};
use postrider_core::time::Micros;

rows! {
    pub(in crate::store) struct CredentialColumns {
        pub(in crate::store) account: String,
        pub(in crate::store) issuer: String,
        pub(in crate::store) username: String,
        pub(in crate::store) version: i64,
        pub(in crate::store) sealed: Vec<u8>,
        pub(in crate::store) key_print: String,
        pub(in crate::store) scopes: String,
        pub(in crate::store) granted_at: Micros,
        pub(in crate::store) renewed_at: Micros,
        pub(in crate::store) expires_at: Micros,
        pub(in crate::store) error: Option<String>,
        pub(in crate::store) failed_at: Option<Micros>,
    }

    pub(in crate::store) struct SpentInHour {
        pub(in crate::store) hour: i64,
        pub(in crate::store) units: i64,
    }
}

queries! {
    /// A text about credentials, and about what was spent.
    CredentialText, credential:
    /// The next generation, where that of `from` is stored; the first one, where that is 0 and none is.
    NextCredential {
        account: String,
        from: i64,
        version: i64,
        issuer: String,
        username: String,
        sealed: Vec<u8>,
        key_print: String,
        scopes: String,
        granted_at: Micros,
        renewed_at: Micros,
        expires_at: Micros,
    };
    NotRenewed { account: String, version: i64, error: String, at: Micros };
    Reseal { account: String, from: i64, version: i64, sealed: Vec<u8>, key_print: String };
    RenameCredential { was: String, name: String };
    /// One account's, or all.
    Credentials { account: Option<String> } -> CredentialColumns;
    PutSpent { endpoint: String, rows: Document };
    /// Hours before the first, and those of these accounts behind the last.
    ForgetSpent { endpoint: String, first: i64, last: i64, rows: Document };
    Spent { endpoint: String, account: String } -> SpentInHour;
}
