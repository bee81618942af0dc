//! Asks providers to push, again and again, and writes down how that stands.
#![expect(
    clippy::disallowed_methods,
    reason = "it looks once a second; each question has a deadline"
)]

use crate::push::hands::PushHands;
use crate::push::subscriptions::{PushQuestion, Subscriptions};
use crate::push::whose::{PushAnswer, Whose};
use crate::reply::Soon;
use crate::store::SubscriptionWork;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use postrider_core::failure::Failure;
use postrider_core::provider::push::PushRequest;
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

type Answered = (String, PushRequest, PushAnswer);
type Written = (SubscriptionWork, Result<(), Failure>);

fn asked(question: PushQuestion) -> Soon<Answered> {
    let PushQuestion { account, request, ask } = question;
    let answer = ask.ask(request.clone());
    Box::pin(async move { (account, request, answer.await) })
}

fn written(hands: &dyn PushHands, work: SubscriptionWork) -> Soon<Written> {
    let done = hands.write(work.clone());
    Box::pin(async move { (work, done.await) })
}

/// Keeps them, for ever.
///
/// # Cancel safety
/// What was asked is asked again; what was not written is written then.
pub(super) async fn keep(
    all: Arc<Subscriptions>,
    whose: watch::Receiver<Arc<Whose>>,
    hands: Arc<dyn PushHands>,
) {
    if !all.begins() {
        let mut said = false;
        loop {
            match hands.subscriptions().await {
                Ok(stored) => break all.read(stored),
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
                let (account, request, answer): Answered = answered;
                all.answered(&account, &request, answer);
                continue;
            }
            Some(written) = writing.next() => {
                let (work, done): Written = written;
                match done {
                    Ok(()) => unwritten = false,
                    Err(failure) => {
                        if !std::mem::replace(&mut unwritten, true) {
                            tracing::warn!("how pushes stand is not written, and tried again: {failure}");
                        }
                        all.not_stored(work);
                    }
                }
                continue;
            }
        }
        let known = Arc::clone(&whose.borrow());
        asking.extend(all.due(&known, AT_A_TIME - asking.len()).into_iter().map(asked));
        if writing.is_empty() {
            let work = all.unstored();
            if work != SubscriptionWork::default() {
                writing.push(written(hands.as_ref(), work));
            }
        }
    }
}
