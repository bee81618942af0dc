//! What a roster is told, and what it tells its shell.

use crate::account::follow::{Command, Past};
use crate::failure::Failure;
use crate::recovery::decide::Policy;
use crate::recovery::history::History;
use std::time::Duration;

/// How many may run, and how fast they may be started: no herd after a restart.
#[derive(Clone, Copy, Debug)]
pub struct Admission {
    /// Accounts that run at a time.
    pub at_a_time: usize,
    /// Starts in a second.
    pub starts_per_second: u32,
}

/// An account that the config names.
#[derive(Clone, Debug)]
pub struct Enrolled {
    /// Its id.
    pub name: String,
    /// The id it had before.
    pub was: Option<String>,
    /// What keeps it from being followed until its config or secret changes.
    pub refused: Option<Failure>,
    /// As stored.
    pub past: Past,
}

/// An actor that died.
#[derive(Debug)]
pub struct Death {
    /// Its number.
    pub number: u64,
    /// Of what.
    pub failure: Failure,
    /// How its account is waited for.
    pub policy: Policy,
}

/// What happens.
#[derive(Debug)]
pub enum RosterEvent {
    /// The config names an account, or names it anew.
    Enrolled(Box<Enrolled>),
    /// The config no longer names it.
    Dropped(String),
    /// A human wants something of it.
    Commanded(String, Command),
    /// The actor of this number tells what its account went through.
    Went(String, u64, Past),
    /// The actor of this number has ended of its own will, with this history.
    Ended(String, u64, History),
    /// The actor of this number died.
    Died(String, Death),
    /// The wait after the death of the actor of this number is over.
    RestartDue(String, u64),
    /// The account's rows bear its new id.
    Renamed(String),
    /// Another account's rows bear it: these stay as they are.
    RenameTaken(String),
    /// The new id could not be stored.
    RenameFailed(String),
    /// The wait after that is over.
    RenameDue(String),
    /// See who may start.
    Admit,
    /// The process ends.
    Stop,
}

impl RosterEvent {
    /// Whether this is an edit about an account of this id, or about one that had it.
    pub(super) fn edits(&self, name: &str) -> bool {
        match self {
            Self::Enrolled(enrolled) => {
                enrolled.name == name || enrolled.was.as_deref() == Some(name)
            }
            Self::Dropped(dropped) => dropped == name,
            _ => false,
        }
    }
}

/// What the shell is to do.
#[derive(Debug)]
pub enum RosterAction {
    /// Start the account's actor under this number.
    Start(String, u64, Past),
    /// Tell its actor to settle what it has in hand, and to end.
    Stop(String),
    /// This is what its next incarnation is to know: for who would have to start this roster anew.
    Keep(String, Past),
    /// Give the command to its actor.
    Obey(String),
    /// The command cannot be carried out.
    Conflict(&'static str),
    /// Store the account's new id: what was, what is.
    Rename(String, String),
    /// Nobody is called this any more.
    Forget(String),
    /// Store that the account is no longer followed.
    Removed(String),
    /// It cannot be followed before something changes: show it; its rows are to say so, too, if
    /// they are its own.
    Refused(String, Failure, Owns),
    /// Its actor died of this. Send [`RosterEvent::RestartDue`] after the wait.
    Restarting(String, u64, Failure, Duration),
    /// Its actor died of this, and is not started again by itself.
    Fallen(String, Failure),
    /// Send [`RosterEvent::RenameDue`] after the wait.
    RenameAfter(String, Duration),
    /// Send [`RosterEvent::Admit`] after the wait.
    AdmitAfter(Duration),
}

/// Whether the rows under an account's id are its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owns {
    /// They are.
    Its,
    /// They are another account's.
    Another,
}
