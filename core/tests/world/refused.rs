//! Folders that refuse to be opened, and a server that refuses all of them: scripts.

use crate::server::Lie;
use crate::world::World;
use postrider_core::commit::rows::Shut;
use postrider_core::failure::When;
use postrider_core::run::scope::{Depth, Scope};
use postrider_core::standing::{EventKind, Outcome, Standing};
use std::time::Duration;

/// A world of three folders, mirrored or (`false`) never looked at.
fn three(mirrored: bool) -> World {
    let mut world = World::tame(3);
    world.settings.confirm_after = Duration::from_secs(60);
    world.store.stood = Some((Standing::Starting, String::new()));
    for (n, folder) in ["INBOX", "B", "C"].into_iter().enumerate() {
        world.mail(folder, u32::try_from(n).unwrap() + 1);
    }
    if mirrored {
        world.clean_run().unwrap();
        assert_eq!(world.difference(), None);
    }
    world
}

impl World {
    fn shuts(&mut self, name: &str, until: i64) {
        self.server.folders.get_mut(name).unwrap().shut = until;
    }

    fn shut_rows(&self) -> Vec<(String, Shut)> {
        let rows = self.store.account.shut.iter();
        rows.map(|(name, shut)| (String::from_utf8(name.to_vec()).unwrap(), *shut)).collect()
    }

    fn standing(&self) -> Standing {
        self.store.stood.as_ref().unwrap().0
    }

    fn is_refused(&self, name: &str) -> bool {
        self.store.folders[&self.folder(name)].refused.is_some()
    }
}

/// Whether folders were looked at before or not, where none answers it is the server: the run has
/// failed, nothing is shut, and the next one finds all of it.
#[test]
fn a_server_that_refuses_all_is_not_its_folders() {
    for mirrored in [true, false] {
        let mut world = three(mirrored);
        world.server.refuses = i64::MAX;
        world.mail("INBOX", 11);
        world.clean_run().unwrap();
        assert_eq!(world.last_outcome, Some(Outcome::Failed), "{mirrored}");
        assert_eq!(world.last_when, Some(When::Soon), "in minutes, not by the schedule");
        assert_eq!(world.standing(), Standing::Waiting);
        assert!(
            world.shut_rows().is_empty() && world.store.folders.len() == 3 * usize::from(mirrored)
        );
        assert!(world.store.folders.values().all(|folder| folder.refused.is_none()));
        world.server.refuses = 0;
        world.now += 10;
        world.clean_run().unwrap();
        assert_eq!((world.difference(), world.last_outcome), (None, Some(Outcome::Success)));
    }
}

/// A moment of refusals, however it lies in a run: nothing is shut, and all is here afterwards.
#[test]
fn a_moment_of_refusals_costs_nothing() {
    for mirrored in [true, false] {
        for length in [1, 3, 10, 30, 100, 1000] {
            let mut world = three(mirrored);
            world.mail("INBOX", 11);
            world.server.refuses = world.now + length;
            world.clean_run().unwrap();
            assert!(world.shut_rows().is_empty(), "{mirrored} {length}");
            world.server.refuses = 0;
            world.now += 10;
            world.clean_run().unwrap();
            assert_eq!(world.difference(), None, "{mirrored} {length}");
        }
    }
}

/// One that we hold is shut at its second refusal, a while later; an answer takes the first one away.
#[test]
fn a_folder_that_we_hold_is_shut_at_its_second_refusal() {
    let mut world = three(true);
    world.shuts("B", i64::MAX);
    world.clean_run().unwrap();
    assert!(world.is_refused("B") && world.shut_rows().is_empty());
    assert_eq!((world.last_outcome, world.standing()), (Some(Outcome::Partial), Standing::Idle));
    // Too early.
    world.settings.confirm_after = Duration::from_secs(100_000);
    world.clean_run().unwrap();
    assert!(world.is_refused("B") && world.shut_rows().is_empty());
    world.settings.confirm_after = Duration::from_secs(60);
    world.shuts("B", 0);
    world.now += 100;
    world.clean_run().unwrap();
    assert!(!world.is_refused("B"));
    world.shuts("B", i64::MAX);
    world.now += 100;
    world.clean_run().unwrap();
    assert!(world.is_refused("B") && world.shut_rows().is_empty(), "a first one again");
    world.now += 100;
    world.clean_run().unwrap();
    let [(name, shut)] = &world.shut_rows()[..] else { panic!("{:?}", world.shut_rows()) };
    assert_eq!((name.as_str(), shut.attempts), ("B", 1));
    let wait = shut.due_at.0 / 1_000_000 - world.now;
    assert!((3000..=3600).contains(&wait), "an hour: {wait} s");
    world.shuts("B", 0);
    world.now += 90_000;
    world.clean_run().unwrap();
    assert!(world.shut_rows().is_empty() && !world.is_refused("B"));
    assert_eq!(world.difference(), None);
}

