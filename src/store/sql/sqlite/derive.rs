//! SQLite's words for what is derived.

use crate::store::sql::derive::DeriveText;

pub(in crate::store::sql) const fn words(text: DeriveText) -> &'static str {
    match text {
        DeriveText::DeriveState => {
            "SELECT derive, (feed IS NOT NULL OR identity_kind <> 'hash') AS tells_threads, addresses FROM account WHERE id = ?1"
        }
        DeriveText::MessagesThere => {
            "SELECT m.id, m.thread, d.message IS NOT NULL OR EXISTS (SELECT 1 FROM message_contact c \
             WHERE c.message = m.id) AS was_derived FROM json_each(?2) j CROSS JOIN message m ON m.id = j.value \
             LEFT JOIN derived d ON d.message = m.id WHERE m.account = ?1"
        }
        DeriveText::TellThreads => {
            "UPDATE message SET thread = r.value->>1 FROM json_each(?1) r WHERE message.id = r.value->>0"
        }
        DeriveText::SaveDerive => "UPDATE account SET derive = ?2 WHERE id = ?1",
        // A message that is gone meanwhile has no row.
        DeriveText::PutDerived => {
            "INSERT INTO derived (message, account, rank, received_at, snippet, attachments, list_id, parse, error, version, thread, outgoing, more_people) \
             SELECT m.id, m.account, j.value->>1, j.value->>2, j.value->>3, j.value->>4, j.value->>5, j.value->>6, j.value->>7, \
             j.value->>8, j.value->>9, j.value->>10, j.value->>11 FROM json_each(?2) j CROSS JOIN message m ON m.id = j.value->>0 WHERE m.account = ?1 ON CONFLICT (message) DO UPDATE \
             SET account = excluded.account, rank = excluded.rank, received_at = excluded.received_at, snippet = \
             excluded.snippet, attachments = excluded.attachments, list_id = excluded.list_id, parse = excluded.parse, \
             error = excluded.error, version = excluded.version, thread = excluded.thread, outgoing = excluded.outgoing, more_people = excluded.more_people"
        }
        DeriveText::DropAttachments => {
            "DELETE FROM attachment WHERE message IN (SELECT value FROM json_each(?1))"
        }
        DeriveText::PutAttachments => {
            "INSERT INTO attachment (message, part, type, name, inline, content_id, encoding, \"offset\", octets, size, \
             sha256) SELECT m.id, j.value->>1, j.value->>2, j.value->>3, j.value->>4, j.value->>5, j.value->>6, j.value->>7, \
             j.value->>8, j.value->>9, unhex(j.value->>10) FROM json_each(?2) j CROSS JOIN message m ON m.id = j.value->>0 WHERE \
             m.account = ?1"
        }
        DeriveText::PurgeDerived => {
            concat!("DELETE FROM derived WHERE message IN (", chunk!(), ")")
        }
        DeriveText::PurgeAttachments => {
            concat!("DELETE FROM attachment WHERE message IN (", chunk!(), ")")
        }
        DeriveText::DerivedAccounts => {
            "SELECT id, derive, (SELECT max(m.id) FROM message m WHERE m.account = a.id) AS newest, EXISTS (SELECT 1 FROM thread_alias t WHERE t.account = a.id AND \
             t.moves) AS moves FROM account a WHERE ?1 IS NULL OR a.id = ?1 ORDER BY id"
        }
        DeriveText::OwedMails => {
            "SELECT m.id AS message, COALESCE(m.internal_date, m.date, m.stored_at) AS received_at, m.stored_at, b.hash, b.pack, \
             b.\"offset\", b.length, b.stored, m.synthetic FROM message m JOIN body b ON b.id = m.body WHERE m.account = ?1 AND m.id >= ?2 AND \
             m.id <= ?3 ORDER BY m.id LIMIT ?4"
        }
        DeriveText::OwedMessages => {
            "SELECT count(*) AS count FROM json_each(?2) j CROSS JOIN message m ON m.account = ?1 AND m.id >= j.value->>0 AND m.id <= \
             j.value->>1"
        }
    }
}
