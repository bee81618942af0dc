//! Whether a server is asked for one thing before it has answered another.

use std::sync::atomic::{AtomicU8, Ordering};

/// Folders that are opened one by one after a session that has ended with two questions out: they show
/// which of them it ended at.
const DOUBTED: u8 = 10;
/// Such ends in a row behind which nothing is sent ahead any more.
const ENDS: u8 = 3;

/// What was seen of a server, on all sessions of an account.
#[derive(Debug, Default)]
pub(super) struct AnswerOrder {
    /// Folders that are still to be opened one by one.
    doubted: AtomicU8,
    /// Ends in a row.
    ends: AtomicU8,
}

impl AnswerOrder {
    /// Whether a question may be sent ahead.
    pub(super) fn is_kept(&self) -> bool {
        self.doubted.load(Ordering::Relaxed) == 0 && self.ends.load(Ordering::Relaxed) < ENDS
    }

    /// What was asked is answered, whether it was sent ahead or not.
    pub(super) fn answered(&self, ahead: bool) {
        if ahead {
            // Nothing but another order is worse than ends.
            let forget = |ends| if ends > ENDS { None } else { Some(0) };
            _ = self.ends.fetch_update(Ordering::Relaxed, Ordering::Relaxed, forget);
        } else {
            let less = |doubted: u8| doubted.checked_sub(1);
            _ = self.doubted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        }
    }

    /// A session has ended with a question out that was sent ahead.
    pub(super) fn ended(&self) {
        self.doubted.store(DOUBTED, Ordering::Relaxed);
        let more = |ends: u8| (ends < ENDS).then(|| ends + 1);
        if self.ends.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) == Ok(ENDS - 1) {
            tracing::debug!("folders are opened one by one: {ENDS} sessions ended otherwise");
        }
    }

    /// The server has answered in another order: nothing is sent ahead any more.
    pub(super) fn broken(&self) {
        tracing::debug!("folders are opened one by one: the server answers in another order");
        self.ends.store(u8::MAX, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_costs_some_folders_and_three_in_a_row_all() {
        let order = AnswerOrder::default();
        for ends in 1..=ENDS {
            assert!(order.is_kept(), "{ends}");
            order.ended();
            for _ in 0..DOUBTED {
                assert!(!order.is_kept(), "{ends}");
                order.answered(false);
            }
        }
        assert!(!order.is_kept());
        let order = AnswerOrder::default();
        for _ in 0..ENDS * 2 {
            order.ended();
            (0..DOUBTED).for_each(|_| order.answered(false));
            order.answered(true);
        }
        assert!(order.is_kept(), "they were not in a row");
        order.broken();
        order.ended();
        order.answered(true);
        assert!(!order.is_kept());
    }
}
