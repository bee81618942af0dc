//! Whose mail is derived next, and when: what has just come goes first, then what is owed of each account in turn;
//! and that rests while history comes in, but for a tenth of the time. Pure.

use super::made::Made;
use super::owed::{Derive, Numbers, Span};
use crate::mail::id::AccountId;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Messages that are asked for at a time.
pub const MOST: i64 = 512;

/// So long after a page of history others may follow.
const HISTORY: Duration = Duration::from_secs(1);
/// Beside history, what is owed rests so many times as long as it took.
const RESTS: u32 = 9;
/// Numbers of a range, at first. (Those of other accounts lie among them.)
const WIDTH: i64 = MOST;
/// Numbers of a range, at most.
const WIDTH_MOST: i64 = 1 << 40;

/// An account.
#[derive(Clone, Debug)]
struct Known {
    derive: Derive,
    newest: i64,
    live: Numbers,
    width: i64,
    /// Its row is not yet what this process begins with.
    begins: bool,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// This is read.
    Read(Work),
    /// Nothing before that time.
    Wait(Duration),
    /// Nothing is owed.
    Rest,
}

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// Whose.
    pub account: AccountId,
    /// Which numbers.
    pub span: Span,
    /// It has just come.
    pub is_live: bool,
}

/// All accounts.
#[derive(Debug, Default)]
pub struct Turns {
    accounts: BTreeMap<AccountId, Known>,
    /// Of which something has just come.
    live: BTreeSet<AccountId>,
    /// Of which something is owed.
    owing: BTreeSet<AccountId>,
    last: Option<AccountId>,
    rests_until: Duration,
}

impl Known {
    fn next(&self) -> Option<Span> {
        self.derive.next(&self.live, self.newest, self.width)
    }
}

impl Turns {
    /// An account as it is stored. One whose last process was killed while it read, or was of other code, begins anew.
    pub fn found(&mut self, account: AccountId, stored: Option<Derive>, newest: i64, made: Made) {
        let derive = stored.unwrap_or_else(|| Derive::new(made));
        let begins = derive.made() != made || derive.asked().is_some();
        let derive = derive.begun(made, &Numbers::new());
        // What was told and what was learned of it stays where only its row is read again.
        let before = self.accounts.remove(&account);
        let (live, width) = before.map_or((Numbers::new(), WIDTH), |it| (it.live, it.width));
        self.accounts.insert(account, Known { derive, newest, live, width, begins });
        self.sorted(account);
    }

    /// There is more mail of it, up to this number; of that, these have just come.
    pub fn came(&mut self, account: AccountId, newest: i64, live: &Numbers, made: Made) {
        if !self.accounts.contains_key(&account) {
            self.found(account, None, newest, made);
        }
        if let Some(known) = self.accounts.get_mut(&account) {
            known.newest = known.newest.max(newest);
            known.live = known.live.union(live);
        }
        self.sorted(account);
    }

    /// It is gone.
    pub fn gone(&mut self, account: AccountId) {
        self.accounts.remove(&account);
        self.live.remove(&account);
        self.owing.remove(&account);
    }

    /// As the store has it now. What was refused may have been another process's: it begins anew.
    pub fn stands(&mut self, account: AccountId, derive: Derive, begins: bool) {
        if let Some(known) = self.accounts.get_mut(&account) {
            (known.derive, known.begins) = (derive, begins);
        }
        self.sorted(account);
    }

    fn sorted(&mut self, account: AccountId) {
        let Some(known) = self.accounts.get_mut(&account) else { return };
        // What is no longer owed is no news.
        known.live = known.live.intersect(&known.derive.owed(known.newest));
        let keep = |set: &mut BTreeSet<AccountId>, is_in| {
            if is_in {
                set.insert(account)
            } else {
                set.remove(&account)
            };
        };
        keep(&mut self.live, !known.live.is_empty());
        keep(&mut self.owing, known.next().is_some());
    }

    /// An account's state, the highest number that is seen of it, and whether its row must be brought to that state.
    #[must_use]
    pub fn known(&self, account: AccountId) -> Option<(&Derive, i64, bool)> {
        self.accounts.get(&account).map(|known| (&known.derive, known.newest, known.begins))
    }

