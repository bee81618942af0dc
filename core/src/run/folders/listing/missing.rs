//! What LIST lacks: each name is asked; then it is looked for under the new names, and what is missing still
//! is judged.
//!
//! A missing folder under a new name: equal UIDVALIDITY and, of a sample of our rows, most are there
//! and all those agree in UID, size and INTERNALDATE; of one without rows, the same MAILBOXID (RFC
//! 8474). Decided before a new name is opened.

use crate::commit::change::{AccountChange, FolderChange, Poison};
use crate::mail::folder::ListedFolder;
use crate::mail::id::{FolderId, MailboxId};
use crate::mail::recognise::IdentityKind;
use crate::mail::uid_set::UidSet;
use crate::provider::folders::{Examined, FolderRequest, Sampled};
use crate::run::context::{RunEffects, RunFacts};
use crate::run::event::Token;
use crate::run::evidence::{Observation, judge_list};
use crate::run::folders::context::{FolderCx, Want};
use crate::run::folders::listing::Listing;
use crate::run::folders::listing::state::{Asking, At, Candidates, ListState, Matching, Todo};
use crate::run::folders::set::Folders;
use crate::run::reads::Query;
use crate::run::scope::Depth;
use std::collections::{BTreeMap, BTreeSet};

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

impl Listing {
    /// Asks the next name that LIST lacks; when all are asked, looks for them under new names.
    pub(super) fn ask_missing(&mut self, mut asking: Asking, cx: &mut FolderCx<'_>) {
        while let Some(id) = asking.todo.front().copied() {
            let Some(folder) = cx.folders.get(&id) else {
                asking.todo.pop_front();
                continue;
            };
            let remote_id = folder.row.remote_id.clone();
            if cx.notes.is_noted(&Poison::Examine(remote_id.clone())) {
                // Nobody knows: the question would end the session. It is put last of all, with the
                // folder's pass.
                asking.todo.pop_front();
                asking.missing.remove(&id);
                continue;
            }
            self.state = ListState::Asking(Box::new(asking));
            return cx.run.ask(self.owner(), FolderRequest::examine(remote_id));
        }
        let Asking { work, missing, .. } = asking;
        self.match_folders(Matching::new(work, missing), cx);
    }

    /// A name that LIST lacks: where it can be opened, LIST has lied.
    pub(super) fn on_missing_asked(
        &mut self,
        mut asking: Asking,
        opens: bool,
        cx: &mut FolderCx<'_>,
    ) {
        if let Some(id) = asking.todo.pop_front()
            && opens
        {
            asking.missing.remove(&id);
        }
        self.ask_missing(asking, cx);
    }

    /// Renames are known: judges what is still missing, and goes on with the rest.
    fn judge_missing(
        &mut self,
        mut work: Todo,
        missing: BTreeSet<FolderId>,
        cx: &mut FolderCx<'_>,
    ) {
        work.complete &= missing.is_empty();
        let Some(session) = cx.run.session() else { return };
        let sight = Observation {
            session,
            at: work.started,
            confirm_after: cx.run.settings().confirm_after,
        };
        let ruling = judge_list(missing, cx.run.account().list_look.as_ref(), sight);
        if !ruling.held.is_empty() {
            cx.run.look_again();
            let names: Vec<&str> = ruling
                .held
                .iter()
                .filter_map(|id| cx.folders.get(id))
                .map(|f| f.row.path.as_str())
                .collect();
            let text = format!(
                "LIST lacks {} folder(s) ({}): a second look, {} s later on a new session, must agree",
                names.len(),
                names.join(", "),
                cx.run.settings().confirm_after.as_secs()
            );
            cx.run.leave(text);
            for folder in ruling.held.iter().copied() {
                cx.want(Want::Skip { folder });
            }
        }
        work.lost = ruling.ends.into_iter().collect();
        match ruling.look {
            Some(look) => {
                self.state = ListState::Looking(work);
                cx.run.commit(self.owner(), AccountChange::ListLook(look));
            }
            None => self.next_folder(work, cx),
        }
    }

    /// Goes on with the next new name, or, when all are compared, with what is still missing.
    pub(super) fn match_folders(&mut self, mut matching: Matching, cx: &mut FolderCx<'_>) {
        let next = matching.todo.pop_front().filter(|_| !matching.missing.is_empty());
        match next.map(|name| (cx.folders.named(&name.remote_id).map(|f| f.row.id), name)) {
            // A rename that was on its way when LIST was asked anew has been stored since.
            Some((Some(folder), name)) => {
                found_again(&mut matching, folder, &name, cx);
                self.match_folders(matching, cx);
            }
            Some((None, name)) => {
                let request = FolderRequest::examine(name.remote_id.clone());
                matching.at = At::Examining(name);
                self.state = ListState::Matching(Box::new(matching));
                cx.run.ask(self.owner(), request);
            }
            None => self.judge_missing(matching.work, matching.missing, cx),
        }
    }

