//! A run's life, one turn at a time.

use super::*;
use crate::failure::Failure;
use crate::run::event::{AccountSnapshot, SecondNews, Token};
use crate::run::folders::FolderWork;
use crate::run::reads::{FolderRows, Rows};
use crate::run::scope::{Depth, Scope};

type TestedRun = RunMachine<FolderWork>;
use crate::commit::rows::AccountRow;
use crate::failure::{Class, Provenance, Reach};
use crate::mail::id::{AccountId, Incarnation, SessionId};
use crate::provider::{Capabilities, Connected};
use crate::standing::Outcome;
use std::time::Duration;

fn snapshot() -> Box<AccountSnapshot> {
    let (id, incarnation) = (AccountId(1), Incarnation(1));
    Box::new(AccountSnapshot::of(AccountRow::fresh(id, incarnation)))
}

fn failure() -> Failure {
    Failure::storage("scripted")
}

fn connected(number: i64) -> Connected {
    Connected { session: SessionId(number), capabilities: Capabilities::default() }
}

fn begin() -> Event {
    Event::Begin(Scope::Everything)
}

/// A machine brought into a phase by the shortest way.
fn brought_to(phase: Phase) -> TestedRun {
    let way: Vec<Event> = match phase {
        Phase::Dormant => vec![],
        Phase::Opening => vec![begin()],
        Phase::Reopening => vec![begin(), Event::OpenFailed(failure())],
        Phase::Connecting => vec![begin(), Event::Opened(snapshot())],
        Phase::Working => vec![begin(), Event::Opened(snapshot()), Event::Connected(connected(1))],
        Phase::Waiting => vec![begin(), Event::Opened(snapshot()), Event::ConnectFailed(failure())],
        Phase::Closing => vec![begin(), Event::Opened(snapshot()), Event::Stop],
        Phase::Finished => vec![Event::Stop],
    };
    way.into_iter()
        .fold(TestedRun::new(Settings::default(), History::default()), |machine, event| {
            machine.step(event, Now::default()).0
        })
}

fn events() -> Vec<(&'static str, Event)> {
    let token = Token(99);
    vec![
        ("Begin", begin()),
        ("Opened", Event::Opened(snapshot())),
        ("OpenFailed", Event::OpenFailed(failure())),
        ("Connected", Event::Connected(connected(2))),
        ("ConnectFailed", Event::ConnectFailed(failure())),
        ("Answered", Event::Answered { token, answer: Err(failure()) }),
        (
            "Committed",
            Event::Committed {
                token,
                answer: CommitAnswer::Refused(crate::commit::change::Refusal::Chain, None),
            },
        ),
        ("Lost", Event::Lost { token }),
        ("Read", Event::Read { token, rows: Ok(Rows::Folder(FolderRows::default())) }),
        ("LimboCounted", Event::LimboCounted(Ok(0))),
        ("Nudged", Event::Nudged(FolderId(1), Depth::Quick)),
        ("Second", Event::Second(SecondNews::Came)),
        ("Woke", Event::Woke),
        ("Stop", Event::Stop),
    ]
}

/// What a commit of the run says when it was, after its rows were read at `set` and the wall clock was put
/// to `then`, a second later.
fn stamped(set: i64, then: i64) -> Vec<Micros> {
    let at = |wall, mono| Now { wall: Micros::from_seconds(wall), mono: Duration::from_secs(mono) };
    let (machine, _) = brought_to(Phase::Opening).step(Event::Opened(snapshot()), at(set, 5));
    let (machine, _) = machine.step(Event::Connected(connected(1)), at(then, 5));
    let (_, actions) = machine.step(Event::Stop, at(then, 6));
    let commit = |action| match action {
        Action::Commit { commit, .. } => Some(commit.at),
        _ => None,
    };
    actions.into_iter().filter_map(commit).collect()
}

