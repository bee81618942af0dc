//! HTTP: clients, of which nobody else makes one, and what listens.

pub(crate) mod listen;
pub(crate) mod reach;

use std::time::Duration;

/// A client that waits so long for a connection, and follows no redirect: what it carries (a token,
/// a secret) is for one server. Who calls says what else ends a call.
#[expect(clippy::disallowed_methods, reason = "the one builder")]
pub(crate) fn builder(connect: Duration) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("postrider/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect)
        .redirect(reqwest::redirect::Policy::none())
        // Who wants an answer packed says so, and counts what it becomes.
        .no_gzip()
}
