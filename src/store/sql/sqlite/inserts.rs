//! Rows as they are inserted: each text is that of one row, whose values many rows repeat; a row that
//! begins with NULL is none. A statement that fails leaves the rows before it, or (a full disk) takes back
//! the whole transaction: nobody goes on behind it but by the savepoint around it.

use crate::store::sql::inserts::RowText;

pub(in crate::store::sql) const fn words(text: RowText) -> &'static str {
    match text {
        RowText::Body => {
            "INSERT OR FAIL INTO body (hash, pack, \"offset\", length, stored_at) SELECT * FROM (VALUES (?1, ?2, ?3, ?4, ?5)) \
             WHERE column1 IS NOT NULL ON CONFLICT (hash) DO NOTHING"
        }
        // Where its body is not there, or is a row that lost its place, it is refused: none is without bytes.
        RowText::Message => {
            "INSERT OR FAIL INTO message (account, id, identity, body, size, internal_date, stored_at, places, announced, \
             message_id, subject, from_text, to_text, cc_text, date, parse, version, thread, synthetic) SELECT column1, column2, column3, \
             b.id, column5, column6, column7, column8, column9, column10, column11, column12, column13, column14, \
             column15, column16, column17, column18, column19 FROM \
             (VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)) \
             LEFT JOIN body b ON b.hash = column4 AND b.length = column5 WHERE column1 IS NOT NULL"
        }
        RowText::Location => {
            "INSERT OR FAIL INTO location (folder, uidvalidity, uid, message, flags, keywords, modseq, internal_date, \
             began_at, ended_at) SELECT * FROM (VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)) WHERE column1 IS NOT NULL \
             ON CONFLICT (folder, uidvalidity, uid) DO UPDATE SET message = excluded.message, flags = excluded.flags, \
             keywords = excluded.keywords, modseq = excluded.modseq, internal_date = excluded.internal_date, began_at = excluded.began_at, \
             ended_at = excluded.ended_at"
        }
        RowText::Event => {
            "INSERT OR FAIL INTO event (account, at, seq, id, kind, folder, message, backfill, data) \
             SELECT * FROM (VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)) WHERE column1 IS NOT NULL"
        }
    }
}
