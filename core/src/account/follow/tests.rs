//! A follower's ways, one by one.

use super::*;
use crate::account::follow::stage::{NextRun, Resting};
use crate::account::follow::vocabulary::Command;
use crate::account::schedule::Mode;
use crate::commit::rows::{AccountRow, FolderRow};
use crate::failure::{Class, Provenance, Reach, When};
use crate::job::slots::Level;
use crate::mail::cursor::{Lanes, Mark};
use crate::mail::id::FolderId;
use crate::mail::id::{AccountId, Incarnation, SessionId, UidValidity};
use crate::provider::Capabilities;
use crate::provider::watch::{Hint, Unwatched};
use crate::recovery::history::History;
use crate::recovery::waiting::Waiting;
use crate::run::event::AccountSnapshot;
use crate::run::scope::Depth;
use crate::run::settings::Settings;
use crate::run::summary::FolderSummary;
use crate::run::summary::{Sight, Summary};
use crate::standing::{EventKind, Outcome, Phase, Push, Standing};
use crate::time::Micros;

fn at(seconds: u64) -> Now {
    Now {
        wall: Micros::from_seconds(i64::try_from(seconds).unwrap() + 1_000_000),
        mono: Duration::from_secs(seconds),
    }
}

fn follower(begin: Begin) -> Follower {
    let settings = Settings {
        policy: crate::recovery::decide::Policy::default().staying(),
        ..Settings::default()
    };
    Follower::new(
        Rules { settings, mode: Mode::Balanced, once: false },
        Past { begin, ..Past::default() },
    )
}

impl Follower {
    /// Takes an input; every run gets its slot at once.
    fn take(&mut self, input: Input, now: Now) -> Vec<Output> {
        let out = self.step(input, now);
        self.grant(out, now)
    }

    fn grant(&mut self, mut out: Vec<Output>, now: Now) -> Vec<Output> {
        let asked =
            out.iter().find_map(|o| if let Output::AskSlot(run) = o { Some(*run) } else { None });
        if let Some(run) = asked {
            assert!(matches!(self.stage, Stage::Asking(_)), "{:?}", self.stage);
            out.extend(self.step(Input::Granted(run), now));
        }
        out
    }

    /// The run under way ends so.
    fn end_with(&mut self, summary: Summary, now: Now) -> Vec<Output> {
        let mut out = Vec::new();
        self.finished(summary, now, &mut out);
        self.grant(out, now)
    }
}

fn session(number: i64) -> Connected {
    Connected {
        session: SessionId(number),
        capabilities: Capabilities { push: true, ..Capabilities::default() },
    }
}

fn snapshot() -> Event {
    Event::Opened(Box::new(AccountSnapshot::of(AccountRow::fresh(AccountId(1), Incarnation(1)))))
}

fn inbox() -> FolderSummary {
    FolderSummary {
        id: FolderId(1),
        remote_id: b"INBOX".into(),
        path: "INBOX".into(),
        role: None,
        excluded: false,
        stalled: false,
        shut: false,
        looked: Some(Depth::Full),
        mark: Mark { uidnext: 5, exists: 4, modseq: 0 },
        history_left: false,
        proof: None,
    }
}

/// A follower that rests after a run, its session in IDLE as watch 1.
fn resting() -> Follower {
    let mut f = follower(Begin::Run);
    f.take(Input::Start, at(0));
    f.sessions.main =
        Some(SessionHeld { at: session(1), since: at(0).mono, watch: None, wide: false });
    let summary =
        Summary { folders: vec![inbox()], ..Summary::of(Outcome::Success, History::default()) };
    let out = f.end_with(summary, at(1));
    assert!(
        out.iter().any(|o| matches!(
            o,
            Output::Watch { number: 1, seen: Mark { uidnext: 5, exists: 4, .. }, .. }
        )),
        "{out:?}"
    );
    assert_eq!((f.status().standing, f.push()), (Standing::Idle, Push::Idle));
    f
}

fn begins(out: &[Output]) -> bool {
    out.iter().any(|o| matches!(o, Output::Run(_, Action::Open { .. })))
}

