//! What a provider was asked to push, of one account: when it is asked again, and whether it still does.

use crate::failure::Failure;
use crate::mail::feed::MailVersion;
use crate::provider::push::Pushing;
use crate::recovery::decide::{Policy, Verdict, decide};
use crate::recovery::history::History;
use crate::time::{Micros, Now};
use std::cmp::Ordering;
use std::time::Duration;

/// It is asked anew so long after it was asked.
const RENEW: Duration = Duration::from_secs(24 * 3600);
/// A change that was found so long ago, and of which nobody has told, is a doubt.
const UNTOLD: Duration = Duration::from_secs(120);
/// A doubt has it asked anew, no sooner again than this.
const DOUBT: Duration = Duration::from_secs(3600);
/// What only a human can change is asked again so often.
const REFUSED: Duration = Duration::from_secs(3600);
/// What is stored of a proof may be so much older: proofs are many.
const GRAIN: Duration = Duration::from_secs(600);
/// What is found so soon behind a push may be what it did not tell: a provider tells once a second at most, and drops the
/// rest (Gmail, "Push notifications").
const BURST: Duration = Duration::from_secs(60);
/// One that ends at once is not asked for again at once, nor one that could not be had again and again.
const SHORTEST: Duration = Duration::from_secs(600);

string_enum! {
    /// How a subscription stands.
    SubscriptionState {
        /// It pushes.
        Active => "active",
        /// Something was found of which it had not told: it was asked for anew.
        Doubted => "doubted",
        /// It could not be had.
        Failed => "failed",
    }
}

/// A subscription, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Where it pushes to, in the provider's words.
    pub remote_id: String,
    /// When it was asked for last, and until when it pushes unless it is asked for again; none: it never could be had.
    pub renewed_at: Option<Micros>,
    /// See [`Subscription::renewed_at`].
    pub expires_at: Option<Micros>,
    /// When it was last seen to push, or, where it is not in doubt, a look found nothing of which it had not told.
    pub proof_at: Option<Micros>,
    /// How it stands.
    pub state: SubscriptionState,
    /// Why.
    pub reason: String,
    /// What its pushes are signed with, sealed, where the provider has made that up.
    pub secret: Option<String>,
}

impl Subscription {
    /// One that never could be had, for this reason.
    #[must_use]
    pub fn none(remote_id: &str, reason: &str) -> Self {
        Self {
            remote_id: remote_id.to_owned(),
            renewed_at: None,
            expires_at: None,
            proof_at: None,
            state: SubscriptionState::Failed,
            reason: reason.to_owned(),
            secret: None,
        }
    }
}

/// After which wait it is asked again what could not be had.
pub(super) fn wait(failure: &Failure, history: &History, policy: &Policy, now: Now) -> Duration {
    match decide(failure, history, policy, now) {
        Verdict::Wait(wait) | Verdict::Restart(wait) => wait,
        Verdict::GiveUp => SHORTEST,
        Verdict::Park | Verdict::LeaveOut => REFUSED,
    }
}

/// A subscription, and what this process has seen of it.
#[derive(Debug)]
pub struct Subscribed {
    row: Subscription,
    /// The newest state of which a push has told, or needs not tell.
    told: Option<MailVersion>,
    /// When one has come.
    pushed_at: Option<Micros>,
    /// What a look found and nobody has told of, and when that was.
    untold: Option<(MailVersion, Micros)>,
    history: History,
    /// It is not asked before then.
    not_before: Duration,
    /// It is being asked.
    open: bool,
    /// A run of this process has looked already.
    has_looked: bool,
    /// What is stored is older than this; and that is more than a proof.
    is_fresh: bool,
    is_urgent: bool,
    /// The proof that is stored.
    proof_stored: Option<Micros>,
}

impl Subscribed {
    /// What is to push there, as it is stored.
    #[must_use]
    pub fn to(remote_id: &str, stored: Option<Subscription>) -> Self {
        let none = || Subscription::none(remote_id, "it was not asked for yet");
        // One that pushes elsewhere is another one.
        let row = stored.filter(|row| row.remote_id == remote_id).unwrap_or_else(none);
        Self {
            proof_stored: row.proof_at,
            row,
            told: None,
            pushed_at: None,
            untold: None,
            history: History::default(),
            not_before: Duration::ZERO,
            open: false,
            has_looked: false,
            is_fresh: false,
            is_urgent: false,
        }
    }

    /// How it stands.
    #[must_use]
    pub fn row(&self) -> &Subscription {
        &self.row
    }

    /// Whether it pushes, as far as anybody knows.
    #[must_use]
    pub fn is_active(&self, now: Micros) -> bool {
        self.row.expires_at.is_some_and(|at| at > now)
    }

    /// What is to be stored, if what is stored is older.
    pub fn unstored(&mut self) -> Option<&Subscription> {
        if !std::mem::take(&mut self.is_fresh) {
            return None;
        }
        self.is_urgent = false;
        self.proof_stored = self.row.proof_at;
        Some(&self.row)
    }

