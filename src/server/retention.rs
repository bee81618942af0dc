//! What is kept no longer goes, once a day; what was missed while no server ran goes at its start. Never by one reading of the
//! clock: where that has risen by days it is waited first.
#![expect(
    clippy::disallowed_methods,
    reason = "it goes on beside everything else, and ends with its server"
)]

use crate::boot::switchboard::Switchboard;
use crate::instant::instant;
use crate::server::collect::{Hands as CollectHands, collected};
use crate::store::orders::Control;
use crate::store::{ExpiredReader, Reader};
use crate::telemetry::registry::Registry;
use postrider_core::failure::Failure;
use postrider_core::retention::{ClockSeen, Retention};
use postrider_core::time::{Micros, Now};
use std::time::Duration;
use tokio::task::AbortHandle;

/// Longest time until all events that are kept no longer are gone: it is no hurry of anybody's.
const PASS: Duration = Duration::from_secs(12 * 3600);
/// So long it is waited behind a database that is away.
const AGAIN: Duration = Duration::from_secs(300);
/// The clock has to agree with itself for so long: one that is set a moment after a start, or jumps, deletes nothing.
const STEADY: Duration = Duration::from_secs(if cfg!(feature = "faults") { 1 } else { 600 });
/// By how much it may be set in that time.
const SET: Duration = Duration::from_secs(60);
/// What is seen of the clock is written so often.
const SEEN: Duration = Duration::from_secs(3600);
/// Longest time until that is durable.
const WRITE: Duration = Duration::from_secs(60);
/// So long after the last time one was missed.
const DAY: Duration = Duration::from_secs(86_400);
/// Rows that are looked at in one answer.
const ROWS: u32 = 10_000;

/// When it is looked next, and the look that is under way.
#[derive(Debug)]
pub(super) struct Housekeeping {
    next: Option<(Retention, Micros)>,
    pass: Option<(Retention, AbortHandle)>,
    /// Since when the clock agrees with itself.
    steady: Option<Now>,
    /// What was seen of it, and when, on the monotonic clock.
    seen: Option<(ClockSeen, Duration)>,
    /// What of that is written, and when that was begun.
    written: Option<(ClockSeen, Duration)>,
}

/// Whom it asks.
pub(super) struct Hands {
    pub(super) collect: CollectHands,
    pub(super) registry: Registry,
}

impl Drop for Housekeeping {
    fn drop(&mut self) {
        if let Some((_, pass)) = &self.pass {
            pass.abort();
        }
    }
}

impl Housekeeping {
    /// It begins with its first look; what was seen of the clock is known.
    ///
    /// # Errors
    /// Class storage.
    pub(super) async fn open(reader: &Reader, now: Now) -> Result<Self, Failure> {
        Ok(Self::new(ExpiredReader::new(reader).clock().await?, now))
    }

    fn new(before: Option<ClockSeen>, now: Now) -> Self {
        let seen = Some((ClockSeen::look(before, now.wall, Duration::ZERO), now.mono));
        Self { next: None, pass: None, steady: None, seen, written: None }
    }

    /// Looks at the clock. Until when nothing is deleted, because of it.
    fn clock(&mut self, now: Now, hands: impl FnOnce() -> Hands) -> Option<Micros> {
        let passed = self.seen.map_or(Duration::ZERO, |(_, at)| now.mono.saturating_sub(at));
        let seen = ClockSeen::look(self.seen.map(|(seen, _)| seen), now.wall, passed);
        self.seen = Some((seen, now.mono));
        let is_written = self.written.is_some_and(|(written, at)| {
            written.risen_at == seen.risen_at && now.mono.saturating_sub(at) < SEEN
        });
        if !is_written {
            self.written = Some((seen, now.mono));
            let Hands { collect: CollectHands { switchboard, .. }, registry } = hands();
            let until = seen.waits_until(now.wall);
            registry.note("retention", until.map(waits));
            tokio::spawn(async move {
                // It is written again within the hour.
                if let Err(e) = switchboard.control(Control::Clock(seen), WRITE).await {
                    tracing::warn!("what is seen of the clock cannot be written now: {e}");
                }
            });
        }
        seen.waits_until(now.wall)
    }

    /// Whether the wall clock has gone on as the other one has, for long enough.
    fn is_steady(&mut self, now: Now) -> bool {
        let since = *self.steady.get_or_insert(now);
        let expected = since.wall.plus(now.mono.saturating_sub(since.mono));
        if now.wall.0.abs_diff(expected.0) > u64::try_from(SET.as_micros()).unwrap_or(u64::MAX) {
            self.steady = Some(now);
            return false;
        }
        now.mono.saturating_sub(since.mono) >= STEADY
    }

