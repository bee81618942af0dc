//! The AccountActor: carries out its follower's outputs and brings the answers back. It has no
//! opinion about mail.
#![expect(
    clippy::disallowed_methods,
    reason = "reads run beside the actor; one that panics ends it"
)]

use crate::account::args::{AccountArgs, Incarnation, path_of};
use crate::account::kept::Kept;
use crate::account::message::{AccountMsg, NotObeyed, Obeyed};
use crate::account::question::{PendingQuestion, ask};
use crate::account::seat::SlotSeat;
use crate::account::stall::StallWatch;
use crate::account::voice::Voice;
use crate::connection::SessionLease;
use crate::connection::message::PoolRequest;
use crate::fault;
use crate::handle::{Backlog, Queued};
use crate::reply::ReplyTo;
use crate::store::Reader;
use crate::store::message::StoreRequest;
use crate::store::orders::{Control, OpenHow};
use postrider_core::account::follow::{
    Begin, Command, Follower, Input, Output, Past, SessionRole, Status,
};
use postrider_core::failure::Failure;
use postrider_core::mail::id::AccountId;
use postrider_core::provider::Request;
use postrider_core::provider::watch::WatchRequest;
use postrider_core::recovery::waiting::Marks;
use postrider_core::run::event::{Action, Event};
use postrider_core::run::reads::QuietProof;
use postrider_core::run::summary::Summary;
use postrider_core::standing::{EventKind, Outcome, Standing};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::time::Duration;

/// Longest read of a folder's rows.
const READ_DEADLINE: Duration = Duration::from_secs(60);

/// The actor.
#[derive(Debug)]
pub struct AccountActor;

/// What it holds.
pub struct AccountState {
    pub(super) args: AccountArgs,
    pub(super) follower: Follower,
    account: Option<AccountId>,
    main: Option<SessionLease>,
    pub(super) beside: Option<SessionLease>,
    pub(super) depth: Backlog,
    pub(super) latest: Latest,
    work: AtWork,
    voice: Voice,
    kept: Kept,
    stall: StallWatch,
    ending: Ending,
    next: NextIncarnation,
    /// The mark of the secret that it asked for a session with last.
    pub(super) asked_with: String,
    /// Commands that are answered when what they changed is durable.
    obeyed: Vec<(Command, ReplyTo<Obeyed>)>,
}

/// What is known of its runs here.
struct AtWork {
    /// Passes of the one that is under way that changed nothing.
    passes: u64,
    seat: SlotSeat,
}

/// The number of the latest question of each kind: an answer to an earlier one comes too late.
#[derive(Debug, Default)]
pub(super) struct Latest {
    pub(super) requests: u64,
    pub(super) wishes: u64,
    wakes: u64,
    ticks: u64,
}

/// What whoever starts the next incarnation is told.
struct NextIncarnation {
    /// Runs ended, and what it would begin with, as told last.
    told: (u64, Begin),
    went: Box<dyn Fn(Past) + Send + Sync>,
}

/// How it ends.
struct Ending {
    /// What its last run came to.
    last: Option<Summary>,
    /// Who is told of it.
    finished: Option<ReplyTo<Summary>>,
    done: bool,
}

impl std::fmt::Debug for AccountState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccountState").field("account", &self.args.name).finish_non_exhaustive()
    }
}

impl Actor for AccountActor {
    type Msg = AccountMsg;
    type State = AccountState;
    type Arguments = Incarnation;

    async fn pre_start(
        &self,
        me: ActorRef<AccountMsg>,
        Incarnation { args, past, went, finished }: Incarnation,
    ) -> Result<AccountState, ActorProcessingErr> {
        let depth = args.registry.started(&path_of(&args.name), "account");
        let mut rules = args.rules.clone();
        rules.settings.family = args.endpoint.family();
        let follower = Follower::new(rules, past.clone());
        me.cast(AccountMsg::Input(Queued::new(Input::Start, &depth)))?;
        let (voice, kept) = (Voice::new(&args), Kept::of(&past));
        let asked_with = args.credential.mark();
        let seat = SlotSeat::new(args.slots.clone());
        Ok(AccountState {
            args,
            follower,
            account: None,
            main: None,
            beside: None,
            depth,
            latest: Latest::default(),
            work: AtWork { passes: 0, seat },
            voice,
            kept,
            stall: StallWatch::default(),
            ending: Ending { last: None, finished: Some(finished), done: false },
            next: NextIncarnation { told: (0, past.begin), went },
            asked_with,
            obeyed: Vec::new(),
        })
    }

