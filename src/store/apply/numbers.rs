//! Numbers of messages, events and folders: handed out here alone, and never twice, not even after
//! a purge. A transaction takes them from its counters; a database with sequences would take them
//! from those.

use crate::store::arrivals::StoredPage;
use crate::store::failure::Trouble;
use crate::store::sql::commit::{Counters, NextNumber, SaveCounters};
use crate::store::sql::repair_asked::AnyLost;
use crate::store::transaction::{Sql, Transaction};
use postrider_core::commit::ledger::Ledger;
use postrider_core::mail::id::{AccountId, FolderId, MessageId};
use postrider_core::time::Micros;
use std::sync::LazyLock;

/// The numbers of a transaction; they are written back with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Numbers {
    message: i64,
    event: i64,
    folder: i64,
    /// The highest of a message that is no history.
    live: i64,
    /// How often what is derived of older ones was put back.
    put_back: u64,
    /// The bytes of some body may be lost.
    loses: bool,
    /// When the transaction began that hands them out: the time of its events.
    at: Micros,
}

impl Numbers {
    /// As the transaction that begins now finds them.
    pub(in crate::store) async fn load(db: &Transaction, at: Micros) -> Result<Self, Trouble> {
        let mut numbers =
            Self { message: 1, event: 1, folder: 1, live: 0, put_back: 0, loses: false, at };
        for NextNumber { name, next } in db.ask(Counters {}).await? {
            match name.as_str() {
                "message" => numbers.message = next,
                "event" => numbers.event = next,
                "folder" => numbers.folder = next,
                _ => {}
            }
        }
        numbers.loses = db.finds(AnyLost {}).await?;
        Ok(numbers)
    }

    /// The same, for the next transaction.
    pub(in crate::store) fn at_begin(self, at: Micros) -> Self {
        Self { at, ..self }
    }

    /// When its events are said to have happened.
    pub(super) fn at(self) -> Micros {
        self.at
    }

    /// As the transaction leaves them.
    pub(in crate::store) async fn save(self, db: &Transaction) -> Result<(), Trouble> {
        let Self { message, event, folder, .. } = self;
        db.put(SaveCounters { message, event, folder }).await
    }

    /// The number of the last event.
    pub(in crate::store) fn last_event(self) -> i64 {
        self.event - 1
    }

    /// This message has just come to its server.
    pub(super) fn came(&mut self, message: MessageId) {
        self.live = self.live.max(message.0);
    }

    /// Of older messages it is owed anew what is derived.
    pub(super) fn put_back(&mut self) {
        self.put_back += 1;
    }

    /// The page that has brought its account from those numbers to these.
    pub(in crate::store) fn page_since(self, before: Self, account: AccountId) -> StoredPage {
        let numbers = (before.message, self.message);
        let is_history = self.live < before.message;
        let puts_back = self.put_back > before.put_back;
        StoredPage { account, numbers, is_history, puts_back }
    }

    /// Bytes of a body are given up.
    pub(super) fn lose(&mut self) {
        self.loses = true;
    }

    /// Whether bytes that are read may be some that were lost.
    pub(super) fn loses(self) -> bool {
        self.loses
    }

    /// The next of these numbers is behind the highest that was given.
    pub(super) fn raise(&mut self, name: &str, highest: i64) {
        let next = match name {
            "message" => &mut self.message,
            "event" => &mut self.event,
            "folder" => &mut self.folder,
            _ => return,
        };
        *next = (*next).max(highest.saturating_add(1));
    }

    /// The next event's.
    pub(super) fn event(&mut self) -> i64 {
        self.event += 1;
        self.event - 1
    }

    /// The one that the next folder would get.
    pub(super) fn next_folder(self) -> FolderId {
        FolderId(self.folder)
    }

    /// It has got it.
    pub(super) fn take_folder(&mut self) {
        self.folder += 1;
    }

    /// A ledger that numbers new messages from here on.
    pub(super) fn ledger(self) -> Ledger {
        Ledger::new(self.message)
    }

    /// That ledger has numbered so far.
    pub(super) fn take_messages(&mut self, ledger: &Ledger) {
        self.message = ledger.next_message();
    }
}

/// What sets this process's ids apart from those of others.
static APART: LazyLock<u32> = LazyLock::new(|| uuid::Uuid::new_v4().as_fields().0);

/// The id of the event of this number at this time (Unix microseconds): UUIDv7, with the number as its
/// counter (RFC 9562 §6.2, method 1). Ids sort by time, and within a millisecond as the events came.
pub(super) fn event_id(at: i64, seq: i64) -> String {
    let millis = u64::try_from(at.div_euclid(1000)).unwrap_or(0);
    let seq = seq.cast_unsigned();
    // 12 bits, the variant's two, and 62 more: 30 of the number and 32 of ours.
    let [_, _, _, _, _, _, high, low] = (seq >> 30 & 0x0FFF).to_be_bytes();
    let [a, b, c, d, e, f, g, h] = ((seq & 0x3FFF_FFFF) << 32 | u64::from(*APART)).to_be_bytes();
    let counted = [high, low, a, b, c, d, e, f, g, h];
    uuid::Builder::from_unix_timestamp_millis(millis, &counted).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use super::event_id;

    #[test]
    fn ids_sort_by_time_and_then_as_the_events_came() {
        let second = 1_000_000;
        let ids: Vec<String> = [
            (7 * second, 9),
            (7 * second, 10),
            (7 * second, 300),
            // A microsecond later, and a number that comes before in words.
            (7 * second + 1, 301),
            (7 * second + 2000, 302),
            (8 * second, 1000),
            (8 * second, (1 << 30) - 1),
            (8 * second, 1 << 30),
            (8 * second, (1 << 42) - 1),
        ]
        .map(|(at, seq)| event_id(at, seq))
        .to_vec();
        assert!(ids.is_sorted_by(|a, b| a < b), "{ids:#?}");
        let shape = uuid::Uuid::try_parse(&ids[0]).unwrap();
        assert_eq!((shape.get_version_num(), shape.get_variant()), (7, uuid::Variant::RFC4122));
        assert_eq!(shape.get_timestamp().unwrap().to_unix(), (7, 0));
        // Another database has the same numbers at the same time.
        assert_eq!(shape.as_u128() & u128::from(u32::MAX), u128::from(*super::APART));
    }
}
