//! Folders whose UIDs begin anew: scripts.

use crate::server::Dice;
use crate::world::World;
use postrider_core::commit::rows::LocationRow;
use postrider_core::mail::id::MessageId;
use postrider_core::run::event::Event;
use postrider_core::run::scope::{Depth, Scope};
use postrider_core::standing::EventKind;

/// What lies in a folder of ours: UID, message, mail.
fn held(world: &World, name: &str) -> Vec<(u64, MessageId, u32)> {
    let folder = world.folder(name);
    let living =
        world.store.ledger.locations().filter(|l| l.folder == folder && l.ended_at.is_none());
    living.map(|l| (l.uid, l.message, world.store.cid(l.message))).collect()
}

/// A world with mail in two folders, mirrored.
fn mirrored() -> World {
    let mut world = World::tame(2);
    for cid in 1..=6 {
        world.mail("B", cid);
    }
    world.mail("INBOX", 7);
    world.now += 100;
    world.clean_run().unwrap();
    world.clean_run().unwrap();
    assert_eq!(world.difference(), None);
    world
}

fn begin_anew(world: &mut World, name: &str) {
    world.server.folders.get_mut(name).unwrap().begin_anew(&mut Dice::of(3));
}

fn told(world: &World, from: usize) -> Vec<EventKind> {
    world.store.events[from..].iter().map(|e| e.kind).collect()
}

/// No body is read again, nothing is told of a message, each is the row that it was.
#[test]
fn what_is_held_is_found_again() {
    let mut world = mirrored();
    let before: Vec<_> = held(&world, "B").iter().map(|(_, id, cid)| (*id, *cid)).collect();
    let (fetched, events) = (world.fetched, world.store.events.len());
    begin_anew(&mut world, "B");
    let asked = world.asks_quietly();
    assert_eq!(
        asked,
        ["list", "examine INBOX", "flags INBOX 1", "examine B", "keys B", "examine B", "index B"]
    );
    assert_eq!(world.difference(), None);
    let after: Vec<_> = held(&world, "B").iter().map(|(_, id, cid)| (*id, *cid)).collect();
    assert_eq!((after, world.fetched), (before, fetched));
    assert_eq!(told(&world, events), [EventKind::FolderReset]);
}

/// What came, what went and what has other flags since the last pass is told as ever.
#[test]
fn what_happened_meanwhile_is_told() {
    let mut world = mirrored();
    let (fetched, events) = (world.fetched, world.store.events.len());
    let folder = world.server.folders.get_mut("B").unwrap();
    folder.mail.remove(&2);
    folder.mail.get_mut(&3).unwrap().flags = 5;
    world.now += 10;
    world.mail("B", 8);
    begin_anew(&mut world, "B");
    world.clean_run().unwrap();
    assert_eq!(world.difference(), None);
    assert_eq!(world.fetched, fetched + 1);
    let kinds = told(&world, events);
    let of = |kind| kinds.iter().filter(|k| **k == kind).count();
    assert_eq!(of(EventKind::MessageCreated), 1, "{kinds:?}");
    assert_eq!(of(EventKind::MessageUpdated), 1, "{kinds:?}");
    assert_eq!(of(EventKind::MessageDeleted), 1, "{kinds:?}");
    assert_eq!(of(EventKind::FolderReset), 1, "{kinds:?}");
    let new = world.store.events[events..].iter().find(|e| e.kind == EventKind::MessageCreated);
    assert!(!new.unwrap().backfill, "it is news");
}

/// They begin anew once more while the first time is being worked on: at each of its steps.
#[test]
fn twice_is_like_once() {
    for step in ["Folder(Facts", "Folder(Rematch", "Folder(Pass"] {
        let mut world = mirrored();
        let before: Vec<_> = held(&world, "B").iter().map(|(_, id, cid)| (*id, *cid)).collect();
        world.mail("B", 8);
        world.clean_run().unwrap();
        world.server.folders.get_mut("B").unwrap().mail.retain(|_, mail| mail.cid != 8);
        let (fetched, events) = (world.fetched, world.store.events.len());
        begin_anew(&mut world, "B");
        let of_b = format!("folder: {:?}", world.folder("B"));
        world.run_to(|commit| commit.starts_with(step) && commit.contains(&of_b));
        begin_anew(&mut world, "B");
        world.clean_run().unwrap();
        world.clean_run().unwrap();
        assert_eq!(world.difference(), None, "{step}");
        let after: Vec<_> = held(&world, "B").iter().map(|(_, id, cid)| (*id, *cid)).collect();
        assert_eq!((after, world.fetched), (before, fetched), "{step}");
        let kinds = told(&world, events);
        let others: Vec<_> = kinds.iter().filter(|k| **k != EventKind::FolderReset).collect();
        assert_eq!(others, [&EventKind::MessageDeleted], "{step}");
    }
}

/// Two of ours that look alike: nobody knows which is which, so both are read again, and told as
/// nothing new.
#[test]
fn what_looks_alike_is_read_again() {
    let mut world = mirrored();
    // 1 and 4 look alike, 2 and 5, 3 and 6.
    world.cfg.alike = true;
    let (fetched, events) = (world.fetched, world.store.events.len());
    begin_anew(&mut world, "B");
    world.clean_run().unwrap();
    assert_eq!(world.difference(), None);
    assert_eq!(world.fetched, fetched + 6);
    assert_eq!(told(&world, events), [EventKind::FolderReset]);
}

