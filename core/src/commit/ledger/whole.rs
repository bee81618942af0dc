//! Messages whose state is told whole: the places that they lie in, and flags alike in all of them.
//! One event a message and commit, from its state before to its state after.

use super::{Ledger, NewMessage};
use crate::commit::event::{EventDraft, SHOWN, ToldPlace, What};
use crate::commit::rows::{AccountRow, FolderRow, LocationRow, MessageRow};
use crate::commit::whole::{MessageState, ToldState, WholeMail};
use crate::mail::feed::MailVersion;
use crate::mail::flags::Flags;
use crate::mail::folder::Role;
use crate::mail::id::{FolderId, Identity, MessageId, UidValidity};
use crate::standing::EventKind;
use crate::time::Micros;
use std::collections::{BTreeMap, BTreeSet};

impl Ledger {
    /// Places that the config leaves out: what lies there is not looked at.
    pub(crate) fn hide(&mut self, places: impl Iterator<Item = FolderId>) {
        self.hidden = places.collect();
    }

    /// A message by its identity.
    #[must_use]
    pub fn message(&self, identity: &Identity) -> Option<&MessageRow> {
        self.by_identity.get(identity).and_then(|id| self.messages.get(id))
    }

    /// Whether mail that was not read may still be the message of this identity: one that a server
    /// names, or one without a place.
    #[must_use]
    pub fn may_be(&self, identity: &Identity) -> bool {
        let row = self.message(identity);
        row.is_some_and(|row| !identity.is_hash() || row.limbo_since.is_some())
    }

    /// The places where a message lies, and its flags: those of its last place where there is none.
    #[must_use]
    pub fn state_of(&self, id: MessageId) -> (BTreeSet<FolderId>, Flags) {
        let places = self.shown(id).map(|l| l.folder).collect();
        let flags = self.shown(id).next().or_else(|| self.living(id).next());
        let flags = flags.or_else(|| self.last_ended(id));
        (places, flags.map(|l| l.flags.clone()).unwrap_or_default())
    }

    /// The places where a message lies, those too that are left out.
    #[must_use]
    pub fn places_of(&self, id: MessageId) -> BTreeSet<FolderId> {
        self.living(id).map(|l| l.folder).collect()
    }

    /// It lies nowhere but where the config has left out since.
    #[must_use]
    pub fn is_hidden(&self, id: MessageId) -> bool {
        self.living(id).next().is_some() && self.shown(id).next().is_none()
    }

    fn shown(&self, id: MessageId) -> impl Iterator<Item = &LocationRow> {
        self.living(id).filter(|l| !self.hidden.contains(&l.folder))
    }

    /// Remembers how the message was told, before it is touched first in this commit.
    fn touch(&mut self, id: MessageId) {
        if self.touched.contains_key(&id) {
            return;
        }
        let told = self.messages.get(&id).map(|row| {
            let (places, flags) = self.state_of(id);
            let lost = row.limbo_since.is_some();
            ToldState { deleted: row.deleted_at.is_some(), lost, places, flags }
        });
        self.touched.insert(id, (self.touched.len(), told));
    }

    /// A message that was not held: it lies in at least one place.
    pub(crate) fn create_whole(&mut self, mail: WholeMail, at: Micros) {
        let id = MessageId(self.next_message);
        self.touch(id);
        self.next_message += 1;
        let row = MessageRow {
            id,
            identity: mail.identity,
            body: mail.body.hash(),
            size: mail.body.length(),
            places: 0,
            limbo_since: None,
            last_folder: None,
            last_sight: None,
            deleted_at: None,
            version: mail.version.clone(),
        };
        self.insert_message(row.clone());
        let new = NewMessage {
            row,
            body: mail.body,
            held: false,
            thread: mail.thread,
            internal_date: mail.date,
            header: mail.header,
            announced: None,
        };
        self.created.insert(id, new);
        let (places, named, flags) = (&mail.places, &mail.places, &mail.flags);
        self.set_whole(id, MessageState { places, named, flags, version: mail.version }, at);
    }

    /// The message's state is this now. What was deleted is back.
    pub(crate) fn set_whole(&mut self, id: MessageId, state: MessageState<'_>, at: Micros) {
        let MessageState { places, named, flags, version } = state;
        self.touch(id);
        let date = self.date_of(id);
        for folder in self.places_of(id) {
            if self.hidden.contains(&folder) && named.contains(&folder) {
                self.put_place(id, folder, flags, date, at);
            } else if !places.contains(&folder) {
                self.end_place(id, folder, at);
            }
        }
        for folder in places {
            self.put_place(id, *folder, flags, date, at);
        }
        self.settle_row(id, |row| {
            row.version = version.or(row.version.take());
            row.deleted_at = None;
        });
        self.count_places(id, at);
    }

    /// The message is gone.
    pub(crate) fn end_whole(&mut self, id: MessageId, version: Option<MailVersion>, at: Micros) {
        self.touch(id);
        for folder in self.places_of(id) {
            self.end_place(id, folder, at);
        }
        self.settle_row(id, |row| {
            row.version = version.or(row.version.take());
            row.deleted_at.get_or_insert(at);
        });
        self.count_places(id, at);
    }

    /// A place has ended: whoever lay there alone is looked for, untold. Returns whether this one
    /// is.
    pub(crate) fn leave_place(&mut self, id: MessageId, folder: FolderId, at: Micros) -> bool {
        self.touch(id);
        self.end_place(id, folder, at);
        self.count_places(id, at);
        self.messages.get(&id).is_some_and(|row| row.limbo_since.is_some())
    }

    /// What is stored of it is at least this new.
    pub(crate) fn raise_version(&mut self, id: MessageId, version: Option<MailVersion>) {
        self.settle_row(id, |row| row.version = row.version.take().max(version));
    }

