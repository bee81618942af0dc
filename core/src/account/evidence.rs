//! Absence needs evidence: when a complete answer may end what it lacks, and when it is only a first look.

use crate::commit::rows::{FolderLook, ListLook};
use crate::mail::id::{FolderId, SessionId, UidValidity};
use crate::mail::uid_set::UidSet;
use crate::time::Micros;
use std::collections::BTreeSet;
use std::time::Duration;

/// The session and the instant of the look that is being taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight {
    pub(super) session: SessionId,
    pub(super) at: Micros,
    pub(super) confirm_after: Duration,
}

impl Sight {
    fn is_second_to(self, session: SessionId, at: Micros) -> bool {
        self.session != session && self.at >= at.plus(self.confirm_after)
    }
}

/// What may end now, what is held back, and the look to be stored (none when the stored one still stands).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ruling<T, L> {
    pub(super) ends: T,
    pub(super) held: T,
    pub(super) look: Option<L>,
}

/// Judges the absence of `ends` out of `living` locations of a folder.
pub(super) fn judge_folder(
    uidvalidity: UidValidity,
    ends: UidSet,
    living: u64,
    exists: u32,
    floor: u64,
    look: Option<&FolderLook>,
    sight: Sight,
) -> Ruling<UidSet, FolderLook> {
    let limit = floor.max(living / 5);
    if ends.is_empty() || (ends.len() <= limit && exists > 0) {
        return Ruling { ends, held: UidSet::new(), look: None };
    }
    let first =
        |held: UidSet| FolderLook { uidvalidity, ends: held, misfit: None, session: sight.session, at: sight.at };
    match look.filter(|look| look.uidvalidity == uidvalidity && look.misfit.is_none()) {
        Some(look) if sight.is_second_to(look.session, look.at) => {
            let rest = ends.minus(&look.ends);
            let too_many = rest.len() > limit || (exists == 0 && !rest.is_empty());
            let held = if too_many { rest } else { UidSet::new() };
            let look = (!held.is_empty()).then(|| first(held.clone()));
            Ruling { ends: ends.minus(&held), held, look }
        }
        Some(look) if look.ends.contains_all(&ends) => Ruling { ends: UidSet::new(), held: ends, look: None },
        _ => Ruling { ends: UidSet::new(), look: Some(first(ends.clone())), held: ends },
    }
}

/// Judges the absence of folders from a LIST that showed `shown` names, while we hold `held_folders`.
pub(super) fn judge_list(
    missing: BTreeSet<FolderId>,
    shown: usize,
    held_folders: usize,
    look: Option<&ListLook>,
    sight: Sight,
) -> Ruling<BTreeSet<FolderId>, ListLook> {
    if missing.is_empty() || (shown > 0 && missing.len() * 5 <= held_folders) {
        return Ruling { ends: missing, held: BTreeSet::new(), look: None };
    }
    let first = |held: &BTreeSet<FolderId>| ListLook { missing: held.clone(), session: sight.session, at: sight.at };
    match look {
        Some(look) if sight.is_second_to(look.session, look.at) => {
            let held: BTreeSet<FolderId> = missing.difference(&look.missing).copied().collect();
            let ends = missing.difference(&held).copied().collect();
            Ruling { ends, look: (!held.is_empty()).then(|| first(&held)), held }
        }
        Some(look) if missing.is_subset(&look.missing) => Ruling { ends: BTreeSet::new(), held: missing, look: None },
        _ => Ruling { ends: BTreeSet::new(), look: Some(first(&missing)), held: missing },
    }
}

/// A number for a listing, so that two equal ones can be recognised (FNV-1a over the UIDs).
pub(super) fn digest(uids: &UidSet) -> u64 {
    uids.ranges().iter().flat_map(|&(a, b)| [a, b]).fold(0xcbf2_9ce4_8422_2325, |hash, uid| {
        uid.to_be_bytes().iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const V: UidValidity = UidValidity(1);

    fn sight(session: i64, seconds: i64) -> Sight {
        Sight { session: SessionId(session), at: Micros::from_seconds(seconds), confirm_after: Duration::from_secs(60) }
    }

    #[test]
    fn few_end_at_once_many_need_a_second_look() {
        let few = judge_folder(V, UidSet::range(1, 50), 60, 10, 50, None, sight(1, 0));
        assert_eq!((few.ends.len(), few.look), (50, None));
        let many = judge_folder(V, UidSet::range(1, 51), 60, 9, 50, None, sight(1, 0));
        assert!(many.ends.is_empty() && many.held.len() == 51);
        let look = many.look.unwrap();
        // The same session, or too early: nothing ends, and the first look stands.
        for early in [sight(1, 100), sight(2, 59)] {
            let again = judge_folder(V, UidSet::range(1, 51), 60, 9, 50, Some(&look), early);
            assert_eq!((again.ends.is_empty(), again.look), (true, None));
        }
        let second = judge_folder(V, UidSet::range(1, 51), 60, 9, 50, Some(&look), sight(2, 60));
        assert_eq!((second.ends.len(), second.held.len()), (51, 0));
    }

    #[test]
    fn zero_exists_is_never_believed_at_once() {
        let one = judge_folder(V, UidSet::one(1), 1, 0, 50, None, sight(1, 0));
        assert!(one.ends.is_empty());
        let look = one.look.unwrap();
        // The second look lacks another UID too: that one becomes a first look again.
        let more = judge_folder(V, UidSet::range(1, 2), 2, 0, 50, Some(&look), sight(2, 90));
        assert_eq!((more.ends.to_string(), more.held.to_string()), ("1".into(), "2".into()));
    }

    #[test]
    fn a_list_that_lacks_too_many_is_a_first_look() {
        let ids = |n: std::ops::Range<i64>| n.map(FolderId).collect::<BTreeSet<_>>();
        assert_eq!(judge_list(ids(0..2), 8, 10, None, sight(1, 0)).ends.len(), 2);
        let first = judge_list(ids(0..3), 7, 10, None, sight(1, 0));
        assert!(first.ends.is_empty());
        let look = first.look.unwrap();
        let second = judge_list(ids(1..5), 6, 10, Some(&look), sight(2, 61));
        assert_eq!((second.ends, second.held), (ids(1..3), ids(3..5)));
        assert!(judge_list(ids(0..1), 0, 1, None, sight(1, 0)).ends.is_empty());
    }
}
