//! Several lists read as one: each piece by piece, from where it was left.

use crate::list::position::Position;
use std::collections::{BinaryHeap, VecDeque};

/// Rows of a list that are read at a time, at most.
const PIECE_MOST: usize = 1000;

/// From where a list goes on: what stands there is not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Below {
    /// Which list.
    pub list: i64,
    /// As [`Position::at`].
    pub at: i64,
    /// As [`Position::id`].
    pub id: i64,
}

/// One of them.
#[derive(Debug)]
struct List<T> {
    below: Below,
    found: VecDeque<(Position, T)>,
    is_over: bool,
    /// Rows that are read the next time.
    piece: usize,
}

/// Several lists, read as one.
#[derive(Debug)]
pub struct Merge<T> {
    lists: Vec<List<T>>,
    heads: BinaryHeap<(Position, usize)>,
    /// How many of them are to be read before anything can be taken.
    lacking: usize,
    /// What stands lower is not part of it.
    least: i64,
    looked_at: usize,
    taken: Option<(i64, i64, T)>,
}

impl<T: Copy + PartialEq> Merge<T> {
    /// Of these, from the first that stands below the first bound (rank or date, and number) and behind `behind`, down
    /// to the second, if one wants about so many.
    #[must_use]
    pub fn new(
        lists: &[i64],
        (from, least): ((i64, i64), i64),
        behind: Option<Position>,
        wanted: usize,
    ) -> Self {
        let piece = match lists.len() {
            0 | 1 => wanted,
            // Of whose first row is taken the next one is to be known: of one row each, each would be read again.
            many => (2 * wanted).div_ceil(many).max(2),
        };
        let piece = piece.clamp(1, PIECE_MOST);
        let begin = |list: i64| {
            let (at, id) = match behind {
                // Of what stands at one place a list with a lower number comes later.
                Some(told) if list < told.list => (told.at, told.id.saturating_add(1)),
                Some(told) => (told.at, told.id),
                None => from,
            };
            let (at, id) = (at, id).min(from);
            let below = Below { list, at, id };
            List { below, found: VecDeque::new(), is_over: false, piece }
        };
        let lists: Vec<List<T>> = lists.iter().copied().map(begin).collect();
        Self {
            heads: BinaryHeap::with_capacity(lists.len()),
            lacking: lists.len(),
            least,
            lists,
            looked_at: 0,
            taken: None,
        }
    }

    /// From where which lists are to be read before anything can be taken, and how many rows of each.
    #[must_use]
    pub fn wants(&self) -> (Vec<Below>, usize) {
        let lacking = || self.lists.iter().filter(|list| !list.is_over && list.found.is_empty());
        // What one has needed often it needs again; others are read as if they were alone.
        let most = lacking().map(|list| list.piece).max().unwrap_or(1);
        (lacking().map(|list| list.below).collect(), most)
    }

    /// What was read: of each list that was wanted its rows, so many at most, the highest first.
    pub fn found(&mut self, rows: impl IntoIterator<Item = (Position, T)>, most: usize) {
        let wanted = |list: &List<T>| !list.is_over && list.found.is_empty();
        let of: std::collections::BTreeMap<i64, usize> = (0..)
            .zip(&self.lists)
            .filter(|(_, list)| wanted(list))
            .map(|(at, list)| (list.below.list, at))
            .collect();
        let mut counts = std::collections::BTreeMap::<i64, usize>::new();
        for (position, row) in rows {
            let list = of.get(&position.list).and_then(|at| self.lists.get_mut(*at));
            if let Some(list) = list {
                self.looked_at += 1;
                *counts.entry(position.list).or_default() += 1;
                if position.at < self.least {
                    list.is_over = true;
                    continue;
                }
                list.below = Below { list: position.list, at: position.at, id: position.id };
                list.found.push_back((position, row));
            }
        }
        for (number, at) in of {
            let Some(list) = self.lists.get_mut(at) else { continue };
            list.is_over |= counts.get(&number).copied().unwrap_or(0) < most;
            list.piece = (2 * list.piece).min(PIECE_MOST);
            if let Some((position, _)) = list.found.front() {
                self.heads.push((*position, at));
            }
            if list.is_over || !list.found.is_empty() {
                self.lacking = self.lacking.saturating_sub(1);
            }
        }
    }

    /// What comes next; nothing where some list is to be read first, or all are over. What has one rank and number is
    /// taken once, in whichever lists it stands: it may go from one to another while they are read.
    pub fn take(&mut self) -> Option<(Position, T)> {
        while self.lacking == 0 {
            let (_, at) = self.heads.pop()?;
            let list = self.lists.get_mut(at)?;
            let (position, row) = list.found.pop_front()?;
            match list.found.front() {
                Some((next, _)) => self.heads.push((*next, at)),
                None if !list.is_over => self.lacking += 1,
                None => {}
            }
            let place = (position.at, position.id, row);
            if self.taken != Some(place) {
                self.taken = Some(place);
                return Some((position, row));
            }
        }
        None
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.lacking == 0 && self.heads.is_empty()
    }

