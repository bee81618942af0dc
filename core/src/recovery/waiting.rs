//! A wait that outlives its process: for what an account waits, since when and until when.

use crate::failure::{Class, Failure, Provenance, Reach};
use crate::recovery::decide::Policy;
use crate::time::{AHEAD, Micros, Now};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Nothing shorter is kept.
const LEAST: Duration = Duration::from_secs(60);
/// An end that is read again is believed to be this far ahead at most, whatever clock has told it: of a quota,
/// which begins anew with a day.
const MOST_OF_A_QUOTA: Duration = Duration::from_secs(24 * 3600);
/// Of anything else, unless the policy has longer ones.
const MOST: Duration = Duration::from_secs(4 * 3600);
/// An end that is told anew and lies no further from the one before is the same.
const SAME: Duration = Duration::from_secs(1);

/// For what an account waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// What kind of failure it is.
    pub class: Class,
    /// How far it reaches.
    pub reach: Reach,
    /// Who said so.
    pub provenance: Provenance,
    /// What was said.
    pub text: String,
    /// Since when it has been in trouble.
    pub since: Micros,
    /// When it tries again.
    pub until: Micros,
    /// A mark of the settings that it is followed with: with others it tries at once.
    pub settings: String,
    /// A mark of the secret that was refused: with another it tries at once, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// Marks of what an account is followed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks<'a> {
    /// Of its settings.
    pub settings: &'a str,
    /// Of its secret.
    pub secret: &'a str,
}

impl Waiting {
    /// What it waits for.
    #[must_use]
    pub fn failure(&self) -> Failure {
        Failure::new(self.class, self.reach, self.provenance, self.text.as_str())
    }

    /// Whether who is followed with this goes on with it now. One that began in the future was told by another clock.
    #[must_use]
    pub fn goes_on(&self, marks: Marks<'_>, now: Micros) -> bool {
        let is_refused = self.refused.as_deref().is_none_or(|refused| refused == marks.secret);
        let is_now = self.since <= now.plus(AHEAD) && self.until > now;
        is_refused && is_now && self.settings == marks.settings
    }

    /// Whether who tries again at this instant is in this wait: two clocks have told it.
    #[must_use]
    pub fn is_until(&self, next: Option<Micros>) -> bool {
        next.is_some_and(|next| next.since(self.until).max(self.until.since(next)) < 2 * SAME)
    }

    /// For how long from now on.
    #[must_use]
    pub fn left(&self, now: Micros, policy: &Policy) -> Duration {
        let most = match self.class {
            Class::Quota => MOST_OF_A_QUOTA,
            _ => MOST,
        };
        let own = policy.longest_wait.max(policy.cool_down).max(policy.belief(true).1);
        self.until.since(now).min(most.max(own))
    }
}

/// Whether a failure is waited for by the next process, too: what a server has said. What our own system says (a budget, a
/// disk, a missing grant) it finds as it is, who said nothing may be there again, and a config is read anew.
fn outlives(failure: &Failure) -> bool {
    failure.provenance == Provenance::Server
        && !matches!(failure.class, Class::Storage | Class::Bug | Class::Config)
}

/// How an account is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// In no trouble that ends by itself.
    Well,
    /// Nobody knows before its try has ended.
    Trying,
    /// In trouble.
    Troubled,
}

/// What is kept of how an account waits.
#[derive(Debug, Default)]
pub struct KeptWait {
    /// Since when there has been trouble.
    since: Option<Micros>,
    /// Its end, by the clock of this process.
    until: Option<Duration>,
    waiting: Option<Waiting>,
}

impl KeptWait {
    /// What is kept already.
    #[must_use]
    pub fn of(waiting: Option<Waiting>) -> Self {
        Self { since: waiting.as_ref().map(|waiting| waiting.since), until: None, waiting }
    }

    /// What is kept.
    #[must_use]
    pub fn waiting(&self) -> Option<&Waiting> {
        self.waiting.as_ref()
    }

