//! SQLite's words for who is named in mail.

use crate::store::sql::contacts::ContactText;

pub(in crate::store::sql) const fn words(text: ContactText) -> &'static str {
    match text {
        ContactText::ContactsOfKeys => {
            "SELECT k.id, k.key, k.address, k.rank, k.name, k.name_rank, k.first_at, k.from_count, k.to_count, \
             COALESCE((SELECT MAX(m.rank) FROM message_contact m WHERE m.contact = k.id), 0) AS newest FROM \
             json_each(?2) j CROSS JOIN contact k ON k.account = ?1 AND k.key = j.value"
        }
        ContactText::ContactsOfMails => {
            "SELECT c.message, c.role, c.position, c.rank, k.key, c.address, c.name FROM json_each(?1) j CROSS JOIN \
             message_contact c ON c.message = j.value CROSS JOIN contact k ON k.id = c.contact"
        }
        ContactText::NextContact => "SELECT next FROM counter WHERE name = 'contact'",
        ContactText::SaveNextContact => {
            "INSERT INTO counter (name, next) VALUES ('contact', ?1) ON CONFLICT (name) DO UPDATE SET next = \
             excluded.next"
        }
        ContactText::PutContacts => {
            "INSERT INTO contact (id, account, key, address, rank, name, name_rank, first_at, last_at, \
             from_count, to_count) SELECT j.value->>0, ?1, j.value->>1, j.value->>2, j.value->>3, j.value->>4, \
             j.value->>5, j.value->>6, j.value->>7, j.value->>8, j.value->>9 FROM json_each(?2) j WHERE TRUE ON \
             CONFLICT (id) DO UPDATE SET address = excluded.address, rank = excluded.rank, name = excluded.name, \
             name_rank = excluded.name_rank, first_at = excluded.first_at, last_at = excluded.last_at, from_count \
             = excluded.from_count, to_count = excluded.to_count"
        }
        ContactText::DropNamed => {
            "DELETE FROM message_contact WHERE message IN (SELECT value FROM json_each(?1))"
        }
        ContactText::PutNamed => {
            "INSERT INTO message_contact (message, role, position, contact, rank, address, name) SELECT \
             j.value->>0, j.value->>1, j.value->>2, j.value->>3, j.value->>4, j.value->>5, j.value->>6 FROM \
             json_each(?1) j"
        }
        ContactText::RecountContacts => {
            "UPDATE contact SET rank = (SELECT MAX(m.rank) FROM message_contact m WHERE m.contact = contact.id), \
             last_at = (SELECT (MAX(m.rank) >> 30) * 1000000 FROM message_contact m WHERE m.contact = \
             contact.id), first_at = (SELECT (MIN(m.rank) >> 30) * 1000000 FROM message_contact m WHERE m.contact \
             = contact.id), address = (SELECT COALESCE(m.address, contact.key) FROM message_contact m WHERE \
             m.contact = contact.id ORDER BY m.rank DESC, m.role <> 'from', m.role, m.position LIMIT 1), name = \
             (SELECT m.name FROM message_contact m WHERE m.contact = contact.id AND m.name IS NOT NULL ORDER BY \
             m.rank DESC, m.role <> 'from', m.role, m.position LIMIT 1), from_count = (SELECT COUNT(DISTINCT \
             m.message) FROM message_contact m WHERE m.contact = contact.id AND m.role = 'from'), to_count = \
             (SELECT COUNT(DISTINCT m.message) FROM message_contact m WHERE m.contact = contact.id AND m.role IN \
             ('to', 'cc', 'bcc')), name_rank = COALESCE((SELECT MAX(m.rank) FROM message_contact m WHERE \
             m.contact = contact.id AND m.name IS NOT NULL), 0) WHERE id IN (SELECT value FROM json_each(?1))"
        }
        ContactText::DropUnnamed => {
            "DELETE FROM contact WHERE id IN (SELECT value FROM json_each(?1)) AND NOT EXISTS (SELECT 1 FROM \
             message_contact m WHERE m.contact = contact.id)"
        }
        ContactText::PurgeNamed => {
            concat!("DELETE FROM message_contact WHERE message IN (", chunk!(), ")")
        }
        ContactText::PurgeContacts => {
            "DELETE FROM contact WHERE id IN (SELECT id FROM contact WHERE account = ?1 LIMIT ?2)"
        }
    }
}
