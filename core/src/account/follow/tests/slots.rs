//! What a follower wants of the slots, and when its run goes on.

use super::*;
use crate::account::follow::stage::{NextLook, Slot};
use crate::account::follow::vocabulary::SlotWish;
use crate::job::slots::Level;
use crate::run::event::SecondNews;

fn wants(f: &Follower) -> Option<Level> {
    match f.slot() {
        SlotWish::Wanted(level) => Some(level),
        SlotWish::None | SlotWish::Held(_) => None,
    }
}

fn asks(out: &[Output]) -> bool {
    out.iter().any(|o| matches!(o, Output::AskSlot(_)))
}

fn connects(out: &[Output]) -> bool {
    out.iter().any(|o| matches!(o, Output::Connect))
}

fn unread() -> FolderSummary {
    FolderSummary { history_left: true, ..inbox() }
}

/// A follower at work, with a session.
fn at_work() -> Follower {
    let mut f = follower(Begin::Run);
    f.take(Input::Start, at(0));
    f.sessions.main =
        Some(SessionHeld { at: session(1), since: at(0).mono, watch: None, wide: false });
    f
}

/// A follower whose run has left the past to another one; its session watches.
fn put_off() -> Follower {
    let mut f = at_work();
    let mut out = Vec::new();
    let partial = Summary::of(Outcome::Partial, History::default());
    f.finished(Summary { folders: vec![unread()], put_off: true, ..partial }, at(1), &mut out);
    f.connected_once = true;
    assert!(asks(&out) && out.iter().any(|o| matches!(o, Output::Watch { .. })), "{out:?}");
    assert_eq!(wants(&f), Some(Level::History));
    f
}

fn well(put_off: bool) -> Summary {
    let folders = vec![unread()];
    Summary { folders, put_off, ..Summary::of(Outcome::Success, History::default()) }
}

fn wanted(f: &Follower) -> Scope {
    let Stage::Asking(wanted) = &f.stage else { panic!("{:?}", f.stage) };
    wanted.scope.clone()
}

/// How soon a run is to begin is a matter of what it is for.
#[test]
fn who_asks_says_how_soon() {
    let mut f = follower(Begin::Run);
    assert_eq!(f.slot(), SlotWish::None);
    f.step(Input::Start, at(0));
    assert_eq!(wants(&f), Some(Level::Schedule));
    f.step(Input::Command(Command::SyncNow), at(1));
    assert_eq!(wants(&f), Some(Level::Operator));
    f.step(Input::Granted(f.run()), at(1));
    assert_eq!(
        (f.slot(), f.slot().level()),
        (SlotWish::Held(Level::Operator), Some(Level::Operator))
    );

    let mut f = resting();
    f.step(Input::Hinted(1, Hint::Counts), at(10));
    assert_eq!(wants(&f), Some(Level::Hint));

    let mut f = resting();
    f.history.failed_runs = 1;
    f.step(Input::Tick, at(90_000));
    assert_eq!(wants(&f), Some(Level::Late), "the last run has failed");
    f.step(Input::Hinted(1, Hint::Counts), at(90_001));
    assert_eq!(wants(&f), Some(Level::Hint), "and there is news");

    let mut f = resting();
    f.rules.mode = Mode::Conservative;
    f.step(Input::Tick, at(90_000));
    assert_eq!(wants(&f), Some(Level::Late));
}

/// Who waits for a session lets others work, and goes on with it when it has a slot again.
#[test]
fn a_run_that_waits_for_a_session_has_no_slot() {
    let mut f = follower(Begin::Run);
    f.take(Input::Start, at(0));
    let out = f.step(Input::Machine(f.run(), snapshot()), at(1));
    assert!(connects(&out) && !asks(&out), "{out:?}");
    assert_eq!(f.slot(), SlotWish::None);
    let out = f.step(Input::Connected(session(1)), at(2));
    assert!(asks(&out) && out.len() == 1, "nothing is asked of it yet: {out:?}");
    assert_eq!((wants(&f), f.is_at_work()), (Some(Level::Schedule), false));
    assert_eq!(f.status().reason, "waits for its turn");
    let out = f.step(Input::Command(Command::SyncNow), at(3));
    assert!(!asks(&out), "it has asked: {out:?}");
    assert_eq!(wants(&f), Some(Level::Operator));
    let out = f.step(Input::Granted(f.run()), at(4));
    assert!(!out.is_empty() && f.is_at_work() && matches!(f.slot(), SlotWish::Held(_)), "{out:?}");
    assert_eq!(f.status().reason, "");
    // It is told once.
    assert!(
        !asks(&f.step(Input::Granted(f.run()), at(5))) && matches!(f.slot(), SlotWish::Held(_))
    );
}

