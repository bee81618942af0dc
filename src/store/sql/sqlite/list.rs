//! SQLite's words for lists.

use crate::store::sql::list::ListText;

/// Of each list `s` a piece.
macro_rules! pieces {
    ($piece: expr) => {
        concat!(
            "SELECT s.value->>0 AS list, (SELECT json_group_array(json_array(x.at, x.id, x.of)) FROM (",
            $piece,
            ") x) AS found FROM json_each(?1) s"
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
            " = s.value->>0 AND (rank, ",
            $number,
            ") < (s.value->>1, s.value->>2) ORDER BY rank DESC, ",
            $number,
            " DESC LIMIT ?2"
        ))
    };
}

/// What lies in a folder, by date: first what has the same date as where it goes on. Of each a piece at most, so that
/// however many have one date, no more is read.
macro_rules! by_date {
    ($which: literal) => {
        pieces!(concat!(
            "SELECT * FROM (SELECT COALESCE(internal_date, 0) AS at, uid AS id, message AS of FROM location WHERE folder = \
             s.value->>0 AND ended_at IS NULL AND ", $which, " AND COALESCE(internal_date, 0) = s.value->>1 AND uid < s.value->>2 \
             ORDER BY uid DESC LIMIT ?2) UNION ALL SELECT * FROM (SELECT COALESCE(internal_date, 0) AS at, uid AS id, message AS of \
             FROM location WHERE folder = s.value->>0 AND ended_at IS NULL AND ", $which, " AND COALESCE(internal_date, 0) < \
             s.value->>1 ORDER BY COALESCE(internal_date, 0) DESC, uid DESC LIMIT ?2) ORDER BY 1 DESC, 2 DESC LIMIT ?2"
        ))
    };
}

pub(in crate::store::sql) const fn words(text: ListText) -> &'static str {
    match text {
        ListText::ReadAccounts => {
            "SELECT a.id, a.derive, (SELECT max(m.id) FROM message m WHERE m.account = a.id) AS newest FROM account a WHERE \
             (?1 IS NULL OR a.name = ?1) AND (?2 IS NULL OR a.owner = ?2) ORDER BY a.id"
        }
        ListText::FoldersOfAccounts => {
            "SELECT f.id, f.path, f.delimiter, f.role FROM json_each(?1) j CROSS JOIN folder f ON f.account = j.value AND f.deleted_at IS NULL"
        }
        ListText::AccountOfFolder => "SELECT account, deleted_at FROM folder WHERE id = ?1",
        ListText::AccountOfContact => "SELECT account FROM contact WHERE id = ?1",
        ListText::OwnerOfAccount => "SELECT owner FROM account WHERE name = ?1",
        ListText::OwnerOfMessage => {
            "SELECT a.owner FROM message m JOIN account a ON a.id = m.account WHERE m.id = ?1"
        }
        ListText::OwnerOfThread => {
            "SELECT a.owner FROM account a WHERE a.id = COALESCE((SELECT account FROM thread_alias WHERE id = ?1), (SELECT account \
             FROM thread WHERE id = ?1))"
        }
        ListText::OwnerOfContact => {
            "SELECT a.owner FROM contact k JOIN account a ON a.id = k.account WHERE k.id = ?1"
        }
        ListText::NumbersOfThread => {
            "SELECT t.id, t.account, a.id AS moves FROM thread t LEFT JOIN thread_alias a ON a.thread = t.id AND a.moves WHERE t.id = \
             COALESCE((SELECT thread FROM thread_alias WHERE id = ?1), ?1)"
        }
        ListText::NumbersThatMove => {
            "SELECT a.thread AS id, a.account, a.id AS moves FROM json_each(?1) j CROSS JOIN thread_alias a ON a.thread = j.value AND \
             a.moves"
        }
        ListText::ContactsOfAddress => {
            "SELECT k.id FROM json_each(?1) j CROSS JOIN contact k ON k.account = j.value AND k.key = ?2"
        }
        ListText::NewestOfAccounts => by_rank!("derived", "account", "message"),
        ListText::NewestOfThreads => by_rank!("derived", "thread", "message"),
        ListText::NewestOfContacts => by_rank!("message_contact", "contact", "message"),
        ListText::NewestOfFolders => by_date!("TRUE"),
        ListText::UnseenOfFolders => by_date!("instr(' ' || flags || ' ', ' \\Seen ') = 0"),
        ListText::ThreadsOfAccounts => by_rank!("thread", "account", "id"),
        ListText::ContactsOfAccounts => by_rank!("contact", "account", "id"),
        ListText::ListedThreads => {
            "SELECT t.id, a.name AS account, t.messages, t.first_at FROM json_each(?1) j CROSS JOIN thread t ON t.id = j.value JOIN \
             account a ON a.id = t.account"
        }
        ListText::ListedContacts => {
            "SELECT k.id, a.name AS account, k.address, k.name, k.first_at, k.last_at, k.from_count, k.to_count FROM json_each(?1) j \
             CROSS JOIN contact k ON k.id = j.value JOIN account a ON a.id = k.account"
        }
    }
}