#[test]
fn a_hint_begins_a_run_on_the_session_in_hand() {
    let mut f = resting();
    let out = f.take(Input::Hinted(1, Hint::Counts), at(10));
    assert!(begins(&out) && !out.iter().any(|o| matches!(o, Output::Connect)), "{out:?}");
    let out = f.take(Input::Machine(f.run(), snapshot()), at(10));
    assert!(!out.iter().any(|o| matches!(o, Output::Connect)), "the session is in hand: {out:?}");
    assert!(f.take(Input::Hinted(1, Hint::Counts), at(11)).is_empty(), "the watch is over");
}

/// What a session still says when its run has ended changes nothing.
#[test]
fn late_answers_do_not_end_the_follower() {
    let mut f = resting();
    let late = || Event::Woke;
    assert!(!begins(&f.take(Input::Machine(f.run(), late()), at(5))));
    assert_eq!(f.status().standing, Standing::Idle);
    f.take(Input::Command(Command::Pause), at(6));
    f.take(Input::Machine(f.run(), late()), at(7));
    assert_eq!(f.status().standing, Standing::Paused);
    assert!(begins(&f.take(Input::Command(Command::Resume), at(8))));
}

/// Hints that lead to nothing, again and again, are not run after.
#[test]
fn fruitless_hints_are_slowed_down() {
    let mut f = resting();
    let mut begun = 0;
    for n in 0..50 {
        let watch = f.watching.number;
        if begins(&f.take(Input::Hinted(watch, Hint::Counts), at(10 + n))) {
            begun += 1;
            f.sessions.main =
                Some(SessionHeld { at: session(1), since: at(0).mono, watch: None, wide: false });
            let summary = Summary {
                folders: vec![inbox()],
                ..Summary::of(Outcome::Success, History::default())
            };
            f.end_with(summary, at(10 + n));
        }
    }
    assert!(begun <= 8, "{begun} runs for nothing in 50 s");
}

/// A look that ends with another folder open leaves a gap for flags; it is closed once, not for
/// ever.
#[test]
fn a_stale_watch_is_caught_up_with_once() {
    let mut f = resting();
    assert!(begins(&f.take(Input::Hinted(1, Hint::Stale), at(10))));
    f.sessions.main =
        Some(SessionHeld { at: session(1), since: at(0).mono, watch: None, wide: false });
    let summary =
        Summary { folders: vec![inbox()], ..Summary::of(Outcome::Success, History::default()) };
    f.end_with(summary, at(11));
    assert!(!begins(&f.take(Input::Hinted(2, Hint::Stale), at(12))));
    assert_eq!(f.proved(), Some(at(12).mono));
    assert!(
        begins(&f.take(Input::Hinted(2, Hint::Flags), at(13))),
        "what the server tells is looked at"
    );
}

#[test]
fn the_schedule_stands_behind_the_watch() {
    let mut f = resting();
    assert!(!begins(&f.take(Input::Tick, at(700))));
    assert!(begins(&f.take(Input::Tick, at(901))));
}

#[test]
fn a_sign_of_life_proves_the_live_end() {
    let mut f = resting();
    assert_eq!(f.proved(), Some(Duration::ZERO), "as the run began");
    f.take(Input::Hinted(1, Hint::Alive), at(300));
    assert_eq!(f.proved(), Some(at(300).mono));
    f.take(Input::Hinted(9, Hint::Alive), at(400));
    assert_eq!(f.proved(), Some(at(300).mono), "another watch proves nothing");
}

/// What an earlier run looked at is no look of the one that begins.
#[test]
fn a_pass_of_an_earlier_run_proves_nothing_anew() {
    let mut f = resting();
    let before = f.proved();
    f.take(Input::Hinted(1, Hint::Counts), at(10));
    let mut opened = AccountSnapshot::of(AccountRow::fresh(AccountId(1), Incarnation(1)));
    let lanes = Lanes::opened(UidValidity(7), inbox().mark, None);
    let row = FolderRow::new(FolderId(1), b"INBOX".into(), "INBOX".into(), None, at(0).wall);
    opened.folders = vec![FolderRow { passed_at: Some(at(3).wall), lanes: Some(lanes), ..row }];
    f.take(Input::Machine(f.run(), Event::Opened(Box::new(opened))), at(10));
    assert_eq!(f.proved(), before);
}

