//! Sessions of an endpoint: their pool, their children, their leases. Never names its client.

pub mod actor;
pub mod args;
mod children;
pub mod lease;
pub mod message;
mod payments;
mod session;
mod till;

pub use lease::{LeaseRequest, OnHeld, SessionLease};
pub use payments::SpentRows;
pub use till::{Spent, TillView};
