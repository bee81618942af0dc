//! The roster around followers: accounts come, go, change, are renamed and refused, die, and the
//! supervisor dies above them.
//!
//! INV-2 one actor at a time works on an account's rows, and none while they get another id · INV-9
//! what the config wants is so in the end, with the settings it has now.

mod edits;

use crate::oracle::Trace;
use crate::server::Dice;
use postrider_core::account::follow::{Command, Follower, Input, Output, Past, Rules};
use postrider_core::account::schedule::Mode;
use postrider_core::commit::change::{CommitAnswer, StoredRows};
use postrider_core::commit::rows::AccountRow;
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::mail::id::{AccountId, Incarnation};
use postrider_core::recovery::decide::Policy;
use postrider_core::roster::{Admission, Death, Enrolled, Roster, RosterAction, RosterEvent};
use postrider_core::run::event::{AccountSnapshot, Action, Event};
use postrider_core::run::settings::Settings;
use postrider_core::time::{Micros, Now};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

const NAMES: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];

/// An account of the config.
#[derive(Clone, Debug)]
struct Named {
    was: Option<String>,
    version: u64,
    refused: bool,
}

struct Actor {
    follower: Follower,
    version: u64,
    row: u64,
    inputs: VecDeque<Input>,
    told: Past,
}

enum Order {
    /// For the supervisor of this number.
    Rename(u64, String, String),
    Removed(String),
}

pub(crate) struct Town {
    dice: Dice,
    now: u64,
    roster: Roster,
    config: BTreeMap<String, Named>,
    versions: u64,
    /// Rows by the id that they bear, and those of accounts that are no longer followed.
    rows: BTreeMap<String, u64>,
    removed: BTreeSet<u64>,
    orders: VecDeque<Order>,
    timers: Vec<(u64, RosterEvent)>,
    messages: VecDeque<RosterEvent>,
    actors: BTreeMap<(String, u64), Actor>,
    /// Whose settings the shell holds.
    followed: BTreeSet<String>,
    /// What would be begun with, should the supervisor die.
    kept: BTreeMap<String, Past>,
    /// Accounts that cannot be followed because another one's rows bear their id.
    taken: BTreeSet<String>,
    supervisors: u64,
    stopped: bool,
    broken: Option<String>,
    pub(crate) starts: u64,
    pub(crate) trace: Option<Vec<String>>,
    pub(crate) way: Trace,
}

