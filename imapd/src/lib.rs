//! A small IMAP4rev1 server: the demo's mailbox, and the peer that can be scripted to misbehave.
//!
//! It speaks the reading commands only. Mailboxes are changed from inside, through [`Mailbox`]; every command that was
//! received is kept in a log. Nothing here is meant for the open internet.

mod command;
mod fetch;
mod mailbox;
pub mod seed;
mod serve;
mod utf7;

pub use command::Misbehaviour;
pub use mailbox::{Folder, Mail, Mailbox};
pub use serve::{Server, User};
