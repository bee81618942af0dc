//! A run in which nothing happens and that waits for nothing we know of has lost an answer: it ends as a bug.

use crate::account::message::AccountMsg;
use crate::connection::SessionLease;
use crate::fault;
use crate::provider::Waits;
use postrider_core::failure::Failure;
use ractor::ActorRef;
use std::time::Duration;

/// Longest silence of a run: nothing comes, nothing is committed, and no wait has an end.
const LIMIT: Duration = Duration::from_secs(15 * 60);
/// It is looked at so often.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// What is known of a run's silence.
#[derive(Debug, Default)]
pub(super) struct StallWatch {
    /// Since when (monotonic).
    since: Duration,
    /// Octets that its sessions had read then.
    octets: u64,
    is_looking: bool,
    /// The second session reads pages of the run; else it watches, and what it reads is no sign of the run.
    pub(super) helps: bool,
    /// Answers of the store that are to come: who asks it has its own deadlines.
    pub(super) store: Waits,
}

impl StallWatch {
    /// Something has come for the run, or will at that time.
    pub(super) fn heard(&mut self, now: Duration) {
        self.since = self.since.max(now);
    }

    /// A run is at work: it is looked at from now on.
    pub(super) fn look(&mut self, me: &ActorRef<AccountMsg>) {
        if !std::mem::replace(&mut self.is_looking, true) {
            let wait = fault::stall().map_or(LOOK_EVERY, |limit| limit / 4);
            me.send_after(wait, || AccountMsg::Looked);
        }
    }

    /// Looks at a run that is at work, with these sessions.
    ///
    /// # Errors
    /// Class bug where it has been silent for too long.
    pub(super) fn looked<'a>(
        &mut self,
        works: bool,
        sessions: impl Iterator<Item = &'a SessionLease>,
        patience: Duration,
        now: Duration,
    ) -> Result<(), Failure> {
        self.is_looking = false;
        let (mut octets, mut waits) = (0, self.store.is_any());
        for leash in sessions.map(SessionLease::leash) {
            octets += leash.octets.load(std::sync::atomic::Ordering::Relaxed);
            waits |= leash.waits.is_any();
        }
        if !works || waits || octets != self.octets {
            self.heard(now);
            self.octets = octets;
            return Ok(());
        }
        // Whoever works for it has deadlines of its own.
        let limit = fault::stall().unwrap_or(LIMIT.max(2 * patience));
        if now.saturating_sub(self.since) < limit {
            return Ok(());
        }
        Err(Failure::bug(format!(
            "the run has waited {} s for an answer that never came (please report it)",
            limit.as_secs()
        )))
    }
}
