//! In what order a run asks: scripts without faults, step by step.

use crate::server::Dice;
use crate::world::{Queued, World};
use postrider_core::run::event::Event;
use postrider_core::run::scope::{Depth, Scope};
use postrider_core::standing::Standing;

impl World {
    /// A run in which everything is answered at once; what was asked.
    fn asks(&mut self) -> Vec<String> {
        self.asked = Some(Vec::new());
        self.start_run();
        self.answers_all()
    }

    /// A run that the schedule begins, not a human.
    pub(crate) fn asks_quietly(&mut self) -> Vec<String> {
        self.asked = Some(Vec::new());
        self.begin(Scope::Everything);
        self.answers_all()
    }

    /// Everybody does one thing.
    pub(crate) fn step_all(&mut self) {
        self.now += 1;
        self.session_step();
        self.store_one();
        self.answer_step();
        self.other_step();
    }

    fn answers_all(&mut self) -> Vec<String> {
        for _ in 0..20_000 {
            self.step_all();
        }
        self.asked.take().unwrap()
    }
}

#[test]
fn a_first_run() {
    let mut world = World::tame(4);
    world.settings.page_messages = 2;
    world.settings.recent_messages = 2;
    for cid in 1..=8 {
        world.mail("INBOX", cid);
    }
    for cid in 11..=19 {
        world.mail("B", cid);
    }
    world.server.folders.get_mut("B").unwrap().mail.get_mut(&2).unwrap().flags = 4;
    world.mail("C", 21);
    for cid in 31..=36 {
        world.mail("D", cid);
    }
    let asked = world.asks();
    let at = |what: &str| {
        let found = asked.iter().position(|asked| asked == what);
        found.unwrap_or_else(|| panic!("{what} was never asked: {asked:#?}"))
    };
    let in_order = |questions: &[&str]| {
        for pair in questions.windows(2) {
            assert!(at(pair[0]) < at(pair[1]), "{pair:?}: {asked:#?}");
        }
    };
    // INBOX is opened, and its newest page is there, before another folder is opened.
    in_order(&[
        "list",
        "examine INBOX",
        "newest INBOX",
        "index INBOX",
        "fetch INBOX 7:8",
        "examine B",
    ]);
    // Of each folder, while it is open, what is flagged and the newest; then history, whole folders.
    in_order(&["index B", "fetch B 2", "fetch B 8:9", "index C", "fetch C 1", "fetch INBOX 5:6"]);
    // One that is not much larger than its newest mail is read at once.
    in_order(&["index D", "fetch D 5:6", "fetch D 3:4", "fetch D 1:2", "fetch INBOX 5:6"]);
    in_order(&["fetch INBOX 5:6", "fetch INBOX 3:4", "fetch INBOX 1:2", "fetch B 6:7"]);
    in_order(&["fetch B 6:7", "fetch B 4:5", "fetch B 1,3"]);
    // What was read is proved by one more pass of each folder, and nothing is asked twice but that.
    for folder in ["INBOX", "B", "C"] {
        // Where its mail was there before it was listed, counting and flags are enough.
        let looks = [format!("index {folder}"), format!("flags {folder} ")];
        let is_look = |asked: &&String| **asked == looks[0] || asked.starts_with(&looks[1]);
        let passes = asked.iter().filter(is_look).count();
        assert_eq!(passes, 2, "{folder}: {asked:#?}");
    }
    let fetches: std::collections::BTreeSet<&String> =
        asked.iter().filter(|asked| asked.starts_with("fetch")).collect();
    assert_eq!(fetches.len(), asked.iter().filter(|asked| asked.starts_with("fetch")).count());
}

/// Where counters come with LIST, nobody is opened for them, and one more LIST proves what was read; a
/// folder that has changed since it was listed is asked for that.
#[test]
fn a_first_run_is_proved_by_counters() {
    for changes in [false, true] {
        let mut world = World::tame(4);
        (world.cfg.modseq, world.cfg.counted) = (true, true);
        for (n, folder) in ["INBOX", "B", "C"].into_iter().enumerate() {
            world.mail(folder, u32::try_from(n).unwrap() + 1);
        }
        world.asked = Some(Vec::new());
        world.begin(Scope::Everything);
        while !world.asked.as_ref().unwrap().iter().any(|asked| asked == "fetch C 1") {
            world.step_all();
        }
        if changes {
            world.server.folders.get_mut("B").unwrap().mail.get_mut(&1).unwrap().flags = 4;
            world.server.folders.get_mut("B").unwrap().count_changes(true);
        }
        let asked = world.answers_all();
        let count = |what: &str| asked.iter().filter(|asked| *asked == what).count();
        assert_eq!(count("list"), 2, "{asked:#?}");
        let again = usize::from(changes);
        // INBOX is opened for its date, and that serves its pass; the counters of the others came with
        // their names.
        for (folder, again, opened) in [("INBOX", 0, 1), ("B", again, 1), ("C", 0, 1)] {
            assert_eq!(count(&format!("index {folder}")), 1 + again, "{folder}: {asked:#?}");
            assert_eq!(count(&format!("examine {folder}")), opened + again, "{folder}: {asked:#?}");
        }
        // D never had a message.
        assert_eq!((count("index D"), count("examine D")), (0, 0), "{asked:#?}");
        assert_eq!(world.difference(), None);
        assert!(world.store.folders.values().all(|f| f.proved_at.is_some()), "{asked:#?}");
    }
}

