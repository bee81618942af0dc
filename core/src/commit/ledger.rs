//! What a commit does to messages and locations, and which events tell it.
//!
//! The store loads the rows that a commit touches (every location of every message named), calls
//! the verbs here and writes what [`Ledger::take_writes`] returns. The tests' model store keeps
//! everything loaded and calls the same verbs.

mod again;
mod whole;

use crate::commit::event::{EventDraft, SHOWN, ToldPlace, What};
use crate::commit::limbo;
use crate::commit::rows::{AccountRow, FolderRow, LocationRow, MessageRow};
use crate::commit::tally::{Counted, Place, Tally};
use crate::commit::whole::ToldState;
use crate::mail::body::{BodyHash, BodyRef};
use crate::mail::cursor::Lanes;
use crate::mail::flags::Flags;
use crate::mail::id::{FolderId, Identity, MessageId, UidValidity};
use crate::mail::message::Fetched;
use crate::mime::HeaderFacts;
use crate::standing::EventKind;
use crate::time::Micros;
use std::collections::{BTreeMap, BTreeSet};

/// A message that we did not hold.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// Its row.
    pub row: MessageRow,
    /// Its sealed bytes.
    pub body: BodyRef,
    /// Its bytes were not read for this: they are those of a message that we hold.
    pub held: bool,
    /// What its server calls its thread.
    pub thread: Option<String>,
    /// INTERNALDATE where it was first read.
    pub internal_date: Option<Micros>,
    /// What its header says.
    pub header: HeaderFacts,
    /// RFC822.SIZE, where it is another length than that of the bytes.
    pub announced: Option<u64>,
}

/// What is to be written, in any order.
#[derive(Debug, Default)]
pub struct Writes {
    /// Messages to insert (their rows in their final state).
    pub created: Vec<NewMessage>,
    /// Messages whose state changed.
    pub messages: Vec<MessageRow>,
    /// Locations to insert or replace.
    pub locations: Vec<LocationRow>,
    /// Events, in order.
    pub events: Vec<EventDraft>,
    /// Bytes of messages that were held, read once more: where theirs are lost they take this place.
    pub again: Vec<(MessageId, BodyRef)>,
    /// Messages of whose bytes nothing was known any more: these are theirs.
    pub adopted: Vec<(MessageId, BodyHash)>,
    /// By how much the counts of the account and its folders change.
    pub tally: Tally,
}

/// The rows that a commit touches, and what has been done to them.
#[derive(Debug, Default)]
pub struct Ledger {
    next_message: i64,
    messages: BTreeMap<MessageId, MessageRow>,
    by_identity: BTreeMap<Identity, MessageId>,
    locations: BTreeMap<Place, LocationRow>,
    places: BTreeMap<MessageId, BTreeSet<Place>>,
    created: BTreeMap<MessageId, NewMessage>,
    changed_messages: BTreeSet<MessageId>,
    changed_locations: BTreeSet<Place>,
    events: Vec<EventDraft>,
    again: Vec<(MessageId, BodyRef)>,
    adopted: Vec<(MessageId, BodyHash)>,
    /// Messages whose state is told whole, and how they were told before.
    touched: BTreeMap<MessageId, (usize, Option<ToldState>)>,
    /// Places that are not looked at.
    hidden: BTreeSet<FolderId>,
    counted: Counted,
}

impl Ledger {
    /// A ledger that numbers new messages from `next_message` on.
    #[must_use]
    pub fn new(next_message: i64) -> Self {
        Self { next_message, ..Self::default() }
    }

    /// The number that the next new message gets.
    #[must_use]
    pub fn next_message(&self) -> i64 {
        self.next_message
    }

    /// Loads a stored message.
    pub fn load_message(&mut self, row: MessageRow) {
        self.counted.load_message(&row);
        self.insert_message(row);
    }

    fn insert_message(&mut self, row: MessageRow) {
        self.by_identity.insert(row.identity.clone(), row.id);
        self.messages.insert(row.id, row);
    }

    /// Loads a stored location. Of a loaded message must be loaded: the locations that the commit
    /// names; [`SHOWN`] + 1 of the living ones, or all, and among them the one that began last in
    /// another folder; the one that ended last.
    pub fn load_location(&mut self, row: LocationRow) {
        self.counted.load_location(&row);
        self.insert_location(row);
    }

    fn insert_location(&mut self, row: LocationRow) {
        let place = (row.folder, row.uidvalidity, row.uid);
        self.places.entry(row.message).or_default().insert(place);
        self.locations.insert(place, row);
    }

