//! What is written of what providers were asked to push.

use crate::store::failure::Trouble;
use crate::store::sql::query::Document;
use crate::store::sql::subscriptions::{DropSubscription, PutSubscriptions};
use crate::store::subscriptions::SubscriptionWork;
use crate::store::transaction::{Sql, Transaction};
use serde_json::{Value as Json, json};

/// Writes it.
pub(super) async fn work(db: &Transaction, work: &SubscriptionWork) -> Result<(), Trouble> {
    for (source, account) in &work.gone {
        let (source, account) = (source.clone(), account.clone());
        db.put(DropSubscription { source, account }).await?;
    }
    if work.rows.is_empty() {
        return Ok(());
    }
    // In the order of the columns.
    let rows: Vec<Json> = work
        .rows
        .iter()
        .map(|((source, account), row)| {
            json!([
                source,
                account,
                row.remote_id,
                row.renewed_at.map(|at| at.0),
                row.expires_at.map(|at| at.0),
                row.proof_at.map(|at| at.0),
                row.state.as_str(),
                row.reason,
                row.secret,
            ])
        })
        .collect();
    db.put(PutSubscriptions { rows: Document::of(&rows)? }).await
}
