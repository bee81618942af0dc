//! One decider for every failure: what happened, what happened before, and the time give a
//! [`decide::Verdict`].

pub mod asked;
pub mod backoff;
pub mod decide;
pub mod history;
pub mod table;
pub mod waiting;
