//! SQLite's words for handing out an account.

use crate::store::sql::OpeningText;

pub(in crate::store::sql) const fn words(text: OpeningText) -> &'static str {
    match text {
        // What is asked of the account is asked once, however many folders it has.
        OpeningText::AccountFound => concat!(
            "WITH a AS MATERIALIZED (SELECT o.*, \
             EXISTS (SELECT 1 FROM message WHERE account = o.id AND limbo_since IS NOT NULL) AS limbo, \
             EXISTS (SELECT 1 FROM failure WHERE account = o.id AND uid IS NOT NULL AND closed_at IS NULL) AS failed, \
             EXISTS (SELECT 1 FROM note WHERE account = o.id) AS noted, \
             o.feed IS NOT NULL OR EXISTS (SELECT 1 FROM feed WHERE account = o.id) AS feeds \
             FROM account o WHERE o.name = ?1) ",
            account_and_folder!(),
            ", a.id, a.provider, a.username, a.state, a.reason, a.limbo, a.failed, a.noted, a.feeds \
             FROM a LEFT JOIN folder f ON f.account = a.id AND f.deleted_at IS NULL ORDER BY f.id"
        ),
        OpeningText::HandOutAccount => {
            "INSERT INTO account (name, provider, host, username, identity_kind, state, reason, since, incarnation, \
             keep, owner) VALUES (?1, ?2, ?3, ?4, 'hash', ?7, '', ?5, 1, ?6, ?9) ON CONFLICT (name) DO UPDATE SET host = \
             excluded.host, keep = excluded.keep, owner = excluded.owner, incarnation = account.incarnation + 1, state = CASE account.state \
             WHEN ?8 THEN ?7 ELSE account.state END"
        }
        OpeningText::FailuresToRetry => {
            "SELECT folder, uid, next_try_at <= ?2 OR version <> ?3, class <> 'invalid_data' OR attempts = 0, burst \
             FROM failure WHERE account = ?1 AND closed_at IS NULL AND uid IS NOT NULL ORDER BY uid"
        }
        OpeningText::Notes => {
            "SELECT about, folder, remote_id, uidvalidity, uid, count, text FROM note WHERE account = ?1"
        }
    }
}