    /// What is next, when history was last stored at `history_at`.
    #[must_use]
    pub fn next(&self, mono: Duration, history_at: Option<Duration>) -> Turn {
        let of = |account: &AccountId, is_live| {
            let span = self.accounts.get(account)?.next()?;
            Some(Turn::Read(Work { account: *account, span, is_live }))
        };
        if let Some(turn) = self.live.iter().find_map(|account| of(account, true)) {
            return turn;
        }
        let behind = self.last.map(|last| last.0 + 1).map_or(AccountId(0), AccountId);
        let mut others = self.owing.range(behind..).chain(self.owing.range(..behind));
        let Some(turn) = others.find_map(|account| of(account, false)) else { return Turn::Rest };
        self.rests(mono, history_at).map_or(turn, Turn::Wait)
    }

    /// Whether history was stored within the last second.
    #[must_use]
    pub fn is_beside(&self, mono: Duration, history_at: Option<Duration>) -> bool {
        history_at.is_some_and(|at| at + HISTORY > mono)
    }

    /// Until when everything rests that is not live.
    #[must_use]
    pub fn rests(&self, mono: Duration, history_at: Option<Duration>) -> Option<Duration> {
        let quiet_at = history_at.map_or(Duration::ZERO, |at| at + HISTORY);
        Some(self.rests_until.min(quiet_at)).filter(|until| *until > mono)
    }

    /// What of an account is read behind this range, if nobody else's is in between.
    #[must_use]
    pub fn after(&self, account: AccountId, taken: Span) -> Option<Span> {
        let known = self.accounts.get(&account)?;
        let is_alone = self.live.iter().chain(&self.owing).all(|other| *other == account);
        let derive = known.derive.clone().taken(taken, known.newest)?;
        Known { derive, ..known.clone() }.next().filter(|_| is_alone)
    }

    /// A turn's range had more messages than are asked for at a time, or so few of them.
    pub fn found_messages(&mut self, account: AccountId, count: i64) {
        if let Some(known) = self.accounts.get_mut(&account) {
            known.width = match count {
                count if count > MOST => (known.width / 2).max(MOST),
                count if count < MOST / 4 => known.width.saturating_mul(4).min(WIDTH_MOST),
                _ => known.width,
            };
        }
    }

    /// A turn is over: the next account's is next, and beside history not at once.
    pub fn took(&mut self, work: Work, mono: Duration, took: Duration) {
        if !work.is_live {
            self.last = Some(work.account);
            self.worked(mono, took);
        }
    }

    /// It could not be done: the others' turns come first, and what was live of it waits for the account's own.
    pub fn failed(&mut self, work: Work) {
        self.last = Some(work.account);
        if let Some(known) = self.accounts.get_mut(&work.account) {
            known.live = Numbers::new();
        }
        self.live.remove(&work.account);
    }

