//! Flags where a server has no modseq: which part of a folder is looked at in a pass that finds by
//! counting that nothing has gone. The newest part each time, of the rest one window, and all of it
//! once a day.

use crate::mail::cursor::FlagsMark;
use crate::mail::id::FolderId;
use crate::mail::uid_flags::UidFlags;
use crate::mail::uid_set::UidSet;
use crate::provider::folders::{Examined, FolderRequest};
use crate::recovery::backoff::mix;
use crate::run::context::{RunEffects, RunFacts};
use crate::run::folders::context::FolderCx;
use crate::run::folders::folder::Folder;
use crate::run::folders::passes::gate::{counted, settled};
use crate::run::folders::passes::sight::{Pass, Seen, Window};
use crate::run::folders::passes::turn::owner;
use crate::time::Micros;

/// The rest of a folder is looked at in so many windows at most.
const WINDOWS: u32 = 24;

/// The UIDs whose flags are looked at: the newest, and one window of the rest. Which one is drawn by
/// the time of the pass: no count has to be kept, and no rhythm of the schedule leaves one out.
fn window(uidnext: u32, newest: u32, at: Micros) -> UidSet {
    let top = uidnext.saturating_sub(1);
    let low = top.saturating_sub(newest);
    let mut uids = UidSet::range(low.saturating_add(1), top);
    if low > 0 {
        let size = low.div_ceil(WINDOWS).max(newest);
        let count = low.div_ceil(size);
        let drawn = u32::try_from(mix(at.0.unsigned_abs()) % u64::from(count)).unwrap_or(0);
        let first = drawn.saturating_mul(size).saturating_add(1);
        let last = first.saturating_add(size - 1).min(low);
        uids = uids.union(&UidSet::range(first, last));
    }
    uids
}

/// What arrived and up to where flags are compared, if a window of them is enough.
fn allowed(folder: &Folder, examined: &Examined, at: Micros) -> Option<(UidSet, FlagsMark)> {
    let since = settled(folder, at).filter(|flags| flags.modseq == 0 && examined.modseq == 0)?;
    Some((counted(folder, examined)?, since))
}

/// Asks a window of flags, if that is enough.
pub(super) fn asked(
    id: FolderId,
    started: Micros,
    examined: Examined,
    cx: &mut FolderCx<'_>,
) -> Option<Pass> {
    let newest = cx.run.settings().flags_window;
    let folder = cx.folders.get(&id)?;
    let (arrived, since) = allowed(folder, &examined, started)?;
    let uids = window(examined.uidnext, newest, started).union(&arrived);
    if examined.exists == 0 || uids.is_empty() {
        return None;
    }
    let (remote_id, uidvalidity) = (folder.row.remote_id.clone(), examined.uidvalidity);
    let request = FolderRequest::Index { remote_id, uidvalidity, uids: Some(uids.clone()) };
    cx.run.ask(owner(folder), request);
    Some(Pass::Windowing(Window { started, examined, arrived, since, uids }))
}

impl Window {
    /// It came. Whether it shows all that EXISTS counts is seen where it is compared.
    pub(super) fn came(self, rows: UidFlags) -> Pass {
        let Self { started, examined, arrived, since, uids } = self;
        let seen = Seen::of_window(started, examined, since, rows, uids);
        Pass::Arriving { seen, todo: arrived }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_and_one_of_the_rest() {
        let at = Micros::from_seconds;
        assert_eq!(window(1, 10, at(1)), UidSet::new());
        assert_eq!(window(11, 10, at(1)), UidSet::range(1, 10));
        assert_eq!(window(12, 10, at(1)), UidSet::range(1, 11), "the rest is one window");
        // 480 UIDs below the newest 20: 24 windows of 20.
        let one = window(501, 20, at(7));
        assert!(one.contains_all(&UidSet::range(481, 500)) && one.len() == 40, "{one}");
        let big = window(1_000_001, 1000, at(7));
        assert_eq!(big.len(), 1000 + 999_000 / 24);
        assert!(window(u32::MAX, 1000, at(7)).len() > 1000);
    }

    #[test]
    fn no_rhythm_leaves_one_out() {
        for step in [300, 600, 900, 3600, 14_400] {
            let seen = (0..300).fold(UidSet::new(), |seen, n| {
                seen.union(&window(501, 20, Micros::from_seconds(n * step)))
            });
            assert_eq!(seen, UidSet::range(1, 500), "every {step} s");
        }
    }
}
