//! The texts that are put to the database, by name, each with what it is given and what it answers:
//! no caller knows a dialect, and numbers of parameters are the same in all.

pub(super) mod change;
pub(super) mod commit;
pub(super) mod control;
pub(super) mod counts;
pub(super) mod credential;
pub(super) mod feeds;
pub(super) mod held;
pub(super) mod inserts;
pub(super) mod opening;
pub(super) mod points;
pub(super) mod query;
pub(super) mod quiet;
pub(super) mod reading;
pub(super) mod rematch;
pub(super) mod setting;
pub(super) mod shown;
mod sqlite;

use query::Query;
use sea_orm::{ConnectionTrait, Statement};

/// A text, by name.
pub(super) trait Named: Copy + Send {
    /// Its words.
    fn words(self) -> &'static str;
}

/// The statement of this name, in the words of this database. One is spoken; another's words would
/// be chosen here.
pub(super) fn statement<Q: Query>(db: &impl ConnectionTrait, query: Q) -> Statement {
    let words = Q::TEXT.words();
    Statement::from_sql_and_values(db.get_database_backend(), words, query.values())
}

/// A text that inserts a row, for so many rows.
pub(super) fn repeated(text: impl Named, count: usize) -> String {
    const BEFORE: &str = "VALUES ";
    let words = text.words();
    let row = words.find(BEFORE).map_or(words.len(), |at| at + BEFORE.len());
    let (head, row) = words.split_at(row);
    let (row, tail) = row.split_at(row.find(')').map_or(0, |at| at + 1));
    let row = format!("({})", vec!["?"; row.matches('?').count()].join(", "));
    let rows = vec![row.as_str(); count].join(", ");
    [head, &rows, tail].concat()
}

#[cfg(test)]
mod tests;
