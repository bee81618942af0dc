//! What happens to a fleet: to hosts, secrets, actors, the process, the database; and what owners and operators do.

use super::host::Illness;
use super::member::{Member, heal};
use super::{DAY, Fleet, name};
use postrider_core::account::follow::Command;
use postrider_core::roster::RosterEvent;

const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Mishap {
    HostFalls(usize),
    /// Its sessions misbehave for a while, as those of a world do.
    Odd(usize),
    Even(usize),
    SecretChanges(usize),
    /// The owner gives the new one.
    SecretGiven(usize),
    /// It was refused wrongly, and is right again.
    SecretHeals(usize),
    Dies(usize),
    ProcessEnds,
    StoreFails,
    Owner(usize),
    Crowd(usize),
    Operator(usize),
    Resumed(usize),
    /// Somebody asks for something beyond the schedule; of all, at a time of the day.
    AskedFor(usize),
    AskedForAll,
    /// Somebody looks whose accounts a host has refused.
    Looked(usize),
}

impl Fleet {
    fn at(&mut self, at: i64, mishap: Mishap) {
        self.serial += 1;
        self.mishaps.insert((at, self.serial), mishap);
    }

    /// After about so long.
    fn in_about(&mut self, mean: i64, mishap: Mishap) {
        let wait = 1 + i64::try_from(self.dice.roll(u64::try_from(2 * mean).unwrap())).unwrap();
        self.at(self.now + wait, mishap);
    }

    pub(super) fn plan_mishaps(&mut self) {
        let accounts = i64::try_from(self.members.len()).unwrap();
        for host in 0..self.hosts.len() {
            self.in_about(DAY / 2, Mishap::HostFalls(host));
        }
        for n in 0..self.members.len() {
            self.in_about(HOUR, Mishap::Owner(n));
            self.in_about(2 * DAY, Mishap::Odd(n));
            self.in_about(6 * DAY, Mishap::SecretChanges(n));
            self.in_about(3 * DAY, Mishap::Operator(n));
            self.in_about(8 * DAY, Mishap::Crowd(n));
            self.in_about(DAY, Mishap::AskedFor(n));
            self.in_about(4 * DAY, Mishap::Dies(n));
        }
        self.in_about(DAY, Mishap::ProcessEnds);
        self.in_about(DAY, Mishap::StoreFails);
        self.in_about(DAY / 2, Mishap::AskedForAll);
        assert!(accounts > 0);
    }

    fn is_calm(&self) -> bool {
        self.now >= self.calm
    }

