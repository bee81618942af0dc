//! SQLite's words for packs.

use crate::store::sql::packs::PackText;

pub(in crate::store::sql) const fn words(text: PackText) -> &'static str {
    match text {
        PackText::AllPacks => {
            "SELECT id, octets, scrubbed_at, damaged FROM pack WHERE dead_at IS NULL ORDER BY id"
        }
        PackText::DeadPacks => "SELECT id, dead_at FROM pack WHERE dead_at IS NOT NULL ORDER BY id",
        PackText::NextPack => "SELECT next FROM counter WHERE name = 'pack'",
        PackText::DamagedOf => "SELECT damaged FROM pack WHERE id = ?1",
        PackText::BodiesIn => {
            "SELECT id, hash, pack, \"offset\", length, stored FROM body WHERE length > 0 AND pack = ?1 AND \"offset\" >= ?2 ORDER BY \
             \"offset\" LIMIT ?3"
        }
        PackText::HoldersOf => {
            "SELECT m.body, m.id AS message, m.account, m.places > 0 AS is_living FROM json_each(?1) j CROSS JOIN message m ON \
             m.body = j.value AND m.identity IS NULL UNION ALL SELECT m.body, m.id AS message, m.account, m.places > 0 AS \
             is_living FROM json_each(?1) j CROSS JOIN message m ON m.body = j.value AND m.identity IS NOT NULL"
        }
        PackText::LostBodies => {
            "SELECT count(*) AS bodies FROM body WHERE length = 0 AND hash <> x'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'"
        }
        PackText::AllMail => "SELECT COALESCE(sum(held), 0) AS messages FROM account",
        PackText::PutPacks => {
            "INSERT INTO pack (id, octets, scrubbed_at) SELECT j.value->>0, j.value->>1, j.value->>2 FROM json_each(?1) j WHERE \
             TRUE ON CONFLICT (id) DO NOTHING"
        }
        PackText::PutEnds => {
            "INSERT INTO pack (id, octets, scrubbed_at) SELECT j.value->>0, j.value->>1, j.value->>2 FROM json_each(?1) j WHERE \
             TRUE ON CONFLICT (id) DO UPDATE SET octets = MAX(pack.octets, excluded.octets)"
        }
        PackText::ForgetPacks => {
            "DELETE FROM pack WHERE id IN (SELECT value FROM json_each(?1)) AND NOT EXISTS (SELECT 1 FROM body b WHERE b.pack = \
             pack.id AND b.length > 0) AND NOT EXISTS (SELECT 1 FROM body b WHERE b.pack = pack.id AND b.length = 0 AND b.hash <> x'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')"
        }
        PackText::PutDead => {
            "INSERT INTO pack (id, octets, dead_at) SELECT j.value, 0, ?2 FROM json_each(?1) j WHERE NOT EXISTS (SELECT 1 FROM body b \
             WHERE b.pack = j.value AND b.length > 0) AND NOT EXISTS (SELECT 1 FROM body b WHERE b.pack = j.value AND b.length = 0 AND b.hash <> x'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855') ON \
             CONFLICT (id) DO UPDATE SET dead_at = COALESCE(pack.dead_at, excluded.dead_at), damaged = 0"
        }
        PackText::RaisePack => {
            "INSERT INTO counter (name, next) VALUES ('pack', ?1) ON CONFLICT (name) DO UPDATE SET next = MAX(counter.next, \
             excluded.next)"
        }
        PackText::Scrubbed => {
            "INSERT INTO pack (id, octets, named, scrubbed_at, damaged) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (id) DO UPDATE \
             SET octets = excluded.octets, named = excluded.named, scrubbed_at = excluded.scrubbed_at, damaged = excluded.damaged"
        }
        PackText::ScrubAnew => {
            "UPDATE pack SET scrubbed_at = NULL, damaged = MAX(damaged - (j.value->>1), 0) FROM json_each(?1) j WHERE pack.id = \
             j.value->>0"
        }
    }
}
