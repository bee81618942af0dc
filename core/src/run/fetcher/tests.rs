//! Who is asked what, and what is believed of whom.

use super::*;
use crate::budget::{Lane, Wait};
use crate::failure::{Class, Provenance, Reach};
use crate::mail::body::{BodyHash, BodyRef};
use crate::mail::flags::Flags;
use crate::mail::id::{Identity, UidValidity};
use crate::mail::message::Fetched;
use crate::mail::page::{Again, Suspect, Unfetched};
use crate::mail::recognise::IdentityKind;
use crate::mime::HeaderFacts;

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn page(folder: &str, from: u32, to: u32) -> Request {
    Request::Folders(FolderRequest::Fetch {
        remote_id: folder.as_bytes().into(),
        uidvalidity: UidValidity(1),
        uids: UidSet::range(from, to),
        estimated: false,
        lane: Lane::Backfill,
        names: IdentityKind::Hash,
        seeks: false,
        pieces: false,
        suspect: false,
    })
}

fn examine(folder: &str) -> Request {
    FolderRequest::examine(folder.as_bytes().into()).into()
}

#[expect(clippy::disallowed_methods, reason = "a test's bodies are durable by definition")]
fn came(uids: &[u32]) -> Page {
    let hash = BodyHash([1; 32]);
    let row = |uid: &u32| Fetched {
        thread: None,
        uid: *uid,
        identity: Identity::of_bytes(hash),
        body: BodyRef::sealed(hash, 1, 0, 5),
        flags: Flags::default(),
        modseq: None,
        internal_date: None,
        header: HeaderFacts::default(),
        announced: None,
        held: false,
    };
    Page { rows: uids.iter().map(row).collect(), ..Page::default() }
}

fn fetched(page: Page, last: bool) -> Result<Answer, Failure> {
    Ok(Answer::Folders(FolderAnswer::Fetched { page, last }))
}

fn cut() -> Failure {
    Failure::new(Class::Network, Reach::Session, Provenance::Server, "bye")
}

/// What a step is followed by: who is asked under which token, the second session with a `+`.
fn done(step: impl FnOnce(&mut Vec<Action>)) -> Vec<String> {
    let mut out = Vec::new();
    step(&mut out);
    let word = |action| match action {
        Action::Ask { token, .. } => token.0.to_string(),
        Action::AskSecond {
            token: NOBODY,
            request: Request::Folders(FolderRequest::Examine { remote_id, .. }),
        } => {
            format!("+{}", String::from_utf8_lossy(&remote_id))
        }
        Action::AskSecond { token, .. } => format!("+{}", token.0),
        Action::WishSecond => "wish".to_owned(),
        Action::LeaveSecond { watches, lost: None } => format!("leave {watches}"),
        Action::LeaveSecond { watches: false, lost: Some(_) } => "lost".to_owned(),
        other => panic!("{other:?}"),
    };
    out.into_iter().map(word).collect()
}

/// A second session that reads these pages of a folder.
fn reading(pages: impl IntoIterator<Item = (u64, Request)>) -> SecondFetcher {
    let mut second = SecondFetcher { presence: Presence::Wished, ..SecondFetcher::default() };
    assert!(second.came());
    for (token, request) in pages {
        second.ask(Token(token), request, &mut Vec::new());
    }
    second
}

fn tend(second: &mut SecondFetcher, left: PagesLeft, now: u64) -> Vec<String> {
    done(|out| second.tend(left, at(now), out))
}

fn own(second: &mut SecondFetcher, token: u64, request: Request) -> Vec<String> {
    done(|out| second.ask_own(Token(token), request, out))
}

#[test]
fn it_is_wished_for_where_one_session_is_lacked_for_long() {
    use PagesLeft::{ForSession, ForStore, None, Some};
    let mut second = SecondFetcher::default();
    let nothing = [""; 0];
    for (left, now, done) in [
        (ForSession, 9, &nothing[..]),
        (None, 10, &[]),
        (ForSession, 11, &[]),
        (ForStore, 12, &[]),
        (ForSession, 13, &[]),
        (Some, 14, &[]),
        (ForSession, 14, &["wish"]),
        (ForSession, 20, &[]),
    ] {
        assert_eq!(tend(&mut second, left, now), done, "{now}");
    }
    second.is_not_to_be_had(at(20));
    for (now, done) in [(21, &nothing[..]), (79, &[]), (80, &["wish"])] {
        assert_eq!(tend(&mut second, ForSession, now), done, "{now}");
    }
    assert!(second.came() && !second.came());
    // It stays while there is something to read, whatever that waits for.
    assert_eq!(tend(&mut second, Some, 81), nothing);
    assert_eq!(tend(&mut second, None, 82), ["leave true"]);
    assert_eq!(tend(&mut second, ForSession, 83), nothing);
    assert_eq!(tend(&mut second, ForSession, 84), ["wish"]);
}

