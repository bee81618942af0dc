//! What is on its way to the store while folders are looked at, pages and marks: scripts.

use crate::order::waiting;
use crate::server::Lie;
use crate::used_again::six;
use crate::world::{Queued, World};
use postrider_core::commit::change::{Change, FolderChange};
use postrider_core::haste::Haste;
use postrider_core::mail::id::FolderId;
use postrider_core::run::event::Event;
use postrider_core::run::scope::{Depth, Scope};

impl World {
    /// Everybody but the store does one thing, many times.
    pub(crate) fn without_the_store(&mut self) {
        for _ in 0..2000 {
            self.now += 1;
            self.session_step();
            self.answer_step();
            self.other_step();
        }
    }

    /// Six mails of a new account have come in one page, which the store has before it.
    fn with_a_page_on_its_way(mut self) -> Self {
        self.settings.page_messages = 10;
        self.settings.recent_messages = 10;
        self.begin(Scope::Everything);
        self.go_on_to(|commit| commit.starts_with("Folder(Backfill"));
        self
    }

    /// INBOX is looked at once more; the store stores nothing meanwhile.
    fn looks_again(&mut self) {
        let inbox = self.folder("INBOX");
        self.deliver(Event::Nudged(inbox, Depth::Full));
        self.without_the_store();
    }
}

/// Of what is on its way a session says that nothing is there: that is much, however little is held,
/// and one look does not end it.
#[test]
fn what_is_on_its_way_is_not_gone_on_one_look() {
    let mut world = six().with_a_page_on_its_way();
    world.session.as_mut().unwrap().lie = Lie::ZeroExists;
    world.lies_on.insert(1);
    world.looks_again();
    world.clean_run().unwrap();
    let inbox = world.folder("INBOX");
    assert_eq!(world.store.rows(inbox).living.uids().len(), 6, "{}", world.log.join("\n"));
    world.converges(6);
}

/// The store cannot take the page at first, and takes what was sent behind it: what a later listing told
/// of the page's mail must not be among that, or the page undoes it.
#[test]
fn what_is_told_of_mail_on_its_way_is_stored_behind_it() {
    for what in ["flags", "gone"] {
        let mut world = six();
        world.cfg.modseq = true;
        let mut world = world.with_a_page_on_its_way();
        let folder = world.server.folders.get_mut("INBOX").unwrap();
        if what == "flags" {
            folder.mail.get_mut(&2).unwrap().flags = 5;
        } else {
            folder.mail.remove(&2);
        }
        world.looks_again();
        world.refuse = 1;
        world.clean_run().unwrap();
        // What the counters have proved since is true.
        world.asks_quietly();
        assert_eq!(world.difference(), None, "{what}: {}", world.log.join("\n"));
    }
}

/// A page is to close a hole that is mail by the time it is stored: the server was put back, and has
/// used the UID again. It is settled before the folder is listed, or nobody would look there again.
#[test]
fn what_takes_uids_for_holes_is_settled_before_they_are_listed() {
    let mut world = six();
    world.cfg.modseq = true;
    world.server.folders.get_mut("INBOX").unwrap().mail.remove(&4);
    let mut world = world.with_a_page_on_its_way();
    let folder = world.server.folders.get_mut("INBOX").unwrap();
    folder.mail.split_off(&4);
    (folder.uidnext, folder.restored) = (4, true);
    world.mail("INBOX", 11);
    world.looks_again();
    world.clean_run().unwrap();
    world.asks_quietly();
    assert_eq!(world.difference(), None, "{}", world.log.join("\n"));
}

/// Mail that came to many folders is asked for while that of the first ones is made durable: small pages
/// are not counted, where they are live.
#[test]
fn small_pages_of_new_mail_are_not_counted() {
    let mut world = World::tame(12);
    let names: Vec<String> = world.server.folders.keys().cloned().collect();
    for (n, name) in (0..).zip(&names) {
        world.mail(name, n + 1);
    }
    world.clean_run().unwrap();
    world.settings.page_messages = 8;
    for (n, name) in (0..).zip(&names) {
        world.mail(name, n + 20);
    }
    world.begin(Scope::Everything);
    // The others wait for INBOX.
    world.go_on_to(|commit| commit.starts_with("Folder(Arrivals { folder: FolderId(2)"));
    world.without_the_store();
    let pages = waiting(&world).iter().filter(|change| *change == "Arrivals").count();
    assert_eq!(pages, names.len() - 1);
    world.clean_run().unwrap();
    assert_eq!(world.difference(), None);
}

/// Which folder's mark waits for the store, and how soon the run is to hear of it.
fn mark(queued: &Queued) -> Option<(FolderId, Haste)> {
    let Queued::Commit(_, _, commit) = queued else { return None };
    match &commit.change {
        Change::Folder(FolderChange::Pass { folder, .. }) => Some((*folder, commit.haste)),
        _ => None,
    }
}

/// Marks wait for company while there are more folders to look at; nobody is kept waiting for INBOX's,
/// which the others wait for, and for the last one, which the run waits for.
#[test]
fn a_mark_that_is_waited_for_is_stored_at_once() {
    let mut world = World::tame(12);
    let names: Vec<String> = world.server.folders.keys().cloned().collect();
    for (n, name) in (0..).zip(&names) {
        world.mail(name, n + 1);
    }
    world.clean_run().unwrap();
    for (n, name) in (0..).zip(&names) {
        world.mail(name, n + 20);
    }
    world.begin(Scope::Everything);
    let mut told = Vec::new();
    for _ in 0..5000 {
        world.now += 1;
        world.session_step();
        world.answer_step();
        world.other_step();
        told.extend(world.queue.front().and_then(mark));
        world.store_one();
    }
    let hastes: Vec<Haste> = told.iter().map(|(_, haste)| *haste).collect();
    assert_eq!(told[0].0, world.folder("INBOX"));
    assert_eq!((hastes[0], hastes[1]), (Haste::Now, Haste::Soon));
    assert_eq!((hastes.len(), hastes[11]), (12, Haste::Now));
}