/// More than a fifth that is not found again needs a second look.
#[test]
fn much_is_not_lost_on_one_look() {
    let mut world = mirrored();
    world.settings.guard_floor = 1;
    world.server.folders.get_mut("B").unwrap().mail.retain(|uid, _| *uid > 3);
    begin_anew(&mut world, "B");
    world.clean_run().unwrap();
    assert_eq!(held(&world, "B").len(), 6, "nothing has ended");
    // Another session, which sees the same.
    world.session = None;
    world.now += 100;
    world.clean_run().unwrap();
    assert_eq!(world.difference(), None);
}

/// A server whose UIDs do not stay is matched hourly, unless a human wants to see it.
#[test]
fn a_restless_folder_is_matched_hourly() {
    let mut world = mirrored();
    let resets = |world: &World| {
        world.store.events.iter().filter(|e| e.kind == EventKind::FolderReset).count()
    };
    let base = world.now;
    for n in 1..=3 {
        begin_anew(&mut world, "B");
        world.asks_quietly();
        world.now = base + 60 * i64::try_from(n).unwrap();
        assert_eq!(resets(&world), n);
    }
    begin_anew(&mut world, "B");
    let asked = world.asks_quietly();
    world.now = base + 240;
    assert!(!asked.iter().any(|asked| asked == "keys B"), "{asked:?}");
    assert_eq!(resets(&world), 3);
    world.now = base + 5000;
    world.asks_quietly();
    assert_eq!(resets(&world), 4);
    assert_eq!(world.difference(), None);
    begin_anew(&mut world, "B");
    world.clean_run().unwrap();
    assert_eq!(resets(&world), 5, "a human wants to see it");
}

/// A page whose commit is on its way is of the old numbers: it is settled before anything is matched.
#[test]
fn a_page_on_its_way_is_settled_first() {
    let mut world = World::tame(2);
    world.settings.page_messages = 1;
    for cid in 1..=6 {
        world.mail("B", cid);
    }
    // One is stored.
    world.run_to(|commit| commit.starts_with("Folder(Backfill") && commit.contains("range: {5}"));
    begin_anew(&mut world, "B");
    let folder = world.folder("B");
    world.deliver(Event::Nudged(folder, Depth::Full));
    for _ in 0..300 {
        world.session_step();
        world.answer_step();
        world.other_step();
    }
    world.clean_run().unwrap();
    world.clean_run().unwrap();
    assert_eq!(world.difference(), None);
    let validity = world.server.folders["B"].uidvalidity;
    let old = |l: &&LocationRow| l.ended_at.is_none() && l.uidvalidity.0 != validity;
    let ghosts = world.store.ledger.locations().filter(|l| l.folder == folder).filter(old).count();
    assert_eq!(ghosts, 0);
}

/// A listing that EXISTS does not fit is a first look, here too.
#[test]
fn what_does_not_fit_is_looked_at_twice() {
    let mut world = mirrored();
    let folder = world.server.folders.get_mut("B").unwrap();
    folder.mail.remove(&2);
    folder.surplus = 1;
    begin_anew(&mut world, "B");
    world.clean_run().unwrap();
    assert_eq!(held(&world, "B").len(), 6, "nothing has ended");
    world.now += 100;
    world.clean_run().unwrap();
    assert_eq!(held(&world, "B").len(), 5);
    world.clean_run().unwrap();
    assert_eq!(world.difference(), None);
}

/// A server that was put back from a backup of yesterday, and where as much mail has come under the
/// same UIDs since: counting shows nothing, and within a day all of it is compared.
#[test]
fn uids_that_are_used_again_are_seen_within_a_day() {
    for modseq in [false, true] {
        let mut world = mirrored();
        (world.cfg.modseq, world.cfg.changes) = (modseq, modseq.then_some(true));
        let (events, known) = (world.store.events.len(), world.server.folders["B"].uidnext);
        let folder = world.server.folders.get_mut("B").unwrap();
        folder.mail.split_off(&4);
        (folder.uidnext, folder.restored) = (4, true);
        let mut cid = 20;
        while world.server.folders["B"].uidnext < known {
            world.mail("B", cid);
            cid += 1;
        }
        world.now += 100;
        world.asks_quietly();
        world.now += 90_000;
        world.asks_quietly();
        world.asks_quietly();
        assert_eq!(world.difference(), None, "modseq {modseq}");
        let kinds = told(&world, events);
        let deleted = kinds.iter().filter(|k| **k == EventKind::MessageDeleted).count();
        assert_eq!(deleted, 3, "modseq {modseq}: {kinds:?}");
    }
}

/// They begin anew between the EXAMINE and what is asked next: that question tells it, and the same
/// run begins again.
#[test]
fn what_was_asked_of_the_old_numbers_is_asked_again() {
    let mut world = mirrored();
    begin_anew(&mut world, "B");
    world.asked = Some(Vec::new());
    world.begin(Scope::Everything);
    while world.asked.as_ref().unwrap().last().is_none_or(|asked| asked != "keys B") {
        world.now += 1;
        world.session_step();
        world.store_one();
        world.answer_step();
        world.other_step();
    }
    begin_anew(&mut world, "B");
    let fetched = world.fetched;
    world.clean_run().unwrap();
    assert_eq!((world.difference(), world.fetched), (None, fetched));
}

/// A folder whose sizes cannot be told is mirrored all the same: that comparison costs itself.
#[test]
fn what_cannot_be_compared_costs_itself() {
    let mut world = mirrored();
    world.now += 90_000;
    world.mail("B", 30);
    let folder = world.server.folders.get_mut("B").unwrap();
    (folder.unsized_mail, folder.mail.get_mut(&1).unwrap().flags) = (true, 5);
    folder.mail.remove(&2);
    world.asks_quietly();
    assert_eq!(world.difference(), None);
    assert_eq!(world.store.limbo(), 0);
    let asked = world.asks_quietly();
    assert!(!asked.iter().any(|asked| asked == "sample B"), "once a day: {asked:?}");
}
