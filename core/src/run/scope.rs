//! What a run is to look at, and how closely.

use crate::mail::id::FolderId;
use std::collections::BTreeMap;

/// How closely a pass looks. A quick one proves by counting that nothing left and fetches what
/// arrived; where the count does not fit, or flags are in question, it becomes a full one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// EXAMINE, and the arrivals.
    Quick,
    /// The same, and the flags of those messages of which the server has told by itself.
    Told,
    /// The whole index with its flags.
    #[default]
    Full,
}

/// What a run is to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// LIST and every folder, fully.
    #[default]
    Everything,
    /// The same, because a human asks: what is shut, or failed and is not due, is looked at too.
    Insist,
    /// The same, and nothing is believed of what counters prove: each index is compared.
    Doubt,
    /// These folders; LIST only if `list`.
    Some {
        /// Whether folders that appeared, left or were renamed are looked for.
        list: bool,
        /// Folders, and how closely.
        folders: BTreeMap<FolderId, Depth>,
    },
}

impl Scope {
    /// The one that looks more closely; of two alike the other one, of two that name folders both together.
    #[must_use]
    pub(crate) fn or(self, other: &Self) -> Self {
        match (self, other) {
            (Self::Some { list, mut folders }, Self::Some { list: also, folders: others }) => {
                for (folder, depth) in others {
                    let wanted = folders.entry(*folder).or_insert(*depth);
                    *wanted = (*wanted).max(*depth);
                }
                Self::Some { list: list || *also, folders }
            }
            (scope, other) if scope.rank() > other.rank() => scope,
            (_, other) => other.clone(),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Some { .. } => 0,
            Self::Everything => 1,
            Self::Insist => 2,
            Self::Doubt => 3,
        }
    }

    /// Whether a human asks.
    pub(crate) fn insists(&self) -> bool {
        matches!(self, Self::Insist | Self::Doubt)
    }
}
