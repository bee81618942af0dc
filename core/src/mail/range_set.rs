//! A set of numbers as sorted, disjoint, inclusive ranges: small for a million of them in a row, and what
//! IMAP speaks.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// What ranges are of: UIDs, numbers of messages. They begin at 1.
pub trait Number: Copy + Ord + fmt::Display + FromStr {
    /// The first there is.
    const ONE: Self;

    /// The one behind it, unless it is the last there can be.
    fn next(self) -> Option<Self>;

    /// The one in front of it; not asked of the first.
    fn before(self) -> Self;

    /// How many there are from here to another that is not below.
    fn count_to(self, high: Self) -> u64;
}

macro_rules! number {
    ($($kind:ty),*) => {$(
        impl Number for $kind {
            const ONE: Self = 1;

            fn next(self) -> Option<Self> {
                self.checked_add(1)
            }

            fn before(self) -> Self {
                self - 1
            }

            fn count_to(self, high: Self) -> u64 {
                let apart: u64 = high.abs_diff(self).into();
                apart + 1
            }
        }
    )*};
}

number!(u32, i64);

/// A set of numbers. Text form: `1:5,9` (RFC 3501 `sequence-set` without `*`), always ascending and
/// disjoint.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RangeSet<N> {
    ranges: Vec<(N, N)>,
}

/// Why a text is no set of numbers.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a set of numbers: {0:?}")]
pub struct BadRangeSet(String);

impl<N> Default for RangeSet<N> {
    fn default() -> Self {
        Self { ranges: Vec::new() }
    }
}

impl<N: Number> RangeSet<N> {
    /// The empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// All numbers from `low` to `high`, both included; empty if `low > high`. 0 does not exist
    /// and is left out.
    #[must_use]
    pub fn range(low: N, high: N) -> Self {
        let low = low.max(N::ONE);
        if low > high { Self::new() } else { Self { ranges: vec![(low, high)] } }
    }

    /// A set of one.
    #[must_use]
    pub fn one(number: N) -> Self {
        Self::range(number, number)
    }

    /// The ranges, ascending and disjoint.
    #[must_use]
    pub fn ranges(&self) -> &[(N, N)] {
        &self.ranges
    }

    /// Whether nothing is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many are in the set.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.ranges.iter().map(|&(a, b)| a.count_to(b)).sum()
    }

    /// The smallest.
    #[must_use]
    pub fn first(&self) -> Option<N> {
        self.ranges.first().map(|r| r.0)
    }

    /// The largest.
    #[must_use]
    pub fn last(&self) -> Option<N> {
        self.ranges.last().map(|r| r.1)
    }

    /// Whether `number` is in the set.
    #[must_use]
    pub fn contains(&self, number: N) -> bool {
        let at = self.ranges.partition_point(|r| r.1 < number);
        self.ranges.get(at).is_some_and(|r| r.0 <= number)
    }

    /// Whether every number of `other` is in the set.
    #[must_use]
    pub fn contains_all(&self, other: &Self) -> bool {
        other.ranges.iter().all(|&(a, b)| {
            let at = self.ranges.partition_point(|r| r.1 < a);
            self.ranges.get(at).is_some_and(|r| r.0 <= a && b <= r.1)
        })
    }

    /// Adds one; cheap when they come in ascending order.
    pub fn insert(&mut self, number: N) {
        if number < N::ONE || self.contains(number) {
            return;
        }
        match self.ranges.last_mut() {
            Some(last) if last.1.next() == Some(number) => last.1 = number,
            Some(last) if last.1 < number => self.ranges.push((number, number)),
            None => self.ranges.push((number, number)),
            Some(_) => *self = self.union(&Self::one(number)),
        }
    }

    /// Every number that is in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut all: Vec<(N, N)> = self.ranges.iter().chain(&other.ranges).copied().collect();
        all.sort_unstable();
        let mut ranges: Vec<(N, N)> = Vec::with_capacity(all.len());
        for (a, b) in all {
            match ranges.last_mut() {
                Some(last) if last.1.next().is_none_or(|next| a <= next) => last.1 = last.1.max(b),
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
                    ranges.push((start, x.before()));
                }
                from = y.next().filter(|next| *next <= b);
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

    /// The numbers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = N> + '_
    where
        RangeInclusive<N>: Iterator<Item = N>,
    {
        self.ranges.iter().flat_map(|&(a, b)| a..=b)
    }

    /// The numbers, descending.
    pub fn iter_down(&self) -> impl Iterator<Item = N> + '_
    where
        RangeInclusive<N>: DoubleEndedIterator<Item = N>,
    {
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
    pub fn of_ranges(mut ranges: Vec<(N, N)>) -> Self {
        ranges.retain(|(low, high)| (N::ONE..=*high).contains(low));
        ranges.sort_unstable();
        let mut set = Self { ranges: Vec::with_capacity(ranges.len()) };
        for (low, high) in ranges {
            match set.ranges.last_mut() {
                Some(last) if last.1.next().is_none_or(|next| low <= next) => {
                    last.1 = last.1.max(high)
                }
                _ => set.ranges.push((low, high)),
            }
        }
        set
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// [`BadRangeSet`] when the text is not an ascending list of numbers and ranges.
    pub fn parse(text: &str) -> Result<Self, BadRangeSet> {
        let bad = || BadRangeSet(text.to_owned());
        let mut set = Self::new();
        if text.is_empty() {
            return Ok(set);
        }
        for part in text.split(',') {
            let (a, b) = part.split_once(':').unwrap_or((part, part));
            let a: N = a.parse().map_err(|_| bad())?;
            let b: N = b.parse().map_err(|_| bad())?;
            if a < N::ONE || b < a || set.last().is_some_and(|last| last >= a) {
                return Err(bad());
            }
            set.ranges.push((a, b));
        }
        Ok(set.union(&Self::new()))
    }
}

impl<N: Number> FromIterator<N> for RangeSet<N> {
    fn from_iter<T: IntoIterator<Item = N>>(numbers: T) -> Self {
        let mut sorted: Vec<N> = numbers.into_iter().collect();
        sorted.sort_unstable();
        let mut set = Self::new();
        for number in sorted {
            set.insert(number);
        }
        set
    }
}

impl<N: Number> fmt::Display for RangeSet<N> {
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

impl<N: Number> fmt::Debug for RangeSet<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

impl<N: Number> Serialize for RangeSet<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, N: Number> Deserialize<'de> for RangeSet<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::uid_set::UidSet;
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
    fn numbers_may_be_large() {
        let far = i64::from(u32::MAX) + 5;
        let set = RangeSet::<i64>::range(-3, far).minus(&RangeSet::one(far - 1));
        assert_eq!(set.to_string(), format!("1:{},{far}", far - 2));
        assert_eq!(RangeSet::<i64>::parse(&set.to_string()).unwrap(), set);
        let all = RangeSet::range(1, i64::MAX);
        assert_eq!(all.union(&RangeSet::one(i64::MAX)), all);
        assert_eq!(all.len(), i64::MAX.unsigned_abs());
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
