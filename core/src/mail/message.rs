//! A message as it was read from a server.

use crate::mail::body::BodyRef;
use crate::mail::flags::Flags;
use crate::mail::id::Identity;
use crate::time::Micros;
use serde::{Deserialize, Serialize};

/// How well a header could be read. A mail that does not parse is stored and is not a failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parse {
    /// Read as it should be.
    #[default]
    Ok,
    /// Read, with something missing or repaired.
    Lenient,
    /// Not read: only the bytes are kept.
    Failed,
}

impl Parse {
    /// The stored word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Lenient => "lenient",
            Self::Failed => "failed",
        }
    }
}

/// What the header says: attributes for people and searches, never identity. All text is free of
/// NUL and bounded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderFacts {
    /// How well it could be read.
    pub parse: Parse,
    /// Message-ID without angle brackets.
    pub message_id: Option<String>,
    /// Subject, decoded.
    pub subject: Option<String>,
    /// From, as `Name <address>` joined by commas.
    pub from: Option<String>,
    /// To, likewise.
    pub to: Option<String>,
    /// Cc, likewise.
    pub cc: Option<String>,
    /// Date header.
    pub date: Option<Micros>,
}

/// A message with its bytes sealed, ready to be committed.
#[derive(Debug)]
pub struct Fetched {
    /// UID in the folder it was read from.
    pub uid: u32,
    /// Identity in the account.
    pub identity: Identity,
    /// The sealed bytes.
    pub body: BodyRef,
    /// Flags as the same FETCH told them.
    pub flags: Flags,
    /// Modification sequence, where the server has them.
    pub modseq: Option<i64>,
    /// INTERNALDATE; `None` when the server said NIL or nothing.
    pub internal_date: Option<Micros>,
    /// What the header says.
    pub header: HeaderFacts,
    /// RFC822.SIZE, where it is another length than that of the bytes.
    pub announced: Option<u64>,
}
