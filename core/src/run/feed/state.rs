//! What a run of feeds remembers: the rows as last acknowledged, and what is under way.

use crate::commit::change::feed::{FeedChange, FeedStep, Terms};
use crate::commit::feed::rows::FeedRows;
use crate::mail::feed::{MailVersion, PlaceId};
use crate::mail::id::FolderId;
use crate::provider::FeedTraits;
use crate::run::context::{RunEffects, RunFacts};
use crate::run::event::AccountSnapshot;
use crate::run::feed::gets::Gets;
use crate::run::feed::lane::{FeedLane, Stashed};
use crate::run::feed::owner::{Cx, FeedOwner};
use crate::run::feed::placing::Placing;
use crate::run::feed::walk::Walk;
use crate::run::reads::FeedProof;
use crate::run::scope::{Depth, Scope};
use crate::run::summary::FolderSummary;
use crate::time::Micros;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Places is asked, and messages are counted, so often.
const HOURLY: Duration = Duration::from_secs(3600);
/// Everything is compared so often.
const DAILY: Duration = Duration::from_secs(86_400);

/// The count at the end of a run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Counting {
    /// It is not under way.
    #[default]
    No,
    Asked,
    /// What the server says.
    Tallying(u64),
}

/// The work of a run where changes are told by message id.
#[derive(Debug)]
pub(crate) struct FeedWork {
    pub(super) rows: FeedRows,
    pub(super) traits: FeedTraits,
    pub(super) placing: Placing,
    pub(super) lanes: BTreeMap<FolderId, FeedLane>,
    /// Answers that name a place nobody has told us of: Places is asked first.
    pub(super) stash: Vec<Stashed>,
    pub(super) gets: Gets,
    pub(super) walk: Option<Walk>,
    /// Numbers the lists, so that acknowledgements of an earlier one are known.
    pub(super) generation: u32,
    /// Lists whose tokens died too often: they wait for the next run.
    pub(super) given_up: BTreeSet<FolderId>,
    /// What the config leaves out is being stored.
    pub(super) excluding: bool,
    /// What is due beside what is told and owed, and what is seen in passing.
    pub(super) beside: Beside,
    pub(super) counting: Counting,
    /// So many the server counts, and nothing of them is held, owed or away.
    pub(super) hollow: Option<u64>,
    /// What has been proved in this run.
    pub(super) proof: FeedProof,
}

/// What is due beside what is told and owed.
#[derive(Debug)]
pub(super) struct Beside {
    /// A compare is wanted beyond what is owed.
    pub(super) compare: bool,
    /// The messages are to be counted.
    pub(super) count: bool,
    /// It is a glance at what has changed: the rest that is due is for another run.
    pub(super) glance: bool,
    /// The newest change that was told.
    pub(super) newest: Option<MailVersion>,
}

impl FeedWork {
    /// From the store's rows.
    pub(super) fn of(traits: FeedTraits, snapshot: AccountSnapshot, cx: &mut Cx<'_>) -> Self {
        let asked = snapshot.asked;
        let rows = snapshot.feed.map_or_else(|| FeedRows::fresh(snapshot.account), |rows| *rows);
        let heads = rows.feeds.values().map(|feed| Some(feed.head_at));
        let state = &rows.state;
        let known = [state.placed_at, state.places_told_at, state.debt, state.counted_at];
        for instant in heads.chain(known) {
            cx.stamp_after(instant);
        }
        let now = cx.now().wall;
        let is_due = |last: Option<Micros>, every| last.is_none_or(|last| now >= last.plus(every));
        let all = match cx.scope() {
            Scope::Everything | Scope::Insist | Scope::Doubt => true,
            Scope::Some { list, .. } => *list,
        };
        let insists = cx.insists();
        let state = &rows.state;
        let placing = Placing::new(
            insists
                || state.placed_at.is_none()
                || rows.account.list_look.is_some()
                || state.places_are_told()
                || (all && is_due(state.placed_at, HOURLY)),
        );
        let mut work = Self {
            placing,
            excluding: false,
            beside: Beside {
                compare: insists || (all && is_due(rows.account.listed_at, DAILY)),
                count: all && is_due(state.counted_at, HOURLY),
                glance: !all,
                newest: None,
            },
            counting: Counting::No,
            hollow: None,
            traits,
            lanes: BTreeMap::new(),
            stash: Vec::new(),
            gets: Gets::new(insists, asked),
            walk: None,
            generation: 0,
            given_up: BTreeSet::new(),
            proof: FeedProof::default(),
            rows,
        };
        work.align();
        // What the config leaves out is stored behind the next answer, which tells the server's clock.
        work.placing.wanted |= work.differs(cx).is_some();
        work
    }

