//! PostgreSQL's words for what is set right.

use crate::store::sql::repair::RepairText;

pub(in crate::store::sql) const fn words(text: RepairText) -> &'static str {
    match text {
        RepairText::LoseBody => {
            "UPDATE body SET length = 0 WHERE hash = $1 AND pack = $2 AND \"offset\" = $3 AND length = $4"
        }
        // Few are lost as a rule, and all of them where a disk was: by their hashes alone.
        RepairText::PlaceLost => {
            "UPDATE body SET pack = (j.value->>1)::bigint, \"offset\" = (j.value->>2)::bigint, length = (j.value->>3)::bigint, \
             stored = NULL, stored_at = $2 FROM jsonb_array_elements($1::jsonb) j (value) WHERE body.hash = decode(j.value->>0, 'hex') AND \
             body.length < 1 AND (j.value->>3)::bigint > 0 RETURNING body.id"
        }
        RepairText::NameNoBody => {
            "UPDATE message SET body = -id WHERE id = ANY (ARRAY(SELECT jsonb_array_elements_text($1::jsonb)::bigint)) AND (SELECT \
             TRUE FROM body b WHERE b.id = message.body) IS NULL"
        }
        RepairText::AdoptBodies => {
            "UPDATE message SET body = b.id FROM jsonb_array_elements($1::jsonb) j (value) JOIN body b ON b.hash = \
             decode(j.value->>1, 'hex') WHERE message.id = (j.value->>0)::bigint"
        }
        RepairText::DropPlaces => {
            "DELETE FROM location USING jsonb_array_elements($1::jsonb) j (value) WHERE location.message = (j.value->>2)::bigint \
             AND location.folder = (j.value->>0)::bigint AND location.uid = (j.value->>1)::bigint AND NOT EXISTS (SELECT 1 FROM \
             message m WHERE m.id = location.message)"
        }
        RepairText::DropMessages => {
            "DELETE FROM message WHERE id = ANY (ARRAY(SELECT jsonb_array_elements_text($1::jsonb)::bigint)) AND (SELECT TRUE FROM \
             body b WHERE b.id = message.body) IS NULL AND (SELECT TRUE FROM location l WHERE l.message = message.id AND l.ended_at \
             IS NULL LIMIT 1) IS NULL"
        }
        RepairText::DropPlacesOf => {
            "DELETE FROM location WHERE message = ANY (ARRAY(SELECT jsonb_array_elements_text($1::jsonb)::bigint)) AND (SELECT TRUE \
             FROM message m WHERE m.id = location.message) IS NULL"
        }
        RepairText::CountPlaces => {
            "UPDATE message SET places = (j.value->>2)::bigint, limbo_since = CASE WHEN (j.value->>2)::bigint > 0 OR deleted_at \
             IS NOT NULL THEN NULL ELSE COALESCE(limbo_since, $2) END, last_sight = CASE WHEN (j.value->>2)::bigint > 0 THEN \
             last_sight END, last_folder = CASE WHEN (j.value->>2)::bigint > 0 THEN last_folder ELSE (SELECT e.folder FROM event \
             e WHERE e.message = message.id AND e.folder IS NOT NULL ORDER BY e.seq DESC LIMIT 1) END, deleted_at = CASE WHEN \
             (j.value->>2)::bigint > 0 THEN NULL ELSE deleted_at END FROM jsonb_array_elements($1::jsonb) j (value) WHERE \
             message.id = (j.value->>0)::bigint AND message.places = (j.value->>1)::bigint"
        }
        RepairText::LeapOver => {
            "INSERT INTO leap (at, after, next) VALUES ($1, $2, $3) ON CONFLICT (next) DO NOTHING"
        }
    }
}
