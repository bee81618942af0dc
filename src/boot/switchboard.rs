//! Where commands and control writes of operators go.

use crate::account::message::{NotObeyed, Obeyed};
use crate::handle::Handle;
use crate::reply::ReplyTo;
use crate::store::Done;
use crate::store::message::{StoreMsg, StoreRequest};
use crate::store::orders::Control;
use crate::supervision::accounts::{AccountsMsg, AccountsRequest};
use postrider_core::account::follow::{Command, Conflict};
use postrider_core::failure::Failure;
use postrider_core::provider::push::PushHint;
use std::time::Duration;
use tokio::sync::oneshot;

/// Longest wait for what a command has changed to be durable: longer than the database may take to refuse it.
const COMMAND: Duration = Duration::from_secs(50);

/// Where commands and control writes go.
#[derive(Clone, Debug)]
pub struct Switchboard {
    pub(super) store: Handle<StoreMsg>,
    pub(super) accounts: Handle<AccountsMsg>,
}

impl Switchboard {
    /// Gives an account a command; answered when it is durable.
    pub async fn command(&self, account: &str, command: Command) -> Obeyed {
        let (done, answer) = oneshot::channel();
        let reply = ReplyTo::new(move |answer: Option<Obeyed>| drop(done.send(answer)));
        self.accounts.send(AccountsRequest::Command(account.to_owned(), command, reply));
        match tokio::time::timeout(COMMAND, answer).await {
            Ok(Ok(Some(obeyed))) => obeyed,
            Ok(_) => Err(Conflict("the account's actor has just ended; ask again").into()),
            Err(_) => Err(NotObeyed::Late),
        }
    }

    /// The same, for who needs no answer.
    pub fn tell(&self, account: &str, command: Command) {
        self.accounts.send(AccountsRequest::Command(
            account.to_owned(),
            command,
            ReplyTo::new(|_| ()),
        ));
    }

    /// Tells an account that its provider has told of something.
    pub(crate) fn push(&self, account: &str, hint: PushHint) {
        self.accounts.send(AccountsRequest::Pushed(account.to_owned(), hint));
    }

    /// Writes something of an operator.
    ///
    /// # Errors
    /// Class storage.
    pub async fn control(&self, control: Control, deadline: Duration) -> Result<Done, Failure> {
        let (done, answer) = oneshot::channel();
        let reply =
            ReplyTo::new(move |answer: Option<Result<Done, Failure>>| drop(done.send(answer)));
        self.store.send(StoreRequest::Control(control, reply));
        let late = || Failure::storage("the database did not answer in time");
        let answer = tokio::time::timeout(deadline, answer).await.map_err(|_| late())?;
        answer
            .ok()
            .flatten()
            .unwrap_or_else(|| Err(Failure::storage("the store ended before it answered")))
    }
}
