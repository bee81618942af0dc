//! Folders that show their newest mail alone: scripts.

use crate::world::{Work, World};
use postrider_core::provider::Request;
use postrider_core::provider::folders::FolderRequest;
use postrider_core::standing::EventKind;

/// Mails of a folder of ours, by their UIDs.
fn held(world: &World) -> Vec<u64> {
    let folder = world.folder("B");
    let living =
        world.store.ledger.locations().filter(|l| l.folder == folder && l.ended_at.is_none());
    living.map(|l| l.uid).collect()
}

fn unproved(world: &World) -> Option<String> {
    world.store.folders[&world.folder("B")].unproved.clone()
}

fn deleted(world: &World) -> usize {
    world.store.events.iter().filter(|e| e.kind == EventKind::MessageDeleted).count()
}

fn runs(world: &mut World) {
    for _ in 0..3 {
        world.now += 700;
        world.clean_run().unwrap();
    }
}

/// Five mails of which three are shown.
fn shown_three_of_five() -> World {
    let mut world = World::tame(2);
    world.cfg.capped = Some(3);
    for cid in 1..=5 {
        world.mail("B", cid);
    }
    world.now += 100;
    runs(&mut world);
    assert_eq!(held(&world), [3, 4, 5]);
    world
}

/// What sinks below what is shown is kept; the folder says that it is not proved.
#[test]
fn what_is_shown_no_more_is_kept() {
    let mut world = shown_three_of_five();
    assert!(unproved(&world).unwrap().contains("shows 3 messages of it at most"));
    for (cid, uids) in [(6, vec![3, 4, 5, 6]), (7, vec![3, 4, 5, 6, 7])] {
        assert_eq!(world.mail("B", cid), cid);
        runs(&mut world);
        assert_eq!(held(&world), uids);
    }
    assert_eq!(deleted(&world), 0);
}

/// What went from among what is shown is gone; older mail that is shown again, or at last, is held.
#[test]
fn what_went_from_among_the_shown_is_gone() {
    let mut world = shown_three_of_five();
    world.server.folders.get_mut("B").unwrap().mail.remove(&4);
    runs(&mut world);
    assert_eq!((held(&world), deleted(&world)), (vec![2, 3, 5], 1));
}

/// A folder that shows less than it could shows all of it.
#[test]
fn what_a_small_folder_lacks_is_gone() {
    let mut world = shown_three_of_five();
    world.mail("B", 6);
    runs(&mut world);
    assert_eq!(held(&world), [3, 4, 5, 6]);
    world.server.folders.get_mut("B").unwrap().mail.retain(|uid, _| *uid >= 5);
    runs(&mut world);
    assert_eq!((held(&world), deleted(&world)), (vec![5, 6], 2));
    assert_eq!((unproved(&world), world.difference()), (None, None));
}

/// Mail that goes between EXAMINE and the index makes the folder show one less than it could: what is
/// out of sight is kept all the same.
#[test]
fn what_goes_while_it_is_listed_ends_nothing_below() {
    let mut world = shown_three_of_five();
    world.mail("B", 6);
    runs(&mut world);
    assert_eq!(held(&world), [3, 4, 5, 6]);
    world.mail("B", 7);
    world.cfg.capped = Some(3);
    let asked = std::cell::Cell::new(false);
    world.start_run();
    for _ in 0..5000 {
        world.now += 1;
        let next = world.session.as_ref().and_then(|session| session.work.front());
        let lists = |work: &Work| match work {
            Work::Ask(_, Request::Folders(FolderRequest::Index { remote_id, .. })) => {
                remote_id == b"B"
            }
            _ => false,
        };
        if next.is_some_and(lists) && !asked.replace(true) {
            // As if one more of the shown had gone, and nothing had come up from below yet.
            world.cfg.capped = Some(2);
        }
        world.session_step();
        world.answer_step();
        world.other_step();
        world.store_step().unwrap();
        if world.machine.is_none() {
            break;
        }
    }
    assert!(asked.get(), "it was listed");
    world.cfg.capped = Some(3);
    runs(&mut world);
    assert_eq!((held(&world), deleted(&world)), (vec![3, 4, 5, 6, 7], 0));
}

/// A server that tells what changed and not what went: what sinks out of sight as mail comes is not what
/// went.
#[test]
fn what_sinks_while_changes_are_told_is_kept() {
    let mut world = World::tame(3);
    (world.cfg.modseq, world.cfg.changes, world.cfg.capped) = (true, Some(false), Some(5));
    for cid in 1..=3 {
        world.mail("B", cid);
    }
    world.now += 100;
    runs(&mut world);
    assert_eq!((held(&world), unproved(&world)), (vec![1, 2, 3], None));
    for cid in 4..=7 {
        world.mail("B", cid);
    }
    runs(&mut world);
    assert_eq!((held(&world), deleted(&world)), ((1..=7).collect(), 0));
}
