//! The hands of a feed's machine: what it wants is done late, in part, or lost with the process.

use crate::feeds::scheduler::FeedWorld;
use postrider_core::account::machine::Machine;
use postrider_core::commit::change::feed::{FeedChange, FeedStep, Hinted, Terms};
use postrider_core::commit::change::{Change, Commit, CommitAnswer};
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::mail::id::{FolderId, Identity};
use postrider_core::provider::Request;
use postrider_core::provider::feeds::FeedRequest;
use postrider_core::recovery::history::History;
use postrider_core::run::event::{Action, Event, Token};
use postrider_core::run::reads::{FeedProof, Query, QuietProof, Rows};
use postrider_core::run::scope::{Depth, Scope};
use postrider_core::standing::Outcome;
use postrider_core::time::Steady;

pub(crate) enum FeedQueued {
    Commit(u64, Token, Box<Commit>),
    Open(u64),
    Proved(FeedProof),
    Hint(String),
}

impl FeedWorld {
    pub(super) fn end_process(&mut self) {
        self.epoch += 1;
        self.machine = None;
        self.session = None;
        self.connecting = false;
        self.timer = None;
        self.answers.clear();
        self.reads.clear();
        self.late.clear();
    }

    pub(crate) fn start_run(&mut self, scope: Scope) {
        self.epoch += 1;
        self.note(|| format!("== run {scope:?}"));
        self.machine = Some(Machine::new(self.settings.clone(), self.history.clone()));
        self.session = None;
        self.deliver(Event::Begin(scope));
    }

    pub(crate) fn deliver(&mut self, event: Event) {
        let now = self.instant();
        let Some(machine) = self.machine.take() else { return };
        let (machine, actions) = machine.step(event, now);
        self.settings.clock = machine.clock();
        self.machine = Some(machine);
        for action in actions {
            self.note(|| format!("  action {action:?}"));
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Open { .. } => self.queue.push_back(FeedQueued::Open(self.epoch)),
            Action::Connect => self.connecting = true,
            Action::Disconnect => {
                self.session = None;
                self.connecting = false;
            }
            Action::Ask { token, request } => {
                let Request::Feed(request) = request else { panic!("{request:?}") };
                if let Some(session) = &mut self.session {
                    session.work.push((token, request));
                } else {
                    let text = "the session is gone";
                    let failure =
                        Failure::new(Class::Network, Reach::Session, Provenance::Local, text);
                    let answer = Err(failure);
                    self.answers.push_back((self.epoch, Event::Answered { token, answer }));
                }
            }
            Action::Commit { token, commit } => {
                self.queue.push_back(FeedQueued::Commit(self.epoch, token, commit));
            }
            Action::Read { token, query: Query::Feed(query) } => {
                self.reads.push((self.epoch, token, query));
            }
            Action::Prove(QuietProof::Feed(proof)) => {
                self.queue.push_back(FeedQueued::Proved(proof))
            }
            Action::WakeAfter(wait) => {
                let wait = i64::try_from(wait.as_secs()).unwrap();
                self.timer = Some(self.now + wait + 1);
            }
            Action::Report(_) => {}
            Action::Finish(summary) => {
                self.note(|| format!("== ended {:?} {:?}", summary.outcome, summary.left));
                self.succeeded = summary.outcome == Outcome::Success;
                self.history = summary.history;
                self.history.failed_runs = 0;
                self.machine = None;
                self.session = None;
                self.timer = None;
            }
            other @ (Action::Read { .. }
            | Action::Prove(_)
            | Action::Hurry
            | Action::WishSecond
            | Action::AskSecond { .. }
            | Action::LeaveSecond { .. }
            | Action::CountLimbo) => panic!("{other:?}"),
        }
    }

    /// What the store has in hand, or a part of it.
    pub(crate) fn store_step(&mut self) -> Result<(), String> {
        let most = 1 + self.dice.roll(self.queue.len() as u64);
        for _ in 0..most {
            let Some(queued) = self.queue.pop_front() else { break };
            let answer = self.apply(queued)?;
            self.answers.extend(answer);
        }
        Ok(())
    }

    /// The machine forgets what it asked; what comes of it all the same is asked for twice.
    fn excuse(&mut self) {
        let work = self.session.iter().flat_map(|session| &session.work);
        for (_, request) in work {
            if let FeedRequest::Get { wanted, .. } = request {
                self.excused.extend(wanted.iter().map(|wanted| wanted.id.0.clone()));
            }
        }
    }

