//! PostgreSQL's words for the ledger of what could not be done.

use crate::store::sql::failures::FailureText;

pub(in crate::store::sql) const fn words(text: FailureText) -> &'static str {
    match text {
        FailureText::StoredFailures => {
            "SELECT x.id, a.name AS account, COALESCE(f.path, x.path) AS folder, x.uid, x.reach, x.class, x.attempts, \
             x.next_try_at, x.text, x.first_at, x.last_at, NULL::text AS message, x.note, x.came IS NOT NULL AS came \
             FROM failure x JOIN account a ON a.id = x.account LEFT JOIN folder f ON f.id = x.folder WHERE \
             x.closed_at IS NULL AND ($1::text IS NULL OR a.name = $1) AND ($2::text IS NULL OR a.owner = $2) AND \
             ($3::text IS NULL OR x.class = $3) AND ($4::text IS NULL OR x.reach = $4) AND ($7::bigint IS NULL OR EXISTS (SELECT 1 FROM run r WHERE r.id = $7 AND r.account = x.account AND x.last_at BETWEEN r.started_at AND r.finished_at)) AND x.id > $5 UNION ALL SELECT \
             o.id + 1099511627776, a.name, NULL::text, NULL::bigint, 'message', o.class, o.attempts, o.due_at, \
             o.text, o.told_at, COALESCE(o.failed_at, o.told_at), o.identity, o.note, o.came IS NOT NULL FROM owed o \
             JOIN account a ON a.id = o.account WHERE o.attempts > 0 AND ($1::text IS NULL OR a.name = $1) AND \
             ($2::text IS NULL OR a.owner = $2) AND ($3::text IS NULL OR o.class = $3) AND ($4::text IS NULL OR $4 = \
             'message') AND ($7::bigint IS NULL OR EXISTS (SELECT 1 FROM run r WHERE r.id = $7 AND r.account = o.account AND COALESCE(o.failed_at, o.told_at) BETWEEN r.started_at AND r.finished_at)) AND o.id + 1099511627776 > $5 ORDER BY 1 LIMIT $6"
        }
        FailureText::LedgerByClass => {
            "SELECT class, count(*) AS count FROM (SELECT class FROM failure WHERE closed_at IS NULL AND note IS NULL \
             UNION ALL SELECT class FROM owed WHERE attempts > 0 AND note IS NULL) AS open GROUP BY class"
        }
        FailureText::CameOf => {
            "SELECT came FROM failure WHERE id = $1 UNION ALL SELECT came FROM owed WHERE id = $1 - 1099511627776"
        }
        FailureText::LeftOutOf => {
            "SELECT uid, note FROM failure WHERE folder = $1 AND closed_at IS NULL AND uid IS NOT NULL AND note IS NOT NULL \
             ORDER BY uid"
        }
        FailureText::LeftOutOfFeed => {
            "SELECT identity FROM owed WHERE account = $1 AND attempts > 0 AND note IS NOT NULL"
        }
        FailureText::FailingAccounts => {
            "SELECT a.name, count(*) AS \"rows\" FROM (SELECT account, class FROM failure WHERE closed_at IS NULL AND \
             note IS NULL AND (uid IS NOT NULL OR remote_id IS NOT NULL) UNION ALL SELECT account, class FROM owed WHERE attempts > 0 AND note IS NULL) x JOIN \
             account a ON a.id = x.account WHERE ($1::text IS NULL OR a.name = $1) AND ($2::text IS NULL OR a.owner = \
             $2) AND ($3::text IS NULL OR x.class = $3) GROUP BY a.name ORDER BY a.name"
        }
        FailureText::RetryFailure => {
            "UPDATE failure SET next_try_at = $2, note = NULL WHERE id = $1 AND closed_at IS NULL AND (uid IS NOT \
             NULL OR remote_id IS NOT NULL)"
        }
        FailureText::RetryOwed => {
            "UPDATE owed SET due_at = $2, note = NULL WHERE id = $1 - 1099511627776 AND class IS NOT NULL"
        }
        FailureText::RetryFailures => {
            "UPDATE failure SET next_try_at = $4 WHERE closed_at IS NULL AND note IS NULL AND (uid IS NOT NULL OR \
             remote_id IS NOT NULL) AND ($3::text IS NULL OR class = $3) AND account IN (SELECT a.id FROM account a \
             WHERE ($1::text IS NULL OR a.name = $1) AND ($2::text IS NULL OR a.owner = $2))"
        }
        FailureText::RetryAllOwed => {
            "UPDATE owed SET due_at = $4 WHERE attempts > 0 AND note IS NULL AND ($3::text IS NULL OR class = $3) AND \
             account IN (SELECT a.id FROM account a WHERE ($1::text IS NULL OR a.name = $1) AND ($2::text IS NULL OR \
             a.owner = $2))"
        }
        FailureText::LeaveOutFailure => {
            "UPDATE failure SET note = $2 WHERE id = $1 AND closed_at IS NULL AND uid IS NOT NULL"
        }
        FailureText::LeaveOutOwed => {
            "UPDATE owed SET note = $2 WHERE id = $1 - 1099511627776 AND class IS NOT NULL AND NOT EXISTS (SELECT 1 FROM \
             message m WHERE m.account = owed.account AND m.identity = owed.identity AND m.deleted_at IS NULL)"
        }
        FailureText::FailureCame => {
            "UPDATE failure SET came = $3 WHERE folder = $1 AND uid = $2 AND closed_at IS NULL"
        }
        FailureText::OwedCame => "UPDATE owed SET came = $3 WHERE account = $1 AND identity = $2",
    }
}