/// A run that failed to connect waits with the others that failed; its time is over, and it asks for a session first.
#[test]
fn a_run_that_waits_for_a_time_has_no_slot() {
    let mut f = follower(Begin::Run);
    f.take(Input::Start, at(0));
    f.step(Input::Machine(f.run(), snapshot()), at(1));
    let gone = Failure::new(Class::Network, Reach::Account, Provenance::Server, "gone");
    f.step(Input::ConnectFailed(gone), at(2));
    assert_eq!(f.slot(), SlotWish::None);
    let out = f.step(Input::Machine(f.run(), Event::Woke), at(20));
    assert!(connects(&out) && !asks(&out), "{out:?}");
    assert!(asks(&f.step(Input::Connected(session(1)), at(21))));
    assert_eq!(wants(&f), Some(Level::Late));
}

/// In the middle of a run nobody watches INBOX: it does not wait as history does, nor with a session that is gone.
#[test]
fn a_run_that_has_begun_does_not_wait_as_history_does() {
    let mut f = put_off();
    f.sessions.main = None;
    f.step(Input::Granted(f.run()), at(2));
    f.step(Input::Machine(f.run(), snapshot()), at(3));
    assert!(asks(&f.step(Input::Connected(session(2)), at(4))));
    assert_eq!(wants(&f), Some(Level::Late));
    f.hinted(Level::Hint);
    assert_eq!(wants(&f), Some(Level::Hint));
    f.sessions.main = None;
    f.step(Input::Granted(f.run()), at(5));
    assert_eq!(f.slot(), SlotWish::None, "it waits for another session");
    assert!(asks(&f.step(Input::Connected(session(3)), at(6))));
}

/// What is left of the past waits behind all others; what a watch tells, or is due meanwhile, does not, and is looked at
/// alone.
#[test]
fn history_that_was_put_off_lets_what_comes_meanwhile_pass() {
    let only = |list, depth| Scope::Some { list, folders: [(FolderId(1), depth)].into() };
    let mut f = put_off();
    assert_eq!((wanted(&f), f.status().standing), (only(true, Depth::Full), Standing::Running));
    assert!(f.step(Input::Hinted(1, Hint::Counts), at(5)).is_empty());
    assert_eq!((wants(&f), wanted(&f)), (Some(Level::Hint), only(false, Depth::Quick)));
    // History comes behind it.
    f.step(Input::Granted(f.run()), at(6));
    f.finished(well(false), at(7), &mut Vec::new());
    assert_eq!((wants(&f), wanted(&f)), (Some(Level::History), only(true, Depth::Full)));

    // A tick that comes too early, and one at which INBOX is due.
    let mut f = put_off();
    let due = f.schedule.next(at(1).mono);
    f.step(Input::Tick, at(2));
    assert_eq!(wants(&f), Some(Level::History));
    f.step(Input::Tick, at(due.as_secs() + 1));
    assert_eq!(wants(&f), Some(Level::Schedule));

    // Its watch has ended: INBOX is looked at soon, not when there is a slot for history.
    let mut f = put_off();
    let gone = || Failure::new(Class::Network, Reach::Account, Provenance::Server, "gone");
    let out = f.step(Input::Unwatched(1, Err(gone())), at(30));
    assert!(out.iter().any(|o| matches!(o, Output::TickAfter(_))), "{out:?}");
    assert_eq!(wants(&f), Some(Level::History));
    f.step(Input::Tick, at(400));
    assert_eq!((wants(&f), wanted(&f)), (Some(Level::Schedule), only(false, Depth::Quick)));
    // Who no longer wants the run still looks for it.
    let mut f = put_off();
    f.step(Input::Unwatched(1, Err(gone())), at(30));
    f.step(Input::Command(Command::Cancel), at(31));
    let Stage::Resting(rest) = &f.stage else { panic!("{:?}", f.stage) };
    assert!(rest.next <= at(400).mono, "{rest:?}");

    // Its watch lives: INBOX is proved all the time.
    let mut f = put_off();
    f.step(Input::Hinted(1, Hint::Alive), at(50));
    assert_eq!(f.mailbox.proved, Some(at(50).mono));
}

/// A watch that always begins with what it may have missed begins no run for it again and again; nor do hints at
/// which nothing is found.
#[test]
fn history_that_was_put_off_is_no_reason_for_looks() {
    let mut f = put_off();
    f.step(Input::Hinted(1, Hint::Stale), at(5));
    assert_eq!(wants(&f), Some(Level::Hint));
    f.step(Input::Granted(f.run()), at(6));
    f.finished(well(true), at(7), &mut Vec::new());
    let watch = f.watching.number;
    f.step(Input::Hinted(watch, Hint::Stale), at(8));
    assert_eq!(wants(&f), Some(Level::History), "it has been caught up with");
    f.watching.fruitless = 5;
    let out = f.step(Input::Hinted(watch, Hint::Counts), at(9));
    assert!(out.iter().any(|o| matches!(o, Output::TickAfter(_))), "{out:?}");
    assert_eq!(wants(&f), Some(Level::History));
    f.step(Input::Tick, at(40));
    assert_eq!(wants(&f), Some(Level::Schedule));
}

