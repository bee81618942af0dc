//! What a driver's error says, for people.

use sea_orm::{DbErr, RuntimeErr, SqlxError};

/// What a database or its driver says, without the names that the driver's layers give it, and without the line
/// of PostgreSQL's own source.
pub(super) fn in_words(e: &DbErr) -> String {
    let (DbErr::Conn(RuntimeErr::SqlxError(e))
    | DbErr::Exec(RuntimeErr::SqlxError(e))
    | DbErr::Query(RuntimeErr::SqlxError(e))) = e
    else {
        return match e {
            DbErr::Custom(text) => text.clone(),
            e => e.to_string(),
        };
    };
    match e.as_ref() {
        SqlxError::Database(e) => e.message().to_owned(),
        SqlxError::Configuration(e) | SqlxError::Tls(e) => e.to_string(),
        SqlxError::Io(e) => e.to_string(),
        e => e.to_string(),
    }
}
