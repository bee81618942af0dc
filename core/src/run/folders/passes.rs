//! The pass of a folder: EXAMINE, the whole index or what proves that less is enough, arrivals, facts
//! with the evidence rule, repair, and the mark last.
//!
//! A step of a pass takes where it stands and says how it goes on as a [`PassTurn`].

pub(super) mod compare;
mod conclude;
mod differ;
mod examined;
pub(super) mod gate;
mod indexed;
mod pairs;
pub(super) mod part;
mod prove;
mod rematch;
mod sight;
pub(super) mod turn;
mod weigh;
mod window;

use crate::mail::id::FolderId;
use crate::mail::key::{HeldKey, Keyed};
use crate::mail::uid_flags::UidFlags;
use crate::mail::uid_set::UidSet;
use crate::provider::folders::{Enough, FolderRequest, Sampled, Since};
use crate::run::context::{RunEffects, RunFacts};
use crate::run::folders::context::{FolderCx, Want};
use crate::run::folders::folder::Folder;
use crate::run::folders::listing::JustOpened;
use crate::run::folders::passes::conclude::{counted_mark, mark};
use crate::run::folders::passes::examined::judge;
use crate::run::folders::passes::gate::settled;
use crate::run::folders::passes::sight::Pass;
use crate::run::folders::passes::turn::{ExamineAnswer, PassTurn, owner};
use crate::run::folders::set::Folders;
use crate::run::reads::{FolderRows, HeldSample, Query};
use crate::run::scope::Depth;
use crate::time::Micros;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The machine of passes.
#[derive(Debug, Default)]
pub(super) struct FolderPasses {
    /// The folder that was listed last.
    listed_last: Option<FolderId>,
    /// Folders that are read and wait to be proved by their counters, and since when the first does.
    read: Option<(Duration, BTreeSet<FolderId>)>,
}

impl FolderPasses {
    /// Begins one. `opened`: the session has just opened this folder to make its row, and is believed.
    pub(super) fn start(
        &mut self,
        id: FolderId,
        opened: Option<JustOpened>,
        cx: &mut FolderCx<'_>,
    ) {
        let started = cx.run.stamp();
        self.examine(id, started, 0, opened, cx);
    }

    fn examine(
        &mut self,
        id: FolderId,
        started: Micros,
        misses: u8,
        opened: Option<JustOpened>,
        cx: &mut FolderCx<'_>,
    ) {
        let Some(folder) = cx.folders.get_mut(&id) else { return };
        let part = &mut folder.pass;
        part.begin();
        (part.hinted, part.settles_first) = (false, false);
        let depth = if misses > 0 { Depth::Full } else { std::mem::take(&mut part.depth) };
        part.state = Some(Pass::Examining { started, misses, depth });
        let flags = settled(folder, started).filter(|_| misses == 0 && !cx.run.doubts());
        let uidvalidity = folder.lanes.live.uidvalidity;
        let flags = flags.filter(|flags| flags.modseq > 0);
        let since = flags.map(|flags| Since { uidvalidity, modseq: flags.modseq });
        let enough = match depth {
            // What ends limbo is what the server says now, not what an open folder was told.
            _ if cx.run.rounds() > 0 || folder.row.passed_at.is_none() => Enough::Nothing,
            Depth::Quick => Enough::Counts,
            Depth::Told => Enough::Flags,
            Depth::Full => Enough::Nothing,
        };
        let remote_id = folder.row.remote_id.clone();
        if let Some(opened) = opened {
            folder.pass.state = Some(Pass::Examining { started: opened.asked, misses, depth });
            return self.on_examined(id, ExamineAnswer::counters(opened.shown), cx);
        }
        cx.run.ask(owner(folder), FolderRequest::Examine { remote_id, since, enough });
    }

    /// Goes on.
    fn turn(&mut self, id: FolderId, turn: PassTurn, cx: &mut FolderCx<'_>) {
        let Some(folder) = cx.folders.get_mut(&id) else { return };
        let part = &mut folder.pass;
        match turn {
            PassTurn::At(state) => part.state = Some(state),
            PassTurn::Examine { started, misses } => self.examine(id, started, misses, None, cx),
            PassTurn::Open { started } => {
                part.depth = Depth::Full;
                self.examine(id, started, 0, None, cx);
            }
            PassTurn::SettleFirst => part.settle_first(),
            PassTurn::Mark { marked, seen, depth } => mark(id, *marked, seen, depth, cx),
            PassTurn::Held(seen) => {
                part.saw(Depth::Full);
                folder.listing.see(&seen, &folder.lanes.backfill.remaining, false);
            }
            PassTurn::Later => {
                part.looked = true;
                folder.listing.index = None;
            }
            PassTurn::Over => {}
        }
    }

