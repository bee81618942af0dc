//! How far mail is derived, and deriving it anew.

use crate::admin::Shared;
use crate::admin::problem::{Problem, ProblemOf};
use crate::store::Reader;
use crate::store::derive::{DerivedStanding, OwedReader};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use postrider_core::failure::{Class, Failure};
use postrider_core::mail::id::AccountId;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use utoipa::ToSchema;

/// How far an account's mail is derived.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DerivedView {
    /// Of the code that reads it.
    version: u32,
    /// Messages that it still has to read.
    behind: u64,
    /// Messages at which the process has ended twice while it read them: nothing is derived of them.
    left_out: Vec<i64>,
}

/// Longest wait for what is counted; behind it nothing is said of it.
const COUNTING: Duration = Duration::from_secs(10);

/// How far all accounts are, or one; of none while the database does not answer (and readiness says so).
pub(crate) async fn derived(
    reader: &Reader,
    account: Option<AccountId>,
) -> BTreeMap<AccountId, DerivedView> {
    let owed = OwedReader::new(reader.clone());
    match tokio::time::timeout(COUNTING, owed.standings(account)).await {
        Ok(Ok(all)) => all.iter().map(|(id, one)| (*id, DerivedView::from(one))).collect(),
        Ok(Err(_)) | Err(_) => BTreeMap::new(),
    }
}

impl From<&DerivedStanding> for DerivedView {
    fn from(standing: &DerivedStanding) -> Self {
        let DerivedStanding { version, behind, left_out } = standing;
        Self { version: *version, behind: *behind, left_out: left_out.clone() }
    }
}

/// An account that is derived anew.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReindexedView {
    /// Its id in the config.
    id: String,
    /// How far it is.
    derived: Option<DerivedView>,
}

/// Reads all mail of an account anew, and replaces what was derived of it message by message.
#[utoipa::path(post, path = "/v1/accounts/{id}/reindex", tag = "accounts", params(("id" = String, Path, description = "Its id in the config")), responses(
    (status = 202, body = ReindexedView), ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<409>, ProblemOf<503>))]
pub(super) async fn reindex(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<ReindexedView>), Problem> {
    let rows = shared.reader.stored_accounts(Some(&id)).await?;
    let account = rows.first().map(|row| AccountId(row.id));
    let account = account.ok_or_else(|| Problem::missing("account"))?;
    let refused = |failure: Failure| match failure.class {
        Class::Config => Problem::conflict(failure.text),
        _ => failure.into(),
    };
    shared.operator.reindex(account).await.map_err(refused)?;
    let derived = derived(&shared.reader, Some(account)).await.remove(&account);
    Ok((StatusCode::ACCEPTED, Json(ReindexedView { id, derived })))
}
