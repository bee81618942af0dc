//! A folder whose UIDs begin anew (another UIDVALIDITY): what we hold is found again by what it is,
//! and only what is not found is read, or ends.
//!
//! Nothing of this is stored before it is all known: what ends ends under the old numbers, and then
//! one commit gives every location that was found its new number and the folder its new lanes.
//! Whatever breaks it off, the folder is as it was, and it begins again.

use crate::commit::change::FolderChange;
use crate::commit::rows::FolderLook;
use crate::failure::{Class, Failure, Provenance, Reach};
use crate::mail::cursor::Mark;
use crate::mail::id::FolderId;
use crate::mail::key::{HeldKey, Keyed};
use crate::mail::uid_set::UidSet;
use crate::provider::folders::{Examined, Request};
use crate::run::context::{RunEffects, RunView};
use crate::run::evidence::{Fit, Sight, judge_folder};
use crate::run::folders::passes::pairs::pair;
use crate::run::folders::passes::sight::{Pass, Rematching};
use crate::run::folders::passes::weigh::{first_misfit, weigh};
use crate::run::folders::state::{Cx, FolderWork};
use crate::run::reads::Query;
use crate::run::scope::Depth;
use crate::time::Micros;

/// Locations that one commit ends.
const ENDS_CHUNK: usize = 2000;

impl FolderWork {
    /// EXAMINE shows another UIDVALIDITY than that under which mail is held.
    pub(in crate::run::folders) fn start_rematch(
        &mut self,
        id: FolderId,
        started: Micros,
        misses: u8,
        examined: Examined,
        cx: &mut Cx<'_>,
    ) {
        let insists = cx.insists();
        let Some(folder) = self.folders.get_mut(&id) else { return };
        let live = &folder.lanes.live;
        let text =
            format!("UIDVALIDITY changed from {} to {}", live.uidvalidity, examined.uidvalidity);
        if let Some(times) = live.is_restless(started).filter(|_| !insists) {
            let text = format!("{text}, for the {times}. time in a day: it is matched hourly");
            let failure = Failure::new(Class::StateLost, Reach::Folder, Provenance::Server, text);
            return self.stand_still(id, failure, cx);
        }
        if !folder.fills.is_empty() {
            // A page on its way is of the old numbers: it is settled, or dropped, first.
            (folder.wanted, folder.depth, folder.settles_first) = (true, Depth::Full, true);
            return;
        }
        folder.suspects.clear();
        let (surplus, theirs, ours, found) = (0, Vec::new(), Vec::new(), None);
        let rematching = Rematching { started, misses, examined, surplus, theirs, ours, found };
        folder.pass = Some(Pass::Rematching(Box::new(rematching)));
        let (remote_id, uidvalidity) = (folder.row.remote_id.clone(), examined.uidvalidity);
        let sized = !cx.account().sizes_estimated;
        let owner = self.pass_owner(id);
        if examined.exists == 0 {
            let query = keys(id, 0, cx);
            cx.read(owner, query);
            return;
        }
        cx.ask(owner, Request::Keys { remote_id, uidvalidity, sized });
    }

    /// All that is there came; `exists` is what EXISTS was then.
    pub(in crate::run::folders) fn on_keyed(
        &mut self,
        id: FolderId,
        theirs: Vec<Keyed>,
        exists: u32,
        cx: &mut Cx<'_>,
    ) {
        let Some(mut rematching) = self.take_rematching(id) else { return };
        let Some(session) = cx.session() else { return };
        let owner = self.pass_owner(id);
        let Some(folder) = self.folders.get_mut(&id) else { return };
        let listed: UidSet = theirs.iter().map(|row| row.uid).collect();
        let weighed = weigh(folder, &mut rematching.examined, &listed, exists, false, session);
        let (started, examined) = (rematching.started, rematching.examined);
        if weighed.fit != Fit::Whole && rematching.misses == 0 {
            return self.examine(id, started, 1, cx);
        }
        match &weighed.fit {
            Fit::Whole => {}
            Fit::Believed(rest) if rest.is_empty() => {}
            // What only the first of two listings showed is looked for once more.
            Fit::First | Fit::Believed(_) => {
                if let Some(misfit) = first_misfit(folder, &examined, &weighed, listed, started, cx)
                {
                    cx.commit(owner, FolderChange::Misfit { folder: id, misfit });
                }
                return self.look_later(id);
            }
        }
        rematching.surplus = weighed.surplus;
        rematching.theirs = theirs;
        folder.pass = Some(Pass::Rematching(rematching));
        let query = keys(id, 0, cx);
        cx.read(owner, query);
    }

