//! The random scheduler: carries out the machine's actions late, in pieces, or not at all.

use crate::life::{Life, View, Watch};
use crate::server::{Dice, EVER, Lie, Mail, Server};
use crate::store::Store;
use postrider_core::account::machine::Machine;
use postrider_core::commit::change::{Change, Commit, CommitAnswer, FolderChange};
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::mail::body::{BodyHash, BodyRef};
use postrider_core::mail::flags::Flags;
use postrider_core::mail::id::{FolderId, Identity, SessionId};
use postrider_core::mail::message::{Fetched, HeaderFacts};
use postrider_core::mail::settle::Settlement;
use postrider_core::mail::uid_set::UidSet;
use postrider_core::provider::folders::Request;
use postrider_core::recovery::decide::Policy;
use postrider_core::recovery::history::History;
use postrider_core::run::event::{Action, Event, Token};
use postrider_core::run::scope::{Depth, Scope};
use postrider_core::run::settings::Settings;
use postrider_core::standing::{Outcome, Standing};
use postrider_core::time::{Micros, Now};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// A sample that is to be read: for whom, of which folder, of which part of it.
type Sample = (u64, Token, FolderId, Option<(u32, u32)>);

pub(crate) enum Queued {
    Stand(Standing, String),
    Commit(u64, Token, Box<Commit>),
    Open(u64),
    Proved(FolderId, Micros, bool),
}

pub(crate) enum Work {
    Ask(Token, Request),
    Page { token: Token, folder: Vec<u8>, page: Box<Settlement>, uids: UidSet, bulk: bool, estimated: bool },
}

pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) lie: Lie,
    pub(crate) work: VecDeque<Work>,
    pub(crate) delivered: bool,
    /// The store has failed since: the machine has forgotten what it asked.
    pub(crate) stale: bool,
    /// The folder that is open, as it was then (for a follower's watches).
    pub(crate) selected: Option<(String, View)>,
    pub(crate) watch: Option<Watch>,
}

pub(crate) struct Config {
    pub(crate) lies: bool,
    pub(crate) drops: bool,
    pub(crate) crashes: bool,
    pub(crate) folder_ops: bool,
    pub(crate) moves: bool,
    pub(crate) dups: bool,
    pub(crate) keep_date: bool,
    pub(crate) race: bool,
    /// The store is busy at 15 % of its commits, a LIST's too.
    pub(crate) busy: bool,
    /// Five folders and more, and LIST lacks the largest.
    pub(crate) many: bool,
    /// Folders are listed and do not open: for a while, or (true) for ever.
    pub(crate) shut: Option<bool>,
    /// A namespace is away for a session.
    pub(crate) away: bool,
    pub(crate) bad_line: bool,
    /// UIDNEXT lies upwards, UIDVALIDITY is another for a session.
    pub(crate) ahead: bool,
    pub(crate) cut_mail: bool,
    pub(crate) cut_folder: bool,
    /// Every RFC822.SIZE is an estimate.
    pub(crate) estimates: bool,
    /// Sessions that cut literals short.
    pub(crate) short: bool,
    /// The wall clock jumps.
    pub(crate) jumps: bool,
    /// Folders are put back from a backup.
    pub(crate) restores: bool,
}

impl Config {
    /// No faults at all, for scripts.
    fn tame() -> Self {
        Self {
            lies: false,
            drops: false,
            crashes: false,
            folder_ops: true,
            moves: true,
            dups: false,
            keep_date: true,
            race: false,
            busy: false,
            many: false,
            shut: None,
            away: false,
            bad_line: false,
            ahead: false,
            cut_mail: false,
            cut_folder: false,
            estimates: false,
            short: false,
            jumps: false,
            restores: false,
        }
    }
}

pub(crate) struct Move {
    pub(crate) cid: u32,
    pub(crate) from_event: usize,
    /// The server's folder that it left.
    pub(crate) left: u32,
    /// The server's folder that it came to.
    pub(crate) came: u32,
}

