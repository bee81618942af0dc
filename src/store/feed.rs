//! What runs of feed accounts read: what is due, what is known of ids, what is held.

use crate::store::failure::Trouble;
use crate::store::read::{Reader, failed};
use crate::store::rows::{feed_account, get, owed_rows, packed};
use crate::store::sql::FeedText;
use postrider_core::commit::feed::rows::{FeedAccount, FeedState};
use postrider_core::failure::Failure;
use postrider_core::mail::cursor;
use postrider_core::mail::feed::FeedCursor;
use postrider_core::mail::flags::Flags;
use postrider_core::mail::id::{AccountId, FolderId, Identity, MessageId};
use postrider_core::run::reads::{FeedFound, FeedQuery, FeedTally, KnownMail, OwedWaits};
use postrider_core::time::Micros;
use sea_orm::{QueryResult, Value};
use serde::Deserialize;
use std::collections::BTreeSet;

impl Reader {
    /// Rows of a feed account.
    ///
    /// # Errors
    /// Class storage.
    pub async fn feed(&self, account: AccountId, query: FeedQuery) -> Result<FeedFound, Failure> {
        self.find(account, query).await.map_err(failed)
    }

    async fn find(&self, account: AccountId, query: FeedQuery) -> Result<FeedFound, Trouble> {
        let id = Value::from(account.0);
        let most = |limit: usize| Value::from(i64::try_from(limit).unwrap_or(i64::MAX));
        let behind =
            |after: Option<Identity>| Value::from(after.map(|after| after.0).unwrap_or_default());
        Ok(match query {
            FeedQuery::Due { at, insists, limit } => {
                let values = vec![id.clone(), at.0.into(), insists.into(), most(limit)];
                let rows = owed_rows(&self.rows(FeedText::DueOwed, values).await?)?;
                let found = rows.len() as u64;
                // What waits is of interest when nothing is due any more.
                let waits = if rows.len() < limit {
                    let waits = self.rows(FeedText::NextOwed, vec![id, at.0.into()]).await?;
                    match waits.first() {
                        Some(row) => OwedWaits {
                            due: found,
                            next: get::<Option<i64>>(row, 0)?.map(Micros),
                            failed: count(row, 1)?,
                            missing: count(row, 2)?,
                            settling: count(row, 3)?,
                        },
                        None => OwedWaits::default(),
                    }
                } else {
                    let due = self.rows(FeedText::DueCount, vec![id]).await?;
                    let due = due.first().map_or(Ok(found), |row| count(row, 0))?;
                    OwedWaits { due, ..OwedWaits::default() }
                };
                FeedFound::Due { rows, waits }
            }
            FeedQuery::Known { ids, whole } => {
                let ids: Vec<&str> = ids.iter().map(|id| id.0.as_str()).collect();
                let ids = serde_json::Value::from(ids).to_string();
                let text = if whole { FeedText::KnownMail } else { FeedText::KnownIds };
                FeedFound::Known(known(&self.rows(text, vec![id, ids.into()]).await?)?)
            }
            FeedQuery::Held { after, limit } => {
                let values = vec![id, behind(after), most(limit)];
                FeedFound::Held(known(&self.rows(FeedText::HeldMail, values).await?)?)
            }
            FeedQuery::Away { after, limit } => {
                let values = vec![id, behind(after), most(limit)];
                let rows = self.rows(FeedText::AwayMail, values).await?;
                let read = |row: &QueryResult| get(row, 0).map(Identity);
                FeedFound::Away(rows.iter().map(read).collect::<Result<_, Trouble>>()?)
            }
            FeedQuery::Tally => {
                let rows = self.rows(FeedText::FeedTally, vec![id]).await?;
                FeedFound::Tally(match rows.first() {
                    Some(row) => FeedTally {
                        held: count(row, 0)?,
                        unheld: count(row, 1)?,
                        away: count(row, 2)?,
                        owed: count(row, 3)?,
                    },
                    None => FeedTally::default(),
                })
            }
        })
    }
}

/// How a feed account stands, for people.
#[derive(Clone, Debug)]
pub struct FeedStanding {
    /// What it has still to do.
    pub state: FeedAccount,
    /// Its feeds, as they are stored.
    pub feeds: String,
    /// When the last compare began.
    pub compared_at: Option<Micros>,
    /// Since when every place is proved.
    pub proved_at: Option<Micros>,
    /// Ids that are to be read now.
    pub due: u64,
    /// Ids that are asked about once more in a while.
    pub settling: u64,
    /// Ids at their first look.
    pub missing: u64,
    /// Ids that could not be read.
    pub failed: u64,
    /// Ids in no place of ours.
    pub away: u64,
}

impl FeedStanding {
    /// The cursor of the whole account's feed.
    #[must_use]
    pub fn cursor(&self) -> Option<FeedCursor> {
        let feeds: Vec<StoredFeed> = serde_json::from_str(&self.feeds).ok()?;
        let whole = feeds.into_iter().find(|feed| feed.place == 0)?;
        cursor::from_text::<FeedState>(&whole.state.to_string()).ok()?.cursor
    }
}

/// A row of `feed`, as `FeedStanding::feeds` has it.
#[derive(Deserialize)]
struct StoredFeed {
    place: i64,
    state: serde_json::Value,
}

impl Reader {
    /// How a feed account stands; none where it is of the other family, or was never opened.
    ///
    /// # Errors
    /// Class storage.
    pub async fn feed_standing(
        &self,
        account: AccountId,
        at: Micros,
    ) -> Result<Option<FeedStanding>, Failure> {
        let read = async || {
            let rows =
                self.rows(FeedText::FeedStanding, vec![account.0.into(), at.0.into()]).await?;
            let Some(row) = rows.first() else { return Ok(None) };
            let instant = |at| Ok::<_, Trouble>(get::<Option<i64>>(row, at)?.map(Micros));
            Ok::<_, Trouble>(Some(FeedStanding {
                state: feed_account(row)?.unwrap_or_default(),
                feeds: get(row, 1)?,
                compared_at: instant(2)?,
                proved_at: instant(3)?,
                due: count(row, 4)?,
                settling: count(row, 5)?,
                missing: count(row, 6)?,
                failed: count(row, 7)?,
                away: count(row, 8)?,
            }))
        };
        read().await.map_err(failed)
    }
}

fn count(row: &QueryResult, at: usize) -> Result<u64, Trouble> {
    u64::try_from(get::<i64>(row, at)?).map_err(|e| Trouble::damaged("a count", &e))
}

/// What is known of a message, as it is stored.
#[derive(Deserialize)]
struct StoredMail(
    String,
    Option<i64>,
    Option<i64>,
    i64,
    i64,
    i64,
    Option<BTreeSet<i64>>,
    Option<String>,
);

/// Reads the document of `FeedText::KnownIds`, `FeedText::KnownMail` or `FeedText::HeldMail`.
fn known(rows: &[QueryResult]) -> Result<Vec<KnownMail>, Trouble> {
    let known = |row: StoredMail| {
        let StoredMail(id, message, since, deleted, owed, away, places, flags) = row;
        KnownMail {
            id: Identity(id),
            message: message.map(MessageId),
            since: Micros(since.unwrap_or_default()),
            deleted: deleted != 0,
            owed: owed != 0,
            away: away != 0,
            places: places.unwrap_or_default().into_iter().map(FolderId).collect(),
            flags: Flags::new(flags.unwrap_or_default().split(' ')),
        }
    };
    Ok(packed(rows)?.into_iter().map(known).collect())
}
