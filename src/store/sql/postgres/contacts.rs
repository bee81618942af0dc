//! PostgreSQL's words for who is named in mail.

use crate::store::sql::contacts::ContactText;

pub(in crate::store::sql) const fn words(text: ContactText) -> &'static str {
    match text {
        ContactText::ContactsOfKeys => {
            "SELECT k.id, k.key, k.address, k.rank, k.name, k.name_rank, k.first_at, k.from_count, k.to_count, \
             COALESCE((SELECT MAX(m.rank) FROM message_contact m WHERE m.contact = k.id), 0) AS newest FROM \
             jsonb_array_elements_text($2::jsonb) j (value) CROSS JOIN LATERAL (SELECT * FROM contact WHERE \
             account = $1 AND key = j.value OFFSET 0) k"
        }
        ContactText::ContactsOfMails => {
            "SELECT c.message, c.role, c.position, c.rank, k.key, c.address, c.name FROM \
             jsonb_array_elements_text($1::jsonb) j (value) CROSS JOIN LATERAL (SELECT * FROM message_contact \
             WHERE message = j.value::bigint OFFSET 0) c CROSS JOIN LATERAL (SELECT * FROM contact WHERE id = \
             c.contact OFFSET 0) k"
        }
        ContactText::NextContact => "SELECT next FROM counter WHERE name = 'contact'",
        ContactText::SaveNextContact => {
            "INSERT INTO counter (name, next) VALUES ('contact', $1) ON CONFLICT (name) DO UPDATE SET next = \
             excluded.next"
        }
        ContactText::PutContacts => {
            "INSERT INTO contact (id, account, key, address, rank, name, name_rank, first_at, last_at, \
             from_count, to_count) SELECT (j.value->>0)::bigint, $1, j.value->>1, j.value->>2, \
             (j.value->>3)::bigint, j.value->>4, (j.value->>5)::bigint, (j.value->>6)::bigint, \
             (j.value->>7)::bigint, (j.value->>8)::bigint, (j.value->>9)::bigint FROM \
             jsonb_array_elements($2::jsonb) j (value) ON CONFLICT (id) DO UPDATE SET address = excluded.address, \
             rank = excluded.rank, name = excluded.name, name_rank = excluded.name_rank, first_at = \
             excluded.first_at, last_at = excluded.last_at, from_count = excluded.from_count, to_count = \
             excluded.to_count"
        }
        ContactText::DropNamed => {
            "DELETE FROM message_contact WHERE message = ANY (ARRAY(SELECT \
             jsonb_array_elements_text($1::jsonb)::bigint))"
        }
        ContactText::PutNamed => {
            "INSERT INTO message_contact (message, role, position, contact, rank, address, name) SELECT \
             (j.value->>0)::bigint, j.value->>1, (j.value->>2)::bigint, (j.value->>3)::bigint, \
             (j.value->>4)::bigint, j.value->>5, j.value->>6 FROM jsonb_array_elements($1::jsonb) j (value)"
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
             m.contact = contact.id AND m.name IS NOT NULL), 0) WHERE id = ANY (ARRAY(SELECT \
             jsonb_array_elements_text($1::jsonb)::bigint))"
        }
        ContactText::DropUnnamed => {
            "DELETE FROM contact WHERE id = ANY (ARRAY(SELECT jsonb_array_elements_text($1::jsonb)::bigint)) AND \
             NOT EXISTS (SELECT 1 FROM message_contact m WHERE m.contact = contact.id)"
        }
        ContactText::PurgeNamed => {
            concat!("DELETE FROM message_contact WHERE message IN (", chunk!(), ")")
        }
        ContactText::PurgeContacts => {
            "DELETE FROM contact WHERE id IN (SELECT id FROM contact WHERE account = $1 LIMIT $2)"
        }
    }
}