#[test]
fn a_lost_watch_is_backed_off_from() {
    let mut f = resting();
    let cut = || Failure::new(Class::Network, Reach::Session, Provenance::Server, "bye");
    let out = f.take(Input::Unwatched(1, Err(cut())), at(20));
    assert_eq!((f.status().standing, f.push()), (Standing::Waiting, Push::Poll));
    let wait = out
        .iter()
        .find_map(|o| if let Output::TickAfter(wait) = o { Some(*wait) } else { None })
        .unwrap();
    assert!(wait >= Duration::from_secs(4) && wait <= Duration::from_secs(6), "{wait:?}");
    assert_eq!(f.history().tries, 1);
    let mut f = resting();
    f.take(Input::Unwatched(1, Err(cut())), at(1000));
    assert_eq!(f.history().tries, 1, "what came before does not count after five minutes");
    assert!(f.take(Input::Unwatched(1, Ok(Unwatched::Asked)), at(1000)).is_empty());
}

#[test]
fn a_second_look_takes_another_session() {
    let mut f = follower(Begin::Run);
    f.take(Input::Start, at(0));
    f.sessions.main =
        Some(SessionHeld { at: session(1), since: at(0).mono, watch: None, wide: false });
    let partial = || Summary {
        sight: Sight { second_look: true, ..Sight::default() },
        folders: vec![inbox()],
        ..Summary::of(Outcome::Partial, History::default())
    };
    let out = f.end_with(partial(), at(1));
    // New mail is still heard of meanwhile, and looking at it puts nothing off.
    let Some(Output::Watch { number, .. }) = out.iter().find(|o| matches!(o, Output::Watch { .. }))
    else {
        panic!("{out:?}")
    };
    assert!(begins(&f.take(Input::Hinted(*number, Hint::Counts), at(30))));
    let summary =
        Summary { folders: vec![inbox()], ..Summary::of(Outcome::Success, History::default()) };
    f.end_with(summary, at(31));
    assert!(!begins(&f.take(Input::Tick, at(60))));
    let out = f.take(Input::Tick, at(63));
    assert!(
        begins(&out) && out.iter().any(|o| matches!(o, Output::Release(SessionRole::Main))),
        "{out:?}"
    );
    assert!(f.sessions.main.is_none(), "another session");
    // It is the schedule's business again after three of them.
    for n in 0..4 {
        if f.stage.working().is_none() {
            f.take(Input::Command(Command::SyncNow), at(100 * n + 100));
        }
        f.end_with(partial(), at(100 * n + 100));
        assert_eq!(begins(&f.take(Input::Tick, at(100 * n + 162))), n < 2, "{n}");
    }
}

#[test]
fn who_insists_while_a_second_look_is_due_takes_it() {
    for (due, working) in [(true, false), (true, true), (false, false)] {
        let mut f = follower(Begin::Run);
        f.take(Input::Start, at(0));
        f.sessions.main =
            Some(SessionHeld { at: session(1), since: at(0).mono, watch: None, wide: false });
        let looked = Summary {
            sight: Sight { second_look: due, ..Sight::default() },
            folders: vec![inbox()],
            ..Summary::of(Outcome::Partial, History::default())
        };
        let mut out = Vec::new();
        if working {
            out.extend(f.take(Input::Command(Command::SyncNow), at(1)));
        }
        out.extend(f.end_with(looked, at(1)));
        if !working {
            out.extend(f.take(Input::Command(Command::SyncNow), at(2)));
        }
        assert!(begins(&out), "{out:?}");
        let released = out.iter().any(|o| matches!(o, Output::Release(SessionRole::Main)));
        assert_eq!(released, due, "{out:?}");
        assert_eq!(f.sessions.main.is_none(), due, "one session looks but once");
    }
}

#[test]
fn failed_runs_stretch_the_schedule() {
    let mut f = resting();
    for n in 1..=5_u32 {
        f.take(Input::Command(Command::SyncNow), at(100));
        let failure = Failure::new(Class::Network, Reach::Session, Provenance::Local, "x");
        let history = f.history.clone();
        f.end_with(Summary::failed(failure, history), at(100));
        assert_eq!(f.history().failed_runs, n);
        let wait = f.status().next.unwrap() - at(100).mono;
        let least = [13, 13, 40, 80, 160][n as usize - 1];
        assert!(wait >= Duration::from_secs(least * 60), "{n}: {wait:?}");
    }
    assert_eq!(f.status().standing, Standing::Waiting);
}