    /// Rows so far.
    #[must_use]
    pub fn looked_at(&self) -> usize {
        self.looked_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a database would answer.
    fn read(lists: &[Vec<(i64, i64)>], below: &[Below], most: usize) -> Vec<(Position, i64)> {
        let mut rows: Vec<(Position, i64)> = Vec::new();
        for Below { list, at, id } in below {
            let mut of = lists[usize::try_from(*list).unwrap()].clone();
            of.sort_unstable_by(|a, b| b.cmp(a));
            let behind = of.into_iter().filter(|one| *one < (*at, *id)).take(most);
            rows.extend(behind.map(|(at, id)| (Position { at, id, list: *list }, *list)));
        }
        rows
    }

    fn page(
        lists: &[Vec<(i64, i64)>],
        from: ((i64, i64), i64),
        behind: Option<Position>,
        wanted: usize,
    ) -> Vec<Position> {
        let numbers: Vec<i64> = (0..).take(lists.len()).collect();
        let mut merge = Merge::new(&numbers, from, behind, wanted);
        let mut told = Vec::new();
        while told.len() < wanted {
            if let Some((position, _)) = merge.take() {
                told.push(position);
            } else if merge.is_over() {
                break;
            } else {
                let (below, most) = merge.wants();
                assert!(!below.is_empty(), "it wants nothing and gives nothing");
                merge.found(read(lists, &below, most), most);
            }
        }
        told
    }

    proptest! {
        /// Page by page it is what all of them are, sorted, each once.
        #[test]
        fn pages_are_the_whole(
            lists in prop::collection::vec(prop::collection::vec((0_i64..6, 0_i64..6), 0..12), 0..6),
            from in (0_i64..8, 0_i64..8),
            least in -1_i64..6,
            wanted in 1_usize..7,
        ) {
            let mut whole: Vec<Position> = (0..)
                .zip(&lists)
                .flat_map(|(list, of)| of.iter().map(move |(at, id)| Position { at: *at, id: *id, list }))
                .filter(|one| (one.at, one.id) < from && one.at >= least)
                .collect();
            whole.sort_unstable_by(|a, b| b.cmp(a));
            whole.dedup();
            let mut told: Vec<Position> = Vec::new();
            loop {
                let next = page(&lists, (from, least), told.last().copied(), wanted);
                told.extend(&next);
                if next.len() < wanted {
                    break;
                }
            }
            prop_assert_eq!(told, whole);
        }
    }

    /// A thousand lists cost about twice as many rows as there are lists, whichever of them has what is newest.
    #[test]
    fn many_lists_cost_little() {
        for newest in [0_i64, 500, 999] {
            let of = |list: i64| {
                (0..200).map(move |n| (if list == newest { 1000 + n } else { n }, list)).collect()
            };
            let lists: Vec<Vec<(i64, i64)>> = (0..1000).map(of).collect();
            let numbers: Vec<i64> = (0..1000).collect();
            let mut merge = Merge::new(&numbers, ((i64::MAX, i64::MAX), 0), None, 50);
            let (mut told, mut rounds) = (0, 0);
            while told < 50 {
                if let Some((position, _)) = merge.take() {
                    assert_eq!(position.list, newest);
                    told += 1;
                } else {
                    let (below, most) = merge.wants();
                    merge.found(read(&lists, &below, most), most);
                    rounds += 1;
                }
            }
            assert!(merge.looked_at() < 2200 && rounds < 7, "{} {rounds}", merge.looked_at());
        }
    }

    /// What is spread over many lists is found with the first question, but for what few have two of.
    #[test]
    fn a_page_of_many_lists_is_few_questions() {
        let of = |list: i64| (0..20).map(move |n| (n * 7919 % 2003 * 2000 + list, list)).collect();
        let lists: Vec<Vec<(i64, i64)>> = (0..2000).map(of).collect();
        let numbers: Vec<i64> = (0..2000).collect();
        let mut merge = Merge::new(&numbers, ((i64::MAX, i64::MAX), 0), None, 51);
        let (mut taken, mut rounds) = (0, 0);
        while taken < 51 {
            if merge.take().is_some() {
                taken += 1;
            } else {
                let (below, most) = merge.wants();
                merge.found(read(&lists, &below, most), most);
                rounds += 1;
            }
        }
        assert_eq!(rounds, 1);
    }

    /// However many lists there are, what is read of them is what is taken, but for some of each: lists that are much
    /// alike are read a little at a time.
    #[test]
    fn what_is_read_is_taken() {
        for (count, most) in [(1_i64, 1600), (20, 2200), (500, 3000)] {
            let of = |list: i64| (0..40_000 / count).map(move |n| (n * count + list, 0)).collect();
            let lists: Vec<Vec<(i64, i64)>> = (0..count).map(of).collect();
            let numbers: Vec<i64> = (0..count).collect();
            let mut merge = Merge::new(&numbers, ((i64::MAX, i64::MAX), 0), None, 50);
            let mut taken = 0;
            while taken < 1000 {
                if merge.take().is_some() {
                    taken += 1;
                } else {
                    let (below, most) = merge.wants();
                    merge.found(read(&lists, &below, most), most);
                }
            }
            assert!(merge.looked_at() <= most, "{count}: {}", merge.looked_at());
        }
    }

    /// Where what is wanted ends, reading ends, however much stands below.
    #[test]
    fn what_stands_too_low_is_not_read() {
        let lists = vec![(0..100_000).map(|n| (n, n)).collect::<Vec<_>>()];
        let mut merge = Merge::new(&[0], ((i64::MAX, i64::MAX), 99_990), None, 51);
        let (below, most) = merge.wants();
        merge.found(read(&lists, &below, most), most);
        assert_eq!(std::iter::from_fn(|| merge.take()).count(), 10);
        assert!(merge.is_over() && merge.looked_at() == 51);
    }

    /// What goes from one list to another while they are read is told once.
    #[test]
    fn what_changes_its_list_is_told_once() {
        let mut merge = Merge::new(&[1, 2], ((i64::MAX, i64::MAX), 0), None, 1);
        let at = |at, list| (Position { at, id: at, list }, at);
        merge.found([at(9, 2), at(9, 1), at(8, 1)], 2);
        let all: Vec<i64> = std::iter::from_fn(|| merge.take()).map(|(_, of)| of).collect();
        assert_eq!(all, [9, 8]);
    }
}
