//! The seats of a roster, one by one.

use super::*;
use crate::failure::{Class, Provenance, Reach};
use crate::recovery::decide::Policy;
use crate::recovery::waiting::Waiting;
use crate::roster::edits::RENAME_AGAIN;

fn at(ms: u64) -> Now {
    Now { wall: Micros::from_seconds(1_000), mono: Duration::from_millis(ms) }
}

fn bug() -> Failure {
    Failure::bug("here")
}

fn refusal() -> Failure {
    Failure::new(Class::Config, Reach::Account, Provenance::Local, "no password")
}

fn enrolled(name: &str) -> Enrolled {
    Enrolled { name: name.into(), was: None, refused: None, past: Past::default() }
}

fn want(one: Enrolled) -> RosterEvent {
    RosterEvent::Enrolled(Box::new(one))
}

fn roster() -> Roster {
    Roster::new(Admission { at_a_time: usize::MAX, starts_per_second: 1_000_000 }, false)
}

/// A roster in which `a` runs as number 1.
fn running() -> Roster {
    let mut roster = roster();
    let out = roster.step(want(enrolled("a")), at(0));
    assert_eq!(starts(&out), [("a", 1)]);
    roster
}

fn starts(out: &[RosterAction]) -> Vec<(&str, u64)> {
    out.iter()
        .filter_map(|a| {
            if let RosterAction::Start(name, n, _) = a { Some((name.as_str(), *n)) } else { None }
        })
        .collect()
}

fn ended(name: &str, number: u64) -> RosterEvent {
    RosterEvent::Ended(name.into(), number, History::default())
}

fn died(name: &str, number: u64) -> RosterEvent {
    RosterEvent::Died(name.into(), Death { number, failure: bug(), policy: Policy::default() })
}

/// Whether just that is to be done.
fn does(out: &[RosterAction], wanted: &[RosterAction]) -> bool {
    format!("{out:?}") == format!("{wanted:?}")
}

fn is_stop(action: &RosterAction, of: &str) -> bool {
    matches!(action, RosterAction::Stop(name) if name == of)
}

#[test]
fn so_many_at_a_time_and_in_order() {
    let mut roster = Roster::new(Admission { at_a_time: 1, starts_per_second: 1000 }, true);
    assert_eq!(starts(&roster.step(want(enrolled("b")), at(0))), [("b", 1)]);
    assert_eq!(starts(&roster.step(want(enrolled("a")), at(1))), []);
    let out = roster.step(died("b", 1), at(2));
    assert!(
        matches!(&out[..], [RosterAction::Restarting(_, 1, _, _)]),
        "it keeps its place: {out:?}"
    );
    assert_eq!(starts(&roster.step(RosterEvent::RestartDue("b".into(), 1), at(3))), [("b", 2)]);
    assert_eq!(starts(&roster.step(ended("b", 2), at(4))), [("a", 3)]);
    assert!(does(&roster.step(ended("a", 3), at(5)), &[]), "once, and not again");
}

#[test]
fn starts_are_spread() {
    let mut roster = Roster::new(Admission { at_a_time: 9, starts_per_second: 10 }, false);
    let mut started = Vec::new();
    for name in ["a", "b", "c"] {
        let out = roster.step(want(enrolled(name)), at(0));
        started.extend(starts(&out).into_iter().map(|(name, _)| name.to_owned()));
        let waits = matches!(&out[..], [.., RosterAction::AdmitAfter(wait)] if *wait == Duration::from_millis(100));
        assert_eq!(waits, name == "b", "asked to come again once: {out:?}");
    }
    assert_eq!(started, ["a"]);
    let out = roster.step(RosterEvent::Dropped("b".into()), at(50));
    assert!(matches!(&out[..], [RosterAction::Removed(name)] if name == "b"));
    assert!(does(
        &roster.step(RosterEvent::Admit, at(60)),
        &[RosterAction::AdmitAfter(Duration::from_millis(40))]
    ));
    assert_eq!(starts(&roster.step(RosterEvent::Admit, at(100))), [("c", 2)]);
}

