//! What a subscriber is told by hand, and what came of it.

use crate::deliver::parcel::InHand;
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
    /// It is not given what it is being given, for this reason; only where this number is in it, if one is named.
    Skip(String, Option<i64>, Done),
}

/// What came of an order.
#[derive(Clone, Debug)]
pub(crate) enum Obeyed {
    /// It is so.
    Done,
    /// It was given something.
    Tried(Tried),
    /// This is never given.
    Skipped(InHand),
}

/// Where what came of an order is told, or why nothing was done.
pub(crate) type Done = oneshot::Sender<Result<Obeyed, String>>;

/// What was tried, and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Tried {
    /// The answer.
    pub(crate) answer: SinkAnswer,
    /// How long it took.
    pub(crate) millis: u64,
}
