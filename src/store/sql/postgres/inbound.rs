//! PostgreSQL's words for what providers have pushed.

use crate::store::sql::inbound::InboundText;

pub(in crate::store::sql) const fn words(text: InboundText) -> &'static str {
    match text {
        InboundText::NoteInbound => {
            "INSERT INTO inbound (source, event, at) SELECT $1::text, j.value #>> '{}', $3::bigint FROM jsonb_array_elements($2::jsonb) j \
             (value) WHERE TRUE ON CONFLICT (source, event) DO NOTHING RETURNING event"
        }
        InboundText::LetIn => {
            "UPDATE account SET parked_for = NULL WHERE id = $1 AND parked_for IS NOT NULL"
        }
        InboundText::ForgetInbound => {
            "DELETE FROM inbound WHERE (source, event) IN (SELECT source, event FROM inbound WHERE at < $1 ORDER BY at LIMIT $2)"
        }
    }
}
