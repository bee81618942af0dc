//! Who is asked what, and what is believed of whom.

use super::*;
use crate::budget::Lane;
use crate::failure::{Class, Provenance, Reach};
use crate::mail::id::UidValidity;
use crate::mail::message::Fetched;
use crate::mail::page::{Again, Page, Unfetched};
use crate::mail::recognise::IdentityKind;

/// A page of history.
pub(in crate::account::follow) fn page(folder: &str, from: u32, to: u32) -> Request {
    Request::Fetch {
        remote_id: folder.as_bytes().to_vec(),
        uidvalidity: UidValidity(1),
        uids: UidSet::range(from, to),
        estimated: false,
        lane: Lane::Backfill,
        names: IdentityKind::Hash,
        seeks: false,
        pieces: false,
    }
}

fn examine(folder: &str) -> Request {
    Request::examine(folder.as_bytes().to_vec())
}

/// Who was asked what: the token, of the other session with a `+`.
fn told(errands: &[Errand]) -> Vec<String> {
    errands
        .iter()
        .map(|errand| match errand {
            Errand::Own(token, _) => token.0.to_string(),
            Errand::Lent(_, token, _) => format!("+{}", token.0),
        })
        .collect()
}

#[expect(clippy::disallowed_methods, reason = "a test's bodies are durable by definition")]
fn came(uids: &[u32]) -> Page {
    let hash = crate::mail::body::BodyHash([1; 32]);
    let row = |uid: &u32| Fetched {
        uid: *uid,
        identity: crate::mail::id::Identity::of_bytes(hash),
        body: crate::mail::body::BodyRef::sealed(hash, 1, 0, 5),
        flags: crate::mail::flags::Flags::default(),
        modseq: None,
        internal_date: None,
        header: crate::mime::HeaderFacts::default(),
        announced: None,
        held: false,
    };
    Page { rows: uids.iter().map(row).collect(), ..Page::default() }
}

/// Two sessions that work on six pages of a folder.
fn two() -> Hands {
    let mut hands = Hands::default();
    hands.begin(None, Duration::ZERO);
    for n in 1..=6 {
        hands.ask(Token(n), page("A", 10 * n as u32, 10 * n as u32 + 1));
    }
    let tokens = |pages: &mut dyn Iterator<Item = Token>| pages.map(|t| t.0).collect::<Vec<_>>();
    assert_eq!(tokens(&mut hands.own.keys().copied()), [1, 2]);
    assert_eq!(tokens(&mut hands.lent.keys().copied()), [3, 4]);
    assert_eq!(tokens(&mut hands.pages.iter().map(|(t, _)| *t)), [5, 6]);
    hands
}

fn fetched(page: Page, last: bool) -> Result<Answer, Failure> {
    Ok(Answer::Fetched { page, last })
}

fn cut() -> Failure {
    Failure::new(Class::Network, Reach::Session, Provenance::Server, "bye")
}

#[test]
fn alone_it_is_asked_at_once_and_a_third_page_wants_another() {
    let mut hands = Hands::default();
    for n in 1..=2 {
        assert_eq!(told(&hands.ask(Token(n), page("A", 1, 9))), [n.to_string()]);
    }
    assert!(!hands.wants_other(Duration::ZERO));
    assert_eq!(told(&hands.ask(Token(3), page("A", 11, 19))), ["3"]);
    assert!(hands.wants_other(Duration::ZERO));
    hands.refused(Duration::from_secs(60));
    assert!(!hands.wants_other(Duration::from_secs(59)));
    assert!(hands.wants_other(Duration::from_secs(60)));
}

#[test]
fn each_has_two_pages_and_the_next_goes_to_who_is_free() {
    let mut hands = two();
    hands.answered(Token(1));
    assert_eq!(told(&hands.share()), ["5"]);
    assert!(matches!(
        hands.brought(1, Token(3), fetched(came(&[30, 31]), true)),
        Brought::Answer(Token(3), Answer::Fetched { last: true, .. })
    ));
    assert_eq!(told(&hands.share()), ["+6"]);
    // One mail is asked for alone for a reason, and what has just come is live.
    let mut hands = Hands::default();
    hands.begin(None, Duration::ZERO);
    for n in 1..=4 {
        assert_eq!(told(&hands.ask(Token(n), page("A", 7, 7))), [n.to_string()]);
    }
}

