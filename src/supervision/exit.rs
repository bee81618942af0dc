//! How a child ended, as a failure: what it said, or, for a panic, where it was.

use postrider_core::failure::Failure;
use ractor::ActorProcessingErr;

/// The failure that an actor ended with.
#[must_use]
pub fn failure_of(error: &ActorProcessingErr) -> Failure {
    error.downcast_ref::<Failure>().cloned().unwrap_or_else(|| Failure::bug(error.to_string()))
}
