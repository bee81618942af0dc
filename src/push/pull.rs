//! Takes what is pushed from queues: for whoever cannot be reached. It is acknowledged behind the nudge: what is lost in
//! between comes again.
#![expect(clippy::disallowed_methods, reason = "a queue that fails is asked again at its time")]

use crate::provider::{PushQueue, Queued};
use crate::push::desk::{PushDesk, Received, SourceDesk};
use crate::push::receive::refused;
use postrider_core::failure::{Failure, When};
use postrider_core::provider::push::PushOutcome;
use postrider_core::recovery::decide::{Policy, Verdict, decide};
use postrider_core::recovery::history::History;
use postrider_core::time::Now;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// A queue that says at once that it is empty is asked again after so long.
const EMPTY: Duration = Duration::from_secs(1);
/// One that fails is asked again after a second, after two, after four, then at the longest after this.
const LONGEST: Duration = Duration::from_secs(60);
/// What only a human can change is asked again so often, and no wait that a server names is longer.
const REFUSED: Duration = Duration::from_secs(600);
/// Receipts are given this many at a time, and no later than this after the first was taken: what is not acknowledged in
/// ten seconds comes again.
const RECEIPTS: usize = 10;
const SOON: Duration = Duration::from_secs(3);

/// When a queue that has failed so often is asked again.
fn wait_of(
    failure: &Failure,
    history: &History,
    policy: &Policy,
    tries: u32,
    now: Now,
) -> Duration {
    let doubled = EMPTY.saturating_mul(2_u32.saturating_pow(tries.min(10))).min(LONGEST);
    match (decide(failure, history, policy, now), failure.when) {
        (Verdict::Park | Verdict::LeaveOut, _) => REFUSED,
        (_, When::After(named)) => named.clamp(doubled, REFUSED),
        _ => doubled,
    }
}

/// Takes what lies there, for ever.
///
/// # Cancel safety
/// What was taken and not acknowledged comes again.
pub(super) async fn pull(
    desk: Arc<PushDesk>,
    source: usize,
    queue: Arc<dyn PushQueue>,
    policy: Policy,
) {
    let Some(source) = desk.sources.get(source) else { return };
    let (mut history, mut tries) = (History::default(), 0);
    loop {
        let began = desk.now().mono;
        let wait = match take(&desk, source, queue.as_ref()).await {
            Ok(taken) => {
                (history, tries) = (History::default(), 0);
                if source.fails(None) {
                    tracing::info!("{}: it can be pulled from", queue.name());
                }
                let quick = desk.now().mono < began + EMPTY;
                if taken == 0 && quick { EMPTY } else { Duration::ZERO }
            }
            Err(failure) => {
                let now = desk.now();
                history.failed(&failure, now.wall);
                if source.fails(Some(&failure)) {
                    tracing::warn!("{}: what is pushed cannot be taken: {failure}", queue.name());
                }
                let wait = wait_of(&failure, &history, &policy, tries, now);
                tries += 1;
                wait
            }
        };
        sleep(wait).await;
    }
}

/// What lies there goes to its accounts; so many were there.
async fn take(
    desk: &PushDesk,
    source: &SourceDesk,
    queue: &dyn PushQueue,
) -> Result<usize, Failure> {
    let all = queue.pull().await?;
    let (taken, mut began) = (all.len(), desk.now().mono);
    let mut receipts = Vec::new();
    for Queued { receipt, octets } in all {
        let at = desk.now();
        let (outcome, reason) = match source.source.read(&mut octets.as_slice()) {
            Ok(Some(pushed)) => (desk.take(source, pushed).await, String::new()),
            Ok(None) => (PushOutcome::Ignored, String::new()),
            // It would come again for days.
            Err(why) => refused(why),
        };
        source.note(Received { at: at.wall, from: None, outcome, reason }, at.mono);
        receipts.push(receipt);
        if receipts.len() == RECEIPTS || at.mono >= began + SOON {
            queue.acknowledge(std::mem::take(&mut receipts)).await?;
            began = desk.now().mono;
        }
    }
    if !receipts.is_empty() {
        queue.acknowledge(receipts).await?;
    }
    Ok(taken)
}
