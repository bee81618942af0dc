//! What must be true in a world of feeds.

use crate::feeds::config::{Kind, LAG};
use crate::feeds::replies::flags_of;
use crate::feeds::scheduler::FeedWorld;
use crate::feeds::server::{Places, TRASH};
use postrider_core::commit::event::{EventDraft, ToldPlace};
use postrider_core::mail::flags::Flags;
use postrider_core::mail::id::{FolderId, MessageId};
use postrider_core::run::reads::FeedProof;
use postrider_core::standing::EventKind;
use std::collections::{BTreeMap, BTreeSet};

impl FeedWorld {
    fn name_of(&self, id: MessageId) -> String {
        let message = self.store.books.ledger.messages().find(|message| message.id == id);
        message.map(|message| message.identity.0.clone()).unwrap_or_default()
    }

    fn place_name(&self, id: FolderId) -> String {
        let place = self.store.books.rows.places.get(&id);
        place.map(|row| String::from_utf8(row.remote_id.to_vec()).unwrap()).unwrap_or_default()
    }

    /// Where a held message lies, and its flags; none where it is not held or deleted.
    pub(crate) fn mirrored(&self, id: &str) -> Option<(Places, Flags)> {
        let identity = postrider_core::mail::id::Identity(id.to_owned());
        let message = self.store.books.ledger.message(&identity)?;
        if message.deleted_at.is_some() {
            return None;
        }
        let (places, flags) = self.store.books.ledger.state_of(message.id);
        Some((places.into_iter().map(|place| self.place_name(place)).collect(), flags))
    }

    pub(crate) fn is_held_truly(&self, id: &str) -> bool {
        let Some((places, flags)) = self.truth_of(id) else { return false };
        let identity = postrider_core::mail::id::Identity(id.to_owned());
        let last = self.server.mail[id].last().change;
        let feeds = &self.store.books.rows.feeds;
        let passed = |cursor: &str| cursor.parse::<u64>().is_ok_and(|at| at >= last);
        self.mirrored(id) == Some((self.ours(&places), flags_of(flags)))
            && self.store.books.owed(&identity).is_none()
            && (self.cfg.kind == Kind::None
                || feeds.values().all(|f| f.cursor.as_ref().is_some_and(|c| passed(&c.0))))
    }

    /// What differs between the mirror and the server.
    pub(crate) fn difference(&self, end: bool) -> Option<String> {
        let rows = &self.store.books.rows;
        if end {
            let ours: BTreeMap<String, String> = rows
                .places
                .values()
                .map(|row| (self.place_name(row.id), row.path.clone()))
                .collect();
            if ours != self.server.places {
                return Some(format!("places {ours:?}, not {:?}", self.server.places));
            }
            let listed = if self.cfg.kind == Kind::Deltas {
                let mut feeds = rows.feeds.iter();
                let excluded = |id: &FolderId| rows.places.get(id).is_some_and(|row| row.excluded);
                feeds.all(|(id, feed)| feed.cursor.is_some() || excluded(id))
            } else {
                rows.state.listed
            };
            if !listed {
                return Some("not listed".into());
            }
            let state = &rows.state;
            if state.debt.is_some()
                || !state.listings.is_empty()
                || rows.account.list_look.is_some()
            {
                return Some(format!("owes {state:?} {:?}", rows.account.list_look));
            }
            for row in self.store.books.all_owed() {
                let mail = &self.server.mail[&row.id.0];
                let stays = row.is_away() || (row.attempts > 0 && mail.poison);
                if !stays {
                    return Some(format!("owed {row:?}"));
                }
            }
            if !self.server.hints.is_empty() {
                return Some("hints".into());
            }
        }
        for mail in self.server.mail.values() {
            let truth = self.truth_of(&mail.id).map(|(places, f)| (self.ours(&places), f));
            let mine = self.mirrored(&mail.id);
            match (truth.filter(|(places, _)| !places.is_empty()), mine) {
                (None, None) => {}
                // What lies where the config has left out since is kept, and not looked at.
                (None, Some((places, _))) if places.is_empty() && self.edited => {}
                (None, Some(mine)) => return Some(format!("ghost {} {mine:?}", mail.id)),
                (Some(_), None) => {
                    let identity = postrider_core::mail::id::Identity(mail.id.clone());
                    let failed = self.store.books.owed(&identity).is_some_and(|o| o.attempts > 0);
                    if !(mail.poison && failed) {
                        return Some(format!("lacks {}", mail.id));
                    }
                }
                (Some((places, bits)), Some((mine, flags))) => {
                    if places != mine || flags_of(bits) != flags {
                        return Some(format!(
                            "state of {}: {mine:?} {flags}, not {places:?} {}",
                            mail.id,
                            flags_of(bits)
                        ));
                    }
                }
            }
        }
        None
    }

