//! What a run of folders remembers: the rows as last acknowledged, the LIST, what ended sessions.

use crate::commit::change::Poison;
use crate::commit::rows::{AccountRow, FolderRow};
use crate::failure::{Class, Failure, Provenance, Reach};
use crate::mail::cursor::{Live, Mark};
use crate::mail::folder::ListedFolder;
use crate::mail::id::{FolderId, SessionId};
use crate::mail::recognise::IdentityKind;
use crate::mail::uid_set::UidSet;
use crate::provider::folders::Examined;
use crate::provider::{Proof, Tells};
use crate::run::context::{RunEffects, RunView};
use crate::run::event::AccountSnapshot;
use crate::run::folders::folder::{Folder, Owner};
use crate::run::folders::listing::state::{CutNote, GOES_LAST, Listing};
use crate::run::folders::refusals::state::Refusals;
use crate::run::folders::set::Folders;
use crate::run::scope::{Depth, Scope};
use crate::run::summary::FolderLine;
use crate::time::Micros;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Where a step of this work is done.
pub(super) type Cx<'a> = crate::run::context::RunCtx<'a, Owner>;

/// The work of a run where mail lies in folders and has UIDs.
#[derive(Debug)]
pub(crate) struct FolderWork {
    pub(super) folders: Folders,
    pub(super) listing: Listing,
    /// Numbers the LISTs, so that acknowledgements of an earlier one are known.
    pub(super) generation: u32,
    /// Names that are asked when all else is done: shut ones that are due, and those at which
    /// sessions have ended.
    pub(super) late: VecDeque<ListedFolder>,
    /// When the last LIST of this run began.
    pub(super) listed_from: Micros,
    /// How the server proves changes.
    pub(super) proof: Proof,
    /// Folders that are read and wait to be proved by their counters, and since when the first does.
    pub(super) read: Option<(Duration, BTreeSet<FolderId>)>,
    /// The account is new: a folder's newest mail is read as soon as it is listed, while it is open.
    pub(super) is_first: bool,
    /// The folder that was listed last.
    pub(super) listed_last: Option<FolderId>,
    /// What the session has just opened to make its row, when it was asked and what it showed: its pass
    /// asks for the listing at once.
    pub(super) just_opened: Option<(Vec<u8>, Micros, Examined)>,
    /// What it can name messages by.
    pub(super) names: IdentityKind,
    /// The counters that it has shown, until they are looked at.
    pub(super) counters: BTreeMap<Vec<u8>, Examined>,
    /// Things at which sessions have ended, and how many.
    pub(super) notes: BTreeMap<Poison, CutNote>,
    /// Sessions that ended so in this run.
    pub(super) cuts: u32,
    /// Sessions that have ended after a step forward with one mail.
    pub(super) furthers: u32,
    /// Names that do not open.
    pub(super) refusals: Refusals,
    /// Wire names about which this session has answered something.
    pub(super) answered: BTreeSet<Vec<u8>>,
    /// Wire names that were opened, and those whose index was told, in this run.
    pub(super) opened: BTreeSet<Vec<u8>>,
    pub(super) indexed: BTreeSet<Vec<u8>>,
    /// The session that told suspicious lengths: another one is asked.
    pub(super) suspicious: Option<SessionId>,
    /// Lengths that two sessions told alike, against RFC822.SIZE.
    pub(super) equal_sizes: u32,
    /// A session has ended at a LIST that asked for counters, too: it is asked without.
    pub(super) uncounted: bool,
    /// Something may have lost its last place, and is looked for.
    pub(super) seeks: bool,
    /// LIST was asked in this run.
    pub(super) listed: bool,
    /// The config leaves out other folders than what is stored, or did when this run began.
    pub(super) refiltered: bool,
}

impl FolderWork {
    /// From the store's rows. Of the same work before the store was asked anew, what sessions have
    /// shown is still true.
    pub(super) fn of(before: Option<Self>, snapshot: AccountSnapshot, cx: &mut Cx<'_>) -> Self {
        let mut work = Self {
            folders: Folders::default(),
            listing: Listing::Wanted,
            generation: 0,
            late: VecDeque::new(),
            listed_from: Micros::default(),
            proof: Proof::default(),
            read: None,
            is_first: cx.account().listed_at.is_none(),
            listed_last: None,
            just_opened: None,
            names: IdentityKind::Hash,
            counters: BTreeMap::new(),
            notes: BTreeMap::new(),
            cuts: 0,
            furthers: 0,
            refusals: Refusals::default(),
            answered: BTreeSet::new(),
            opened: BTreeSet::new(),
            indexed: BTreeSet::new(),
            suspicious: None,
            equal_sizes: 0,
            uncounted: false,
            seeks: snapshot.limbo,
            listed: false,
            refiltered: false,
        };
        if let Some(before) = before {
            let Self {
                notes, cuts, furthers, answered, equal_sizes, proof, names, uncounted, ..
            } = before;
            work = Self {
                notes,
                cuts,
                furthers,
                answered,
                equal_sizes,
                proof,
                names,
                uncounted,
                ..work
            };
        }
        // What is shut is asked last: should a session end at it again, that alone is the third
        // time, and no try of the run.
        for name in cx.account().shut.keys().filter(|name| !name.is_empty()) {
            let noted = CutNote { count: GOES_LAST, text: String::new(), stored: false };
            work.notes.entry(Poison::Examine(name.clone())).or_insert(noted);
        }
        work.notes.extend(snapshot.notes.into_iter().map(CutNote::of));
        let (mut due, mut lone, mut burst) = (snapshot.due, snapshot.lone, snapshot.burst);
        for row in snapshot.folders {
            for instant in [
                Some(row.opened_at),
                row.passed_at,
                row.proved_at,
                row.look.as_ref().map(|look| look.at),
            ] {
                cx.stamp_after(instant);
            }
            let id = row.id;
            let path = row.path.clone();
            let Some(mut folder) = Folder::new(row) else {
                cx.leave(format!("folder {path} has no cursor in the database, which is damaged"));
                continue;
            };
            let of = |rows: &mut BTreeMap<FolderId, UidSet>| rows.remove(&id).unwrap_or_default();
            let (due, lone, burst) = (of(&mut due), of(&mut lone), of(&mut burst));
            let due = if cx.insists() { folder.row.failures.clone() } else { due };
            folder.lone = due.intersect(&lone);
            folder.due = due.minus(&lone);
            folder.burst = burst.minus(&due);
            work.folders.insert(folder);
        }
        work.narrow(cx);
        work.leave_shut(cx);
        work
    }

