//! SQLite's words for everything of a change that is not a message.

use crate::store::sql::change::ChangeText;

pub(in crate::store::sql) const fn words(text: ChangeText) -> &'static str {
    match text {
        ChangeText::AccountOpened => {
            "UPDATE account SET opened_at = ?2, identity_kind = ?3 WHERE id = ?1"
        }
        ChangeText::ReopenFolder => {
            "UPDATE folder SET uidvalidity = ?2, exists_count = ?3, opened_at = ?4, grown_at = ?4, passed_at = NULL, \
             proved_at = NULL, unproved = NULL, look = NULL, misfit = NULL, surplus = 0 WHERE id = ?1"
        }
        ChangeText::FolderGrew => "UPDATE folder SET grown_at = ?2 WHERE id = ?1",
        ChangeText::DropNotes => "DELETE FROM note WHERE folder = ?1",
        ChangeText::DropFolder => {
            "UPDATE folder SET deleted_at = ?2, look = NULL, misfit = NULL WHERE id = ?1"
        }
        ChangeText::CloseFailuresOfFolder => {
            "UPDATE failure SET closed_at = ?2 WHERE folder = ?1 AND closed_at IS NULL"
        }
        ChangeText::RenameFolder => {
            "UPDATE folder SET remote_id = ?2, path = ?3, delimiter = ?4, role = ?5, look = NULL, misfit = NULL, \
             refused = NULL WHERE id = ?1"
        }
        ChangeText::FolderLook => "UPDATE folder SET look = ?2 WHERE id = ?1",
        ChangeText::FolderMisfit => "UPDATE folder SET misfit = ?2 WHERE id = ?1",
        ChangeText::FolderRefused => "UPDATE folder SET refused = ?2 WHERE id = ?1",
        ChangeText::FolderPassed => {
            "UPDATE folder SET passed_at = ?2, proved_at = ?3, unproved = ?4, exists_count = ?5, look = NULL, misfit \
             = NULL, surplus = ?6, grown_at = ?7 WHERE id = ?1"
        }
        ChangeText::SettleFolder => {
            "UPDATE failure SET closed_at = ?2 WHERE folder = ?1 AND closed_at IS NULL AND uid IS NULL"
        }
        ChangeText::AccountListed => {
            "UPDATE account SET listed_at = ?2, list_look = NULL WHERE id = ?1"
        }
        ChangeText::SettleAccount => {
            "UPDATE failure SET closed_at = ?2 WHERE account = ?1 AND closed_at IS NULL AND folder IS NULL AND \
             remote_id IS NULL"
        }
        ChangeText::ExcludeFolders => {
            "UPDATE folder SET excluded = (id IN (SELECT value FROM json_each(?2))) WHERE account = ?1 AND deleted_at IS NULL AND \
             excluded <> (id IN (SELECT value FROM json_each(?2)))"
        }
        ChangeText::PutShut => {
            "INSERT INTO failure (account, folder, remote_id, path, reach, class, attempts, next_try_at, version, \
             text, first_at, last_at) VALUES (?1, ?2, ?3, ?4, 'folder', ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT \
             (account, remote_id) WHERE closed_at IS NULL AND remote_id IS NOT NULL DO UPDATE SET folder = \
             excluded.folder, class = excluded.class, attempts = excluded.attempts, next_try_at = \
             excluded.next_try_at, version = excluded.version, text = excluded.text, last_at = excluded.last_at"
        }
        ChangeText::SizesEstimated => "UPDATE account SET sizes_estimated = TRUE WHERE id = ?1",
        ChangeText::Stand => {
            "UPDATE account SET state = ?2, reason = ?3, since = ?4, next_attempt_at = ?5 WHERE id = ?1 AND (state <> \
             ?2 OR reason <> ?3)"
        }
        ChangeText::CloseShut => {
            "UPDATE failure SET closed_at = ?3 WHERE account = ?1 AND closed_at IS NULL AND remote_id IS NOT NULL AND \
             hex(remote_id) IN (SELECT value FROM json_each(?2))"
        }
        ChangeText::ForgetNote => {
            "DELETE FROM note WHERE account = ?1 AND about = ?2 AND folder = ?3 AND remote_id = ?4 AND uidvalidity = \
             ?5 AND uid = ?6"
        }
        ChangeText::PutNote => {
            "INSERT INTO note (account, about, folder, remote_id, uidvalidity, uid, count, text, at) VALUES (?1, ?2, \
             ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (account, about, folder, remote_id, uidvalidity, uid) DO UPDATE \
             SET count = excluded.count, text = excluded.text, at = excluded.at"
        }
        ChangeText::ListLook => "UPDATE account SET list_look = ?2 WHERE id = ?1",
        ChangeText::InsertFolder => {
            "INSERT INTO folder (id, account, remote_id, path, delimiter, role, uidvalidity, exists_count, opened_at, \
             excluded) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, FALSE)"
        }
        ChangeText::PutLanes => {
            "INSERT INTO cursor (folder, lane, state) SELECT ?1, value->>0, value->>1 FROM jsonb_each(?2) WHERE TRUE \
             ON CONFLICT (folder, lane) DO UPDATE SET state = excluded.state"
        }
        ChangeText::CloseFailures => {
            "UPDATE failure SET closed_at = ?3 WHERE folder = ?1 AND closed_at IS NULL AND uid IN (SELECT value FROM \
             json_each(?2))"
        }
        ChangeText::PutFailures => {
            "INSERT INTO failure (account, folder, uid, reach, class, attempts, next_try_at, version, text, first_at, \
             last_at, burst) SELECT ?1, ?2, value->>0, 'message', value->>1, value->>3, ?3 + value->>3 * 3600000000, \
             ?4, value->>2, ?3, ?3, value->>4 FROM jsonb_each(?5) WHERE TRUE ON CONFLICT (folder, uid) WHERE closed_at \
             IS NULL AND uid IS NOT NULL DO UPDATE SET attempts = failure.attempts + excluded.attempts, class = \
             excluded.class, text = excluded.text, version = excluded.version, last_at = excluded.last_at, burst = \
             FALSE, next_try_at = CASE WHEN excluded.attempts = 0 OR failure.attempts = 0 THEN excluded.next_try_at \
             WHEN failure.attempts = 1 OR excluded.class NOT IN ('invalid_data', 'bug') THEN excluded.last_at + 86400000000 ELSE \
             NULL END"
        }
        ChangeText::FailAgain => {
            "UPDATE failure SET attempts = attempts + 1, last_at = ?4, text = ?5 WHERE account = ?1 AND folder IS ?2 \
             AND uid IS NULL AND class = ?3 AND closed_at IS NULL"
        }
        ChangeText::InsertFailure => {
            "INSERT INTO failure (account, folder, reach, class, attempts, version, text, first_at, last_at) VALUES \
             (?1, ?2, ?3, ?4, 1, ?5, ?6, ?7, ?7)"
        }
        ChangeText::InsertRun => {
            "INSERT INTO run (account, started_at, finished_at, outcome, reason, stored, octets, facts, failed, cause) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
        }
        ChangeText::InsertEvent => {
            "INSERT INTO event (seq, id, at, kind, account, backfill, data) VALUES (?1, ?2, ?3, ?4, ?5, FALSE, ?6)"
        }
    }
}
