//! The invariants, each with its number.
//!
//! INV-1 nothing alive ends without a lie · INV-4 the mirror is the server after clean rounds ·
//! INV-5 every UID of the server is stored, failed, remaining or still to arrive · INV-6 replaying
//! the events gives the store; created once; a move is exactly one `moved`; old mail is never
//! announced as new · INV-7 nothing large ends on one look · INV-8 idle means idle · INV-9 runs
//! end.

use crate::server::{EVER, Folder};
use crate::store::narrow;
use crate::words::{flags, hash};
use crate::world::World;
use postrider_core::commit::change::{AccountChange, Change};
use postrider_core::commit::event::{EventDraft, SHOWN, ToldPlace, What};
use postrider_core::failure::Class;
use postrider_core::mail::cursor::Mark;
use postrider_core::mail::flags::Flags;
use postrider_core::mail::id::{FolderId, MessageId};
use postrider_core::standing::EventKind;
use std::collections::{BTreeMap, BTreeSet};

/// Does to a reader's copy of a message's places what an event says.
fn replay(places: &mut Vec<ToldPlace>, event: &EventDraft) {
    let is = |told: &ToldPlace, other: &ToldPlace| told.0 == other.0 && told.1 == other.1;
    match event.what {
        What::State => places.clone_from(&event.changed),
        What::Began => places.extend(event.changed.iter().cloned()),
        What::Ended => places.retain(|told| !event.changed.iter().any(|gone| is(gone, told))),
        What::Flags => {
            for told in places.iter_mut() {
                if let Some(now) = event.changed.iter().find(|now| is(now, told)) {
                    told.2.clone_from(&now.2);
                }
            }
        }
    }
    // UIDs may change without an event; the places that are shown are the truth where they are all.
    if event.count <= SHOWN as u64 {
        places.clone_from(&event.locations);
    }
}

/// What never opens, however long one waits; a folder that we hold is asked by name, whatever LIST
/// shows.
fn is_hidden(folder: &Folder, held: bool) -> bool {
    let opens = folder.shut != EVER && folder.cut != EVER && !folder.bare;
    !opens || (folder.unreadable && !held)
}

impl World {
    /// What keeps the mirror from being the server.
    /// Where nothing lied, flags are right before the daily listing.
    pub(crate) fn check_flags(&self, rounds: usize) -> Result<(), String> {
        let cfg = &self.cfg;
        let lied = cfg.lies || cfg.restores || cfg.ahead || cfg.jumps || cfg.shut.is_some();
        let odd = cfg.away || cfg.bad_line || cfg.cut_mail || cfg.cut_folder || cfg.short;
        let misfit = self.server.folders.values().any(|folder| folder.surplus > 0);
        // Without modseq, flags of old mail are looked at now and then.
        if rounds != 2 || lied || odd || misfit || !cfg.modseq {
            return Ok(());
        }
        match self.difference().filter(|text| text.contains("has flags")) {
            Some(text) => Err(format!("INV-4: only the daily listing would heal {text}")),
            None => Ok(()),
        }
    }

