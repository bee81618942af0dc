//! What whoever takes pushes can have done.

use crate::reply::Soon;
use crate::store::{InboundWork, SubscriptionKey, SubscriptionWork};
use postrider_core::failure::Failure;
use postrider_core::provider::push::{FreshSecret, PushHint, WebhookAnswer, WebhookQuestion};
use postrider_core::provider::subscription::Subscription;
use std::collections::BTreeMap;

/// What was answered about a webhook.
pub(crate) type WebhookTold = Result<WebhookAnswer<FreshSecret>, Failure>;

/// What is done with a push.
pub(crate) trait PushHands: Send + Sync {
    /// Tells an account.
    fn nudge(&self, account: &str, hint: PushHint);
    /// The cursor of an account's feed, as it is stored; none where nobody can tell now.
    fn cursor(&self, account: &str) -> Soon<Option<String>>;
    /// What providers were asked to push, as it is stored.
    fn subscriptions(&self) -> Soon<Result<BTreeMap<SubscriptionKey, Subscription>, Failure>>;
    /// Writes how that stands; done when it is durable.
    fn write(&self, work: SubscriptionWork) -> Soon<Result<(), Failure>>;
    /// Asks about the webhook of a source, which its provider makes; within three minutes.
    fn webhook(&self, source: &str, question: WebhookQuestion) -> Soon<WebhookTold>;
    /// Writes what was pushed, or forgets it; whether that changed anything, and done when it is durable.
    fn inbound(&self, work: InboundWork) -> Soon<Result<bool, Failure>>;
}

#[cfg(test)]
pub(super) mod scripted {
    use crate::push::hands::{PushHands, PushHint, WebhookQuestion, WebhookTold};
    use crate::reply::Soon;
    use crate::store::{InboundWork, SubscriptionKey, SubscriptionWork};
    use postrider_core::failure::Failure;
    use postrider_core::provider::subscription::Subscription;
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
    use std::time::Duration;

    fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
        of.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands that do what a test says.
    #[derive(Default)]
    pub(crate) struct Scripted {
        takes: Mutex<Duration>,
        /// What is stored for this event's account is damaged.
        amiss: Mutex<String>,
        written: Arc<Mutex<Vec<usize>>>,
    }

    impl Scripted {
        /// A write takes so long from now on.
        pub(crate) fn takes(&self, takes: Duration) {
            *lock(&self.takes) = takes;
        }

        /// This event cannot be written from now on, nor what is written with it.
        pub(crate) fn refuses(&self, event: &str) {
            event.clone_into(&mut lock(&self.amiss));
        }

        /// How much each write wrote.
        pub(crate) fn written(&self) -> Vec<usize> {
            lock(&self.written).clone()
        }
    }

    impl PushHands for Scripted {
        fn nudge(&self, _: &str, _: PushHint) {}

        fn cursor(&self, _: &str) -> Soon<Option<String>> {
            Box::pin(std::future::ready(None))
        }

        fn subscriptions(&self) -> Soon<Result<BTreeMap<SubscriptionKey, Subscription>, Failure>> {
            Box::pin(std::future::ready(Ok(BTreeMap::new())))
        }

        fn write(&self, _: SubscriptionWork) -> Soon<Result<(), Failure>> {
            Box::pin(std::future::ready(Ok(())))
        }

        fn webhook(&self, _: &str, _: WebhookQuestion) -> Soon<WebhookTold> {
            Box::pin(std::future::pending())
        }

        #[expect(clippy::disallowed_methods, reason = "a test says how long it takes")]
        fn inbound(&self, work: InboundWork) -> Soon<Result<bool, Failure>> {
            let (takes, written) = (*lock(&self.takes), Arc::clone(&self.written));
            let amiss = lock(&self.amiss).clone();
            Box::pin(async move {
                if let InboundWork::Came(_, all) = &work {
                    tokio::time::sleep(takes).await;
                    if all.iter().any(|one| one.event == amiss) {
                        return Err(Failure::bug("its rows are damaged"));
                    }
                    lock(&written).push(all.len());
                }
                Ok(matches!(work, InboundWork::Came(..)))
            })
        }
    }
}
