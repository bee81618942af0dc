//! PostgreSQL's words for what is kept no longer.

use crate::store::sql::expired::ExpiredText;

pub(in crate::store::sql) const fn words(text: ExpiredText) -> &'static str {
    match text {
        ExpiredText::CountExpired => {
            "WITH a AS MATERIALIZED (SELECT id FROM account WHERE keep = FALSE AND state <> $5 AND (unkept_at IS NULL OR unkept_at < \
             $1)), gone AS MATERIALIZED (SELECT m.id, m.size FROM a JOIN message m ON m.account = a.id AND m.deleted_at IS NOT NULL AND m.deleted_at < $1) SELECT (SELECT count(*) FROM gone) AS messages, \
             (SELECT COALESCE(sum(size), 0)::bigint FROM gone) AS octets, (SELECT count(*) FROM a JOIN folder f ON f.account = a.id JOIN \
             location l ON l.folder = f.id AND l.ended_at IS NOT NULL AND l.ended_at < $1 JOIN message m ON m.id = l.message AND \
             m.limbo_since IS NULL AND (m.deleted_at IS NULL OR m.deleted_at >= $1)) AS places, (SELECT count(*) FROM run WHERE finished_at < $2) AS \
             runs, (SELECT count(*) FROM failure WHERE closed_at < $3) AS failures, (SELECT count(*) FROM body WHERE unnamed_at IS \
             NOT NULL AND unnamed_at <= $4) AS bodies"
        }
        ExpiredText::NextAccount => {
            "SELECT id AS account, keep OR state = $2 AS keeps, unkept_at FROM account WHERE id > $1 ORDER BY id LIMIT 1"
        }
        ExpiredText::DeletedAhead => {
            "UPDATE message SET deleted_at = $3 WHERE id = ANY (ARRAY(SELECT id FROM message WHERE account = $1 AND deleted_at IS NOT \
             NULL AND deleted_at > $2 ORDER BY deleted_at LIMIT $4))"
        }
        ExpiredText::ExpiredMails => {
            "SELECT id, body FROM message WHERE account = $1 AND deleted_at IS NOT NULL AND deleted_at < $2 ORDER BY deleted_at \
             LIMIT $3"
        }
        ExpiredText::DropMails => {
            "DELETE FROM message WHERE id = ANY (ARRAY(SELECT jsonb_array_elements_text($1::jsonb)::bigint))"
        }
        ExpiredText::DropPlacesOfMails => {
            "DELETE FROM location WHERE message = ANY (ARRAY(SELECT jsonb_array_elements_text($1::jsonb)::bigint))"
        }
        ExpiredText::DropExpiredPlaces => {
            "DELETE FROM location USING (SELECT l.folder, l.uidvalidity, l.uid FROM folder f CROSS JOIN LATERAL (SELECT * FROM \
             location WHERE folder = f.id AND ended_at IS NOT NULL AND ended_at < $2 ORDER BY ended_at OFFSET 0) l WHERE f.account = \
             $1 AND (SELECT m.limbo_since FROM message m WHERE m.id = l.message) IS NULL LIMIT $3) d WHERE \
             location.folder = d.folder AND location.uidvalidity = d.uidvalidity AND location.uid = d.uid"
        }
        ExpiredText::DropExpiredRuns => {
            "DELETE FROM run WHERE id = ANY (ARRAY(SELECT id FROM (SELECT id, finished_at FROM run WHERE account BETWEEN $1 AND $1 ORDER \
             BY account, id LIMIT $3) r WHERE finished_at < $2))"
        }
        ExpiredText::DropExpiredHours => "DELETE FROM run_hour WHERE account = $1 AND hour < $2",
        ExpiredText::DropExpiredFailures => {
            "DELETE FROM failure WHERE id = ANY (ARRAY(SELECT id FROM failure WHERE closed_at IS NOT NULL AND closed_at < $1 ORDER \
             BY closed_at LIMIT $2))"
        }
        ExpiredText::Unname => {
            "UPDATE body SET unnamed_at = $2 WHERE id = ANY (ARRAY(SELECT jsonb_array_elements_text($1::jsonb)::bigint)) AND (SELECT \
             TRUE FROM message m WHERE m.body = body.id AND m.identity IS NULL LIMIT 1) IS NULL AND (SELECT TRUE FROM message m WHERE \
             m.body = body.id AND m.identity IS NOT NULL LIMIT 1) IS NULL"
        }
        ExpiredText::UnnamedSince => {
            "SELECT id FROM body WHERE unnamed_at IS NOT NULL AND unnamed_at <= $1 ORDER BY unnamed_at LIMIT $2"
        }
        ExpiredText::NamedAgain => {
            "UPDATE body SET unnamed_at = NULL WHERE id = ANY (ARRAY(SELECT jsonb_array_elements_text($1::jsonb)::bigint))"
        }
    }
}
