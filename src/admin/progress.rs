//! How far a run has come, as the API tells it.

use crate::telemetry::registry::AccountLine;
use postrider_core::job::queue::RunEnd;
use postrider_core::run::summary::Counts;
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// A shorter run says nothing of its pace.
const TELLING: Duration = Duration::from_secs(2);

/// What a run has done so far, or, while history waits, what it has left.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProgressView {
    /// Messages stored.
    stored: u64,
    /// Octets of those.
    octets: u64,
    /// Flag changes and absences.
    changes: u64,
    /// Messages that could not be fetched.
    failed: u64,
    /// UIDs still to be read, as far as is known.
    remaining: u64,
    /// Messages stored in a second, over the whole run.
    per_second: Option<f64>,
    /// At that pace, until nothing remains.
    seconds_left: Option<u64>,
}

impl ProgressView {
    /// Of the run that is under way, or of what waits.
    pub(crate) fn of(line: &AccountLine, mono: Duration) -> Option<Self> {
        let waits = (line.left > 0).then(|| Counts { remaining: line.left, ..Counts::default() });
        let counts = line.run.or(waits)?;
        let since = line.run.and(line.run_since).map(|began| mono.saturating_sub(began));
        let pace = since.filter(|since| *since >= TELLING && counts.stored > 0);
        let per_second = pace.map(|since| counts.stored as f64 / since.as_secs_f64());
        // What no clock can count is not told.
        let left = per_second
            .and_then(|pace| Duration::try_from_secs_f64(counts.remaining as f64 / pace).ok());
        Some(Self {
            stored: counts.stored,
            octets: counts.octets,
            changes: counts.facts,
            failed: counts.failed,
            remaining: counts.remaining,
            per_second,
            seconds_left: left.filter(|_| counts.remaining > 0).map(|left| left.as_secs()),
        })
    }
}

/// A run of this process that has ended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EndedRunView {
    /// Its number, as `runs_ended` counts.
    run: u64,
    /// `success`, `partial` (something was left, or waits for a second look), `failed`, `cancelled`.
    outcome: &'static str,
}

impl EndedRunView {
    pub(crate) fn of(end: &RunEnd) -> Self {
        Self { run: end.run, outcome: end.outcome.as_str() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_core::time::{Micros, Now};

    #[test]
    fn a_pace_is_told_of_a_run_that_has_one() {
        let seconds = Duration::from_secs;
        let mut line = AccountLine::new(Now { wall: Micros(0), mono: seconds(100) });
        assert!(ProgressView::of(&line, seconds(100)).is_none());
        line.left = 7;
        let waits = ProgressView::of(&line, seconds(100)).unwrap();
        assert_eq!((waits.remaining, waits.per_second, waits.seconds_left), (7, None, None));
        line.run = Some(Counts { stored: 100, remaining: 950, ..Counts::default() });
        line.run_since = Some(seconds(100));
        assert_eq!(ProgressView::of(&line, seconds(101)).unwrap().per_second, None);
        let runs = ProgressView::of(&line, seconds(120)).unwrap();
        assert_eq!((runs.per_second, runs.seconds_left), (Some(5.0), Some(190)));
    }
}
