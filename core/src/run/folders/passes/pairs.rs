//! Which message of a folder is which, when its UIDs begin anew: one to one, and where that is not
//! sure, not at all.

use crate::mail::key::{HeldKey, Keyed};
use crate::mail::uid_set::UidSet;

/// What became of two sides of a folder.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pairs {
    /// Our UID and the server's of the same message.
    pub(super) matched: Vec<(u32, u32)>,
    /// Ours that nothing there is.
    pub(super) lost: UidSet,
    /// Theirs that nothing of ours is.
    pub(super) fresh: UidSet,
}

/// Pairs what we hold with what is there. Equal keys of equal bytes are paired in the order of their
/// UIDs; where several messages of ours have the key, or more are there than we hold, nobody knows
/// which is which.
pub(super) fn pair(mut ours: Vec<HeldKey>, mut theirs: Vec<Keyed>) -> Pairs {
    ours.sort_unstable_by_key(|held| (held.key, held.uid));
    theirs.sort_unstable_by_key(|there| (there.key, there.uid));
    // A UID that was told twice is one message.
    theirs.dedup();
    let (mut matched, mut lost, mut fresh) = (Vec::new(), Vec::new(), Vec::new());
    let mut left = theirs.chunk_by(|a, b| a.key == b.key).peekable();
    for held in ours.chunk_by(|a, b| a.key == b.key) {
        let key = held.first().map(|held| held.key);
        while let Some(there) = left.next_if(|there| there.first().map(|there| there.key) < key) {
            fresh.extend(there.iter().map(|there| there.uid));
        }
        let same = left.next_if(|there| there.first().map(|there| there.key) == key);
        let there = same.unwrap_or_default();
        let is_one = held.iter().all(|row| Some(row.message) == held.first().map(|h| h.message));
        let sure = if is_one && there.len() <= held.len() { there.len() } else { 0 };
        matched
            .extend(held.iter().zip(there).take(sure).map(|(held, there)| (held.uid, there.uid)));
        lost.extend(held.iter().skip(sure).map(|held| held.uid));
        fresh.extend(there.iter().skip(sure).map(|there| there.uid));
    }
    fresh.extend(left.flatten().map(|there| there.uid));
    let set = |mut uids: Vec<u32>| {
        uids.sort_unstable();
        uids.into_iter().collect()
    };
    matched.sort_unstable();
    Pairs { matched, lost: set(lost), fresh: set(fresh) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::id::MessageId;
    use crate::mail::key::MatchKey;

    fn key(n: u64) -> MatchKey {
        MatchKey::of(None, None, Some(n))
    }

    /// UID, key and message of ours; UID and key of theirs.
    fn paired(
        ours: &[(u32, u64, i64)],
        theirs: &[(u32, u64)],
    ) -> (Vec<(u32, u32)>, String, String) {
        let ours = ours.iter().map(|(uid, k, message)| HeldKey {
            uid: *uid,
            key: key(*k),
            message: MessageId(*message),
        });
        let theirs = theirs.iter().map(|(uid, k)| Keyed { uid: *uid, key: key(*k) });
        let Pairs { matched, lost, fresh } = pair(ours.collect(), theirs.collect());
        (matched, lost.to_string(), fresh.to_string())
    }

    #[test]
    fn each_is_paired_with_its_own() {
        let told = paired(&[(5, 1, 1), (6, 2, 2), (9, 3, 3)], &[(1, 3), (2, 1), (3, 4)]);
        assert_eq!(told, (vec![(5, 2), (9, 1)], "6".into(), "3".into()));
        assert_eq!(paired(&[], &[(1, 1)]), (vec![], String::new(), "1".into()));
        assert_eq!(paired(&[(1, 1, 1)], &[]), (vec![], "1".into(), String::new()));
        assert_eq!(
            paired(&[(4, 1, 1)], &[(8, 1), (8, 1)]),
            (vec![(4, 8)], String::new(), String::new())
        );
    }

    #[test]
    fn copies_are_paired_in_their_order() {
        let told = paired(&[(5, 1, 1), (7, 1, 1)], &[(2, 1), (1, 1)]);
        assert_eq!(told, (vec![(5, 1), (7, 2)], String::new(), String::new()));
        // One copy less.
        let told = paired(&[(5, 1, 1), (7, 1, 1)], &[(3, 1)]);
        assert_eq!(told, (vec![(5, 3)], "7".into(), String::new()));
    }

    #[test]
    fn what_is_not_sure_is_not_paired() {
        // Two messages of ours are alike.
        let told = paired(&[(5, 1, 1), (7, 1, 2)], &[(1, 1), (2, 1)]);
        assert_eq!(told, (vec![], "5,7".into(), "1:2".into()));
        let told = paired(&[(5, 1, 1), (7, 1, 2)], &[(1, 1)]);
        assert_eq!(told, (vec![], "5,7".into(), "1".into()));
        // More are there than we hold.
        let told = paired(&[(5, 1, 1)], &[(1, 1), (2, 1)]);
        assert_eq!(told, (vec![], "5".into(), "1:2".into()));
    }
}