    /// The loaded messages.
    pub fn messages(&self) -> impl Iterator<Item = &MessageRow> {
        self.messages.values()
    }

    /// The loaded locations.
    pub fn locations(&self) -> impl Iterator<Item = &LocationRow> {
        self.locations.values()
    }

    /// The loaded ones of a message's living locations.
    fn living(&self, message: MessageId) -> impl Iterator<Item = &LocationRow> {
        let places = self.places.get(&message).into_iter().flatten();
        places.filter_map(|place| self.locations.get(place)).filter(|l| l.ended_at.is_none())
    }

    /// Tells a change of the location at `place`; as the whole state where the message had none
    /// before.
    fn tell(
        &mut self,
        kind: EventKind,
        what: What,
        place: Place,
        message: MessageId,
        backfill: bool,
    ) {
        let count = self.messages.get(&message).map_or(0, |m| m.places);
        let told = |l: &LocationRow| (l.folder, l.uid, l.flags.clone());
        let changed: Vec<ToldPlace> = self.locations.get(&place).map(told).into_iter().collect();
        let is_there = |l: &LocationRow| (l.folder, l.uidvalidity, l.uid) == place;
        let here = self.locations.get(&place).filter(|l| l.ended_at.is_none());
        let mut locations: Vec<ToldPlace> = here.map(told).into_iter().collect();
        let others = self.living(message).filter(|l| !is_there(l)).map(told);
        locations.extend(others.take(SHOWN - locations.len()));
        let folder = Some(place.0);
        let message = Some(message);
        self.events.push(EventDraft {
            kind,
            folder,
            message,
            backfill,
            what,
            changed,
            locations,
            count,
            path: None,
            kept: false,
        });
    }

    /// Adds an event that is not about a message.
    pub fn announce(&mut self, kind: EventKind, folder: Option<&FolderRow>) {
        let (path, folder) = (folder.map(|f| f.path.clone()), folder.map(|f| f.id));
        self.events.push(EventDraft {
            kind,
            folder,
            message: None,
            backfill: false,
            what: What::State,
            changed: Vec::new(),
            locations: Vec::new(),
            count: 0,
            path,
            kept: false,
        });
    }

    /// A message was read: its location begins, or comes back.
    pub fn begin(
        &mut self,
        folder: &FolderRow,
        account: &AccountRow,
        fetched: &Fetched,
        at: Micros,
    ) {
        let (uidvalidity, uid) = (folder.uidvalidity(), u64::from(fetched.uid));
        let place = (folder.id, uidvalidity, uid);
        let identity = self.identity_of(fetched);
        let known = self.by_identity.get(&identity).copied();
        let known = known.or_else(|| self.unknown_at(&place, fetched));
        if let Some(id) = known.filter(|_| !fetched.held) {
            self.read_again(id, fetched.body);
        }
        if let Some(living) = self.locations.get(&place).filter(|l| l.ended_at.is_none()) {
            if Some(living.message) == known {
                self.set_flags(folder, uid, fetched.flags.clone(), fetched.modseq);
                return;
            }
            // The UID was used again, for another mail.
            self.end(folder, uid, at);
        }
        let id = known.unwrap_or(MessageId(self.next_message));
        let last_flags = self.last_ended(id).map(|l| l.flags.clone());
        self.place(LocationRow {
            folder: folder.id,
            uidvalidity,
            uid,
            message: id,
            flags: fetched.flags.clone(),
            modseq: fetched.modseq,
            internal_date: fetched.internal_date,
            began_at: at,
            ended_at: None,
        });
        let Some(row) = self.messages.get_mut(&id) else {
            let backfill = is_old(folder, account, fetched.uid, fetched.internal_date);
            self.create(id, identity, place, backfill, fetched);
            return;
        };
        row.places += 1;
        self.changed_messages.insert(id);
        let (was_deleted, was_limbo, last_folder) =
            (row.deleted_at.is_some(), row.limbo_since.is_some(), row.last_folder);
        let forgotten = row.last_sight.is_none();
        if was_deleted || was_limbo {
            row.deleted_at = None;
            row.limbo_since = None;
        }
        if was_deleted {
            self.tell(EventKind::MessageRestored, What::State, place, id, false);
        } else if was_limbo && last_folder != Some(folder.id) {
            self.tell(EventKind::MessageMoved, What::State, place, id, false);
        } else if was_limbo && (forgotten || last_flags.as_ref() != Some(&fetched.flags)) {
            self.tell(EventKind::MessageUpdated, What::State, place, id, false);
        } else if !was_limbo {
            // A copy is old by its own place: what lay in a folder of the first LIST when it was
            // opened.
            let is_history = |lanes: &Lanes| {
                fetched.uid < lanes.backfill.boundary && lanes.backfill.old_before.is_none()
            };
            let old = folder.lanes.as_ref().is_some_and(is_history);
            self.tell(EventKind::MessageUpdated, What::Began, place, id, old);
        }
    }

