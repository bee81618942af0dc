//! What an edit of the config does to who is followed: begun, replaced, renamed, refused, removed.

use super::{AccountsMsg, AccountsState, Wanted};
use crate::reply::ReplyTo;
use crate::store::Done;
use crate::store::actor::StoreMsg;
use crate::store::orders::Control;
use crate::telemetry::names;
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::standing::{EventKind, Standing};
use ractor::ActorRef;
use std::time::Duration;

/// A new id that could not be stored is tried again after this.
const RENAME_AGAIN: Duration = Duration::from_secs(5);

impl AccountsState {
    pub(super) fn want(&mut self, me: &ActorRef<AccountsMsg>, wanted: Wanted) {
        let (name, was) = (wanted.name.clone(), wanted.was.clone());
        self.removing.remove(&name);
        // Whatever was to come of its name before: this is what is wanted now.
        self.renames.remove(&name);
        self.roster.remember(&name, wanted.history.clone());
        self.wanted.insert(name.clone(), wanted);
        if let Some(child) = self.children.get(&name) {
            // The one that is followed now settles what it has in hand first.
            self.replaced.insert(name);
            child.stop();
            return;
        }
        self.restarting.remove(&name);
        match was {
            // It still runs under the id it had.
            Some(was) if self.children.contains_key(&was) => {
                self.wanted.remove(&was);
                if let Some(child) = self.children.get(&was) {
                    child.stop();
                }
                self.renames.insert(was, name);
            }
            Some(was) => self.rename(me, was, name),
            None => self.begin(&name),
        }
    }

    /// Lets an account begin, or says why it cannot.
    pub(super) fn begin(&mut self, name: &str) {
        let Some(wanted) = self.wanted.get(name) else { return };
        match wanted.args.as_ref().err().cloned() {
            Some(failure) => self.refuse(name, &failure),
            None => {
                self.roster.withdraw(name);
                self.roster.enqueue(name.to_owned());
            }
        }
    }

    /// Stores an account's new id; it begins when that is durable.
    pub(super) fn rename(&mut self, me: &ActorRef<AccountsMsg>, was: String, name: String) {
        self.wanted.remove(&was);
        self.args.registry.forget(&was);
        self.args.registry.gone(&format!("root/accounts/{was}"));
        self.renaming.insert(name.clone());
        let (me, account, old) = (me.clone(), name.clone(), was.clone());
        let reply = ReplyTo::new(move |answer| {
            // A supervisor that is gone begins nobody.
            if let Some(Ok(done)) = answer {
                drop(me.cast(AccountsMsg::Renamed(name, done)));
            } else {
                tracing::warn!(account.id = %name, "its new id cannot be stored now; tried again");
                me.send_after(RENAME_AGAIN, move || AccountsMsg::Rename(old, name));
            }
        });
        self.args.store.send(StoreMsg::Control(Control::Rename { was, account }, reply));
    }

    /// The store has answered: its rows bear the new id, or bore it already (there are none under the old one).
    pub(super) fn renamed(&mut self, name: &str, done: Done) {
        if done != Done::Taken {
            return self.begin(name);
        }
        let text = "the database holds another account of this id: take `was` out, or purge that one first";
        let failure = Failure::new(Class::Config, Reach::Account, Provenance::Local, text);
        if let Some(wanted) = self.wanted.get_mut(name) {
            wanted.args = Err(failure.clone());
        }
        // That one's rows stay as they are: only what is seen here says so.
        self.refuse_here(name, &failure);
    }

    /// It cannot be followed before something changes: its state says why.
    pub(super) fn refuse(&self, name: &str, failure: &Failure) {
        self.refuse_here(name, failure);
        self.fail(name, failure);
    }

    fn refuse_here(&self, name: &str, failure: &Failure) {
        tracing::error!(account.id = %name, failure.class = failure.class.as_str(), "{}", failure.chain());
        metrics::counter!(names::FAILURES, "class" => failure.class.as_str(), "reach" => failure.reach.as_str())
            .increment(1);
        self.show_failed(name, failure);
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

    pub(super) fn fail(&self, name: &str, failure: &Failure) {
        let reason = failure.to_string();
        self.show_failed(name, failure);
        let event = Some(EventKind::AccountFailed);
        let control =
            Control::Stand { account: name.to_owned(), standing: Standing::Failed, reason, event, parked_for: None };
        self.args.store.send(StoreMsg::Control(control, ReplyTo::new(|_| ())));
    }

    pub(super) fn remove(&mut self, name: String) {
        self.wanted.remove(&name);
        self.restarting.remove(&name);
        self.replaced.remove(&name);
        self.renames.retain(|_, new| *new != name);
        self.roster.withdraw(&name);
        match self.children.get(&name) {
            Some(child) => {
                child.stop();
                self.removing.insert(name);
            }
            None => self.removed(&name),
        }
    }

    pub(super) fn removed(&self, name: &str) {
        self.args.registry.forget(name);
        self.args.registry.gone(&format!("root/accounts/{name}"));
        self.args.store.send(StoreMsg::Control(Control::Remove { account: name.to_owned() }, ReplyTo::new(|_| ())));
    }
}
