//! The end of a pass: what it saw is compared with our rows, facts are committed (those about UIDs
//! on their way wait), and the mark goes last.

use crate::commit::change::FolderChange;
use crate::commit::rows::Misfit;
use crate::haste::Haste;
use crate::mail::cursor::Mark;
use crate::mail::id::FolderId;
use crate::mail::uid_set::UidSet;
use crate::provider::folders::Examined;
use crate::run::context::{RunEffects, RunView};
use crate::run::evidence::{Sight, judge_folder};
use crate::run::folders::folder::Folder;
use crate::run::folders::passes::sight::{Extent, Marked, Pass, Pending, Seen, Settling};
use crate::run::folders::state::{Cx, FolderWork};
use crate::run::reads::{FolderRows, QuietProof};
use crate::run::scope::Depth;
use crate::time::Micros;
use std::collections::BTreeMap;

/// Facts in one commit.
const FACTS_CHUNK: usize = 2000;
/// Commits of facts that are not acknowledged.
const FACTS_IN_FLIGHT: usize = 2;

/// What a pass that only counted says: it leaves what is known of the folder's surplus as it is.
pub(in crate::run::folders) fn counted_mark(
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

impl FolderWork {
    pub(in crate::run::folders) fn on_pass_rows(
        &mut self,
        id: FolderId,
        rows: &FolderRows,
        cx: &mut Cx<'_>,
    ) {
        let sight = cx
            .session()
            .map(|session| (session, cx.settings().confirm_after, cx.settings().guard_floor));
        let Some(folder) = self.folders.get_mut(&id) else { return };
        let Some(Pass::Reading { seen, busy }) = folder.pass.take() else { return };
        let Some((session, confirm_after, floor)) = sight else {
            folder.wanted = true;
            return;
        };
        let on_their_way = busy.union(&folder.in_flight()).minus(&folder.fresher);
        let living = rows.living.uids();
        let listed = seen.rows.uids();
        let vanished = match &seen.extent {
            Extent::Whole => None,
            Extent::Changes(_, vanished) => Some(vanished.clone().unwrap_or_default()),
            // By the count nothing has gone: what is not shown there is a lie of one of both.
            Extent::Window(_, uids) => Some(uids.clone()),
            Extent::Told => Some(UidSet::new()),
        };
        let known = living
            .union(&rows.failures)
            .union(&busy)
            .union(&folder.in_flight())
            .union(&folder.fresher);

        let mut flags = BTreeMap::new();
        for (uid, told) in seen.rows.iter() {
            let differs = rows
                .living
                .get(uid)
                .map_or_else(|| on_their_way.contains(uid), |held| held != told);
            // The flags of another mail are not ours.
            let other = seen.used_again.contains(uid) || seen.unsure.contains(&uid);
            if differs && !folder.fresher.contains(uid) && !other {
                flags.insert(uid, told.clone());
            }
        }
        let horizon = seen.horizon(folder.lanes.live.uidnext);
        let shown = UidSet::range(seen.floor, horizon.saturating_sub(1));
        let absent = living
            .union(&rows.failures)
            .union(&on_their_way)
            .minus(&listed)
            .minus(&folder.fresher)
            .intersect(&shown);
        // What is not told of changed is there; what went is told, or the count does not fit.
        let absent = match &vanished {
            Some(vanished) => absent.intersect(vanished),
            None => absent,
        };
        let mark = folder.lanes.live.mark;
        if vanished.is_some() && !fits(&mark, &seen, &absent) {
            return self.differ_or_list(id, seen, cx);
        }
        let absent = if seen.misfit.is_some() { UidSet::new() } else { absent.minus(&seen.kept) };
        // A mail under whose UID another one lies is not there.
        let absent = absent
            .union(&seen.used_again.intersect(&living).minus(&folder.fresher).minus(&on_their_way));
        // A page on its way may be rows by the time that its absence is committed: it counts like
        // them.
        let ours = living.union(&on_their_way);
        // Of changes only some rows were read: as many were there when the mark was taken.
        let held = if seen.is_whole() { ours.len() } else { mark.exists.into() };
        let sight = Sight { session, at: seen.started, confirm_after };
        let ruling = judge_folder(
            seen.examined.uidvalidity,
            absent.intersect(&ours),
            held,
            seen.examined.exists,
            floor,
            folder.row.look.as_ref(),
            sight,
        );
        let limit = folder.lanes.live.uidnext.min(horizon);
        let arrived = UidSet::range(1, limit.saturating_sub(1));
        let put_back =
            listed.intersect(&arrived).minus(&known).minus(&folder.lanes.backfill.remaining);
        if !ruling.held.is_empty() {
            cx.look_again();
            cx.leave(format!(
                    "folder {}: {} of {} messages would end at once; a second look, {} s later on a new session, must agree",
                    folder.row.path,
                    ruling.held.len(),
                    living.len(),
                    confirm_after.as_secs()
                ),
            );
        }
        // What only one of two looks lacks is looked at again; until then the mark stays.
        let again = !seen.kept.intersect(&living).is_empty();
        let (uidvalidity, surplus, at) = (seen.examined.uidvalidity, seen.surplus, seen.started);
        let again =
            again.then(|| Misfit { uidvalidity, listed: listed.clone(), surplus, session, at });
        let misfit = seen.misfit.clone().or(again);
        if misfit.is_some() {
            cx.look_again();
        }
        let gone = absent.minus(&ruling.held);
        let unacked = usize::from(ruling.look.is_some()) + usize::from(misfit.is_some());
        let rewind = seen.fell.then(|| {
            listed.union(&known.minus(&gone)).last().map_or(1, |uid| uid.saturating_add(1))
        });
        let held = !ruling.held.is_empty() || misfit.is_some() || !seen.unsure.is_empty();
        if !seen.unsure.is_empty() {
            cx.look_again();
            let n = seen.unsure.len();
            let text = format!(
                "folder {}: {n} messages could not be compared; looked at again next time",
                folder.row.path
            );
            cx.leave(text);
        }
        folder.pass = Some(Pass::Settling(Box::new(Settling {
            seen,
            flags: Pending::new(flags),
            gone,
            put_back,
            held,
            rewind,
            unacked,
        })));
        let owner = self.pass_owner(id);
        if let Some(look) = ruling.look {
            cx.commit(owner, FolderChange::Look { folder: id, look });
        }
        if let Some(misfit) = misfit {
            cx.commit(owner, FolderChange::Misfit { folder: id, misfit });
        }
    }

    /// Sends the facts that need not wait; sends the mark when none are left.
    pub(in crate::run::folders) fn settle(
        &mut self,
        id: FolderId,
        mut pass: Box<Settling>,
        cx: &mut Cx<'_>,
    ) {
        let Some(folder) = self.folders.get(&id) else { return };
        let busy = folder.in_flight();
        let uidvalidity = pass.seen.examined.uidvalidity;
        // Senders are bounded: the next facts go when these are acknowledged.
        if pass.unacked >= FACTS_IN_FLIGHT {
            self.set_pass(id, Some(Pass::Settling(pass)));
            return;
        }
        let mut facts = Vec::new();
        let mut gone = pass.gone.minus(&busy);
        pass.gone = pass.gone.intersect(&busy);
        while pass.unacked + facts.len() < FACTS_IN_FLIGHT {
            let flags = pass.flags.take(FACTS_CHUNK, &busy);
            let part: UidSet = gone.iter().take(FACTS_CHUNK).collect();
            gone = gone.minus(&part);
            if flags.is_empty() && part.is_empty() {
                break;
            }
            facts.push((flags, part));
        }
        pass.gone = pass.gone.union(&gone);
        for (flags, gone) in facts {
            pass.unacked += 1;
            cx.counts().facts += flags.len() as u64 + gone.len();
            self.seeks |= !gone.is_empty();
            let (again, started) = (gone.intersect(&pass.seen.used_again), pass.seen.started);
            let change =
                FolderChange::Facts { folder: id, uidvalidity, flags, gone, again, started };
            let owner = self.pass_owner(id);
            cx.commit(owner, change);
        }
        if pass.unacked > 0 || !pass.flags.flags.is_empty() || !pass.gone.is_empty() {
            self.set_pass(id, Some(Pass::Settling(pass)));
            return;
        }
        if pass.held {
            if let Some(folder) = self.folders.get_mut(&id) {
                folder.looked = true;
                folder.seen = Some(Depth::Full);
                // What was shown can be read; what was not shown is no hole.
                folder.see(&pass.seen, false);
            }
            return;
        }
        let Settling { seen, put_back, rewind, .. } = *pass;
        let (unproved, surplus) = (seen.unproved.clone(), seen.surplus);
        let (started, examined) = (seen.started, seen.examined);
        let (compared, flags, depth) = (seen.compared, seen.flags(), seen.depth());
        let told = depth == Depth::Told;
        let marked = Marked {
            started,
            examined,
            told,
            put_back,
            unproved,
            surplus,
            rewind,
            compared,
            flags,
        };
        self.mark(id, marked, Some(seen).filter(|_| depth == Depth::Full), depth, cx);
    }

    /// The end of a pass: the mark is committed, or, where nothing changed, the proof is left to be
    /// written later.
    pub(in crate::run::folders) fn mark(
        &mut self,
        id: FolderId,
        marked: Marked,
        seen: Option<Seen>,
        depth: Depth,
        cx: &mut Cx<'_>,
    ) {
        let Marked {
            started,
            examined,
            told,
            put_back,
            unproved,
            surplus,
            rewind,
            compared,
            flags,
        } = marked;
        let (rounds, owner) = (cx.rounds(), self.pass_owner(id));
        let Some(folder) = self.folders.get_mut(&id) else { return };
        let chain = folder.chain_end();
        let (row, lanes) = (&mut folder.row, &folder.lanes);
        let (from, uidvalidity) = (lanes.live.mark, examined.uidvalidity);
        let to =
            Mark { uidnext: examined.uidnext, exists: examined.exists, modseq: examined.modseq };
        // That it was listed is worth a row once a day.
        let is_told = flags.is_none_or(|new| {
            lanes.live.flags.is_some_and(|old| old.modseq == new.modseq && old.is_recent(started))
        });
        let whole = lanes.backfill.remaining.is_empty();
        let same = from == to
            && is_told
            && (examined.mailbox.is_none() || examined.mailbox == lanes.live.mailbox)
            && !compared
            && lanes.live.uidnext == to.uidnext
            && !lanes.live.ended
            && put_back.is_empty()
            && (row.unproved == unproved && row.surplus == surplus)
            && (row.look.is_none()
                && row.misfit.is_none()
                && row.stalled_at.is_none()
                && rewind.is_none())
            && row.passed_at.is_some();
        let proves = whole && unproved.is_none();
        // While messages are looked for, a pass ends limbo, and only a commit can say so.
        if same && rounds == 0 {
            if !told {
                row.passed_at = Some(started);
            }
            row.proved_at = if proves { Some(started) } else { row.proved_at };
            folder.shown_at = Some(started);
            folder.saw(seen.as_ref(), depth);
            cx.prove(QuietProof::Pass { folder: id, started, told, whole: proves });
            return;
        }
        folder.pass = Some(Pass::Marking { started, seen, depth });
        let change = FolderChange::Pass {
            folder: id,
            uidvalidity,
            from,
            chain,
            to,
            put_back,
            started,
            told,
            unproved,
            surplus,
            rewind,
            compared,
            flags,
            mailbox: examined.mailbox,
        };
        // Behind INBOX's the others wait, also while its mail is on its way.
        let is_inbox = self.folders.inbox() == Some(id);
        cx.commit_in(if is_inbox { Haste::Now } else { Haste::Soon }, owner, change);
    }

    fn set_pass(&mut self, id: FolderId, pass: Option<Pass>) {
        if let Some(folder) = self.folders.get_mut(&id) {
            folder.pass = pass;
        }
    }
}

#[cfg(test)]
mod tests;