pub(crate) struct World {
    pub(crate) dice: Dice,
    pub(crate) cfg: Config,
    pub(crate) now: i64,
    pub(crate) server: Server,
    pub(crate) store: Store,
    machine: Option<Machine>,
    pub(crate) epoch: u64,
    pub(crate) connecting: bool,
    pub(crate) session: Option<Session>,
    pub(crate) sessions: i64,
    pub(crate) queue: VecDeque<Queued>,
    pub(crate) answers: VecDeque<(u64, Event)>,
    reads: Vec<(u64, Token, FolderId)>,
    samples: Vec<Sample>,
    /// The server's folders that were deleted or renamed: a mail that moved out of one before, to the same UID of a new
    /// folder, may look like all of it under a new name. That is as true, and loses nothing.
    pub(crate) deleted: Vec<u32>,
    pub(crate) counting: bool,
    pub(crate) timer: bool,
    pub(crate) faults: bool,
    /// The server's folders that were lied about.
    pub(crate) lies_on: BTreeSet<u32>,
    /// LIST has lied.
    pub(crate) list_lied: bool,
    /// The server's folders that were shut, or at which sessions ended, for a while.
    pub(crate) odd: BTreeSet<u32>,
    /// The server's folders whose history was opened under a lie.
    pub(crate) flagged: BTreeMap<u32, u32>,
    pub(crate) most: usize,
    /// How far the wall clock is off.
    pub(crate) off: i64,
    /// The next commits that the store is to refuse for want of room, for scripts.
    pub(crate) refuse: u32,
    pub(crate) first_open: Option<i64>,
    /// A session has cut literals short.
    pub(crate) cut_short: bool,
    /// The boundaries that folders of the first LIST were opened with, by our number.
    pub(crate) boundaries: BTreeMap<FolderId, u32>,
    pub(crate) fetched: u64,
    pub(crate) steps: u64,
    pub(crate) trace: bool,
    pub(crate) log: Vec<String>,
    /// Our folder numbers and the server's.
    pub(crate) truth: BTreeMap<FolderId, u32>,
    pub(crate) old: Vec<u32>,
    pub(crate) touched: BTreeMap<u32, u32>,
    pub(crate) moves: Vec<Move>,
    pub(crate) settings: Settings,
    /// What sessions were asked, for scripts.
    pub(crate) asked: Option<Vec<String>>,
    pub(crate) last_outcome: Option<Outcome>,
    /// The follower that begins the runs, where one does.
    pub(crate) life: Option<Life>,
    /// What the account went through before each run.
    pub(crate) history: History,
    /// Sessions have IDLE.
    pub(crate) push: bool,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x5151);
        let cfg = Config {
            lies: dice.chance(50),
            drops: dice.chance(60),
            crashes: dice.chance(60),
            folder_ops: dice.chance(40),
            moves: dice.chance(80),
            dups: dice.chance(50),
            keep_date: dice.chance(90),
            race: dice.chance(40),
            busy: dice.chance(20),
            many: dice.chance(20),
            shut: dice.chance(25).then(|| dice.chance(50)),
            away: dice.chance(15),
            bad_line: dice.chance(10),
            ahead: dice.chance(15),
            cut_mail: dice.chance(15),
            cut_folder: dice.chance(15),
            estimates: dice.chance(10),
            short: dice.chance(10),
            jumps: dice.chance(15),
            restores: dice.chance(15),
        };
        let misfit = dice.chance(12);
        let settings = Settings {
            confirm_after: Duration::ZERO,
            guard_floor: *dice.pick(&[1, 2, 50]),
            page_messages: usize::try_from(1 + dice.roll(3)).unwrap(),
            recent_messages: 1 + dice.roll(5),
            policy: Policy { first_wait: Duration::from_millis(1), ..Policy::default() },
            ..Settings::default()
        };
        let mut world = Self {
            cfg,
            now: 1_000,
            server: Server::default(),
            store: Store::new(),
            machine: None,
            epoch: 0,
            connecting: false,
            session: None,
            sessions: 0,
            queue: VecDeque::new(),
            answers: VecDeque::new(),
            reads: Vec::new(),
            samples: Vec::new(),
            deleted: Vec::new(),
            counting: false,
            timer: false,
            faults: true,
            lies_on: BTreeSet::new(),
            list_lied: false,
            odd: BTreeSet::new(),
            flagged: BTreeMap::new(),
            most: 14,
            off: 0,
            refuse: 0,
            first_open: None,
            cut_short: false,
            boundaries: BTreeMap::new(),
            fetched: 0,
            steps: 60 + dice.roll(400),
            trace: false,
            log: Vec::new(),
            truth: BTreeMap::new(),
            old: Vec::new(),
            touched: BTreeMap::new(),
            moves: Vec::new(),
            settings,
            asked: None,
            last_outcome: None,
            life: None,
            history: History::default(),
            push: false,
            dice,
        };
        let folders = if world.cfg.many { 5 + world.dice.roll(3) } else { 1 + world.dice.roll(4) };
        for _ in 0..folders {
            world.server.create();
        }
        world.most = if world.cfg.many { 24 } else { 14 };
        for _ in 0..world.dice.roll(9) {
            world.append();
        }
        if world.dice.chance(30) {
            world.operate("expunge");
        }
        if misfit {
            let names: Vec<String> = world.server.folders.keys().cloned().collect();
            let name = world.dice.pick(&names).clone();
            let folder = world.server.folders.get_mut(&name).unwrap();
            folder.surplus = 1 + u32::try_from(world.dice.roll(2)).unwrap();
        }
        world.old = world.server.folders.values().flat_map(|f| f.mail.values()).map(|m| m.cid).collect();
        world.now += 10;
        world
    }

    /// A world without faults, with these folders, for a script.
    pub(crate) fn tame(folders: usize) -> Self {
        let mut world = Self::new(1);
        world.cfg = Config::tame();
        world.server = Server::default();
        for _ in 0..folders {
            world.server.create();
        }
        world.old.clear();
        world.settings.guard_floor = 50;
        world.faults = false;
        world.trace = true;
        world
    }

    pub(crate) fn note(&mut self, text: impl FnOnce() -> String) {
        if self.trace {
            let line = format!("{:5} {}", self.now, text());
            self.log.push(line);
        }
    }

    // ------------------------------------------------------------------ machine and store

    pub(crate) fn instant(&self) -> Now {
        let since = u64::try_from(self.now).unwrap();
        // A follower's schedule is of minutes; a run's own waits are of no length here.
        let mono = if self.life.is_some() { Duration::from_secs(since) } else { Duration::from_micros(since) };
        Now { wall: Micros::from_seconds(self.now + self.off), mono }
    }

    pub(crate) fn deliver(&mut self, event: Event) {
        if self.life.is_some() {
            return self.follow_run(self.epoch, event);
        }
        let now = self.instant();
        let Some(machine) = self.machine.take() else { return };
        let (machine, actions) = machine.step(event, now);
        self.machine = Some(machine);
        for action in actions {
            self.note(|| format!("  action {action:?}"));
            self.act(action);
        }
    }

    pub(crate) fn act(&mut self, action: Action) {
        match action {
            Action::Open => self.queue.push_back(Queued::Open(self.epoch)),
            Action::Connect => self.connecting = true,
            Action::Disconnect => {
                self.session = None;
                self.connecting = false;
            }
            Action::Ask { token, request } => {
                if let Some(asked) = &mut self.asked {
                    asked.push(question(&request));
                }
                let token = self.token(token);
                self.unwatch();
                if let Some(session) = &mut self.session {
                    session.work.push_back(Work::Ask(token, request));
                    self.check_asked();
                } else {
                    let failure =
                        Failure::new(Class::Network, Reach::Session, Provenance::Local, "the session is gone");
                    self.answers.push_back((self.epoch, Event::Answered { token, answer: Err(failure) }));
                }
            }
            Action::Commit { token, commit } => self.queue.push_back(Queued::Commit(self.epoch, token, commit)),
            Action::ReadRows { token, folder } => self.reads.push((self.epoch, token, folder)),
            Action::ReadSample { token, folder, part } => self.samples.push((self.epoch, token, folder, part)),
            Action::Proved { folder, started, whole } => {
                self.queue.push_back(Queued::Proved(folder, started, whole));
            }
            Action::CountLimbo => self.counting = true,
            Action::WakeAfter(_) => self.timer = true,
            Action::Report(_) => {}
            Action::Finish(summary) => {
                self.last_outcome = Some(summary.outcome);
                self.machine = None;
                self.session = None;
                self.connecting = false;
                self.timer = false;
                self.counting = false;
            }
        }
    }

    /// Everything, or a few folders as the schedule and hints have them.
    fn scope(&mut self) -> Scope {
        if !self.faults || self.dice.chance(50) {
            return if self.dice.chance(20) { Scope::Insist } else { Scope::Everything };
        }
        let list = self.dice.chance(50);
        let mut folders = BTreeMap::new();
        for id in self.truth.keys().copied().collect::<Vec<_>>() {
            if self.dice.chance(60) {
                folders.insert(id, self.depth());
            }
        }
        Scope::Some { list, folders }
    }

    fn depth(&mut self) -> Depth {
        if self.dice.chance(70) { Depth::Quick } else { Depth::Full }
    }

    pub(crate) fn start_run(&mut self) {
        let scope = self.scope();
        self.epoch += 1;
        self.session = None;
        self.connecting = false;
        self.timer = false;
        self.counting = false;
        self.machine = Some(Machine::new(self.settings.clone(), self.history.clone()));
        self.note(|| format!("== run {scope:?}"));
        self.deliver(Event::Begin(scope));
    }

    fn apply_one(&mut self) -> Option<(u64, Event)> {
        match self.queue.pop_front()? {
            Queued::Proved(folder, started, whole) => {
                self.store.prove(folder, started, whole);
                None
            }
            Queued::Stand(standing, reason) => {
                self.note(|| format!("stands {standing}"));
                self.store.stood = Some((standing, reason));
                None
            }
            Queued::Open(epoch) => Some((epoch, Event::Opened(Box::new(self.store.open())))),
            Queued::Commit(epoch, token, commit) => {
                let full = self.faults && self.cfg.drops && self.dice.chance(2);
                let busy = self.faults && self.cfg.busy && self.dice.chance(15);
                let told = std::mem::take(&mut self.refuse);
                self.refuse = told.saturating_sub(1);
                let answer = if full || busy || told > 0 {
                    self.note(|| format!("-- the store cannot take {} {:?}", token.0, commit.change));
                    if let Some(session) = &mut self.session {
                        session.stale = true;
                    }
                    CommitAnswer::Failed(Failure::storage("scripted: disk full"), commit)
                } else {
                    self.judge_ends(&commit.change);
                    let opening = match &commit.change {
                        Change::Folder(FolderChange::Open { folder: to, .. })
                        | Change::Folder(FolderChange::Rename { to, .. }) => Some(to.path.clone()),
                        _ => None,
                    };
                    if let Change::Folder(FolderChange::Open { .. }) = &commit.change {
                        self.first_open.get_or_insert(self.now);
                    }
                    // Its boundary goes back too: what was told before by the old one is not judged.
                    let rewound = match &commit.change {
                        Change::Folder(FolderChange::Pass { folder, rewind: Some(_), .. }) => Some(*folder),
                        _ => None,
                    };
                    let account = &self.store.account;
                    let boundary = match &commit.change {
                        Change::Folder(FolderChange::Open { mark, folder, .. }) => {
                            let first = account.listed_at.is_none() && !account.shut.contains_key(&folder.remote_id);
                            first.then_some(mark.uidnext)
                        }
                        _ => None,
                    };
                    self.note(|| format!("commit {} {:?}", token.0, commit.change));
                    let answer = self.store.commit(*commit, self.settings.guard_floor);
                    if let (Some(path), CommitAnswer::Done(rows)) = (opening, &answer)
                        && let (Some(row), Some(truth)) = (&rows.folder, self.server.folders.get(&path))
                    {
                        self.truth.insert(row.id, truth.id);
                        if let Some(boundary) = boundary {
                            self.boundaries.insert(row.id, boundary);
                        }
                    }
                    if let (Some(folder), CommitAnswer::Done(_)) = (rewound, &answer) {
                        self.boundaries.remove(&folder);
                    }
                    answer
                };
                Some((epoch, Event::Committed { token, answer }))
            }
        }
    }

    /// Questions are bounded: so many pages, and few beside them (whether a folder opens is asked for each that holds poison).
    fn check_asked(&mut self) {
        // What was asked before the store failed is answered to nobody, and does not count.
        let Some(session) = self.session.as_ref().filter(|session| !session.stale) else { return };
        let (mut pages, mut opens, mut others) = (0, 0, 0);
        for work in &session.work {
            match work {
                Work::Page { .. } | Work::Ask(_, Request::Fetch { .. }) => pages += 1,
                Work::Ask(_, Request::Examine { .. }) => opens += 1,
                Work::Ask(..) => others += 1,
            }
        }
        if pages > 2 * self.settings.pages_in_flight || others > 3 || opens > 6 {
            self.store.rash.push(format!("a session is asked for {pages} pages, {opens} folders and {others} answers"));
        }
    }

    /// Before a commit: a folder that ends although it is there, under the name that we know, and nobody lied.
    fn judge_ends(&mut self, change: &Change) {
        if let Change::Folder(FolderChange::DropFolder { folder, .. }) = change
            && let Some(row) = self.store.folders.get(folder)
            && let Some(theirs) = self.server.folders.get(&row.path)
            && self.truth.get(folder) == Some(&theirs.id)
            && !self.list_lied
            && !self.odd.contains(&theirs.id)
        {
            self.store.rash.push(format!("folder {} was dropped, and is there", row.path));
        }
    }

    /// The change that the store is to commit next, in words.
    pub(crate) fn queued(&self) -> Option<String> {
        match self.queue.front()? {
            Queued::Commit(_, _, commit) => Some(format!("{:?}", commit.change)),
            _ => None,
        }
    }

    /// The commit that is next, once more.
    pub(crate) fn queued_commit(&self) -> Commit {
        let Some(Queued::Commit(_, _, commit)) = self.queue.front() else { panic!("no commit is next") };
        let Change::Folder(FolderChange::Rename { folder, uidvalidity, from, to }) = &commit.change else {
            panic!("not a rename")
        };
        let change = Change::Folder(FolderChange::Rename {
            folder: *folder,
            uidvalidity: *uidvalidity,
            from: from.clone(),
            to: to.clone(),
        });
        Commit { account: commit.account, incarnation: commit.incarnation, at: commit.at, change }
    }

    /// Does what is queued first.
    pub(crate) fn store_one(&mut self) {
        if let Some(answer) = self.apply_one() {
            self.answers.push_back(answer);
        }
    }

    /// Commits some of what is queued; the acknowledgements arrive later.
    pub(crate) fn store_step(&mut self) -> Result<(), String> {
        for _ in 0..=self.dice.roll(3) {
            if let Some(answer) = self.apply_one() {
                self.note(|| format!("store: {:?}", answer.1));
                self.answers.push_back(answer);
            }
            self.check_step()?;
        }
        Ok(())
    }

    pub(crate) fn answer_step(&mut self) {
        match self.answers.pop_front() {
            Some((epoch, event)) if self.life.is_some() => self.follow_run(epoch, event),
            Some((epoch, event)) if epoch == self.epoch => self.deliver(event),
            _ => {}
        }
    }

    pub(crate) fn other_step(&mut self) {
        if self.connecting && self.dice.chance(60) {
            self.connecting = false;
            if self.faults && self.cfg.drops && self.dice.chance(10) {
                let failure = Failure::new(Class::Network, Reach::Endpoint, Provenance::Local, "scripted: refused");
                self.deliver(Event::ConnectFailed(failure));
            } else {
                self.new_session();
            }
        }
        if !self.reads.is_empty() && self.dice.chance(60) {
            let (epoch, token, folder) = self.reads.remove(0);
            let rows = self.store.rows(folder);
            if epoch == self.epoch || self.life.is_some() {
                self.answers.push_back((epoch, Event::RowsRead { token, rows: Ok(rows) }));
            }
        }
        if !self.samples.is_empty() && self.dice.chance(60) {
            let (epoch, token, folder, part) = self.samples.remove(0);
            if epoch == self.epoch || self.life.is_some() {
                let rows = Ok(self.store.sample(folder, part));
                self.answers.push_back((epoch, Event::Sampled { token, rows }));
            }
        }
        if self.counting && self.dice.chance(60) {
            self.counting = false;
            self.deliver(Event::LimboCounted(Ok(self.store.limbo())));
        }
        if self.timer && self.dice.chance(60) {
            self.timer = false;
            self.deliver(Event::Woke);
        }
    }

    /// No question to the store's readers, no timer of a run, no login is on its way.
    pub(crate) fn is_answered(&self) -> bool {
        self.reads.is_empty() && self.samples.is_empty() && !self.counting && !self.timer && !self.connecting
    }

    pub(crate) fn crash(&mut self) {
        match self.dice.roll(4) {
            0 | 1 => {
                let n = self.dice.roll(self.queue.len() as u64 + 1);
                for _ in 0..n {
                    self.apply_one();
                }
                self.queue.clear();
                self.answers.clear();
                self.reads.clear();
                self.samples.clear();
                self.note(|| "== crash".into());
                self.restart(true);
            }
            2 => {
                self.note(|| "== the account's actor restarts; the store's queue lives on".into());
                self.restart(false);
            }
            _ => {
                let n = self.dice.roll(self.queue.len() as u64 + 1);
                self.note(|| format!("== the store restarts; {n} committed, answers lost"));
                for k in 0.. {
                    let lost = match self.queue.front() {
                        None => break,
                        Some(Queued::Proved(..)) => {
                            self.queue.pop_front();
                            continue;
                        }
                        Some(Queued::Stand(..)) => {
                            self.queue.pop_front();
                            self.stand_lost();
                            continue;
                        }
                        Some(Queued::Commit(epoch, token, _)) => (*epoch, Event::Lost { token: *token }),
                        Some(Queued::Open(epoch)) => (*epoch, Event::OpenFailed(Failure::storage("scripted: restart"))),
                    };
                    if k < n {
                        self.apply_one();
                    } else {
                        self.queue.pop_front();
                    }
                    self.answers.push_back(lost);
                }
            }
        }
    }

    /// The process begins again, or the account's actor alone.
    fn restart(&mut self, process: bool) {
        if self.life.is_some() { self.life_after(process) } else { self.start_run() }
    }

    pub(crate) fn server_step(&mut self) {
        let mut operations = vec!["append", "append", "append", "expunge", "flag", "flag"];
        if self.cfg.moves {
            operations.extend(["move", "move"]);
        }
        if self.cfg.moves && self.cfg.dups {
            operations.push("copy");
        }
        if self.cfg.folder_ops {
            operations.extend(["create", "delete", "rename"]);
        }
        let kind = *self.dice.pick(&operations);
        self.operate(kind);
        if self.dice.chance(8) {
            self.operate("odd");
        }
        if self.cfg.restores && self.dice.chance(8) {
            self.restore();
        }
        if self.cfg.jumps && self.dice.chance(10) {
            self.off = i64::try_from(self.dice.roll(8000)).unwrap() - 4000;
            let off = self.off;
            self.note(|| format!("-- the wall clock is off by {off} s"));
        }
    }

    fn step(&mut self) -> Result<(), String> {
        self.now += 1;
        let (server, session) = if self.cfg.race { (10, 45) } else { (6, 60) };
        match self.dice.roll(100) {
            n if n < server => self.server_step(),
            n if n < server + 2 && self.cfg.crashes => self.crash(),
            n if n < server + 3 && self.cfg.crashes && self.dice.chance(10) => {
                self.note(|| "== stop".into());
                self.deliver(Event::Stop);
            }
            n if n < server + 6 => {
                if self.machine.is_none() {
                    self.start_run();
                } else {
                    let ids: Vec<FolderId> = self.truth.keys().copied().collect();
                    if !ids.is_empty() {
                        let id = *self.dice.pick(&ids);
                        let depth = self.depth();
                        self.deliver(Event::Nudged(id, depth));
                    }
                }
            }
            n if n < session => self.session_step(),
            n if n < session + 12 => self.store_step()?,
            n if n < session + 27 => self.answer_step(),
            _ => self.other_step(),
        }
        self.check_step()
    }

    /// Runs to the end of a run, without faults and without changes.
    pub(crate) fn clean_run(&mut self) -> Result<(), String> {
        if self.machine.is_none() {
            self.start_run();
        }
        let mut steps = 0;
        while self.machine.is_some() {
            self.now += 1;
            steps += 1;
            if steps > 20_000 {
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
        self.samples.clear();
        Ok(())
    }

    /// Runs the world; returns the clean rounds it needed.
    pub(crate) fn run(&mut self) -> Result<usize, String> {
        if self.dice.chance(70) {
            let faults = std::mem::replace(&mut self.faults, false);
            self.clean_run()?;
            self.faults = faults;
        }
        for _ in 0..self.steps {
            self.step()?;
        }
        self.stop_faults();
        if self.machine.is_some() {
            self.session = self.session.take().map(|s| Session { lie: Lie::None, ..s });
            self.clean_run()?;
        }
        for rounds in 0..12 {
            if self.difference().is_none() && self.is_quiet() {
                self.check_idle()?;
                self.check_end()?;
                return Ok(rounds);
            }
            // What was shut, and what limbo waits for, has its own time.
            self.now += if rounds < 2 { 10 } else { 90_000 };
            self.clean_run()?;
        }
        let open: Vec<_> = self.store.folders.values().map(|f| (&f.path, &f.lanes, &f.look, f.excluded)).collect();
        let limbo = self.store.limbo();
        Err(format!("INV-4: no convergence in 12 clean rounds: {:?}; limbo {limbo}, open {open:?}", self.difference()))
    }

    /// From now on the server misbehaves only as it always does.
    pub(crate) fn stop_faults(&mut self) {
        self.faults = false;
        self.off = 0;
        for folder in self.server.folders.values_mut() {
            folder.ahead = None;
            for until in [&mut folder.shut, &mut folder.cut] {
                *until = if *until == EVER { EVER } else { 0 };
            }
        }
        self.note(|| "== faults stop".into());
    }

    fn check_idle(&mut self) -> Result<(), String> {
        for _ in 0..2 {
            self.now += 90_000;
            self.clean_run()?;
        }
        let before = (self.store.events.len(), self.fetched);
        self.clean_run()?;
        let after = (self.store.events.len(), self.fetched);
        if before == after {
            Ok(())
        } else {
            Err(format!("INV-8: not idle after convergence: {before:?} -> {after:?}"))
        }
    }
}

pub(crate) fn gone() -> Failure {
    Failure::new(Class::InvalidData, Reach::Folder, Provenance::Server, "no such folder")
}

pub(crate) fn flags(bits: u8) -> Flags {
    let names = [(1, "\\Seen"), (2, "work"), (4, "\\Flagged")];
    Flags::new(names.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name))
}

