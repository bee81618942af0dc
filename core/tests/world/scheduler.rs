//! The random scheduler: carries out the machine's actions late, in pieces, or not at all.

use crate::server::{Dice, Folder, Lie, Mail, Server, view};
use crate::store::Store;
use postrider_core::account::machine::{Action, Depth, Event, Machine, Scope, Settings, Token};
use postrider_core::account::summary::Outcome;
use postrider_core::commit::request::{Commit, CommitAnswer};
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::mail::body::{BodyHash, BodyRef};
use postrider_core::mail::change::{Answer, Examined, ListedFolder, Request, Sampled, UidFlags, Unwatched};
use postrider_core::mail::flags::Flags;
use postrider_core::mail::id::{FolderId, Identity, SessionId, UidValidity};
use postrider_core::mail::message::{Fetched, HeaderFacts};
use postrider_core::mail::page::Page;
use postrider_core::mail::settle::{Question, Settlement};
use postrider_core::mail::uid_set::UidSet;
use postrider_core::recovery::decide::Policy;
use postrider_core::recovery::history::History;
use postrider_core::time::{Micros, Now};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

enum Queued {
    Commit(u64, Token, Box<Commit>),
    Open(u64),
    Proved(FolderId, Micros, bool),
}

enum Work {
    Ask(Token, Request),
    Page { token: Token, folder: Vec<u8>, page: Settlement, uids: UidSet, bulk: bool },
}

struct Session {
    id: SessionId,
    lie: Lie,
    work: VecDeque<Work>,
    delivered: bool,
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
}

pub(crate) struct Move {
    pub(crate) cid: u32,
    pub(crate) from_event: usize,
    /// The server's folder that it left.
    pub(crate) left: u32,
}

