//! What an answer tells of the changes of a folder (RFC 7162), as it comes, within bounds.

use crate::provider::imap::conn::Conn;
use crate::provider::imap::questions::rows_of;
use crate::provider::imap::wire::response::{Condition, FetchLine, Response};
use postrider_core::failure::Failure;
use postrider_core::mail::uid_flags::UidFlags;
use postrider_core::mail::uid_set::UidSet;
use postrider_core::provider::folders::{Changed, Examined, Hint};

/// Octets of the distinct flag sets of an answer.
pub(super) const FLAG_OCTETS: usize = 16 * 1024 * 1024;
/// Ranges of UIDs that are told to have gone.
const RANGES: usize = 1_000_000;

/// What an answer tells of changes, as it comes.
#[derive(Debug)]
pub(super) struct Changes {
    /// Rows that there may be.
    pub(super) most: usize,
    rows: UidFlags,
    vanished: Vec<(u32, u32)>,
    /// A line that names a UID and no flags: what it tells is unknown.
    bare: bool,
    octets: usize,
    stray: usize,
}

impl Changes {
    pub(super) fn up_to(most: usize) -> Self {
        let (rows, vanished) = (UidFlags::default(), Vec::new());
        Self { most, rows, vanished, bare: false, octets: 0, stray: 0 }
    }

    /// Takes a response; returns whether there may be more.
    pub(super) fn take(&mut self, response: Response) -> bool {
        match response {
            Response::Vanished { earlier: true, uids } => {
                self.stray += 1;
                self.vanished.extend(uids.ranges());
            }
            Response::Fetch(FetchLine {
                uid: Some(uid), flags: Some(flags), closed: true, ..
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

    /// What has changed, if that can be read; `by_uid`: with what went.
    pub(super) fn told(self, by_uid: bool) -> Option<Changed> {
        let vanished = by_uid.then(|| UidSet::of_ranges(self.vanished));
        (!self.bare).then(|| Changed { rows: self.rows.finished(), vanished })
    }
}

impl Conn {
    /// The counters of the folder that is open, which is not opened anew: EXISTS as it was told
    /// meanwhile, and the UIDs from the last known UIDNEXT on. None where that is not sure: it is not
    /// open, something came or went while it was asked, or it is empty (some refuse `n:*` then).
    pub(super) async fn counted_on(
        &mut self,
        remote_id: &[u8],
    ) -> Result<Option<Examined>, Failure> {
        let open = self.selected.as_ref().filter(|open| open.remote_id == remote_id);
        let Some(open) = open.filter(|open| !open.examined.inferred && open.exists > 0) else {
            return Ok(None);
        };
        let (mut examined, limit) = (open.examined, rows_of(open.exists));
        examined.exists = open.exists;
        let flags = self.unasked.take().filter(|hint| *hint == Hint::Flags);
        let command = format!("UID FETCH {}:* (UID)", examined.uidnext);
        let tag = self.send(command.as_bytes(), false).await?;
        let mut rows = 0;
        let told = self
            .until_more(&tag, |response| {
                if let Response::Fetch(FetchLine { uid: Some(uid), closed: true, .. }) = response {
                    examined.uidnext = examined.uidnext.max(uid.saturating_add(1));
                }
                rows += 1;
                rows <= limit
            })
            .await?;
        let is_sure = told.status == Condition::Ok && self.unasked != Some(Hint::Counts);
        self.unasked = self.unasked.or(flags);
        if let Some(open) = self.selected.as_mut().filter(|_| is_sure) {
            open.examined = examined;
        }
        Ok(Some(examined).filter(|_| is_sure))
    }
}