/// A folder that is counted and cannot be opened is shut, and widens no other run.
#[test]
fn what_is_counted_and_cannot_be_opened_is_shut() {
    let mut world = World::tame(3);
    (world.cfg.modseq, world.cfg.counted) = (true, true);
    world.mail("INBOX", 1);
    world.mail("B", 2);
    world.server.folders.get_mut("B").unwrap().shut = i64::MAX;
    world.asks();
    assert!(world.store.account.shut.is_empty(), "a first refusal is a look");
    world.now += 100;
    world.asks();
    let line = world.last_lines.iter().find(|line| line.path == "B").unwrap();
    assert!(line.shut && !line.history_left, "{line:?}");
    world.server.folders.get_mut("B").unwrap().shut = 0;
    world.now += 90_000;
    world.asks();
    assert_eq!(world.difference(), None);
}

/// The other folders wait until INBOX's newest page is here, and not until it is stored.
#[test]
fn nobody_waits_for_inbox_to_be_stored() {
    let mut world = World::tame(3);
    world.mail("INBOX", 1);
    world.mail("B", 2);
    world.asked = Some(Vec::new());
    world.begin(Scope::Everything);
    while !world.asked.as_ref().unwrap().iter().any(|asked| asked == "fetch INBOX 1") {
        world.step_all();
    }
    for _ in 0..1000 {
        world.now += 1;
        world.session_step();
        world.answer_step();
    }
    let asked = world.asked.as_ref().unwrap();
    assert!(asked.iter().any(|asked| asked == "examine B"), "{asked:#?}");
    for _ in 0..2000 {
        world.step_all();
    }
    assert_eq!(world.difference(), None);
}

/// What waits for the store, in order: the first word of each change.
pub(crate) fn waiting(world: &World) -> Vec<String> {
    let commits = world.queue.iter().filter_map(|queued| match queued {
        Queued::Commit(_, _, commit) => Some(format!("{:?}", commit.change)),
        _ => None,
    });
    let word = |text: &str| text.trim_start_matches("Folder(").split(' ').next().map(str::to_owned);
    commits.filter_map(|text| word(&text)).collect()
}

/// Small folders are read on while the mail of those before them is made durable; large pages are few.
#[test]
fn many_small_pages_are_on_their_way() {
    for (mails, least, most) in [(1, 10, 12), (8, 5, 6)] {
        let mut world = World::tame(13);
        world.settings.page_messages = 8;
        world.mail("INBOX", 1);
        let names: Vec<String> = world.server.folders.keys().cloned().collect();
        for (n, name) in names.iter().filter(|name| *name != "INBOX").enumerate() {
            for mail in 0..mails {
                world.mail(name, u32::try_from(10 * n + mail).unwrap() + 2);
            }
        }
        world.asked = Some(Vec::new());
        world.begin(Scope::Everything);
        let is_listed = |asked: &String| asked.starts_with("index") && asked != "index INBOX";
        while !world.asked.as_ref().unwrap().iter().any(is_listed) {
            world.step_all();
        }
        world.without_the_store();
        let pages = waiting(&world).iter().filter(|change| *change == "Backfill").count();
        assert!((least..=most).contains(&pages), "{mails} mails each: {pages} pages");
        for _ in 0..5000 {
            world.step_all();
        }
        assert_eq!(world.difference(), None);
    }
}

/// The mark of a pass that has counted goes out behind the mail that came, not behind its answer.
#[test]
fn a_mark_does_not_wait_for_its_mail_to_be_stored() {
    let mut world = counted();
    world.mute = Some("INBOX".into());
    let inbox = world.folder("INBOX");
    for cid in 20..23 {
        world.mail("INBOX", cid);
    }
    world.settings.page_messages = 2;
    world.begin(Scope::Some { list: false, folders: [(inbox, Depth::Quick)].into() });
    world.go_on_to(|commit| commit.contains("Arrivals"));
    world.without_the_store();
    assert_eq!(waiting(&world), ["Arrivals", "Arrivals", "Pass"]);
    world.clean_run().unwrap();
    assert_eq!(world.difference(), None);
}

