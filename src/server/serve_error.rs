//! Why a server did not start, or did not go on.

use crate::admin::token::TokenError;
use crate::boot::start_error::StartError;
use crate::config::Flaw;
use crate::http::listen::TlsError;

/// Why the server did not start, or did not go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The engine.
    #[error(transparent)]
    Start(#[from] StartError),
    /// What config and database say against each other.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Config(Vec<Flaw>),
    /// The token file.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Certificate or key.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address is taken, or not ours.
    #[error("{key}: cannot listen on {listen}: {source}; choose another address")]
    Listen {
        /// What in the config says so.
        key: &'static str,
        /// The address.
        listen: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// Something of the system.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What it said.
        source: std::io::Error,
    },
    /// A signal came while it was starting.
    #[error("stopped while starting")]
    Stopped,
    /// Another process has the database.
    #[error(
        "the database has been taken over: {0} has written since. This process ends, since one alone writes; `postrider serve \
         --take-over` would take it back"
    )]
    Taken(String),
    /// The tree ended by itself.
    #[error("the server has ended by itself: an actor died too often; see the log")]
    Ended,
}
