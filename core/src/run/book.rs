//! What a run has asked and sent, and for whom: tokens, questions, commits. Knows nothing of what
//! they are about.

use crate::commit::change::Commit;
use crate::failure::{Class, Failure, Reach, When};
use crate::provider::{Answer, Request};
use crate::run::event::Token;
use crate::time::{Micros, Now};
use std::collections::{BTreeMap, BTreeSet};

/// The open ends of a run; `O` says whom an answer belongs to.
#[derive(Debug)]
pub(crate) struct Book<O> {
    /// What is asked: for whom, and whether it is a page.
    pub(crate) asks: BTreeMap<Token, (O, bool)>,
    /// The questions that are open and not pages, for their names.
    pub(crate) about: BTreeMap<Token, Request>,
    /// Commits and reads that are not answered.
    pub(crate) pending: BTreeMap<Token, O>,
    /// Commits that the store could not take, to be sent again in order.
    pub(crate) parked: BTreeMap<Token, Commit>,
    /// Questions that were forgotten while their session was kept: how they end tells how it is.
    adrift: BTreeSet<Token>,
    /// Commits that may wait for others, for all that the store was told.
    patient: BTreeSet<Token>,
    stamp: Micros,
    next_token: u64,
}

impl<O> Book<O> {
    /// Nothing is open. Tokens go on behind those of an earlier book of the same run.
    pub(super) fn new(before: Option<&Self>) -> Self {
        Self {
            asks: BTreeMap::new(),
            about: BTreeMap::new(),
            pending: BTreeMap::new(),
            parked: BTreeMap::new(),
            adrift: BTreeSet::new(),
            patient: BTreeSet::new(),
            stamp: Micros::default(),
            next_token: before.map_or(0, |book| book.next_token),
        }
    }

    /// An instant later than every earlier one of this account, also across a wall clock that jumps
    /// back.
    pub(super) fn stamp(&mut self, now: Now) -> Micros {
        self.stamp = Micros(now.wall.0.max(self.stamp.0.saturating_add(1)));
        self.stamp
    }

    /// Makes [`Book::stamp`] later than `instant`.
    pub(super) fn stamp_after(&mut self, instant: Option<Micros>) {
        self.stamp = self.stamp.max(instant.unwrap_or_default());
    }

    pub(super) fn token(&mut self) -> Token {
        self.next_token += 1;
        Token(self.next_token)
    }

    /// Nothing is asked, and nothing waits to be answered.
    pub(crate) fn is_closed(&self) -> bool {
        self.asks.is_empty() && self.pending.is_empty() && self.parked.is_empty()
    }

    /// A commit that may wait for others was sent.
    pub(super) fn sent_patient(&mut self, token: Token) {
        self.patient.insert(token);
    }

    /// Whether all that is waited for are commits that wait for others themselves; it is said once.
    pub(super) fn stands_still(&mut self) -> bool {
        if self.patient.is_empty() || !self.asks.is_empty() {
            return false;
        }
        self.patient.retain(|token| self.pending.contains_key(token));
        let stands = !self.patient.is_empty() && self.pending.len() == self.patient.len();
        if stands {
            self.patient.clear();
        }
        stands
    }

    /// Whether anything but pages is asked.
    pub(crate) fn is_asking(&self) -> bool {
        self.asks.values().any(|(_, page)| !*page)
    }

    /// Pages that are asked for.
    pub(crate) fn pages(&self) -> usize {
        self.asks.values().filter(|(_, page)| *page).count()
    }

    /// No session will answer what is asked.
    pub(super) fn forget_questions(&mut self) {
        self.asks.clear();
        self.about.clear();
        self.adrift.clear();
    }

    /// The session is kept, and nobody waits any more for what it was asked.
    pub(super) fn set_adrift(&mut self) {
        self.adrift.extend(std::mem::take(&mut self.asks).into_keys());
        self.about.clear();
    }

    /// Whether this answer ends the session that is kept: it is one to a forgotten question.
    pub(super) fn ends_session(&mut self, token: Token, answer: &Result<Answer, Failure>) -> bool {
        // A disk that is merely too full has refused the question, and the session goes on.
        let is_full = |failure: &Failure| {
            failure.class == Class::Storage && matches!(failure.when, When::After(_))
        };
        let is_over = |failure: &Failure| failure.reach > Reach::Folder && !is_full(failure);
        match answer {
            Ok(answer) if answer.goes_on() => false,
            Ok(_) => {
                self.adrift.remove(&token);
                false
            }
            Err(failure) => self.adrift.remove(&token) && is_over(failure),
        }
    }

    /// Nobody will answer anything.
    pub(super) fn forget(&mut self) {
        self.forget_questions();
        self.pending.clear();
        self.parked.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_never_go_back() {
        let mut book: Book<()> = Book::new(None);
        let at =
            |seconds| Now { wall: Micros::from_seconds(seconds), mono: std::time::Duration::ZERO };
        let stamps =
            [book.stamp(at(100)), book.stamp(at(40)), book.stamp(at(99)), book.stamp(at(101))];
        assert!(stamps.windows(2).all(|w| w[0] < w[1]), "{stamps:?}");
        book.stamp_after(Some(Micros::from_seconds(500)));
        assert!(book.stamp(at(102)) > Micros::from_seconds(500));
    }

    #[test]
    fn tokens_go_on_behind_an_earlier_book() {
        let mut book: Book<()> = Book::new(None);
        let last = book.token();
        assert!(Book::<()>::new(Some(&book)).token() > last);
    }
}