/// What a listing lacks that is not as long as EXISTS is not ended by one look.
#[test]
fn a_listing_that_does_not_fit_ends_nothing_at_once() {
    let mut world = World::tame(1);
    let uids: Vec<u32> = (1..=5).map(|cid| world.mail("INBOX", cid)).collect();
    world.clean_run().unwrap();
    world.clean_run().unwrap();
    let inbox = world.folder("INBOX");
    let folder = world.server.folders.get_mut("INBOX").unwrap();
    (folder.surplus, _) = (1, folder.mail.remove(&uids[2]));
    for living in [5, 4] {
        world.now += 1000;
        world.begin(Scope::Doubt);
        world.clean_run().unwrap();
        assert_eq!(world.store.rows(inbox).living.uids().len(), living);
    }
}

/// A folder that is read is proved while a large one is still being read.
#[test]
fn nobody_waits_long_to_be_proved() {
    let mut world = World::tame(3);
    (world.cfg.modseq, world.cfg.counted) = (true, true);
    (world.settings.page_messages, world.settings.pages_in_flight) = (1, 1);
    world.settings.recent_messages = 2;
    for cid in 1..=20 {
        world.mail("INBOX", cid);
    }
    world.mail("B", 31);
    world.asked = Some(Vec::new());
    world.begin(Scope::Everything);
    world.slow = true;
    for _ in 0..2000 {
        world.step_all();
    }
    let asked = world.asked.take().unwrap();
    let last = |what: &str| asked.iter().rposition(|asked| asked.starts_with(what)).unwrap();
    let lists: Vec<usize> =
        asked.iter().enumerate().filter(|(_, asked)| *asked == "list").map(|(at, _)| at).collect();
    assert!(lists.len() > 2 && lists[1] < last("fetch INBOX"), "{asked:#?}");
    assert_eq!(world.difference(), None);
}

/// What is shut, and what ends sessions, is asked when all else is done; new mail before history.
#[test]
fn a_later_run() {
    let mut world = World::tame(4);
    world.settings.page_messages = 1;
    world.settings.pages_in_flight = 1;
    for (n, folder) in ["INBOX", "B", "C", "D"].into_iter().enumerate() {
        world.mail(folder, u32::try_from(n).unwrap() + 1);
    }
    world.server.folders.get_mut("C").unwrap().shut = i64::MAX;
    world.asks();
    for cid in 11..=13 {
        world.mail("D", cid);
    }
    // An hour later C is due.
    world.now += 90_000;
    let asked = world.asks();
    let at = |what: &str| asked.iter().position(|asked| asked == what);
    assert!(at("fetch D 2") < at("fetch D 3") && at("fetch D 3") < at("fetch D 4"), "{asked:#?}");
    // Then INBOX, whether it is the server, C once more, and INBOX again.
    let last = asked.iter().rposition(|asked| asked.starts_with("fetch")).unwrap();
    assert_eq!(
        asked[last + 1..],
        ["examine C", "examine INBOX", "examine C", "examine INBOX"],
        "{asked:#?}"
    );
}

/// A world whose folders have a modseq and counters in LIST, mirrored and listed once.
pub(crate) fn counted() -> World {
    let mut world = World::tame(3);
    (world.cfg.modseq, world.cfg.counted) = (true, true);
    for (n, folder) in ["INBOX", "B", "C"].into_iter().enumerate() {
        world.mail(folder, u32::try_from(n).unwrap() + 1);
    }
    world.clean_run().unwrap();
    assert_eq!(world.difference(), None);
    world
}

/// What did not change is not opened, what did is opened alone; after a day all of it is listed.
#[test]
fn counters_prove_what_did_not_change() {
    let mut world = counted();
    world.store.stood = Some((Standing::Idle, String::new()));
    let commits = world.store.commits;
    assert_eq!(world.asks_quietly(), ["list"]);
    assert_eq!(world.store.commits, commits, "nothing is written");
    world.server.folders.get_mut("B").unwrap().mail.get_mut(&1).unwrap().flags = 3;
    let asked = world.asks_quietly();
    assert_eq!(asked, ["list", "examine B", "index B"]);
    assert_eq!(world.difference(), None);
    world.now += 90_000;
    let asked = world.asks();
    assert_eq!(asked.iter().filter(|asked| asked.starts_with("index")).count(), 3, "{asked:?}");
    assert_eq!(world.asks_quietly(), ["list"]);
}

/// A hint that comes behind LIST is looked at, whatever LIST has shown.
#[test]
fn a_hint_is_newer_than_what_list_has_shown() {
    // Some of the runs are a human's, who is shown all of it.
    for dice in 1..=8 {
        let mut world = counted();
        world.dice = Dice::of(dice);
        world.run_to(|commit| commit.starts_with("Listed"));
        world.server.folders.get_mut("B").unwrap().mail.get_mut(&1).unwrap().flags = 3;
        let folder = world.folder("B");
        world.deliver(Event::Nudged(folder, Depth::Full));
        world.clean_run().unwrap();
        assert_eq!(world.difference(), None);
    }
}