#[test]
fn deaths_are_counted_to_the_end() {
    let mut roster = running();
    for number in 1..=2 {
        let out = roster.step(died("a", number), at(0));
        assert!(
            matches!(&out[..], [RosterAction::Restarting(_, n, _, _)] if *n == number),
            "{out:?}"
        );
        assert!(does(&roster.step(died("a", number), at(1)), &[]), "nobody dies twice");
        assert_eq!(
            starts(&roster.step(RosterEvent::RestartDue("a".into(), number), at(2))),
            [("a", number + 1)]
        );
        assert!(
            does(&roster.step(RosterEvent::RestartDue("a".into(), number), at(3)), &[]),
            "nor is started twice"
        );
    }
    assert!(
        matches!(&roster.step(died("a", 3), at(4))[..], [RosterAction::Fallen(..)]),
        "the third is one too many"
    );
    let out = roster.step(RosterEvent::Commanded("a".into(), Command::ResetErrors), at(5));
    assert!(
        matches!(&out[..], [RosterAction::Conflict(_), RosterAction::Start(_, 4, past)] if past.history.panics == 0)
    );
}

/// No schedule takes over from an actor that is gone: only what is at one place is left alone.
#[test]
fn who_dies_at_many_places_is_started_again() {
    let mut roster = running();
    let policy = Policy { tries: 1, ..Policy::default().staying() };
    for number in 1..9 {
        let failure = Failure::bug(format!("place {number}"));
        let died = RosterEvent::Died("a".into(), Death { number, failure, policy });
        let out = roster.step(died, at(0));
        assert!(matches!(&out[..], [RosterAction::Restarting(..)]), "{out:?}");
        roster.step(RosterEvent::RestartDue("a".into(), number), at(1));
    }
    let policy = Policy { tries: 1, ..Policy::default() };
    let failure = Failure::bug("another place");
    let out =
        roster.step(RosterEvent::Died("a".into(), Death { number: 9, failure, policy }), at(2));
    assert!(matches!(&out[..], [RosterAction::Fallen(..)]), "one run has an end: {out:?}");
}

/// A run that ended well is told before the death and heard after it: the death still counts, and
/// so does the run.
#[test]
fn what_is_heard_late_is_not_lost() {
    let survived = || Past {
        history: History { has_logged_in: true, ..History::default() },
        begin: Begin::Paused,
    };
    let mut roster = running();
    let out = roster.step(RosterEvent::Went("a".into(), 1, survived()), at(0));
    assert!(does(&out, &[RosterAction::Keep("a".into(), survived())]));
    roster.step(died("a", 1), at(1));
    roster.step(RosterEvent::Went("a".into(), 1, survived()), at(2));
    let out = roster.step(RosterEvent::RestartDue("a".into(), 1), at(3));
    let [RosterAction::Start(_, 2, past)] = &out[..] else { panic!("{out:?}") };
    assert_eq!(
        (past.history.panics, past.history.has_logged_in, &past.begin),
        (1, true, &Begin::Paused)
    );
    assert!(does(&roster.step(RosterEvent::Went("a".into(), 1, Past::default()), at(4)), &[]));
    roster.step(died("a", 2), at(5));
    let out = roster.step(RosterEvent::RestartDue("a".into(), 2), at(6));
    let [RosterAction::Start(_, 3, past)] = &out[..] else { panic!("{out:?}") };
    assert_eq!(past.history.panics, 2, "what an earlier one says changes nothing");
}

