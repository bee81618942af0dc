//! In what order a run asks: scripts without faults, step by step.

use crate::scheduler::World;
use crate::server::Dice;
use postrider_core::run::event::Event;
use postrider_core::run::scope::Depth;

impl World {
    /// A run in which everything is answered at once; what was asked.
    fn asks(&mut self) -> Vec<String> {
        self.asked = Some(Vec::new());
        self.start_run();
        for _ in 0..20_000 {
            self.now += 1;
            self.session_step();
            self.store_one();
            self.answer_step();
            self.other_step();
        }
        self.asked.take().unwrap()
    }
}

#[test]
fn a_first_run() {
    let mut world = World::tame(3);
    world.settings.page_messages = 2;
    world.settings.recent_messages = 2;
    for cid in 1..=5 {
        world.mail("INBOX", cid);
    }
    for cid in 11..=16 {
        world.mail("B", cid);
    }
    world.server.folders.get_mut("B").unwrap().mail.get_mut(&2).unwrap().flags = 4;
    world.mail("C", 21);
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
        "fetch INBOX 4:5",
        "examine B",
    ]);
    // All passes; what is flagged; the newest of each folder; history.
    for pass in ["index B", "index C"] {
        in_order(&[pass, "fetch B 2", "fetch B 5:6", "fetch INBOX 2:3"]);
        in_order(&["fetch B 2", "fetch C 1", "fetch INBOX 2:3"]);
    }
    in_order(&["fetch INBOX 2:3", "fetch INBOX 1"]);
    in_order(&["fetch B 5:6", "fetch B 3:4", "fetch B 1"]);
    // What was read is proved by one more pass of each folder, and nothing is asked twice but that.
    for folder in ["INBOX", "B", "C"] {
        let passes = asked.iter().filter(|asked| **asked == format!("index {folder}")).count();
        assert_eq!(passes, 2, "{folder}: {asked:#?}");
    }
    let fetches: std::collections::BTreeSet<&String> =
        asked.iter().filter(|asked| asked.starts_with("fetch")).collect();
    assert_eq!(fetches.len(), asked.iter().filter(|asked| asked.starts_with("fetch")).count());
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
    assert_eq!(at("examine C"), Some(asked.len() - 1), "{asked:#?}");
}

/// A world whose folders have a modseq and counters in LIST, mirrored and listed once.
fn counted() -> World {
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
    // One in five of the runs is a human's, who is shown all of it.
    let quiet = |world: &mut World| loop {
        let asked = world.asks();
        if asked.iter().filter(|asked| asked.starts_with("index")).count() < 3 {
            return asked;
        }
    };
    assert_eq!(quiet(&mut world), ["list"]);
    world.server.folders.get_mut("B").unwrap().mail.get_mut(&1).unwrap().flags = 3;
    let asked = quiet(&mut world);
    assert_eq!(asked, ["list", "examine B", "index B"]);
    assert_eq!(world.difference(), None);
    world.now += 90_000;
    let asked = world.asks();
    assert_eq!(asked.iter().filter(|asked| asked.starts_with("index")).count(), 3, "{asked:?}");
    assert_eq!(quiet(&mut world), ["list"]);
}

/// A hint that comes behind LIST is looked at, whatever LIST has shown.
#[test]
fn a_hint_is_newer_than_what_list_has_shown() {
    // Some of the runs are a human's, who is shown all of it.
    for dice in 1..=8 {
        let mut world = counted();
        world.dice = Dice(dice);
        world.run_to(|commit| commit.starts_with("Account(Listed"));
        world.server.folders.get_mut("B").unwrap().mail.get_mut(&1).unwrap().flags = 3;
        let folder = world.folder("B");
        world.deliver(Event::Nudged(folder, Depth::Full));
        world.clean_run().unwrap();
        assert_eq!(world.difference(), None);
    }
}
