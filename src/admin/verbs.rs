//! What an operator may have done to an account, a row each. The commands of the CLI, the routes of
//! the API and their description come from here.

use postrider_core::account::follow::Command;

/// A row of the table.
#[derive(Debug)]
pub struct VerbRow {
    /// The command's name, and the end of the route's path.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub help: &'static str,
    /// What the account is told.
    pub(crate) command: Command,
}

const fn verb(name: &'static str, help: &'static str, command: Command) -> VerbRow {
    VerbRow { name, help, command }
}

/// The table.
pub const VERBS: &[VerbRow] = &[
    verb(
        "pause",
        "Stop working on an account until it is resumed; survives restarts",
        Command::Pause,
    ),
    verb("resume", "Work on a paused account again", Command::Resume),
    verb(
        "cancel",
        "End the run of an account that is under way; the schedule goes on",
        Command::Cancel,
    ),
    verb(
        "sync-now",
        "Look at every folder of an account now, whatever failed before",
        Command::SyncNow,
    ),
    verb(
        "reset-errors",
        "Forget an account's failures, and put every message beside its server",
        Command::ResetErrors,
    ),
];

/// The verb of this name.
#[must_use]
pub fn verb_named(name: &str) -> Option<&'static VerbRow> {
    VERBS.iter().find(|verb| verb.name == name)
}

impl VerbRow {
    /// The route, with `{id}` where an account's id stands.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/v1/accounts/{{id}}/{}", self.name)
    }
}
