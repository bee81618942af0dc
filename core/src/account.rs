//! The account machine: owns a mailbox's cursor and decides what happens next; never does I/O itself.

pub mod advice;
mod compare;
mod conclude;
mod ending;
pub mod event;
mod evidence;
mod fill;
pub mod filter;
mod folders;
pub mod follow;
mod listing;
pub mod machine;
mod opening;
mod pass;
mod plan;
mod poison;
mod rename;
mod run;
pub mod schedule;
mod settings;
mod steps;
pub mod summary;
mod suspects;
