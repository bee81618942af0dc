//! Absence needs evidence: when a complete answer may end what it lacks, and when it is only a
//! first look.

use crate::commit::rows::{FolderLook, ListLook, Misfit};
use crate::mail::id::{FolderId, SessionId, UidValidity};
use crate::mail::uid_set::UidSet;
use crate::time::Micros;
use std::collections::BTreeSet;
use std::time::Duration;

/// The session and the instant of the look that is being taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Observation {
    pub(crate) session: SessionId,
    pub(crate) at: Micros,
    pub(crate) confirm_after: Duration,
}

impl Observation {
    pub(crate) fn is_second_to(self, session: SessionId, at: Micros) -> bool {
        self.session != session && self.at >= at.plus(self.confirm_after)
    }
}

/// What may end now, what is held back, and the look to be stored (none when the stored one still
/// stands).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ruling<T, L> {
    pub(crate) ends: T,
    pub(crate) held: T,
    pub(crate) look: Option<L>,
}

/// What a folder is when absences in it are judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FolderCount {
    /// Of what was seen.
    pub(crate) uidvalidity: UidValidity,
    /// Locations that live in our rows.
    pub(crate) living: u64,
    /// Messages that the server counts.
    pub(crate) exists: u32,
    /// As many may always end at once.
    pub(crate) floor: u64,
}

/// Judges the absence of `ends` out of the living locations of a folder.
pub(crate) fn judge_folder(
    folder: FolderCount,
    ends: UidSet,
    look: Option<&FolderLook>,
    sight: Observation,
) -> Ruling<UidSet, FolderLook> {
    let FolderCount { uidvalidity, living, exists, floor } = folder;
    let limit = floor.max(living / 5);
    if ends.is_empty() || (ends.len() <= limit && exists > 0) {
        return Ruling { ends, held: UidSet::new(), look: None };
    }
    let first =
        |held: UidSet| FolderLook { uidvalidity, ends: held, session: sight.session, at: sight.at };
    match look.filter(|look| look.uidvalidity == uidvalidity) {
        Some(look) if sight.is_second_to(look.session, look.at) => {
            let rest = ends.minus(&look.ends);
            let too_many = rest.len() > limit || (exists == 0 && !rest.is_empty());
            let held = if too_many { rest } else { UidSet::new() };
            let look = (!held.is_empty()).then(|| first(held.clone()));
            Ruling { ends: ends.minus(&held), held, look }
        }
        Some(look) if look.ends.contains_all(&ends) => {
            Ruling { ends: UidSet::new(), held: ends, look: None }
        }
        _ => Ruling { ends: UidSet::new(), look: Some(first(ends.clone())), held: ends },
    }
}

/// Judges the absence of folders from a LIST, whose names the server refuses to open too. It always
/// takes two looks: a namespace that is away for a while is neither listed nor opened.
pub(crate) fn judge_list(
    missing: BTreeSet<FolderId>,
    look: Option<&ListLook>,
    sight: Observation,
) -> Ruling<BTreeSet<FolderId>, ListLook> {
    if missing.is_empty() {
        return Ruling { ends: missing, held: BTreeSet::new(), look: None };
    }
    let first = |held: &BTreeSet<FolderId>| ListLook {
        missing: held.clone(),
        session: sight.session,
        at: sight.at,
    };
    match look {
        Some(look) if sight.is_second_to(look.session, look.at) => {
            let held: BTreeSet<FolderId> = missing.difference(&look.missing).copied().collect();
            let ends = missing.difference(&held).copied().collect();
            Ruling { ends, look: (!held.is_empty()).then(|| first(&held)), held }
        }
        Some(look) if missing.is_subset(&look.missing) => {
            Ruling { ends: BTreeSet::new(), held: missing, look: None }
        }
        _ => Ruling { ends: BTreeSet::new(), look: Some(first(&missing)), held: missing },
    }
}

/// What a listing is worth that does not fit EXISTS by `surplus`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// It fits, or misses by what is known of this folder: what it lacks is not there.
    Whole,
    /// Two looks with the same surplus are believed: what both lack ends, what only the first
    /// showed is kept, and then this listing is a first look again.
    Believed(UidSet),
    /// A first look: what it lacks is unknown.
    First,
}

