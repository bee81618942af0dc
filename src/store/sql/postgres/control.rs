//! PostgreSQL's words for what operators and the config change.

use crate::store::sql::control::ControlText;

pub(in crate::store::sql) const fn words(text: ControlText) -> &'static str {
    match text {
        ControlText::StoodByName => "SELECT id, state FROM account WHERE name = $1",
        ControlText::OwnAccount => {
            "UPDATE account SET owner = $2 WHERE name = $1 AND owner IS DISTINCT FROM $2"
        }
        ControlText::StandByHand => {
            "UPDATE account SET state = $2, reason = $3, since = $4, next_attempt_at = NULL, parked_for = $5 WHERE \
             id = $1 AND (state <> $2 OR reason <> $3 OR parked_for IS DISTINCT FROM $5)"
        }
        ControlText::SaveHistory => {
            "UPDATE account SET history = $2, parked_for = $3, waits = $4 WHERE id = $1 AND (history IS DISTINCT FROM $2 OR \
             parked_for IS DISTINCT FROM $3 OR waits IS DISTINCT FROM $4)"
        }
        ControlText::RemoveAccount => {
            "UPDATE account SET state = $3, reason = 'the config does not name it', since = $2, next_attempt_at = \
             NULL, waits = NULL, incarnation = incarnation + 1 WHERE id = $1"
        }
        ControlText::AccountExists => "SELECT 1::bigint AS found FROM account WHERE name = $1",
        ControlText::RenameAccount => {
            "UPDATE account SET name = $2, incarnation = incarnation + 1 WHERE id = $1"
        }
        ControlText::FenceOff => {
            "UPDATE account SET incarnation = incarnation + 1, state = $2 WHERE id = $1"
        }
        ControlText::PurgeLocations => {
            concat!("DELETE FROM location WHERE message IN (", chunk!(), ")")
        }
        ControlText::PurgedBodies => {
            concat!("SELECT DISTINCT body FROM message WHERE id IN (", chunk!(), ")")
        }
        ControlText::PurgeMessages => concat!("DELETE FROM message WHERE id IN (", chunk!(), ")"),
        ControlText::PurgeBodies => {
            "DELETE FROM body WHERE id = ANY (ARRAY(SELECT jsonb_array_elements_text($1::jsonb)::bigint)) AND (SELECT TRUE FROM message m WHERE m.body = body.id AND m.identity IS NULL LIMIT 1) IS NULL AND (SELECT TRUE FROM message m WHERE m.body = body.id AND m.identity IS NOT NULL LIMIT 1) IS NULL"
        }
        ControlText::PurgeFolderLocations => {
            "DELETE FROM location WHERE folder = ANY (ARRAY(SELECT id FROM folder WHERE account = $1))"
        }
        ControlText::PurgeCursors => {
            "DELETE FROM cursor WHERE folder = ANY (ARRAY(SELECT id FROM folder WHERE account = $1))"
        }
        ControlText::PurgeFolders => "DELETE FROM folder WHERE account = $1",
        ControlText::PurgeFailures => "DELETE FROM failure WHERE account = $1",
        ControlText::PurgeNotes => "DELETE FROM note WHERE account = $1",
        ControlText::PurgeRuns => "DELETE FROM run WHERE account = $1",
        ControlText::PurgeRunHours => "DELETE FROM run_hour WHERE account = $1",
        ControlText::EventsAfter => {
            "SELECT max(seq) AS last FROM (SELECT seq FROM event WHERE seq > $1 ORDER BY seq LIMIT $2) AS next"
        }
        ControlText::PurgeEventData => {
            "UPDATE event SET data = '{}' WHERE seq > $2 AND seq <= $3 AND account = $1"
        }
        ControlText::DeleteEvents => "DELETE FROM event WHERE seq <= $1",
        ControlText::KeepEvents => {
            "INSERT INTO counter (name, next) VALUES ('kept', $1) ON CONFLICT (name) DO UPDATE SET next = excluded.next"
        }
        ControlText::PurgeAccount => "DELETE FROM account WHERE id = $1",
        ControlText::PurgeCredential => "DELETE FROM credential WHERE account = $1",
        ControlText::PurgeSubscriptions => "DELETE FROM subscription WHERE account = $1",
        ControlText::PurgeSpent => "DELETE FROM spending WHERE account = $1",
        ControlText::RenameSpent => {
            "WITH moved AS (DELETE FROM spending WHERE account = $1 RETURNING endpoint, hour, units) INSERT INTO \
             spending (endpoint, account, hour, units) SELECT endpoint, $2, hour, units FROM moved ON CONFLICT \
             (endpoint, account, hour) DO UPDATE SET units = excluded.units"
        }
    }
}
