//! SQLite's words for what providers were asked to push.

use crate::store::sql::subscriptions::SubscriptionText;

pub(in crate::store::sql) const fn words(text: SubscriptionText) -> &'static str {
    match text {
        SubscriptionText::StoredSubscriptions => {
            "SELECT source, account, remote_id, renewed_at, expires_at, proof_at, state, reason, secret FROM subscription"
        }
        SubscriptionText::PutSubscriptions => {
            "INSERT INTO subscription (source, account, remote_id, renewed_at, expires_at, proof_at, state, reason, secret) SELECT \
             value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8 FROM jsonb_each(?1) WHERE \
             TRUE ON CONFLICT (source, account) DO UPDATE SET remote_id = excluded.remote_id, renewed_at = \
             excluded.renewed_at, expires_at = excluded.expires_at, proof_at = excluded.proof_at, state = excluded.state, \
             reason = excluded.reason, secret = excluded.secret"
        }
        SubscriptionText::DropSubscription => {
            "DELETE FROM subscription WHERE source = ?1 AND account = ?2"
        }
    }
}