    /// Whether what is to be stored waits for nothing: it is more than a proof.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        self.is_urgent
    }

    /// What was to be stored was not.
    pub fn not_stored(&mut self) {
        (self.is_fresh, self.is_urgent) = (true, true);
    }

    fn has_changed(&mut self) {
        self.not_stored();
    }

    /// A push has come, which tells of this state, where it says so.
    pub fn pushed(&mut self, state: Option<&MailVersion>, now: Now) {
        if let Some(state) = state {
            let is_doubted = self.row.state == SubscriptionState::Doubted;
            let is_old = match self.told.as_ref().cmp(&Some(state)) {
                Ordering::Greater => true,
                // It had been asked for when it came.
                Ordering::Equal => !is_doubted,
                Ordering::Less => false,
            };
            if is_old {
                // It may have been on its way for a week.
                return;
            }
            self.told = Some(state.clone());
        }
        self.pushed_at = Some(now.wall);
        self.untold = self.untold.take().filter(|(found, _)| self.told.as_ref() < Some(found));
        self.proved(now);
    }

    /// A run has asked for changes, and this was the newest of them.
    pub fn looked(&mut self, newest: Option<&MailVersion>, now: Now) {
        let is_first = !std::mem::replace(&mut self.has_looked, true);
        let is_burst =
            self.pushed_at.is_some_and(|at| at <= now.wall && now.wall.since(at) < BURST);
        if is_first || is_burst || !self.is_active(now.wall) {
            // What happened before this process was there has been told to another, perhaps; and who was not asked to
            // tell has nothing to tell.
            self.told = self.told.take().max(newest.cloned());
        }
        if let Some(found) = newest.filter(|found| self.told.as_ref() < Some(found)) {
            // The first of them is the one that is late.
            self.untold.get_or_insert_with(|| (found.clone(), now.wall));
        } else if self.untold.is_none() && self.row.state == SubscriptionState::Active {
            // What is in doubt is proved by a push alone: mailboxes are quiet for hours.
            self.proved(now);
        }
    }

    fn proved(&mut self, now: Now) {
        // A clock that was wrong has not proved anything.
        self.row.proof_at = Some(now.wall);
        let is_old = |at: Micros| at > now.wall || now.wall.since(at) >= GRAIN;
        self.is_fresh |= self.proof_stored.is_none_or(is_old);
        if self.row.state == SubscriptionState::Doubted && self.untold.is_none() {
            (self.row.state, self.row.reason) = (SubscriptionState::Active, String::new());
            self.has_changed();
        }
    }

    fn is_doubted(&self, now: Now) -> bool {
        self.untold.as_ref().is_some_and(|(_, at)| now.wall >= at.plus(UNTOLD))
    }

    /// Whether it is to be asked for now.
    #[must_use]
    pub fn is_due(&self, now: Now) -> bool {
        if !self.may_ask(now) {
            return false;
        }
        let since = |at: Micros, span: Duration| now.wall >= at.plus(span);
        let Some(renewed) = self.row.renewed_at else { return true };
        let ends = !self.is_active(now.wall) && since(renewed, SHORTEST);
        let is_old = since(renewed, RENEW) || renewed > now.wall.plus(RENEW);
        is_old || ends || (self.is_doubted(now) && since(renewed, DOUBT))
    }

    /// It is being asked for.
    pub fn asks(&mut self) {
        self.open = true;
    }

    /// Whether it is being asked.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Whether it may be asked something now.
    #[must_use]
    pub fn may_ask(&self, now: Now) -> bool {
        !self.open && now.mono >= self.not_before
    }

    /// Whoever asked and wrote is gone, and has said nothing.
    pub fn begins_anew(&mut self) {
        self.open = false;
        self.has_changed();
    }

    /// It may be asked with something else than what was refused.
    pub fn may_be_had(&mut self) {
        (self.history, self.not_before) = (History::default(), Duration::ZERO);
    }

    /// It was ended: with that of another account of the same mailbox.
    pub fn was_ended(&mut self) {
        let remote_id = std::mem::take(&mut self.row.remote_id);
        let told = self.told.take();
        *self = Self { told, has_looked: self.has_looked, ..Self::to(&remote_id, None) };
        self.has_changed();
    }

    /// It was not asked after all: that is not possible now.
    pub fn put_off(&mut self, wait: Duration, why: &str, now: Now) {
        (self.open, self.not_before) = (false, now.mono + wait);
        if self.row.state == SubscriptionState::Failed && self.row.reason != why {
            why.clone_into(&mut self.row.reason);
            self.has_changed();
        }
    }

    /// It pushes.
    pub fn subscribed(&mut self, pushing: Pushing, now: Now) {
        let doubted = self.is_doubted(now) || self.row.state == SubscriptionState::Doubted;
        self.may_be_had();
        self.open = false;
        self.has_changed();
        // Its age begins here.
        self.row.proof_at.get_or_insert(now.wall);
        (self.row.renewed_at, self.row.expires_at) = (Some(now.wall), Some(pushing.until));
        let text = "something was found of which it had not told";
        (self.row.state, self.row.reason) = match doubted {
            true => (SubscriptionState::Doubted, text.to_owned()),
            false => (SubscriptionState::Active, String::new()),
        };
        // What it tells from now on is what counts.
        (self.untold, self.told) = (None, pushing.from.or(self.told.take()));
    }

    /// It could not be had.
    pub fn failed(&mut self, failure: &Failure, policy: &Policy, now: Now) {
        self.history.failed(failure, now.wall);
        let wait = wait(failure, &self.history, policy, now);
        (self.open, self.not_before) = (false, now.mono + wait);
        // One that was had goes on until its time.
        if self.row.expires_at.is_none_or(|at| at <= now.wall) {
            self.row.state = SubscriptionState::Failed;
        }
        self.row.reason = failure.to_string();
        self.has_changed();
    }

    /// For how long nothing has shown that it pushes.
    #[must_use]
    pub fn unproved(&self, now: Micros) -> Option<Duration> {
        self.row.proof_at.map(|at| now.since(at))
    }
}

#[cfg(test)]
mod tests;
