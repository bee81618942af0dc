//! Numbers of messages, events and folders: handed out here alone, and never twice, not even after
//! a purge. A transaction takes them from its counters; a database with sequences would take them
//! from those.

use super::words::{read, write};
use crate::store::failure::Trouble;
use crate::store::rows::get;
use crate::store::sql::Text;
use crate::store::transaction::Transaction;
use postrider_core::commit::ledger::Ledger;
use postrider_core::mail::id::FolderId;
use postrider_core::time::Micros;

/// The numbers of a transaction; they are written back with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Numbers {
    message: i64,
    event: i64,
    folder: i64,
    /// When the transaction began that hands them out: the time of its events.
    at: Micros,
}

impl Numbers {
    /// As the transaction that begins now finds them.
    pub(in crate::store) async fn load(db: &Transaction, at: Micros) -> Result<Self, Trouble> {
        let rows = read(db, Text::Counters, vec![]).await?;
        let mut numbers = Self { message: 1, event: 1, folder: 1, at };
        for row in rows {
            let next = get(&row, 1)?;
            match get::<String>(&row, 0)?.as_str() {
                "message" => numbers.message = next,
                "event" => numbers.event = next,
                "folder" => numbers.folder = next,
                _ => {}
            }
        }
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
        let values = vec![self.message.into(), self.event.into(), self.folder.into()];
        write(db, Text::SaveCounters, values).await
    }

    /// The number of the last event.
    pub(in crate::store) fn last_event(self) -> i64 {
        self.event - 1
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

/// The id of the event of this number at this time (Unix microseconds): UUIDv7. Ids sort by time,
/// and within a millisecond as the events came.
pub(super) fn event_id(at: i64, seq: i64) -> String {
    let (seconds, micros) = (at.div_euclid(1_000_000), at.rem_euclid(1_000_000));
    let nanos = u32::try_from(micros * 1000).unwrap_or(0);
    let seconds = u64::try_from(seconds).unwrap_or(0);
    let counter = u128::try_from(seq).unwrap_or(0);
    let stamp = uuid::Timestamp::from_unix_time(seconds, nanos, counter, 42);
    uuid::Uuid::new_v7(stamp).to_string()
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
        ]
        .map(|(at, seq)| event_id(at, seq))
        .to_vec();
        assert!(ids.is_sorted(), "{ids:#?}");
    }
}
