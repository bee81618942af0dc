//! UIDs with their flags, compact: an index of a folder, ours or theirs.

use crate::mail::flags::Flags;
use crate::mail::uid_set::UidSet;
use std::collections::BTreeMap;

/// UIDs with their flags, compact: 8 octets a message and one copy of each distinct flag set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UidFlags {
    rows: Vec<(u32, u32)>,
    sets: Vec<Flags>,
    index: BTreeMap<Flags, u32>,
    sorted: bool,
}

impl UidFlags {
    /// Adds a UID. A UID told twice counts once; the later word wins. Returns the octets that its
    /// flags cost: none where another UID has the same.
    pub fn push(&mut self, uid: u32, flags: Flags) -> usize {
        let (set, octets) = self.set(flags);
        self.add(uid, set);
        octets
    }

    /// Adds UIDs that have the same flags.
    pub fn push_all(&mut self, flags: Flags, uids: impl Iterator<Item = u32>) {
        let (set, _) = self.set(flags);
        uids.for_each(|uid| self.add(uid, set));
    }

    fn set(&mut self, flags: Flags) -> (u32, usize) {
        let next = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
        let mut octets = 0;
        let set = *self.index.entry(flags).or_insert_with_key(|flags| {
            octets = 64 + 2 * flags.as_str().len();
            self.sets.push(flags.clone());
            next
        });
        (set, octets)
    }

    fn add(&mut self, uid: u32, set: u32) {
        self.sorted = self.rows.last().is_none_or(|last| self.sorted && last.0 < uid);
        self.rows.push((uid, set));
    }

    /// Sorts by UID and drops what was told twice. Call once after the last push.
    #[must_use]
    pub fn finished(mut self) -> Self {
        self.index = BTreeMap::new();
        if !self.sorted {
            self.rows.sort_by_key(|row| row.0);
            let mut kept: Vec<(u32, u32)> = Vec::with_capacity(self.rows.len());
            for row in self.rows {
                match kept.last_mut() {
                    Some(last) if last.0 == row.0 => *last = row,
                    _ => kept.push(row),
                }
            }
            self.rows = kept;
            self.sorted = true;
        }
        self
    }

    /// The number of UIDs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// UIDs with flags, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Flags)> {
        self.rows.iter().filter_map(|&(uid, set)| Some((uid, self.sets.get(set as usize)?)))
    }

    /// The flags of one UID.
    #[must_use]
    pub fn get(&self, uid: u32) -> Option<&Flags> {
        let at = self.rows.binary_search_by_key(&uid, |row| row.0).ok()?;
        self.sets.get(self.rows.get(at)?.1 as usize)
    }

    /// The UIDs alone.
    #[must_use]
    pub fn uids(&self) -> UidSet {
        self.rows.iter().map(|row| row.0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uid_flags_sort_and_keep_the_last_word() {
        let mut rows = UidFlags::default();
        rows.push(5, Flags::new(["\\Seen"]));
        rows.push(3, Flags::default());
        rows.push(5, Flags::new(["\\Flagged"]));
        let rows = rows.finished();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows.get(5).unwrap().as_str(), "\\Flagged");
        assert_eq!(rows.uids().to_string(), "3,5");
        let (mut sets, mut each) = (UidFlags::default(), UidFlags::default());
        for (flags, uids) in [("a", [2, 9]), ("b", [1, 4]), ("a", [7, 5])] {
            sets.push_all(Flags::new([flags]), uids.into_iter());
            for uid in uids {
                each.push(uid, Flags::new([flags]));
            }
        }
        assert_eq!(sets, each);
        assert_eq!(sets.finished().uids().to_string(), "1:2,4:5,7,9");
    }
}
