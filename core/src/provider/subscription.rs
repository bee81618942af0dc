//! What a provider was asked to push, of one account: when it is asked again, and whether it still does.

use crate::failure::Failure;
use crate::mail::feed::MailVersion;
use crate::provider::push::Pushing;
use crate::recovery::decide::{Policy, Verdict, decide};
use crate::recovery::history::History;
use crate::time::{Micros, Now};
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
}

/// A subscription, and what this process has seen of it.
#[derive(Debug)]
pub struct Subscribed {
    row: Subscription,
    /// The newest state of which a push has told, or needs not tell.
    told: Option<MailVersion>,
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
        let none = || Subscription {
            remote_id: remote_id.to_owned(),
            renewed_at: None,
            expires_at: None,
            proof_at: None,
            state: SubscriptionState::Failed,
            reason: "it was not asked for yet".to_owned(),
        };
        // One that pushes elsewhere is another one.
        let row = stored.filter(|row| row.remote_id == remote_id).unwrap_or_else(none);
        Self {
            proof_stored: row.proof_at,
            row,
            told: None,
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
            if self.told.as_ref() >= Some(state) {
                // It may have been on its way for a week.
                return;
            }
            self.told = Some(state.clone());
        }
        self.untold = self.untold.take().filter(|(found, _)| self.told.as_ref() < Some(found));
        self.proved(now);
    }

    /// A run has asked for changes, and this was the newest of them.
    pub fn looked(&mut self, newest: Option<&MailVersion>, now: Now) {
        let is_first = !std::mem::replace(&mut self.has_looked, true);
        if is_first || !self.is_active(now.wall) {
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
        if self.open || now.mono < self.not_before {
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
        let wait = match decide(failure, &self.history, policy, now) {
            Verdict::Wait(wait) | Verdict::Restart(wait) => wait,
            Verdict::GiveUp => SHORTEST,
            Verdict::Park | Verdict::LeaveOut => REFUSED,
        };
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
mod tests {
    use super::*;
    use crate::failure::{Class, Provenance, Reach, When};

    const HOUR: u64 = 3600;
    const DAY: u64 = 24 * HOUR;

    fn at(seconds: u64) -> Now {
        let wall = Micros::from_seconds(i64::try_from(seconds).unwrap() + 1_000_000);
        Now { wall, mono: Duration::from_secs(seconds) }
    }

    fn until(seconds: u64) -> Pushing {
        Pushing { until: at(seconds).wall, from: None }
    }

    fn version(n: u64) -> MailVersion {
        MailVersion::new(&n.to_string())
    }

    /// One that was asked for at the beginning, for a week, and then looked for.
    fn active() -> Subscribed {
        let mut it = Subscribed::to("topic", None);
        assert!(it.is_due(at(0)));
        it.asks();
        assert!(!it.is_due(at(0)), "it is being asked");
        it.subscribed(until(7 * DAY), at(0));
        it.looked(None, at(0));
        it
    }

    /// What happened before anybody could be told is no doubt: while no process ran, or before it was asked for.
    #[test]
    fn what_is_older_needs_not_be_told() {
        let row = active().row().clone();
        let mut next = Subscribed::to("topic", Some(row));
        next.looked(Some(&version(10)), at(2 * HOUR));
        next.looked(Some(&version(10)), at(2 * HOUR + 60));
        assert!(!next.is_due(at(2 * HOUR + 400)));
        next.looked(Some(&version(11)), at(3 * HOUR));
        assert!(next.is_due(at(3 * HOUR + 120)));

        let mut late = Subscribed::to("topic", None);
        late.looked(None, at(0));
        assert!(late.unstored().is_none() && late.unproved(at(9).wall).is_none());
        late.looked(Some(&version(10)), at(5));
        let from = Some(version(20));
        late.subscribed(Pushing { from, ..until(7 * DAY) }, at(10));
        late.looked(Some(&version(20)), at(20));
        assert!(!late.is_due(at(2 * HOUR)));
        late.looked(Some(&version(21)), at(2 * HOUR));
        assert!(late.is_due(at(2 * HOUR + 120)));

        // Refused for a while, it had nothing to tell.
        let mut refused = Subscribed::to("topic", None);
        refused.looked(None, at(0));
        refused.looked(Some(&version(10)), at(5));
        refused.subscribed(until(7 * DAY), at(2 * HOUR));
        assert_eq!(refused.row().state, SubscriptionState::Active);
    }

    /// Whoever asked may be gone, and a clock may have been wrong.
    #[test]
    fn nothing_lasts_for_ever() {
        let mut it = Subscribed::to("topic", None);
        it.asks();
        it.begins_anew();
        assert!(it.is_due(at(0)));
        it.subscribed(until(7 * DAY), at(DAY * 300));
        assert!(it.is_due(at(DAY)), "it was asked for in a time that has not come");
        it.looked(None, at(DAY * 300));
        it.looked(None, at(DAY));
        assert_eq!(it.unproved(at(DAY + 5).wall), Some(Duration::from_secs(5)));
    }

    #[test]
    fn it_is_asked_for_daily_and_before_it_ends() {
        let it = active();
        assert!(!it.is_due(at(DAY - 1)) && it.is_due(at(DAY)));
        let mut short = Subscribed::to("topic", None);
        short.subscribed(until(HOUR), at(0));
        assert!(!short.is_due(at(HOUR - 1)) && short.is_due(at(HOUR)));
        let mut over = Subscribed::to("topic", None);
        over.subscribed(until(0), at(DAY));
        assert!(!over.is_due(at(DAY + 1)) && over.is_due(at(DAY + 600)));
        // The next process goes on with it, unless it is to push elsewhere.
        let row = it.row().clone();
        assert!(!Subscribed::to("topic", Some(row.clone())).is_due(at(HOUR)));
        assert!(Subscribed::to("other", Some(row)).is_due(at(HOUR)));
    }

    #[test]
    fn what_nobody_told_of_for_two_minutes_is_a_doubt() {
        let mut it = active();
        it.looked(Some(&version(10)), at(2 * HOUR));
        it.looked(Some(&version(11)), at(2 * HOUR + 60));
        assert!(!it.is_due(at(2 * HOUR + 119)), "it may be on its way");
        assert!(it.is_due(at(2 * HOUR + 120)), "the first one is late");
        it.subscribed(until(8 * DAY), at(2 * HOUR + 120));
        assert_eq!(it.row().state, SubscriptionState::Doubted);
        // Not again within the hour; a push ends it, and a look that finds nothing does not.
        it.looked(None, at(2 * HOUR + 190));
        assert_eq!(it.row().state, SubscriptionState::Doubted);
        it.looked(Some(&version(12)), at(2 * HOUR + 200));
        assert!(!it.is_due(at(2 * HOUR + 400)) && it.is_due(at(3 * HOUR + 130)));
        it.subscribed(until(8 * DAY), at(2 * HOUR + 195));
        assert_eq!(it.row().state, SubscriptionState::Doubted, "being asked is no proof");
        it.looked(Some(&version(12)), at(2 * HOUR + 200));
        // What was told long ago comes again.
        it.told = Some(version(11));
        it.pushed(Some(&version(11)), at(2 * HOUR + 210));
        assert_eq!(it.row().state, SubscriptionState::Doubted);
        it.pushed(Some(&version(12)), at(3 * HOUR));
        assert_eq!(it.row().state, SubscriptionState::Active);
        assert!(!it.is_due(at(3 * HOUR + 130)));
    }

    /// Whoever looks finds what is told a moment later, and what was told out of order.
    #[test]
    fn what_is_told_soon_is_none() {
        let mut it = active();
        it.looked(Some(&version(10)), at(2 * HOUR));
        it.pushed(Some(&version(9)), at(2 * HOUR + 1));
        assert!(it.is_due(at(2 * HOUR + 120)), "that was another one");
        it.pushed(Some(&version(100)), at(2 * HOUR + 100));
        assert!(!it.is_due(at(2 * HOUR + 120)));
        it.looked(Some(&version(99)), at(2 * HOUR + 130));
        it.pushed(Some(&version(5)), at(2 * HOUR + 131));
        it.looked(Some(&version(99)), at(2 * HOUR + 132));
        assert!(!it.is_due(at(3 * HOUR)), "what was told stays told");
    }

    #[test]
    fn proof_is_a_push_or_a_look_that_found_nothing_else() {
        let age = |it: &Subscribed, seconds| it.unproved(at(seconds).wall).map(|age| age.as_secs());
        let mut it = Subscribed::to("topic", None);
        it.subscribed(until(7 * DAY), at(0));
        assert_eq!(age(&it, 100), Some(100), "since it was asked for");
        it.looked(None, at(0));
        it.looked(None, at(200));
        assert_eq!(age(&it, 250), Some(50));
        it.looked(Some(&version(10)), at(300));
        it.looked(None, at(310));
        assert_eq!(age(&it, 320), Some(120), "something is untold");
        it.pushed(None, at(330));
        assert_eq!(age(&it, 340), Some(10));
        assert!(it.is_due(at(HOUR + 300)), "it did not say what it tells of");
    }

    #[test]
    fn what_cannot_be_had_waits_by_its_class() {
        let failure =
            |class, when| Failure::new(class, Reach::Account, Provenance::Server, "no").when(when);
        let policy = Policy::default().staying();
        let mut it = active();
        it.asks();
        it.failed(&failure(Class::Provider, When::BackOff), &policy, at(DAY));
        assert!(!it.is_due(at(DAY + 1)) && it.is_due(at(DAY + 600)));
        assert_eq!(it.row().state, SubscriptionState::Active, "it pushes until its time");
        assert!(it.row().reason.ends_with("no"), "{}", it.row().reason);
        let mut none = Subscribed::to("topic", None);
        none.asks();
        none.failed(&failure(Class::Config, When::AfterChange), &policy, at(0));
        assert!(!none.is_due(at(HOUR - 1)) && none.is_due(at(HOUR)));
        assert_eq!(none.row().state, SubscriptionState::Failed);
        let mut later = Subscribed::to("topic", None);
        later.put_off(Duration::from_secs(90), "no session", at(0));
        assert_eq!(later.row().reason, "no session");
        assert!(!later.is_due(at(89)) && later.is_due(at(90)));
    }

    #[test]
    fn what_is_stored_is_written_once() {
        let mut it = active();
        assert!(it.unstored().is_some() && it.unstored().is_none());
        it.not_stored();
        assert!(it.unstored().is_some());
        // A proof is as old as the last one, give or take ten minutes.
        assert!(!it.is_urgent());
        it.pushed(None, at(599));
        assert!(it.unstored().is_none());
        it.pushed(None, at(600));
        assert!(it.unstored().is_some());
        it.looked(None, at(700));
        assert!(it.unstored().is_none());
        // One of a time that has not come is none.
        it.looked(None, at(DAY));
        assert!(it.unstored().is_some());
        it.looked(None, at(800));
        assert!(it.unstored().is_some());
    }
}
