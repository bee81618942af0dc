//! Putting parts together: the lock of the data folder, the engine, the server around it, edits of
//! the config.

mod drift;
pub mod edits;
mod face;
mod follow;
pub(crate) mod given;
pub mod grants;
mod hear;
pub mod lock;
pub mod no_sync;
pub(crate) mod operator;
mod place;
pub mod process;
mod remembered;
pub mod serve;
pub mod serve_error;
mod space;
mod spent;
pub mod wiring;
