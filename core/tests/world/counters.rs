//! Counters that come with LIST: what they must not prove, as scripts.

use crate::order::counted;
use crate::server::EVER;
use crate::world::World;
use postrider_core::run::event::Event;
use postrider_core::run::scope::{Depth, Scope};

/// A run of everything, taken on until a session is asked this.
fn until_asked(world: &mut World, what: &str) {
    world.asked = Some(Vec::new());
    world.begin(Scope::Everything);
    for _ in 0..5000 {
        if world.asked.as_ref().unwrap().iter().any(|asked| asked == what) {
            return;
        }
        world.step_all();
    }
    panic!("{what} was never asked: {:#?}", world.asked);
}

/// LIST has told counters, and a new name is opened before they are looked at. What a hint tells
/// meanwhile of another folder is not in them.
#[test]
fn a_hint_that_comes_while_a_name_is_opened_is_looked_at() {
    let mut world = counted();
    let new = world.server.create().unwrap();
    world.mail(&new, 9);
    until_asked(&mut world, &format!("examine {new}"));
    world.mail("B", 10);
    let folder = world.folder("B");
    world.deliver(Event::Nudged(folder, Depth::Quick));
    world.clean_run().unwrap();
    assert_eq!(world.difference(), None);
}

/// LIST counts more messages than there are UIDs: whatever that is, the folder is not opened by it, or
/// old mail would be told as new.
#[test]
fn what_counts_more_messages_than_uids_is_asked_itself() {
    let mut world = World::tame(2);
    (world.cfg.modseq, world.cfg.counted) = (true, true);
    world.mail("INBOX", 1);
    let copy = world.server.folders["INBOX"].mail[&1].clone();
    let folder = world.server.folders.get_mut("B").unwrap();
    folder.mail.insert(1, copy);
    folder.uidnext = 2;
    world.mail("B", 2);
    // Until LIST is answered.
    world.server.folders.get_mut("B").unwrap().ahead = Some((EVER, 1));
    world.faults = true;
    until_asked(&mut world, "examine INBOX");
    world.faults = false;
    world.clean_run().unwrap();
    assert_eq!(world.difference(), None);
    let told = world.store.events.iter().filter(|event| event.message.is_some());
    let old: Vec<bool> = told.map(|event| event.backfill).collect();
    assert_eq!(old, [true; 3]);
}

/// What there is to read is known before INBOX's newest page lets the others be opened.
#[test]
fn what_is_not_opened_yet_is_counted() {
    let mut world = World::tame(3);
    (world.cfg.modseq, world.cfg.counted) = (true, true);
    for (n, name) in ["INBOX", "INBOX", "INBOX", "B", "B", "C"].into_iter().enumerate() {
        world.mail(name, u32::try_from(n).unwrap() + 1);
    }
    world.begin(Scope::Everything);
    let remaining = |world: &World| world.machine.as_ref().map(|run| run.counts().remaining);
    for _ in 0..5000 {
        if remaining(&world) == Some(6) {
            assert_eq!(world.store.folders.len(), 1, "INBOX alone is opened");
            return;
        }
        world.step_all();
    }
    panic!("{:?} are told at the end", remaining(&world));
}
