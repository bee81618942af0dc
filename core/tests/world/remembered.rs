//! Cases that have found something, as scripts of events: they outlive a change of the scheduler,
//! as seeds do not.

use crate::server::{EVER, Lie, Mail};
use crate::world::World;
use postrider_core::mail::folder::WireName;
use postrider_core::mail::id::FolderId;
use postrider_core::recovery::history::History;
use postrider_core::run::event::Token;
use postrider_core::run::reads::Query;
use postrider_core::standing::{EventKind, Outcome};

impl World {
    pub(crate) fn mail(&mut self, folder: &str, cid: u32) -> u32 {
        self.now += 1;
        let (date, born) = (self.now, self.now);
        let mail = Mail { cid, date, flags: 0, hollow: false, refused: false, cut: false, born };
        let folder = self.server.folders.get_mut(folder).unwrap();
        let uid = folder.uidnext;
        folder.uidnext += 1;
        folder.mail.insert(uid, mail);
        uid
    }

    pub(crate) fn shift(&mut self, from: &str, uid: u32, to: &str) {
        self.now += 1;
        let mail = self.server.folders.get_mut(from).unwrap().mail.remove(&uid).unwrap();
        let to = self.server.folders.get_mut(to).unwrap();
        to.mail.insert(to.uidnext, Mail { born: self.now, ..mail });
        to.uidnext += 1;
    }

    pub(crate) fn folder(&self, path: &str) -> FolderId {
        self.store.folders.values().find(|f| f.path == path).map(|f| f.id).unwrap()
    }

    /// Whole runs until the mirror is the server, and then the end's checks.
    pub(crate) fn converges(&mut self, most: usize) {
        for _ in 0..most {
            if self.difference().is_none() && self.is_quiet() {
                break;
            }
            self.now += 700;
            self.clean_run().unwrap();
        }
        let log = || self.log.join("\n");
        assert_eq!(self.difference(), None, "{}", log());
        assert!(self.is_quiet(), "{}", log());
        assert_eq!(self.check_end(), Ok(()), "{}", log());
    }

    /// A run under way, taken on until the store is to commit something that `until` names.
    pub(crate) fn run_to(&mut self, until: impl FnMut(&str) -> bool) {
        self.start_run();
        self.go_on_to(until);
    }

    /// The same of a run that has begun.
    pub(crate) fn go_on_to(&mut self, mut until: impl FnMut(&str) -> bool) {
        for _ in 0..5000 {
            self.now += 1;
            if self.queued().is_some_and(|commit| until(&commit)) {
                return;
            }
            self.session_step();
            if self.queued().is_some_and(|commit| until(&commit)) {
                return;
            }
            self.store_one();
            self.answer_step();
            self.other_step();
        }
        panic!("it never came to that:\n{}", self.log.join("\n"));
    }
}

/// A page on its way ended on one look: it counts in the guard like rows.
#[test]
fn a_page_on_its_way_counts_in_the_guard() {
    let mut world = World::tame(1);
    world.settings.guard_floor = 1;
    world.settings.page_messages = 1;
    for cid in 1..=4 {
        world.mail("INBOX", cid);
    }
    world.clean_run().unwrap();
    for cid in 5..=9 {
        world.mail("INBOX", cid);
    }
    // Arrivals are read; then the session says that nothing is there.
    world.run_to(|commit| commit.starts_with("Folder(Arrivals"));
    world.session.as_mut().unwrap().lie = Lie::ZeroExists;
    world.lies_on.insert(1);
    world.clean_run().unwrap();
    assert_eq!(world.check_step(), Ok(()));
    assert!(world.store.events.iter().all(|e| e.kind != EventKind::MessageDeleted));
    world.converges(6);
}

