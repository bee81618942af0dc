//! Budgets: how much may be asked of a server, of whom, and who is next. Pure.
//!
//! Every limit is kept before it is hit. A question costs units (what a unit is the provider says:
//! Gmail's quota units, octets of IMAP). Units come out of two meters, the account's own and the one
//! that all accounts of an endpoint share; each may have a rate and a day. 90 % of each is for
//! history, the rest is kept for the live lane, which also goes first. Who shares a meter takes
//! turns, counted in units.
//!
//! | what | promise |
//! |---|---|
//! | [`Bucket`] | no more than its limit in any window of its length |
//! | [`Day`] | no more than its limit in any 24 hours |
//! | [`Slots`] | no more than its limit at once; halved on "too many" |
//! | [`Budget`] | both meters, lanes, turns, waits |

mod bucket;
mod day;
mod lane;
mod meter;
mod slots;
mod turns;

pub use bucket::{Bucket, RateLimit};
pub use day::{Day, HOUR, Spending};
pub use lane::Lane;
pub use meter::{Allowance, MeterView, Wait};
pub use slots::Slots;
pub use turns::{Budget, Quota, Turn, WaitLine};

#[cfg(test)]
mod tests;
