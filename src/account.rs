//! One actor a mailbox.

pub mod actor;
pub mod args;
pub mod message;
mod question;
mod voice;
