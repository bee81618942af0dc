//! Folders that are missing, and new names beside them: scripts.

use crate::world::World;
use postrider_core::standing::EventKind;

/// All of a folder was copied to a new name, UIDs and dates too, before it was deleted. The server names
/// folders (MAILBOXID), and says that it is another.
#[test]
fn a_copy_of_a_folder_that_is_gone_is_another_folder() {
    for named in [false, true] {
        let mut world = World::tame(2);
        world.cfg.mailbox_ids = named.then_some(true);
        world.mail("INBOX", 9);
        for cid in 1..=3 {
            world.mail("B", cid);
        }
        world.clean_run().unwrap();
        let new = world.server.create().unwrap();
        let old = world.server.folders.remove("B").unwrap();
        let folder = world.server.folders.get_mut(&new).unwrap();
        (folder.mail, folder.uidnext) = (old.mail, old.uidnext);
        world.deleted.push(old.id);
        for cid in 1..=3 {
            world.touched.insert(cid, 10);
        }
        world.converges(8);
        let told = |kind| world.store.events.iter().filter(|event| event.kind == kind).count();
        let (renamed, gone) = (told(EventKind::FolderRenamed), told(EventKind::FolderDeleted));
        assert_eq!((renamed, gone), if named { (0, 1) } else { (1, 0) });
        assert_eq!(told(EventKind::MessageDeleted), 0);
    }
}