    /// Takes where a pass stands, if it is there; else it is left as it is.
    fn take(id: FolderId, is_there: fn(&Pass) -> bool, cx: &mut FolderCx<'_>) -> Option<Pass> {
        cx.folders.get_mut(&id)?.pass.state.take_if(|state| is_there(state))
    }

    /// EXAMINE was answered.
    pub(super) fn on_examined(
        &mut self,
        id: FolderId,
        shown: ExamineAnswer,
        cx: &mut FolderCx<'_>,
    ) {
        let there = |state: &Pass| matches!(state, Pass::Examining { .. });
        let Some(Pass::Examining { started, misses, depth }) = Self::take(id, there, cx) else {
            return;
        };
        match judge(id, (started, misses, depth), shown, cx) {
            // Of nothing there is no listing to be asked for.
            PassTurn::At(state @ Pass::Indexing { .. }) if state.is_of_nothing() => {
                self.turn(id, PassTurn::At(state), cx);
                self.on_indexed(id, UidFlags::default(), 0, cx);
            }
            turn => self.turn(id, turn, cx),
        }
    }

    /// The index came, or a window of it; `exists` is what EXISTS was when it was complete.
    pub(super) fn on_indexed(
        &mut self,
        id: FolderId,
        rows: UidFlags,
        exists: u32,
        cx: &mut FolderCx<'_>,
    ) {
        let there = |state: &Pass| matches!(state, Pass::Indexing { .. } | Pass::Windowing(_));
        let turn = match Self::take(id, there, cx) {
            Some(Pass::Windowing(window)) => PassTurn::At(window.came(rows)),
            Some(Pass::Indexing { started, misses, examined, fell }) => {
                let Some(session) = cx.run.session() else { return };
                let at = (started, misses, session);
                match indexed::weighed(id, at, (examined, fell), (rows, exists), cx) {
                    Some((seen, arrived)) => {
                        if indexed::is_seen_first(id, &seen, cx) {
                            self.listed_last = Some(id);
                        }
                        compare::begin(id, seen, arrived, cx)
                    }
                    None => PassTurn::Examine { started, misses: 1 },
                }
            }
            _ => PassTurn::Over,
        };
        self.turn(id, turn, cx);
    }

    /// All UIDs came.
    pub(super) fn on_uids(
        &mut self,
        id: FolderId,
        uids: &UidSet,
        exists: u32,
        cx: &mut FolderCx<'_>,
    ) {
        let there = |state: &Pass| matches!(state, Pass::Differing { asked: true, .. });
        let Some(Pass::Differing { seen, .. }) = Self::take(id, there, cx) else { return };
        let turn = differ::came(id, seen, uids, exists, cx);
        self.turn(id, turn, cx);
    }

    /// Our rows came.
    pub(super) fn on_rows(&mut self, id: FolderId, rows: &FolderRows, cx: &mut FolderCx<'_>) {
        let there = |state: &Pass| matches!(state, Pass::Reading { .. });
        let Some(Pass::Reading { seen, busy }) = Self::take(id, there, cx) else { return };
        let turn = conclude::concluded(id, seen, &busy, rows, cx);
        self.turn(id, turn, cx);
    }

    /// A sample came, ours or the server's.
    pub(super) fn on_sample(&mut self, id: FolderId, sample: Side, cx: &mut FolderCx<'_>) {
        let there = |state: &Pass| matches!(state, Pass::Comparing(_));
        let Some(Pass::Comparing(comparing)) = Self::take(id, there, cx) else { return };
        let state = match sample {
            Side::Ours(ours) => comparing.on_ours(id, ours, cx),
            Side::Theirs(rows, threads) => comparing.on_theirs(id, &rows, threads, cx),
        };
        self.turn(id, PassTurn::At(state), cx);
    }

    /// What messages are recognised by came: all that is there, or a part of ours.
    pub(super) fn on_keys(&mut self, id: FolderId, keys: Keys, cx: &mut FolderCx<'_>) {
        let there = |state: &Pass| matches!(state, Pass::Rematching(_));
        let Some(Pass::Rematching(rematching)) = Self::take(id, there, cx) else { return };
        let turn = match keys {
            Keys::Theirs(rows, exists) => rematching.on_theirs(id, rows, exists, cx),
            Keys::Ours(rows) => rematching.on_ours(id, rows, cx),
        };
        self.turn(id, turn, cx);
    }

