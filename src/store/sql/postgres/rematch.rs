//! PostgreSQL's words for folders whose UIDs begin anew.

use crate::store::sql::rematch::RematchText;

pub(in crate::store::sql) const fn words(text: RematchText) -> &'static str {
    match text {
        RematchText::HeldKeys => {
            "SELECT l.uid, l.message, m.message_id, l.internal_date, COALESCE(m.announced, m.size) AS size FROM \
             folder f JOIN location l ON l.folder = f.id AND l.uidvalidity = f.uidvalidity JOIN message m ON m.id = \
             l.message WHERE f.id = $1 AND l.uid > $2 AND l.ended_at IS NULL ORDER BY l.uid LIMIT $3"
        }
        RematchText::ForgetSights => {
            "UPDATE message SET last_sight = NULL WHERE account = $1 AND limbo_since IS NOT NULL AND id IN (SELECT \
             message FROM location WHERE folder = $2 AND uidvalidity = $3)"
        }
        RematchText::ForgetPlaces => "DELETE FROM location WHERE folder = $1 AND uidvalidity = $2",
        RematchText::Renumber => {
            // Materialized: else the document is read anew for every location.
            "WITH pair (old, new) AS MATERIALIZED (SELECT (j.value->>0)::bigint, (j.value->>1)::bigint FROM \
             jsonb_array_elements($4::jsonb) j (value)) UPDATE location SET uidvalidity = $3, uid = pair.new, modseq \
             = NULL FROM pair WHERE location.folder = $1 AND location.uidvalidity = $2 AND location.uid = pair.old \
             AND location.ended_at IS NULL"
        }
        RematchText::SwitchFolder => {
            "UPDATE folder SET uidvalidity = $2, exists_count = $3, grown_at = $4, surplus = $5, look = NULL, misfit \
             = NULL, unproved = NULL WHERE id = $1"
        }
    }
}
