//! LIST and what follows from it: folders that are gone, folders that are new.

use crate::account::evidence::{Sight, judge_list};
use crate::account::machine::Action;
use crate::account::rename::Matching;
use crate::account::run::{Folder, Owner, Run, leave};
use crate::commit::request::Change;
use crate::failure::{Failure, Reach};
use crate::mail::change::{Examined, ListedFolder, Request};
use crate::mail::cursor::Mark;
use crate::mail::id::FolderId;
use crate::mail::uid_set::UidSet;
use crate::time::{Micros, Now};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Locations that one commit ends when a folder is gone.
const DROP_CHUNK: usize = 2000;

/// What a LIST leaves to do.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) started: Micros,
    lost: VecDeque<FolderId>,
    pub(super) fresh: VecDeque<ListedFolder>,
    excluded: BTreeSet<FolderId>,
    /// Nothing was missing and everything new could be opened.
    complete: bool,
    /// What is missing may be under a name that could not be looked at.
    pub(super) unsure: bool,
}

/// Where the LIST stands.
#[derive(Debug)]
pub(super) enum Listing {
    /// To be asked.
    Wanted,
    /// Asked.
    Asked { started: Micros },
    /// Missing folders are looked for under the new names.
    Matching(Box<Matching>),
    /// A first look is being stored.
    Looking(Work),
    /// A folder that is gone waits for its pages on their way.
    Draining(Work),
    /// The rows of a folder that is gone are being read.
    Reading(Work),
    /// They are being ended.
    Dropping { work: Work, left: UidSet },
    /// A new folder is being examined.
    Examining(Work),
    /// And opened.
    Opening(Work),
    /// The LIST is being stored as complete.
    Closing,
    /// Over.
    Done,
}

impl Run {
    pub(super) fn start_listing(&mut self, now: Now, out: &mut Vec<Action>) {
        self.listing = Listing::Asked { started: self.stamp(now) };
        self.listed = true;
        self.ask(Owner::Listing, Request::List, out);
    }

    pub(super) fn on_listed(&mut self, listed: Vec<ListedFolder>, now: Now, out: &mut Vec<Action>) {
        let Listing::Asked { started } = self.listing else { return };
        let shown = listed.len();
        let mut names: BTreeMap<Vec<u8>, ListedFolder> = listed.into_iter().map(|f| (f.remote_id.clone(), f)).collect();
        let missing: BTreeSet<FolderId> =
            self.folders.values().filter(|f| !names.contains_key(&f.row.remote_id)).map(|f| f.row.id).collect();
        let mut work = Work { started, ..Work::default() };
        for folder in self.folders.values_mut() {
            let wanted = self.settings.folders.wants(&folder.row.path);
            folder.row.excluded = !wanted;
            if !wanted {
                folder.unproven = false;
                work.excluded.insert(folder.row.id);
            }
            names.remove(&folder.row.remote_id);
        }
        work.fresh = names.into_values().filter(|f| self.settings.folders.wants(&f.path)).collect();
        if shown > 0 && work.fresh.is_empty() && self.folders.values().all(|f| f.row.excluded) {
            leave(&mut self.left, format!("the folder filter matches none of the {shown} folders"));
        }
        // INBOX first: its newest page is what people wait for.
        work.fresh.make_contiguous().sort_by_key(|f| !f.path.eq_ignore_ascii_case("INBOX"));
        self.match_folders(Matching::new(work, missing, shown), now, out);
    }

    /// Renames are known: judges what is still missing, and goes on with the rest.
    pub(super) fn judge_missing(
        &mut self,
        mut work: Work,
        missing: BTreeSet<FolderId>,
        shown: usize,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        work.complete = missing.is_empty();
        if work.unsure {
            return self.next_folder(work, now, out);
        }
        let Some(session) = self.session else { return };
        let sight = Sight { session, at: work.started, confirm_after: self.settings.confirm_after };
        let ruling = judge_list(missing, shown, self.folders.len(), self.account.list_look.as_ref(), sight);
        if !ruling.held.is_empty() {
            self.second_look = true;
            let names: Vec<&str> =
                ruling.held.iter().filter_map(|id| self.folders.get(id)).map(|f| f.row.path.as_str()).collect();
            leave(
                &mut self.left,
                format!(
                    "LIST lacks {} folder(s) ({}): a second look, {} s later on a new session, must agree",
                    names.len(),
                    names.join(", "),
                    self.settings.confirm_after.as_secs()
                ),
            );
            for id in &ruling.held {
                if let Some(folder) = self.folders.get_mut(id) {
                    folder.looked = true;
                    folder.wanted = false;
                    folder.index = None;
                }
            }
        }
        work.lost = ruling.ends.into_iter().collect();
        match ruling.look {
            Some(look) => {
                self.listing = Listing::Looking(work);
                self.commit(Owner::Listing, Change::ListLook(look), now, out);
            }
            None => self.next_folder(work, now, out),
        }
    }

