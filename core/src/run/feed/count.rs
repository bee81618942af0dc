//! Counts that differ when nothing is due: something was lost, and a compare finds it.

use crate::provider::feeds::FeedRequest;
use crate::run::context::{RunEffects, RunFacts};
use crate::run::feed::owner::{Cx, FeedOwner};
use crate::run::feed::state::{Counting, FeedWork};
use crate::run::reads::{FeedQuery, FeedTally, Query};

impl FeedWork {
    /// The server's count, where it is of what we look at: a folder that is left out has a feed that
    /// is not read, and nobody knows what lies there.
    pub(super) fn comparable(&self, count: Option<u64>) -> Option<u64> {
        count.filter(|_| !self.traits.by_place || self.rows.excluded().next().is_none())
    }

    pub(super) fn plan_count(&mut self, cx: &mut Cx<'_>) {
        let calm = self.walk.is_none() && self.gets.is_idle() && self.counting == Counting::No;
        let listed = self.rows.state.listed || self.traits.by_place;
        if self.beside.count && calm && cx.session().is_some() && listed {
            self.beside.count = false;
            self.counting = Counting::Asked;
            cx.ask(FeedOwner::Counts, FeedRequest::Counts);
        }
    }

    pub(super) fn on_counted(&mut self, count: Option<u64>, cx: &mut Cx<'_>) {
        self.proof.counted = Some(cx.stamp());
        self.counting = match self.comparable(count) {
            Some(count) => {
                cx.read(FeedOwner::Counts, Query::Feed(FeedQuery::Tally));
                Counting::Tallying(count)
            }
            None => Counting::No,
        };
    }

    pub(super) fn on_tallied(&mut self, tally: FeedTally) {
        let Counting::Tallying(count) = std::mem::take(&mut self.counting) else { return };
        // What is being read meanwhile may be what does not fit: it is counted again behind it.
        self.beside.count |= !self.gets.is_idle();
        // A compare that is under way looks at all of it anyway.
        // What waits for its time, and what came since, are no misfit.
        let calm = self.gets.is_idle() && tally.owed == 0;
        let ours = tally.held + tally.unheld + tally.left_out + tally.away;
        let more = i64::try_from(i128::from(count) - i128::from(ours)).unwrap_or(i64::MAX);
        // So many were never listed, when all lists were compared: it is not asked again why.
        let known = self.rows.state.misfit.unwrap_or(0);
        // A server that counts mail and shows none of it is asked until it shows some.
        self.hollow = (ours == 0 && count > 0 && tally.owed == 0).then_some(count);
        if self.hollow.is_some() {
            // It stays due: no run is a success before that.
            self.proof.counted = None;
        }
        if calm && (more != known || self.hollow.is_some()) {
            self.beside.compare = true;
        }
    }
}