    pub(crate) fn difference(&self) -> Option<String> {
        let ours: BTreeMap<&str, FolderId> =
            self.store.folders.values().map(|f| (f.path.as_str(), f.id)).collect();
        let hidden: BTreeSet<&str> = self
            .server
            .folders
            .iter()
            .map(|(name, f)| (name.as_str(), f))
            .filter(|(name, f)| is_hidden(f, ours.contains_key(name)))
            .map(|(name, _)| name)
            .collect();
        let open = |name: &&str| !hidden.contains(name);
        let theirs: BTreeSet<&str> =
            self.server.folders.keys().map(String::as_str).filter(open).collect();
        if theirs != ours.keys().copied().filter(open).collect() {
            return Some(format!("folders {:?} and {:?}", ours.keys(), self.server.folders.keys()));
        }
        for (name, folder) in self.server.folders.iter().filter(|(name, _)| open(&name.as_str())) {
            let row = &self.store.folders[&ours[name.as_str()]];
            if row.uidvalidity().0 != folder.uidvalidity {
                return Some(format!("{name} is held as {}", row.uidvalidity()));
            }
            let held: BTreeMap<u32, _> = self
                .store
                .ledger
                .locations()
                .filter(|l| l.folder == row.id && l.ended_at.is_none())
                .map(|l| (narrow(l.uid), l))
                .collect();
            for (uid, mail) in &folder.mail {
                let Some(location) = held.get(uid) else {
                    if row.failures.contains(*uid) && (mail.hollow || mail.refused || mail.cut) {
                        continue;
                    }
                    return Some(format!("{name}/{uid} is missing (cid {})", mail.cid));
                };
                let message = self.store.ledger.messages().find(|m| m.id == location.message)?;
                if message.body != hash(mail.cid) {
                    return Some(format!("{name}/{uid} has wrong bytes"));
                }
                if location.flags != flags(mail.flags) {
                    return Some(format!(
                        "{name}/{uid} has flags {} instead of {}",
                        location.flags,
                        flags(mail.flags)
                    ));
                }
            }
            let suspected = self.store.asked.of(row.id, 0);
            if !suspected.is_empty() {
                return Some(format!("{name}/{suspected} is still said to be on its way"));
            }
            let ours = row.uidvalidity();
            if let Some(l) = held.values().find(|l| l.uidvalidity != ours) {
                return Some(format!("{name}/{} is held as {}", l.uid, l.uidvalidity));
            }
            if let Some(uid) = held.keys().find(|uid| !folder.mail.contains_key(uid)) {
                return Some(format!("{name}/{uid} is a ghost"));
            }
            if let Some(uid) = row.failures.iter().find(|uid| !folder.mail.contains_key(uid)) {
                return Some(format!("{name}/{uid} is a failure of a UID that is gone"));
            }
        }
        None
    }

    /// Nothing is open: no limbo, no history to read, no first look.
    pub(crate) fn is_quiet(&self) -> bool {
        let open = |path: &str| self.server.folders.get(path).is_none_or(|f| !is_hidden(f, true));
        // Where sessions end at the only folder there is, nobody can tell it from a server that is
        // ill.
        (self.store.limbo() == 0 || self.is_hopeless())
            && self.store.account.list_look.is_none()
            && self
                .store
                .folders
                .values()
                .filter(|f| open(&f.path))
                .all(|f| f.is_read() && f.look.is_none() && f.misfit.is_none())
    }

    /// Sessions end at the only folder that opens, or it is refused: then it may be the server.
    fn is_hopeless(&self) -> bool {
        let others = self.server.folders.values().filter(|f| !is_hidden(f, true)).count();
        others == 0
            && self.server.folders.values().any(|f| f.cut == EVER || f.shut == EVER || f.bare)
    }

    /// A folder is shut for what it says itself.
    pub(crate) fn check_shut(&mut self, change: &Change) {
        let Change::Account(AccountChange::Shut { remote_id, class, soon: false, .. }) = change
        else {
            return;
        };
        let name = String::from_utf8_lossy(remote_id);
        let Some(folder) = self.server.folders.get(&*name) else { return };
        // Sessions that are lost at it, by chance twice, say nothing of the folder.
        let odd = *class == Class::Network
            || self.cfg.away
            || self.cfg.folder_ops
            || self.cfg.cut_mail
            || self.cfg.cut_folder;
        if !odd && !folder.mute && !self.odd.contains(&folder.id) {
            self.store.rash.push(format!("{name} was shut, and opens"));
        }
    }

