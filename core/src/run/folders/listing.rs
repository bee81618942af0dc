//! LIST and what follows from it: folders that are gone, folders that are new.
//!
//! What LIST lacks is asked by name; what the server refuses to open too is a look, and two looks on two sessions end a folder.
//! A folder that is listed and cannot be opened is *shut*: a ledger row, and the run goes on without it.

use crate::commit::change::{Change, Poison};
use crate::commit::rows::Shut;
use crate::failure::{Class, Failure, Reach};
use crate::mail::folder::ListedFolder;
use crate::mail::id::FolderId;
use crate::mail::uid_set::UidSet;
use crate::provider::folders::{Examined, Request};
use crate::run::folders::evidence::{Sight, judge_list};
use crate::run::folders::rename::Matching;
use crate::run::machine::Action;
use crate::run::state::{Owner, Run, leave};
use crate::time::{Micros, Now};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Locations that one commit ends when a folder is gone.
const DROP_CHUNK: usize = 2000;
/// Folders whose opening is being stored.
pub(in crate::run) const OPENINGS: u8 = 32;
/// Sessions that end at a folder's name before it is asked last of all.
pub(in crate::run) const GOES_LAST: u32 = 2;

/// What a LIST leaves to do.
#[derive(Debug, Default)]
pub(in crate::run) struct Work {
    pub(in crate::run) started: Micros,
    /// When the new folder was asked for that is being opened.
    pub(in crate::run) asked: Micros,
    lost: VecDeque<FolderId>,
    pub(in crate::run) fresh: VecDeque<ListedFolder>,
    excluded: BTreeSet<FolderId>,
    /// Names that were shut and that this LIST does not show.
    unlisted: BTreeSet<Vec<u8>>,
    /// Nothing was missing, and there is an INBOX.
    complete: bool,
    /// INBOX was opened: its newest page goes before the other folders.
    pub(in crate::run) inbox: bool,
    /// A single name, asked when all else was done.
    late: bool,
    /// Openings that were sent and not acknowledged.
    pub(in crate::run) unacked: u8,
}

/// What LIST lacks is asked by name.
#[derive(Debug)]
pub(in crate::run) struct Asking {
    work: Work,
    missing: BTreeSet<FolderId>,
    todo: VecDeque<FolderId>,
}

/// Where the LIST stands.
#[derive(Debug)]
pub(in crate::run) enum Listing {
    /// To be asked.
    Wanted,
    /// Asked.
    Asked { started: Micros },
    /// What it lacks is asked by name.
    Asking(Box<Asking>),
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
    /// The newest mail of the account's first folder is asked for its date.
    Dating(Work, Examined),
    /// What was examined is being opened: nothing more is asked meanwhile.
    Opening(Work),
    /// The other folders wait for INBOX's newest page.
    Holding(Work),
    /// The LIST is being stored as complete.
    Closing,
    /// Over.
    Done,
}

pub(in crate::run) fn is_inbox(folder: &ListedFolder) -> bool {
    folder.path.eq_ignore_ascii_case("INBOX")
}

impl Run {
    pub(in crate::run) fn owner(&self) -> Owner {
        Owner::Listing(self.generation)
    }

    pub(in crate::run) fn start_listing(&mut self, now: Now, out: &mut Vec<Action>) {
        self.generation += 1;
        self.listing = Listing::Asked { started: self.stamp(now) };
        self.listed = true;
        self.ask(self.owner(), Request::List, out);
    }

