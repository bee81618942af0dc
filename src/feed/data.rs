//! What `data` of an event may hold, in the document: rows hold it as it was told (docs/events.md).
#![expect(dead_code, reason = "the document's words for what rows hold")]

use utoipa::ToSchema;

/// What is told beside the rows' numbers: which of these, the kind says.
#[derive(Debug, ToSchema)]
pub(crate) struct EventDataView {
    /// Of a message: what `changed` says.
    what: Option<String>,
    /// The places that changed.
    changed: Option<Vec<PlaceView>>,
    /// Its places afterwards, twenty at most.
    locations: Option<Vec<PlaceView>>,
    /// How many places it has afterwards.
    count: Option<u64>,
    /// The server has deleted it, and row and bytes stay.
    kept: Option<bool>,
    /// Of a folder: its name.
    path: Option<String>,
    /// Of an account, or a run that failed: why.
    reason: Option<String>,
    /// Of a job: its number. What it was is `what`.
    job: Option<u64>,
    /// Of a run: how it ended.
    outcome: Option<String>,
    /// Messages that it has stored.
    stored: Option<u64>,
    /// Messages that it could not fetch.
    failed: Option<u64>,
}

/// A place of a message.
#[derive(Debug, ToSchema)]
pub(crate) struct PlaceView {
    /// Row number of the folder.
    folder: i64,
    /// UID there; of mail that has none, the message's own number.
    uid: u64,
    /// Flags and keywords, between spaces.
    flags: String,
}
