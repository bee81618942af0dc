//! What providers were asked to push, as it is kept.

use crate::store::failure::Trouble;
use crate::store::read::{Reader, failed};
use crate::store::sql::subscriptions::{StoredSubscription, StoredSubscriptions};
use postrider_core::failure::Failure;
use postrider_core::provider::subscription::{Subscription, SubscriptionState};
use std::collections::BTreeMap;

/// Which: the source, and the account (empty: of all).
pub type SubscriptionKey = (String, String);

/// What is written of subscriptions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionWork {
    /// They stand so now.
    pub rows: Vec<(SubscriptionKey, Subscription)>,
    /// These are no more.
    pub gone: Vec<SubscriptionKey>,
}

impl Reader {
    /// Every subscription.
    ///
    /// # Errors
    /// Class storage.
    pub async fn subscriptions(&self) -> Result<BTreeMap<SubscriptionKey, Subscription>, Failure> {
        let rows = self.ask(StoredSubscriptions {}).await.map_err(failed)?;
        rows.into_iter().map(whole).collect::<Result<_, _>>().map_err(failed)
    }
}

fn whole(row: StoredSubscription) -> Result<(SubscriptionKey, Subscription), Trouble> {
    // A word of a newer binary is damage to this one.
    let unknown = || Trouble::Damaged(format!("a stored subscription says `{}`", row.state));
    let state = SubscriptionState::from_word(&row.state).ok_or_else(unknown)?;
    let subscription = Subscription {
        remote_id: row.remote_id,
        renewed_at: row.renewed_at,
        expires_at: row.expires_at,
        proof_at: row.proof_at,
        state,
        reason: row.reason,
        secret: row.secret,
    };
    Ok(((row.source, row.account), subscription))
}
