//! SQLite's words for whether what is derived fits.

use crate::store::sql::check::CheckText;

/// The numbers under which mails of these threads stand.
macro_rules! numbers {
    () => {
        "SELECT j.value FROM json_each(?1) j UNION SELECT a.id FROM json_each(?1) j CROSS JOIN thread_alias a ON a.thread = j.value"
    };
}

/// Of the mails of `thread`, under whatever number they stand.
macro_rules! of_thread {
    ($what: literal) => {
        concat!(
            "(SELECT ", $what, " FROM (SELECT thread.id AS number UNION ALL SELECT a.id FROM thread_alias a WHERE a.thread = thread.id AND \
             a.moves) n CROSS JOIN derived d ON d.thread = n.number)"
        )
    };
}

pub(in crate::store::sql) const fn words(text: CheckText) -> &'static str {
    match text {
        CheckText::ThreadsBehind => {
            "SELECT id, messages, rank, first_at FROM thread WHERE account = ?1 AND (rank, id) > (?2, ?3) ORDER BY rank, id LIMIT ?4"
        }
        CheckText::MailsOfThreads => {
            "SELECT d.message, n.thread, d.rank, d.received_at, m.thread AS told, d.parse, b.hash, b.pack, b.\"offset\", b.length, b.stored FROM (SELECT \
             j.value AS id, j.value AS thread FROM json_each(?1) j UNION ALL SELECT a.id, a.thread FROM json_each(?1) j CROSS JOIN \
             thread_alias a ON a.thread = j.value AND a.moves) n CROSS JOIN derived d ON d.thread = n.id CROSS JOIN message m ON \
             m.id = d.message CROSS JOIN body b ON b.id = m.body LIMIT ?2"
        }
        CheckText::DerivedOfMails => {
            "SELECT d.message, d.account, d.rank, d.received_at, d.snippet, d.attachments, d.list_id, d.parse, d.version, d.outgoing, \
             d.more_people FROM json_each(?1) j CROSS JOIN derived d ON d.message = j.value"
        }
        CheckText::StrayDerived => {
            "SELECT d.message AS id FROM derived d WHERE d.account = ?1 AND NOT EXISTS (SELECT 1 FROM message m WHERE m.id = \
             d.message) UNION SELECT d.message FROM message m JOIN derived d ON d.message = m.id WHERE \
             m.account = ?1 AND (d.account <> m.account OR d.received_at <> COALESCE(m.internal_date, m.date, m.stored_at) OR d.rank \
             <> ((min(max(COALESCE(m.internal_date, m.date, m.stored_at) / 1000000, 0), 4102444800) << 30) | (m.id & 1073741823))) LIMIT ?2"
        }
        CheckText::StrayFiles => {
            "SELECT DISTINCT a.message AS id FROM attachment a WHERE NOT EXISTS (SELECT 1 FROM derived d WHERE d.message = a.message) LIMIT ?1"
        }
        CheckText::StrayPeople => {
            "SELECT DISTINCT c.message AS id FROM message_contact c WHERE NOT EXISTS (SELECT 1 FROM derived d WHERE d.message = c.message) LIMIT ?1"
        }
        CheckText::StrayWords => {
            "SELECT r.id, r.message FROM word_row r WHERE NOT EXISTS (SELECT 1 FROM derived d WHERE d.message = r.message AND d.rank = \
             4611686018427387904 - r.id) LIMIT ?1"
        }
        CheckText::StrayTexts => {
            "SELECT w.rowid AS id FROM word w WHERE NOT EXISTS (SELECT 1 FROM word_row r WHERE r.id = w.rowid) LIMIT ?1"
        }
        CheckText::StrayContacts => {
            "SELECT c.id FROM contact c WHERE c.account = ?1 AND c.id > ?2 AND (c.rank IS NOT (SELECT MAX(m.rank) FROM message_contact m \
             WHERE m.contact = c.id) OR c.last_at <> (c.rank >> 30) * 1000000 OR c.first_at IS NOT (SELECT (MIN(m.rank) >> 30) * 1000000 \
             FROM message_contact m WHERE m.contact = c.id) OR c.address IS NOT (SELECT COALESCE(m.address, c.key) FROM message_contact m \
             WHERE m.contact = c.id ORDER BY m.rank DESC, m.role <> 'from', m.role, m.position LIMIT 1) OR c.name IS NOT (SELECT m.name \
             FROM message_contact m WHERE m.contact = c.id AND m.name IS NOT NULL ORDER BY m.rank DESC, m.role <> 'from', m.role, \
             m.position LIMIT 1) OR c.name_rank IS NOT COALESCE((SELECT MAX(m.rank) FROM message_contact m WHERE m.contact = c.id AND \
             m.name IS NOT NULL), 0) OR c.from_count IS NOT (SELECT COUNT(DISTINCT m.message) FROM message_contact m WHERE m.contact = \
             c.id AND m.role = 'from') OR c.to_count IS NOT (SELECT COUNT(DISTINCT m.message) FROM message_contact m WHERE m.contact = \
             c.id AND m.role IN ('to', 'cc', 'bcc'))) ORDER BY c.id LIMIT ?3"
        }
        CheckText::StrayMails => {
            "SELECT d.message, 0 AS thread, d.rank, d.received_at, m.thread AS told, d.parse, b.hash, b.pack, b.\"offset\", b.length, b.stored FROM derived \
             d JOIN message m ON m.id = d.message AND m.account = d.account JOIN body b ON b.id = m.body WHERE d.account = ?1 AND NOT EXISTS \
             (SELECT 1 FROM thread t WHERE t.id = d.thread AND t.account = d.account) AND NOT EXISTS (SELECT 1 FROM thread_alias a WHERE a.id = d.thread AND \
             a.moves AND EXISTS (SELECT 1 FROM thread t WHERE t.id = a.thread)) LIMIT ?2"
        }
        CheckText::StrayThreads => {
            "SELECT t.id FROM thread t WHERE t.account = ?1 AND NOT EXISTS (SELECT 1 FROM derived d WHERE d.thread = t.id) AND NOT EXISTS \
             (SELECT 1 FROM thread_alias a WHERE a.thread = t.id AND a.moves) LIMIT ?2"
        }
        CheckText::StrayAliases => {
            "SELECT a.id FROM thread_alias a WHERE a.account = ?1 AND (EXISTS (SELECT 1 FROM thread t WHERE t.id = a.id) OR NOT EXISTS \
             (SELECT 1 FROM thread t WHERE t.id = a.thread) OR EXISTS (SELECT 1 FROM derived d WHERE d.message = a.id AND \
             COALESCE((SELECT b.thread FROM thread_alias b WHERE b.id = d.thread), d.thread) <> a.thread)) LIMIT ?2"
        }
        CheckText::OtherWords => {
            "SELECT j.value->>0 AS id FROM json_each(?1) j WHERE NOT EXISTS (SELECT 1 FROM word_row r WHERE r.id = j.value->>0 AND \
             r.message = j.value->>1)"
        }
        CheckText::WordTerms => {
            "SELECT term, cnt AS count FROM word_term WHERE term > ?1 ORDER BY term LIMIT ?2"
        }
        CheckText::WordPlaces => {
            "SELECT term, doc, col AS field, \"offset\" AS place FROM word_place WHERE term > ?1 AND term <= ?2 AND doc >= ?3 LIMIT ?4"
        }
        CheckText::DropDerived => {
            "DELETE FROM derived WHERE message IN (SELECT value FROM json_each(?1))"
        }
        CheckText::DropTexts => "DELETE FROM word WHERE rowid IN (SELECT value FROM json_each(?1))",
        CheckText::DropAliases => {
            "DELETE FROM thread_alias WHERE id IN (SELECT value FROM json_each(?1))"
        }
        CheckText::ForgetKeys => {
            "DELETE FROM thread_key WHERE account = ?1 AND key IN (SELECT unhex(value) FROM json_each(?2))"
        }
        CheckText::ForgetMails => {
            concat!("UPDATE derived SET thread = NULL WHERE thread IN (", numbers!(), ")")
        }
        CheckText::ForgetAliases => {
            "DELETE FROM thread_alias WHERE thread IN (SELECT value FROM json_each(?1))"
        }
        CheckText::ForgetThreads => {
            "DELETE FROM thread WHERE id IN (SELECT value FROM json_each(?1))"
        }
        CheckText::PutInThreads => {
            "UPDATE derived SET thread = j.value->>1 FROM json_each(?1) j WHERE derived.message = j.value->>0"
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
            "SELECT value FROM json_each(?1)",
            ")"
        ),
    }
}
