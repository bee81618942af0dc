//! The invariants, each with its number.
//!
//! INV-1 nothing alive ends without a lie · INV-4 the mirror is the server after clean rounds · INV-5 every UID of the
//! server is stored, failed, remaining or still to arrive · INV-6 replaying the events gives the store; created once; a move
//! is exactly one `moved`; old mail is never announced as new · INV-7 nothing large ends on one look · INV-8 idle means idle · INV-9 runs end.

use crate::scheduler::{World, flags, hash};
use postrider_core::commit::ledger::EventKind;
use postrider_core::mail::cursor::Mark;
use postrider_core::mail::flags::Flags;
use postrider_core::mail::id::{FolderId, MessageId};
use std::collections::BTreeMap;

impl World {
    /// What keeps the mirror from being the server.
    pub(crate) fn difference(&self) -> Option<String> {
        let ours: BTreeMap<&str, FolderId> = self.store.folders.values().map(|f| (f.path.as_str(), f.id)).collect();
        if ours.len() != self.server.folders.len() || !self.server.folders.keys().all(|n| ours.contains_key(n.as_str()))
        {
            return Some(format!("folders {:?} and {:?}", ours.keys(), self.server.folders.keys()));
        }
        for (name, folder) in &self.server.folders {
            let row = &self.store.folders[&ours[name.as_str()]];
            let held: BTreeMap<u32, _> = self
                .store
                .ledger
                .locations()
                .filter(|l| l.folder == row.id && l.ended_at.is_none())
                .map(|l| (l.uid, l))
                .collect();
            for (uid, mail) in &folder.mail {
                let Some(location) = held.get(uid) else {
                    if row.failures.contains(*uid) && (mail.hollow || mail.refused) {
                        continue;
                    }
                    return Some(format!("{name}/{uid} is missing (cid {})", mail.cid));
                };
                let message = self.store.ledger.messages().find(|m| m.id == location.message)?;
                if message.body != hash(mail.cid) {
                    return Some(format!("{name}/{uid} has wrong bytes"));
                }
                if location.flags != flags(mail.flags) {
                    return Some(format!("{name}/{uid} has flags {} instead of {}", location.flags, flags(mail.flags)));
                }
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
        self.store.limbo() == 0
            && self.store.account.list_look.is_none()
            && self.store.folders.values().all(|f| f.backfill.remaining.is_empty() && f.look.is_none())
    }

    /// After every step.
    pub(crate) fn check_step(&mut self) -> Result<(), String> {
        if let Some(rash) = self.store.rash.pop() {
            return Err(format!("INV-7: {rash}"));
        }
        for (folder, uid) in std::mem::take(&mut self.store.ended) {
            let alive = self
                .truth
                .get(&folder)
                .and_then(|id| self.server.by_id(*id))
                .is_some_and(|f| f.mail.contains_key(&uid));
            if alive && !self.lied {
                return Err(format!("INV-1: {folder}/{uid} was ended while alive"));
            }
        }
        if self.lied {
            return Ok(());
        }
        // A folder that was taken for another one's new name (few messages, all alike) is listed next, which puts back what
        // it lacks: until then its mark is cleared.
        for row in self.store.folders.values().filter(|row| row.live.mark != Mark::CLEARED) {
            let Some(folder) = self.truth.get(&row.id).and_then(|id| self.server.by_id(*id)) else { continue };
            let living = self.store.rows(row.id).living;
            for (uid, mail) in &folder.mail {
                let coming = *uid >= row.live.uidnext || row.backfill.remaining.contains(*uid);
                if !coming && living.get(*uid).is_none() && !row.failures.contains(*uid) && !mail.hollow {
                    return Err(format!("INV-5: {}/{uid} is neither stored nor going to be fetched", row.path));
                }
            }
        }
        Ok(())
    }

    /// At the end of a run that has converged.
    pub(crate) fn check_end(&self) -> Result<(), String> {
        let mut mirror: BTreeMap<MessageId, Vec<(FolderId, u32, Flags)>> = BTreeMap::new();
        let mut created = BTreeMap::new();
        let cid = |id: MessageId| {
            let message = self.store.ledger.messages().find(|m| m.id == id);
            message.map_or(0, |m| u32::from_be_bytes([m.body.0[0], m.body.0[1], m.body.0[2], m.body.0[3]]))
        };
        for event in &self.store.events {
            let Some(message) = event.message else { continue };
            mirror.insert(message, event.state.clone());
            if event.kind == EventKind::MessageCreated && created.insert(message, event.backfill).is_some() {
                return Err(format!("INV-6: message {message} was created twice"));
            }
        }
        for message in self.store.ledger.messages() {
            let living: Vec<(FolderId, u32, Flags)> = self
                .store
                .ledger
                .locations()
                .filter(|l| l.message == message.id && l.ended_at.is_none())
                .map(|l| (l.folder, l.uid, l.flags.clone()))
                .collect();
            // UIDs may change without an event: a mail taken out of a folder and put back is the same to a reader.
            let plain = |state: &[(FolderId, u32, Flags)]| {
                let mut plain: Vec<(FolderId, Flags)> = state.iter().map(|(f, _, flags)| (*f, flags.clone())).collect();
                plain.sort();
                plain
            };
            let told = mirror.get(&message.id).map(Vec::as_slice).unwrap_or_default();
            if plain(told) != plain(&living) {
                return Err(format!(
                    "INV-6: the events leave message {} at {told:?}, the store has {living:?}",
                    message.id
                ));
            }
        }
        for (message, backfill) in &created {
            let cid = cid(*message);
            let touched = self.touched.get(&cid).copied().unwrap_or(0) >= 10;
            if self.old.contains(&cid) && !backfill && !touched && self.cfg.keep_date {
                return Err(format!("INV-6: old mail (cid {cid}) was announced as new"));
            }
        }
        for told in &self.moves {
            if self.lied || self.touched.get(&told.cid) != Some(&1) || self.deleted.contains(&told.left) {
                continue;
            }
            let kinds: Vec<EventKind> = self.store.events[told.from_event..]
                .iter()
                .filter(|e| e.message.is_some_and(|m| cid(m) == told.cid))
                .map(|e| e.kind)
                .collect();
            let moved = kinds.iter().filter(|k| **k == EventKind::MessageMoved).count();
            if moved != 1 || kinds.contains(&EventKind::MessageDeleted) || kinds.contains(&EventKind::MessageCreated) {
                return Err(format!("INV-6: the move of cid {} was told as {kinds:?}", told.cid));
            }
        }
        Ok(())
    }
}