#[test]
fn another_config_replaces_who_runs() {
    let mut roster = running();
    let logged_in =
        Past { history: History { has_logged_in: true, ..History::default() }, begin: Begin::Run };
    let out = roster.step(want(Enrolled { past: logged_in.clone(), ..enrolled("a") }), at(1));
    assert!(is_stop(&out[0], "a") && out.len() == 1);
    assert!(does(&roster.step(ended("a", 7), at(2)), &[]), "not the one that runs");
    let out = roster.step(ended("a", 1), at(2));
    assert!(
        does(&out, &[RosterAction::Start("a".into(), 2, logged_in)]),
        "it begins with what it was enrolled with"
    );
    let refused = Enrolled { refused: Some(refusal()), ..enrolled("a") };
    roster.step(want(refused), at(3));
    let out = roster.step(died("a", 2), at(4));
    assert!(
        matches!(&out[..], [RosterAction::Refused(_, _, Owns::Its)]),
        "the edit says why: {out:?}"
    );
    let out = roster.step(RosterEvent::Commanded("a".into(), Command::SyncNow), at(5));
    assert!(
        matches!(&out[..], [RosterAction::Conflict(text)] if text.contains("config or secret")),
        "{out:?}"
    );
    assert_eq!(starts(&roster.step(want(enrolled("a")), at(6))), [("a", 3)]);
}

#[test]
fn who_is_removed_settles_first() {
    let mut roster = running();
    assert!(is_stop(&roster.step(RosterEvent::Dropped("a".into()), at(1))[0], "a"));
    assert!(does(&roster.step(ended("a", 1), at(2)), &[RosterAction::Removed("a".into())]));
    assert_eq!(roster.names().count(), 0);
    let out = roster.step(RosterEvent::Commanded("a".into(), Command::Pause), at(3));
    assert!(matches!(&out[..], [RosterAction::Conflict(text)] if text.contains("does not name")));
    // Put back while it leaves, it begins again.
    let mut roster = running();
    roster.step(RosterEvent::Dropped("a".into()), at(1));
    roster.step(want(enrolled("a")), at(2));
    assert_eq!(starts(&roster.step(died("a", 1), at(3))), [], "it died: it waits first");
    assert_eq!(starts(&roster.step(RosterEvent::RestartDue("a".into(), 1), at(4))), [("a", 2)]);
}

fn renaming() -> Roster {
    let mut roster = running();
    let out = roster.step(want(Enrolled { was: Some("a".into()), ..enrolled("b") }), at(1));
    assert!(is_stop(&out[0], "a") && out.len() == 1);
    roster
}

#[test]
fn a_new_id_is_durable_before_its_account_begins() {
    let store = [RosterAction::Forget("a".into()), RosterAction::Rename("a".into(), "b".into())];
    for end in [ended("a", 1), died("a", 1)] {
        let mut roster = renaming();
        assert!(does(&roster.step(end, at(2)), &store));
        let out = roster.step(RosterEvent::Commanded("b".into(), Command::SyncNow), at(3));
        assert!(
            matches!(&out[..], [RosterAction::Conflict(text)] if text.contains("being stored")),
            "{out:?}"
        );
        let out = roster.step(RosterEvent::RenameFailed("b".into()), at(3));
        assert!(does(&out, &[RosterAction::RenameAfter("b".into(), RENAME_AGAIN)]));
        assert!(does(&roster.step(RosterEvent::RenameDue("b".into()), at(4)), &store[1..]));
        assert_eq!(starts(&roster.step(RosterEvent::Renamed("b".into()), at(5))), [("b", 2)]);
        assert!(does(&roster.step(RosterEvent::RenameDue("b".into()), at(6)), &[]));
        assert!(does(&roster.step(RosterEvent::Renamed("b".into()), at(6)), &[]));
        assert_eq!(roster.names().collect::<Vec<_>>(), ["b"]);
    }
    // Who does not run has nothing to settle; an id that is taken is said, and nobody's rows are
    // touched.
    let mut roster = roster();
    let out = roster.step(want(Enrolled { was: Some("a".into()), ..enrolled("b") }), at(1));
    assert!(does(&out, &store));
    let out = roster.step(RosterEvent::RenameTaken("b".into()), at(2));
    assert!(matches!(&out[..], [RosterAction::Refused(name, _, Owns::Another)] if name == "b"));
    assert!(does(&roster.step(RosterEvent::Renamed("b".into()), at(3)), &[]));
}

