//! What is free is asked now and then.

use super::*;
use crate::bodies::disk::RealDisk;

#[test]
fn the_file_system_is_not_asked_for_every_body() {
    let dir = tempfile::tempdir().unwrap();
    let packs = PackDir::open(dir.path(), Arc::new(RealDisk), 0).unwrap();
    let unasked = || packs.unasked.load(Ordering::Relaxed);
    packs.keep_free(1);
    for (octets, left) in [
        (1000, UNASKED),
        (1000, UNASKED - 1000),
        (0, UNASKED),
        (UNASKED - 1, 1),
        (1, 0),
        (1, UNASKED),
    ] {
        packs.room_for(octets).unwrap();
        assert_eq!(unasked(), left, "{octets}");
    }
    // What is to stay free from now on counts at once.
    packs.keep_free(u64::MAX);
    assert!(packs.room_for(1).is_err());
    assert_eq!(unasked(), 0);
}

/// What lay there when the process began goes, where it is no other mirror's; what has come since, and what is gone already,
/// are left.
#[test]
fn what_is_ours_is_unlinked_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = |pack| writer::path_of(dir.path(), pack);
    (1..=3).for_each(|pack| std::fs::write(path(pack), "x").unwrap());
    let packs = PackDir::open(dir.path(), Arc::new(RealDisk), 0).unwrap();
    packs.spare(1);
    let held = packs.begin_pack();
    std::fs::write(path(held.id()), "xx").unwrap();
    let of_before = BTreeMap::from([(2, 1), (3, 1)]);
    assert_eq!((packs.closed().unwrap(), packs.next_unused()), (of_before, 5));
    assert_eq!((0..6).filter(|pack| packs.is_closed(*pack)).collect::<Vec<i64>>(), [2, 3]);
    assert!(packs.unlink(1).is_err() && packs.unlink(4).is_err());
    // Who still holds it may append to it; what it was cloned for as well.
    let other = held.clone();
    drop(held);
    assert!(!packs.is_closed(4));
    drop(other);
    let closed = BTreeMap::from([(2, 1), (3, 1), (4, 2)]);
    assert_eq!((packs.closed().unwrap(), packs.next_unused()), (closed, 5));
    // Only what this process has read can come too late.
    packs.give_back(&[2, 4]);
    let is_dying = |pack| packs.dying().have_any(|is_dying| is_dying(pack));
    assert_eq!([2, 3, 4].map(is_dying), [false, false, true]);
    packs.keep_all(|pack| pack == 4);
    assert!(!is_dying(4));
    packs.unlink(3).unwrap();
    packs.unlink(3).unwrap();
    assert!(path(1).exists() && path(2).exists() && !path(3).exists() && path(4).exists());
}
