//! One actor a mailbox.

pub mod actor;
pub mod args;
mod kept;
mod leases;
pub mod message;
mod question;
mod seat;
mod stall;
mod voice;