/// The edit that renames is taken back before the account has left: its rows are its own again,
/// whoever is named now.
#[test]
fn a_rename_that_is_taken_back() {
    let mut roster = renaming();
    assert!(does(
        &roster.step(RosterEvent::Dropped("b".into()), at(2)),
        &[RosterAction::Removed("b".into())]
    ));
    roster.step(want(enrolled("a")), at(2));
    assert_eq!(starts(&roster.step(ended("a", 1), at(3))), [("a", 2)]);
    let mut roster = renaming();
    roster.step(RosterEvent::Dropped("b".into()), at(2));
    assert!(
        does(&roster.step(ended("a", 1), at(3)), &[RosterAction::Removed("a".into())]),
        "named no more under either"
    );
}

#[test]
fn the_end_begins_nobody() {
    let mut roster = running();
    roster.step(want(enrolled("b")), at(0));
    roster.step(died("b", 2), at(0));
    let out = roster.step(RosterEvent::Stop, at(1));
    assert!(out.len() == 1 && is_stop(&out[0], "a"), "{out:?}");
    assert!(does(&roster.step(RosterEvent::RestartDue("b".into(), 2), at(2)), &[]));
    assert!(does(&roster.step(ended("a", 1), at(2)), &[]));
    assert!(does(&roster.step(want(enrolled("c")), at(3)), &[]));
}

#[test]
fn a_new_secret_wakes_who_has_yet_to_begin_parked() {
    use crate::standing::Standing;
    let mut roster = Roster::new(Admission { at_a_time: 1, starts_per_second: 1000 }, false);
    roster.step(want(enrolled("a")), at(0));
    let parked = Begin::Parked(Standing::NeedsReauth, "refused".into());
    roster.step(
        want(Enrolled { past: Past { begin: parked, ..Past::default() }, ..enrolled("b") }),
        at(0),
    );
    roster.step(RosterEvent::Commanded("b".into(), Command::Woken), at(1));
    roster.step(RosterEvent::Dropped("a".into()), at(2));
    let out = roster.step(ended("a", 1), at(5));
    let [.., RosterAction::Start(name, 2, past)] = &out[..] else { panic!("{out:?}") };
    assert_eq!((name.as_str(), past), ("b", &Past::default()));
}

/// `was` is taken out of the file while the new id is on its way: the account begins when that is
/// durable, as before.
#[test]
fn what_is_being_renamed_begins_once_that_is_durable() {
    let mut roster = renaming();
    roster.step(ended("a", 1), at(2));
    assert!(does(&roster.step(want(enrolled("b")), at(3)), &[]));
    assert_eq!(starts(&roster.step(RosterEvent::Renamed("b".into()), at(4))), [("b", 2)]);
}

/// Whoever is to have an id whose rows another account is about to take along waits until they are
/// gone.
#[test]
fn edits_about_an_id_that_is_being_stored_wait() {
    let mut roster = renaming();
    roster.step(ended("a", 1), at(2));
    assert!(does(&roster.step(want(enrolled("a")), at(3)), &[]), "its rows are still there");
    let out = roster.step(RosterEvent::Commanded("a".into(), Command::Pause), at(3));
    assert!(
        matches!(&out[..], [RosterAction::Conflict(text)] if text.contains("being started")),
        "{out:?}"
    );
    let next = Enrolled { was: Some("a".into()), ..enrolled("c") };
    assert!(does(&roster.step(want(next), at(4)), &[]), "in their order");
    let out = roster.step(RosterEvent::Renamed("b".into()), at(5));
    assert_eq!(starts(&out), [("b", 2)]);
    assert!(
        out.iter().any(|a| is_stop(a, "a"))
            || out.iter().any(|a| matches!(a, RosterAction::Rename(was, _) if was == "a"))
    );
}

