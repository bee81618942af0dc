//! SQLite's words for handing out an account.

use crate::store::sql::opening::OpeningText;

/// An instant of what was that lies ahead of now (?2), brought back: the latest is ?3, behind it ?5 keep their
/// distances, and what was before them is closer by ?4. As `Correction::was` does it to one.
macro_rules! was {
    ($at: literal) => {
        concat!(
            $at,
            " = CASE WHEN ",
            $at,
            " > ?2 THEN ?2 - MIN(MAX(?3 - ",
            $at,
            ", 0), ?5) - MAX(?3 - ",
            $at,
            " - ?5, 0) / ?4 ELSE ",
            $at,
            " END"
        )
    };
}

pub(in crate::store::sql) const fn words(text: OpeningText) -> &'static str {
    match text {
        // What is asked of the account is asked once, however many folders it has.
        OpeningText::AccountFound => concat!(
            "WITH a AS MATERIALIZED (SELECT o.*, \
             EXISTS (SELECT 1 FROM message WHERE account = o.id AND limbo_since IS NOT NULL) AS limbo, \
             EXISTS (SELECT 1 FROM failure WHERE account = o.id AND uid IS NOT NULL AND closed_at IS NULL) AS failed, \
             EXISTS (SELECT 1 FROM note WHERE account = o.id) AS noted, \
             o.feed IS NOT NULL OR EXISTS (SELECT 1 FROM feed WHERE account = o.id) AS feeds, \
             o.host IS ?2 AND o.keep IS ?3 AND o.owner IS ?4 AND o.state <> ?5 AND o.addresses IS ?6 AS known \
             FROM account o WHERE o.name = ?1) ",
            account_and_folder!(),
            ", a.id, a.provider, a.username, a.state, a.reason, a.limbo, a.failed, a.noted, a.asked, a.feeds, a.addresses, a.known \
             FROM a LEFT JOIN folder f ON f.account = a.id AND f.deleted_at IS NULL ORDER BY f.id"
        ),
        OpeningText::HandOutAccount => {
            "INSERT INTO account (name, provider, host, username, identity_kind, state, reason, since, incarnation, \
             keep, owner, addresses) VALUES (?1, ?2, ?3, ?4, 'hash', ?7, '', ?5, 1, ?6, ?9, ?10) ON CONFLICT (name) DO UPDATE SET host = \
             excluded.host, keep = excluded.keep, owner = excluded.owner, addresses = excluded.addresses, unkept_at = CASE WHEN excluded.keep THEN NULL WHEN account.keep THEN ?5 ELSE account.unkept_at END, incarnation = account.incarnation + 1, state = CASE account.state \
             WHEN ?8 THEN ?7 ELSE account.state END"
        }
        OpeningText::FailuresToRetry => {
            "SELECT folder, uid, next_try_at <= ?2 OR version <> ?3 AS is_due, class <> 'invalid_data' OR attempts = 0 AS is_lone, burst, class = 'bug' AS is_fatal \
             FROM failure WHERE account = ?1 AND closed_at IS NULL AND uid IS NOT NULL AND note IS NULL ORDER BY uid"
        }
        OpeningText::Notes => {
            "SELECT about, folder, remote_id, uidvalidity, uid, count, text FROM note WHERE account = ?1"
        }
        OpeningText::AccountWas => {
            "UPDATE account SET stamped_at = ?2, listed_at = ?3, opened_at = ?4, list_look = ?5, since = MIN(since, ?6), \
             next_attempt_at = MIN(next_attempt_at, ?7) WHERE id = ?1"
        }
        OpeningText::FolderWas => {
            "UPDATE folder SET opened_at = ?2, passed_at = ?3, proved_at = ?4, grown_at = ?5, look = ?6, misfit = ?7, \
             refused = ?8 WHERE id = ?1"
        }
        // Of each folder the newest of what lay there when it was opened.
        OpeningText::NewestDate => {
            "SELECT MAX((SELECT MAX(l.internal_date) FROM (SELECT internal_date FROM location WHERE folder = f.id AND uidvalidity = \
             f.uidvalidity AND uid < c.state->>'$.state.boundary' ORDER BY uid DESC LIMIT 100) l WHERE l.internal_date <= ?2)) AS newest \
             FROM folder f JOIN cursor c ON c.folder = f.id AND c.lane = 'backfill' WHERE f.account = ?1 AND f.deleted_at IS NULL"
        }
        OpeningText::DatesAhead => {
            "SELECT l.internal_date FROM folder f JOIN location l ON l.folder = f.id AND l.uidvalidity = f.uidvalidity AND l.uid \
             IN (SELECT uid FROM location WHERE folder = f.id AND uidvalidity = f.uidvalidity ORDER BY uid DESC LIMIT 100) WHERE \
             f.account = ?1 AND f.deleted_at IS NULL AND l.internal_date > ?2 LIMIT 100"
        }
        // What is looked for: few, and found by their index.
        OpeningText::MessagesWere => concat!(
            "UPDATE message INDEXED BY message_limbo SET ",
            was!("limbo_since"),
            ", ",
            was!("last_sight"),
            " WHERE account = ?1 AND limbo_since IS NOT NULL"
        ),
        OpeningText::NotesWere => {
            concat!("UPDATE note SET ", was!("at"), " WHERE account = ?1 AND at > ?2")
        }
        OpeningText::FailuresWere => concat!(
            "UPDATE failure SET next_try_at = MIN(next_try_at, ?6), ",
            was!("first_at"),
            ", ",
            was!("last_at"),
            ", ",
            was!("closed_at"),
            " WHERE account = ?1 AND (next_try_at > ?6 OR first_at > ?2 OR last_at > ?2 OR closed_at > ?2)"
        ),
        OpeningText::OwedWere => concat!(
            "UPDATE owed SET due_at = MIN(due_at, CASE WHEN attempts > 0 THEN ?6 ELSE ?7 END), ",
            was!("told_at"),
            ", ",
            was!("missing_at"),
            ", ",
            was!("failed_at"),
            " WHERE account = ?1 AND (told_at > ?2 OR missing_at > ?2 OR failed_at > ?2 OR due_at > ?7)"
        ),
    }
}
