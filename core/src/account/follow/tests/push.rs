//! What a push begins, takes along and leaves alone.

use super::orders::working;
use super::*;
use crate::account::follow::stage::{Cause, Slot};
use crate::account::follow::vocabulary::{Order, SlotWish};
use crate::provider::Family;
use crate::provider::push::PushHint;
use crate::run::scope::Scope;
use crate::standing::RunCause;

/// A feed that rests behind a run.
fn feed() -> Follower {
    let mut f = resting();
    f.rules.settings.family = Family::Feed;
    f
}

fn asks(out: &[Output]) -> bool {
    out.iter().any(|o| matches!(o, Output::AskSlot(_)))
}

#[test]
fn a_push_begins_a_run_that_is_told_as_a_hint() {
    for (hint, level) in [(PushHint::News, Level::Operator), (PushHint::Touched, Level::Schedule)] {
        let mut f = feed();
        let out = f.step(Input::Pushed(hint), at(10));
        assert!(asks(&out), "{out:?}");
        assert_eq!(f.slot(), SlotWish::Wanted(level));
        let Stage::Asking(wanted) = &f.stage else { panic!("{:?}", f.stage) };
        assert_eq!(wanted.told_cause(), RunCause::Hint);
        assert!(
            matches!(&wanted.scope, Scope::Some { list: false, folders } if folders.len() == 1)
        );
    }
}

/// What lies behind a failure is looked at when the wait is over; a push is no reason to ask a server sooner.
#[test]
fn who_waits_rests_or_is_parked_takes_none() {
    let mut f = feed();
    f.history.failed_runs = 1;
    assert!(!asks(&f.step(Input::Pushed(PushHint::News), at(10))));
    let mut f = feed();
    f.take(Input::Command(Command::Pause), at(5));
    assert!(!asks(&f.step(Input::Pushed(PushHint::News), at(10))));
    let mut f = follower(Begin::Parked(Standing::NeedsReauth, "no".into()));
    f.rules.settings.family = Family::Feed;
    f.step(Input::Start, at(0));
    assert!(!asks(&f.step(Input::Pushed(PushHint::News), at(10))));
    let mut f = follower(Begin::Run);
    f.take(Input::Start, at(0));
    f.end_with(Summary::of(Outcome::Success, History::default()), at(1));
    let out = f.step(Input::Pushed(PushHint::News), at(10));
    assert!(!asks(&out), "folders of which nobody knows INBOX");
}

#[test]
fn a_run_that_waits_for_its_slot_is_wanted_sooner() {
    let mut f = feed();
    f.step(Input::Pushed(PushHint::Touched), at(10));
    let run = f.run();
    f.step(Input::Pushed(PushHint::News), at(10));
    assert_eq!((f.run(), f.slot()), (run, SlotWish::Wanted(Level::Operator)));
    // One that is wanted for mail of the past looks at the news first, and the past comes behind it.
    let mut f = feed();
    let mut out = Vec::new();
    f.ask_at(Level::History, Scope::Everything, Cause::Plan, &mut out);
    f.step(Input::Pushed(PushHint::News), at(10));
    let Stage::Asking(wanted) = &f.stage else { panic!("{:?}", f.stage) };
    assert!(wanted.past && wanted.level == Level::Operator, "{wanted:?}");
    assert_eq!(wanted.told_cause(), RunCause::Hint);
    // An operator who wants everything is told of as such.
    f.step(Input::Command(Command::SyncNow), at(11));
    let Stage::Asking(wanted) = &f.stage else { panic!("{:?}", f.stage) };
    assert_eq!((wanted.told_cause(), &wanted.scope), (RunCause::Operator, &Scope::Insist));
}

