//! How an account comes by its sessions.

use crate::account::actor::AccountState;
use crate::account::message::AccountMsg;
use crate::connection::message::PoolRequest;
use crate::connection::{LeaseRequest, SessionLease};
use crate::handle::Queued;
use crate::reply::ReplyTo;
use postrider_core::account::follow::Input;
use postrider_core::failure::{Class, Failure, Provenance, Reach};
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
        let (recalled, backlog) = (me.clone(), self.depth.clone());
        let request = LeaseRequest {
            account: self.args.name.clone(),
            endpoint: Arc::clone(&self.args.endpoint),
            credential: Arc::clone(&self.args.credential),
            patient: !self.args.rules.once,
            wish,
            known: self.follower.history().has_logged_in && !self.args.rules.once,
            reply,
            held: Arc::new(move |held| {
                drop(account.cast(AccountMsg::Input(Queued::new(Input::Held(held), &depth))));
            }),
            recalled: Arc::new(move || {
                // An account that is gone has given it back.
                drop(recalled.cast(AccountMsg::Input(Queued::new(Input::Recalled, &backlog))));
            }),
        };
        self.args.pool.send(PoolRequest::Lease(Box::new(request)));
    }

    /// A session for runs is wanted.
    pub(super) fn connect(&mut self, me: &ActorRef<AccountMsg>) {
        // Should it be exchanged before the login, that one is tried once more after a restart:
        // better than never.
        self.asked_with = self.args.credential.mark();
        self.latest.requests += 1;
        let (number, account) = (self.latest.requests, me.clone());
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

    /// One more is wanted, if one is to spare.
    pub(super) fn wish(&mut self, me: &ActorRef<AccountMsg>) {
        self.latest.wishes += 1;
        let (number, account) = (self.latest.wishes, me.clone());
        let reply = ReplyTo::new(move |answer: Option<Result<SessionLease, Failure>>| {
            drop(account.cast(AccountMsg::Spared(number, answer.and_then(Result::ok))));
        });
        self.request(true, me, reply);
    }
}
