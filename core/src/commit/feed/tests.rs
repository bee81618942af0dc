//! Rules whose breach the world sees in few seeds or in none, one by one.
#![expect(clippy::disallowed_methods, reason = "no sink: nothing is read back")]

use crate::commit::change::feed::{FeedChange, FeedStep, Hinted, Terms};
use crate::commit::feed::apply::apply_feed;
use crate::commit::feed::books::FeedBooks;
use crate::commit::feed::rows::{FeedRows, FeedState, WHOLE};
use crate::commit::ledger::Ledger;
use crate::commit::rows::{AccountRow, FolderRow};
use crate::commit::whole::WholeMail;
use crate::mail::body::{BodyHash, BodyRef};
use crate::mail::feed::{FeedCursor, MailVersion, PlaceId};
use crate::mail::flags::Flags;
use crate::mail::folder::Role;
use crate::mail::id::{AccountId, FolderId, Identity, Incarnation, SessionId};
use crate::mail::room::Room;
use crate::mime::HeaderFacts;
use crate::provider::feeds::{FeedItem, FeedWord, FoundMail, Got, SeenState};
use crate::time::Micros;
use std::collections::BTreeSet;
use std::time::Duration;

fn at(seconds: i64) -> Micros {
    Micros::from_seconds(seconds)
}

fn mail() -> Identity {
    Identity("gm:1".into())
}

/// An account that has INBOX, and no message.
fn empty() -> FeedBooks {
    let mut rows = FeedRows::fresh(AccountRow::fresh(AccountId(1), Incarnation(1)));
    let inbox =
        FolderRow::new(FolderId(1), b"INBOX".into(), "INBOX".into(), Some(Role::Inbox), at(0));
    rows.places.insert(inbox.id, inbox);
    FeedBooks::new(rows, Ledger::new(1), 0)
}

/// One message in INBOX, of version 5.
fn books() -> FeedBooks {
    let mut books = empty();
    books.held = 1;
    let mail = WholeMail {
        thread: None,
        identity: mail(),
        body: BodyRef::sealed(BodyHash([1; 32]), 1, 0, 5),
        header: HeaderFacts::default(),
        date: None,
        version: Some(MailVersion::new("5")),
        places: BTreeSet::from([FolderId(1)]),
        flags: Flags::default(),
    };
    books.ledger.create_whole(mail, at(1));
    books
}

const TERMS: Terms = Terms {
    settle_after: Duration::from_secs(60),
    missing_after: Duration::from_secs(60),
    clock_since: Micros(0),
    guard_floor: 50,
    compares: false,
};

fn apply(books: &mut FeedBooks, step: FeedStep, seconds: i64) {
    apply_by(books, TERMS, step, seconds);
}

fn apply_by(books: &mut FeedBooks, terms: Terms, step: FeedStep, seconds: i64) {
    apply_feed(books, &FeedChange { terms, step }, FolderId(9), at(seconds));
}

fn got(books: &mut FeedBooks, session: i64, seconds: i64, got: Got) {
    let found = vec![(mail(), got)];
    let (asked, session) = (at(seconds), SessionId(session));
    apply(books, FeedStep::Got { asked, session, found }, seconds);
}

/// A feed tells this of it.
fn word(books: &mut FeedBooks, word: FeedWord, seconds: i64) {
    let items = vec![FeedItem { id: mail(), word }];
    let (place, from, to, session) = (WHOLE, None, None, SessionId(1));
    apply(books, FeedStep::Words { place, from, to, session, items }, seconds);
}

fn new(version: &str) -> FeedWord {
    FeedWord::New { version: Some(MailVersion::new(version)), places: None }
}

fn is_owed(books: &FeedBooks) -> bool {
    books.owed(&mail()).is_some()
}

/// In INBOX.
fn in_inbox(version: Option<&str>) -> SeenState {
    SeenState {
        places: BTreeSet::from([PlaceId("INBOX".into())]),
        flags: Flags::default(),
        version: version.map(MailVersion::new),
    }
}

/// It is there; `bytes`: they came along.
fn found(state: SeenState, bytes: bool) -> Got {
    let body = BodyRef::sealed(BodyHash([1; 32]), 1, 0, 5);
    let bytes = bytes.then(|| (body, HeaderFacts::default()));
    let (stamp, date, room) = (None, None, Room::default());
    Got::Found(Box::new(FoundMail { thread: None, state, stamp, date, bytes, room }))
}

fn lives(books: &FeedBooks) -> bool {
    books.ledger.message(&mail()).is_some_and(|message| message.deleted_at.is_none())
}

