//! A folder that is open still, on a server that is slow to tell what has left it, as a script of events.

use crate::world::World;
use postrider_core::run::event::Event;
use postrider_core::run::scope::{Depth, Scope};
use postrider_core::standing::EventKind;
use std::collections::BTreeMap;

/// A mail was moved, and seen where it went first; the folder it had left was open still, and told
/// nothing of that until it was opened again. What an open folder is counted to hold is no sight of it:
/// the mail was told as one that had lain in both.
#[test]
fn what_an_open_folder_holds_back_is_a_move_all_the_same() {
    let mut world = World::tame(3);
    for cid in 1..=3 {
        world.mail("C", cid);
    }
    world.clean_run().unwrap();
    let (b, c) = (world.folder("B"), world.folder("C"));
    let moved = world.store.ledger.locations().find(|l| (l.folder, l.uid) == (c, 1));
    let moved = moved.map(|l| l.message);
    world.now += 700;
    world.begin(Scope::Some { list: false, folders: BTreeMap::from([(c, Depth::Full)]) });
    world.mail("C", 4);
    world.go_on_to(|commit| commit.starts_with("Folder(Arrivals"));
    world.mute = Some("C".to_owned());
    let events = world.store.events.len();
    world.shift("C", 1, "B");
    world.touched.insert(1, 1);
    world.deliver(Event::Nudged(b, Depth::Quick));
    world.go_on_to(|commit| commit.starts_with("Folder(Pass") && commit.contains("FolderId(2)"));
    let proofs = world.store.proofs;
    world.deliver(Event::Nudged(c, Depth::Quick));
    world.clean_run().unwrap();
    assert!(world.store.proofs > proofs, "C was counted, and fits");
    world.mute = None;
    world.converges(3);
    let told = world.store.events[events..].iter().filter(|e| e.message == moved);
    let kinds: Vec<EventKind> = told.map(|e| e.kind).collect();
    assert_eq!(kinds, [EventKind::MessageUpdated, EventKind::MessageMoved]);
}
