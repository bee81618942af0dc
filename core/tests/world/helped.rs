//! A session beside a run that reads pages of it, and is lost: scripts.

use crate::config::Config;
use crate::server::Server;
use crate::words::{fetched, gone};
use crate::world::{Work, World};
use postrider_core::account::follow::Input;
use postrider_core::mail::page::Page;
use postrider_core::provider::folders::{Answer, Request};

/// The next page that the session beside is asked for, taken from it: under which number, and what.
fn lent(world: &mut World) -> (u64, Work) {
    for _ in 0..5000 {
        world.now += 1;
        // It is slow: mail is what the run waits for.
        if world.now % 4 == 0 {
            world.session_step();
        }
        world.store_one();
        world.answer_step();
        world.other_step();
        if let Some(beside) = &mut world.life().beside {
            let is_page = |work: &Work| matches!(work, Work::Ask(_, Request::Fetch { .. }));
            if let Some(at) = beside.work.iter().position(is_page) {
                return (beside.lent, beside.work.remove(at).unwrap());
            }
        }
        world.life_step();
    }
    panic!("nothing was lent:\n{}", world.log.join("\n"));
}

/// All of a page has come, but for the word that this is all, when the session is lost: nobody is to wait
/// for that word.
#[test]
fn what_has_come_whole_of_a_lost_helper_is_over() {
    let mut world = World::followed(1);
    (world.cfg, world.server, world.faults) = (Config::tame(), Server::default(), false);
    (world.trace, world.settings.page_messages) = (true, 2);
    world.server.create();
    for cid in 1..=80 {
        world.mail("INBOX", cid);
    }
    world.process_starts();
    let (number, work) = lent(&mut world);
    let Work::Ask(token, Request::Fetch { uids, .. }) = work else { panic!("no page") };
    let mail = &world.server.folders["INBOX"].mail;
    let names = world.store.account.names;
    let rows = uids.iter().map(|uid| fetched(uid, &mail[&uid], false, names)).collect();
    let page = Page { rows, ..Page::default() };
    world.follow(Input::Lent(number, token, Ok(Answer::Fetched { page, last: false })));
    world.follow(Input::Lent(number, token, Err(gone())));
    world.drain().unwrap();
    assert_eq!(world.difference(), None);
}
