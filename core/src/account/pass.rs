//! The pass of a folder: EXAMINE, the whole index, arrivals, facts with the evidence rule, repair, and the mark last.

use crate::account::event::Depth;
use crate::account::evidence::{Sight, digest, judge_folder};
use crate::account::listing::Listing;
use crate::account::machine::Action;
use crate::account::run::{FillKind, Folder, Owner, Run, leave};
use crate::commit::request::Change;
use crate::commit::rows::FolderLook;
use crate::failure::{Class, Failure, Provenance, Reach};
use crate::mail::change::{Examined, Request, UidFlags};
use crate::mail::cursor::Mark;
use crate::mail::flags::Flags;
use crate::mail::id::FolderId;
use crate::mail::uid_set::UidSet;
use crate::time::{Micros, Now};
use std::collections::BTreeMap;

/// Facts in one commit.
const FACTS_CHUNK: usize = 2000;
/// Commits of facts that are not acknowledged.
const FACTS_IN_FLIGHT: usize = 2;

/// What a pass saw.
#[derive(Debug)]
pub(super) struct Seen {
    started: Micros,
    examined: Examined,
    rows: UidFlags,
    unproved: Option<String>,
    /// A listing that does not fit EXISTS: what it shows is there, what it lacks is unknown.
    misfit: Option<FolderLook>,
}

/// What a pass concluded and has not committed.
#[derive(Debug)]
pub(super) struct Settling {
    seen: Seen,
    flags: BTreeMap<u32, Flags>,
    gone: UidSet,
    put_back: UidSet,
    held: UidSet,
    unacked: usize,
}

/// Where a pass stands.
#[derive(Debug)]
pub(super) enum Pass {
    /// EXAMINE asked.
    Examining { started: Micros, misses: u8, depth: Depth },
    /// Only mail came, as counting proves: it is fetched.
    Counting { started: Micros, examined: Examined, todo: UidSet },
    /// The index asked.
    Indexing { started: Micros, misses: u8, examined: Examined },
    /// Arrivals are fetched.
    Arriving { seen: Seen, todo: UidSet },
    /// Our rows are read.
    Reading { seen: Seen, busy: UidSet },
    /// Facts are committed; those about UIDs on their way wait.
    Settling(Box<Settling>),
    /// The mark is sent; a pass that only counted has no index.
    Marking { seen: Option<Seen> },
}

/// What the end of a pass says.
#[derive(Debug)]
struct Marked {
    started: Micros,
    examined: Examined,
    put_back: UidSet,
    unproved: Option<String>,
}

impl Marked {
    fn counted(started: Micros, examined: Examined) -> Self {
        Self { started, examined, put_back: UidSet::new(), unproved: None }
    }
}

/// What arrived, if counting alone proves that nothing else happened: each UID from the mark's UIDNEXT on is a message, and
/// EXISTS rose by just as many. A UID that is a hole, or one message gone, and the numbers differ.
fn counted(folder: &Folder, examined: &Examined) -> Option<UidSet> {
    let (row, mark) = (&folder.row, folder.row.live.mark);
    let arrived = examined.uidnext.checked_sub(mark.uidnext)?;
    let sure = mark != Mark::CLEARED
        && !examined.inferred
        && row.passed_at.is_some()
        && row.live.uidnext == mark.uidnext
        && row.look.is_none()
        && row.unproved.is_none()
        && folder.fills.is_empty()
        // Only a listing proves a folder for the first time.
        && (row.proved_at.is_some() || !row.backfill.remaining.is_empty())
        && examined.exists.checked_sub(mark.exists) == Some(arrived);
    sure.then(|| if arrived == 0 { UidSet::new() } else { UidSet::range(mark.uidnext, examined.uidnext - 1) })
}

impl Folder {
    /// A pass is over.
    fn saw(&mut self, seen: Option<&Seen>) {
        if let Some(seen) = seen {
            self.see(seen, true);
        }
        self.looked = true;
        let depth = if seen.is_some() { Depth::Full } else { Depth::Quick };
        self.seen = self.seen.max(Some(depth));
    }

