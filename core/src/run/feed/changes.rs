//! Changes go first at every turn: a page of words and the cursor after it are one commit, which
//! waits for no download.

use crate::commit::change::feed::FeedStep;
use crate::commit::feed::rows::WHOLE;
use crate::mail::feed::{FeedCursor, PlaceId};
use crate::mail::id::{FolderId, SessionId};
use crate::provider::feeds::{FeedItem, FeedRequest, FeedWord, Onward};
use crate::run::context::{RunEffects, RunFacts};
use crate::run::feed::lane::{DEAD, FeedLane, LaneTurn, PAGES, Stashed};
use crate::run::feed::owner::{Cx, FeedOwner};
use crate::run::feed::state::FeedWork;
use crate::time::Micros;

impl FeedWork {
    pub(super) fn plan_changes(&mut self, cx: &mut Cx<'_>) {
        if cx.session().is_none() {
            return;
        }
        if self.rows.feeds.is_empty() && !self.traits.by_place {
            if !cx.is_asked_for(|owner| *owner == FeedOwner::Head(WHOLE))
                && !cx.is_pending_for(|owner| *owner == FeedOwner::Head(WHOLE))
            {
                cx.ask(FeedOwner::Head(WHOLE), FeedRequest::Head { place: None });
            }
            return;
        }
        let now = cx.now().mono;
        let (busy, every) = (!cx.is_closed(), self.traits.every);
        let glances = self.traits.windows && self.beside.glance;
        let feeds: Vec<FolderId> = self.lanes.keys().copied().collect();
        for feed in feeds {
            // A feed without a cursor begins with a first round.
            let Some(since) = self.rows.feeds.get(&feed).and_then(|row| row.cursor.clone()) else {
                continue;
            };
            let place = self.place_id(feed);
            let Some(lane) = self.lanes.get_mut(&feed) else { continue };
            let is_left = glances && lane.turn == LaneTurn::Left;
            if glances && lane.turn == LaneTurn::Wanted && lane.asked_at.is_zero() {
                // A window is a list: it is for the schedule, unless this takes long. What a hint has named is owed.
                (lane.turn, lane.asked_at) = (LaneTurn::Left, now);
            }
            if (lane.turn == LaneTurn::Done || is_left)
                && busy
                && now.saturating_sub(lane.asked_at) >= every
            {
                lane.turn = LaneTurn::Wanted;
            }
            if lane.turn != LaneTurn::Wanted {
                continue;
            }
            lane.turn = LaneTurn::Asked;
            lane.asked = cx.stamp();
            lane.asked_at = now;
            let token = lane.token.clone();
            let request = FeedRequest::Changes { place, since: Some(since), token };
            cx.ask(FeedOwner::Changes(feed), request);
        }
    }

    /// Feeds that begin with a first round.
    pub(super) fn unbegun(&self) -> Option<FolderId> {
        let is_unbegun = |id: &&FolderId| {
            self.rows.feeds.get(*id).is_some_and(|feed| feed.cursor.is_none())
                && !self.given_up.contains(*id)
        };
        self.lanes.keys().find(is_unbegun).copied()
    }

    pub(super) fn on_headed(
        &mut self,
        feed: FolderId,
        cursor: FeedCursor,
        clock: Micros,
        cx: &mut Cx<'_>,
    ) {
        let Some(lane) = self.lanes.get_mut(&feed) else {
            let step = FeedStep::Opened { cursor, clock };
            return self.send(FeedOwner::Head(feed), step, cx);
        };
        if let LaneTurn::Heading(from) = lane.turn.clone() {
            lane.turn = LaneTurn::Sent { more: true, left: false };
            let step = FeedStep::Expired { place: feed, from, cursor: Some(cursor) };
            self.send(FeedOwner::Changes(feed), step, cx);
        }
    }

    pub(super) fn on_expired(&mut self, feed: FolderId, cx: &mut Cx<'_>) {
        let place = self.place_id(feed);
        let from = self.rows.feeds.get(&feed).and_then(|row| row.cursor.clone());
        let by_place = self.traits.by_place;
        let (Some(lane), Some(from)) = (self.lanes.get_mut(&feed), from) else { return };
        lane.start_over();
        lane.expired += 1;
        // A server that forgets what it has just said is asked again in the next run.
        if lane.expired >= DEAD {
            lane.turn = LaneTurn::Left;
            return cx.leave("the server forgets its history at once".to_owned());
        }
        if by_place {
            lane.turn = LaneTurn::Sent { more: true, left: false };
            let step = FeedStep::Expired { place: feed, from, cursor: None };
            self.send(FeedOwner::Changes(feed), step, cx);
        } else {
            lane.turn = LaneTurn::Heading(from);
            cx.ask(FeedOwner::Head(feed), FeedRequest::Head { place });
        }
    }

    /// There is no such place: Places says what there is.
    pub(super) fn on_no_place(&mut self, feed: FolderId) {
        self.placing.wanted = true;
        if let Some(lane) = self.lanes.get_mut(&feed) {
            lane.turn = LaneTurn::Left;
        }
    }

