//! What may be committed, and what a commit does to the rows. Pure: the store loads the rows a
//! commit touches, calls [`lane::admit`] and the [`ledger::Ledger`], and writes what they say in
//! the same transaction.

pub mod apply;
pub mod change;
pub mod clock;
pub mod event;
pub mod feed;
pub mod lane;
pub mod ledger;
pub mod limbo;
pub mod rows;
pub mod tally;
pub(crate) mod whole;
