//! SQLite's words for what faces show.

use crate::store::sql::shown::ShownText;

pub(in crate::store::sql) const fn words(text: ShownText) -> &'static str {
    match text {
        ShownText::StoredAccounts => {
            "SELECT a.id, a.name, a.provider, a.username, a.state AS standing, a.reason, a.since, a.history, a.parked_for, a.waits, \
             a.held AS messages, a.held_octets AS octets, (SELECT x.class FROM failure x WHERE x.account = a.id AND x.closed_at IS NULL \
             AND x.folder IS NULL AND x.uid IS NULL AND x.remote_id IS NULL ORDER BY x.last_at DESC LIMIT 1) AS class, (SELECT \
             count(*) FROM failure x WHERE x.account = a.id AND x.closed_at IS NULL AND (x.folder IS NOT NULL OR \
             x.remote_id IS NOT NULL) AND x.note IS NULL) + (SELECT count(*) FROM owed o WHERE o.account = a.id AND o.attempts > 0 AND o.note IS NULL) AS failures, \
             (SELECT count(*) FROM failure x WHERE x.account = a.id AND x.closed_at IS NULL AND x.note IS NOT NULL) + (SELECT count(*) FROM owed o \
             WHERE o.account = a.id AND o.attempts > 0 AND o.note IS NOT NULL) AS left_out, (SELECT max(max(f.passed_at, COALESCE(f.proved_at, 0))) FROM folder f WHERE f.account = a.id AND \
             f.deleted_at IS NULL AND f.path = 'INBOX') AS looked_at, (SELECT CASE WHEN count(*) = count(f.proved_at) THEN \
             min(f.proved_at) END FROM folder f WHERE f.account = a.id AND f.deleted_at IS NULL AND NOT f.excluded) AS proved_at, \
             a.owner FROM account a WHERE ?1 IS NULL OR a.name = ?1 ORDER BY a.name"
        }
        ShownText::StoredFolders => {
            "SELECT f.id, f.path, f.role, f.uidvalidity, f.exists_count AS \"exists\", f.held AS messages, (SELECT count(*) FROM failure x \
             WHERE x.folder = f.id AND x.closed_at IS NULL AND x.note IS NULL) AS failures, (SELECT count(*) FROM failure x WHERE x.folder = f.id AND \
             x.closed_at IS NULL AND x.note IS NOT NULL) AS left_out, f.passed_at, f.proved_at, f.unproved, f.proof, f.excluded, \
             COALESCE((SELECT state FROM cursor WHERE folder = f.id AND lane = 'live'), '') AS live, COALESCE((SELECT state \
             FROM cursor WHERE folder = f.id AND lane = 'backfill'), '') AS backfill FROM folder f WHERE f.account = ?1 AND \
             f.deleted_at IS NULL ORDER BY f.path"
        }
        ShownText::StoredRuns => {
            "SELECT r.id, a.name AS account, r.started_at, r.finished_at, r.outcome, r.reason, r.cause, r.stored, r.octets, r.facts, \
             r.failed FROM run r JOIN account a ON a.id = r.account WHERE (?1 IS NULL OR a.name = ?1) AND (?2 IS NULL \
             OR r.id < ?2) AND (?4 IS NULL OR a.owner = ?4) ORDER BY r.id DESC LIMIT ?3"
        }
        ShownText::StoredEvents => {
            "SELECT e.seq, e.id, e.at, e.kind, a.name AS account, a.owner, e.folder, e.message, e.backfill, e.data FROM event e \
             LEFT JOIN account a ON a.id = e.account WHERE e.seq > ?1 AND e.seq <= ?2 AND (?3 IS NULL OR a.owner = ?3) AND \
             (?4 IS NULL OR a.name = ?4) AND (?5 IS NULL OR e.kind IN (SELECT value FROM json_each(?5))) ORDER BY e.seq LIMIT ?6"
        }
        ShownText::EventTimes => "SELECT seq, at FROM event WHERE seq > ?1 ORDER BY seq LIMIT ?2",
        ShownText::HeadsOfMails => {
            "SELECT m.id AS message, b.hash, m.size, substr(m.message_id, 1, 1000) AS message_id, substr(m.subject, 1, 1000) AS subject, substr(m.from_text, 1, 1000) AS from_text, \
             substr(m.to_text, 1, 1000) AS to_text, m.date FROM \
             json_each(?1) j CROSS JOIN message m ON m.id = j.value JOIN body b ON b.id = m.body"
        }
        ShownText::EventSpan => {
            "SELECT COALESCE((SELECT next FROM counter WHERE name = 'kept'), (SELECT MIN(seq) FROM event), 1) AS first, \
             COALESCE((SELECT next - 1 FROM counter WHERE name = 'event'), 0) AS last"
        }
        ShownText::FirstEvent => "SELECT MIN(seq) AS seq FROM event WHERE seq > ?1",
        ShownText::UnprovedFolders => {
            "SELECT count(*) AS count FROM folder f JOIN account a ON a.id = f.account WHERE f.deleted_at IS NULL AND \
             f.excluded = FALSE AND f.proved_at IS NULL AND a.state <> ?1"
        }
        ShownText::NamedPacks => {
            // From one pack's last body to the next one's: the index is entered once a pack.
            "WITH RECURSIVE last (place) AS (SELECT (SELECT id FROM body WHERE length > 0 ORDER BY pack DESC, \
             \"offset\" DESC LIMIT 1) UNION ALL SELECT (SELECT b.id FROM body b WHERE b.length > 0 AND b.pack < p.pack \
             ORDER BY b.pack DESC, b.\"offset\" DESC LIMIT 1) FROM last JOIN body p ON p.id = last.place) \
             SELECT pack, \"offset\" + COALESCE(stored, length) AS \"end\" FROM last JOIN body ON body.id = place UNION ALL SELECT DISTINCT \
             pack, -1 FROM body WHERE length = 0 AND hash <> x'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'"
        }
    }
}
