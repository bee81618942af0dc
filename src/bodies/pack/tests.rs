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
    std::fs::write(path(packs.next_number()), "x").unwrap();
    let mut old = packs.old().unwrap();
    old.sort_unstable();
    assert_eq!((old, packs.next_unused()), (vec![2, 3], 5));
    let ours: Vec<i64> = (0..6).filter(|pack| packs.is_ours(*pack)).collect();
    assert_eq!(ours, [2, 3]);
    assert!(packs.unlink(1).is_err() && packs.unlink(4).is_err());
    packs.unlink(3).unwrap();
    packs.unlink(3).unwrap();
    assert!(path(1).exists() && path(2).exists() && !path(3).exists() && path(4).exists());
}
