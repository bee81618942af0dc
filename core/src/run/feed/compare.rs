//! What a compare comes to: what is held beside what was listed, the questions, the proof.

use crate::commit::change::feed::FeedStep;
use crate::mail::id::Identity;
use crate::provider::feeds::FeedRequest;
use crate::run::context::{RunEffects, RunFacts};
use crate::run::feed::owner::{Cx, FeedOwner};
use crate::run::feed::state::FeedWork;
use crate::run::feed::walk::{CHUNK, Test, WalkKind, WalkTurn};
use crate::run::reads::{FeedQuery, FeedTally, KnownMail, Query};

impl FeedWork {
    /// All lists are read: what is held is looked at beside them.
    pub(super) fn look_at_held(&mut self, after: Option<Identity>, cx: &mut Cx<'_>) {
        let owner = FeedOwner::Walk(self.generation);
        let Some(walk) = &mut self.walk else { return };
        if walk.kind == WalkKind::First {
            return self.close_walk(cx);
        }
        walk.turn = WalkTurn::Held;
        cx.read(owner, Query::Feed(FeedQuery::Held { after, limit: CHUNK }));
    }

    pub(super) fn on_held(&mut self, rows: Vec<KnownMail>, cx: &mut Cx<'_>) {
        let by_place = self.traits.by_place;
        let shows_state = self.traits.shows_state;
        let derived = self.rows.state.derived.and_then(|id| self.rows.places.get(&id));
        let tells = !shows_state && derived.is_some_and(|row| !row.excluded);
        let Some(walk) = &mut self.walk else { return };
        let tells = tells && walk.kind == WalkKind::Compare;
        let last = rows.last().map(|row| row.id.clone()).filter(|_| rows.len() >= CHUNK);
        for row in rows.into_iter().filter(|row| !row.owed && !row.deleted) {
            let Some(message) = row.message else { continue };
            let before = row.since < walk.began;
            // Not in this place is not gone: it may be in one whose feed was not read yet.
            let elsewhere = match &walk.kind {
                WalkKind::Round(place) => {
                    before && row.places.contains(place) && !walk.found.others.contains(&row.id)
                }
                WalkKind::Compare | WalkKind::First | WalkKind::Place(_) => false,
            };
            let absent = match &walk.kind {
                // What is kept where nobody looks is not listed where each place has its feed.
                WalkKind::Compare => {
                    let kept = by_place && row.places.is_empty();
                    before && !kept && !walk.found.seen.contains(&message)
                }
                WalkKind::Round(_) | WalkKind::First | WalkKind::Place(_) => false,
            };
            let fits = |test: &Test| match test {
                // Of a place that is left out nothing is held.
                Test::Place(place) => row.places.contains(place),
                Test::Flag(flag, inverted) => row.flags.contain(flag) != *inverted,
            };
            let places = &self.rows.places;
            let is_hidden = |test: &Test| match test {
                Test::Place(place) => places.get(place).is_some_and(|row| row.excluded),
                Test::Flag(..) => false,
            };
            // What is kept where nobody looks is as it was then; that it came back is a question.
            let kept = row.places.is_empty();
            let stays = kept
                && walk
                    .found
                    .got
                    .iter()
                    .any(|(test, got)| is_hidden(test) && got.contains(&message));
            let differs = walk.found.got.iter().any(|(test, got)| {
                let (is_in, shown) = (fits(test), got.contains(&message));
                if shows_state {
                    before && is_in && !shown && !by_place
                } else if kept {
                    matches!(test, Test::Place(_)) && !is_hidden(test) && shown && !stays
                } else {
                    is_in != shown
                }
            });
            let is_back = kept && tells && !stays && walk.found.seen.contains(&message);
            // A computed place that is synced from now on.
            let computed = !kept
                && tells
                && self.rows.derive(row.places.iter().copied(), true).places != row.places;
            let differs = differs || computed;
            if absent {
                walk.found.absent.insert(row.id);
            } else if differs || is_back || elsewhere {
                walk.found.differ.insert(row.id);
            }
        }
        match last {
            Some(last) => self.look_at_held(Some(last), cx),
            None => self.look_at_away(None, cx),
        }
    }

    /// What was away and is no longer shown may be gone. Where places have feeds of their own, what
    /// is left out is not listed.
    pub(super) fn look_at_away(&mut self, after: Option<Identity>, cx: &mut Cx<'_>) {
        let owner = FeedOwner::Walk(self.generation);
        match &self.walk {
            Some(walk) if walk.kind == WalkKind::Compare && !self.traits.by_place => {
                cx.read(owner, Query::Feed(FeedQuery::Away { after, limit: CHUNK }));
            }
            _ => self.ask_questions(cx),
        }
    }

    pub(super) fn on_away(&mut self, ids: Vec<Identity>, cx: &mut Cx<'_>) {
        let Some(walk) = &mut self.walk else { return };
        let last = ids.last().filter(|_| ids.len() >= CHUNK).cloned();
        walk.found.absent.extend(ids.into_iter().filter(|id| !walk.found.others.contains(id)));
        match last {
            Some(last) => self.look_at_away(Some(last), cx),
            None => self.ask_questions(cx),
        }
    }

