//! Commands and watches where they meet: what is told once, forgotten, proved, and whose end is
//! whose.

use super::*;
use crate::account::follow::stage::INBOX_LOOK_EVERY;
use crate::commit::feed::rows::FeedRows;
use crate::failure::When;
use crate::provider::Family;
use crate::run::event::SecondNews;

fn bye() -> Failure {
    Failure::new(Class::Network, Reach::Session, Provenance::Server, "bye")
}

/// A run under way on session 1, its store asked.
pub(super) fn working() -> Follower {
    let mut f = resting();
    f.take(Input::Command(Command::SyncNow), at(5));
    f.take(Input::Machine(f.run(), snapshot()), at(5));
    assert!(matches!(f.stage, Stage::Working(_)), "{:?}", f.stage);
    f
}

#[test]
fn who_has_ended_can_be_ended_again() {
    let mut f = resting();
    f.take(Input::Command(Command::Stop), at(2));
    assert!(f.accepts(&Command::Stop).is_ok() && f.accepts(&Command::Pause).is_err());
    let mut f = resting();
    f.history.tries = 4;
    f.take(Input::Command(Command::Pause), at(2));
    f.take(Input::Command(Command::ResetErrors), at(3));
    assert_eq!(f.history.tries, 4, "paused: nothing is forgotten, and nothing begins");
}

/// That it is paused is told once, and not at all where the process ends anyway.
#[test]
fn a_pause_is_told_once() {
    let told = |out: &[Output]| {
        out.iter().filter(|o| matches!(o, Output::Persist { event: Some(_), .. })).count()
    };
    let mut f = working();
    let mut out = f.take(Input::Command(Command::Pause), at(6));
    assert_eq!((told(&out), f.past().begin), (1, Begin::Paused));
    out = f.take(Input::Command(Command::Pause), at(7));
    assert_eq!(told(&out), 0);
    let mut f = working();
    f.take(Input::Command(Command::Stop), at(6));
    assert_eq!(told(&f.take(Input::Command(Command::Pause), at(7))), 0);
}

#[test]
fn a_resume_without_a_pause_asks_for_nothing_more() {
    let mut f = working();
    f.take(Input::Command(Command::Resume), at(6));
    assert!(f.stage.working().unwrap().again.next.is_none());
}

/// Failures are forgotten by command, that the account has ever logged in is not; a run under way
/// forgets at its end.
#[test]
fn what_is_forgotten() {
    let failed = History { tries: 4, has_logged_in: true, refusals: 2, ..History::default() };
    let mut f = working();
    f.take(Input::Command(Command::ResetErrors), at(6));
    f.end_with(
        Summary { folders: vec![inbox()], ..Summary::of(Outcome::Partial, failed.clone()) },
        at(7),
    );
    assert_eq!(f.history, History { has_logged_in: true, ..History::default() });
    // A new secret is no news to who was not refused.
    let mut f = resting();
    f.history = failed.clone();
    f.step(Input::Tick, at(901));
    f.step(Input::Command(Command::Woken), at(902));
    assert_eq!(f.history, failed);
}

#[test]
fn one_session_beside_a_run_is_enough() {
    let mut f = working();
    f.mailbox.folders = vec![inbox()];
    f.take(Input::Beside(Some(session(2))), at(8));
    let out = f.take(Input::Beside(Some(session(3))), at(9));
    assert!(matches!(&out[..], [Output::Release(SessionRole::Beside)]), "{out:?}");
    assert_eq!(f.sessions.beside.map(|held| held.at.session), Some(SessionId(2)));
    // Where none is to spare, it is asked for again in a minute.
    let mut f = working();
    f.mailbox.folders = vec![inbox()];
    assert!(f.take(Input::Tick, at(8)).iter().any(|o| matches!(o, Output::Wish)));
    f.take(Input::Beside(None), at(9));
    assert!(!f.take(Input::Tick, at(68)).iter().any(|o| matches!(o, Output::Wish)));
    assert!(f.take(Input::Tick, at(69)).iter().any(|o| matches!(o, Output::Wish)));
}