    /// After every step.
    pub(crate) fn check_step(&mut self) -> Result<(), String> {
        if let Some(rash) = self.store.rash.pop() {
            return Err(format!("INV-7: {rash}"));
        }
        if self.life.as_ref().is_some_and(|life| life.unslotted) {
            return Err("a session is asked without a slot".to_owned());
        }
        for (folder, uidvalidity, uid, cid) in std::mem::take(&mut self.store.ended) {
            let theirs = self.truth.get(&folder).and_then(|id| self.server.by_id(*id));
            // Where UIDs have begun anew, the mail itself tells, if it is like no other.
            let is_alive = |f: &&Folder| {
                if f.uidvalidity == uidvalidity.0 {
                    return f.mail.contains_key(&uid);
                }
                let sure = !self.cfg.alike && !self.touched.contains_key(&cid);
                sure && f.mail.values().any(|mail| mail.cid == cid)
            };
            let Some(theirs) = theirs.filter(is_alive) else { continue };
            // The lie of one folder is no excuse for another; a folder that LIST or a rename hid is
            // judged as a folder. What lies there now may be another mail, in a folder that was put
            // back.
            let moved = self.deleted.contains(&theirs.id)
                || self.list_lied
                || self.odd.contains(&theirs.id)
                || theirs.restored;
            if !self.lies_on.contains(&theirs.id) && !moved {
                return Err(format!("INV-1: {folder}/{uid} was ended while alive"));
            }
        }
        // A folder that was taken for another one's new name (few messages, all alike) is listed
        // next, which puts back what it lacks: until then its mark is cleared.
        for row in self.store.folders.values() {
            let lanes = row.lanes.as_ref().ok_or("INV-5: a folder without lanes")?;
            if lanes.live.mark == Mark::CLEARED {
                continue;
            }
            let Some(folder) = self.truth.get(&row.id).and_then(|id| self.server.by_id(*id)) else {
                continue;
            };
            // What came under UIDs that were used before is seen by the daily listing at the latest.
            let renumbered = lanes.live.uidvalidity.0 != folder.uidvalidity;
            // Nor is what is not shown looked for.
            let hides = self.cfg.capped.is_some();
            if self.lies_on.contains(&folder.id) || folder.restored || renumbered || hides {
                continue;
            }
            let living = self.store.rows(row.id).living;
            for (uid, mail) in &folder.mail {
                let coming = *uid >= lanes.live.uidnext || lanes.backfill.remaining.contains(*uid);
                if !coming
                    && living.get(*uid).is_none()
                    && !row.failures.contains(*uid)
                    && !mail.hollow
                {
                    return Err(format!(
                        "INV-5: {}/{uid} is neither stored nor going to be fetched",
                        row.path
                    ));
                }
            }
        }
        Ok(())
    }

    /// At the end of a run that has converged.
    pub(crate) fn check_end(&self) -> Result<(), String> {
        let mut mirror: BTreeMap<MessageId, Vec<ToldPlace>> = BTreeMap::new();
        let mut created = BTreeMap::new();
        let cid = |id: MessageId| self.store.cid(id);
        for event in &self.store.events {
            let Some(message) = event.message else { continue };
            replay(mirror.entry(message).or_default(), event);
            if event.kind == EventKind::MessageCreated
                && created.insert(message, event.backfill).is_some()
            {
                return Err(format!("INV-6: message {message} was created twice"));
            }
        }
        for message in self.store.ledger.messages() {
            let living: Vec<ToldPlace> = self
                .store
                .ledger
                .locations()
                .filter(|l| l.message == message.id && l.ended_at.is_none())
                .map(|l| (l.folder, l.uid, l.flags.clone()))
                .collect();
            // UIDs may change without an event: a mail taken out of a folder and put back is the
            // same to a reader.
            let plain = |state: &[ToldPlace]| {
                let mut plain: Vec<(FolderId, Flags)> =
                    state.iter().map(|(f, _, flags)| (*f, flags.clone())).collect();
                plain.sort();
                plain
            };
            let told = mirror.get(&message.id).map(Vec::as_slice).unwrap_or_default();
            if plain(told) != plain(&living)
                && !(message.limbo_since.is_some() && self.is_hopeless())
            {
                return Err(format!(
                    "INV-6: the events leave message {} at {told:?}, the store has {living:?}",
                    message.id
                ));
            }
        }
        for (message, backfill) in &created {
            let cid = cid(*message);
            let touched = self.touched.get(&cid).copied().unwrap_or(0) >= 10;
            if self.old.contains(&cid)
                && !backfill
                && !touched
                && self.cfg.keep_date
                && !self.cfg.jumps
            {
                return Err(format!("INV-6: old mail (cid {cid}) was announced as new"));
            }
        }
        for told in &self.moves {
            let lied = |id: &u32| self.lies_on.contains(id) || self.odd.contains(id);
            // A mail that waits in the ledger for another session is not found yet, and limbo does
            // not wait for the ledger.
            let waits = self.cfg.estimates || self.cfg.short;
            if lied(&told.left) || lied(&told.came) || self.list_lied || waits {
                continue;
            }
            if self.touched.get(&told.cid) != Some(&1) || self.deleted.contains(&told.left) {
                continue;
            }
            let kinds: Vec<EventKind> = self.store.events[told.from_event..]
                .iter()
                .filter(|e| e.message.is_some_and(|m| cid(m) == told.cid))
                .map(|e| e.kind)
                .collect();
            let moved = kinds.iter().filter(|k| **k == EventKind::MessageMoved).count();
            if moved != 1
                || kinds.contains(&EventKind::MessageDeleted)
                || kinds.contains(&EventKind::MessageCreated)
            {
                return Err(format!("INV-6: the move of cid {} was told as {kinds:?}", told.cid));
            }
        }
        self.check_folders()?;
        self.check_untouched(&created, cid)
    }

