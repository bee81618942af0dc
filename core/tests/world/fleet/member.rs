//! An account of a fleet: a model server and a model store with the real follower between them, by the clock.

use super::host::Host;
use super::till::Purse;
use crate::config::Config;
use crate::server::{Dice, EVER, Lie, Mail};
use crate::world::{Session, World};
use postrider_core::account::follow::{Begin, Follower, Input, Past, SessionRole, SlotWish};
use postrider_core::account::schedule::Mode;
use postrider_core::mail::id::SessionId;
use postrider_core::recovery::waiting::{Health, KeptWait, Marks};
use postrider_core::standing::Standing;
use std::collections::BTreeMap;
use std::time::Duration;

/// A slot, or a place in the line for one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    pub(crate) id: u64,
    pub(crate) run: u64,
    /// Since when it waits, if it does.
    pub(crate) since: Option<i64>,
}

pub(crate) struct Member {
    pub(crate) world: World,
    pub(crate) host: usize,
    /// The number of its actor, if one lives.
    pub(crate) number: Option<u64>,
    pub(crate) told: Past,
    wait: KeptWait,
    pub(crate) ticket: Option<Ticket>,
    /// Requests for sessions that are on their way.
    pub(super) main: Option<u64>,
    pub(super) beside: Option<u64>,
    /// The sessions that live, by their numbers in the pool.
    pub(super) keys: BTreeMap<SessionId, u64>,
    pub(super) watching: BTreeMap<SessionId, bool>,
    /// When it is looked at next.
    pub(crate) due: i64,
    /// Another secret is wanted than we have.
    pub(crate) wrong: bool,
    /// Since when something may have been wrong with it that is not its host's.
    pub(crate) trouble: i64,
    /// Since when this process follows it.
    pub(crate) born: i64,
    /// When its actor died last.
    pub(crate) died: i64,
    /// When its INBOX was proved last.
    pub(crate) proved: i64,
    /// Its logins of the last hour.
    pub(crate) logins: Vec<i64>,
}

impl Member {
    pub(crate) fn new(seed: u64, n: usize, host: usize) -> Self {
        let mut dice = Dice::of(seed ^ 0xF1EE7 ^ (n as u64) << 20);
        let mut world = World::unborn(dice.roll(u64::MAX));
        if dice.chance(70) {
            world.cfg = Config { drops: true, moves: true, ..Config::tame() };
        }
        // There is one clock; what is put back from a backup heals with the daily listing.
        let cfg = &mut world.cfg;
        (cfg.anew, cfg.cut_mail, cfg.cut_folder) = Default::default();
        (cfg.jumps, cfg.far, cfg.restores, cfg.crashes, cfg.budget) = Default::default();
        let salt = dice.roll(u64::MAX);
        let settings = &mut world.settings;
        settings.policy =
            postrider_core::recovery::decide::Policy { salt, ..Default::default() }.staying();
        settings.confirm_after = Duration::from_secs(60);
        (settings.page_messages, settings.recent_messages) = (3, 6);
        heal(&mut world);
        world.faults = false;
        world.life().withholds = false;
        world.life().mode = match dice.roll(10) {
            0..3 => Mode::Aggressive,
            3..9 => Mode::Balanced,
            _ => Mode::Conservative,
        };
        Self {
            world,
            host,
            number: None,
            told: Past::default(),
            wait: KeptWait::default(),
            ticket: None,
            main: None,
            beside: None,
            keys: BTreeMap::new(),
            watching: BTreeMap::new(),
            due: 0,
            wrong: false,
            trouble: 0,
            born: 0,
            died: 0,
            proved: 0,
            logins: Vec::new(),
        }
    }

    /// What it asks costs units.
    pub(crate) fn pays(&mut self, host: &Host, n: usize) {
        host.till.borrow_mut().knows(n, 150, 40_000);
        self.world.purse = Some(Purse::of(&host.till, n));
    }

    /// So many mails more, of the past.
    pub(crate) fn crowd(&mut self, mails: u32) {
        let now = self.world.now;
        for _ in 0..mails {
            self.world.server.next_cid += 1;
            let cid = self.world.server.next_cid;
            let Some(folder) = self.world.server.folders.get_mut("INBOX") else { return };
            let mail = Mail {
                cid,
                date: now,
                flags: 0,
                hollow: false,
                refused: false,
                cut: false,
                born: now,
            };
            folder.mail.insert(folder.uidnext, mail);
            folder.uidnext += 1;
        }
        self.world.most += mails as usize;
    }

    /// Its turn, at this moment.
    pub(crate) fn is_now(&mut self, now: i64) {
        self.world.now = now.max(self.world.now);
        self.world.dice.turn();
    }

    pub(crate) fn follower(&self) -> Option<&Follower> {
        self.world.life.as_ref().and_then(|life| life.follower.as_ref())
    }

    pub(crate) fn is_working(&self) -> bool {
        matches!(self.follower().map(Follower::slot), Some(SlotWish::Held(_)))
    }

    /// An actor begins.
    pub(crate) fn begins(&mut self, number: u64, past: Past, now: i64) {
        self.number = Some(number);
        self.world.newborn = true;
        self.world.now = now.max(self.world.now);
        let waiting = match &past.begin {
            Begin::Waiting(waiting) => Some(waiting.clone()),
            Begin::Run | Begin::Paused | Begin::Parked(..) => None,
        };
        self.wait = KeptWait::of(waiting);
        self.told = past.clone();
        (self.due, self.born) = (now, now);
        self.world.born(past);
    }