    fn settle_row(&mut self, id: MessageId, change: impl FnOnce(&mut MessageRow)) {
        let Some(row) = self.messages.get_mut(&id) else { return };
        let before = row.clone();
        change(row);
        if *row != before {
            self.changed_messages.insert(id);
        }
    }

    /// When the message came, by its locations.
    fn date_of(&self, id: MessageId) -> Option<Micros> {
        let known = self.living(id).next().or_else(|| self.last_ended(id));
        known.map_or_else(
            || self.created.get(&id).and_then(|new| new.internal_date),
            |l| l.internal_date,
        )
    }

    fn put_place(
        &mut self,
        id: MessageId,
        folder: FolderId,
        flags: &Flags,
        internal_date: Option<Micros>,
        at: Micros,
    ) {
        let uid = u64::try_from(id.0).unwrap_or_default();
        let place = (folder, UidValidity(0), uid);
        let row = match self.locations.get(&place).filter(|l| l.ended_at.is_none()) {
            Some(row) if row.flags == *flags => return,
            Some(row) => LocationRow { flags: flags.clone(), ..row.clone() },
            None => LocationRow {
                folder,
                uidvalidity: UidValidity(0),
                uid,
                message: id,
                flags: flags.clone(),
                modseq: None,
                internal_date,
                began_at: at,
                ended_at: None,
            },
        };
        self.changed_locations.insert(place);
        self.insert_location(row);
    }

    fn end_place(&mut self, id: MessageId, folder: FolderId, at: Micros) {
        let uid = u64::try_from(id.0).unwrap_or_default();
        let place = (folder, UidValidity(0), uid);
        let last = self.last_ended(id).and_then(|l| l.ended_at);
        let Some(row) = self.locations.get_mut(&place).filter(|l| l.ended_at.is_none()) else {
            return;
        };
        // Which of them ended last is told by this alone.
        row.ended_at = Some(last.map_or(at, |last| at.max(Micros(last.0.saturating_add(1)))));
        self.changed_locations.insert(place);
        self.settle_row(id, |row| row.last_folder = Some(folder));
    }

    /// Counts its places anew: who is in none, and not deleted, is looked for.
    fn count_places(&mut self, id: MessageId, at: Micros) {
        let places = self.living(id).count() as u64;
        self.settle_row(id, |row| {
            row.places = places;
            row.limbo_since = match row.limbo_since {
                _ if places > 0 || row.deleted_at.is_some() => None,
                since => since.or(Some(at)),
            };
        });
    }

    /// Tells what became of each message that was touched: one event from before to after.
    pub(crate) fn tell_whole(
        &mut self,
        account: &AccountRow,
        places: &BTreeMap<FolderId, FolderRow>,
    ) {
        let mut touched: Vec<_> = std::mem::take(&mut self.touched).into_iter().collect();
        touched.sort_by_key(|(_, (order, _))| *order);
        for (id, (_, before)) in touched {
            let Some(row) = self.messages.get(&id) else { continue };
            let (is_deleted, is_lost) = (row.deleted_at.is_some(), row.limbo_since.is_some());
            let (here, flags) = self.state_of(id);
            let first = |of: &BTreeSet<FolderId>| first_of(of, places);
            let told = match before {
                // Nobody knows it yet.
                None => Some((EventKind::MessageCreated, first(&here))),
                Some(before) if is_deleted => (!before.deleted).then(|| {
                    (EventKind::MessageDeleted, first(&before.places).or(row.last_folder))
                }),
                // It is told when it is found.
                Some(_) if is_lost => None,
                // It lies where nobody looks.
                Some(before) if here.is_empty() && before.places.is_empty() => None,
                Some(before) if before.deleted => Some((EventKind::MessageRestored, first(&here))),
                Some(before) => {
                    let began: BTreeSet<FolderId> = &here - &before.places;
                    let ended: BTreeSet<FolderId> = &before.places - &here;
                    let moved = !began.is_empty() && (!ended.is_empty() || before.lost);
                    if moved {
                        Some((EventKind::MessageMoved, first(&began)))
                    } else if !began.is_empty() || !ended.is_empty() || before.flags != flags {
                        let about = first(&began).or(first(&ended)).or(first(&here));
                        Some((EventKind::MessageUpdated, about))
                    } else {
                        None
                    }
                }
            };
            let Some((kind, folder)) = told else { continue };
            // Dated before the opening: it was there, whoever brought it now.
            let date = self.created.get(&id).and_then(|new| new.internal_date);
            let is_old = |opened: Micros| date.is_some_and(|date| date < opened.second());
            // So was what lies in places alone that the config has added since.
            let added =
                |id: &FolderId| places.get(id).and_then(|place| place.grown_at).is_some_and(is_old);
            let backfill = kind == EventKind::MessageCreated
                && (account.opened_at.is_some_and(is_old) || here.iter().all(added));
            let all: Vec<ToldPlace> =
                self.shown(id).map(|l| (l.folder, l.uid, l.flags.clone())).collect();
            let count = all.len() as u64;
            let gone = kind == EventKind::MessageDeleted;
            self.events.push(EventDraft {
                kind,
                folder,
                message: Some(id),
                backfill,
                what: What::State,
                locations: all.iter().take(SHOWN).cloned().collect(),
                changed: all,
                count,
                path: None,
                kept: gone && account.keep,
            });
        }
    }
}

/// The place that an event is about: INBOX first.
fn first_of(of: &BTreeSet<FolderId>, places: &BTreeMap<FolderId, FolderRow>) -> Option<FolderId> {
    let is_inbox =
        |id: &&FolderId| places.get(*id).is_some_and(|place| place.role == Some(Role::Inbox));
    of.iter().find(is_inbox).or(of.first()).copied()
}