#[test]
fn a_page_is_its_own_where_it_is_as_free_and_nothing_else_is_asked_of_the_folder() {
    let second = reading([(1, page("A", 1, 9))]);
    let (list, other) = (
        Request::Folders(FolderRequest::List { counters_of: Vec::new(), anew: false }),
        examine("B"),
    );
    assert!(second.is_free(&b"A".into(), 1, [].into_iter()));
    assert!(!second.is_free(&b"A".into(), 0, [].into_iter()), "who has less to read takes it");
    assert!(second.is_free(&b"A".into(), 2, [&other].into_iter()));
    assert!(!second.is_free(&b"B".into(), 2, [&other].into_iter()));
    assert!(
        !second.is_free(&b"A".into(), 2, [&other, &list].into_iter()),
        "LIST may tell of any folder"
    );
    let mut leaving = reading([]);
    leaving.recall();
    assert!(!leaving.is_free(&b"A".into(), 2, [].into_iter()));
    assert!(!SecondFetcher::default().is_free(&b"A".into(), 2, [].into_iter()));
}

/// Flags or absences older than they seem would be believed.
#[test]
fn what_is_asked_of_a_folder_waits_for_its_pages_and_they_for_it() {
    let mut second = reading([(3, page("A", 30, 31)), (4, page("A", 40, 41))]);
    let nothing = [""; 0];
    assert_eq!(own(&mut second, 5, page("A", 50, 51)), ["5"], "pages have no order");
    assert_eq!(own(&mut second, 6, examine("B")), ["6"]);
    assert_eq!(own(&mut second, 7, examine("A")), nothing);
    assert_eq!(own(&mut second, 8, page("A", 70, 71)), nothing, "it is newer than what is asked");
    assert_eq!(own(&mut second, 9, page("B", 1, 2)), ["9"]);
    assert_eq!(own(&mut second, 10, examine("B")), nothing, "questions keep their order");
    drop(second.brought(Token(3), fetched(came(&[30, 31]), true)));
    assert_eq!(tend(&mut second, PagesLeft::Some, 1), nothing);
    drop(second.brought(Token(4), fetched(came(&[40, 41]), true)));
    assert_eq!(tend(&mut second, PagesLeft::Some, 1), ["7", "8", "10"]);
}

/// It may show a folder as it has last seen it.
#[test]
fn a_folder_is_opened_anew_behind_what_was_asked_of_it() {
    let mut second = reading([]);
    let ask = |second: &mut SecondFetcher, token| {
        done(|out| second.ask(Token(token), page("A", 1, 9), out))
    };
    assert_eq!(ask(&mut second, 1), ["+A", "+1"]);
    assert_eq!(ask(&mut second, 2), ["+2"], "once");
    drop(second.brought(Token(1), fetched(came(&[]), true)));
    drop(second.brought(Token(2), fetched(came(&[]), true)));
    assert_eq!(own(&mut second, 3, page("A", 20, 21)), ["3"]);
    assert_eq!(own(&mut second, 4, examine("B")), ["4"]);
    assert_eq!(ask(&mut second, 5), ["+5"], "that was something else");
    drop(second.brought(Token(5), fetched(came(&[]), true)));
    assert_eq!(own(&mut second, 6, examine("A")), ["6"]);
    assert_eq!(ask(&mut second, 7), ["+A", "+7"]);
}

