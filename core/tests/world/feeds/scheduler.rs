//! The random scheduler of a world of feeds.

use crate::feeds::config::{FeedConfig, Kind, LAG, SETTLE};
use crate::feeds::hands::FeedQueued;
use crate::feeds::owner::FeedMove;
use crate::feeds::server::{ALL, FeedServer, HIDDEN, TRASH};
use crate::feeds::store::FeedStore;
use crate::feeds::talk::FeedSession;
use crate::server::Dice;
use postrider_core::account::machine::Machine;
use postrider_core::mail::id::FolderId;
use postrider_core::provider::Family;
use postrider_core::recovery::decide::Policy;
use postrider_core::recovery::history::History;
use postrider_core::run::event::{Event, Token};
use postrider_core::run::filter::FolderFilter;
use postrider_core::run::reads::FeedQuery;
use postrider_core::run::scope::{Depth, Scope};
use postrider_core::run::settings::Settings;
use postrider_core::time::{Micros, Now};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// What came just before a run ended is for the next one.
const UNREAD: Duration = Duration::from_secs(20);

pub(crate) struct FeedWorld {
    pub(crate) dice: Dice,
    pub(crate) cfg: FeedConfig,
    pub(crate) now: i64,
    pub(crate) server: FeedServer,
    pub(crate) store: FeedStore,
    pub(crate) machine: Option<Machine>,
    pub(crate) epoch: u64,
    pub(crate) connecting: bool,
    pub(crate) session: Option<FeedSession>,
    pub(crate) sessions: i64,
    pub(crate) queue: VecDeque<FeedQueued>,
    pub(crate) answers: VecDeque<(u64, Event)>,
    pub(crate) reads: Vec<(u64, Token, FeedQuery)>,
    /// Rows that were read and are told late.
    pub(super) late: Vec<(u64, Event)>,
    pub(super) timer: Option<i64>,
    pub(crate) faults: bool,
    pub(crate) warming: bool,
    pub(crate) lied: bool,
    pub(crate) gone_lied: BTreeSet<String>,
    pub(crate) steps: u64,
    pub(crate) trace: bool,
    pub(crate) log: Vec<String>,
    pub(crate) settings: Settings,
    pub(super) history: History,
    /// The run that ended last has done all.
    pub(super) succeeded: bool,
    pub(crate) gets: u64,
    pub(crate) bodies: u64,
    pub(crate) pages: u64,
    pub(crate) words: u64,
    /// Runs were told to leave the past to others.
    pub(crate) put_off: u64,
    pub(crate) asked: BTreeMap<String, u32>,
    /// By how much our own clock is wrong.
    pub(crate) off: i64,
    pub(crate) refetched: Vec<String>,
    /// Asked for by a run that has forgotten it.
    pub(crate) excused: BTreeSet<String>,
    pub(crate) moves: Vec<FeedMove>,
    /// The config has left out others in between.
    pub(crate) edited: bool,
    pub(crate) edited_at: i64,
    /// When the store was told so last.
    pub(crate) excluded_at: i64,
    /// Messages that lay where the config leaves out.
    pub(crate) judged: usize,
}

const MONTH: i64 = 30 * 86_400;

