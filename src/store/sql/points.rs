//! Parts of a transaction.

use crate::store::sql::query::{Dialect, Named};
use crate::store::sql::sqlite;

/// A text that begins a part of a transaction, keeps it, or takes back what was written since it
/// began. None is given anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum PointText {
    BeginCommit,
    KeepCommit,
    BackCommit,
    BeginRows,
    KeepRows,
    BackRows,
}

impl PointText {
    /// All of them.
    #[cfg(test)]
    pub(in crate::store) const ALL: [Self; 6] = [
        Self::BeginCommit,
        Self::KeepCommit,
        Self::BackCommit,
        Self::BeginRows,
        Self::KeepRows,
        Self::BackRows,
    ];
}

impl Named for PointText {
    fn words(self, dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::Sqlite => sqlite::points::words(self),
        }
    }
}
