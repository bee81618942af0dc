//! Lists: which is owed, its pages, what of them is new. They write owed rows only: absence is a
//! question, and so is a state that is not ours.

use crate::commit::change::AccountChange;
use crate::commit::change::feed::FeedStep;
use crate::commit::feed::rows::WHOLE;
use crate::mail::feed::PageToken;
use crate::mail::folder::Role;
use crate::mail::id::{FolderId, Identity};
use crate::provider::feeds::{
    FeedItem, FeedRequest, FeedWord, ListedMail, Onward, SeenState, Within,
};
use crate::run::context::{RunEffects, RunFacts};
use crate::run::feed::lane::DEAD;
use crate::run::feed::owner::{Cx, FeedOwner};
use crate::run::feed::state::FeedWork;
use crate::run::feed::trail::Trail;
use crate::run::feed::walk::{Found, Leg, MOST_ROWS, Test, Walk, WalkKind, WalkTurn};
use crate::run::reads::{FeedQuery, KnownMail, Query};
use std::collections::{BTreeMap, VecDeque};

/// Rows that one list may show before it is asked how many messages there are.
const UNASKED: u64 = 2000;
/// What it may show beyond ten times as many: a count may leave out what lies in the trash.
const BEYOND: u64 = 10_000;
/// What the first list shows comes in this order.
const NEWEST: u8 = 0;
const FLAGGED: u8 = 1;
const REST: u8 = 2;

impl FeedWork {
    /// Begins the list that is owed or wanted most, if one is.
    pub(super) fn plan_walk(&mut self, cx: &mut Cx<'_>) {
        if let Some(walk) = &self.walk {
            let placed = self.placing.placed_at.is_some_and(|at| at >= walk.began);
            match walk.turn {
                WalkTurn::Next => self.walk_on(cx),
                WalkTurn::Placing if placed => self.close_walk(cx),
                _ => {}
            }
            return;
        }
        let Some(session) = cx.session() else { return };
        let Some(kind) = self.next_walk(cx) else { return };
        let began = cx.stamp();
        let Some(legs) = self.legs(&kind, cx) else { return };
        self.generation += 1;
        let ripe = self.is_ripe(began, cx.settings().confirm_after);
        let is_compare = kind == WalkKind::Compare;
        self.beside.compare &= !is_compare;
        self.walk = Some(Walk {
            turn: WalkTurn::Next,
            began,
            session,
            pays: self.rows.state.debt.filter(|_| ripe && is_compare),
            ripe,
            legs,
            token: None,
            dead: 0,
            most: None,
            trail: Trail::default(),
            pages: 0,
            page: Vec::new(),
            found: Found::default(),
            cursor: None,
            kind,
        });
        self.walk_on(cx);
    }

    fn next_walk(&self, cx: &Cx<'_>) -> Option<WalkKind> {
        let state = &self.rows.state;
        let unready = state.placed_at.is_none() || self.rows.feeds.is_empty();
        if unready || self.placing.is_busy() || self.excluding {
            return None;
        }
        if let Some(feed) = self.unbegun() {
            return Some(WalkKind::Round(feed));
        }
        if !self.traits.by_place && !state.listed {
            return (!self.given_up.contains(&WHOLE)).then_some(WalkKind::First);
        }
        let listing = |place: &&FolderId| {
            !self.given_up.contains(*place) && self.rows.places.contains_key(*place)
        };
        if let Some(place) = state.listings.iter().find(listing) {
            return Some(WalkKind::Place(*place));
        }
        // A compare asks about what it finds; what is known to be owed is read first.
        let settled = self.gets.is_idle() && self.lanes.values().all(|lane| !lane.is_wanted());
        let began = cx.now().wall;
        let owed = state.debt.is_some() && self.is_ripe(began, cx.settings().confirm_after);
        (settled && (owed || self.beside.compare) && !self.given_up.contains(&WHOLE))
            .then_some(WalkKind::Compare)
    }