    pub(in crate::run) fn on_listed(
        &mut self,
        listed: Vec<ListedFolder>,
        unreadable: Option<String>,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        let Listing::Asked { started } = self.listing else { return };
        self.listed_from = started;
        let shown = listed.len();
        let mut names: BTreeMap<Vec<u8>, ListedFolder> = listed.into_iter().map(|f| (f.remote_id.clone(), f)).collect();
        let missing: BTreeSet<FolderId> =
            self.folders.values().filter(|f| !names.contains_key(&f.row.remote_id)).map(|f| f.row.id).collect();
        let mut work = Work { started, complete: true, ..Work::default() };
        // A shut name that is listed no more, or that the config leaves out, is no trouble any more.
        let is_over = |name: &Vec<u8>, shut: &Shut| match names.get(name) {
            Some(folder) => !self.settings.folders.wants(&folder.path),
            // Behind a line that cannot be read it cannot be asked either: that line's own row stands for it.
            None => unreadable.is_none() || (!name.is_empty() && shut.due_at <= now.wall),
        };
        let over = self.account.shut.iter().filter(|(name, shut)| is_over(name, shut));
        work.unlisted = over.map(|(name, _)| name.clone()).collect();
        // A mailbox without INBOX is none: that answer is not believed.
        let has_inbox = names.values().any(is_inbox) || self.folders.values().any(|f| f.is_inbox());
        if !has_inbox && unreadable.is_none() {
            work.complete = false;
            let text = format!("LIST shows {shown} folder(s) and no INBOX: this is not believed, and looked at again");
            leave(&mut self.left, text);
        }
        for folder in self.folders.values_mut() {
            let wanted = self.settings.folders.wants(&folder.row.path);
            folder.row.excluded = !wanted;
            if !wanted {
                folder.unproven = false;
                work.excluded.insert(folder.row.id);
            }
            names.remove(&folder.row.remote_id);
        }
        let wanted = names.into_values().filter(|f| self.settings.folders.wants(&f.path));
        let (easy, hard): (VecDeque<_>, Vec<_>) = wanted.map(|f| (self.is_hard(&f), f)).fold(
            Default::default(),
            |(mut easy, mut hard): (VecDeque<ListedFolder>, Vec<ListedFolder>), (is_hard, folder)| {
                if is_hard {
                    hard.push(folder)
                } else {
                    easy.push_back(folder)
                }
                (easy, hard)
            },
        );
        work.fresh = easy;
        // A new name at which sessions end may hold whatever is missing elsewhere.
        work.complete &= hard.iter().all(|folder| self.account.shut.contains_key(&folder.remote_id));
        self.late = self.in_turn(hard, now);
        let nothing = work.fresh.is_empty() && self.late.is_empty();
        if shown > 0 && nothing && self.account.shut.is_empty() && self.folders.values().all(|f| f.row.excluded) {
            leave(&mut self.left, format!("the folder filter matches none of the {shown} folders"));
        }
        // INBOX first: its newest page is what people wait for, also where an earlier session has opened it.
        work.inbox = self.account.listed_at.is_none() && self.folders.inbox().is_some() && !self.is_inbox_settled();
        work.fresh.make_contiguous().sort_by_key(|f| !is_inbox(f));
        if let Some(line) = unreadable {
            self.shut_line(line, started, now, out);
        }
        let todo = missing.iter().copied().collect();
        self.ask_missing(Asking { work, missing, todo }, now, out);
    }

    /// A line of LIST that cannot be read is a shut folder without a name: a ledger row when it is new, and daily.
    fn shut_line(&mut self, line: String, seen: Micros, now: Now, out: &mut Vec<Action>) {
        let due = self.account.shut.get(&Vec::new()).is_none_or(|shut| shut.due_at <= now.wall);
        if due {
            let (remote_id, path, class) = (Vec::new(), String::new(), Class::InvalidData);
            let text = format!("a line of LIST cannot be read: {line}");
            let change = Change::Shut { remote_id, path, folder: None, class, text, seen, at: now.wall };
            self.commit(Owner::Nobody, change, now, out);
        }
    }

    /// Whether a name is asked last of all: it is shut, or sessions have ended at it.
    fn is_hard(&self, folder: &ListedFolder) -> bool {
        self.account.shut.contains_key(&folder.remote_id) || self.ends_sessions(&folder.remote_id)
    }

    /// Whether sessions have ended at this folder's EXAMINE or index.
    pub(in crate::run) fn ends_sessions(&self, remote_id: &[u8]) -> bool {
        self.is_noted(&Poison::Examine(remote_id.to_vec())) || self.is_noted(&Poison::Index(remote_id.to_vec()))
    }

