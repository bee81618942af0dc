//! The model store: the core's own rules of feeds over rows in memory.

use crate::kept::Kept;
use crate::oracle::Trace;
use crate::store::corrected;
use postrider_core::commit::change::feed::FeedChange;
use postrider_core::commit::change::{Change, Commit, CommitAnswer, Refusal, StoredRows};
use postrider_core::commit::clock::Correction;
use postrider_core::commit::event::EventDraft;
use postrider_core::commit::feed::apply::{admit_feed, apply_feed};
use postrider_core::commit::feed::books::FeedBooks;
use postrider_core::commit::feed::rows::{FeedRows, Owed};
use postrider_core::commit::lane::admit;
use postrider_core::commit::ledger::Ledger;
use postrider_core::commit::rows::{AccountRow, MessageRow};
use postrider_core::haste::Haste;
use postrider_core::mail::feed::MailVersion;
use postrider_core::mail::flags::Flags;
use postrider_core::mail::id::{AccountId, FolderId, Identity, Incarnation, MessageId};
use postrider_core::run::event::AccountSnapshot;
use postrider_core::run::reads::{
    FeedFound, FeedProof, FeedQuery, FeedTally, KnownMail, OwedWaits,
};
use postrider_core::time::Micros;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) struct FeedStore {
    pub(crate) books: FeedBooks,
    pub(crate) events: Vec<EventDraft>,
    since: BTreeMap<MessageId, Micros>,
    next_place: i64,
    pub(crate) commits: u64,
    pub(crate) refused: u64,
    /// Rows written.
    pub(crate) writes: u64,
    /// Rules that a commit has broken.
    pub(crate) broken: Vec<String>,
    tally: Kept,
    pub(crate) trace: Trace,
}

impl FeedStore {
    pub(crate) fn new() -> Self {
        let rows = FeedRows::fresh(AccountRow::fresh(AccountId(1), Incarnation(0)));
        Self {
            books: FeedBooks::new(rows, Ledger::new(1), 0),
            events: Vec::new(),
            since: BTreeMap::new(),
            next_place: 1,
            commits: 0,
            refused: 0,
            writes: 0,
            broken: Vec::new(),
            tally: Kept::default(),
            trace: Trace::default(),
        }
    }

    pub(crate) fn open(&mut self, now: Micros) -> AccountSnapshot {
        self.books.rows.account.incarnation.0 += 1;
        self.correct(now);
        let rows = &mut self.books.rows;
        AccountSnapshot {
            feed: Some(Box::new(rows.clone())),
            ..AccountSnapshot::of(rows.account.clone())
        }
    }

    /// A clock that was ahead is no longer believed.
    fn correct(&mut self, now: Micros) {
        let Some(correction) = Correction::due_of_feed(&self.books.rows, now) else { return };
        let mut rows = self.books.rows.clone();
        correction.feed(&mut rows);
        let ledger = corrected(&self.books.ledger, correction);
        let owed: Vec<Owed> = self.books.all_owed().cloned().collect();
        self.books = FeedBooks::new(rows, ledger, self.books.held);
        for mut owed in owed {
            correction.owed(&mut owed);
            self.books.load_owed(owed);
        }
        self.since.values_mut().for_each(|since| *since = correction.was(*since));
    }

    pub(crate) fn living(&self) -> impl Iterator<Item = &MessageRow> {
        self.books.ledger.messages().filter(|message| message.deleted_at.is_none())
    }

    pub(crate) fn limit(&self, guard: u64) -> u64 {
        guard.max(self.living().count() as u64 / 5)
    }

    /// A hint that names ids, by whoever took it.
    pub(crate) fn commit_hint(&mut self, change: FeedChange, at: Micros) {
        let incarnation = self.books.rows.account.incarnation;
        let account = AccountId(1);
        let (change, haste) = (Change::Feed(change), Haste::Now);
        drop(self.commit(Commit { account, incarnation, at, change, haste }));
    }

    pub(crate) fn commit(&mut self, commit: Commit) -> CommitAnswer {
        let refused = |store: &mut Self, refusal| {
            store.refused += 1;
            let rows = store.stored();
            CommitAnswer::Refused(
                refusal,
                (refusal != Refusal::Incarnation).then(|| Box::new(rows)),
            )
        };
        let Change::Feed(change) = &commit.change else {
            let account = &self.books.rows.account;
            let at = commit.at;
            let none = FolderId(0);
            return match admit(account, None, commit.incarnation, &commit.change, at, none) {
                Err(refusal) => refused(self, refusal),
                Ok(admitted) => {
                    self.books.rows.account = admitted.account;
                    CommitAnswer::Done(Box::new(self.stored()))
                }
            };
        };
        if let Err(refusal) = admit_feed(&self.books.rows, commit.incarnation, change) {
            self.trace.add("refused", &(refusal, change));
            return refused(self, refusal);
        }
        self.commits += 1;
        self.trace.add("taken", change);
        let before = self.books.rows.clone();
        let versions: BTreeMap<Identity, Option<MailVersion>> = self
            .books
            .ledger
            .messages()
            .map(|message| (message.identity.clone(), message.version.clone()))
            .collect();
        self.books.held = self.living().count() as u64;
        apply_feed(&mut self.books, change, FolderId(self.next_place), commit.at);
        let newest = self.books.rows.places.keys().next_back().map_or(0, |id| id.0);
        self.next_place = self.next_place.max(newest + 1);
        for message in self.books.ledger.messages() {
            self.since.entry(message.id).or_insert(commit.at);
            let was = versions.get(&message.identity).cloned().flatten();
            if message.deleted_at.is_none() && message.version < was {
                self.broken.push(format!("I13: the past of {} over its present", message.identity));
            }
        }
        let owed = self.books.take_owed();
        let writes = self.books.ledger.take_writes();
        self.tally.add(&writes.tally);
        self.broken.extend(self.tally.differs(&self.books.ledger));
        self.writes += (owed.put.len() + owed.paid.len()) as u64;
        self.writes += (writes.created.len() + writes.messages.len()) as u64;
        self.writes += (writes.locations.len() + writes.events.len()) as u64;
        let mut after = self.books.rows.clone();
        after.account.stamped_at = before.account.stamped_at;
        // A window's edge goes on with the clock.
        after.feeds.clone_from(&before.feeds);
        self.writes += u64::from(after != before);
        self.events.extend(writes.events);
        CommitAnswer::Done(Box::new(self.stored()))
    }