    /// Notes what a pass saw of the history that is still to be read.
    fn see(&mut self, seen: &Seen, whole: bool) {
        let index = seen.rows.uids().intersect(&self.row.backfill.remaining);
        let flagged = seen.rows.iter().filter(|(_, flags)| flags.is_flagged()).map(|(uid, _)| uid);
        self.flagged = flagged.collect::<UidSet>().intersect(&index);
        self.index = Some(index);
        self.whole = whole;
    }
}

/// The rows of a folder as the store has them.
#[derive(Debug, Default)]
pub struct FolderRows {
    /// Living locations with their flags.
    pub living: UidFlags,
    /// UIDs with an open failure.
    pub failures: UidSet,
}

impl Run {
    pub(super) fn start_pass(&mut self, id: FolderId, now: Now, out: &mut Vec<Action>) {
        let started = self.stamp(now);
        self.examine(id, started, 0, out);
    }

    fn examine(&mut self, id: FolderId, started: Micros, misses: u8, out: &mut Vec<Action>) {
        let Some(folder) = self.folders.get_mut(&id) else { return };
        folder.generation += 1;
        folder.wanted = false;
        folder.unproven = false;
        let depth = if misses > 0 { Depth::Full } else { std::mem::take(&mut folder.depth) };
        folder.pass = Some(Pass::Examining { started, misses, depth });
        let request = Request::Examine { remote_id: folder.row.remote_id.clone() };
        let owner = self.pass_owner(id);
        self.ask(owner, request, out);
    }

    pub(super) fn on_pass_examined(&mut self, id: FolderId, mut examined: Examined, now: Now, out: &mut Vec<Action>) {
        let Some(folder) = self.folders.get_mut(&id) else { return };
        let Some(Pass::Examining { started, misses, depth }) = folder.pass.take() else { return };
        let live = &folder.row.live;
        if examined.inferred {
            // The highest UID falls when the newest mail is deleted; UIDNEXT itself never does.
            examined.uidnext = examined.uidnext.max(live.mark.uidnext).max(live.uidnext);
        }
        let lost = if examined.uidvalidity != live.uidvalidity {
            Some(format!("UIDVALIDITY changed from {} to {}", live.uidvalidity, examined.uidvalidity))
        } else if examined.uidnext < live.mark.uidnext {
            Some(format!("UIDNEXT fell from {} to {}", live.mark.uidnext, examined.uidnext))
        } else {
            None
        };
        if let Some(text) = lost {
            let failure = Failure::new(Class::StateLost, Reach::Folder, Provenance::Server, text);
            return self.stand_still(id, failure, now, out);
        }
        folder.fresher = UidSet::new();
        if depth == Depth::Quick
            && let Some(arrived) = counted(folder, &examined)
        {
            folder.chain = folder.row.live.uidnext;
            if arrived.is_empty() {
                return self.mark(id, Marked::counted(started, examined), None, now, out);
            }
            folder.pass = Some(Pass::Counting { started, examined, todo: arrived });
            return;
        }
        if examined.exists == 0 {
            folder.pass = Some(Pass::Indexing { started, misses, examined });
            return self.on_pass_indexed(id, UidFlags::default(), out);
        }
        let request = Request::Index { remote_id: folder.row.remote_id.clone(), uidvalidity: examined.uidvalidity };
        folder.pass = Some(Pass::Indexing { started, misses, examined });
        let owner = self.pass_owner(id);
        self.ask(owner, request, out);
    }

