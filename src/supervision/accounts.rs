//! The AccountsSupervisor: one AccountActor per mailbox, started, replaced, renamed and restarted
//! as the roster says.

mod perform;

use crate::account::args::AccountArgs;
use crate::account::message::{AccountMsg, Obeyed};
use crate::clock::Clock;
use crate::fault;
use crate::handle::{Handle, Queued, Served};
use crate::reply::ReplyTo;
use crate::store::message::StoreMsg;
use crate::supervision::exit::failure_of;
use crate::telemetry::registry::Registry;
use postrider_core::account::follow::{Command, Conflict, Past};
use postrider_core::failure::Failure;
use postrider_core::provider::push::PushHint;
use postrider_core::recovery::history::History;
use postrider_core::roster::{Admission, Death, Enrolled, Roster, RosterAction, RosterEvent};
use postrider_core::run::summary::Summary;
use postrider_core::standing::Outcome;
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Accounts that run at a time in `sync --once`.
const AT_A_TIME: usize = 16;
/// Accounts that a server starts in a second: each reads its rows; logins are paced by the
/// endpoint.
const STARTS: u32 = 50;

/// An account that is wanted.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Its id in the config.
    pub name: String,
    /// The id it had before.
    pub was: Option<String>,
    /// What it needs, or what keeps it from being followed until something changes.
    pub args: Result<Box<AccountArgs>, Failure>,
    /// What it went through before.
    pub past: Past,
}

/// What the supervisor of the accounts is asked.
#[derive(Debug)]
pub enum AccountsRequest {
    /// Run these accounts once; every summary goes to the reply.
    RunOnce(Vec<AccountArgs>, ReplyTo<Vec<(String, Summary)>>),
    /// Follow these accounts; those that are followed already are replaced.
    Follow(Vec<Wanted>),
    /// No longer follow these; their rows stay.
    Remove(Vec<String>),
    /// A human wants something of an account.
    Command(String, Command, ReplyTo<Obeyed>),
    /// A provider tells of something in an account.
    Pushed(String, PushHint),
    /// End all.
    Stop(ReplyTo<()>),
}

/// What the supervisor is told.
#[derive(Debug)]
pub enum AccountsMsg {
    /// What others ask.
    Asked(Queued<AccountsRequest>),
    /// The actor of this number has ended of its own will.
    Finished(u64, String, Box<Summary>),
    /// Something for the roster.
    Roster(RosterEvent),
}

impl From<Queued<AccountsRequest>> for AccountsMsg {
    fn from(asked: Queued<AccountsRequest>) -> Self {
        Self::Asked(asked)
    }
}

impl Served for AccountsMsg {
    type Request = AccountsRequest;
}

/// What it is made with.
#[derive(Clone, Debug)]
pub struct AccountsArgs {
    /// Time.
    pub clock: Clock,
    /// The store.
    pub store: Handle<StoreMsg>,
    /// Where accounts are seen.
    pub registry: Registry,
    /// Who starts it again, should it die, is told what each account goes through.
    pub above: Above,
}

/// Told of an account what its next incarnation is to know.
#[derive(Clone)]
pub struct Above(pub Arc<dyn Fn(String, Past) + Send + Sync>);

impl std::fmt::Debug for Above {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Above")
    }
}

/// The supervisor.
#[derive(Debug, Default)]
pub struct AccountsSupervisor;

#[derive(Debug)]
struct AccountChild {
    /// Numbers the starts: what an earlier incarnation says is known by it.
    number: u64,
    id: ActorId,
    actor: ActorRef<AccountMsg>,
}

/// What it holds.
#[derive(Debug)]
pub struct AccountsState {
    args: AccountsArgs,
    roster: Roster,
    /// What the accounts that can be followed are followed with.
    followed: BTreeMap<String, Box<AccountArgs>>,
    children: BTreeMap<String, AccountChild>,
    once: Option<Once>,
    stopping: Option<ReplyTo<()>>,
}

#[derive(Debug)]
struct Once {
    names: Vec<String>,
    summaries: BTreeMap<String, Summary>,
    reply: Option<ReplyTo<Vec<(String, Summary)>>>,
}

impl Actor for AccountsSupervisor {
    type Msg = AccountsMsg;
    type State = AccountsState;
    type Arguments = AccountsArgs;

    async fn pre_start(
        &self,
        _me: ActorRef<AccountsMsg>,
        args: AccountsArgs,
    ) -> Result<AccountsState, ActorProcessingErr> {
        Ok(AccountsState {
            args,
            roster: Roster::new(
                Admission { at_a_time: usize::MAX, starts_per_second: STARTS },
                false,
            ),
            followed: BTreeMap::new(),
            children: BTreeMap::new(),
            once: None,
            stopping: None,
        })
    }

    async fn handle(
        &self,
        me: ActorRef<AccountsMsg>,
        message: AccountsMsg,
        state: &mut AccountsState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            AccountsMsg::Asked(asked) => state.asked(&me, asked.open()).await?,
            AccountsMsg::Finished(number, name, summary) => {
                state.finished(&me, number, name, *summary).await?
            }
            AccountsMsg::Roster(event) => state.tell(&me, event).await?,
        }
        state.settle();
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<AccountsMsg>,
        event: SupervisionEvent,
        state: &mut AccountsState,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(cell, error) => {
                state.died(&me, cell.get_id(), failure_of(&error)).await?
            }
            // Whoever ended of its own will has said so; a kill comes without words.
            SupervisionEvent::ActorTerminated(cell, _, reason)
                if reason.as_deref() == Some("killed") =>
            {
                state
                    .died(&me, cell.get_id(), Failure::bug("the account's actor was killed"))
                    .await?;
            }
            _ => {}
        }
        state.settle();
        Ok(())
    }
}

