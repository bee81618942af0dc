//! SQLite's words for what a repair asks.

use crate::store::sql::repair_asked::RepairAskedText;

pub(in crate::store::sql) const fn words(text: RepairAskedText) -> &'static str {
    match text {
        RepairAskedText::HighestMessage => "SELECT id FROM message ORDER BY id DESC LIMIT 1",
        RepairAskedText::MessagesBehind => {
            "SELECT id FROM message WHERE account = ?1 AND id > ?2 ORDER BY id LIMIT ?3"
        }
        RepairAskedText::Twinned => {
            "SELECT m.id FROM message m WHERE m.account = ?1 AND m.places = 0 AND m.body < 0 AND EXISTS (SELECT 1 FROM message o JOIN body b ON \
             b.id = o.body WHERE o.account = m.account AND o.id <> m.id AND o.size = m.size AND COALESCE(o.message_id, '') = \
             COALESCE(m.message_id, '') AND COALESCE(o.subject, '') = COALESCE(m.subject, '') AND COALESCE(o.from_text, '') = \
             COALESCE(m.from_text, '') AND COALESCE(o.date, 0) = COALESCE(m.date, 0)) ORDER BY m.id LIMIT ?2"
        }
        RepairAskedText::Bodyless => {
            "SELECT m.id FROM message m WHERE m.account = ?1 AND m.id > ?2 AND NOT EXISTS (SELECT 1 FROM body b WHERE b.id = m.body) ORDER \
             BY m.id LIMIT ?3"
        }
        RepairAskedText::BodiesOf => {
            "SELECT m.id, b.hash, b.pack, b.\"offset\", b.length, b.stored FROM json_each(?1) j CROSS JOIN message m ON m.id = j.value JOIN body b ON b.id \
             = m.body"
        }
        RepairAskedText::UnnamedBodies => {
            "SELECT b.id, b.hash, b.pack, b.\"offset\", b.length, b.stored FROM body b WHERE b.id > ?1 AND NOT EXISTS (SELECT 1 FROM message m WHERE \
             m.body = b.id AND m.identity IS NULL) AND NOT EXISTS (SELECT 1 FROM message m WHERE m.body = b.id AND m.identity IS \
             NOT NULL) ORDER BY b.id LIMIT ?2"
        }
        RepairAskedText::FoldersTold => {
            "SELECT folder, data FROM event WHERE account = ?1 AND kind IN (?3, ?4) AND folder IN (SELECT \
             value FROM json_each(?2)) ORDER BY seq"
        }
        RepairAskedText::AnyLost => {
            "SELECT 1 AS found FROM body WHERE length = 0 AND hash <> x'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' LIMIT 1"
        }
        RepairAskedText::NamesOf => {
            "SELECT m.identity FROM json_each(?1) j CROSS JOIN message m ON m.id = j.value WHERE m.identity IS NOT NULL"
        }
        RepairAskedText::Untold => {
            "SELECT m.id FROM json_each(?1) j CROSS JOIN message m ON m.id = j.value WHERE m.deleted_at IS NULL AND NOT EXISTS (SELECT 1 \
             FROM body b WHERE b.id = m.body) AND NOT EXISTS (SELECT 1 FROM location l WHERE l.message = m.id AND l.ended_at IS NULL)"
        }
        RepairAskedText::PlacesOf => {
            "SELECT l.message, l.folder, l.uid FROM json_each(?1) j CROSS JOIN location l ON l.message = j.value WHERE l.ended_at IS NULL \
             AND l.uidvalidity <> 0"
        }
        RepairAskedText::ValidityOf => {
            "SELECT COALESCE((SELECT uidvalidity FROM folder WHERE id = ?1), (SELECT uidvalidity FROM location WHERE folder = \
             ?1 ORDER BY uidvalidity DESC LIMIT 1), 0) AS uidvalidity"
        }
        RepairAskedText::KnownUids => {
            "SELECT uid FROM location WHERE folder = ?1 AND uidvalidity = ?2 AND ended_at IS NULL UNION SELECT uid FROM failure \
             WHERE folder = ?1 AND uid IS NOT NULL AND closed_at IS NULL"
        }
    }
}