/// A run that is only beginning asks for all of it anyway; one that has asked is followed by another.
#[test]
fn a_run_under_way_takes_it_along_or_is_followed_by_another() {
    let pushed = |f: &Follower| match &f.stage {
        Stage::Working(working) => working.again.pushed,
        stage => panic!("{stage:?}"),
    };
    let mut f = feed();
    f.take(Input::Pushed(PushHint::News), at(10));
    f.step(Input::Pushed(PushHint::News), at(10));
    assert_eq!(pushed(&f), None, "it has asked for nothing yet");
    // Of folders some may have been looked at already.
    f.rules.settings.family = Family::Folders;
    f.step(Input::Pushed(PushHint::Touched), at(10));
    f.step(Input::Pushed(PushHint::News), at(10));
    f.step(Input::Pushed(PushHint::Touched), at(10));
    assert_eq!(pushed(&f), Some(PushHint::News));
    let (run, well) = (f.run(), || Summary {
        folders: vec![inbox()],
        ..Summary::of(Outcome::Success, History::default())
    });
    let mut out = Vec::new();
    f.finished(well(), at(11), &mut out);
    assert_eq!((f.slot(), f.run()), (SlotWish::Wanted(Level::Operator), run + 1));
    let Stage::Asking(wanted) = &f.stage else { panic!("{:?}", f.stage) };
    assert_eq!(wanted.told_cause(), RunCause::Hint);

    // Behind a failure it waits as the account does, and a job's look is not hurried by it either.
    let failed = || Summary::failed(Failure::bug("scripted"), History::default());
    for job in [false, true] {
        let mut f = working();
        f.stage.working().unwrap().again.pushed = Some(PushHint::News);
        if job {
            let order = Order { doubts: false, level: Level::Schedule, first: None };
            f.step(Input::Command(Command::Order(order)), at(10));
        }
        f.end_with(failed(), at(12));
        assert!(matches!(f.stage, Stage::Resting(_)), "{:?}", f.stage);
    }
    // With what was to come anyway it is one run: all that was wanted, as soon as either.
    let mut f = working();
    f.stage.working().unwrap().again.pushed = Some(PushHint::News);
    let order = Order { doubts: false, level: Level::Schedule, first: None };
    f.step(Input::Command(Command::Order(order)), at(10));
    let run = f.run();
    let mut out = Vec::new();
    f.finished(well(), at(12), &mut out);
    assert_eq!((f.slot(), f.run()), (SlotWish::Wanted(Level::Operator), run + 1));
    let Stage::Asking(wanted) = &f.stage else { panic!("{:?}", f.stage) };
    assert_eq!((&wanted.scope, wanted.told_cause()), (&Scope::Everything, RunCause::Job));
}

/// The run at work hears of it.
#[test]
fn a_run_at_work_is_told() {
    let mut f = working();
    f.rules.settings.family = Family::Feed;
    f.sessions.main =
        Some(SessionHeld { at: session(1), since: at(0).mono, watch: None, wide: false });
    let Stage::Working(work) = &f.stage else { panic!() };
    assert!(
        matches!(work.machine.phase(), Phase::Working | Phase::Connecting),
        "{:?}",
        work.machine.phase()
    );
    f.stage.working().unwrap().slot = Slot::Asked(Default::default());
    f.stage.working().unwrap().level = Level::Late;
    f.step(Input::Pushed(PushHint::News), at(10));
    assert_eq!(f.slot(), SlotWish::Wanted(Level::Hint), "no sooner than a watch would have it");
}

/// A wait that the process before has stored is not cut short, and what was to be looked at behind it is.
#[test]
fn a_stored_wait_goes_on() {
    let waiting = Waiting {
        class: Class::RateLimit,
        reach: Reach::Account,
        provenance: Provenance::Server,
        text: "slower".into(),
        since: at(0).wall,
        until: at(500).wall,
        settings: String::new(),
        refused: None,
    };
    let mut f = follower(Begin::Waiting(waiting));
    f.rules.settings.family = Family::Feed;
    f.step(Input::Start, at(0));
    assert!(!asks(&f.step(Input::Pushed(PushHint::News), at(10))));
    let Stage::Resting(rest) = &f.stage else { panic!("{:?}", f.stage) };
    assert_eq!(rest.scope, Some(Scope::Everything));
    // What rests was to look at something: it does so with it.
    let mut f = feed();
    let archive = Scope::Some { list: true, folders: [(FolderId(7), Depth::Full)].into() };
    let Stage::Resting(rest) = &mut f.stage else { panic!("{:?}", f.stage) };
    rest.scope = Some(archive);
    f.step(Input::Pushed(PushHint::News), at(10));
    let both = [(FolderId(1), Depth::Quick), (FolderId(7), Depth::Full)].into();
    let Stage::Asking(wanted) = &f.stage else { panic!("{:?}", f.stage) };
    assert_eq!(wanted.scope, Scope::Some { list: true, folders: both });
}