    /// Names that are due, those that wait longest first.
    fn in_turn(&self, mut hard: Vec<ListedFolder>, now: Now) -> VecDeque<ListedFolder> {
        let due = |f: &ListedFolder| self.account.shut.get(&f.remote_id).map(|shut| shut.due_at);
        hard.retain(|f| self.insists() || due(f).is_none_or(|due| due <= now.wall));
        hard.sort_by_key(|f| (self.ends_sessions(&f.remote_id), due(f)));
        hard.into()
    }

    /// Asks the next name that LIST lacks; when all are asked, looks for them under new names.
    fn ask_missing(&mut self, mut asking: Asking, now: Now, out: &mut Vec<Action>) {
        while let Some(id) = asking.todo.front().copied() {
            let Some(folder) = self.folders.get(&id) else {
                asking.todo.pop_front();
                continue;
            };
            let remote_id = folder.row.remote_id.clone();
            if self.is_noted(&Poison::Examine(remote_id.clone())) {
                // Nobody knows: the question would end the session. It is put last of all, with the folder's pass.
                asking.todo.pop_front();
                asking.missing.remove(&id);
                continue;
            }
            self.listing = Listing::Asking(Box::new(asking));
            return self.ask(self.owner(), Request::Examine { remote_id }, out);
        }
        let Asking { work, missing, .. } = asking;
        self.match_folders(Matching::new(work, missing), now, out);
    }

    /// A name that LIST lacks: where it can be opened, LIST has lied.
    pub(in crate::run) fn on_missing_asked(
        &mut self,
        mut asking: Asking,
        opens: bool,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        if let Some(id) = asking.todo.pop_front()
            && opens
        {
            asking.missing.remove(&id);
        }
        self.ask_missing(asking, now, out);
    }

