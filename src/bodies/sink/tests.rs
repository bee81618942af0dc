//! The sink, and what becomes of bodies that are cut.

use super::*;
use crate::bodies::disk::RealDisk;
use postrider_core::failure::{Class, Reach};

async fn put(sink: &mut PackSink, bytes: &[u8]) {
    sink.begin(bytes.len() as u64).await.unwrap();
    sink.write(bytes).await.unwrap();
    sink.finish().await.unwrap();
}

/// Mail that comes one by one, whoever reads it, shares a file; only a pack that is durable to
/// its end is gone on with.
#[tokio::test]
async fn who_rests_leaves_its_pack_to_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let packs = Arc::new(PackDir::open(dir.path(), Arc::new(RealDisk), 0).unwrap());
    let sink = || PackSink::new(Arc::clone(&packs));
    let (mut one, mut two) = (sink(), sink());
    for n in 0..10_u8 {
        let sink = if n % 2 == 0 { &mut one } else { &mut two };
        put(sink, &[n; 100]).await;
        let sealed = sink.seal().await.unwrap();
        assert_eq!((sealed[0].pack(), sealed[0].offset()), (1, u64::from(n) * 100));
        sink.rest();
    }
    assert_eq!(std::fs::read(dir.path().join("0000000001.pack")).unwrap().len(), 1000);
    // Two at a time have one each.
    put(&mut one, b"x").await;
    put(&mut two, b"y").await;
    assert_eq!(one.seal().await.unwrap()[0].pack(), 1);
    assert_eq!(two.seal().await.unwrap()[0].pack(), 2);
    // Who is gone leaves its pack, too.
    drop(two);
    let mut two = sink();
    put(&mut two, b"y").await;
    assert_eq!(two.seal().await.unwrap()[0].pack(), 2);
    // Nor is a pack gone on with whose seal was begun, and not seen to end.
    put(&mut two, b"y").await;
    let begun = two.begin_seal(Haste::Now).await.unwrap();
    two.rest();
    put(&mut two, b"z").await;
    assert_eq!(two.seal().await.unwrap()[0].pack(), 3);
    assert_eq!(begun.await.unwrap()[0].pack(), 2);
    two.rest();
    // What was not made durable, and a large one that nobody vouches for, take theirs along.
    put(&mut one, b"lost").await;
    one.rest();
    two.begin(LARGE + 1).await.unwrap();
    two.rest();
    put(&mut one, b"z").await;
    let pack = one.seal().await.unwrap()[0].pack();
    assert!(pack > 2, "{pack}");
}

async fn resumed(sink: &mut PackSink, of: &Beginning) -> Option<(u64, Vec<u8>)> {
    let mut all = Vec::new();
    let length = sink.resume(of, 300_000, &mut |piece| all.extend_from_slice(piece)).await;
    length.unwrap().map(|length| (length, all))
}

/// What is kept of a message is named by nobody, goes on where it was cut, and is gone when the
/// message is whole; damaged, it is not used.
#[tokio::test]
async fn a_beginning_is_kept_until_the_message_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let packs = Arc::new(PackDir::open(dir.path(), Arc::new(RealDisk), 0).unwrap());
    let of =
        |uid| Beginning { account: "a".into(), remote_id: b"INBOX".into(), uidvalidity: 7, uid };
    let bytes: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    let mut sink = PackSink::new(Arc::clone(&packs));
    put(&mut sink, b"whole").await;
    sink.begin(300_000).await.unwrap();
    sink.write(&bytes[..270_000]).await.unwrap();
    assert!(sink.keep(of(5)), "so much has never been here");
    let named = sink.seal().await.unwrap();
    assert_eq!((named.len(), named[0].length()), (1, 5));
    // Little is not kept, and nothing is kept of what was not begun.
    sink.begin(300_000).await.unwrap();
    sink.write(&bytes[..60_000]).await.unwrap();
    assert!(!sink.keep(of(6)) && !sink.keep(of(6)));
    sink.begin(300_000).await.unwrap();
    sink.write(&bytes[..250_000]).await.unwrap();
    assert!(!sink.keep(of(5)), "less than before is no step");
    sink.seal().await.unwrap();
    drop(sink);
    let mut sink = PackSink::new(Arc::clone(&packs));
    assert_eq!(sink.kept("a", &b"INBOX".into(), 7), [5]);
    for (account, folder, uidvalidity) in [("b", "INBOX", 7), ("a", "Sent", 7), ("a", "INBOX", 8)] {
        assert!(sink.kept(account, &folder.as_bytes().into(), uidvalidity).is_empty());
    }
    let (length, again) = resumed(&mut sink, &of(5)).await.unwrap();
    assert!(length == 270_000 && again == bytes[..270_000]);
    sink.write(&bytes[270_000..]).await.unwrap();
    sink.finish().await.unwrap();
    // Until that is durable, it is kept.
    assert_eq!(sink.kept("a", &b"INBOX".into(), 7), [5]);
    let whole = sink.seal().await.unwrap();
    let mut want = PackSink::new(Arc::clone(&packs));
    put(&mut want, &bytes).await;
    assert_eq!(whole[0].hash(), want.seal().await.unwrap()[0].hash());
    assert!(sink.kept("a", &b"INBOX".into(), 7).is_empty());
    assert!(resumed(&mut sink, &of(5)).await.is_none());
    // One that is damaged is read anew.
    sink.begin(300_000).await.unwrap();
    sink.write(&bytes[..270_000]).await.unwrap();
    sink.keep(of(9));
    sink.seal().await.unwrap();
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        std::fs::write(entry.unwrap().path(), vec![0; 800_000]).unwrap();
    }
    assert!(
        resumed(&mut sink, &of(9)).await.is_none()
            && sink.kept("a", &b"INBOX".into(), 7).is_empty()
    );
    // Where space is scarce nothing is kept, and a file in which nothing else lies is gone.
    let mut sink = PackSink::new(Arc::clone(&packs));
    let files = || std::fs::read_dir(dir.path()).unwrap().count();
    let before = files();
    sink.begin(LARGE + 1).await.unwrap();
    sink.write(&bytes).await.unwrap();
    sink.keep(of(10));
    sink.seal().await.unwrap();
    assert_eq!(files(), before + 1);
    packs.set_full(Some(Failure::storage("full")));
    assert!(files() == before && sink.kept("a", &b"INBOX".into(), 7).is_empty());
}

