//! What a job orders.

use super::*;
use crate::account::follow::stage::{Cause, NextRun};
use crate::account::follow::vocabulary::Order;
use crate::run::first::FirstOf;
use crate::standing::RunCause;

fn order(doubts: bool, level: Level) -> Input {
    Input::Command(Command::Order(Order { doubts, level, first: None }))
}

fn is_taken(f: &Follower) -> bool {
    f.accepts(&Command::Order(Order { doubts: false, level: Level::Operator, first: None })).is_ok()
}

/// What a run is asked for, how closely it is to look, and the number that it will have.
fn asked(doubts: bool, level: Level) -> (SlotWish, Scope, (u64, u64)) {
    let mut f = resting();
    assert!(is_taken(&f));
    f.step(order(doubts, level), at(5));
    let Stage::Asking(wanted) = &f.stage else { panic!("{:?}", f.stage) };
    (f.slot(), wanted.scope.clone(), f.runs())
}

#[test]
fn an_order_says_how_soon_and_how_closely() {
    let wanted = SlotWish::Wanted;
    assert_eq!(
        asked(true, Level::Late),
        (wanted(Level::Late), Scope::Doubt, (1, 2)),
        "a full one doubts, also where it is not hurried"
    );
    assert_eq!(asked(false, Level::Operator), (wanted(Level::Operator), Scope::Insist, (1, 2)));
    assert_eq!(asked(false, Level::Schedule), (wanted(Level::Schedule), Scope::Everything, (1, 2)));
}

/// Beside a run it is for the next one, which begins as soon as the best of them wants it.
#[test]
fn an_order_beside_a_run_is_for_the_next_one() {
    let mut f = super::orders::working();
    let (ended, run) = f.runs();
    assert_eq!((ended, run), (1, 2));
    f.step(order(true, Level::Late), at(6));
    assert_eq!(f.runs(), (1, 3));
    f.step(order(false, Level::Schedule), at(6));
    assert_eq!(f.runs(), (1, 3), "two orders, one run");
    let again = f.stage.working().unwrap().again.next.clone().map(|next| (next.scope, next.level));
    assert_eq!(again, Some((Scope::Doubt, Level::Schedule)), "the closest, the soonest");
    f.step(Input::Machine(f.run(), Event::Stop), at(7));
    let mut out = Vec::new();
    let summary =
        Summary { folders: vec![inbox()], ..Summary::of(Outcome::Success, History::default()) };
    f.finished(summary, at(8), &mut out);
    assert_eq!((f.slot(), f.runs()), (SlotWish::Wanted(Level::Schedule), (2, 3)));
}

/// Who is paused, parked or waits takes none; a wait goes on to its end.
#[test]
fn who_cannot_work_takes_no_order() {
    let mut f = resting();
    f.take(Input::Command(Command::Pause), at(2));
    assert!(!is_taken(&f), "a human has paused it");
    assert!(!is_taken(&follower(Begin::Run)), "new");
    let mut f = follower(Begin::Parked(Standing::NeedsReauth, "no".into()));
    f.take(Input::Start, at(0));
    assert!(!is_taken(&f), "parked");
    let failure =
        || Failure::new(Class::RateLimit, Reach::Account, Provenance::Server, "slow down");
    let mut f = resting();
    f.take(Input::Command(Command::SyncNow), at(5));
    f.end_with(Summary::failed(failure(), History::default()), at(6));
    assert!(matches!(f.stage, Stage::Resting(_)) && !is_taken(&f), "waits behind a failed run");
    let mut f = super::orders::working();
    f.trouble = Some(failure());
    assert!(is_taken(&f), "it goes on");
    f.stage.working().unwrap().held = Some((failure(), Duration::from_secs(90)));
    assert!(!is_taken(&f), "its endpoint holds it up");
    f.stage.working().unwrap().held = None;
    f.take(Input::Machine(f.run(), Event::OpenFailed(failure())), at(7));
    let phase = f.stage.working().map(|working| working.machine.phase());
    assert!(!is_taken(&f), "its run waits: {phase:?}");
}

