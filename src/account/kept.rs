//! What of an account outlives the process: its failures so far, what it is parked with, and for what it waits.

use crate::store::orders::Control;
use postrider_core::account::follow::{Begin, Follower, Past};
use postrider_core::recovery::history::History;
use postrider_core::recovery::waiting::{Health, KeptWait, Marks, Waiting};
use postrider_core::standing::Standing;
use postrider_core::time::Now;

/// What was stored last, and what is to be.
#[derive(Debug, Default)]
pub(super) struct Kept {
    stored: Option<(History, Option<String>, Option<Waiting>)>,
    parked_for: Option<String>,
    wait: KeptWait,
}

impl Kept {
    /// What an incarnation begins with.
    pub(super) fn of(past: &Past) -> Self {
        let waiting = match &past.begin {
            Begin::Waiting(waiting) => Some(waiting.clone()),
            Begin::Run | Begin::Paused | Begin::Parked(..) => None,
        };
        let stored = Some((History::default(), None, waiting.clone()));
        Self { stored, parked_for: None, wait: KeptWait::of(waiting) }
    }

    /// What the next incarnation is to know, should this one end now.
    pub(super) fn past(&self, follower: &Follower, now: Now) -> Past {
        let mut past = follower.past();
        let waiting = self.wait.waiting().filter(|waiting| waiting.until > now.wall);
        if let (Begin::Run, Some(waiting)) = (&past.begin, waiting) {
            past.begin = Begin::Waiting(waiting.clone());
        }
        past
    }

    /// A run has ended; parked, with this secret.
    pub(super) fn run_ended(&mut self, parked_for: Option<String>) {
        self.parked_for = parked_for;
    }

    /// Takes how it waits now, followed with this. Whether something else is to be stored.
    pub(super) fn note(&mut self, follower: &Follower, marks: Marks<'_>, now: Now) -> bool {
        // The next process goes on with what it waits for.
        if follower.is_ending() {
            return false;
        }
        let status = follower.status();
        let health = match status.standing {
            Standing::Waiting | Standing::Throttled if !status.follows => Health::Troubled,
            // A page that moved a cursor is the end of it.
            Standing::Starting | Standing::Running if !follower.has_survived() => Health::Trying,
            _ => Health::Well,
        };
        self.wait.note(follower.waits(), health, marks, now)
    }

    /// The database did not take it: it is stored with the next step.
    pub(super) fn was_not_stored(&mut self) {
        self.stored = None;
    }

    /// Something of it is still to be stored.
    pub(super) fn is_unstored(&self) -> bool {
        self.stored.is_none()
    }

    /// What is to be stored, if it is another than what was stored last.
    pub(super) fn changed(&mut self, account: &str, follower: &Follower) -> Option<Control> {
        let waiting = self.wait.waiting().cloned();
        let now = (follower.history(), self.parked_for.clone(), waiting);
        if self.stored.as_ref() == Some(&now) {
            return None;
        }
        let history = serde_json::to_string(&now.0).ok()?;
        let waits = now.2.as_ref().map(serde_json::to_string).transpose().ok()?;
        let parked_for = now.1.clone();
        self.stored = Some(now);
        Some(Control::History { account: account.to_owned(), history, parked_for, waits })
    }
}