    /// Leaves out what the run is not to look at. Before an account's first LIST there is nothing
    /// to leave out.
    fn narrow(&mut self, cx: &Cx<'_>) {
        let Scope::Some { list, folders } = cx.scope() else { return };
        if cx.account().listed_at.is_none() {
            return;
        }
        for folder in self.folders.values_mut() {
            folder.wanted = folders.contains_key(&folder.row.id);
            folder.depth = folders.get(&folder.row.id).copied().unwrap_or_default();
        }
        if !list {
            self.listing = Listing::Done;
        }
    }

    /// What is shut and not due is left alone from the beginning.
    fn leave_shut(&mut self, cx: &Cx<'_>) {
        if cx.insists() {
            return;
        }
        for (name, shut) in &cx.account().shut {
            let is_waited_for = |f: &&Folder| {
                shut.due_at > cx.now().wall && (cx.settings().policy.stays || !f.is_inbox())
            };
            if let Some(id) = self.folders.named(name).filter(is_waited_for).map(|f| f.row.id) {
                let text = "it could not be opened, and is asked again later";
                let failure =
                    Failure::new(Class::Provider, Reach::Folder, Provenance::Server, text);
                self.stall(id, failure);
            }
        }
    }

    /// The folder is left alone for the rest of the run.
    pub(super) fn stall(&mut self, id: FolderId, failure: Failure) {
        if let Some(folder) = self.folders.get_mut(&id) {
            folder.pass = None;
            folder.wanted = false;
            folder.looked = true;
            folder.index = None;
            folder.due = UidSet::new();
            folder.lone = UidSet::new();
            folder.suspects.clear();
            folder.stalled = Some(failure);
        }
    }

    /// A folder is to be passed (again).
    pub(super) fn want_pass(&mut self, folder: FolderId, depth: Depth) {
        if let Some(folder) = self.folders.get_mut(&folder)
            && !folder.is_left()
        {
            folder.hinted = true;
            folder.depth = if folder.wanted { folder.depth.max(depth) } else { depth };
            folder.wanted = true;
        }
    }

    pub(super) fn lines_of(&self, account: &AccountRow) -> Vec<FolderLine> {
        let is_shut = |f: &Folder| account.shut.contains_key(&f.row.remote_id);
        let line = |f: &Folder| FolderLine {
            id: f.row.id,
            remote_id: f.row.remote_id.clone(),
            path: f.row.path.clone(),
            role: f.row.role,
            excluded: f.row.excluded,
            stalled: f.stalled.is_some(),
            shut: is_shut(f),
            looked: f.seen,
            mark: compared(&f.lanes.live),
            // What cannot be opened widens no other run.
            unread: !f.lanes.backfill.remaining.is_empty() && !is_shut(f),
            // A folder without modseq has nothing to be asked since.
            proof: Some(Proof {
                tells: if f.lanes.live.mark.modseq > 0 { self.proof.tells } else { Tells::Nothing },
                ..self.proof
            }),
        };
        self.folders.values().map(line).collect()
    }

    /// Fetches under way and pages not acknowledged.
    pub(super) fn pages_in_flight(&self, cx: &Cx<'_>) -> usize {
        cx.pages() + self.folders.sealed()
    }

    /// The LIST that is under way, as the owner of what it asks and sends.
    pub(super) fn list_owner(&self) -> Owner {
        Owner::Listing(self.generation)
    }

    /// The pass of a folder that is under way, likewise.
    pub(super) fn pass_owner(&self, folder: FolderId) -> Owner {
        Owner::Pass(folder, self.folders.get(&folder).map_or(0, |f| f.generation))
    }

    /// Whether an answer belongs to the pass that is under way.
    pub(super) fn is_current(&self, folder: FolderId, generation: u32) -> bool {
        self.folders.get(&folder).is_some_and(|f| f.generation == generation)
    }

    /// Replaces the folder's row by what the store says.
    pub(super) fn stored(&mut self, row: FolderRow) {
        if let Some(known) = self.folders.get_mut(&row.id) {
            known.stored(row);
        }
    }
}

/// The mark of the last pass; without a modseq where flags are not compared up to it.
fn compared(live: &Live) -> Mark {
    let flags = live.flags.map_or(0, |flags| flags.modseq);
    Mark { modseq: if flags == live.mark.modseq { flags } else { 0 }, ..live.mark }
}