    fn next_folder(&mut self, work: Work, now: Now, out: &mut Vec<Action>) {
        if let Some(id) = work.lost.front().copied() {
            if let Some(folder) = self.folders.get_mut(&id) {
                folder.looked = true;
                folder.wanted = false;
                folder.pass = None;
                folder.index = None;
                if !folder.fills.is_empty() {
                    self.listing = Listing::Draining(work);
                    return;
                }
            }
            self.listing = Listing::Reading(work);
            self.read_rows(Owner::Listing, id, out);
        } else if let Some(fresh) = work.fresh.front() {
            let request = Request::Examine { remote_id: fresh.remote_id.clone() };
            self.listing = Listing::Examining(work);
            self.ask(Owner::Listing, request, out);
        } else if work.complete {
            self.listing = Listing::Closing;
            self.commit(Owner::Listing, Change::Listed { started: work.started, excluded: work.excluded }, now, out);
        } else {
            self.listing = Listing::Done;
        }
    }

    /// Goes on where the LIST waited for pages of a folder that is gone.
    pub(super) fn resume_listing(&mut self, now: Now, out: &mut Vec<Action>) {
        match std::mem::replace(&mut self.listing, Listing::Done) {
            Listing::Draining(work) => self.next_folder(work, now, out),
            other => self.listing = other,
        }
    }

    pub(super) fn on_listing_rows(&mut self, living: &UidSet, now: Now, out: &mut Vec<Action>) {
        match std::mem::replace(&mut self.listing, Listing::Done) {
            Listing::Reading(work) => self.drop_chunk(work, living.clone(), now, out),
            other => self.listing = other,
        }
    }

    fn drop_chunk(&mut self, work: Work, left: UidSet, now: Now, out: &mut Vec<Action>) {
        let Some(folder) = work.lost.front().copied() else { return self.next_folder(work, now, out) };
        let uids: UidSet = left.iter().take(DROP_CHUNK).collect();
        let left = left.minus(&uids);
        let last = left.is_empty();
        self.listing = Listing::Dropping { work, left };
        self.commit(Owner::Listing, Change::DropFolder { folder, uids, last }, now, out);
    }

    pub(super) fn on_listing_examined(&mut self, answer: Result<Examined, Failure>, now: Now, out: &mut Vec<Action>) {
        let mut work = match std::mem::replace(&mut self.listing, Listing::Done) {
            Listing::Examining(work) => work,
            Listing::Matching(matching) => return self.on_match_examined(*matching, answer.ok(), now, out),
            other => {
                self.listing = other;
                return;
            }
        };
        let Some(fresh) = work.fresh.pop_front() else { return self.next_folder(work, now, out) };
        match answer {
            Ok(examined) => {
                let mark = Mark { uidnext: examined.uidnext, exists: examined.exists, modseq: examined.modseq };
                let change =
                    Change::Open { folder: fresh, uidvalidity: examined.uidvalidity, mark, started: work.started };
                self.listing = Listing::Opening(work);
                self.commit(Owner::Listing, change, now, out);
            }
            Err(failure) => {
                leave(&mut self.left, format!("folder {} cannot be opened: {failure}", fresh.path));
                let text = format!("{}: {}", fresh.path, failure.chain());
                self.commit(Owner::Nobody, Change::Fail { folder: None, class: failure.class, text }, now, out);
                work.complete = false;
                self.next_folder(work, now, out);
            }
        }
    }

    /// A commit of the LIST was answered: `folder` is the stored row it left, if there is one.
    pub(super) fn on_listing_committed(&mut self, opened: Option<FolderId>, now: Now, out: &mut Vec<Action>) {
        match std::mem::replace(&mut self.listing, Listing::Done) {
            Listing::Looking(work) => self.next_folder(work, now, out),
            Listing::Dropping { mut work, left } if left.is_empty() => {
                if let Some(id) = work.lost.pop_front() {
                    self.folders.remove(&id);
                    self.counts.folder_changes += 1;
                }
                self.next_folder(work, now, out);
            }
            Listing::Dropping { work, left } => self.drop_chunk(work, left, now, out),
            Listing::Opening(work) => {
                if opened.is_some() {
                    self.counts.folder_changes += 1;
                }
                self.next_folder(work, now, out);
            }
            Listing::Closing => self.listing = Listing::Done,
            Listing::Matching(matching) => self.on_match_committed(*matching, now, out),
            // The LIST was broken off while this commit was on its way.
            other @ (Listing::Wanted
            | Listing::Asked { .. }
            | Listing::Draining(_)
            | Listing::Reading(_)
            | Listing::Examining(_)
            | Listing::Done) => self.listing = other,
        }
    }

    /// A folder row that this run did not know.
    pub(super) fn adopt_folder(&mut self, row: crate::commit::rows::FolderRow) {
        self.folders.entry(row.id).or_insert_with(|| Folder::new(row, UidSet::new()));
    }

    pub(super) fn break_off_listing(&mut self) {
        self.listing = match std::mem::replace(&mut self.listing, Listing::Done) {
            Listing::Done => Listing::Done,
            Listing::Closing => Listing::Closing,
            _ => Listing::Wanted,
        };
    }

    /// Whether a folder's failure lets the LIST go on without it.
    pub(super) fn is_folder_trouble(failure: &Failure) -> bool {
        failure.reach == Reach::Folder
    }
}