    /// Commits questions, a part at a time; when none is left the walk is closed.
    pub(super) fn ask_questions(&mut self, cx: &mut Cx<'_>) {
        let owner = FeedOwner::Walk(self.generation);
        let Some(walk) = &mut self.walk else { return };
        let session = walk.session;
        let (of, absent) = if walk.found.absent.is_empty() {
            (&mut walk.found.differ, None)
        } else {
            (&mut walk.found.absent, Some(session))
        };
        let mut ids = Vec::new();
        while let Some(id) = of.pop_first() {
            ids.push(id);
            if ids.len() >= CHUNK {
                break;
            }
        }
        if ids.is_empty() {
            return self.close_walk(cx);
        }
        walk.found.news = true;
        walk.turn = WalkTurn::Questioned;
        self.send(owner, FeedStep::Questions { ids, absent }, cx);
    }

    pub(super) fn close_walk(&mut self, cx: &mut Cx<'_>) {
        let owner = FeedOwner::Walk(self.generation);
        let shifts = !self.traits.shows_state;
        let Some(walk) = &mut self.walk else { return };
        let step = match &walk.kind {
            WalkKind::First => FeedStep::Listed { place: None, first: true, pays: None, shifts },
            WalkKind::Place(place) => {
                let shifts = shifts && walk.pages > 1;
                FeedStep::Listed { place: Some(*place), first: false, pays: None, shifts }
            }
            WalkKind::Round(place) => {
                let (place, session, to) = (*place, walk.session, walk.cursor.clone());
                FeedStep::Words { place, from: None, to, session, items: Vec::new() }
            }
            WalkKind::Compare if walk.found.news || !walk.ripe => return self.pay(cx),
            WalkKind::Compare
                if self.placing.placed_at.is_none_or(|at| at < walk.began)
                    && self.traits.by_place =>
            {
                walk.turn = WalkTurn::Placing;
                self.placing.wanted = true;
                return;
            }
            WalkKind::Compare => {
                walk.turn = WalkTurn::Counting;
                cx.ask(owner, FeedRequest::Counts);
                return;
            }
        };
        walk.turn = WalkTurn::Ending;
        self.send(owner, step, cx);
    }

    pub(super) fn on_walk_counted(&mut self, count: Option<u64>, cx: &mut Cx<'_>) {
        let owner = FeedOwner::Walk(self.generation);
        if self.walk.as_ref().is_some_and(|walk| walk.turn == WalkTurn::Sizing) {
            return self.on_sized(count, cx);
        }
        let count = self.comparable(count);
        let Some(walk) = &mut self.walk else { return };
        let seen = walk.found.seen.len() + walk.found.others.len();
        walk.turn = WalkTurn::Tallying(count.unwrap_or(seen as u64));
        cx.read(owner, Query::Feed(FeedQuery::Tally));
    }

    /// The mirror is proved: complete, late enough, no question, nothing owed, as many as the
    /// server counts.
    pub(super) fn on_walk_tallied(&mut self, tally: FeedTally, cx: &mut Cx<'_>) {
        let settled = self.placing.has_settled(cx.settings().confirm_after);
        let debt = self.rows.state.debt;
        // What is kept in a folder that has a feed of its own, and is left out, is not listed.
        let uncounted = self.traits.by_place && self.rows.excluded().next().is_some();
        let Some(walk) = &self.walk else { return };
        let WalkTurn::Tallying(count) = walk.turn else { return };
        let seen = (walk.found.seen.len() + walk.found.others.len()) as u64;
        let fits = (uncounted || walk.found.seen.len() as u64 == tally.held)
            && tally.owed == 0
            && settled
            && self.unbegun().is_none()
            && debt == walk.pays;
        let read = tally.unheld + self.gets.waits.failed == 0;
        self.proof.whole = fits && read && seen == count;
        let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.proof.misfit = fits.then(|| signed(count) - signed(seen));
        // The count at this run's end knows it, too. What could not be told stays as it was.
        self.rows.state.misfit = self.proof.misfit.or(self.rows.state.misfit);
        self.pay(cx);
    }

    /// The compare is over: it pays the debt that it named.
    pub(super) fn pay(&mut self, cx: &mut Cx<'_>) {
        let owner = FeedOwner::Walk(self.generation);
        let Some(walk) = &mut self.walk else { return };
        self.proof.compared = Some(walk.began);
        let debt = walk.pays;
        walk.turn = WalkTurn::Ending;
        let is_empty =
            walk.found.seen.is_empty() && walk.found.others.is_empty() && !walk.found.news;
        if let Some(count) = self.hollow.take().filter(|_| is_empty) {
            cx.leave(format!("the server counts {count} messages, and its list shows none"));
        }
        self.tell_proof(cx);
        let Some(debt) = debt else { return self.end_walk() };
        let step = FeedStep::Listed { place: None, first: false, pays: Some(debt), shifts: false };
        self.send(owner, step, cx);
    }

    pub(super) fn end_walk(&mut self) {
        self.walk = None;
    }

    /// The session is gone, or the store has refused it: it begins anew when its turn comes.
    pub(super) fn break_off_walk(&mut self) {
        if let Some(walk) = self.walk.take() {
            self.generation += 1;
            self.beside.compare |= walk.kind == WalkKind::Compare;
        }
    }

    /// The walk of this number goes on.
    pub(super) fn is_walking(&self, generation: u32) -> bool {
        self.walk.is_some() && self.generation == generation
    }
}

#[cfg(test)]
mod tests;
