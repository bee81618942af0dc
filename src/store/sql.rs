//! The texts that are put to the database, by name, each with what it is given and what it answers:
//! no caller knows a dialect, and numbers of parameters are the same in all.

pub(super) mod asked;
pub(super) mod audit;
pub(super) mod change;
pub(super) mod check;
pub(super) mod commit;
pub(super) mod contacts;
pub(super) mod control;
pub(super) mod copies;
pub(super) mod counts;
pub(super) mod credential;
pub(super) mod deliver;
pub(super) mod derive;
pub(super) mod expired;
pub(super) mod failures;
pub(super) mod feeds;
pub(super) mod held;
pub(super) mod inbound;
pub(super) mod inserts;
pub(super) mod integrity;
pub(super) mod jobs;
pub(super) mod list;
pub(super) mod mail;
mod numbers;
pub(super) mod opening;
pub(super) mod packs;
mod place;
pub(super) mod points;
pub(super) mod postgres;
pub(super) mod query;
pub(super) mod quiet;
pub(super) mod reading;
pub(super) mod rematch;
pub(super) mod repair;
pub(super) mod repair_asked;
pub(super) mod setting;
pub(super) mod shown;
pub(super) mod sqlite;
pub(super) mod subscriptions;
pub(super) mod threads;
pub(super) mod words;

use sea_orm::Value;

/// Octets of values from which a write goes alone: then the way counts for nothing.
pub(in crate::store) const LARGE: usize = 16 * 1024;

/// Octets of a value that may have many.
fn octets(value: &Value) -> usize {
    match value {
        Value::String(Some(text)) => text.len(),
        Value::Bytes(Some(bytes)) => bytes.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
