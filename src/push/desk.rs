//! Who pushes, whose mailboxes that is about, and what came last.

use crate::clock::Clock;
use crate::fault;
use crate::provider::{PushAbout, PushEntry, PushPort, PushSource, Pushed, ToldPush};
use crate::push::gather::Gather;
use crate::push::hands::PushHands;
use crate::push::subscriptions::Subscriptions;
use crate::push::webhooks::Webhooks;
use crate::push::whose::Whose;
use crate::store::Inbound;
use crate::telemetry::names;
use crate::telemetry::registry::Registry;
use postrider_core::failure::Failure;
use postrider_core::provider::push::{GRANT, NEWS, PushHint, PushOutcome, PushPace};
use postrider_core::recovery::decide::Policy;
use postrider_core::time::{Micros, Now};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

/// Requests of a source that are shown.
const SHOWN: usize = 50;
/// Requests that a source may send in a second, of those that are believed.
const RATE: u32 = 500;
const SECOND: Duration = Duration::from_secs(1);
/// Cursors are looked at for no longer, those of all accounts of a name: who cannot tell looks.
const LOOKS: Duration = Duration::from_secs(1);
/// Who is not believed is said so often.
const SAID: Duration = Duration::from_secs(60);

/// A request, as faces show it: nothing of what was in it.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// When.
    pub(crate) at: Micros,
    /// From where; nowhere: it was asked for.
    pub(crate) from: Option<IpAddr>,
    /// What came of it.
    pub(crate) outcome: PushOutcome,
    /// Why it was not taken.
    pub(crate) reason: String,
}

/// A source, and what came of it.
#[derive(Debug)]
pub(super) struct SourceDesk {
    pub(super) source: Arc<dyn PushSource>,
    pub(super) entry: PushEntry,
    pub(super) path: String,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Those that were believed, and the others: whoever sends anything hides none of the first.
    latest: [VecDeque<Received>; 2],
    counts: BTreeMap<PushOutcome, u64>,
    /// The second under way, and how many were believed in it.
    second: (Duration, u32),
    /// When it was said that some are not believed, and how many were not since.
    unsigned: Option<(Duration, u64)>,
    /// Why it cannot be asked for.
    failing: Option<String>,
}

/// A source as faces show it.
#[derive(Clone, Debug)]
pub(crate) struct SourceSeen {
    pub(crate) name: String,
    /// Where it is sent to, or else what it is asked for from.
    pub(crate) path: Option<String>,
    pub(crate) queue: Option<String>,
    /// Why it cannot be asked for.
    pub(crate) failing: Option<String>,
    pub(crate) counts: BTreeMap<PushOutcome, u64>,
    /// The newest first.
    pub(crate) latest: Vec<Received>,
}

/// The desk.
pub(crate) struct PushDesk {
    pub(super) at: Option<SocketAddr>,
    pub(super) sources: Vec<SourceDesk>,
    pub(super) hands: Option<Arc<dyn PushHands>>,
    pub(super) whose: watch::Receiver<Arc<Whose>>,
    /// What providers are asked to push.
    pub(crate) subscriptions: Arc<Subscriptions>,
    /// The webhooks of applications.
    pub(crate) webhooks: Arc<Webhooks>,
    /// Requests to where nothing is taken.
    pub(crate) unrouted: AtomicU64,
    clock: Clock,
    pace: Mutex<PushPace>,
    /// The same of what tells whether a mailbox may be seen.
    grants: Mutex<PushPace>,
    /// What is to be written down first.
    gather: Gather,
    /// Something waits for its time.
    held: Notify,
}

