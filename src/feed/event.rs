//! An event as the public sees it.

use crate::instant::instant;
use crate::store::{MailHead, Reader, StoredEvent};
use postrider_core::failure::Failure;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What events look like: fields are added, and never changed.
const FORMAT: u32 = 1;

/// An event of the feed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventView {
    /// Its number: without gaps, never used twice.
    pub(crate) seq: i64,
    id: String,
    /// What it looks like: fields are added, and never changed.
    format: u32,
    at: String,
    kind: String,
    account: Option<String>,
    folder: Option<i64>,
    message: Option<i64>,
    /// Old mail that is only now read.
    backfill: bool,
    /// The state after it.
    #[schema(value_type = Object)]
    data: serde_json::Value,
    /// With `fields=head`, of a message: what is stored of it; nothing where it was purged.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<MailHeadView>)]
    mail: Option<Option<MailHeadView>>,
}

/// What is stored of a message beside its bytes.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct MailHeadView {
    /// Of its bytes.
    sha256: String,
    /// Octets.
    size: u64,
    /// Without angle brackets.
    message_id: Option<String>,
    subject: Option<String>,
    from: Option<String>,
    to: Option<String>,
    /// Its Date field.
    date: Option<String>,
}

impl From<MailHead> for MailHeadView {
    fn from(row: MailHead) -> Self {
        Self {
            sha256: row.hash.to_string(),
            size: row.size,
            message_id: row.message_id,
            subject: row.subject,
            from: row.from_text,
            to: row.to_text,
            date: row.date.map(instant),
        }
    }
}

impl From<&StoredEvent> for EventView {
    fn from(row: &StoredEvent) -> Self {
        Self {
            seq: row.seq,
            id: row.id.clone(),
            format: FORMAT,
            at: instant(row.at),
            kind: row.kind.clone(),
            account: row.account.clone(),
            folder: row.folder,
            message: row.message,
            backfill: row.backfill,
            data: serde_json::from_str(&row.data).unwrap_or_else(|_| serde_json::json!({})),
            mail: None,
        }
    }
}

/// Events with what is stored of their messages now.
///
/// # Errors
/// Class storage.
pub(crate) async fn with_heads<'a>(
    reader: &Reader,
    rows: impl Iterator<Item = &'a StoredEvent> + Clone,
) -> Result<Vec<EventView>, Failure> {
    let mut messages: Vec<i64> = rows.clone().filter_map(|row| row.message).collect();
    messages.sort_unstable();
    messages.dedup();
    let heads = if messages.is_empty() { Vec::new() } else { reader.heads_of(&messages).await? };
    let heads: BTreeMap<i64, MailHeadView> =
        heads.into_iter().map(|head| (head.message.0, head.into())).collect();
    let whole = |row: &StoredEvent| {
        let mail = row.message.map(|message| heads.get(&message).cloned());
        EventView { mail, ..EventView::from(row) }
    };
    Ok(rows.map(whole).collect())
}
