//! A folder whose UIDs begin anew (another UIDVALIDITY): what we hold is found again by what it is,
//! and only what is not found is read, or ends.
//!
//! Nothing of this is stored before it is all known: what ends ends under the old numbers, and then
//! one commit gives every location that was found its new number and the folder its new lanes.
//! Whatever breaks it off, the folder is as it was, and it begins again.

use crate::commit::change::FolderChange;
use crate::commit::rows::FolderLook;
use crate::failure::{Class, Failure, Provenance, Reach};
use crate::mail::id::FolderId;
use crate::mail::key::{HeldKey, Keyed};
use crate::mail::uid_set::UidSet;
use crate::provider::folders::{Examined, FolderRequest};
use crate::run::context::{RunEffects, RunFacts};
use crate::run::evidence::{Fit, FolderCount, Observation, judge_folder};
use crate::run::folders::context::{FolderCx, Want};
use crate::run::folders::folder::told;
use crate::run::folders::passes::pairs::pair;
use crate::run::folders::passes::sight::{Pass, Rematching};
use crate::run::folders::passes::turn::{PassTurn, owner};
use crate::run::folders::passes::weigh::{first_misfit, weigh};
use crate::run::reads::Query;
use crate::time::Micros;

/// Locations that one commit ends.
const ENDS_CHUNK: usize = 2000;

/// EXAMINE shows another UIDVALIDITY than that under which mail is held.
pub(super) fn begin(
    id: FolderId,
    (started, misses): (Micros, u8),
    examined: Examined,
    cx: &mut FolderCx<'_>,
) -> PassTurn {
    let Some(folder) = cx.folders.get(&id) else { return PassTurn::Over };
    let live = &folder.lanes.live;
    let text = format!("UIDVALIDITY changed from {} to {}", live.uidvalidity, examined.uidvalidity);
    if let Some(times) = live.is_restless(started).filter(|_| !cx.run.insists()) {
        let text = format!("{text}, for the {times}. time in a day: it is matched hourly");
        let failure = Failure::new(Class::StateLost, Reach::Folder, Provenance::Server, text);
        cx.stall_and_note(id, failure);
        return PassTurn::Over;
    }
    if !folder.fill.is_empty() {
        // A page on its way is of the old numbers: it is settled, or dropped, first.
        return PassTurn::SettleFirst;
    }
    let owner = owner(folder);
    let (remote_id, uidvalidity) = (folder.row.remote_id.clone(), examined.uidvalidity);
    let with_size = !cx.run.account().sizes_estimated;
    if examined.exists == 0 {
        let query = keys(id, 0, cx);
        cx.run.read(owner, query);
    } else {
        cx.run.ask(owner, FolderRequest::Keys { remote_id, uidvalidity, with_size });
    }
    cx.want(Want::ForgetSuspects { folder: id });
    let (surplus, theirs, ours, found) = (0, Vec::new(), Vec::new(), None);
    let rematching = Rematching { started, misses, examined, surplus, theirs, ours, found };
    PassTurn::At(Pass::Rematching(Box::new(rematching)))
}

impl Rematching {
    /// All that is there came; `exists` is what EXISTS was then.
    pub(super) fn on_theirs(
        mut self: Box<Self>,
        id: FolderId,
        theirs: Vec<Keyed>,
        exists: u32,
        cx: &mut FolderCx<'_>,
    ) -> PassTurn {
        let (Some(session), Some(folder)) = (cx.run.session(), cx.folders.get(&id)) else {
            return PassTurn::Over;
        };
        let listed: UidSet = theirs.iter().map(|row| row.uid).collect();
        let weighed = weigh(folder, &mut self.examined, &listed, exists, false, session);
        let (started, examined) = (self.started, self.examined);
        if weighed.fit != Fit::Whole && self.misses == 0 {
            return PassTurn::Examine { started, misses: 1 };
        }
        let owner = owner(folder);
        match &weighed.fit {
            Fit::Whole => {}
            Fit::Believed(rest) if rest.is_empty() => {}
            // What only the first of two listings showed is looked for once more.
            Fit::First | Fit::Believed(_) => {
                if let Some(misfit) =
                    first_misfit(folder, &examined, &weighed, listed, started, &mut cx.run)
                {
                    cx.run.commit(owner, FolderChange::Misfit { folder: id, misfit });
                }
                return PassTurn::Later;
            }
        }
        self.surplus = weighed.surplus;
        self.theirs = theirs;
        let query = keys(id, 0, cx);
        cx.run.read(owner, query);
        PassTurn::At(Pass::Rematching(self))
    }

