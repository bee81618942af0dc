//! Postrider's pure logic: what mail is, what may be committed, what an account does next, what a
//! failure leads to.
//!
//! No runtime, no network, no database, no clock, no randomness: the manifest has none of them. The
//! shells around it pass time and answers in and carry out the actions that come back.

#[macro_use]
mod words;

pub mod account;
pub mod batch;
pub mod budget;
pub mod commit;
pub mod contact;
pub mod deliver;
pub mod derive;
pub mod endpoint;
pub mod failure;
pub mod haste;
pub mod invariant;
pub mod job;
pub mod list;
pub mod mail;
pub mod mime;
pub mod oauth;
pub mod plain;
pub mod pool;
pub mod proof;
pub mod provider;
pub mod recovery;
pub mod retention;
pub mod roster;
pub mod run;
pub mod scrub;
pub mod standing;
pub mod thread;
pub mod time;
pub mod wanted;
pub mod word;
