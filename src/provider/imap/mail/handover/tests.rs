//! In which order pages are told, and what is told when the disk fails.

use super::*;
use futures::FutureExt;
use postrider_core::mail::flags::Flags;
use postrider_core::mail::id::UidValidity;
use postrider_core::mail::recognise::IdentityKind;
use postrider_core::mail::uid_set::UidSet;
use postrider_core::mime::HeaderFacts;
use postrider_core::provider::Request;
use postrider_core::provider::folders::{FolderAnswer, FolderRequest};

type ToldSoFar = Arc<Mutex<Vec<String>>>;

fn asker(name: &'static str, told: &ToldSoFar) -> Asker {
    let told = Arc::clone(told);
    let answer = Box::new(move |answer: Result<Answer, Failure>| {
        let text = match answer {
            Ok(Answer::Folders(FolderAnswer::Fetched { page, last })) => {
                format!("{name} {:?} {last}", page.settled().iter().collect::<Vec<_>>())
            }
            Ok(other) => format!("{name} {other:?}"),
            Err(failure) => format!("{name} {}", failure.text),
        };
        told.lock().unwrap().push(text);
    });
    Asker::new(Ask {
        request: Request::Folders(FolderRequest::List { counters_of: Vec::new(), anew: false }),
        answer,
    })
}

/// A page without mail of its own: what is asked is when it is told.
fn page(uid: u32) -> Page<Row> {
    Page { gone: UidSet::one(uid), ..Page::default() }
}

fn cost() -> Cost {
    Cost { _credit: None, _units: None }
}

fn sealing() -> (oneshot::Sender<Result<Vec<BodyRef>, Failure>>, Sealing) {
    let (done, sealed) = oneshot::channel();
    (done, Box::pin(async move { sealed.await.unwrap() }))
}

/// No page is told before its seal, and none before the one that was read before it, in
/// whatever order the disk gets done.
#[tokio::test]
async fn pages_are_told_in_their_order_and_behind_their_seals() {
    let told = ToldSoFar::default();
    let mut hand = HandOver::begin();
    let ((first, one), (second, two)) = (sealing(), sealing());
    hand.seal(one, Vec::new()).await.unwrap();
    hand.part(&asker("a", &told), page(1)).await.unwrap();
    hand.last(asker("a", &told), page(2), cost()).await.unwrap();
    hand.seal(two, Vec::new()).await.unwrap();
    hand.last(asker("b", &told), page(3), cost()).await.unwrap();
    second.send(Ok(Vec::new())).unwrap();
    assert!(!hand.is_idle());
    let mut reached = Box::pin(hand.reached());
    for _ in 0..10 {
        assert!((&mut reached).now_or_never().is_none(), "they are not told yet");
        tokio::task::yield_now().await;
    }
    assert!(told.lock().unwrap().is_empty(), "{told:?}");
    first.send(Ok(Vec::new())).unwrap();
    reached.await;
    assert!(hand.is_idle());
    assert_eq!(told.lock().unwrap().len(), 3);
    hand.end().await.unwrap();
    assert_eq!(*told.lock().unwrap(), ["a [1] false", "a [2] true", "b [3] true"]);
}

/// A page that names a body whose seal was not seen is not told.
#[tokio::test]
async fn a_page_without_its_seal_is_not_told() {
    let told = ToldSoFar::default();
    let mut hand = HandOver::begin();
    let row = Row::came(7, hand.number(), Flags::default(), HeaderFacts::default());
    let page = Page { rows: vec![row], ..Page::default() };
    hand.last(asker("a", &told), page, cost()).await.unwrap();
    assert!(hand.end().await.is_err());
    assert_eq!(told.lock().unwrap().len(), 1);
    assert!(!told.lock().unwrap()[0].contains("true"), "{told:?}");
}

/// The disk has failed: who was to be told of a whole page is told of that, and the reader of
/// the others hears of it.
#[tokio::test]
async fn a_failed_seal_ends_it() {
    let told = ToldSoFar::default();
    let mut hand = HandOver::begin();
    let (disk, sealing) = sealing();
    hand.seal(sealing, Vec::new()).await.unwrap();
    hand.part(&asker("a", &told), page(1)).await.unwrap();
    hand.last(asker("b", &told), page(2), cost()).await.unwrap();
    disk.send(Err(Failure::storage("full"))).unwrap();
    hand.broken().await;
    assert!(hand.part(&asker("c", &told), page(3)).await.is_err());
    // Who comes too late is told why.
    assert!(hand.last(asker("d", &told), page(4), cost()).await.is_err());
    let answer = Err(Failure::bug("another"));
    assert!(hand.told(asker("e", &told), answer).await.is_err());
    assert_eq!(hand.end().await.unwrap_err().text, "full");
    assert_eq!(*told.lock().unwrap(), ["b full", "d full", "e full"]);
}

/// An answer about a folder overtakes mail of the past of others, and nothing else.
#[tokio::test]
async fn only_mail_of_another_folders_past_lets_pass() {
    let told = ToldSoFar::default();
    let page_of = |folder: &str, lane: Lane| {
        let Asker(ask) = asker("p", &told);
        ask.lock().unwrap().request = Request::Folders(FolderRequest::Fetch {
            remote_id: folder.as_bytes().into(),
            uidvalidity: UidValidity(1),
            uids: UidSet::one(1),
            estimated: false,
            lane,
            names: IdentityKind::Hash,
            seeks: false,
            pieces: false,
            suspect: false,
        });
        Asker(ask)
    };
    let mut hand = HandOver::begin();
    assert!(hand.lets_pass(b"B"), "nothing waits");
    let (disk, sealing) = sealing();
    hand.seal(sealing, Vec::new()).await.unwrap();
    hand.last(page_of("A", Lane::Backfill), page(1), cost()).await.unwrap();
    assert!(hand.lets_pass(b"B") && !hand.lets_pass(b"A"));
    for _ in 1..WAITING {
        assert!(!hand.is_full());
        hand.part(&page_of("A", Lane::Backfill), page(1)).await.unwrap();
    }
    assert!(hand.is_full(), "so much waits that it is to make haste");
    let live = page_of("C", Lane::Live);
    hand.last(live, page(2), cost()).await.unwrap();
    assert!(!hand.lets_pass(b"B"), "what is new goes before");
    disk.send(Ok(Vec::new())).unwrap();
    hand.reached().await;
    assert!(hand.lets_pass(b"A") && hand.lets_pass(b"B") && !hand.is_full());
    let (disk, sealing) = self::sealing();
    hand.seal(sealing, Vec::new()).await.unwrap();
    hand.told(asker("t", &told), Err(Failure::bug("x"))).await.unwrap();
    assert!(!hand.lets_pass(b"B"), "nor does it overtake what is no mail");
    disk.send(Ok(Vec::new())).unwrap();
    hand.end().await.unwrap();
}

#[tokio::test]
async fn another_number_of_bodies_is_noticed() {
    let mut hand = HandOver::begin();
    let (disk, sealing) = sealing();
    hand.seal(sealing, vec![None]).await.unwrap();
    disk.send(Ok(Vec::new())).unwrap();
    assert!(hand.end().await.is_err());
}
