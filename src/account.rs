//! One actor a mailbox.

pub mod actor;
mod question;
mod voice;