    /// The lists that a walk takes; none while it is not known which there are.
    fn legs(&mut self, kind: &WalkKind, cx: &Cx<'_>) -> Option<VecDeque<Leg>> {
        let id = |id: FolderId| self.place_id(id);
        let of_place = |place: FolderId, rank| {
            Some(Leg {
                within: Within::Place(id(place)?),
                rank,
                away: false,
                most: None,
                test: Some(Test::Place(place)),
            })
        };
        let all = Leg { within: Within::All, rank: REST, away: false, most: None, test: None };
        match kind {
            WalkKind::Place(place) => Some(of_place(*place, REST).into_iter().collect()),
            WalkKind::Round(_) => Some(VecDeque::new()),
            WalkKind::Compare if self.traits.by_place => {
                let ours = self.rows.places.values().filter(|row| !row.excluded);
                Some(ours.filter_map(|row| of_place(row.id, REST)).collect())
            }
            WalkKind::First | WalkKind::Compare if self.traits.shows_state => {
                Some(VecDeque::from([all]))
            }
            WalkKind::First | WalkKind::Compare => {
                let Some(labels) = self.placing.labels.clone() else {
                    self.placing.wanted = true;
                    return None;
                };
                let mut legs = VecDeque::new();
                let rows = &self.rows;
                let computed = |row: &FolderId| Some(*row) == rows.state.derived;
                // What lies in a trash that is left out is nowhere else.
                let hidden = rows.excluded().filter(|row| rows.is_apart(row));
                for leg in hidden.filter_map(|row| of_place(row.id, REST)) {
                    legs.push_back(Leg { away: true, ..leg });
                }
                // The rest is left out: what our places do not show is away, and nothing of it is read.
                let rest = rows.excluded().any(|row| computed(&row.id));
                if *kind == WalkKind::First {
                    let inbox = rows.places.values().find(|row| row.role == Some(Role::Inbox));
                    let inbox = inbox.filter(|row| !row.excluded);
                    let most = Some(cx.settings().recent_messages);
                    let newest = inbox.and_then(|row| of_place(row.id, NEWEST));
                    legs.extend(newest.map(|leg| Leg { most, test: None, ..leg }));
                    if rest {
                        let ours = rows.places.values().filter(|row| !row.excluded);
                        let ours = ours.filter_map(|row| of_place(row.id, REST));
                        legs.extend(ours.map(|leg| Leg { test: None, ..leg }));
                        legs.push_back(Leg { away: true, ..all });
                        return Some(legs);
                    }
                    let flagged = labels.iter().filter(|l| l.flag.is_flagged() && !l.inverted);
                    legs.extend(flagged.map(|label| Leg {
                        within: Within::Label(label.id.clone()),
                        rank: FLAGGED,
                        ..all.clone()
                    }));
                    legs.push_back(all);
                    return Some(legs);
                }
                legs.push_back(all.clone());
                let ours = rows.places.values().filter(|row| !row.excluded && !computed(&row.id));
                legs.extend(ours.filter_map(|row| of_place(row.id, REST)));
                legs.extend(labels.into_iter().map(|label| Leg {
                    within: Within::Label(label.id),
                    test: Some(Test::Flag(label.flag, label.inverted)),
                    ..all.clone()
                }));
                Some(legs)
            }
        }
    }

    /// Asks for the next page, or sees to the end.
    fn walk_on(&mut self, cx: &mut Cx<'_>) {
        let owner = FeedOwner::Walk(self.generation);
        let round = match &self.walk {
            Some(Walk { kind: WalkKind::Round(feed), cursor: None, .. }) => {
                Some((*feed, self.place_id(*feed)))
            }
            _ => None,
        };
        let Some(walk) = &mut self.walk else { return };
        let token = walk.token.clone();
        let request = match (round, walk.legs.front()) {
            (Some((_, place)), _) => FeedRequest::Changes { place, since: None, token },
            (None, Some(leg)) => FeedRequest::List { within: leg.within.clone(), token },
            (None, None) => return self.look_at_held(None, cx),
        };
        if walk.trail.rows() > UNASKED && walk.most.is_none() {
            walk.turn = WalkTurn::Sizing;
            return cx.ask(owner, FeedRequest::Counts);
        }
        walk.turn = WalkTurn::Asked;
        cx.ask(owner, request);
    }

    /// How many messages there are was asked on the way: the list goes on, to its end or so far.
    pub(super) fn on_sized(&mut self, count: Option<u64>, cx: &mut Cx<'_>) {
        let Some(walk) = &mut self.walk else { return };
        let most = count.map_or(MOST_ROWS, |count| count.saturating_mul(10).saturating_add(BEYOND));
        walk.most = Some(most.min(MOST_ROWS));
        self.walk_on(cx);
    }

