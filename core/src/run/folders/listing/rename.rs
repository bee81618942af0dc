//! A missing folder under a new name: equal UIDVALIDITY and, of a sample of our rows, most are there
//! and all those agree in UID, size and INTERNALDATE; of one without rows, the same MAILBOXID (RFC
//! 8474). Decided before a new name is opened.

use crate::commit::change::FolderChange;
use crate::mail::folder::ListedFolder;
use crate::mail::id::{FolderId, MailboxId};
use crate::mail::uid_set::UidSet;
use crate::provider::folders::{Examined, Request, Sampled};
use crate::run::context::RunEffects;
use crate::run::event::Token;
use crate::run::folders::listing::state::{At, Candidates, Listing, Matching};
use crate::run::folders::state::{Cx, FolderWork};
use crate::run::reads::Query;
use crate::run::scope::Depth;
use std::collections::BTreeMap;

/// Whether the server's rows are ours: most of the sample is there, and all that is there agrees.
fn agrees(ours: &[Sampled], theirs: &[Sampled]) -> bool {
    let theirs: BTreeMap<u32, &Sampled> = theirs.iter().map(|row| (row.uid, row)).collect();
    let mut there = 0;
    for row in ours {
        match theirs.get(&row.uid) {
            Some(found) if **found == *row => there += 1,
            Some(_) => return false,
            None => {}
        }
    }
    there * 2 > ours.len()
}

impl FolderWork {
    /// Goes on with the next new name, or, when all are compared, with what is still missing.
    pub(in crate::run::folders) fn match_folders(
        &mut self,
        mut matching: Matching,
        cx: &mut Cx<'_>,
    ) {
        let next = matching.todo.pop_front().filter(|_| !matching.missing.is_empty());
        match next.map(|name| (self.folders.named(&name.remote_id).map(|f| f.row.id), name)) {
            // A rename that was on its way when LIST was asked anew has been stored since.
            Some((Some(folder), name)) => {
                self.found_again(&mut matching, folder, &name);
                self.match_folders(matching, cx);
            }
            Some((None, name)) => {
                let request = Request::examine(name.remote_id.clone());
                matching.at = At::Examining(name);
                self.listing = Listing::Matching(Box::new(matching));
                cx.ask(self.list_owner(), request);
            }
            None => self.judge_missing(matching.work, matching.missing, cx),
        }
    }

    /// `None`: the new name cannot be opened, or not be sampled. What is missing may be there: it
    /// takes two looks to end it.
    pub(in crate::run::folders) fn on_match_examined(
        &mut self,
        mut matching: Matching,
        examined: Option<Examined>,
        cx: &mut Cx<'_>,
    ) {
        let At::Examining(name) = std::mem::replace(&mut matching.at, At::Start) else {
            return self.match_folders(matching, cx);
        };
        let Some(examined) = examined else { return self.match_folders(matching, cx) };
        let same = |id: &&FolderId| {
            self.folders.get(id).is_some_and(|f| {
                let live = &f.lanes.live;
                !f.row.excluded
                    && live.uidvalidity == examined.uidvalidity
                    && !f.is_other(&examined)
                    && examined.uidnext >= live.mark.uidnext
            })
        };
        let folders: Vec<FolderId> = matching.missing.iter().filter(same).copied().collect();
        self.match_next(matching, Candidates { name, examined, folders }, cx);
    }

    fn match_next(&mut self, mut matching: Matching, candidates: Candidates, cx: &mut Cx<'_>) {
        match candidates.folders.last().copied() {
            Some(folder) => {
                let token = cx.read(self.list_owner(), Query::Sample { folder, part: None });
                matching.at = At::Reading(candidates, token);
                self.listing = Listing::Matching(Box::new(matching));
            }
            None => self.match_folders(matching, cx),
        }
    }

