//! Mails that are to be moved to the thread that theirs is part of by now.

use super::{DeriveState, TROUBLE};
use crate::store::derive::DeriveChange;
use postrider_core::mail::id::AccountId;
use postrider_core::standing::Activity;
use std::collections::BTreeMap;
use std::time::Duration;

/// Of which accounts, and before when it is not tried again: the database may refuse one for ever, and others wait behind it.
#[derive(Debug, Default)]
pub(super) struct Moving(BTreeMap<AccountId, Duration>);

impl Moving {
    /// Some are to be moved, or none.
    pub(super) fn are(&mut self, account: AccountId, there: bool) {
        if there {
            self.0.entry(account).or_default();
        } else {
            self.0.remove(&account);
        }
    }

    /// Of which account it is tried now.
    pub(super) fn next(&self, mono: Duration) -> Option<AccountId> {
        self.0.iter().find(|(_, after)| **after <= mono).map(|(account, _)| *account)
    }

    /// When it is tried again, if there is more to be moved.
    pub(super) fn due(&self) -> Option<Duration> {
        self.0.values().min().copied()
    }
}

impl DeriveState {
    /// Moves some of an account's. Where that fails others have their turn before it is tried again.
    pub(super) async fn move_some(&mut self, account: AccountId) {
        let begun = self.args.clock.now().mono;
        let moved = self.order(account, DeriveChange::Move).await;
        let now = self.args.clock.now().mono;
        match moved {
            Ok(stands) => {
                self.stands(account, stands);
                self.turns.worked(now, now.saturating_sub(begun));
            }
            Err(failure) => {
                let (path, state) = (&self.args.path, Activity::Running.as_str());
                self.args.registry.failed(path, &failure);
                self.args.registry.does(path, state, "tries again", None);
                tracing::warn!(
                    account.row = account.0,
                    "mails are not moved to their thread now: {}",
                    failure.chain()
                );
                // However long the database took to refuse it.
                self.moving.0.insert(account, now + TROUBLE);
            }
        }
    }

    /// So long nothing is to be done, or until something is to be moved.
    pub(super) fn or_moves(&self, wait: Option<Duration>, mono: Duration) -> Option<Duration> {
        let moves = self.moving.due().map(|due| due.saturating_sub(mono));
        wait.into_iter().chain(moves).min()
    }
}
