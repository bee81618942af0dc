//! A follower in the world: the schedule, hints and commands begin its runs, and between them it
//! watches, rests, is paused.

use crate::words::gone;
use crate::world::{Queued, Session, Work, World};
use postrider_core::account::follow::{
    Begin, Command, Follower, Input, Order, Output, Past, Rules, SessionRole, SlotWish,
};
use postrider_core::account::schedule::Mode;
use postrider_core::job::queue::RunEnd;
use postrider_core::job::slots::Level;
use postrider_core::provider::Request;
use postrider_core::run::event::{Action, Event, Token};
use postrider_core::run::summary::Summary;
use postrider_core::standing::{Outcome, Standing};
use std::collections::VecDeque;

/// Tokens count from one in each run; the session's outlive it.
const RUN: u64 = 1_000_000;
/// Epochs of one incarnation of the follower.
const LIVES: u64 = 1_000_000;

pub(crate) struct Life {
    pub(crate) follower: Option<Follower>,
    pub(crate) mode: Mode,
    pub(crate) incarnation: u64,
    /// What comes to it from elsewhere.
    pub(crate) inputs: VecDeque<Input>,
    /// What its sessions have said, in order, before anything they are asked later.
    pub(crate) said: VecDeque<Input>,
    pub(crate) beside: Option<Session>,
    pub(crate) wishing: bool,
    /// The session beside works, and what it says is heard when it has.
    pub(crate) apart: Option<VecDeque<Event>>,
    /// Pages that sessions beside have answered.
    pub(crate) brought: u64,
    pub(crate) tick_at: Option<i64>,
    /// The run that waits for a slot.
    pub(crate) slot: Option<u64>,
    /// How its latest runs ended.
    pub(crate) ends: VecDeque<RunEnd>,
    /// There is no budget for mail of the past now and then, and others want to work, though nothing else goes
    /// wrong.
    pub(crate) withholds: bool,
    /// Runs were told to leave the past to others.
    pub(crate) put_off: u64,
    /// A session was asked without one.
    pub(crate) unslotted: bool,
    /// A human wants it paused.
    pub(crate) paused: bool,
    /// What was to be stored was not, and whoever asked for it has heard so.
    pub(crate) unstored: bool,
    /// The process is stopping: should its actor die, nobody begins it again before the next start.
    pub(crate) stopping: bool,
}

fn follower_leaves(follower: &Option<Follower>) -> bool {
    follower.as_ref().is_some_and(|follower| {
        follower.is_ending() || follower.status().standing == Standing::Paused
    })
}

impl Life {
    /// As the registry keeps it.
    fn note_end(&mut self, run: u64, leaves: bool, summary: &Summary) {
        let failure = summary.failure.as_ref();
        self.ends.push_back(RunEnd {
            run,
            outcome: summary.outcome,
            left: leaves && summary.outcome == Outcome::Cancelled,
            failure: failure.map(|failure| (failure.class.as_str(), failure.to_string())),
            stored: summary.counts.stored,
            first: summary.first,
            deferred: summary.deferred.as_ref().map(|_| postrider_core::time::Micros(0)),
        });
        if self.ends.len() > 8 {
            self.ends.pop_front();
        }
    }
}

impl World {
    /// A world in which a follower begins the runs.
    pub(crate) fn followed(seed: u64) -> Self {
        let mut world = Self::unborn(seed);
        // More than one session reads.
        if world.dice.chance(30) {
            world.settings.page_messages = 2;
            for _ in 0..24 + world.dice.roll(24) {
                world.server.next_cid += 1;
                world.mail("INBOX", world.server.next_cid);
            }
        }
        world.born(Past::default());
        world
    }

    /// The same, before the follower begins.
    pub(crate) fn unborn(seed: u64) -> Self {
        let mut world = Self::new(seed);
        world.settings.policy = world.settings.policy.staying();
        world.push = world.dice.chance(80);
        world.life = Some(Life {
            follower: None,
            mode: Mode::Aggressive,
            incarnation: 0,
            inputs: VecDeque::new(),
            said: VecDeque::new(),
            beside: None,
            wishing: false,
            apart: None,
            brought: 0,
            tick_at: None,
            slot: None,
            ends: VecDeque::new(),
            withholds: true,
            put_off: 0,
            unslotted: false,
            paused: false,
            unstored: false,
            stopping: false,
        });
        world.store.stood = Some((Standing::Starting, String::new()));
        world
    }

