//! What a provider tells from outside a session: hints, and how fast they go on.

use crate::job::slots::Level;
use crate::mail::feed::MailVersion;
use crate::time::Micros;
use std::collections::BTreeMap;
use std::time::Duration;

/// An account is told no sooner again.
pub const NEWS: Duration = Duration::from_millis(250);
/// That its provider lets it in or not is told no sooner again: what is sent twice asks once.
pub const GRANT: Duration = Duration::from_secs(60);

/// A question to a session of a provider that pushes: one request, one answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushRequest {
    /// To push what happens in the mailbox to this place, in the provider's own words.
    Subscribe(String),
    /// To push nothing of it any more.
    Unsubscribe,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushReply {
    /// It pushes.
    Pushes(Pushing),
    /// It does not, any more.
    Ended,
}

/// It pushes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushing {
    /// Until then, unless it is asked again.
    pub until: Micros,
    /// What happens behind this state, where the provider says so.
    pub from: Option<MailVersion>,
}

/// How a provider says that a webhook of it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookStanding {
    /// It is sent to.
    Active,
    /// It is, and what is sent is refused again and again.
    Failing,
    /// It is sent to no more.
    Failed,
    /// A human has stopped it.
    Paused,
}

/// A webhook, as its provider shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownWebhook {
    /// What the provider calls it.
    pub id: String,
    /// Whether it is sent to our address, where that is told.
    pub is_here: Option<bool>,
    /// Whether everything is sent that is of use, where that is told.
    pub is_whole: Option<bool>,
    /// How it stands.
    pub standing: WebhookStanding,
}

/// A secret that was told just now; never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct FreshSecret(pub String);

impl std::fmt::Debug for FreshSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FreshSecret")
    }
}

/// What is asked of who pushes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookQuestion {
    /// Which there are.
    List,
    /// To remove this one.
    Remove(String),
    /// To make one.
    Make,
}

/// What was answered; what one signs with is told once, and sealed before it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookAnswer<S> {
    /// These are there.
    Listed(Vec<ShownWebhook>),
    /// It is removed, or was not there.
    Removed,
    /// It is made, and called so.
    Made(String, S),
}

string_enum! {
    /// What came of a push.
    PushOutcome {
        /// Its account is told.
        Taken => "taken",
        /// The mailbox has seen it already.
        Known => "known",
        /// It is about a mailbox that is not ours.
        Stranger => "stranger",
        /// It tells of nothing that is looked at.
        Ignored => "ignored",
        /// Who asked whether somebody is here was told so.
        Challenged => "challenged",
        /// Somebody asked that, and not in the words for it.
        BadChallenge => "bad_challenge",
        /// It is not from whom it says.
        Unsigned => "unsigned",
        /// Whether it is could not be told.
        Unjudged => "unjudged",
        /// It cannot be read.
        Unreadable => "unreadable",
        /// It is too long.
        TooLarge => "too_large",
        /// It did not come in time, or was cut off.
        TooSlow => "too_slow",
        /// It is believed, and could not be written down in time.
        Unstored => "unstored",
        /// Too many come of its source.
        TooMany => "too_many",
        /// Others took all the room.
        NoRoom => "no_room",
        /// Who sent it hung up before it was answered, or a bug was met.
        Gone => "gone",
        /// Nothing is taken there.
        Unrouted => "unrouted",
    }
}

impl PushOutcome {
    /// Whether it was from whom it said.
    #[must_use]
    pub fn is_believed(self) -> bool {
        matches!(
            self,
            Self::Taken
                | Self::Known
                | Self::Stranger
                | Self::Ignored
                | Self::Unreadable
                | Self::Unstored
                | Self::TooMany
        )
    }
}

/// What a push tells of an account: a hint, never the truth. The stronger one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PushHint {
    /// Something about known mail is another.
    Touched,
    /// Mail came or went, or nobody says what it is.
    News,
    /// Folders are others.
    Places,
    /// Whether the mailbox may be seen has changed, perhaps.
    Grant,
}

impl PushHint {
    /// How soon it is looked at.
    #[must_use]
    pub fn level(self) -> Level {
        match self {
            Self::News | Self::Places | Self::Grant => Level::Operator,
            Self::Touched => Level::Schedule,
        }
    }
}

/// Hints on their way to accounts: of each the first goes on at once, then one in so long at most, the strongest of
/// those that came meanwhile.
#[derive(Debug)]
pub struct PushPace {
    pace: Duration,
    accounts: BTreeMap<String, Paced>,
}

#[derive(Debug)]
struct Paced {
    told: Duration,
    held: Option<PushHint>,
}

