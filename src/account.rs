//! The shell around an account's machine.

pub mod actor;
