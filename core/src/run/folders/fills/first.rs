//! What of a folder's past is read first, because somebody asked: it is chosen by the dates that the server tells of
//! what is still to be read, the newest first.

use crate::mail::uid_set::UidSet;
use crate::provider::folders::Sampled;
use crate::run::first::{FirstEnd, FirstOf};

/// Messages whose dates are asked for at once.
const DATES: usize = 2000;
/// What their set may take in a command, in octets.
const SET_OCTETS: usize = 4000;
/// So many sessions end while dates are asked for, and they are asked for no more.
const CUTS: u8 = 2;

/// What is known of a folder's mail that comes first.
#[derive(Debug, Default)]
pub(in crate::run::folders) struct FirstPart {
    /// Of these it is known whether they are chosen.
    known: UidSet,
    /// Their dates are asked for.
    asking: Option<UidSet>,
    chosen: UidSet,
    /// So many were chosen for each wish.
    taken: Vec<u64>,
    /// Dates cannot be had in this run.
    dateless: bool,
    /// Sessions that ended while they were asked for.
    cuts: u8,
}

/// Whether more is wanted for the `n`th wish.
fn has_room(part: &FirstPart, n: usize, wish: &FirstOf) -> bool {
    wish.limit.is_none_or(|limit| part.taken.get(n).is_none_or(|taken| *taken < limit))
}

impl FirstPart {
    /// Chooses among these, which come the newest first, with their dates.
    fn choose(&mut self, wishes: &[FirstOf], mail: impl Iterator<Item = Sampled>) {
        self.taken.resize(wishes.len(), 0);
        let mut chosen = Vec::new();
        for one in mail {
            for (n, wish) in wishes.iter().enumerate() {
                if wish.takes(one.internal_date) && has_room(self, n, wish) {
                    chosen.push(one.uid);
                    if let Some(taken) = self.taken.get_mut(n) {
                        *taken += 1;
                    }
                }
            }
        }
        self.chosen = self.chosen.union(&chosen.into_iter().collect());
    }

    /// Sees to it that of the newest of what is to be read it is known whether that comes first. Returns those whose
    /// dates are to be asked for.
    fn look(&mut self, wishes: &[FirstOf], todo: &UidSet, index: &UidSet) -> Option<UidSet> {
        let unknown = todo.minus(&self.known);
        let wants = |n: usize, wish: &FirstOf| has_room(self, n, wish);
        let asks_dates = !self.dateless
            && wishes.iter().enumerate().any(|(n, wish)| wish.is_dated() && wants(n, wish));
        if asks_dates {
            let newest: UidSet = unknown.iter_down().take(DATES).collect();
            return Some(newest.chunks(SET_OCTETS).pop().unwrap_or_default());
        }
        let undated = |uid| Sampled { uid, size: 0, internal_date: None };
        // What is held already counts: a job that is done twice chooses the same mail.
        self.choose(wishes, index.minus(&self.known).iter_down().map(undated));
        self.known = self.known.union(index);
        None
    }