/// A folder that was dropped behind a run's back was passed for ever.
#[test]
fn a_folder_dropped_behind_the_runs_back_is_listed_again() {
    let mut world = World::tame(3);
    for (n, folder) in ["INBOX", "B", "C"].into_iter().enumerate() {
        world.mail(folder, u32::try_from(n).unwrap() + 1);
    }
    world.clean_run().unwrap();
    world.server.folders.remove("B");
    world.now += 700;
    world.clean_run().unwrap();
    // The second look ends it; the account's actor dies while that commit is on its way.
    world.run_to(|commit| commit.starts_with("Folder(DropFolder"));
    world.start_run();
    world.clean_run().unwrap();
    world.converges(6);
}

/// A commit of a LIST that was broken off was sent again while the next LIST was asked, and its
/// acknowledgement was taken for one of that: a folder was opened with another folder's
/// UIDVALIDITY.
#[test]
fn a_list_that_was_broken_off_moves_nothing_in_the_next() {
    for busy in ["Open", "ListLook", "Rename", "DropFolder"] {
        let mut world = World::tame(4);
        for (n, folder) in ["INBOX", "B", "C", "D"].into_iter().enumerate() {
            let n = u32::try_from(n).unwrap();
            world.server.folders.get_mut(folder).unwrap().uidvalidity = 100 + n;
            world.mail(folder, n * 10 + 1);
            world.mail(folder, n * 10 + 2);
        }
        world.clean_run().unwrap();
        // Two folders go, one is renamed, three are new, each with a UIDVALIDITY of its own.
        world.server.folders.remove("C");
        world.server.folders.remove("D");
        let renamed = world.server.rename("B").unwrap();
        for n in 0..3 {
            let name = world.server.create().unwrap();
            world.server.folders.get_mut(&name).unwrap().uidvalidity = 200 + n;
            for m in 0..=n {
                world.mail(&name, 50 + n * 10 + m);
            }
        }
        world.deleted.extend([2, 3, 4]);
        if busy == "DropFolder" {
            world.now += 700;
            world.clean_run().unwrap();
        }
        world.now += 700;
        world.run_to(|commit| commit.contains(busy));
        world.refuse = 1;
        world.clean_run().unwrap();
        for row in world.store.folders.values() {
            let theirs = world.server.folders.get(&row.path).map(|f| f.uidvalidity);
            assert!(
                theirs.is_none_or(|v| v == row.uidvalidity().0),
                "{busy}: {} has another's",
                row.path
            );
        }
        world.converges(8);
        let told = world.store.events.iter().filter(|e| e.kind == EventKind::FolderRenamed).count();
        assert_eq!(told, 1, "{busy}: {renamed} was renamed once");
    }
}

/// A pass that puts something back into a folder's history ended, in that very commit, the limbo of
/// the mail that lies there.
#[test]
fn limbo_waits_for_what_was_put_back() {
    let mut world = World::tame(2);
    world.mail("INBOX", 1);
    world.mail("INBOX", 2);
    world.mail("B", 3);
    world.clean_run().unwrap();
    // A mail moves to B, whose listing loses its line once: B passes over it.
    world.shift("INBOX", 1, "B");
    let b = world.folder("B");
    world.store.skip(b, 2);
    world.lies_on.insert(2);
    world.moves.clear();
    world.now += 10;
    world.clean_run().unwrap();
    world.converges(4);
    let kinds: Vec<EventKind> = world
        .store
        .events
        .iter()
        .filter(|e| e.message.is_some_and(|m| m.0 == 1))
        .map(|e| e.kind)
        .collect();
    assert!(!kinds.contains(&EventKind::MessageDeleted), "{kinds:?}\n{}", world.log.join("\n"));
}

