//! An account's rows that a clock has written which was ahead, brought back as the core says.

use super::own::write_lanes;
use super::words::lane;
use crate::store::failure::Trouble;
use crate::store::sql::feeds::{PutFeedAccount, PutFeeds};
use crate::store::sql::opening::{
    AccountWas, DatesAhead, FailuresWere, FolderWas, MessagesWere, NewestDate, NotesWere, OwedWere,
};
use crate::store::sql::query::Document;
use crate::store::transaction::{Sql, Transaction};
use crate::telemetry::names;
use postrider_core::commit::clock::{Correction, KEPT, LONGEST_WAIT, is_behind};
use postrider_core::commit::rows::{AccountRow, FolderRow};
use postrider_core::run::event::AccountSnapshot;
use postrider_core::time::{AHEAD, Micros};
use serde::Serialize;
use serde_json::json;

/// Whether rows that are handed out lie ahead of now.
pub(in crate::store) fn correction_of(rows: &AccountSnapshot, now: Micros) -> Option<Correction> {
    match &rows.feed {
        Some(feed) => Correction::due_of_feed(feed, now),
        None => Correction::due(&rows.account, &rows.folders, now),
    }
}

/// Brings all of the account back; its rows are to be read anew. Not where mail that is held says that it is
/// our clock that is behind: nothing changes then.
pub(in crate::store) async fn bring_back(
    db: &Transaction,
    name: &str,
    rows: &AccountSnapshot,
    correction: Correction,
) -> Result<bool, Trouble> {
    let id = rows.account.id;
    let Correction { now, latest, slope } = correction;
    let ahead = db.ask(DatesAhead { account: id, now }).await?;
    if is_behind(ahead.into_iter().map(|row| row.internal_date), correction) {
        tracing::debug!(
            "account {name}: the wall clock is behind: mail is held that is dated later"
        );
        return Ok(false);
    }
    let mut account = rows.account.clone();
    if let Some(feed) = &rows.feed {
        let mut feed = feed.clone();
        correction.feed(&mut feed);
        db.put(PutFeedAccount { account: id, state: lane(&feed.state)? }).await?;
        let mut states = Vec::new();
        for (place, state) in &feed.feeds {
            states.push(json!([place.0, lane(state)?]));
        }
        db.put(PutFeeds { account: id, feeds: Document::of(&states)? }).await?;
        for place in feed.places.values() {
            put_folder(db, place).await?;
        }
    } else {
        for before in &rows.folders {
            let mut folder = before.clone();
            correction.folder(&mut folder);
            write_lanes(db, Some(before), &folder).await?;
            put_folder(db, &folder).await?;
        }
        let newest = db.ask_one(NewestDate { account: id, now }).await?;
        let newest = newest.and_then(|newest| newest.newest);
        account.opened_at = account.opened_at.map(|at| correction.opened(at, newest));
    }
    correction.account(&mut account);
    put_account(db, &account, now).await?;
    let (account, kept, last_try) = (id, KEPT, now.plus(LONGEST_WAIT));
    db.put(MessagesWere { account, now, latest, slope, kept }).await?;
    db.put(NotesWere { account, now, latest, slope, kept }).await?;
    db.put(FailuresWere { account, now, latest, slope, kept, last_try }).await?;
    let last_due = now.plus(AHEAD);
    db.put(OwedWere { account, now, latest, slope, kept, last_try, last_due }).await?;
    metrics::counter!(names::CLOCK_JUMPS).increment(1);
    let ahead = correction.ahead().as_secs();
    tracing::warn!(
        "account {name}: the wall clock was ahead by {ahead} s when its rows were written; what they say was \
         then is taken to have been in the last minutes"
    );
    Ok(true)
}

fn maybe(look: Option<&impl Serialize>) -> Result<Option<Document>, Trouble> {
    look.map(Document::of).transpose()
}

async fn put_account(db: &Transaction, account: &AccountRow, now: Micros) -> Result<(), Trouble> {
    db.put(AccountWas {
        account: account.id,
        stamped_at: account.stamped_at,
        listed_at: account.listed_at,
        opened_at: account.opened_at,
        list_look: maybe(account.list_look.as_ref())?,
        now,
        last_attempt: now.plus(LONGEST_WAIT),
    })
    .await
}

async fn put_folder(db: &Transaction, folder: &FolderRow) -> Result<(), Trouble> {
    db.put(FolderWas {
        folder: folder.id,
        opened_at: folder.opened_at,
        passed_at: folder.passed_at,
        proved_at: folder.proved_at,
        grown_at: folder.grown_at,
        look: maybe(folder.look.as_ref())?,
        misfit: maybe(folder.misfit.as_ref())?,
        refused: maybe(folder.refused.as_ref())?,
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_core::mail::id::AccountId;

    #[tokio::test]
    async fn the_database_brings_back_as_the_core_does() {
        let dir = tempfile::tempdir().unwrap();
        let db = crate::store::open(&dir.path().join("x.db").into()).await.unwrap();
        let (now, latest) = (Micros(1_000_000_000), Micros(5_000_000_000_000));
        let correction = Correction::from(latest, now).unwrap();
        let stamps = [0, 1, 999_999_999, 1_000_000_000, 1_000_000_001, 4_000_000_000_000]
            .into_iter()
            .chain((0..9).map(|n| latest.0 - n * 30_000_001))
            .chain([latest.0 + 7]);
        for at in stamps {
            let put = format!(
                "INSERT INTO note (account, about, folder, remote_id, uidvalidity, uid, count, text, at) VALUES (1, 'x', \
                 {at}, '', 0, 0, 1, '', {at})"
            );
            db.writer.run(&put).await.unwrap();
        }
        let tx: Transaction = db.begin().await.unwrap();
        let Correction { slope, .. } = correction;
        let (account, kept) = (AccountId(1), KEPT);
        tx.put(NotesWere { account, now, latest, slope, kept }).await.unwrap();
        tx.commit().await.unwrap();
        let rows = db.writer.run("SELECT folder, at FROM note").await.unwrap();
        assert_eq!(rows.len(), 16);
        for row in rows {
            let (was, is): (i64, i64) =
                (row.try_get_by("folder").unwrap(), row.try_get_by("at").unwrap());
            assert_eq!(Micros(is), correction.was(Micros(was)), "{was}");
        }
        db.close().await;
    }
}