    /// So long something was done that was not live.
    pub fn worked(&mut self, mono: Duration, took: Duration) {
        self.rests_until = mono + took * RESTS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::derive::made::Reads;

    const VERSION: Made = Made { version: 3, words: Reads::Off };
    const A: AccountId = AccountId(4);
    const B: AccountId = AccountId(9);

    fn turns() -> Turns {
        let mut turns = Turns::default();
        turns.found(A, None, 2000, VERSION);
        turns.found(B, None, 700, VERSION);
        turns
    }

    fn read(account: AccountId, low: i64, high: i64, is_live: bool) -> Turn {
        Turn::Read(Work { account, span: Span { low, high }, is_live })
    }

    fn done(turns: &mut Turns, turn: Turn) {
        let Turn::Read(work) = turn else { panic!("{turn:?}") };
        let (derive, newest, _) = turns.known(work.account).unwrap();
        let derive = derive.clone().taken(work.span, newest).unwrap();
        turns.stands(work.account, derive, false);
        turns.took(work, Duration::from_secs(5), Duration::from_millis(10));
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn accounts_take_turns_and_new_mail_goes_first() {
        let mut turns = turns();
        for expected in
            [read(A, 1489, 2000, false), read(B, 189, 700, false), read(A, 977, 1488, false)]
        {
            assert_eq!(turns.next(at(9), None), expected);
            done(&mut turns, expected);
        }
        turns.came(A, 2003, &Numbers::range(2002, 2003), VERSION);
        let live = turns.next(at(9), Some(at(9)));
        assert_eq!(live, read(A, 2002, 2003, true), "also beside history");
        done(&mut turns, live);
        let next = turns.next(at(9), None);
        assert_eq!(next, read(B, 1, 188, false), "that was no turn of its");
        done(&mut turns, next);
        // What was leapt over.
        assert_eq!(turns.next(at(9), None), read(A, 2001, 2001, false));
        turns.gone(A);
        assert_eq!(turns.next(at(9), None), Turn::Rest);
    }

    #[test]
    fn one_that_fails_keeps_no_other_waiting() {
        let mut turns = turns();
        turns.came(A, 2003, &Numbers::range(2002, 2003), VERSION);
        turns.came(B, 2004, &Numbers::range(2004, 2004), VERSION);
        let live = Work { account: A, span: Span { low: 2002, high: 2003 }, is_live: true };
        assert_eq!(turns.next(at(9), None), Turn::Read(live));
        turns.failed(live);
        let other = turns.next(at(9), None);
        assert_eq!(other, read(B, 2004, 2004, true));
        done(&mut turns, other);
        let other = turns.next(at(9), None);
        assert_eq!(other, read(B, 1492, 2003, false), "it comes behind the others");
        let Turn::Read(work) = other else { panic!("{other:?}") };
        turns.failed(work);
        assert_eq!(turns.next(at(9), None), read(A, 1492, 2003, false));
        // What is read again of its row forgets neither what is live nor how wide a range is.
        turns.came(A, 2005, &Numbers::range(2005, 2005), VERSION);
        turns.found_messages(A, MOST + 1);
        turns.found(A, Some(Derive::new(VERSION)), 2005, VERSION);
        assert_eq!(turns.next(at(9), None), read(A, 2005, 2005, true));
    }

    #[test]
    fn beside_history_it_works_a_tenth_of_the_time() {
        let mut turns = turns();
        let first = turns.next(at(5), Some(at(5)));
        assert_eq!(first, read(A, 1489, 2000, false));
        done(&mut turns, first);
        let rest = Duration::from_millis(5090);
        assert_eq!(turns.next(at(5), Some(at(5))), Turn::Wait(rest));
        assert_eq!(turns.next(rest, Some(at(5))), read(B, 189, 700, false));
        // A second behind the last page it need not rest.
        assert_eq!(turns.next(at(5), Some(at(4))), read(B, 189, 700, false));
        assert_eq!(turns.next(at(5), None), read(B, 189, 700, false));
    }

    #[test]
    fn a_range_is_as_wide_as_its_messages_need() {
        let mut turns = turns();
        turns.found(A, None, 1_000_000, VERSION);
        turns.found_messages(A, 100);
        assert_eq!(turns.next(at(5), None), read(A, 1_000_000 - 4 * MOST + 1, 1_000_000, false));
        turns.found_messages(A, 400);
        turns.found_messages(A, MOST + 1);
        assert_eq!(turns.next(at(5), None), read(A, 1_000_000 - 2 * MOST + 1, 1_000_000, false));
        for _ in 0..9 {
            turns.found_messages(A, MOST + 1);
        }
        assert_eq!(turns.next(at(5), None), read(A, 1_000_000 - MOST + 1, 1_000_000, false));
    }

    #[test]
    fn a_row_is_brought_to_what_the_process_begins_with() {
        let asks = Derive::new(VERSION).asks(Some(Span { low: 1, high: 5 }));
        let mut turns = Turns::default();
        for (stored, begins) in [
            (None, false),
            (Some(Derive::new(VERSION)), false),
            (Some(Derive::new(Made { version: 2, ..VERSION })), true),
            (Some(asks), true),
        ] {
            turns.found(A, stored, 5, VERSION);
            assert_eq!(
                turns.known(A).map(|(_, newest, begins)| (newest, begins)),
                Some((5, begins))
            );
        }
        assert_eq!(turns.known(A).map(|(derive, ..)| derive.asked()), Some(None));
    }
}