    pub(super) fn on_pass_indexed(&mut self, id: FolderId, rows: UidFlags, out: &mut Vec<Action>) {
        let Some(folder) = self.folders.get_mut(&id) else { return };
        let Some(Pass::Indexing { started, misses, examined }) = folder.pass.take() else { return };
        let below = rows.iter().filter(|(uid, _)| *uid < examined.uidnext).count() as u64;
        let (mut unproved, mut misfit) = (None, None);
        if below != u64::from(examined.exists) {
            if misses == 0 {
                return self.examine(id, started, 1, out);
            }
            // Two in a row: either the answer lost lines, or this server's EXISTS never fits.
            let seen = (below, digest(&rows.uids()));
            let Some(session) = self.session else { return };
            let look = folder.row.look.as_ref();
            if look.is_some_and(|look| look.misfit == Some(seen) && look.session != session) {
                unproved = Some(format!("EXISTS says {}, two equal listings show {below}", examined.exists));
                let text = format!("folder {} is not proved: EXISTS never fits its listing", folder.row.path);
                leave(&mut self.left, text);
            } else {
                let text = format!(
                    "folder {}: the listing shows {below} messages where EXISTS says {}; looked at again next time",
                    folder.row.path, examined.exists
                );
                leave(&mut self.left, text);
                let (uidvalidity, ends) = (examined.uidvalidity, UidSet::new());
                self.second_look = true;
                misfit = Some(FolderLook { uidvalidity, ends, misfit: Some(seen), session, at: started });
            }
        }
        folder.chain = folder.row.live.uidnext;
        let arrived: UidSet = rows.iter().map(|(uid, _)| uid).filter(|uid| *uid >= folder.chain).collect();
        folder.pass = Some(Pass::Arriving { seen: Seen { started, examined, rows, unproved, misfit }, todo: arrived });
    }

    /// Takes the next arrivals to fetch, if the folder's pass has some.
    pub(super) fn take_arrivals(&mut self, id: FolderId) -> Option<UidSet> {
        let size = self.settings.page_messages;
        let folder = self.folders.get_mut(&id)?;
        match &mut folder.pass {
            Some(Pass::Arriving { todo, .. } | Pass::Counting { todo, .. }) if !todo.is_empty() => {
                let page: UidSet = todo.iter().take(size).collect();
                *todo = todo.minus(&page);
                Some(page)
            }
            _ => None,
        }
    }

    /// Moves on every pass that waited for pages or acknowledgements.
    pub(super) fn advance_passes(&mut self, now: Now, out: &mut Vec<Action>) {
        let ids: Vec<FolderId> = self.folders.values().filter(|f| f.pass.is_some()).map(|f| f.row.id).collect();
        for id in ids {
            self.advance_pass(id, now, out);
        }
    }

    fn advance_pass(&mut self, id: FolderId, now: Now, out: &mut Vec<Action>) {
        let Some(folder) = self.folders.get_mut(&id) else { return };
        match folder.pass.take() {
            Some(Pass::Arriving { seen, todo })
                if todo.is_empty() && !folder.fills.values().any(|f| f.kind == FillKind::Arrivals) =>
            {
                let busy = folder.in_flight();
                folder.pass = Some(Pass::Reading { seen, busy });
                let owner = self.pass_owner(id);
                self.read_rows(owner, id, out);
            }
            Some(Pass::Counting { started, examined, todo })
                if todo.is_empty() && !folder.fills.values().any(|f| f.kind == FillKind::Arrivals) =>
            {
                self.mark(id, Marked::counted(started, examined), None, now, out);
            }
            Some(Pass::Settling(settling)) => self.settle(id, settling, now, out),
            other => folder.pass = other,
        }
    }

