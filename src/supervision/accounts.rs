//! The AccountsSupervisor: one AccountActor per mailbox, started as the roster admits them, restarted by verdict.

use crate::account::actor::{AccountActor, AccountArgs, AccountMsg};
use crate::reply::ReplyTo;
use crate::supervision::exit::failure_of;
use crate::telemetry::names;
use postrider_core::account::machine::Event;
use postrider_core::account::summary::{Counts, Outcome, Summary};
use postrider_core::recovery::decide::Verdict;
use postrider_core::recovery::history::History;
use postrider_core::roster::Roster;
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use std::collections::{BTreeMap, BTreeSet};

/// Accounts that run at a time.
const AT_A_TIME: usize = 16;

/// What the supervisor is told.
#[derive(Debug)]
pub enum AccountsMsg {
    /// Run these accounts once; every summary goes to the reply.
    RunOnce(Vec<AccountArgs>, ReplyTo<Vec<(String, Summary)>>),
    /// An account's run is over.
    Finished(String, Option<Summary>),
    /// Start an account again.
    Restart(String, History),
    /// End all runs.
    Stop,
}

/// The supervisor.
#[derive(Debug)]
pub struct AccountsSupervisor;

/// What it holds.
#[derive(Debug)]
pub struct AccountsState {
    roster: Roster,
    args: BTreeMap<String, AccountArgs>,
    children: BTreeMap<ActorId, (String, ActorRef<AccountMsg>)>,
    summaries: BTreeMap<String, Summary>,
    reply: Option<ReplyTo<Vec<(String, Summary)>>>,
    /// Accounts whose actor died and that wait to be started again.
    restarting: BTreeSet<String>,
    stopping: bool,
}

impl Actor for AccountsSupervisor {
    type Msg = AccountsMsg;
    type State = AccountsState;
    type Arguments = ();

    async fn pre_start(&self, _me: ActorRef<AccountsMsg>, (): ()) -> Result<AccountsState, ActorProcessingErr> {
        Ok(AccountsState {
            roster: Roster::new(AT_A_TIME),
            args: BTreeMap::new(),
            children: BTreeMap::new(),
            summaries: BTreeMap::new(),
            reply: None,
            restarting: BTreeSet::new(),
            stopping: false,
        })
    }

    async fn handle(
        &self,
        me: ActorRef<AccountsMsg>,
        message: AccountsMsg,
        state: &mut AccountsState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            AccountsMsg::RunOnce(accounts, reply) => {
                for args in accounts {
                    state.roster.enqueue(args.name.clone());
                    state.args.insert(args.name.clone(), args);
                }
                state.reply = Some(reply);
            }
            // Without a summary the actor died: the supervision event says how.
            AccountsMsg::Finished(_, None) => {}
            AccountsMsg::Finished(name, Some(summary)) => state.done(name, summary),
            AccountsMsg::Restart(name, history) => {
                // After a stop it has been told as cancelled already.
                if state.restarting.remove(&name) {
                    state.start(&me, &name, history).await?;
                }
            }
            AccountsMsg::Stop => {
                state.stopping = true;
                for name in std::mem::take(&mut state.restarting) {
                    state.done(name, nothing(Outcome::Cancelled));
                }
                for (_, child) in state.children.values() {
                    // A child that has just ended has nothing to stop.
                    drop(child.cast(AccountMsg::Event(Event::Stop)));
                }
            }
        }
        state.admit(&me).await
    }

    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<AccountsMsg>,
        event: SupervisionEvent,
        state: &mut AccountsState,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(cell, error) => {
                if let Some((name, _)) = state.children.remove(&cell.get_id()) {
                    state.died(&me, name, &error);
                }
            }
            SupervisionEvent::ActorTerminated(cell, ..) => {
                state.children.remove(&cell.get_id());
            }
            _ => {}
        }
        state.admit(&me).await
    }
}

fn nothing(outcome: Outcome) -> Summary {
    Summary { outcome, counts: Counts::default(), left: Vec::new(), failure: None, class: None }
}

impl AccountsState {
    async fn admit(&mut self, me: &ActorRef<AccountsMsg>) -> Result<(), ActorProcessingErr> {
        while let Some((name, history)) = self.roster.admit() {
            if self.stopping {
                self.done(name, nothing(Outcome::Cancelled));
            } else {
                self.start(me, &name, history).await?;
            }
        }
        if !self.args.is_empty()
            && self.summaries.len() == self.args.len()
            && let Some(reply) = self.reply.take()
        {
            reply.send(std::mem::take(&mut self.summaries).into_iter().collect());
        }
        Ok(())
    }

    async fn start(
        &mut self,
        me: &ActorRef<AccountsMsg>,
        name: &str,
        history: History,
    ) -> Result<(), ActorProcessingErr> {
        let Some(args) = self.args.get(name).cloned() else { return Ok(()) };
        let (supervisor, account) = (me.clone(), name.to_owned());
        let finished = ReplyTo::new(move |summary| {
            // A supervisor that is gone waits for nobody.
            drop(supervisor.cast(AccountsMsg::Finished(account, summary)));
        });
        let (child, _) =
            AccountActor::spawn_linked(None, AccountActor, (args, history, finished), me.get_cell()).await?;
        self.children.insert(child.get_id(), (name.to_owned(), child));
        Ok(())
    }

    fn done(&mut self, name: String, summary: Summary) {
        self.roster.finished();
        self.summaries.insert(name, summary);
    }

    /// An actor died without words, or with a failure: decide.
    fn died(&mut self, me: &ActorRef<AccountsMsg>, name: String, error: &ActorProcessingErr) {
        let failure = failure_of(error);
        let Some(args) = self.args.get(&name) else { return };
        args.progress.failed(&name, &failure);
        tracing::error!(account.id = %name, failure.class = failure.class.as_str(), "the account's actor died: {}", failure.chain());
        let (verdict, history) = self.roster.died(&name, &failure, &args.settings.policy, args.clock.now());
        match verdict {
            Verdict::Wait(wait) | Verdict::Restart(wait) if !self.stopping => {
                metrics::counter!(names::ACTOR_RESTARTS, "kind" => "account", "class" => failure.class.as_str())
                    .increment(1);
                self.restarting.insert(name.clone());
                me.send_after(wait, move || AccountsMsg::Restart(name, history));
            }
            _ => {
                let class = Some(failure.class);
                self.done(name, Summary { failure: Some(failure), class, ..nothing(Outcome::Failed) });
            }
        }
    }
}
