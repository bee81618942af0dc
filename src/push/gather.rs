//! What is pushed and names something is written down before it is answered. What waits is written together: a
//! transaction is on its way at a time, and whoever comes meanwhile waits for the next.

use crate::clock::Clock;
use crate::fault;
use crate::push::hands::PushHands;
use crate::store::{Inbound, InboundWork};
use postrider_core::failure::{Class, Failure};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

/// Whoever pushes waits no longer: then it is to come again.
const STORED: Duration = Duration::from_secs(5);
/// Pushes that are written together.
const TOGETHER: usize = 256;
/// So many that wait may be many that have gone.
const MANY: usize = 1024;
/// That something came is kept for so long: nobody sends the same later (Nylas, "Retry attempts": three within 20 minutes;
/// what was missed while a grant was invalid within 72 hours).
const KEPT: Duration = Duration::from_secs(72 * 3600);
const HOURLY: Duration = Duration::from_secs(3600);

/// It is written down.
struct Durable;

struct Waits {
    source: String,
    inbound: Inbound,
    done: oneshot::Sender<Durable>,
}

/// Those that wait.
pub(super) struct Gather {
    /// How long each does.
    stored: Duration,
    waiting: Mutex<Vec<Waits>>,
    more: Notify,
}

impl Default for Gather {
    fn default() -> Self {
        Self { stored: STORED, waiting: Mutex::default(), more: Notify::new() }
    }
}

impl Gather {
    /// Writes it down; whether that is durable. It may become so later than that is said.
    pub(super) async fn written(&self, source: &str, inbound: Inbound) -> bool {
        let (done, is_done) = oneshot::channel();
        let waits = Waits { source: source.to_owned(), inbound, done };
        {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.len() >= MANY {
                // While a write hangs nobody else looks at them.
                waiting.retain(|waits| !waits.done.is_closed());
            }
            waiting.push(waits);
        }
        self.more.notify_one();
        matches!(timeout(self.stored, is_done).await, Ok(Ok(Durable)))
    }

    /// Some that wait, by source; who waits no longer comes again.
    fn taken(&self) -> BTreeMap<String, Vec<Waits>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|waits| !waits.done.is_closed());
        let some = waiting.len().min(TOGETHER);
        let mut taken: BTreeMap<String, Vec<Waits>> = BTreeMap::new();
        for waits in waiting.drain(..some) {
            taken.entry(waits.source.clone()).or_default().push(waits);
        }
        taken
    }

    /// Writes what waits, and forgets what is old, for ever.
    ///
    /// # Cancel safety
    /// Whoever waits is not answered, and comes again.
    pub(super) async fn write(&self, hands: &dyn PushHands, clock: Clock) {
        let (mut due, mut failing) = (clock.now().mono, false);
        loop {
            let now = clock.now();
            if now.mono >= due {
                // A part at a time: who waits is not to wait for all of it.
                let forget = InboundWork::Forget(now.wall.less(KEPT));
                due = match hands.inbound(forget).await {
                    Ok(true) => now.mono,
                    Ok(false) => now.mono + HOURLY,
                    Err(failure) => {
                        tracing::warn!(
                            "what was pushed long ago is kept for an hour more: {failure}"
                        );
                        now.mono + HOURLY
                    }
                };
            }
            let taken = self.taken();
            if taken.is_empty() && now.mono < due {
                drop(timeout(due.saturating_sub(now.mono), self.more.notified()).await);
            }
            for (source, all) in taken {
                let written = keep(hands, &source, all).await;
                match written {
                    Ok(()) => failing = false,
                    Err(failure) if !std::mem::replace(&mut failing, true) => tracing::warn!(
                        "what is pushed cannot be written down now, and is to come again: {failure}"
                    ),
                    Err(_) => {}
                }
            }
        }
    }
}

