//! What runs of feed accounts read: what is due, what is known of ids, what is held.

use crate::store::failure::Trouble;
use crate::store::read::{Reader, failed};
use crate::store::rows::{feed_account, owed_rows, packed};
use crate::store::sql::feeds::{
    AwayMail, DueCount, DueOwed, FeedColumns, FeedNamed, HeldMail, KnownIds, KnownWhole, NextOwed,
    Packed, StandingColumns, StandingOfFeed, TallyColumns, TallyOfFeed, WaitColumns,
};
use crate::store::sql::query::Document;
use postrider_core::commit::feed::rows::{FeedAccount, FeedState};
use postrider_core::failure::Failure;
use postrider_core::mail::cursor;
use postrider_core::mail::feed::FeedCursor;
use postrider_core::mail::flags::Flags;
use postrider_core::mail::id::{AccountId, FolderId, Identity, MessageId};
use postrider_core::run::reads::{FeedFound, FeedQuery, FeedTally, KnownMail, OwedWaits};
use postrider_core::time::Micros;
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
        let most = |limit: usize| i64::try_from(limit).unwrap_or(i64::MAX);
        let behind = |after: Option<Identity>| after.map(|after| after.0).unwrap_or_default();
        Ok(match query {
            FeedQuery::Due { at, insists, limit } => {
                let due = DueOwed { account, at, insists, most: most(limit) };
                let rows = owed_rows(&self.ask(due).await?)?;
                let found = rows.len() as u64;
                // What waits is of interest when nothing is due any more.
                let waits = if rows.len() < limit {
                    let waits = self.ask_one(NextOwed { account, at }).await?;
                    waits.map_or_else(OwedWaits::default, |waits| {
                        let WaitColumns { next, failed, missing, settling } = waits;
                        OwedWaits { due: found, next, failed, missing, settling }
                    })
                } else {
                    let due = self.ask_one(DueCount { account }).await?;
                    let due = due.map_or(found, |due| u64::try_from(due.count).unwrap_or(0));
                    OwedWaits { due, ..OwedWaits::default() }
                };
                FeedFound::Due { rows, waits }
            }
            FeedQuery::Known { ids, whole } => {
                let ids: Vec<&str> = ids.iter().map(|id| id.0.as_str()).collect();
                let names = Document::of(&ids)?;
                let found = if whole {
                    self.ask(KnownWhole { account, names }).await?
                } else {
                    self.ask(KnownIds { account, names }).await?
                };
                FeedFound::Known(known(&found)?)
            }
            FeedQuery::Held { after, limit } => {
                let held = HeldMail { account, after: behind(after), most: most(limit) };
                FeedFound::Held(known(&self.ask(held).await?)?)
            }
            FeedQuery::Away { after, limit } => {
                let away = AwayMail { account, after: behind(after), most: most(limit) };
                let away = self.ask(away).await?.into_iter();
                FeedFound::Away(away.map(|row| row.identity).collect())
            }
            FeedQuery::Tally => {
                let tally = self.ask_one(TallyOfFeed { account }).await?;
                FeedFound::Tally(tally.map_or_else(FeedTally::default, |tally| {
                    let TallyColumns { held, unheld, away, owed, left_out } = tally;
                    FeedTally { held, unheld, away, owed, left_out }
                }))
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
    /// A human leaves it out.
    pub left_out: u64,
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
    /// The cursor of the feed of the account that is called so; none where it has none.
    ///
    /// # Errors
    /// Class storage.
    pub async fn feed_cursor(&self, account: &str) -> Result<Option<FeedCursor>, Failure> {
        let row = self.ask_one(FeedNamed { account: account.to_owned() }).await.map_err(failed)?;
        let Some(FeedColumns { state, .. }) = row else { return Ok(None) };
        let state: FeedState = cursor::from_text(&state)
            .map_err(|e| Failure::bug("the cursor of a feed cannot be read").caused_by(e))?;
        Ok(state.cursor)
    }

    /// How a feed account stands; none where it is of the other family, or was never opened.
    ///
    /// # Errors
    /// Class storage.
    pub async fn feed_standing(
        &self,
        account: AccountId,
        at: Micros,
    ) -> Result<Option<FeedStanding>, Failure> {
        let row = self.ask_one(StandingOfFeed { account, at }).await.map_err(failed)?;
        let standing = |row: StandingColumns| {
            let state = row.feed.as_deref().map(feed_account).transpose()?.unwrap_or_default();
            Ok(FeedStanding {
                state,
                feeds: row.feeds,
                compared_at: row.listed_at,
                proved_at: row.proved_at,
                due: row.due,
                settling: row.settling,
                missing: row.missing,
                failed: row.failed,
                left_out: row.left_out,
                away: row.away,
            })
        };
        row.map(standing).transpose().map_err(failed)
    }
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
    i64,
    Option<BTreeSet<i64>>,
    Option<String>,
);

/// Reads the document of `KnownIds`, `KnownMail` or `HeldMail`.
fn known(rows: &[Packed]) -> Result<Vec<KnownMail>, Trouble> {
    let known = |row: StoredMail| {
        let StoredMail(id, message, since, deleted, owed, away, has_thread, places, flags) = row;
        KnownMail {
            id: Identity(id),
            message: message.map(MessageId),
            since: Micros(since.unwrap_or_default()),
            deleted: deleted != 0,
            owed: owed != 0,
            away: away != 0,
            has_thread: has_thread != 0,
            places: places.unwrap_or_default().into_iter().map(FolderId).collect(),
            flags: Flags::new(flags.unwrap_or_default().split(' ')),
        }
    };
    Ok(packed(rows)?.into_iter().map(known).collect())
}
