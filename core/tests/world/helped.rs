//! A second session that reads pages of a run, and is lost: scripts.

use crate::config::Config;
use crate::server::Server;
use crate::words::{fetched, gone};
use crate::world::{Work, World};
use postrider_core::mail::page::Page;
use postrider_core::mail::uid_set::UidSet;
use postrider_core::provider::folders::{FolderAnswer, FolderRequest};
use postrider_core::provider::{Answer, Request};
use postrider_core::run::event::{Event, Token};

/// A mailbox of which a second session reads, and the next page that it is asked for, taken from it.
fn read_by_two() -> (World, Token, UidSet) {
    let mut world = World::followed(1);
    (world.cfg, world.server, world.faults) = (Config::tame(), Server::default(), false);
    (world.trace, world.settings.page_messages) = (true, 2);
    world.server.create();
    for cid in 1..=80 {
        world.mail("INBOX", cid);
    }
    world.process_starts();
    for _ in 0..5000 {
        world.now += 1;
        // It is slow: mail is what the run waits for.
        if world.now % 4 == 0 {
            world.session_step();
        }
        world.store_one();
        world.answer_step();
        world.other_step();
        if let Some(second) = &mut world.life().beside {
            let is_page = |work: &Work| {
                matches!(work, Work::Ask(_, Request::Folders(FolderRequest::Fetch { .. })))
            };
            if let Some(at) = second.work.iter().position(is_page)
                && let Some(Work::Ask(token, Request::Folders(FolderRequest::Fetch { uids, .. }))) =
                    second.work.remove(at)
            {
                return (world, token, uids);
            }
        }
        world.life_step();
    }
    panic!("nothing was asked of a second session:\n{}", world.log.join("\n"));
}

fn mail(world: &World, uids: &UidSet) -> Page {
    let (mail, names) = (&world.server.folders["INBOX"].mail, world.store.account.names);
    let rows = uids.iter().map(|uid| fetched(uid, &mail[&uid], false, names)).collect();
    Page { rows, ..Page::default() }
}

/// All of a page has come, but for the word that this is all, when the session is lost: nobody is to wait
/// for that word.
#[test]
fn what_has_come_whole_of_a_lost_second_session_is_over() {
    let (mut world, token, uids) = read_by_two();
    let page = mail(&world, &uids);
    let tell = |world: &mut World, answer| {
        world.follow_run(world.epoch, Event::Answered { token, answer });
    };
    tell(&mut world, Ok(Answer::Folders(FolderAnswer::Fetched { page, last: false })));
    tell(&mut world, Err(gone()));
    world.drain().unwrap();
    assert_eq!(world.difference(), None);
}

/// What the second session says to be gone the run's own is asked, and has.
#[test]
fn who_brings_mail_is_believed_in_nothing_else() {
    let (mut world, token, uids) = read_by_two();
    let page = Page { gone: uids, ..Page::default() };
    let answer = Ok(Answer::Folders(FolderAnswer::Fetched { page, last: true }));
    world.follow_run(world.epoch, Event::Answered { token, answer });
    world.drain().unwrap();
    assert_eq!(world.difference(), None);
}
