//! What `data` of an event holds, in the document: rows hold it as it was told (docs/events.md).
#![expect(dead_code, reason = "the document's words for what rows hold")]

use utoipa::ToSchema;

/// What has become of a message.
#[derive(Debug, ToSchema)]
pub(crate) struct MessageDataView {
    /// What `changed` says.
    what: String,
    /// The places that changed.
    changed: Vec<PlaceView>,
    /// Its places afterwards, twenty at most, those that changed first.
    locations: Vec<PlaceView>,
    /// How many places it has afterwards.
    count: u64,
    /// The server has deleted it, and row and bytes stay; not there where they do not.
    #[schema(required = false)]
    kept: bool,
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

/// What a folder is called.
#[derive(Debug, ToSchema)]
pub(crate) struct FolderDataView {
    /// Its name, decoded.
    path: String,
}

/// Why an account stands as it does.
#[derive(Debug, ToSchema)]
pub(crate) struct AccountDataView {
    /// Where there is one.
    #[schema(required = false)]
    reason: String,
}

/// What has become of a job.
#[derive(Debug, ToSchema)]
pub(crate) struct JobDataView {
    /// Its number.
    job: u64,
    /// Its kind.
    what: String,
    /// Why.
    reason: String,
}

/// Bytes that are held are not what they were.
#[derive(Debug, ToSchema)]
pub(crate) struct DamageDataView {
    /// The number of the file that they lie in.
    pack: u64,
    /// How many messages of the account have them.
    count: u64,
    /// Numbers of these messages, twenty at most.
    messages: Vec<i64>,
}

/// How a run ended.
#[derive(Debug, ToSchema)]
pub(crate) struct RunDataView {
    /// How.
    outcome: String,
    /// Why it is no success; empty where it is.
    reason: String,
    /// Messages that it has stored.
    stored: u64,
    /// Messages that it could not fetch.
    failed: u64,
}

/// Nothing: of an account that was purged numbers stay, and what they told goes.
#[derive(Debug, ToSchema)]
#[schema(max_properties = 0)]
pub(crate) struct PurgedDataView {}

/// Nothing is handed on to a subscriber any more.
#[derive(Debug, ToSchema)]
pub(crate) struct SubscriberDataView {
    /// Its id in the config.
    subscriber: String,
    /// Why.
    reason: String,
}
