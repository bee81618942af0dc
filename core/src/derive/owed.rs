//! What of an account's mail is not derived yet: a set of message numbers, as history is a set of UIDs. Nothing on
//! the way of a page writes it: what lies above the highest number that was derived is owed without being named.
//!
//! Numbers are of a space that accounts share. A range is owed whoever's numbers lie in it: those of others, and
//! of messages that are gone, are passed over.

use crate::derive::made::{Made, Reads};
use crate::mail::id::MessageId;
use crate::mail::range_set::RangeSet;
use crate::time::Micros;
use serde::{Deserialize, Serialize};

/// A set of message numbers.
pub type Numbers = RangeSet<i64>;

/// Ranges that are owed, beyond which nothing is leapt over any more.
pub const RANGES_MOST: usize = 1000;

/// The second at which 2100 begins.
const LATEST: i64 = 4_102_444_800;

/// Where a message stands in lists and among words, newest last: the second at which it was received (from 1970
/// to 2100), and of one second the lowest 30 bits of its number. It never changes for a message.
#[must_use]
pub fn rank(received: Micros, message: MessageId) -> i64 {
    let second = received.0.div_euclid(1_000_000).clamp(0, LATEST);
    (second << 30) | (message.0 & ((1 << 30) - 1))
}

/// A range of message numbers, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span {
    /// The lowest.
    pub low: i64,
    /// The highest.
    pub high: i64,
}

impl Span {
    fn numbers(self) -> Numbers {
        Numbers::range(self.low, self.high)
    }

    fn is_one(self) -> bool {
        self.low == self.high
    }
}

/// What an account's row keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Derive {
    /// Of the code that made the rows.
    version: u32,
    /// Which words it has kept.
    #[serde(default)]
    words: Reads,
    /// Every number above is owed.
    upto: i64,
    /// So are these, none of which is above.
    remaining: Numbers,
    /// What is parsed now.
    asked: Option<Span>,
    /// The process has ended when these were parsed together: each goes alone.
    lone: Numbers,
    /// It has ended again at one alone: that is passed over, until its bytes or the code are others.
    left_out: Numbers,
    /// What is stored is looked through for what fits no mail.
    #[serde(default)]
    looks: Option<Look>,
}

/// When what is stored is looked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Look {
    /// Before what is owed is read: what is read rests on it.
    Before,
    /// When nothing is owed any more: what nothing names then goes.
    After,
}

impl Derive {
    /// An account of which nothing was derived.
    #[must_use]
    pub fn new(made: Made) -> Self {
        Self {
            version: made.version,
            words: made.words,
            upto: 0,
            remaining: Numbers::new(),
            asked: None,
            lone: Numbers::new(),
            left_out: Numbers::new(),
            looks: None,
        }
    }

    /// As a process begins with it. Other code owes everything anew; what was asked when a process ended (one that
    /// is told to end asks for nothing before) is asked number by number, as far as those are messages of the account,
    /// and one that was asked so is left out.
    #[must_use]
    pub fn begun(mut self, made: Made, messages: &Numbers) -> Self {
        if self.version == made.version && self.words != made.words {
            // The same code ends over the same mails.
            let Self { left_out, lone, looks, .. } = self;
            return Self { left_out, lone, looks, ..Self::new(made) };
        }
        if self.made() != made {
            // A look that was asked for is still to come.
            return Self { looks: self.looks.map(|_| Look::Before), ..Self::new(made) };
        }
        let Some(asked) = self.asked.take() else { return self };
        if asked.is_one() && self.lone.contains(asked.low) {
            self.lone = self.lone.minus(&asked.numbers());
            self.left_out.insert(asked.low);
        } else {
            self.lone = self.lone.union(&asked.numbers().intersect(messages));
        }
        self
    }

    /// All of it is owed anew, what was left out too, behind a look at what is stored. What has once ended the process
    /// goes alone.
    #[must_use]
    pub fn again(self, made: Made) -> Self {
        let lone = self.lone.union(&self.left_out);
        // What was being read when a process ended is told when the next one begins.
        Self { lone, asked: self.asked, looks: Some(Look::Before), ..Self::new(made) }
    }

    /// Whether what is stored is to be looked through.
    #[must_use]
    pub fn looks(&self) -> Option<Look> {
        self.looks
    }

    /// Whether that is to be done now, where this is the highest number that is seen.
    #[must_use]
    pub fn ends(&self, newest: i64) -> bool {
        self.looks.is_some() && self.owed(newest).is_empty()
    }

    /// It was looked through, at this time.
    #[must_use]
    pub fn looked(self, look: Look) -> Self {
        let next = match look {
            Look::Before => Some(Look::After),
            Look::After => None,
        };
        let looks = if self.looks == Some(look) { next } else { self.looks };
        Self { looks, ..self }
    }

    /// All of it is owed anew, by the same code, with no look that was not asked for.
    #[must_use]
    pub fn all_again(self) -> Self {
        let (made, looks) = (self.made(), self.looks);
        Self { looks, ..self.again(made) }
    }