/// The session that watches beside a run is the run's when it wishes for one; else one is asked for, once.
#[test]
fn a_run_has_the_session_that_watches_beside_it() {
    let watching = || {
        let mut f = working();
        f.mailbox.folders = vec![inbox()];
        f.sessions.beside =
            Some(SessionHeld { at: session(2), since: at(7).mono, watch: Some(70), wide: false });
        let mut out = Vec::new();
        let came = f.wish_second(at(8), &mut out);
        assert!(matches!(came, Some(Event::Second(SecondNews::Came))) && out.is_empty());
        assert_eq!(f.sessions.borrowed, Some(at(8).mono));
        f
    };
    // Nobody watches meanwhile: INBOX is looked at every minute.
    let mut f = watching();
    assert!(f.take(Input::Tick, at(67)).iter().all(|o| !matches!(o, Output::Run(..))));
    assert_eq!(f.sessions.borrowed, Some(at(8).mono));
    f.take(Input::Tick, at(68));
    assert_eq!(f.sessions.borrowed, Some(at(68).mono));
    // Where there is no INBOX the time goes on all the same.
    let mut f = watching();
    f.mailbox.folders.clear();
    let out = f.take(Input::Tick, at(68));
    assert!(matches!(&out[..], [Output::TickAfter(wait)] if *wait == INBOX_LOOK_EVERY), "{out:?}");
    // A watch that ends by itself as the run takes its session: it goes when it has brought what it has.
    let mut f = watching();
    let out = f.take(Input::Unwatched(70, Ok(Unwatched::Retired)), at(9));
    assert!(f.sessions.borrowed.is_some() && f.sessions.beside.is_some(), "{out:?}");
    // It watches again when the run is done with it, if it is well; else it is given back.
    let mut out = Vec::new();
    f.leave_second(true, None, at(69), &mut out);
    assert!(matches!(&out[..], [Output::Watch { which: SessionRole::Beside, .. }]), "{out:?}");
    let mut f = watching();
    let mut out = Vec::new();
    f.leave_second(false, Some(bye()), at(69), &mut out);
    assert!(
        matches!(
            &out[..],
            [Output::Run(_, Action::Report(_)), Output::Release(SessionRole::Beside)]
        ),
        "{out:?}"
    );
    assert!(f.trouble.is_none(), "that is not the account's");
    let run = f.stage.working().unwrap();
    assert_eq!((run.second_wished, run.beside_at), (false, at(129).mono));
    // With its own session a run loses the other.
    let mut f = watching();
    let mut out = Vec::new();
    f.sessions.release(SessionRole::Main, &mut out);
    assert!(matches!(
        &out[..],
        [Output::Release(SessionRole::Beside), Output::Release(SessionRole::Main)]
    ));
    assert!(f.sessions.borrowed.is_none());

    let mut f = working();
    let mut out = Vec::new();
    assert!(f.wish_second(at(8), &mut out).is_none());
    assert!(f.wish_second(at(9), &mut out).is_none());
    assert!(matches!(&out[..], [Output::Wish]), "{out:?}");
    f.take(Input::Beside(None), at(10));
    assert!(!f.stage.working().unwrap().wants_second, "the run has heard that there is none");
}

/// A sign of life proves the live end while nothing is left to look at: in a run that has yet to
/// pass INBOX it does not, nor where failures have made the account wait.
#[test]
fn a_sign_of_life_proves_only_what_was_looked_at() {
    let mut f = working();
    f.sessions.beside =
        Some(SessionHeld { at: session(2), since: at(5).mono, watch: Some(70), wide: false });
    let before = f.proved();
    f.take(Input::Hinted(70, Hint::Alive), at(9));
    assert_eq!(f.proved(), before);
    let mut f = resting();
    let policy = f.rules.settings.policy;
    f.history.failed_runs = policy.cool_down_after;
    f.schedule.failed(f.history.failed_runs, at(8).mono);
    let before = f.proved();
    f.take(Input::Hinted(1, Hint::Alive), at(9));
    assert_eq!(f.proved(), before);
    assert!(
        !begins(&f.take(Input::Hinted(1, Hint::Counts), at(10))),
        "nor does a hint begin a run then"
    );
    let later = Now { mono: at(8).mono + policy.cool_down, ..at(8) };
    assert!(begins(&f.take(Input::Hinted(1, Hint::Counts), later)), "it has cooled down");
}

/// A run that was begun to catch up with its watch does so once; one that was not, again.
#[test]
fn a_stale_hint_in_a_run() {
    let run = |hint| {
        let mut f = resting();
        f.take(Input::Hinted(1, hint), at(6));
        f.sessions.beside =
            Some(SessionHeld { at: session(2), since: at(6).mono, watch: Some(70), wide: false });
        f.take(Input::Hinted(70, Hint::Stale), at(7));
        let again = f.stage.working().unwrap().again.next.is_some();
        (again, f.proved() == Some(at(7).mono))
    };
    assert_eq!((run(Hint::Stale), run(Hint::Counts)), ((false, true), (true, false)));
}

#[test]
fn what_is_heard_while_a_run_waits_for_its_slot_is_looked_at_in_it() {
    let mut f = resting();
    f.step(Input::Hinted(1, Hint::Counts), at(6));
    let depth = |f: &Follower| match &f.stage {
        Stage::Asking(NextRun { scope: Scope::Some { folders, .. }, .. }) => {
            folders.get(&FolderId(1)).copied()
        }
        stage => panic!("{stage:?}"),
    };
    assert_eq!(depth(&f), Some(Depth::Quick));
    f.step(Input::Hinted(1, Hint::Flags), at(7));
    assert_eq!(depth(&f), Some(Depth::Told));
    f.step(Input::Hinted(1, Hint::Stale), at(7));
    assert_eq!(depth(&f), Some(Depth::Full));
}