    fn apply(&mut self, queued: FeedQueued) -> Result<Option<(u64, Event)>, String> {
        Ok(match queued {
            FeedQueued::Open(epoch) => {
                let snapshot = self.store.open(self.instant().wall);
                Some((epoch, Event::Opened(Box::new(snapshot))))
            }
            FeedQueued::Proved(proof) => {
                self.store.prove(&proof);
                self.check_proof(&proof)?;
                None
            }
            FeedQueued::Hint(id) => {
                let step =
                    FeedStep::Hinted(Hinted { ids: [Identity(id)].into(), ..Hinted::default() });
                let at = self.instant().wall;
                self.store.commit_hint(FeedChange { terms: Terms::OF_HINTS, step }, at);
                None
            }
            FeedQueued::Commit(epoch, token, commit) => {
                if self.faults && self.cfg.drops && self.dice.chance(2) {
                    let failure = Failure::storage("scripted: busy");
                    let answer = CommitAnswer::Failed(failure, commit);
                    return Ok(Some((epoch, Event::Committed { token, answer })));
                }
                let excludes = matches!(&commit.change, Change::Feed(change)
                    if matches!(change.step, FeedStep::Excluded { .. }));
                if excludes {
                    self.excluded_at = self.now;
                }
                let answer = self.store.commit(*commit);
                self.note(|| format!("committed {} {}", token.0, said(&answer)));
                self.check_commit()?;
                Some((epoch, Event::Committed { token, answer }))
            }
        })
    }

    /// The process dies; a part of what the store was told is durable.
    pub(super) fn crash(&mut self) -> Result<(), String> {
        let durable = self.dice.roll(self.queue.len() as u64 + 1);
        for _ in 0..durable {
            if let Some(queued) = self.queue.pop_front() {
                self.apply(queued)?;
            }
        }
        self.queue.clear();
        self.note(|| "== crash".into());
        self.end_process();
        (self.history, self.settings.clock) = (History::default(), Steady::default());
        Ok(())
    }

    /// The store's actor is begun again: what it was told last may be durable or not.
    pub(super) fn store_restarts(&mut self) -> Result<(), String> {
        let durable = self.dice.roll(self.queue.len() as u64 + 1);
        for _ in 0..durable {
            if let Some(queued) = self.queue.pop_front() {
                let answer = self.apply(queued)?;
                self.answers.extend(answer);
            }
        }
        for queued in std::mem::take(&mut self.queue) {
            match queued {
                FeedQueued::Commit(epoch, token, _) => {
                    self.answers.push_back((epoch, Event::Lost { token }));
                }
                FeedQueued::Open(epoch) => {
                    let failure = Failure::storage("scripted: the store ended");
                    self.answers.push_back((epoch, Event::OpenFailed(failure)));
                }
                FeedQueued::Proved(_) | FeedQueued::Hint(_) => {}
            }
        }
        self.note(|| "== the store restarts".into());
        Ok(())
    }

    pub(crate) fn answer_step(&mut self) {
        if let Some((epoch, event)) = self.answers.pop_front()
            && epoch == self.epoch
        {
            if let Event::Committed { answer: CommitAnswer::Failed(..), .. } | Event::Lost { .. } =
                &event
            {
                self.excuse();
            }
            self.deliver(event);
        }
    }

    pub(crate) fn other_step(&mut self) {
        if self.connecting {
            self.connecting = false;
            if self.faults && self.cfg.drops && self.dice.chance(5) {
                let failure =
                    Failure::new(Class::Network, Reach::Session, Provenance::Local, "scripted");
                return self.deliver(Event::ConnectFailed(failure));
            }
            return self.open_session();
        }
        if !self.late.is_empty() && self.dice.chance(50) {
            let n = usize::try_from(self.dice.roll(self.late.len() as u64)).unwrap();
            let late = self.late.remove(n);
            self.answers.push_back(late);
            return;
        }
        if !self.reads.is_empty() {
            let n = usize::try_from(self.dice.roll(self.reads.len() as u64)).unwrap();
            let (epoch, token, query) = self.reads.remove(n);
            let rows = Ok(Rows::Feed(self.store.read(&query)));
            let rows = (epoch, Event::Read { token, rows });
            // What was read may be told late: behind the acknowledgement of what came after it.
            if self.dice.chance(40) {
                self.late.push(rows);
            } else {
                self.answers.push_back(rows);
            }
            return;
        }
        if let Some(due) = self.timer
            && (self.session.is_none() || self.dice.chance(20))
        {
            self.timer = None;
            self.now = self.now.max(due);
            return self.deliver(Event::Woke);
        }
        self.take_hint();
    }

    /// A webhook comes: its ids are rows before it is acknowledged.
    fn take_hint(&mut self) {
        let now = self.now;
        if let Some(n) = self.server.hints.iter().position(|(at, _)| *at <= now) {
            let (_, id) = self.server.hints.remove(n);
            self.words += 1;
            self.queue.push_back(FeedQueued::Hint(id));
            if self.machine.is_some() {
                self.deliver(Event::Nudged(FolderId(0), Depth::Quick));
            }
        }
    }
}

fn said(answer: &CommitAnswer) -> String {
    match answer {
        CommitAnswer::Done(_) => "done".into(),
        CommitAnswer::Refused(refusal, _) => format!("refused {refusal:?}"),
        CommitAnswer::Failed(..) => "failed".into(),
    }
}
