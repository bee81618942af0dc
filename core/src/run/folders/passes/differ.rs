//! What went, where a server tells what changed and not what went (CONDSTORE without QRESYNC), and the
//! count says that something has: all UIDs are asked, and what we hold below the mark and is not among
//! them has gone.

use crate::mail::id::FolderId;
use crate::mail::uid_set::UidSet;
use crate::provider::folders::Request;
use crate::run::context::RunEffects;
use crate::run::folders::passes::sight::{Extent, Pass, Seen};
use crate::run::folders::state::{Cx, FolderWork};

impl FolderWork {
    /// All UIDs are to be asked, if what was seen can be proved so; else everything is.
    pub(in crate::run::folders) fn differ_or_list(
        &mut self,
        id: FolderId,
        seen: Seen,
        cx: &mut Cx<'_>,
    ) {
        let Some(folder) = self.folders.get_mut(&id) else { return };
        if !matches!(seen.extent, Extent::Changes(_, None)) || seen.examined.exists == 0 {
            return self.examine(id, seen.started, 1, cx);
        }
        folder.pass = Some(Pass::Differing { seen, asked: false });
    }

    /// Asks for the UIDs of the next folder that waits for them. Returns whether one did.
    pub(in crate::run::folders) fn ask_uids(&mut self, cx: &mut Cx<'_>) -> bool {
        for id in self.folders.passing() {
            let Some(folder) = self.folders.get_mut(&id) else { continue };
            let Some(Pass::Differing { seen, asked: asked @ false }) = &mut folder.pass else {
                continue;
            };
            *asked = true;
            let remote_id = folder.row.remote_id.clone();
            let uidvalidity = seen.examined.uidvalidity;
            let owner = self.pass_owner(id);
            cx.ask(owner, Request::Uids { remote_id, uidvalidity });
            return true;
        }
        false
    }

    /// They came: an answer that is as long as EXISTS says what is not there.
    pub(in crate::run::folders) fn on_uids(
        &mut self,
        id: FolderId,
        uids: &UidSet,
        exists: u32,
        cx: &mut Cx<'_>,
    ) {
        let Some(folder) = self.folders.get_mut(&id) else { return };
        let mut seen = match folder.pass.take() {
            Some(Pass::Differing { seen, asked: true }) => seen,
            other => return folder.pass = other,
        };
        if uids.len() != u64::from(exists) || self.proof.view.hides(exists) {
            return self.examine(id, seen.started, 1, cx);
        }
        if let Extent::Changes(since, None) = seen.extent {
            let known = UidSet::range(1, folder.lanes.live.mark.uidnext.saturating_sub(1));
            seen.extent = Extent::Changes(since, Some(known.minus(uids)));
        }
        folder.pass = Some(Pass::Arriving { seen, todo: UidSet::new() });
    }
}
