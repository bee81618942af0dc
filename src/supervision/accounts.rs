//! The AccountsSupervisor: one AccountActor per mailbox, started as the roster admits them, restarted by verdict, replaced when
//! the config changes.

mod edits;

use crate::account::actor::AccountActor;
use crate::account::args::{AccountArgs, Progress};
use crate::account::message::{AccountMsg, Obeyed};
use crate::clock::Clock;
use crate::handle::{Backlog, Handle};
use crate::reply::ReplyTo;
use crate::store::Done;
use crate::store::actor::StoreMsg;
use crate::supervision::exit::failure_of;
use crate::telemetry::names;
use crate::telemetry::registry::Registry;
use postrider_core::account::follow::{Begin, Command, Conflict};
use postrider_core::failure::Failure;
use postrider_core::recovery::decide::Verdict;
use postrider_core::recovery::history::History;
use postrider_core::roster::{Admission, NextStart, Roster};
use postrider_core::run::summary::Summary;
use postrider_core::standing::{Outcome, Standing};
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use std::collections::{BTreeMap, BTreeSet};

/// Accounts that run at a time in `sync --once`.
const AT_A_TIME: usize = 16;
/// Accounts that a server starts in a second: each reads its rows; logins are paced by the endpoint.
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
    /// What it went through before this process.
    pub history: History,
    /// What it begins with.
    pub begin: Begin,
}

/// What the supervisor is told.
#[derive(Debug)]
pub enum AccountsMsg {
    /// Run these accounts once; every summary goes to the reply.
    RunOnce(Vec<AccountArgs>, ReplyTo<Vec<(String, Summary)>>),
    /// Follow these accounts; those that are followed already are replaced.
    Follow(Vec<Wanted>),
    /// No longer follow these; their rows stay.
    Remove(Vec<String>),
    /// A human wants something of an account.
    Command(String, Command, ReplyTo<Obeyed>),
    /// An account has ended.
    Finished(u64, String, Option<Box<Summary>>),
    /// Store an account's new id, once more.
    Rename(String, String),
    /// An account has the id that it has now in the database, too; or another account has.
    Renamed(String, Done),
    /// Start an account again.
    Restart(String),
    /// See who may start.
    Admit,
    /// End all.
    Stop(ReplyTo<()>),
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
    /// Messages that wait for it.
    pub depth: Backlog,
}

/// The supervisor.
#[derive(Debug)]
pub struct AccountsSupervisor;

#[derive(Debug)]
struct AccountChild {
    /// Numbers the starts: what an earlier incarnation says is known by it.
    number: u64,
    id: ActorId,
    actor: ActorRef<AccountMsg>,
}

impl AccountChild {
    /// It settles what it has in hand, and ends.
    fn stop(&self) {
        // One that has ended already needs no telling: its end is on its way here.
        drop(self.actor.cast(AccountMsg::Command(Command::Stop, ReplyTo::new(|_| ()))));
    }
}

/// What it holds.
#[derive(Debug)]
pub struct AccountsState {
    args: AccountsArgs,
    roster: Roster,
    wanted: BTreeMap<String, Wanted>,
    children: BTreeMap<String, AccountChild>,
    starts: u64,
    /// Accounts whose rows are to say `removed` once their actor has ended.
    removing: BTreeSet<String>,
    /// Accounts whose actor ends to be replaced: what it went through is known better by who replaces it.
    replaced: BTreeSet<String>,
    /// Ids that accounts had before, which still run under them: they are renamed when those have ended.
    renames: BTreeMap<String, String>,
    /// Accounts whose new id is being stored.
    renaming: BTreeSet<String>,
    /// Accounts whose actor died and that wait to be started again.
    restarting: BTreeSet<String>,
    once: Option<Once>,
    stopping: Option<ReplyTo<()>>,
    stopped: bool,
    admitting: bool,
}