impl std::fmt::Debug for PushDesk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PushDesk").field("at", &self.at).finish_non_exhaustive()
    }
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PushDesk {
    /// Nothing is taken here.
    pub(crate) fn nobody(registry: &Registry) -> Self {
        let none = Subscriptions::to(BTreeMap::new(), Policy::default(), registry.clone());
        let (subscriptions, clock) = (Arc::new(none), registry.clock());
        let whose = watch::Sender::new(Arc::default()).subscribe();
        let webhooks = Webhooks::of([], None, Policy::default(), registry.clock());
        Self::new((None, Vec::new()), None, (whose, subscriptions, Arc::new(webhooks)), clock)
    }

    /// Takes what these push, at this address.
    pub(crate) fn new(
        (at, sources): (Option<SocketAddr>, Vec<PushPort>),
        hands: Option<Arc<dyn PushHands>>,
        (whose, subscriptions, webhooks): (
            watch::Receiver<Arc<Whose>>,
            Arc<Subscriptions>,
            Arc<Webhooks>,
        ),
        clock: Clock,
    ) -> Self {
        let sources = sources.into_iter().map(SourceDesk::of).collect();
        Self {
            at,
            sources,
            hands,
            whose,
            subscriptions,
            webhooks,
            unrouted: AtomicU64::new(0),
            clock,
            pace: Mutex::new(PushPace::of(NEWS)),
            grants: Mutex::new(PushPace::of(GRANT)),
            gather: Gather::default(),
            held: Notify::new(),
        }
    }

    /// The time.
    pub(super) fn now(&self) -> Now {
        self.clock.now()
    }

    /// Where it listens, and each source.
    pub(crate) fn seen(&self) -> (Option<SocketAddr>, Vec<SourceSeen>) {
        (self.at, self.sources.iter().map(SourceDesk::seen).collect())
    }

    /// What a push tells goes to its accounts. Says what came of it.
    pub(super) async fn take(&self, source: &SourceDesk, pushed: Pushed) -> PushOutcome {
        let Pushed { about, hint, told } = pushed;
        let (kind, whose) = (source.source.kind(), Arc::clone(&self.whose.borrow()));
        let (named, state) = match &about {
            PushAbout::Mailbox { username, state } => {
                (whose.named(kind, username), state.as_deref())
            }
            PushAbout::Grant(id) => (whose.granted(source.source.application(), id), None),
        };
        if named.is_empty() {
            return PushOutcome::Stranger;
        }
        if let Some(ToldPush { event, hinted }) = told {
            let accounts = whose.names_of(named);
            let asks_grant = hint == PushHint::Grant;
            let inbound = Inbound { event, accounts, asks_grant, hinted };
            if !self.gather.written(source.source.name(), inbound).await {
                return PushOutcome::Unstored;
            }
        }
        if let PushAbout::Mailbox { .. } = about {
            for account in named {
                self.subscriptions.pushed(account, state);
            }
        }
        // Whoever cannot tell in time looks.
        let behind = timeout(LOOKS, self.behind(source, named, state)).await;
        let behind = behind.unwrap_or_else(|_| named.iter().collect());
        let pace = if hint == PushHint::Grant { &self.grants } else { &self.pace };
        for account in &behind {
            let told = locked(pace).came(account, hint, self.now().mono);
            if let Some(hint) = told {
                self.nudge(account, hint);
            }
            self.held.notify_one();
        }
        if behind.is_empty() { PushOutcome::Known } else { PushOutcome::Taken }
    }

    /// Those of these accounts that may not have seen what is told.
    async fn behind<'a>(
        &self,
        source: &SourceDesk,
        named: &'a [String],
        state: Option<&str>,
    ) -> Vec<&'a String> {
        let (Some(state), Some(hands)) = (state, &self.hands) else {
            return named.iter().collect();
        };
        let mut behind = Vec::new();
        for account in named {
            // Who is to look anyway needs not be asked how far it is.
            let waits = locked(&self.pace).holds(account);
            let cursor = if waits { None } else { hands.cursor(account).await };
            if !cursor.is_some_and(|cursor| source.source.is_known(state, &cursor)) {
                behind.push(account);
            }
        }
        behind
    }

    /// Writes what is to be written down, for ever.
    ///
    /// # Cancel safety
    /// As [`Gather::write`].
    pub(super) async fn write(&self, hands: &dyn PushHands) {
        self.gather.write(hands, self.clock).await;
    }

    fn nudge(&self, account: &str, hint: PushHint) {
        if let Some(hands) = &self.hands {
            hands.nudge(account, hint);
        }
    }

    /// Tells what waits for its time, for ever.
    ///
    /// # Cancel safety
    /// What waits stays here.
    pub(super) async fn paced(&self) {
        loop {
            let now = self.now().mono;
            for pace in [&self.pace, &self.grants] {
                let due = locked(pace).due(now);
                for (account, hint) in due {
                    fault::pass("panic.push");
                    self.nudge(&account, hint);
                    locked(pace).went(&account, now);
                }
            }
            let next = [&self.pace, &self.grants].map(|pace| locked(pace).next());
            match next.into_iter().flatten().min() {
                // Another one may be due sooner.
                Some(next) => {
                    let wait = next.saturating_sub(self.now().mono);
                    drop(timeout(wait, self.held.notified()).await);
                }
                None => self.held.notified().await,
            }
        }
    }
}

impl SourceDesk {
    fn of(PushPort { source, entry, .. }: PushPort) -> Self {
        let path = format!("/{}", source.name());
        Self { source, entry, path, seen: Mutex::default() }
    }

    /// Whether it can be asked for, and why not. Says whether that is news.
    pub(super) fn fails(&self, why: Option<&Failure>) -> bool {
        let why = why.map(ToString::to_string);
        let mut seen = locked(&self.seen);
        let is_news = seen.failing != why;
        seen.failing = why;
        is_news
    }

