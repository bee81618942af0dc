//! What is written of who takes what is handed on.

use super::numbers::Numbers;
use super::own::announce;
use crate::store::deliver::{DELIVERIES, DeliverWork, DeliveryRow, SubscriberRow};
use crate::store::failure::Trouble;
use crate::store::sql::deliver::{
    ForgetDeliveries, PutDeliveries, PutSubscribers, StoredSubscribers,
};
use crate::store::sql::query::Document;
use crate::store::transaction::{Sql, Transaction};
use postrider_core::deliver::SubscriberState;
use postrider_core::mail::id::AccountId;
use postrider_core::standing::EventKind;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

/// Writes it.
pub(super) async fn work(
    db: &Transaction,
    numbers: &mut Numbers,
    work: &DeliverWork,
) -> Result<(), Trouble> {
    let DeliverWork { subscribers, deliveries } = work;
    let is_off = |row: &&SubscriberRow| row.delivered.state == SubscriberState::Disabled;
    if subscribers.iter().any(|row| is_off(&row)) {
        let stored = db.ask(StoredSubscribers {}).await?;
        let off = SubscriberState::Disabled.as_str();
        let known: BTreeSet<String> =
            stored.into_iter().filter(|row| row.state == off).map(|row| row.id).collect();
        for row in subscribers.iter().filter(is_off).filter(|row| !known.contains(&row.id)) {
            let told = json!({ "subscriber": row.id, "reason": row.delivered.reason });
            // It is of no account.
            announce(db, numbers, AccountId(0), EventKind::SubscriberDisabled, &told).await?;
        }
    }
    let rows: Vec<Json> = subscribers.iter().map(subscriber).collect();
    db.put(PutSubscribers { rows: Document::of(&rows)? }).await?;
    if deliveries.is_empty() {
        return Ok(());
    }
    let rows: Vec<Json> = deliveries.iter().map(delivery).collect();
    db.put(PutDeliveries { rows: Document::of(&rows)? }).await?;
    let last: BTreeMap<&str, i64> =
        deliveries.iter().map(|row| (row.subscriber.as_str(), row.number)).collect();
    let upto: Vec<Json> =
        last.into_iter().map(|(id, number)| json!([id, number - DELIVERIES])).collect();
    db.put(ForgetDeliveries { rows: Document::of(&upto)? }).await
}

/// In the order of the columns.
fn subscriber(SubscriberRow { id, delivered, sending }: &SubscriberRow) -> Json {
    json!([
        id,
        delivered.cursor,
        sending,
        delivered.state.as_str(),
        delivered.reason,
        delivered.since.0,
        delivered.failing_since.map(|at| at.0),
        delivered.attempts,
        delivered.next_at.map(|at| at.0),
        delivered.lost.map(|(first, _)| first),
        delivered.lost.map(|(_, last)| last),
    ])
}

/// In the order of the columns.
fn delivery(row: &DeliveryRow) -> Json {
    let (first, last) = row.events.unzip();
    json!([
        row.subscriber,
        row.number,
        first,
        last,
        row.attempt,
        row.at.0,
        row.status,
        row.millis,
        row.text,
    ])
}
