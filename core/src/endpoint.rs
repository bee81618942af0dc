//! The health of one endpoint: its faults are waited for by one prober, and refusals that come in a
//! crowd are its own. Pure.

use crate::failure::{Class, Failure, Provenance, Reach, When};
use std::collections::BTreeMap;
use std::time::Duration;

/// Probes follow each other so closely at first.
const EAGER: Duration = Duration::from_secs(5);
/// For so long.
const EAGER_FOR: Duration = Duration::from_secs(600);
/// And so slowly then; a login is tried no more often.
const CALM: Duration = Duration::from_secs(60);
/// Refusals are counted over so long.
const CROWD: Duration = Duration::from_secs(300);
/// Accounts of a host that must have logged in before a crowd of refusals is the host's.
const CROWD_OF: usize = 5;
/// A host's fault is believed no longer.
const CROWD_FOR: Duration = Duration::from_secs(24 * 3600);

/// What an endpoint that is down is waited for by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// A bare connection and its greeting.
    Connect,
    /// The login of one account, each in its turn.
    Login,
}

#[derive(Clone, Debug)]
struct Down {
    probe: Probe,
    failure: Failure,
    since: Duration,
    next: Duration,
}

/// What is known of an endpoint.
#[derive(Debug, Default)]
pub struct Health<A> {
    down: Option<Down>,
    /// Accounts that have logged in at some time, and when they were refused last.
    known: BTreeMap<A, Option<Duration>>,
}

impl<A: Ord + Clone> Health<A> {
    /// An endpoint nothing is known of.
    #[must_use]
    pub fn new() -> Self {
        Self { down: None, known: BTreeMap::new() }
    }

    /// Why it is down, and when it is probed next.
    #[must_use]
    pub fn down(&self) -> Option<(&Failure, Duration)> {
        self.down.as_ref().map(|down| (&down.failure, down.next))
    }

    /// An account that has logged in before.
    pub fn knows(&mut self, account: &A) {
        self.known.entry(account.clone()).or_default();
    }

    /// Somebody could log in: it is up.
    pub fn logged_in(&mut self, account: &A) {
        self.known.insert(account.clone(), None);
        self.down = None;
    }

    /// A bare connection was greeted. A login that was refused is not answered by this.
    pub fn greeted(&mut self) {
        if self.down.as_ref().is_some_and(|down| down.probe == Probe::Connect) {
            self.down = None;
        }
    }

    /// An attempt failed. Returns the failure as it is to be believed, and whether the account
    /// waits for the prober.
    pub fn failed(&mut self, account: &A, failure: Failure, mono: Duration) -> (Failure, bool) {
        let failure = self.judge(account, failure, mono);
        if failure.reach != Reach::Endpoint {
            return (failure, false);
        }
        let probe = match failure.class {
            Class::Network | Class::Timeout | Class::Config => Probe::Connect,
            _ => Probe::Login,
        };
        let since =
            self.down.as_ref().filter(|down| down.probe == probe).map_or(mono, |down| down.since);
        self.down = Some(Down {
            probe,
            failure: failure.clone(),
            since,
            next: mono + pace(probe, mono - since),
        });
        (failure, true)
    }

    /// The probe that is due; the next one is after it.
    pub fn due(&mut self, mono: Duration) -> Option<Probe> {
        let down = self.down.as_mut().filter(|down| mono >= down.next)?;
        down.next = mono + pace(down.probe, mono.saturating_sub(down.since));
        Some(down.probe)
    }

    /// If, of at least five accounts that have logged in before, 30 % are refused within five
    /// minutes, it is the host.
    fn judge(&mut self, account: &A, failure: Failure, mono: Duration) -> Failure {
        if failure.class != Class::Auth || failure.provenance != Provenance::Server {
            return failure;
        }
        let Some(refused) = self.known.get_mut(account) else { return failure };
        *refused = Some(mono);
        let crowd =
            self.known.values().flatten().filter(|at| mono.saturating_sub(**at) < CROWD).count();
        let lasting =
            self.down.as_ref().is_some_and(|down| mono.saturating_sub(down.since) >= CROWD_FOR);
        if self.known.len() < CROWD_OF || crowd * 10 < self.known.len() * 3 || lasting {
            return failure;
        }
        let text =
            format!("{crowd} of {} accounts were refused: {}", self.known.len(), failure.text);
        Failure::new(Class::Provider, Reach::Endpoint, Provenance::Inferred, text)
            .when(When::BackOff)
    }
}

fn pace(probe: Probe, down_for: Duration) -> Duration {
    if probe == Probe::Connect && down_for < EAGER_FOR { EAGER } else { CALM }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn refused() -> Failure {
        Failure::new(Class::Auth, Reach::Account, Provenance::Server, "no")
    }

    #[test]
    fn one_prober_eager_then_calm() {
        let mut health = Health::new();
        let cut = Failure::new(Class::Network, Reach::Endpoint, Provenance::Local, "no route");
        assert!(health.failed(&"a", cut.clone(), s(100)).1);
        assert_eq!(
            (health.due(s(104)), health.due(s(105)), health.due(s(106))),
            (None, Some(Probe::Connect), None)
        );
        assert_eq!(health.due(s(701)), Some(Probe::Connect));
        assert_eq!(
            (health.due(s(760)), health.due(s(761))),
            (None, Some(Probe::Connect)),
            "every 60 s after 10 min"
        );
        health.greeted();
        assert!(health.down().is_none());
        let session = Failure::new(Class::Network, Reach::Session, Provenance::Server, "bye");
        assert!(!health.failed(&"a", session, s(800)).1, "a session's end is the account's own");
    }

    #[test]
    fn a_broken_login_is_tried_by_one() {
        let mut health = Health::new();
        let broken =
            Failure::new(Class::Provider, Reach::Endpoint, Provenance::Server, "[UNAVAILABLE]");
        assert!(health.failed(&"a", broken, s(0)).1);
        health.greeted();
        assert!(health.down().is_some(), "a greeting proves no login");
        assert_eq!((health.due(s(59)), health.due(s(60))), (None, Some(Probe::Login)));
        health.logged_in(&"b");
        assert!(health.down().is_none());
    }

    #[test]
    fn a_crowd_of_refusals_is_the_hosts() {
        let mut health = Health::new();
        for account in 0..10 {
            health.knows(&account);
        }
        assert_eq!(health.failed(&0, refused(), s(0)).0.class, Class::Auth);
        assert_eq!(health.failed(&1, refused(), s(1)).0.class, Class::Auth);
        assert_eq!(
            health.failed(&77, refused(), s(2)).0.class,
            Class::Auth,
            "who never logged in is no witness"
        );
        let (third, waits) = health.failed(&2, refused(), s(3));
        assert_eq!((third.class, waits), (Class::Provider, true));
        health.logged_in(&2);
        assert_eq!(
            health.failed(&3, refused(), s(400)).0.class,
            Class::Auth,
            "the others are long ago"
        );
    }
}
