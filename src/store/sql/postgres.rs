//! PostgreSQL's words, and its connections.

/// An account and a folder of it, in the order in which they are read; the FROM that follows says
/// which.
macro_rules! account_and_folder {
    () => {
        "SELECT a.incarnation, a.opened_at AS account_opened_at, a.listed_at, a.list_look, \
     f.id AS folder, f.remote_id, f.path, f.role, f.opened_at, f.passed_at, f.proved_at, f.unproved, f.look, f.excluded, \
     (SELECT state FROM cursor WHERE folder = f.id AND lane = 'live') AS live, \
     (SELECT state FROM cursor WHERE folder = f.id AND lane = 'backfill') AS backfill, \
     (SELECT string_agg((CASE WHEN note IS NULL THEN uid ELSE -uid END)::text, ',') FROM failure WHERE folder = f.id AND uid IS NOT NULL AND closed_at IS NULL) AS failures, \
     a.sizes_estimated, (SELECT COALESCE(json_agg(json_build_array(encode(remote_id, 'hex'), first_at, attempts, next_try_at)), '[]')::text \
     FROM failure WHERE account = a.id AND remote_id IS NOT NULL AND closed_at IS NULL) AS shut, \
     f.misfit, f.surplus, f.grown_at, \
     COALESCE((SELECT TRUE FROM location WHERE folder = f.id AND uidvalidity = f.uidvalidity LIMIT 1), FALSE) AS held, \
     (SELECT MAX(last_at) FROM failure WHERE folder = f.id AND uid IS NULL AND closed_at IS NULL) AS stalled_at, a.keep, a.stamped_at, a.identity_kind, \
     f.refused "
    };
}

/// What is found by a key for each value of a list, once each. OFFSET 0 keeps the search inside: else a server that
/// knows nothing yet of the table takes the list for one row, and compares all of an account with each of it.
macro_rules! for_each {
    ($list: literal, $found: literal) => {
        concat!(
            "(SELECT DISTINCT value FROM jsonb_array_elements_text(",
            $list,
            "::jsonb) listed (value)) j CROSS JOIN LATERAL (",
            $found,
            " OFFSET 0)"
        )
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

/// The messages that one transaction of a purge deletes. Were it one account by its words, those of all others
/// could be read on the way, since they come in the order of their numbers, too.
macro_rules! chunk {
    () => {
        "SELECT id FROM message WHERE account BETWEEN $1 AND $1 ORDER BY account, id LIMIT $2"
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
mod given;
pub(super) mod held;
pub(super) mod inbound;
pub(super) mod inserts;
pub(super) mod integrity;
pub(super) mod jobs;
pub(super) mod list;
mod lock;
mod login;
pub(super) mod mail;
pub(super) mod opening;
pub(super) mod packs;
mod promise;
pub(super) mod quiet;
pub(in crate::store) mod readers;
pub(super) mod reading;
pub(super) mod rematch;
pub(super) mod repair;
pub(super) mod repair_asked;
pub(in crate::store) mod server;
pub(in crate::store) mod session;
pub(super) mod setting;
pub(super) mod shown;
pub(super) mod subscriptions;
pub(super) mod threads;
pub(in crate::store) mod transaction;
pub(super) mod words;

#[cfg(test)]
pub(in crate::store) mod tests;
