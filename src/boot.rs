//! Putting parts together: the lock of the data folder, the engine, the server around it, edits of the config.

mod drift;
pub mod edits;
mod follow;
pub mod lock;
pub mod no_sync;
pub mod process;
pub mod serve;
mod space;
pub mod wiring;
