//! What has just been read is proved: by the counters that the folder showed when it was listed, if it
//! shows them still, else by a pass.

use crate::mail::uid_set::UidSet;
use crate::run::context::{RunEffects, RunView};
use crate::run::folders::folder::{FillKind, Folder};
use crate::run::folders::listing::state::Listing;
use crate::run::folders::passes::gate::settled;
use crate::run::folders::state::{Cx, FolderWork};
use crate::run::scope::Depth;
use std::collections::BTreeSet;
use std::time::Duration;

/// Passes of a folder in a run that prove what was read since the one before.
const PROOFS: u8 = 3;
/// A folder that is read waits no longer for others to be proved with it.
const PATIENCE: Duration = Duration::from_secs(5);

impl Folder {
    /// Whether nothing is left to read of it, in this run.
    fn is_read(&self) -> bool {
        // What is to be asked for again in this run is its history, too.
        let retries =
            self.open_suspects() > 0 || !self.due.intersect(&self.row.failures).is_empty();
        self.lanes.backfill.remaining.is_empty()
            && self.fills.is_empty()
            && self.pass.is_none()
            && !retries
    }

    fn look_once_more(&mut self) {
        self.unproven = false;
        self.proofs += 1;
        (self.wanted, self.depth) = (true, Depth::Full);
    }

    /// What a page found to be no more: a listing that showed it has shown what is not there.
    pub(in crate::run::folders) fn lacks(&mut self, gone: &UidSet, kind: FillKind) {
        let index = self.index.as_ref();
        let was_listed = match kind {
            // A failure was shown, or would have ended.
            FillKind::Retry => !gone.is_empty(),
            _ => index.is_some_and(|index| !index.intersect(gone).is_empty()),
        };
        self.lacked |= was_listed;
    }
}

impl FolderWork {
    /// A folder whose history has just been read to its end is looked at once more: only that proves
    /// it.
    pub(in crate::run::folders) fn plan_proofs(&mut self, cx: &mut Cx<'_>) {
        for id in self.folders.unproven() {
            let Some(folder) = self.folders.get(&id).filter(|folder| folder.is_read()) else {
                continue;
            };
            let is_counted = folder.proofs == 0 && self.is_counted(folder, cx);
            let Some(folder) = self.folders.get_mut(&id) else { continue };
            if is_counted {
                folder.unproven = false;
                self.read.get_or_insert((cx.now().mono, BTreeSet::new())).1.insert(id);
                continue;
            }
            if folder.proofs >= PROOFS {
                // It lists what it does not deliver, again and again: the next run goes on from
                // here.
                folder.unproven = false;
                let path = &folder.row.path;
                cx.leave(format!("folder {path} is not proved: its listing keeps changing"));
                continue;
            }
            folder.look_once_more();
        }
    }

    /// Whether the counters of a folder can prove it: it was listed in this run, and read as it was
    /// listed.
    fn is_counted(&self, folder: &Folder, cx: &mut Cx<'_>) -> bool {
        let modseq = folder.lanes.live.mark.modseq;
        self.proof.counted
            && !self.uncounted
            && modseq > 0
            && settled(folder, cx.stamp()).is_some_and(|flags| flags.modseq == modseq)
    }

    /// Whether a folder that is read has waited for others for long enough.
    pub(in crate::run::folders) fn is_proof_late(&self, cx: &Cx<'_>) -> bool {
        matches!(self.listing, Listing::Done)
            && !cx.is_asking()
            && self.folders.passing().is_empty()
            && self
                .read
                .as_ref()
                .is_some_and(|(since, _)| cx.now().mono.saturating_sub(*since) >= PATIENCE)
    }

    /// Asks once for the counters of all folders that are read: those that show what they showed when
    /// they were listed are proved, the others are passed. Returns whether there are some.
    pub(in crate::run::folders) fn prove_by_counters(&mut self, cx: &mut Cx<'_>) -> bool {
        let Some((_, read)) = self.read.take() else { return false };
        let mut some = false;
        for id in read {
            // What is read of it again is proved when it has come.
            let can = |f: &&mut Folder| f.is_read() && !f.is_left() && !f.row.excluded;
            if let Some(folder) = self.folders.get_mut(&id).filter(can) {
                folder.look_once_more();
                some = true;
            }
        }
        self.folders.refresh();
        if !some {
            return false;
        }
        self.listing = Listing::Wanted;
        self.start_listing(cx);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::rows::FolderRow;
    use crate::mail::cursor::{Lanes, Mark};
    use crate::mail::id::{FolderId, UidValidity};
    use crate::time::Micros;

    #[test]
    fn a_listing_that_showed_what_is_not_there_proves_nothing() {
        let mut row = FolderRow::new(FolderId(1), b"B".to_vec(), "B".into(), None, Micros(1));
        row.lanes = Some(Lanes::opened(UidValidity(3), Mark::CLEARED, None));
        let mut folder = Folder::new(row).unwrap();
        (folder.index, folder.as_listed) = (Some(UidSet::range(5, 9)), true);
        folder.lacks(&UidSet::range(1, 4), FillKind::Backfill);
        assert!(!folder.lacked, "a hole");
        folder.lacks(&UidSet::new(), FillKind::Retry);
        assert!(!folder.lacked, "all of it came");
        for (gone, kind) in [(5, FillKind::Backfill), (1, FillKind::Retry)] {
            folder.lacked = false;
            folder.lacks(&UidSet::one(gone), kind);
            assert!(folder.lacked, "it was listed");
        }
    }
}