    fn create(
        &mut self,
        id: MessageId,
        identity: Identity,
        place: Place,
        backfill: bool,
        fetched: &Fetched,
    ) {
        self.next_message += 1;
        let row = MessageRow {
            id,
            identity,
            body: fetched.body.hash(),
            size: fetched.body.length(),
            places: 1,
            limbo_since: None,
            last_folder: None,
            last_sight: None,
            deleted_at: None,
            version: None,
        };
        self.insert_message(row.clone());
        let new = NewMessage {
            row,
            body: fetched.body,
            held: fetched.held,
            thread: fetched.thread.clone(),
            internal_date: fetched.internal_date,
            header: fetched.header.clone(),
            announced: fetched.announced,
        };
        self.created.insert(id, new);
        self.tell(EventKind::MessageCreated, What::State, place, id, backfill);
    }

    fn place(&mut self, row: LocationRow) {
        let place = (row.folder, row.uidvalidity, row.uid);
        if let Some(old) = self.locations.get(&place)
            && old.message != row.message
        {
            let before = old.message;
            if let Some(places) = self.places.get_mut(&before) {
                places.remove(&place);
            }
            // What was told of it there goes with the row: nobody knows it any more, and when it is
            // found again it is told.
            if let Some(message) =
                self.messages.get_mut(&before).filter(|m| m.limbo_since.is_some())
            {
                message.last_sight = None;
                self.changed_messages.insert(before);
            }
        }
        self.changed_locations.insert(place);
        self.insert_location(row);
    }

    fn last_ended(&self, message: MessageId) -> Option<&LocationRow> {
        let places = self.places.get(&message)?;
        places
            .iter()
            .filter_map(|p| self.locations.get(p))
            .filter(|l| l.ended_at.is_some())
            .max_by_key(|l| l.ended_at)
    }

    /// Flags of a location as the server tells them now. A lower modseq never overwrites a higher
    /// one.
    pub fn set_flags(&mut self, folder: &FolderRow, uid: u64, flags: Flags, modseq: Option<i64>) {
        let place = (folder.id, folder.uidvalidity(), uid);
        let Some(row) = self.locations.get_mut(&place).filter(|l| l.ended_at.is_none()) else {
            return;
        };
        if modseq.zip(row.modseq).is_some_and(|(new, old)| new < old) {
            return;
        }
        let message = row.message;
        let differs = row.flags != flags;
        if differs || (modseq.is_some() && row.modseq != modseq) {
            row.modseq = modseq.or(row.modseq);
            row.flags = flags;
            self.changed_locations.insert(place);
        }
        if differs {
            self.tell(EventKind::MessageUpdated, What::Flags, place, message, false);
        }
    }

    /// A location ended. If it was the message's last, the message is in limbo.
    pub fn end(&mut self, folder: &FolderRow, uid: u64, at: Micros) {
        let place = (folder.id, folder.uidvalidity(), uid);
        let Some(row) = self.locations.get(&place).filter(|l| l.ended_at.is_none()) else { return };
        // Which of its locations ended last is told by this alone: a clock that was set back must
        // not turn their order.
        let before = self.last_ended(row.message).and_then(|last| last.ended_at);
        let ended = before.map_or(at, |before| at.max(Micros(before.0.saturating_add(1))));
        let Some(row) = self.locations.get_mut(&place) else { return };
        row.ended_at = Some(ended);
        let (id, began) = (row.message, row.began_at);
        self.changed_locations.insert(place);
        self.changed_messages.insert(id);
        let since = folder.passed_at;
        let Some(row) = self.messages.get_mut(&id) else { return };
        row.places = row.places.saturating_sub(1);
        if row.places > 0 {
            let moved = self
                .living(id)
                .any(|l| l.folder != folder.id && since.is_none_or(|since| l.began_at > since));
            let kind = if moved { EventKind::MessageMoved } else { EventKind::MessageUpdated };
            self.tell(kind, What::Ended, place, id, false);
            return;
        }
        row.limbo_since = Some(at);
        row.last_folder = Some(folder.id);
        row.last_sight = Some(since.map_or(began, |since| since.max(began)));
    }

