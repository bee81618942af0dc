//! PostgreSQL's words for rows as they are inserted: each column comes as one array, however many rows
//! there are.

use crate::store::sql::inserts::RowText;

pub(in crate::store::sql) const fn words(text: RowText) -> &'static str {
    match text {
        RowText::Body => {
            "INSERT INTO body (hash, pack, \"offset\", length, stored_at) SELECT * FROM UNNEST($1::bytea[], \
             $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) ON CONFLICT (hash) DO NOTHING"
        }
        // Where its body is not there, or is a row that lost its place, it is refused: none is without bytes.
        RowText::Message => {
            "INSERT INTO message (account, id, identity, body, size, internal_date, stored_at, places, announced, \
             message_id, subject, from_text, to_text, cc_text, date, parse, version, thread, synthetic) SELECT r.account, r.id, \
             r.identity, b.id, r.size, r.internal_date, r.stored_at, r.places, r.announced, r.message_id, r.subject, \
             r.from_text, r.to_text, r.cc_text, r.date, r.parse, r.version, r.thread, r.synthetic FROM UNNEST($1::bigint[], $2::bigint[], \
             $3::text[], $4::bytea[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], \
             $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::bigint[], $16::text[], \
             $17::text[], $18::text[], $19::boolean[]) r (account, id, identity, hash, size, internal_date, stored_at, places, announced, \
             message_id, subject, from_text, to_text, cc_text, date, parse, version, thread, synthetic) LEFT JOIN body b ON b.hash = \
             r.hash AND b.length = r.size"
        }
        RowText::Location => {
            "INSERT INTO location (folder, uidvalidity, uid, message, flags, keywords, modseq, internal_date, \
             began_at, ended_at) SELECT * FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], \
             $5::text[], $6::text[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[]) ON CONFLICT (folder, \
             uidvalidity, uid) DO UPDATE SET message = excluded.message, flags = excluded.flags, keywords = \
             excluded.keywords, modseq = excluded.modseq, internal_date = excluded.internal_date, began_at = \
             excluded.began_at, ended_at = excluded.ended_at"
        }
        RowText::Event => {
            "INSERT INTO event (account, at, seq, id, kind, folder, message, backfill, data) SELECT * FROM \
             UNNEST($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], \
             $8::boolean[], $9::text[])"
        }
    }
}