    /// Takes how it waits now (for what, and until when by the monotonic clock), how it is, and what it is
    /// followed with. Whether what is kept is another.
    pub fn note(
        &mut self,
        waits: Option<(&Failure, Duration)>,
        is: Health,
        marks: Marks<'_>,
        now: Now,
    ) -> bool {
        let since = match is {
            Health::Well => {
                self.since = None;
                now.wall
            }
            // A try in between is no end of it.
            Health::Trying => self.since.unwrap_or(now.wall),
            Health::Troubled => *self.since.get_or_insert(now.wall),
        };
        let is_long = |until: Duration| until.saturating_sub(now.mono) >= LEAST;
        match waits {
            Some((_, until)) if self.until == Some(until) => false,
            Some((failure, until)) if outlives(failure) && is_long(until) => {
                let left = until.saturating_sub(now.mono);
                self.until = Some(until);
                let next = Waiting {
                    class: failure.class,
                    reach: failure.reach,
                    provenance: failure.provenance,
                    text: failure.chain(),
                    since,
                    until: now.wall.plus(left),
                    settings: marks.settings.to_owned(),
                    refused: (failure.class == Class::Auth).then(|| marks.secret.to_owned()),
                };
                let is_same = self.waiting.as_ref().is_some_and(|before| {
                    let ends = (before.until.max(next.until), before.until.min(next.until));
                    ends.0.since(ends.1) < SAME
                        && Waiting { until: before.until, ..next.clone() } == *before
                });
                if !is_same {
                    self.waiting = Some(next);
                }
                !is_same
            }
            // It is at work before its time, by somebody's word, or waits for something else: that wait is over.
            None if is == Health::Troubled => false,
            _ if is == Health::Well
                || self.waiting.as_ref().is_some_and(|waiting| waiting.until > now.wall) =>
            {
                self.until = None;
                self.waiting.take().is_some()
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const M: Marks<'_> = Marks { settings: "s", secret: "m" };
    const MINUTE: Duration = Duration::from_secs(60);

    fn at(minutes: u32) -> Now {
        let mono = minutes * MINUTE;
        Now { wall: Micros(1_000_000).plus(mono), mono }
    }

    fn limit() -> Failure {
        Failure::new(Class::RateLimit, Reach::Account, Provenance::Server, "too much")
    }

    /// Kept are its end and since when, through tries in between, until all is well.
    #[test]
    fn what_is_kept_is_of_the_whole_trouble() {
        let mut kept = KeptWait::default();
        let failure = limit();
        assert!(!kept.note(Some((&failure, MINUTE / 2)), Health::Troubled, M, at(0)), "short");
        assert!(kept.note(Some((&failure, 60 * MINUTE)), Health::Troubled, M, at(0)));
        assert!(!kept.note(Some((&failure, 60 * MINUTE)), Health::Troubled, M, at(1)), "the same");
        assert!(!kept.note(None, Health::Trying, M, at(60)), "it tries");
        assert!(kept.note(Some((&failure, 90 * MINUTE)), Health::Troubled, M, at(60)));
        let waiting = kept.waiting().unwrap().clone();
        assert_eq!((waiting.since, waiting.until), (at(0).wall, at(90).wall));
        assert_eq!(waiting.failure().to_string(), failure.to_string());
        assert_eq!(waiting.refused, None);
        let text = serde_json::to_string(&waiting).unwrap();
        assert_eq!(serde_json::from_str::<Waiting>(&text).unwrap(), waiting);
        assert!(kept.note(None, Health::Well, M, at(91)) && kept.waiting().is_none());
        assert!(!kept.note(None, Health::Well, M, at(91)));
        // Another trouble begins anew.
        assert!(!kept.note(None, Health::Troubled, M, at(99)), "no end is known");
        assert!(kept.note(Some((&failure, 130 * MINUTE)), Health::Troubled, M, at(100)));
        assert_eq!(kept.waiting().unwrap().since, at(99).wall);
    }

    /// Who is at work before its time, or waits for something else, is no longer in that wait.
    #[test]
    fn a_wait_that_was_ended_is_not_kept() {
        let long = limit();
        let away = Failure::new(Class::Network, Reach::Session, Provenance::Local, "reset");
        let waits = || {
            let mut kept = KeptWait::default();
            assert!(kept.note(Some((&long, 60 * MINUTE)), Health::Troubled, M, at(0)));
            assert!(!kept.note(None, Health::Troubled, M, at(10)), "its endpoint is away");
            kept
        };
        let waiting = waits().waiting().unwrap().clone();
        assert!(waiting.goes_on(M, at(59).wall) && !waiting.goes_on(M, at(60).wall));
        assert!(!waiting.goes_on(M, Micros(1_000_000 - 301_000_000)), "a clock that is behind");
        for (failure, until, is) in [
            (None, at(10).mono, Health::Trying),
            (Some(&long), at(10).mono + MINUTE / 2, Health::Troubled),
            (Some(&away), 90 * MINUTE, Health::Troubled),
        ] {
            let mut kept = waits();
            let now = failure.map(|failure| (failure, until));
            assert!(kept.note(now, is, M, at(10)) && kept.waiting().is_none(), "{failure:?}");
            assert!(kept.note(Some((&long, 95 * MINUTE)), Health::Troubled, M, at(11)));
            assert_eq!(kept.waiting().unwrap().since, at(0).wall, "the trouble is the same");
        }
    }

    /// The next process goes on with it, and writes nothing for that.
    #[test]
    fn who_goes_on_with_it_has_kept_it() {
        let mut kept = KeptWait::default();
        kept.note(Some((&limit(), 60 * MINUTE)), Health::Troubled, M, at(0));
        let mut next = KeptWait::of(kept.waiting().cloned());
        let failure = next.waiting().unwrap().failure();
        let until = 60 * MINUTE - Duration::from_millis(3);
        assert!(!next.note(Some((&failure, until)), Health::Troubled, M, at(0)));
        assert!(
            next.note(Some((&failure, 70 * MINUTE)), Health::Troubled, M, at(60)),
            "and another"
        );
        assert_eq!(next.waiting().unwrap().since, at(0).wall);
    }

    #[test]
    fn what_is_another_process_s_matter_is_not_kept() {
        for &class in Class::ALL {
            let of = |provenance| Failure::new(class, Reach::Account, provenance, "x");
            let own = of(Provenance::Local);
            assert!(!KeptWait::default().note(
                Some((&own, 60 * MINUTE)),
                Health::Troubled,
                M,
                at(0)
            ));
            let failure = of(Provenance::Server);
            let is_kept =
                KeptWait::default().note(Some((&failure, 60 * MINUTE)), Health::Troubled, M, at(0));
            assert_eq!(
                is_kept,
                !matches!(class, Class::Storage | Class::Bug | Class::Config),
                "{class}"
            );
        }
        let refused = Failure::new(Class::Auth, Reach::Account, Provenance::Server, "no");
        let mut kept = KeptWait::default();
        kept.note(Some((&refused, 60 * MINUTE)), Health::Troubled, M, at(0));
        let waiting = kept.waiting().unwrap();
        assert_eq!(waiting.refused.as_deref(), Some("m"));
        assert!(waiting.goes_on(M, at(1).wall));
        assert!(!waiting.goes_on(Marks { secret: "n", ..M }, at(1).wall));
        assert!(!waiting.goes_on(Marks { settings: "t", ..M }, at(1).wall));
        let limited = Waiting { refused: None, ..waiting.clone() };
        assert!(limited.goes_on(Marks { secret: "n", ..M }, at(1).wall));
        assert!(!limited.goes_on(Marks { settings: "t", ..M }, at(1).wall));
    }

    /// A clock that was ahead makes nobody wait for years.
    #[test]
    fn an_end_is_believed_within_bounds() {
        let policy = Policy::default();
        let of = |class, hours: u32| Waiting {
            class,
            reach: Reach::Account,
            provenance: Provenance::Server,
            text: String::new(),
            since: Micros(0),
            until: at(hours * 60).wall,
            settings: String::new(),
            refused: None,
        };
        let hours =
            |waiting: Waiting, policy: &Policy| waiting.left(at(0).wall, policy).as_secs() / 3600;
        assert_eq!(hours(of(Class::RateLimit, 2), &policy), 2);
        assert_eq!(hours(of(Class::RateLimit, 9000), &policy), 4);
        assert_eq!(hours(of(Class::Quota, 9000), &policy), 24);
        let long = Policy { cool_down: 30 * 60 * MINUTE, ..policy };
        assert_eq!(hours(of(Class::RateLimit, 9000), &long), 30);
        assert_eq!(of(Class::Quota, 1).left(at(61).wall, &policy), Duration::ZERO);
    }
}
