//! The account machine: owns a mailbox's cursor and decides what happens next; never does I/O itself.

mod ending;
pub mod event;
mod evidence;
mod fill;
pub mod filter;
mod listing;
pub mod machine;
mod pass;
mod plan;
mod run;
mod steps;
pub mod summary;