#[test]
fn who_is_dropped_while_the_store_is_asked_leaves_no_rows_unsaid() {
    for answer in [
        RosterEvent::Renamed("b".into()),
        RosterEvent::RenameFailed("b".into()),
        RosterEvent::RenameTaken("b".into()),
    ] {
        let mut roster = renaming();
        roster.step(ended("a", 1), at(2));
        assert!(does(
            &roster.step(RosterEvent::Dropped("b".into()), at(3)),
            &[RosterAction::Forget("b".into())]
        ));
        let both = [RosterAction::Removed("a".into()), RosterAction::Removed("b".into())];
        assert!(does(&roster.step(answer, at(4)), &both), "whichever of the two they bear");
        assert_eq!(roster.names().count(), 0);
    }
}

/// An account that runs has rows of its own: another one cannot become it, and is named no more.
#[test]
fn nobody_becomes_who_runs() {
    let mut roster = running();
    roster.step(want(enrolled("b")), at(1));
    let out = roster.step(want(Enrolled { was: Some("b".into()), ..enrolled("a") }), at(2));
    assert!(is_stop(&out[0], "a") && is_stop(&out[1], "b") && out.len() == 2, "{out:?}");
    let out = roster.step(ended("a", 1), at(3));
    assert!(
        matches!(&out[..], [RosterAction::Refused(_, failure, _)] if failure.text.contains("`was`")),
        "{out:?}"
    );
    assert!(does(&roster.step(ended("b", 2), at(4)), &[RosterAction::Removed("b".into())]));
}

/// Places are given back by whoever leaves them, however.
#[test]
fn places_are_counted() {
    let mut roster = Roster::new(Admission { at_a_time: 1, starts_per_second: 1_000_000 }, false);
    roster.step(want(enrolled("a")), at(0));
    roster.step(want(enrolled("b")), at(1));
    roster.step(RosterEvent::Dropped("a".into()), at(2));
    assert_eq!(starts(&roster.step(ended("a", 1), at(3))), [("b", 2)]);
    roster.step(died("b", 2), at(4));
    roster.step(want(enrolled("c")), at(5));
    let out = roster.step(RosterEvent::Dropped("b".into()), at(6));
    assert_eq!(starts(&out), [("c", 3)], "who waited to be started again had a place");
}

/// What is asked of who does not run: it is started by what asks for work, with a clean slate.
#[test]
fn commands_to_who_does_not_run() {
    let known = Past {
        history: History { tries: 4, has_logged_in: true, ..History::default() },
        begin: Begin::Paused,
    };
    for (command, begins) in
        [(Command::Pause, false), (Command::Resume, false), (Command::SyncNow, true)]
    {
        let mut roster = Roster::new(Admission { at_a_time: 1, starts_per_second: 1000 }, false);
        roster.step(want(enrolled("a")), at(0));
        roster.step(want(Enrolled { past: known.clone(), ..enrolled("b") }), at(0));
        roster.step(RosterEvent::Commanded("b".into(), command.clone()), at(1));
        roster.step(RosterEvent::Dropped("a".into()), at(2));
        let out = roster.step(ended("a", 1), at(5));
        let [.., RosterAction::Start(_, 2, past)] = &out[..] else { panic!("{out:?}") };
        let tries = if begins { 0 } else { 4 };
        assert_eq!((past.history.tries, past.history.has_logged_in), (tries, true), "{command:?}");
        assert_eq!(past.begin, Begin::Paused, "who is paused stays so: {command:?}");
    }
}

