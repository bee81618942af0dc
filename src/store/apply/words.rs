//! Documents, as they are stored.

use crate::store::failure::Trouble;
use postrider_core::mail::cursor;

/// As JSON.
pub(super) fn document(json: &impl serde::Serialize) -> Result<String, Trouble> {
    serde_json::to_string(json).map_err(|e| Trouble::Damaged(format!("cannot write JSON: {e}")))
}

pub(super) fn lane(state: &impl serde::Serialize) -> Result<String, Trouble> {
    cursor::to_text(state).map_err(|e| Trouble::Damaged(e.to_string()))
}