    /// Each folder is created once and deleted at most once, and no rename is told twice.
    fn check_folders(&self) -> Result<(), String> {
        let mut told: BTreeMap<FolderId, Vec<(EventKind, Option<&str>)>> = BTreeMap::new();
        for event in self.store.events.iter().filter(|e| e.message.is_none()) {
            let Some(folder) = event.folder else { continue };
            told.entry(folder).or_default().push((event.kind, event.path.as_deref()));
        }
        for (folder, told) in &told {
            let kinds: Vec<EventKind> = told.iter().map(|(kind, _)| *kind).collect();
            let ends = kinds.iter().filter(|k| **k == EventKind::FolderDeleted).count();
            let alive = self.store.folders.contains_key(folder);
            let ordered = kinds.first() == Some(&EventKind::FolderCreated)
                && kinds.iter().filter(|k| **k == EventKind::FolderCreated).count() == 1
                && ends == usize::from(!alive)
                && (alive || kinds.last() == Some(&EventKind::FolderDeleted));
            let twice = told.windows(2).any(|w| w[0] == w[1] && w[0].0 != EventKind::FolderReset);
            if !ordered || twice {
                return Err(format!(
                    "INV-6: folder {folder} (alive: {alive}) was told as {told:?}"
                ));
            }
        }
        Ok(())
    }

    /// A mail that nobody moved, copied or removed is told as an unlied, uncrashed run would:
    /// created once, and at most one `updated` for each change of its flags. New mail is told as
    /// new.
    fn check_untouched(
        &self,
        created: &BTreeMap<MessageId, bool>,
        cid: impl Fn(MessageId) -> u32,
    ) -> Result<(), String> {
        for (message, backfill) in created {
            let cid = cid(*message);
            let theirs = self.server.folders.values().find_map(|f| {
                let (uid, mail) = f.mail.iter().find(|(_, mail)| mail.cid == cid)?;
                Some((f, *uid, mail))
            });
            let Some((folder, uid, mail)) = theirs else { continue };
            let lied = self.lies_on.contains(&folder.id)
                || self.odd.contains(&folder.id)
                || self.list_lied;
            if lied || self.touched.contains_key(&cid) || self.deleted.contains(&folder.id) {
                continue;
            }
            let mine = self.store.events.iter().filter(|e| e.message == Some(*message));
            let kinds: Vec<EventKind> = mine.map(|e| e.kind).collect();
            let updates = kinds.iter().filter(|k| **k == EventKind::MessageUpdated).count();
            let flagged = self.flagged.get(&cid).copied().unwrap_or(0);
            let others = kinds.len() - updates;
            if others != 1 || kinds[0] != EventKind::MessageCreated || updates > flagged as usize {
                return Err(format!(
                    "INV-6: cid {cid}, untouched, {flagged} flag changes, was told as {kinds:?}"
                ));
            }
            let row = self
                .truth
                .iter()
                .find(|(ours, id)| **id == folder.id && self.store.folders.contains_key(ours));
            let boundary = row.and_then(|(ours, _)| self.boundaries.get(ours)).copied();
            let new = boundary.is_some_and(|boundary| uid >= boundary)
                && self.first_open.is_some_and(|at| mail.born > at);
            if new && *backfill && !self.cfg.jumps {
                return Err(format!("INV-6: new mail (cid {cid}) was told as old"));
            }
        }
        // A copy is old by its own place.
        for event in self.store.events.iter().filter(|e| e.what == What::Began) {
            let Some((folder, uid, _)) = event.changed.first() else { continue };
            if self.truth.get(folder).is_none_or(|id| self.lies_on.contains(id)) {
                continue;
            }
            if let Some(boundary) = self.boundaries.get(folder)
                && event.backfill != (*uid < u64::from(*boundary))
            {
                return Err(format!(
                    "INV-6: a copy at {folder}/{uid} was told with backfill {}",
                    event.backfill
                ));
            }
        }
        Ok(())
    }
}