/// Bytes of what is held are read again: whatever is told meanwhile, and once.
#[test]
fn what_is_to_be_read_again_is_read_with_its_bytes() {
    let mut books = books();
    drop(books.ledger.take_writes());
    let unread = BTreeSet::from([mail()]);
    let hinted = Hinted { unread, compare: true, ..Hinted::default() };
    apply(&mut books, FeedStep::Hinted(hinted), 100);
    assert_eq!(books.rows.state.debt, Some(at(100)), "all of it is compared");
    word(&mut books, FeedWord::Touched, 101);
    assert!(books.owed(&mail()).unwrap().bytes, "a word does not take that back");
    got(&mut books, 1, 170, found(in_inbox(Some("5")), true));
    assert!(!is_owed(&books));
    let again = books.ledger.take_writes().again;
    assert_eq!(again.iter().map(|(_, body)| body.hash()).collect::<Vec<_>>(), [BodyHash([1; 32])]);
}

/// A hint that names ids owes each, held or not, and again; what it tells of the places is asked about once more.
#[test]
fn a_hint_asks_and_changes_nothing() {
    let mut books = books();
    let hinted = |ids: &[&str], places| {
        let ids = ids.iter().map(|id| Identity((*id).to_owned())).collect();
        FeedStep::Hinted(Hinted { ids, places, ..Hinted::default() })
    };
    apply(&mut books, hinted(&["gm:1", "gm:2"], false), 100);
    for id in ["gm:1", "gm:2"] {
        let owed = books.owed(&Identity(id.to_owned())).unwrap();
        assert_eq!((owed.told_at, owed.due_at), (at(100), Some(at(100))), "{id}");
    }
    assert!(lives(&books) && !books.rows.state.places_are_told());
    got(&mut books, 1, 101, Got::Missing);
    assert!(books.owed(&mail()).unwrap().missing.is_some());
    apply(&mut books, hinted(&["gm:1"], false), 200);
    let owed = books.owed(&mail()).unwrap();
    assert_eq!((owed.missing, owed.due_at), (None, Some(at(200))), "a later word renews it");
    assert_eq!(books.rows.account.stamped_at, Some(at(200)));

    books.rows.state.placed_at = Some(at(150));
    apply(&mut books, hinted(&[], true), 140);
    assert!(!books.rows.state.places_are_told(), "they were asked for since");
    apply(&mut books, hinted(&[], true), 300);
    assert!(books.rows.state.places_are_told());
    apply(&mut books, hinted(&[], true), 250);
    assert_eq!(books.rows.state.places_told_at, Some(at(300)));
    books.rows.state.placed_at = Some(at(301));
    assert!(!books.rows.state.places_are_told());
}

/// What no list shows is asked about; it ends when another session, late enough, misses it too.
#[test]
fn absence_asks_and_two_looks_apart_end() {
    let mut books = books();
    let absent = Some(SessionId(1));
    apply(&mut books, FeedStep::Questions { ids: vec![mail()], absent }, 100);
    let owed = books.owed(&mail()).unwrap();
    assert!(lives(&books) && owed.due_at == Some(at(160)), "{owed:?}");
    got(&mut books, 1, 200, Got::Missing);
    assert!(lives(&books), "the same session has not looked anew");
    got(&mut books, 2, 159, Got::Missing);
    assert!(lives(&books), "too early");
    got(&mut books, 2, 160, Got::Missing);
    assert!(!lives(&books) && books.owed(&mail()).is_none());
}

/// A clock that has leapt (or a process that began) knows nothing of how long ago something was.
#[test]
fn what_was_before_the_clock_leapt_has_no_age() {
    let mut books = books();
    let by = |clock_since| Terms { clock_since: at(clock_since), ..TERMS };
    let look = |books: &mut FeedBooks, session, asked, clock_since| {
        let found = vec![(mail(), Got::Missing)];
        let step = FeedStep::Got { asked: at(asked), session: SessionId(session), found };
        apply_by(books, by(clock_since), step, asked);
    };
    let due = |books: &FeedBooks| books.owed(&mail()).unwrap().due_at;
    let absent = Some(SessionId(1));
    apply(&mut books, FeedStep::Questions { ids: vec![mail()], absent }, 100);
    look(&mut books, 2, 5000, 5000);
    assert!(lives(&books) && due(&books) == Some(at(5060)), "{:?}", due(&books));
    look(&mut books, 3, 5059, 5000);
    assert!(lives(&books));
    look(&mut books, 3, 9000, 8970);
    assert!(lives(&books), "once more");
    look(&mut books, 3, 9030, 8970);
    assert!(!lives(&books));

    // Nor is an answer late for it.
    let mut books = self::books();
    apply(&mut books, FeedStep::Questions { ids: vec![mail()], absent: None }, 100);
    let seen = |books: &mut FeedBooks, asked| {
        let found = vec![(mail(), found(in_inbox(None), false))];
        let step = FeedStep::Got { asked: at(asked), session: SessionId(1), found };
        apply_by(books, by(5000), step, asked);
    };
    seen(&mut books, 5010);
    assert_eq!(due(&books), Some(at(5060)));
    seen(&mut books, 5060);
    assert!(books.owed(&mail()).is_none());
}