    /// Takes the next arrivals to fetch, if the folder's pass has some.
    pub(super) fn take_arrivals(id: FolderId, cx: &mut FolderCx<'_>) -> Option<UidSet> {
        let aside = cx.notes.aside(id);
        let size = cx.run.settings().page_messages;
        let Folder { pass, fill, .. } = cx.folders.get_mut(&id)?;
        let (Some(Pass::Arriving { todo, .. } | Pass::Counting { todo, .. }), size) =
            (&mut pass.state, fill.size(size))
        else {
            return None;
        };
        // They come in their order, and a mail at which sessions end comes alone.
        let first = todo.first()?;
        let page: UidSet = if aside.contains(first) {
            UidSet::one(first)
        } else {
            todo.iter().take(size).take_while(|uid| !aside.contains(*uid)).collect()
        };
        *todo = todo.minus(&page);
        Some(page)
    }

    /// Asks for the UIDs of the next folder that waits for them. Returns whether one did.
    pub(super) fn ask_uids(cx: &mut FolderCx<'_>) -> bool {
        for id in cx.folders.passing() {
            let Some(folder) = cx.folders.get_mut(&id) else { continue };
            let owner = owner(folder);
            if let Some(Pass::Differing { seen, asked: asked @ false }) = &mut folder.pass.state {
                *asked = true;
                let remote_id = folder.row.remote_id.clone();
                let uidvalidity = seen.examined.uidvalidity;
                cx.run.ask(owner, FolderRequest::Uids { remote_id, uidvalidity });
                return true;
            }
        }
        false
    }

    /// Moves on every pass that waited for pages or acknowledgements.
    pub(super) fn advance(&mut self, cx: &mut FolderCx<'_>) {
        for id in cx.folders.passing() {
            let Some(folder) = cx.folders.get_mut(&id) else { continue };
            let turn = match folder.pass.state.take() {
                Some(Pass::Arriving { seen, todo })
                    if todo.is_empty() && !folder.fill.arrives() =>
                {
                    let (busy, uids) = (folder.fill.in_flight(), seen.about());
                    let holds = folder.row.held;
                    cx.run.read(owner(folder), Query::Folder { folder: id, uids, holds });
                    PassTurn::At(Pass::Reading { seen, busy })
                }
                // Nothing more is read: the mark follows its pages, and is refused with them.
                Some(Pass::Counting { started, examined, told, todo })
                    if todo.is_empty() && !folder.fill.is_arriving() =>
                {
                    let marked = Box::new(counted_mark(started, examined, told, folder));
                    PassTurn::Mark { marked, seen: None, depth: Depth::Quick }
                }
                Some(Pass::Settling(settling)) => settling.send(id, cx),
                Some(other) => PassTurn::At(other),
                None => PassTurn::Over,
            };
            self.turn(id, turn, cx);
        }
    }

    /// A commit of the pass is durable.
    pub(super) fn on_committed(&mut self, id: FolderId, cx: &mut FolderCx<'_>) {
        let Some(folder) = cx.folders.get_mut(&id) else { return };
        let turn = match folder.pass.state.take() {
            Some(Pass::Settling(mut settling)) => {
                settling.unacked = settling.unacked.saturating_sub(1);
                PassTurn::At(Pass::Settling(settling))
            }
            Some(Pass::Marking { started, seen, depth }) => {
                conclude::marked(folder, started, seen.as_ref(), depth);
                PassTurn::Over
            }
            Some(Pass::Rematching(rematching)) => rematching.on_committed(id, cx),
            Some(Pass::Comparing(comparing)) => PassTurn::At(comparing.on_committed(id, cx)),
            // Opened anew, it is listed like a new one.
            Some(Pass::Reopening) => {
                (folder.pass.wanted, folder.pass.depth) = (true, Depth::Full);
                folder.listing.forget_uids();
                folder.pass.fresher = UidSet::new();
                cx.wants.push(Want::ForgetUids { folder: id });
                PassTurn::Over
            }
            // The pass was broken off while this commit was on its way.
            Some(other) => PassTurn::At(other),
            None => PassTurn::Over,
        };
        self.turn(id, turn, cx);
    }

    /// The folder that was listed last.
    pub(super) fn listed_last(&self) -> Option<FolderId> {
        self.listed_last
    }
}

/// A sample, and whose it is.
#[derive(Debug)]
pub(super) enum Side {
    Ours(HeldSample),
    Theirs(Vec<Sampled>, BTreeMap<u32, String>),
}

