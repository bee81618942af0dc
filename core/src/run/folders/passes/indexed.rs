//! A whole listing: whether it fits EXISTS, and what is to be made of it where it does not.

use crate::mail::id::{FolderId, SessionId};
use crate::mail::uid_flags::UidFlags;
use crate::mail::uid_set::UidSet;
use crate::provider::folders::Examined;
use crate::run::context::RunEffects;
use crate::run::evidence::Fit;
use crate::run::folders::context::FolderCx;
use crate::run::folders::passes::sight::{Extent, Seen};
use crate::run::folders::passes::weigh::{Weighed, first_misfit, weigh};
use crate::time::Micros;
use std::collections::BTreeSet;

/// The whole index came, for a pass that began then, after so many that did not fit, on this session;
/// `exists` is what EXISTS was when it was complete. What was seen, and what of it is new; none where it does
/// not fit and is asked once more.
pub(super) fn weighed(
    id: FolderId,
    (started, misses, session): (Micros, u8, SessionId),
    (mut examined, fell): (Examined, bool),
    (rows, exists): (UidFlags, u32),
    cx: &mut FolderCx<'_>,
) -> Option<(Seen, UidSet)> {
    let folder = cx.folders.get_mut(&id)?;
    let listed = rows.uids();
    folder.listing.lacked = false;
    // Whatever has come or gone meanwhile.
    let hides = [examined.exists, exists].into_iter().any(|n| cx.known.proof.view.hides(n));
    let weighed = weigh(folder, &mut examined, &listed, exists, fell, session);
    if weighed.fit != Fit::Whole && misses == 0 {
        return None;
    }
    // Two in a row: either the answer lost lines, or this server's EXISTS never fits.
    let (mut misfit, mut kept) = (None, UidSet::new());
    match &weighed.fit {
        Fit::Whole => {}
        Fit::Believed(rest) => kept = rest.clone(),
        Fit::First => {
            misfit =
                first_misfit(folder, &examined, &weighed, listed.clone(), started, &mut cx.run);
        }
    }
    let Weighed { below, surplus, .. } = weighed;
    let believed = surplus != 0 && misfit.is_none();
    let floor = if hides { listed.first().unwrap_or(1) } else { 1 };
    let why = match (believed, hides) {
        (true, _) => Some("EXISTS never fits its listing".to_owned()),
        (_, true) => Some(format!("the server shows {} messages of it at most", examined.exists)),
        _ => None,
    };
    let unproved = why.as_ref().map(|why| match believed {
        true => format!("EXISTS says {}, its listings show {below}", examined.exists),
        false => format!("{why}, the newest: what is older is kept as it was"),
    });
    if let Some(why) = why {
        cx.run.leave(format!("folder {} is not proved: {why}", folder.row.path));
    }
    let known = UidSet::range(1, folder.lanes.live.uidnext.saturating_sub(1));
    let seen = Seen {
        started,
        examined,
        rows,
        extent: Extent::Whole,
        unproved,
        misfit,
        kept,
        surplus,
        fell,
        floor,
        compared: false,
        used_again: UidSet::new(),
        unsure: BTreeSet::new(),
    };
    Some((seen, listed.minus(&known)))
}

/// Whether it is the first listing of a folder of a new account: nothing is held that it could lack, and
/// what it shows is asked for while it is open.
pub(super) fn is_seen_first(id: FolderId, seen: &Seen, cx: &mut FolderCx<'_>) -> bool {
    let Some(folder) = cx.folders.get_mut(&id) else { return false };
    let fits = !seen.fell && seen.misfit.is_none() && seen.unproved.is_none();
    let is_first = cx.known.is_first && folder.is_new() && fits;
    if is_first {
        folder.listing.see(seen, &folder.lanes.backfill.remaining, true);
    }
    is_first
}