    /// Renames are known: judges what is still missing, and goes on with the rest.
    pub(in crate::run) fn judge_missing(
        &mut self,
        mut work: Work,
        missing: BTreeSet<FolderId>,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        work.complete &= missing.is_empty();
        let Some(session) = self.session else { return };
        let sight = Sight { session, at: work.started, confirm_after: self.settings.confirm_after };
        let ruling = judge_list(missing, self.account.list_look.as_ref(), sight);
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
                self.commit(self.owner(), Change::ListLook(look), now, out);
            }
            None => self.next_folder(work, now, out),
        }
    }

    pub(in crate::run) fn next_folder(&mut self, mut work: Work, now: Now, out: &mut Vec<Action>) {
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
            self.read_rows(self.owner(), id, out);
        } else if let Some(fresh) = work.fresh.front() {
            if work.inbox && !is_inbox(fresh) {
                self.listing = Listing::Holding(work);
                return;
            }
            let request = Request::Examine { remote_id: fresh.remote_id.clone() };
            work.asked = self.stamp(now);
            self.listing = Listing::Examining(work);
            self.ask(self.owner(), request, out);
        } else if work.unacked > 0 {
            // That the LIST was complete is not said before every folder of it is durable.
            self.listing = Listing::Opening(work);
        } else if work.complete && !work.late {
            self.listing = Listing::Closing;
            let Work { started, excluded, unlisted, .. } = work;
            self.commit(self.owner(), Change::Listed { started, excluded, unlisted }, now, out);
        } else {
            self.listing = Listing::Done;
        }
    }

    /// Goes on where the LIST waited for pages: of a folder that is gone, or INBOX's newest.
    pub(in crate::run) fn resume_listing(&mut self, now: Now, out: &mut Vec<Action>) {
        match std::mem::replace(&mut self.listing, Listing::Done) {
            Listing::Draining(work) => self.next_folder(work, now, out),
            Listing::Holding(mut work) if self.is_inbox_settled() => {
                work.inbox = false;
                self.next_folder(work, now, out);
            }
            other => self.listing = other,
        }
    }

    /// Nothing is under way, so INBOX's newest page will not come now: the other folders wait no longer. Returns whether they
    /// did.
    pub(in crate::run) fn stop_holding(&mut self, now: Now, out: &mut Vec<Action>) -> bool {
        match std::mem::replace(&mut self.listing, Listing::Done) {
            Listing::Holding(mut work) => {
                work.inbox = false;
                self.next_folder(work, now, out);
                true
            }
            other => {
                self.listing = other;
                false
            }
        }
    }

    fn is_inbox_settled(&self) -> bool {
        self.folders.inbox().and_then(|id| self.folders.get(&id)).is_none_or(|inbox| {
            let idle = inbox.pass.is_none() && !inbox.wanted && inbox.fills.is_empty();
            inbox.row.excluded
                || inbox.stalled.is_some()
                || inbox.doubted
                || self.ends_sessions(&inbox.row.remote_id)
                || (idle && (inbox.paged || inbox.has_read_all()))
        })
    }

    /// Asks one of the names that are asked when all else is done. Returns whether there was one.
    pub(in crate::run) fn start_late(&mut self, now: Now, out: &mut Vec<Action>) -> bool {
        let Some(name) = self.late.pop_front() else { return false };
        let fresh = VecDeque::from([name]);
        self.next_folder(Work { started: self.listed_from, fresh, late: true, ..Work::default() }, now, out);
        true
    }

    pub(in crate::run) fn on_listing_rows(&mut self, living: &UidSet, now: Now, out: &mut Vec<Action>) {
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
        self.commit(self.owner(), Change::DropFolder { folder, uids, last }, now, out);
    }

    /// A folder is listed and cannot be opened: its ledger row, and the run goes on.
    pub(in crate::run) fn shut(
        &mut self,
        remote_id: &[u8],
        path: &str,
        folder: Option<FolderId>,
        failure: &Failure,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        leave(&mut self.left, format!("folder {path} cannot be opened: {failure}"));
        let (remote_id, path, class, text) = (remote_id.to_vec(), path.to_owned(), failure.class, failure.chain());
        let (seen, at) = (self.listed_from, now.wall);
        self.commit(Owner::Nobody, Change::Shut { remote_id, path, folder, class, text, seen, at }, now, out);
    }

    /// A commit of the LIST was answered: `folder` is the stored row it left, if there is one.
    pub(in crate::run) fn on_listing_committed(&mut self, opened: Option<FolderId>, now: Now, out: &mut Vec<Action>) {
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
            Listing::Opening(mut work) => {
                self.on_opened(&mut work, opened);
                self.next_folder(work, now, out);
            }
            Listing::Examining(mut work) => {
                self.on_opened(&mut work, opened);
                self.listing = Listing::Examining(work);
            }
            Listing::Closing => self.listing = Listing::Done,
            Listing::Matching(matching) => self.on_match_committed(*matching, now, out),
            // The LIST was broken off while this commit was on its way.
            other @ (Listing::Wanted
            | Listing::Asked { .. }
            | Listing::Asking(_)
            | Listing::Draining(_)
            | Listing::Reading(_)
            | Listing::Dating(..)
            | Listing::Holding(_)
            | Listing::Done) => self.listing = other,
        }
    }

    /// What the store did not take, or a session did not answer: the LIST is asked again, and nothing of this one is sent
    /// twice. A name that was asked late is asked later.
    pub(in crate::run) fn break_off_listing(&mut self) {
        self.listing = match std::mem::replace(&mut self.listing, Listing::Done) {
            Listing::Done => return,
            Listing::Closing => {
                self.listing = Listing::Closing;
                return;
            }
            Listing::Examining(mut work) | Listing::Dating(mut work, _) | Listing::Opening(mut work) if work.late => {
                self.late.extend(work.fresh.pop_front());
                Listing::Done
            }
            _ => Listing::Wanted,
        };
        self.generation += 1;
    }

    /// Takes a new name out of what is still to be asked; returns its path.
    pub(in crate::run) fn drop_name(&mut self, name: &[u8]) -> Option<String> {
        let mut path = None;
        let mut keep = |f: &ListedFolder| {
            let is_it = f.remote_id == name;
            if is_it {
                path = Some(f.path.clone());
            }
            !is_it
        };
        self.late.retain(&mut keep);
        if let Listing::Examining(work) | Listing::Dating(work, _) = &mut self.listing {
            work.fresh.retain(&mut keep);
        }
        path
    }

    /// Whether a folder's failure lets the LIST go on without it.
    pub(in crate::run) fn is_folder_trouble(failure: &Failure) -> bool {
        failure.reach == Reach::Folder
    }
}
