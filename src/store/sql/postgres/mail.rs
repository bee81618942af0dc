//! PostgreSQL's words for one message.

use crate::store::sql::mail::MailText;

pub(in crate::store::sql) const fn words(text: MailText) -> &'static str {
    match text {
        MailText::MessageOfNumber => {
            "SELECT a.name AS account, COALESCE(t.thread, d.thread) AS thread, m.subject, m.message_id, m.date, \
             COALESCE(m.internal_date, m.date, m.stored_at) AS received_at, m.size, m.deleted_at, d.snippet, d.outgoing, d.list_id, \
             d.more_people, d.parse, d.version, a.derive, a.addresses, b.hash, b.pack, b.\"offset\", b.length FROM message m JOIN account a ON a.id = \
             m.account JOIN body b ON b.id = m.body LEFT JOIN derived d ON d.message = m.id LEFT JOIN thread_alias t ON t.id = \
             d.thread WHERE m.id = $1"
        }
        MailText::PlacesOfMail => {
            "SELECT f.id AS folder, f.path, f.role, l.uid, l.flags, l.keywords FROM location l CROSS JOIN LATERAL (SELECT * FROM folder WHERE \
             id = l.folder OFFSET 0) f WHERE l.message = $1 AND l.ended_at IS NULL AND f.deleted_at IS NULL ORDER BY f.path, l.uid"
        }
        MailText::FilesOfMail => {
            "SELECT part, type AS media_type, name, inline, content_id, size, sha256, encoding, \"offset\", octets FROM attachment WHERE message = $1 \
             ORDER BY \"offset\""
        }
        MailText::PeopleOfMail => {
            "SELECT c.role, COALESCE(c.address, k.key) AS address, c.name, c.position FROM message_contact c JOIN contact k ON k.id = c.contact WHERE \
             c.message = $1 ORDER BY c.role, c.position"
        }
    }
}