impl AccountsState {
    /// What others ask.
    async fn asked(
        &mut self,
        me: &ActorRef<AccountsMsg>,
        asked: AccountsRequest,
    ) -> Result<(), ActorProcessingErr> {
        match asked {
            AccountsRequest::RunOnce(accounts, reply) => self.run_once(me, accounts, reply).await?,
            AccountsRequest::Follow(wanted) => {
                for one in wanted {
                    self.enrol(me, one).await?;
                }
            }
            AccountsRequest::Remove(names) => {
                for name in names {
                    self.tell(me, RosterEvent::Dropped(name)).await?;
                }
            }
            AccountsRequest::Command(name, command, reply) => {
                fault::pass("panic.accounts");
                self.command(me, name, command, reply).await?;
            }
            AccountsRequest::Pushed(name, hint) => {
                if let Some(child) = self.children.get(&name) {
                    // One that has just died looks when it begins anew.
                    drop(child.actor.cast(AccountMsg::Pushed(hint)));
                }
            }
            AccountsRequest::Stop(reply) => {
                self.stopping = Some(reply);
                self.tell(me, RosterEvent::Stop).await?;
            }
        }
        Ok(())
    }

    /// Lets the roster decide, and does what it says.
    async fn tell(
        &mut self,
        me: &ActorRef<AccountsMsg>,
        event: RosterEvent,
    ) -> Result<(), ActorProcessingErr> {
        for action in self.roster.step(event, self.args.clock.now()) {
            self.perform(me, action).await?;
        }
        Ok(())
    }

    async fn enrol(
        &mut self,
        me: &ActorRef<AccountsMsg>,
        wanted: Wanted,
    ) -> Result<(), ActorProcessingErr> {
        let Wanted { name, was, args, past } = wanted;
        let refused = match args {
            Ok(args) => {
                self.followed.insert(name.clone(), args);
                None
            }
            // Who runs under this id may still be started with what it had.
            Err(failure) => Some(failure),
        };
        self.tell(me, RosterEvent::Enrolled(Box::new(Enrolled { name, was, refused, past }))).await
    }

    async fn run_once(
        &mut self,
        me: &ActorRef<AccountsMsg>,
        accounts: Vec<AccountArgs>,
        reply: ReplyTo<Vec<(String, Summary)>>,
    ) -> Result<(), ActorProcessingErr> {
        self.roster =
            Roster::new(Admission { at_a_time: AT_A_TIME, starts_per_second: 1_000_000 }, true);
        let names = accounts.iter().map(|args| args.name.clone()).collect();
        self.once = Some(Once { names, summaries: BTreeMap::new(), reply: Some(reply) });
        for args in accounts {
            let name = args.name.clone();
            self.enrol(
                me,
                Wanted { name, was: None, args: Ok(Box::new(args)), past: Past::default() },
            )
            .await?;
        }
        Ok(())
    }

    async fn command(
        &mut self,
        me: &ActorRef<AccountsMsg>,
        name: String,
        command: Command,
        reply: ReplyTo<Obeyed>,
    ) -> Result<(), ActorProcessingErr> {
        let mut reply = Some(reply);
        for action in
            self.roster.step(RosterEvent::Commanded(name, command.clone()), self.args.clock.now())
        {
            match action {
                RosterAction::Obey(name) => {
                    if let (Some(child), Some(reply)) = (self.children.get(&name), reply.take()) {
                        // Dropped with an actor that has just died, it says that there will be no
                        // answer.
                        drop(child.actor.cast(AccountMsg::Command(command.clone(), reply)));
                    }
                }
                RosterAction::Conflict(why) => {
                    if let Some(reply) = reply.take() {
                        reply.send(Err(Conflict(why).into()));
                    }
                }
                other => self.perform(me, other).await?,
            }
        }
        Ok(())
    }

    async fn finished(
        &mut self,
        me: &ActorRef<AccountsMsg>,
        number: u64,
        name: String,
        summary: Summary,
    ) -> Result<(), ActorProcessingErr> {
        if self.children.get(&name).is_some_and(|child| child.number == number) {
            self.children.remove(&name);
        }
        let ended = RosterEvent::Ended(name.clone(), number, summary.history.clone());
        if let Some(once) = &mut self.once {
            once.summaries.insert(name, summary);
        }
        self.tell(me, ended).await
    }

    /// An actor died without words, or with a failure.
    async fn died(
        &mut self,
        me: &ActorRef<AccountsMsg>,
        id: ActorId,
        failure: Failure,
    ) -> Result<(), ActorProcessingErr> {
        let child = self.children.iter().find(|(_, child)| child.id == id);
        let Some((name, number)) = child.map(|(name, child)| (name.clone(), child.number)) else {
            return Ok(());
        };
        self.children.remove(&name);
        let policy =
            self.followed.get(&name).map(|args| args.rules.settings.policy).unwrap_or_default();
        self.tell(me, RosterEvent::Died(name, Death { number, failure, policy })).await
    }

    /// Answers who waits for all to be over.
    fn settle(&mut self) {
        self.args.registry.in_flight("root/accounts", self.children.len());
        if let Some(once) = &mut self.once {
            let over = once.summaries.len() == once.names.len()
                || (self.stopping.is_some() && self.children.is_empty());
            if over && let Some(reply) = once.reply.take() {
                let mut summaries = std::mem::take(&mut once.summaries);
                for name in &once.names {
                    let nothing = || Summary::of(Outcome::Cancelled, History::default());
                    summaries.entry(name.clone()).or_insert_with(nothing);
                }
                reply.send(summaries.into_iter().collect());
            }
        }
        if self.children.is_empty()
            && let Some(reply) = self.stopping.take()
        {
            reply.send(());
        }
    }
}
