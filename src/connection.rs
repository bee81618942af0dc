//! Sessions of an endpoint: their pool, their children, their leases. Never names its client.

pub mod actor;
pub mod args;
mod budget;
mod children;
pub mod lease;
pub mod message;
mod session;

pub use budget::payments::SpentRows;
pub use budget::till::{Spent, TillView};
pub use lease::{LeaseRequest, OnHeld, SessionLease};