    pub(super) fn happens(&mut self, mishap: Mishap) {
        let now = self.now;
        match mishap {
            Mishap::HostFalls(host) if !self.is_calm() => {
                let how = *self.dice.pick(&[
                    Illness::Away,
                    Illness::Away,
                    Illness::Unavailable,
                    Illness::Refuses,
                    Illness::Crowded,
                ]);
                let longest = if self.dice.chance(20) { 8 * HOUR } else { 40 * MINUTE };
                let lasts =
                    20 + i64::try_from(self.dice.roll(u64::try_from(longest).unwrap())).unwrap();
                self.hosts[host].falls_ill(now + lasts, how, now);
                if how == Illness::Away {
                    self.cut_all(host);
                }
                self.at(now + lasts + HOUR, Mishap::Looked(host));
                self.in_about(DAY / 2, mishap);
            }
            Mishap::Looked(host) => self.take_up(|member| member.host == host),
            Mishap::Odd(n) if !self.is_calm() => {
                self.members[n].world.faults = true;
                self.in_about(20 * MINUTE, Mishap::Even(n));
                self.in_about(2 * DAY, mishap);
            }
            Mishap::Even(n) => self.grows_even(n),
            Mishap::SecretChanges(n) if !self.is_calm() => {
                self.members[n].wrong = true;
                let after = if self.dice.chance(50) {
                    Mishap::SecretGiven(n)
                } else {
                    Mishap::SecretHeals(n)
                };
                self.in_about(2 * HOUR, after);
                // Who has a session goes on with it until it is cut.
                if self.dice.chance(70) {
                    self.cut(n);
                }
            }
            Mishap::SecretGiven(n) => {
                self.is_right(n);
                self.tell(RosterEvent::Commanded(name(n), Command::Woken));
            }
            Mishap::SecretHeals(n) => {
                self.is_right(n);
                // Nobody tells; who has been refused for too long waits for a human.
                self.at(now + HOUR, Mishap::Looked(self.members[n].host));
            }
            Mishap::Dies(n) if !self.is_calm() => {
                self.dies(n);
                self.in_about(4 * DAY, mishap);
            }
            Mishap::ProcessEnds if !self.is_calm() => {
                self.process_ends();
                self.in_about(DAY, mishap);
            }
            Mishap::StoreFails if !self.is_calm() => {
                let lasts = 5 + i64::try_from(self.dice.roll(600)).unwrap();
                self.store_back = now + lasts;
                self.in_about(DAY, mishap);
            }
            Mishap::Owner(n) if now < self.still => {
                self.members[n].is_now(now);
                let world = &mut self.members[n].world;
                for _ in 0..=world.dice.roll(3) {
                    world.server_step();
                }
                heal(world);
                self.wake(n);
                self.in_about(HOUR, mishap);
            }
            Mishap::Crowd(n) if !self.is_calm() => {
                let mails = 50 + u32::try_from(self.dice.roll(400)).unwrap();
                self.members[n].crowd(mails);
                self.wake(n);
                self.in_about(8 * DAY, mishap);
            }
            Mishap::Operator(n) if !self.is_calm() => {
                let all = [
                    Command::SyncNow,
                    Command::SyncNow,
                    Command::Cancel,
                    Command::Retry,
                    Command::Pause,
                    Command::ResetErrors,
                ];
                let command = self.dice.pick(&all).clone();
                self.tell(RosterEvent::Commanded(name(n), command.clone()));
                if command == Command::Pause {
                    self.in_about(4 * HOUR, Mishap::Resumed(n));
                }
                self.in_about(3 * DAY, mishap);
            }
            Mishap::AskedFor(n) if !self.is_calm() => {
                self.asks_for(n);
                self.in_about(DAY, mishap);
            }
            Mishap::AskedForAll if !self.is_calm() => {
                self.asks_for_all();
                self.at(self.now + DAY, mishap);
            }
            Mishap::Resumed(n) => self.resume(n),
            _ => {}
        }
    }

    /// Who waits for a human, and need not any more.
    fn take_up(&mut self, of: impl Fn(&Member) -> bool) {
        for n in 0..self.members.len() {
            let member = &self.members[n];
            if member.is_parked() && !member.wrong && of(member) {
                self.members[n].trouble = self.now;
                self.tell(RosterEvent::Commanded(name(n), Command::ResetErrors));
            }
        }
    }

    fn is_right(&mut self, n: usize) {
        self.members[n].wrong = false;
        self.members[n].trouble = self.now;
        if !self.is_calm() {
            self.in_about(6 * DAY, Mishap::SecretChanges(n));
        }
    }

    fn resume(&mut self, n: usize) {
        self.tell(RosterEvent::Commanded(name(n), Command::Resume));
        if self.members[n].is_paused() {
            // It was dead, or is being started.
            self.at(self.now + MINUTE, Mishap::Resumed(n));
        }
        self.members[n].born = self.now;
    }

    fn cut(&mut self, n: usize) {
        let now = self.now;
        let member = &mut self.members[n];
        member.is_now(now);
        member.is_cut();
        self.wake(n);
    }

    fn cut_all(&mut self, host: usize) {
        for n in 0..self.members.len() {
            if self.members[n].host == host {
                self.cut(n);
            }
        }
    }

    fn grows_even(&mut self, n: usize) {
        let now = self.now;
        let member = &mut self.members[n];
        member.is_now(now);
        member.world.stop_faults();
        member.trouble = now;
        member.straighten();
        self.wake(n);
    }

    /// From now on nothing goes wrong, and humans have mended what waits for them.
    pub(super) fn grows_calm(&mut self) {
        let now = self.now;
        for host in &mut self.hosts {
            host.ill = host.ill.map(|(until, how)| (until.min(now), how));
        }
        for n in 0..self.members.len() {
            self.grows_even(n);
            self.is_right(n);
            if self.members[n].is_paused() {
                self.resume(n);
            }
        }
        self.take_up(|_| true);
    }
}