/// What a watch beside a run tells while the run is asking the store, or ending, is looked at right
/// after it.
#[test]
fn hints_while_a_run_opens_or_ends_are_not_lost() {
    for phase in [Phase::Opening, Phase::Reopening, Phase::Closing] {
        for (hint, depth) in [(Hint::Counts, Depth::Quick), (Hint::Flags, Depth::Full)] {
            let mut f = resting();
            f.take(Input::Command(Command::SyncNow), at(5));
            f.sessions.beside = Some(SessionHeld {
                at: session(2),
                since: at(5).mono,
                watch: Some(70),
                wide: false,
            });
            match phase {
                Phase::Reopening => drop(f.take(
                    Input::Machine(f.run(), Event::OpenFailed(Failure::storage("busy"))),
                    at(6),
                )),
                Phase::Closing => {
                    f.take(Input::Machine(f.run(), snapshot()), at(6));
                    f.take(Input::Machine(f.run(), Event::Stop), at(6));
                }
                _ => {}
            }
            assert_eq!(f.stage.working().unwrap().machine.phase(), phase);
            assert!(
                !begins(&f.take(Input::Hinted(70, hint), at(7))),
                "{phase}: the run under way goes on"
            );
            // Asked twice, the closer look counts.
            f.take(Input::Hinted(70, Hint::Counts), at(7));
            let wanted = [(FolderId(1), depth)].into_iter().collect();
            let again = f.stage.working().unwrap().again.next.clone();
            let again = again.map(|next| (next.scope, next.level));
            let wanted = Scope::Some { list: false, folders: wanted };
            assert_eq!(again, Some((wanted, Level::Hint)), "{phase}");

            let summary = Summary {
                folders: vec![inbox()],
                ..Summary::of(Outcome::Success, History::default())
            };
            let out = f.end_with(summary, at(8));
            assert!(
                begins(&out) && f.stage.working().unwrap().again.next.is_none(),
                "{phase}: {out:?}"
            );
        }
    }
}

/// A hint that comes while the account is being paused begins nothing afterwards.
#[test]
fn hints_do_not_undo_a_pause() {
    let mut f = resting();
    f.take(Input::Command(Command::SyncNow), at(5));
    f.sessions.beside =
        Some(SessionHeld { at: session(2), since: at(5).mono, watch: Some(70), wide: false });
    f.take(Input::Machine(f.run(), snapshot()), at(6));
    f.take(Input::Command(Command::Pause), at(6));
    f.take(Input::Hinted(70, Hint::Counts), at(7));
    let mut out = Vec::new();
    if matches!(f.stage, Stage::Working(_)) {
        out = f.end_with(Summary::of(Outcome::Cancelled, History::default()), at(8));
    }
    assert!(!begins(&out) && f.status().standing == Standing::Paused, "{:?} {out:?}", f.status());
}

/// Where watches are cut, IDLE is begun anew before that, but never more often than once a minute;
/// one that lives proves that it need not.
#[test]
fn a_watch_that_is_cut_is_renewed_before_that() {
    let cut = || Failure::new(Class::Network, Reach::Session, Provenance::Server, "bye");
    let after = |seconds: u64| {
        let mut f = resting();
        f.watching.renew = Some(Duration::from_secs(1000));
        f.take(Input::Unwatched(1, Err(cut())), at(seconds));
        f.watching.renew.map(|renew| renew.as_secs())
    };
    assert_eq!(after(4), Some(1000), "too soon to tell");
    assert_eq!(after(5), Some(60), "never more often");
    assert_eq!(after(60), Some(60));
    assert_eq!(after(200), Some(160));
    assert_eq!(after(299), Some(239));
    assert_eq!(after(300), None, "it lived");
}

