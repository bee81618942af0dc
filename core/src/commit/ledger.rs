//! What a commit does to messages and locations, and which events tell it.
//!
//! The store loads the rows that a commit touches (every location of every message named), calls the verbs here and
//! writes what [`Ledger::take_writes`] returns. The tests' model store keeps everything loaded and calls the same verbs.

use crate::commit::limbo;
use crate::commit::rows::{AccountRow, FolderRow, LocationRow, MessageRow};
use crate::mail::body::BodyRef;
use crate::mail::flags::Flags;
use crate::mail::id::{FolderId, Identity, MessageId, UidValidity};
use crate::mail::message::{Fetched, HeaderFacts};
use crate::time::Micros;
use std::collections::{BTreeMap, BTreeSet};

/// The kinds of event that a commit can write; the word is what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventKind {
    /// A message we did not hold.
    MessageCreated,
    /// Flags or the number of locations changed.
    MessageUpdated,
    /// It left one folder and is in another.
    MessageMoved,
    /// It is gone from every folder.
    MessageDeleted,
    /// It was deleted and is back.
    MessageRestored,
    /// A folder was opened.
    FolderCreated,
    /// A folder has another name.
    FolderRenamed,
    /// A folder is gone.
    FolderDeleted,
    /// The account's first opening.
    AccountStarted,
}

impl EventKind {
    /// The stored word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MessageCreated => "message.created",
            Self::MessageUpdated => "message.updated",
            Self::MessageMoved => "message.moved",
            Self::MessageDeleted => "message.deleted",
            Self::MessageRestored => "message.restored",
            Self::FolderCreated => "folder.created",
            Self::FolderRenamed => "folder.renamed",
            Self::FolderDeleted => "folder.deleted",
            Self::AccountStarted => "account.started",
        }
    }
}

/// An event before it has its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventDraft {
    /// What happened.
    pub kind: EventKind,
    /// In which folder.
    pub folder: Option<FolderId>,
    /// To which message.
    pub message: Option<MessageId>,
    /// Old mail that is only now read.
    pub backfill: bool,
    /// The message's locations after it: folder, UID, flags.
    pub state: Vec<(FolderId, u32, Flags)>,
    /// The folder's path, where the event is about a folder.
    pub path: Option<String>,
}

/// A message that we did not hold.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// Its row.
    pub row: MessageRow,
    /// Its sealed bytes.
    pub body: BodyRef,
    /// INTERNALDATE where it was first read.
    pub internal_date: Option<Micros>,
    /// What its header says.
    pub header: HeaderFacts,
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
}

