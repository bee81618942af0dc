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
            "UPDATE location SET uidvalidity = $3, uid = (x.value->>1)::bigint, modseq = NULL FROM (SELECT j.value, \
             l.ctid FROM jsonb_array_elements($4::jsonb) j (value) CROSS JOIN LATERAL (SELECT ctid FROM location WHERE \
             folder = $1 AND uidvalidity = $2 AND uid = (j.value->>0)::bigint AND ended_at IS NULL OFFSET 0) l) x WHERE \
             location.ctid = x.ctid"
        }
        RematchText::SwitchFolder => {
            "UPDATE folder SET uidvalidity = $2, exists_count = $3, grown_at = $4, surplus = $5, look = NULL, misfit \
             = NULL, unproved = NULL WHERE id = $1"
        }
    }
}
