//! A feed of changes as a run sees it, and answers that wait for Places.

use crate::mail::feed::{FeedCursor, PageToken};
use crate::mail::id::{FolderId, Identity, SessionId};
use crate::provider::feeds::{FeedItem, Got, Onward};
use crate::run::event::Token;
use crate::run::feed::trail::Trail;
use crate::time::Micros;
use std::time::Duration;

/// Tokens of one question that may die.
pub(super) const DEAD: u8 = 4;
/// Pages of changes that say "more", in one run: what is left is for the next one.
pub(super) const PAGES: u32 = 10_000;

/// What is under way of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LaneTurn {
    /// To be asked.
    Wanted,
    /// It has said "no more".
    Done,
    /// It is for the next run, and why is said.
    Left,
    /// Asked.
    Asked,
    /// It has expired: the cursor of now is asked for.
    Heading(FeedCursor),
    /// Its answer waits for Places, or for the store. Then it goes on (`more`), or is for the next
    /// run (`left`).
    Sent { more: bool, left: bool },
}

/// A feed of changes.
#[derive(Debug)]
pub(super) struct FeedLane {
    pub(super) turn: LaneTurn,
    pub(super) token: Option<PageToken>,
    pub(super) dead: u8,
    /// How often its cursor was forgotten in this run.
    pub(super) expired: u8,
    /// Pages in a row that go on.
    pub(super) pages: u32,
    /// What the pages since its cursor have shown.
    pub(super) trail: Trail,
    /// A hint came while it was asked: what it answers may be older.
    pub(super) again: bool,
    pub(super) asked: Micros,
    pub(super) asked_at: Duration,
}

impl FeedLane {
    pub(super) fn wanted() -> Self {
        Self {
            turn: LaneTurn::Wanted,
            token: None,
            dead: 0,
            expired: 0,
            pages: 0,
            trail: Trail::default(),
            again: false,
            asked: Micros::default(),
            asked_at: Duration::ZERO,
        }
    }

    /// From its cursor again, whatever pages have shown.
    pub(super) fn start_over(&mut self) {
        (self.token, self.trail) = (None, Trail::default());
    }

    pub(super) fn want(&mut self) {
        match &mut self.turn {
            LaneTurn::Done | LaneTurn::Left => self.turn = LaneTurn::Wanted,
            LaneTurn::Asked | LaneTurn::Heading(_) | LaneTurn::Sent { .. } => self.again = true,
            LaneTurn::Wanted => {}
        }
    }

    /// Its page is used: it goes on, or it has said "no more".
    pub(super) fn turn_over(&mut self, goes_on: bool) {
        let again = goes_on || std::mem::take(&mut self.again);
        self.turn = if again { LaneTurn::Wanted } else { LaneTurn::Done };
    }

    /// It has said "no more".
    pub(super) fn is_done(&self) -> bool {
        self.turn == LaneTurn::Done
    }

    pub(super) fn is_wanted(&self) -> bool {
        !matches!(self.turn, LaneTurn::Done | LaneTurn::Left)
    }

    /// No session will answer.
    pub(super) fn cut_off(&mut self) {
        if matches!(self.turn, LaneTurn::Asked | LaneTurn::Heading(_)) {
            self.turn = LaneTurn::Wanted;
            self.start_over();
        }
    }
}

/// An answer that names a place nobody has told us of.
#[derive(Debug)]
pub(super) enum Stashed {
    Words { place: FolderId, session: SessionId, items: Vec<FeedItem>, next: Onward },
    Got { token: Token, session: SessionId, found: Vec<(Identity, Got)> },
}
