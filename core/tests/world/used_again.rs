//! UIDs that are used again for other mail, and listings that do not fit: scripts.

use crate::world::World;
use postrider_core::run::event::Event;
use postrider_core::run::scope::{Depth, Scope};
use postrider_core::standing::EventKind;

/// INBOX is put back from a backup that had two mails; two others have come since, with flags.
fn put_back(world: &mut World) {
    let inbox = world.server.folders.get_mut("INBOX").unwrap();
    inbox.mail.split_off(&3);
    (inbox.uidnext, inbox.restored) = (3, true);
    for cid in 11..=12 {
        let uid = world.mail("INBOX", cid);
        world.server.folders.get_mut("INBOX").unwrap().mail.get_mut(&uid).unwrap().flags = 5;
    }
    for cid in 3..=6 {
        world.touched.insert(cid, 10);
    }
}

/// Six mails in INBOX, which nobody has looked at.
pub(crate) fn six() -> World {
    let mut world = World::tame(1);
    for cid in 1..=6 {
        world.mail("INBOX", cid);
    }
    world
}

fn updated(world: &World) -> usize {
    world.store.events.iter().filter(|e| e.kind == EventKind::MessageUpdated).count()
}

/// The flags of the mail that lies under our UID now are not those of ours, which ends.
#[test]
fn flags_of_another_mail_are_told_of_nobody() {
    let mut world = six();
    world.clean_run().unwrap();
    put_back(&mut world);
    world.now += 700;
    world.converges(6);
    assert_eq!(updated(&world), 0);
}

/// Where the server does not say what lies under our UIDs, nothing is believed of them, and it is asked
/// at the next look, not the next day.
#[test]
fn what_cannot_be_compared_is_compared_at_the_next_look() {
    let mut world = six();
    world.clean_run().unwrap();
    put_back(&mut world);
    world.server.folders.get_mut("INBOX").unwrap().unsized_mail = true;
    world.asks_quietly();
    assert_eq!(updated(&world), 0);
    world.server.folders.get_mut("INBOX").unwrap().unsized_mail = false;
    world.asks_quietly();
    assert_eq!(world.difference(), None);
    assert_eq!(updated(&world), 0);
}

/// Bytes that are kept until another session tells the same length are those of the mail that lay there:
/// they are not taken for the one that lies there now.
#[test]
fn bytes_that_were_kept_are_no_other_mails() {
    let mut world = six();
    world.cfg.estimates = true;
    world.settings.page_messages = 10;
    world.settings.recent_messages = 10;
    world.begin(Scope::Everything);
    world.go_on_to(|commit| commit.starts_with("Folder(Backfill"));
    let inbox = world.server.folders.get_mut("INBOX").unwrap();
    inbox.mail.split_off(&4);
    (inbox.uidnext, inbox.restored) = (4, true);
    for cid in 11..=12 {
        world.mail("INBOX", cid);
    }
    let inbox = world.folder("INBOX");
    world.deliver(Event::Nudged(inbox, Depth::Full));
    world.clean_run().unwrap();
    assert!(world.store.account.sizes_estimated);
    assert_eq!(world.difference(), None, "{}", world.log.join("\n"));
}

/// Two listings on two sessions miss EXISTS by the same: what only the first of them showed was lost by
/// the second, and does not end.
#[test]
fn what_one_of_two_misfits_has_shown_is_there() {
    let mut world = six();
    world.clean_run().unwrap();
    world.clean_run().unwrap();
    let inbox = world.folder("INBOX");
    let all = world.server.folders["INBOX"].mail.clone();
    for lost in [2, 3] {
        let folder = world.server.folders.get_mut("INBOX").unwrap();
        (folder.mail, folder.surplus) = (all.clone(), 1);
        folder.mail.remove(&lost);
        world.now += 1000;
        world.begin(Scope::Doubt);
        world.clean_run().unwrap();
        assert_eq!(world.store.rows(inbox).living.uids().len(), 6, "{lost}");
    }
    let folder = world.server.folders.get_mut("INBOX").unwrap();
    (folder.mail, folder.surplus) = (all, 0);
    world.converges(4);
}
