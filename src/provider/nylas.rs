//! Nylas v3: HTTP, a mailbox of any provider's told by message id. There is no feed of changes: windows of a list stand for
//! one, and what is pushed names ids.
//!
//! A session is one HTTP client of its own. Its login is the folders: that shows whether the key is good, and whether the
//! grant is.

mod api;
mod behind;
mod calls;
mod client;
mod endpoint;
mod failure;
mod looks;
mod places;
mod push;
mod read;
mod signed;
mod webhooks;
mod wire;

pub(super) use endpoint::{KIND, NylasEndpoint};
pub(super) use push::NylasPushes;
pub(super) use signed::{SharedPushes, secrets};
pub(super) use webhooks::ask_webhook;