    /// A page has come.
    pub(super) fn on_page(
        &mut self,
        rows: Vec<ListedMail>,
        next: Option<PageToken>,
        cx: &mut Cx<'_>,
    ) {
        let owner = FeedOwner::Walk(self.generation);
        let Some(walk) = &mut self.walk else { return };
        walk.pages += 1;
        let ids = rows.iter().map(|row| &row.id);
        if walk.is_endless(next.as_ref(), ids) {
            cx.leave("a list has no end".to_owned());
            return self.give_up_walk();
        }
        let leg = walk.legs.front();
        let enough = leg.and_then(|leg| leg.most).is_some_and(|most| walk.trail.rows() >= most);
        walk.token = next.filter(|_| !enough);
        walk.page = rows;
        if walk.page.is_empty() {
            return self.end_page(cx);
        }
        walk.turn = WalkTurn::Known;
        let ids = walk.page.iter().map(|row| row.id.clone()).collect();
        // A list of ids alone has nothing to compare places and flags with.
        let whole = walk.page.iter().any(|row| row.state.is_some());
        cx.read(owner, Query::Feed(FeedQuery::Known { ids, whole }));
    }

    /// A page of a first round has come.
    pub(super) fn on_round(&mut self, items: Vec<FeedItem>, next: Onward, cx: &mut Cx<'_>) {
        let owner = FeedOwner::Walk(self.generation);
        let Some(walk) = &mut self.walk else { return };
        let (WalkKind::Round(feed), session) = (walk.kind.clone(), walk.session) else { return };
        let onward = if let Onward::Page(token) = &next { Some(token) } else { None };
        let ids = items.iter().map(|item| &item.id);
        if walk.is_endless(onward, ids) {
            cx.leave("a list has no end".to_owned());
            return self.give_up_walk();
        }
        walk.found.others.extend(items.iter().map(|item| item.id.clone()));
        match next {
            Onward::Page(token) => walk.token = Some(token),
            Onward::Cursor { cursor, .. } => walk.cursor = Some(cursor),
        }
        if items.is_empty() {
            walk.turn = WalkTurn::Next;
            return;
        }
        walk.turn = WalkTurn::Sent;
        let items =
            items.into_iter().filter(|item| matches!(item.word, FeedWord::State(_))).collect();
        let step = FeedStep::Words { place: feed, from: None, to: None, session, items };
        self.send(owner, step, cx);
    }

    /// What is known of the ids of a page: who is not held becomes owed.
    pub(super) fn on_known(&mut self, known: Vec<KnownMail>, cx: &mut Cx<'_>) {
        let owner = FeedOwner::Walk(self.generation);
        let Some(walk) = &mut self.walk else { return };
        let page = std::mem::take(&mut walk.page);
        let leg = walk.legs.front().cloned();
        let known: BTreeMap<Identity, KnownMail> =
            known.into_iter().map(|row| (row.id.clone(), row)).collect();
        let mut news = Vec::new();
        // A list of ids shows that what was away has come back: it is no longer where it was.
        let derived = self.rows.state.derived.and_then(|id| self.rows.places.get(&id));
        let tells = leg.as_ref().is_some_and(|leg| match &leg.within {
            Within::All => derived.is_some_and(|row| !row.excluded),
            // Who lies in a place of ours is no longer away, whatever the rest is.
            Within::Place(id) => self.rows.place(id).is_some_and(|row| !row.excluded),
            Within::Label(_) => false,
        });
        let in_hidden = leg.as_ref().is_some_and(|leg| leg.away);
        if in_hidden && leg.as_ref().is_some_and(|leg| leg.within != Within::All) {
            walk.found.hidden.extend(page.iter().map(|row| row.id.clone()));
        }
        for ListedMail { id, state, thread } in page {
            let Some(row) = known.get(&id) else {
                let away = state.is_some_and(|state| self.rows.ours(&state.places).is_away);
                walk.found.news = true;
                news.push((id, away || in_hidden));
                continue;
            };
            match row.message.filter(|_| !row.deleted) {
                Some(message) => {
                    walk.found.seen.insert(message);
                    // What was stored before this was asked for.
                    let untold = thread.filter(|_| !row.has_thread);
                    walk.found.threads.extend(untold.map(|thread| (message, thread)));
                    walk.found.here.insert(message);
                    let differs = state.is_some_and(|state| {
                        let ours = self.rows.ours(&state.places).places;
                        // What is kept where nobody looks is as it was then.
                        let kept = ours.is_empty() && row.places.is_empty();
                        !kept && (&ours, &state.flags) != (&row.places, &row.flags)
                    });
                    if differs && !row.owed {
                        walk.found.differ.insert(id);
                    }
                }
                None if row.owed => {
                    // It was away, and is shown where we look.
                    let is_back =
                        |state: SeenState| !self.rows.ours(&state.places).places.is_empty();
                    let came = match state {
                        Some(state) => is_back(state),
                        None => tells && !walk.found.hidden.contains(&id),
                    };
                    if row.away && came {
                        walk.found.differ.insert(id.clone());
                    }
                    walk.found.others.insert(id);
                }
                None => {
                    walk.found.news = true;
                    news.push((id, in_hidden));
                }
            }
        }
        let (Some(leg), false) = (leg, news.is_empty()) else { return self.leave_page(cx) };
        walk.turn = WalkTurn::Sent;
        self.gets.shown += news.iter().filter(|(_, away)| !away).count() as u64;
        let step = FeedStep::Shown { ids: news, rank: leg.rank };
        self.send(owner, step, cx);
    }

