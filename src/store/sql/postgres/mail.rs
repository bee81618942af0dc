//! PostgreSQL's words for messages.

use crate::store::sql::mail::MailText;

/// What is known of a message `m`.
macro_rules! listed {
    () => {
        "m.id AS message, a.name AS account, COALESCE(t.thread, d.thread) AS thread, m.subject, m.message_id, m.date, \
         COALESCE(m.internal_date, m.date, m.stored_at) AS received_at, m.size, m.deleted_at, d.snippet, d.outgoing, \
         d.list_id, d.more_people, d.attachments, b.hash"
    };
}

/// From where.
macro_rules! of_message {
    () => {
        " CROSS JOIN LATERAL (SELECT * FROM account WHERE id = m.account OFFSET 0) a CROSS JOIN LATERAL (SELECT * FROM body WHERE id \
         = m.body OFFSET 0) b LEFT JOIN LATERAL (SELECT * FROM derived WHERE message = m.id OFFSET 0) d ON TRUE LEFT JOIN LATERAL \
         (SELECT * FROM thread_alias WHERE id = d.thread OFFSET 0) t ON TRUE"
    };
}

pub(in crate::store::sql) const fn words(text: MailText) -> &'static str {
    match text {
        MailText::MessageOfNumber => concat!(
            "SELECT ",
            listed!(),
            ", d.parse, d.version, a.derive, a.addresses, b.pack, b.\"offset\", b.length, b.stored, m.synthetic FROM message m",
            of_message!(),
            " WHERE m.id = $1"
        ),
        MailText::ListedMails => concat!(
            "SELECT ",
            listed!(),
            " FROM ",
            for_each!("$1", "SELECT * FROM message WHERE id = j.value::bigint"),
            " m",
            of_message!()
        ),
        MailText::PlacesOfMails => concat!(
            "SELECT l.message, f.id AS folder, f.path, f.role, l.uid, COALESCE(l.internal_date, 0) AS at, l.flags, l.keywords FROM ",
            for_each!(
                "$1",
                "SELECT * FROM location WHERE message = j.value::bigint AND ended_at IS NULL"
            ),
            " l CROSS JOIN LATERAL (SELECT * FROM folder WHERE id = l.folder OFFSET 0) f WHERE f.deleted_at IS NULL"
        ),
        MailText::FilesOfMails => concat!(
            "SELECT t.message, t.part, t.type AS media_type, t.name, t.inline, t.content_id, t.size, t.sha256, t.encoding, t.\"offset\", \
             t.octets FROM ",
            for_each!("$1", "SELECT * FROM attachment WHERE message = j.value::bigint"),
            " t"
        ),
        MailText::PeopleOfMails => concat!(
            "SELECT c.message, c.role, COALESCE(c.address, k.key) AS address, c.name, c.position, c.contact, k.key FROM ",
            for_each!("$1", "SELECT * FROM message_contact WHERE message = j.value::bigint"),
            " c CROSS JOIN LATERAL (SELECT * FROM contact WHERE id = c.contact OFFSET 0) k WHERE c.position < $2"
        ),
        MailText::RowsAround => {
            "SELECT j.value::bigint AS message, (SELECT count(*) FROM attachment t WHERE t.message = j.value::bigint) + (SELECT count(*) \
             FROM message_contact c WHERE c.message = j.value::bigint) AS count FROM jsonb_array_elements_text($1::jsonb) j (value)"
        }
        MailText::HistoryOfMail => {
            "SELECT e.seq, e.id, e.at, e.kind, a.name AS account, a.owner, e.folder, e.message, e.backfill, e.data FROM event e LEFT JOIN LATERAL \
             (SELECT name, owner FROM account WHERE id = e.account OFFSET 0) a ON TRUE WHERE e.message = $1 AND e.seq > $2 ORDER BY e.seq LIMIT $3"
        }
    }
}
