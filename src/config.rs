//! `config.toml`: what the file says ([`raw`]), and types that cannot be wrong ([`validate`]).

mod account;
mod api;
mod host;
mod listening;
mod mailbox;
mod naming;
mod nylas;
mod oauth;
pub mod place;
mod proxy;
pub mod raw;
mod recovery;
mod retention;
mod schedule;
mod scrub;
pub mod secret;
mod store;
mod subscriber;
mod taker;
mod units;
pub mod validate;
mod webhooks;

pub use account::{GMAIL, IMAP, NYLAS, known_download};
pub(crate) use host::is_loopback;
pub use listening::Listening;
pub use mailbox::{Account, SecretFrom};
pub use oauth::{OAuthClient, is_safe_url};
pub use place::{Place, ServerPlace};
pub use raw::{Flaw, Origin};
pub use schedule::Schedule;
pub use subscriber::{Subscriber, Target};
pub use validate::{Admin, Config, load, places};
pub use webhooks::Webhooks;

/// The environment; what is no UTF-8 is no setting of ours.
pub(crate) fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}
