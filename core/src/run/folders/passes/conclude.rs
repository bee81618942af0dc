//! The end of a pass: what it saw is compared with our rows, facts are committed (those about UIDs
//! on their way wait), and the mark goes last.

use crate::commit::change::FolderChange;
use crate::commit::rows::Misfit;
use crate::haste::Haste;
use crate::mail::cursor::Mark;
use crate::mail::flags::Flags;
use crate::mail::id::{FolderId, SessionId};
use crate::mail::uid_set::UidSet;
use crate::provider::folders::Examined;
use crate::run::context::{RunEffects, RunFacts};
use crate::run::evidence::{FolderCount, Observation, judge_folder};
use crate::run::folders::context::{FolderCx, Want};
use crate::run::folders::folder::{Folder, told};
use crate::run::folders::passes::differ::differ_or_list;
use crate::run::folders::passes::sight::{Extent, Marked, Pass, Pending, Seen, Settling};
use crate::run::folders::passes::turn::{PassTurn, owner};
use crate::run::reads::{FolderRows, QuietProof};
use crate::run::scope::Depth;
use crate::time::Micros;
use std::collections::BTreeMap;

/// Facts in one commit.
const FACTS_CHUNK: usize = 2000;
/// Commits of facts that are not acknowledged.
const FACTS_IN_FLIGHT: usize = 2;

/// What a pass that only counted says: it leaves what is known of the folder's surplus as it is.
pub(super) fn counted_mark(
    started: Micros,
    examined: Examined,
    told: bool,
    folder: &Folder,
) -> Marked {
    let (unproved, surplus) = (folder.row.unproved.clone(), folder.row.surplus);
    let put_back = UidSet::new();
    let (rewind, compared, flags) = (None, false, None);
    Marked { started, examined, told, put_back, unproved, surplus, rewind, compared, flags }
}

/// Whether what is told of changes is all of it: as many as were there at the mark, with what came
/// and without what went.
fn fits(mark: &Mark, seen: &Seen, gone: &UidSet) -> bool {
    let between = |from: u32, to: u32| {
        if from < to { UidSet::range(from, to - 1) } else { UidSet::new() }
    };
    let came = seen.rows.uids().intersect(&between(mark.uidnext, seen.examined.uidnext)).len();
    let went = gone.intersect(&between(1, mark.uidnext)).len();
    u64::from(mark.exists) + came == u64::from(seen.examined.exists) + went
}

/// What we hold of a folder, or are about to.
struct HeldUids {
    living: UidSet,
    failures: UidSet,
    /// Of pages on their way, those that are not fresher than what was seen.
    on_their_way: UidSet,
    /// All of it.
    known: UidSet,
}

impl HeldUids {
    fn of(folder: &Folder, rows: &FolderRows, busy: &UidSet) -> Self {
        let (in_flight, fresher) = (folder.fill.in_flight(), &folder.pass.fresher);
        let living = rows.living.uids();
        let known = living.union(&rows.failures).union(busy).union(&in_flight).union(fresher);
        let on_their_way = busy.union(&in_flight).minus(fresher);
        Self { living, failures: rows.failures.clone(), on_their_way, known }
    }
}

/// The flags that are to be written.
fn changed_flags(folder: &Folder, seen: &Seen, rows: &FolderRows, held: &HeldUids) -> Pending {
    let mut flags: BTreeMap<u32, Flags> = BTreeMap::new();
    for (uid, told) in seen.rows.iter() {
        let differs = rows
            .living
            .get(uid)
            .map_or_else(|| held.on_their_way.contains(uid), |held| held != told);
        // The flags of another mail are not ours.
        let other = seen.used_again.contains(uid) || seen.unsure.contains(&uid);
        if differs && !folder.pass.fresher.contains(uid) && !other {
            flags.insert(uid, told.clone());
        }
    }
    Pending::new(flags)
}

/// What we hold and the server does not show; none where what it has told of changes cannot be all of it.
fn absent(folder: &Folder, seen: &Seen, listed: &UidSet, held: &HeldUids) -> Option<UidSet> {
    let fresher = &folder.pass.fresher;
    let horizon = seen.horizon(folder.lanes.live.uidnext);
    let shown = UidSet::range(seen.floor, horizon.saturating_sub(1));
    let absent = held
        .living
        .union(&held.failures)
        .union(&held.on_their_way)
        .minus(listed)
        .minus(fresher)
        .intersect(&shown);
    // What is not told of changed is there; what went is told, or the count does not fit.
    let vanished = match &seen.extent {
        Extent::Whole => None,
        Extent::Changes(_, vanished) => Some(vanished.clone().unwrap_or_default()),
        // By the count nothing has gone: what is not shown there is a lie of one of both.
        Extent::Window(_, uids) => Some(uids.clone()),
        Extent::Told => Some(UidSet::new()),
    };
    let absent = match &vanished {
        Some(vanished) => absent.intersect(vanished),
        None => absent,
    };
    if vanished.is_some() && !fits(&folder.lanes.live.mark, seen, &absent) {
        return None;
    }
    let absent = if seen.misfit.is_some() { UidSet::new() } else { absent.minus(&seen.kept) };
    // A mail under whose UID another one lies is not there.
    let other = seen.used_again.intersect(&held.living);
    Some(absent.union(&other.minus(fresher).minus(&held.on_their_way)))
}

