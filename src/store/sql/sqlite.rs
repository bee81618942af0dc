//! SQLite's words.

/// An account and a folder of it, in the order in which they are read; the FROM that follows says
/// which.
macro_rules! account_and_folder {
    () => {
        "SELECT a.incarnation, a.opened_at AS account_opened_at, a.listed_at, a.list_look, \
     f.id AS folder, f.remote_id, f.path, f.role, f.opened_at, f.passed_at, f.proved_at, f.unproved, f.look, f.excluded, \
     (SELECT state FROM cursor WHERE folder = f.id AND lane = 'live') AS live, \
     (SELECT state FROM cursor WHERE folder = f.id AND lane = 'backfill') AS backfill, \
     (SELECT group_concat(CASE WHEN note IS NULL THEN uid ELSE -uid END) FROM failure WHERE folder = f.id AND uid IS NOT NULL AND closed_at IS NULL) AS failures, \
     a.sizes_estimated, (SELECT json_group_array(json_array(hex(remote_id), first_at, attempts, next_try_at)) FROM failure \
     WHERE account = a.id AND remote_id IS NOT NULL AND closed_at IS NULL) AS shut, \
     f.misfit, f.surplus, f.grown_at, \
     EXISTS (SELECT 1 FROM location WHERE folder = f.id AND uidvalidity = f.uidvalidity) AS held, \
     (SELECT MAX(last_at) FROM failure WHERE folder = f.id AND uid IS NULL AND closed_at IS NULL) AS stalled_at, a.keep, a.stamped_at, a.identity_kind, \
     f.refused "
    };
}

/// Columns of a message as the core sees it.
macro_rules! message {
    () => {
        "m.id, m.identity, (SELECT hash FROM body WHERE id = m.body) AS hash, m.limbo_since, m.last_folder, m.last_sight, m.deleted_at, m.places, m.version, \
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

pub(super) mod asked;
pub(super) mod audit;
pub(super) mod change;
pub(super) mod check;
pub(in crate::store) mod codes;
pub(super) mod commit;
pub(super) mod contacts;
pub(super) mod control;
pub(super) mod copies;
pub(super) mod counts;
pub(super) mod credential;
pub(super) mod deliver;
pub(super) mod derive;
pub(super) mod expired;
pub(super) mod failures;
pub(super) mod feeds;
pub(in crate::store) mod file;
pub(in crate::store) mod fold;
pub(in crate::store) mod gathered;
pub(super) mod held;
pub(super) mod inbound;
pub(super) mod inserts;
pub(super) mod integrity;
pub(super) mod jobs;
pub(super) mod list;
pub(super) mod mail;
pub(super) mod opening;
pub(super) mod packs;
pub(super) mod quiet;
pub(super) mod reading;
pub(super) mod rematch;
pub(super) mod repair;
pub(super) mod repair_asked;
pub(in crate::store) mod session;
pub(super) mod setting;
pub(super) mod shown;
pub(super) mod subscriptions;
pub(super) mod threads;
pub(in crate::store) mod transaction;
pub(in crate::store) mod words;
