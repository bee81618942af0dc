//! Where a parcel goes. How far somebody has come, the order and the tries are not a sink's.

use crate::deliver::parcel::Parcel;
use crate::reply::Soon;
use postrider_core::deliver::{DeliveryOutcome, NotTaken};
use postrider_core::time::Micros;
use std::sync::Arc;

/// Octets of an answer that are kept.
const TEXT: usize = 500;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SinkAnswer {
    /// In a word.
    pub(crate) outcome: DeliveryOutcome,
    /// Why it was not taken; none where it was.
    pub(crate) not_taken: Option<NotTaken>,
    /// A status of HTTP, or how a program ended.
    pub(crate) status: Option<i64>,
    /// The beginning of the answer, or why there is none.
    pub(crate) text: String,
}

impl SinkAnswer {
    /// There is no answer.
    pub(super) fn without(outcome: DeliveryOutcome, text: impl Into<String>) -> Self {
        let text = cut(&text.into());
        Self { outcome, not_taken: Some(NotTaken::Later(None)), status: None, text }
    }
}

/// As much of a text as is kept.
pub(super) fn cut(text: &str) -> String {
    text.get(..text.floor_char_boundary(TEXT)).unwrap_or_default().to_owned()
}

/// Gives parcels to somebody. Each call ends by itself, in 20 s at most.
pub(crate) trait Sink: Send + Sync {
    /// Gives it.
    fn send(&self, parcel: Arc<Parcel>, now: Micros) -> Soon<SinkAnswer>;
    /// Whether somebody is there who was not, as far as that can be known without giving anything.
    fn is_there(&self) -> Soon<bool>;
}
