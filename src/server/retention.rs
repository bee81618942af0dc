//! Events that are kept no longer go, once a day; what was missed while no server ran goes at its start.
#![expect(
    clippy::disallowed_methods,
    reason = "it goes on beside everything else, and ends with its server"
)]

use crate::boot::switchboard::Switchboard;
use crate::store::Reader;
use crate::store::orders::Control;
use postrider_core::failure::Failure;
use postrider_core::retention::Retention;
use postrider_core::time::{Micros, Now};
use std::time::Duration;
use tokio::task::AbortHandle;

/// Longest time until all of them are gone: it is no hurry of anybody's.
const PASS: Duration = Duration::from_secs(12 * 3600);
/// So long it is waited behind a database that is away.
const AGAIN: Duration = Duration::from_secs(300);
/// The clock has to agree with itself for so long: one that is set a moment after a start, or jumps, deletes nothing.
const STEADY: Duration = Duration::from_secs(if cfg!(feature = "faults") { 1 } else { 600 });
/// By how much it may be set in that time.
const SET: Duration = Duration::from_secs(60);
/// Rows that are looked at in one answer.
const ROWS: u32 = 10_000;

/// When it is looked next, and the look that is under way.
#[derive(Debug)]
pub(super) struct Housekeeping {
    next: Option<(Retention, Micros)>,
    pass: Option<(Retention, AbortHandle)>,
    /// Since when the clock agrees with itself.
    steady: Option<Now>,
}

impl Drop for Housekeeping {
    fn drop(&mut self) {
        if let Some((_, pass)) = &self.pass {
            pass.abort();
        }
    }
}

impl Housekeeping {
    /// It begins with its first look.
    pub(super) fn new() -> Self {
        Self { next: None, pass: None, steady: None }
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
    pub(super) fn look(
        &mut self,
        retention: Retention,
        now: Now,
        of: impl FnOnce() -> (Reader, Switchboard),
    ) {
        // What was said before is not in force any more.
        if let Some((_, pass)) = self.pass.take_if(|(of, _)| *of != retention) {
            pass.abort();
        }
        let is_under_way = self.pass.as_ref().is_some_and(|(_, pass)| !pass.is_finished());
        if !self.is_steady(now) || is_under_way {
            return;
        }
        let now = now.wall;
        let is_first = self.next.is_none();
        let coming = retention.next(now);
        // Of another config, or a clock that went back: what comes next counts.
        let next = self.next.filter(|(of, _)| *of == retention).map_or(coming, |(_, next)| next);
        if now < next && !is_first {
            self.next = Some((retention, next.min(coming)));
            return;
        }
        self.next = Some((retention, coming));
        let (reader, switchboard) = of();
        let pass = tokio::spawn(async move {
            while let Err(failure) = forget(&reader, &switchboard, retention, (now, is_first)).await
            {
                tracing::warn!("events that are kept no longer cannot be deleted now: {failure}");
                tokio::time::sleep(AGAIN).await;
            }
        });
        self.pass = Some((retention, pass.abort_handle()));
    }
}

/// Deletes what is kept no longer; at a start only where a time was missed.
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
        let mut kept = Housekeeping::new();
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
