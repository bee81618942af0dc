//! What a folder that is open has told since: whether mail came, and nothing else happened.

use crate::provider::imap::changes::rows_of;
use crate::provider::imap::conn::Conn;
use crate::provider::imap::wire::response::{Condition, FetchLine, Response};
use postrider_core::failure::Failure;
use postrider_core::provider::folders::{Examined, Hint};

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