    /// After every commit: what it told.
    pub(crate) fn check_commit(&mut self) -> Result<(), String> {
        if let Some(broken) = self.store.broken.pop()
            && !self.lied
            && !self.cfg.place_ops
            && !self.cfg.same_version
        {
            return Err(broken);
        }
        let events = self.store.events[self.judged..].to_vec();
        self.judged = self.store.events.len();
        for event in events {
            let Some(message) = event.message else { continue };
            let id = self.name_of(message);
            self.note(|| format!("  event {} {id} {:?}", event.kind, event.changed));
            let mail = &self.server.mail[&id];
            // What was recovered from where nobody sees it was away when it was looked at.
            let was_hidden = self.cfg.hidden
                && mail.snaps.iter().any(|snap| {
                    snap.places.as_ref().is_some_and(|places| self.server.is_hidden(places))
                });
            match event.kind {
                EventKind::MessageDeleted => {
                    let lives = mail.lives()
                        && !mail.last().places.as_ref().is_some_and(|p| self.server.is_hidden(p));
                    let was_excluded = self.cfg.excludes;
                    if lives && !was_hidden && !was_excluded && !self.lied {
                        return Err(format!("INV-7: deleted {id}, alive on the server"));
                    }
                    if lives && self.gone_lied.contains(&id) {
                        return Err(format!("INV-7: a mass lie deleted {id}"));
                    }
                }
                EventKind::MessageRestored => {
                    let deleted = self.store.events[..self.judged]
                        .iter()
                        .rev()
                        .filter(|e| e.message == Some(message))
                        .nth(1);
                    let was_deleted = deleted.is_some_and(|e| e.kind == EventKind::MessageDeleted);
                    if !was_deleted {
                        return Err(format!("INV-6: restored {id}, which was not deleted"));
                    }
                    if !mail.lives() && mail.last().at < self.now - 4 * LAG && !self.lied {
                        return Err(format!("INV-7: restored {id}, dead on the server"));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// "Proved" is true.
    pub(crate) fn check_proof(&mut self, proof: &FeedProof) -> Result<(), String> {
        let Some(began) = proof.compared.filter(|_| proof.whole) else { return Ok(()) };
        self.note(|| format!("== proved {proof:?}"));
        let changed = self.server.changed.max(self.edited_at);
        // What a wrong clock has stamped says nothing of when it was.
        if self.lied || self.cfg.jumps.is_some() || changed * 1_000_000 >= began.0 - LAG * 1_000_000
        {
            return Ok(());
        }
        // A new name may be one that the config leaves out: it counts when Places has told it.
        let rows = &self.store.books.rows;
        let named = rows.places.values().all(|row| {
            self.server.places.get(&self.place_name(row.id)).is_none_or(|name| *name == row.path)
        });
        if self.cfg.excludes && !named {
            return Ok(());
        }
        let told = |difference| Err(format!("INV-4: proved, but {difference}"));
        self.difference(false).map_or(Ok(()), told)
    }

    /// Pages of one whole look at everything.
    pub(crate) fn whole_list(&self) -> u64 {
        let size = self.cfg.list_page as u64;
        let pages = |n: usize| (n as u64).div_ceil(size).max(1);
        let living: Vec<(Places, u8)> = self
            .server
            .mail
            .values()
            .filter(|mail| self.server.shown(mail, self.now).is_some())
            .map(|mail| (mail.last().places.clone().unwrap_or_default(), mail.last().flags))
            .collect();
        let in_place = |place: &String| living.iter().filter(|(p, _)| p.contains(place)).count();
        let by_place: u64 = self.server.places.keys().map(|place| pages(in_place(place))).sum();
        let flagged = |bit: u8| living.iter().filter(|(_, flags)| flags & bit != 0).count();
        match self.cfg.kind {
            Kind::Deltas => by_place,
            Kind::History => pages(living.len()) + by_place + pages(flagged(1)) + pages(flagged(2)),
            Kind::Changes => pages(living.len()),
            Kind::None => 2 * pages(living.len()) + 2,
        }
    }

    /// At the end of a run that has converged.
    pub(crate) fn check_end(&self) -> Result<(), String> {
        let mut told: BTreeMap<MessageId, (BTreeSet<FolderId>, Flags)> = BTreeMap::new();
        let mut created: BTreeMap<String, bool> = BTreeMap::new();
        for event in &self.store.events {
            let Some(message) = event.message else { continue };
            let id = self.name_of(message);
            if event.kind == EventKind::MessageCreated {
                if created.insert(id.clone(), event.backfill).is_some() {
                    return Err(format!("INV-6: {id} was created twice"));
                }
            } else if !created.contains_key(&id) {
                return Err(format!("INV-6: {} of {id} before it was created", event.kind));
            }
            told.insert(message, whole(event));
        }
        for message in self.store.books.ledger.messages() {
            let mine = if message.deleted_at.is_some() {
                (BTreeSet::new(), Flags::default())
            } else {
                self.store.books.ledger.state_of(message.id)
            };
            let id = &message.identity;
            let told = told.get(&message.id).cloned().unwrap_or_default();
            let apart = told.0 != mine.0 || (told.1 != mine.1 && !mine.0.is_empty());
            if apart && !(self.edited && told.0 != mine.0) {
                return Err(format!("INV-6: the events leave {id} at {told:?}, not {mine:?}"));
            }
        }
        self.check_ages(&created)?;
        self.check_moves()?;
        if let Some(id) = self.refetched.first() {
            return Err(format!("INV-8: held bytes of {id} were fetched again"));
        }
        let calm = !(self.cfg.drops || self.cfg.crashes || self.lied || self.cfg.poison);
        let ops: u64 = self.server.mail.values().map(|mail| u64::from(mail.ops)).sum();
        let bound = 3 * (self.words + ops) + 3 * self.server.mail.len() as u64 + 8;
        if calm && !self.edited && self.gets > bound {
            return Err(format!("INV-8: {} gets for {} words", self.gets, self.words));
        }
        Ok(())
    }

    fn check_ages(&self, created: &BTreeMap<String, bool>) -> Result<(), String> {
        let Some(opened) = self.store.books.rows.account.opened_at else { return Ok(()) };
        let opened = opened.0 / 1_000_000 - self.cfg.skew;
        for (id, backfill) in created {
            let mail = &self.server.mail[id];
            let came = mail.snaps[0].at;
            if (mail.imported || came < opened) && !backfill {
                return Err(format!("INV-6: old mail {id} was announced as new"));
            }
            // What lay in a place before the config added it is old there.
            let added = came <= self.excluded_at;
            if !mail.imported && came > opened + 1 && *backfill && !added {
                return Err(format!("INV-6: new mail {id} was told as old"));
            }
        }
        Ok(())
    }

    fn check_moves(&self) -> Result<(), String> {
        let cfg = &self.cfg;
        let splits = cfg.split && cfg.kind == Kind::History;
        let flickers = cfg.kind == Kind::None && (cfg.stale || cfg.hide);
        if self.lied || cfg.place_ops || cfg.excludes || (splits && cfg.page < 20) || flickers {
            return Ok(());
        }
        for told in &self.moves {
            let mail = &self.server.mail[&told.id];
            let once = mail.ops == told.ops + 1 || (splits && mail.ops == told.ops + 2);
            if !told.held || !told.had || told.hid || !once || mail.poison {
                continue;
            }
            let kinds: Vec<EventKind> = self.store.events[told.from_event..]
                .iter()
                .filter(|event| event.message.is_some_and(|m| self.name_of(m) == told.id))
                .map(|event| event.kind)
                .collect();
            let moved = kinds.iter().filter(|kind| **kind == EventKind::MessageMoved).count();
            let others = kinds
                .iter()
                .any(|kind| !matches!(kind, EventKind::MessageMoved | EventKind::MessageUpdated));
            // Into the trash of a computed place it only leaves, or only comes.
            let is_trash = mail.last().places.as_ref().is_some_and(|p| p.contains(TRASH));
            if (moved != 1 && !is_trash) || others {
                return Err(format!("INV-6: the move of {} was told as {kinds:?}", told.id));
            }
        }
        Ok(())
    }
}

/// The state that an event leaves: it tells all of it.
fn whole(event: &EventDraft) -> (BTreeSet<FolderId>, Flags) {
    let places = event.changed.iter().map(|(folder, ..): &ToldPlace| *folder).collect();
    let flags = event.changed.first().map(|(_, _, flags)| flags.clone()).unwrap_or_default();
    (places, flags)
}
