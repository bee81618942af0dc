//! Messages of another length than RFC822.SIZE announced: another session is to say the same.
//!
//! A suspect is a failure row that is due at once, and its sealed bytes are kept. Asked for alone
//! on another session, the length of RFC822.SIZE or the same length twice is the mail. After three
//! equal ones the server is known to estimate: the kept bytes are committed as they are, and
//! nothing is asked twice any more.

use crate::failure::Class;
use crate::mail::id::FolderId;
use crate::mail::message::Fetched;
use crate::mail::page::{Again, Page, Suspect, Unfetched};
use crate::mail::uid_set::UidSet;
use crate::run::context::{RunEffects, RunFacts};
use crate::run::folders::context::FolderCx;
use crate::run::folders::fills::Fills;
use crate::run::folders::folder::{Folder, Owner};
use crate::run::folders::set::Folders;

/// Suspects of a folder whose bytes are kept; what is beyond is fetched again.
const KEPT: usize = 2000;
/// Equal lengths after which a server is known to estimate; so many suspects are not left to the
/// end of the run.
const EQUAL: u32 = 3;

impl Fills {
    /// Takes the suspects out of a page that is no retry: they become failure rows, to be tried
    /// elsewhere.
    pub(super) fn suspect(&mut self, id: FolderId, page: &mut Page, cx: &mut FolderCx<'_>) {
        let session = cx.run.session();
        let Some(folder) = cx.folders.get_mut(&id) else { return };
        for suspect in std::mem::take(&mut page.suspects) {
            let uid = suspect.fetched.uid;
            page.failed.push(unequal(uid, &suspect, Again::Elsewhere));
            folder.fill.lone.insert(uid);
            if folder.fill.suspects.len() < KEPT {
                folder.fill.suspects.insert(uid, suspect);
            }
            self.suspicious = session;
        }
    }

    /// Judges what another session says of a suspect that was asked for alone.
    pub(super) fn judge_suspects(&mut self, id: FolderId, page: &mut Page, cx: &mut FolderCx<'_>) {
        let Some(Folder { fill, .. }) = cx.folders.get_mut(&id) else { return };
        let mut right = false;
        for row in &page.rows {
            right |= fill.suspects.remove(&row.uid).is_some();
        }
        for suspect in std::mem::take(&mut page.suspects) {
            let uid = suspect.fetched.uid;
            match fill.suspects.remove(&uid) {
                Some(kept) if kept.fetched.body.length() == suspect.fetched.body.length() => {
                    self.equal_sizes += 1;
                    page.rows.push(as_announced(suspect));
                }
                // There is no other word to compare with: it is one now.
                None => {
                    page.failed.push(unequal(uid, &suspect, Again::Elsewhere));
                    fill.lone.insert(uid);
                    fill.suspects.insert(uid, suspect);
                    self.suspicious = cx.run.session();
                }
                Some(_) => page.failed.push(unequal(uid, &suspect, Again::Spaced)),
            }
        }
        if right {
            // It was the other session that cut them: what it said of the others is not kept.
            for Folder { fill, .. } in cx.folders.values_mut() {
                let kept = fill.lone.intersect(&fill.suspects.keys().copied().collect());
                fill.due = fill.due.union(&kept);
                fill.suspects.clear();
            }
            self.suspicious = None;
        }
        if cx.folders.values().all(|f| f.fill.suspects.is_empty()) {
            self.suspicious = None;
        }
        if self.equal_sizes >= EQUAL && !cx.run.account().sizes_estimated {
            cx.run.estimate_sizes(Owner::Nobody);
        }
    }

    /// Whether suspects are to be asked for before anything else is.
    pub(in crate::run::folders) fn has_many_suspects(&self, folders: &Folders) -> bool {
        self.suspicious.is_some() && {
            let open = |f: &Folder| f.fill.open_suspects(&f.row.failures);
            folders.values().map(open).sum::<u64>() >= u64::from(EQUAL)
        }
    }

    /// What is kept and need not be asked for: the server estimates. One page of it, if there is
    /// some.
    pub(super) fn believed(
        &self,
        id: FolderId,
        size: usize,
        cx: &mut FolderCx<'_>,
    ) -> Option<Page> {
        if !cx.run.account().sizes_estimated {
            return None;
        }
        let Folder { fill, .. } = cx.folders.get_mut(&id)?;
        let uids: UidSet = fill.suspects.keys().copied().take(size).collect();
        if uids.is_empty() {
            return None;
        }
        let rows =
            uids.iter().filter_map(|uid| fill.suspects.remove(&uid)).map(as_announced).collect();
        fill.lone = fill.lone.minus(&uids);
        Some(Page { rows, ..Page::default() })
    }
}

fn as_announced(suspect: Suspect) -> Fetched {
    Fetched { announced: Some(suspect.announced), ..suspect.fetched }
}

fn unequal(uid: u32, suspect: &Suspect, again: Again) -> Unfetched {
    let (came, announced) = (suspect.fetched.body.length(), suspect.announced);
    let text = format!("{came} octets came where RFC822.SIZE says {announced}").into();
    Unfetched { uid, class: Class::InvalidData, text, again, came: None }
}