#[test]
fn a_wall_clock_that_jumps_in_a_session_ages_nothing() {
    let second = Micros::from_seconds(1001);
    for then in [1001, 2_593_001, 0] {
        assert_eq!(stamped(1000, then), [second], "{then}");
    }
    assert_eq!(
        stamped(2_593_000, 1001),
        [Micros::from_seconds(2_593_001)],
        "nor does the way back"
    );
}

/// A server that accepts logins and drops them is backed off from: a mere login resets nothing.
#[test]
fn a_login_resets_no_backoff() {
    let history = History { tries: 4, ..History::default() };
    let mut machine = TestedRun::new(Settings::default(), history);
    for event in [begin(), Event::Opened(snapshot()), Event::Connected(connected(1))] {
        machine = machine.step(event, Now::default()).0;
    }
    assert_eq!((machine.phase(), machine.history().tries), (Phase::Working, 4));
}

/// A session that has brought more of a message than ever was there is no failed try, and blames
/// nothing; not for ever.
#[test]
fn a_step_forward_is_no_try() {
    let asked = |actions: &[Action]| {
        actions.iter().find_map(|action| match action {
            Action::Ask { token, .. } => Some(*token),
            _ => None,
        })
    };
    let mut machine = TestedRun::new(Settings::default(), History::default());
    let mut actions = Vec::new();
    for event in [begin(), Event::Opened(snapshot()), Event::Connected(connected(1))] {
        (machine, actions) = machine.step(event, Now::default());
    }
    for n in 0..=1000 {
        assert_eq!((machine.phase(), machine.history().tries), (Phase::Working, 0), "after {n}");
        let cut = Failure::new(Class::Network, Reach::Session, Provenance::Local, "cut");
        let cut = Failure { made_progress: true, ..cut };
        let token = asked(&actions).unwrap();
        machine = machine.step(Event::Answered { token, answer: Err(cut) }, Now::default()).0;
        assert_eq!(machine.phase(), Phase::Waiting);
        for event in [Event::Woke, Event::Connected(connected(n + 2))] {
            (machine, actions) = machine.step(event, Now::default());
        }
    }
    assert_eq!(machine.history().tries, 1);
}

/// Every phase with every event: where it leads. `bug` marks answers to questions that were never
/// put.
#[test]
fn every_pair_is_decided() {
    let table = [
        (
            Phase::Dormant,
            "opening bug bug bug bug bug bug bug bug bug dormant dormant dormant finished",
        ),
        (
            Phase::Opening,
            "bug connecting reopening opening opening opening opening opening opening opening opening opening opening finished",
        ),
        (
            Phase::Reopening,
            "bug bug bug reopening reopening reopening reopening reopening reopening reopening reopening reopening opening finished",
        ),
        (
            Phase::Connecting,
            "bug bug bug working waiting connecting connecting opening connecting connecting connecting connecting connecting closing",
        ),
        (
            Phase::Working,
            "bug bug bug bug waiting working working opening working working working working working closing",
        ),
        (
            Phase::Waiting,
            "bug bug bug waiting waiting waiting waiting waiting waiting waiting waiting waiting connecting closing",
        ),
        (
            Phase::Closing,
            "bug bug bug closing closing closing closing closing closing closing closing closing closing closing",
        ),
        (
            Phase::Finished,
            "finished finished finished finished finished finished finished finished finished finished finished finished finished finished",
        ),
    ];
    for (phase, row) in table {
        let want: Vec<&str> = row.split(' ').collect();
        assert_eq!(want.len(), events().len(), "{phase}");
        for ((name, event), want) in events().into_iter().zip(want) {
            let (machine, actions) = brought_to(phase).step(event, Now::default());
            let bug = actions
                .iter()
                .any(|a| matches!(a, Action::Finish(s) if s.outcome == Outcome::Failed && s.class == Some(Class::Bug)));
            let got = if bug { "bug" } else { machine.phase().as_str() };
            assert_eq!(got, want, "{phase} x {name}");
        }
    }
}
