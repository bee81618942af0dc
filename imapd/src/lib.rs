//! A small IMAP4rev1 server: the demo's mailbox, and the peer that can be scripted to misbehave.
//!
//! It speaks the reading commands, IDLE, and what another mail client needs to change a mailbox
//! (with UIDPLUS). Mailboxes are changed from inside too, through [`Mailbox`]; every command that
//! was received is kept in a log. Nothing here is meant for the open internet.

mod change;
mod command;
mod fetch;
mod idle;
pub mod life;
mod mailbox;
pub mod seed;
mod serve;
mod utf7;
mod view;

pub use command::Misbehaviour;
pub use mailbox::{Folder, Mail, Mailbox};
pub use serve::{Server, User};
