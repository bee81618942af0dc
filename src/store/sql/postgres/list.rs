//! PostgreSQL's words for lists.

use crate::store::sql::list::ListText;

/// Of each list `s` a piece.
macro_rules! pieces {
    ($piece: expr) => {
        concat!(
            "SELECT s.list, (SELECT jsonb_agg(jsonb_build_array(x.at, x.id, x.of))::text FROM (",
            $piece,
            ") x) AS found FROM (SELECT (value->>0)::bigint AS list, (value->>1)::bigint AS at, (value->>2)::bigint AS id FROM \
             jsonb_array_elements($1::jsonb) listed (value) OFFSET 0) s"
        )
    };
}

/// What goes by rank, of those whose `key` is the list.
macro_rules! by_rank {
    ($table: literal, $key: literal, $number: literal) => {
        pieces!(concat!(
            "SELECT rank AS at, ",
            $number,
            " AS id, ",
            $number,
            " AS of FROM ",
            $table,
            " WHERE ",
            $key,
            " = s.list AND (rank, ",
            $number,
            ") < (s.at, s.id) ORDER BY rank DESC, ",
            $number,
            " DESC LIMIT $2"
        ))
    };
}

/// What lies in a folder, by date: first what has the same date as where it goes on. Of each a piece at most, so that
/// however many have one date, no more is read.
macro_rules! by_date {
    ($which: literal) => {
        pieces!(concat!(
            "SELECT * FROM (SELECT COALESCE(internal_date, 0) AS at, uid AS id, message AS of FROM location WHERE folder = \
             s.list AND ended_at IS NULL AND ", $which, " AND COALESCE(internal_date, 0) = s.at AND uid < s.id ORDER BY uid DESC \
             LIMIT $2) same UNION ALL SELECT * FROM (SELECT COALESCE(internal_date, 0) AS at, uid AS id, message AS of FROM location \
             WHERE folder = s.list AND ended_at IS NULL AND ", $which, " AND COALESCE(internal_date, 0) < s.at ORDER BY \
             COALESCE(internal_date, 0) DESC, uid DESC LIMIT $2) earlier ORDER BY 1 DESC, 2 DESC LIMIT $2"
        ))
    };
}

pub(in crate::store::sql) const fn words(text: ListText) -> &'static str {
    match text {
        ListText::ReadAccounts => {
            "SELECT a.id, a.derive, (SELECT max(m.id) FROM message m WHERE m.account = a.id) AS newest FROM account a WHERE \
             ($1::text IS NULL OR a.name = $1) AND ($2::text IS NULL OR a.owner = $2) ORDER BY a.id"
        }
        ListText::FoldersOfAccounts => concat!(
            "SELECT f.id, f.path, f.delimiter, f.role FROM ",
            for_each!(
                "$1",
                "SELECT * FROM folder WHERE account = j.value::bigint AND deleted_at IS NULL"
            ),
            " f"
        ),
        ListText::AccountOfFolder => "SELECT account, deleted_at FROM folder WHERE id = $1",
        ListText::AccountOfContact => "SELECT account FROM contact WHERE id = $1",
        ListText::OwnerOfAccount => "SELECT owner FROM account WHERE name = $1",
        ListText::OwnerOfMessage => {
            "SELECT a.owner FROM message m JOIN account a ON a.id = m.account WHERE m.id = $1"
        }
        ListText::OwnerOfThread => {
            "SELECT a.owner FROM account a WHERE a.id = COALESCE((SELECT account FROM thread_alias WHERE id = $1), (SELECT account \
             FROM thread WHERE id = $1))"
        }
        ListText::OwnerOfContact => {
            "SELECT a.owner FROM contact k JOIN account a ON a.id = k.account WHERE k.id = $1"
        }
        ListText::NumbersOfThread => {
            "SELECT t.id, t.account, a.id AS moves FROM thread t LEFT JOIN LATERAL (SELECT id FROM thread_alias WHERE thread = t.id AND \
             moves OFFSET 0) a ON TRUE WHERE t.id = COALESCE((SELECT thread FROM thread_alias WHERE id = $1), $1)"
        }
        ListText::NumbersThatMove => concat!(
            "SELECT a.thread AS id, a.account, a.id AS moves FROM ",
            for_each!("$1", "SELECT * FROM thread_alias WHERE thread = j.value::bigint AND moves"),
            " a"
        ),
        ListText::ContactsOfAddress => concat!(
            "SELECT k.id FROM ",
            for_each!("$1", "SELECT * FROM contact WHERE account = j.value::bigint AND key = $2"),
            " k"
        ),
        ListText::NewestOfAccounts => by_rank!("derived", "account", "message"),
        ListText::NewestOfThreads => by_rank!("derived", "thread", "message"),
        ListText::NewestOfContacts => by_rank!("message_contact", "contact", "message"),
        ListText::NewestOfFolders => by_date!("TRUE"),
        ListText::UnseenOfFolders => by_date!("strpos(' ' || flags || ' ', ' \\Seen ') = 0"),
        ListText::ThreadsOfAccounts => by_rank!("thread", "account", "id"),
        ListText::ContactsOfAccounts => by_rank!("contact", "account", "id"),
        ListText::ListedThreads => concat!(
            "SELECT t.id, a.name AS account, t.messages, t.first_at FROM ",
            for_each!("$1", "SELECT * FROM thread WHERE id = j.value::bigint"),
            " t CROSS JOIN LATERAL (SELECT name FROM account WHERE id = t.account OFFSET 0) a"
        ),
        ListText::ListedContacts => concat!(
            "SELECT k.id, a.name AS account, k.address, k.name, k.first_at, k.last_at, k.from_count, k.to_count FROM ",
            for_each!("$1", "SELECT * FROM contact WHERE id = j.value::bigint"),
            " k CROSS JOIN LATERAL (SELECT name FROM account WHERE id = k.account OFFSET 0) a"
        ),
    }
}
