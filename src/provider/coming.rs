//! Answers of a kind that is known only when they come.

use std::pin::Pin;

/// What is on its way, of a kind that is known only when it runs.
pub type Coming<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
