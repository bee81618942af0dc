//! Postrider: an always-on email sync server. A faithful, provable mirror of every mailbox in a
//! database you own.

pub mod account;
pub mod admin;
mod apart;
pub mod bodies;
pub mod boot;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connection;
pub mod credentials;
mod deliver;
pub mod demo;
pub mod derive;
pub mod fault;
mod feed;
pub mod handle;
mod http;
mod instant;
pub mod jobs;
pub mod provider;
mod push;
pub mod reply;
pub mod server;
pub mod store;
pub mod supervision;
pub mod telemetry;
mod verify;

use std::pin::Pin;

/// The command that the arguments name. Made here whole: a future that has a type of its own would be compiled once
/// more by whoever awaits it, with all that it waits for.
#[must_use]
pub fn command() -> Pin<Box<dyn Future<Output = cli::Exit>>> {
    Box::pin(cli::run(demo::run))
}
