//! Group commit: how much goes into one transaction. Pure.

use std::time::Duration;

/// Work in a transaction before it is committed: long enough to share a sync, short enough for
/// control writes behind it.
pub const TRANSACTION: Duration = Duration::from_millis(25);
/// The same where more than one waits at its begin: pages of an index that several touch are written once.
pub const BEHIND: Duration = Duration::from_millis(100);

/// A transaction that is being filled.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    until: Duration,
}

impl Batch {
    /// Begins at `mono`, when so many commits wait.
    #[must_use]
    pub fn begin(mono: Duration, waiting: usize) -> Self {
        Self { until: mono + if waiting > 1 { BEHIND } else { TRANSACTION } }
    }

    /// Whether another commit may still join at `mono`.
    #[must_use]
    pub fn has_room(self, mono: Duration) -> bool {
        mono < self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_bounded_by_time() {
        for (waiting, until) in [(1, 1025), (2, 1100)] {
            let batch = Batch::begin(Duration::from_secs(1), waiting);
            assert!(batch.has_room(Duration::from_secs(1)), "{waiting}");
            assert!(batch.has_room(Duration::from_millis(until - 1)), "{waiting}");
            assert!(!batch.has_room(Duration::from_millis(until)), "{waiting}");
        }
    }
}
