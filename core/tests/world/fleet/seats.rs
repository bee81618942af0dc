//! The shell of a fleet's roster: actors begin, die and are begun again, and the process ends.

use super::host::Host;
use super::{Fleet, name, nth, roster};
use postrider_core::account::follow::Past;
use postrider_core::failure::Failure;
use postrider_core::job::slots::Slots;
use postrider_core::roster::{Death, RosterAction, RosterEvent};
use std::time::Duration;

impl Fleet {
    pub(super) fn tell(&mut self, event: RosterEvent) {
        let command = if let RosterEvent::Commanded(_, command) = &event {
            Some(command.clone())
        } else {
            None
        };
        for action in self.roster.step(event, self.instant()) {
            match action {
                RosterAction::Start(name, number, past) => self.start(nth(&name), number, past),
                RosterAction::Obey(name) => {
                    let n = nth(&name);
                    if let Some(command) = command.clone() {
                        self.members[n].is_now(self.now);
                        self.members[n].world.order(command);
                        self.wake(n);
                    }
                }
                RosterAction::Restarting(name, number, _, wait) => {
                    self.after(wait, RosterEvent::RestartDue(name, number));
                }
                RosterAction::AdmitAfter(wait) => self.after(wait, RosterEvent::Admit),
                RosterAction::Keep(..) | RosterAction::Conflict(_) => {}
                other => panic!("nobody edits this fleet: {other:?}"),
            }
        }
    }

    fn after(&mut self, wait: Duration, event: RosterEvent) {
        self.serial += 1;
        let at = self.now + i64::try_from(wait.as_millis().div_ceil(1000)).unwrap();
        self.timers.insert((at, self.serial), event);
    }

    fn start(&mut self, n: usize, number: u64, past: Past) {
        self.figures.starts += 1;
        let now = self.now;
        self.members[n].begins(number, past, now);
        self.wake(n);
    }

    pub(super) fn wake(&mut self, n: usize) {
        self.members[n].due = self.now;
        self.due.insert((self.now, n));
    }

    pub(super) fn dies(&mut self, n: usize) {
        let member = &mut self.members[n];
        let Some(number) = member.number else { return };
        member.is_now(self.now);
        member.dies(&mut self.hosts[member.host]);
        self.leave(n);
        self.figures.deaths += 1;
        let policy = self.members[n].world.settings.policy;
        // Each at another place: at one and the same it would be left alone.
        let failure = Failure::bug(format!("scripted, at {}", self.serial));
        self.tell(RosterEvent::Died(name(n), Death { number, failure, policy }));
    }

    /// The process is killed, and begins again.
    pub(super) fn process_ends(&mut self) {
        self.figures.processes += 1;
        for n in 0..self.members.len() {
            let member = &mut self.members[n];
            member.is_now(self.now);
            member.dies(&mut self.hosts[member.host]);
            member.world.process_ends();
            member.ticket = None;
        }
        self.hosts.iter_mut().for_each(Host::forget);
        self.slots = Slots::new(self.runs);
        self.tickets.clear();
        self.timers.clear();
        let now = self.instant().wall;
        self.jobs.forget(now);
        self.roster = roster();
        self.enrol();
    }
}