    /// `None`: the new name cannot be opened, or not be sampled. What is missing may be there: it
    /// takes two looks to end it.
    pub(super) fn on_match_examined(
        &mut self,
        mut matching: Matching,
        examined: Option<Examined>,
        cx: &mut FolderCx<'_>,
    ) {
        let At::Examining(name) = std::mem::replace(&mut matching.at, At::Start) else {
            return self.match_folders(matching, cx);
        };
        let Some(examined) = examined else { return self.match_folders(matching, cx) };
        let same = |id: &&FolderId| {
            cx.folders.get(id).is_some_and(|f| {
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

    fn match_next(
        &mut self,
        mut matching: Matching,
        candidates: Candidates,
        cx: &mut FolderCx<'_>,
    ) {
        match candidates.folders.last().copied() {
            Some(folder) => {
                let token = cx.run.read(self.owner(), Query::Sample { folder, part: None });
                matching.at = At::Reading(candidates, token);
                self.state = ListState::Matching(Box::new(matching));
            }
            None => self.match_folders(matching, cx),
        }
    }

    pub(in crate::run::folders) fn on_match_rows(
        &mut self,
        token: Token,
        ours: Vec<Sampled>,
        cx: &mut FolderCx<'_>,
    ) {
        // A sample of a LIST that was broken off is another folder's.
        let awaited = matches!(&self.state, ListState::Matching(m) if matches!(m.at, At::Reading(_, t) if t == token));
        if !awaited {
            return;
        }
        let Some((mut matching, At::Reading(mut candidates, _))) = self.take_matching() else {
            return;
        };
        if ours.is_empty() {
            let empty = candidates.folders.pop();
            return match empty.filter(|id| is_named(*id, candidates.examined.mailbox, cx.folders)) {
                Some(folder) => self.rename(matching, candidates, folder, cx),
                // No rows to compare: deleted and new.
                None => self.match_next(matching, candidates, cx),
            };
        }
        let uids: UidSet = ours.iter().map(|row| row.uid).collect();
        let remote_id = candidates.name.remote_id.clone();
        let uidvalidity = candidates.examined.uidvalidity;
        matching.at = At::Sampling(candidates, ours);
        self.state = ListState::Matching(Box::new(matching));
        let names = IdentityKind::Hash;
        cx.run.ask(self.owner(), FolderRequest::Sample { remote_id, uidvalidity, uids, names });
    }

    pub(in crate::run::folders) fn on_match_sampled(
        &mut self,
        theirs: &[Sampled],
        cx: &mut FolderCx<'_>,
    ) {
        if !matches!(&self.state, ListState::Matching(m) if matches!(m.at, At::Sampling(..))) {
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

    fn rename(
        &mut self,
        mut matching: Matching,
        candidates: Candidates,
        folder: FolderId,
        cx: &mut FolderCx<'_>,
    ) {
        let (name, uidvalidity) = (candidates.name, candidates.examined.uidvalidity);
        matching.at = At::Renaming(name.clone(), folder);
        self.state = ListState::Matching(Box::new(matching));
        let from = cx.folders.get(&folder).map(|f| f.row.remote_id.clone()).unwrap_or_default();
        cx.run.commit(self.owner(), FolderChange::Rename { folder, uidvalidity, from, to: name });
    }

    /// The rename is stored, or refused: then the folder is still missing, and its new name new.
    pub(super) fn on_match_committed(&mut self, mut matching: Matching, cx: &mut FolderCx<'_>) {
        if let At::Renaming(name, folder) = std::mem::replace(&mut matching.at, At::Start)
            && cx.folders.get(&folder).is_some_and(|f| f.row.remote_id == name.remote_id)
        {
            cx.run.counts().folder_changes += 1;
            found_again(&mut matching, folder, &name, cx);
        }
        self.match_folders(matching, cx);
    }

    /// The comparison that is under way, and where it stands; anything else is left as it is.
    fn take_matching(&mut self) -> Option<(Matching, At)> {
        match std::mem::replace(&mut self.state, ListState::Done) {
            ListState::Matching(mut matching) => {
                let at = std::mem::replace(&mut matching.at, At::Start);
                Some((*matching, at))
            }
            other => {
                self.state = other;
                None
            }
        }
    }
}

/// Whether the server names this folder so, and none of the others: an id that several have says
/// nothing.
fn is_named(folder: FolderId, told: Option<MailboxId>, folders: &Folders) -> bool {
    let Some(told) = told else { return false };
    let mut named = folders.values().filter(|f| f.lanes.live.mailbox == Some(told));
    named.next().is_some_and(|f| f.row.id == folder) && named.next().is_none()
}

/// A missing folder is the one of this name.
fn found_again(
    matching: &mut Matching,
    folder: FolderId,
    name: &ListedFolder,
    cx: &mut FolderCx<'_>,
) {
    matching.missing.remove(&folder);
    matching.work.fresh.retain(|fresh| fresh.remote_id != name.remote_id);
    cx.want(Want::Pass { folder, depth: Depth::Full });
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
