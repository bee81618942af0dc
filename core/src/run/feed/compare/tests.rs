//! What a compare may say that it has proved.

use super::*;
use crate::commit::feed::rows::{FeedState, WHOLE};
use crate::commit::rows::{AccountRow, FolderRow};
use crate::mail::feed::{FeedCursor, PlaceId};
use crate::mail::flags::Flags;
use crate::mail::id::{AccountId, FolderId, Incarnation, MessageId, SessionId};
use crate::provider::FeedTraits;
use crate::recovery::history::History;
use crate::run::context::{Common, RunCtx, RunStart};
use crate::run::event::{AccountSnapshot, Action};
use crate::run::feed::lane::{FeedLane, LaneTurn};
use crate::run::feed::state::Counting;
use crate::run::feed::trail::Trail;
use crate::run::feed::walk::{Found, Walk};
use crate::run::reads::QuietProof;
use crate::run::scope::{Depth, Scope};
use crate::run::settings::Settings;
use crate::run::work::Work;
use crate::time::{Micros, Now};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// When the walk began.
const BEGAN: Micros = Micros(1000);

/// A compare that has shown one message, which is held, and waits for our count.
fn walk() -> Walk {
    Walk {
        kind: WalkKind::Compare,
        turn: WalkTurn::Tallying(1),
        began: BEGAN,
        session: SessionId(1),
        pays: Some(Micros(500)),
        ripe: true,
        legs: VecDeque::new(),
        token: None,
        dead: 0,
        most: None,
        trail: Trail::default(),
        pages: 1,
        page: Vec::new(),
        found: Found { seen: BTreeSet::from([MessageId(1)]), ..Found::default() },
        cursor: None,
    }
}

/// What such a work does, spoilt by `spoil`.
fn with<T>(
    spoil: impl FnOnce(&mut FeedWork, &mut FeedTally),
    act: impl FnOnce(&mut FeedWork, FeedTally, &mut Cx<'_>) -> T,
) -> (T, Vec<Action>) {
    with_scope(Scope::Everything, spoil, act)
}

/// The same, of a run that is to look at this.
fn with_scope<T>(
    scope: Scope,
    spoil: impl FnOnce(&mut FeedWork, &mut FeedTally),
    act: impl FnOnce(&mut FeedWork, FeedTally, &mut Cx<'_>) -> T,
) -> (T, Vec<Action>) {
    let account = AccountRow::fresh(AccountId(1), Incarnation(1));
    let start = RunStart { settings: Settings::default(), history: History::default(), scope };
    let mut shared = Common::new(start, account.clone(), None);
    shared.session = Some(SessionId(1));
    let mut out = Vec::new();
    let mut cx = RunCtx::new(&mut shared, Now::default(), &mut out);
    let mut work = FeedWork::of(FeedTraits::default(), AccountSnapshot::of(account), &mut cx);
    work.rows.state.debt = Some(Micros(500));
    work.walk = Some(walk());
    let mut tally = FeedTally { held: 1, ..FeedTally::default() };
    spoil(&mut work, &mut tally);
    let done = act(&mut work, tally, &mut cx);
    (done, out)
}

fn proves(spoil: impl FnOnce(&mut FeedWork, &mut FeedTally)) -> bool {
    let (_, out) = with(spoil, |work, tally, cx| work.on_walk_tallied(tally, cx));
    out.iter().any(|action| matches!(action, Action::Prove(QuietProof::Feed(proof)) if proof.whole))
}

/// All of it was looked at late enough, nothing is open, and the server counts as many.
#[test]
fn what_is_open_is_not_proved() {
    assert!(proves(|_, _| ()));
    assert!(!proves(|_, tally| tally.owed = 1), "something is owed");
    assert!(!proves(|_, tally| tally.unheld = 1), "something was never read");
    assert!(!proves(|work, _| work.gets.waits.failed = 1), "something cannot be read");
    assert!(!proves(|_, tally| tally.held = 2), "more is held than was shown");
    assert!(!proves(|work, _| work.rows.state.debt = Some(Micros(600))), "a younger debt");
    let counts = |work: &mut FeedWork, n| work.walk.as_mut().unwrap().turn = WalkTurn::Tallying(n);
    assert!(!proves(|work, _| counts(work, 2)), "the server counts more");
    let met = |work: &mut FeedWork| {
        work.placing.placed_at = Some(Micros(1));
        work.placing.met.insert(PlaceId("X".into()), Micros(1));
    };
    assert!(!proves(|work, _| met(work)), "a place that was named may be listed yet");
}

/// A run that a hint began looks at what has changed, and at nothing that the schedule has it look at.
#[test]
fn a_glance_is_no_look() {
    let looked = |scope: Scope| {
        let spoil = |work: &mut FeedWork, _: &mut FeedTally| {
            let place = FolderRow::new(FolderId(1), b"INBOX".into(), "INBOX".into(), None, BEGAN);
            work.rows.places.insert(FolderId(1), place);
            let mut lane = FeedLane::wanted();
            lane.turn = LaneTurn::Done;
            work.lanes.insert(WHOLE, lane);
        };
        let act = |work: &mut FeedWork, _, _: &mut Cx<'_>| work.lines_of()[0].looked;
        with_scope(scope, spoil, act).0
    };
    let named = |list| Scope::Some { list, folders: BTreeMap::new() };
    assert_eq!(looked(named(false)), Some(Depth::Quick));
    for whole in [Scope::Everything, Scope::Insist, named(true)] {
        assert_eq!(looked(whole), Some(Depth::Full));
    }
}

/// Whether a run asks for changes, of a feed that is a list of the newest mail or is none, begun by a hint or not.
fn asks_for_changes(scope: Scope, windows: bool, hinted: bool) -> bool {
    let spoil = |work: &mut FeedWork, _: &mut FeedTally| {
        let cursor = Some(FeedCursor("1".into()));
        work.rows.feeds.insert(WHOLE, FeedState { cursor, head_at: BEGAN });
        work.traits = FeedTraits { windows, ..FeedTraits::default() };
        work.align();
        if hinted {
            work.lanes.values_mut().for_each(|lane| lane.turn = LaneTurn::Done);
            Work::want(work, FolderId(1), Depth::Quick);
        }
    };
    let act = |work: &mut FeedWork, _, cx: &mut Cx<'_>| {
        work.plan_changes(cx);
        let looks = work.lanes.values().any(|lane| lane.turn == LaneTurn::Asked);
        let claims = Work::changes_told(work).is_all
            || work.lines_of()[..].iter().any(|l| l.looked.is_some());
        assert!(hinted || looks || !claims, "what was not asked for was not looked at");
        looks
    };
    with_scope(scope, spoil, act).0
}

/// A window is the schedule's: a hint that names ids is no reason to ask for one, and one that names none is told of by it.
#[test]
fn a_window_is_no_glance() {
    let glance = || Scope::Some { list: false, folders: BTreeMap::new() };
    assert!(!asks_for_changes(glance(), true, false) && asks_for_changes(glance(), false, false));
    assert!(asks_for_changes(Scope::Everything, true, false));
    assert!(!asks_for_changes(Scope::Everything, true, true), "not for each hint of a long run");
    assert!(asks_for_changes(Scope::Everything, false, true));
}

/// Places that were told of while they were asked for are asked for once more, and no more than that.
#[test]
fn places_that_are_told_of_are_asked_for() {
    let wants = |told: i64, asked: Option<i64>, placed: Option<i64>| {
        let act = |work: &mut FeedWork, _, _: &mut Cx<'_>| {
            (work.placing.asked, work.placing.placed_at) = (asked.map(Micros), placed.map(Micros));
            work.placing.wanted = false;
            let mut rows = work.rows.clone();
            rows.state.placed_at = Some(Micros(5));
            rows.state.places_told_at = Some(Micros(told));
            work.stored(rows);
            work.placing.wanted
        };
        with(|_, _| (), act).0
    };
    assert!(wants(10, None, None) && wants(10, Some(9), None) && wants(10, None, Some(9)));
    assert!(!wants(10, Some(11), None) && !wants(10, Some(9), Some(11)) && !wants(4, None, None));
}