    /// A part of our rows; an empty one when there are no more.
    pub(super) fn on_ours(
        mut self: Box<Self>,
        id: FolderId,
        rows: Vec<HeldKey>,
        cx: &mut FolderCx<'_>,
    ) -> PassTurn {
        let Some(folder) = cx.folders.get(&id) else { return PassTurn::Over };
        let owner = owner(folder);
        if let Some(last) = rows.last() {
            let query = keys(id, last.uid, cx);
            cx.run.read(owner, query);
            self.ours.extend(rows);
            return PassTurn::At(Pass::Rematching(self));
        }
        let Some(session) = cx.run.session() else { return PassTurn::Over };
        let settings = cx.run.settings();
        let (confirm_after, floor) = (settings.confirm_after, settings.guard_floor);
        let (started, examined) = (self.started, self.examined);
        let held = self.ours.len() as u64;
        let (ours, theirs) = (std::mem::take(&mut self.ours), std::mem::take(&mut self.theirs));
        let found = pair(ours, theirs);
        let Examined { uidvalidity, exists, .. } = examined;
        let ruling = judge_folder(
            FolderCount { uidvalidity, living: held, exists, floor },
            found.lost.clone(),
            folder.row.look.as_ref(),
            Observation { session, at: started, confirm_after },
        );
        if !ruling.held.is_empty() {
            cx.run.look_again();
            cx.run.leave(format!(
                "folder {}: UIDVALIDITY changed, and {} of {held} messages are not found again; a second look, {} s later on a new session, must agree",
                folder.row.path,
                ruling.held.len(),
                confirm_after.as_secs()
            ));
            // All of it, since nothing ends before all of it does.
            if let Some(look) = ruling.look {
                let look = FolderLook { ends: found.lost, ..look };
                cx.run.commit(owner, FolderChange::Look { folder: id, look });
            }
            return PassTurn::Later;
        }
        self.found = Some(found);
        self.end_and_switch(id, cx)
    }

    /// A commit of it is durable: the next one.
    pub(super) fn on_committed(self: Box<Self>, id: FolderId, cx: &mut FolderCx<'_>) -> PassTurn {
        if self.is_known() {
            self.end_and_switch(id, cx)
        } else {
            PassTurn::At(Pass::Rematching(self))
        }
    }

    /// What is lost ends in parts; then the folder is switched.
    fn end_and_switch(mut self: Box<Self>, id: FolderId, cx: &mut FolderCx<'_>) -> PassTurn {
        let Some(folder) = cx.folders.get(&id) else { return PassTurn::Over };
        let (owner, from) = (owner(folder), folder.lanes.live.uidvalidity);
        let (started, examined) = (self.started, self.examined);
        let Some(mut found) = self.found.take() else { return PassTurn::Over };
        let gone: UidSet = found.lost.iter().take(ENDS_CHUNK).collect();
        if !gone.is_empty() {
            cx.run.counts().facts += gone.len();
            found.lost = found.lost.minus(&gone);
            self.found = Some(found);
            let change = FolderChange::Facts {
                folder: id,
                uidvalidity: from,
                flags: Vec::new(),
                gone,
                again: UidSet::new(),
                started,
            };
            cx.run.commit(owner, change);
            cx.want(Want::Seek);
            return PassTurn::At(Pass::Rematching(self));
        }
        let mark = told(&examined);
        let below = UidSet::range(1, mark.uidnext.saturating_sub(1));
        let change = FolderChange::Rematch {
            folder: id,
            from,
            remote_id: folder.row.remote_id.clone(),
            to: examined.uidvalidity,
            mark,
            pairs: found.matched,
            remaining: found.fresh.intersect(&below),
            surplus: self.surplus,
            started,
        };
        cx.run.counts().folder_changes += 1;
        cx.run.commit(owner, change);
        // Switched, it is listed like a new one.
        PassTurn::At(Pass::Reopening)
    }
}

/// What we recognise a folder's locations by, those behind a UID.
fn keys(folder: FolderId, after: u32, cx: &FolderCx<'_>) -> Query {
    Query::Keys { folder, after, with_size: !cx.run.account().sizes_estimated }
}