    /// Leaves out what the config leaves out, by the names of now.
    pub(super) fn exclude(&mut self, cx: &mut Cx<'_>) {
        let (Some(places), Some(clock)) = (self.differs(cx), self.placing.clock) else { return };
        if !self.excluding {
            self.excluding = true;
            // What a list has shown so far was read by what was left out before.
            self.break_off_walk();
            self.send(FeedOwner::Excluded, FeedStep::Excluded { places, clock }, cx);
        }
    }

    /// What the config leaves out, where that is not what is stored.
    fn differs(&self, cx: &Cx<'_>) -> Option<BTreeSet<FolderId>> {
        let wanted = &cx.settings().folders;
        let left_out =
            self.rows.places.values().filter(|place| !wanted.syncs(&place.path, place.role));
        let excluded: BTreeSet<FolderId> = left_out.map(|place| place.id).collect();
        let known: BTreeSet<FolderId> = self.rows.excluded().map(|place| place.id).collect();
        (known != excluded).then_some(excluded)
    }

    /// A lane for each feed that is to be read.
    pub(super) fn align(&mut self) {
        let rows = &self.rows;
        let is_wanted = |id: &FolderId| rows.places.get(id).is_none_or(|place| !place.excluded);
        let feeds: BTreeSet<FolderId> =
            rows.feeds.keys().filter(|id| is_wanted(id)).copied().collect();
        self.lanes.retain(|id, _| feeds.contains(id));
        for id in feeds {
            self.lanes.entry(id).or_insert_with(FeedLane::wanted);
        }
    }

    /// Takes the rows as the store has them now.
    pub(super) fn stored(&mut self, rows: FeedRows) {
        self.rows = rows;
        // One that is being asked may not know it yet.
        self.placing.wanted |= self.rows.state.places_are_told()
            && self.placing.asked.max(self.placing.placed_at) <= self.rows.state.places_told_at;
        self.align();
    }

    pub(super) fn send(&self, owner: FeedOwner, step: FeedStep, cx: &mut Cx<'_>) {
        let terms = Terms {
            settle_after: cx.settings().confirm_after,
            missing_after: cx.settings().confirm_after * self.traits.doubt,
            clock_since: cx.settings().clock.since(),
            guard_floor: cx.settings().guard_floor,
            compares: !self.traits.shows_state && !self.traits.by_place,
        };
        cx.commit(owner, FeedChange { terms, step });
    }

    /// The provider's id of a feed's place; none for the feed of the account.
    pub(super) fn place_id(&self, feed: FolderId) -> Option<PlaceId> {
        let row = self.rows.places.get(&feed)?;
        Some(PlaceId(String::from_utf8_lossy(&row.remote_id).into_owned()))
    }

    /// Whether a list that begins at `began` has been asked late enough to show all that lay before
    /// the heads.
    pub(super) fn is_ripe(&self, began: Micros, settle_after: Duration) -> bool {
        self.rows.feeds.values().all(|feed| began >= feed.head_at.plus(settle_after))
    }

    pub(super) fn want_changes(&mut self) {
        for lane in self.lanes.values_mut() {
            lane.want();
        }
    }

    pub(super) fn lines_of(&self) -> Vec<FolderSummary> {
        let looked = self.lanes.values().all(FeedLane::is_done) && !self.lanes.is_empty();
        let unread = !self.rows.state.listed && !self.traits.by_place;
        let line = |place: &crate::commit::rows::FolderRow| FolderSummary {
            id: place.id,
            remote_id: place.remote_id.clone(),
            path: place.path.clone(),
            role: place.role,
            excluded: place.excluded,
            stalled: false,
            shut: false,
            looked: looked.then_some(if self.beside.glance { Depth::Quick } else { Depth::Full }),
            mark: crate::mail::cursor::Mark::CLEARED,
            history_left: unread,
            proof: None,
        };
        self.rows.places.values().map(line).collect()
    }
}
