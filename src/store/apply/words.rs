//! Documents, as they are stored.

use crate::store::failure::Trouble;
use postrider_core::mail::cursor;

pub(super) fn lane(state: &impl serde::Serialize) -> Result<String, Trouble> {
    cursor::to_text(state).map_err(|e| Trouble::Damaged(e.to_string()))
}
