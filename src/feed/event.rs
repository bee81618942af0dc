//! An event as the public sees it.

use crate::feed::data::EventDataView;
use crate::instant::instant;
use crate::store::StoredEvent;
use serde::Serialize;
use utoipa::ToSchema;

/// An event of the feed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventView {
    /// Its number: without gaps, never used twice.
    pub(crate) seq: i64,
    id: String,
    at: String,
    kind: String,
    account: Option<String>,
    folder: Option<i64>,
    message: Option<i64>,
    /// Old mail that is only now read.
    backfill: bool,
    /// The state after it.
    #[schema(value_type = EventDataView)]
    data: serde_json::Value,
}

impl From<&StoredEvent> for EventView {
    fn from(row: &StoredEvent) -> Self {
        Self {
            seq: row.seq,
            id: row.id.clone(),
            at: instant(row.at),
            kind: row.kind.clone(),
            account: row.account.clone(),
            folder: row.folder,
            message: row.message,
            backfill: row.backfill,
            data: serde_json::from_str(&row.data).unwrap_or_else(|_| serde_json::json!({})),
        }
    }
}
