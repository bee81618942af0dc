//! A set of UIDs as sorted, disjoint, inclusive ranges: small for a million UIDs in a row, and what
//! the wire speaks.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A set of UIDs. Text form: `1:5,9` (RFC 3501 `sequence-set` without `*`), always ascending and
/// disjoint.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct UidSet {
    ranges: Vec<(u32, u32)>,
}

/// Why a text is no UID set.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a UID set: {0:?}")]
pub struct BadUidSet(String);

impl UidSet {
    /// The empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// All UIDs from `low` to `high`, both included; empty if `low > high`. UID 0 does not exist
    /// and is left out.
    #[must_use]
    pub fn range(low: u32, high: u32) -> Self {
        let low = low.max(1);
        if low > high { Self::new() } else { Self { ranges: vec![(low, high)] } }
    }

    /// A set of one.
    #[must_use]
    pub fn one(uid: u32) -> Self {
        Self::range(uid, uid)
    }

    /// The ranges, ascending and disjoint.
    #[must_use]
    pub fn ranges(&self) -> &[(u32, u32)] {
        &self.ranges
    }

    /// Whether nothing is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The number of UIDs in the set.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.ranges.iter().map(|&(a, b)| u64::from(b - a) + 1).sum()
    }

    /// The smallest UID.
    #[must_use]
    pub fn first(&self) -> Option<u32> {
        self.ranges.first().map(|r| r.0)
    }

    /// The largest UID.
    #[must_use]
    pub fn last(&self) -> Option<u32> {
        self.ranges.last().map(|r| r.1)
    }

    /// Whether `uid` is in the set.
    #[must_use]
    pub fn contains(&self, uid: u32) -> bool {
        let at = self.ranges.partition_point(|r| r.1 < uid);
        self.ranges.get(at).is_some_and(|r| r.0 <= uid)
    }

    /// Whether every UID of `other` is in the set.
    #[must_use]
    pub fn contains_all(&self, other: &Self) -> bool {
        other.ranges.iter().all(|&(a, b)| {
            let at = self.ranges.partition_point(|r| r.1 < a);
            self.ranges.get(at).is_some_and(|r| r.0 <= a && b <= r.1)
        })
    }

    /// Adds one UID; cheap when UIDs come in ascending order.
    pub fn insert(&mut self, uid: u32) {
        if uid == 0 || self.contains(uid) {
            return;
        }
        match self.ranges.last_mut() {
            Some(last) if last.1.checked_add(1) == Some(uid) => last.1 = uid,
            Some(last) if last.1 < uid => self.ranges.push((uid, uid)),
            None => self.ranges.push((uid, uid)),
            Some(_) => *self = self.union(&Self::one(uid)),
        }
    }

    /// Every UID that is in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut all: Vec<(u32, u32)> = self.ranges.iter().chain(&other.ranges).copied().collect();
        all.sort_unstable();
        let mut ranges: Vec<(u32, u32)> = Vec::with_capacity(all.len());
        for (a, b) in all {
            match ranges.last_mut() {
                Some(last) if a <= last.1.saturating_add(1) => last.1 = last.1.max(b),
                _ => ranges.push((a, b)),
            }
        }
        Self { ranges }
    }

    /// What is here and not in `other`.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let mut ranges = Vec::with_capacity(self.ranges.len());
        let mut cuts = other.ranges.iter().copied().peekable();
        for &(a, b) in &self.ranges {
            let mut from = Some(a);
            while let Some(&(x, y)) = cuts.peek() {
                let Some(start) = from else { break };
                if y < start {
                    cuts.next();
                    continue;
                }
                if x > b {
                    break;
                }
                if x > start {
                    ranges.push((start, x - 1));
                }
                from = y.checked_add(1).filter(|next| *next <= b);
                if y <= b {
                    cuts.next();
                } else {
                    break;
                }
            }
            if let Some(start) = from {
                ranges.push((start, b));
            }
        }
        Self { ranges }
    }

    /// What is in both sets.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        self.minus(&self.minus(other))
    }

    /// The UIDs, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.ranges.iter().flat_map(|&(a, b)| a..=b)
    }

    /// The UIDs, descending.
    pub fn iter_down(&self) -> impl Iterator<Item = u32> + '_ {
        self.ranges.iter().rev().flat_map(|&(a, b)| (a..=b).rev())
    }

    /// Splits the set so that the text of each part has at most `octets` octets (RFC 7162 §6 asks
    /// for lines below 8,192).
    #[must_use]
    pub fn chunks(&self, octets: usize) -> Vec<Self> {
        let mut parts = Vec::new();
        let mut part = Self::new();
        let mut used = 0;
        for &(a, b) in &self.ranges {
            let cost = Self { ranges: vec![(a, b)] }.to_string().len() + 1;
            if used + cost > octets && !part.is_empty() {
                parts.push(std::mem::take(&mut part));
                used = 0;
            }
            used += cost;
            part.ranges.push((a, b));
        }
        if !part.is_empty() {
            parts.push(part);
        }
        parts
    }

    /// Of ranges in whatever order, which may overlap.
    #[must_use]
    pub fn of_ranges(mut ranges: Vec<(u32, u32)>) -> Self {
        ranges.retain(|(low, high)| (1..=*high).contains(low));
        ranges.sort_unstable();
        let mut set = Self { ranges: Vec::with_capacity(ranges.len()) };
        for (low, high) in ranges {
            match set.ranges.last_mut() {
                Some(last) if low <= last.1.saturating_add(1) => last.1 = last.1.max(high),
                _ => set.ranges.push((low, high)),
            }
        }
        set
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// [`BadUidSet`] when the text is not an ascending list of UIDs and ranges.
    pub fn parse(text: &str) -> Result<Self, BadUidSet> {
        let bad = || BadUidSet(text.to_owned());
        let mut set = Self::new();
        if text.is_empty() {
            return Ok(set);
        }
        for part in text.split(',') {
            let (a, b) = part.split_once(':').unwrap_or((part, part));
            let a: u32 = a.parse().map_err(|_| bad())?;
            let b: u32 = b.parse().map_err(|_| bad())?;
            if a == 0 || b < a || set.last().is_some_and(|last| last >= a) {
                return Err(bad());
            }
            set.ranges.push((a, b));
        }
        Ok(set.union(&Self::new()))
    }
}

