//! SQLite's words.

use crate::store::sql::Text;

/// An account and a folder of it, in the order in which they are read; the FROM that follows says
/// which.
macro_rules! account_and_folder {
    () => {
        "SELECT a.incarnation, a.opened_at, a.listed_at, a.list_look, \
     f.id, f.remote_id, f.path, f.role, f.opened_at, f.passed_at, f.proved_at, f.unproved, f.look, f.excluded, \
     (SELECT state FROM cursor WHERE folder = f.id AND lane = 'live'), \
     (SELECT state FROM cursor WHERE folder = f.id AND lane = 'backfill'), \
     (SELECT group_concat(uid) FROM failure WHERE folder = f.id AND uid IS NOT NULL AND closed_at IS NULL), \
     a.sizes_estimated, (SELECT json_group_array(json_array(hex(remote_id), first_at, attempts, next_try_at)) FROM failure \
     WHERE account = a.id AND remote_id IS NOT NULL AND closed_at IS NULL), \
     f.misfit, f.surplus, f.grown_at, \
     EXISTS (SELECT 1 FROM location WHERE folder = f.id AND uidvalidity = f.uidvalidity), \
     (SELECT MAX(last_at) FROM failure WHERE folder = f.id AND uid IS NULL AND closed_at IS NULL), a.keep, a.stamped_at, a.identity_kind, \
     f.refused "
    };
}

/// Columns of a message as the core sees it.
macro_rules! message {
    () => {
        "m.id, m.identity, (SELECT hash FROM body WHERE id = m.body), m.limbo_since, m.last_folder, m.last_sight, m.deleted_at, m.places, m.version, \
         m.size"
    };
}

/// Columns of a location.
macro_rules! location {
    () => {
        "l.folder, l.uidvalidity, l.uid, l.message, l.flags, l.keywords, l.modseq, l.internal_date, l.began_at, l.ended_at"
    };
}

/// The messages that one transaction of a purge deletes.
macro_rules! chunk {
    () => {
        "SELECT id FROM message WHERE account = ?1 ORDER BY id LIMIT ?2"
    };
}

pub(super) mod counts;
pub(super) mod feeds;
pub(super) mod held;
pub(super) mod inserts;
pub(super) mod opening;
pub(super) mod points;
pub(super) mod rematch;

/// A piece of what lives in a folder, by its flags: how many have them, the last of them, and each.
macro_rules! living {
    ($of: literal) => {
        concat!(
            "SELECT flags, keywords, count(*), max(uid), group_concat(uid) FROM (SELECT l.uid, l.flags, l.keywords FROM ",
            $of,
            " AND l.ended_at IS NULL ORDER BY l.uid LIMIT ?3) GROUP BY flags, keywords"
        )
    };
}

/// A piece of a folder's manifest; which part of it follows.
macro_rules! manifest {
    () => {
        "SELECT l.uidvalidity, l.uid, l.flags, l.keywords, m.size, m.announced, b.hash, b.pack, b.\"offset\", b.length \
         FROM location l JOIN message m ON m.id = l.message LEFT JOIN body b ON b.id = m.body \
         WHERE l.folder = ?1 AND (l.uidvalidity, l.uid) > (?2, ?3) AND "
    };
}

