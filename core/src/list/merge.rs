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
}

/// Several lists, read as one.
#[derive(Debug)]
pub struct Merge<T> {
    lists: Vec<List<T>>,
    heads: BinaryHeap<(Position, usize)>,
    /// How many of them are to be read before anything can be taken.
    lacking: usize,
    piece: usize,
    looked_at: usize,
    taken: Option<Position>,
}

impl<T> Merge<T> {
    /// Of these, from the first that stands below `from` (rank or date, and number) and behind `behind`, if one wants
    /// about so many.
    #[must_use]
    pub fn new(lists: &[i64], from: (i64, i64), behind: Option<Position>, wanted: usize) -> Self {
        let begin = |list: i64| {
            let (at, id) = match behind {
                // Of what stands at one place a list with a lower number comes later.
                Some(told) if list < told.list => (told.at, told.id.saturating_add(1)),
                Some(told) => (told.at, told.id),
                None => from,
            };
            let (at, id) = (at, id).min(from);
            List { below: Below { list, at, id }, found: VecDeque::new(), is_over: false }
        };
        let lists: Vec<List<T>> = lists.iter().copied().map(begin).collect();
        let piece = match lists.len() {
            0 | 1 => wanted,
            many => (2 * wanted).div_ceil(many),
        };
        Self {
            heads: BinaryHeap::with_capacity(lists.len()),
            lacking: lists.len(),
            piece: piece.clamp(1, PIECE_MOST),
            lists,
            looked_at: 0,
            taken: None,
        }
    }

    /// From where which lists are to be read before anything can be taken, and how many rows of each.
    #[must_use]
    pub fn wants(&self) -> (Vec<Below>, usize) {
        let lacking = self.lists.iter().filter(|list| !list.is_over && list.found.is_empty());
        (lacking.map(|list| list.below).collect(), self.piece)
    }

    /// What was read: of each list that was wanted its rows, the highest first.
    pub fn found(&mut self, rows: impl IntoIterator<Item = (Position, T)>) {
        let wanted = |list: &List<T>| !list.is_over && list.found.is_empty();
        let of: std::collections::BTreeMap<i64, usize> = (0..)
            .zip(&self.lists)
            .filter(|(_, list)| wanted(list))
            .map(|(at, list)| (list.below.list, at))
            .collect();
        for (position, row) in rows {
            let list = of.get(&position.list).and_then(|at| self.lists.get_mut(*at));
            if let Some(list) = list {
                list.below = Below { list: position.list, at: position.at, id: position.id };
                list.found.push_back((position, row));
                self.looked_at += 1;
            }
        }
        for at in of.into_values() {
            let Some(list) = self.lists.get_mut(at) else { continue };
            list.is_over = list.found.len() < self.piece;
            if let Some((position, _)) = list.found.front() {
                self.heads.push((*position, at));
            }
            if list.is_over || !list.found.is_empty() {
                self.lacking = self.lacking.saturating_sub(1);
            }
        }
        self.piece = (2 * self.piece).min(PIECE_MOST);
    }

    /// What comes next; nothing where some list is to be read first, or all are over. What stands at one place is
    /// taken once.
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
            if self.taken != Some(position) {
                self.taken = Some(position);
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
    fn read(lists: &[Vec<(i64, i64)>], below: &[Below], most: usize) -> Vec<(Position, ())> {
        let mut rows = Vec::new();
        for Below { list, at, id } in below {
            let mut of = lists[usize::try_from(*list).unwrap()].clone();
            of.sort_unstable_by(|a, b| b.cmp(a));
            let behind = of.into_iter().filter(|one| *one < (*at, *id)).take(most);
            rows.extend(behind.map(|(at, id)| (Position { at, id, list: *list }, ())));
        }
        rows
    }

    fn page(
        lists: &[Vec<(i64, i64)>],
        from: (i64, i64),
        behind: Option<Position>,
        wanted: usize,
    ) -> Vec<Position> {
        let numbers: Vec<i64> = (0..).take(lists.len()).collect();
        let mut merge = Merge::new(&numbers, from, behind, wanted);
        let mut told = Vec::new();
        while told.len() < wanted {
            if let Some((position, ())) = merge.take() {
                told.push(position);
            } else if merge.is_over() {
                break;
            } else {
                let (below, most) = merge.wants();
                assert!(!below.is_empty(), "it wants nothing and gives nothing");
                merge.found(read(lists, &below, most));
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
            wanted in 1_usize..7,
        ) {
            let mut whole: Vec<Position> = (0..)
                .zip(&lists)
                .flat_map(|(list, of)| of.iter().map(move |(at, id)| Position { at: *at, id: *id, list }))
                .filter(|one| (one.at, one.id) < from)
                .collect();
            whole.sort_unstable_by(|a, b| b.cmp(a));
            whole.dedup();
            let mut told: Vec<Position> = Vec::new();
            loop {
                let next = page(&lists, from, told.last().copied(), wanted);
                told.extend(&next);
                if next.len() < wanted {
                    break;
                }
            }
            prop_assert_eq!(told, whole);
        }
    }

    /// A thousand lists cost about as many rows as there are lists, whichever of them has what is newest.
    #[test]
    fn many_lists_cost_little() {
        for newest in [0_i64, 500, 999] {
            let of = |list: i64| {
                (0..200).map(move |n| (if list == newest { 1000 + n } else { n }, list)).collect()
            };
            let lists: Vec<Vec<(i64, i64)>> = (0..1000).map(of).collect();
            let numbers: Vec<i64> = (0..1000).collect();
            let mut merge = Merge::new(&numbers, (i64::MAX, i64::MAX), None, 50);
            let (mut told, mut rounds) = (0, 0);
            while told < 50 {
                if let Some((position, ())) = merge.take() {
                    assert_eq!(position.list, newest);
                    told += 1;
                } else {
                    let (below, most) = merge.wants();
                    merge.found(read(&lists, &below, most));
                    rounds += 1;
                }
            }
            assert!(merge.looked_at() < 1200 && rounds < 8, "{} {rounds}", merge.looked_at());
        }
    }
}
