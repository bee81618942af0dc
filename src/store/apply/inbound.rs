//! What is written of what providers have pushed: each once, and in one transaction with what is owed because of it.

use super::feed::hint;
use super::numbers::Numbers;
use crate::store::failure::Trouble;
use crate::store::inbound::{Inbound, InboundWork};
use crate::store::sql::control::{Stood, StoodByName};
use crate::store::sql::inbound::{ForgetInbound, LetIn, NoteInbound};
use crate::store::sql::query::Document;
use crate::store::transaction::{Sql, Transaction};
use postrider_core::commit::change::feed::Hinted;
use postrider_core::time::Micros;
use std::collections::{BTreeMap, BTreeSet};

/// Rows that are forgotten in one transaction.
const FORGOTTEN: i64 = 1000;

/// Writes it; whether that changed anything: what has come before does not.
pub(super) async fn work(
    db: &Transaction,
    numbers: &mut Numbers,
    work: &InboundWork,
    at: Micros,
) -> Result<bool, Trouble> {
    match work {
        InboundWork::Came(source, all) => came(db, numbers, (source, all), at).await,
        InboundWork::Forget(before) => {
            let forget = ForgetInbound { before: *before, most: FORGOTTEN };
            let gone = db.put_now(forget).await?;
            Ok(gone > 0)
        }
    }
}

async fn came(
    db: &Transaction,
    numbers: &mut Numbers,
    (source, all): (&str, &[Inbound]),
    at: Micros,
) -> Result<bool, Trouble> {
    let events: Vec<&str> = all.iter().map(|one| one.event.as_str()).collect();
    let note = NoteInbound { source: source.to_owned(), events: Document::of(&events)?, at };
    let first: BTreeSet<String> = db.ask(note).await?.into_iter().map(|row| row.event).collect();
    if first.is_empty() {
        return Ok(false);
    }
    let mut told: BTreeMap<&str, Hinted> = BTreeMap::new();
    let mut asks: BTreeSet<&str> = BTreeSet::new();
    for one in all.iter().filter(|one| first.contains(&one.event)) {
        for account in &one.accounts {
            let hinted = told.entry(account).or_default();
            hinted.ids.extend(one.hinted.ids.iter().cloned());
            hinted.places |= one.hinted.places;
            if one.asks_grant {
                asks.insert(account);
            }
        }
    }
    for (name, hinted) in told {
        // One that was never opened lists all when it is.
        let stood = db.ask_one(StoodByName { name: name.to_owned() }).await?;
        if let Some(Stood { id, .. }) = stood {
            if asks.contains(name) {
                db.put(LetIn { account: id }).await?;
            }
            hint(db, numbers, id, hinted, at).await?;
        }
    }
    Ok(true)
}
