//! An account's rows that a clock has written which was ahead, brought back as the core says.

use super::own::write_lanes;
use super::words::{lane, read, text, write};
use crate::store::failure::Trouble;
use crate::store::rows::get;
use crate::store::sql::{FeedText, OpeningText};
use crate::store::transaction::Transaction;
use crate::telemetry::names;
use postrider_core::commit::clock::{Correction, KEPT, LONGEST_WAIT, is_behind};
use postrider_core::commit::rows::{AccountRow, FolderRow};
use postrider_core::run::event::AccountSnapshot;
use postrider_core::time::{AHEAD, Micros};
use sea_orm::Value;
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
    let id = rows.account.id.0;
    let Correction { now, latest, slope } = correction;
    let ahead = read(db, OpeningText::DatesAhead, vec![id.into(), now.0.into()]).await?;
    let dates: Vec<Micros> =
        ahead.iter().map(|row| get(row, 0).map(Micros)).collect::<Result<_, Trouble>>()?;
    if is_behind(dates.into_iter(), correction) {
        tracing::debug!(
            "account {name}: the wall clock is behind: mail is held that is dated later"
        );
        return Ok(false);
    }
    let mut account = rows.account.clone();
    if let Some(feed) = &rows.feed {
        let mut feed = feed.clone();
        correction.feed(&mut feed);
        write(db, FeedText::PutFeedAccount, vec![id.into(), lane(&feed.state)?.into()]).await?;
        let mut states = Vec::new();
        for (place, state) in &feed.feeds {
            states.push(json!([place.0, lane(state)?]));
        }
        write(db, FeedText::PutFeeds, vec![id.into(), text(&states)?]).await?;
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
        let values = vec![id.into(), now.0.into()];
        let newest = read(db, OpeningText::NewestDate, values).await?;
        let newest = newest.first().map_or(Ok(None), |row| get::<Option<i64>>(row, 0))?;
        account.opened_at = account.opened_at.map(|at| correction.opened(at, newest.map(Micros)));
    }
    correction.account(&mut account);
    put_account(db, &account, now).await?;
    let day = now.plus(LONGEST_WAIT).0;
    let was = || vec![id.into(), now.0.into(), latest.0.into(), slope.into(), KEPT.into()];
    write(db, OpeningText::MessagesWere, was()).await?;
    write(db, OpeningText::NotesWere, was()).await?;
    let with = |more: &[i64]| [was(), more.iter().map(|at| (*at).into()).collect()].concat();
    write(db, OpeningText::FailuresWere, with(&[day])).await?;
    write(db, OpeningText::OwedWere, with(&[day, now.plus(AHEAD).0])).await?;
    metrics::counter!(names::CLOCK_JUMPS).increment(1);
    let ahead = correction.ahead().as_secs();
    tracing::warn!(
        "account {name}: the wall clock was ahead by {ahead} s when its rows were written; what they say was \
         then is taken to have been in the last minutes"
    );
    Ok(true)
}

fn maybe(look: Option<&impl Serialize>) -> Result<Value, Trouble> {
    look.map(text).transpose().map(|look| look.unwrap_or(Value::String(None)))
}

async fn put_account(db: &Transaction, account: &AccountRow, now: Micros) -> Result<(), Trouble> {
    let instant = |at: Option<Micros>| at.map(|at| at.0).into();
    let values = vec![
        account.id.0.into(),
        instant(account.stamped_at),
        instant(account.listed_at),
        instant(account.opened_at),
        maybe(account.list_look.as_ref())?,
        now.0.into(),
        now.plus(LONGEST_WAIT).0.into(),
    ];
    write(db, OpeningText::AccountWas, values).await
}

async fn put_folder(db: &Transaction, folder: &FolderRow) -> Result<(), Trouble> {
    let instant = |at: Option<Micros>| at.map(|at| at.0).into();
    let values = vec![
        folder.id.0.into(),
        folder.opened_at.0.into(),
        instant(folder.passed_at),
        instant(folder.proved_at),
        instant(folder.grown_at),
        maybe(folder.look.as_ref())?,
        maybe(folder.misfit.as_ref())?,
        maybe(folder.refused.as_ref())?,
    ];
    write(db, OpeningText::FolderWas, values).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use sea_orm::ConnectionTrait;

    #[tokio::test]
    async fn the_database_brings_back_as_the_core_does() {
        let dir = tempfile::tempdir().unwrap();
        let db = crate::store::open(&dir.path().join("x.db")).await.unwrap();
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
            db.writer.execute_unprepared(&put).await.unwrap();
        }
        let tx: Transaction = db.begin().await.unwrap().into();
        let Correction { slope, .. } = correction;
        let values = [1, now.0, latest.0, slope, KEPT].map(Value::from).to_vec();
        write(&tx, OpeningText::NotesWere, values).await.unwrap();
        tx.commit().await.unwrap();
        let statement = sea_orm::Statement::from_string(
            db.writer.get_database_backend(),
            "SELECT folder, at FROM note",
        );
        let rows = db.writer.query_all_raw(statement).await.unwrap();
        assert_eq!(rows.len(), 16);
        for row in rows {
            let (was, is): (i64, i64) = (get(&row, 0).unwrap(), get(&row, 1).unwrap());
            assert_eq!(Micros(is), correction.was(Micros(was)), "{was}");
        }
        db.close().await;
    }
}
