//! Counters that come with LIST: what they must not prove, as scripts.

use crate::order::counted;
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
