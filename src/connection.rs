//! Sessions of an endpoint: their pool, their children, their leases. Never names its client.

pub mod actor;
pub mod lease;
pub mod message;
mod session;

pub use lease::{LeaseRequest, OnHeld, SessionLease};