/// INBOX is looked at again in minutes, and an account without it does not rest.
#[test]
fn inbox_waits_its_own_time() {
    for mirrored in [true, false] {
        let mut world = three(mirrored);
        world.shuts("INBOX", i64::MAX);
        world.clean_run().unwrap();
        assert_eq!(world.standing(), Standing::Waiting, "{mirrored}");
        world.now += 100;
        world.clean_run().unwrap();
        let waits = |world: &World| {
            let rows = world.shut_rows();
            let [(_, shut)] = &rows[..] else { panic!("{rows:?}") };
            shut.due_at.0 / 1_000_000 - world.now
        };
        assert!(waits(&world) <= 300, "{} s", waits(&world));
        for _ in 0..5 {
            world.now += 1000;
            world.clean_run().unwrap();
        }
        assert!(waits(&world) <= 900, "{} s", waits(&world));
        assert_eq!(world.standing(), Standing::Waiting);
        world.shuts("INBOX", 0);
        world.now += 1000;
        world.clean_run().unwrap();
        assert_eq!((world.difference(), world.standing()), (None, Standing::Idle));
    }
}

/// An answer that tells nothing is asked for once more, on another session, in the same run.
#[test]
fn an_answer_that_tells_nothing_is_asked_again_elsewhere() {
    for mirrored in [true, false] {
        let mut world = three(mirrored);
        world.mail("INBOX", 11);
        world.start_run();
        for _ in 0..1000 {
            if world.session.is_none() {
                world.step_all();
            }
        }
        world.session.as_mut().unwrap().lie = Lie::Bare;
        world.clean_run().unwrap();
        assert_eq!((world.difference(), world.last_outcome), (None, Some(Outcome::Success)));
        assert!(world.shut_rows().is_empty() && world.sessions > 1, "{mirrored}");
    }
}

/// One that never tells anything stands still, is no `NO`, and is looked at again in minutes; the
/// others are mirrored, and nobody waits for it for ever.
#[test]
fn what_never_tells_anything_stands_still() {
    for (mirrored, name) in [(true, "B"), (false, "B"), (true, "INBOX"), (false, "INBOX")] {
        let mut world = three(mirrored);
        world.server.folders.get_mut(name).unwrap().bare = true;
        world.mail("C", 11);
        world.clean_run().unwrap();
        let is_live = name == "INBOX";
        let standing = if is_live { Standing::Waiting } else { Standing::Idle };
        assert_eq!((world.difference(), world.standing()), (None, standing), "{mirrored} {name}");
        if mirrored {
            assert!(world.shut_rows().is_empty() && !world.is_refused(name));
            let stalled = world.store.folders[&world.folder(name)].stalled_at;
            assert!(stalled.is_some());
        } else {
            let rows = world.shut_rows();
            let [(_, shut)] = &rows[..] else { panic!("{rows:?}") };
            assert!(shut.due_at.0 / 1_000_000 - world.now <= 60);
        }
        world.server.folders.get_mut("C").unwrap().mail.clear();
        world.now += 700;
        world.converges(6);
        world.server.folders.get_mut(name).unwrap().bare = false;
        world.now += 1000;
        world.clean_run().unwrap();
        assert_eq!((world.difference(), world.standing()), (None, Standing::Idle));
    }
}