/// A read of the past does not undo what is held.
#[test]
fn an_older_version_changes_nothing() {
    let mut books = books();
    let seen = |version, flags: &str| {
        let flags = Flags::new([flags]);
        found(SeenState { flags, ..in_inbox(Some(version)) }, false)
    };
    let flags = |books: &FeedBooks| {
        books.ledger.state_of(books.ledger.message(&mail()).unwrap().id).1.as_str().to_owned()
    };
    apply(&mut books, FeedStep::Questions { ids: vec![mail()], absent: None }, 100);
    got(&mut books, 1, 110, seen("4", "\\Flagged"));
    assert_eq!(flags(&books), "");
    got(&mut books, 1, 120, seen("6", "\\Seen"));
    assert_eq!(flags(&books), "\\Seen");
    assert!(books.owed(&mail()).is_some(), "nor is either late enough to settle it");
    got(&mut books, 1, 160, seen("6", "\\Seen"));
    assert!(books.owed(&mail()).is_none());
}

/// A place says that it has lost a mail: what still shows it there is older than that.
#[test]
fn who_shows_a_mail_where_it_left_is_older() {
    let left = || FeedWord::Left(PlaceId("INBOX".into()));
    let mut books = books();
    word(&mut books, left(), 100);
    assert!(is_owed(&books), "it is asked where it is");
    got(&mut books, 1, 110, found(in_inbox(Some("5")), false));
    assert!(is_owed(&books), "an answer");
    word(&mut books, FeedWord::State(in_inbox(Some("5"))), 115);
    assert!(is_owed(&books), "a word");
    got(&mut books, 1, 160, found(in_inbox(Some("5")), false));
    assert!(!is_owed(&books), "asked so much later, it is there again");
    // One that is still to be read.
    let mut books = empty();
    word(&mut books, new("5"), 100);
    word(&mut books, left(), 150);
    got(&mut books, 1, 160, found(in_inbox(Some("5")), true));
    assert!(lives(&books) && is_owed(&books));
}

/// A compare that is owed looks again at what lists have shown, not at what a word has told, nor where it
/// was asked before; and none that is paid looks at anything.
#[test]
fn only_what_a_list_has_shown_waits_for_a_compare() {
    let by = Terms { compares: true, ..TERMS };
    let settles = |listed: bool, told: bool, asked: i64| {
        let mut books = empty();
        books.rows.state.listed = listed;
        let step = FeedStep::Shown { ids: vec![(mail(), false)], rank: 2 };
        apply_by(&mut books, by, step, 100);
        if told {
            word(&mut books, FeedWord::Touched, 101);
        }
        let (asked, session) = (at(asked), SessionId(1));
        let found = vec![(mail(), found(in_inbox(None), true))];
        apply_by(&mut books, by, FeedStep::Got { asked, session, found }, 120);
        assert!(lives(&books));
        !is_owed(&books)
    };
    assert!(settles(false, false, 110), "the first list is under way: a compare is owed behind it");
    assert!(!settles(true, false, 110), "no compare is owed");
    assert!(!settles(false, true, 110), "a word has told of it");
    assert!(!settles(false, false, 99), "it was asked before it was shown");
}

/// That it was not there before a word told of it is no look at its absence.
#[test]
fn what_was_missed_before_the_word_is_no_first_look() {
    let mut books = books();
    word(&mut books, FeedWord::Touched, 200);
    let (asked, session, found) = (at(190), SessionId(1), vec![(mail(), Got::Missing)]);
    apply(&mut books, FeedStep::Got { asked, session, found }, 201);
    got(&mut books, 2, 270, Got::Missing);
    assert!(lives(&books), "one look");
    got(&mut books, 1, 340, Got::Missing);
    assert!(!lives(&books));
}

/// A clock that was ahead has told of it: what was asked since is older than the word, and it is not asked
/// again at once, and again.
#[test]
fn a_word_of_a_clock_that_was_ahead_has_its_time() {
    let mut books = books();
    word(&mut books, FeedWord::Touched, 5000);
    got(&mut books, 1, 100, Got::Missing);
    assert_eq!(books.owed(&mail()).unwrap().due_at, Some(at(5000)));
}

