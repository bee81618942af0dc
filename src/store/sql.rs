//! The texts that are put to the database, by name, each with what it is given and what it answers:
//! no caller knows a dialect, and numbers of parameters are the same in all.

pub(super) mod change;
pub(super) mod commit;
pub(super) mod control;
pub(super) mod counts;
pub(super) mod credential;
pub(super) mod feeds;
pub(super) mod held;
pub(super) mod inserts;
pub(super) mod opening;
pub(super) mod points;
pub(super) mod query;
pub(super) mod quiet;
pub(super) mod reading;
pub(super) mod rematch;
pub(super) mod setting;
pub(super) mod shown;
pub(super) mod sqlite;

#[cfg(test)]
mod tests;
