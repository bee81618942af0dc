//! A missing folder under a new name: equal UIDVALIDITY and, of a sample of our rows, most are there and all those agree in
//! UID, size and INTERNALDATE. Decided before a new name is opened.

use crate::commit::change::Change;
use crate::mail::folder::ListedFolder;
use crate::mail::id::{FolderId, UidValidity};
use crate::mail::uid_set::UidSet;
use crate::provider::folders::{Examined, Request, Sampled};
use crate::run::event::{Action, Token};
use crate::run::folders::listing::{Listing, Work};
use crate::run::state::Run;
use crate::time::Now;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What of a LIST waits while names are matched.
#[derive(Debug)]
pub(in crate::run) struct Matching {
    work: Work,
    missing: BTreeSet<FolderId>,
    /// New names that are not compared yet.
    todo: VecDeque<ListedFolder>,
    at: At,
}

/// Where the comparison of one new name stands.
#[derive(Debug)]
enum At {
    Start,
    Examining(ListedFolder),
    /// Our sample of the last candidate is read, under this token.
    Reading(Candidates, Token),
    /// The server's is asked.
    Sampling(Candidates, Vec<Sampled>),
    Renaming(ListedFolder, FolderId),
}

#[derive(Debug)]
struct Candidates {
    name: ListedFolder,
    uidvalidity: UidValidity,
    folders: Vec<FolderId>,
}

impl Matching {
    pub(in crate::run) fn new(work: Work, missing: BTreeSet<FolderId>) -> Self {
        // Without a missing folder every new name is new.
        let todo = if missing.is_empty() { VecDeque::new() } else { work.fresh.clone() };
        Self { work, missing, todo, at: At::Start }
    }
}

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

impl Run {
    /// Goes on with the next new name, or, when all are compared, with what is still missing.
    pub(in crate::run) fn match_folders(&mut self, mut matching: Matching, now: Now, out: &mut Vec<Action>) {
        match matching.todo.pop_front().filter(|_| !matching.missing.is_empty()) {
            Some(name) => {
                let request = Request::Examine { remote_id: name.remote_id.clone() };
                matching.at = At::Examining(name);
                self.listing = Listing::Matching(Box::new(matching));
                self.ask(self.owner(), request, out);
            }
            None => self.judge_missing(matching.work, matching.missing, now, out),
        }
    }

    /// `None`: the new name cannot be opened, or not be sampled. What is missing may be there: it takes two looks to end it.
    pub(in crate::run) fn on_match_examined(
        &mut self,
        mut matching: Matching,
        examined: Option<Examined>,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        let At::Examining(name) = std::mem::replace(&mut matching.at, At::Start) else {
            return self.match_folders(matching, now, out);
        };
        let Some(examined) = examined else { return self.match_folders(matching, now, out) };
        let same = |id: &&FolderId| {
            self.folders.get(id).is_some_and(|f| {
                let live = &f.row.live;
                !f.row.excluded && live.uidvalidity == examined.uidvalidity && examined.uidnext >= live.mark.uidnext
            })
        };
        let folders = matching.missing.iter().filter(same).copied().collect();
        self.match_next(matching, Candidates { name, uidvalidity: examined.uidvalidity, folders }, now, out);
    }

    fn match_next(&mut self, mut matching: Matching, candidates: Candidates, now: Now, out: &mut Vec<Action>) {
        match candidates.folders.last().copied() {
            Some(folder) => {
                let token = self.read_sample(self.owner(), folder, None, out);
                matching.at = At::Reading(candidates, token);
                self.listing = Listing::Matching(Box::new(matching));
            }
            None => self.match_folders(matching, now, out),
        }
    }

    pub(in crate::run) fn on_match_rows(&mut self, token: Token, ours: Vec<Sampled>, now: Now, out: &mut Vec<Action>) {
        // A sample of a LIST that was broken off is another folder's.
        let awaited = matches!(&self.listing, Listing::Matching(m) if matches!(m.at, At::Reading(_, t) if t == token));
        if !awaited {
            return;
        }
        let Some((mut matching, At::Reading(mut candidates, _))) = self.take_matching() else { return };
        if ours.is_empty() {
            // No rows to compare: deleted and new.
            candidates.folders.pop();
            return self.match_next(matching, candidates, now, out);
        }
        let uids: UidSet = ours.iter().map(|row| row.uid).collect();
        let (remote_id, uidvalidity) = (candidates.name.remote_id.clone(), candidates.uidvalidity);
        matching.at = At::Sampling(candidates, ours);
        self.listing = Listing::Matching(Box::new(matching));
        self.ask(self.owner(), Request::Sample { remote_id, uidvalidity, uids }, out);
    }

    pub(in crate::run) fn on_match_sampled(&mut self, theirs: &[Sampled], now: Now, out: &mut Vec<Action>) {
        if !matches!(&self.listing, Listing::Matching(m) if matches!(m.at, At::Sampling(..))) {
            return;
        }
        let Some((mut matching, At::Sampling(mut candidates, ours))) = self.take_matching() else { return };
        let Some(folder) = candidates.folders.pop() else { return self.match_folders(matching, now, out) };
        if !agrees(&ours, theirs) {
            return self.match_next(matching, candidates, now, out);
        }
        let Candidates { name, uidvalidity, .. } = candidates;
        matching.at = At::Renaming(name.clone(), folder);
        self.listing = Listing::Matching(Box::new(matching));
        let from = self.folders.get(&folder).map(|f| f.row.remote_id.clone()).unwrap_or_default();
        self.commit(self.owner(), Change::Rename { folder, uidvalidity, from, to: name }, now, out);
    }

    /// The rename is stored, or refused: then the folder is still missing, and its new name new.
    pub(in crate::run) fn on_match_committed(&mut self, mut matching: Matching, now: Now, out: &mut Vec<Action>) {
        if let At::Renaming(name, folder) = std::mem::replace(&mut matching.at, At::Start)
            && self.folders.get(&folder).is_some_and(|f| f.row.remote_id == name.remote_id)
        {
            matching.missing.remove(&folder);
            matching.work.fresh.retain(|fresh| fresh.remote_id != name.remote_id);
            self.counts.folder_changes += 1;
            self.want(folder, crate::run::event::Depth::Full);
        }
        self.match_folders(matching, now, out);
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
        let rows =
            |n: std::ops::Range<u32>, size| n.map(|uid| Sampled { uid, size, internal_date: None }).collect::<Vec<_>>();
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