/// A word after the first look: what was missed before may be there by now.
#[test]
fn a_word_begins_the_looks_anew() {
    let mut books = books();
    let absent = Some(SessionId(1));
    apply(&mut books, FeedStep::Questions { ids: vec![mail()], absent }, 100);
    word(&mut books, FeedWord::Touched, 150);
    got(&mut books, 2, 170, Got::Missing);
    assert!(lives(&books), "one look since");
    got(&mut books, 1, 230, Got::Missing);
    assert!(!lives(&books));
}

/// Words that came before it was deleted are told late, and an old read shows what they told: time alone
/// shows that it is back.
#[test]
fn what_is_deleted_is_not_back_by_a_version() {
    let mut books = books();
    word(&mut books, FeedWord::Gone(None), 100);
    assert!(!lives(&books));
    word(&mut books, FeedWord::State(in_inbox(Some("7"))), 101);
    got(&mut books, 1, 110, found(in_inbox(Some("7")), false));
    assert!(!lives(&books) && is_owed(&books));
    got(&mut books, 1, 161, found(in_inbox(Some("7")), false));
    assert!(lives(&books) && !is_owed(&books));
}

/// A page of words that ends much of what is held ends none of it: each is asked about.
#[test]
fn many_that_are_gone_at_once_are_asked_about() {
    for (floor, living) in [(1, true), (2, false)] {
        let mut books = books();
        let other = Identity("gm:2".into());
        let body = BodyRef::sealed(BodyHash([2; 32]), 1, 0, 5);
        let second = WholeMail {
            thread: None,
            identity: other.clone(),
            body,
            header: HeaderFacts::default(),
            date: None,
            version: None,
            places: BTreeSet::from([FolderId(1)]),
            flags: Flags::default(),
        };
        books.ledger.create_whole(second, at(1));
        books.held = 2;
        let gone = |id| FeedItem { id, word: FeedWord::Gone(None) };
        let items = vec![gone(mail()), gone(other)];
        let (place, from, to, session) = (WHOLE, None, None, SessionId(1));
        let step = FeedStep::Words { place, from, to, session, items };
        apply_by(&mut books, Terms { guard_floor: floor, ..TERMS }, step, 100);
        assert_eq!((lives(&books), is_owed(&books)), (living, living), "floor {floor}");
        // One look was the word; another session, late enough, is the second.
        got(&mut books, 2, 160, Got::Missing);
        assert!(!lives(&books));
    }
}

/// A word that is told late does not lower what an answer must show.
#[test]
fn the_version_that_is_owed_never_falls() {
    let mut books = empty();
    word(&mut books, new("9"), 100);
    word(&mut books, new("7"), 101);
    got(&mut books, 1, 110, found(in_inbox(Some("7")), true));
    assert!(lives(&books) && is_owed(&books), "it is older than what was told");
    got(&mut books, 1, 111, found(in_inbox(Some("9")), false));
    assert!(!is_owed(&books));
}

/// The provider has forgotten what came after the cursor: what was asked before settles nothing, whatever
/// version it shows, and what is found is compared.
#[test]
fn a_history_that_is_forgotten_renews_what_is_owed() {
    let mut books = empty();
    let cursor = || FeedCursor("1".into());
    books.rows.feeds.insert(WHOLE, FeedState { cursor: Some(cursor()), head_at: at(1) });
    word(&mut books, new("5"), 100);
    let expired = FeedStep::Expired { place: WHOLE, from: cursor(), cursor: Some(cursor()) };
    apply(&mut books, expired, 150);
    assert_eq!(books.rows.state.debt, Some(at(150)));
    got(&mut books, 1, 170, found(in_inbox(Some("5")), true));
    assert!(lives(&books) && is_owed(&books));
    got(&mut books, 1, 210, found(in_inbox(Some("5")), false));
    assert!(!is_owed(&books));
}

/// Pages shift under the first list, so a compare is owed behind it; one pays the debt that it began with,
/// and none that is younger.
#[test]
fn a_compare_pays_the_debt_that_it_names() {
    let mut books = empty();
    let listed = |first: bool, pays: Option<i64>| FeedStep::Listed {
        place: None,
        first,
        pays: pays.map(at),
        shifts: false,
    };
    apply(&mut books, listed(true, None), 100);
    assert_eq!(books.rows.state.debt, Some(at(100)));
    apply(&mut books, listed(false, Some(90)), 110);
    assert_eq!(books.rows.state.debt, Some(at(100)), "an older one");
    apply(&mut books, listed(false, Some(100)), 120);
    assert_eq!(books.rows.state.debt, None);
}
