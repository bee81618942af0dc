//! What was on its way when processes ended, as a column of the account.

use crate::store::failure::Trouble;
use crate::store::sql::asked::SaveAsked;
use crate::store::sql::query::Document;
use crate::store::transaction::{Sql, Transaction};
use postrider_core::mail::id::AccountId;
use postrider_core::recovery::asked::Asked;

/// What an account has asked for so far while processes ended, as it is stored. What cannot be read is forgotten: it
/// is learned again.
pub(super) fn asked(stored: Option<&str>) -> Asked {
    stored.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// Stores it; nothing where nothing is left.
pub(super) async fn save_asked(
    db: &Transaction,
    account: AccountId,
    asked: &Asked,
) -> Result<(), Trouble> {
    let asked = (!asked.is_empty()).then(|| Document::of(asked)).transpose()?;
    db.put(SaveAsked { account, asked }).await
}