/// Who collects closes the longer ones that rest, and leaves the short ones.
#[tokio::test]
async fn long_packs_that_rest_are_closed_for_who_collects() {
    let dir = tempfile::tempdir().unwrap();
    let packs = Arc::new(PackDir::open(dir.path(), Arc::new(RealDisk), 0).unwrap());
    let (mut one, mut two) = (PackSink::new(Arc::clone(&packs)), PackSink::new(Arc::clone(&packs)));
    put(&mut one, &[1; 100]).await;
    put(&mut two, &[2; 2 << 20]).await;
    for sink in [&mut one, &mut two] {
        sink.seal().await.unwrap();
        sink.rest();
    }
    assert!(!packs.is_closed(1) && !packs.is_closed(2));
    packs.retire();
    assert!(!packs.is_closed(1) && packs.is_closed(2));
    put(&mut two, b"x").await;
    put(&mut one, b"x").await;
    assert_eq!([two.seal().await.unwrap()[0].pack(), one.seal().await.unwrap()[0].pack()], [1, 3]);
}

/// A write that is given up has taken what it has counted.
#[tokio::test]
async fn a_write_that_is_dropped_can_be_kept() {
    let dir = tempfile::tempdir().unwrap();
    let packs = Arc::new(PackDir::open(dir.path(), Arc::new(RealDisk), 0).unwrap());
    let mut sink = PackSink::new(Arc::clone(&packs));
    let bytes: Vec<u8> = (0..20_000_000_u32).map(|n| (n % 251) as u8).collect();
    sink.begin(20_000_000).await.unwrap();
    // The threads are slower than memory: it waits for them.
    let dropped = std::time::Duration::from_millis(1);
    assert!(tokio::time::timeout(dropped, sink.write(&bytes)).await.is_err(), "it was not dropped");
    let of = Beginning { account: "a".into(), remote_id: b"\x01".into(), uidvalidity: 7, uid: 5 };
    sink.keep(of.clone());
    sink.seal().await.unwrap();
    let (length, again) = resumed(&mut sink, &of).await.unwrap();
    assert!(length > 0 && length < 20_000_000);
    assert!(again == bytes[..usize::try_from(length).unwrap()]);
}

/// Where nobody said how long a body is, it may be that body alone that fills the disk.
#[tokio::test]
async fn a_body_that_fills_the_disk_unannounced_costs_itself() {
    let dir = tempfile::tempdir().unwrap();
    let packs = Arc::new(PackDir::open(dir.path(), Arc::new(RealDisk), 0).unwrap());
    for (announced, reach) in [(0, Reach::Message), (2 * CHECK, Reach::Process)] {
        packs.keep_free(0);
        let mut sink = PackSink::new(Arc::clone(&packs));
        sink.begin(announced).await.unwrap();
        packs.keep_free(u64::MAX);
        let piece = vec![0; 1 << 20];
        let full = loop {
            if let Err(full) = sink.write(&piece).await {
                break full;
            }
        };
        assert_eq!(full.reach, reach, "{full}");
    }
}

/// A body that is longer than may be costs no more of the disk than that, whether it was announced or not.
#[tokio::test]
async fn a_body_that_never_ends_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let packs = Arc::new(PackDir::open(dir.path(), Arc::new(RealDisk), 0).unwrap());
    packs.take_at_most(1 << 20);
    let mut sink = PackSink::new(packs);
    let told = sink.begin((1 << 20) + 1).await.unwrap_err();
    assert_eq!((told.class, told.reach), (Class::InvalidData, Reach::Message));
    sink.begin(0).await.unwrap();
    sink.write(&vec![7; 1 << 20]).await.unwrap();
    assert_eq!(sink.write(b"x").await.unwrap_err().reach, Reach::Message);
    // The session goes on with others.
    put(&mut sink, b"short").await;
    assert_eq!(sink.seal().await.unwrap().len(), 1);
}