/// Who would begin with a wait begins with work where that is asked for; another secret ends a refusal alone.
#[test]
fn commands_end_a_wait_that_has_yet_to_begin() {
    let waiting = |refused: Option<&str>| {
        Begin::Waiting(Waiting {
            class: Class::RateLimit,
            reach: Reach::Account,
            provenance: Provenance::Server,
            text: "too much".into(),
            since: Micros(0),
            until: Micros(i64::MAX),
            settings: String::new(),
            refused: refused.map(str::to_owned),
        })
    };
    let by_hand = [Command::SyncNow, Command::Retry, Command::ResetErrors].map(|c| (c, None, true));
    let others = [Command::Woken, Command::Resume].map(|c| (c, None, false));
    let secret = [(Command::Woken, Some("m"), true)];
    for (command, refused, is_over) in by_hand.into_iter().chain(others).chain(secret) {
        let mut roster = Roster::new(Admission { at_a_time: 1, starts_per_second: 1000 }, false);
        let past = Past { begin: waiting(refused), ..Past::default() };
        roster.step(want(enrolled("a")), at(0));
        roster.step(want(Enrolled { past, ..enrolled("b") }), at(0));
        roster.step(RosterEvent::Commanded("b".into(), command.clone()), at(1));
        roster.step(RosterEvent::Dropped("a".into()), at(2));
        let out = roster.step(ended("a", 1), at(5));
        let [.., RosterAction::Start(_, 2, past)] = &out[..] else { panic!("{out:?}") };
        assert_eq!(past.begin == Begin::Run, is_over, "{command:?} {refused:?}");
    }
}

/// What an actor tells counts while it is the one that runs.
#[test]
fn only_who_runs_is_heard() {
    let told = Past { begin: Begin::Paused, ..Past::default() };
    let mut roster = running();
    assert!(does(&roster.step(RosterEvent::Went("a".into(), 2, told.clone()), at(1)), &[]));
    let out = roster.step(RosterEvent::Went("a".into(), 1, told.clone()), at(1));
    assert!(does(&out, &[RosterAction::Keep("a".into(), told)]));
}

/// A secret that is exchanged while the account's id is being stored wakes it all the same.
#[test]
fn a_new_secret_is_not_lost_on_the_way_to_a_new_id() {
    use crate::standing::Standing;
    let parked = || Past {
        begin: Begin::Parked(Standing::NeedsReauth, "refused".into()),
        ..Past::default()
    };
    let mut roster = running();
    let wanted = Enrolled { was: Some("a".into()), past: parked(), ..enrolled("b") };
    roster.step(want(wanted), at(1));
    roster.step(want(Enrolled { past: parked(), ..enrolled("a") }), at(1));
    roster.step(ended("a", 1), at(2));
    for name in ["a", "b"] {
        roster.step(RosterEvent::Commanded(name.into(), Command::Woken), at(3));
    }
    let out = roster.step(RosterEvent::Renamed("b".into()), at(4));
    let begun: Vec<&Past> = out
        .iter()
        .filter_map(|a| if let RosterAction::Start(_, _, past) = a { Some(past) } else { None })
        .collect();
    assert!(!begun.is_empty() && begun.iter().all(|past| past.begin == Begin::Run), "{out:?}");
    assert!(roster.knows("a") && roster.knows("b") && !roster.knows("c"));
}

/// What was to become of who leaves still does when the process ends; nobody is waited for.
#[test]
fn the_end_keeps_what_was_to_come() {
    let mut roster = running();
    roster.step(RosterEvent::Dropped("a".into()), at(1));
    roster.step(RosterEvent::Stop, at(2));
    assert!(does(&roster.step(ended("a", 1), at(3)), &[RosterAction::Removed("a".into())]));
    let mut roster = running();
    roster.step(RosterEvent::Stop, at(2));
    let out = roster.step(died("a", 1), at(3));
    assert!(
        matches!(&out[..], [RosterAction::Fallen(..)]),
        "no wait outlives the process: {out:?}"
    );
}

/// Dropped while its id waits to be asked for again: nothing is on its way, nothing is waited for.
#[test]
fn who_is_dropped_between_two_tries_leaves_at_once() {
    let mut roster = renaming();
    roster.step(ended("a", 1), at(2));
    roster.step(RosterEvent::RenameFailed("b".into()), at(3));
    let out = roster.step(RosterEvent::Dropped("b".into()), at(4));
    assert!(does(&out, &[RosterAction::Removed("a".into()), RosterAction::Removed("b".into())]));
    assert!(does(&roster.step(RosterEvent::RenameDue("b".into()), at(5)), &[]));
}