    async fn handle(
        &self,
        me: ActorRef<AccountMsg>,
        message: AccountMsg,
        state: &mut AccountState,
    ) -> Result<(), ActorProcessingErr> {
        if let AccountMsg::Looked = message {
            return Ok(state.looked(&me)?);
        }
        if message.is_of_run() {
            state.stall.heard(state.args.clock.now().mono);
        }
        let input = match message {
            AccountMsg::Looked => return Ok(()),
            AccountMsg::Input(queued) => queued.open(),
            AccountMsg::Pushed(hint) => Input::Pushed(hint),
            // A lease that is no longer wanted returns by being dropped.
            AccountMsg::Leased(number, _) if number != state.latest.requests => return Ok(()),
            AccountMsg::Leased(_, Ok(lease)) => {
                let connected = lease.connected();
                state.main = Some(lease);
                Input::Connected(connected)
            }
            AccountMsg::Leased(_, Err(failure)) => Input::ConnectFailed(failure),
            AccountMsg::Spared(number, _) if number != state.latest.wishes => return Ok(()),
            AccountMsg::Spared(_, lease) => {
                let connected = lease.as_ref().map(SessionLease::connected);
                state.beside = lease;
                Input::Beside(connected)
            }
            AccountMsg::Woke(number) if number != state.latest.wakes => return Ok(()),
            AccountMsg::Woke(_) => Input::Machine(state.follower.run(), Event::Woke),
            AccountMsg::Ticked(number) if number != state.latest.ticks => return Ok(()),
            AccountMsg::Ticked(_) => Input::Tick,
            AccountMsg::NotKept => {
                state.kept.was_not_stored();
                return Ok(());
            }
            AccountMsg::Died(failure) => return Err(failure.into()),
            AccountMsg::Command(command, reply) => match state.follower.accepts(&command) {
                Ok(()) => {
                    state.obeyed.push((command.clone(), reply));
                    Input::Command(command)
                }
                Err(conflict) => {
                    reply.send(Err(conflict.into()));
                    return Ok(());
                }
            },
        };
        if let Input::Machine(_, Event::Opened(snapshot)) = &input {
            state.account = Some(snapshot.account.id);
        }
        if let Input::Machine(_, Event::Committed { .. }) = &input {
            fault::pass("account.answered");
            fault::pass("panic.account");
        }
        // At every level: it says whose a line is.
        let span = tracing::error_span!("postrider.account.run", account.id = %state.args.name);
        span.in_scope(|| state.step(&me, input));
        Ok(())
    }
}

impl AccountState {
    fn step(&mut self, me: &ActorRef<AccountMsg>, input: Input) {
        let now = self.args.clock.now();
        let outputs = self.follower.step(input, now);
        let marks = Marks { settings: &self.args.settings, secret: &self.asked_with };
        let waits_otherwise = self.kept.note(&self.follower, marks, now);
        for output in outputs {
            self.perform(me, output);
        }
        if let Some(told) = self.work.seat.tend(&self.follower) {
            drop(me.cast(AccountMsg::Input(Queued::new(told, &self.depth))));
        }
        if waits_otherwise || self.kept.is_unstored() {
            self.keep(me);
        }
        let past = self.kept.past(&self.follower, now);
        let now = (self.follower.runs().0, past.begin.clone());
        if self.next.told != now {
            self.next.told = now;
            (self.next.went)(past);
        }
        if self.ending.done {
            return;
        }
        self.voice.show(
            &self.follower,
            usize::from(self.main.is_some()) + usize::from(self.beside.is_some()),
        );
        self.answer();
        if self.follower.is_at_work() {
            self.stall.look(me);
        }
    }

    /// Whether its run is stuck.
    fn looked(&mut self, me: &ActorRef<AccountMsg>) -> Result<(), Failure> {
        let (works, now) = (self.follower.is_at_work(), self.args.clock.now().mono);
        let helper = self.beside.as_ref().filter(|_| self.stall.helps);
        let patience = self.args.endpoint.patience();
        self.stall.looked(works, self.main.iter().chain(helper), patience, now)?;
        if works {
            self.stall.look(me);
        }
        Ok(())
    }

    /// What the commands changed is durable by now, or nothing of it needs to be.
    fn answer(&mut self) {
        for (_, reply) in self.obeyed.drain(..) {
            reply.send(Ok((self.follower.status(), self.follower.runs().1)));
        }
    }

