//! SQLite's words for parts of a transaction. Where SQLite has taken back all of it by itself (a full disk), the
//! first of them would begin another: nobody goes on behind what says so.

use crate::store::sql::points::PointText;

pub(in crate::store::sql) const fn words(text: PointText) -> &'static str {
    match text {
        PointText::BeginCommit => "SAVEPOINT part_commit",
        PointText::KeepCommit => "RELEASE part_commit",
        PointText::BackCommit => "ROLLBACK TO part_commit",
        PointText::BeginRows => "SAVEPOINT part_rows",
        PointText::KeepRows => "RELEASE part_rows",
        PointText::BackRows => "ROLLBACK TO part_rows",
    }
}
