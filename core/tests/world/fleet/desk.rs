//! The desk of a fleet's slots: what a follower wants of them is what it has.

use super::Fleet;
use super::member::Ticket;
use postrider_core::account::follow::{Input, SlotWish};

impl Fleet {
    pub(super) fn leave(&mut self, n: usize) {
        if let Some(ticket) = self.members[n].ticket.take() {
            self.slots.leave(ticket.id);
            self.tickets.remove(&ticket.id);
        }
        self.grant();
    }

    pub(super) fn grant(&mut self) {
        for id in self.slots.grant(self.instant().mono) {
            let Some(n) = self.tickets.get(&id).copied() else { continue };
            let now = self.now;
            let member = &mut self.members[n];
            let Some(ticket) = member.ticket.as_mut().filter(|ticket| ticket.id == id) else {
                continue;
            };
            let waited = now - ticket.since.take().unwrap_or(now);
            let run = ticket.run;
            self.figures.granted += 1;
            let longest = match member.is_bulk() {
                true => &mut self.figures.longest_wait_of_history,
                false => &mut self.figures.longest_wait,
            };
            *longest = (*longest).max(waited);
            member.world.life().inputs.push_back(Input::Granted(run));
            self.wake(n);
        }
    }

    /// What it wants of the slots is what it has.
    pub(super) fn tend(&mut self, n: usize) {
        let mono = self.instant().mono;
        let member = &mut self.members[n];
        let Some(follower) = member.world.life.as_ref().and_then(|life| life.follower.as_ref())
        else {
            return;
        };
        let (wish, first) = (follower.slot(), follower.is_first());
        let (past, off) = (follower.reads_past(), follower.is_put_off());
        if let Some(run) = member.world.life().slot.take() {
            let now = self.now;
            self.leave(n);
            if let SlotWish::Wanted(level) = wish {
                let id = self.slots.ask(n, level, first, mono);
                self.members[n].ticket = Some(Ticket { id, run, since: Some(now) });
                self.tickets.insert(id, n);
            }
            return self.grant();
        }
        let Some(ticket) = member.ticket else { return };
        match wish {
            SlotWish::None => return self.leave(n),
            SlotWish::Wanted(level) => self.slots.raise(ticket.id, level),
            SlotWish::Held(_) if self.slots.is_tight() && !off => {
                self.slots.reads_past(ticket.id, past);
                if self.slots.is_to_leave(ticket.id, mono) {
                    self.figures.put_off += 1;
                    member.world.life().inputs.push_back(Input::PutOff);
                    self.wake(n);
                }
            }
            SlotWish::Held(_) => return,
        }
        self.grant();
    }
}
