//! Small servers of APIs of mailboxes, over mailboxes in memory: Gmail's, told by labels, message ids and history (Gmail
//! API reference, v1), and Nylas's, told by lists (Nylas API v3). The demo follows them; the tests make them misbehave.

pub mod life;
pub mod mailbox;
pub mod nylas;
pub mod play;
pub mod seed;
pub mod serve;

pub use mailbox::GmailBox;
pub use nylas::{NylasApplication, NylasBox, NylasServer, NylasWebhook};
pub use play::{Play, Question, Script};
pub use serve::GmailServer;