    pub(super) fn on_pass_rows(&mut self, id: FolderId, rows: &FolderRows, now: Now, out: &mut Vec<Action>) {
        let sight = self.session.map(|session| (session, self.settings.confirm_after, self.settings.guard_floor));
        let Some(folder) = self.folders.get_mut(&id) else { return };
        let Some(Pass::Reading { seen, busy }) = folder.pass.take() else { return };
        let Some((session, confirm_after, floor)) = sight else {
            folder.wanted = true;
            return;
        };
        let on_their_way = busy.union(&folder.in_flight()).minus(&folder.fresher);
        let living = rows.living.uids();
        let listed = seen.rows.uids();
        let known = living.union(&rows.failures).union(&busy).union(&folder.in_flight()).union(&folder.fresher);

        let mut flags = BTreeMap::new();
        for (uid, told) in seen.rows.iter() {
            let differs = rows.living.get(uid).map_or_else(|| on_their_way.contains(uid), |held| held != told);
            if differs && !folder.fresher.contains(uid) {
                flags.insert(uid, told.clone());
            }
        }
        let below = UidSet::range(1, seen.examined.uidnext.saturating_sub(1));
        let absent =
            living.union(&rows.failures).union(&on_their_way).minus(&listed).minus(&folder.fresher).intersect(&below);
        let absent = if seen.misfit.is_some() { UidSet::new() } else { absent };
        // A page on its way may be rows by the time that its absence is committed: it counts like them.
        let ours = living.union(&on_their_way);
        let sight = Sight { session, at: seen.started, confirm_after };
        let ruling = judge_folder(
            seen.examined.uidvalidity,
            absent.intersect(&ours),
            ours.len(),
            seen.examined.exists,
            floor,
            folder.row.look.as_ref(),
            sight,
        );
        let limit = folder.row.live.uidnext.min(seen.examined.uidnext);
        let arrived = UidSet::range(1, limit.saturating_sub(1));
        let put_back = listed.intersect(&arrived).minus(&known).minus(&folder.row.backfill.remaining);
        if !ruling.held.is_empty() {
            self.second_look = true;
            leave(
                &mut self.left,
                format!(
                    "folder {}: {} of {} messages would end at once; a second look, {} s later on a new session, must agree",
                    folder.row.path,
                    ruling.held.len(),
                    living.len(),
                    confirm_after.as_secs()
                ),
            );
        }
        let gone = absent.minus(&ruling.held);
        let look = ruling.look.or_else(|| seen.misfit.clone());
        let unacked = usize::from(look.is_some());
        folder.pass =
            Some(Pass::Settling(Box::new(Settling { seen, flags, gone, put_back, held: ruling.held, unacked })));
        if let Some(look) = look {
            let owner = self.pass_owner(id);
            self.commit(owner, Change::Look { folder: id, look }, now, out);
        }
    }