/// Flags or absences older than they seem would be believed.
#[test]
fn what_is_asked_of_a_folder_waits_for_its_pages_and_they_for_it() {
    let mut hands = two();
    assert_eq!(told(&hands.ask(Token(7), examine("A"))), [""; 0], "pages of A are out");
    assert_eq!(told(&hands.ask(Token(8), page("A", 70, 71))), [""; 0]);
    hands.answered(Token(1));
    hands.answered(Token(2));
    assert_eq!(told(&hands.share()), ["5", "6"], "they were asked for before");
    hands.brought(1, Token(3), fetched(came(&[30, 31]), true));
    assert_eq!(told(&hands.share()), [""; 0], "8 is newer than what is asked of A");
    hands.brought(1, Token(4), fetched(came(&[40, 41]), true));
    assert_eq!(told(&hands.share()), ["7"]);
    hands.answered(Token(5));
    assert_eq!(told(&hands.share()), ["8"], "behind it, on the same session");
    assert_eq!(told(&hands.ask(Token(9), page("A", 80, 81))), [""; 0], "7 is not answered");
    hands.answered(Token(7));
    // A is opened anew: it may show what it showed before.
    let errands = hands.share();
    assert_eq!(told(&errands), [format!("+{}", u64::MAX), "+9".to_owned()]);
    let Errand::Lent(1, NOBODY, Request::Examine { remote_id, .. }) = &errands[0] else { panic!() };
    assert_eq!(remote_id, b"A");
    hands.brought(1, Token(9), fetched(came(&[80, 81]), true));
    assert_eq!(told(&hands.ask(Token(10), page("A", 90, 91))), ["+10"], "once");
    // Of another folder it is no matter, of LIST it is.
    let mut hands = two();
    assert_eq!(told(&hands.ask(Token(7), examine("B"))), ["7"]);
    hands.brought(1, Token(3), fetched(came(&[30, 31]), true));
    assert_eq!(told(&hands.share()), ["+5"]);
    let list = Request::List { counters_of: Vec::new(), anew: false };
    assert_eq!(told(&hands.ask(Token(8), list)), ["8"]);
    hands.brought(1, Token(4), fetched(came(&[40, 41]), true));
    assert_eq!(told(&hands.share()), [""; 0]);
}

#[test]
fn what_it_has_not_brought_the_own_session_reads() {
    let mut hands = two();
    hands.brought(1, Token(3), fetched(came(&[30]), false));
    hands.brought(1, Token(4), fetched(came(&[40, 41]), false));
    assert!(matches!(hands.brought(1, Token(3), Err(cut())), Brought::Lost(_)));
    assert_eq!(hands.end(Duration::ZERO), [Token(4)], "all of it has come");
    let errands = hands.share();
    assert_eq!(told(&errands), ["3", "5", "6"]);
    let Errand::Own(_, Request::Fetch { uids, .. }) = &errands[0] else { panic!("{errands:?}") };
    assert_eq!(uids.to_string(), "31");
    // It is heard no more.
    assert!(matches!(hands.brought(1, Token(3), fetched(came(&[31]), true)), Brought::Nothing));
}

#[test]
fn it_brings_mail_and_says_nothing_else() {
    type Spoil = fn(&mut Page);
    let spoils: [Spoil; 3] = [
        |page| page.gone = UidSet::one(31),
        |page| {
            let (class, again) = (Class::InvalidData, Again::Spaced);
            page.failed.push(Unfetched { uid: 31, class, text: "NO".into(), again });
        },
        |page| {
            let fetched = came(&[31]).rows.remove(0);
            page.suspects.push(crate::mail::page::Suspect { fetched, announced: 9 });
        },
    ];
    for spoil in spoils {
        let mut hands = Hands::default();
        hands.begin(None, Duration::ZERO);
        for n in 1..=3 {
            hands.ask(Token(n), page("A", 10 * n as u32, 10 * n as u32 + 2));
        }
        let mut told_page = came(&[30, 32]);
        spoil(&mut told_page);
        let Brought::Answer(Token(3), Answer::Fetched { page, last: false }) =
            hands.brought(1, Token(3), fetched(told_page, true))
        else {
            panic!("what is in front of it has come")
        };
        assert_eq!((page.rows.len(), page.settled().to_string()), (1, "30".to_owned()));
        let errands = hands.share();
        assert_eq!(told(&errands), ["3"], "and not lent again");
        let Errand::Own(_, Request::Fetch { uids, .. }) = &errands[0] else { panic!() };
        assert_eq!(uids.to_string(), "31:32");
    }
}

#[test]
fn who_is_needed_elsewhere_brings_what_it_was_asked_for_and_goes() {
    let mut hands = two();
    hands.recall();
    assert_eq!(told(&hands.share()), ["5", "6"]);
    assert!(!hands.is_gone());
    for (token, uids) in [(3, [30, 31]), (4, [40, 41])] {
        assert!(matches!(
            hands.brought(1, Token(token), fetched(came(&uids), true)),
            Brought::Answer(..)
        ));
    }
    assert!(hands.is_gone() && hands.end(Duration::ZERO).is_empty());
    // The next time is another number: what was meant for the first is nobody's.
    hands.begin(None, Duration::ZERO);
    hands.ask(Token(7), page("A", 70, 71));
    hands.ask(Token(8), page("A", 80, 81));
    hands.ask(Token(9), page("A", 90, 91));
    assert!(hands.lent.contains_key(&Token(7)));
    assert!(matches!(hands.brought(1, Token(7), fetched(came(&[70, 71]), true)), Brought::Nothing));
}

#[test]
fn who_has_watched_opens_anew_what_it_watched() {
    for (watched, opens) in
        [(Some(b"A".to_vec()), true), (Some(b"B".to_vec()), false), (None, false)]
    {
        let mut hands = Hands::default();
        hands.begin(watched, Duration::ZERO);
        let errands: Vec<Errand> = (1..=4_u32)
            .flat_map(|n| hands.ask(Token(n.into()), page("A", 10 * n, 10 * n + 1)))
            .filter(|errand| matches!(errand, Errand::Lent(..)))
            .collect();
        let first = errands.first().unwrap();
        let is_opened =
            matches!(first, Errand::Lent(_, token, Request::Examine { .. }) if *token == NOBODY);
        assert_eq!(is_opened, opens);
        let lent =
            errands.iter().filter(|e| matches!(e, Errand::Lent(_, token, _) if *token != NOBODY));
        assert_eq!(lent.count(), 2);
    }
}
