//! What is kept no longer goes: account by account its deleted mail, places that have ended and runs; then failures, and bytes
//! that no message has had for a while.

use super::contacts::keep_people;
use crate::fault;
use crate::store::derive::DerivedMail;
use crate::store::expired::{Collected, Gone};
use crate::store::failure::Trouble;
use crate::store::pass::RowPass;
use crate::store::sql::check::{
    DerivedColumns, DerivedOfMails, DropDerived, ForgetAliases, ForgetThreads, RecountThreads,
};
use crate::store::sql::control::PurgeBodies;
use crate::store::sql::derive::DropAttachments;
use crate::store::sql::expired::{
    DeletedAhead, DropExpiredFailures, DropExpiredHours, DropExpiredPlaces, DropExpiredRuns,
    DropMails, DropPlacesOfMails, ExpiredMails, NamedAgain, NextAccount, RetainedAccount, Unname,
    UnnamedSince,
};
use crate::store::sql::query::Document;
use crate::store::sql::threads::ThreadsOfMails;
use crate::store::sql::words::{DropWordRows, DropWords, number};
use crate::store::transaction::{Sql, Transaction};
use postrider_core::mail::id::{AccountId, MessageId};
use postrider_core::retention::Expiry;
use postrider_core::standing::Standing;
use postrider_core::time::{AHEAD, Micros};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An hour, as run_hour counts them.
const HOUR: i64 = 3_600_000_000;

/// What goes, and where that is counted.
#[derive(Debug)]
pub(in crate::store) struct Collect {
    pub(super) expiry: Expiry,
    pub(super) gone: Arc<Collected>,
}

/// Where a piece begins.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::store) struct Place {
    /// The account before.
    account: i64,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, Default)]
enum Stage {
    /// The account behind it is looked for.
    #[default]
    Account,
    /// Its deleted mail, of what was over before then.
    Mails(Micros),
    Places(Micros),
    Runs,
    Failures,
    Bodies,
}

impl RowPass for Collect {
    const NAME: &'static str = "retention";
    const MOST: i64 = 200;
    type Cursor = Place;

    async fn piece(
        &self,
        db: &Transaction,
        from: Place,
        most: i64,
    ) -> Result<Option<Place>, Trouble> {
        let account = AccountId(from.account);
        let at = |stage| Some(Place { account: from.account, stage });
        let is_all = |count: u64| i64::try_from(count).is_ok_and(|count| count < most);
        Ok(match from.stage {
            Stage::Account => self.next(db, from.account).await?,
            Stage::Mails(before) => {
                let (ahead, now) = (self.expiry.now.plus(AHEAD), self.expiry.now);
                db.put(DeletedAhead { account, ahead, now, most }).await?;
                let mails = db.ask(ExpiredMails { account, before, most }).await?;
                let ids: Vec<i64> = mails.iter().map(|row| row.id).collect();
                let bodies: BTreeSet<i64> = mails.iter().map(|row| row.body).collect();
                self.mails(db, account, (&ids, &bodies)).await?;
                if is_all(ids.len() as u64) { at(Stage::Places(before)) } else { at(from.stage) }
            }
            Stage::Places(before) => {
                let count = db.put_now(DropExpiredPlaces { account, before, most }).await?;
                self.gone.add(Gone::Places, count);
                if is_all(count) { at(Stage::Runs) } else { at(from.stage) }
            }
            Stage::Runs => {
                let Some(before) = self.expiry.runs else { return Ok(at(Stage::Account)) };
                let count = db.put_now(DropExpiredRuns { account, before, most }).await?;
                self.gone.add(Gone::Runs, count);
                db.put(DropExpiredHours { account, before: before.0.div_euclid(HOUR) }).await?;
                if is_all(count) { at(Stage::Account) } else { at(from.stage) }
            }
            Stage::Failures => {
                let Some(before) = self.expiry.failures else { return Ok(at(Stage::Bodies)) };
                let count = db.put_now(DropExpiredFailures { before, most }).await?;
                self.gone.add(Gone::Failures, count);
                if is_all(count) { at(Stage::Bodies) } else { at(from.stage) }
            }
            Stage::Bodies => {
                let count = self.bodies(db, most).await?;
                if is_all(count) { None } else { at(from.stage) }
            }
        })
    }
}