pub(crate) fn hash(cid: u32) -> BodyHash {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&cid.to_be_bytes());
    BodyHash(bytes)
}

#[expect(clippy::disallowed_methods, reason = "the model server's bodies are durable by definition")]
pub(crate) fn fetched(uid: u32, mail: &Mail, short: bool) -> Fetched {
    let (cid, length) = if short { (mail.cid | 1 << 31, length(mail) - 1) } else { (mail.cid, length(mail)) };
    let body = BodyRef::sealed(hash(cid), 1, 0, length);
    Fetched {
        uid,
        identity: Identity(format!("h:{}", body.hash())),
        body,
        flags: flags(mail.flags),
        modseq: None,
        internal_date: Some(Micros::from_seconds(mail.date)),
        header: HeaderFacts::default(),
        announced: None,
    }
}

/// Octets of a mail.
pub(crate) fn length(mail: &Mail) -> u64 {
    10 + u64::from(mail.cid % 7)
}

/// A question in words.
fn question(request: &Request) -> String {
    let name = request.remote_id().map(|name| String::from_utf8_lossy(name).into_owned()).unwrap_or_default();
    match request {
        Request::List => "list".into(),
        Request::Examine { .. } => format!("examine {name}"),
        Request::Index { .. } => format!("index {name}"),
        Request::Fetch { uids, .. } => format!("fetch {name} {uids}"),
        Request::Newest { .. } => format!("newest {name}"),
        Request::Sample { .. } => format!("sample {name}"),
        Request::Sizes { .. } | Request::Watch { .. } => "something else".into(),
    }
}