    /// Begins a pass when its time has come.
    pub(super) fn look(&mut self, retention: Retention, now: Now, hands: impl Fn() -> Hands) {
        let waits = self.clock(now, &hands);
        // What was said before is not in force any more.
        if let Some((_, pass)) = self.pass.take_if(|(of, _)| *of != retention) {
            pass.abort();
        }
        let is_under_way = self.pass.as_ref().is_some_and(|(_, pass)| !pass.is_finished());
        if !self.is_steady(now) || is_under_way || waits.is_some() {
            return;
        }
        let (at, now) = (now, now.wall);
        let is_first = self.next.is_none();
        let coming = retention.next(now);
        // Of another config, or a clock that went back: what comes next counts.
        let next = self.next.filter(|(of, _)| *of == retention).map_or(coming, |(_, next)| next);
        if now < next && !is_first {
            self.next = Some((retention, next.min(coming)));
            return;
        }
        self.next = Some((retention, coming));
        let hands = hands();
        hands.registry.note("retention", None);
        let pass = tokio::spawn(async move {
            while let Err(failure) = looked(&hands, retention, (at, is_first)).await {
                let text = format!("what is kept no longer cannot be deleted now: {failure}");
                tracing::warn!("{text}");
                hands.registry.note("retention", Some(text));
                tokio::time::sleep(AGAIN).await;
            }
            hands.registry.note("retention", None);
        });
        self.pass = Some((retention, pass.abort_handle()));
    }
}

/// Why nothing is deleted.
fn waits(until: Micros) -> String {
    format!(
        "the clock has risen by more than two days since it was seen last: nothing is deleted before {}",
        instant(until)
    )
}

/// Events and the rest that is kept no longer; at a start only where a time was missed.
async fn looked(
    hands: &Hands,
    retention: Retention,
    (at, is_first): (Now, bool),
) -> Result<(), Failure> {
    let CollectHands { reader, switchboard, .. } = &hands.collect;
    let now = at.wall;
    forget(reader, switchboard, retention, (now, is_first)).await?;
    let last = ExpiredReader::new(reader).collected_at().await?;
    // Of a database that has never been looked through nobody knows that a time was missed.
    let is_missed = last.is_none_or(|last| last.plus(DAY) <= now);
    if is_first && !is_missed {
        return Ok(());
    }
    let gone = collected(&hands.collect, retention, at).await?;
    tracing::info!("what is kept no longer: {gone}");
    Ok(())
}

/// Deletes what is kept no longer at once, because somebody asks for it: how much that was, in words.
pub(super) async fn collect(
    of: &CollectHands,
    retention: Retention,
    at: Now,
) -> Result<String, Failure> {
    let now = at.wall;
    let seen = ClockSeen::look(ExpiredReader::new(&of.reader).clock().await?, now, Duration::ZERO);
    if let Some(until) = seen.waits_until(now) {
        return Ok(waits(until));
    }
    collected(of, retention, at).await
}

/// Deletes events that are kept no longer; at a start only where a time was missed.
async fn forget(
    reader: &Reader,
    switchboard: &Switchboard,
    retention: Retention,
    (now, is_first): (Micros, bool),
) -> Result<(), Failure> {
    let Some(mut expired) = retention.look(now) else { return Ok(()) };
    let (mut after, mut is_begun) = (0, !is_first);
    'looking: loop {
        let rows = reader.event_times(after, ROWS).await?;
        let Some(last) = rows.last() else { break };
        after = last.seq;
        for row in rows {
            let is_missed =
                std::mem::replace(&mut is_begun, true) || retention.is_missed(row.at, now);
            if !is_missed || !expired.goes_on(row.seq, row.at) {
                break 'looking;
            }
        }
    }
    let Some(upto) = expired.upto() else { return Ok(()) };
    switchboard.control(Control::ForgetEvents { upto }, PASS).await?;
    tracing::info!("events up to {upto} are kept no longer (retention.events)");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_has_just_been_set_is_not_believed() {
        let mut kept = Housekeeping::new(None, Now::default());
        let at = |mono: u64, wall: u64| Now {
            mono: Duration::from_secs(mono),
            wall: Micros(0).plus(Duration::from_secs(wall)),
        };
        let steady = STEADY.as_secs();
        assert!(!kept.is_steady(at(5, 1000)), "it has only begun");
        assert!(!kept.is_steady(at(5, 5_000_000)), "it was set");
        assert!(kept.is_steady(at(5 + steady, 5_000_000 + steady)));
        assert!(kept.is_steady(at(5 + steady, 5_000_000 + steady + 60)), "as the network sets it");
        assert!(!kept.is_steady(at(6 + steady, 1000)), "it was set back");
        assert!(!kept.is_steady(at(5 + 2 * steady, 999 + steady)));
        assert!(kept.is_steady(at(6 + 2 * steady, 1000 + steady)));
    }
}
