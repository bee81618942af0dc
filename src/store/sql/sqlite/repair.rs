//! SQLite's words for what is set right.

use crate::store::sql::repair::RepairText;

pub(in crate::store::sql) const fn words(text: RepairText) -> &'static str {
    match text {
        RepairText::LoseBody => {
            "UPDATE body SET length = 0 WHERE hash = ?1 AND pack = ?2 AND \"offset\" = ?3 AND length = ?4"
        }
        RepairText::PlaceLost => {
            "UPDATE body SET pack = j.value->>1, \"offset\" = j.value->>2, length = j.value->>3, stored = NULL, stored_at = ?2 FROM \
             json_each(?1) j WHERE body.hash = unhex(j.value->>0) AND body.length = 0 AND j.value->>3 > 0 RETURNING body.id"
        }
        RepairText::NameNoBody => {
            "UPDATE message SET body = -id WHERE id IN (SELECT value FROM json_each(?1)) AND NOT EXISTS (SELECT 1 FROM body b WHERE \
             b.id = message.body)"
        }
        RepairText::AdoptBodies => {
            "UPDATE message SET body = b.id FROM json_each(?1) j JOIN body b ON b.hash = unhex(j.value->>1) WHERE message.id = \
             j.value->>0"
        }
        RepairText::DropPlaces => {
            "DELETE FROM location WHERE rowid IN (SELECT l.rowid FROM json_each(?1) j CROSS JOIN location l ON l.message = \
             j.value->>2 AND l.folder = j.value->>0 AND l.uid = j.value->>1) AND NOT EXISTS (SELECT 1 FROM message m WHERE m.id \
             = location.message)"
        }
        RepairText::DropMessages => {
            "DELETE FROM message WHERE id IN (SELECT value FROM json_each(?1)) AND NOT EXISTS (SELECT 1 FROM body b WHERE b.id = \
             message.body) AND NOT EXISTS (SELECT 1 FROM location l WHERE l.message = message.id AND l.ended_at IS NULL)"
        }
        RepairText::DropPlacesOf => {
            "DELETE FROM location WHERE message IN (SELECT value FROM json_each(?1)) AND NOT EXISTS (SELECT 1 FROM message m WHERE \
             m.id = location.message)"
        }
        RepairText::CountPlaces => {
            "UPDATE message SET places = j.value->>2, limbo_since = CASE WHEN j.value->>2 > 0 OR deleted_at IS NOT NULL THEN \
             NULL ELSE COALESCE(limbo_since, ?2) END, last_sight = CASE WHEN j.value->>2 > 0 THEN last_sight END, last_folder = \
             CASE WHEN j.value->>2 > 0 THEN last_folder ELSE (SELECT e.folder FROM event e WHERE e.message = message.id AND \
             e.folder IS NOT NULL ORDER BY e.seq DESC LIMIT 1) END, deleted_at = CASE WHEN j.value->>2 > 0 THEN NULL ELSE \
             deleted_at END FROM json_each(?1) j WHERE message.id = j.value->>0 AND message.places = j.value->>1"
        }
        RepairText::LeapOver => {
            "INSERT INTO leap (at, after, next) VALUES (?1, ?2, ?3) ON CONFLICT (next) DO NOTHING"
        }
    }
}
