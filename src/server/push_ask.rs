//! How an account's provider is asked to push.

use crate::account::args::AccountArgs;
use crate::config::Config;
use crate::connection::message::{ConnectionMsg, PoolRequest};
use crate::connection::{LeaseRequest, SessionLease};
use crate::handle::Handle;
use crate::provider::{Ask, Credential, Endpoint};
use crate::push::{PushAnswer, PushAsk, Subscriptions};
use crate::reply::{ReplyTo, Soon};
use crate::telemetry::registry::Registry;
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::provider::push::PushRequest;
use postrider_core::provider::server::PushPlace;
use postrider_core::provider::{Answer, Request};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// A session is had within this, or the provider is asked another time.
const SESSION: Duration = Duration::from_secs(60);
/// It answers within this, with the wait for its units.
const ANSWER: Duration = Duration::from_secs(120);

/// Asks an account's provider, on a session of its pool: it is paid, paced and counted as any other.
#[derive(Debug)]
pub(super) struct AccountAsk {
    account: String,
    endpoint: Arc<dyn Endpoint>,
    credential: Arc<dyn Credential>,
    pool: Handle<ConnectionMsg>,
}

impl AccountAsk {
    /// Of an account that is followed with this.
    pub(super) fn of(args: &AccountArgs) -> Self {
        Self {
            account: args.name.clone(),
            endpoint: Arc::clone(&args.endpoint),
            credential: Arc::clone(&args.credential),
            pool: args.pool.clone(),
        }
    }

    fn lease(&self) -> oneshot::Receiver<Option<Result<SessionLease, Failure>>> {
        let (sender, leased) = oneshot::channel();
        let request = LeaseRequest {
            account: self.account.clone(),
            endpoint: Arc::clone(&self.endpoint),
            credential: Arc::clone(&self.credential),
            // Who merely wishes for one takes nobody's place: it is had at once, or not now.
            patient: true,
            wish: true,
            known: false,
            // A session that comes too late goes back.
            reply: ReplyTo::new(move |leased| drop(sender.send(leased))),
            held: Arc::new(|_| ()),
            recalled: Arc::new(|| ()),
        };
        self.pool.send(PoolRequest::Lease(Box::new(request)));
        leased
    }
}

impl PushAsk for AccountAsk {
    fn username(&self) -> &str {
        self.credential.username()
    }

    fn ask(&self, request: PushRequest) -> Soon<PushAnswer> {
        let leased = self.lease();
        Box::pin(async move {
            let lease = match timeout(SESSION, leased).await.ok()?.ok()?? {
                Ok(lease) => lease,
                // There is none to spare.
                Err(failure)
                    if failure.class == Class::RateLimit
                        && failure.provenance == Provenance::Local =>
                {
                    return None;
                }
                Err(failure) => return Some(Err(failure)),
            };
            let (sender, answered) = oneshot::channel();
            let mut sender = Some(sender);
            let answer = move |answer| {
                if let Some(sender) = sender.take() {
                    // Who waits no longer asks again.
                    drop(sender.send(answer));
                }
            };
            lease.ask(Ask { request: Request::Push(request), answer: Box::new(answer) });
            // What was asked may have been done, whoever died meanwhile.
            let Ok(Ok(answered)) = timeout(ANSWER, answered).await else {
                let text = "a question about pushes was not answered";
                let failure =
                    Failure::new(Class::Timeout, Reach::Session, Provenance::Deadline, text);
                return Some(Err(failure));
            };
            match answered {
                Ok(Answer::Push(reply)) => Some(Ok(reply)),
                Ok(_) => Some(Err(Failure::bug("a question about pushes was answered otherwise"))),
                Err(failure) => Some(Err(failure)),
            }
        })
    }
}

/// What providers of this config are asked to push.
pub(super) fn subscriptions(config: &Config, registry: &Registry) -> Subscriptions {
    let topic = |place: &PushPlace| Some((place.provider, place.topic.clone()?));
    let topics = config.webhooks.sources.iter().filter_map(topic).collect();
    Subscriptions::to(topics, config.recovery, registry.clone())
}