/// A rename whose answer was lost is told once.
#[test]
fn a_rename_that_is_sent_again_is_refused() {
    let mut world = World::tame(2);
    for cid in 1..=3 {
        world.mail("B", cid);
    }
    world.mail("INBOX", 9);
    world.clean_run().unwrap();
    world.server.rename("B");
    world.run_to(|commit| commit.starts_with("Folder(Rename"));
    let first = world.queued_commit();
    world.clean_run().unwrap();
    // Another client of the store sends the very same again.
    let again = world.store.commit(first, 50);
    assert!(
        matches!(again, postrider_core::commit::change::CommitAnswer::Refused(..)),
        "{again:?}"
    );
    assert_eq!(world.store.events.iter().filter(|e| e.kind == EventKind::FolderRenamed).count(), 1);
}

/// One account, one folder that never opens: the others are mirrored, it costs no more than a
/// question when it is due.
#[test]
fn a_shut_folder_costs_itself() {
    let mut world = World::tame(4);
    for (n, folder) in ["INBOX", "B", "C", "D"].into_iter().enumerate() {
        world.mail(folder, u32::try_from(n).unwrap() + 1);
    }
    world.server.folders.get_mut("C").unwrap().shut = i64::MAX;
    world.clean_run().unwrap();
    assert!(world.store.account.listed_at.is_some(), "it does not make LIST incomplete");
    assert_eq!(world.store.folders.len(), 3);
    let shut = world.store.account.shut.clone();
    assert_eq!((shut.len(), shut[&WireName::from(b"C")].attempts), (1, 1));
    // A mail that vanishes elsewhere is told as deleted, 10 min later.
    world.server.folders.get_mut("B").unwrap().mail.clear();
    world.converges(6);
    assert!(world.store.events.iter().any(|e| e.kind == EventKind::MessageDeleted));
    // It is asked again when it is due, not at every run.
    let attempts = |world: &World| world.store.account.shut[&WireName::from(b"C")].attempts;
    let before = attempts(&world);
    world.asks_quietly();
    assert_eq!(attempts(&world), before);
    world.now += 90_000;
    world.asks_quietly();
    assert_eq!(attempts(&world), before + 1);
    world.server.folders.get_mut("C").unwrap().shut = 0;
    world.now += 90_000;
    world.clean_run().unwrap();
    world.converges(3);
    assert!(world.store.account.shut.is_empty());
}

/// A mail moves into a folder that cannot be looked at; whoever was away longer than limbo waits
/// asks that folder first.
#[test]
fn a_pause_is_no_patience() {
    for (shut, mended) in [(true, true), (false, true), (false, false)] {
        let mut world = World::tame(2);
        for cid in 1..=2 {
            world.mail("INBOX", cid);
        }
        world.mail("B", 3);
        world.clean_run().unwrap();
        let spoil = |world: &mut World, is_spoilt: bool| {
            let folder = world.server.folders.get_mut("B").unwrap();
            if shut {
                folder.shut = if is_spoilt { i64::MAX } else { 0 };
            } else {
                folder.mute = is_spoilt;
            }
        };
        spoil(&mut world, true);
        world.clean_run().unwrap();
        world.shift("INBOX", 1, "B");
        world.now += 10;
        world.clean_run().unwrap();
        spoil(&mut world, !mended);
        world.now += 5000;
        world.clean_run().unwrap();
        world.now += 700;
        world.clean_run().unwrap();
        let kinds = world.store.events.iter().filter(|e| e.message.is_some()).map(|e| e.kind);
        let kinds: Vec<EventKind> =
            kinds.filter(|kind| *kind != EventKind::MessageCreated).collect();
        let last = if mended { EventKind::MessageMoved } else { EventKind::MessageDeleted };
        assert_eq!(kinds, [last], "shut {shut}, mended {mended}");
    }
}

