//! The live sessions of a pool, as it sees each.

use crate::connection::lease::{LeaseRequest, OnHeld, OnRecalled};
use crate::connection::message::SessionMsg;
use crate::provider::Leash;
use ractor::ActorRef;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

pub(super) struct SessionChild {
    pub(super) actor: ActorRef<SessionMsg>,
    pub(super) account: String,
    /// Set once it has logged in.
    pub(super) leash: Option<Leash>,
    /// Told when it has to wait for units.
    pub(super) held: OnHeld,
    /// Told when others wait while it only helps.
    recalled: OnRecalled,
    /// It helps another session of its account, and does not watch.
    pub(super) helps: bool,
    /// Longest time without a sign of life.
    patience: Duration,
    /// Octets when it last was seen to do something, and when that was.
    seen: (u64, Duration),
    /// Whether it was at work when it was looked at.
    busy: bool,
    /// Octets that are paid.
    paid: u64,
}

impl std::fmt::Debug for SessionChild {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionChild").field("account", &self.account).finish_non_exhaustive()
    }
}

impl SessionChild {
    pub(super) fn new(actor: ActorRef<SessionMsg>, request: &LeaseRequest, mono: Duration) -> Self {
        Self {
            actor,
            account: request.account.clone(),
            leash: None,
            held: Arc::clone(&request.held),
            recalled: Arc::clone(&request.recalled),
            helps: false,
            patience: request.endpoint.patience(),
            seen: (0, mono),
            busy: true,
            paid: 0,
        }
    }

    /// Others wait for a session: what watches logs out by itself, what helps its account gives back.
    pub(super) fn retire(&self) {
        if self.helps {
            (self.recalled)();
        } else if let Some(leash) = &self.leash {
            leash.retire.notify_one();
        }
    }

    pub(super) fn logged_in(&mut self, leash: Leash, mono: Duration) {
        self.seen = (0, mono);
        self.leash = Some(leash);
    }

    /// It begins or ends a watch: a sign of life.
    pub(super) fn turns(&mut self, mono: Duration) {
        self.seen = (self.octets(), mono);
    }

    pub(super) fn octets(&self) -> u64 {
        self.leash.as_ref().map_or(0, |leash| leash.octets.load(Ordering::Relaxed))
    }

    /// Whether it should work, and has shown no sign of life for too long.
    pub(super) fn hangs(&mut self, mono: Duration) -> bool {
        let busy = self.leash.as_ref().is_none_or(|leash| leash.busy.load(Ordering::Relaxed));
        let octets = self.octets();
        // Who has begun to work since the last look has hung for no longer than since this one.
        let worked = std::mem::replace(&mut self.busy, busy);
        if !busy || !worked || octets != self.seen.0 {
            self.seen = (octets, mono);
        }
        mono.saturating_sub(self.seen.1) > self.patience
    }

    /// Octets that have come and are not paid; from here on they are.
    pub(super) fn unpaid(&mut self) -> u64 {
        let octets = self.octets();
        let fresh = octets.saturating_sub(self.paid);
        self.paid = octets;
        fresh
    }
}
