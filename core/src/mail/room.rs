//! What mail on its way to the database takes of the process's memory.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// Memory that somebody has counted for what carries it: given back where the last copy is dropped. Mail
/// that nobody counts (of a test, of a commit without a page) has none.
#[derive(Clone, Default)]
pub struct Room(Option<Arc<dyn Any + Send + Sync>>);

impl Room {
    /// Held as long as `guard` is.
    pub fn held(guard: impl Any + Send + Sync) -> Self {
        Self(Some(Arc::new(guard)))
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Room").field(&self.0.is_some()).finish()
    }
}