/// A run that an order was to have behind another one, and has not, is nobody else's: neither a cancel, a pause nor a
/// failure leaves its number to the next.
#[test]
fn a_number_that_is_given_up_is_used_up() {
    let ordered = || {
        let mut f = super::orders::working();
        f.step(order(true, Level::Operator), at(6));
        assert_eq!(f.runs(), (1, 3));
        f
    };
    let summary =
        |outcome| Summary { folders: vec![inbox()], ..Summary::of(outcome, History::default()) };
    let mut f = ordered();
    f.step(Input::Command(Command::Cancel), at(7));
    f.finished(summary(Outcome::Cancelled), at(8), &mut Vec::new());
    assert_eq!((f.slot(), f.runs()), (SlotWish::None, (3, 3)), "the order's was to be the third");
    f.step(Input::Command(Command::SyncNow), at(9));
    assert_eq!(f.runs(), (3, 4));
    // Asked anew before the run has ended.
    let mut f = ordered();
    f.step(Input::Command(Command::Cancel), at(7));
    f.step(Input::Command(Command::Retry), at(7));
    assert_eq!(f.runs(), (1, 4));
    f.finished(summary(Outcome::Cancelled), at(8), &mut Vec::new());
    assert_eq!((f.slot(), f.runs()), (SlotWish::Wanted(Level::Operator), (3, 4)));
    let mut f = ordered();
    f.step(Input::Command(Command::Pause), at(7));
    assert!(!is_taken(&f), "it is being paused");
    f.finished(summary(Outcome::Cancelled), at(8), &mut Vec::new());
    assert_eq!((f.status().standing, f.runs()), (Standing::Paused, (3, 3)));
}

/// A run that fails with an order behind it: the wait goes on to its end, unless somebody else wants that run, too.
#[test]
fn an_order_behind_a_failed_run_waits() {
    let failure =
        || Failure::new(Class::RateLimit, Reach::Account, Provenance::Server, "slow down");
    let failed = || Summary::failed(failure(), History::default());
    let mut f = super::orders::working();
    f.step(order(true, Level::Operator), at(6));
    f.finished(failed(), at(7), &mut Vec::new());
    assert!(matches!(f.stage, Stage::Resting(_)), "{:?}", f.stage);
    assert_eq!(f.runs(), (3, 3));
    let mut f = super::orders::working();
    f.step(order(true, Level::Operator), at(6));
    f.step(Input::Command(Command::SyncNow), at(6));
    f.finished(failed(), at(7), &mut Vec::new());
    assert_eq!((f.slot(), f.runs()), (SlotWish::Wanted(Level::Operator), (2, 3)));
}

/// Some of the past, and nothing else of it: the run that is under way leaves the rest of its own to another one.
#[test]
fn some_of_the_past_is_a_run_of_its_own() {
    let first = FirstOf { limit: Some(5), ..FirstOf::default() };
    let order = || {
        let (doubts, first) = (false, Some(first.clone()));
        Input::Command(Command::Order(Order { doubts, level: Level::Schedule, first }))
    };
    let wanted = |f: &Follower| match &f.stage {
        Stage::Asking(wanted) => wanted.first.clone(),
        stage => panic!("{stage:?}"),
    };
    let mut f = resting();
    f.step(order(), at(5));
    assert_eq!((wanted(&f), f.runs()), (vec![first.clone()], (1, 2)));
    // Beside what waits for its turn to read all of it.
    let mut f = resting();
    f.step(Input::Command(Command::SyncNow), at(5));
    f.step(order(), at(5));
    assert_eq!(wanted(&f), std::slice::from_ref(&first));
    // Beside a run.
    let mut f = super::orders::working();
    f.step(order(), at(6));
    assert_eq!(f.runs(), (1, 3));
    let put_off = f.stage.working().unwrap().machine.is_put_off();
    assert!(put_off, "{:?}", f.stage.working().unwrap().machine.phase());
    let mut out = Vec::new();
    let folders = vec![inbox()];
    let put_off = true;
    let summary = Summary { folders, put_off, ..Summary::of(Outcome::Success, History::default()) };
    f.finished(summary, at(8), &mut out);
    assert_eq!(wanted(&f), [first]);
    let Stage::Asking(next) = &f.stage else { panic!() };
    assert!(next.past, "what was put off comes behind it");
}

/// Why a run was begun is told with it.
#[test]
fn a_run_says_why_it_was_begun() {
    let cause = |f: &Follower| match &f.stage {
        Stage::Asking(wanted) => wanted.told_cause(),
        stage => panic!("{stage:?}"),
    };
    let told = |input: Input| {
        let mut f = resting();
        f.step(input, at(5));
        cause(&f)
    };
    assert_eq!(told(order(false, Level::Operator)), RunCause::Job);
    assert_eq!(told(Input::Command(Command::SyncNow)), RunCause::Operator);
    let of = |cause, level| NextRun::new(Scope::Everything, cause, level).told_cause();
    assert_eq!(of(Cause::Plan, Level::Late), RunCause::Schedule);
    assert_eq!(of(Cause::Stale, Level::Hint), RunCause::Hint);
    assert_eq!(of(Cause::Plan, Level::History), RunCause::History);
}
