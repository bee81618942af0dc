//! How an account comes by its sessions, and lends pages to the one beside.

use crate::account::actor::AccountState;
use crate::account::message::AccountMsg;
use crate::account::question::{PendingQuestion, ask};
use crate::connection::message::ConnectionMsg;
use crate::connection::{LeaseRequest, SessionLease};
use crate::reply::ReplyTo;
use postrider_core::account::follow::Input;
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::provider::folders::Request;
use postrider_core::run::event::Token;
use ractor::ActorRef;
use std::sync::Arc;

impl AccountState {
    fn request(
        &self,
        wish: bool,
        me: &ActorRef<AccountMsg>,
        reply: ReplyTo<Result<SessionLease, Failure>>,
    ) {
        let (account, depth) = (me.clone(), self.depth.clone());
        let (lent, backlog) = (me.clone(), self.depth.clone());
        let request = LeaseRequest {
            account: self.args.name.clone(),
            endpoint: Arc::clone(&self.args.endpoint),
            credential: Arc::clone(&self.args.credential),
            patient: !self.args.rules.once,
            wish,
            known: self.follower.history().has_logged_in && !self.args.rules.once,
            reply,
            held: Arc::new(move |held| {
                depth.enter();
                drop(account.cast(AccountMsg::Input(Input::Held(held))));
            }),
            recalled: Arc::new(move || {
                backlog.enter();
                // An account that is gone has given it back.
                drop(lent.cast(AccountMsg::Input(Input::Recalled)));
            }),
        };
        self.args.pool.send(ConnectionMsg::Lease(Box::new(request)));
    }

    /// A session for runs is wanted.
    pub(super) fn connect(&mut self, me: &ActorRef<AccountMsg>) {
        // Should it be exchanged before the login, that one is tried once more after a restart:
        // better than never.
        self.asked_with = self.args.credential.mark();
        self.requests += 1;
        let (number, account) = (self.requests, me.clone());
        let reply = ReplyTo::new(move |answer: Option<Result<SessionLease, Failure>>| {
            let gone = || {
                Failure::new(
                    Class::Network,
                    Reach::Session,
                    Provenance::Local,
                    "the session broke off inside postrider before it began; the log says why (please report it)",
                )
            };
            let leased = answer.unwrap_or_else(|| Err(gone()));
            drop(account.cast(AccountMsg::Leased(number, leased)));
        });
        self.request(false, me, reply);
    }

    /// Asks the session beside for a page of the run.
    pub(super) fn lend(
        &mut self,
        me: &ActorRef<AccountMsg>,
        number: u64,
        token: Token,
        request: Request,
    ) {
        // Told with each: the pool may have heard of an end of its watch meanwhile.
        if let Some(lease) = &self.beside {
            self.args.pool.send(ConnectionMsg::Helping(lease.id()));
        }
        let question = PendingQuestion::lent(me, &self.depth, number, token);
        ask(self.beside.as_ref(), request, question);
    }

    /// One more is wanted, if one is to spare.
    pub(super) fn wish(&mut self, me: &ActorRef<AccountMsg>) {
        self.wishes += 1;
        let (number, account) = (self.wishes, me.clone());
        let reply = ReplyTo::new(move |answer: Option<Result<SessionLease, Failure>>| {
            drop(account.cast(AccountMsg::Spared(number, answer.and_then(Result::ok))));
        });
        self.request(true, me, reply);
    }
}