/// A listing that another look is to agree with: one that did not fit, or one that lacks what only one of two
/// showed.
fn misfit(seen: &Seen, listed: &UidSet, living: &UidSet, session: SessionId) -> Option<Misfit> {
    let again = !seen.kept.intersect(living).is_empty();
    seen.misfit.clone().or_else(|| {
        again.then(|| Misfit {
            uidvalidity: seen.examined.uidvalidity,
            listed: listed.clone(),
            surplus: seen.surplus,
            session,
            at: seen.started,
        })
    })
}

/// Says what another look is to agree with. What only one of two looks lacks is looked at again, too; until
/// then the mark stays.
fn tell_left(
    path: &str,
    (held, living): (u64, u64),
    is_misfit: bool,
    unsure: usize,
    cx: &mut FolderCx<'_>,
) {
    if held > 0 || is_misfit || unsure > 0 {
        cx.run.look_again();
    }
    if held > 0 {
        let seconds = cx.run.settings().confirm_after.as_secs();
        cx.run.leave(format!(
            "folder {path}: {held} of {living} messages would end at once; a second look, {seconds} s later on a new session, must agree"
        ));
    }
    if unsure > 0 {
        cx.run.leave(format!(
            "folder {path}: {unsure} messages could not be compared; looked at again next time"
        ));
    }
}

/// Our rows came: what is to be committed is known.
pub(super) fn concluded(
    id: FolderId,
    seen: Seen,
    busy: &UidSet,
    rows: &FolderRows,
    cx: &mut FolderCx<'_>,
) -> PassTurn {
    let (session, settings) = (cx.run.session(), cx.run.settings());
    let (confirm_after, floor) = (settings.confirm_after, settings.guard_floor);
    let Some(folder) = cx.folders.get_mut(&id) else { return PassTurn::Over };
    let Some(session) = session else {
        folder.pass.wanted = true;
        return PassTurn::Over;
    };
    let listed = seen.rows.uids();
    let held = HeldUids::of(folder, rows, busy);
    let flags = changed_flags(folder, &seen, rows, &held);
    let Some(absent) = absent(folder, &seen, &listed, &held) else { return differ_or_list(seen) };
    // A page on its way may be rows by the time that its absence is committed: it counts like
    // them.
    let ours = held.living.union(&held.on_their_way);
    // Of changes only some rows were read: as many were there when the mark was taken.
    let count = if seen.is_whole() { ours.len() } else { folder.lanes.live.mark.exists.into() };
    let Examined { uidvalidity, exists, .. } = seen.examined;
    let ruling = judge_folder(
        FolderCount { uidvalidity, living: count, exists, floor },
        absent.intersect(&ours),
        folder.row.look.as_ref(),
        Observation { session, at: seen.started, confirm_after },
    );
    let limit = folder.lanes.live.uidnext.min(seen.horizon(folder.lanes.live.uidnext));
    let arrived = UidSet::range(1, limit.saturating_sub(1));
    let remaining = &folder.lanes.backfill.remaining;
    let put_back = listed.intersect(&arrived).minus(&held.known).minus(remaining);
    let misfit = misfit(&seen, &listed, &held.living, session);
    let path = folder.row.path.clone();
    tell_left(
        &path,
        (ruling.held.len(), held.living.len()),
        misfit.is_some(),
        seen.unsure.len(),
        cx,
    );
    let Some(folder) = cx.folders.get_mut(&id) else { return PassTurn::Over };
    let gone = absent.minus(&ruling.held);
    let last = || listed.union(&held.known.minus(&gone)).last();
    let rewind = seen.fell.then(|| last().map_or(1, |uid| uid.saturating_add(1)));
    let is_held = !ruling.held.is_empty() || misfit.is_some() || !seen.unsure.is_empty();
    let unacked = usize::from(ruling.look.is_some()) + usize::from(misfit.is_some());
    if let Some(look) = ruling.look {
        cx.run.commit(owner(folder), FolderChange::Look { folder: id, look });
    }
    if let Some(misfit) = misfit {
        cx.run.commit(owner(folder), FolderChange::Misfit { folder: id, misfit });
    }
    let settling = Settling { seen, flags, gone, put_back, held: is_held, rewind, unacked };
    PassTurn::At(Pass::Settling(Box::new(settling)))
}