/// A folder that the config leaves out is not what proves the account, and is not watched.
#[test]
fn an_inbox_that_is_left_out_is_not_watched() {
    let mut f = follower(Begin::Run);
    f.take(Input::Start, at(0));
    f.sessions.main =
        Some(SessionHeld { at: session(1), since: at(0).mono, watch: None, wide: false });
    let left_out = FolderSummary { excluded: true, ..inbox() };
    let summary =
        Summary { folders: vec![left_out], ..Summary::of(Outcome::Success, History::default()) };
    let out = f.end_with(summary, at(1));
    assert!(f.mailbox.inbox_id().is_none() && f.push() == Push::Poll, "{out:?}");
}

#[path = "tests/commands.rs"]
mod commands;
#[path = "tests/jobs.rs"]
mod jobs;
#[path = "tests/orders.rs"]
mod orders;

#[path = "tests/push.rs"]
mod push;
#[path = "tests/slots.rs"]
mod slots;
#[path = "tests/undone.rs"]
mod undone;
#[path = "tests/wide.rs"]
mod wide;

fn limit(until: u64) -> Waiting {
    Waiting {
        class: Class::RateLimit,
        reach: Reach::Account,
        provenance: Provenance::Server,
        text: "too much".into(),
        since: at(0).wall,
        until: at(until).wall,
        settings: String::new(),
        refused: None,
    }
}

/// A wait that the process before began goes on to its end, with its reason; a human ends it.
#[test]
fn a_wait_goes_on_in_the_next_process() {
    let mut f = follower(Begin::Waiting(limit(3600)));
    let out = f.take(Input::Start, at(600));
    let wait = Duration::from_secs(3000);
    let is_stored = matches!(out[0], Output::Persist { standing: Standing::Throttled, .. });
    assert!(
        is_stored && matches!(out[1..], [Output::TickAfter(after)] if after == wait),
        "{out:?}"
    );
    let status = f.status();
    assert_eq!((status.standing, status.class), (Standing::Throttled, Some(Class::RateLimit)));
    assert_eq!(status.reason, limit(0).failure().to_string());
    assert_eq!(status.next, Some(at(3600).mono));
    assert!(!begins(&f.take(Input::Tick, at(3599))));
    assert!(begins(&f.take(Input::Tick, at(3600))));
    let mut f = follower(Begin::Waiting(limit(3600)));
    f.take(Input::Start, at(600));
    assert!(begins(&f.take(Input::Command(Command::SyncNow), at(601))));
    // Whose clock was ahead waits for hours, not years; whose wait is over begins.
    let mut f = follower(Begin::Waiting(limit(1_000_000)));
    f.take(Input::Start, at(0));
    assert_eq!(f.status().next, Some(at(4 * 3600).mono));
    let mut f = follower(Begin::Waiting(limit(5)));
    f.take(Input::Start, at(6));
    assert!(begins(&f.take(Input::Tick, at(6))));
    // Who runs once has nobody who waits for it.
    let mut f = follower(Begin::Waiting(limit(3600)));
    f.rules.once = true;
    assert!(begins(&f.take(Input::Start, at(0))));
}

/// What a follower waits for is told while it waits for a try, and no longer.
#[test]
fn what_is_waited_for_is_told() {
    let mut f = follower(Begin::Run);
    f.take(Input::Start, at(0));
    f.take(Input::Machine(f.run(), snapshot()), at(0));
    assert_eq!(f.waits().map(|(_, until)| until), None);
    let failure = Failure::new(Class::RateLimit, Reach::Account, Provenance::Server, "too much");
    let failure = failure.when(When::After(Duration::from_secs(1800)));
    f.take(Input::ConnectFailed(failure.clone()), at(1));
    let told = f.waits().map(|(failure, until)| (failure.class, until));
    assert_eq!(told, Some((Class::RateLimit, at(1801).mono)));
    assert!(!f.has_survived());
    // An endpoint that is away keeps nobody waiting in the next process.
    let held = Some((failure, at(1801).mono));
    f.take(Input::Held(held), at(2));
    assert_eq!(f.waits().map(|(_, until)| until), None);
    f.take(Input::Held(None), at(3));
    f.take(Input::Machine(f.run(), Event::Woke), at(1801));
    assert_eq!(f.waits().map(|(_, until)| until), None);
}
