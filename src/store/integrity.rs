//! Whether rows have what they name, and numbers of events each its event.

use crate::store::failure::Trouble;
use crate::store::packs::PackReader;
use crate::store::read::{Reader, failed};
use crate::store::rows::{bare, folder_row};
use crate::store::sql::commit::{AccountAndFolder, AllFolders};
use crate::store::sql::integrity::{
    AllLeapt, AllOtherPlaces, EndsOfEvents, EventNumber, EventsBehind, Leapt, NoAccount,
    NoAccounts, NoBodies, NoCursor, NoCursors, NoFeeds, NoFolders, NoFoldersAtAll, NoMessage,
    NoMessages, NoRow, OldCounter, OldCounters, OtherPlaces,
};
use postrider_core::commit::rows::FolderRow;
use postrider_core::failure::Failure;
use postrider_core::mail::id::AccountId;
use std::ops::Range;

/// Of each kind so many are named at most.
const NAMED: i64 = 10_000;
/// Events that are read at a time.
const EVENTS: i64 = 10_000;

/// What an account's rows lack.
#[derive(Debug, Default)]
pub struct AccountBreaks {
    /// Places of messages that are not there.
    pub messages: Vec<NoMessage>,
    /// Folders that are not there.
    pub folders: Vec<NoRow>,
    /// Messages that lie nowhere any more, and whose bytes have no row, or are lost.
    pub bodies: Vec<i64>,
    /// Messages that lie in another number of places than they are said to.
    pub places: Vec<OtherPlaces>,
    /// Folders without a cursor.
    pub cursors: Vec<NoCursor>,
    /// Its changes are told by message id, and their cursor is not there.
    pub feed: bool,
    /// There is more of some kind than is named.
    pub more: bool,
}

/// What the whole database lacks.
#[derive(Debug, Default)]
pub struct StoreBreaks {
    /// Rows of accounts that are not there.
    pub accounts: Vec<NoAccount>,
    /// Folders that are not there.
    pub folders: Vec<NoRow>,
    /// Counters that number again what has a number.
    pub counters: Vec<OldCounter>,
    /// Numbers of events that are missing although no leap says so, the lowest first.
    pub events: Vec<Range<i64>>,
    /// Packs that had a row, and have none.
    pub packs: Vec<i64>,
    /// There is more of some kind than is named.
    pub more: bool,
}

/// Looks for rows without their counterpart.
#[derive(Debug)]
pub struct IntegrityReader<'a> {
    reader: &'a Reader,
}

fn is_full<T>(rows: &[T]) -> bool {
    i64::try_from(rows.len()).is_ok_and(|n| n >= NAMED)
}

impl<'a> IntegrityReader<'a> {
    /// By this reader.
    #[must_use]
    pub fn new(reader: &'a Reader) -> Self {
        Self { reader }
    }

    /// The folders of an account. One that has lost a cursor has none: that is told by [`AccountBreaks::cursors`].
    ///
    /// # Errors
    /// Class storage.
    pub async fn folders(&self, account: AccountId) -> Result<Vec<FolderRow>, Failure> {
        let rows = self.reader.ask(AllFolders { account }).await.map_err(failed)?;
        let rows = rows.into_iter().filter_map(|row: AccountAndFolder| row.folder.0);
        let folders = rows.map(|row| folder_row(bare(row))).collect::<Result<Vec<_>, Trouble>>();
        folders.map_err(failed)
    }

    /// What an account's rows lack. Each kind is as of one instant.
    ///
    /// # Errors
    /// Class storage.
    pub async fn account(&self, account: AccountId) -> Result<AccountBreaks, Failure> {
        let (reader, most) = (self.reader, NAMED);
        let messages = reader.ask(NoMessages { account, most }).await.map_err(failed)?;
        let folders = reader.ask(NoFolders { account, most }).await.map_err(failed)?;
        let bodies = reader.ask(NoBodies { account, most }).await.map_err(failed)?;
        let places = reader.ask(AllOtherPlaces { account, most }).await.map_err(failed)?;
        let cursors = reader.ask(NoCursors { account, most }).await.map_err(failed)?;
        let feed = !reader.ask(NoFeeds { account }).await.map_err(failed)?.is_empty();
        let more = is_full(&messages) || is_full(&folders) || is_full(&bodies);
        let more = more || is_full(&places) || is_full(&cursors);
        let bodies = bodies.into_iter().map(|row| row.id).collect();
        Ok(AccountBreaks { messages, folders, bodies, places, cursors, feed, more })
    }

