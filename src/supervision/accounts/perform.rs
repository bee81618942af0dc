//! Carries out what the roster says.

use super::{AccountChild, AccountsMsg, AccountsState};
use crate::account::actor::AccountActor;
use crate::account::args::{Incarnation, path_of};
use crate::account::message::AccountMsg;
use crate::reply::ReplyTo;
use crate::store::Done;
use crate::store::message::StoreRequest;
use crate::store::orders::Control;
use crate::telemetry::names;
use postrider_core::account::follow::{Command, Past};
use postrider_core::failure::Failure;
use postrider_core::recovery::decide::Policy;
use postrider_core::recovery::history::History;
use postrider_core::roster::{Death, Owns, RosterAction, RosterEvent};
use postrider_core::run::summary::Summary;
use postrider_core::standing::{EventKind, Standing};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::time::Duration;

impl AccountsState {
    pub(super) async fn perform(
        &mut self,
        me: &ActorRef<AccountsMsg>,
        action: RosterAction,
    ) -> Result<(), ActorProcessingErr> {
        match action {
            RosterAction::Start(name, number, past) => self.start(me, name, number, past).await?,
            RosterAction::Stop(name) => {
                if let Some(child) = self.children.get(&name) {
                    // One that has ended already needs no telling: its end is on its way here.
                    drop(
                        child.actor.cast(AccountMsg::Command(Command::Stop, ReplyTo::new(|_| ()))),
                    );
                }
            }
            RosterAction::Keep(name, past) => (self.args.above.0)(name, past),
            RosterAction::Rename(was, name) => self.rename(me, was, name),
            RosterAction::Forget(name) => self.forget(&name),
            RosterAction::Removed(name) => {
                self.forget(&name);
                self.args.store.send(StoreRequest::Control(
                    Control::Remove { account: name },
                    ReplyTo::new(|_| ()),
                ));
            }
            RosterAction::Refused(name, failure, owns) => {
                tracing::error!(account.id = %name, failure.class = failure.class.as_str(), "{}", failure.chain());
                metrics::counter!(names::FAILURES, "class" => failure.class.as_str(), "reach" => failure.reach.as_str())
                    .increment(1);
                self.show_failed(&name, &failure);
                if owns == Owns::Its {
                    self.store_failed(name, &failure);
                }
            }
            RosterAction::Restarting(name, number, failure, wait) => {
                self.mourn(&name, &failure);
                self.show_restarting(&name, &failure, wait);
                again(me, wait, RosterEvent::RestartDue(name, number));
            }
            RosterAction::Fallen(name, failure) => {
                self.mourn(&name, &failure);
                self.args.registry.restarts(&path_of(&name), &failure, None);
                self.show_failed(&name, &failure);
                self.store_failed(name.clone(), &failure);
                if let Some(once) = &mut self.once {
                    once.summaries.insert(name, Summary::failed(failure, History::default()));
                }
            }
            RosterAction::RenameAfter(name, wait) => {
                tracing::warn!(account.id = %name, "its new id cannot be stored now; tried again");
                again(me, wait, RosterEvent::RenameDue(name));
            }
            RosterAction::AdmitAfter(wait) => again(me, wait, RosterEvent::Admit),
            // Answered where the command came in.
            RosterAction::Obey(_) | RosterAction::Conflict(_) => {}
        }
        Ok(())
    }

    async fn start(
        &mut self,
        me: &ActorRef<AccountsMsg>,
        name: String,
        number: u64,
        past: Past,
    ) -> Result<(), ActorProcessingErr> {
        let Some(args) = self.followed.get(&name) else {
            let failure = Failure::bug("an account is to start that nobody knows the settings of");
            let died =
                RosterEvent::Died(name, Death { number, failure, policy: Policy::default() });
            me.cast(AccountsMsg::Roster(died))?;
            return Ok(());
        };
        let (supervisor, account) = (me.clone(), name.clone());
        let went = Box::new(move |past| {
            // A supervisor that is gone remembers nothing.
            drop(supervisor.cast(AccountsMsg::Roster(RosterEvent::Went(
                account.clone(),
                number,
                past,
            ))));
        });
        let (supervisor, account) = (me.clone(), name.clone());
        let finished = ReplyTo::new(move |summary| {
            // Without a summary the actor died: the supervision event says how.
            if let Some(summary) = summary {
                drop(supervisor.cast(AccountsMsg::Finished(number, account, Box::new(summary))));
            }
        });
        let incarnation = Incarnation { args: (**args).clone(), past, went, finished };
        let (actor, _) =
            AccountActor::spawn_linked(None, AccountActor, incarnation, me.get_cell()).await?;
        let id = actor.get_id();
        self.children.insert(name, AccountChild { number, id, actor });
        Ok(())
    }

    fn rename(&self, me: &ActorRef<AccountsMsg>, was: String, account: String) {
        let (me, name) = (me.clone(), account.clone());
        let reply = ReplyTo::new(move |answer| {
            let event = match answer {
                // Its rows bear the new id, or bore it already (there are none under the old one).
                Some(Ok(done)) if done != Done::Taken => RosterEvent::Renamed(name),
                Some(Ok(_)) => RosterEvent::RenameTaken(name),
                _ => RosterEvent::RenameFailed(name),
            };
            // A supervisor that is gone begins nobody.
            drop(me.cast(AccountsMsg::Roster(event)));
        });
        self.args.store.send(StoreRequest::Control(Control::Rename { was, account }, reply));
    }

    fn forget(&mut self, name: &str) {
        // An edit about this id may have come meanwhile.
        if !self.roster.knows(name) {
            self.followed.remove(name);
        }
        self.args.registry.forget(name);
        self.args.registry.gone(&path_of(name));
    }

    /// An actor's death is said, to who watches too.
    fn mourn(&self, name: &str, failure: &Failure) {
        if let Some(args) = self.followed.get(name) {
            args.progress.failed(name, failure);
        }
        tracing::error!(account.id = %name, failure.class = failure.class.as_str(), "the account's actor died: {}", failure.chain());
    }

    fn show_restarting(&self, name: &str, failure: &Failure, wait: Duration) {
        metrics::counter!(names::ACTOR_RESTARTS, "kind" => "account", "class" => failure.class.as_str()).increment(1);
        let at = self.args.clock.now().wall.plus(wait);
        self.args.registry.restarts(&path_of(name), failure, Some(at));
        self.args.registry.account(name, |line| {
            line.standing = Standing::Waiting;
            line.reason = failure.to_string();
            line.next_attempt_at = Some(at);
        });
    }

    fn show_failed(&self, name: &str, failure: &Failure) {
        self.args.registry.account(name, |line| {
            line.standing = Standing::Failed;
            line.reason = failure.to_string();
            line.class = Some(failure.class);
            line.next_attempt_at = None;
            line.run = None;
        });
    }

    fn store_failed(&self, account: String, failure: &Failure) {
        let (reason, event) = (failure.to_string(), Some(EventKind::AccountFailed));
        let control =
            Control::Stand { account, standing: Standing::Failed, reason, event, parked_for: None };
        self.args.store.send(StoreRequest::Control(control, ReplyTo::new(|_| ())));
    }
}

fn again(me: &ActorRef<AccountsMsg>, wait: Duration, event: RosterEvent) {
    me.send_after(wait, move || AccountsMsg::Roster(event));
}