impl PushPace {
    /// One in so long.
    #[must_use]
    pub fn of(pace: Duration) -> Self {
        Self { pace, accounts: BTreeMap::new() }
    }

    /// Whether something of an account waits already.
    #[must_use]
    pub fn holds(&self, account: &str) -> bool {
        self.accounts.get(account).is_some_and(|paced| paced.held.is_some())
    }

    /// A hint has come, at this monotonic time. Returns what goes on now.
    pub fn came(&mut self, account: &str, hint: PushHint, now: Duration) -> Option<PushHint> {
        let Some(paced) = self.accounts.get_mut(account) else {
            self.accounts.insert(account.to_owned(), Paced { told: now, held: None });
            return Some(hint);
        };
        paced.held = paced.held.max(Some(hint));
        if now < paced.told + self.pace {
            return None;
        }
        paced.told = now;
        paced.held.take()
    }

    /// Those that are to go on now. They stay until it is said that they did.
    pub fn due(&mut self, now: Duration) -> Vec<(String, PushHint)> {
        let pace = self.pace;
        self.accounts.retain(|_, paced| now < paced.told + pace || paced.held.is_some());
        let due = self.accounts.iter().filter(|(_, paced)| now >= paced.told + pace);
        due.filter_map(|(account, paced)| Some((account.clone(), paced.held?))).collect()
    }

    /// This one has gone on.
    pub fn went(&mut self, account: &str, now: Duration) {
        let pace = self.pace;
        // What came and went meanwhile has its own time.
        let due = self.accounts.get_mut(account).filter(|paced| now >= paced.told + pace);
        if let Some(paced) = due {
            (paced.held, paced.told) = (None, now);
        }
    }

    /// When to ask again.
    #[must_use]
    pub fn next(&self) -> Option<Duration> {
        self.accounts.values().map(|paced| paced.told + self.pace).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn the_first_goes_at_once_and_four_a_second_behind_it() {
        let mut pace = PushPace::of(NEWS);
        let (mut sent, mut strongest) = (Vec::new(), PushHint::Touched);
        for n in 0..1000_u64 {
            let hint = if n == 130 { PushHint::News } else { PushHint::Touched };
            if let Some(hint) = pace.came("a", hint, ms(n)) {
                sent.push(n);
                if n == 250 {
                    strongest = hint;
                }
            }
        }
        assert_eq!(sent, [0, 250, 500, 750]);
        assert_eq!(strongest, PushHint::News, "the strongest of what came meanwhile");
    }

    #[test]
    fn the_last_one_is_not_lost_and_nothing_stays() {
        let mut pace = PushPace::of(NEWS);
        assert_eq!(pace.came("a", PushHint::News, ms(0)), Some(PushHint::News));
        assert!(pace.came("b", PushHint::News, ms(1)).is_some(), "each account has its own");
        assert_eq!(pace.came("a", PushHint::Touched, ms(10)), None);
        assert_eq!(pace.next(), Some(ms(250)));
        assert!(pace.due(ms(249)).is_empty());
        for _ in 0..2 {
            assert_eq!(pace.due(ms(251)), [("a".to_owned(), PushHint::Touched)], "until it went");
        }
        pace.went("a", ms(251));
        let mut beside = PushPace::of(NEWS);
        assert!(beside.came("a", PushHint::News, ms(0)).is_some());
        assert_eq!(beside.came("a", PushHint::Touched, ms(1)), None);
        assert_eq!(beside.due(ms(260)).len(), 1);
        assert!(
            beside.came("a", PushHint::Touched, ms(261)).is_some(),
            "before it is said that it went"
        );
        assert_eq!(beside.came("a", PushHint::News, ms(262)), None);
        beside.went("a", ms(260));
        assert!(beside.holds("a"), "another one waits");
        assert!(pace.due(ms(252)).is_empty() && !pace.holds("a"));
        assert!(pace.due(ms(600)).is_empty());
        assert_eq!((pace.next(), pace.accounts.len()), (None, 0));
        assert!(pace.came("a", PushHint::News, ms(601)).is_some(), "after a rest, at once again");
    }

    #[test]
    fn each_has_a_pace_of_its_own() {
        let mut pace = PushPace::of(GRANT);
        assert!(pace.came("a", PushHint::Grant, ms(0)).is_some());
        assert_eq!(pace.came("a", PushHint::Grant, ms(59_999)), None);
        assert!(pace.due(ms(59_999)).is_empty());
        assert_eq!(pace.due(ms(60_000)), [("a".to_owned(), PushHint::Grant)]);
    }

    #[test]
    fn what_came_or_went_is_looked_at_sooner() {
        assert!(PushHint::News.level() < PushHint::Touched.level());
    }
}