#[derive(Debug)]
struct Once {
    expected: usize,
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
        args.registry.started("root/accounts", "accounts");
        Ok(AccountsState {
            args,
            roster: Roster::new(Admission { at_a_time: usize::MAX, starts_per_second: STARTS }),
            wanted: BTreeMap::new(),
            children: BTreeMap::new(),
            starts: 0,
            removing: BTreeSet::new(),
            replaced: BTreeSet::new(),
            renames: BTreeMap::new(),
            renaming: BTreeSet::new(),
            restarting: BTreeSet::new(),
            once: None,
            stopping: None,
            stopped: false,
            admitting: false,
        })
    }

    async fn handle(
        &self,
        me: ActorRef<AccountsMsg>,
        message: AccountsMsg,
        state: &mut AccountsState,
    ) -> Result<(), ActorProcessingErr> {
        if matches!(
            message,
            AccountsMsg::RunOnce(..)
                | AccountsMsg::Follow(_)
                | AccountsMsg::Remove(_)
                | AccountsMsg::Command(..)
                | AccountsMsg::Stop(_)
        ) {
            state.args.depth.leave();
        }
        match message {
            AccountsMsg::RunOnce(accounts, reply) => state.run_once(&me, accounts, reply),
            AccountsMsg::Follow(wanted) => {
                for one in wanted {
                    state.want(&me, one);
                }
            }
            AccountsMsg::Remove(names) => {
                for name in names {
                    state.remove(name);
                }
            }
            AccountsMsg::Command(name, command, reply) => state.command(&name, command, reply),
            AccountsMsg::Finished(number, name, summary) => {
                state.finished(&me, number, &name, summary.map(|summary| *summary))
            }
            AccountsMsg::Rename(was, name) => {
                if state.renaming.contains(&name) {
                    state.rename(&me, was, name);
                }
            }
            AccountsMsg::Renamed(name, done) => {
                if state.renaming.remove(&name) {
                    state.renamed(&name, done);
                }
            }
            AccountsMsg::Restart(name) => {
                if state.restarting.remove(&name) {
                    state.start(&me, &name).await?;
                }
            }
            AccountsMsg::Admit => state.admitting = false,
            AccountsMsg::Stop(reply) => state.stop(reply),
        }
        state.go_on(&me).await
    }

    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<AccountsMsg>,
        event: SupervisionEvent,
        state: &mut AccountsState,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(cell, error) => state.died(&me, cell.get_id(), &failure_of(&error)),
            // Whoever ended of its own will has said so; a kill comes without words.
            SupervisionEvent::ActorTerminated(cell, _, reason) if reason.as_deref() == Some("killed") => {
                state.died(&me, cell.get_id(), &Failure::bug("the account's actor was killed"));
            }
            _ => {}
        }
        state.go_on(&me).await
    }
}

impl AccountsState {
    fn run_once(
        &mut self,
        me: &ActorRef<AccountsMsg>,
        accounts: Vec<AccountArgs>,
        reply: ReplyTo<Vec<(String, Summary)>>,
    ) {
        self.roster = Roster::new(Admission { at_a_time: AT_A_TIME, starts_per_second: 1_000_000 });
        self.once = Some(Once { expected: accounts.len(), summaries: BTreeMap::new(), reply: Some(reply) });
        for args in accounts {
            let name = args.name.clone();
            let wanted =
                Wanted { name, was: None, args: Ok(Box::new(args)), history: History::default(), begin: Begin::Run };
            self.want(me, wanted);
        }
    }

    fn command(&mut self, name: &str, command: Command, reply: ReplyTo<Obeyed>) {
        if command == Command::Woken
            && let Some(wanted) = self.wanted.get_mut(name)
            && matches!(wanted.begin, Begin::Parked(..))
        {
            // Who has yet to begin was to begin parked with the secret before.
            wanted.begin = Begin::Run;
        }
        if self.renaming.contains(name) || self.renames.values().any(|new| new == name) {
            // Begun now, it would open a second mirror under the id that its rows are about to get.
            return reply.send(Err(Conflict("the account's new id is being stored; ask again")));
        }
        match (self.children.get(name), self.wanted.get(name)) {
            (Some(child), _) => drop(child.actor.cast(AccountMsg::Command(command, reply))),
            (None, Some(wanted)) if wanted.args.is_err() => {
                reply.send(Err(Conflict("the account cannot be followed before its config or secret changes")));
            }
            (None, Some(_)) if matches!(command, Command::ResetErrors | Command::SyncNow | Command::Woken) => {
                // It had failed for good, or waits to be started again.
                let has_logged_in = self.roster.history(name).has_logged_in;
                self.roster.remember(name, History { has_logged_in, ..History::default() });
                self.restarting.remove(name);
                self.roster.withdraw(name);
                self.roster.enqueue(name.to_owned());
                reply.send(Err(Conflict("the account was not running and is started now; ask again")));
            }
            (None, Some(_)) => reply.send(Err(Conflict("the account is being started; ask again"))),
            (None, None) => reply.send(Err(Conflict("the config does not name this account"))),
        }
    }

    fn finished(&mut self, me: &ActorRef<AccountsMsg>, number: u64, name: &str, summary: Option<Summary>) {
        // Without a summary the actor died: the supervision event says how.
        let Some(summary) = summary else { return };
        if self.children.get(name).is_none_or(|child| child.number != number) {
            return;
        }
        self.children.remove(name);
        self.roster.finished();
        if !self.replaced.remove(name) {
            self.roster.remember(name, summary.history.clone());
        }
        if let Some(once) = &mut self.once {
            once.summaries.insert(name.to_owned(), summary);
            return;
        }
        if let Some(new) = self.renames.remove(name) {
            self.rename(me, name.to_owned(), new);
        } else if self.removing.remove(name) {
            self.removed(name);
        } else if !self.stopped {
            // It was ended to be replaced.
            self.begin(name);
        }
    }

