//! What notes say of what ended sessions.

use super::*;
use crate::commit::change::Change;
use crate::commit::rows::{AccountRow, FolderRow};
use crate::failure::Provenance;
use crate::mail::cursor::{Lanes, Mark};
use crate::mail::id::{AccountId, Incarnation, UidValidity};
use crate::provider::folders::Enough;
use crate::recovery::history::History;
use crate::run::context::{Common, RunCtx, RunStart};
use crate::run::event::Action;
use crate::run::scope::Scope;
use crate::run::settings::Settings;
use crate::time::{Micros, Now};

const V: UidValidity = UidValidity(3);

fn name(name: &str) -> WireName {
    name.as_bytes().into()
}

fn examine(of: &str) -> Poison {
    Poison::Examine(name(of))
}

fn index(of: &str) -> Poison {
    Poison::Index(name(of))
}

fn mail(folder: i64, uid: u32) -> Poison {
    Poison::Mail(FolderId(folder), V, uid)
}

fn folder(id: i64, name: &str) -> Folder {
    let mut row =
        FolderRow::new(FolderId(id), name.as_bytes().into(), name.into(), None, Micros(1));
    row.lanes = Some(Lanes::opened(V, Mark { uidnext: 9, exists: 5, modseq: 7 }, None));
    Folder::new(row).unwrap()
}

/// Notes as an earlier run has stored them.
fn stored(notes: &[(Poison, u32)]) -> Notes {
    let note = |(about, count): &(Poison, u32)| Note {
        about: about.clone(),
        count: *count,
        text: "the line was cut".into(),
    };
    Notes::new(None, std::iter::empty(), notes.iter().map(note).collect(), Default::default())
}

