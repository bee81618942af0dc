//! Asks providers to push, again and again, and writes down how that stands.
#![expect(
    clippy::disallowed_methods,
    reason = "it looks once a second; each question has a deadline"
)]

use crate::push::hands::{PushHands, WebhookTold};
use crate::push::subscriptions::{PushQuestion, Subscriptions};
use crate::push::webhooks::Webhooks;
use crate::push::whose::{PushAnswer, Whose};
use crate::reply::Soon;
use crate::store::SubscriptionWork;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use postrider_core::failure::Failure;
use postrider_core::provider::push::{PushRequest, WebhookQuestion};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// How often it is seen what is due.
const LOOK: Duration = Duration::from_secs(1);
/// What is stored could not be read: it is tried again after so long.
const AGAIN: Duration = Duration::from_secs(5);
/// Questions at a time.
const AT_A_TIME: usize = 8;

/// What was answered: of an account, of a source's webhook.
enum Answered {
    Account(String, PushRequest, PushAnswer),
    Webhook(String, WebhookQuestion, WebhookTold),
}

/// What was written: of accounts, of webhooks.
type Written = ([SubscriptionWork; 2], Result<(), Failure>);

fn asked(question: PushQuestion) -> Soon<Answered> {
    let PushQuestion { account, request, ask } = question;
    let answer = ask.ask(request.clone());
    Box::pin(async move { Answered::Account(account, request, answer.await) })
}

fn asked_webhook(
    hands: &dyn PushHands,
    (source, question): (String, WebhookQuestion),
) -> Soon<Answered> {
    let answer = hands.webhook(&source, question.clone());
    Box::pin(async move { Answered::Webhook(source, question, answer.await) })
}

fn written(hands: &dyn PushHands, work: [SubscriptionWork; 2]) -> Soon<Written> {
    let mut all = SubscriptionWork::default();
    for SubscriptionWork { rows, gone } in work.clone() {
        all.rows.extend(rows);
        all.gone.extend(gone);
    }
    let done = hands.write(all);
    Box::pin(async move { (work, done.await) })
}

/// Keeps them, for ever.
///
/// # Cancel safety
/// What was asked is asked again; what was not written is written then.
pub(super) async fn keep(
    (all, webhooks): (Arc<Subscriptions>, Arc<Webhooks>),
    whose: watch::Receiver<Arc<Whose>>,
    hands: Arc<dyn PushHands>,
) {
    webhooks.begins();
    if !all.begins() {
        let mut said = false;
        loop {
            match hands.subscriptions().await {
                Ok(mut stored) => {
                    webhooks.read(&mut stored);
                    break all.read(stored);
                }
                Err(failure) if !std::mem::replace(&mut said, true) => tracing::warn!(
                    "nobody is asked to push before what is stored of that can be read: {failure}"
                ),
                Err(_) => {}
            }
            sleep(AGAIN).await;
        }
    }
    let (mut asking, mut writing) = (FuturesUnordered::new(), FuturesUnordered::new());
    let (mut look, mut unwritten) = (interval(LOOK), false);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = look.tick() => {}
            Some(answered) = asking.next() => {
                match answered {
                    Answered::Account(account, request, answer) => {
                        all.answered(&account, &request, answer);
                        continue;
                    }
                    // What one signs with is written down at once.
                    Answered::Webhook(source, question, answer) => {
                        webhooks.answered(&source, &question, answer);
                    }
                }
            }
            Some(written) = writing.next() => {
                let ([work, own], done): Written = written;
                match done {
                    Ok(()) => {
                        unwritten = false;
                        webhooks.stored(&own);
                    }
                    Err(failure) => {
                        if !std::mem::replace(&mut unwritten, true) {
                            tracing::warn!("how pushes stand is not written, and tried again: {failure}");
                        }
                        webhooks.not_stored(&own);
                        all.not_stored(work);
                    }
                }
                continue;
            }
        }
        let known = Arc::clone(&whose.borrow());
        let room = AT_A_TIME.saturating_sub(asking.len());
        asking.extend(all.due(&known, room).into_iter().map(asked));
        asking
            .extend(webhooks.due(&known).into_iter().map(|due| asked_webhook(hands.as_ref(), due)));
        if writing.is_empty() {
            let work = [all.unstored(), webhooks.unstored()];
            if work.iter().any(|work| *work != SubscriptionWork::default()) {
                writing.push(written(hands.as_ref(), work));
            }
        }
    }
}
