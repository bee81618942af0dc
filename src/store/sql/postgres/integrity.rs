//! PostgreSQL's words for rows without their counterpart.

use crate::store::sql::integrity::IntegrityText;

pub(in crate::store::sql) const fn words(text: IntegrityText) -> &'static str {
    match text {
        IntegrityText::NoMessages => {
            "SELECT l.folder, l.uid, l.message, l.ended_at IS NULL AS is_living FROM folder f JOIN location \
             l ON l.folder = f.id WHERE f.account = $1 AND NOT EXISTS (SELECT 1 FROM message m WHERE m.id = l.message) \
             ORDER BY l.folder, l.uidvalidity, l.uid LIMIT $2"
        }
        IntegrityText::NoFolders => {
            "SELECT n.folder AS id, count(*) AS count FROM (SELECT l.folder FROM message m JOIN location l ON l.message \
             = m.id WHERE m.account = $1 UNION ALL SELECT x.folder FROM failure x WHERE x.account = $1 AND x.folder IS NOT \
             NULL UNION ALL SELECT e.folder FROM event e WHERE e.account = $1 AND e.folder IS NOT NULL) n WHERE NOT EXISTS \
             (SELECT 1 FROM folder f WHERE f.id = n.folder) GROUP BY n.folder ORDER BY n.folder LIMIT $2"
        }
        IntegrityText::NoBodies => {
            "SELECT m.id FROM message m WHERE m.account = $1 AND m.places = 0 AND NOT EXISTS (SELECT 1 FROM body b WHERE b.id = m.body AND (b.length > 0 OR m.size = 0)) \
             ORDER BY m.id LIMIT $2"
        }
        IntegrityText::AllOtherPlaces => {
            "SELECT n.id, n.kept, n.counted FROM (SELECT m.id, m.places AS kept, COALESCE(sum(CASE WHEN l.uid IS NOT NULL \
             AND l.ended_at IS NULL AND f.uidvalidity <> l.uidvalidity THEN 1 ELSE 0 END), 0)::bigint AS anew, \
             COALESCE(sum(CASE WHEN l.uid IS NOT NULL AND l.ended_at IS NULL THEN 1 ELSE 0 END), 0)::bigint AS counted FROM \
             message m LEFT JOIN location l ON l.message = m.id LEFT JOIN folder f ON f.id = l.folder WHERE m.account = $1 \
             GROUP BY m.id, m.places) n WHERE n.anew = 0 AND n.kept <> n.counted ORDER BY n.id LIMIT $2"
        }
        IntegrityText::NoCursors => {
            "SELECT f.id AS folder, j.lane FROM account a JOIN folder f ON f.account = a.id CROSS JOIN (SELECT 'live' AS \
             lane UNION ALL SELECT 'backfill') j WHERE a.id = $1 AND a.feed IS NULL AND f.deleted_at IS NULL AND NOT EXISTS \
             (SELECT 1 FROM cursor c WHERE c.folder = f.id AND c.lane = j.lane) ORDER BY f.id, j.lane LIMIT $2"
        }
        IntegrityText::NoFeeds => {
            "SELECT a.id FROM account a WHERE a.id = $1 AND a.feed IS NOT NULL AND a.opened_at IS NOT NULL AND NOT EXISTS \
             (SELECT 1 FROM feed f WHERE f.account = a.id)"
        }
        IntegrityText::NoAccounts => {
            "SELECT n.kind, n.id, n.count FROM (SELECT 'folder' AS kind, account AS id, count(*) AS count FROM \
             folder GROUP BY account UNION ALL SELECT 'message' AS kind, account AS id, count(*) AS count FROM message \
             GROUP BY account UNION ALL SELECT 'failure' AS kind, account AS id, count(*) AS count FROM failure GROUP \
             BY account UNION ALL SELECT 'run' AS kind, account AS id, count(*) AS count FROM run GROUP BY account \
             UNION ALL SELECT 'note' AS kind, account AS id, count(*) AS count FROM note GROUP BY account UNION ALL \
             SELECT 'owed' AS kind, account AS id, count(*) AS count FROM owed GROUP BY account UNION ALL SELECT \
             'feed' AS kind, account AS id, count(*) AS count FROM feed GROUP BY account) n WHERE NOT EXISTS (SELECT 1 \
             FROM account a WHERE a.id = n.id) ORDER BY n.id, n.kind LIMIT $1"
        }
        IntegrityText::NoFoldersAtAll => {
            "SELECT n.folder AS id, sum(n.count)::bigint AS count FROM (SELECT c.folder, count(*) AS count FROM \
             cursor c GROUP BY c.folder UNION ALL SELECT l.folder, count(*) FROM location l GROUP BY l.folder) n WHERE NOT \
             EXISTS (SELECT 1 FROM folder f WHERE f.id = n.folder) GROUP BY n.folder ORDER BY n.folder LIMIT $1"
        }
        IntegrityText::OldCounters => {
            "SELECT c.name, c.next, h.highest FROM counter c JOIN (SELECT 'message' AS name, COALESCE((SELECT max(id) FROM \
             message), 0) AS highest UNION ALL SELECT 'folder', COALESCE((SELECT max(id) FROM folder), 0) UNION ALL SELECT \
             'event', COALESCE((SELECT max(seq) FROM event), 0)) h ON h.name = c.name WHERE c.next <= h.highest ORDER BY \
             c.name"
        }
        IntegrityText::EventsBehind => "SELECT seq FROM event WHERE seq > $1 ORDER BY seq LIMIT $2",
        IntegrityText::AllLeapt => "SELECT after, next FROM leap ORDER BY next",
        IntegrityText::EndsOfEvents => {
            "SELECT COALESCE((SELECT next FROM counter WHERE name = 'kept'), 1) AS first, COALESCE((SELECT next FROM \
             counter WHERE name = 'event'), 1) AS next"
        }
    }
}