/// What a run commits of them.
fn committed(notes: &mut Notes, act: impl FnOnce(&mut Notes, &mut Cx<'_>)) -> Vec<(Poison, u32)> {
    let account = AccountRow::fresh(AccountId(1), Incarnation(1));
    let start = RunStart {
        settings: Settings::default(),
        history: History::default(),
        scope: Scope::Everything,
    };
    let mut shared = Common::new(start, account, None);
    let mut out = Vec::new();
    act(notes, &mut RunCtx::new(&mut shared, Now::default(), &mut out));
    let note = |action| match action {
        Action::Commit { commit, .. } => match commit.change {
            Change::Account(AccountChange::Note(note)) => Some((note.about, note.count)),
            _ => None,
        },
        _ => None,
    };
    out.into_iter().filter_map(note).collect()
}

fn cut() -> Failure {
    Failure::new(Class::Network, Reach::Session, Provenance::Inferred, "the line was cut")
}

#[test]
fn mail_at_which_sessions_end_is_set_aside_by_folder_and_count() {
    let notes = stored(&[(mail(1, 4), 1), (mail(1, 7), 2), (mail(2, 9), 2), (examine("B"), 2)]);
    assert_eq!(notes.noted_mail(FolderId(1)).to_string(), "4,7");
    assert_eq!(notes.aside(FolderId(1)).to_string(), "7");
    assert_eq!(notes.aside(FolderId(2)).to_string(), "9");
    assert!(notes.noted_mail(FolderId(3)).is_empty());
}

#[test]
fn uids_that_began_anew_take_the_notes_of_their_mail_along() {
    let mut notes = stored(&[(mail(1, 4), 2), (mail(2, 9), 2), (examine("B"), 2)]);
    notes.forget_mail(FolderId(1));
    assert!(notes.aside(FolderId(1)).is_empty());
    assert_eq!(notes.aside(FolderId(2)).to_string(), "9");
    assert!(notes.is_noted(&examine("B")));
}

#[test]
fn the_worse_question_of_a_folder_counts() {
    let notes = stored(&[(examine("A"), 1), (index("A"), 3), (examine("B"), 2)]);
    let cuts = ["A", "B", "C"].map(|of| notes.cuts_at(&name(of)));
    assert_eq!(cuts, [3, 2, 0]);
}

/// The server may be ill: a folder alone is left at the third end, where the same question was answered about
/// another one.
#[test]
fn a_folder_is_left_alone_where_others_answer() {
    let mut notes = Notes::default();
    assert!(!notes.is_to_be_left(&examine("A"), 3) && !notes.is_to_be_left(&index("A"), 3));
    assert!(notes.is_to_be_left(&mail(1, 4), 3) && !notes.is_to_be_left(&mail(1, 4), 2));
    notes.opened.insert(name("A"));
    notes.indexed.insert(name("A"));
    assert!(!notes.is_to_be_left(&examine("A"), 3) && !notes.is_to_be_left(&index("A"), 3));
    notes.opened.insert(name("B"));
    assert!(notes.is_to_be_left(&examine("A"), 3) && !notes.is_to_be_left(&examine("A"), 2));
    assert!(!notes.is_to_be_left(&index("A"), 3), "B was only opened");
    notes.indexed.insert(name("B"));
    assert!(notes.is_to_be_left(&index("A"), 3));
}

#[test]
fn sessions_that_end_at_this_and_that_are_enough_some_time() {
    let mut notes = Notes::default();
    assert_eq!((notes.cut(true), notes.cut(false)), (Cut::AtOneThing, Cut::Noted));
    for n in 1..=CUTS {
        assert_eq!(notes.count(&mail(1, n)), 1, "each was met once");
    }
    assert_eq!(notes.cut(true), Cut::Enough { worked: true });
    assert_eq!(notes.cut(false), Cut::Enough { worked: false });
}

/// Before mail is asked for at which sessions end, the session shows that it can open its folder.
#[test]
fn a_session_is_tried_where_a_mail_has_a_note() {
    let mut notes = stored(&[(mail(1, 4), 1)]);
    let (of_it, other) = (folder(1, "A"), folder(2, "B"));
    assert!(notes.wants_probe(&of_it) && !notes.wants_probe(&other));
    notes.has_brought(name("A"));
    assert!(!notes.wants_probe(&of_it), "it has shown that it can");
    notes.connected();
    assert!(notes.wants_probe(&of_it), "another session has not");
}

#[test]
fn a_folder_at_which_sessions_end_is_opened_last() {
    let mut notes = stored(&[(examine("A"), 2), (examine("B"), 1)]);
    let [a, b] = [folder(1, "A"), folder(2, "B")];
    assert!(notes.opens_last(&a) && !notes.opens_last(&b));
    notes.has_brought(name("A"));
    assert!(!notes.opens_last(&a), "this session has shown that it can");
    assert!(!Notes::default().opens_last(&a));
}

/// The run ends before it was asked once more: the first note becomes a row, once. A second is one at once.
#[test]
fn first_notes_are_stored_with_the_run() {
    let mut notes = stored(&[(mail(1, 4), 1), (mail(1, 5), 2)]);
    let rows = committed(&mut notes, |notes, cx| {
        for (about, count) in [(mail(1, 6), 1), (mail(1, 7), 2)] {
            notes.note(&about, count, false, &cut(), cx);
        }
    });
    assert_eq!(rows, [(mail(1, 7), 2)]);
    assert_eq!(committed(&mut notes, |notes, cx| notes.store_first(cx)), [(mail(1, 6), 1)]);
    assert_eq!(committed(&mut notes, |notes, cx| notes.store_first(cx)), []);
}

/// What has answered has no note; a row of it goes, too.
#[test]
fn a_note_goes_with_its_row() {
    let mut notes = stored(&[(mail(1, 4), 2)]);
    let gone = committed(&mut notes, |notes, cx| notes.forget(&mail(1, 4), cx));
    assert_eq!((gone, notes.is_empty()), (vec![(mail(1, 4), 0)], true));
    let never = committed(&mut notes, |notes, cx| {
        notes.note(&mail(1, 4), 1, false, &cut(), cx);
        notes.note(&mail(1, 4), 3, true, &cut(), cx);
    });
    assert_eq!((never, notes.is_empty()), (vec![], true), "it is a row of the ledger now");
}

/// What a session ends with that may be about what it was asked: an answer without end is, what ends soon is not.
#[test]
fn what_ends_a_session_may_be_what_it_was_asked() {
    let failure = |class, reach| Failure::new(class, reach, Provenance::Inferred, "x");
    for (class, session, folder) in [
        (Class::Network, true, true),
        (Class::Timeout, true, true),
        (Class::Provider, true, true),
        (Class::Unknown, true, true),
        (Class::InvalidData, true, false),
        (Class::Auth, false, false),
        (Class::RateLimit, false, false),
        (Class::Storage, false, false),
    ] {
        assert_eq!(is_cut(&failure(class, Reach::Session)), session, "{class:?}");
        assert_eq!(is_cut(&failure(class, Reach::Folder)), folder, "{class:?}");
        assert!(!is_cut(&failure(class, Reach::Session).when(When::Soon)), "{class:?}");
    }
}

fn request(name: &str, opens: bool) -> Request {
    let (remote_id, uidvalidity) = (name.as_bytes().into(), V);
    if opens {
        FolderRequest::Examine { remote_id, since: None, enough: Enough::Nothing }.into()
    } else {
        FolderRequest::Index { remote_id, uidvalidity, uids: None }.into()
    }
}

/// EXAMINE and what needs it have notes of their own; who tells an index has opened it, too.
#[test]
fn an_answer_takes_the_notes_of_its_question_away() {
    let notes = || stored(&[(examine("A"), 2), (index("A"), 2), (examine("B"), 2)]);
    assert!(!notes().is_empty() && Notes::default().is_empty());
    let mut opened = notes();
    let answered = request("A", true);
    let gone = committed(&mut opened, |notes, cx| notes.answered(Some(&answered), cx));
    assert_eq!(gone, [(examine("A"), 0)]);
    let mut told = notes();
    let answered = request("A", false);
    let gone = committed(&mut told, |notes, cx| notes.answered(Some(&answered), cx));
    assert_eq!(gone, [(examine("A"), 0), (index("A"), 0)]);
    assert!(told.is_noted(&examine("B")));
    // Whoever has answered about another folder works: it is this one at which it ends.
    for (about, opens) in [(examine("B"), true), (index("B"), false)] {
        assert_eq!(told.at_folder(&request("B", opens)), Some((about, true)));
    }
    assert_eq!(told.at_folder(&request("A", true)), Some((examine("A"), false)));
}
