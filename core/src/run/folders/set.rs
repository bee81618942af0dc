//! The folders of a run, with what a plan asks of all of them kept at hand: nothing that is asked
//! at every step walks them.

use crate::commit::rows::FolderRow;
use crate::failure::Failure;
use crate::mail::cursor::Mark;
use crate::mail::folder::WireName;
use crate::mail::id::FolderId;
use crate::run::folders::folder::Folder;
use std::cell::{Ref, RefCell};
use std::collections::{BTreeMap, BTreeSet};

/// Orders folders: INBOX first, then by number.
type Rank = (bool, FolderId);

/// The folders. What a plan asks of all of them is brought up to date when it is asked: that costs what has
/// changed since.
#[derive(Debug, Default)]
pub(super) struct Folders {
    map: BTreeMap<FolderId, Folder>,
    index: RefCell<Index>,
}

/// What is asked of all of them.
#[derive(Debug, Default)]
struct Index {
    /// Those that may have changed since it was brought up to date.
    changed: BTreeSet<FolderId>,
    traits: BTreeMap<FolderId, Traits>,
    wanting: BTreeSet<Rank>,
    passing: BTreeSet<Rank>,
    filling: BTreeSet<Rank>,
    hungry: BTreeSet<Rank>,
    unproven: BTreeSet<Rank>,
    doubted: BTreeSet<Rank>,
    inbox: Option<FolderId>,
    unread: u64,
    looked: u64,
    sealed: usize,
    asked: u64,
}

/// What one folder counts for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Traits {
    is_inbox: bool,
    wanting: bool,
    passing: bool,
    filling: bool,
    hungry: bool,
    unproven: bool,
    doubted: bool,
    unread: u64,
    looked: bool,
    sealed: usize,
    asked: u64,
}

impl Traits {
    fn of(folder: &Folder) -> Self {
        let ours = !folder.row.excluded;
        let free = ours && !folder.is_left();
        let (pass, fill) = (&folder.pass, &folder.fill);
        let has_history =
            folder.listing.index().is_some() && !folder.lanes.backfill.remaining.is_empty();
        Self {
            is_inbox: folder.is_inbox(),
            wanting: free && pass.is_wanted() && !pass.is_doubted(),
            doubted: ours && folder.stalled.is_none() && pass.is_doubted(),
            passing: ours && pass.is_under_way(),
            filling: !fill.is_empty(),
            hungry: free && (has_history || fill.has_retries()),
            unproven: free && pass.is_unproven(),
            unread: unread(folder),
            looked: ours && pass.has_looked(),
            sealed: fill.sealed(),
            asked: fill.asked(),
        }
    }
}

/// What its history has left; where this run has still to look at it, no more than it held last.
fn unread(folder: &Folder) -> u64 {
    let (remaining, mark) = (&folder.lanes.backfill.remaining, folder.lanes.live.mark);
    let is_to_come = folder.pass.is_wanted() || folder.pass.is_under_way();
    match folder.listing.index() {
        Some(index) => index.intersect(remaining).len(),
        None if folder.row.excluded || !is_to_come => 0,
        None if mark == Mark::CLEARED => remaining.len(),
        None => remaining.len().min(u64::from(mark.exists)),
    }
}

impl Index {
    /// Brings it up to date.
    fn refresh(&mut self, folders: &BTreeMap<FolderId, Folder>) {
        for id in std::mem::take(&mut self.changed) {
            let before = self.traits.get(&id).copied();
            let now = folders.get(&id).map(Traits::of);
            if now == before {
                continue;
            }
            let before = before.unwrap_or_default();
            for (set, is_in) in [
                (&mut self.wanting, now.is_some_and(|t| t.wanting)),
                (&mut self.passing, now.is_some_and(|t| t.passing)),
                (&mut self.filling, now.is_some_and(|t| t.filling)),
                (&mut self.hungry, now.is_some_and(|t| t.hungry)),
                (&mut self.unproven, now.is_some_and(|t| t.unproven)),
                (&mut self.doubted, now.is_some_and(|t| t.doubted)),
            ] {
                set.remove(&(!before.is_inbox, id));
                if is_in {
                    set.insert((!now.is_some_and(|t| t.is_inbox), id));
                }
            }
            let now_in = now.unwrap_or_default();
            if before.is_inbox != now_in.is_inbox {
                self.inbox = if now_in.is_inbox {
                    Some(id)
                } else {
                    self.inbox.filter(|inbox| *inbox != id)
                };
            }
            self.unread = (self.unread + now_in.unread).saturating_sub(before.unread);
            self.looked =
                (self.looked + u64::from(now_in.looked)).saturating_sub(u64::from(before.looked));
            self.sealed = (self.sealed + now_in.sealed).saturating_sub(before.sealed);
            self.asked = (self.asked + now_in.asked).saturating_sub(before.asked);
            match now {
                Some(now) => drop(self.traits.insert(id, now)),
                None => drop(self.traits.remove(&id)),
            }
        }
    }
}