    /// Whether mail of the past may have to wait.
    pub(crate) fn withholds(&self) -> bool {
        self.faults || self.life.as_ref().is_some_and(|life| life.withholds)
    }

    /// How the account stands, as stored.
    pub(crate) fn stands(&self) -> Standing {
        self.store.stood.as_ref().map_or(Standing::Starting, |(standing, _)| *standing)
    }

    pub(crate) fn life(&mut self) -> &mut Life {
        self.life.as_mut().unwrap()
    }

    /// The next incarnation begins.
    pub(crate) fn born(&mut self, past: Past) {
        self.note(|| format!("== begins {past:?}"));
        let (settings, mode) = (self.settings.clone(), self.life().mode);
        let rules = Rules { settings, mode, once: false };
        self.session = None;
        self.connecting = false;
        let life = self.life();
        life.incarnation += 1;
        (life.beside, life.wishing, life.tick_at, life.slot) = (None, false, None, None);
        life.apart = None;
        life.ends.clear();
        life.stopping = false;
        life.inputs.clear();
        life.said.clear();
        life.follower = Some(Follower::new(rules, past));
        self.take_epoch();
        self.follow(Input::Start);
    }

    /// Answers to an earlier run still come, and say of which they are.
    fn take_epoch(&mut self) {
        let life = self.life();
        let epoch = life.incarnation * LIVES + life.follower.as_ref().map_or(0, Follower::run);
        if epoch != self.epoch {
            self.epoch = epoch;
            self.timer = false;
            self.counting = false;
        }
    }

    pub(crate) fn follow(&mut self, input: Input) {
        let now = self.instant();
        self.note(|| format!("  input {input:?}"));
        let Some(follower) = &mut self.life().follower else { return };
        let (had, run) = (follower.slot(), follower.runs().0 + 1);
        let outputs = follower.step(input, now);
        let has = follower.slot();
        let asks = |output: &Output| {
            matches!(output, Output::Run(_, Action::Ask { .. } | Action::AskSecond { .. }))
        };
        let works = [had, has].iter().any(|slot| matches!(slot, SlotWish::Held(_)));
        if !works && outputs.iter().any(asks) {
            self.life().unslotted = true;
        }
        // What was asked for is no longer wanted, or is granted in its time.
        if !matches!(has, SlotWish::Wanted(_)) {
            self.life().slot = None;
        }
        let leaves = follower_leaves(&self.life().follower);
        self.take_epoch();
        for output in outputs {
            if let Output::Ended(summary) = &output {
                self.life().note_end(run, leaves, summary);
            }
            self.perform(output);
        }
    }

    /// An event for the run that the epoch names.
    pub(crate) fn follow_run(&mut self, epoch: u64, event: Event) {
        if epoch / LIVES != self.life().incarnation {
            return;
        }
        let run = epoch % LIVES;
        match event {
            Event::Answered { token: Token(token), answer } => {
                self.follow(Input::Machine(
                    token / RUN,
                    Event::Answered { token: Token(token % RUN), answer },
                ));
            }
            Event::Connected(at) => self.follow(Input::Connected(at)),
            Event::ConnectFailed(failure) => self.follow(Input::ConnectFailed(failure)),
            event => self.follow(Input::Machine(run, event)),
        }
    }

    /// The token under which a session is asked.
    pub(crate) fn token(&self, token: Token) -> Token {
        if self.life.is_some() { Token(self.epoch % LIVES * RUN + token.0) } else { token }
    }