type Place = (FolderId, UidValidity, u32);

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
        self.by_identity.insert(row.identity.clone(), row.id);
        self.messages.insert(row.id, row);
    }

    /// Loads a stored location. Every living location of a loaded message must be loaded, and the last ended one of a
    /// message in limbo.
    pub fn load_location(&mut self, row: LocationRow) {
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

    fn state(&self, message: MessageId) -> Vec<(FolderId, u32, Flags)> {
        self.living(message).map(|l| (l.folder, l.uid, l.flags.clone())).collect()
    }

    fn living(&self, message: MessageId) -> impl Iterator<Item = &LocationRow> {
        let places = self.places.get(&message).into_iter().flatten();
        places.filter_map(|place| self.locations.get(place)).filter(|l| l.ended_at.is_none())
    }

    fn tell(&mut self, kind: EventKind, folder: FolderId, message: MessageId, backfill: bool) {
        let state = if kind == EventKind::MessageDeleted { Vec::new() } else { self.state(message) };
        self.events.push(EventDraft {
            kind,
            folder: Some(folder),
            message: Some(message),
            backfill,
            state,
            path: None,
        });
    }

    /// Adds an event that is not about a message.
    pub fn announce(&mut self, kind: EventKind, folder: Option<&FolderRow>) {
        let (path, folder) = (folder.map(|f| f.path.clone()), folder.map(|f| f.id));
        self.events.push(EventDraft { kind, folder, message: None, backfill: false, state: Vec::new(), path });
    }

    /// A message was read: its location begins, or comes back.
    pub fn begin(&mut self, folder: &FolderRow, account: &AccountRow, fetched: &Fetched, at: Micros) {
        let uidvalidity = folder.live.uidvalidity;
        let place = (folder.id, uidvalidity, fetched.uid);
        if self.locations.get(&place).is_some_and(|l| l.ended_at.is_none()) {
            self.set_flags(folder, fetched.uid, fetched.flags.clone(), fetched.modseq);
            return;
        }
        let known = self.by_identity.get(&fetched.identity).copied();
        let id = known.unwrap_or(MessageId(self.next_message));
        let last_flags = self.last_ended(id).map(|l| l.flags.clone());
        self.place(LocationRow {
            folder: folder.id,
            uidvalidity,
            uid: fetched.uid,
            message: id,
            flags: fetched.flags.clone(),
            modseq: fetched.modseq,
            internal_date: fetched.internal_date,
            began_at: at,
            ended_at: None,
        });
        let Some(row) = self.messages.get_mut(&id) else {
            self.create(id, folder, account, fetched);
            return;
        };
        let (was_deleted, was_limbo, last_folder) =
            (row.deleted_at.is_some(), row.limbo_since.is_some(), row.last_folder);
        if was_deleted || was_limbo {
            row.deleted_at = None;
            row.limbo_since = None;
            self.changed_messages.insert(id);
        }
        if was_deleted {
            self.tell(EventKind::MessageRestored, folder.id, id, false);
        } else if was_limbo && last_folder != Some(folder.id) {
            self.tell(EventKind::MessageMoved, folder.id, id, false);
        } else if !was_limbo || last_flags.as_ref() != Some(&fetched.flags) {
            self.tell(EventKind::MessageUpdated, folder.id, id, false);
        }
    }

    fn create(&mut self, id: MessageId, folder: &FolderRow, account: &AccountRow, fetched: &Fetched) {
        self.next_message += 1;
        let backfill = is_old(folder, account, fetched.uid, fetched.internal_date);
        let row = MessageRow {
            id,
            identity: fetched.identity.clone(),
            body: fetched.body.hash(),
            limbo_since: None,
            last_folder: None,
            last_sight: None,
            deleted_at: None,
        };
        self.load_message(row.clone());
        let new = NewMessage {
            row,
            body: fetched.body,
            internal_date: fetched.internal_date,
            header: fetched.header.clone(),
        };
        self.created.insert(id, new);
        self.tell(EventKind::MessageCreated, folder.id, id, backfill);
    }

    fn place(&mut self, row: LocationRow) {
        let place = (row.folder, row.uidvalidity, row.uid);
        if let Some(old) = self.locations.get(&place)
            && old.message != row.message
            && let Some(places) = self.places.get_mut(&old.message)
        {
            places.remove(&place);
        }
        self.changed_locations.insert(place);
        self.load_location(row);
    }

    fn last_ended(&self, message: MessageId) -> Option<&LocationRow> {
        let places = self.places.get(&message)?;
        places.iter().filter_map(|p| self.locations.get(p)).filter(|l| l.ended_at.is_some()).max_by_key(|l| l.ended_at)
    }

    /// Flags of a location as the server tells them now. A lower modseq never overwrites a higher one.
    pub fn set_flags(&mut self, folder: &FolderRow, uid: u32, flags: Flags, modseq: Option<i64>) {
        let place = (folder.id, folder.live.uidvalidity, uid);
        let Some(row) = self.locations.get_mut(&place).filter(|l| l.ended_at.is_none()) else { return };
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
            self.tell(EventKind::MessageUpdated, folder.id, message, false);
        }
    }

    /// A location ended. If it was the message's last, the message is in limbo.
    pub fn end(&mut self, folder: &FolderRow, uid: u32, at: Micros) {
        let place = (folder.id, folder.live.uidvalidity, uid);
        let Some(row) = self.locations.get_mut(&place).filter(|l| l.ended_at.is_none()) else { return };
        row.ended_at = Some(at);
        let (id, began) = (row.message, row.began_at);
        self.changed_locations.insert(place);
        let since = folder.passed_at;
        if self.living(id).next().is_some() {
            let moved = self.living(id).any(|l| l.folder != folder.id && since.is_none_or(|since| l.began_at > since));
            let kind = if moved { EventKind::MessageMoved } else { EventKind::MessageUpdated };
            self.tell(kind, folder.id, id, false);
            return;
        }
        if let Some(row) = self.messages.get_mut(&id) {
            row.limbo_since = Some(at);
            row.last_folder = Some(folder.id);
            row.last_sight = Some(since.map_or(began, |since| since.max(began)));
            self.changed_messages.insert(id);
        }
    }

    /// Ends the limbo of every loaded message for which everything has been looked at.
    pub fn sweep(&mut self, account: &AccountRow, folders: &[FolderRow], at: Micros) {
        let over: Vec<MessageId> =
            self.messages.values().filter(|m| limbo::is_over(m, account, folders)).map(|m| m.id).collect();
        for id in over {
            let Some(row) = self.messages.get_mut(&id) else { continue };
            row.limbo_since = None;
            row.deleted_at = Some(at);
            let folder = row.last_folder.unwrap_or_default();
            self.changed_messages.insert(id);
            self.tell(EventKind::MessageDeleted, folder, id, false);
        }
    }

    /// What changed since the ledger was loaded (or emptied); the loaded rows stay.
    pub fn take_writes(&mut self) -> Writes {
        let mut writes = Writes { events: std::mem::take(&mut self.events), ..Writes::default() };
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
        writes
    }
}

/// Whether a message that we did not hold is old mail: below the folder's boundary (in a folder that appeared later, only
/// what is older than the LIST before), or older than the account's first opening (old mail moved before we read it).
///
/// INTERNALDATE counts whole seconds: a mail of the very second is taken for new.
fn is_old(folder: &FolderRow, account: &AccountRow, uid: u32, internal_date: Option<Micros>) -> bool {
    let older = |than: Micros| internal_date.is_some_and(|date| date < than.second());
    if account.opened_at.is_some_and(older) {
        return true;
    }
    let below = uid < folder.backfill.boundary;
    match folder.backfill.old_before {
        Some(before) => below && (internal_date.is_none() || older(before)),
        None => below,
    }
}
