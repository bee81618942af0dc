//! Gmail's API: HTTP/2, a mailbox's changes told by message id.
//!
//! A session is one HTTP client of its own, hence a connection of its own. Its login is the profile:
//! that shows whether the token is good, whose mailbox it opens and where the history ends, so that
//! a pass without changes asks nothing more. No batch: eight questions at a time on one
//! connection cost the same, and each body is streamed.

mod api;
mod client;
mod endpoint;
mod failure;
mod history;
mod looks;
mod places;
mod pull;
mod push;
mod read;
mod watch;
mod wire;

pub(super) use endpoint::{GmailEndpoint, KIND};
pub(super) use pull::PubsubQueue;
pub(super) use push::{GmailPushes, SignedPushes};
pub(super) use wire::mailbox;
