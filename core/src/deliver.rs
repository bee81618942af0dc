//! How what is handed on stands with who takes it: how far it has come, how often it was refused, and when it is
//! given up.

use crate::recovery::backoff::{LONGEST_WAIT, wait};
use crate::time::Micros;
use std::time::Duration;

/// Who has refused for so long is not asked any more.
pub const GIVEN_UP: Duration = Duration::from_secs(3 * 86_400);
/// A try that comes later than this behind its time shows that nobody was there to try.
const LATE: Duration = LONGEST_WAIT;

string_enum! {
    /// How a subscriber stands.
    SubscriberState {
        /// It takes what comes.
        Active => "active",
        /// The last try has failed.
        Failing => "failing",
        /// It is asked for nothing before somebody says so.
        Disabled => "disabled",
    }
}

string_enum! {
    /// What came of a try.
    DeliveryOutcome {
        /// It was taken.
        Taken => "taken",
        /// It was answered, and not taken.
        Refused => "refused",
        /// There was no answer in time.
        Late => "late",
        /// The connection has ended before the answer.
        Broken => "broken",
        /// There was no connection.
        Unreached => "unreached",
    }
}

/// Why something was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// Whoever took it is there no longer (410).
    Gone,
    /// It may be taken later; not before that has passed, where it was said.
    Later(Option<Duration>),
}

/// The first of the doubling waits, and what spreads those that fail together.
#[derive(Clone, Copy, Debug)]
pub struct Waits {
    /// The first wait.
    pub first: Duration,
    /// Another one for each subscriber.
    pub salt: u64,
}

/// How far what is handed on has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The last number that is done with.
    pub cursor: i64,
    /// How it stands.
    pub state: SubscriberState,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: Micros,
    /// Since when it fails, but for the time in which nobody tried.
    pub failing_since: Option<Micros>,
    /// Tries that failed in a row.
    pub attempts: u32,
    /// When the next one is.
    pub next_at: Option<Micros>,
    /// The first and the last number that were kept no longer before they were given: told with what is taken next.
    pub lost: Option<(i64, i64)>,
}

impl Delivered {
    /// It begins behind this number.
    #[must_use]
    pub fn begins(cursor: i64, now: Micros) -> Self {
        Self {
            cursor,
            state: SubscriberState::Active,
            reason: String::new(),
            since: now,
            failing_since: None,
            attempts: 0,
            next_at: None,
            lost: None,
        }
    }

    fn stands(&mut self, state: SubscriberState, reason: &str, now: Micros) {
        if self.state != state {
            (self.state, self.since) = (state, now);
        }
        reason.clone_into(&mut self.reason);
    }

    fn is_well(&mut self) {
        (self.failing_since, self.attempts, self.next_at) = (None, 0, None);
    }

    /// What ends with this number was taken.
    pub fn taken(&mut self, last: i64, now: Micros) {
        self.cursor = self.cursor.max(last);
        self.lost = None;
        self.is_well();
        self.stands(SubscriberState::Active, "", now);
    }

    /// Up to this number there is nothing for it.
    pub fn passes(&mut self, last: i64) {
        self.cursor = self.cursor.max(last);
    }

    /// Behind what it has had, the first that is kept is this one.
    pub fn loses(&mut self, oldest: i64) {
        if oldest > self.cursor.saturating_add(1) {
            let first = self.lost.map_or(self.cursor.saturating_add(1), |(first, _)| first);
            self.lost = Some((first, oldest - 1));
            self.cursor = oldest - 1;
        }
    }

    /// Somebody has changed what it is: what failed before says nothing of it.
    pub fn changed(&mut self) {
        if self.state == SubscriberState::Failing {
            self.is_well();
        }
    }

