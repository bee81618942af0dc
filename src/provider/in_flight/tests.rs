//! What is marked, until when, and what the next process makes of it.

use super::*;
use postrider_core::budget::Lane;
use postrider_core::failure::Class;
use postrider_core::mail::page::{Again, Page, Unfetched};
use postrider_core::mail::recognise::IdentityKind;
use postrider_core::provider::feeds::{Got, WantedMail};

fn fetch(uids: &str) -> Request {
    Request::Folders(FolderRequest::Fetch {
        remote_id: b"A\xff".to_vec().into(),
        uidvalidity: UidValidity(3),
        uids: UidSet::parse(uids).unwrap(),
        estimated: false,
        lane: Lane::Live,
        names: IdentityKind::Hash,
        seeks: false,
        pieces: false,
        suspect: false,
    })
}

fn page(uids: &str, last: bool) -> Answer {
    let failed = |uid| Unfetched {
        uid,
        class: Class::Provider,
        text: "".into(),
        again: Again::default(),
        came: None,
    };
    let failed = UidSet::parse(uids).unwrap().iter().map(failed).collect();
    Answer::Folders(FolderAnswer::Fetched { page: Page { failed, ..Page::default() }, last })
}

/// What another process would find.
fn found(dir: &Path) -> Vec<String> {
    let Some(before) = read(&dir.join(FILE)).unwrap() else { return Vec::new() };
    let told = |mail: MailInFlight| match mail.mail {
        WhichMail::Uids { uids, .. } => uids.to_string(),
        WhichMail::Ids(ids) => ids.into_iter().map(|id| id.0).collect::<Vec<_>>().join(" "),
    };
    let mut all: Vec<String> = before.mail.into_iter().map(told).collect();
    all.sort();
    all
}

#[test]
fn what_was_asked_for_is_marked_until_it_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let (in_flight, before) = InFlight::begin(dir.path()).unwrap();
    assert_eq!(before, None);
    let mut first = in_flight.asked("a", &fetch("1:9"), None);
    let second = in_flight.asked("b", &fetch("20:29"), None);
    let looked = FolderRequest::examine(b"A".to_vec().into()).into();
    let look = in_flight.asked("a", &looked, None);
    assert_eq!(found(dir.path()), ["1:9", "20:29"], "a look brings no mail");
    let part = first.brought(&page("1:4", false));
    assert_eq!(found(dir.path()), ["1:4", "20:29", "5:9"]);
    let last = first.brought(&page("5:9", true));
    drop((first, second, look));
    assert_eq!(found(dir.path()), ["1:4", "5:9"], "they are not stored");
    drop(part);
    assert_eq!(found(dir.path()), ["5:9"]);
    drop(last);
    assert_eq!(found(dir.path()), [""; 0]);
    // By ids alike; what nobody asked for is not marked.
    let id = |id: &str| Identity(id.to_owned());
    let wanted = ["x", "y"].map(|of| WantedMail { id: id(of), bytes: true, tried: false }).to_vec();
    let get = Request::Feed(FeedRequest::Get { wanted, lane: Lane::Live, suspect: false });
    let mut get = in_flight.asked("a", &get, None);
    let got = vec![(id("x"), Got::Missing), (id("z"), Got::Missing)];
    let part = get.brought(&Answer::Feed(FeedAnswer::Got { found: got, last: false }));
    assert_eq!(found(dir.path()), ["x", "y"]);
    drop((part, get));
    in_flight.end();
    assert!(!dir.path().join(FILE).exists());
}

#[test]
fn the_next_process_learns_how_the_one_before_has_ended() {
    let dir = tempfile::tempdir().unwrap();
    let (in_flight, _) = InFlight::begin(dir.path()).unwrap();
    let _asked = in_flight.asked("a", &fetch("1:9"), None);
    let copy = std::fs::read(dir.path().join(FILE)).unwrap();
    let (next, before) = InFlight::begin(dir.path()).unwrap();
    let mail = WhichMail::Uids {
        folder: b"A\xff".to_vec(),
        uidvalidity: UidValidity(3),
        uids: UidSet::range(1, 9),
    };
    let killed = vec![MailInFlight { account: "a".into(), mail: mail.clone(), lone: false }];
    assert_eq!(before, Some(EndBefore { how: ProcessEnd::Killed, mail: killed.clone() }));
    // Until the database knows it, the one behind that finds it, too.
    let (next, again) = (drop(next), InFlight::begin(dir.path()).unwrap()).1;
    assert_eq!(again.as_ref().map(|end| &end.mail), Some(&killed));
    next.learned();
    let (next, none) = InFlight::begin(dir.path()).unwrap();
    assert_eq!(none, Some(EndBefore { how: ProcessEnd::Killed, mail: Vec::new() }));
    next.learned();
    // As the handler leaves it; what is no mark is passed over.
    let mut told = copy.clone();
    told[0] = b'X';
    told.extend_from_slice(b"{\"account\":7}\n");
    std::fs::write(dir.path().join(FILE), told).unwrap();
    let (_, before) = InFlight::begin(dir.path()).unwrap();
    assert_eq!(before, Some(EndBefore { how: ProcessEnd::Aborted, mail: killed }));
}

#[test]
fn there_are_only_so_many_marks() {
    let dir = tempfile::tempdir().unwrap();
    let (in_flight, _) = InFlight::begin(dir.path()).unwrap();
    let all: Vec<_> = (0..SLOTS + 50).map(|_| in_flight.asked("a", &fetch("1"), None)).collect();
    assert_eq!(found(dir.path()).len() as u32, SLOTS - 1);
    drop(all);
    assert_eq!(found(dir.path()), [""; 0]);
    let long = (1..9000).step_by(2).map(|uid| uid.to_string()).collect::<Vec<_>>().join(",");
    let _long = in_flight.asked("a", &fetch(&long), None);
    assert_eq!(found(dir.path()), [""; 0], "what does not fit is not marked");
}

#[tokio::test]
async fn a_suspect_waits_for_the_one_before_until_that_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let (in_flight, _) = InFlight::begin(dir.path()).unwrap();
    let permit = in_flight.clone().alone().await;
    assert!(permit.is_some());
    let mut asked = in_flight.asked("a", &fetch("1"), permit);
    let part = asked.brought(&page("1", true));
    drop(asked);
    let next = tokio::time::timeout(Duration::from_millis(20), in_flight.clone().alone()).await;
    assert!(next.is_err(), "it is not stored");
    drop(part);
    assert!(in_flight.alone().await.is_some());
}

#[test]
fn what_was_in_a_page_too_was_not_alone() {
    let marked = |uids: &str, lone| {
        let (folder, uidvalidity) = (b"A".to_vec(), UidValidity(3));
        let mail = WhichMail::Uids { folder, uidvalidity, uids: UidSet::parse(uids).unwrap() };
        MailInFlight { account: "a".into(), mail, lone }
    };
    for (first, second, want) in [(true, true, true), (true, false, false), (false, true, false)] {
        let mut mail = marked("4", first);
        assert!(mail.joins(&marked("4", second)));
        assert_eq!(mail.lone, want);
    }
    let mut other = marked("4", true);
    assert!(!other.joins(&marked("5:9", false)) && other.lone);
}
