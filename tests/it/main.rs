//! Everything that needs more than pure code: one binary, real servers where there are any.
#![expect(clippy::disallowed_methods, reason = "deadlines of tests")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod admin;
mod anew;
mod bounds;
mod budget;
mod circles;
mod config;
mod counts;
mod crash_at_every_step;
mod door;
mod dovecot;
mod durable;
mod edits;
mod emulated;
mod faults;
mod feeds;
mod fuzz;
mod gate;
mod gmail;
mod gmail_faults;
mod gmail_http2;
mod gmail_untold;
mod grants;
mod grants_away;
mod helping;
mod hostile;
mod logins;
mod migration;
mod notify;
mod oauth;
mod pieces;
mod poison;
mod power_loss;
mod proxy;
mod recognised;
mod renewals;
mod secrets;
mod serve;
mod sizes;
mod storage;
mod storm;
mod supervision;
mod support;
mod sync;
mod tidy;