    pub(in crate::run::folders) fn on_match_rows(
        &mut self,
        token: Token,
        ours: Vec<Sampled>,
        cx: &mut Cx<'_>,
    ) {
        // A sample of a LIST that was broken off is another folder's.
        let awaited = matches!(&self.listing, Listing::Matching(m) if matches!(m.at, At::Reading(_, t) if t == token));
        if !awaited {
            return;
        }
        let Some((mut matching, At::Reading(mut candidates, _))) = self.take_matching() else {
            return;
        };
        if ours.is_empty() {
            let empty = candidates.folders.pop();
            return match empty.filter(|id| self.is_named(*id, candidates.examined.mailbox)) {
                Some(folder) => self.rename(matching, candidates, folder, cx),
                // No rows to compare: deleted and new.
                None => self.match_next(matching, candidates, cx),
            };
        }
        let uids: UidSet = ours.iter().map(|row| row.uid).collect();
        let remote_id = candidates.name.remote_id.clone();
        let uidvalidity = candidates.examined.uidvalidity;
        matching.at = At::Sampling(candidates, ours);
        self.listing = Listing::Matching(Box::new(matching));
        cx.ask(self.list_owner(), Request::Sample { remote_id, uidvalidity, uids });
    }

    pub(in crate::run::folders) fn on_match_sampled(
        &mut self,
        theirs: &[Sampled],
        cx: &mut Cx<'_>,
    ) {
        if !matches!(&self.listing, Listing::Matching(m) if matches!(m.at, At::Sampling(..))) {
            return;
        }
        let Some((matching, At::Sampling(mut candidates, ours))) = self.take_matching() else {
            return;
        };
        let Some(folder) = candidates.folders.pop() else {
            return self.match_folders(matching, cx);
        };
        if !agrees(&ours, theirs) {
            return self.match_next(matching, candidates, cx);
        }
        self.rename(matching, candidates, folder, cx);
    }

    /// Whether the server names this folder so, and none of the others: an id that several have says
    /// nothing.
    fn is_named(&self, folder: FolderId, told: Option<MailboxId>) -> bool {
        let Some(told) = told else { return false };
        let mut named = self.folders.values().filter(|f| f.lanes.live.mailbox == Some(told));
        named.next().is_some_and(|f| f.row.id == folder) && named.next().is_none()
    }

    fn rename(
        &mut self,
        mut matching: Matching,
        candidates: Candidates,
        folder: FolderId,
        cx: &mut Cx<'_>,
    ) {
        let (name, uidvalidity) = (candidates.name, candidates.examined.uidvalidity);
        matching.at = At::Renaming(name.clone(), folder);
        self.listing = Listing::Matching(Box::new(matching));
        let from = self.folders.get(&folder).map(|f| f.row.remote_id.clone()).unwrap_or_default();
        cx.commit(self.list_owner(), FolderChange::Rename { folder, uidvalidity, from, to: name });
    }

    /// The rename is stored, or refused: then the folder is still missing, and its new name new.
    pub(in crate::run::folders) fn on_match_committed(
        &mut self,
        mut matching: Matching,
        cx: &mut Cx<'_>,
    ) {
        if let At::Renaming(name, folder) = std::mem::replace(&mut matching.at, At::Start)
            && self.folders.get(&folder).is_some_and(|f| f.row.remote_id == name.remote_id)
        {
            cx.counts().folder_changes += 1;
            self.found_again(&mut matching, folder, &name);
        }
        self.match_folders(matching, cx);
    }

    /// A missing folder is the one of this name.
    fn found_again(&mut self, matching: &mut Matching, folder: FolderId, name: &ListedFolder) {
        matching.missing.remove(&folder);
        matching.work.fresh.retain(|fresh| fresh.remote_id != name.remote_id);
        self.want_pass(folder, Depth::Full);
    }

    /// The comparison that is under way, and where it stands; anything else is left as it is.
    fn take_matching(&mut self) -> Option<(Matching, At)> {
        match std::mem::replace(&mut self.listing, Listing::Done) {
            Listing::Matching(mut matching) => {
                let at = std::mem::replace(&mut matching.at, At::Start);
                Some((*matching, at))
            }
            other => {
                self.listing = other;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_must_be_there_and_all_of_those_agree() {
        let rows = |n: std::ops::Range<u32>, size| {
            n.map(|uid| Sampled { uid, size, internal_date: None }).collect::<Vec<_>>()
        };
        assert!(agrees(&rows(1..21, 5), &rows(1..21, 5)));
        assert!(agrees(&rows(1..21, 5), &rows(1..12, 5)), "11 of 20");
        assert!(!agrees(&rows(1..21, 5), &rows(1..11, 5)), "half is not most");
        assert!(!agrees(&rows(1..21, 5), &rows(1..21, 6)));
        let mut one_off = rows(1..21, 5);
        one_off[3].size = 6;
        assert!(!agrees(&rows(1..21, 5), &one_off));
        assert!(!agrees(&rows(1..3, 5), &[]));
    }
}
