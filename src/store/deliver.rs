//! Who takes what is handed on: how far that is, and the tries.

use crate::store::failure::Trouble;
use crate::store::read::{Reader, failed};
use crate::store::sql::deliver::{
    LastDeliveries, StoredDeliveries, StoredDelivery, StoredSubscriber, StoredSubscribers,
};
use postrider_core::deliver::{Delivered, SubscriberState};
use postrider_core::failure::Failure;
use postrider_core::time::Micros;
use std::collections::BTreeMap;

/// Tries that are kept of each.
pub(super) const DELIVERIES: i64 = 1000;

/// A subscriber, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriberRow {
    /// Its id in the config.
    pub id: String,
    /// How it stands.
    pub delivered: Delivered,
    /// The last number of what it is being given.
    pub sending: Option<i64>,
}

/// A try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRow {
    /// Whose.
    pub subscriber: String,
    /// Its number, among those of its subscriber.
    pub number: i64,
    /// The first and the last number of what was given; none of a test.
    pub events: Option<(i64, i64)>,
    /// The how manieth of the same.
    pub attempt: u32,
    /// When it began.
    pub at: Micros,
    /// What was answered: a status of HTTP, or how a command ended.
    pub status: Option<i64>,
    /// How long it took.
    pub millis: u64,
    /// The beginning of the answer, or why there is none.
    pub text: String,
}

/// What is written of them. Who is disabled, and was not, is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliverWork {
    /// They stand so now.
    pub subscribers: Vec<SubscriberRow>,
    /// These were the tries, in the order of their numbers.
    pub deliveries: Vec<DeliveryRow>,
}

/// Reads subscribers.
#[derive(Clone, Debug)]
pub struct SubscriberReader {
    reader: Reader,
}

impl SubscriberReader {
    /// Reads through this.
    #[must_use]
    pub fn new(reader: &Reader) -> Self {
        Self { reader: reader.clone() }
    }

    /// All subscribers that ever were, with the number of each one's last try.
    ///
    /// # Errors
    /// Class storage.
    pub async fn all(&self) -> Result<BTreeMap<String, (SubscriberRow, i64)>, Failure> {
        let rows = self.reader.ask(StoredSubscribers {}).await.map_err(failed)?;
        let last = self.reader.ask(LastDeliveries {}).await.map_err(failed)?;
        let last: BTreeMap<String, i64> =
            last.into_iter().map(|row| (row.subscriber, row.number)).collect();
        let whole = |row: StoredSubscriber| {
            let last = last.get(&row.id).copied().unwrap_or(0);
            subscriber(row).map(|row| (row.id.clone(), (row, last)))
        };
        rows.into_iter().map(whole).collect::<Result<_, _>>().map_err(failed)
    }

    /// Tries of a subscriber before one of them, the newest first.
    ///
    /// # Errors
    /// Class storage.
    pub async fn deliveries(
        &self,
        subscriber: &str,
        before: i64,
        most: u32,
    ) -> Result<Vec<StoredDelivery>, Failure> {
        let subscriber = subscriber.to_owned();
        self.reader.ask(StoredDeliveries { subscriber, before, most }).await.map_err(failed)
    }
}

impl From<DeliveryRow> for StoredDelivery {
    fn from(row: DeliveryRow) -> Self {
        let (first, last) = row.events.unzip();
        let DeliveryRow { number, attempt, at, status, millis, text, .. } = row;
        Self { number, first, last, attempt, at, status, millis, text }
    }
}

fn subscriber(row: StoredSubscriber) -> Result<SubscriberRow, Trouble> {
    // A word of a newer binary is damage to this one.
    let unknown = || Trouble::Damaged(format!("a stored subscriber says `{}`", row.state));
    let state = SubscriberState::from_word(&row.state).ok_or_else(unknown)?;
    let delivered = Delivered {
        cursor: row.cursor,
        state,
        reason: row.reason,
        since: row.since,
        failing_since: row.failing_since,
        attempts: row.attempts,
        next_at: row.next_at,
        lost: row.lost_first.zip(row.lost_last),
    };
    Ok(SubscriberRow { id: row.id, delivered, sending: row.sending })
}