/// Writes these together; where what is stored of one account is amiss, each alone.
async fn keep(hands: &dyn PushHands, source: &str, all: Vec<Waits>) -> Result<(), Failure> {
    let together = all.iter().map(|one| one.inbound.clone()).collect();
    let mut written = hands.inbound(InboundWork::Came(source.to_owned(), together)).await.map(drop);
    let is_amiss = |failure: &Failure| failure.class == Class::Bug;
    if all.len() > 1 && written.as_ref().is_err_and(is_amiss) {
        written = Ok(());
        for one in all {
            let alone = vec![one.inbound];
            match hands.inbound(InboundWork::Came(source.to_owned(), alone)).await {
                // Who has gone comes again, and has come before.
                Ok(_) => drop(one.done.send(Durable)),
                Err(failure) => written = Err(failure),
            }
        }
        return written;
    }
    written?;
    fault::pass("inbound.stored");
    all.into_iter().for_each(|one| drop(one.done.send(Durable)));
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "who waits does so beside the test")]

    use super::*;
    use crate::push::hands::scripted::Scripted;
    use postrider_core::commit::change::feed::Hinted;
    use std::sync::Arc;

    fn inbound(event: u32) -> Inbound {
        let (accounts, hinted) = (vec!["a".into()], Hinted::default());
        Inbound { event: event.to_string(), accounts, asks_grant: false, hinted }
    }

    async fn writes(gather: Arc<Gather>, hands: Arc<Scripted>) {
        gather.write(hands.as_ref(), Clock::start()).await;
    }

    #[tokio::test]
    async fn what_waits_is_written_together_and_then_answered() {
        let (gather, hands) = (Arc::new(Gather::default()), Arc::new(Scripted::default()));
        hands.takes(Duration::from_millis(20));
        let task = tokio::spawn(writes(Arc::clone(&gather), Arc::clone(&hands)));
        let wanted = (0..1000).map(|n| {
            let gather = Arc::clone(&gather);
            tokio::spawn(async move { gather.written("s", inbound(n)).await })
        });
        let wanted: Vec<_> = wanted.collect();
        for one in wanted {
            assert!(one.await.unwrap());
        }
        let written: Vec<usize> = hands.written();
        assert_eq!(written.iter().sum::<usize>(), 1000);
        assert!(written.len() <= 8 && written.iter().all(|n| *n <= TOGETHER), "{written:?}");
        task.abort();
    }

    /// What is stored of one account is amiss: the others are written all the same.
    #[tokio::test]
    async fn one_that_cannot_be_written_keeps_no_other_from_it() {
        let gather = Gather { stored: Duration::from_secs(1), ..Gather::default() };
        let (gather, hands) = (Arc::new(gather), Arc::new(Scripted::default()));
        hands.takes(Duration::from_millis(10));
        hands.refuses("3");
        let task = tokio::spawn(writes(Arc::clone(&gather), Arc::clone(&hands)));
        let wanted = (0..6).map(|n| {
            let gather = Arc::clone(&gather);
            tokio::spawn(async move { gather.written("s", inbound(n)).await })
        });
        let wanted: Vec<_> = wanted.collect();
        for (n, one) in wanted.into_iter().enumerate() {
            assert_eq!(one.await.unwrap(), n != 3, "{n}");
        }
        assert_eq!(hands.written().iter().sum::<usize>(), 5, "each once");
        task.abort();
    }

    /// A store that is away is asked one thing at a time, and whoever has given up is not written.
    #[tokio::test]
    async fn who_waits_for_a_store_that_is_away_is_told_in_time() {
        let gather = Gather { stored: Duration::from_millis(100), ..Gather::default() };
        let (gather, hands) = (Arc::new(gather), Arc::new(Scripted::default()));
        hands.takes(Duration::from_secs(1));
        let task = tokio::spawn(writes(Arc::clone(&gather), Arc::clone(&hands)));
        for n in 0..4 {
            assert!(!gather.written("s", inbound(n)).await);
        }
        assert_eq!(hands.written(), [0_usize; 0], "it takes longer than that");
        hands.takes(Duration::ZERO);
        while hands.written().is_empty() {
            tokio::task::yield_now().await;
        }
        assert!(gather.written("s", inbound(9)).await);
        assert_eq!(hands.written(), [1, 1], "the first, and the one that was still there");
        task.abort();
    }
}
