//! What has just been read is proved: by the counters that the folder showed when it was listed, if it
//! shows them still, else by a pass.

use crate::mail::folder::WireName;
use crate::mail::id::FolderId;
use crate::provider::folders::Examined;
use crate::run::context::{RunEffects, RunFacts};
use crate::run::folders::context::FolderCx;
use crate::run::folders::folder::Folder;
use crate::run::folders::passes::FolderPasses;
use crate::run::folders::passes::conclude::{counted_mark, mark};
use crate::run::folders::passes::gate::{is_empty, is_unchanged, settled};
use crate::run::folders::passes::sight::Pass;
use crate::run::folders::passes::turn::ExamineAnswer;
use crate::run::scope::Depth;
use crate::time::Micros;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// FolderPasses of a folder in a run that prove what was read since the one before.
const PROOFS: u8 = 3;
/// A folder that is read waits no longer for others to be proved with it.
const PROVE_WITHIN: Duration = Duration::from_secs(5);
/// Empty folders of a new account that are passed at a time; the others are left for the next look.
const EMPTY: usize = 32;

/// Whether nothing is left to read of a folder, in this run.
fn is_read(folder: &Folder) -> bool {
    folder.lanes.backfill.remaining.is_empty()
        && folder.fill.is_empty()
        && !folder.pass.is_under_way()
        // What is to be asked for again in this run is its history, too.
        && folder.fill.is_retried(&folder.row.failures)
}

/// Whether the counters of a folder can prove it: it was listed in this run, and read as it was
/// listed.
fn is_counted(id: FolderId, cx: &mut FolderCx<'_>) -> bool {
    let Some(folder) = cx.folders.get(&id) else { return false };
    let modseq = folder.lanes.live.mark.modseq;
    modseq > 0 && settled(folder, cx.run.stamp()).is_some_and(|flags| flags.modseq == modseq)
}

impl FolderPasses {
    /// A folder whose history has just been read to its end is looked at once more: only that proves
    /// it. `counts`: LIST may be asked for counters.
    pub(in crate::run::folders) fn plan_proofs(&mut self, counts: bool, cx: &mut FolderCx<'_>) {
        for id in cx.folders.unproven() {
            let Some(folder) = cx.folders.get(&id).filter(|folder| is_read(folder)) else {
                continue;
            };
            let is_first = folder.pass.proofs == 0;
            let counts = is_first && counts && cx.known.proof.counted && is_counted(id, cx);
            let Some(folder) = cx.folders.get_mut(&id) else { continue };
            let (part, path) = (&mut folder.pass, &folder.row.path);
            if counts {
                part.unproven = false;
                self.read.get_or_insert((cx.run.now().mono, BTreeSet::new())).1.insert(id);
            } else if part.proofs >= PROOFS {
                // It lists what it does not deliver, again and again: the next run goes on from
                // here.
                part.unproven = false;
                cx.run.leave(format!("folder {path} is not proved: its listing keeps changing"));
            } else {
                part.look_once_more();
            }
        }
    }

    /// Whether a folder that is read has waited for others for long enough.
    pub(in crate::run::folders) fn is_proof_late(&self, cx: &FolderCx<'_>) -> bool {
        let now = cx.run.now().mono;
        !cx.run.is_asking()
            && !cx.folders.are_passing()
            && self
                .read
                .as_ref()
                .is_some_and(|(since, _)| now.saturating_sub(*since) >= PROVE_WITHIN)
    }

    /// All folders that are read are to be proved by their counters, which are asked once: those that show
    /// what they showed when they were listed are proved, the others are passed. Returns whether there are
    /// some.
    pub(in crate::run::folders) fn prove_by_counters(&mut self, cx: &mut FolderCx<'_>) -> bool {
        let Some((_, read)) = self.read.take() else { return false };
        let mut some = false;
        for id in read {
            // What is read of it again is proved when it has come.
            let can = |f: &&mut Folder| is_read(f) && !f.is_left() && !f.row.excluded;
            if let Some(folder) = cx.folders.get_mut(&id).filter(can) {
                folder.pass.look_once_more();
                some = true;
            }
        }
        some
    }

    /// Folders that LIST has shown unchanged, when it was asked, are not opened. Returns what of it is to be
    /// looked at later.
    pub(in crate::run::folders) fn prove_listed(
        &mut self,
        shown: &BTreeMap<WireName, Examined>,
        listed: Micros,
        cx: &mut FolderCx<'_>,
    ) -> BTreeMap<WireName, Examined> {
        let mut left = BTreeMap::new();
        if shown.is_empty() || cx.run.doubts() {
            return left;
        }
        let mut empty = 0;
        for id in cx.folders.wanting() {
            let Some(folder) = cx.folders.get(&id) else { continue };
            let Some(examined) = shown.get(&folder.row.remote_id) else { continue };
            // What a hint has told since is not in it.
            let is_old = folder.pass.hinted || folder.pass.is_under_way();
            if !is_old && cx.known.is_first && is_empty(folder, examined) {
                if empty < EMPTY {
                    self.pass_empty(id, *examined, listed, cx);
                } else {
                    left.insert(folder.row.remote_id.clone(), *examined);
                }
                empty += 1;
                continue;
            }
            if is_old || !is_unchanged(folder, examined, listed) {
                continue;
            }
            let marked = counted_mark(listed, *examined, false, folder);
            if let Some(Folder { pass, .. }) = cx.folders.get_mut(&id) {
                pass.begin();
                mark(id, marked, None, Depth::Full, cx);
            }
        }
        self.advance(cx);
        left
    }

    /// A folder that never had anything, and has nothing now: there is no listing to be asked for.
    fn pass_empty(
        &mut self,
        id: FolderId,
        shown: Examined,
        started: Micros,
        cx: &mut FolderCx<'_>,
    ) {
        let Some(Folder { pass, .. }) = cx.folders.get_mut(&id) else { return };
        pass.begin();
        let depth = std::mem::take(&mut pass.depth);
        pass.state = Some(Pass::Examining { started, misses: 0, depth });
        self.on_examined(id, ExamineAnswer::counters(shown), cx);
    }
}
