//! What a folder's counters prove by themselves: that nothing happened, or that mail only came.

use crate::mail::cursor::Mark;
use crate::mail::uid_set::UidSet;
use crate::provider::folders::Examined;
use crate::run::folders::conclude::counted_mark;
use crate::run::folders::folder::Folder;
use crate::run::folders::state::{Desk, FolderWork};
use crate::run::scope::Depth;
use crate::time::Micros;

/// What arrived, if counting alone proves that nothing else happened: each UID from the mark's
/// UIDNEXT on is a message, and EXISTS rose by just as many. A UID that is a hole, or one message
/// gone, and the numbers differ.
pub(super) fn counted(folder: &Folder, examined: &Examined) -> Option<UidSet> {
    let (row, lanes, mark) = (&folder.row, &folder.lanes, folder.lanes.live.mark);
    let arrived = examined.uidnext.checked_sub(mark.uidnext)?;
    let sure = mark != Mark::CLEARED
        && !examined.inferred
        && !lanes.live.ended
        && row.passed_at.is_some()
        && lanes.live.uidnext == mark.uidnext
        && row.look.is_none()
        && row.misfit.is_none()
        && folder.fills.is_empty()
        // Only a listing proves a folder for the first time.
        && (row.proved_at.is_some() || row.unproved.is_some() || !lanes.backfill.remaining.is_empty())
        && examined.exists.checked_sub(mark.exists) == Some(arrived);
    sure.then(|| {
        if arrived == 0 { UidSet::new() } else { UidSet::range(mark.uidnext, examined.uidnext - 1) }
    })
}

/// Whether the server shows the folder as the last pass that looked at flags has left it: nothing
/// came or went, and no flag changed since (HIGHESTMODSEQ rises with each, RFC 7162 §3.1.2).
pub(super) fn is_unchanged(folder: &Folder, shown: &Examined, at: Micros) -> bool {
    let (row, live) = (&folder.row, &folder.lanes.live);
    let Some(flags) = live.flags.filter(|flags| flags.modseq > 0) else { return false };
    let told = Mark { uidnext: shown.uidnext, exists: shown.exists, modseq: shown.modseq };
    flags.is_recent(at)
        && !shown.inferred
        && shown.uidvalidity == live.uidvalidity
        && told == live.mark
        && live.mark.modseq == flags.modseq
        && live.uidnext == live.mark.uidnext
        && !live.ended
        && row.proved_at.is_some()
        && (row.passed_at.is_some() && row.stalled_at.is_none())
        && (row.look.is_none() && row.misfit.is_none())
        && (row.unproved.is_none() && row.surplus == 0)
        && folder.lanes.backfill.remaining.is_empty()
        && folder.fills.is_empty()
}

impl FolderWork {
    /// Folders that LIST has shown unchanged are not opened.
    pub(super) fn prove_listed(&mut self, desk: &mut Desk<'_>) {
        if self.counters.is_empty() {
            return;
        }
        let counters = std::mem::take(&mut self.counters);
        if desk.insists() {
            return;
        }
        for id in self.folders.wanting().collect::<Vec<_>>() {
            let Some(folder) = self.folders.get(&id) else { continue };
            let Some(shown) = counters.get(&folder.row.remote_id) else { continue };
            // What a hint has told since is not in it.
            let is_old = folder.hinted || folder.pass.is_some();
            if is_old || !is_unchanged(folder, shown, self.listed_from) {
                continue;
            }
            let marked = counted_mark(self.listed_from, *shown, folder);
            let Some(folder) = self.folders.get_mut(&id) else { continue };
            folder.generation += 1;
            (folder.wanted, folder.unproven) = (false, false);
            folder.chain = folder.lanes.live.uidnext;
            self.mark(id, marked, None, Depth::Full, desk);
        }
    }
}
