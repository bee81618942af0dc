//! Numbers of the rows that say who has had what done.

use postrider_core::time::Micros;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Requests without a token that is known, of which rows are written in a minute; the log has all of them.
const STRANGERS: u32 = 60;

/// Numbers the rows, and counts those of strangers.
#[derive(Debug, Default)]
pub struct AuditDesk {
    last: AtomicI64,
    strangers: Mutex<(Duration, u32)>,
}

impl AuditDesk {
    /// A number that no row of this process has: when it is asked for.
    pub(super) fn number(&self, now: Micros) -> i64 {
        let next = |last: i64| Some(now.0.max(last.saturating_add(1)));
        let before = self.last.fetch_update(Ordering::SeqCst, Ordering::SeqCst, next);
        now.0.max(before.unwrap_or_else(|last| last).saturating_add(1))
    }

    /// Whether a row is written of somebody whom nobody knows.
    pub(super) fn admits_stranger(&self, now: Duration) -> bool {
        let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_sub(strangers.0) >= Duration::from_secs(60) {
            *strangers = (now, 0);
        }
        strangers.1 = strangers.1.saturating_add(1);
        strangers.1 <= STRANGERS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_rows_have_a_number() {
        let desk = AuditDesk::default();
        let numbers: Vec<i64> = [5, 5, 3, 9, 9].map(|at| desk.number(Micros(at))).to_vec();
        assert_eq!(numbers, [5, 6, 7, 9, 10]);
    }

    #[test]
    fn strangers_fill_no_table() {
        let desk = AuditDesk::default();
        let admitted = |from: u64| {
            (0..100).filter(|_| desk.admits_stranger(Duration::from_secs(from))).count()
        };
        assert_eq!([admitted(100), admitted(130), admitted(160)], [60, 0, 60]);
    }
}
