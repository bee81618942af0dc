//! A whole listing beside EXISTS: what it is worth.

use crate::commit::rows::Misfit;
use crate::mail::id::SessionId;
use crate::mail::uid_set::UidSet;
use crate::provider::folders::Examined;
use crate::run::context::{RunEffects, RunFacts};
use crate::run::evidence::{Fit, judge_fit};
use crate::run::folders::folder::{Cx, Folder};
use crate::time::Micros;

/// A listing that was weighed.
#[derive(Debug)]
pub(super) struct Weighed {
    pub(super) fit: Fit,
    /// Those of its UIDs that EXISTS counts.
    pub(super) below: u64,
    /// EXISTS minus those.
    pub(super) surplus: i64,
}

/// Weighs a listing; `exists` is what EXISTS was when it was complete. Where mail went between
/// EXAMINE and the listing, the counters become what the listing showed. `all`: UIDNEXT says nothing
/// of what EXISTS counts.
pub(super) fn weigh(
    folder: &Folder,
    examined: &mut Examined,
    listed: &UidSet,
    exists: u32,
    all: bool,
    session: SessionId,
) -> Weighed {
    let below = if all {
        listed.len()
    } else {
        listed.intersect(&UidSet::range(1, examined.uidnext.saturating_sub(1))).len()
    };
    if below != u64::from(examined.exists) && listed.len() == u64::from(exists) {
        examined.exists = u32::try_from(below).unwrap_or(u32::MAX);
    }
    let surplus = i64::from(examined.exists) - i64::try_from(below).unwrap_or(i64::MAX);
    let (known, look) = (folder.row.surplus, folder.row.misfit.as_ref());
    let fit = judge_fit(examined.uidvalidity, listed, surplus, known, look, session);
    Weighed { fit, below, surplus }
}

/// A listing that does not fit, and waits for a second one.
pub(super) fn first_misfit(
    folder: &Folder,
    examined: &Examined,
    weighed: &Weighed,
    listed: UidSet,
    started: Micros,
    run: &mut Cx<'_>,
) -> Option<Misfit> {
    let (Weighed { below, surplus, .. }, session) = (weighed, run.session()?);
    let text = format!(
        "folder {}: the listing shows {below} messages where EXISTS says {}; looked at again next time",
        folder.row.path, examined.exists
    );
    run.leave(text);
    run.look_again();
    let uidvalidity = examined.uidvalidity;
    Some(Misfit { uidvalidity, listed, surplus: *surplus, session, at: started })
}
