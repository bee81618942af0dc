//! What comes next. The order: LIST; INBOX's pass and its newest page; the other passes; flagged mail; the newest of each
//! folder; history downwards; due retries. Arrivals always go first.

use crate::account::event::Depth;
use crate::account::listing::Listing;
use crate::account::machine::Action;
use crate::account::run::{FillKind, Folder, Run, leave};
use crate::mail::id::FolderId;
use crate::mail::uid_set::UidSet;
use crate::time::Now;

/// Passes of a folder in a run that prove what was read since the one before.
const PROOFS: u8 = 3;

/// How far into a folder's past a page may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tier {
    Flagged,
    Newest,
    History,
}

impl Run {
    /// Starts whatever there is room for. Returns whether the round is over: nothing is left to start or to wait for.
    pub(super) fn plan(&mut self, now: Now, out: &mut Vec<Action>) -> bool {
        self.resume_listing(now, out);
        self.advance_passes(now, out);
        if self.session.is_none() {
            return false;
        }
        if matches!(self.listing, Listing::Wanted) {
            if !self.is_asking() {
                self.start_listing(now, out);
            }
            return false;
        }
        let order = self.order();
        for id in &order {
            while self.has_room() {
                let Some(uids) = self.take_arrivals(*id) else { break };
                self.start_fill(*id, FillKind::Arrivals, uids.clone(), uids, out);
            }
        }
        self.plan_proofs();
        if matches!(self.listing, Listing::Done) {
            self.plan_passes(&order, now, out);
        }
        self.plan_pages(&order, now, out);
        self.is_round_over(&order)
    }

    fn is_asking(&self) -> bool {
        self.asks.values().any(|(_, page)| !*page)
    }

    fn has_room(&self) -> bool {
        self.pages_in_flight() < self.settings.pages_in_flight
    }

    fn plan_passes(&mut self, order: &[FolderId], now: Now, out: &mut Vec<Action>) {
        for (n, id) in order.iter().enumerate() {
            if self.is_asking() {
                return;
            }
            let Some(folder) = self.folders.get(id) else { continue };
            let pages = folder.fills.values().any(|f| f.kind == FillKind::Arrivals);
            if folder.wanted && folder.pass.is_none() && folder.standing.is_none() && !pages {
                self.start_pass(*id, now, out);
            }
            // INBOX's newest page goes before the other folders.
            if n == 0 && self.folders.get(id).is_some_and(|f| f.wanted || f.pass.is_some()) {
                return;
            }
        }
    }

    fn plan_pages(&mut self, order: &[FolderId], now: Now, out: &mut Vec<Action>) {
        if let Some(inbox) = order.first()
            && self.folders.get(inbox).is_some_and(|f| f.fills.is_empty() && f.row.passed_at.is_some())
        {
            self.fill_one(*inbox, Tier::Newest, now, out);
        }
        let passing = self.folders.values().any(|f| !f.row.excluded && (f.wanted || f.pass.is_some()));
        if passing || !matches!(self.listing, Listing::Done) {
            return;
        }
        for tier in [Tier::Flagged, Tier::Newest, Tier::History] {
            for id in order {
                while self.has_room() && self.fill_one(*id, tier, now, out) {}
            }
        }
        for id in order {
            while self.has_room() && self.retry_one(*id, out) {}
        }
    }

    /// Starts one page of a folder's past; says whether there was one.
    fn fill_one(&mut self, id: FolderId, tier: Tier, now: Now, out: &mut Vec<Action>) -> bool {
        if !self.has_room() {
            return false;
        }
        let (size, recent) = (self.settings.page_messages, self.settings.recent_messages);
        let Some(folder) = self.folders.get(&id) else { return false };
        let Some(index) = folder.index.as_ref().filter(|_| folder.standing.is_none()) else { return false };
        let free = folder.row.backfill.remaining.minus(&folder.claimed());
        let todo = index.intersect(&free);
        if todo.is_empty() {
            if !free.is_empty() && folder.whole && tier == Tier::History && folder.fills.is_empty() {
                self.close_holes(id, free, now, out);
                return true;
            }
            return false;
        }
        let uids: UidSet = match tier {
            Tier::Flagged => folder.flagged.intersect(&free).iter_down().take(size).collect(),
            Tier::Newest => newest(folder, recent).intersect(&free).iter_down().take(size).collect(),
            Tier::History => todo.iter_down().take(size).collect(),
        };
        let (Some(low), Some(high)) = (uids.first(), uids.last()) else { return false };
        let open = if tier == Tier::Flagged || !folder.whole {
            uids.clone()
        } else {
            // The holes around the UIDs go with them: up to the top if nothing is above, to the bottom if nothing is below.
            let top = if todo.last() == Some(high) { u32::MAX } else { high };
            let bottom = if todo.first() == Some(low) { 1 } else { low };
            free.intersect(&UidSet::range(bottom, top)).minus(&todo.minus(&uids))
        };
        self.start_fill(id, FillKind::Backfill, uids, open, out);
        true
    }

    fn retry_one(&mut self, id: FolderId, out: &mut Vec<Action>) -> bool {
        let size = self.settings.page_messages;
        let Some(folder) = self.folders.get_mut(&id).filter(|f| f.standing.is_none()) else { return false };
        let uids: UidSet = folder.due.intersect(&folder.row.failures).iter().take(size).collect();
        folder.due = folder.due.minus(&uids);
        if uids.is_empty() {
            return false;
        }
        self.start_fill(id, FillKind::Retry, uids.clone(), uids, out);
        true
    }

    /// A folder whose history has just been read to its end is passed once more: only that pass proves it.
    fn plan_proofs(&mut self) {
        for folder in self.folders.values_mut() {
            let read = folder.row.backfill.remaining.is_empty() && folder.fills.is_empty() && folder.pass.is_none();
            if folder.unproven && read && folder.standing.is_none() {
                folder.unproven = false;
                folder.proofs += 1;
                if folder.proofs <= PROOFS {
                    folder.wanted = true;
                    folder.depth = Depth::Full;
                } else {
                    // It lists what it does not deliver, again and again: the next run goes on from here.
                    leave(
                        &mut self.left,
                        format!("folder {} is not proved: its listing keeps changing", folder.row.path),
                    );
                }
            }
        }
    }

    fn is_round_over(&self, order: &[FolderId]) -> bool {
        let busy = |f: &Folder| f.pass.is_some() || f.wanted || !f.fills.is_empty();
        matches!(self.listing, Listing::Done)
            && self.asks.is_empty()
            && self.commits.is_empty()
            && self.parked.is_empty()
            && !order.iter().filter_map(|id| self.folders.get(id)).any(busy)
    }

    /// Begins another LIST and pass of every folder.
    pub(super) fn next_round(&mut self) {
        self.rounds += 1;
        self.listing = Listing::Wanted;
        for folder in self.folders.values_mut() {
            folder.wanted = folder.standing.is_none();
            // A message that only moved raises UIDNEXT where it went.
            folder.depth = Depth::Quick;
            folder.looked = false;
        }
    }
}

/// The newest messages that the last pass saw unread by us.
fn newest(folder: &Folder, recent: u64) -> UidSet {
    let Some(index) = folder.index.as_ref() else { return UidSet::new() };
    index.iter_down().take(usize::try_from(recent).unwrap_or(usize::MAX)).collect()
}
