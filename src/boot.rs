//! What starts: the lock of the data folder, and the engine with what ties its parts together.

pub mod claims;
mod ends;
pub(crate) mod given;
pub mod grants;
pub mod lock;
mod place;
mod remembered;
mod spent;
pub mod start_error;
pub mod switchboard;
pub mod wiring;
