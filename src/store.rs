//! The database: one writer, a pool of readers, and the actor in front of them.

pub mod actor;
mod apply;
mod connect;
mod read;
mod rows;

pub use connect::{Database, OpenError, open, open_for_reading};
pub use read::{AccountInfo, ManifestRow, Reader, Which};