/// Gathered hints never put off what the schedule wants sooner.
#[test]
fn fruitless_hints_wait_for_the_schedule_at_most() {
    for (heard, next) in [(100, 130), (880, 900)] {
        let mut f = resting();
        let Stage::Resting(rest) = &mut f.stage else { panic!("{:?}", f.stage) };
        rest.next = at(900).mono;
        f.watching.fruitless = 5;
        assert!(!begins(&f.take(Input::Hinted(1, Hint::Counts), at(heard))));
        assert_eq!(f.status().next, Some(at(next).mono));
    }
}

/// The end of one session's watch is no other session's.
#[test]
fn watches_end_each_for_itself() {
    let both = || {
        let mut f = working();
        f.sessions.main =
            Some(SessionHeld { at: session(1), since: at(5).mono, watch: Some(60), wide: false });
        f.sessions.beside =
            Some(SessionHeld { at: session(2), since: at(5).mono, watch: Some(70), wide: false });
        f
    };
    let mut f = both();
    let out = f.take(Input::Unwatched(70, Err(bye())), at(7));
    assert!(
        f.sessions.main.is_some()
            && f.sessions.beside.is_none()
            && out.iter().any(|o| matches!(o, Output::Release(SessionRole::Beside)))
    );
    let mut f = both();
    f.take(Input::Unwatched(60, Err(bye())), at(7));
    assert!(f.sessions.main.is_none() && f.sessions.beside.is_some());
    let mut f = both();
    f.take(Input::Unwatched(60, Ok(Unwatched::Asked)), at(7));
    let watches = [f.sessions.main, f.sessions.beside].map(|held| held.and_then(|held| held.watch));
    assert_eq!(watches, [None, Some(70)]);
    assert!(f.take(Input::Unwatched(99, Err(bye())), at(8)).is_empty(), "nobody's");
}

/// A server that refused all of it is asked for all of it after 1, 5 and 15 min, until that has lasted.
#[test]
fn a_server_that_refused_everything_is_asked_for_everything() {
    let mut f = resting();
    let mut now = 100;
    for minutes in [1, 5, 15, 15] {
        let refused = Failure::new(Class::Provider, Reach::Account, Provenance::Server, "x");
        f.take(Input::Command(Command::SyncNow), at(now));
        let history = f.history.clone();
        let failed = Summary::failed(refused.when(When::Soon), history);
        f.end_with(Summary { folders: vec![inbox()], ..failed }, at(now));
        let next = f.status().next.unwrap();
        assert_eq!(next - at(now).mono, Duration::from_secs(minutes * 60));
        now = next.as_secs() + 1;
        f.step(Input::Tick, at(now));
        let Stage::Asking(asked) = &f.stage else { panic!("{:?}", f.stage) };
        assert_eq!(asked.scope, Scope::Everything, "nothing was looked at");
        f.stage = Stage::Resting(Resting { next, scope: None, caught_up: false });
    }
}

/// An INBOX that is not there, or is shut, is looked for after 1, 5 and 15 min.
#[test]
fn inbox_is_looked_for() {
    let refused = || Failure::new(Class::Provider, Reach::Folder, Provenance::Server, "x");
    let work = FolderSummary { id: FolderId(2), path: "Work".into(), ..inbox() };
    let shut = FolderSummary { shut: true, stalled: true, ..inbox() };
    for folders in [vec![work], vec![shut]] {
        let mut f = resting();
        for minutes in [1, 5, 15] {
            f.take(Input::Command(Command::SyncNow), at(100));
            let partial = Summary::of(Outcome::Partial, f.history.clone());
            let (folders, inbox) = (folders.clone(), Some(refused()));
            f.end_with(Summary { folders, inbox_failure: inbox, ..partial }, at(100));
            let status = f.status();
            let wait = status.next.unwrap() - at(100).mono;
            assert_eq!(
                (status.standing, wait),
                (Standing::Waiting, Duration::from_secs(minutes * 60))
            );
        }
    }
}

/// The row of a place keeps when a feed was looked at last: by an earlier run, that proves nothing anew.
#[test]
fn a_look_of_an_earlier_run_along_feeds_proves_nothing() {
    let mut f = resting();
    f.rules.settings.family = Family::Feed;
    let before = f.proved();
    f.take(Input::Hinted(1, Hint::Counts), at(10));
    let mut opened = AccountSnapshot::of(AccountRow::fresh(AccountId(1), Incarnation(1)));
    let mut rows = FeedRows::fresh(opened.account.clone());
    let row = FolderRow::new(FolderId(1), b"INBOX".into(), "INBOX".into(), None, at(0).wall);
    rows.places.insert(row.id, FolderRow { passed_at: Some(at(3).wall), ..row });
    opened.feed = Some(Box::new(rows));
    f.take(Input::Machine(f.run(), Event::Opened(Box::new(opened))), at(10));
    assert_eq!(f.proved(), before);
}