/// What was put off goes behind what was wanted meanwhile. Where nothing is left, after a failure, and where a budget is
/// waited for, it is not asked for.
#[test]
fn what_was_put_off_comes_behind_the_next_run() {
    let end = |summary: Summary, again: Option<(Scope, Level)>| {
        let mut f = at_work();
        let next = |(scope, level)| NextLook::at(scope, level);
        f.stage.working().unwrap().again.next = again.map(next);
        f.finished(summary, at(1), &mut Vec::new());
        f
    };
    let other = || Scope::Some { list: false, folders: [(FolderId(7), Depth::Quick)].into() };
    let mut f = end(well(true), Some((other(), Level::Hint)));
    assert_eq!((wants(&f), wanted(&f)), (Some(Level::Hint), other()));
    f.step(Input::Granted(f.run()), at(2));
    f.finished(well(false), at(3), &mut Vec::new());
    assert_eq!(wants(&f), Some(Level::History));
    let f = end(well(true), Some((Scope::Insist, Level::Operator)));
    assert_eq!((wants(&f), wanted(&f)), (Some(Level::Operator), Scope::Insist));
    assert_eq!(end(well(false), None).slot(), SlotWish::None);
    let failed = Summary::failed(Failure::bug("scripted"), History::default());
    let failed = Summary { folders: vec![unread()], put_off: true, ..failed };
    assert_eq!(end(failed, None).slot(), SlotWish::None);
    let wait = Wait { until: at(900).mono, class: Class::Quota, text: "spent".into() };
    let waits = Summary { deferred: Some(wait), ..well(true) };
    assert_eq!(end(waits, None).slot(), SlotWish::None);
}

/// Where no session is kept, what was put off costs a login each time: it is asked for a minute after that began, and
/// waits as history does. Who has lent its slot leaves nothing to anybody.
#[test]
fn what_was_put_off_logs_in_no_more_often_than_that() {
    for lacks_idle in [true, false] {
        let mut f = at_work();
        f.watching.lacks_idle = lacks_idle;
        f.finished(well(true), at(20), &mut Vec::new());
        assert_eq!(wants(&f), Some(Level::History).filter(|_| !lacks_idle));
        f.step(Input::Tick, at(59));
        assert_eq!(wants(&f), Some(Level::History).filter(|_| !lacks_idle));
        f.step(Input::Tick, at(61));
        assert_eq!((wants(&f), wanted(&f)), (Some(Level::History), only_inbox()));
    }
    // A budget that is there sooner changes nothing, one that comes later does.
    for (until, next) in [(21, 60), (300, 300)] {
        let mut f = at_work();
        f.watching.lacks_idle = true;
        let wait = Wait { until: at(until).mono, class: Class::Quota, text: "spent".into() };
        f.finished(Summary { deferred: Some(wait), ..well(true) }, at(20), &mut Vec::new());
        assert_eq!(f.status().next, Some(at(next).mono));
    }
    // So long after it began there is nothing to wait for.
    let mut f = at_work();
    f.watching.lacks_idle = true;
    f.finished(well(true), at(60), &mut Vec::new());
    assert_eq!(wants(&f), Some(Level::History));
    // Nor where nobody logs in.
    let mut f = at_work();
    f.rules.settings.family = crate::provider::Family::Feed;
    f.watching.lacks_idle = true;
    f.finished(well(true), at(20), &mut Vec::new());
    assert_eq!(wants(&f), Some(Level::History));
    let mut f = at_work();
    f.stage.working().unwrap().slot = Slot::Free;
    assert!(f.step(Input::PutOff, at(2)).is_empty() && !f.is_put_off());
}

fn only_inbox() -> Scope {
    Scope::Some { list: true, folders: [(FolderId(1), Depth::Full)].into() }
}

/// A second session that nothing kept is not asked for again at once.
#[test]
fn a_second_session_that_was_let_go_costs_no_login_at_once() {
    let mut f = at_work();
    f.watching.lacks_idle = true;
    let mut out = Vec::new();
    f.sessions.beside =
        Some(SessionHeld { at: session(2), since: at(5).mono, watch: None, wide: false });
    f.sessions.borrowed = Some(at(5).mono);
    f.leave_second(true, None, at(10), &mut out);
    assert!(out.iter().any(|o| matches!(o, Output::Release(SessionRole::Beside))), "{out:?}");
    let mut out = Vec::new();
    let news = f.wish_second(at(69), &mut out);
    assert!(matches!(news, Some(Event::Second(SecondNews::NoneSpared))) && out.is_empty());
    assert!(f.wish_second(at(70), &mut out).is_none());
    assert!(out.iter().any(|o| matches!(o, Output::Wish)), "{out:?}");
}

/// A server that lists nothing any more is asked again on schedule, not at once.
#[test]
fn who_has_no_folder_left_waits_for_the_schedule() {
    for outcome in [Outcome::Success, Outcome::Partial] {
        let mut f = resting();
        f.take(Input::Command(Command::SyncNow), at(5000));
        f.end_with(Summary::of(outcome, History::default()), at(5000));
        let wait = f.status().next.unwrap().saturating_sub(at(5000).mono);
        assert!(wait >= Duration::from_secs(60), "{outcome:?}: {wait:?}");
    }
}
