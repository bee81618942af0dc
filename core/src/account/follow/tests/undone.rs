//! What a run leaves undone, and history that waits.

use super::*;
use crate::account::follow::vocabulary::SlotWish;
use crate::job::slots::Level;

/// What a run leaves undone is said until the next one; that history waits is a state of its own.
#[test]
fn what_is_left_undone_is_said() {
    let mut f = follower(Begin::Run);
    f.take(Input::Start, at(0));
    let wait =
        || Wait { until: at(50).mono, text: "x".into(), class: crate::failure::Class::Quota };
    let ends = |left: &[&str], waits: bool| Summary {
        folders: vec![inbox()],
        left: left.iter().map(|text| (*text).to_owned()).collect(),
        deferred: waits.then(wait),
        ..Summary::of(Outcome::Partial, History::default())
    };
    f.stage = Stage::Resting(Resting { next: at(9).mono, scope: None, caught_up: false });
    for (left, waits, told) in [
        (&["a first look", "another"][..], false, "a first look (and 1 more)"),
        (&["a first look"], false, "a first look"),
        (&["a first look", "history waits: x"], true, "a first look"),
        (&["a first look", "another", "history waits: x"], true, "a first look (and 1 more)"),
        (&["history waits: x"], true, ""),
        (&[], false, ""),
    ] {
        f.learn_undone(&ends(left, waits));
        assert_eq!(f.status().reason, told);
    }
}

/// Where history waits for a budget the account says so, looks at what is due and nothing else, and
/// reads on when it is time.
#[test]
fn history_that_waits_for_its_budget_costs_no_looks() {
    let archive = FolderSummary {
        id: FolderId(2),
        remote_id: b"Archive".into(),
        path: "Archive".into(),
        role: Some(crate::mail::folder::Role::Archive),
        history_left: true,
        ..inbox()
    };
    let until = at(50_000).mono;
    let wait = Wait { until, class: Class::Quota, text: "all of it is spent".into() };
    let summary = |deferred: Option<&Wait>, archive: &FolderSummary| Summary {
        folders: vec![inbox(), archive.clone()],
        deferred: deferred.cloned(),
        ..Summary::of(Outcome::Partial, History::default())
    };
    let mut f = follower(Begin::Run);
    f.take(Input::Start, at(0));
    f.end_with(summary(Some(&wait), &archive), at(1));
    let status = f.status();
    assert_eq!((status.standing, status.class), (Standing::Throttled, Some(Class::Quota)));
    assert_eq!(status.next, Some(until), "that is when history goes on");
    let asked = |out: &[Output]| out.iter().any(|o| matches!(o, Output::AskSlot(_)));
    let wanted = |f: &Follower| match &f.stage {
        Stage::Asking(next) => Some(next.scope.clone()),
        _ => None,
    };
    // The schedule looks at INBOX alone.
    assert!(asked(&f.step(Input::Tick, at(1000))));
    let only = |ids: &[i64]| Scope::Some {
        list: true,
        folders: ids.iter().map(|id| (FolderId(*id), Depth::Full)).collect(),
    };
    assert_eq!(wanted(&f), Some(only(&[1])));
    f.step(Input::Granted(f.run()), at(1000));
    // A run that was cut short says nothing about it.
    f.end_with(Summary::of(Outcome::Cancelled, History::default()), at(1001));
    assert_eq!(f.status().standing, Standing::Throttled);
    assert!(begins(&f.take(Input::Tick, at(3000))));
    f.end_with(summary(None, &archive), at(3001));
    assert_eq!(f.status().standing, Standing::Throttled, "history is unread still");
    // When it is time, history is read on.
    f.schedule.looked(&[inbox(), archive.clone()], at(49_990).mono);
    assert!(asked(&f.step(Input::Tick, at(50_001))), "{:?}", f.stage);
    assert_eq!(wanted(&f), Some(only(&[2])));
    assert_eq!(f.slot(), SlotWish::Wanted(Level::History), "and waits for others as it does");
    f.step(Input::Granted(f.run()), at(50_001));
    f.end_with(
        summary(None, &FolderSummary { history_left: false, ..archive.clone() }),
        at(50_100),
    );
    assert_eq!(f.status().standing, Standing::Idle, "nothing is left to wait for");
}

/// What waited for a budget and was read all the same is waited for no longer.
#[test]
fn a_deferral_ends_with_what_it_was_about() {
    let mut f = follower(Begin::Run);
    f.take(Input::Start, at(0));
    let wait = Wait { until: at(50_000).mono, class: Class::Quota, text: "spent".into() };
    let unread = vec![FolderSummary { history_left: true, ..inbox() }];
    let partial = Summary::of(Outcome::Partial, History::default());
    f.end_with(Summary { folders: unread, deferred: Some(wait), ..partial }, at(1));
    assert_eq!(f.status().standing, Standing::Throttled);
    assert!(begins(&f.take(Input::Tick, at(2000))));
    let success = Summary::of(Outcome::Success, History::default());
    f.end_with(Summary { folders: vec![inbox()], ..success }, at(2001));
    assert_eq!(f.status().standing, Standing::Idle);
}
