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