    fn perform(&mut self, me: &ActorRef<AccountMsg>, output: Output) {
        match output {
            Output::Run(run, action) => self.act(me, run, action),
            Output::AskSlot(_) => {
                self.work.seat.ask(&self.args.name, &self.follower, (me, &self.depth));
            }
            Output::Connect => self.connect(me),
            Output::Wish => self.wish(me),
            Output::Release(SessionRole::Main) => {
                self.latest.requests += 1;
                if self.main.take().is_none() {
                    self.args.pool.send(PoolRequest::Withdraw(self.args.name.clone()));
                }
            }
            Output::Release(SessionRole::Beside) => {
                self.latest.wishes += 1;
                self.beside = None;
            }
            Output::Promote => self.main = self.beside.take(),
            Output::Watch { number, which, remote_id, seen, renew, wide } => {
                let question = PendingQuestion::watch(me, &self.depth, number);
                let lease = if which == SessionRole::Main { &self.main } else { &self.beside };
                self.stall.helps &= which == SessionRole::Main;
                ask(
                    lease.as_ref(),
                    Request::Watch(WatchRequest { remote_id, seen, renew, wide }),
                    question,
                );
            }
            Output::TickAfter(wait) => {
                self.latest.ticks += 1;
                let number = self.latest.ticks;
                me.send_after(wait, move || AccountMsg::Ticked(number));
            }
            Output::Persist { standing, reason, event } => {
                self.persist(me, standing, reason, event)
            }
            Output::Ended(summary) => {
                let is_paused = self.follower.status().standing == Standing::Paused;
                self.voice.ended(&summary, is_paused || self.follower.is_ending());
                self.kept.run_ended(summary.parked.then(|| self.asked_with.clone()));
                self.keep(me);
                if let Some(account) = self.account
                    && summary.failure.is_none()
                    && !summary.told
                {
                    let passes = std::mem::take(&mut self.work.passes);
                    self.args.store.send(StoreRequest::Ran { account, passes });
                }
                self.work.passes = 0;
                self.ending.last = Some(*summary);
            }
            Output::Done => {
                let nothing = || Summary::of(Outcome::Cancelled, self.follower.history());
                let summary = self.ending.last.take().unwrap_or_else(nothing);
                self.answer();
                self.ending.done = true;
                if let Some(finished) = self.ending.finished.take() {
                    finished.send(summary);
                }
                me.stop(None);
            }
        }
    }

    fn act(&mut self, me: &ActorRef<AccountMsg>, run: u64, action: Action) {
        match action {
            Action::Open { anew } => {
                // Of an actor before this one nothing is known.
                let how = match self.account {
                    Some(account) if !anew => OpenHow::Again(account),
                    _ => OpenHow::Anew,
                };
                let reply = self.tell(me, run, |answer| match answer {
                    Some(Ok(snapshot)) => Event::Opened(Box::new(snapshot)),
                    Some(Err(failure)) => Event::OpenFailed(failure),
                    None => {
                        Event::OpenFailed(Failure::storage("the store ended before it answered"))
                    }
                });
                self.args.store.send(StoreRequest::Open(self.args.open.clone(), how, reply));
            }
            Action::Ask { token, request } => {
                let question = PendingQuestion::run(me, &self.depth, run, token);
                ask(self.main.as_ref(), request, question);
            }
            Action::AskSecond { token, request } => {
                self.stall.helps = true;
                // Told with each: the pool may have heard of an end of its watch meanwhile.
                if let Some(lease) = &self.beside {
                    self.args.pool.send(PoolRequest::Helping(lease.id()));
                }
                let question = PendingQuestion::run(me, &self.depth, run, token);
                ask(self.beside.as_ref(), request, question);
            }
            Action::Commit { token, commit } => {
                if commit.change.brings_mail() {
                    fault::pass("account.page_sent");
                    fault::hold_back("hold.page");
                }
                let reply = self.tell(me, run, move |answer| match answer {
                    Some(answer) => Event::Committed { token, answer },
                    None => Event::Lost { token },
                });
                self.args.store.send(StoreRequest::Commit(commit, reply));
            }
            Action::Hurry => self.args.store.send(StoreRequest::Hurry),
            Action::Read { token, query } => {
                let account = self.account.unwrap_or_default();
                self.read(me, run, move |reader| async move {
                    fault::pass("panic.reader");
                    Event::Read { token, rows: within(reader.query(account, query)).await }
                });
            }
            Action::Prove(proof) => {
                self.work.passes += u64::from(!matches!(proof, QuietProof::List { .. }));
                let account = self.account.unwrap_or_default();
                self.args.store.send(StoreRequest::Proved(account, proof));
            }
            Action::CountLimbo => {
                let account = self.account.unwrap_or_default();
                self.read(me, run, move |reader| async move {
                    Event::LimboCounted(within(reader.limbo(account)).await)
                });
            }
            Action::WakeAfter(wait) => self.wake_after(me, wait),
            Action::Report(failure) => self.voice.failed(&failure),
            // The follower keeps these to itself.
            Action::Connect
            | Action::Disconnect
            | Action::WishSecond
            | Action::LeaveSecond { .. }
            | Action::Finish(_) => {}
        }
    }