    /// Sends the facts that need not wait; sends the mark when none are left.
    fn settle(&mut self, id: FolderId, mut pass: Box<Settling>, now: Now, out: &mut Vec<Action>) {
        let Some(folder) = self.folders.get(&id) else { return };
        let busy = folder.in_flight();
        let uidvalidity = pass.seen.examined.uidvalidity;
        // Senders are bounded: the next facts go when these are acknowledged.
        if pass.unacked >= FACTS_IN_FLIGHT {
            self.set_pass(id, Some(Pass::Settling(pass)));
            return;
        }
        let mut facts = Vec::new();
        let (wait, ready): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut pass.flags).into_iter().partition(|(uid, _)| busy.contains(*uid));
        pass.flags = wait;
        let gone = pass.gone.minus(&busy);
        pass.gone = pass.gone.intersect(&busy);
        let mut ready = ready.into_iter();
        let mut gone = gone;
        while pass.unacked + facts.len() < FACTS_IN_FLIGHT {
            let flags: Vec<(u32, Flags)> = ready.by_ref().take(FACTS_CHUNK).collect();
            let part: UidSet = gone.iter().take(FACTS_CHUNK).collect();
            gone = gone.minus(&part);
            if flags.is_empty() && part.is_empty() {
                break;
            }
            facts.push((flags, part));
        }
        pass.flags.extend(ready);
        pass.gone = pass.gone.union(&gone);
        for (flags, gone) in facts {
            pass.unacked += 1;
            self.counts.facts += flags.len() as u64 + gone.len();
            let change = Change::Facts { folder: id, uidvalidity, flags, gone };
            let owner = self.pass_owner(id);
            self.commit(owner, change, now, out);
        }
        if pass.unacked > 0 || !pass.flags.is_empty() || !pass.gone.is_empty() {
            self.set_pass(id, Some(Pass::Settling(pass)));
            return;
        }
        if !pass.held.is_empty() || pass.seen.misfit.is_some() {
            if let Some(folder) = self.folders.get_mut(&id) {
                folder.looked = true;
                folder.seen = Some(Depth::Full);
                // What was shown can be read; what was not shown is no hole.
                folder.see(&pass.seen, false);
            }
            return;
        }
        let Settling { seen, put_back, .. } = *pass;
        let unproved = seen.unproved.clone();
        self.mark(
            id,
            Marked { started: seen.started, examined: seen.examined, put_back, unproved },
            Some(seen),
            now,
            out,
        );
    }

    /// The end of a pass: the mark is committed, or, where nothing changed, the proof is left to be written later.
    fn mark(&mut self, id: FolderId, marked: Marked, seen: Option<Seen>, now: Now, out: &mut Vec<Action>) {
        let Marked { started, examined, put_back, unproved } = marked;
        let (rounds, owner) = (self.rounds, self.pass_owner(id));
        let Some(folder) = self.folders.get_mut(&id) else { return };
        let row = &mut folder.row;
        let (from, uidvalidity) = (row.live.mark, examined.uidvalidity);
        let to = Mark { uidnext: examined.uidnext, exists: examined.exists, modseq: examined.modseq };
        let whole = row.backfill.remaining.is_empty();
        let same = from == to
            && row.live.uidnext == to.uidnext
            && put_back.is_empty()
            && (unproved.is_none() && row.unproved.is_none() && row.look.is_none())
            && row.passed_at.is_some()
            && (row.proved_at.is_some() || !whole);
        // While messages are looked for, a pass ends limbo, and only a commit can say so.
        if same && rounds == 0 {
            row.passed_at = Some(started);
            row.proved_at = if whole { Some(started) } else { row.proved_at };
            folder.saw(seen.as_ref());
            out.push(Action::Proved { folder: id, started, whole });
            return;
        }
        folder.pass = Some(Pass::Marking { seen });
        self.commit(owner, Change::Pass { folder: id, uidvalidity, from, to, put_back, started, unproved }, now, out);
    }

    fn set_pass(&mut self, id: FolderId, pass: Option<Pass>) {
        if let Some(folder) = self.folders.get_mut(&id) {
            folder.pass = pass;
        }
    }

    /// A commit of the pass is durable.
    pub(super) fn on_pass_committed(&mut self, id: FolderId) {
        let Some(folder) = self.folders.get_mut(&id) else { return };
        match folder.pass.take() {
            Some(Pass::Settling(mut settling)) => {
                settling.unacked = settling.unacked.saturating_sub(1);
                folder.pass = Some(Pass::Settling(settling));
            }
            Some(Pass::Marking { seen }) => folder.saw(seen.as_ref()),
            // The pass was broken off while this commit was on its way.
            other => folder.pass = other,
        }
    }

    /// A folder's own trouble. It may have another name by now: without a LIST in this run that is looked at first.
    pub(super) fn folder_trouble(&mut self, id: FolderId, failure: Failure, now: Now, out: &mut Vec<Action>) {
        if self.listed || !matches!(self.listing, Listing::Done) || failure.class == Class::StateLost {
            return self.stand_still(id, failure, now, out);
        }
        self.listing = Listing::Wanted;
        self.break_off_pass(id, false);
        if let Some(folder) = self.folders.get_mut(&id) {
            folder.wanted = true;
        }
    }

    /// The folder is left alone for the rest of the run; its rows and cursor stay as they are.
    pub(super) fn stand_still(&mut self, id: FolderId, failure: Failure, now: Now, out: &mut Vec<Action>) {
        let Some(folder) = self.folders.get_mut(&id) else { return };
        leave(&mut self.left, format!("folder {} stands still: {failure}", folder.row.path));
        let change = Change::Fail { folder: Some(id), class: failure.class, text: failure.chain() };
        folder.pass = None;
        folder.wanted = false;
        folder.looked = true;
        folder.index = None;
        folder.due = UidSet::new();
        folder.standing = Some(failure);
        self.commit(Owner::Nobody, change, now, out);
    }

    /// Forgets a pass that needs its session, or whose ground has moved; it is begun anew.
    pub(super) fn break_off_pass(&mut self, id: FolderId, session_lost: bool) {
        let Some(folder) = self.folders.get_mut(&id) else { return };
        let needs_session = matches!(
            folder.pass,
            Some(
                Pass::Examining { .. }
                    | Pass::Counting { .. }
                    | Pass::Indexing { .. }
                    | Pass::Arriving { .. }
                    | Pass::Reading { .. }
            )
        );
        if folder.pass.is_some() && (needs_session || !session_lost) {
            folder.pass = None;
            folder.wanted = folder.standing.is_none();
            folder.depth = Depth::Full;
        }
    }
}
