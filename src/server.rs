//! What goes on: the server around an engine, which follows the config, its secrets, the disk and the
//! clock, and its faces.

mod collect;
mod deliver_hands;
mod drift;
pub mod edits;
mod face;
mod follow;
mod hear;
mod job_hands;
pub mod no_sync;
pub(crate) mod operator;
pub mod process;
mod push_ask;
mod push_hands;
mod repair_hands;
mod retention;
mod scrub;
pub mod serve;
pub mod serve_error;
mod space;
pub mod watchdog;