    fn stored(&self) -> StoredRows {
        StoredRows {
            account: self.books.rows.account.clone(),
            folder: None,
            feed: Some(Box::new(self.books.rows.clone())),
        }
    }

    /// What was proved is written with the next page.
    pub(crate) fn prove(&mut self, proof: &FeedProof) {
        let rows = &mut self.books.rows;
        rows.state.placed_at = rows.state.placed_at.max(proof.placed);
        rows.state.counted_at = rows.state.counted_at.max(proof.counted);
        rows.account.listed_at = rows.account.listed_at.max(proof.compared);
        rows.state.misfit = proof.misfit.or(rows.state.misfit);
        for place in rows.places.values_mut() {
            place.passed_at = place.passed_at.max(proof.looked);
            if proof.whole {
                place.proved_at = place.proved_at.max(proof.compared);
            }
        }
    }

    fn known(&self, id: &Identity) -> Option<KnownMail> {
        let message = self.books.ledger.message(id);
        let owed = self.books.owed(id).is_some();
        if message.is_none() && !owed {
            return None;
        }
        let number = message.map(|message| message.id);
        let (places, flags) =
            number.map(|number| self.books.ledger.state_of(number)).unwrap_or_default();
        Some(KnownMail {
            id: id.clone(),
            message: number,
            since: number.and_then(|number| self.since.get(&number).copied()).unwrap_or_default(),
            deleted: message.is_some_and(|message| message.deleted_at.is_some()),
            owed,
            away: self.books.owed(id).is_some_and(Owed::is_away),
            has_thread: false,
            places,
            flags,
        })
    }

    pub(crate) fn read(&self, query: &FeedQuery) -> FeedFound {
        match query {
            FeedQuery::Due { at, insists, limit } => {
                let is_due = |row: &&Owed| {
                    row.due_at.is_some_and(|due| due <= *at || (*insists && row.attempts > 0))
                };
                let mut rows: Vec<Owed> = self.books.all_owed().filter(is_due).cloned().collect();
                rows.sort_by_key(|row| (row.rank.map_or(0, |rank| rank + 1), row.told_at));
                rows.truncate(*limit);
                let waits = |row: &&Owed| row.attempts == 0;
                let later = self.books.all_owed().filter(waits).filter_map(|row| row.due_at);
                let failed = self.books.all_owed().filter(|row| row.attempts > 0).count() as u64;
                let next = later.filter(|due| due > at).min();
                FeedFound::Due { rows, waits: OwedWaits { next, failed, ..OwedWaits::default() } }
            }
            FeedQuery::Known { ids, whole } => {
                let bare = |row: KnownMail| match whole {
                    true => row,
                    false => KnownMail { places: BTreeSet::new(), flags: Flags::default(), ..row },
                };
                FeedFound::Known(ids.iter().filter_map(|id| self.known(id)).map(bare).collect())
            }
            FeedQuery::Held { after, limit } => {
                let behind = |message: &&MessageRow| {
                    after.as_ref().is_none_or(|after| message.identity > *after)
                };
                let mut rows: Vec<&MessageRow> = self.living().filter(behind).collect();
                rows.sort_by_key(|message| &message.identity);
                let known = rows.iter().take(*limit).filter_map(|m| self.known(&m.identity));
                FeedFound::Held(known.collect())
            }
            FeedQuery::Away { after, limit } => {
                let away = self.books.all_owed().filter(|row| row.is_away());
                let behind = away.filter(|row| after.as_ref().is_none_or(|after| row.id > *after));
                FeedFound::Away(behind.map(|row| row.id.clone()).take(*limit).collect())
            }
            FeedQuery::Tally => {
                let unheld = |row: &&Owed| self.books.ledger.message(&row.id).is_none();
                let count = |is: &dyn Fn(&&Owed) -> bool| {
                    self.books.all_owed().filter(|row| is(row)).count() as u64
                };
                FeedFound::Tally(FeedTally {
                    held: self.living().count() as u64,
                    unheld: count(&|row| unheld(row) && !row.is_away()),
                    away: count(&|row| {
                        let deleted = |m: &MessageRow| m.deleted_at.is_some();
                        row.is_away() && self.books.ledger.message(&row.id).is_none_or(deleted)
                    }),
                    owed: count(&|row| row.attempts == 0 && !row.is_away()),
                    left_out: 0,
                })
            }
        }
    }
}
