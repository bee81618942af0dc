//! A page of messages that are asked for: what it still waits for, and what has come of it.

use crate::provider::Ask;
use postrider_core::budget::{Lane, Wait};
use postrider_core::failure::Failure;
use postrider_core::mail::id::Identity;
use postrider_core::provider::Answer;
use postrider_core::provider::feeds::{FeedAnswer, Got, WantedMail};
use std::collections::VecDeque;
use tokio::sync::OwnedSemaphorePermit;

/// A page being read.
#[derive(Debug)]
pub(in crate::provider) struct MailPage {
    ask: Ask,
    pub(in crate::provider) lane: Lane,
    todo: VecDeque<WantedMail>,
    /// Those that could not be read at first: each is asked for once more, alone.
    aside: Vec<WantedMail>,
    /// Questions that are open.
    flying: usize,
    /// What has come whole.
    found: Vec<(Identity, Got)>,
    /// There are no units for the rest.
    over: Option<Wait>,
    /// It is being read, and holds this meanwhile.
    begun: bool,
    credit: Option<OwnedSemaphorePermit>,
}

impl MailPage {
    pub(in crate::provider) fn new(ask: Ask, wanted: Vec<WantedMail>, lane: Lane) -> Self {
        let (todo, aside, found) = (wanted.into(), Vec::new(), Vec::new());
        Self { ask, lane, todo, aside, flying: 0, found, over: None, begun: false, credit: None }
    }

    /// It may be read; without a credit only where the process is ending.
    pub(in crate::provider) fn begin(&mut self, credit: Option<OwnedSemaphorePermit>) {
        (self.begun, self.credit) = (true, credit);
    }

    /// Whether it may be read.
    pub(in crate::provider) fn is_begun(&self) -> bool {
        self.begun
    }

    /// The next message to be asked for, and whether that is its second time.
    pub(in crate::provider) fn next(&mut self) -> Option<(WantedMail, bool)> {
        let next = match self.todo.pop_front() {
            Some(wanted) => Some((wanted, false)),
            None if self.flying == 0 => self.aside.pop().map(|wanted| (wanted, true)),
            None => None,
        };
        self.flying += usize::from(next.is_some());
        next
    }

    /// A question is answered, or was not asked.
    pub(in crate::provider) fn landed(&mut self) {
        self.flying -= 1;
    }

    /// There are no units for the rest before then.
    pub(in crate::provider) fn defer(&mut self, wait: Wait) {
        self.todo.clear();
        self.aside.clear();
        self.over = Some(wait);
    }

    /// It is asked for once more, alone.
    pub(in crate::provider) fn set_aside(&mut self, wanted: WantedMail) {
        if self.over.is_none() {
            self.aside.push(wanted);
        }
    }

    /// What became of a message is known.
    pub(in crate::provider) fn found(&mut self, id: Identity, got: Got) {
        self.found.push((id, got));
    }

    /// Nothing is open, and nothing is left to ask.
    pub(in crate::provider) fn is_over(&self) -> bool {
        self.flying == 0 && self.todo.is_empty() && self.aside.is_empty()
    }

    /// Hands over what has come, if something has.
    pub(in crate::provider) fn hand_over(&mut self) {
        if !self.found.is_empty() {
            let found = std::mem::take(&mut self.found);
            (self.ask.answer)(Ok(Answer::Feed(FeedAnswer::Got { found, last: false })));
        }
    }

    /// Everything has come that will.
    pub(in crate::provider) fn end(mut self) {
        let answer = match self.over.take() {
            Some(wait) => {
                self.hand_over();
                Answer::Deferred(wait)
            }
            None => Answer::Feed(FeedAnswer::Got { found: self.found, last: true }),
        };
        (self.ask.answer)(Ok(answer));
    }

    /// The session is over.
    pub(in crate::provider) fn fail(mut self, failure: &Failure) {
        (self.ask.answer)(Err(failure.clone()));
    }
}