    /// What a page has told of threads is stored before the next one.
    fn leave_page(&mut self, cx: &mut Cx<'_>) {
        let owner = FeedOwner::Walk(self.generation);
        let Some(walk) = &mut self.walk else { return };
        if walk.found.threads.is_empty() {
            return self.end_page(cx);
        }
        walk.turn = WalkTurn::Sent;
        cx.commit(owner, AccountChange::Threads(std::mem::take(&mut walk.found.threads)));
    }

    /// A page is done: the next one, or the next list.
    fn end_page(&mut self, cx: &mut Cx<'_>) {
        let Some(walk) = &mut self.walk else { return };
        walk.turn = WalkTurn::Next;
        if walk.token.is_none() && !matches!(walk.kind, WalkKind::Round(_)) {
            let here = std::mem::take(&mut walk.found.here);
            let test = walk.legs.pop_front().and_then(|leg| leg.test);
            walk.found.got.extend(test.map(|test| (test, here)));
            walk.trail = Trail::default();
        }
        self.plan_walk(cx);
    }

    /// The store has taken what the walk sent. A page is small: Gets go on beside it.
    pub(super) fn on_walk_stored(&mut self, cx: &mut Cx<'_>) {
        let Some(walk) = &mut self.walk else { return };
        match walk.turn {
            WalkTurn::Questioned => {
                // What has come back is asked for at once.
                self.gets.look_again();
                self.ask_questions(cx);
            }
            WalkTurn::Sent if walk.cursor.is_some() => self.walk_on(cx),
            WalkTurn::Sent => {
                self.gets.look_further();
                self.leave_page(cx);
            }
            WalkTurn::Ending => {
                self.gets.look_again();
                self.end_walk();
            }
            _ => {}
        }
    }

    /// The token is no longer known: from the first page; known ids cost pages only.
    pub(super) fn on_walk_token_dead(&mut self, cx: &mut Cx<'_>) {
        let Some(walk) = &mut self.walk else { return };
        walk.dead += 1;
        walk.token = None;
        walk.found.here.clear();
        if let WalkKind::Round(_) = walk.kind {
            // Its cursor will be of now: what was shown before says nothing any more.
            walk.found.others.clear();
            walk.began = cx.stamp();
        }
        walk.trail = Trail::default();
        walk.turn = WalkTurn::Next;
        if walk.dead >= DEAD {
            cx.leave("a list was broken off again and again; it waits for its next turn".into());
            self.give_up_walk();
        }
    }

    /// There is no such place: Places says what there is.
    pub(super) fn on_walk_no_place(&mut self) {
        self.placing.wanted = true;
        self.give_up_walk();
    }

    /// It is for the next run.
    fn give_up_walk(&mut self) {
        let Some(walk) = &self.walk else { return };
        let what = match walk.kind {
            WalkKind::First | WalkKind::Compare => WHOLE,
            WalkKind::Place(place) | WalkKind::Round(place) => place,
        };
        self.given_up.insert(what);
        self.end_walk();
    }
}