#[test]
fn what_it_has_not_brought_the_own_session_reads() {
    let pages = [(3, page("A", 30, 31)), (4, page("A", 40, 41)), (5, page("A", 50, 51))];
    let mut second = reading(pages);
    drop(second.brought(Token(3), fetched(came(&[30]), false)));
    drop(second.brought(Token(4), fetched(came(&[40, 41]), false)));
    let Brought { answer: None, rest: Some(rest), lost: Some(_) } =
        second.brought(Token(3), Err(cut()))
    else {
        panic!("it is lost")
    };
    let Request::Folders(FolderRequest::Fetch { uids, .. }) = &rest else { panic!("{rest:?}") };
    assert_eq!(uids.to_string(), "31");
    assert_eq!(done(|out| second.end(Some(cut()), at(9), out)), ["lost"]);
    second.give_back(Token(3), rest);
    assert_eq!(tend(&mut second, PagesLeft::ForSession, 9), ["3"]);
    // Of the others it says so itself, and is not lost twice.
    let over = second.brought(Token(4), Err(cut()));
    assert!(
        matches!(over.answer, Some(Answer::Folders(FolderAnswer::Fetched { last: true, .. }))),
        "all of it has come"
    );
    assert!(over.rest.is_none() && over.lost.is_none());
    let none = second.brought(Token(5), Err(cut()));
    assert!(none.answer.is_none() && none.rest.is_some() && none.lost.is_none());
    assert!(!second.reads(Token(5)), "it is the own session's");
    let wishes = |now| tend(&mut second, PagesLeft::ForSession, now);
    assert_eq!([11, 68, 69].map(wishes).concat(), ["wish"]);
}

#[test]
fn it_brings_mail_and_says_nothing_else() {
    type Spoil = fn(&mut Page);
    let spoils: [Spoil; 3] = [
        |page| page.gone = UidSet::one(31),
        |page| {
            let (class, again) = (Class::InvalidData, Again::Spaced);
            page.failed.push(Unfetched { uid: 31, class, text: "NO".into(), again, came: None });
        },
        |page| {
            let fetched = came(&[31]).rows.remove(0);
            page.suspects.push(Suspect { fetched, announced: 9 });
        },
    ];
    for spoil in spoils {
        let mut second = reading([(3, page("A", 30, 34))]);
        let mut told = came(&[30, 32]);
        spoil(&mut told);
        let brought = second.brought(Token(3), fetched(told, false));
        let Some(Answer::Folders(FolderAnswer::Fetched { page, last: false })) = brought.answer
        else {
            panic!("what is in front of it has come")
        };
        assert_eq!((page.rows.len(), page.settled().to_string()), (1, "30".to_owned()));
        assert!(brought.rest.is_none(), "it has more to say");
        // What comes behind it is read by the own session, too.
        let brought = second.brought(Token(3), fetched(came(&[33, 34]), true));
        assert!(brought.answer.is_none() && brought.lost.is_none());
        let Some(Request::Folders(FolderRequest::Fetch { uids, .. })) = brought.rest else {
            panic!("{brought:?}")
        };
        assert_eq!(uids.to_string(), "31:34");
    }
    let mut second = reading([(3, page("A", 30, 34))]);
    let other = second.brought(Token(3), Ok(Answer::Folders(FolderAnswer::Sized(BTreeMap::new()))));
    assert!(other.lost.is_some_and(|failure| failure.class == Class::Bug) && other.rest.is_some());
    let mut second = reading([(3, page("A", 30, 34))]);
    let wait = Wait { until: at(9), text: "spent".into(), class: Class::Quota };
    let later = second.brought(Token(3), Ok(Answer::Deferred(wait)));
    assert!(matches!(later, Brought { answer: Some(Answer::Deferred(_)), rest: None, lost: None }));
}

#[test]
fn who_is_needed_elsewhere_brings_what_it_was_asked_for_and_goes() {
    let mut second = reading([(3, page("A", 30, 31))]);
    second.recall();
    assert_eq!(tend(&mut second, PagesLeft::ForSession, 5), [""; 0]);
    drop(second.brought(Token(3), fetched(came(&[30, 31]), true)));
    assert_eq!(tend(&mut second, PagesLeft::ForSession, 6), ["leave false"]);
    // Nobody waits for a session that is no more.
    let mut second = reading([(3, page("A", 30, 31))]);
    own(&mut second, 4, examine("A"));
    assert!(second.is_held(Token(4)) && !second.was_asked(Token(4)));
    assert_eq!(done(|out| second.forget(out)), ["leave false"]);
    assert!(second.was_asked(Token(3)), "it is no question of the own session");
    assert!(!second.reads(Token(3)));
    assert_eq!(tend(&mut second, PagesLeft::Some, 7), [""; 0]);
}