    pub(super) fn on_changes_token_dead(&mut self, feed: FolderId, cx: &mut Cx<'_>) {
        let Some(lane) = self.lanes.get_mut(&feed) else { return };
        lane.dead += 1;
        lane.start_over();
        lane.turn = LaneTurn::Wanted;
        if lane.dead >= DEAD {
            lane.turn = LaneTurn::Left;
            cx.leave("changes were broken off again and again; they wait for their turn".into());
        }
    }

    pub(super) fn on_changed(
        &mut self,
        feed: FolderId,
        items: Vec<FeedItem>,
        next: Onward,
        cx: &mut Cx<'_>,
    ) {
        let Some(session) = cx.session() else { return };
        let newest = items.iter().filter_map(|item| item.word.version()).max();
        self.beside.newest = self.beside.newest.take().max(newest.cloned());
        if self.is_strange(items.iter().flat_map(names), Micros::default(), cx) {
            if let Some(lane) = self.lanes.get_mut(&feed) {
                lane.turn = LaneTurn::Sent { more: false, left: false };
            }
            self.stash.push(Stashed::Words { place: feed, session, items, next });
            return;
        }
        self.use_words(feed, session, items, next, cx);
    }

    fn use_words(
        &mut self,
        feed: FolderId,
        session: SessionId,
        items: Vec<FeedItem>,
        next: Onward,
        cx: &mut Cx<'_>,
    ) {
        let from = self.rows.feeds.get(&feed).and_then(|row| row.cursor.clone());
        let Some(lane) = self.lanes.get_mut(&feed) else { return };
        let onward = if let Onward::Page(token) = &next { Some(token) } else { None };
        let ids = items.iter().map(|item| &item.id);
        if lane.trail.is_endless(lane.token.as_ref(), onward, ids) {
            lane.turn = LaneTurn::Left;
            lane.start_over();
            return cx.leave("changes have no end".to_owned());
        }
        let (to, goes_on) = match next {
            Onward::Page(token) => {
                lane.token = Some(token);
                (from.clone(), true)
            }
            Onward::Cursor { cursor, more } => {
                lane.start_over();
                (Some(cursor), more)
            }
        };
        // One that says "more" and does not go on is not believed.
        let goes_on = goes_on && (to != from || lane.token.is_some());
        lane.pages = if goes_on { lane.pages + 1 } else { 0 };
        let is_enough = lane.pages >= PAGES;
        if is_enough {
            cx.leave("there are more changes than one run reads".to_owned());
        }
        if items.is_empty() && to == from {
            lane.turn_over(goes_on);
            let asked = lane.asked;
            if is_enough {
                lane.turn = LaneTurn::Left;
            }
            self.note_looked(asked);
            return;
        }
        lane.turn = LaneTurn::Sent { more: goes_on && !is_enough, left: is_enough };
        // What a list shows has not changed for that.
        let told = items.iter().filter(|item| !matches!(item.word, FeedWord::Shown(_)));
        cx.counts().facts += told.count() as u64;
        let step = FeedStep::Words { place: feed, from, to, session, items };
        self.send(FeedOwner::Changes(feed), step, cx);
    }

    /// The store has taken a page of changes, or refused it: then it is asked for anew.
    pub(super) fn on_words_stored(&mut self, feed: FolderId, done: bool) {
        self.gets.look_again();
        let Some(lane) = self.lanes.get_mut(&feed) else { return };
        if let LaneTurn::Sent { more, left } = lane.turn {
            lane.turn_over(more || !done);
            if left {
                lane.turn = LaneTurn::Left;
                lane.start_over();
            }
            let asked = lane.asked;
            self.note_looked(asked);
        }
    }

    /// Nothing more has changed, in any feed, than what is known.
    fn note_looked(&mut self, asked: Micros) {
        let rests = |lane: &FeedLane| matches!(lane.turn, LaneTurn::Done);
        if self.lanes.values().all(rests) && self.unbegun().is_none() {
            let asked = self.lanes.values().map(|lane| lane.asked).min().unwrap_or(asked);
            self.proof.looked = Some(asked);
        }
    }

    /// Uses what waited for Places.
    pub(super) fn use_stash(&mut self, _: SessionId, cx: &mut Cx<'_>) {
        for stashed in std::mem::take(&mut self.stash) {
            match stashed {
                Stashed::Words { place, session, items, next } => {
                    if self.is_strange(items.iter().flat_map(names), Micros::default(), cx) {
                        self.stash.push(Stashed::Words { place, session, items, next });
                    } else {
                        self.use_words(place, session, items, next, cx);
                    }
                }
                Stashed::Got { token, session, found } => {
                    self.on_got_part(token, session, found, cx);
                }
            }
        }
    }
}

/// The places that a word names as those that a message is in.
fn names(item: &FeedItem) -> impl Iterator<Item = &PlaceId> {
    let places = match &item.word {
        FeedWord::State(state) | FeedWord::Shown(state) => Some(&state.places),
        FeedWord::Delta { into, .. } => Some(into),
        FeedWord::New { places, .. } => places.as_ref(),
        FeedWord::Touched | FeedWord::Left(_) | FeedWord::Gone(_) => None,
    };
    places.into_iter().flatten()
}
