//! What a run came to, for people, exit codes and the run's row.

use crate::failure::{Class, Failure};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything that there was to do is done.
    Success,
    /// It ran to its end, and something was left.
    Partial,
    /// It ended before its end.
    Failed,
    /// Somebody stopped it.
    Cancelled,
}

impl Outcome {
    /// The stored word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Counters of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Folders looked at.
    pub folders: u64,
    /// Messages whose pages were committed.
    pub stored: u64,
    /// Raw octets of those.
    pub octets: u64,
    /// Flag changes and absences committed.
    pub facts: u64,
    /// Messages that could not be fetched.
    pub failed: u64,
    /// UIDs still to be read, as far as is known now.
    pub remaining: u64,
    /// Folders opened, dropped.
    pub folder_changes: u64,
}

impl Counts {
    /// Whether the run wrote anything that a reader can see.
    #[must_use]
    pub fn changed(&self) -> bool {
        self.stored + self.facts + self.failed + self.folder_changes > 0
    }
}

/// A run's end.
#[derive(Clone, Debug)]
pub struct Summary {
    /// How it ended.
    pub outcome: Outcome,
    /// Counters.
    pub counts: Counts,
    /// What was left, a line each.
    pub left: Vec<String>,
    /// What ended it early.
    pub failure: Option<Failure>,
    /// The class that decides the exit code, for `Failed`.
    pub class: Option<Class>,
}
