//! What an answer tells of the changes of a folder (RFC 7162), as it comes, within bounds.

use crate::provider::imap::wire::response::{FetchLine, Response};
use postrider_core::mail::uid_flags::UidFlags;
use postrider_core::mail::uid_set::UidSet;
use postrider_core::provider::folders::Changed;

/// Rows of an index.
const INDEX_ROWS: usize = 5_000_000;
/// Octets of the distinct flag sets of an answer.
pub(in crate::provider::imap) const FLAG_OCTETS: usize = 16 * 1024 * 1024;
/// Ranges of UIDs that are told to have gone.
const RANGES: usize = 1_000_000;

/// Rows that an index may have, of a folder of so many messages.
pub(in crate::provider::imap) fn index_limit(exists: u32) -> usize {
    (exists as usize * 2).min(INDEX_ROWS) + 10_000
}

/// What an answer tells of changes, as it comes.
#[derive(Debug)]
pub(in crate::provider::imap) struct Changes {
    /// Rows that there may be.
    pub(in crate::provider::imap) most: usize,
    rows: UidFlags,
    vanished: Vec<(u32, u32)>,
    /// What it tells is unknown: a line names a UID and no flags, or may be another folder's.
    bare: bool,
    octets: usize,
    stray: usize,
}

impl Changes {
    pub(in crate::provider::imap) fn up_to(most: usize) -> Self {
        let (rows, vanished) = (UidFlags::default(), Vec::new());
        Self { most, rows, vanished, bare: false, octets: 0, stray: 0 }
    }

    /// Takes a response; returns whether there may be more.
    pub(in crate::provider::imap) fn take(&mut self, response: Response) -> bool {
        match response {
            Response::Vanished { earlier: true, uids } => {
                self.stray += 1;
                self.vanished.extend(uids.ranges());
            }
            Response::Fetch(FetchLine {
                uid: Some(uid),
                flags: Some(flags),
                mended: false,
                closed: true,
                ..
            }) => {
                self.octets += self.rows.push(uid, flags);
            }
            Response::Fetch(FetchLine { uid: Some(_), .. }) => {
                self.bare = true;
                self.stray += 1;
            }
            Response::Fetch(_) | Response::List { .. } => self.stray += 1,
            _ => {}
        }
        let fits = self.octets <= FLAG_OCTETS && self.vanished.len() <= RANGES;
        fits && self.rows.len() + self.stray <= self.most
    }

    /// Whether nothing has been told yet.
    pub(in crate::provider::imap) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.vanished.is_empty() && self.stray == 0
    }

    /// What has been told was not about this folder.
    pub(in crate::provider::imap) fn forget(&mut self) {
        *self = Self::up_to(self.most);
    }

    /// What has been told may not be about this folder.
    pub(in crate::provider::imap) fn doubt(&mut self) {
        self.bare = true;
    }

    /// What has changed, if that can be read; `by_uid`: with what went.
    pub(in crate::provider::imap) fn told(self, by_uid: bool) -> Option<Changed> {
        let vanished = by_uid.then(|| UidSet::of_ranges(self.vanished));
        (!self.bare).then(|| Changed { rows: self.rows.finished(), vanished })
    }
}
