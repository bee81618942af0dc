//! Group commit: how much goes into one transaction. Pure.

use std::time::Duration;

/// Work in a transaction before it is committed: long enough to share a sync, short enough for
/// control writes behind it.
pub const TRANSACTION: Duration = Duration::from_millis(25);

/// A transaction that is being filled.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    began: Duration,
}

impl Batch {
    /// Begins at `mono`.
    #[must_use]
    pub fn begin(mono: Duration) -> Self {
        Self { began: mono }
    }

    /// Whether another commit may still join at `mono`.
    #[must_use]
    pub fn has_room(self, mono: Duration) -> bool {
        mono.saturating_sub(self.began) < TRANSACTION
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_bounded_by_time() {
        let batch = Batch::begin(Duration::from_secs(1));
        assert!(
            batch.has_room(Duration::from_secs(1)) && batch.has_room(Duration::from_millis(1024))
        );
        assert!(!batch.has_room(Duration::from_millis(1025)));
    }
}
