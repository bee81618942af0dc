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
use postrider_core::time::Micros;
use std::time::Duration;
use tokio::task::AbortHandle;

/// Longest time until all of them are gone: it is no hurry of anybody's.
const PASS: Duration = Duration::from_secs(3600);
/// So long it is waited behind a database that is away.
const AGAIN: Duration = Duration::from_secs(300);
/// Rows that are looked at in one answer.
const ROWS: u32 = 10_000;

/// When it is looked next, and the look that is under way.
#[derive(Debug)]
pub(super) struct Housekeeping {
    next: Option<(Retention, Micros)>,
    pass: Option<AbortHandle>,
}

impl Drop for Housekeeping {
    fn drop(&mut self) {
        if let Some(pass) = &self.pass {
            pass.abort();
        }
    }
}

impl Housekeeping {
    /// It begins with its first look.
    pub(super) fn new() -> Self {
        Self { next: None, pass: None }
    }

    /// Begins a pass when its time has come.
    pub(super) fn look(
        &mut self,
        retention: Retention,
        now: Micros,
        of: impl FnOnce() -> (Reader, Switchboard),
    ) {
        if self.pass.as_ref().is_some_and(|pass| !pass.is_finished()) {
            return;
        }
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
        self.pass = Some(pass.abort_handle());
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
