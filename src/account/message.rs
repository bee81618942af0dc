//! What an account's actor is told.

use crate::connection::lease::SessionLease;
use crate::handle::Queued;
use crate::reply::ReplyTo;
use postrider_core::account::follow::{Command, Conflict, Input, Status};
use postrider_core::failure::Failure;
use postrider_core::provider::push::PushHint;

/// What came of a command: what the account does now, and the number of the run that it will have
/// ended with.
pub type Obeyed = Result<(Status, u64), NotObeyed>;

/// Why a command was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotObeyed {
    /// It makes no sense now.
    Conflict(Conflict),
    /// What it was to change cannot be stored now: it has changed nothing.
    NotStored,
    /// Nobody has answered in time: what becomes of it is seen by `status`.
    Late,
}

impl AccountMsg {
    /// Whether it moves the run that is under way: an answer, a commit, a session, a slot, the end of a wait. Hints, commands
    /// and the follower's own timer do not.
    pub(super) fn is_of_run(&self) -> bool {
        match self {
            Self::Input(input) => {
                input.is(|input| matches!(input, Input::Machine(..) | Input::Granted(_)))
            }
            Self::Leased(..) | Self::Woke(_) => true,
            _ => false,
        }
    }
}

impl From<Conflict> for NotObeyed {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict(conflict)
    }
}

/// What the actor is told.
#[derive(Debug)]
pub enum AccountMsg {
    /// Something for the follower.
    Input(Queued<Input>),
    /// A lease, for the request of this number.
    Leased(u64, Result<SessionLease, Failure>),
    /// The session that was wished for, if there was one to spare.
    Spared(u64, Option<SessionLease>),
    /// Its provider tells of something.
    Pushed(PushHint),
    /// What outlives the process could not be stored.
    NotKept,
    /// A run that is at work is looked at.
    Looked,
    /// The timer of a run.
    Woke(u64),
    /// The follower's timer.
    Ticked(u64),
    /// Something that worked for it panicked: it ends with this, and is started again.
    Died(Failure),
    /// A command; answered when what it changed is durable.
    Command(Command, ReplyTo<Obeyed>),
}