    /// Whether one more that is believed may be read now.
    pub(super) fn may(&self, now: Duration) -> bool {
        let (began, count) = &mut locked(&self.seen).second;
        if now >= *began + SECOND {
            (*began, *count) = (now, 0);
        }
        *count += 1;
        *count <= RATE
    }

    /// What came of a request.
    pub(super) fn note(&self, received: Received, mono: Duration) {
        let outcome = received.outcome;
        metrics::counter!(names::INBOUND, "source" => self.source.name().to_owned(), "outcome" => outcome.as_str())
            .increment(1);
        let mut seen = locked(&self.seen);
        *seen.counts.entry(outcome).or_default() += 1;
        if outcome == PushOutcome::Unsigned {
            self.says(&mut seen, &received, mono);
        }
        let [believed, others] = &mut seen.latest;
        let of = if outcome.is_believed() { believed } else { others };
        of.push_front(received);
        of.truncate(SHOWN);
    }

    /// Anybody may send anything: it is said once a minute.
    fn says(&self, seen: &mut Seen, received: &Received, mono: Duration) {
        let (path, reason) = (&self.path, &received.reason);
        match &mut seen.unsigned {
            Some((said, more)) if mono < *said + SAID => *more += 1,
            unsigned => {
                let more = unsigned.map_or(0, |(_, more)| more);
                *unsigned = Some((mono, 0));
                let from = received.from.map(|from| from.to_string()).unwrap_or_default();
                tracing::warn!(
                    failure.repeated = more,
                    "a request to {path} from {from} was not believed: {reason}"
                );
            }
        }
    }

    fn seen(&self) -> SourceSeen {
        let seen = locked(&self.seen);
        let mut latest: Vec<Received> = seen.latest.iter().flatten().cloned().collect();
        latest.sort_by_key(|received| std::cmp::Reverse(received.at));
        let (path, queue) = match &self.entry {
            PushEntry::Sent(_) => (Some(self.path.clone()), None),
            PushEntry::Pulled(queue) => (None, Some(queue.name().to_owned())),
        };
        SourceSeen {
            name: self.source.name().to_owned(),
            path,
            queue,
            failing: seen.failing.clone(),
            counts: seen.counts.clone(),
            latest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::{Coming, PushJudge, PushRefusal};
    use reqwest::header::HeaderMap;
    use std::io::Read;
    use std::net::Ipv4Addr;

    #[derive(Debug)]
    struct Anybody;

    impl PushSource for Anybody {
        fn kind(&self) -> &'static str {
            "anybody"
        }
        fn read(&self, _: &mut dyn Read) -> Result<Option<Pushed>, PushRefusal> {
            Err(PushRefusal::Unreadable("it says nothing"))
        }
        fn is_known(&self, _: &str, _: &str) -> bool {
            false
        }
    }

    impl PushJudge for Anybody {
        fn verify<'a>(
            &'a self,
            _: &'a HeaderMap,
            _: &'a [u8],
        ) -> Coming<'a, Result<(), PushRefusal>> {
            Box::pin(std::future::ready(Ok(())))
        }
    }

    fn source() -> SourceDesk {
        SourceDesk::of(PushPort {
            source: Arc::new(Anybody),
            entry: PushEntry::Sent(Arc::new(Anybody)),
            webhook: None,
        })
    }

    #[test]
    fn five_hundred_a_second_and_no_more() {
        let (source, second) = (source(), Duration::from_secs(1));
        let taken = |from: Duration| (0..600).filter(|_| source.may(from)).count();
        assert_eq!((taken(second), taken(second * 3 / 2)), (500, 0));
        assert_eq!(taken(second * 2), 500);
    }

    /// Whoever sends anything hides nothing of what is believed.
    #[test]
    fn the_last_of_either_kind_are_shown() {
        let source = source();
        let received = |at, outcome| Received {
            at: Micros(at),
            from: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            outcome,
            reason: String::new(),
        };
        for n in 0..60 {
            source.note(received(n, PushOutcome::Taken), Duration::ZERO);
        }
        for n in 0..1000 {
            source.note(received(100 + n, PushOutcome::Unsigned), Duration::ZERO);
        }
        let seen = source.seen();
        assert_eq!(seen.latest.len(), 2 * SHOWN);
        assert_eq!(seen.latest.iter().filter(|r| r.outcome == PushOutcome::Taken).count(), SHOWN);
        assert!(seen.latest.is_sorted_by_key(|received| std::cmp::Reverse(received.at)));
        assert_eq!(seen.counts[&PushOutcome::Unsigned], 1000);
    }
}