/// A backup was put back: what lies under UIDs that we hold is other mail. The old mail ends, the
/// other one is read.
#[test]
fn uids_that_are_used_again_hold_other_mail() {
    let mut world = World::tame(1);
    for cid in 1..=6 {
        world.mail("INBOX", cid);
    }
    world.clean_run().unwrap();
    let inbox = world.server.folders.get_mut("INBOX").unwrap();
    inbox.mail.split_off(&3);
    (inbox.uidnext, inbox.restored) = (3, true);
    for cid in 11..=12 {
        world.mail("INBOX", cid);
    }
    for cid in 3..=6 {
        world.touched.insert(cid, 10);
    }
    world.asked = Some(Vec::new());
    world.now += 700;
    world.converges(6);
    let asked = world.asked.take().unwrap();
    let fetched: Vec<&String> = asked.iter().filter(|asked| asked.starts_with("fetch")).collect();
    assert!(
        fetched.iter().all(|asked| !asked.ends_with(" 1") && !asked.ends_with(" 2")),
        "{fetched:?}"
    );
    let ended = world.store.events.iter().filter(|e| e.kind == EventKind::MessageDeleted).count();
    let created = world.store.events.iter().filter(|e| e.kind == EventKind::MessageCreated).count();
    assert_eq!((ended, created), (4, 8));
}

/// Once an account's tries were used up, each run had one, and ended at the same folder: nothing
/// else was ever looked at. What a run ends at is known to the next one, and a folder that is shut
/// costs no run.
#[test]
fn a_folder_that_ends_sessions_costs_itself_where_runs_have_one_try() {
    let mut world = World::tame(4);
    world.history = History { tries: 9, has_logged_in: true, ..History::default() };
    for (n, folder) in ["INBOX", "B", "C", "D"].into_iter().enumerate() {
        world.mail(folder, u32::try_from(n).unwrap() + 1);
    }
    world.clean_run().unwrap();
    for folder in ["INBOX", "D"] {
        world.server.folders.get_mut(folder).unwrap().cut = EVER;
    }
    world.mail("B", 11);
    let mut failed = 0;
    for _ in 0..5 {
        world.now += 700;
        world.clean_run().unwrap();
        failed += u32::from(world.last_outcome == Some(Outcome::Failed));
    }
    assert_eq!((world.difference(), failed), (None, 2), "{}", world.log.join("\n"));
    // It is asked again when it is due, and that is all.
    for cid in 12..16 {
        world.now += 90_000;
        world.mail("C", cid);
        world.clean_run().unwrap();
        assert_eq!((world.difference(), world.last_outcome), (None, Some(Outcome::Partial)));
    }
    for folder in ["INBOX", "D"] {
        world.server.folders.get_mut(folder).unwrap().cut = 0;
    }
    world.mail("INBOX", 20);
    world.now += 90_000;
    world.converges(2);
}

/// A folder is listed and some of it read when sessions begin to end at its opening: nothing but its
/// history asked for it, and a run said that it had all. It is opened when all else is done, and,
/// where that ends another session, the run says what it has left.
#[test]
fn history_behind_a_door_that_ends_sessions_is_read_or_said_to_be_left() {
    for sessions in [0, 1, 2, 3, 4, 5, 60] {
        let mut world = World::tame(3);
        world.settings.page_messages = 2;
        for cid in 0..24 {
            world.mail(["INBOX", "B", "C"][usize::try_from(cid).unwrap() % 3], cid + 1);
        }
        world.run_to(|commit| commit.starts_with("Folder(Backfill { folder: FolderId(2)"));
        assert_eq!(world.folder("B"), FolderId(2));
        world.server.folders.get_mut("B").unwrap().cut = EVER;
        let until = world.sessions + sessions;
        while world.machine.is_some() && world.sessions < until {
            world.now += 1;
            world.session_step();
            world.store_one();
            world.answer_step();
            world.other_step();
        }
        world.server.folders.get_mut("B").unwrap().cut = 0;
        world.clean_run().unwrap_or_else(|broken| panic!("{sessions}: {broken}"));
        let ended = (world.difference(), world.last_outcome);
        assert!(
            matches!(ended, (None, Some(Outcome::Success)) | (_, Some(Outcome::Partial))),
            "after {sessions}: {ended:?}\n{}",
            world.log.join("\n")
        );
        world.now += 90_000;
        world.clean_run().unwrap();
        assert_eq!((world.difference(), world.last_outcome), (None, Some(Outcome::Success)));
    }
}