pub(crate) struct World {
    pub(crate) dice: Dice,
    pub(crate) cfg: Config,
    pub(crate) now: i64,
    pub(crate) server: Server,
    pub(crate) store: Store,
    machine: Option<Machine>,
    epoch: u64,
    connecting: bool,
    session: Option<Session>,
    sessions: i64,
    queue: VecDeque<Queued>,
    answers: VecDeque<(u64, Event)>,
    reads: Vec<(u64, Token, FolderId)>,
    samples: Vec<(u64, Token, FolderId)>,
    /// The server's folders that were deleted or renamed: a mail that moved out of one before, to the same UID of a new
    /// folder, may look like all of it under a new name. That is as true, and loses nothing.
    pub(crate) deleted: Vec<u32>,
    counting: bool,
    timer: bool,
    faults: bool,
    pub(crate) lied: bool,
    pub(crate) fetched: u64,
    pub(crate) steps: u64,
    pub(crate) trace: bool,
    pub(crate) log: Vec<String>,
    /// Our folder numbers and the server's.
    pub(crate) truth: BTreeMap<FolderId, u32>,
    pub(crate) old: Vec<u32>,
    pub(crate) touched: BTreeMap<u32, u32>,
    pub(crate) moves: Vec<Move>,
    settings: Settings,
    pub(crate) last_outcome: Option<Outcome>,
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
        };
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
            lied: false,
            fetched: 0,
            steps: 60 + dice.roll(400),
            trace: false,
            log: Vec::new(),
            truth: BTreeMap::new(),
            old: Vec::new(),
            touched: BTreeMap::new(),
            moves: Vec::new(),
            settings,
            last_outcome: None,
            dice,
        };
        for _ in 0..=world.dice.roll(3) {
            world.server.create();
        }
        for _ in 0..world.dice.roll(9) {
            world.append();
        }
        if world.dice.chance(30) {
            world.operate("expunge");
        }
        world.old = world.server.folders.values().flat_map(|f| f.mail.values()).map(|m| m.cid).collect();
        world.now += 10;
        world
    }

    fn note(&mut self, text: impl FnOnce() -> String) {
        if self.trace {
            let line = format!("{:5} {}", self.now, text());
            self.log.push(line);
        }
    }

    // ------------------------------------------------------------------ the server's owner

    fn append(&mut self) {
        let names: Vec<String> = self.server.folders.keys().cloned().collect();
        if names.is_empty() || self.server.total() >= 14 {
            return;
        }
        let folder = self.dice.pick(&names).clone();
        let cid = if self.cfg.dups && self.server.next_cid > 0 && self.dice.chance(25) {
            let cid = 1 + u32::try_from(self.dice.roll(u64::from(self.server.next_cid))).unwrap();
            *self.touched.entry(cid).or_default() += 10;
            cid
        } else {
            self.server.next_cid += 1;
            self.server.next_cid
        };
        self.now += 1;
        let flags = u8::try_from(self.dice.roll(4)).unwrap();
        let mail = Mail { cid, date: self.now, flags, hollow: self.dice.chance(2), refused: self.dice.chance(4) };
        let uid = self.server.put(&folder, mail, &mut self.dice);
        self.note(|| format!("SERVER append {folder} {uid} cid {cid}"));
    }

    fn operate(&mut self, kind: &str) {
        let names: Vec<String> = self.server.folders.keys().cloned().collect();
        match kind {
            "append" => return self.append(),
            "create" => {
                if names.len() < 5
                    && let Some(name) = self.server.create()
                {
                    self.note(|| format!("SERVER create {name}"));
                }
                return;
            }
            "rename" => {
                let others: Vec<String> = names.into_iter().filter(|n| n != "INBOX").collect();
                if !others.is_empty() {
                    let from = self.dice.pick(&others).clone();
                    let empty = self.server.folders[&from].mail.is_empty();
                    let cids: Vec<u32> = self.server.folders[&from].mail.values().map(|m| m.cid).collect();
                    self.deleted.push(self.server.folders[&from].id);
                    if let Some(name) = self.server.rename(&from) {
                        // Without rows to compare, or with rows that changed since, it is another folder.
                        for cid in cids {
                            *self.touched.entry(cid).or_default() += 10;
                        }
                        self.note(|| format!("SERVER rename {from} {name} (empty {empty})"));
                    }
                }
                return;
            }
            "delete" => {
                let others: Vec<String> = names.into_iter().filter(|n| n != "INBOX").collect();
                if !others.is_empty() {
                    let name = self.dice.pick(&others).clone();
                    let folder = self.server.folders.remove(&name).unwrap();
                    self.deleted.push(folder.id);
                    for mail in folder.mail.values() {
                        *self.touched.entry(mail.cid).or_default() += 10;
                    }
                    self.note(|| format!("SERVER delete {name}"));
                }
                return;
            }
            _ => {}
        }
        let full: Vec<String> = names.iter().filter(|n| !self.server.folders[*n].mail.is_empty()).cloned().collect();
        if full.is_empty() {
            return;
        }
        let name = self.dice.pick(&full).clone();
        let uids: Vec<u32> = self.server.folders[&name].mail.keys().copied().collect();
        let uid = *self.dice.pick(&uids);
        let mail = self.server.folders[&name].mail[&uid].clone();
        match kind {
            "expunge" => {
                let all = self.dice.chance(20);
                let gone = if all { uids } else { vec![uid] };
                for uid in gone {
                    let cid = self.server.folders.get_mut(&name).unwrap().mail.remove(&uid).unwrap().cid;
                    *self.touched.entry(cid).or_default() += 10;
                    self.note(|| format!("SERVER expunge {name} {uid} cid {cid}"));
                }
            }
            "flag" => {
                let flags = u8::try_from(self.dice.roll(4)).unwrap();
                self.server.folders.get_mut(&name).unwrap().mail.get_mut(&uid).unwrap().flags = flags;
                self.note(|| format!("SERVER flag {name} {uid} {flags}"));
            }
            "move" | "copy" => {
                let others: Vec<String> = names.into_iter().filter(|n| *n != name).collect();
                if others.is_empty() || (kind == "copy" && self.server.total() >= 14) {
                    return;
                }
                let to = self.dice.pick(&others).clone();
                let date = if self.cfg.keep_date { mail.date } else { self.now };
                let new = self.server.put(&to, Mail { date, ..mail.clone() }, &mut self.dice);
                self.note(|| format!("SERVER {kind} {name} {uid} -> {to} {new} cid {}", mail.cid));
                if kind == "copy" {
                    *self.touched.entry(mail.cid).or_default() += 10;
                    return;
                }
                let from = self.server.folders[&name].id;
                let held = self
                    .truth
                    .iter()
                    .any(|(ours, theirs)| *theirs == from && self.store.rows(*ours).living.get(uid).is_some());
                *self.touched.entry(mail.cid).or_default() += 1;
                self.server.folders.get_mut(&name).unwrap().mail.remove(&uid);
                if held && !mail.hollow && !mail.refused {
                    self.moves.push(Move { cid: mail.cid, from_event: self.store.events.len(), left: from });
                }
            }
            other => panic!("unknown operation {other}"),
        }
    }

    // ------------------------------------------------------------------ the session

    fn new_session(&mut self) {
        let lies = [Lie::ZeroExists, Lie::HalfFolder, Lie::EmptyList, Lie::ShortList];
        let lie = if self.faults && self.cfg.lies && self.dice.chance(15) { *self.dice.pick(&lies) } else { Lie::None };
        self.sessions += 1;
        let id = SessionId(self.sessions);
        self.session = Some(Session { id, lie, work: VecDeque::new(), delivered: false });
        self.note(|| format!("-- session {id} {lie:?}"));
        self.deliver(Event::Connected(id));
    }

    fn lose_line(&mut self) -> bool {
        let lost = self.faults && self.cfg.lies && self.dice.chance(3);
        self.lied |= lost;
        lost
    }

    /// One command of the session, at one instant of the server.
    fn session_step(&mut self) {
        let Some(mut session) = self.session.take() else { return };
        let Some(work) = session.work.pop_front() else {
            self.session = Some(session);
            return;
        };
        let token = match &work {
            Work::Ask(token, _) | Work::Page { token, .. } => *token,
        };
        if self.faults && self.cfg.drops && self.dice.chance(4) {
            let class = if self.dice.chance(30) { Class::RateLimit } else { Class::Network };
            self.note(|| format!("-- session {} lost: {class}", session.id));
            let failure = Failure::new(class, Reach::Session, Provenance::Server, "scripted");
            // Every question that was open says that it will have no answer.
            for work in session.work {
                let (Work::Ask(token, _) | Work::Page { token, .. }) = work;
                let answer = Err(failure.clone());
                self.answers.push_back((self.epoch, Event::Answered { token, answer }));
            }
            self.deliver(Event::Answered { token, answer: Err(failure) });
            return;
        }
        let answer = match work {
            Work::Ask(_, Request::List) => Some(Ok(Answer::Listed(self.list(session.lie)))),
            Work::Ask(_, Request::Examine { remote_id }) => {
                Some(self.examine(session.lie, &remote_id).map(Answer::Examined))
            }
            Work::Ask(_, Request::Index { remote_id, .. }) => Some(self.index(session.lie, &remote_id)),
            Work::Ask(_, Request::Sizes { .. }) => Some(Err(gone())),
            Work::Ask(_, Request::Watch { .. }) => Some(Ok(Answer::Unwatched(Unwatched::Unable))),
            Work::Ask(_, Request::Sample { remote_id, uids, .. }) => {
                let name = String::from_utf8(remote_id).unwrap();
                let sample = |folder: &Folder| {
                    let there = folder.mail.iter().filter(|(uid, _)| uids.contains(**uid));
                    let row = |(uid, mail): (&u32, &Mail)| Sampled {
                        uid: *uid,
                        size: u64::from(mail.cid),
                        internal_date: Some(Micros::from_seconds(mail.date)),
                    };
                    Answer::Sampled(there.map(row).collect())
                };
                Some(self.server.folders.get(&name).map(sample).ok_or_else(gone))
            }
            Work::Ask(_, Request::Fetch { remote_id, uids, .. }) => {
                let page = Settlement::new(uids.clone(), session.delivered);
                session.work.push_front(Work::Page { token, folder: remote_id, page, uids, bulk: true });
                None
            }
            Work::Page { folder, mut page, uids, bulk, .. } => {
                let found = self.page_command(&mut session, &folder, &mut page, &uids, bulk);
                match (found, page.next()) {
                    (Err(failure), _) => Some(Err(failure)),
                    (Ok(()), Question::Settled) => Some(page.finish().map(|page| Answer::Fetched { page, last: true })),
                    (Ok(()), _) => {
                        let part = if self.dice.chance(30) { page.take_part() } else { None };
                        session.work.push_front(Work::Page { token, folder, page, uids, bulk: false });
                        part.map(|(rows, _)| {
                            Ok(Answer::Fetched { page: Page { rows, ..Page::default() }, last: false })
                        })
                    }
                }
            }
        };
        self.session = Some(session);
        if let Some(answer) = answer {
            self.note(|| format!("answer {} {answer:?}", token.0));
            self.deliver(Event::Answered { token, answer });
        }
    }

    fn page_command(
        &mut self,
        session: &mut Session,
        folder: &[u8],
        page: &mut Settlement,
        uids: &UidSet,
        bulk: bool,
    ) -> Result<(), Failure> {
        let name = String::from_utf8(folder.to_vec()).unwrap();
        let Some(folder) = self.server.folders.get(&name).cloned() else { return Err(gone()) };
        let seen = view(&folder, session.lie, &mut self.lied);
        let ask: Vec<u32> = match (bulk, page.next()) {
            (true, _) => uids.iter().collect(),
            (false, Question::Alone(uid)) => vec![uid],
            (false, Question::Index(uid)) => {
                let shown = seen.contains(&uid) && !self.lose_line();
                page.indexed(uid, shown);
                return Ok(());
            }
            (false, Question::Settled) => return Ok(()),
        };
        let mut refused = false;
        for uid in &ask {
            let Some(mail) = folder.mail.get(uid).filter(|_| seen.contains(uid)) else { continue };
            if mail.hollow || self.lose_line() {
                continue;
            }
            if mail.refused && self.faults {
                refused = true;
                continue;
            }
            self.fetched += 1;
            session.delivered = true;
            page.got(fetched(*uid, mail));
        }
        if let (false, [uid]) = (bulk, ask.as_slice())
            && page.wants(*uid)
        {
            page.missed(*uid, refused.then(|| "NO".to_owned()));
        }
        Ok(())
    }

    fn list(&mut self, lie: Lie) -> Vec<ListedFolder> {
        let mut names: Vec<String> = self.server.folders.keys().cloned().collect();
        if lie == Lie::EmptyList && !names.is_empty() {
            self.lied = true;
            names.clear();
        }
        if lie == Lie::ShortList && !names.is_empty() {
            self.lied = true;
            names.remove(0);
        }
        let listed = |name: String| ListedFolder {
            remote_id: name.clone().into_bytes(),
            path: name,
            delimiter: None,
            role: None,
        };
        names.into_iter().map(listed).collect()
    }

    fn examine(&mut self, lie: Lie, name: &[u8]) -> Result<Examined, Failure> {
        let name = String::from_utf8(name.to_vec()).unwrap();
        let folder = self.server.folders.get(&name).ok_or_else(gone)?;
        let exists = u32::try_from(view(folder, lie, &mut self.lied).len()).unwrap();
        Ok(Examined {
            uidvalidity: UidValidity(folder.uidvalidity),
            uidnext: folder.uidnext,
            exists,
            inferred: false,
            modseq: 0,
        })
    }

    fn index(&mut self, lie: Lie, name: &[u8]) -> Result<Answer, Failure> {
        let name = String::from_utf8(name.to_vec()).unwrap();
        let folder: Folder = self.server.folders.get(&name).cloned().ok_or_else(gone)?;
        let mut rows = UidFlags::default();
        let seen = view(&folder, lie, &mut self.lied);
        let exists = u32::try_from(seen.len()).unwrap();
        for uid in seen {
            if !self.lose_line() {
                rows.push(uid, flags(folder.mail[&uid].flags));
            }
        }
        Ok(Answer::Indexed { rows: rows.finished(), exists })
    }

    // ------------------------------------------------------------------ machine and store

    fn deliver(&mut self, event: Event) {
        let Some(machine) = self.machine.take() else { return };
        let now =
            Now { wall: Micros::from_seconds(self.now), mono: Duration::from_micros(u64::try_from(self.now).unwrap()) };
        let (machine, actions) = machine.step(event, now);
        self.machine = Some(machine);
        for action in actions {
            self.note(|| format!("  action {action:?}"));
            match action {
                Action::Open => self.queue.push_back(Queued::Open(self.epoch)),
                Action::Connect => self.connecting = true,
                Action::Disconnect => {
                    self.session = None;
                    self.connecting = false;
                }
                Action::Ask { token, request } => {
                    if let Some(session) = &mut self.session {
                        session.work.push_back(Work::Ask(token, request));
                    } else {
                        let failure =
                            Failure::new(Class::Network, Reach::Session, Provenance::Local, "the session is gone");
                        self.answers.push_back((self.epoch, Event::Answered { token, answer: Err(failure) }));
                    }
                }
                Action::Commit { token, commit } => self.queue.push_back(Queued::Commit(self.epoch, token, commit)),
                Action::ReadRows { token, folder } => self.reads.push((self.epoch, token, folder)),
                Action::ReadSample { token, folder } => self.samples.push((self.epoch, token, folder)),
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
    }

    /// Everything, or a few folders as the schedule and hints have them.
    fn scope(&mut self) -> Scope {
        if !self.faults || self.dice.chance(50) {
            return Scope::Everything;
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

    fn start_run(&mut self) {
        let scope = self.scope();
        self.epoch += 1;
        self.session = None;
        self.connecting = false;
        self.timer = false;
        self.counting = false;
        self.machine = Some(Machine::new(self.settings.clone(), History::default()));
        self.note(|| format!("== run {scope:?}"));
        self.deliver(Event::Begin(scope));
    }

    fn apply_one(&mut self) -> Option<(u64, Event)> {
        match self.queue.pop_front()? {
            Queued::Proved(folder, started, whole) => {
                self.store.prove(folder, started, whole);
                None
            }
            Queued::Open(epoch) => Some((epoch, Event::Opened(Box::new(self.store.open())))),
            Queued::Commit(epoch, token, commit) => {
                let answer = if self.faults && self.cfg.drops && self.dice.chance(2) {
                    CommitAnswer::Failed(Failure::storage("scripted: disk full"), commit)
                } else {
                    let opening = match &commit.change {
                        postrider_core::commit::request::Change::Open { folder: to, .. }
                        | postrider_core::commit::request::Change::Rename { to, .. } => Some(to.path.clone()),
                        _ => None,
                    };
                    self.note(|| format!("commit {} {:?}", token.0, commit.change));
                    let answer = self.store.commit(*commit, self.settings.guard_floor);
                    if let (Some(path), CommitAnswer::Done(rows)) = (opening, &answer)
                        && let (Some(row), Some(truth)) = (&rows.folder, self.server.folders.get(&path))
                    {
                        self.truth.insert(row.id, truth.id);
                    }
                    answer
                };
                Some((epoch, Event::Committed { token, answer }))
            }
        }
    }

    /// Commits some of what is queued; the acknowledgements arrive later.
    fn store_step(&mut self) -> Result<(), String> {
        for _ in 0..=self.dice.roll(3) {
            if let Some(answer) = self.apply_one() {
                self.note(|| format!("store: {:?}", answer.1));
                self.answers.push_back(answer);
            }
            self.check_step()?;
        }
        Ok(())
    }

    fn answer_step(&mut self) {
        if let Some((epoch, event)) = self.answers.pop_front()
            && epoch == self.epoch
        {
            self.deliver(event);
        }
    }

    fn other_step(&mut self) {
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
            if epoch == self.epoch {
                self.answers.push_back((epoch, Event::RowsRead { token, rows: Ok(rows) }));
            }
        }
        if !self.samples.is_empty() && self.dice.chance(60) {
            let (epoch, token, folder) = self.samples.remove(0);
            if epoch == self.epoch {
                let rows = Ok(self.store.sample(folder));
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

    fn crash(&mut self) {
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
                self.start_run();
            }
            2 => {
                self.note(|| "== the account's actor restarts; the store's queue lives on".into());
                self.start_run();
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

    fn server_step(&mut self) {
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
    fn clean_run(&mut self) -> Result<(), String> {
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
        self.faults = false;
        self.note(|| "== faults stop".into());
        if self.machine.is_some() {
            self.session = self.session.take().map(|s| Session { lie: Lie::None, ..s });
            self.clean_run()?;
        }
        for rounds in 0..8 {
            if self.difference().is_none() && self.is_quiet() {
                self.check_idle()?;
                self.check_end()?;
                return Ok(rounds);
            }
            self.now += 10;
            self.clean_run()?;
        }
        let open: Vec<_> =
            self.store.folders.values().map(|f| (&f.path, &f.backfill.remaining, &f.look, f.excluded)).collect();
        let limbo = self.store.limbo();
        Err(format!("INV-4: no convergence in 8 clean rounds: {:?}; limbo {limbo}, open {open:?}", self.difference()))
    }

    fn check_idle(&mut self) -> Result<(), String> {
        self.clean_run()?;
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

fn gone() -> Failure {
    Failure::new(Class::InvalidData, Reach::Folder, Provenance::Server, "no such folder")
}

pub(crate) fn flags(bits: u8) -> Flags {
    let names = [(1, "\\Seen"), (2, "work")];
    Flags::new(names.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name))
}

pub(crate) fn hash(cid: u32) -> BodyHash {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&cid.to_be_bytes());
    BodyHash(bytes)
}

#[expect(clippy::disallowed_methods, reason = "the model server's bodies are durable by definition")]
fn fetched(uid: u32, mail: &Mail) -> Fetched {
    let body = BodyRef::sealed(hash(mail.cid), 1, 0, 1);
    Fetched {
        uid,
        identity: Identity(format!("h:{}", body.hash())),
        body,
        flags: flags(mail.flags),
        modseq: None,
        internal_date: Some(Micros::from_seconds(mail.date)),
        header: HeaderFacts::default(),
    }
}