    fn stop(&mut self, reply: ReplyTo<()>) {
        self.stopped = true;
        self.stopping = Some(reply);
        self.restarting.clear();
        for child in self.children.values() {
            // A child that has just ended has nothing to stop.
            child.stop();
        }
    }

    async fn go_on(&mut self, me: &ActorRef<AccountsMsg>) -> Result<(), ActorProcessingErr> {
        while !self.stopped {
            match self.roster.admit(self.args.clock.now().mono) {
                NextStart::Start(name, _) => self.start(me, &name).await?,
                NextStart::After(wait) => {
                    if !std::mem::replace(&mut self.admitting, true) {
                        me.send_after(wait, || AccountsMsg::Admit);
                    }
                    break;
                }
                NextStart::Nobody => break,
            }
        }
        self.args.registry.in_flight("root/accounts", self.children.len());
        if let Some(once) = &mut self.once {
            let over = once.summaries.len() == once.expected || (self.stopped && self.children.is_empty());
            if over && let Some(reply) = once.reply.take() {
                let mut summaries = std::mem::take(&mut once.summaries);
                for name in self.wanted.keys() {
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
        Ok(())
    }

    async fn start(&mut self, me: &ActorRef<AccountsMsg>, name: &str) -> Result<(), ActorProcessingErr> {
        let Some(wanted) = self.wanted.get_mut(name) else { return Ok(()) };
        let Ok(args) = wanted.args.clone() else { return Ok(()) };
        // What was stored counts for the first incarnation; after that the account knows better.
        let begin = std::mem::take(&mut wanted.begin);
        let history = self.roster.history(name);
        let (supervisor, account) = (me.clone(), name.to_owned());
        self.starts += 1;
        let number = self.starts;
        let finished = ReplyTo::new(move |summary| {
            // A supervisor that is gone waits for nobody.
            drop(supervisor.cast(AccountsMsg::Finished(number, account, summary.map(Box::new))));
        });
        let (child, _) =
            AccountActor::spawn_linked(None, AccountActor, (*args, history, begin, finished), me.get_cell()).await?;
        let id = child.get_id();
        self.children.insert(name.to_owned(), AccountChild { number, id, actor: child });
        Ok(())
    }

    /// An actor died without words, or with a failure: decide.
    fn died(&mut self, me: &ActorRef<AccountsMsg>, id: ActorId, failure: &Failure) {
        let Some(name) = self.children.iter().find(|(_, child)| child.id == id).map(|(name, _)| name.clone()) else {
            return;
        };
        self.children.remove(&name);
        self.replaced.remove(&name);
        if let Some(new) = self.renames.remove(&name) {
            self.roster.finished();
            return self.rename(me, name, new);
        }
        let Some(wanted) = self.wanted.get(&name) else {
            self.roster.finished();
            if self.removing.remove(&name) {
                self.removed(&name);
            }
            return;
        };
        let args = match &wanted.args {
            Ok(args) => args,
            Err(refused) => {
                // An edit that came meanwhile says why it cannot go on.
                let refused = refused.clone();
                self.roster.finished();
                return self.refuse(&name, &refused);
            }
        };
        let (progress, policy): (std::sync::Arc<dyn Progress>, _) =
            (std::sync::Arc::clone(&args.progress), args.rules.settings.policy);
        progress.failed(&name, failure);
        tracing::error!(account.id = %name, failure.class = failure.class.as_str(), "the account's actor died: {}", failure.chain());
        let now = self.args.clock.now();
        // What it has survived since its last start counts; how often it died stands here.
        if let Some(line) = self.args.registry.find(&name).filter(|line| line.runs.0 > 0) {
            self.roster.remember(&name, line.history);
        }
        let (verdict, _) = self.roster.died(&name, failure, &policy, now);
        let path = format!("root/accounts/{name}");
        match verdict {
            Verdict::Wait(wait) | Verdict::Restart(wait) if !self.stopped => {
                metrics::counter!(names::ACTOR_RESTARTS, "kind" => "account", "class" => failure.class.as_str())
                    .increment(1);
                let at = now.wall.plus(wait);
                self.args.registry.restarts(&path, failure, Some(at));
                self.args.registry.account(&name, |line| {
                    line.standing = Standing::Waiting;
                    line.reason = failure.to_string();
                    line.next_attempt_at = Some(at);
                });
                self.restarting.insert(name.clone());
                me.send_after(wait, move || AccountsMsg::Restart(name));
            }
            _ => {
                self.roster.finished();
                self.args.registry.restarts(&path, failure, None);
                self.fail(&name, failure);
                if let Some(once) = &mut self.once {
                    once.summaries.insert(name, Summary::failed(failure.clone(), History::default()));
                }
            }
        }
    }
}