    fn perform(&mut self, output: Output) {
        self.note(|| format!("  output {output:?}"));
        match output {
            Output::Run(_, action) => self.act(action),
            Output::AskSlot(run) => self.life().slot = Some(run),
            Output::Connect => self.connecting = true,
            Output::Wish => self.life().wishing = true,
            Output::Release(SessionRole::Main) => {
                self.session = None;
                self.connecting = false;
            }
            Output::Release(SessionRole::Beside) => {
                let life = self.life();
                life.wishing = false;
                let Some(session) = life.beside.take() else { return };
                let read = session.read.into_iter().map(|(token, ..)| token);
                let asked = session.work.into_iter().map(|work| match work {
                    Work::Ask(token, _) | Work::Page { token, .. } => token,
                });
                read.chain(asked).for_each(|token| self.says_nothing(token));
            }
            Output::Promote => self.session = self.life().beside.take(),
            Output::Watch { number, which, seen, .. } => self.watch(number, which, seen),
            Output::TickAfter(wait) => {
                let at = self.now + i64::try_from(wait.as_secs()).unwrap() + 1;
                self.life().tick_at = Some(at);
            }
            Output::Persist { standing, reason, .. } => {
                self.queue.push_back(Queued::Stand(standing, reason))
            }
            Output::Ended(summary) => self.run_ended(&summary),
            Output::Done => {
                let life = self.life();
                (life.follower, life.beside) = (None, None);
                self.session = None;
            }
        }
    }

    /// The session beside is asked for a page.
    pub(crate) fn ask_second(&mut self, token: Token, request: Request) {
        let token = self.token(token);
        self.unwatch(SessionRole::Beside);
        match &mut self.life().beside {
            Some(session) => session.work.push_back(Work::Ask(token, request)),
            None => self.says_nothing(token),
        }
    }

    /// A question that its session did not answer, and will not.
    fn says_nothing(&mut self, Token(token): Token) {
        let answer = Err(gone());
        let event = Event::Answered { token: Token(token % RUN), answer };
        self.life().said.push_back(Input::Machine(token / RUN, event));
    }

    /// One command of the session beside.
    pub(crate) fn second_step(&mut self) {
        while self.hear() {}
        if self.life().beside.is_none() {
            return;
        }
        self.life().apart = Some(VecDeque::new());
        let own = std::mem::replace(&mut self.session, self.life.as_mut().unwrap().beside.take());
        self.session_step();
        self.life().beside = std::mem::replace(&mut self.session, own);
        let said = self.life().apart.take().unwrap_or_default();
        self.life().brought += said.len() as u64;
        for event in said {
            self.follow_run(self.epoch, event);
        }
    }

    /// What the session says that has its turn, if it is not the one beside.
    pub(crate) fn is_own(&mut self, event: Event) -> Option<Event> {
        let Some(said) = self.life.as_mut().and_then(|life| life.apart.as_mut()) else {
            return Some(event);
        };
        said.push_back(event);
        None
    }

    /// What its sessions said is heard before what they answer.
    pub(crate) fn hear(&mut self) -> bool {
        let said = self.life.as_mut().and_then(|life| life.said.pop_front());
        let heard = said.is_some();
        if let Some(input) = said {
            self.follow(input);
        }
        heard
    }

    /// What comes to a follower beside the answers.
    pub(crate) fn life_step(&mut self) {
        self.hear();
        self.watch_step(SessionRole::Main);
        self.watch_step(SessionRole::Beside);
        self.second_step();
        if self.dice.chance(60)
            && let Some(input) = self.life().inputs.pop_front()
        {
            self.follow(input);
        }
        if self.dice.chance(60)
            && let Some(run) = self.life().slot.take()
        {
            self.follow(Input::Granted(run));
        }
        if self.life().wishing && self.dice.chance(60) {
            self.life().wishing = false;
            let spare = self.dice.chance(70).then(|| self.make_session());
            let connected = spare.as_ref().map(|session| self.connected(session.id));
            self.life().beside = spare;
            self.follow(Input::Beside(connected));
        }
        if self.faults && self.dice.chance(1) {
            self.follow(Input::Recalled);
        }
        let is_past = self.life().follower.as_ref().is_some_and(Follower::reads_past);
        if is_past && self.withholds() && self.dice.chance(30) {
            self.life().put_off += 1;
            self.follow(Input::PutOff);
        }
        if self.life().tick_at.is_some_and(|at| at <= self.now) {
            self.life().tick_at = None;
            self.follow(Input::Tick);
        }
        // One that has ended is begun by the next start of the process.
        if self.life().follower.is_none() && self.queue.is_empty() {
            self.process_starts();
        }
    }

