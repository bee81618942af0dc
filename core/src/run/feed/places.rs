//! The places: what a complete answer lacks ends at the second look, always. A place that nobody
//! has told us of is asked for before what names it is used.

use crate::commit::change::feed::FeedStep;
use crate::mail::feed::PlaceId;
use crate::mail::id::{FolderId, SessionId};
use crate::provider::feeds::{FeedRequest, FlagLabel, ListedPlace};
use crate::run::context::{RunEffects, RunFacts};
use crate::run::evidence::{Observation, judge_list};
use crate::run::feed::owner::{Cx, FeedOwner};
use crate::run::feed::state::FeedWork;
use crate::time::Micros;
use std::collections::BTreeSet;

impl FeedWork {
    pub(super) fn plan_places(&mut self, cx: &mut Cx<'_>) {
        if self.placing.wanted && self.placing.asked.is_none() && cx.session().is_some() {
            self.placing.wanted = false;
            self.placing.asked = Some(cx.stamp());
            cx.ask(FeedOwner::Places, FeedRequest::Places);
        }
    }

    /// Whether any of these places is one that nobody has told us of, and no answer of Places lacks
    /// that was asked for since we met it, and since `asked`: then Places is asked.
    pub(super) fn is_strange<'a>(
        &mut self,
        named: impl IntoIterator<Item = &'a PlaceId>,
        asked: Micros,
        cx: &mut Cx<'_>,
    ) -> bool {
        let mut strange = false;
        for id in named {
            if self.rows.place(id).is_some() {
                continue;
            }
            let met = *self.placing.met.entry(id.clone()).or_insert_with(|| cx.stamp());
            strange |= self.placing.placed_at.is_none_or(|at| at < met.max(asked));
        }
        self.placing.wanted |= strange;
        strange
    }

    pub(super) fn on_placed(
        &mut self,
        listed: Vec<ListedPlace>,
        labels: Vec<FlagLabel>,
        derived: Option<PlaceId>,
        clock: Micros,
        cx: &mut Cx<'_>,
    ) {
        let (Some(asked), Some(session)) = (self.placing.asked, cx.session()) else { return };
        self.placing.labels = Some(labels);
        self.placing.clock = Some(clock);
        let listed_ids: BTreeSet<&[u8]> =
            listed.iter().map(|place| place.id.0.as_bytes()).collect();
        let missing: BTreeSet<FolderId> = self
            .rows
            .places
            .values()
            .filter(|row| !listed_ids.contains(&*row.remote_id))
            .map(|row| row.id)
            .collect();
        let before = self.rows.account.list_look.clone();
        let sight = Observation { session, at: asked, confirm_after: cx.settings().confirm_after };
        let mut ruling = judge_list(missing, before.as_ref(), sight);
        if let Some(look) = &mut ruling.look {
            // What it has shown was read by now at the latest.
            look.at = cx.stamp();
        }
        let stands = before.clone().filter(|_| !ruling.held.is_empty());
        let look = ruling.look.or(stands);
        self.placing.ends = ruling.ends.into_iter().collect();
        if look.is_some() {
            cx.look_again();
        }
        let wants = |place: &ListedPlace| cx.settings().folders.syncs(&place.path, place.role);
        let excluded: BTreeSet<PlaceId> =
            listed.iter().filter(|place| !wants(place)).map(|place| place.id.clone()).collect();
        let clock = self.traits.by_place.then_some(clock);
        if self.has_changed(&listed, derived.as_ref()) || look != before {
            cx.counts().folder_changes += u64::from(self.has_changed(&listed, derived.as_ref()));
            let step = FeedStep::Placed { asked, listed, excluded, derived, look, clock };
            self.send(FeedOwner::Places, step, cx);
        } else {
            self.on_places_stored(session, cx);
        }
    }

    fn has_changed(&self, listed: &[ListedPlace], derived: Option<&PlaceId>) -> bool {
        let derived = derived.and_then(|id| self.rows.place(id)).map(|row| row.id);
        let differs = |place: &ListedPlace| {
            self.rows
                .place(&place.id)
                .is_none_or(|row| row.path != place.path || row.role != place.role)
        };
        self.rows.state.placed_at.is_none()
            || (derived.is_some() && derived != self.rows.state.derived)
            || listed.iter().any(differs)
    }

    /// What Places has shown is stored, or was known: the places end that do, then what waited for
    /// it goes on.
    pub(super) fn on_places_stored(&mut self, session: SessionId, cx: &mut Cx<'_>) {
        while let Some(place) = self.placing.ends.front().copied() {
            if self.rows.places.contains_key(&place) {
                self.send(FeedOwner::Places, FeedStep::DropPlace { place }, cx);
                return;
            }
            self.placing.ends.pop_front();
            cx.counts().folder_changes += 1;
            self.gets.look_again();
        }
        // A new name may be one that the config leaves out.
        self.exclude(cx);
        if let Some(asked) = self.placing.asked.take() {
            self.placing.placed_at = Some(asked);
            self.proof.placed = Some(asked);
        }
        // Until nothing is missing any more, or it ends.
        self.use_stash(session, cx);
    }

    /// The store has refused it: the next answer decides.
    pub(super) fn drop_places(&mut self) {
        self.placing.ends.clear();
        self.placing.wanted |= self.placing.asked.take().is_some();
    }
}
