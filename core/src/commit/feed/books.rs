//! The rows that a commit of a feed touches, and what has been done to them.

use crate::commit::feed::rows::{FeedRows, MissingLook, Owed};
use crate::commit::ledger::Ledger;
use crate::commit::rows::MessageRow;
use crate::mail::feed::{MailVersion, PlaceId};
use crate::mail::id::Identity;
use crate::time::Micros;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The rows that a commit of a feed touches. Loaded must be: all of [`FeedRows`]; of each id that
/// the change names its message with all its locations and what is owed of it; how many are held.
#[derive(Debug)]
pub struct FeedBooks {
    /// Everything small.
    pub rows: FeedRows,
    /// Messages and locations.
    pub ledger: Ledger,
    /// Messages that are held and not deleted.
    pub held: u64,
    /// More lies in a place that is dropped than is loaded.
    pub more: bool,
    owed: BTreeMap<Identity, Owed>,
    changed: BTreeSet<Identity>,
    all: Option<OwedRenewal>,
}

/// What is done to every owed row of the account, loaded or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwedRenewal {
    /// [`Owed::renew_unknown`].
    Unknown(Micros),
    /// [`Owed::renew_away`].
    Away(Micros),
}

/// What is to be written of what is owed: first to all, then row by row.
#[derive(Debug, Default)]
pub struct OwedWrites {
    /// To every row of the account.
    pub all: Option<OwedRenewal>,
    /// Rows to insert or replace.
    pub put: Vec<Owed>,
    /// Rows that are paid.
    pub paid: Vec<Identity>,
}

/// Why an id becomes owed, or is renewed.
#[derive(Debug, Default)]
pub(super) struct Why {
    pub(super) version: Option<MailVersion>,
    pub(super) left: Option<PlaceId>,
    /// Asked for when so much time has passed.
    pub(super) after: Duration,
    pub(super) rank: Option<u8>,
    pub(super) missing: Option<MissingLook>,
}

impl Why {
    /// A word with this version.
    pub(super) fn told(version: Option<MailVersion>) -> Self {
        Self { version, ..Self::default() }
    }
}

impl FeedBooks {
    /// Books over these rows.
    #[must_use]
    pub fn new(rows: FeedRows, mut ledger: Ledger, held: u64) -> Self {
        ledger.hide(rows.excluded().map(|place| place.id));
        Self {
            rows,
            ledger,
            held,
            more: false,
            owed: BTreeMap::new(),
            changed: BTreeSet::new(),
            all: None,
        }
    }

    /// Loads what is owed of an id.
    pub fn load_owed(&mut self, row: Owed) {
        self.owed.insert(row.id.clone(), row);
    }

    /// What is owed of an id.
    #[must_use]
    pub fn owed(&self, id: &Identity) -> Option<&Owed> {
        self.owed.get(id)
    }

    /// All that is loaded of what is owed.
    pub fn all_owed(&self) -> impl Iterator<Item = &Owed> {
        self.owed.values()
    }

    /// What changed of what is owed since the books were loaded (or emptied).
    pub fn take_owed(&mut self) -> OwedWrites {
        let mut writes = OwedWrites { all: self.all.take(), ..OwedWrites::default() };
        for id in std::mem::take(&mut self.changed) {
            match self.owed.get(&id) {
                Some(row) => writes.put.push(row.clone()),
                None => writes.paid.push(id),
            }
        }
        writes
    }

    pub(super) fn message(&self, id: &Identity) -> Option<MessageRow> {
        self.ledger.message(id).cloned()
    }

    /// A word renews: what was told before is the past.
    pub(super) fn owe(&mut self, id: &Identity, at: Micros, why: Why) {
        let bytes = self.ledger.message(id).is_none();
        let due_at = Some(at.plus(why.after));
        self.changed.insert(id.clone());
        let Why { version, left, rank, missing, .. } = why;
        let Some(row) = self.owed.get_mut(id) else {
            let row = Owed {
                id: id.clone(),
                told_at: at,
                version,
                left,
                due_at,
                missing,
                rank,
                bytes,
                attempts: 0,
                failure: None,
                failed_at: None,
            };
            self.owed.insert(id.clone(), row);
            return;
        };
        // A commit that was made before a hint may come behind it.
        row.told_at = row.told_at.max(at);
        row.version = row.version.take().max(version);
        row.left = left.or(row.left.take());
        (row.due_at, row.missing) = (due_at, missing);
        // What is held and to be read again stays so.
        row.bytes |= bytes;
        row.rank = row.rank.and(rank);
    }

    /// It is in no place of ours, and stays so until a word says otherwise.
    pub(super) fn put_away(&mut self, id: &Identity, version: Option<MailVersion>, at: Micros) {
        self.owe(id, at, Why::told(version));
        self.change(id, |row| {
            (row.due_at, row.missing) = (None, None);
            row.forget_failure();
        });
    }

    pub(super) fn change(&mut self, id: &Identity, change: impl FnOnce(&mut Owed)) {
        if let Some(row) = self.owed.get_mut(id) {
            let before = row.clone();
            change(row);
            if *row != before {
                self.changed.insert(id.clone());
            }
        }
    }

    pub(super) fn pay(&mut self, id: &Identity) {
        if self.owed.remove(id).is_some() {
            self.changed.insert(id.clone());
        }
    }

    /// Does this to every row, those too that are not loaded.
    pub(super) fn renew_all(&mut self, renewed: OwedRenewal) {
        for row in self.owed.values_mut() {
            match renewed {
                OwedRenewal::Unknown(at) => row.renew_unknown(at),
                OwedRenewal::Away(at) => row.renew_away(at),
            }
        }
        self.all = Some(renewed);
    }
}