    /// What the whole database lacks. Each kind is as of one instant.
    ///
    /// # Errors
    /// Class storage.
    pub async fn store(&self) -> Result<StoreBreaks, Failure> {
        let (reader, most) = (self.reader, NAMED);
        let accounts = reader.ask(NoAccounts { most }).await.map_err(failed)?;
        let folders = reader.ask(NoFoldersAtAll { most }).await.map_err(failed)?;
        let counters = reader.ask(OldCounters {}).await.map_err(failed)?;
        let events = self.missing_events().await?;
        let packs = PackReader::new(reader).missing().await?;
        let more = is_full(&accounts) || is_full(&folders) || is_full(&events);
        Ok(StoreBreaks { accounts, folders, counters, events, packs, more })
    }

    /// Numbers of events that are missing although no leap says so.
    ///
    /// # Errors
    /// Class storage.
    pub async fn missing_events(&self) -> Result<Vec<Range<i64>>, Failure> {
        // What comes meanwhile is behind what is looked at; what goes is below it.
        let Some(ends) = self.reader.ask_one(EndsOfEvents {}).await.map_err(failed)? else {
            return Ok(Vec::new());
        };
        let leapt = self.reader.ask(AllLeapt {}).await.map_err(failed)?;
        let (mut missing, mut behind) = (Vec::new(), ends.first - 1);
        while behind + 1 < ends.next && !is_full(&missing) {
            let piece = EventsBehind { seq: behind, most: EVENTS };
            let rows = self.reader.ask(piece).await.map_err(failed)?;
            let seqs = rows.iter().map(|EventNumber { seq }| *seq);
            for seq in seqs.take_while(|seq| *seq < ends.next) {
                missing.extend(not_leapt(behind + 1..seq, &leapt));
                behind = seq;
            }
            let is_last = rows.last().is_none_or(|row| row.seq >= ends.next);
            if is_last {
                missing.extend(not_leapt(behind + 1..ends.next, &leapt));
                break;
            }
        }
        let now = self.reader.ask_one(EndsOfEvents {}).await.map_err(failed)?;
        let first = now.map_or(ends.first, |now| now.first);
        let kept = missing.into_iter().map(|range| range.start.max(first)..range.end);
        Ok(kept.filter(|range| !range.is_empty()).collect())
    }
}

/// What of these numbers no leap has left out; leaps come in their order.
fn not_leapt(numbers: Range<i64>, leapt: &[Leapt]) -> Vec<Range<i64>> {
    let (mut left, mut from) = (Vec::new(), numbers.start);
    for Leapt { after, next } in leapt {
        if *next <= from || *after + 1 >= numbers.end {
            continue;
        }
        left.push(from..*after + 1);
        from = *next;
    }
    left.push(from..numbers.end);
    left.retain(|range| !range.is_empty());
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_leapt_over_is_not_missing() {
        let leapt = [Leapt { after: 5, next: 10 }, Leapt { after: 12, next: 20 }];
        let of = |numbers: Range<i64>| format!("{:?}", not_leapt(numbers, &leapt));
        assert_eq!(of(1..4), "[1..4]");
        assert_eq!(of(4..4), "[]");
        assert_eq!(of(6..10), "[]");
        assert_eq!(of(5..11), "[5..6, 10..11]");
        assert_eq!(of(11..21), "[11..13, 20..21]");
        assert_eq!(of(1..30), "[1..6, 10..13, 20..30]");
        assert_eq!(of(13..20), "[]");
        assert_eq!(of(25..27), "[25..27]");
    }
}
