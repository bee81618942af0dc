//! SQLite's words for mail that is held already.

use crate::store::sql::HeldText;

pub(in crate::store::sql) const fn words(text: HeldText) -> &'static str {
    match text {
        HeldText::HeldBodies => {
            "SELECT m.identity, b.hash, b.pack, b.\"offset\", b.length, COALESCE(m.announced, m.size) FROM json_each(?2) j \
             JOIN message m ON m.account = (SELECT id FROM account WHERE name = ?1) AND m.identity = j.value JOIN body b \
             ON b.hash = m.body"
        }
        // The message's last place says when it came there.
        HeldText::LostMail => {
            "SELECT m.identity, b.hash, b.pack, b.\"offset\", b.length, COALESCE(m.announced, m.size), m.message_id, (SELECT \
             internal_date FROM location WHERE message = m.id ORDER BY ended_at DESC LIMIT 1), m.last_sight FROM message \
             m JOIN body b ON b.hash = m.body WHERE m.account = (SELECT id FROM account WHERE name = ?1) AND \
             m.limbo_since IS NOT NULL AND m.message_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM message o WHERE o.account = \
             m.account AND o.size = m.size AND o.deleted_at IS NULL AND o.limbo_since IS NULL AND o.message_id = \
             m.message_id) LIMIT ?2"
        }
        HeldText::FoundIn => {
            "SELECT f.passed_at, f.opened_at, c.state->>'$.state.uidnext', a.sizes_estimated FROM account a JOIN folder f \
             ON f.account = a.id AND f.remote_id = ?2 AND f.deleted_at IS NULL JOIN cursor c ON c.folder = f.id AND \
             c.lane = 'live' WHERE a.name = ?1"
        }
    }
}
