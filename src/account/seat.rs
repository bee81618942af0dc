//! An account's place among the slots: what its follower wants of them now is what it has.

use crate::account::message::AccountMsg;
use crate::handle::{Backlog, Queued};
use crate::jobs::{SlotDesk, SlotTicket};
use postrider_core::account::follow::{Follower, Input, SlotWish};
use ractor::ActorRef;

/// The place, if it wants one.
#[derive(Debug)]
pub(super) struct SlotSeat {
    desk: SlotDesk,
    ticket: Option<SlotTicket>,
}

impl SlotSeat {
    /// None yet, of these.
    pub(super) fn new(desk: SlotDesk) -> Self {
        Self { desk, ticket: None }
    }

    /// Its run asks for a slot.
    pub(super) fn ask(
        &mut self,
        account: &str,
        follower: &Follower,
        (me, depth): (&ActorRef<AccountMsg>, &Backlog),
    ) {
        // That of the run before.
        self.ticket = None;
        let SlotWish::Wanted(level) = follower.slot() else { return };
        let (run, me, depth) = (follower.run(), me.clone(), depth.clone());
        let how = (level, follower.is_first());
        self.ticket = Some(self.desk.ask(account, how, move || {
            // An account that is gone has given it back.
            drop(me.cast(AccountMsg::Input(Queued::new(Input::Granted(run), &depth))));
        }));
    }

    /// Gives the slot back, or takes a better place in the line, as the follower wants it now. Returns what it is to
    /// be told.
    pub(super) fn tend(&mut self, follower: &Follower) -> Option<Input> {
        let ticket = self.ticket.as_mut()?;
        match follower.slot() {
            SlotWish::None => self.ticket = None,
            SlotWish::Wanted(level) => ticket.raise(level),
            // It may be told again where it could not hear of it.
            SlotWish::Held(_) if ticket.is_tight() && !follower.is_put_off() => {
                let leaves = ticket.is_to_leave(follower.reads_past());
                return leaves.then_some(Input::PutOff);
            }
            SlotWish::Held(_) => {}
        }
        None
    }
}
