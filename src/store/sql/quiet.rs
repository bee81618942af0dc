//! What passes that changed nothing leave behind.

use crate::store::sql::query::{Document, queries};
use postrider_core::mail::id::AccountId;
use postrider_core::time::Micros;

queries! {
    /// A text that writes what passes which changed nothing leave behind.
    QuietText, quiet:
    PassesProved { rows: Document };
    FoldersSettled { rows: Document };
    ListsProved { rows: Document };
    AccountsSettled { rows: Document };
    AccountSettled { account: AccountId, looked_at: Option<Micros> };
    RunsCounted { rows: Document };
}
