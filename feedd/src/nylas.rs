//! Nylas v3: mailboxes of any provider, granted to an application, told by lists.

mod life;
mod mailbox;
pub mod seed;
mod serve;

pub use life::NylasLife;
pub use mailbox::{NylasApplication, NylasBox, NylasMail};
pub use serve::NylasServer;