    fn wake_after(&mut self, me: &ActorRef<AccountMsg>, wait: Duration) {
        self.latest.wakes += 1;
        let number = self.latest.wakes;
        self.voice.waits(wait);
        self.stall.heard(self.args.clock.now().mono + wait);
        me.send_after(wait, move || AccountMsg::Woke(number));
    }

    /// Writes a state that no run writes; a command that asked for it is answered when it is
    /// durable.
    fn persist(
        &mut self,
        me: &ActorRef<AccountMsg>,
        standing: Standing,
        reason: String,
        event: Option<EventKind>,
    ) {
        let account = self.args.name.clone();
        let asked = std::mem::take(&mut self.obeyed);
        let status = Status {
            standing,
            reason: reason.clone(),
            class: None,
            stalled: false,
            follows: false,
            next: None,
        };
        let told = (status, self.follower.runs().1);
        let (me, depth) = (me.clone(), self.depth.clone());
        let reply = ReplyTo::new(move |answer| {
            let done = matches!(answer, Some(Ok(_)));
            for (command, reply) in asked {
                if !done {
                    let input = Queued::new(Input::NotStored(command), &depth);
                    // An account that is gone has begun anew, or will.
                    drop(me.cast(AccountMsg::Input(input)));
                }
                reply.send(if done { Ok(told.clone()) } else { Err(NotObeyed::NotStored) });
            }
        });
        let control = Control::Stand { account, standing, reason, event, parked_for: None };
        self.args.store.send(StoreRequest::Control(control, reply));
    }

    /// Stores what outlives the process.
    fn keep(&mut self, me: &ActorRef<AccountMsg>) {
        if let Some(control) = self.kept.changed(&self.args.name, &self.follower) {
            let me = me.clone();
            let reply = ReplyTo::new(move |answer| {
                if !matches!(answer, Some(Ok(_))) {
                    // It is a snapshot: the next one holds what this one says. An account that is gone keeps nothing.
                    drop(me.cast(AccountMsg::NotKept));
                }
            });
            self.args.store.send(StoreRequest::Control(control, reply));
        }
    }

    fn read<F: Future<Output = Event> + Send + 'static>(
        &self,
        me: &ActorRef<AccountMsg>,
        run: u64,
        read: impl FnOnce(Reader) -> F,
    ) {
        let (me, depth) = (me.clone(), self.depth.clone());
        let reading = tokio::spawn(read(self.args.reader.clone()));
        tokio::spawn(async move {
            let message = match reading.await {
                Ok(event) => AccountMsg::Input(Queued::new(Input::Machine(run, event), &depth)),
                // The run would wait for its answer for ever.
                Err(_) => AccountMsg::Died(Failure::bug("reading the account's rows panicked")),
            };
            // An account that is gone needs no rows.
            drop(me.cast(message));
        });
    }

    fn tell<T: 'static>(
        &self,
        me: &ActorRef<AccountMsg>,
        run: u64,
        event: impl FnOnce(Option<T>) -> Event + Send + Sync + 'static,
    ) -> ReplyTo<T> {
        let (me, depth, wait) = (me.clone(), self.depth.clone(), self.stall.store.begin());
        ReplyTo::new(move |answer| {
            drop(wait);
            let input = Queued::new(Input::Machine(run, event(answer)), &depth);
            // An account that is gone needs no answers.
            drop(me.cast(AccountMsg::Input(input)));
        })
    }
}

async fn within<T>(read: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let late = || {
        Failure::storage(format!(
            "the database did not answer a read within {} s",
            READ_DEADLINE.as_secs()
        ))
    };
    tokio::time::timeout(READ_DEADLINE, read).await.unwrap_or_else(|_| Err(late()))
}