    /// A try has failed.
    pub fn failed(&mut self, why: NotTaken, reason: &str, waits: Waits, now: Micros) {
        let since = self.failing_since.unwrap_or(now);
        let late = self.next_at.map(|next| now.since(next)).filter(|late| *late > LATE);
        // Our own absence is no failure of theirs.
        let since = late.map_or(since, |late| since.plus(late)).min(now);
        self.failing_since = Some(since);
        self.attempts = self.attempts.saturating_add(1);
        let is_given_up = why == NotTaken::Gone || now.since(since) >= GIVEN_UP;
        if is_given_up {
            self.next_at = None;
            return self.stands(SubscriberState::Disabled, reason, now);
        }
        let doubled = wait((waits.first, LONGEST_WAIT), self.attempts, waits.salt);
        let after = match why {
            NotTaken::Later(Some(said)) => said.clamp(waits.first.min(LONGEST_WAIT), LONGEST_WAIT),
            _ => doubled,
        };
        self.next_at = Some(now.plus(after));
        self.stands(SubscriberState::Failing, reason, now);
    }

    /// It is tried now, where it waits.
    pub fn tries(&mut self, now: Micros) {
        // What is past is kept: so late it is tried.
        self.next_at = self.next_at.map(|next| next.min(now));
    }

    /// It is asked again, at once.
    pub fn enabled(&mut self, now: Micros) {
        self.is_well();
        self.stands(SubscriberState::Active, "", now);
    }

    /// It is asked for nothing.
    pub fn disabled(&mut self, reason: &str, now: Micros) {
        self.next_at = None;
        self.stands(SubscriberState::Disabled, reason, now);
    }

    /// It goes on behind this number, which may lie before what it has had.
    pub fn goes_to(&mut self, cursor: i64) {
        (self.cursor, self.lost) = (cursor, None);
    }

