//! Threads of mails that are derived: joined in the transaction of their rows, in a constant number of statements. Of
//! a large thread that becomes part of another the mails are moved behind it, some at a time.

use crate::store::failure::Trouble;
use crate::store::sql::query::Document;
use crate::store::sql::threads::{
    AllMoved, DropThreads, LeadOn, MoveMails, MoveSome, Moves, PutAliases, PutThreadKeys,
    PutThreads, ThreadColumns, ThreadOfKey, ThreadOfMail, ThreadsOfKeys, ThreadsOfMails,
};
use crate::store::transaction::{Sql, Transaction};
use postrider_core::mail::id::{AccountId, MessageId};
use postrider_core::thread::{Thread, ThreadKey, ThreadMail, ThreadsHeld, join};
use std::collections::{BTreeMap, BTreeSet};

/// Mails that are moved in one write.
const MOVES_MOST: u64 = 500;

impl From<ThreadColumns> for Thread {
    fn from(row: ThreadColumns) -> Self {
        let ThreadColumns { id, messages, rank, first_at } = row;
        Self { id, messages, rank, first_at }
    }
}

/// Joins these mails with what there is; the thread of each.
pub(super) async fn join_threads(
    db: &Transaction,
    account: AccountId,
    mails: &[ThreadMail],
) -> Result<BTreeMap<i64, i64>, Trouble> {
    let joining = join(mails, &held(db, account, mails).await?);
    if !joining.merged.is_empty() {
        let (mut merged, mut aliases, mut at_once, mut count) = (vec![], vec![], vec![], 0);
        for (was, keeps) in &joining.merged {
            count += was.messages;
            let moves = count > MOVES_MOST;
            merged.push((was.id, *keeps));
            aliases.push((was.id, *keeps, moves));
            if !moves {
                at_once.push((was.id, *keeps));
            }
        }
        let merged = Document::of(&merged)?;
        db.put(DropThreads { merged: merged.clone() }).await?;
        db.put(LeadOn { merged }).await?;
        db.put(PutAliases { account, rows: Document::of(&aliases)? }).await?;
        db.put(MoveMails { merged: Document::of(&at_once)? }).await?;
    }
    if !joining.threads.is_empty() {
        let row = |thread: &Thread| (thread.id, thread.messages, thread.rank, thread.first_at);
        let rows: Vec<_> = joining.threads.iter().map(row).collect();
        db.put(PutThreads { account, rows: Document::of(&rows)? }).await?;
    }
    if !joining.keys.is_empty() {
        let rows: Vec<_> = joining.keys.iter().map(|(key, id)| (key.to_string(), *id)).collect();
        db.put(PutThreadKeys { account, rows: Document::of(&rows)? }).await?;
    }
    Ok(joining.mails)
}

/// What there is of their keys, and of themselves.
async fn held(
    db: &Transaction,
    account: AccountId,
    mails: &[ThreadMail],
) -> Result<ThreadsHeld, Trouble> {
    let mut held = ThreadsHeld::default();
    let keys: BTreeSet<&ThreadKey> = mails.iter().flat_map(|mail| &mail.keys).collect();
    let keys: Vec<String> = keys.into_iter().map(ThreadKey::to_string).collect();
    for row in db.ask(ThreadsOfKeys { account, keys: Document::of(&keys)? }).await? {
        let ThreadOfKey { key, thread } = row;
        let damaged = |_| Trouble::Damaged("a thread's key is damaged".into());
        held.keys.insert(ThreadKey(key.try_into().map_err(damaged)?), thread.id);
        held.threads.insert(thread.id, thread.into());
    }
    let mails: Vec<i64> = mails.iter().map(|mail| mail.message).collect();
    for row in db.ask(ThreadsOfMails { mails: Document::of(&mails)? }).await? {
        let ThreadOfMail { message: MessageId(message), thread } = row;
        held.mails.insert(message, thread.id);
        held.threads.insert(thread.id, thread.into());
    }
    Ok(held)
}

/// Moves some mails to the threads that theirs are part of, whichever was merged first; whether it has written.
pub(super) async fn move_some(db: &Transaction, account: AccountId) -> Result<bool, Trouble> {
    if !moves(db, account).await? {
        return Ok(false);
    }
    let most = i64::try_from(MOVES_MOST).unwrap_or(i64::MAX);
    if db.put_now(MoveSome { account, most }).await? < MOVES_MOST {
        db.put(AllMoved { account, most }).await?;
    }
    Ok(true)
}

/// Whether mails of an account are still to be moved.
pub(super) async fn moves(db: &Transaction, account: AccountId) -> Result<bool, Trouble> {
    db.finds(Moves { account }).await
}
