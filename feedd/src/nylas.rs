//! Nylas v3: mailboxes of any provider, granted to an application, told by lists.

mod life;
mod mailbox;
pub mod seed;
mod serve;
mod webhooks;

pub use life::NylasLife;
pub use mailbox::{NylasApplication, NylasBox, NylasMail, NylasWebhook};
pub use serve::NylasServer;
