//! The AccountActor: carries out its machine's actions and brings the answers back. It has no opinion about mail.

use crate::clock::Clock;
use crate::connection::SessionLease;
use crate::connection::actor::{ConnectionMsg, LeaseRequest};
use crate::fault;
use crate::provider::imap::{Ask, Endpoint, Secret};
use crate::reply::ReplyTo;
use crate::store::Reader;
use crate::store::actor::{OpenAccount, StoreMsg};
use crate::telemetry::names;
use postrider_core::account::machine::{Action, Event, Machine, Settings, Token};
use postrider_core::account::summary::{Counts, Summary};
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::mail::change::{Answer, Request};
use postrider_core::mail::id::AccountId;
use postrider_core::recovery::history::History;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Causes of failure that a run remembers.
const CAUSES: usize = 1000;
/// Longest read of a folder's rows.
const READ_DEADLINE: Duration = Duration::from_secs(60);

/// A service that its supervisor re-points when it restarts. A send to a dead actor is lost, and its reply says so.
#[derive(Debug)]
pub struct Handle<M>(Arc<RwLock<ActorRef<M>>>);

impl<M> Clone for Handle<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M: ractor::Message> Handle<M> {
    /// A handle to `actor`.
    #[must_use]
    pub fn new(actor: ActorRef<M>) -> Self {
        Self(Arc::new(RwLock::new(actor)))
    }

    /// Points at another incarnation.
    pub fn repoint(&self, actor: ActorRef<M>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = actor;
    }

    /// Sends. When the actor is gone the message is dropped, and the reply inside it tells.
    pub fn send(&self, message: M) {
        let actor = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        drop(actor.cast(message));
    }
}

/// Everything an account needs; the same for every incarnation.
#[derive(Clone, Debug)]
pub struct AccountArgs {
    /// Its id in the config.
    pub name: String,
    /// Who it is, for the store.
    pub open: OpenAccount,
    /// Where its server is.
    pub endpoint: Arc<Endpoint>,
    /// Its secret.
    pub secret: Arc<Secret>,
    /// What its machine may know.
    pub settings: Settings,
    /// The store.
    pub store: Handle<StoreMsg>,
    /// The pool of its endpoint.
    pub pool: Handle<ConnectionMsg>,
    /// The readers.
    pub reader: Reader,
    /// Time.
    pub clock: Clock,
    /// Told after every step.
    pub progress: Arc<dyn Progress>,
}

/// Who watches accounts work.
pub trait Progress: Send + Sync + std::fmt::Debug {
    /// An account's counters and phase now.
    fn step(&self, account: &str, phase: &'static str, counts: Counts);
    /// An account waits before its next try.
    fn waits(&self, account: &str, wait: Duration);
    /// A failure was handled.
    fn failed(&self, account: &str, failure: &Failure);
}

/// What the actor is told.
#[derive(Debug)]
pub enum AccountMsg {
    /// Something for the machine.
    Event(Event),
    /// A lease, for the request of this number.
    Leased(u64, Result<SessionLease, Failure>),
    /// A timer of this number.
    Woke(u64),
}

/// The actor. Its run's end goes to `finished`.
#[derive(Debug)]
pub struct AccountActor;

/// What it holds.
#[derive(Debug)]
pub struct AccountState {
    args: AccountArgs,
    machine: Option<Machine>,
    account: Option<AccountId>,
    lease: Option<SessionLease>,
    requests: u64,
    timers: u64,
    before: Counts,
    /// Failures that were said already, and how often they came again.
    said: BTreeMap<String, u32>,
    finished: Option<ReplyTo<Summary>>,
}

impl Actor for AccountActor {
    type Msg = AccountMsg;
    type State = AccountState;
    type Arguments = (AccountArgs, History, ReplyTo<Summary>);

    async fn pre_start(
        &self,
        me: ActorRef<AccountMsg>,
        (args, history, finished): Self::Arguments,
    ) -> Result<AccountState, ActorProcessingErr> {
        let machine = Machine::new(args.settings.clone(), history);
        me.cast(AccountMsg::Event(Event::Begin))?;
        Ok(AccountState {
            args,
            machine: Some(machine),
            account: None,
            lease: None,
            requests: 0,
            timers: 0,
            before: Counts::default(),
            said: BTreeMap::new(),
            finished: Some(finished),
        })
    }