/// An import waits as imports do; a run that the schedule wants is begun sooner, and told as the schedule's.
#[test]
fn an_import_gets_no_better_place_by_it() {
    let mut f = follower(Begin::Run);
    f.rules.settings.family = Family::Feed;
    f.step(Input::Start, at(0));
    let before = f.slot();
    f.step(Input::Pushed(PushHint::News), at(1));
    assert_eq!(f.slot(), before);
    let mut f = feed();
    f.step(Input::Tick, at(901));
    f.step(Input::Pushed(PushHint::News), at(902));
    let Stage::Asking(wanted) = &f.stage else { panic!("{:?}", f.stage) };
    assert_eq!((wanted.level, wanted.told_cause()), (Level::Operator, RunCause::Schedule));
}

/// Whoever is pushed to without a pause is looked at whole when that is due all the same.
#[test]
fn pushes_do_not_put_the_schedule_off() {
    let mut f = feed();
    let (mut whole, mut glances) = (0, 0);
    for n in 0..180 {
        let now = at(10 + n * 10);
        f.take(Input::Pushed(PushHint::News), now);
        let end = |f: &mut Follower, glance| {
            let mut summary = Summary {
                folders: vec![inbox()],
                ..Summary::of(Outcome::Success, History::default())
            };
            summary.sight.changes.glance = glance;
            f.end_with(summary, now)
        };
        if matches!(f.stage, Stage::Working(_)) {
            glances += 1;
            end(&mut f, true);
        }
        f.take(Input::Tick, now);
        if matches!(f.stage, Stage::Working(_)) {
            whole += 1;
            end(&mut f, false);
        }
    }
    assert!(
        (1..=3).contains(&whole) && glances > 100,
        "{whole} in half an hour, {glances} glances"
    );
}

/// Who is parked because its provider let it in no more is let in again: that is seen by asking, and at once.
#[test]
fn who_may_be_let_in_again_asks() {
    let mut f = follower(Begin::Parked(Standing::NeedsReauth, "no".into()));
    f.rules.settings.family = Family::Feed;
    f.step(Input::Start, at(0));
    assert!(asks(&f.step(Input::Pushed(PushHint::Grant), at(10))));
    let Stage::Asking(wanted) = &f.stage else { panic!("{:?}", f.stage) };
    assert_eq!(wanted.scope, Scope::Insist);
    // Who rests is asked about, too: it may be let in no more.
    let mut f = feed();
    assert!(asks(&f.step(Input::Pushed(PushHint::Grant), at(10))));
    // A run that has begun with what was told before is followed by another, wherever it is.
    for phase in [false, true] {
        for hint in [PushHint::Places, PushHint::Grant] {
            let mut f = if phase { working() } else { feed() };
            f.rules.settings.family = Family::Feed;
            f.take(Input::Pushed(PushHint::News), at(10));
            f.step(Input::Pushed(hint), at(10));
            let Stage::Working(working) = &f.stage else { panic!("{:?}", f.stage) };
            assert_eq!(working.again.pushed, Some(hint), "{phase}");
        }
    }
    // What is no refusal is not mended by it.
    let mut f = follower(Begin::Parked(Standing::Failed, "a bug".into()));
    f.rules.settings.family = Family::Feed;
    f.step(Input::Start, at(0));
    assert!(!asks(&f.step(Input::Pushed(PushHint::Grant), at(10))));
    // A pause is a human's word.
    let mut f = feed();
    f.take(Input::Command(Command::Pause), at(5));
    assert!(!asks(&f.step(Input::Pushed(PushHint::Grant), at(10))));
}

/// Who has its run ended wants none behind it, whatever was pushed before.
#[test]
fn who_cancels_is_not_looked_at_for_a_push() {
    let mut f = working();
    f.stage.working().unwrap().again.pushed = Some(PushHint::News);
    f.step(Input::Command(Command::Cancel), at(6));
    f.end_with(Summary::of(Outcome::Cancelled, History::default()), at(7));
    assert!(matches!(f.stage, Stage::Resting(_)), "{:?}", f.stage);
}

/// Pushes that find nothing say nothing about watches.
#[test]
fn pushes_without_news_slow_no_watch_down() {
    let mut f = feed();
    for n in 0..10 {
        f.take(Input::Pushed(PushHint::News), at(10 + n));
        assert!(matches!(f.stage, Stage::Working(_)), "push {n} begins a run");
        let summary =
            Summary { folders: vec![inbox()], ..Summary::of(Outcome::Success, History::default()) };
        f.end_with(summary, at(10 + n));
    }
    assert_eq!(f.watching.fruitless, 0);
}