    pub(crate) fn process_starts(&mut self) {
        let paused = self.stands() == Standing::Paused;
        self.life().paused = paused;
        let begin = if paused { Begin::Paused } else { Begin::Run };
        self.born(Past { begin, ..Past::default() });
    }

    /// The process has crashed, or the account's actor.
    pub(crate) fn life_after(&mut self, process: bool) {
        if process {
            return self.process_starts();
        }
        if self.life().stopping {
            return self.perform(Output::Done);
        }
        let past = self.life().follower.as_ref().map(Follower::past);
        if let Some(past) = past {
            self.born(past);
        }
    }

    pub(crate) fn stand_lost(&mut self) {
        self.life().unstored = true;
    }

    pub(crate) fn order(&mut self, command: Command) -> bool {
        let Some(follower) = &self.life().follower else { return false };
        if follower.accepts(&command).is_err() {
            return false;
        }
        match &command {
            Command::Pause => (self.life().paused, self.life().unstored) = (true, false),
            Command::Resume => self.life().paused = false,
            Command::Stop => self.life().stopping = true,
            _ => {}
        }
        self.follow(Input::Command(command));
        true
    }

    pub(crate) fn command_step(&mut self) {
        let all =
            [Command::Pause, Command::Resume, Command::Resume, Command::SyncNow, Command::Cancel];
        let command = match self.dice.roll(11) {
            n @ 0..5 => all[usize::try_from(n).unwrap()].clone(),
            5 => Command::ResetErrors,
            6 => Command::Woken,
            7 => Command::Stop,
            8 => {
                let doubts = self.dice.roll(2) == 0;
                let first = self.dice.chance(50).then(|| self.some_first());
                Command::Order(Order { doubts, level: *self.dice.pick(&Level::ALL), first })
            }
            _ => {
                self.now += i64::try_from(self.dice.roll(1200)).unwrap();
                return;
            }
        };
        self.order(command);
    }

    /// One more round: a human asks, or (later) the schedule.
    pub(crate) fn life_round(&mut self, nth: usize) -> Result<(), String> {
        if nth < 2 {
            self.now += 10;
            self.order(Command::SyncNow);
        } else {
            self.now += 90_000;
        }
        self.drain()
    }

    /// Lives; returns the clean rounds it needed.
    pub(crate) fn live(&mut self) -> Result<usize, String> {
        // A crowded mailbox is read for the first time while things go wrong.
        let is_crowded = self.server.total() > self.most;
        if self.dice.chance(70) && !is_crowded {
            let faults = std::mem::replace(&mut self.faults, false);
            self.drain()?;
            self.faults = faults;
        }
        for _ in 0..self.steps {
            self.live_step()?;
        }
        self.stop_faults();
        self.life().withholds = false;
        for session in
            [&mut self.session, &mut self.life.as_mut().unwrap().beside].into_iter().flatten()
        {
            session.lie = crate::server::Lie::None;
        }
        self.drain()?;
        self.order(Command::Resume);
        self.drain()?;
        self.check_said()?;
        for rounds in 0..14 {
            if self.difference().is_none() && self.is_quiet() {
                self.check_idle_life()?;
                self.check_watch()?;
                self.check_pause()?;
                self.check_end()?;
                return Ok(rounds);
            }
            self.life_round(rounds)?;
            self.check_said()?;
        }
        Err(format!("INV-4: no convergence: {:?}; limbo {}", self.difference(), self.store.limbo()))
    }

    fn live_step(&mut self) -> Result<(), String> {
        self.now += 1;
        self.dice.turn();
        let (server, session) = if self.cfg.race { (10, 45) } else { (6, 60) };
        match self.dice.roll(100) {
            n if n < server => self.server_step(),
            n if n < server + 2 && self.cfg.crashes => self.crash(),
            n if n < server + 4 => self.command_step(),
            n if n < session => self.session_step(),
            n if n < session + 10 => self.store_step()?,
            n if n < session + 22 => self.answer_step(),
            n if n < session + 32 => self.life_step(),
            _ => self.other_step(),
        }
        self.check_step()
    }
}
