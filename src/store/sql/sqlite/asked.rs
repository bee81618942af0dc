//! SQLite's words for what was on its way when processes ended.

use crate::store::sql::asked::AskedText;

pub(in crate::store::sql) const fn words(text: AskedText) -> &'static str {
    match text {
        AskedText::AskedOf => "SELECT asked FROM account WHERE id = ?1",
        AskedText::SaveAsked => "UPDATE account SET asked = ?2 WHERE id = ?1",
        AskedText::FoldersOf => {
            "SELECT id, remote_id, uidvalidity FROM folder WHERE account = ?1 AND deleted_at IS NULL"
        }
        AskedText::OurFailures => {
            "SELECT folder, uid FROM failure WHERE account = ?1 AND closed_at IS NULL AND uid IS NOT NULL AND class \
             = ?2 ORDER BY uid"
        }
        AskedText::OwedFailsAgain => {
            "UPDATE owed SET attempts = attempts + 1, failed_at = ?6, due_at = CASE WHEN attempts < 2 THEN ?4 ELSE ?5 END WHERE account = \
             ?1 AND identity = ?2 AND class = ?3"
        }
    }
}