impl FeedWorld {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Dice::of(seed ^ 0xfeed);
        let cfg = FeedConfig::drawn(&mut dice).narrowed();
        let settings = Settings {
            family: Family::Feed,
            confirm_after: Duration::from_secs(SETTLE as u64),
            guard_floor: cfg.guard,
            page_messages: usize::try_from(1 + dice.roll(3)).unwrap(),
            recent_messages: 1 + dice.roll(5),
            policy: Policy { first_wait: Duration::from_millis(1), ..Policy::default() },
            ..Settings::default()
        };
        let mut world = Self {
            cfg,
            now: 0,
            server: FeedServer::new(),
            store: FeedStore::new(),
            machine: None,
            epoch: 0,
            connecting: false,
            session: None,
            sessions: 0,
            queue: VecDeque::new(),
            answers: VecDeque::new(),
            reads: Vec::new(),
            late: Vec::new(),
            timer: None,
            faults: true,
            off: 0,
            warming: true,
            lied: false,
            gone_lied: BTreeSet::new(),
            steps: 3 * (10 + dice.roll(120)),
            trace: false,
            log: Vec::new(),
            settings,
            history: History::default(),
            succeeded: false,
            gets: 0,
            bodies: 0,
            pages: 0,
            words: 0,
            put_off: 0,
            asked: BTreeMap::new(),
            refetched: Vec::new(),
            excused: BTreeSet::new(),
            moves: Vec::new(),
            edited: false,
            edited_at: -1,
            excluded_at: -1,
            judged: 0,
            dice,
        };
        for place in
            ["A", "B", "C"].into_iter().take(usize::try_from(2 + world.dice.roll(2)).unwrap())
        {
            world.server.place(place, 0);
        }
        if world.cfg.kind == Kind::History {
            world.server.place(ALL, 0);
        }
        world.server.place(TRASH, 0);
        if world.cfg.kind == Kind::Deltas && world.cfg.hidden {
            world.server.hidden.insert(HIDDEN.to_owned());
        } else {
            world.cfg.hidden = false;
        }
        if world.cfg.excludes {
            world.edit_config();
        }
        for _ in 0..world.dice.roll(9) {
            world.operate("arrive");
        }
        if world.dice.chance(30) {
            world.operate("kill");
        }
        world.now += 1;
        world.warming = false;
        world.edited = false;
        world
    }

    pub(crate) fn note(&mut self, text: impl FnOnce() -> String) {
        if self.trace {
            let line = format!("{:5} {}", self.now, text());
            self.log.push(line);
        }
    }

    pub(crate) fn instant(&self) -> Now {
        let since = u64::try_from(self.now).unwrap();
        // No clock tells of a time before 1970.
        let wall = Micros::from_seconds((self.now + self.off).max(0));
        Now { wall, mono: Duration::from_secs(since) }
    }

    /// The config leaves out others from now on; a run under way ends before it hears of it.
    pub(crate) fn edit_config(&mut self) {
        let mut names = vec!["nT", "nB", "nC", "nP1"];
        names.extend((self.cfg.kind == Kind::History).then_some("nALL"));
        let exclude: Vec<String> =
            names.iter().filter(|_| self.dice.chance(40)).map(|name| (*name).to_owned()).collect();
        self.settings.folders = FolderFilter { include: vec!["*".into()], exclude };
        self.edited = true;
        self.edited_at = self.now;
        let folders = self.settings.folders.clone();
        self.note(|| format!("== config {folders:?}"));
        self.end_process();
    }

    fn server_step(&mut self) {
        let cfg = self.cfg.clone();
        let mut acts = vec!["arrive"; 4];
        acts.extend(["kill", "kill", "flag", "flag", "flag", "move", "move", "move"]);
        acts.extend(["label", "trash"]);
        acts.extend(cfg.bulk.then_some(["bulk"; 2]).into_iter().flatten());
        acts.extend(cfg.place_ops.then_some(["place", "rename", "drop"]).into_iter().flatten());
        acts.extend(cfg.expire.then_some("expire"));
        acts.extend(cfg.drafts.then_some(["draft"; 2]).into_iter().flatten());
        acts.extend(cfg.imports.then_some(["import"; 2]).into_iter().flatten());
        acts.extend(cfg.hide.then_some(["hide"; 2]).into_iter().flatten());
        if cfg.race {
            acts.extend(["flag", "flag", "flag", "flag", "kill", "kill"]);
        }
        let act = *self.dice.pick(&acts);
        self.operate(act);
        if let Some(far) = self.cfg.jumps
            && self.dice.chance(10)
        {
            let near = i64::try_from(self.dice.roll(8000)).unwrap() - 4000;
            let off = if far { *self.dice.pick(&[near, MONTH, -MONTH]) } else { near };
            self.off = off;
            self.note(|| format!("-- the wall clock is off by {off} s"));
        }
    }

    fn step(&mut self) -> Result<(), String> {
        self.now += 1;
        self.dice.turn();
        let is_past = self.machine.as_ref().is_some_and(Machine::reads_past);
        if is_past && self.dice.chance(10) {
            self.put_off += 1;
            self.deliver(Event::PutOff);
        }
        match self.dice.roll(100) {
            0..10 => self.server_step(),
            10..12 if self.cfg.crashes => match self.dice.roll(4) {
                0 | 1 => self.crash()?,
                2 => self.end_process(),
                _ => self.store_restarts()?,
            },
            12 if self.cfg.excludes && self.dice.chance(20) => self.edit_config(),
            12 if self.cfg.crashes && self.dice.chance(10) => self.deliver(Event::Stop),
            12..20 => {
                if self.machine.is_none() {
                    let all = self.dice.chance(40);
                    let some = Scope::Some { list: false, folders: BTreeMap::new() };
                    self.start_run(if all { Scope::Everything } else { some });
                } else if self.dice.chance(30) {
                    self.deliver(Event::Nudged(FolderId(0), Depth::Quick));
                }
            }
            20..55 => self.session_step(),
            55..67 => self.store_step()?,
            67..84 => self.answer_step(),
            84..86 => self.now += 10,
            _ => self.other_step(),
        }
        Ok(())
    }

    /// Runs to the end of a run, without faults and without changes.
    pub(crate) fn clean_run(&mut self, scope: Scope) -> Result<(), String> {
        if self.machine.is_none() {
            self.start_run(scope);
        }
        let mut steps = 0;
        while self.machine.is_some() {
            self.now += i64::from(steps % 8 == 0);
            self.dice.turn();
            steps += 1;
            if steps > 40_000 {
                let phase = self.machine.as_ref().map(Machine::phase);
                let state = if self.trace { format!("{:?}", self.machine) } else { String::new() };
                return Err(format!("INV-9: a run does not end; phase {phase:?} {state}"));
            }
            match self.dice.roll(4) {
                0 => self.session_step(),
                1 => self.store_step()?,
                2 => self.answer_step(),
                _ => self.other_step(),
            }
        }
        while !self.queue.is_empty() {
            self.store_step()?;
        }
        self.answers.clear();
        self.reads.clear();
        self.late.clear();
        // By the run's clock; where that was wrong, more may have become due while it ended.
        let (now, since) = (self.instant(), self.settings.clock.now(self.instant()).wall);
        let slack = if now.wall == since { UNREAD } else { UNREAD * 6 };
        let unread = self.store.books.all_owed().find(|row| {
            let never = row.bytes && row.attempts == 0 && row.missing.is_none();
            // What a hint has named while a run ended makes another one begin.
            let is_hinted = self.cfg.kind == Kind::None && row.rank.is_none();
            never && !is_hinted && row.due_at.is_some_and(|due| due.plus(slack) < since)
        });
        match unread.filter(|_| self.succeeded) {
            Some(row) => Err(format!("INV-9: a run has ended, and this was to be read: {row:?}")),
            None => Ok(()),
        }
    }

    /// A run, and those that what waits for its time needs.
    pub(crate) fn round(&mut self, insists: bool) -> Result<(), String> {
        self.now += 3700;
        let hints = std::mem::take(&mut self.server.hints);
        for (_, id) in hints {
            self.queue.push_back(FeedQueued::Hint(id));
        }
        while !self.queue.is_empty() {
            self.store_step()?;
        }
        self.clean_run(if insists { Scope::Insist } else { Scope::Everything })?;
        for _ in 0..8 {
            if !self.waits() {
                break;
            }
            self.now += SETTLE + LAG;
            self.clean_run(Scope::Everything)?;
        }
        Ok(())
    }

    /// Something is left that has its time.
    fn waits(&self) -> bool {
        let rows = &self.store.books.rows;
        let owed = self.store.books.all_owed().any(|row| row.attempts == 0 && !row.is_away());
        owed || rows.state.debt.is_some() || rows.account.list_look.is_some()
    }

    /// Runs the world; returns the clean rounds it needed.
    pub(crate) fn run(&mut self) -> Result<usize, String> {
        if self.dice.chance(50) {
            self.faults = false;
            self.warming = true;
            self.round(false)?;
            self.round(false)?;
            (self.faults, self.warming) = (true, false);
            (self.gets, self.bodies, self.words) = (0, 0, 0);
            self.asked.clear();
        }
        for _ in 0..self.steps {
            self.step()?;
        }
        (self.faults, self.off) = (false, 0);
        self.note(|| "== faults stop".into());
        for mail in self.server.mail.values_mut() {
            mail.hide = -1;
        }
        if let Some(session) = &mut self.session {
            session.lie = crate::feeds::config::FeedLie::Truth;
        }
        if self.machine.is_some() {
            self.clean_run(Scope::Everything)?;
        }
        for rounds in 0..9 {
            let Some(difference) = self.difference(true) else {
                return self.finish(rounds).map(|()| rounds);
            };
            // Where nothing is counted, what two feeds have told in the wrong order waits for it.
            let counts = self.cfg.kind != Kind::Deltas || !self.cfg.excludes;
            // What could not be read twice is tried again after a day.
            let tried = self.store.books.all_owed().any(|row| row.attempts > 1);
            if rounds == 3 && !self.lied && self.cfg.kind != Kind::None && counts && !tried {
                return Err(format!("INV-4: only the daily compare would heal {difference}"));
            }
            self.note(|| format!("== round {rounds} {difference}"));
            self.round(rounds >= 3)?;
        }
        Err(format!("INV-4: no convergence in 9 clean rounds: {:?}", self.difference(true)))
    }

    fn finish(&mut self, _: usize) -> Result<(), String> {
        self.round(true)?;
        if let Some(difference) = self.difference(true) {
            return Err(format!("INV-4: it did not stay: {difference}"));
        }
        let count = |world: &Self| {
            let calm = |id: &&String| !world.server.mail[*id].poison;
            let asked: u32 = world.asked.iter().filter(|(id, _)| calm(id)).map(|(_, n)| *n).sum();
            (world.store.events.len(), world.store.writes, asked)
        };
        let (before, pages) = (count(self), self.pages);
        for _ in 0..2 {
            self.now += 90_000;
            self.clean_run(Scope::Everything)?;
        }
        let after = count(self);
        let poison = self.server.mail.values().any(|mail| mail.poison);
        let same = (before.0, before.2) == (after.0, after.2);
        if !same || (before.1 != after.1 && !poison) {
            return Err(format!("INV-8: not idle: events, rows, gets {before:?} -> {after:?}"));
        }
        let day = (self.pages - pages) / 2;
        if day > self.whole_list() + 4 {
            return Err(format!("INV-8: an idle day lists {day} pages"));
        }
        self.check_end()
    }
}
