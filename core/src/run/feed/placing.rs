//! What is known of places beside their rows.

use crate::mail::feed::PlaceId;
use crate::mail::id::FolderId;
use crate::provider::feeds::FlagLabel;
use crate::time::Micros;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// What is known of places beside their rows.
#[derive(Debug)]
pub(super) struct Placing {
    pub(super) wanted: bool,
    /// When the question that is open was asked, or the answer that is being stored.
    pub(super) asked: Option<Micros>,
    /// When the last answer that was used was asked for.
    pub(super) placed_at: Option<Micros>,
    /// The server's clock, as an answer has told it.
    pub(super) clock: Option<Micros>,
    /// Labels that stand for flags; unknown before this run has asked.
    pub(super) labels: Option<Vec<FlagLabel>>,
    /// Places that answers have named and nobody has told us of, since when.
    pub(super) met: BTreeMap<PlaceId, Micros>,
    /// Places that end, one after the other.
    pub(super) ends: VecDeque<FolderId>,
}

impl Placing {
    pub(super) fn new(wanted: bool) -> Self {
        Self {
            wanted,
            asked: None,
            placed_at: None,
            clock: None,
            labels: None,
            met: BTreeMap::new(),
            ends: VecDeque::new(),
        }
    }

    /// No session will answer.
    pub(super) fn cut_off(&mut self) {
        self.wanted |= self.asked.take().is_some();
        self.ends.clear();
    }

    /// Whether an answer about places is on its way, or being stored.
    pub(super) fn is_busy(&self) -> bool {
        self.asked.is_some()
    }

    /// Every place that was left out is one that an answer of so much later lacks too.
    pub(super) fn has_settled(&self, settle_after: Duration) -> bool {
        let late = |met: &Micros| self.placed_at.is_some_and(|at| at >= met.plus(settle_after));
        self.met.values().all(late)
    }
}
