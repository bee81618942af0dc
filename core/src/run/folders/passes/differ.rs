//! What went, where a server tells what changed and not what went (CONDSTORE without QRESYNC), and the
//! count says that something has: all UIDs are asked, and what we hold below the mark and is not among
//! them has gone.

use crate::mail::id::FolderId;
use crate::mail::uid_set::UidSet;
use crate::run::folders::context::FolderCx;
use crate::run::folders::passes::sight::{Extent, Pass, Seen};
use crate::run::folders::passes::turn::PassTurn;

/// All UIDs are to be asked, if what was seen can be proved so; else everything is.
pub(super) fn differ_or_list(seen: Seen) -> PassTurn {
    if !matches!(seen.extent, Extent::Changes(_, None)) || seen.examined.exists == 0 {
        return PassTurn::Examine { started: seen.started, misses: 1 };
    }
    PassTurn::At(Pass::Differing { seen, asked: false })
}

/// They came: an answer that is as long as EXISTS says what is not there.
pub(super) fn came(
    id: FolderId,
    mut seen: Seen,
    uids: &UidSet,
    exists: u32,
    cx: &FolderCx<'_>,
) -> PassTurn {
    let Some(folder) = cx.folders.get(&id) else { return PassTurn::Over };
    if uids.len() != u64::from(exists) || cx.known.proof.view.hides(exists) {
        return PassTurn::Examine { started: seen.started, misses: 1 };
    }
    if let Extent::Changes(since, None) = seen.extent {
        let known = UidSet::range(1, folder.lanes.live.mark.uidnext.saturating_sub(1));
        seen.extent = Extent::Changes(since, Some(known.minus(uids)));
    }
    PassTurn::At(Pass::Arriving { seen, todo: UidSet::new() })
}
