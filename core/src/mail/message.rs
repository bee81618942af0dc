//! A message as it was read from a server.

use crate::mail::body::BodyRef;
use crate::mail::flags::Flags;
use crate::mail::id::Identity;
use crate::mime::HeaderFacts;
use crate::time::Micros;

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
    /// What its server calls its thread, where it tells that.
    pub thread: Option<String>,
    /// INTERNALDATE; `None` when the server said NIL or nothing.
    pub internal_date: Option<Micros>,
    /// What the header says.
    pub header: HeaderFacts,
    /// RFC822.SIZE, where it is another length than that of the bytes.
    pub announced: Option<u64>,
    /// Its bytes were not read for this: it is a message that we hold, and what its header says is
    /// stored.
    pub held: bool,
}

impl Fetched {
    /// Octets that its row takes in memory.
    #[must_use]
    pub fn row_octets(&self) -> u64 {
        let thread = self.thread.as_ref().map_or(0, String::len);
        let texts = self.identity.0.len() + self.flags.as_str().len() + thread;
        (size_of::<Self>() + texts) as u64 + self.header.octets()
    }
}