    /// The code whose rows there are.
    #[must_use]
    pub fn made(&self) -> Made {
        Made { version: self.version, words: self.words }
    }

    /// What is passed over.
    #[must_use]
    pub fn left_out(&self) -> &Numbers {
        &self.left_out
    }

    /// What is parsed next, so many numbers at most, where this is the highest that is seen: what has just come,
    /// then the highest that are owed.
    #[must_use]
    pub fn next(&self, live: &Numbers, newest: i64, at_most: i64) -> Option<Span> {
        let most = at_most.max(1) - 1;
        let live = self.first_of(live, newest, most).map(|span| self.apart(span));
        let live = live.filter(|span| self.may_take(*span));
        live.or_else(|| self.highest(newest, most).map(|span| self.apart(span)))
    }

    /// The lowest of these that are owed.
    fn first_of(&self, live: &Numbers, newest: i64, most: i64) -> Option<Span> {
        let (low, high) = *live.intersect(&self.owed(newest)).ranges().first()?;
        Some(Span { low, high: high.min(low.saturating_add(most)) })
    }

    /// What goes alone is asked for alone, and nothing beside it.
    fn apart(&self, span: Span) -> Span {
        let lone = self.lone.intersect(&span.numbers());
        let (Some(first), Some(last)) = (lone.first(), lone.last()) else { return span };
        let down = Span { low: if last == span.high { last } else { last + 1 }, ..span };
        let up = Span { high: if first == span.low { first } else { first - 1 }, ..span };
        if self.may_take(down) { down } else { up }
    }

    fn highest(&self, newest: i64, most: i64) -> Option<Span> {
        if newest > self.upto {
            let first = self.upto + 1;
            let down = Span { low: first.max(newest.saturating_sub(most)), high: newest };
            let up = Span { low: first, high: newest.min(first.saturating_add(most)) };
            return Some(if self.may_take(down) { down } else { up });
        }
        let (low, high) = *self.remaining.ranges().last()?;
        Some(Span { low: low.max(high.saturating_sub(most)), high })
    }

    /// Whether there is room to name what it leaves in front of it and behind.
    fn may_take(&self, span: Span) -> bool {
        let ranges = self.remaining.ranges().len();
        let leaves = || self.remaining.minus(&span.numbers()).ranges().len();
        ranges < RANGES_MOST || (span.low <= self.upto + 1 && leaves() <= ranges)
    }

    /// What is parsed now.
    #[must_use]
    pub fn asked(&self) -> Option<Span> {
        self.asked
    }

    /// What is owed of these and of all above.
    #[must_use]
    pub fn owed(&self, newest: i64) -> Numbers {
        self.remaining.union(&Numbers::range(self.upto + 1, newest))
    }

    /// It is about to be parsed.
    #[must_use]
    pub fn asks(mut self, span: Option<Span>) -> Self {
        self.asked = span;
        self
    }

    /// What a range leaves that was derived from what a reader saw, to this number: written with its rows, in one
    /// transaction. None where some of it is not owed any more, or was not seen: then nothing is written.
    #[must_use]
    pub fn taken(mut self, span: Span, seen: i64) -> Option<Self> {
        let below = Numbers::range(span.low, span.high.min(self.upto));
        let is_owed = span.low >= 1 && span.low <= span.high && self.remaining.contains_all(&below);
        // What was planned in one piece may be taken in several.
        let ranges = self.remaining.minus(&span.numbers()).ranges().len();
        if !is_owed || span.high > seen || ranges > RANGES_MOST * 2 {
            return None;
        }
        if span.high > self.upto {
            let leapt = Numbers::range(self.upto + 1, span.low - 1);
            self.remaining = self.remaining.union(&leapt);
            self.upto = span.high;
        }
        let numbers = span.numbers();
        self.remaining = self.remaining.minus(&numbers);
        self.lone = self.lone.minus(&numbers);
        Some(self)
    }

    /// What has other bytes, or belongs to other mail, than when it was derived: owed again, in the transaction that
    /// changes it. There is room behind it for what is taken in pieces.
    pub fn put_back(&mut self, numbers: &Numbers) {
        self.left_out = self.left_out.minus(numbers);
        let below = numbers.intersect(&Numbers::range(1, self.upto));
        self.remaining = coarse(self.remaining.union(&below), RANGES_MOST);
    }
}

/// At most so many ranges: those that are nearest to each other are one. What is derived twice is as it was.
fn coarse(numbers: Numbers, most: usize) -> Numbers {
    let ranges = numbers.ranges();
    let Some(too_many) = ranges.len().checked_sub(most).filter(|more| *more > 0) else {
        return numbers;
    };
    let between = |pair: &[(i64, i64)]| match pair {
        [(_, end), (begin, _)] => Numbers::range(end + 1, begin - 1),
        _ => Numbers::new(),
    };
    let mut gaps: Vec<Numbers> = ranges.windows(2).map(between).collect();
    gaps.sort_by_key(Numbers::len);
    let closed = gaps.iter().take(too_many).flat_map(|gap| gap.ranges().to_vec()).collect();
    numbers.union(&Numbers::of_ranges(closed))
}

#[cfg(test)]
mod tests;