    async fn handle(
        &self,
        me: ActorRef<AccountMsg>,
        message: AccountMsg,
        state: &mut AccountState,
    ) -> Result<(), ActorProcessingErr> {
        let event = match message {
            AccountMsg::Event(event) => event,
            // A lease that is no longer wanted returns by being dropped.
            AccountMsg::Leased(number, _) if number != state.requests => return Ok(()),
            AccountMsg::Leased(_, Ok(lease)) => {
                let id = lease.id();
                state.lease = Some(lease);
                Event::Connected(id)
            }
            AccountMsg::Leased(_, Err(failure)) => Event::ConnectFailed(failure),
            AccountMsg::Woke(number) if number != state.timers => return Ok(()),
            AccountMsg::Woke(_) => Event::Woke,
        };
        if let Event::Opened(snapshot) = &event {
            state.account = Some(snapshot.account.id);
        }
        if let Event::Committed { .. } = &event {
            fault::pass("account.answered");
            fault::pass("panic.account");
        }
        let span = tracing::info_span!("postrider.account.run", account.id = %state.args.name);
        span.in_scope(|| state.step(&me, event));
        Ok(())
    }
}

impl AccountState {
    fn step(&mut self, me: &ActorRef<AccountMsg>, event: Event) {
        let Some(machine) = self.machine.take() else { return };
        let (machine, actions) = machine.step(event, self.args.clock.now());
        let (phase, counts) = (machine.phase(), machine.counts());
        self.machine = Some(machine);
        if phase != "finished" {
            self.count(counts);
            self.args.progress.step(&self.args.name, phase, counts);
        }
        for action in actions {
            self.perform(me, action);
        }
    }

    fn count(&mut self, counts: Counts) {
        // Counters never fall: a machine that asks the store anew tells nothing meanwhile.
        let stored = counts.stored.saturating_sub(self.before.stored);
        let octets = counts.octets.saturating_sub(self.before.octets);
        if counts.stored < self.before.stored {
            return;
        }
        if stored > 0 || octets > 0 {
            metrics::counter!(names::MESSAGES_STORED).increment(stored);
            metrics::counter!(names::BYTES_FETCHED, "provider" => "imap").increment(octets);
        }
        self.before = counts;
    }

    fn perform(&mut self, me: &ActorRef<AccountMsg>, action: Action) {
        match action {
            Action::Open => {
                let reply = tell(me, |answer| match answer {
                    Some(Ok(snapshot)) => Event::Opened(Box::new(snapshot)),
                    Some(Err(failure)) => Event::OpenFailed(failure),
                    None => Event::OpenFailed(Failure::storage("the store ended before it answered")),
                });
                self.args.store.send(StoreMsg::Open(self.args.open.clone(), reply));
            }
            Action::Connect => self.connect(me),
            Action::Disconnect => {
                self.requests += 1;
                self.lease = None;
            }
            Action::Ask { token, request } => self.ask(me, token, request),
            Action::Commit { token, commit } => {
                if commit.change.page().is_some() {
                    fault::pass("account.page_sent");
                }
                let reply = tell(me, move |answer| match answer {
                    Some(answer) => Event::Committed { token, answer },
                    None => Event::Lost { token },
                });
                self.args.store.send(StoreMsg::Commit(commit, reply));
            }
            Action::ReadRows { token, folder } => {
                let (reader, me) = (self.args.reader.clone(), me.clone());
                tokio::spawn(async move {
                    let rows = within(reader.folder_rows(folder)).await;
                    // An account that is gone needs no rows.
                    drop(me.cast(AccountMsg::Event(Event::RowsRead { token, rows })));
                });
            }
            Action::CountLimbo => {
                let (reader, me, account) = (self.args.reader.clone(), me.clone(), self.account.unwrap_or_default());
                tokio::spawn(async move {
                    let count = within(reader.limbo(account)).await;
                    drop(me.cast(AccountMsg::Event(Event::LimboCounted(count))));
                });
            }
            Action::WakeAfter(wait) => {
                self.timers += 1;
                let number = self.timers;
                self.args.progress.waits(&self.args.name, wait);
                me.send_after(wait, move || AccountMsg::Woke(number));
            }
            Action::Report(failure) => {
                metrics::counter!(names::FAILURES, "class" => failure.class.as_str(), "reach" => failure.reach.as_str())
                    .increment(1);
                self.args.progress.failed(&self.args.name, &failure);
                self.say(&failure);
            }
            Action::Finish(summary) => {
                self.count(summary.counts);
                metrics::counter!(names::RUNS, "outcome" => summary.outcome.as_str()).increment(1);
                for (said, again) in self.said.iter().filter(|(_, again)| **again > 0) {
                    tracing::warn!(account.id = %self.args.name, failure.repeated = again, "again: {said}");
                }
                if let Some(finished) = self.finished.take() {
                    finished.send(*summary);
                }
                me.stop(None);
            }
        }
    }