    /// Dates came, or will not.
    pub(in crate::run::folders) fn told(&mut self, wishes: &[FirstOf], rows: Option<Vec<Sampled>>) {
        let Some(asked) = self.asking.take() else { return };
        let Some(mut rows) = rows else {
            self.dateless = true;
            return;
        };
        rows.retain(|row| asked.contains(row.uid));
        rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.uid));
        rows.dedup_by_key(|row| row.uid);
        self.choose(wishes, rows.into_iter());
        self.known = self.known.union(&asked);
    }

    /// The session has ended: what it was asked is asked again.
    pub(super) fn cut_off(&mut self) {
        if self.asking.take().is_some() {
            self.cuts = self.cuts.saturating_add(1);
            self.dateless |= self.cuts >= CUTS;
        }
    }

    /// What of this is still to be read, or to be chosen.
    pub(super) fn end(&self, todo: &UidSet) -> FirstEnd {
        match () {
            () if todo.is_empty() => FirstEnd::Read,
            () if !self.of(todo).is_empty() || !self.known.contains_all(todo) => FirstEnd::Left,
            () if self.dateless => FirstEnd::Undated,
            () => FirstEnd::Read,
        }
    }

    #[cfg(test)]
    pub(super) fn asking(&self) -> Option<&UidSet> {
        self.asking.as_ref()
    }

    /// Their dates are asked for.
    pub(super) fn asks(&mut self, uids: UidSet) {
        self.asking = Some(uids);
    }

    /// Whether dates are on their way.
    pub(super) fn is_asking(&self) -> bool {
        self.asking.is_some()
    }

    /// Those whose dates are to be asked for, so that there is a page of mail to read of this: none where there is, or
    /// where some are on their way.
    pub(super) fn next(
        &mut self,
        wishes: &[FirstOf],
        (todo, index): (&UidSet, &UidSet),
        page: usize,
    ) -> Option<UidSet> {
        let is_enough = self.of(todo).len() >= page as u64;
        if self.is_asking() || is_enough || self.known.contains_all(todo) {
            return None;
        }
        self.look(wishes, todo, index)
    }

    /// What of this comes first.
    pub(super) fn of(&self, todo: &UidSet) -> UidSet {
        self.chosen.intersect(todo)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Micros;

    fn set(text: &str) -> UidSet {
        UidSet::parse(text).unwrap()
    }

    fn dated(uids: &UidSet) -> Vec<Sampled> {
        let row = |uid: u32| Sampled { uid, size: 1, internal_date: Some(Micros(i64::from(uid))) };
        uids.iter().map(row).collect()
    }

    #[test]
    fn the_newest_of_what_is_asked_for_are_chosen() {
        let mut part = FirstPart::default();
        let wish = FirstOf { limit: Some(3), ..FirstOf::default() };
        assert_eq!(part.look(&[wish], &set("1:10"), &set("1:10")), None, "no dates are needed");
        assert_eq!((part.of(&set("1:10")), part.known), (set("8:10"), set("1:10")));
    }

    #[test]
    fn dates_are_asked_for_from_the_newest_down() {
        let all = set("1:5000");
        let wishes = [
            FirstOf { since: Some(3500), until: Some(3600), limit: Some(10), ..FirstOf::default() },
            FirstOf { until: Some(2), ..FirstOf::default() },
        ];
        let mut part = FirstPart::default();
        for asked in ["3001:5000", "1001:3000", "1:1000"] {
            let asks = part.look(&wishes, &all, &all).unwrap();
            assert_eq!(asks, set(asked));
            part.asking = Some(asks.clone());
            part.told(&wishes, Some(dated(&asks)));
        }
        assert_eq!(part.of(&all), set("1,3590:3599"));
        assert_eq!(part.look(&wishes, &all, &all).unwrap(), UidSet::new());
    }

    #[test]
    fn who_has_enough_asks_for_no_dates() {
        let wish = [FirstOf { since: Some(1), limit: Some(2), ..FirstOf::default() }];
        let mut part = FirstPart { asking: Some(set("9:10")), ..FirstPart::default() };
        part.told(&wish, Some(dated(&set("9:10"))));
        assert_eq!(part.look(&wish, &set("1:10"), &set("1:10")), None);
        assert_eq!((part.of(&set("1:10")), part.known), (set("9:10"), set("1:10")));
    }

    /// A server that tells none: what asks for none comes first all the same.
    #[test]
    fn without_dates_nothing_that_asks_for_them_is_chosen() {
        let wishes = [
            FirstOf { since: Some(1), ..FirstOf::default() },
            FirstOf { limit: Some(1), ..FirstOf::default() },
        ];
        let mut part = FirstPart { asking: Some(set("9:10")), ..FirstPart::default() };
        part.told(&wishes, None);
        assert_eq!(part.look(&wishes, &set("1:10"), &set("1:10")), None);
        assert_eq!(part.of(&set("1:10")), set("10"));
    }

    /// What it was not asked about, and what it tells twice, is not chosen for it.
    #[test]
    fn an_answer_is_taken_for_what_was_asked() {
        let wish = [FirstOf { since: Some(1), limit: Some(2), ..FirstOf::default() }];
        let mut part = FirstPart { asking: Some(set("5:8")), ..FirstPart::default() };
        let rows = [dated(&set("8:9")), dated(&set("5:8"))].concat();
        part.told(&wish, Some(rows));
        assert_eq!(part.of(&set("1:10")), set("7:8"));
    }

    /// A job that is done twice reads no more than one.
    #[test]
    fn what_is_held_counts() {
        let wish = [FirstOf { limit: Some(3), ..FirstOf::default() }];
        let mut part = FirstPart::default();
        assert_eq!(part.look(&wish, &set("1:8"), &set("1:10")), None);
        assert_eq!(part.of(&set("1:8")), set("8"));
        assert_eq!(
            [part.end(&set("1:8")), part.end(&set("1:7"))],
            [FirstEnd::Left, FirstEnd::Read]
        );
    }

    /// One session that ends says nothing of dates.
    #[test]
    fn dates_are_given_up_at_the_second_end() {
        let wish = [FirstOf { since: Some(1), ..FirstOf::default() }];
        let (mut part, all) = (FirstPart::default(), set("1:10"));
        part.cut_off();
        for is_asked in [true, true, false] {
            let asks = part.look(&wish, &all, &all);
            assert_eq!(asks.is_some(), is_asked);
            part.asking = asks;
            let end = part.end(&all);
            assert_eq!(end == FirstEnd::Left, is_asked, "{end:?}");
            part.cut_off();
        }
        assert_eq!([part.end(&all), part.end(&UidSet::new())], [FirstEnd::Undated, FirstEnd::Read]);
    }
}
