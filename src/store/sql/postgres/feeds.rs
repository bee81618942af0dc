//! PostgreSQL's words for the rows of feeds.

use crate::store::sql::feeds::FeedText;

/// Columns of what is owed.
macro_rules! owed {
    () => {
        "identity, told_at, version, left_place, due_at, missing_at, missing_session, rank, bytes::int, \
             attempts, class, text, failed_at"
    };
}

/// What is known of a message id: of message `m`, and of what is owed of it, `o`.
macro_rules! known {
    () => {
        "m.id, m.stored_at, (m.deleted_at IS NOT NULL)::int, (o.id IS NOT NULL)::int, (o.id IS NOT NULL AND \
             o.due_at IS NULL)::int, (m.thread IS NOT NULL)::int"
    };
}

/// Where message `m` lies, and its flags.
macro_rules! whole {
    () => {
        "(SELECT COALESCE(json_agg(l.folder), '[]') FROM location l JOIN folder f ON f.id = l.folder WHERE \
             l.message = m.id AND l.ended_at IS NULL AND NOT f.excluded), (SELECT l.flags || ' ' || l.keywords FROM \
             location l JOIN folder f ON f.id = l.folder WHERE l.message = m.id ORDER BY l.ended_at IS NOT NULL, \
             f.excluded, l.ended_at DESC NULLS LAST LIMIT 1)"
    };
}

/// The ids of $2, with what is held and owed of them.
macro_rules! named {
    () => {
        "FROM jsonb_array_elements_text($2::jsonb) j (value) LEFT JOIN LATERAL (SELECT * FROM message WHERE account = $1 AND identity = j.value OFFSET 0) m ON TRUE LEFT JOIN LATERAL (SELECT * FROM owed WHERE account = $1 AND identity = j.value OFFSET 0) o ON TRUE WHERE m.id IS NOT NULL OR o.id IS NOT NULL"
    };
}

