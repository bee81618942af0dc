//! Parts of a transaction.

use crate::store::sql::query::{Dialect, Named};

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
    /// The same in every dialect. Where SQLite has taken back all of a transaction by itself (a full disk), the
    /// first of them would begin another: nobody goes on behind what says so.
    fn words(self, _: Dialect) -> &'static str {
        match self {
            Self::BeginCommit => "SAVEPOINT part_commit",
            Self::KeepCommit => "RELEASE part_commit",
            Self::BackCommit => "ROLLBACK TO part_commit",
            Self::BeginRows => "SAVEPOINT part_rows",
            Self::KeepRows => "RELEASE part_rows",
            Self::BackRows => "ROLLBACK TO part_rows",
        }
    }
}
