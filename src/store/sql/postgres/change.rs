//! PostgreSQL's words for everything of a change that is not a message.

use crate::store::sql::change::ChangeText;

pub(in crate::store::sql) const fn words(text: ChangeText) -> &'static str {
    match text {
        ChangeText::AccountOpened => {
            "UPDATE account SET opened_at = $2, identity_kind = $3 WHERE id = $1"
        }
        ChangeText::ReopenFolder => {
            "UPDATE folder SET uidvalidity = $2, exists_count = $3, opened_at = $4, grown_at = $4, passed_at = NULL, \
             proved_at = NULL, unproved = NULL, look = NULL, misfit = NULL, surplus = 0 WHERE id = $1"
        }
        ChangeText::FolderGrew => "UPDATE folder SET grown_at = $2 WHERE id = $1",
        ChangeText::DropNotes => "DELETE FROM note WHERE folder = $1",
        ChangeText::DropFolder => {
            "UPDATE folder SET deleted_at = $2, look = NULL, misfit = NULL WHERE id = $1"
        }
        ChangeText::CloseFailuresOfFolder => {
            "UPDATE failure SET closed_at = $2 WHERE folder = $1 AND closed_at IS NULL"
        }
        ChangeText::RenameFolder => {
            "UPDATE folder SET remote_id = $2, path = $3, delimiter = $4, role = $5, look = NULL, misfit = NULL, \
             refused = NULL WHERE id = $1"
        }
        ChangeText::FolderLook => "UPDATE folder SET look = $2 WHERE id = $1",
        ChangeText::FolderMisfit => "UPDATE folder SET misfit = $2 WHERE id = $1",
        ChangeText::FolderRefused => "UPDATE folder SET refused = $2 WHERE id = $1",
        ChangeText::FolderPassed => {
            "UPDATE folder SET passed_at = $2, proved_at = $3, unproved = $4, exists_count = $5, look = NULL, misfit \
             = NULL, surplus = $6, grown_at = $7 WHERE id = $1"
        }
        ChangeText::SettleFolder => {
            "UPDATE failure SET closed_at = $2 WHERE folder = $1 AND closed_at IS NULL AND uid IS NULL"
        }
        ChangeText::AccountListed => {
            "UPDATE account SET listed_at = $2, list_look = NULL WHERE id = $1"
        }
        ChangeText::SettleAccount => {
            "UPDATE failure SET closed_at = $2 WHERE account = $1 AND closed_at IS NULL AND folder IS NULL AND \
             remote_id IS NULL"
        }
        ChangeText::ExcludeFolders => {
            "UPDATE folder SET excluded = NOT excluded WHERE account = $1 AND deleted_at IS NULL AND excluded <> ((id IN \
             (SELECT jsonb_array_elements_text($2::jsonb)::bigint)) IS TRUE)"
        }
        ChangeText::PutShut => {
            "INSERT INTO failure (account, folder, remote_id, path, reach, class, attempts, next_try_at, version, \
             text, first_at, last_at) VALUES ($1, $2, $3, $4, 'folder', $5, $6, $7, $8, $9, $10, $11) ON CONFLICT \
             (account, sha256(remote_id)) WHERE closed_at IS NULL AND remote_id IS NOT NULL DO UPDATE SET folder = \
             excluded.folder, class = excluded.class, attempts = excluded.attempts, next_try_at = \
             excluded.next_try_at, version = excluded.version, text = excluded.text, last_at = excluded.last_at"
        }
        ChangeText::SizesEstimated => "UPDATE account SET sizes_estimated = TRUE WHERE id = $1",
        ChangeText::Stand => {
            "UPDATE account SET state = $2, reason = $3, since = $4, next_attempt_at = $5 WHERE id = $1 AND (state \
             <> $2 OR reason <> $3)"
        }
        ChangeText::CloseShut => concat!(
            "UPDATE failure SET closed_at = $3 FROM ",
            for_each!(
                "$2",
                "SELECT ctid FROM failure WHERE account = $1 AND closed_at IS NULL AND remote_id IS NOT NULL AND \
                 sha256(remote_id) = sha256(decode(j.value, 'hex'))"
            ),
            " x WHERE failure.ctid = x.ctid"
        ),
        ChangeText::ForgetNote => {
            "DELETE FROM note WHERE account = $1 AND about = $2 AND folder = $3 AND sha256(remote_id) = sha256($4) \
             AND uidvalidity = $5 AND uid = $6"
        }
        ChangeText::PutNote => {
            "INSERT INTO note (account, about, folder, remote_id, uidvalidity, uid, count, text, at) VALUES ($1, $2, \
             $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (account, about, folder, sha256(remote_id), uidvalidity, uid) \
             DO UPDATE SET count = excluded.count, text = excluded.text, at = excluded.at"
        }
        ChangeText::ListLook => "UPDATE account SET list_look = $2 WHERE id = $1",
        ChangeText::InsertFolder => {
            "INSERT INTO folder (id, account, remote_id, path, delimiter, role, uidvalidity, exists_count, \
             opened_at, excluded) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, FALSE)"
        }
        ChangeText::PutLanes => {
            "INSERT INTO cursor (folder, lane, state) SELECT $1, j.value->>0, j.value->>1 FROM \
             jsonb_array_elements($2::jsonb) j (value) WHERE TRUE ON CONFLICT (folder, lane) DO UPDATE SET state = \
             excluded.state"
        }
        ChangeText::CloseFailures => concat!(
            "UPDATE failure SET closed_at = $3 FROM ",
            for_each!(
                "$2",
                "SELECT ctid FROM failure WHERE folder = $1 AND closed_at IS NULL AND uid = j.value::bigint"
            ),
            " x WHERE failure.ctid = x.ctid"
        ),
        ChangeText::PutFailures => {
            "INSERT INTO failure (account, folder, uid, reach, class, attempts, next_try_at, version, text, \
             first_at, last_at, burst) SELECT $1, $2, (j.value->>0)::bigint, 'message', j.value->>1, \
             (j.value->>3)::bigint, $3 + (j.value->>3)::bigint * 3600000000, $4, j.value->>2, $3, $3, \
             (j.value->>4)::boolean FROM jsonb_array_elements($5::jsonb) j (value) WHERE TRUE ON CONFLICT (folder, \
             uid) WHERE closed_at IS NULL AND uid IS NOT NULL DO UPDATE SET attempts = failure.attempts + \
             excluded.attempts, class = excluded.class, text = excluded.text, version = excluded.version, last_at = \
             excluded.last_at, burst = FALSE, next_try_at = CASE WHEN excluded.attempts = 0 OR failure.attempts = 0 \
             THEN excluded.next_try_at WHEN failure.attempts = 1 OR excluded.class NOT IN ('invalid_data', 'bug') THEN \
             excluded.last_at + 86400000000 ELSE NULL END"
        }
        ChangeText::FailAgain => {
            "UPDATE failure SET attempts = attempts + 1, last_at = $4, text = $5 WHERE account = $1 AND closed_at IS NULL AND class = $3 AND COALESCE(folder, 0) = COALESCE($2, 0) AND COALESCE(uid, 0) = 0"
        }
        ChangeText::InsertFailure => {
            "INSERT INTO failure (account, folder, reach, class, attempts, version, text, first_at, last_at) VALUES \
             ($1, $2, $3, $4, 1, $5, $6, $7, $7)"
        }
        ChangeText::InsertRun => {
            "INSERT INTO run (account, started_at, finished_at, outcome, reason, stored, octets, facts, failed, cause) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
        }
        ChangeText::InsertEvent => {
            "INSERT INTO event (seq, id, at, kind, account, backfill, data) VALUES ($1, $2, $3, $4, $5, FALSE, $6)"
        }
    }
}