pub(in crate::store::sql) const fn words(text: FeedText) -> &'static str {
    match text {
        FeedText::FeedAccount => "SELECT feed FROM account WHERE id = $1",
        FeedText::StandingOfFeed => {
            "SELECT a.feed, (SELECT COALESCE(json_agg(json_build_object('place', place, 'state', state::json)), \
             '[]')::text FROM feed WHERE account = a.id) AS feeds, a.listed_at, (SELECT MIN(proved_at) FROM folder \
             WHERE account = a.id AND deleted_at IS NULL AND NOT excluded) AS proved_at, (SELECT count(*) FROM owed \
             WHERE account = a.id AND attempts = 0 AND due_at <= $2) AS due, (SELECT count(*) FROM owed WHERE \
             account = a.id AND attempts = 0 AND due_at > $2 AND missing_at IS NULL) AS settling, (SELECT count(*) \
             FROM owed WHERE account = a.id AND attempts = 0 AND missing_at IS NOT NULL AND due_at IS NOT NULL) AS \
             missing, (SELECT count(*) FROM owed WHERE account = a.id AND attempts > 0 AND note IS NULL) AS failed, (SELECT count(*) FROM owed WHERE account = a.id AND note IS NOT NULL) AS left_out, (SELECT count(*) \
             FROM owed WHERE account = a.id AND due_at IS NULL) AS away FROM account a WHERE a.id = $1 AND a.feed IS \
             NOT NULL"
        }
        FeedText::Feeds => "SELECT place, state FROM feed WHERE account = $1",
        FeedText::FeedNamed => {
            "SELECT f.place, f.state FROM account a JOIN feed f ON f.account = a.id WHERE a.name = $1 AND f.place = 0"
        }
        FeedText::Places => {
            "SELECT id, remote_id, path, role, opened_at, passed_at, proved_at, grown_at, excluded FROM folder WHERE \
             account = $1 AND deleted_at IS NULL"
        }
        FeedText::MessagesNamed => concat!(
            "SELECT ",
            message!(),
            " FROM ",
            for_each!("$2", "SELECT * FROM message WHERE account = $1 AND identity = j.value"),
            " m"
        ),
        FeedText::MessagesThere => concat!(
            "SELECT ",
            message!(),
            " FROM location l JOIN message m ON m.id = l.message WHERE l.folder = $1 AND l.uidvalidity = 0 AND \
             l.ended_at IS NULL LIMIT $2"
        ),
        FeedText::LocationsOf => concat!(
            "SELECT ",
            location!(),
            " FROM ",
            for_each!("$1", "SELECT * FROM location WHERE message = j.value::bigint"),
            " l"
        ),
        FeedText::OwedOf => concat!(
            "SELECT COALESCE(json_agg(json_build_array(",
            owed!(),
            ")), '[]')::text AS packed FROM ",
            for_each!("$2", "SELECT * FROM owed WHERE account = $1 AND identity = j.value"),
            " o"
        ),
        FeedText::HeldCount => {
            "SELECT held + (SELECT count(*) FROM message WHERE account = $1 AND limbo_since IS NOT NULL) AS count \
             FROM account WHERE id = $1"
        }
        FeedText::PutFeedAccount => "UPDATE account SET feed = $2 WHERE id = $1",
        FeedText::PutFeeds => {
            "INSERT INTO feed (account, place, state) SELECT $1, (j.value->>0)::bigint, j.value->>1 FROM \
             jsonb_array_elements($2::jsonb) j (value) WHERE TRUE ON CONFLICT (account, place) DO UPDATE SET state = \
             excluded.state"
        }
        FeedText::DropFeed => "DELETE FROM feed WHERE account = $1 AND place = $2",
        // As `Owed::renew_unknown` and `Owed::renew_away` do it to one.
        FeedText::RenewUnknown => {
            "UPDATE owed SET version = CASE WHEN told_at < $2 THEN NULL ELSE version END, told_at = \
             GREATEST(told_at, $2), bytes = bytes AND due_at IS NOT NULL, rank = CASE WHEN due_at IS NULL THEN 2 \
             ELSE rank END, due_at = COALESCE(due_at, $2) WHERE account = $1"
        }
        FeedText::RenewAway => {
            "UPDATE owed SET told_at = $2, due_at = $2, bytes = FALSE, rank = 2 WHERE account = $1 AND due_at IS NULL"
        }
        FeedText::PutOwed => {
            "INSERT INTO owed (account, identity, told_at, version, left_place, due_at, missing_at, missing_session, \
             rank, bytes, attempts, class, text, failed_at) SELECT $1, j.value->>0, (j.value->>1)::bigint, j.value->>2, \
             j.value->>3, (j.value->>4)::bigint, (j.value->>5)::bigint, (j.value->>6)::bigint, \
             (j.value->>7)::bigint, (j.value->>8)::boolean, (j.value->>9)::bigint, j.value->>10, j.value->>11, (j.value->>12)::bigint FROM \
             jsonb_array_elements($2::jsonb) j (value) WHERE TRUE ON CONFLICT (account, identity) DO UPDATE SET \
             told_at = excluded.told_at, version = excluded.version, left_place = excluded.left_place, due_at = \
             excluded.due_at, missing_at = excluded.missing_at, missing_session = excluded.missing_session, rank = \
             excluded.rank, bytes = excluded.bytes, attempts = excluded.attempts, class = excluded.class, text = \
             excluded.text, failed_at = excluded.failed_at, \
             note = CASE WHEN excluded.attempts = 0 THEN NULL ELSE owed.note END"
        }
        FeedText::PayOwed => concat!(
            "DELETE FROM owed USING ",
            for_each!("$2", "SELECT ctid FROM owed WHERE account = $1 AND identity = j.value"),
            " x WHERE owed.ctid = x.ctid"
        ),
        FeedText::PurgeFeeds => "DELETE FROM feed WHERE account = $1",
        FeedText::PurgeOwed => {
            "DELETE FROM owed WHERE account = $1 AND identity IN (SELECT identity FROM owed WHERE account = $1 LIMIT \
             $2)"
        }
        FeedText::QuietPlaces => {
            "UPDATE folder SET passed_at = CASE WHEN $2::bigint IS NULL THEN passed_at ELSE \
             GREATEST(COALESCE(passed_at, 0), $2) END, proved_at = CASE WHEN $3::bigint IS NULL THEN proved_at ELSE \
             GREATEST(COALESCE(proved_at, 0), $3) END WHERE account = $1 AND deleted_at IS NULL AND NOT excluded AND \
             ($2::bigint IS NOT NULL OR $3::bigint IS NOT NULL)"
        }
        FeedText::QuietFeed => {
            "UPDATE account SET listed_at = CASE WHEN $2::bigint IS NULL THEN listed_at ELSE \
             GREATEST(COALESCE(listed_at, 0), $2) END, feed = jsonb_set(jsonb_set(jsonb_set(feed::jsonb, \
             '{state,placed_at}', COALESCE(to_jsonb(CASE WHEN $3::bigint IS NULL THEN (feed::jsonb #>> \
             '{state,placed_at}')::bigint ELSE GREATEST(COALESCE((feed::jsonb #>> '{state,placed_at}')::bigint, 0), \
             $3) END), 'null')), '{state,counted_at}', COALESCE(to_jsonb(CASE WHEN $4::bigint IS NULL THEN \
             (feed::jsonb #>> '{state,counted_at}')::bigint ELSE GREATEST(COALESCE((feed::jsonb #>> \
             '{state,counted_at}')::bigint, 0), $4) END), 'null')), '{state,misfit}', COALESCE(to_jsonb(COALESCE($5, \
             (feed::jsonb #>> '{state,misfit}')::bigint)), 'null'))::text WHERE id = $1 AND feed IS NOT NULL"
        }
        FeedText::DueOwed => concat!(
            "SELECT COALESCE(json_agg(json_build_array(",
            owed!(),
            ") ORDER BY rank, id), '[]')::text AS packed FROM (SELECT id, ",
            owed!(),
            " FROM owed WHERE account = $1 AND due_at IS NOT NULL AND note IS NULL AND (due_at <= $2 OR ($3 AND attempts > 0)) ORDER \
             BY rank, id LIMIT $4) AS due"
        ),
        FeedText::NextOwed => {
            "SELECT MIN(due_at) FILTER (WHERE due_at > $2 AND attempts = 0) AS next, count(*) FILTER (WHERE attempts \
             > 0 AND note IS NULL) AS failed, count(*) FILTER (WHERE due_at > $2 AND attempts = 0 AND missing_at IS NOT NULL) AS \
             missing, count(*) FILTER (WHERE due_at > $2 AND attempts = 0 AND missing_at IS NULL) AS settling FROM \
             owed WHERE account = $1 AND due_at IS NOT NULL"
        }
        FeedText::DueCount => {
            "SELECT count(*) AS count FROM owed WHERE account = $1 AND due_at IS NOT NULL AND attempts = 0"
        }
        FeedText::KnownIds => concat!(
            "SELECT COALESCE(json_agg(json_build_array(j.value, ",
            known!(),
            ", NULL, NULL)), '[]')::text AS packed ",
            named!()
        ),
        FeedText::KnownWhole => concat!(
            "SELECT COALESCE(json_agg(json_build_array(j.value, ",
            known!(),
            ", ",
            whole!(),
            ")), '[]')::text AS packed ",
            named!()
        ),
        FeedText::HeldMail => concat!(
            "SELECT COALESCE(json_agg(json_build_array(m.identity, ",
            known!(),
            ", ",
            whole!(),
            ") ORDER BY m.identity), '[]')::text AS packed FROM (SELECT * FROM message WHERE account = $1 AND \
             deleted_at IS NULL AND identity > $2 ORDER BY identity LIMIT $3) m LEFT JOIN owed o ON o.account = \
             m.account AND o.identity = m.identity"
        ),
        FeedText::AwayMail => {
            "SELECT identity FROM owed WHERE account = $1 AND due_at IS NULL AND identity > $2 ORDER BY identity \
             LIMIT $3"
        }
        FeedText::TallyOfFeed => {
            "SELECT (SELECT held + (SELECT count(*) FROM message WHERE account = $1 AND limbo_since IS NOT NULL) \
             FROM account WHERE id = $1) AS held, count(*) FILTER (WHERE o.due_at IS NOT NULL AND m.id IS NULL AND o.note IS NULL) AS \
             unheld, count(*) FILTER (WHERE o.note IS NOT NULL AND (m.id IS NULL OR m.deleted_at IS NOT NULL)) AS left_out, count(*) FILTER (WHERE o.due_at IS NULL AND (m.id IS NULL OR m.deleted_at IS NOT NULL)) AS \
             away, count(*) FILTER (WHERE o.due_at IS NOT NULL AND o.attempts = 0) AS owed FROM owed o LEFT JOIN LATERAL (SELECT id, deleted_at FROM message WHERE account = o.account AND identity = o.identity OFFSET 0) m ON TRUE WHERE o.account = $1"
        }
    }
}