impl Settling {
    /// Sends the facts that need not wait; the mark when none are left.
    pub(super) fn send(mut self: Box<Self>, id: FolderId, cx: &mut FolderCx<'_>) -> PassTurn {
        let Some(folder) = cx.folders.get(&id) else { return PassTurn::Over };
        let busy = folder.fill.in_flight();
        let uidvalidity = self.seen.examined.uidvalidity;
        // Senders are bounded: the next facts go when these are acknowledged.
        if self.unacked >= FACTS_IN_FLIGHT {
            return PassTurn::At(Pass::Settling(self));
        }
        let mut facts = Vec::new();
        let mut gone = self.gone.minus(&busy);
        self.gone = self.gone.intersect(&busy);
        while self.unacked + facts.len() < FACTS_IN_FLIGHT {
            let flags = self.flags.take(FACTS_CHUNK, &busy);
            let part: UidSet = gone.iter().take(FACTS_CHUNK).collect();
            gone = gone.minus(&part);
            if flags.is_empty() && part.is_empty() {
                break;
            }
            facts.push((flags, part));
        }
        self.gone = self.gone.union(&gone);
        for (flags, gone) in facts {
            self.unacked += 1;
            cx.run.counts().facts += flags.len() as u64 + gone.len();
            if !gone.is_empty() {
                cx.wants.push(Want::Seek);
            }
            let (again, started) = (gone.intersect(&self.seen.used_again), self.seen.started);
            let change =
                FolderChange::Facts { folder: id, uidvalidity, flags, gone, again, started };
            cx.run.commit(owner(folder), change);
        }
        if self.unacked > 0 || !self.flags.flags.is_empty() || !self.gone.is_empty() {
            return PassTurn::At(Pass::Settling(self));
        }
        if self.held {
            return PassTurn::Held(self.seen);
        }
        let depth = self.seen.depth();
        let Self { seen, put_back, rewind, .. } = *self;
        let marked = Marked {
            started: seen.started,
            examined: seen.examined,
            told: depth == Depth::Told,
            put_back,
            unproved: seen.unproved.clone(),
            surplus: seen.surplus,
            rewind,
            compared: seen.compared,
            flags: seen.flags(),
        };
        let seen = Some(seen).filter(|_| depth == Depth::Full);
        PassTurn::Mark { marked: Box::new(marked), seen, depth }
    }
}

/// Whether what a pass ends with is what is stored.
fn is_as_stored(folder: &Folder, marked: &Marked) -> bool {
    let (row, live) = (&folder.row, &folder.lanes.live);
    let Marked { examined, started, .. } = marked;
    let to = told(examined);
    // That it was listed is worth a row once a day.
    let is_told = marked.flags.is_none_or(|new| {
        live.flags.is_some_and(|old| old.modseq == new.modseq && old.is_recent(*started))
    });
    live.mark == to
        && is_told
        && (examined.mailbox.is_none() || examined.mailbox == live.mailbox)
        && !marked.compared
        && live.uidnext == to.uidnext
        && !live.ended
        && marked.put_back.is_empty()
        && (row.unproved == marked.unproved && row.surplus == marked.surplus)
        && (row.look.is_none()
            && row.misfit.is_none()
            && row.stalled_at.is_none()
            && marked.rewind.is_none())
        && row.passed_at.is_some()
}

/// A pass is over, and durable.
pub(super) fn marked(folder: &mut Folder, started: Micros, seen: Option<&Seen>, depth: Depth) {
    folder.pass.shown_at = Some(started);
    if let Some(seen) = seen {
        folder.listing.see(seen, &folder.lanes.backfill.remaining, seen.is_whole());
    }
    folder.pass.saw(depth);
}

/// The end of a pass: the mark is committed, or, where nothing changed, the proof is left to be
/// written later.
pub(super) fn mark(
    id: FolderId,
    end: Marked,
    seen: Option<Seen>,
    depth: Depth,
    cx: &mut FolderCx<'_>,
) {
    // Behind INBOX's the others wait, also while its mail is on its way.
    let haste = if cx.folders.inbox() == Some(id) { Haste::Now } else { Haste::Soon };
    let Some(folder) = cx.folders.get_mut(&id) else { return };
    let (started, told_only) = (end.started, end.told);
    let whole = folder.lanes.backfill.remaining.is_empty() && end.unproved.is_none();
    // While messages are looked for, a pass ends limbo, and only a commit can say so.
    if is_as_stored(folder, &end) && cx.run.rounds() == 0 {
        folder.is_as_proved(started, told_only, whole);
        marked(folder, started, seen.as_ref(), depth);
        cx.run.prove(QuietProof::Pass { folder: id, started, told: told_only, whole });
        return;
    }
    folder.pass.state = Some(Pass::Marking { started, seen, depth });
    let Marked { examined, put_back, unproved, surplus, rewind, compared, flags, .. } = end;
    let change = FolderChange::Pass {
        folder: id,
        uidvalidity: examined.uidvalidity,
        from: folder.lanes.live.mark,
        chain: folder.chain_end(),
        to: told(&examined),
        put_back,
        started,
        told: told_only,
        unproved,
        surplus,
        rewind,
        compared,
        flags,
        mailbox: examined.mailbox,
    };
    cx.run.commit_in(haste, owner(folder), change);
}

#[cfg(test)]
mod tests;