/// The same world, whose server tells what has changed, by UID what went.
fn told() -> World {
    let mut world = counted();
    world.cfg.changes = Some(true);
    world
}

/// What has changed is asked for alone; however often, the folder is listed once a day.
#[test]
fn what_has_changed_is_asked_for_alone() {
    let mut world = told();
    let change = |world: &mut World, flags: u8| {
        world.server.folders.get_mut("B").unwrap().mail.get_mut(&1).unwrap().flags = flags;
        let asked = world.asks_quietly();
        assert_eq!(world.difference(), None);
        asked
    };
    assert_eq!(change(&mut world, 3), ["list", "examine B"]);
    // Each run takes more than five hours.
    let listed = (0..12).any(|n| change(&mut world, n % 2).iter().any(|asked| asked == "index B"));
    assert!(listed, "it is never listed");
}

/// A server that was put back tells nothing of what it has forgotten, and one that tells nothing is
/// not believed.
#[test]
fn a_server_that_was_put_back_is_listed() {
    for what in ["modseq", "uidnext", "silent"] {
        let mut world = told();
        let (first, second) = (world.mail("B", 7), world.mail("B", 8));
        world.asks_quietly();
        let folder = world.server.folders.get_mut("B").unwrap();
        folder.mail.get_mut(&first).unwrap().flags = 5;
        if what == "uidnext" {
            folder.mail.remove(&second);
            folder.uidnext = second;
        } else if what == "silent" {
            // It has risen, and nothing is told.
            folder.count_changes(true);
            folder.changed.values_mut().for_each(|at| *at = 0);
        } else {
            folder.count_changes(true);
            folder.put_back(9);
        }
        let asked = world.asks_quietly();
        assert!(asked.iter().any(|asked| asked == "index B"), "{what}: {asked:?}");
        assert_eq!(world.difference(), None, "{what}");
    }
}

/// How much of a folder goes is measured at all of it, not at what was told of.
#[test]
fn a_fifth_of_a_folder_may_go_at_once() {
    let mut world = told();
    world.settings.guard_floor = 1;
    let uids: Vec<u32> = (10..29).map(|cid| world.mail("B", cid)).collect();
    world.asks_quietly();
    assert_eq!(world.difference(), None);
    for uid in &uids[..3] {
        world.server.folders.get_mut("B").unwrap().mail.remove(uid);
    }
    let asked = world.asks_quietly();
    assert!(!asked.iter().any(|asked| asked == "index B"), "{asked:?}");
    assert_eq!(world.difference(), None);
}

/// Without modseq: flags of the newest are asked each time, of the rest now and then, and all of them
/// once a day; where anything but the flags does not fit, the folder is listed.
#[test]
fn flags_are_asked_in_windows_where_counting_proves_the_rest() {
    let mirrored = || {
        let mut world = World::tame(1);
        world.settings.flags_window = 2;
        for cid in 1..=60 {
            world.mail("INBOX", cid);
        }
        world.clean_run().unwrap();
        world.clean_run().unwrap();
        assert_eq!(world.difference(), None);
        world
    };
    let inbox = |world: &mut World| world.server.folders.get_mut("INBOX").unwrap().clone();
    let lists = |asked: &[String]| asked.iter().any(|asked| asked.starts_with("index"));
    // The newest.
    let mut world = mirrored();
    let last = *inbox(&mut world).mail.keys().next_back().unwrap();
    world.server.folders.get_mut("INBOX").unwrap().mail.get_mut(&last).unwrap().flags = 5;
    world.mail("INBOX", 61);
    let asked = world.asks_quietly();
    assert!(
        asked.iter().any(|asked| asked.starts_with("flags INBOX")) && !lists(&asked),
        "{asked:?}"
    );
    assert_eq!(world.difference(), None);
    // An old one, within a day.
    world.server.folders.get_mut("INBOX").unwrap().mail.get_mut(&1).unwrap().flags = 3;
    world.now += 90_000;
    assert!(lists(&world.asks_quietly()));
    assert_eq!(world.difference(), None);
    // One that went: the count tells. One that went, and is counted still: the window does.
    for surplus in [0, 1] {
        let mut world = mirrored();
        let folder = world.server.folders.get_mut("INBOX").unwrap();
        (folder.surplus, _) = (surplus, folder.mail.remove(&last));
        assert!(lists(&world.asks_quietly()), "surplus {surplus}");
    }
    // One that came, and is not shown.
    let mut world = mirrored();
    let folder = world.server.folders.get_mut("INBOX").unwrap();
    (folder.surplus, folder.uidnext) = (1, folder.uidnext + 1);
    assert!(lists(&world.asks_quietly()));
}
