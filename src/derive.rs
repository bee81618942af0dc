//! Derives the mail model from stored bytes, behind the sync and never in its way. What is derived can be thrown away;
//! what is still to be is a set in each account's row.

mod actor;
pub(crate) mod check;
mod piece;
pub(crate) mod read;

pub use actor::{DeriveActor, DeriveArgs, DeriveMsg, DeriveRequest};
