//! SQLite's words for messages.

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
        " JOIN account a ON a.id = m.account JOIN body b ON b.id = m.body LEFT JOIN derived d ON d.message = m.id LEFT JOIN \
         thread_alias t ON t.id = d.thread"
    };
}

pub(in crate::store::sql) const fn words(text: MailText) -> &'static str {
    match text {
        MailText::MessageOfNumber => concat!(
            "SELECT ",
            listed!(),
            ", d.parse, d.version, a.derive, a.addresses, b.pack, b.\"offset\", b.length, b.stored, m.synthetic FROM message m",
            of_message!(),
            " WHERE m.id = ?1"
        ),
        MailText::ListedMails => concat!(
            "SELECT ",
            listed!(),
            " FROM json_each(?1) j CROSS JOIN message m ON m.id = j.value",
            of_message!()
        ),
        MailText::PlacesOfMails => {
            "SELECT l.message, f.id AS folder, f.path, f.role, l.uid, COALESCE(l.internal_date, 0) AS at, l.flags, l.keywords FROM \
             json_each(?1) j CROSS JOIN location l ON l.message = j.value AND l.ended_at IS NULL JOIN folder f ON f.id = l.folder \
             WHERE f.deleted_at IS NULL"
        }
        MailText::FilesOfMails => {
            "SELECT t.message, t.part, t.type AS media_type, t.name, t.inline, t.content_id, t.size, t.sha256, t.encoding, t.\"offset\", \
             t.octets FROM json_each(?1) j CROSS JOIN attachment t ON t.message = j.value"
        }
        MailText::PeopleOfMails => {
            "SELECT c.message, c.role, COALESCE(c.address, k.key) AS address, c.name, c.position, c.contact, k.key FROM json_each(?1) j \
             CROSS JOIN message_contact c ON c.message = j.value CROSS JOIN contact k ON k.id = c.contact WHERE c.position < ?2"
        }
        MailText::RowsAround => {
            "SELECT j.value AS message, (SELECT count(*) FROM attachment t WHERE t.message = j.value) + (SELECT count(*) FROM \
             message_contact c WHERE c.message = j.value) AS count FROM json_each(?1) j"
        }
        MailText::HistoryOfMail => {
            "SELECT e.seq, e.id, e.at, e.kind, a.name AS account, a.owner, e.folder, e.message, e.backfill, e.data FROM event e LEFT JOIN account a \
             ON a.id = e.account WHERE e.message = ?1 AND e.seq > ?2 ORDER BY e.seq LIMIT ?3"
        }
    }
}