    /// Whether it may be tried now.
    #[must_use]
    pub fn is_due(&self, now: Micros) -> bool {
        // What is further away than any wait is of a clock that was set back.
        let is_now = |next: Micros| next <= now || next.since(now) > 2 * LONGEST_WAIT;
        self.state != SubscriberState::Disabled && self.next_at.is_none_or(is_now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use SubscriberState::{Active, Disabled, Failing};

    const HOUR: Duration = Duration::from_secs(3600);

    fn waits(salt: u64) -> Waits {
        Waits { first: Duration::from_secs(5), salt }
    }

    fn fail(delivered: &mut Delivered, now: Micros) {
        delivered.failed(NotTaken::Later(None), "503", waits(7), now);
    }

    #[test]
    fn waits_double_and_end_with_what_is_taken() {
        let mut it = Delivered::begins(41, Micros(0));
        assert!(it.is_due(Micros(0)));
        let mut now = Micros(0);
        for seconds in [5.0, 10.0, 20.0, 40.0, 80.0] {
            fail(&mut it, now);
            let next = it.next_at.unwrap();
            let waited = next.since(now).as_secs_f64();
            assert!((seconds * 0.79..=seconds * 1.21).contains(&waited), "{waited}");
            assert!(!it.is_due(Micros(next.0 - 1)) && it.is_due(next));
            assert_eq!((it.state, it.since, it.cursor), (Failing, Micros(0), 41));
            now = next;
        }
        it.taken(43, now);
        let well = Delivered { since: now, ..Delivered::begins(43, now) };
        assert_eq!(it, well, "nothing is left of it");
        fail(&mut it, now.plus(HOUR));
        assert_eq!(it.attempts, 1);
    }

    #[test]
    fn what_was_said_of_later_is_heard_for_an_hour_at_most() {
        let after = |said: u64| {
            let mut it = Delivered::begins(0, Micros(0));
            let why = NotTaken::Later(Some(Duration::from_secs(said)));
            it.failed(why, "429", waits(1), Micros(0));
            it.next_at.unwrap().since(Micros(0)).as_secs()
        };
        assert_eq!([after(0), after(30), after(3600), after(90_000)], [5, 30, 3600, 3600]);
        // Where the config has a longer first wait.
        let mut it = Delivered::begins(0, Micros(0));
        let waits = Waits { first: HOUR * 2, salt: 1 };
        it.failed(NotTaken::Later(Some(HOUR)), "429", waits, Micros(0));
        assert_eq!(it.next_at, Some(Micros(0).plus(HOUR)));
    }

    /// An hour away, and four days: who is away for three is given up, and who comes back before goes on.
    #[test]
    fn three_days_of_tries_are_given_up() {
        for salt in 0..50 {
            let mut it = Delivered::begins(0, Micros(0));
            let (mut now, mut tries) = (Micros(0), 0);
            while it.state != Disabled {
                it.failed(NotTaken::Later(None), "no connection", waits(salt), now);
                let given_up = now.since(Micros(0));
                assert_eq!(it.state == Disabled, given_up >= GIVEN_UP, "{given_up:?}");
                tries += 1;
                now = it.next_at.unwrap_or(now);
            }
            assert!((60..=110).contains(&tries), "{tries}");
            assert!(now.since(Micros(0)) <= GIVEN_UP + HOUR + HOUR / 5);
            assert!(!it.is_due(now.plus(GIVEN_UP)), "it waits for somebody");
            it.enabled(now);
            assert_eq!((it.state, it.cursor, it.attempts), (Active, 0, 0));
            assert!(it.is_due(now));
            fail(&mut it, now);
            assert_eq!(it.state, Failing, "it begins anew");
        }
    }

    /// A server that was off, or a machine that slept, has not tried.
    #[test]
    fn time_in_which_nobody_tried_is_no_failure() {
        let mut it = Delivered::begins(0, Micros(0));
        fail(&mut it, Micros(0));
        let next = it.next_at.unwrap();
        fail(&mut it, next.plus(GIVEN_UP * 2));
        assert_eq!((it.state, it.attempts, it.since), (Failing, 2, Micros(0)));
        let tried = it.next_at.unwrap().since(it.failing_since.unwrap());
        assert!(tried < Duration::from_secs(30), "{tried:?}");
        // A clock that went back.
        fail(&mut it, Micros(-1));
        assert_eq!(it.state, Failing);
        assert!(it.failing_since.unwrap() <= Micros(-1));
        let waits_until = it.next_at.unwrap();
        assert!(!it.is_due(Micros(waits_until.0 - 1)));
        assert!(it.is_due(Micros(waits_until.0 - 3 * 3_600_000_000)), "it was set back");
    }

    /// What is changed begins anew, however long it has failed; who was given up waits for somebody.
    #[test]
    fn what_is_changed_begins_anew() {
        let mut it = Delivered::begins(0, Micros(0));
        fail(&mut it, Micros(0));
        it.changed();
        assert!(it.is_due(Micros(0)));
        fail(&mut it, Micros(0).plus(GIVEN_UP * 2));
        assert_eq!((it.state, it.attempts), (Failing, 1));
        it.disabled("by hand", Micros(1));
        it.changed();
        assert!(!it.is_due(Micros(2)));
    }

    #[test]
    fn what_is_lost_is_told_until_something_is_taken() {
        let mut it = Delivered::begins(16, Micros(0));
        it.loses(17);
        assert_eq!((it.lost, it.cursor), (None, 16), "nothing is");
        it.loses(100);
        it.passes(150);
        it.loses(151);
        assert_eq!((it.lost, it.cursor), (Some((17, 99)), 150));
        it.loses(200);
        assert_eq!((it.lost, it.cursor), (Some((17, 199)), 199));
        it.taken(200, Micros(1));
        assert_eq!((it.lost, it.cursor), (None, 200));
    }

    #[test]
    fn who_is_gone_is_asked_no_more() {
        let mut it = Delivered::begins(5, Micros(0));
        it.failed(NotTaken::Gone, "410", waits(1), Micros(9));
        assert_eq!((it.state, it.reason.as_str(), it.since), (Disabled, "410", Micros(9)));
        it.goes_to(2);
        assert_eq!((it.cursor, it.state), (2, Disabled), "it goes on there when it is enabled");
        it.passes(1);
        assert_eq!(it.cursor, 2);
    }
}