fn in_order(set: &BTreeSet<Rank>) -> Vec<FolderId> {
    set.iter().map(|(_, id)| *id).collect()
}

impl Folders {
    pub(super) fn get(&self, id: &FolderId) -> Option<&Folder> {
        self.map.get(id)
    }

    pub(super) fn get_mut(&mut self, id: &FolderId) -> Option<&mut Folder> {
        self.touch(*id);
        self.map.get_mut(id)
    }

    pub(super) fn insert(&mut self, folder: Folder) {
        let id = folder.row.id;
        self.touch(id);
        self.map.insert(id, folder);
    }

    pub(super) fn remove(&mut self, id: &FolderId) {
        self.touch(*id);
        self.map.remove(id);
    }

    pub(super) fn contains(&self, id: FolderId) -> bool {
        self.map.contains_key(&id)
    }

    pub(super) fn ids(&self) -> Vec<FolderId> {
        self.map.keys().copied().collect()
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Folder> {
        self.map.values()
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Folder> {
        self.index.get_mut().changed.extend(self.map.keys());
        self.map.values_mut()
    }

    /// The folder of this wire name.
    pub(super) fn named(&self, remote_id: &WireName) -> Option<&Folder> {
        self.map.values().find(|f| f.row.remote_id == *remote_id)
    }

    fn touch(&mut self, id: FolderId) {
        self.index.get_mut().changed.insert(id);
    }

    /// Replaces a folder's row by what the store says.
    pub(super) fn stored(&mut self, row: FolderRow) {
        if let Some(known) = self.get_mut(&row.id) {
            known.stored(row);
        }
    }

    /// The folder is left alone for the rest of the run.
    pub(super) fn stall(&mut self, id: FolderId, failure: Failure) {
        if let Some(folder) = self.get_mut(&id) {
            folder.stall(failure);
        }
    }

    /// What is asked of all of them, as it is now.
    fn index(&self) -> Ref<'_, Index> {
        self.index.borrow_mut().refresh(&self.map);
        self.index.borrow()
    }

    /// Those that a pass is wanted of, INBOX first.
    pub(super) fn wanting(&self) -> Vec<FolderId> {
        in_order(&self.index().wanting)
    }

    /// Those whose pass is under way.
    pub(super) fn passing(&self) -> Vec<FolderId> {
        in_order(&self.index().passing)
    }

    /// Those that may have something to fetch.
    pub(super) fn hungry(&self) -> Vec<FolderId> {
        in_order(&self.index().hungry)
    }

    /// Those whose history was read in this run and is not proved.
    pub(super) fn unproven(&self) -> Vec<FolderId> {
        in_order(&self.index().unproven)
    }

    /// Those that have refused, and wait for a LIST.
    pub(super) fn doubted(&self) -> Vec<FolderId> {
        in_order(&self.index().doubted)
    }

    /// Whether passes are under way.
    pub(super) fn are_passing(&self) -> bool {
        !self.index().passing.is_empty()
    }

    /// Whether a pass is wanted or under way anywhere.
    pub(super) fn are_to_pass(&self) -> bool {
        let index = self.index();
        !index.wanting.is_empty() || !index.passing.is_empty() || !index.doubted.is_empty()
    }

    /// Whether pages are on their way.
    pub(super) fn are_filling(&self) -> bool {
        !self.index().filling.is_empty()
    }

    /// INBOX, if there is one.
    pub(super) fn inbox(&self) -> Option<FolderId> {
        self.index().inbox
    }

    /// UIDs that are still to be read, as far as is known.
    pub(super) fn unread(&self) -> u64 {
        self.index().unread
    }

    /// Folders that were looked at.
    pub(super) fn looked(&self) -> u64 {
        self.index().looked
    }

    /// Parts of pages that are sent and not acknowledged.
    pub(super) fn sealed(&self) -> usize {
        self.index().sealed
    }

    /// Messages of pages that are on their way, until the last of a page is acknowledged.
    pub(super) fn asked(&self) -> u64 {
        self.index().asked
    }
}
