//! IMAP4rev1 (RFC 3501), reading only: EXAMINE, never SELECT; nothing that changes a mailbox is
//! ever sent.

mod conn;
mod failure;
mod hints;
mod link;
mod login;
mod look;
mod mail;
mod session;
pub mod wire;

pub(super) use link::stream::ImapEndpoint;

/// The provider's word.
pub(super) const KIND: &str = "imap";