impl Town {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            dice: Dice::of(seed ^ 0x70_77),
            now: 0,
            roster: roster(),
            config: BTreeMap::new(),
            versions: 0,
            rows: BTreeMap::new(),
            removed: BTreeSet::new(),
            orders: VecDeque::new(),
            timers: Vec::new(),
            messages: VecDeque::new(),
            actors: BTreeMap::new(),
            followed: BTreeSet::new(),
            kept: BTreeMap::new(),
            taken: BTreeSet::new(),
            supervisors: 0,
            stopped: false,
            broken: None,
            starts: 0,
            trace: None,
            way: Trace::default(),
        }
    }

    fn note(&mut self, text: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{now:6} {}", text()));
        }
    }

    fn instant(&self) -> Now {
        let mono = Duration::from_millis(self.now);
        Now { wall: Micros::from_seconds(1_000_000).plus(mono), mono }
    }

    fn tell(&mut self, event: RosterEvent) {
        self.note(|| format!("{event:?}"));
        let asked = matches!(event, RosterEvent::Commanded(..));
        let actions = self.roster.step(event, self.instant());
        let answers = actions
            .iter()
            .filter(|a| matches!(a, RosterAction::Obey(_) | RosterAction::Conflict(_)));
        if answers.count() != usize::from(asked) {
            self.broken = Some(format!("INV-9: a command has one answer: {actions:?}"));
        }
        for action in actions {
            self.way.add("town", &action);
            self.perform(action);
        }
    }

    fn perform(&mut self, action: RosterAction) {
        self.note(|| format!("  {action:?}"));
        match action {
            RosterAction::Start(name, number, past) => self.start(name, number, past),
            RosterAction::Stop(name) => {
                for ((_, _), actor) in self.actors.iter_mut().filter(|((of, _), _)| *of == name) {
                    actor.inputs.push_back(Input::Command(Command::Stop));
                }
            }
            RosterAction::Keep(name, past) => drop(self.kept.insert(name, past)),
            RosterAction::Rename(was, name) => {
                self.orders.push_back(Order::Rename(self.supervisors, was, name));
            }
            RosterAction::Removed(name) => {
                self.forget(&name);
                self.orders.push_back(Order::Removed(name));
            }
            RosterAction::Forget(name) => self.forget(&name),
            RosterAction::Refused(name, failure, _) => {
                if failure.text.contains("another account of this id") {
                    self.taken.insert(name);
                }
            }
            RosterAction::Restarting(name, number, _, wait) => {
                self.after(wait, RosterEvent::RestartDue(name, number))
            }
            RosterAction::RenameAfter(name, wait) => self.after(wait, RosterEvent::RenameDue(name)),
            RosterAction::AdmitAfter(wait) => self.after(wait, RosterEvent::Admit),
            RosterAction::Obey(_) | RosterAction::Conflict(_) | RosterAction::Fallen(..) => {}
        }
    }

    fn forget(&mut self, name: &str) {
        if !self.roster.knows(name) {
            self.followed.remove(name);
        }
    }

    fn after(&mut self, wait: Duration, event: RosterEvent) {
        let at = self.now + u64::try_from(wait.as_millis()).unwrap() + 1;
        self.timers.push((at, event));
    }

    fn start(&mut self, name: String, number: u64, past: Past) {
        self.starts += 1;
        let next = self.rows.values().max().copied().unwrap_or(0) + 1;
        let row = *self.rows.entry(name.clone()).or_insert(next);
        self.removed.remove(&row);
        self.taken.remove(&name);
        let moves = |order: &Order| matches!(order, Order::Rename(_, was, to) if *was == name || *to == name);
        let wrong = if self.stopped {
            Some("after the end")
        } else if !self.followed.contains(&name) {
            Some("and nobody knows its settings")
        } else if self.actors.iter().any(|((of, _), actor)| *of == name || actor.row == row) {
            Some("beside another of the same rows")
        } else if self.orders.iter().any(moves) {
            Some("while its rows get another id")
        } else {
            None
        };
        if let Some(wrong) = wrong {
            self.broken = Some(format!("INV-2: {name} is started {wrong}"));
        }
        let rules = Rules { settings: Settings::default(), mode: Mode::Balanced, once: false };
        let version = self.config.get(&name).map_or(0, |named| named.version);
        let follower = Follower::new(rules, past.clone());
        let actor =
            Actor { follower, version, row, inputs: VecDeque::from([Input::Start]), told: past };
        self.actors.insert((name, number), actor);
    }

    /// One input of one actor.
    fn actor_step(&mut self) {
        let waiting: Vec<(String, u64)> = self
            .actors
            .iter()
            .filter(|(_, actor)| !actor.inputs.is_empty())
            .map(|(key, _)| key.clone())
            .collect();
        if waiting.is_empty() {
            return;
        }
        let key = self.dice.pick(&waiting).clone();
        let now = self.instant();
        let refused = self.dice.chance(10);
        let Some(mut actor) = self.actors.remove(&key) else { return };
        let Some(input) = actor.inputs.pop_front() else { return };
        let mut done = false;
        for output in actor.follower.step(input, now) {
            match output {
                Output::AskSlot(run) => actor.inputs.push_back(Input::Granted(run)),
                Output::Run(run, Action::Open { .. }) => {
                    let opened = Event::Opened(Box::new(AccountSnapshot::of(account())));
                    actor.inputs.push_back(Input::Machine(run, opened));
                }
                Output::Run(run, Action::Commit { token, .. }) => {
                    let answer = CommitAnswer::Done(Box::new(StoredRows::of(account(), None)));
                    actor.inputs.push_back(Input::Machine(run, Event::Committed { token, answer }));
                }
                // No server is there; now and then one that refuses.
                Output::Connect => {
                    let class = if refused { Class::Auth } else { Class::Network };
                    let failure = Failure::new(
                        class,
                        Reach::Account,
                        Provenance::Server,
                        "scripted: no server",
                    );
                    actor.inputs.push_back(Input::ConnectFailed(failure));
                }
                Output::Done => done = true,
                _ => {}
            }
        }
        let past = actor.follower.past();
        if past != actor.told {
            actor.told = past.clone();
            self.messages.push_back(RosterEvent::Went(key.0.clone(), key.1, past));
        }
        if done {
            self.messages.push_back(RosterEvent::Ended(key.0, key.1, actor.follower.history()));
        } else {
            self.actors.insert(key, actor);
        }
    }

    fn die(&mut self) {
        let keys: Vec<(String, u64)> = self.actors.keys().cloned().collect();
        if !keys.is_empty() {
            let (name, number) = self.dice.pick(&keys).clone();
            self.actors.remove(&(name.clone(), number));
            // A death is heard before what was said before it.
            let (failure, policy) = (Failure::bug("scripted"), Policy::default());
            self.tell(RosterEvent::Died(name, Death { number, failure, policy }));
        }
    }

    fn store_step(&mut self) {
        match self.orders.pop_front() {
            Some(Order::Rename(of, was, name)) => {
                if self.actors.iter().any(|((_, _), actor)| Some(&actor.row) == self.rows.get(&was))
                {
                    self.broken =
                        Some(format!("INV-2: the rows of {was} get another id under its actor"));
                }
                let both = self.rows.contains_key(&was) && self.rows.contains_key(&name);
                let answer = if self.dice.chance(20) {
                    RosterEvent::RenameFailed(name)
                } else if both {
                    RosterEvent::RenameTaken(name)
                } else {
                    if let Some(row) = self.rows.remove(&was) {
                        self.rows.insert(name.clone(), row);
                    }
                    RosterEvent::Renamed(name)
                };
                // One that has died since hears nothing.
                if of == self.supervisors {
                    self.messages.push_back(answer);
                }
            }
            Some(Order::Removed(name)) => {
                if let Some(row) = self.rows.get(&name) {
                    self.removed.insert(*row);
                }
            }
            None => {}
        }
    }

    fn hear(&mut self) {
        if let Some(event) = self.messages.pop_front() {
            self.tell(event);
        }
    }

    fn ring(&mut self) {
        if let Some(n) = self.timers.iter().position(|(at, _)| *at <= self.now) {
            let (_, event) = self.timers.remove(n);
            self.tell(event);
        }
    }

    fn step(&mut self) {
        self.dice.turn();
        self.now += self.dice.roll(30);
        match self.dice.roll(20) {
            0 => self.edit(),
            1 if self.dice.chance(20) => self.die(),
            1 if self.dice.chance(4) => self.supervisor_dies(),
            2 => {
                let name = (*self.dice.pick(&NAMES)).to_owned();
                let all = [Command::Pause, Command::SyncNow, Command::ResetErrors, Command::Woken];
                let command = self.dice.pick(&all).clone();
                self.tell(RosterEvent::Commanded(name, command));
            }
            3 => self.now += self.dice.roll(8_000),
            4..7 => self.store_step(),
            7..10 => self.hear(),
            10..13 => self.ring(),
            _ => self.actor_step(),
        }
    }

    /// Everything on its way comes to its end.
    fn drain(&mut self) {
        for _ in 0..4000 {
            let idle = self.actors.values().all(|actor| actor.inputs.is_empty());
            if idle && self.orders.is_empty() && self.messages.is_empty() {
                match self.timers.iter().map(|(at, _)| *at).min() {
                    Some(at) => self.now = self.now.max(at),
                    None => return,
                }
            }
            self.now += 1;
            self.dice.turn();
            self.store_step();
            self.hear();
            self.ring();
            self.actor_step();
        }
        self.broken.get_or_insert("INV-9: the town does not come to rest".into());
    }

    pub(crate) fn run(&mut self) -> Result<(), String> {
        for _ in 0..100 + self.dice.roll(500) {
            self.step();
            if let Some(broken) = self.broken.take() {
                return Err(broken);
            }
        }
        self.drain();
        // A human takes up again what has fallen.
        for name in self.config.keys().cloned().collect::<Vec<_>>() {
            self.tell(RosterEvent::Commanded(name, Command::ResetErrors));
        }
        self.drain();
        // The last edit hears of rows that a name has left behind.
        self.edit();
        self.drain();
        self.check()?;
        self.tell(RosterEvent::Stop);
        self.stopped = true;
        self.edit();
        self.drain();
        match self.broken.take() {
            Some(broken) => Err(broken),
            None if self.actors.is_empty() => Ok(()),
            None => Err(format!("INV-9: {:?} live on after the end", self.actors.keys())),
        }
    }

    /// How it ends, for whoever compares.
    pub(crate) fn ends(&self) -> String {
        format!("{:?} {:?} {:?} {:?}", self.config, self.rows, self.removed, self.kept)
    }

    fn check(&mut self) -> Result<(), String> {
        if let Some(broken) = self.broken.take() {
            return Err(broken);
        }
        for name in NAMES {
            let of_it: Vec<u64> = self
                .actors
                .iter()
                .filter(|((of, _), _)| of == name)
                .map(|(_, a)| a.version)
                .collect();
            let wanted: Vec<u64> = match self.config.get(name) {
                Some(named) if !named.refused && !self.taken.contains(name) => vec![named.version],
                _ => Vec::new(),
            };
            if of_it != wanted {
                return Err(format!(
                    "INV-9: {name} runs as {of_it:?}, the config wants {wanted:?}"
                ));
            }
            let (row, is_named) = (self.rows.get(name), self.config.contains_key(name));
            let is_was = self.config.values().any(|named| named.was.as_deref() == Some(name));
            if row.is_some_and(|row| !is_named && !is_was && !self.removed.contains(row)) {
                return Err(format!(
                    "INV-9: the rows of {name} do not say that nobody follows them"
                ));
            }
        }
        Ok(())
    }
}

fn roster() -> Roster {
    Roster::new(Admission { at_a_time: usize::MAX, starts_per_second: 50 }, false)
}

fn account() -> AccountRow {
    AccountRow::fresh(AccountId(1), Incarnation(1))
}
