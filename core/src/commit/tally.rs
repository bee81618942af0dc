//! What an account and its folders hold, counted as it changes: nobody counts rows to know it.

use crate::commit::rows::{LocationRow, MessageRow};
use crate::mail::id::{FolderId, MessageId, UidValidity};
use std::collections::{BTreeMap, BTreeSet};

/// By how much counts change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages that are held.
    pub messages: i64,
    /// Their octets.
    pub octets: i64,
    /// Living locations, by folder.
    pub locations: BTreeMap<FolderId, i64>,
}

/// Where a location is. Wide enough for the numbers of providers that count without UIDs.
pub(super) type Place = (FolderId, UidValidity, u64);

/// What of the loaded rows is in the counts.
#[derive(Debug, Default)]
pub(super) struct Counted {
    messages: BTreeSet<MessageId>,
    locations: BTreeSet<Place>,
}

impl Counted {
    pub(super) fn load_message(&mut self, row: &MessageRow) {
        if row.is_held() {
            self.messages.insert(row.id);
        }
    }

    pub(super) fn load_location(&mut self, row: &LocationRow) {
        if row.ended_at.is_none() {
            self.locations.insert((row.folder, row.uidvalidity, row.uid));
        }
    }

    /// A location got another number in its folder.
    pub(super) fn renumber(&mut self, old: Place, new: Place) {
        if self.locations.remove(&old) {
            self.locations.insert(new);
        }
    }

    /// What these writes change; it is counted from here on.
    pub(super) fn tally<'a>(
        &mut self,
        messages: impl Iterator<Item = &'a MessageRow>,
        locations: &[LocationRow],
    ) -> Tally {
        let mut tally = Tally::default();
        for row in messages {
            let by = change(&mut self.messages, row.id, row.is_held());
            let size = i64::try_from(row.size).unwrap_or(i64::MAX);
            tally.messages += by;
            tally.octets = tally.octets.saturating_add(by.saturating_mul(size));
        }
        for row in locations {
            let place = (row.folder, row.uidvalidity, row.uid);
            let by = change(&mut self.locations, place, row.ended_at.is_none());
            *tally.locations.entry(row.folder).or_default() += by;
        }
        tally.locations.retain(|_, by| *by != 0);
        tally
    }
}

/// Whether it is counted, and by how much that changes the count.
fn change<T: Ord>(counted: &mut BTreeSet<T>, of: T, is_counted: bool) -> i64 {
    let changed = if is_counted { counted.insert(of) } else { counted.remove(&of) };
    match (changed, is_counted) {
        (false, _) => 0,
        (true, true) => 1,
        (true, false) => -1,
    }
}
