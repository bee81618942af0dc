//! PostgreSQL's words for whether what is derived fits.

use crate::store::sql::check::CheckText;

/// The numbers of a document.
macro_rules! given {
    ($document: literal) => {
        concat!(
            "SELECT j.value::bigint AS id FROM jsonb_array_elements(",
            $document,
            "::jsonb) j (value)"
        )
    };
}

/// Of the mails of `thread`, under whatever number they stand.
macro_rules! of_thread {
    ($what: literal) => {
        concat!(
            "(SELECT ", $what, " FROM (SELECT thread.id AS number UNION ALL SELECT a.id FROM thread_alias a WHERE a.thread = thread.id AND \
             a.moves) n CROSS JOIN LATERAL (SELECT * FROM derived WHERE thread = n.number OFFSET 0) d)"
        )
    };
}

pub(in crate::store::sql) const fn words(text: CheckText) -> &'static str {
    match text {
        CheckText::ThreadsBehind => {
            "SELECT id, messages, rank, first_at FROM thread WHERE account = $1 AND (rank, id) > ($2, $3) ORDER BY rank, id LIMIT $4"
        }
        CheckText::MailsOfThreads => concat!(
            "SELECT d.message, n.thread, d.rank, d.received_at, m.thread AS told, d.parse, b.hash, b.pack, b.\"offset\", b.length, b.stored FROM (SELECT j.id, \
             j.id AS thread FROM (",
            given!("$1"),
            ") j UNION ALL SELECT a.id, a.thread FROM (",
            given!("$1"),
            ") j CROSS JOIN LATERAL (SELECT * FROM thread_alias WHERE thread = j.id AND moves OFFSET 0) a) n CROSS JOIN LATERAL (SELECT * \
             FROM derived WHERE thread = n.id OFFSET 0) d CROSS JOIN LATERAL (SELECT * FROM message WHERE id = d.message OFFSET 0) m CROSS \
             JOIN LATERAL (SELECT * FROM body WHERE id = m.body OFFSET 0) b LIMIT $2"
        ),
        CheckText::DerivedOfMails => concat!(
            "SELECT d.message, d.account, d.rank, d.received_at, d.snippet, d.attachments, d.list_id, d.parse, d.version, d.outgoing, \
             d.more_people FROM ",
            for_each!("$1", "SELECT * FROM derived WHERE message = j.value::bigint"),
            " d"
        ),
        CheckText::StrayDerived => {
            "SELECT d.message AS id FROM derived d WHERE d.account = $1 AND NOT EXISTS (SELECT 1 FROM message m WHERE m.id = d.message) \
             UNION ALL SELECT d.message FROM message m CROSS JOIN LATERAL (SELECT * FROM derived WHERE message = \
             m.id OFFSET 0) d WHERE m.account = $1 AND (d.account <> m.account OR d.received_at <> COALESCE(m.internal_date, m.date, \
             m.stored_at) OR d.rank <> ((LEAST(GREATEST(COALESCE(m.internal_date, m.date, m.stored_at) / 1000000, 0), 4102444800) << 30) \
             | (m.id & 1073741823))) LIMIT $2"
        }
        CheckText::StrayFiles => {
            "SELECT DISTINCT a.message AS id FROM attachment a WHERE NOT EXISTS (SELECT 1 FROM derived d WHERE d.message = a.message) LIMIT $1"
        }
        CheckText::StrayPeople => {
            "SELECT DISTINCT c.message AS id FROM message_contact c WHERE NOT EXISTS (SELECT 1 FROM derived d WHERE d.message = c.message) LIMIT $1"
        }
        CheckText::StrayWords => {
            "SELECT r.id, r.message FROM word r WHERE NOT EXISTS (SELECT 1 FROM derived d WHERE d.message = r.message AND d.rank = \
             4611686018427387904 - r.id) LIMIT $1"
        }
        // Here words are columns of their rows.
        CheckText::StrayTexts => "SELECT $1::bigint AS id WHERE FALSE",
        CheckText::StrayContacts => {
            "SELECT c.id FROM contact c WHERE c.account = $1 AND c.id > $2 AND (c.rank IS DISTINCT FROM (SELECT MAX(m.rank) FROM \
             message_contact m WHERE m.contact = c.id) OR c.last_at <> (c.rank >> 30) * 1000000 OR c.first_at IS DISTINCT FROM (SELECT \
             (MIN(m.rank) >> 30) * 1000000 FROM message_contact m WHERE m.contact = c.id) OR c.address IS DISTINCT FROM (SELECT \
             COALESCE(m.address, c.key) FROM message_contact m WHERE m.contact = c.id ORDER BY m.rank DESC, m.role <> 'from', m.role, \
             m.position LIMIT 1) OR c.name IS DISTINCT FROM (SELECT m.name FROM message_contact m WHERE m.contact = c.id AND m.name IS \
             NOT NULL ORDER BY m.rank DESC, m.role <> 'from', m.role, m.position LIMIT 1) OR c.name_rank IS DISTINCT FROM \
             COALESCE((SELECT MAX(m.rank) FROM message_contact m WHERE m.contact = c.id AND m.name IS NOT NULL), 0) OR c.from_count IS \
             DISTINCT FROM (SELECT COUNT(DISTINCT m.message) FROM message_contact m WHERE m.contact = c.id AND m.role = 'from') OR \
             c.to_count IS DISTINCT FROM (SELECT COUNT(DISTINCT m.message) FROM message_contact m WHERE m.contact = c.id AND m.role IN \
             ('to', 'cc', 'bcc'))) ORDER BY c.id LIMIT $3"
        }
        CheckText::StrayMails => {
            "SELECT d.message, 0::bigint AS thread, d.rank, d.received_at, m.thread AS told, d.parse, b.hash, b.pack, b.\"offset\", b.length, b.stored FROM \
             (SELECT * FROM derived WHERE account = $1 AND NOT EXISTS (SELECT 1 FROM thread t WHERE t.id = derived.thread AND t.account = \
             derived.account) AND NOT EXISTS (SELECT 1 FROM thread_alias a WHERE a.id = derived.thread AND a.moves AND EXISTS (SELECT 1 \
             FROM thread t WHERE t.id = a.thread)) LIMIT $2) d CROSS JOIN LATERAL (SELECT * FROM message WHERE id = d.message AND account = $1 OFFSET 0) m \
             CROSS JOIN LATERAL (SELECT * FROM body WHERE id = m.body OFFSET 0) b"
        }
        CheckText::StrayThreads => {
            "SELECT t.id FROM thread t WHERE t.account = $1 AND NOT EXISTS (SELECT 1 FROM derived d WHERE d.thread = t.id) AND NOT EXISTS \
             (SELECT 1 FROM thread_alias a WHERE a.thread = t.id AND a.moves) LIMIT $2"
        }
        CheckText::StrayAliases => {
            "SELECT a.id FROM thread_alias a WHERE a.account = $1 AND (EXISTS (SELECT 1 FROM thread t WHERE t.id = a.id) OR NOT EXISTS \
             (SELECT 1 FROM thread t WHERE t.id = a.thread) OR EXISTS (SELECT 1 FROM derived d WHERE d.message = a.id AND \
             COALESCE((SELECT b.thread FROM thread_alias b WHERE b.id = d.thread), d.thread) <> a.thread)) LIMIT $2"
        }
        CheckText::OtherWords => {
            "SELECT (j.value->>0)::bigint AS id FROM jsonb_array_elements($1::jsonb) j (value) LEFT JOIN word w ON w.id = \
             (j.value->>0)::bigint AND w.message = (j.value->>1)::bigint WHERE w.words IS DISTINCT FROM (j.value->2->>0)::tsvector"
        }
        // Here `OtherWords` tells it all.
        CheckText::WordTerms => "SELECT $1::text AS term, $2::bigint AS count WHERE FALSE",
        CheckText::WordPlaces => {
            "SELECT $1::text AS term, $3::bigint AS doc, $2::text AS field, $4::bigint AS place WHERE FALSE"
        }
        CheckText::DropDerived => {
            concat!("DELETE FROM derived WHERE message IN (", given!("$1"), ")")
        }
        CheckText::DropTexts => {
            concat!("DELETE FROM word WHERE FALSE AND id IN (", given!("$1"), ")")
        }
        CheckText::DropAliases => {
            concat!("DELETE FROM thread_alias WHERE id IN (", given!("$1"), ")")
        }
        CheckText::ForgetKeys => {
            "DELETE FROM thread_key USING jsonb_array_elements_text($2::jsonb) j (value) WHERE account = $1 AND key = decode(j.value, \
             'hex')"
        }
        CheckText::ForgetMails => concat!(
            "UPDATE derived SET thread = NULL WHERE thread IN (",
            given!("$1"),
            " UNION SELECT a.id FROM thread_alias a WHERE a.thread IN (",
            given!("$1"),
            "))"
        ),
        CheckText::ForgetAliases => {
            concat!("DELETE FROM thread_alias WHERE thread IN (", given!("$1"), ")")
        }
        CheckText::ForgetThreads => {
            concat!("DELETE FROM thread WHERE id IN (", given!("$1"), ")")
        }
        CheckText::PutInThreads => {
            "UPDATE derived SET thread = (j.value->>1)::bigint FROM jsonb_array_elements($1::jsonb) j (value) WHERE derived.message = \
             (j.value->>0)::bigint"
        }
        // One without mails is counted anew from the first that is read.
        CheckText::RecountThreads => concat!(
            "UPDATE thread SET messages = ",
            of_thread!("COUNT(*)"),
            ", rank = ",
            of_thread!("COALESCE(MAX(d.rank), 0)"),
            ", first_at = ",
            of_thread!("COALESCE(MIN(d.received_at), 9223372036854775807)"),
            " WHERE id IN (",
            given!("$1"),
            ")"
        ),
    }
}