impl Side {
    /// The server tells nothing.
    pub(super) const NOTHING: Self = Self::Theirs(Vec::new(), BTreeMap::new());
}

/// What messages are recognised by, and whose they are.
#[derive(Debug)]
pub(super) enum Keys {
    /// A part of ours; an empty one when there are no more.
    Ours(Vec<HeldKey>),
    /// All that is there, and what EXISTS was then.
    Theirs(Vec<Keyed>, u32),
}

/// What siblings want of a folder's pass; none of it needs the run.
impl Folders {
    /// A folder is to be passed (again).
    pub(super) fn want_pass(&mut self, id: FolderId, depth: Depth) {
        if let Some(folder) = self.get_mut(&id)
            && !folder.is_left()
        {
            let part = &mut folder.pass;
            part.hinted = true;
            part.depth = if part.wanted { part.depth.max(depth) } else { depth };
            part.wanted = true;
        }
    }

    /// Forgets a pass that needs its session, or whose ground has moved; it is begun anew.
    pub(super) fn break_off_pass(&mut self, id: FolderId, session_lost: bool) {
        let Some(folder) = self.get_mut(&id) else { return };
        let is_left = folder.is_left();
        let part = &mut folder.pass;
        let goes = part.state.as_ref().is_some_and(|state| state.needs_session() || !session_lost);
        if goes {
            (part.state, part.wanted, part.depth) = (None, !is_left, Depth::Full);
        }
    }

    /// A pass of it begins from the beginning: its numbers are not what they were.
    pub(super) fn begin_anew(&mut self, id: FolderId) {
        if let Some(Folder { pass, .. }) = self.get_mut(&id) {
            pass.lost += 1;
            (pass.wanted, pass.depth) = (true, Depth::Full);
        }
        self.break_off_pass(id, false);
    }

    /// LIST is asked before it is passed again.
    pub(super) fn doubt(&mut self, id: FolderId) {
        self.break_off_pass(id, false);
        if let Some(Folder { pass, .. }) = self.get_mut(&id) {
            (pass.wanted, pass.doubted) = (true, true);
        }
    }

    /// LIST is asked: nothing is doubted any more. Returns whether something was.
    pub(super) fn end_doubts(&mut self) -> bool {
        let doubted = self.doubted();
        for id in &doubted {
            if let Some(Folder { pass, .. }) = self.get_mut(id) {
                pass.doubted = false;
            }
        }
        !doubted.is_empty()
    }

    /// What refused it is gone.
    pub(super) fn retry_pass(&mut self, id: FolderId) {
        if let Some(Folder { pass, stalled, .. }) = self.get_mut(&id) {
            pass.wanted = stalled.is_none();
        }
    }

    /// It is not passed now.
    pub(super) fn set_aside(&mut self, id: FolderId) {
        if let Some(Folder { pass, .. }) = self.get_mut(&id) {
            pass.wanted = false;
        }
    }

    /// It is looked at again in another run; a pass that is under way ends as it will.
    pub(super) fn skip(&mut self, id: FolderId) {
        if let Some(Folder { pass, listing, .. }) = self.get_mut(&id) {
            (pass.looked, pass.wanted) = (true, false);
            listing.index = None;
        }
    }

    /// It is gone.
    pub(super) fn leave(&mut self, id: FolderId) {
        if let Some(Folder { pass, listing, .. }) = self.get_mut(&id) {
            (pass.looked, pass.wanted, pass.state) = (true, false, None);
            listing.index = None;
        }
    }

    /// Pages are asked for that are fresher than the index of a pass under way.
    pub(super) fn note_asked(&mut self, id: FolderId, uids: &UidSet) {
        if let Some(Folder { pass, .. }) = self.get_mut(&id) {
            pass.fresher = pass.fresher.union(uids);
        }
    }

    /// History of it was read: another pass proves it.
    pub(super) fn note_read(&mut self, id: FolderId) {
        if let Some(Folder { pass, .. }) = self.get_mut(&id) {
            pass.unproven = true;
        }
    }

    /// A page found what its last listing showed to be no more.
    pub(super) fn note_lack(&mut self, id: FolderId) {
        if let Some(Folder { listing, .. }) = self.get_mut(&id) {
            listing.lacked = true;
        }
    }

    /// Another look at everything begins.
    pub(super) fn next_round(&mut self) {
        for folder in self.values_mut() {
            let is_left = folder.is_left();
            let part = &mut folder.pass;
            // A message that only moved raises UIDNEXT where it went.
            (part.wanted, part.depth, part.looked) = (!is_left, Depth::Quick, false);
        }
    }
}
