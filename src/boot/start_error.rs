//! Why nothing was started.

use crate::boot::lock::LockError;
use crate::store::{Disagreement, OpenError};
use postrider_core::failure::Failure;

/// Why the engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder is not ours.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The database.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// Database and data folder do not belong together.
    #[error(transparent)]
    Instance(#[from] Disagreement),
    /// Bodies, or a bug.
    #[error("{0}")]
    Failure(Failure),
}
