//! What keeps the database from doing what it is asked: told by codes and by kind, never by a text.

use crate::store::disagreement::Disagreement;
use crate::store::driver_error::in_words;
use crate::store::sql::{postgres, sqlite};
use postrider_core::failure::Failure;
use sea_orm::{DbErr, RuntimeErr, SqlxError};
use sqlx::postgres::PgDatabaseError;
use std::time::Duration;

/// What keeps the database from doing what it is asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// It did not answer in time.
    #[error("the database did not answer within {} s", .0.as_secs())]
    Late(Duration),
    /// A value that cannot be read, or be written, as what it is: one account's trouble, not that
    /// of others.
    #[error("{0}")]
    Damaged(String),
    /// It refuses the content.
    #[error("{}", in_words(.0))]
    Refused(DbErr),
    /// Another process has written to it since, who has it for good.
    #[error("the database is held by another postrider: {0} has written since")]
    Taken(String),
    /// The data folder cannot be written.
    #[error(transparent)]
    Folder(#[from] Disagreement),
    /// Anything else.
    #[error("{}", in_words(.0))]
    Database(DbErr),
}

impl Trouble {
    /// Something stored is damaged.
    pub(super) fn damaged(what: &str, why: &dyn std::error::Error) -> Self {
        Self::Damaged(format!("{what} is damaged: {why}"))
    }

    /// Whether it lies in what one commit says, or meets: when the database has taken that commit back, the
    /// others go on. A disk that is full, a database that is busy or damaged is everybody's.
    pub(super) fn is_of_one_commit(&self) -> bool {
        match self {
            Self::Damaged(_) | Self::Refused(_) => true,
            Self::Database(e) => fault(e) == Some(Fault::Constraint),
            Self::Late(_) | Self::Taken(_) | Self::Folder(_) => false,
        }
    }

    /// Whether the same, begun again at once, may find the way free.
    pub(super) fn is_in_the_way(&self) -> bool {
        matches!(self, Self::Database(e) if fault(e) == Some(Fault::InTheWay))
    }

    /// Whether the database said it: the connection is as good as before.
    pub(super) fn is_said(&self) -> bool {
        match self {
            Self::Refused(e) | Self::Database(e) => fault(e).is_some(),
            Self::Damaged(_) => true,
            Self::Late(_) | Self::Taken(_) | Self::Folder(_) => false,
        }
    }

    /// Whether the connection was lost in the middle: another one may answer.
    pub(super) fn is_lost(&self) -> bool {
        let Self::Database(
            DbErr::Conn(RuntimeErr::SqlxError(e))
            | DbErr::Exec(RuntimeErr::SqlxError(e))
            | DbErr::Query(RuntimeErr::SqlxError(e)),
        ) = self
        else {
            return false;
        };
        match e.as_ref() {
            // The server ends its sessions: `admin_shutdown`, `crash_shutdown`.
            SqlxError::Database(e) => e.code().is_some_and(|code| code.starts_with("57P0")),
            SqlxError::Io(_) | SqlxError::Protocol(_) => true,
            _ => false,
        }
    }

    /// As the failure of what is asked for one account.
    pub(super) fn of_account(self) -> Failure {
        match self {
            Self::Damaged(text) => Failure::bug(text),
            Self::Database(e) if fault(&e) == Some(Fault::Constraint) => {
                Failure::bug(format!("the database refuses two rows of one name: {e}"))
            }
            why => why.of_write(),
        }
    }

    /// As the failure of a write.
    pub(super) fn of_write(&self) -> Failure {
        Failure::storage(format!("the database could not commit: {self}"))
    }
}

impl From<DbErr> for Trouble {
    fn from(e: DbErr) -> Self {
        match fault(&e) {
            Some(Fault::Content) => Self::Refused(e),
            _ => Self::Database(e),
        }
    }
}

/// What the database finds fault with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// A value.
    Content,
    /// Two rows of one name.
    Constraint,
    /// What another does at the same time.
    InTheWay,
    /// Anything else that it says.
    Other,
}

/// What the database has said, if it was the database: by its code, as each has its own.
fn fault(e: &DbErr) -> Option<Fault> {
    let (DbErr::Conn(RuntimeErr::SqlxError(e))
    | DbErr::Exec(RuntimeErr::SqlxError(e))
    | DbErr::Query(RuntimeErr::SqlxError(e))) = e
    else {
        return None;
    };
    let SqlxError::Database(e) = e.as_ref() else { return None };
    // A number that is taken is no account's: all of them draw from the same.
    if e.constraint().is_some_and(|name| name.ends_with("_pkey")) {
        return Some(Fault::Other);
    }
    let code = e.code().unwrap_or_default();
    let is_postgres = e.try_downcast_ref::<PgDatabaseError>().is_some();
    let of = |postgres: fn(&str) -> bool, sqlite: fn(&str) -> bool| {
        if is_postgres { postgres(&code) } else { sqlite(&code) }
    };
    Some(if of(postgres::codes::is_content, sqlite::codes::is_content) {
        Fault::Content
    } else if of(postgres::codes::is_constraint, sqlite::codes::is_constraint) {
        Fault::Constraint
    } else if is_postgres && postgres::codes::is_in_the_way(&code) {
        Fault::InTheWay
    } else {
        Fault::Other
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sea_orm::ConnectionTrait;

    /// Real refusals of a real database: what is content, and what is not.
    #[tokio::test]
    async fn content_is_told_from_work() {
        let db = sea_orm::Database::connect("sqlite::memory:").await.unwrap();
        for sql in [
            "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER NOT NULL CHECK (n < 10), u TEXT UNIQUE) STRICT",
            "CREATE TRIGGER no BEFORE INSERT ON t WHEN NEW.n = 7 BEGIN SELECT RAISE(ABORT, 'no'); END",
            "INSERT INTO t VALUES (1, 1, 'a')",
        ] {
            db.execute_unprepared(sql).await.unwrap();
        }
        for (sql, is_content) in [
            ("INSERT INTO t VALUES (2, 11, 'b')", true),
            ("INSERT INTO t VALUES (2, NULL, 'b')", true),
            ("INSERT INTO t VALUES (2, 7, 'b')", true),
            ("INSERT INTO t VALUES ('x', 1, 'b')", true),
            ("INSERT INTO t VALUES (2, 2, 'a')", false),
            ("INSERT INTO nowhere VALUES (1)", false),
        ] {
            let trouble = Trouble::from(db.execute_unprepared(sql).await.unwrap_err());
            assert_eq!(matches!(trouble, Trouble::Refused(_)), is_content, "{sql}: {trouble:?}");
            let is_of_one = is_content || sql.contains("'a'");
            assert_eq!(trouble.is_of_one_commit(), is_of_one, "{sql}: {trouble:?}");
        }
    }
}
