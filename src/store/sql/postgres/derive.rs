//! PostgreSQL's words for what is derived.

use crate::store::sql::derive::DeriveText;

pub(in crate::store::sql) const fn words(text: DeriveText) -> &'static str {
    match text {
        DeriveText::DeriveState => {
            "SELECT derive, (feed IS NOT NULL OR identity_kind <> 'hash') AS tells_threads, addresses FROM account WHERE id = $1"
        }
        DeriveText::MessagesThere => {
            "SELECT m.id, m.thread, d.message IS NOT NULL OR (SELECT TRUE FROM message_contact c WHERE \
             c.message = m.id LIMIT 1) IS NOT NULL AS was_derived FROM jsonb_array_elements_text($2::jsonb) j (value) CROSS JOIN LATERAL (SELECT * FROM message WHERE id \
             = j.value::bigint OFFSET 0) m LEFT JOIN LATERAL (SELECT message FROM derived WHERE message = m.id OFFSET 0) d ON TRUE WHERE \
             m.account = $1"
        }
        DeriveText::TellThreads => {
            "UPDATE message SET thread = r.value->>1 FROM jsonb_array_elements($1::jsonb) r (value) WHERE message.id = \
             (r.value->>0)::bigint"
        }
        DeriveText::SaveDerive => "UPDATE account SET derive = $2 WHERE id = $1",
        // A message that is gone meanwhile has no row.
        DeriveText::PutDerived => {
            "INSERT INTO derived (message, account, rank, received_at, snippet, attachments, list_id, parse, error, version, thread, outgoing, more_people) \
             SELECT m.id, m.account, (j.value->>1)::bigint, (j.value->>2)::bigint, j.value->>3, (j.value->>4)::bigint, \
             j.value->>5, j.value->>6, j.value->>7, (j.value->>8)::bigint, (j.value->>9)::bigint, (j.value->>10)::boolean, (j.value->>11)::bigint FROM jsonb_array_elements($2::jsonb) j (value) \
             CROSS JOIN LATERAL (SELECT * FROM message WHERE id = (j.value->>0)::bigint OFFSET 0) m WHERE m.account = $1 ON CONFLICT (message) DO UPDATE SET account \
             = excluded.account, rank = excluded.rank, received_at = excluded.received_at, snippet = excluded.snippet, \
             attachments = excluded.attachments, list_id = excluded.list_id, parse = excluded.parse, error = \
             excluded.error, version = excluded.version, thread = excluded.thread, outgoing = excluded.outgoing, more_people = excluded.more_people"
        }
        DeriveText::DropAttachments => {
            "DELETE FROM attachment WHERE message = ANY (ARRAY(SELECT jsonb_array_elements_text($1::jsonb)::bigint))"
        }
        DeriveText::PutAttachments => {
            "INSERT INTO attachment (message, part, type, name, inline, content_id, encoding, \"offset\", octets, size, \
             sha256) SELECT m.id, j.value->>1, j.value->>2, j.value->>3, (j.value->>4)::boolean, j.value->>5, j.value->>6, \
             (j.value->>7)::bigint, (j.value->>8)::bigint, (j.value->>9)::bigint, decode(j.value->>10, 'hex') FROM \
             jsonb_array_elements($2::jsonb) j (value) CROSS JOIN LATERAL (SELECT * FROM message WHERE id = \
             (j.value->>0)::bigint OFFSET 0) m WHERE m.account = $1"
        }
        DeriveText::PurgeDerived => {
            concat!("DELETE FROM derived WHERE message IN (", chunk!(), ")")
        }
        DeriveText::PurgeAttachments => {
            concat!("DELETE FROM attachment WHERE message IN (", chunk!(), ")")
        }
        DeriveText::DerivedAccounts => {
            "SELECT id, derive, (SELECT max(m.id) FROM message m WHERE m.account = a.id) AS newest, (SELECT TRUE FROM thread_alias t WHERE \
             t.account = a.id AND t.moves LIMIT 1) IS NOT NULL AS moves FROM account a WHERE $1::bigint IS NULL OR a.id = $1 ORDER BY id"
        }
        DeriveText::OwedMails => {
            "SELECT m.id AS message, COALESCE(m.internal_date, m.date, m.stored_at) AS received_at, m.stored_at, b.hash, b.pack, \
             b.\"offset\", b.length, b.stored, m.synthetic FROM message m JOIN body b ON b.id = m.body WHERE m.account = $1 AND m.id >= $2 AND \
             m.id <= $3 ORDER BY m.id LIMIT $4"
        }
        DeriveText::OwedMessages => {
            "SELECT COALESCE(sum(m.count), 0)::bigint AS count FROM jsonb_array_elements($2::jsonb) j (value) CROSS JOIN LATERAL \
             (SELECT count(*) AS count FROM message WHERE account = $1 AND id >= (j.value->>0)::bigint AND id <= \
             (j.value->>1)::bigint) m"
        }
    }
}
