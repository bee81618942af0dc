//! Renewals of all accounts, one after the other: after an outage a thousand of them do not fall
//! upon an issuer at once.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Between two renewals.
const GAP: Duration = Duration::from_millis(50);

/// Hands out turns.
#[derive(Debug, Default)]
pub struct Pace(Mutex<Duration>);

impl Pace {
    /// The next turn, by the monotonic clock: now, or later.
    pub fn turn(&self, now: Duration) -> Duration {
        let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = (*next).max(now);
        *next = turn + GAP;
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_at_once_are_spread_and_one_alone_waits_for_nobody() {
        let pace = Pace::default();
        let now = Duration::from_secs(100);
        let turns: Vec<Duration> = (0..1000).map(|_| pace.turn(now)).collect();
        assert_eq!(turns.first(), Some(&now));
        assert!(turns.windows(2).all(|w| w[1] - w[0] == GAP));
        let later = Duration::from_secs(1000);
        assert_eq!(pace.turn(later), later);
    }
}
