//! PostgreSQL's words for what every commit compares with, and the messages it touches.

use crate::store::sql::commit::CommitText;

pub(in crate::store::sql) const fn words(text: CommitText) -> &'static str {
    match text {
        // The account's row is locked: what is compared stands until the commit.
        CommitText::Guard => concat!(
            account_and_folder!(),
            ", EXISTS (SELECT 1 FROM message m WHERE m.account = a.id AND m.limbo_since IS NOT NULL) AS has_limbo \
             FROM account a LEFT JOIN folder f ON f.id = COALESCE($2, (SELECT id FROM folder WHERE account = $1 AND \
             sha256(remote_id) = sha256($3) AND deleted_at IS NULL)) AND f.account = a.id AND f.deleted_at IS NULL \
             WHERE a.id = $1 FOR NO KEY UPDATE OF a"
        ),
        CommitText::GuardsOfMany => concat!(
            account_and_folder!(),
            ", j.n - 1 AS n, COALESCE((SELECT TRUE FROM message m WHERE m.account = a.id AND m.limbo_since IS NOT \
             NULL LIMIT 1), FALSE) AS has_limbo FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY j (value, n) \
             JOIN account a ON a.id = (j.value->>0)::bigint LEFT JOIN LATERAL (SELECT * FROM folder WHERE id = COALESCE((j.value->>1)::bigint, (SELECT id FROM folder WHERE account = a.id AND sha256(remote_id) = sha256(decode(j.value->>2, 'hex')) AND deleted_at IS NULL)) OFFSET 0) f ON f.account = a.id AND f.deleted_at IS NULL FOR NO KEY UPDATE OF a"
        ),
        CommitText::AllFolders => concat!(
            account_and_folder!(),
            "FROM account a LEFT JOIN folder f ON f.account = a.id AND f.deleted_at IS NULL WHERE a.id = $1 ORDER BY \
             f.id"
        ),
        CommitText::Counters => "SELECT name, next FROM counter",
        CommitText::SaveCounters => {
            "UPDATE counter SET next = CASE name WHEN 'message' THEN $1::bigint WHEN 'event' THEN $2 ELSE $3 END \
             WHERE name IN ('message', 'event', 'folder')"
        }
        CommitText::NameIsTaken => {
            "SELECT 1::bigint AS found FROM folder WHERE account = $1 AND sha256(remote_id) = sha256($2) AND \
             deleted_at IS NULL AND id <> $3"
        }
        CommitText::Stamped => "UPDATE account SET stamped_at = $2 WHERE id = $1",
        CommitText::MessagesTouched => concat!(
            "SELECT ",
            message!(),
            " FROM ",
            for_each!("$5", "SELECT * FROM message WHERE account = $1 AND identity = j.value"),
            " m UNION SELECT ",
            message!(),
            " FROM ",
            for_each!("$6", "SELECT id FROM body WHERE hash = decode(j.value, 'hex')"),
            " b CROSS JOIN LATERAL (SELECT * FROM message WHERE account = $1 AND identity IS NULL AND body = b.id OFFSET \
             0) m UNION SELECT ",
            message!(),
            " FROM ",
            for_each!(
                "$4",
                "SELECT message FROM location WHERE folder = $2 AND uidvalidity = $3 AND uid = j.value::bigint"
            ),
            " l CROSS JOIN LATERAL (SELECT * FROM message WHERE id = l.message OFFSET 0) m"
        ),
        CommitText::LocationsNeeded => concat!(
            "SELECT ",
            location!(),
            " FROM ",
            for_each!(
                "$4",
                "SELECT * FROM location WHERE folder = $2 AND uidvalidity = $3 AND uid = j.value::bigint"
            ),
            " l UNION SELECT ",
            location!(),
            " FROM jsonb_array_elements_text($1::jsonb) j (value) CROSS JOIN LATERAL (SELECT * FROM location x WHERE \
             x.message = j.value::bigint AND x.ended_at IS NULL LIMIT $5) l UNION SELECT ",
            location!(),
            " FROM jsonb_array_elements_text($1::jsonb) j (value) CROSS JOIN LATERAL (SELECT * FROM location x WHERE \
             x.message = j.value::bigint AND x.ended_at IS NOT NULL ORDER BY x.ended_at DESC LIMIT 1) l"
        ),
        CommitText::LocationElsewhere => concat!(
            "SELECT ",
            location!(),
            " FROM jsonb_array_elements_text($1::jsonb) j (value) CROSS JOIN LATERAL (SELECT * FROM location x WHERE \
             x.message = j.value::bigint AND x.ended_at IS NULL AND x.folder <> $2 AND x.began_at > $3 LIMIT 1) l"
        ),
        CommitText::MessagesLeft => concat!(
            "SELECT ",
            message!(),
            " FROM message m WHERE m.id IN (SELECT message FROM location WHERE folder = $1 AND ended_at IS NULL)"
        ),
        CommitText::LocationsLeft => {
            concat!(
                "SELECT ",
                location!(),
                " FROM location l WHERE l.folder = $1 AND l.ended_at IS NULL"
            )
        }
        CommitText::LimboMayBeOver => {
            "WITH first AS (SELECT MIN(limbo_since) AS at FROM message WHERE account = $1 AND limbo_since IS NOT \
             NULL) SELECT 1::bigint AS found FROM account a, first WHERE a.id = $1 AND first.at IS NOT NULL AND \
             a.listed_at > first.at AND NOT EXISTS (SELECT 1 FROM folder f WHERE f.account = $1 AND f.deleted_at IS \
             NULL AND NOT f.excluded AND COALESCE(f.passed_at, 0) <= first.at AND (SELECT TRUE FROM failure x WHERE x.folder = f.id AND x.uid IS NULL AND x.closed_at IS NULL LIMIT 1) IS NULL)"
        }
        CommitText::LimboAfter => concat!(
            "SELECT ",
            message!(),
            " FROM message m WHERE m.account = $1 AND m.limbo_since IS NOT NULL AND m.id > $2 ORDER BY m.id LIMIT $3"
        ),
        CommitText::UpdateMessages => {
            "UPDATE message SET limbo_since = (j.value->>1)::bigint, last_folder = (j.value->>2)::bigint, last_sight \
             = (j.value->>3)::bigint, deleted_at = (j.value->>4)::bigint, places = (j.value->>5)::bigint, version = \
             j.value->>6 FROM jsonb_array_elements($1::jsonb) j (value) WHERE message.id = (j.value->>0)::bigint"
        }
    }
}
