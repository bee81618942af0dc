//! PostgreSQL's words for what a repair asks.

use crate::store::sql::repair_asked::RepairAskedText;

pub(in crate::store::sql) const fn words(text: RepairAskedText) -> &'static str {
    match text {
        RepairAskedText::HighestMessage => "SELECT id FROM message ORDER BY id DESC LIMIT 1",
        RepairAskedText::MessagesBehind => {
            "SELECT id FROM message WHERE account = $1 AND id > $2 ORDER BY id LIMIT $3"
        }
        RepairAskedText::Twinned => {
            "SELECT m.id FROM message m WHERE m.account = $1 AND m.places = 0 AND m.body < 0 AND EXISTS (SELECT 1 FROM message o JOIN body b ON \
             b.id = o.body WHERE o.account = m.account AND o.id <> m.id AND o.size = m.size AND COALESCE(o.message_id, '') = \
             COALESCE(m.message_id, '') AND COALESCE(o.subject, '') = COALESCE(m.subject, '') AND COALESCE(o.from_text, '') = \
             COALESCE(m.from_text, '') AND COALESCE(o.date, 0) = COALESCE(m.date, 0)) ORDER BY m.id LIMIT $2"
        }
        RepairAskedText::Bodyless => {
            "SELECT m.id FROM message m WHERE m.account = $1 AND m.id > $2 AND (SELECT TRUE FROM body b WHERE b.id = m.body) IS NULL ORDER \
             BY m.id LIMIT $3"
        }
        RepairAskedText::BodiesOf => concat!(
            "SELECT m.id, b.hash, b.pack, b.\"offset\", b.length, b.stored FROM ",
            for_each!("$1", "SELECT * FROM message WHERE id = j.value::bigint"),
            " m CROSS JOIN LATERAL (SELECT * FROM body WHERE id = m.body OFFSET 0) b"
        ),
        RepairAskedText::UnnamedBodies => {
            "SELECT b.id, b.hash, b.pack, b.\"offset\", b.length, b.stored FROM body b WHERE b.id > $1 AND (SELECT TRUE FROM message m WHERE m.body = \
             b.id AND m.identity IS NULL LIMIT 1) IS NULL AND (SELECT TRUE FROM message m WHERE m.body = b.id AND m.identity IS \
             NOT NULL LIMIT 1) IS NULL ORDER BY b.id LIMIT $2"
        }
        RepairAskedText::FoldersTold => {
            "SELECT folder, data FROM event WHERE account = $1 AND kind IN ($3, $4) AND folder = ANY (ARRAY(\
             SELECT jsonb_array_elements_text($2::jsonb)::bigint)) ORDER BY seq"
        }
        RepairAskedText::AnyLost => {
            "SELECT 1::bigint AS found FROM body WHERE length = 0 AND hash <> decode('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 'hex') LIMIT 1"
        }
        RepairAskedText::NamesOf => concat!(
            "SELECT m.identity FROM ",
            for_each!("$1", "SELECT * FROM message WHERE id = j.value::bigint"),
            " m WHERE m.identity IS NOT NULL"
        ),
        RepairAskedText::Untold => concat!(
            "SELECT m.id FROM ",
            for_each!(
                "$1",
                "SELECT * FROM message WHERE id = j.value::bigint AND deleted_at IS NULL"
            ),
            " m WHERE (SELECT TRUE FROM body b WHERE b.id = m.body) IS NULL AND (SELECT TRUE FROM location l WHERE l.message = m.id AND \
             l.ended_at IS NULL LIMIT 1) IS NULL"
        ),
        RepairAskedText::PlacesOf => concat!(
            "SELECT l.message, l.folder, l.uid FROM ",
            for_each!(
                "$1",
                "SELECT * FROM location WHERE message = j.value::bigint AND ended_at IS NULL AND uidvalidity <> 0"
            ),
            " l"
        ),
        RepairAskedText::ValidityOf => {
            "SELECT COALESCE((SELECT uidvalidity FROM folder WHERE id = $1), (SELECT uidvalidity FROM location WHERE folder = $1 \
             ORDER BY uidvalidity DESC LIMIT 1), 0) AS uidvalidity"
        }
        RepairAskedText::KnownUids => {
            "SELECT uid FROM location WHERE folder = $1 AND uidvalidity = $2 AND ended_at IS NULL UNION SELECT uid FROM failure \
             WHERE folder = $1 AND uid IS NOT NULL AND closed_at IS NULL"
        }
    }
}
