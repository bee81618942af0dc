//! What whoever tells events is told of the database.

/// How far the feed has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedEnd {
    /// The number of the last durable event.
    pub last: i64,
    /// How often an account got another name or owner, or was purged, in this process: what was told of one before is told otherwise since.
    pub named: u64,
}