    /// The actor is gone, and what it held.
    pub(crate) fn dies(&mut self, host: &mut Host) {
        self.number = None;
        self.died = self.world.now;
        self.world.life().follower = None;
        self.world.session = None;
        self.world.life().beside = None;
        self.world.connecting = false;
        self.world.life().wishing = false;
        self.leases(host, usize::MAX);
    }

    /// What the database knows of it, for the next process.
    pub(crate) fn stored(&self) -> Past {
        let (standing, reason) =
            self.world.store.stood.clone().unwrap_or((Standing::Starting, String::new()));
        let begin = match standing {
            Standing::Paused => Begin::Paused,
            Standing::NeedsReauth | Standing::Failed => Begin::Parked(standing, reason),
            _ => self.wait.waiting().cloned().map_or(Begin::Run, Begin::Waiting),
        };
        Past { history: self.told.history.clone(), begin }
    }

    /// One thing that is to be done; false: there is none.
    fn one(&mut self, is_store_up: bool) -> Result<bool, String> {
        let world = &mut self.world;
        world.dice.turn();
        if world.hear() {
            return Ok(true);
        }
        if is_store_up && !world.queue.is_empty() {
            world.store_one();
            return Ok(true);
        }
        if !world.answers.is_empty() {
            world.answer_step();
        } else if let Some(input) = world.life().inputs.pop_front() {
            world.follow(input);
        } else if !world.reads.is_empty() {
            world.read_one();
        } else if world.counting {
            world.count_limbo();
        } else if world.timer && world.wakes_at <= world.now {
            world.wake();
        } else if world.life().tick_at.is_some_and(|at| at <= world.now) {
            world.life().tick_at = None;
            world.follow(Input::Tick);
        } else if is_told(world, &world.session) {
            world.watch_step(SessionRole::Main);
        } else if is_told(world, &world.life.as_ref().unwrap().beside) {
            world.watch_step(SessionRole::Beside);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Everything of this moment.
    pub(crate) fn settle(&mut self, is_store_up: bool) -> Result<(), String> {
        for _ in 0..2000 {
            if !self.one(is_store_up)? {
                return Ok(());
            }
        }
        Err(format!(
            "INV-9: it goes round in a circle: {:?}",
            self.follower().map(Follower::status)
        ))
    }

    /// What each of its steps must leave, where something has ended; else now and then.
    pub(crate) fn check(&mut self) -> Result<(), String> {
        let world = &mut self.world;
        let unslotted = world.life.as_ref().is_some_and(|life| life.unslotted);
        let is_news = unslotted || !world.store.ended.is_empty() || !world.store.rash.is_empty();
        if is_news || world.dice.chance(2) { world.check_step() } else { Ok(()) }
    }

    /// Each session answers one question.
    pub(crate) fn sessions_work(&mut self) {
        self.world.dice.turn();
        self.world.session_step();
        self.world.second_step();
    }

    /// When something is to be done again.
    pub(crate) fn plan(&mut self, now: i64) {
        let world = &self.world;
        let life = world.life.as_ref().unwrap();
        let works = |session: &Option<Session>| {
            session.as_ref().is_some_and(|s| !s.work.is_empty() || !s.read.is_empty())
        };
        let soon = works(&world.session)
            || works(&life.beside)
            || !world.queue.is_empty()
            || !life.said.is_empty()
            || !life.inputs.is_empty()
            || !world.answers.is_empty();
        let timer = if world.timer { world.wakes_at } else { EVER };
        let later = timer.min(life.tick_at.unwrap_or(EVER)).max(now + 1);
        self.due = if soon { now + 1 } else { later };
    }

    /// Its sessions lie no longer.
    pub(crate) fn straighten(&mut self) {
        let world = &mut self.world;
        let beside = &mut world.life.as_mut().unwrap().beside;
        for session in [&mut world.session, beside].into_iter().flatten() {
            session.lie = Lie::None;
        }
    }

    /// What of it outlives this step.
    pub(crate) fn notes(&mut self) -> Option<Past> {
        let now = self.world.instant();
        let follower = self.world.life.as_ref().and_then(|life| life.follower.as_ref())?;
        if !follower.is_ending() {
            let status = follower.status();
            let health = match status.standing {
                Standing::Waiting | Standing::Throttled if !status.follows => Health::Troubled,
                Standing::Starting | Standing::Running if !follower.has_survived() => {
                    Health::Trying
                }
                _ => Health::Well,
            };
            let marks = Marks { settings: "", secret: "" };
            self.wait.note(follower.waits(), health, marks, now);
        }
        if let Some(proved) = follower.proved() {
            self.proved = self.proved.max(i64::try_from(proved.as_secs()).unwrap());
        }
        let past = follower.past();
        (past != self.told).then(|| {
            self.told = past.clone();
            past
        })
    }
}

/// No mail that cannot be read: it is due all the time in this store; and EXISTS is no lie of a folder for ever.
pub(crate) fn heal(world: &mut World) {
    for folder in world.server.folders.values_mut() {
        folder.surplus = 0;
        for mail in folder.mail.values_mut() {
            (mail.hollow, mail.refused, mail.cut) = (false, false, false);
        }
    }
}

fn is_told(world: &World, session: &Option<Session>) -> bool {
    session.as_ref().is_some_and(|session| world.news(session).is_some())
}