    /// The folder's UIDs begin anew: a location that was found again is the same one, under another
    /// number. Whatever was told there before under that UIDVALIDITY is forgotten: nobody knows it
    /// any more.
    pub fn renumber(&mut self, folder: &FolderRow, to: UidValidity, pairs: &[(u32, u32)]) {
        let from = folder.uidvalidity();
        let is_old = |place: &&Place| place.0 == folder.id && place.1 == to;
        let old: Vec<Place> = self.locations.keys().filter(is_old).copied().collect();
        for place in old {
            self.forget(place);
        }
        for (old, new) in pairs {
            let (old, new) = ((folder.id, from, u64::from(*old)), (folder.id, to, u64::from(*new)));
            if self.locations.get(&old).is_none_or(|l| l.ended_at.is_some()) {
                continue;
            }
            let Some(mut row) = self.locations.remove(&old) else { continue };
            if let Some(places) = self.places.get_mut(&row.message) {
                places.remove(&old);
            }
            (row.uidvalidity, row.uid, row.modseq) = (new.1, new.2, None);
            self.counted.renumber(old, new);
            self.insert_location(row);
        }
    }

    /// Forgets a location that ended.
    fn forget(&mut self, place: Place) {
        let Some(row) = self.locations.remove(&place) else { return };
        if let Some(places) = self.places.get_mut(&row.message) {
            places.remove(&place);
        }
        if let Some(message) = self.messages.get_mut(&row.message)
            && message.limbo_since.is_some()
        {
            message.last_sight = None;
            self.changed_messages.insert(row.message);
        }
    }

    /// Ends the limbo of every loaded message for which everything has been looked at.
    pub fn sweep(&mut self, account: &AccountRow, folders: &[FolderRow], at: Micros) {
        let over: Vec<MessageId> = self
            .messages
            .values()
            .filter(|m| limbo::is_over(m, account, folders))
            .map(|m| m.id)
            .collect();
        for id in over {
            let Some(row) = self.messages.get_mut(&id) else { continue };
            row.limbo_since = None;
            row.deleted_at = Some(at);
            let folder = row.last_folder;
            self.changed_messages.insert(id);
            self.events.push(EventDraft {
                kind: EventKind::MessageDeleted,
                folder,
                message: Some(id),
                backfill: false,
                what: What::State,
                changed: Vec::new(),
                locations: Vec::new(),
                count: 0,
                path: None,
                kept: account.keep,
            });
        }
    }

    /// What changed since the ledger was loaded (or emptied); the loaded rows stay.
    pub fn take_writes(&mut self) -> Writes {
        let mut writes = Writes {
            events: std::mem::take(&mut self.events),
            again: std::mem::take(&mut self.again),
            adopted: std::mem::take(&mut self.adopted),
            ..Writes::default()
        };
        let created = std::mem::take(&mut self.created);
        for id in std::mem::take(&mut self.changed_messages) {
            if !created.contains_key(&id) {
                writes.messages.extend(self.messages.get(&id).cloned());
            }
        }
        for (id, mut new) in created {
            if let Some(row) = self.messages.get(&id) {
                new.row = row.clone();
            }
            writes.created.push(new);
        }
        for place in std::mem::take(&mut self.changed_locations) {
            writes.locations.extend(self.locations.get(&place).cloned());
        }
        let messages = writes.created.iter().map(|new| &new.row).chain(&writes.messages);
        writes.tally = self.counted.tally(messages, &writes.locations);
        writes
    }
}

/// Whether a message that we did not hold is old mail: below the folder's boundary (in a folder
/// that appeared later, only what is older than the LIST before), or older than the account's first
/// opening (old mail moved before we read it).
///
/// INTERNALDATE counts whole seconds: a mail of the very second is taken for new.
fn is_old(
    folder: &FolderRow,
    account: &AccountRow,
    uid: u32,
    internal_date: Option<Micros>,
) -> bool {
    let older = |than: Micros| internal_date.is_some_and(|date| date < than.second());
    if account.opened_at.is_some_and(older) {
        return true;
    }
    // Where nothing is numbered, age alone tells.
    let Some(Lanes { backfill, .. }) = &folder.lanes else { return false };
    if backfill.again.contains(uid) {
        return true;
    }
    let below = uid < backfill.boundary;
    match backfill.old_before {
        Some(before) => below && (internal_date.is_none() || older(before)),
        None => below,
    }
}

#[cfg(test)]
mod tests;