/// What a human leaves out is known to be there: that the server counts it is no reason to compare.
#[test]
fn what_is_left_out_is_counted() {
    let compares = |left_out: u64| {
        let spoil = |work: &mut FeedWork, tally: &mut FeedTally| {
            work.counting = Counting::Tallying(1 + 1);
            (work.gets.drained, work.beside.compare) = (true, false);
            tally.left_out = left_out;
        };
        let act = |work: &mut FeedWork, tally, _: &mut Cx<'_>| {
            work.on_tallied(tally);
            work.beside.compare
        };
        with(spoil, act).0
    };
    assert!(compares(0) && !compares(1));
}

/// A list that began before a message was stored does not show it: that is no question.
#[test]
fn what_was_stored_since_is_not_absent() {
    let asks = |since: Micros| {
        let row = KnownMail {
            id: Identity("gm:2".into()),
            message: Some(MessageId(2)),
            since,
            deleted: false,
            owed: false,
            away: false,
            has_thread: false,
            places: BTreeSet::new(),
            flags: Flags::default(),
        };
        let ((), out) = with(
            |work, _| work.traits.by_place = false,
            |work, _, cx| {
                work.on_held(vec![row], cx);
                work.on_away(Vec::new(), cx);
            },
        );
        out.iter().any(|action| matches!(action, Action::Commit { .. }))
    };
    assert!(asks(Micros(BEGAN.0 - 1)));
    assert!(!asks(BEGAN));
}

/// A list that begins too soon behind the heads may show less than lay before them: it pays no debt, and
/// proves nothing.
#[test]
fn what_is_listed_too_soon_pays_nothing() {
    let begun = |head: i64| {
        let head_at = Micros::from_seconds(head);
        let ready = |work: &mut FeedWork, _: &mut FeedTally| {
            let cursor = Some(FeedCursor("1".into()));
            work.rows.feeds.insert(WHOLE, FeedState { cursor, head_at });
            (work.rows.state.placed_at, work.rows.state.listed) = (Some(head_at), true);
            (work.placing.asked, work.traits.shows_state) = (None, true);
            (work.gets.drained, work.beside.compare, work.walk) = (true, true, None);
        };
        let (walk, _) = with(ready, |work, _, cx| {
            work.plan_walk(cx);
            work.walk.take().unwrap()
        });
        assert_eq!(walk.kind, WalkKind::Compare);
        (walk.ripe, walk.pays)
    };
    assert_eq!(begun(-3600), (true, Some(Micros(500))));
    assert_eq!(begun(0), (false, None));
}