/// The wall clock was far ahead when a mail was read, and set back when its folder lost it: the
/// folder that it came to seemed to have been opened before it was seen last, and was not waited
/// for.
#[test]
fn a_clock_that_was_set_back_between_runs_hides_no_folder() {
    let mut world = World::tame(1);
    world.settings.page_messages = 1;
    world.mail("INBOX", 1);
    world.clean_run().unwrap();
    world.off = 5000;
    let uid = world.mail("INBOX", 9);
    world.run_to(|commit| commit.starts_with("Folder(Arrivals"));
    world.store_one();
    world.off = 0;
    // A new folder has it, and is looked at; nothing of its history is read before the process dies.
    let new = world.server.create().unwrap();
    for cid in 21..24 {
        world.mail(&new, cid);
    }
    world.shift("INBOX", uid, &new);
    world.touched.insert(9, 0);
    for _ in 0..2 {
        world.now += 10;
        world.run_to(|commit| commit.starts_with("Folder(Backfill"));
        world.queue.clear();
        world.machine = None;
    }
    world.converges(6);
    let told = world.store.events.iter().filter(|e| e.message.is_some_and(|m| m.0 == 2));
    let kinds: Vec<EventKind> = told.map(|e| e.kind).collect();
    assert_eq!(kinds, [EventKind::MessageCreated, EventKind::MessageMoved]);
}

/// Every folder was put back from a backup, and each is compared with what lies there: their
/// questions do not pile up behind one session.
#[test]
fn folders_are_compared_one_at_a_time() {
    let mut world = World::tame(6);
    for (n, folder) in ["INBOX", "B", "C", "D", "E", "F"].into_iter().enumerate() {
        for m in 0..3 {
            world.mail(folder, u32::try_from(n * 10 + m).unwrap());
        }
    }
    world.clean_run().unwrap();
    for folder in world.server.folders.values_mut() {
        folder.mail.split_off(&3);
        (folder.uidnext, folder.restored) = (3, true);
    }
    world.asked = Some(Vec::new());
    world.start_run();
    // Our rows are read late.
    let is_sample = |(.., read): &(u64, Token, Query)| matches!(read, Query::Sample { .. });
    let samples = |world: &World| world.reads.iter().filter(|read| is_sample(read)).count();
    let mut most = 0;
    for step in 0..3000 {
        world.now += 1;
        world.session_step();
        world.store_one();
        world.answer_step();
        if samples(&world) == 0 || step % 60 == 0 {
            world.other_step();
        }
        most = most.max(samples(&world));
    }
    let asked = world.asked.take().unwrap_or_default();
    let compared = asked.iter().filter(|asked| asked.starts_with("sample")).count();
    assert_eq!((compared, most), (6, 1), "{asked:?}");
    world.converges(4);
}

/// A database that has lost a folder's cursors: the run says so, and the other folders go on.
#[test]
fn a_folder_without_cursors_is_said_and_costs_itself() {
    let mut world = World::tame(3);
    for (n, folder) in ["INBOX", "B", "C"].into_iter().enumerate() {
        world.mail(folder, u32::try_from(n).unwrap() + 1);
    }
    world.clean_run().unwrap();
    assert_eq!(world.last_outcome, Some(Outcome::Success));
    let b = world.folder("B");
    world.store.folders.get_mut(&b).unwrap().lanes = None;
    world.mail("C", 9);
    world.now += 700;
    let mut told = String::new();
    world.run_to(|commit| {
        told = commit.to_owned();
        commit.contains("Finish(")
    });
    assert!(told.contains("Partial") && told.contains("folder B has no cursor"), "{told}");
    let arrived = world.store.events.iter().filter(|e| e.kind == EventKind::MessageCreated).count();
    assert_eq!(arrived, 4);
}