/// Judges a listing that misses EXISTS by `surplus`, where `known` is the surplus that the folder
/// is known for.
pub(crate) fn judge_fit(
    uidvalidity: UidValidity,
    listed: &UidSet,
    surplus: i64,
    known: i64,
    look: Option<&Misfit>,
    session: SessionId,
) -> Fit {
    if surplus == 0 || surplus == known {
        return Fit::Whole;
    }
    match look.filter(|look| look.uidvalidity == uidvalidity) {
        Some(look) if look.session != session && look.surplus == surplus => {
            Fit::Believed(look.listed.minus(listed))
        }
        _ => Fit::First,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V: UidValidity = UidValidity(1);

    fn sight(session: i64, seconds: i64) -> Observation {
        Observation {
            session: SessionId(session),
            at: Micros::from_seconds(seconds),
            confirm_after: Duration::from_secs(60),
        }
    }

    fn counted(living: u64, exists: u32) -> FolderCount {
        FolderCount { uidvalidity: V, living, exists, floor: 50 }
    }

    #[test]
    fn few_end_at_once_many_need_a_second_look() {
        let few = judge_folder(counted(60, 10), UidSet::range(1, 50), None, sight(1, 0));
        assert_eq!((few.ends.len(), few.look), (50, None));
        let many = judge_folder(counted(60, 9), UidSet::range(1, 51), None, sight(1, 0));
        assert!(many.ends.is_empty() && many.held.len() == 51);
        let look = many.look.unwrap();
        // The same session, or too early: nothing ends, and the first look stands.
        for early in [sight(1, 100), sight(2, 59)] {
            let again = judge_folder(counted(60, 9), UidSet::range(1, 51), Some(&look), early);
            assert_eq!((again.ends.is_empty(), again.look), (true, None));
            // Where it lacks more, that is a first look of its own.
            let more = judge_folder(counted(60, 8), UidSet::range(1, 52), Some(&look), early);
            assert_eq!(
                (more.ends.is_empty(), more.look.map(|look| look.ends.len())),
                (true, Some(52))
            );
        }
        // What a second look lacks beyond the first is held where it is many, and ends where it is
        // few.
        for (beyond, held) in [(50, 0), (51, 51)] {
            let wider = judge_folder(
                counted(200, 9),
                UidSet::range(1, 51 + beyond),
                Some(&look),
                sight(2, 60),
            );
            assert_eq!(wider.held.len(), held, "{beyond} beyond");
        }
        let second = judge_folder(counted(60, 9), UidSet::range(1, 51), Some(&look), sight(2, 60));
        assert_eq!((second.ends.len(), second.held.len()), (51, 0));
    }

    #[test]
    fn zero_exists_is_never_believed_at_once() {
        let one = judge_folder(counted(1, 0), UidSet::one(1), None, sight(1, 0));
        assert!(one.ends.is_empty());
        let look = one.look.unwrap();
        // The second look lacks another UID too: that one becomes a first look again.
        let more = judge_folder(counted(2, 0), UidSet::range(1, 2), Some(&look), sight(2, 90));
        assert_eq!((more.ends.to_string(), more.held.to_string()), ("1".into(), "2".into()));
    }

    #[test]
    fn what_a_list_lacks_takes_two_looks() {
        let ids = |n: std::ops::Range<i64>| n.map(FolderId).collect::<BTreeSet<_>>();
        let first = judge_list(ids(0..3), None, sight(1, 0));
        assert!(first.ends.is_empty());
        let look = first.look.unwrap();
        for early in [sight(1, 100), sight(2, 59)] {
            let again = judge_list(ids(0..3), Some(&look), early);
            assert_eq!(
                (again.ends.len(), again.held.len(), again.look),
                (0, 3, None),
                "the same session, or too early"
            );
            let more = judge_list(ids(0..4), Some(&look), early);
            assert_eq!((more.ends.len(), more.look.map(|look| look.missing)), (0, Some(ids(0..4))));
        }
        let second = judge_list(ids(1..5), Some(&look), sight(2, 61));
        assert_eq!((second.ends, second.held), (ids(1..3), ids(3..5)));
        assert!(judge_list(ids(0..1), None, sight(1, 0)).ends.is_empty(), "one folder too");
    }

    #[test]
    fn two_listings_with_the_same_surplus_are_believed() {
        let fit = |shown: UidSet, surplus, known, look: Option<&Misfit>, session| {
            judge_fit(V, &shown, surplus, known, look, SessionId(session))
        };
        let all = UidSet::range(1, 9);
        assert_eq!(fit(all.clone(), 0, 2, None, 1), Fit::Whole);
        assert_eq!(fit(all.clone(), 2, 2, None, 1), Fit::Whole, "it is known for that");
        assert_eq!(fit(all.clone(), 2, 0, None, 1), Fit::First);
        let (session, at) = (SessionId(1), Micros(1));
        let look = Misfit { uidvalidity: V, listed: all, surplus: 2, session, at };
        assert_eq!(fit(UidSet::range(1, 9), 2, 0, Some(&look), 1), Fit::First, "the same session");
        assert_eq!(fit(UidSet::range(1, 8), 3, 0, Some(&look), 2), Fit::First, "another surplus");
        assert_eq!(fit(UidSet::range(2, 12), 2, 0, Some(&look), 2), Fit::Believed(UidSet::one(1)));
        let other = Misfit { uidvalidity: UidValidity(7), ..look };
        assert_eq!(
            fit(UidSet::range(1, 9), 2, 0, Some(&other), 2),
            Fit::First,
            "another UIDVALIDITY"
        );
    }
}
