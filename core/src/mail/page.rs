//! A page of mail: what one answer settled. It is moved, never cloned.

use crate::failure::Class;
use crate::mail::message::Fetched;
use crate::mail::uid_set::UidSet;

/// A UID that the index shows and that could not be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfetched {
    /// The UID.
    pub uid: u32,
    /// The class of what went wrong.
    pub class: Class,
    /// The server's words, or ours, for the ledger.
    pub text: String,
}

/// What an answer settled: every UID asked for is a row, gone, or failed.
#[derive(Debug, Default)]
pub struct Page {
    /// Messages whose bytes are sealed.
    pub rows: Vec<Fetched>,
    /// UIDs asked for that are no longer in the folder (absent from the index under a tagged OK).
    pub gone: UidSet,
    /// UIDs in the folder that could not be fetched.
    pub failed: Vec<Unfetched>,
}

impl Page {
    /// Every UID that the page settles.
    #[must_use]
    pub fn settled(&self) -> UidSet {
        let uids = self.rows.iter().map(|r| r.uid).chain(self.failed.iter().map(|f| f.uid));
        self.gone.union(&uids.collect())
    }

    /// Raw octets in the page.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.rows.iter().map(|r| r.body.length()).sum()
    }
}
