//! A fleet: accounts of several hosts for days or weeks, by one clock. The roster, the followers and their machines,
//! `decide`, the slots, the pools and the budgets are the real ones; hosts, secrets, the database and the process fail.
//!
//! Nobody waits 20 min for a slot while another reads history · connections of a host and minute are bounded · every
//! account is current, or has a reason · who is paused or parked logs in nowhere · in the end every mirror is its server.

mod check;
mod desk;
mod host;
mod jobs;
mod leases;
mod member;
mod mishaps;
mod seats;
pub(crate) mod till;

use crate::server::Dice;
use host::{Host, Told};
use jobs::JobDesk;
use member::Member;
use mishaps::Mishap;
use postrider_core::account::follow::Command;
use postrider_core::job::slots::Slots;
use postrider_core::pool::Limits;
use postrider_core::roster::{Admission, Enrolled, Roster, RosterEvent};
use postrider_core::time::{Micros, Now};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const DAY: i64 = 86_400;
/// Logins of an account in an hour, whatever goes wrong with its sessions.
const LOGINS: usize = 120;
/// A host for so many accounts.
const OF_A_HOST: usize = 40;
/// A slot for so many; of every other seed fewer slots.
const OF_A_SLOT: [usize; 2] = [50, 34];

pub(crate) struct Fleet {
    dice: Dice,
    now: i64,
    roster: Roster,
    members: Vec<Member>,
    hosts: Vec<Host>,
    slots: Slots<usize>,
    runs: usize,
    /// Who waits for a slot or has one.
    tickets: BTreeMap<u64, usize>,
    /// Who is looked at when.
    due: BTreeSet<(i64, usize)>,
    timers: BTreeMap<(i64, u64), RosterEvent>,
    jobs: JobDesk,
    mishaps: BTreeMap<(i64, u64), Mishap>,
    serial: u64,
    /// Nothing is stored until then.
    store_back: i64,
    /// Nothing goes wrong any more from then on, and nothing changes any more from then on.
    calm: i64,
    still: i64,
    pub(crate) figures: Figures,
}

/// What a fleet went through.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) turns: u64,
    pub(crate) starts: u64,
    pub(crate) deaths: u64,
    pub(crate) processes: u64,
    pub(crate) put_off: u64,
    pub(crate) granted: u64,
    pub(crate) longest_wait: i64,
    pub(crate) longest_wait_of_history: i64,
    pub(crate) logins: u64,
    pub(crate) probes: u64,
    pub(crate) most_in_a_minute: usize,
    pub(crate) most_in_an_hour: usize,
    pub(crate) deferred: u64,
    pub(crate) parked: u64,
    pub(crate) oldest: i64,
    pub(crate) converged_after: i64,
    /// Wishes; jobs that were done, that are dead, that were taken back.
    pub(crate) jobs: [u64; 4],
}

impl Fleet {
    /// So many accounts, for so many days in which things go wrong.
    pub(crate) fn new(seed: u64, accounts: usize, days: i64) -> Self {
        let hosts = accounts.div_ceil(OF_A_HOST).max(2);
        let runs = accounts.div_ceil(OF_A_SLOT[usize::try_from(seed % 2).unwrap()]).max(2);
        let limits = Limits { per_endpoint: 2 * OF_A_HOST, per_account: 2, logins_per_second: 1 };
        let mut fleet = Self {
            dice: Dice::of(seed ^ 0xF1EE7),
            now: 1_000,
            roster: roster(),
            members: Vec::new(),
            hosts: (0..hosts).map(|_| Host::new(limits, 3_000)).collect(),
            slots: Slots::new(runs),
            runs,
            tickets: BTreeMap::new(),
            due: BTreeSet::new(),
            timers: BTreeMap::new(),
            jobs: JobDesk::new(),
            mishaps: BTreeMap::new(),
            serial: 0,
            store_back: 0,
            calm: 1_000 + days * DAY,
            still: 1_000 + days * DAY + DAY / 4,
            figures: Figures::default(),
        };
        for n in 0..accounts {
            let host = n % hosts;
            let mut member = Member::new(seed, n, host);
            member.pays(&fleet.hosts[host], n);
            if fleet.dice.chance(20) {
                member.crowd(200 + u32::try_from(fleet.dice.roll(1_000)).unwrap());
            }
            fleet.members.push(member);
        }
        fleet
    }

    fn instant(&self) -> Now {
        let since = u64::try_from(self.now).unwrap();
        Now { wall: Micros::from_seconds(self.now), mono: Duration::from_secs(since) }
    }

    fn enrol(&mut self) {
        for n in 0..self.members.len() {
            let past = self.members[n].stored();
            let enrolled = Enrolled { name: name(n), was: None, refused: None, past };
            self.tell(RosterEvent::Enrolled(Box::new(enrolled)));
        }
    }

    /// Each step of this account is told.
    fn traced(&mut self) {
        let traced = std::env::var("FLEET_TRACE").ok().and_then(|n| n.parse::<usize>().ok());
        if let Some(member) = traced.and_then(|n| self.members.get_mut(n)) {
            member.world.trace = true;
        }
    }

    /// The end of what was told of it.
    pub(crate) fn log(&self) -> String {
        let lines: Vec<&String> =
            self.members.iter().flat_map(|member| &member.world.log).collect();
        let told = lines.iter().rev().take(9000).rev();
        told.map(|line| line.as_str()).collect::<Vec<_>>().join("\n")
    }

    // ---------------------------------------------------------------- turns

