//! The sessions that an account has: the one of its runs, and one beside it.

use crate::account::follow::vocabulary::{Output, SessionRole};
use crate::provider::Connected;
use std::time::Duration;

/// A session in hand.
#[derive(Clone, Copy, Debug)]
pub(super) struct SessionHeld {
    pub(super) at: Connected,
    pub(super) since: Duration,
    /// The watch that goes on there.
    pub(super) watch: Option<u64>,
    /// The server tells there of every folder.
    pub(super) wide: bool,
}

/// Both of them.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    pub(super) main: Option<SessionHeld>,
    pub(super) beside: Option<SessionHeld>,
    /// The run has the session beside for its pages: since when nobody has looked what comes meanwhile.
    pub(super) borrowed: Option<Duration>,
    /// When a run had done with the session beside, and nothing kept it.
    pub(super) left: Option<Duration>,
}

impl Sessions {
    /// Those that are there.
    pub(super) fn each(&self) -> impl Iterator<Item = &SessionHeld> {
        [&self.main, &self.beside].into_iter().flatten()
    }

    pub(super) fn held(&mut self, which: SessionRole) -> Option<&mut SessionHeld> {
        match which {
            SessionRole::Main => self.main.as_mut(),
            SessionRole::Beside => self.beside.as_mut(),
        }
    }

    /// Where the watch of this number goes on.
    pub(super) fn role_of(&self, number: u64) -> Option<SessionRole> {
        let has_it = |held: &Option<SessionHeld>| held.is_some_and(|h| h.watch == Some(number));
        match (has_it(&self.main), has_it(&self.beside)) {
            (true, _) => Some(SessionRole::Main),
            (_, true) => Some(SessionRole::Beside),
            _ => None,
        }
    }

    /// The session on which that watch goes on.
    pub(super) fn watching(&mut self, number: u64) -> Option<&mut SessionHeld> {
        self.role_of(number).and_then(|which| self.held(which))
    }

    pub(super) fn is_current(&self, number: u64) -> bool {
        self.role_of(number).is_some()
    }

    pub(super) fn release(&mut self, which: SessionRole, out: &mut Vec<Output>) {
        // Without its own session a run has no second one.
        if self.borrowed.take().is_some() && which == SessionRole::Main {
            self.release(SessionRole::Beside, out);
        }
        let held = match which {
            SessionRole::Main => self.main.take(),
            SessionRole::Beside => self.beside.take(),
        };
        // A session that is only on its way is given up too.
        if held.is_some() || which == SessionRole::Main {
            out.push(Output::Release(which));
        }
    }

    pub(super) fn release_all(&mut self, out: &mut Vec<Output>) {
        self.release(SessionRole::Main, out);
        self.release(SessionRole::Beside, out);
    }
}