impl Collect {
    /// The account behind this one. One that keeps what its server deletes, or that the config no longer names, keeps its mail; one
    /// that has kept it until lately does so for a while.
    async fn next(&self, db: &Transaction, after: i64) -> Result<Option<Place>, Trouble> {
        let next = db.ask_one(NextAccount { after, removed: Standing::Removed }).await?;
        let Some(RetainedAccount { account, keeps, unkept_at }) = next else {
            return Ok(Some(Place { account: after, stage: Stage::Failures }));
        };
        let deleted = self.expiry.deleted.filter(|_| !keeps);
        let before = deleted.filter(|before| unkept_at.is_none_or(|since| since < *before));
        let stage = before.map_or(Stage::Runs, Stage::Mails);
        Ok(Some(Place { account: account.0, stage }))
    }

    /// These messages go, with all that is of them. Bytes that no other has are counted as that from now on.
    async fn mails(
        &self,
        db: &Transaction,
        account: AccountId,
        (ids, bodies): (&[i64], &BTreeSet<i64>),
    ) -> Result<(), Trouble> {
        if ids.is_empty() {
            return Ok(());
        }
        let messages = Document::of(&ids)?;
        underived(db, account, &messages).await?;
        db.put(DropPlacesOfMails { messages: messages.clone() }).await?;
        db.put(DropMails { messages }).await?;
        db.put(Unname { bodies: Document::of(bodies)?, at: self.expiry.now }).await?;
        self.gone.add(Gone::Mails, ids.len() as u64);
        fault::pass("collect.mails");
        Ok(())
    }

    /// Bodies that no message has had for long enough go; what one has again is looked at no more.
    async fn bodies(&self, db: &Transaction, most: i64) -> Result<u64, Trouble> {
        let rows = db.ask(UnnamedSince { before: self.expiry.bodies, most }).await?;
        let bodies: Vec<i64> = rows.iter().map(|row| row.id).collect();
        if bodies.is_empty() {
            return Ok(0);
        }
        let bodies = Document::of(&bodies)?;
        let count = db.put_now(PurgeBodies { bodies: bodies.clone() }).await?;
        self.gone.add(Gone::Bodies, count);
        db.put(NamedAgain { bodies }).await?;
        fault::pass("collect.bodies");
        Ok(rows.len() as u64)
    }
}

/// What is derived of these messages goes: people and threads are counted without them.
async fn underived(
    db: &Transaction,
    account: AccountId,
    messages: &Document,
) -> Result<(), Trouble> {
    let derived = db.ask(DerivedOfMails { mails: messages.clone() }).await?;
    let ids: Vec<MessageId> = derived.iter().map(|row| row.message).collect();
    let words: Vec<_> = derived.iter().map(|row| (number(row.rank), row.message)).collect();
    let nobody = |row: &DerivedColumns| DerivedMail {
        message: row.message,
        received_at: row.received_at,
        people: Vec::new(),
        more_people: 0,
        read: Err(String::new()),
    };
    let nobody: Vec<DerivedMail> = derived.iter().map(nobody).collect();
    keep_people(db, account, &nobody.iter().collect::<Vec<_>>(), &ids).await?;
    let mut threads: BTreeMap<i64, (u64, u64)> = BTreeMap::new();
    for row in db.ask(ThreadsOfMails { mails: messages.clone() }).await? {
        threads.entry(row.thread.id).or_insert((row.thread.messages, 0)).1 += 1;
    }
    let words = Document::of(&words)?;
    db.put(DropWords { words: words.clone() }).await?;
    db.put(DropWordRows { words }).await?;
    db.put(DropAttachments { messages: messages.clone() }).await?;
    db.put(DropDerived { messages: messages.clone() }).await?;
    let (mut over, mut less) = (Vec::new(), Vec::new());
    for (thread, (messages, gone)) in threads {
        if messages <= gone { over.push(thread) } else { less.push(thread) }
    }
    if !over.is_empty() {
        let threads = Document::of(&over)?;
        db.put(ForgetAliases { threads: threads.clone() }).await?;
        db.put(ForgetThreads { threads }).await?;
    }
    if !less.is_empty() {
        db.put(RecountThreads { threads: Document::of(&less)? }).await?;
    }
    Ok(())
}
