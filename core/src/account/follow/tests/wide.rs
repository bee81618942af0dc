//! What a server tells of folders that are not open.

use super::*;
use crate::provider::watch::Noticed;
use crate::run::scope::Scope;
use std::collections::BTreeMap;

const SHOWN: Noticed = Noticed { uidnext: Some(9), exists: Some(3), modseq: Some(7) };

/// A follower that rests, watched widely, and knows a folder besides INBOX.
fn wide() -> Follower {
    let mut f = resting();
    let mark = Mark { uidnext: 9, exists: 3, modseq: 7 };
    let (id, remote_id) = (FolderId(2), b"Work".to_vec());
    f.mailbox.folders.push(FolderSummary {
        id,
        remote_id: remote_id.into(),
        path: "Work".into(),
        mark,
        ..inbox()
    });
    f.take(Input::Hinted(1, Hint::Wide), at(2));
    assert_eq!(f.push(), Push::Notify);
    f
}

/// What is asked for when this was told; nothing where no run is.
fn looks(f: &mut Follower, input: Input) -> Option<Scope> {
    let out = f.step(input, at(10));
    assert_eq!(
        out.iter().any(|o| matches!(o, Output::AskSlot(_))),
        matches!(f.stage, Stage::Asking(_))
    );
    if let Stage::Asking(next) = &f.stage { Some(next.scope.clone()) } else { None }
}

fn some(list: bool, folders: &[(i64, Depth)]) -> Option<Scope> {
    let folders: BTreeMap<_, _> =
        folders.iter().map(|(id, depth)| (FolderId(*id), *depth)).collect();
    Some(Scope::Some { list, folders })
}

#[test]
fn what_is_as_the_last_pass_left_it_is_not_looked_at() {
    let told = |shown| looks(&mut wide(), Input::Told(1, b"Work".into(), shown));
    assert_eq!(told(SHOWN), None);
    assert_eq!(told(Noticed { modseq: None, ..SHOWN }), None);
    let work = some(false, &[(2, Depth::Quick)]);
    for shown in [
        Noticed { uidnext: Some(10), ..SHOWN },
        Noticed { exists: Some(2), ..SHOWN },
        Noticed { modseq: Some(8), ..SHOWN },
        Noticed { uidnext: None, ..SHOWN },
    ] {
        assert_eq!(told(shown), work, "{shown:?}");
    }
    let flags = Noticed { uidnext: None, exists: None, ..SHOWN };
    assert_eq!(told(flags), some(false, &[(2, Depth::Full)]), "flags alone");
    assert_eq!(
        looks(&mut wide(), Input::Told(9, b"Work".into(), Noticed::default())),
        None,
        "another watch's"
    );
}

#[test]
fn names_are_listed() {
    assert_eq!(looks(&mut wide(), Input::Told(1, b"New".into(), SHOWN)), some(true, &[]));
    assert_eq!(looks(&mut wide(), Input::Hinted(1, Hint::Names)), some(true, &[]));
}

/// A name that LIST has not made a folder of ours (it is left out, or does not open) begins one run,
/// until names change.
#[test]
fn a_name_that_is_no_folder_is_listed_once() {
    let mut f = wide();
    let told = || Input::Told(1, b"Spam".into(), SHOWN);
    assert_eq!(looks(&mut f, told()), some(true, &[]));
    let rests = |f: &mut Follower| {
        let folders = wide().mailbox.folders;
        f.grant(vec![Output::AskSlot(f.run())], at(11));
        let summary = Summary { folders, ..Summary::of(Outcome::Success, History::default()) };
        f.end_with(summary, at(12));
    };
    rests(&mut f);
    let watch = f.watching.number;
    let again = |f: &mut Follower, n| looks(f, Input::Told(n, b"Spam".into(), SHOWN));
    assert_eq!(again(&mut f, watch), None);
    assert_eq!(looks(&mut f, Input::Hinted(watch, Hint::Names)), some(true, &[]));
    rests(&mut f);
    let watch = f.watching.number;
    assert_eq!(again(&mut f, watch), some(true, &[]));
}

/// A watch that ends before the server has told of every folder, and one more, are the last that ask for
/// it.
#[test]
fn a_watch_that_ended_too_soon_is_narrow() {
    for (is_wide, wants) in [(true, true), (false, false)] {
        let mut f = if is_wide { wide() } else { resting() };
        let cut = Failure::new(Class::Network, Reach::Session, Provenance::Server, "cut");
        for wants in [true, wants] {
            let number = f.watching.number;
            f.take(Input::Unwatched(number, Err(cut.clone())), at(5));
            let at = session(2);
            f.sessions.main =
                Some(SessionHeld { at, since: Duration::ZERO, watch: None, wide: is_wide });
            let mut out = Vec::new();
            assert!(f.watch_on(SessionRole::Main, &mut out));
            let is_so = |o: &Output| matches!(o, Output::Watch { wide, .. } if *wide == wants);
            assert!(out.iter().any(is_so), "{out:?}");
        }
    }
}

#[test]
fn what_was_not_told_may_be_anything() {
    let mut f = wide();
    let all = some(true, &[(1, Depth::Full), (2, Depth::Full)]);
    assert_eq!(looks(&mut f, Input::Hinted(1, Hint::Untold)), all);
    assert_eq!(f.push(), Push::Idle, "until it is granted anew");
}

#[test]
fn what_is_left_out_or_stands_still_is_not_looked_at() {
    let spoils: [fn(&mut FolderSummary); 3] =
        [|f| f.excluded = true, |f| f.stalled = true, |f| f.shut = true];
    for spoil in spoils {
        let mut f = wide();
        spoil(&mut f.mailbox.folders[1]);
        assert_eq!(looks(&mut f, Input::Told(1, b"Work".into(), Noticed::default())), None);
    }
}

/// A run that is under way takes folders along, and leaves LIST to the next.
#[test]
fn what_is_told_during_a_run() {
    let mut f = super::orders::working();
    f.mailbox.folders = wide().mailbox.folders;
    f.sessions.beside =
        Some(SessionHeld { at: session(2), since: at(5).mono, watch: Some(70), wide: true });
    f.take(Input::Hinted(70, Hint::Names), at(9));
    let again = f.stage.working().unwrap().again.next.clone();
    assert_eq!(again.map(|next| next.scope), some(true, &[]));
}