    /// One line for each cause; its repetitions are counted, and told at the end of the run.
    fn say(&mut self, failure: &Failure) {
        let text = failure.to_string();
        if let Some(again) = self.said.get_mut(&text) {
            *again += 1;
            return;
        }
        tracing::warn!(
            account.id = %self.args.name,
            failure.class = failure.class.as_str(),
            failure.reach = failure.reach.as_str(),
            "{}",
            failure.chain()
        );
        if self.said.len() < CAUSES {
            self.said.insert(text, 0);
        }
    }

    fn connect(&mut self, me: &ActorRef<AccountMsg>) {
        self.requests += 1;
        let number = self.requests;
        let account = me.clone();
        let reply = ReplyTo::new(move |answer: Option<Result<SessionLease, Failure>>| {
            let gone =
                || Failure::new(Class::Network, Reach::Session, Provenance::Local, "the session ended before it began");
            let leased = answer.unwrap_or_else(|| Err(gone()));
            drop(account.cast(AccountMsg::Leased(number, leased)));
        });
        self.args.pool.send(ConnectionMsg::Lease(LeaseRequest {
            account: self.args.name.clone(),
            endpoint: Arc::clone(&self.args.endpoint),
            secret: Arc::clone(&self.args.secret),
            reply,
        }));
    }

    fn ask(&self, me: &ActorRef<AccountMsg>, token: Token, request: Request) {
        let mut question = Question { account: me.clone(), token, open: true };
        let answer = Box::new(move |answer| question.answered(answer));
        match &self.lease {
            Some(lease) => lease.ask(Ask { request, answer }),
            // Dropped, the question says that there will be no answer.
            None => drop(Ask { request, answer }),
        }
    }
}

/// A question that is open: dropped before its last answer, it says that none will come.
struct Question {
    account: ActorRef<AccountMsg>,
    token: Token,
    open: bool,
}

impl Question {
    fn answered(&mut self, answer: Result<Answer, Failure>) {
        self.open = matches!(answer, Ok(Answer::Fetched { last: false, .. }));
        // An account that is gone needs no answers.
        drop(self.account.cast(AccountMsg::Event(Event::Answered { token: self.token, answer })));
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        if self.open {
            let gone =
                Failure::new(Class::Network, Reach::Session, Provenance::Local, "the session ended without an answer");
            self.answered(Err(gone));
        }
    }
}

fn tell<T: 'static>(
    me: &ActorRef<AccountMsg>,
    event: impl FnOnce(Option<T>) -> Event + Send + Sync + 'static,
) -> ReplyTo<T> {
    let me = me.clone();
    ReplyTo::new(move |answer| {
        // An account that is gone needs no answers.
        drop(me.cast(AccountMsg::Event(event(answer))));
    })
}

async fn within<T>(read: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let late = || Failure::storage(format!("the database did not answer a read within {} s", READ_DEADLINE.as_secs()));
    tokio::time::timeout(READ_DEADLINE, read).await.unwrap_or_else(|_| Err(late()))
}
