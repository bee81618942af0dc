//! What a subscriber is told by hand, and what came of it.

use crate::deliver::sink::SinkAnswer;
use tokio::sync::oneshot;

/// What a subscriber is told.
#[derive(Debug)]
pub(crate) enum SubscriberOrder {
    /// It is given a test.
    Test(Done),
    /// It is asked again.
    Enable(Done),
    /// It is asked for nothing, because somebody of this name says so.
    Disable(String, Done),
    /// It goes on behind this number.
    GoTo(i64, Done),
    /// It is not given what it is being given, for this reason.
    Skip(String, Done),
}

/// Where what came of an order is told: what was tried, or why nothing was done.
pub(crate) type Done = oneshot::Sender<Result<Option<Tried>, String>>;

/// What was tried, and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Tried {
    /// The answer.
    pub(crate) answer: SinkAnswer,
    /// How long it took.
    pub(crate) millis: u64,
}
