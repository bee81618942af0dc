//! SQLite's words for mail that is held already.

use crate::store::sql::held::HeldText;

pub(in crate::store::sql) const fn words(text: HeldText) -> &'static str {
    match text {
        HeldText::HeldBodies => {
            "SELECT m.identity, b.hash, b.pack, b.\"offset\", b.length, COALESCE(m.announced, m.size) AS size FROM message m JOIN body b \
             ON b.id = m.body AND b.length = m.size WHERE m.account = (SELECT id FROM account WHERE name = ?1) AND m.identity IN \
             (SELECT value FROM json_each(?2))"
        }
        // The message's last place says when it came there.
        HeldText::LostMail => {
            "SELECT m.identity, b.hash, b.pack, b.\"offset\", b.length, COALESCE(m.announced, m.size) AS size, m.message_id, (SELECT \
             internal_date FROM location WHERE message = m.id ORDER BY ended_at DESC LIMIT 1) AS internal_date, m.last_sight, m.last_folder FROM message \
             m JOIN body b ON b.id = m.body AND b.length = m.size WHERE m.account = (SELECT id FROM account WHERE name = ?1) AND \
             m.limbo_since IS NOT NULL AND m.message_id IS NOT NULL AND m.size > ?3 LIMIT ?2"
        }
        // However many have one size, each of them is looked at once.
        HeldText::Twins => {
            "WITH mine (identity, body, size, message_id) AS MATERIALIZED (SELECT identity, body, size, message_id FROM \
             message WHERE account = (SELECT id FROM account WHERE name = ?1) AND identity IN (SELECT value FROM \
             json_each(?2)) UNION ALL SELECT identity, body, size, message_id FROM message WHERE account = (SELECT id FROM \
             account WHERE name = ?1) AND identity IS NULL AND body IN (SELECT b.id FROM json_each(?3) j JOIN body b ON b.hash = unhex(j.value))) SELECT \
             identity, (SELECT hash FROM body WHERE id = mine.body) AS hash FROM mine WHERE message_id IN (SELECT o.message_id FROM message o WHERE o.account = (SELECT id FROM \
             account WHERE name = ?1) AND o.deleted_at IS NULL AND o.limbo_since IS NULL AND o.size IN (SELECT size FROM \
             mine) AND o.message_id IN (SELECT message_id FROM mine))"
        }
        HeldText::BodiesThere => {
            "SELECT count(*) AS bodies FROM json_each(?1) j CROSS JOIN body b ON b.hash = unhex(j.value)"
        }
        HeldText::FoundIn => {
            "SELECT f.passed_at, f.opened_at, c.state->>'$.state.uidnext' AS uidnext, a.sizes_estimated, f.id AS folder FROM account a JOIN folder f \
             ON f.account = a.id AND f.remote_id = ?2 AND f.deleted_at IS NULL JOIN cursor c ON c.folder = f.id AND \
             c.lane = 'live' WHERE a.name = ?1"
        }
    }
}
