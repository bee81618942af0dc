//! IMAP4rev1 (RFC 3501), reading only: EXAMINE, never SELECT; nothing that changes a mailbox is
//! ever sent.

mod bearer;
mod changes;
mod conn;
mod counted;
mod counters;
mod cut;
mod deflate;
mod distrust;
mod examine;
mod failure;
mod fetch;
mod handover;
mod idle;
mod keys;
mod link;
mod login;
mod mechanisms;
mod notices;
mod notify;
mod offered;
mod opened;
mod page;
mod parts;
mod pieces;
mod proxy;
mod questions;
mod readahead;
mod recognise;
mod row;
mod scram;
mod session;
mod stream;
mod touched;
pub mod wire;

pub(super) use stream::ImapEndpoint;

/// The provider's word.
pub(super) const KIND: &str = "imap";