    /// An account does what is to be done now.
    fn turn(&mut self, n: usize) -> Result<(), String> {
        self.figures.turns += 1;
        let (now, is_store_up) = (self.now, self.now >= self.store_back);
        self.members[n].is_now(now);
        if self.members[n].number.is_none() {
            return Ok(());
        }
        for is_asked in [true, false] {
            self.members[n].settle(is_store_up)?;
            self.tidy(n);
            if is_asked {
                self.members[n].sessions_work();
            }
        }
        self.members[n].check()?;
        self.members[n].plan(now);
        let due = self.members[n].due;
        self.due.insert((due, n));
        Ok(())
    }

    /// What its shell does after a step.
    fn tidy(&mut self, n: usize) {
        self.tend(n);
        let member = &mut self.members[n];
        member.leases(&mut self.hosts[member.host], n);
        if let (Some(past), Some(number)) = (member.notes(), member.number) {
            self.tell(RosterEvent::Went(name(n), number, past));
        }
    }

    fn hosts_work(&mut self) -> Result<(), String> {
        for host in 0..self.hosts.len() {
            let (now, members) = (self.now, &self.members);
            let told = self.hosts[host].work(now, &|n| members[n].wrong);
            for told in told {
                let n = match &told {
                    Told::In(_, wanted) | Told::Refused(wanted, _) | Told::Held(_, wanted, ..) => {
                        wanted.account
                    }
                    Told::Retire(key) => {
                        let Some(n) = self.hosts[host].account_of(*key) else { continue };
                        n
                    }
                };
                if matches!(told, Told::In(..) | Told::Refused(..)) {
                    self.logged_in(n)?;
                }
                self.members[n].told(told, &mut self.hosts[host], n, now);
                self.tidy(n);
                self.wake(n);
            }
        }
        Ok(())
    }

    fn logged_in(&mut self, n: usize) -> Result<(), String> {
        let now = self.now;
        let member = &mut self.members[n];
        member.logins.retain(|at| now - at < 3600);
        member.logins.push(now);
        self.figures.most_in_an_hour = self.figures.most_in_an_hour.max(member.logins.len());
        if member.logins.len() > LOGINS {
            return Err(format!(
                "at {now} account {n} logs in {} times in an hour",
                member.logins.len()
            ));
        }
        member.may_log_in(n)
    }

    fn step(&mut self) -> Result<(), String> {
        self.dice.turn();
        while let Some(entry) = self.mishaps.first_entry().filter(|entry| entry.key().0 <= self.now)
        {
            let mishap = entry.remove();
            self.happens(mishap);
        }
        self.jobs_look()?;
        while let Some(entry) = self.timers.first_entry().filter(|entry| entry.key().0 <= self.now)
        {
            let event = entry.remove();
            self.tell(event);
        }
        while let Some((at, n)) = self.due.first().copied().filter(|(at, _)| *at <= self.now) {
            self.due.remove(&(at, n));
            if self.members[n].due <= self.now {
                self.members[n].due = i64::MAX;
                self.turn(n).map_err(|text| format!("account {n}: {text}"))?;
            }
        }
        self.hosts_work()
    }

    fn next(&self) -> i64 {
        let waits = self.hosts.iter().any(|host| !host.wanted.is_empty());
        let first = [
            self.mishaps.first_key_value().map(|((at, _), _)| *at),
            self.timers.first_key_value().map(|((at, _), _)| *at),
            self.due.first().map(|(at, _)| *at),
            waits.then_some(self.now + 1),
            self.jobs.next(),
        ];
        first.into_iter().flatten().min().unwrap_or(i64::MAX).max(self.now + 1)
    }

    /// Until then.
    fn until(&mut self, end: i64) -> Result<(), String> {
        while self.now < end {
            self.step()?;
            let next = self.next().min(end);
            if next / 60 != self.now / 60 {
                self.check_minute()?;
            }
            if next / 600 != self.now / 600 {
                self.check_standing()?;
            }
            self.now = next;
        }
        Ok(())
    }

    /// Faults, then none, then nothing new; returns once every mirror is its server.
    pub(crate) fn run(&mut self) -> Result<(), String> {
        self.traced();
        self.enrol();
        self.plan_mishaps();
        self.until(self.calm)?;
        self.grows_calm();
        self.until(self.still)?;
        for n in 0..self.members.len() {
            self.tell(RosterEvent::Commanded(name(n), Command::SyncNow));
        }
        let mut left = String::new();
        for days in 0..16 {
            self.until(self.still + DAY * (days + 1) / 2)?;
            let open =
                self.members.iter().enumerate().filter_map(|(n, member)| Some((n, member.open()?)));
            let open: Vec<(usize, String)> = open.collect();
            if open.is_empty() && self.jobs.open().is_none() {
                self.figures.converged_after = days + 1;
                let JobDesk { wishes, done, dead, cancelled, .. } = self.jobs;
                self.figures.jobs = [wishes, done, dead, cancelled];
                return self.check_end();
            }
            left = format!(
                "{} of {}: {:?}; {:?}",
                open.len(),
                self.members.len(),
                &open[..open.len().min(3)],
                self.jobs.open()
            );
        }
        Err(format!("INV-4: no convergence in a week without faults: {left}"))
    }
}

fn name(n: usize) -> String {
    format!("a{n:05}")
}

fn nth(name: &str) -> usize {
    name.trim_start_matches('a').parse().unwrap()
}

fn roster() -> Roster {
    Roster::new(Admission { at_a_time: usize::MAX, starts_per_second: 50 }, false)
}

/// How often a mailbox is looked at, at most.
fn interval(member: &Member) -> i64 {
    let mode = member.world.life.as_ref().unwrap().mode;
    i64::try_from(mode.shortest().as_secs()).unwrap()
}
