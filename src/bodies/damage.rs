//! What may be wrong with what lies in a pack.

use postrider_core::mail::body::BodyHash;
use std::io;

/// Why a body is not what its row says.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// The pack cannot be read there.
    #[error("pack {pack} cannot be read at {offset}: {source}")]
    Unreadable {
        /// The pack.
        pack: i64,
        /// Where.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },
    /// What lies there is no frame, or not all of one.
    #[error("what lies in pack {pack} at {offset} cannot be expanded: {source}")]
    Frame {
        /// The pack.
        pack: i64,
        /// Where.
        offset: u64,
        /// What the library said.
        source: io::Error,
    },
    /// The bytes have another hash.
    #[error("the bytes hash to {found}, not to {wanted}")]
    Hash {
        /// What the row says.
        wanted: BodyHash,
        /// What the disk holds.
        found: BodyHash,
    },
    /// The bytes could not be passed on.
    #[error("cannot write: {0}")]
    Out(io::Error),
}

impl Damage {
    /// Whether nothing could be read at all, which another time may be otherwise.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        matches!(self, Self::Unreadable { .. })
    }
}
