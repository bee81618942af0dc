//! Identifiers as newtypes, so that a folder's number is never taken for a message's.

use crate::mail::body::BodyHash;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

macro_rules! number {
    ($($(#[$doc:meta])* $name:ident($inner:ty);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

number! {
    /// Row number of an account.
    AccountId(i64);
    /// Row number of a folder.
    FolderId(i64);
    /// Row number of a message.
    MessageId(i64);
    /// Raised by the store whenever an account's cursors are handed out; a commit under an older
    /// one is refused.
    Incarnation(i64);
    /// IMAP UIDVALIDITY (RFC 3501 §2.3.1.1).
    UidValidity(u32);
    /// The id of an IMAP mailbox, which it keeps when it is renamed (RFC 8474 §4), short: the beginning
    /// of its SHA-256.
    MailboxId(u64);
    /// Names one live session of a process, and (being made from the wall clock) differs between
    /// processes too.
    SessionId(i64);
}

impl MailboxId {
    /// Of what a server says.
    #[must_use]
    pub fn of(id: &[u8]) -> Self {
        Self(
            Sha256::digest(id)
                .iter()
                .take(8)
                .fold(0, |number, octet| number << 8 | u64::from(*octet)),
        )
    }
}

/// A message's identity inside its account: `h:` and the SHA-256 of its bytes here; `em:`, `gm:`,
/// `ny:` where a provider has ids.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Identity(pub String);

impl Identity {
    /// The one that is made of these bytes.
    #[must_use]
    pub fn of_bytes(hash: BodyHash) -> Self {
        Self(format!("h:{hash}"))
    }

    /// The hash of the message's bytes in hex, where it is made of these.
    #[must_use]
    pub fn hash(&self) -> Option<&str> {
        self.0.strip_prefix("h:")
    }

    /// Whether it is made of the message's bytes.
    #[must_use]
    pub fn is_hash(&self) -> bool {
        self.hash().is_some()
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
