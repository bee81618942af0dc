//! Feeds: the same with a model server that tells its changes by message id, in four kinds. Reads
//! may show the past; a change is told once.

mod check;
mod config;
mod hands;
mod owner;
mod replies;
mod scheduler;
mod server;
mod store;
mod talk;

pub(crate) use scheduler::FeedWorld;
