//! What was proved of a folder on this side: its bodies are what they are called, its rows have what they name, and as much is
//! held as was shown.

use crate::time::Micros;
use serde::{Deserialize, Serialize};

/// A folder, as it was found when all of it was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FolderProof {
    /// When that began.
    pub at: Micros,
    /// Messages that its server showed when it was proved last; none where that is told of no folder.
    pub server: Option<u64>,
    /// Messages that are held.
    pub held: u64,
    /// Open failures, and what a human leaves out.
    pub failures: u64,
    /// See `failures`.
    pub left_out: u64,
    /// SHA-256 of its lines of the manifest, in their order; hex.
    pub digest: String,
}