pub(super) const fn words(text: Text) -> &'static str {
    match text {
        // What every commit compares with, and the rows that it touches.
        Text::Guard => concat!(
            account_and_folder!(),
            ", EXISTS (SELECT 1 FROM message m INDEXED BY message_limbo WHERE m.account = a.id AND m.limbo_since IS NOT NULL) \
             FROM account a LEFT JOIN folder f ON f.id = COALESCE(?2, (SELECT id FROM folder WHERE account = ?1 AND \
             remote_id = ?3 AND deleted_at IS NULL)) AND f.account = a.id AND f.deleted_at IS NULL WHERE a.id = ?1"
        ),
        Text::AllFolders => concat!(
            account_and_folder!(),
            "FROM account a LEFT JOIN folder f ON f.account = a.id AND f.deleted_at IS NULL WHERE a.id = ?1 ORDER BY f.id"
        ),
        Text::Counters => "SELECT name, next FROM counter",
        Text::SaveCounters => {
            "UPDATE counter SET next = CASE name WHEN 'message' THEN ?1 WHEN 'event' THEN ?2 ELSE ?3 END WHERE name \
             IN ('message', 'event', 'folder')"
        }
        Text::NameIsTaken => {
            "SELECT 1 FROM folder WHERE account = ?1 AND remote_id = ?2 AND deleted_at IS NULL AND id <> ?3"
        }
        Text::Stamped => "UPDATE account SET stamped_at = ?2 WHERE id = ?1",
        Text::MessagesTouched => concat!(
            "SELECT ",
            message!(),
            " FROM message m WHERE m.account = ?1 AND m.identity IN (SELECT value FROM json_each(?5)) UNION SELECT ",
            message!(),
            " FROM message m WHERE m.account = ?1 AND m.identity IS NULL AND m.body IN (SELECT b.id FROM \
                 json_each(?6) j JOIN body b ON b.hash = unhex(j.value)) UNION SELECT ",
            message!(),
            " FROM location l JOIN message m ON m.id = l.message WHERE l.folder = ?2 AND l.uidvalidity = ?3 AND l.uid \
                 IN (SELECT value FROM json_each(?4))"
        ),
        Text::LocationsNeeded => concat!(
            "SELECT ",
            location!(),
            " FROM location l WHERE l.folder = ?2 AND l.uidvalidity = ?3 AND l.uid IN (SELECT value FROM \
                 json_each(?4)) UNION SELECT ",
            location!(),
            " FROM json_each(?1) j JOIN location l ON l.rowid IN (SELECT x.rowid FROM location x WHERE x.message = \
                 j.value AND x.ended_at IS NULL LIMIT ?5) UNION SELECT ",
            location!(),
            " FROM json_each(?1) j JOIN location l ON l.rowid = (SELECT x.rowid FROM location x WHERE x.message = \
                 j.value AND x.ended_at IS NOT NULL ORDER BY x.ended_at DESC LIMIT 1)"
        ),
        Text::LocationElsewhere => concat!(
            "SELECT ",
            location!(),
            " FROM json_each(?1) j JOIN location l ON l.rowid = (SELECT x.rowid FROM location x WHERE x.message = \
                 j.value AND x.ended_at IS NULL AND x.folder <> ?2 AND x.began_at > ?3 LIMIT 1)"
        ),
        Text::MessagesLeft => concat!(
            "SELECT ",
            message!(),
            " FROM message m WHERE m.id IN (SELECT message FROM location WHERE folder = ?1 AND ended_at IS NULL)"
        ),
        Text::LocationsLeft => {
            concat!(
                "SELECT ",
                location!(),
                " FROM location l WHERE l.folder = ?1 AND l.ended_at IS NULL"
            )
        }
        Text::LimboMayBeOver => {
            "WITH first AS (SELECT MIN(limbo_since) AS at FROM message WHERE account = ?1 AND limbo_since IS NOT \
             NULL) SELECT 1 FROM account a, first WHERE a.id = ?1 AND first.at IS NOT NULL AND a.listed_at > first.at \
             AND NOT EXISTS (SELECT 1 FROM folder f WHERE f.account = ?1 AND f.deleted_at IS NULL AND NOT f.excluded \
             AND COALESCE(f.passed_at, 0) <= first.at AND NOT EXISTS (SELECT 1 FROM failure x WHERE x.folder = f.id \
             AND x.uid IS NULL AND x.closed_at IS NULL))"
        }
        Text::LimboAfter => concat!(
            "SELECT ",
            message!(),
            " FROM message m INDEXED BY message_limbo WHERE m.account = ?1 AND m.limbo_since IS NOT NULL AND m.id > ?2 \
                 ORDER BY m.id LIMIT ?3"
        ),
        // What operators and the config change.
        Text::StoodByName => "SELECT id, state FROM account WHERE name = ?1",
        Text::StandByHand => {
            "UPDATE account SET state = ?2, reason = ?3, since = ?4, next_attempt_at = NULL, parked_for = ?5 WHERE id \
             = ?1 AND (state <> ?2 OR reason <> ?3 OR parked_for IS NOT ?5)"
        }
        Text::SaveHistory => {
            "UPDATE account SET history = ?2, parked_for = ?3 WHERE id = ?1 AND (history IS NOT ?2 OR parked_for IS NOT ?3)"
        }
        Text::RemoveAccount => {
            "UPDATE account SET state = ?3, reason = 'the config does not name it', since = ?2, next_attempt_at = \
             NULL, incarnation = incarnation + 1 WHERE id = ?1"
        }
        Text::AccountExists => "SELECT 1 FROM account WHERE name = ?1",
        Text::RenameAccount => {
            "UPDATE account SET name = ?2, incarnation = incarnation + 1 WHERE id = ?1"
        }
        Text::FenceOff => {
            "UPDATE account SET incarnation = incarnation + 1, state = ?2 WHERE id = ?1"
        }
        Text::PurgeLocations => concat!("DELETE FROM location WHERE message IN (", chunk!(), ")"),
        Text::PurgedBodies => {
            concat!("SELECT DISTINCT body FROM message WHERE id IN (", chunk!(), ")")
        }
        Text::PurgeMessages => concat!("DELETE FROM message WHERE id IN (", chunk!(), ")"),
        Text::PurgeBodies => {
            "DELETE FROM body WHERE id IN (SELECT value FROM json_each(?1)) AND NOT EXISTS (SELECT 1 FROM \
             message m WHERE m.body = body.id AND m.identity IS NULL) AND NOT EXISTS (SELECT 1 FROM message m WHERE \
             m.body = body.id AND m.identity IS NOT NULL)"
        }
        Text::PurgeFolderLocations => {
            "DELETE FROM location WHERE folder IN (SELECT id FROM folder WHERE account = ?1)"
        }
        Text::PurgeCursors => {
            "DELETE FROM cursor WHERE folder IN (SELECT id FROM folder WHERE account = ?1)"
        }
        Text::PurgeFolders => "DELETE FROM folder WHERE account = ?1",
        Text::PurgeFailures => "DELETE FROM failure WHERE account = ?1",
        Text::PurgeNotes => "DELETE FROM note WHERE account = ?1",
        Text::PurgeRuns => "DELETE FROM run WHERE account = ?1",
        Text::PurgeRunHours => "DELETE FROM run_hour WHERE account = ?1",
        Text::PurgeEventData => "UPDATE event SET data = '{}' WHERE account = ?1",
        Text::PurgeAccount => "DELETE FROM account WHERE id = ?1",
        Text::PurgeCredential => "DELETE FROM credential WHERE account = ?1",
        // What is renewed.
        Text::FirstCredential => {
            "INSERT INTO credential (account, version, issuer, username, sealed, key_print, scopes, granted_at, renewed_at, \
             expires_at) SELECT ?1, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11 WHERE ?2 = 0 ON CONFLICT DO NOTHING"
        }
        Text::NextCredential => {
            "UPDATE credential SET before = sealed, version = ?3, issuer = ?4, username = ?5, sealed = ?6, key_print = ?7, \
             scopes = ?8, granted_at = ?9, renewed_at = ?10, expires_at = ?11, error = NULL, failed_at = NULL \
             WHERE account = ?1 AND version = ?2"
        }
        Text::NotRenewed => {
            "UPDATE credential SET error = ?3, failed_at = ?4 WHERE account = ?1 AND version = ?2"
        }
        Text::Reseal => {
            "UPDATE credential SET before = NULL, version = ?3, sealed = ?4, key_print = ?5 WHERE account = ?1 AND version = ?2"
        }
        Text::RenameCredential => "UPDATE OR IGNORE credential SET account = ?2 WHERE account = ?1",
        Text::Credentials => {
            "SELECT account, issuer, username, version, sealed, key_print, scopes, granted_at, renewed_at, expires_at, error, \
             failed_at FROM credential WHERE ?1 IS NULL OR account = ?1 ORDER BY account"
        }
        Text::PutSpent => {
            "INSERT INTO spending (endpoint, account, hour, units) SELECT ?1, value->>0, value->>1, value->>2 FROM jsonb_each(?2) \
             WHERE TRUE ON CONFLICT (endpoint, account, hour) DO UPDATE SET units = max(units, excluded.units)"
        }
        // Hours ahead are those of a clock that was; whoever has spent since has counted them anew.
        Text::ForgetSpent => {
            "DELETE FROM spending WHERE endpoint = ?1 AND (hour < ?2 OR \
             (hour > ?3 AND account IN (SELECT value->>0 FROM jsonb_each(?4))))"
        }
        Text::RenameSpent => "UPDATE OR REPLACE spending SET account = ?2 WHERE account = ?1",
        Text::PurgeSpent => "DELETE FROM spending WHERE account = ?1",
        Text::Spent => {
            "SELECT account, hour, units FROM spending WHERE endpoint = ?1 AND account = ?2"
        }
        // Bodies, messages, locations, events: one document a table.
        Text::UpdateMessages => {
            "UPDATE message SET limbo_since = j.value->>1, last_folder = j.value->>2, last_sight = j.value->>3, \
             deleted_at = j.value->>4, places = j.value->>5, version = j.value->>6 FROM jsonb_each(?1) j WHERE message.id = j.value->>0"
        }
        // Everything of a change that is not a message.
        Text::AccountOpened => {
            "UPDATE account SET opened_at = ?2, identity_kind = ?3 WHERE id = ?1"
        }
        Text::ReopenFolder => {
            "UPDATE folder SET uidvalidity = ?2, exists_count = ?3, opened_at = ?4, grown_at = ?4, passed_at = NULL, \
             proved_at = NULL, unproved = NULL, look = NULL, misfit = NULL, surplus = 0 WHERE id = ?1"
        }
        Text::FolderGrew => "UPDATE folder SET grown_at = ?2 WHERE id = ?1",
        Text::DropNotes => "DELETE FROM note WHERE folder = ?1",
        Text::DropFolder => {
            "UPDATE folder SET deleted_at = ?2, look = NULL, misfit = NULL WHERE id = ?1"
        }
        Text::CloseFailuresOfFolder => {
            "UPDATE failure SET closed_at = ?2 WHERE folder = ?1 AND closed_at IS NULL"
        }
        Text::RenameFolder => {
            "UPDATE folder SET remote_id = ?2, path = ?3, delimiter = ?4, role = ?5, look = NULL, misfit = NULL, \
             refused = NULL WHERE id = ?1"
        }
        Text::FolderLook => "UPDATE folder SET look = ?2 WHERE id = ?1",
        Text::FolderRefused => "UPDATE folder SET refused = ?2 WHERE id = ?1",
        Text::FolderMisfit => "UPDATE folder SET misfit = ?2 WHERE id = ?1",
        Text::FolderPassed => {
            "UPDATE folder SET passed_at = ?2, proved_at = ?3, unproved = ?4, exists_count = ?5, look = NULL, misfit \
             = NULL, surplus = ?6, grown_at = ?7 WHERE id = ?1"
        }
        Text::SettleFolder => {
            "UPDATE failure SET closed_at = ?2 WHERE folder = ?1 AND closed_at IS NULL AND uid IS NULL"
        }
        Text::AccountListed => "UPDATE account SET listed_at = ?2, list_look = NULL WHERE id = ?1",
        Text::SettleAccount => {
            "UPDATE failure SET closed_at = ?2 WHERE account = ?1 AND closed_at IS NULL AND folder IS NULL AND \
             remote_id IS NULL"
        }
        Text::ForgetClosed => "DELETE FROM failure WHERE closed_at < ?1 AND account = ?2",
        Text::ExcludeFolders => {
            "UPDATE folder SET excluded = (id IN (SELECT value FROM json_each(?2))) WHERE account = ?1 AND deleted_at IS NULL AND \
             excluded <> (id IN (SELECT value FROM json_each(?2)))"
        }
        Text::PutShut => {
            "INSERT INTO failure (account, folder, remote_id, path, reach, class, attempts, next_try_at, version, \
             text, first_at, last_at) VALUES (?1, ?2, ?3, ?4, 'folder', ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT \
             (account, remote_id) WHERE closed_at IS NULL AND remote_id IS NOT NULL DO UPDATE SET folder = \
             excluded.folder, class = excluded.class, attempts = excluded.attempts, next_try_at = \
             excluded.next_try_at, version = excluded.version, text = excluded.text, last_at = excluded.last_at"
        }
        Text::SizesEstimated => "UPDATE account SET sizes_estimated = TRUE WHERE id = ?1",
        Text::Stand => {
            "UPDATE account SET state = ?2, reason = ?3, since = ?4, next_attempt_at = ?5 WHERE id = ?1 AND (state <> \
             ?2 OR reason <> ?3)"
        }
        Text::CloseShut => {
            "UPDATE failure SET closed_at = ?3 WHERE account = ?1 AND closed_at IS NULL AND remote_id IS NOT NULL AND \
             hex(remote_id) IN (SELECT value FROM json_each(?2))"
        }
        Text::ForgetNote => {
            "DELETE FROM note WHERE account = ?1 AND about = ?2 AND folder = ?3 AND remote_id = ?4 AND uidvalidity = \
             ?5 AND uid = ?6"
        }
        Text::PutNote => {
            "INSERT INTO note (account, about, folder, remote_id, uidvalidity, uid, count, text, at) VALUES (?1, ?2, \
             ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (account, about, folder, remote_id, uidvalidity, uid) DO UPDATE \
             SET count = excluded.count, text = excluded.text, at = excluded.at"
        }
        Text::ListLook => "UPDATE account SET list_look = ?2 WHERE id = ?1",
        Text::InsertFolder => {
            "INSERT INTO folder (id, account, remote_id, path, delimiter, role, uidvalidity, exists_count, opened_at, \
             excluded) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, FALSE)"
        }
        Text::PutLanes => {
            "INSERT INTO cursor (folder, lane, state) SELECT ?1, value->>0, value->>1 FROM jsonb_each(?2) WHERE TRUE \
             ON CONFLICT (folder, lane) DO UPDATE SET state = excluded.state"
        }
        Text::CloseFailures => {
            "UPDATE failure SET closed_at = ?3 WHERE folder = ?1 AND closed_at IS NULL AND uid IN (SELECT value FROM \
             json_each(?2))"
        }
        Text::PutFailures => {
            "INSERT INTO failure (account, folder, uid, reach, class, attempts, next_try_at, version, text, first_at, \
             last_at, burst) SELECT ?1, ?2, value->>0, 'message', value->>1, value->>3, ?3 + value->>3 * 3600000000, \
             ?4, value->>2, ?3, ?3, value->>4 FROM jsonb_each(?5) WHERE TRUE ON CONFLICT (folder, uid) WHERE closed_at \
             IS NULL AND uid IS NOT NULL DO UPDATE SET attempts = failure.attempts + excluded.attempts, class = \
             excluded.class, text = excluded.text, version = excluded.version, last_at = excluded.last_at, burst = \
             FALSE, next_try_at = CASE WHEN excluded.attempts = 0 OR failure.attempts = 0 THEN excluded.next_try_at \
             WHEN failure.attempts = 1 OR excluded.class <> 'invalid_data' THEN excluded.last_at + 86400000000 ELSE \
             NULL END"
        }
        Text::FailAgain => {
            "UPDATE failure SET attempts = attempts + 1, last_at = ?4, text = ?5 WHERE account = ?1 AND folder IS ?2 \
             AND uid IS NULL AND class = ?3 AND closed_at IS NULL"
        }
        Text::InsertFailure => {
            "INSERT INTO failure (account, folder, reach, class, attempts, version, text, first_at, last_at) VALUES \
             (?1, ?2, ?3, ?4, 1, ?5, ?6, ?7, ?7)"
        }
        Text::InsertRun => {
            "INSERT INTO run (account, started_at, finished_at, outcome, reason, stored, octets, facts, failed) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
        }
        Text::InsertEvent => {
            "INSERT INTO event (seq, id, at, kind, account, backfill, data) VALUES (?1, ?2, ?3, ?4, ?5, FALSE, ?6)"
        }
        // What passes that changed nothing leave behind.
        Text::QuietPasses => {
            "UPDATE folder SET passed_at = MAX(passed_at, COALESCE(j.value->>3, 0)), proved_at = CASE WHEN \
             j.value->>2 IS NULL THEN proved_at ELSE MAX(COALESCE(proved_at, 0), j.value->>2) END FROM jsonb_each(?1) \
             j WHERE folder.id = j.value->>0 AND passed_at IS NOT NULL"
        }
        Text::QuietSettle => {
            "UPDATE failure SET closed_at = j.value->>1 FROM jsonb_each(?1) j WHERE failure.folder = j.value->>0 AND \
             failure.uid IS NULL AND failure.closed_at IS NULL AND failure.last_at < j.value->>1"
        }
        Text::QuietLists => {
            "UPDATE account SET listed_at = MAX(COALESCE(listed_at, 0), j.value->>1) FROM json_each(?1) j WHERE \
             account.id = j.value->>0"
        }
        Text::QuietSettleLists => {
            "UPDATE failure SET closed_at = j.value->>1 FROM json_each(?1) j WHERE failure.account = j.value->>0 AND \
             failure.closed_at IS NULL AND failure.folder IS NULL AND failure.remote_id IS NULL AND failure.last_at < \
             j.value->>1"
        }
        Text::QuietForget => {
            "DELETE FROM failure WHERE closed_at < ?1 AND account IN (SELECT value->>0 FROM json_each(?2))"
        }
        Text::QuietSettleAccount => {
            "UPDATE failure SET closed_at = ?2 WHERE account = ?1 AND closed_at IS NULL AND folder IS NULL AND \
             remote_id IS NULL AND ?2 IS NOT NULL AND last_at < ?2"
        }
        Text::QuietRuns => {
            "INSERT INTO run_hour (account, hour, runs, passes) SELECT value->>0, value->>1, value->>2, value->>3 \
             FROM jsonb_each(?1) WHERE TRUE ON CONFLICT (account, hour) DO UPDATE SET runs = run_hour.runs + \
             excluded.runs, passes = run_hour.passes + excluded.passes"
        }
        // That database and data folder belong together.
        Text::Setting => "SELECT value FROM setting WHERE name = ?1",
        Text::LeapRow => {
            "INSERT INTO leap (at, after, next) SELECT CAST(strftime('%s', 'now') AS INTEGER) * 1000000, next - 1, \
             next + ?1 FROM counter WHERE name = 'event'"
        }
        Text::LeapCounter => "UPDATE counter SET next = next + ?1 WHERE name = 'event'",
        Text::NextEvent => "SELECT next FROM counter WHERE name = 'event'",
        Text::PutSetting => {
            "INSERT INTO setting (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = \
             excluded.value"
        }
        Text::ForgetSetting => "DELETE FROM setting WHERE name = ?1",
        // Reading for runs, manifests and verification.
        Text::ManifestFolders => {
            "SELECT id, path, delimiter FROM folder WHERE account = ?1 AND deleted_at IS NULL AND excluded = FALSE \
             ORDER BY path, id"
        }
        Text::AllManifestFolders => {
            "SELECT id, path, delimiter FROM folder WHERE account = ?1 ORDER BY path, id"
        }
        Text::Manifest => concat!(
            manifest!(),
            "l.ended_at IS NULL AND l.uidvalidity = (SELECT uidvalidity FROM folder WHERE id = l.folder) ",
            "ORDER BY l.folder, l.uidvalidity, l.uid LIMIT ?4"
        ),
        Text::DeletedManifest => concat!(
            manifest!(),
            "m.deleted_at IS NOT NULL AND l.folder = m.last_folder \
             AND l.ended_at = (SELECT MAX(x.ended_at) FROM location x WHERE x.message = m.id) ",
            "ORDER BY l.folder, l.uidvalidity, l.uid LIMIT ?4"
        ),
        Text::EstimatesSizes => "SELECT sizes_estimated FROM account WHERE id = ?1",
        Text::FailedUids => {
            "SELECT uid FROM failure WHERE folder = ?1 AND uid IS NOT NULL AND closed_at IS NULL ORDER BY uid"
        }
        Text::Living => living!(
            "folder f JOIN location l ON l.folder = f.id AND l.uidvalidity = f.uidvalidity WHERE f.id = ?1 AND l.uid \
             > ?2"
        ),
        Text::LivingAmong => living!(
            "json_each(?4) r CROSS JOIN folder f JOIN location l ON l.folder = f.id AND l.uidvalidity = f.uidvalidity \
             AND l.uid BETWEEN MAX(r.value->>0, ?2 + 1) AND r.value->>1 WHERE f.id = ?1"
        ),
        Text::SampleOfPart => {
            "SELECT l.uid, COALESCE(m.announced, m.size), l.internal_date FROM folder f JOIN location l ON l.folder = \
             f.id AND l.uidvalidity = f.uidvalidity JOIN message m ON m.id = l.message WHERE f.id = ?1 AND l.uid \
             BETWEEN ?2 AND ?3 AND l.ended_at IS NULL"
        }
        Text::Sample => {
            "WITH living AS (SELECT l.uid, l.message, l.internal_date, row_number() OVER (ORDER BY l.uid) AS n, \
             count(*) OVER () AS total FROM folder f JOIN location l ON l.folder = f.id AND l.uidvalidity = \
             f.uidvalidity WHERE f.id = ?1 AND l.ended_at IS NULL) SELECT living.uid, COALESCE(m.announced, m.size), \
             living.internal_date FROM living JOIN message m ON m.id = living.message WHERE (n - 1) % MAX(total / ?2, \
             1) = 0 LIMIT ?2"
        }
        Text::LimboCount => {
            "SELECT count(*) FROM message WHERE account = ?1 AND limbo_since IS NOT NULL"
        }
        Text::EventGaps => {
            "SELECT COALESCE((SELECT MAX(seq) - MIN(seq) + 1 - COUNT(*) FROM event), 0) - COALESCE((SELECT SUM(next - \
             after - 1) FROM leap WHERE after >= (SELECT MIN(seq) FROM event) AND next <= (SELECT MAX(seq) FROM \
             event)), 0)"
        }
        // Reading for faces.
        Text::StoredAccounts => {
            "SELECT a.id, a.name, a.provider, a.username, a.state, a.reason, a.since, a.history, a.parked_for, \
             a.held, a.held_octets, (SELECT x.class FROM failure x WHERE x.account = a.id AND x.closed_at IS NULL \
             AND x.folder IS NULL AND x.uid IS NULL AND x.remote_id IS NULL ORDER BY x.last_at DESC LIMIT 1), (SELECT \
             count(*) FROM failure x WHERE x.account = a.id AND x.closed_at IS NULL AND (x.folder IS NOT NULL OR \
             x.remote_id IS NOT NULL)) + (SELECT count(*) FROM owed o WHERE o.account = a.id AND o.attempts > 0), (SELECT max(max(f.passed_at, COALESCE(f.proved_at, 0))) FROM folder f WHERE f.account = a.id AND \
             f.deleted_at IS NULL AND f.path = 'INBOX'), (SELECT CASE WHEN count(*) = count(f.proved_at) THEN \
             min(f.proved_at) END FROM folder f WHERE f.account = a.id AND f.deleted_at IS NULL AND NOT f.excluded), \
             a.owner FROM account a WHERE ?1 IS NULL OR a.name = ?1 ORDER BY a.name"
        }
        Text::StoredFolders => {
            "SELECT f.id, f.path, f.role, f.uidvalidity, f.exists_count, f.held, (SELECT count(*) FROM failure x \
             WHERE x.folder = f.id AND x.closed_at IS NULL), f.passed_at, f.proved_at, f.unproved, f.excluded, \
             COALESCE((SELECT state FROM cursor WHERE folder = f.id AND lane = 'live'), ''), COALESCE((SELECT state \
             FROM cursor WHERE folder = f.id AND lane = 'backfill'), '') FROM folder f WHERE f.account = ?1 AND \
             f.deleted_at IS NULL ORDER BY f.path"
        }
        Text::StoredRuns => {
            "SELECT r.id, a.name, r.started_at, r.finished_at, r.outcome, r.reason, r.stored, r.octets, r.facts, \
             r.failed FROM run r JOIN account a ON a.id = r.account WHERE (?1 IS NULL OR a.name = ?1) AND (?2 IS NULL \
             OR r.id < ?2) ORDER BY r.id DESC LIMIT ?3"
        }
        Text::StoredFailures => {
            "SELECT x.id, a.name, COALESCE(f.path, x.path), x.uid, x.reach, x.class, x.attempts, x.next_try_at, \
             x.text, x.first_at, x.last_at, NULL FROM failure x JOIN account a ON a.id = x.account LEFT JOIN folder f ON \
             f.id = x.folder WHERE x.closed_at IS NULL AND (?1 IS NULL OR a.name = ?1) AND x.id > ?2 UNION ALL SELECT \
             o.id + (1 << 40), a.name, NULL, NULL, 'message', o.class, o.attempts, o.due_at, o.text, o.told_at, \
             o.due_at - CASE o.attempts WHEN 1 THEN 3600000000 ELSE 86400000000 END, o.identity FROM owed o JOIN \
             account a ON a.id = o.account WHERE o.attempts > 0 AND (?1 IS NULL OR a.name = ?1) AND o.id + (1 << 40) > \
             ?2 ORDER BY 1 LIMIT ?3"
        }
        Text::StoredEvents => {
            "SELECT e.seq, e.id, e.at, e.kind, a.name, e.folder, e.message, e.backfill, e.data FROM event e LEFT JOIN \
             account a ON a.id = e.account WHERE e.seq > ?1 ORDER BY e.seq LIMIT ?2"
        }
        Text::EventSpan => {
            "SELECT COALESCE((SELECT MIN(seq) FROM event), 1), COALESCE((SELECT next - 1 FROM counter WHERE name = \
             'event'), 0)"
        }
        Text::LedgerByClass => {
            "SELECT class, count(*) FROM (SELECT class FROM failure WHERE closed_at IS NULL UNION ALL SELECT class FROM \
             owed WHERE attempts > 0) GROUP BY class"
        }
        Text::UnprovedFolders => {
            "SELECT count(*) FROM folder f JOIN account a ON a.id = f.account WHERE f.deleted_at IS NULL AND \
             f.excluded = FALSE AND f.proved_at IS NULL AND a.state <> ?1"
        }
        Text::NamedPacks => {
            // From one pack's last body to the next one's: the index is entered once a pack.
            "WITH RECURSIVE last (place) AS (SELECT (SELECT id FROM body WHERE length > 0 ORDER BY pack DESC, \
             \"offset\" DESC LIMIT 1) UNION ALL SELECT (SELECT b.id FROM body b WHERE b.length > 0 AND b.pack < p.pack \
             ORDER BY b.pack DESC, b.\"offset\" DESC LIMIT 1) FROM last JOIN body p ON p.id = last.place) \
             SELECT pack, \"offset\" + length FROM last JOIN body ON body.id = place"
        }
    }
}