    /// A part of our rows; an empty one when there are no more.
    pub(in crate::run::folders) fn on_keys_read(
        &mut self,
        id: FolderId,
        rows: Vec<HeldKey>,
        cx: &mut Cx<'_>,
    ) {
        let Some(mut rematching) = self.take_rematching(id) else { return };
        let owner = self.pass_owner(id);
        if let Some(last) = rows.last() {
            let query = keys(id, last.uid, cx);
            cx.read(owner, query);
            rematching.ours.extend(rows);
            return self.set_rematching(id, rematching);
        }
        let Some(session) = cx.session() else { return };
        let (confirm_after, floor) = (cx.settings().confirm_after, cx.settings().guard_floor);
        let Some(folder) = self.folders.get_mut(&id) else { return };
        let (started, examined) = (rematching.started, rematching.examined);
        let held = rematching.ours.len() as u64;
        let (ours, theirs) =
            (std::mem::take(&mut rematching.ours), std::mem::take(&mut rematching.theirs));
        let found = pair(ours, theirs);
        let sight = Sight { session, at: started, confirm_after };
        let ruling = judge_folder(
            examined.uidvalidity,
            found.lost.clone(),
            held,
            examined.exists,
            floor,
            folder.row.look.as_ref(),
            sight,
        );
        if !ruling.held.is_empty() {
            cx.look_again();
            cx.leave(format!(
                "folder {}: UIDVALIDITY changed, and {} of {held} messages are not found again; a second look, {} s later on a new session, must agree",
                folder.row.path,
                ruling.held.len(),
                confirm_after.as_secs()
            ));
            // All of it, since nothing ends before all of it does.
            if let Some(look) = ruling.look {
                let look = FolderLook { ends: found.lost, ..look };
                cx.commit(owner, FolderChange::Look { folder: id, look });
            }
            return self.look_later(id);
        }
        rematching.found = Some(found);
        self.end_and_switch(id, rematching, cx);
    }

    /// A commit of it is durable: the next one.
    pub(in crate::run::folders) fn on_rematch_committed(
        &mut self,
        id: FolderId,
        rematching: Box<Rematching>,
        cx: &mut Cx<'_>,
    ) {
        if rematching.is_known() {
            self.end_and_switch(id, rematching, cx);
        } else {
            self.set_rematching(id, rematching);
        }
    }

    /// What is lost ends in parts; then the folder is switched.
    fn end_and_switch(&mut self, id: FolderId, mut rematching: Box<Rematching>, cx: &mut Cx<'_>) {
        let owner = self.pass_owner(id);
        let Some(folder) = self.folders.get_mut(&id) else { return };
        let (from, started, examined) =
            (folder.lanes.live.uidvalidity, rematching.started, rematching.examined);
        let Some(mut found) = rematching.found.take() else { return };
        let gone: UidSet = found.lost.iter().take(ENDS_CHUNK).collect();
        if !gone.is_empty() {
            cx.counts().facts += gone.len();
            found.lost = found.lost.minus(&gone);
            rematching.found = Some(found);
            folder.pass = Some(Pass::Rematching(rematching));
            self.seeks = true;
            let change = FolderChange::Facts {
                folder: id,
                uidvalidity: from,
                flags: Vec::new(),
                gone,
                again: UidSet::new(),
                started,
            };
            return cx.commit(owner, change);
        }
        let mark =
            Mark { uidnext: examined.uidnext, exists: examined.exists, modseq: examined.modseq };
        let below = UidSet::range(1, mark.uidnext.saturating_sub(1));
        let change = FolderChange::Rematch {
            folder: id,
            from,
            remote_id: folder.row.remote_id.clone(),
            to: examined.uidvalidity,
            mark,
            pairs: found.matched,
            remaining: found.fresh.intersect(&below),
            surplus: rematching.surplus,
            started,
        };
        // Switched, it is listed like a new one.
        folder.pass = Some(Pass::Reopening);
        cx.counts().folder_changes += 1;
        cx.commit(owner, change);
    }

    /// What was seen is a first look, or none: the folder is looked at again in another run.
    fn look_later(&mut self, id: FolderId) {
        if let Some(folder) = self.folders.get_mut(&id) {
            folder.looked = true;
            folder.index = None;
        }
    }

    fn set_rematching(&mut self, id: FolderId, rematching: Box<Rematching>) {
        if let Some(folder) = self.folders.get_mut(&id) {
            folder.pass = Some(Pass::Rematching(rematching));
        }
    }

    fn take_rematching(&mut self, id: FolderId) -> Option<Box<Rematching>> {
        let folder = self.folders.get_mut(&id)?;
        match folder.pass.take() {
            Some(Pass::Rematching(rematching)) => Some(rematching),
            other => {
                folder.pass = other;
                None
            }
        }
    }
}

/// What we recognise a folder's locations by, those behind a UID.
fn keys(folder: FolderId, after: u32, cx: &Cx<'_>) -> Query {
    Query::Keys { folder, after, sized: !cx.account().sizes_estimated }
}