impl FromIterator<u32> for UidSet {
    fn from_iter<T: IntoIterator<Item = u32>>(uids: T) -> Self {
        let mut sorted: Vec<u32> = uids.into_iter().collect();
        sorted.sort_unstable();
        let mut set = Self::new();
        for uid in sorted {
            set.insert(uid);
        }
        set
    }
}

impl fmt::Display for UidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, &(a, b)) in self.ranges.iter().enumerate() {
            if n > 0 {
                f.write_str(",")?;
            }
            if a == b {
                write!(f, "{a}")?;
            } else {
                write!(f, "{a}:{b}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for UidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

impl Serialize for UidSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UidSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn ranges_in_whatever_order_are_one_set() {
        let set = UidSet::of_ranges(vec![(8, 20), (3, 3), (7, 9), (21, 22), (0, 4), (30, 29)]);
        assert_eq!(set.to_string(), "3,7:22");
        assert_eq!(UidSet::of_ranges(vec![(5, u32::MAX), (9, 9)]).to_string(), "5:4294967295");
    }

    fn set(uids: &BTreeSet<u32>) -> UidSet {
        uids.iter().copied().collect()
    }

    #[test]
    fn text_round_trip_and_refusals() {
        assert_eq!(UidSet::parse("1:3,5").unwrap().to_string(), "1:3,5");
        assert_eq!(UidSet::parse("1:3,4").unwrap().to_string(), "1:4");
        for bad in ["0", "3:1", "5,4", "a", "1:*", "1,,2"] {
            assert!(UidSet::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(UidSet::range(4_294_967_294, u32::MAX).len(), 2);
        assert_eq!(
            UidSet::range(1, u32::MAX).minus(&UidSet::one(u32::MAX)).last(),
            Some(u32::MAX - 1)
        );
    }

    #[test]
    fn chunks_keep_every_uid() {
        let set: UidSet = (1..2000).step_by(2).collect();
        let parts = set.chunks(100);
        assert!(parts.iter().all(|p| p.to_string().len() <= 100));
        let back = parts.iter().fold(UidSet::new(), |a, b| a.union(b));
        assert_eq!(back, set);
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_set(a in prop::collection::btree_set(1u32..60, 0..40), b in prop::collection::btree_set(1u32..60, 0..40)) {
            let (x, y) = (set(&a), set(&b));
            prop_assert_eq!(x.union(&y), set(&a.union(&b).copied().collect()));
            prop_assert_eq!(x.minus(&y), set(&a.difference(&b).copied().collect()));
            prop_assert_eq!(x.intersect(&y), set(&a.intersection(&b).copied().collect()));
            prop_assert_eq!(x.contains_all(&y), b.is_subset(&a));
            prop_assert_eq!(x.iter().collect::<BTreeSet<_>>(), a.clone());
            prop_assert_eq!(x.iter_down().collect::<Vec<_>>(), a.iter().rev().copied().collect::<Vec<_>>());
            prop_assert_eq!(x.len(), a.len() as u64);
            prop_assert_eq!(UidSet::parse(&x.to_string()).unwrap(), x);
        }
    }
}
