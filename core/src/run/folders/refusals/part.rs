//! How a folder has refused to be opened in this run.

use crate::failure::Failure;

/// What is known of it.
#[derive(Debug, Default)]
pub(in crate::run::folders) struct RefusalPart {
    /// It is refused, also where LIST still shows it: whether it is the server is asked behind all else.
    pub(super) refused: Option<Failure>,
    /// That was asked, and it answered.
    pub(super) tried: bool,
    /// It was answered without telling anything, and waits for another session.
    pub(super) bare: bool,
    /// Refusals of its EXAMINE.
    pub(super) count: u8,
}

impl RefusalPart {
    /// Whether it waits for what comes of them.
    pub(in crate::run::folders) fn is_open(&self) -> bool {
        self.refused.is_some() || self.bare
    }
}