/// A mail that went into a new folder that is refused is not lost: LIST has not shown all before that
/// folder is looked at, or known to be shut.
#[test]
fn what_may_lie_in_a_folder_that_is_refused_is_waited_for() {
    let mut world = three(true);
    // What goes is not all of it.
    world.mail("B", 12);
    world.clean_run().unwrap();
    let name = world.server.create().unwrap();
    world.shuts(&name, i64::MAX);
    world.now += 10;
    world.shift("B", 1, &name);
    // That it went is seen first, by a hint: LIST is asked after that.
    let folders = [(world.folder("B"), Depth::Full)].into();
    world.begin(Scope::Some { list: false, folders });
    world.clean_run().unwrap();
    let deleted = |world: &World| {
        world.store.events.iter().any(|event| event.kind == EventKind::MessageDeleted)
    };
    assert!(!deleted(&world) && world.store.limbo() == 1);
    world.shuts(&name, 0);
    world.now += 5000;
    world.clean_run().unwrap();
    assert!(!deleted(&world) && world.store.limbo() == 0);
    assert_eq!(world.difference(), None);
}

/// A name that was shut until now may be the one that answers.
#[test]
fn what_was_shut_bears_witness() {
    let mut world = World::tame(2);
    world.mail("INBOX", 1);
    world.mail("B", 2);
    world.shuts("B", i64::MAX);
    world.clean_run().unwrap();
    assert_eq!(world.shut_rows().len(), 1);
    world.shuts("B", 0);
    world.shuts("INBOX", i64::MAX);
    world.now += 90_000;
    world.clean_run().unwrap();
    assert_eq!(world.last_outcome, Some(Outcome::Partial));
    assert!(world.store.folders.values().any(|folder| folder.path == "B"));
}

impl World {
    fn asked_of(&self, name: &str) -> usize {
        let question = format!("examine {name}");
        self.asked.iter().flatten().filter(|asked| **asked == question).count()
    }
}

/// A run in which B is refused, up to the last time that it is asked.
fn at_the_trial() -> World {
    let begin = || {
        let mut world = three(true);
        world.shuts("B", i64::MAX);
        world.asked = Some(Vec::new());
        world
    };
    let mut whole = begin();
    whole.clean_run().unwrap();
    let times = whole.asked_of("B");
    assert!(times >= 2 && whole.is_refused("B"));
    let mut world = begin();
    world.start_run();
    for _ in 0..5000 {
        if world.asked_of("B") == times {
            return world;
        }
        world.step_all();
    }
    panic!("it was not asked {times} times");
}

/// A `NO` counts between two answers of another folder: where the second is a `NO`, too, it was the server.
#[test]
fn the_witness_is_asked_once_more() {
    let mut world = at_the_trial();
    world.server.refuses = i64::MAX;
    world.clean_run().unwrap();
    assert_eq!(world.last_outcome, Some(Outcome::Failed));
    assert!(!world.is_refused("B") && world.shut_rows().is_empty());
}

/// An answer that tells nothing is no refusal, whatever was said before.
#[test]
fn a_bare_answer_at_the_trial_is_no_refusal() {
    let mut world = at_the_trial();
    world.shuts("B", 0);
    world.server.folders.get_mut("B").unwrap().bare = true;
    world.clean_run().unwrap();
    assert!(!world.is_refused("B") && world.shut_rows().is_empty());
}

/// A first refusal is taken away by an answer of the folder itself: counters that are those of its last pass
/// do not stand for one.
#[test]
fn counters_do_not_take_a_refusal_away() {
    let mut world = three(false);
    (world.cfg.counted, world.cfg.modseq) = (true, true);
    world.clean_run().unwrap();
    world.now += 100;
    world.clean_run().unwrap();
    assert_eq!(world.difference(), None);
    world.shuts("B", i64::MAX);
    // Within the day of its listing: nothing but the refusal is a reason to open it then.
    world.begin(Scope::Doubt);
    world.clean_run().unwrap();
    assert!(world.is_refused("B"));
    world.shuts("B", 0);
    world.asked = Some(Vec::new());
    world.now += 100;
    world.begin(Scope::Everything);
    world.clean_run().unwrap();
    assert!(world.asked_of("B") > 0, "it is opened");
    assert!(!world.is_refused("B"));
}
