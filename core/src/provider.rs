//! The vocabulary of providers: where a server is, questions of runs, answers of sessions. A
//! provider speaks it in `src/provider`.

pub mod folders;
pub mod server;

use crate::mail::id::SessionId;

/// What a server can do on a session; whoever plans asks here, never for a protocol's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// It tells by itself when something happens in a folder.
    pub push: bool,
    /// No page is to ask for more messages than this: what a page brings is known when it has come.
    pub page: Option<usize>,
}

/// A session that is logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connected {
    /// Its number.
    pub session: SessionId,
    /// What the server can do there.
    pub capabilities: Capabilities,
}
