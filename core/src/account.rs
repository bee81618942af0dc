//! An account's life: when it runs, what it watches between runs, what a human may want of it.

pub mod advice;
pub mod follow;
pub mod machine;
pub mod schedule;
