//! The tree: what is started, what is restarted, and after which verdict.

pub mod accounts;
pub mod exit;
pub mod root;
mod service;
