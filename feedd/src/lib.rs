//! A small server of Gmail's API: one mailbox in memory, told by labels, message ids and history, as
//! Gmail tells it (Gmail API reference, v1). The demo follows it; the tests make it misbehave.

pub mod life;
pub mod mailbox;
pub mod seed;
pub mod serve;

pub use mailbox::GmailBox;
pub use serve::{GmailServer, Play, Question, Script};
