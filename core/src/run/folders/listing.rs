//! LIST and what follows from it: folders that are gone, folders that are new.
//!
//! What LIST lacks is asked by name; what the server refuses to open too is a look, and two looks
//! on two sessions end a folder. A folder that is listed and cannot be opened is *shut*: a ledger
//! row, and the run goes on without it.

mod missing;
mod names;
pub(super) mod opening;
mod state;

use crate::commit::change::{AccountChange, FolderChange};
use crate::failure::Failure;
use crate::mail::folder::{ListedFolder, WireName};
use crate::mail::id::FolderId;
use crate::mail::uid_set::UidSet;
use crate::plain::PlainText;
use crate::provider::folders::{Examined, FolderRequest};
use crate::run::context::{RunEffects, RunFacts};
use crate::run::folders::context::{FolderCx, Want};
use crate::run::folders::folder::{Cx, Folder, Owner};
use crate::run::folders::listing::names::{
    in_turn, is_hard, is_inbox_settled, no_more_shut, shut_line,
};
use crate::run::folders::listing::state::{Asking, ListState, Todo, is_inbox};
use crate::run::folders::passes::gate::provable;
use crate::run::folders::refusals::state::is_incomplete;
use crate::run::reads::{Query, QuietProof};
use crate::time::Micros;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Locations that one commit ends when a folder is gone.
const DROP_CHUNK: usize = 2000;

/// The machine of LIST: names that are new, gone, renamed, shut.
#[derive(Debug)]
pub(super) struct Listing {
    state: ListState,
    /// Numbers the LISTs, so that acknowledgements of an earlier one are known.
    generation: u32,
    /// Names that are asked when all else is done: shut ones that are due, and those at which
    /// sessions have ended.
    late: VecDeque<ListedFolder>,
    /// When the last LIST of this run began.
    from: Micros,
    /// The counters that it has shown, until they are looked at.
    counters: BTreeMap<WireName, Examined>,
    /// What the session has just opened to make its row.
    opened: Option<JustOpened>,
    /// A session has ended at a LIST that asked for counters, too: it is asked without.
    uncounted: bool,
    /// The config leaves out other folders than what is stored, or did when this run began.
    refiltered: bool,
}

/// A folder that was opened to make its row: its pass asks for the listing at once.
#[derive(Debug)]
pub(super) struct JustOpened {
    pub(super) name: WireName,
    /// When it was asked.
    pub(super) asked: Micros,
    pub(super) shown: Examined,
}

impl Listing {
    /// Of a run that is to look for folders, or not. What the same run has learnt before the store was asked
    /// anew is still true.
    pub(super) fn new(before: Option<&Self>, is_wanted: bool) -> Self {
        Self {
            state: if is_wanted { ListState::Wanted } else { ListState::Done },
            generation: 0,
            late: VecDeque::new(),
            from: Micros::default(),
            counters: BTreeMap::new(),
            opened: None,
            uncounted: before.is_some_and(|before| before.uncounted),
            refiltered: false,
        }
    }

    /// Whether it is to be asked.
    pub(super) fn is_wanted(&self) -> bool {
        matches!(self.state, ListState::Wanted)
    }

    /// Whether it is over.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, ListState::Done)
    }

    /// Whether the other folders wait for INBOX's newest page.
    pub(super) fn is_holding(&self) -> bool {
        matches!(self.state, ListState::Holding(_))
    }

    /// Whether a folder is being opened: what is stored now is a new one.
    pub(super) fn is_opening(&self) -> bool {
        matches!(self.state, ListState::Opening(_) | ListState::Examining(_))
    }

    /// Whether it is being stored as complete.
    pub(super) fn is_closing(&self) -> bool {
        matches!(self.state, ListState::Closing)
    }

    /// Whether it was asked, and has not answered.
    pub(super) fn is_asked(&self) -> bool {
        matches!(self.state, ListState::Asked { .. })
    }

    /// It is to be asked (again).
    pub(super) fn want(&mut self) {
        self.state = ListState::Wanted;
    }

    /// It is stored.
    pub(super) fn close(&mut self) {
        if self.is_closing() {
            self.state = ListState::Done;
        }
    }

    /// When the last one of this run began.
    pub(super) fn from(&self) -> Micros {
        self.from
    }

    /// Whether it may be asked for counters.
    pub(super) fn asks_counters(&self) -> bool {
        !self.uncounted
    }

    /// Whether an answer belongs to the one that is under way.
    pub(super) fn is_current(&self, generation: u32) -> bool {
        self.generation == generation
    }

    /// The one that is under way, as the owner of what it asks and sends.
    pub(super) fn owner(&self) -> Owner {
        Owner::Listing(self.generation)
    }

    /// Names that are asked when all else is done.
    pub(super) fn late(&self) -> impl Iterator<Item = &WireName> {
        self.late.iter().map(|name| &name.remote_id)
    }

    /// The counters that were shown, to be looked at.
    pub(super) fn take_counters(&mut self) -> BTreeMap<WireName, Examined> {
        std::mem::take(&mut self.counters)
    }

    /// These are looked at later.
    pub(super) fn keep_counters(&mut self, counters: BTreeMap<WireName, Examined>) {
        self.counters = counters;
    }

    /// What the session has just opened.
    pub(super) fn take_opened(&mut self) -> Option<JustOpened> {
        self.opened.take()
    }

    /// Messages of folders that are not opened yet, as far as their counters were told.
    pub(super) fn unopened(&self) -> u64 {
        if let ListState::Holding(work) = &self.state { work.unopened } else { 0 }
    }

    pub(super) fn start(&mut self, cx: &mut FolderCx<'_>) {
        self.generation += 1;
        let started = cx.run.stamp();
        self.state = ListState::Asked { started };
        cx.want(Want::Listing);
        let without = cx.run.doubts() || self.uncounted;
        let counters_of = if without { Vec::new() } else { provable(cx.folders, started) };
        let anew = cx.run.account().listed_at.is_none() && !without;
        cx.run.ask(self.owner(), FolderRequest::List { counters_of, anew });
    }

    /// It came. `judged` are new names that this run has shut, or opened.
    pub(super) fn on_listed(
        &mut self,
        (listed, unreadable): (Vec<ListedFolder>, Option<PlainText>),
        counters: BTreeMap<WireName, Examined>,
        judged: &BTreeSet<WireName>,
        cx: &mut FolderCx<'_>,
    ) {
        self.counters = counters;
        let ListState::Asked { started } = self.state else { return };
        self.from = started;
        let shown = listed.len();
        let mut names: BTreeMap<WireName, ListedFolder> =
            listed.into_iter().map(|f| (f.remote_id.clone(), f)).collect();
        let is_missing = |f: &&Folder| !names.contains_key(&f.row.remote_id);
        let missing: BTreeSet<FolderId> =
            cx.folders.values().filter(is_missing).map(|f| f.row.id).collect();
        let unlisted = no_more_shut(&names, unreadable.is_none(), cx);
        let mut work = Todo { started, unlisted, complete: true, ..Todo::default() };
        // A mailbox without INBOX is none: that answer is not believed.
        let has_inbox = names.values().any(is_inbox) || cx.folders.inbox().is_some();
        if !has_inbox && unreadable.is_none() {
            work.complete = false;
            let text = format!(
                "LIST shows {shown} folder(s) and no INBOX: this is not believed, and looked at again"
            );
            cx.run.leave(text);
        }
        for folder in cx.folders.values_mut() {
            let wanted = cx.run.settings().folders.wants(&folder.row.path);
            self.refiltered |= folder.row.excluded == wanted;
            folder.row.excluded = !wanted;
            if !wanted {
                work.excluded.insert(folder.row.id);
            }
            names.remove(&folder.row.remote_id);
        }
        let wanted = names.into_values().filter(|f| cx.run.settings().folders.wants(&f.path));
        let (hard, easy): (Vec<_>, Vec<_>) =
            wanted.partition(|name| is_hard(&name.remote_id, judged, cx));
        // A new name at which sessions end may hold whatever is missing elsewhere.
        let is_known = |name: &ListedFolder| {
            cx.run.account().shut.contains_key(&name.remote_id) || judged.contains(&name.remote_id)
        };
        work.complete &= hard.iter().all(is_known);
        work.fresh = easy.into();
        self.late = in_turn(hard, judged, cx);
        let nothing = work.fresh.is_empty() && self.late.is_empty();
        if shown > 0
            && nothing
            && cx.run.account().shut.is_empty()
            && cx.folders.values().all(|f| f.row.excluded)
        {
            cx.run.leave(format!("the folder filter matches none of the {shown} folders"));
        }
        // INBOX first: its newest page is what people wait for, also where an earlier session has
        // opened it.
        work.inbox = cx.run.account().listed_at.is_none()
            && cx.folders.inbox().is_some()
            && !is_inbox_settled(cx);
        work.fresh.make_contiguous().sort_by_key(|f| !is_inbox(f));
        if let Some(line) = unreadable {
            shut_line(line.into(), started, cx);
        }
        let todo = missing.iter().copied().collect();
        self.ask_missing(Asking { work, missing, todo }, cx);
    }

    fn next_folder(&mut self, mut work: Todo, cx: &mut FolderCx<'_>) {
        if let Some(id) = work.lost.front().copied() {
            cx.want(Want::Leave { folder: id });
            if cx.folders.get(&id).is_some_and(|folder| !folder.fill.is_empty()) {
                self.state = ListState::Draining(work);
                return;
            }
            self.state = ListState::Reading(work);
            cx.run.read(self.owner(), Query::Folder { folder: id, uids: None, holds: true });
        } else if let Some(fresh) = work.fresh.front() {
            if work.inbox && !is_inbox(fresh) {
                let shown = work.fresh.iter().filter_map(|name| self.counters.get(&name.remote_id));
                work.unopened = shown.map(|shown| u64::from(shown.exists)).sum();
                self.state = ListState::Holding(work);
                return;
            }
            if let Some(shown) = self.shown_at_first(fresh, work.late, cx) {
                work.asked = work.started;
                return self.open_next(work, shown, None, cx);
            }
            let request = FolderRequest::examine(fresh.remote_id.clone());
            work.asked = cx.run.stamp();
            self.state = ListState::Examining(work);
            cx.run.ask(self.owner(), request);
        } else if work.unacked > 0 {
            // That the LIST was complete is not said before every folder of it is durable.
            self.state = ListState::Opening(work);
        } else if work.complete && !work.late && self.is_as_stored(&work, cx) {
            self.state = ListState::Done;
            cx.run.prove(QuietProof::List { started: work.started });
        } else if work.complete && !work.late {
            self.state = ListState::Closing;
            let Todo { started, excluded, unlisted, .. } = work;
            cx.run.commit(self.owner(), AccountChange::Listed { started, excluded, unlisted });
        } else {
            self.state = ListState::Done;
        }
    }

    /// Whether a LIST that lacks nothing tells the store nothing. While messages are looked for, it
    /// ends limbo, and only a commit can say so.
    fn is_as_stored(&self, work: &Todo, cx: &FolderCx<'_>) -> bool {
        cx.run.rounds() == 0
            && cx.run.account().listed_at.is_some()
            && cx.run.account().list_look.is_none()
            && work.unlisted.is_empty()
            && !self.refiltered
    }

    /// Goes on where the LIST waited for pages: of a folder that is gone, or INBOX's newest.
    pub(super) fn resume(&mut self, cx: &mut FolderCx<'_>) {
        match std::mem::replace(&mut self.state, ListState::Done) {
            ListState::Draining(work) => self.next_folder(work, cx),
            ListState::Holding(mut work) if is_inbox_settled(cx) => {
                work.inbox = false;
                self.next_folder(work, cx);
            }
            other => self.state = other,
        }
    }

    /// Nothing is under way, so INBOX's newest page will not come now: the other folders wait no
    /// longer. Returns whether they did.
    pub(super) fn stop_holding(&mut self, cx: &mut FolderCx<'_>) -> bool {
        match std::mem::replace(&mut self.state, ListState::Done) {
            ListState::Holding(mut work) => {
                work.inbox = false;
                self.next_folder(work, cx);
                true
            }
            other => {
                self.state = other;
                false
            }
        }
    }

    /// Asks one of the names that are asked when all else is done. Returns whether there was one.
    pub(super) fn start_late(&mut self, cx: &mut FolderCx<'_>) -> bool {
        let Some(name) = self.late.pop_front() else { return false };
        let fresh = VecDeque::from([name]);
        self.next_folder(Todo { started: self.from, fresh, late: true, ..Todo::default() }, cx);
        true
    }

    pub(super) fn on_rows(&mut self, living: &UidSet, cx: &mut FolderCx<'_>) {
        match std::mem::replace(&mut self.state, ListState::Done) {
            ListState::Reading(work) => self.drop_chunk(work, living.clone(), cx),
            other => self.state = other,
        }
    }

    fn drop_chunk(&mut self, work: Todo, left: UidSet, cx: &mut FolderCx<'_>) {
        let Some(folder) = work.lost.front().copied() else { return self.next_folder(work, cx) };
        let uids: UidSet = left.iter().take(DROP_CHUNK).collect();
        let left = left.minus(&uids);
        let last = left.is_empty();
        self.state = ListState::Dropping { work, left };
        cx.want(Want::Seek);
        cx.run.commit(self.owner(), FolderChange::DropFolder { folder, uids, last });
    }

    /// A folder is listed and cannot be opened: its ledger row, and the run goes on.
    pub(super) fn shut(
        &self,
        (remote_id, path): (WireName, String),
        folder: Option<FolderId>,
        failure: &Failure,
        run: &mut Cx<'_>,
    ) {
        run.leave(format!("folder {path} cannot be opened: {failure}"));
        let (class, text) = (failure.class, failure.chain());
        let (seen, at, soon) = (self.from, run.now().wall, is_incomplete(failure));
        let change = AccountChange::Shut { remote_id, path, folder, class, text, seen, at, soon };
        run.commit(Owner::Nobody, change);
    }

    /// A commit of the LIST was answered: `folder` is the stored row it left, if there is one.
    pub(super) fn on_committed(&mut self, opened: Option<FolderId>, cx: &mut FolderCx<'_>) {
        match std::mem::replace(&mut self.state, ListState::Done) {
            ListState::Looking(work) => self.next_folder(work, cx),
            ListState::Dropping { mut work, left } if left.is_empty() => {
                if let Some(id) = work.lost.pop_front() {
                    cx.folders.remove(&id);
                    cx.run.counts().folder_changes += 1;
                }
                self.next_folder(work, cx);
            }
            ListState::Dropping { work, left } => self.drop_chunk(work, left, cx),
            ListState::Opening(mut work) => {
                on_opened(&mut work, opened, &mut cx.run);
                self.next_folder(work, cx);
            }
            ListState::Examining(mut work) => {
                on_opened(&mut work, opened, &mut cx.run);
                self.state = ListState::Examining(work);
            }
            ListState::Closing => self.state = ListState::Done,
            ListState::Matching(matching) => self.on_match_committed(*matching, cx),
            // The LIST was broken off while this commit was on its way.
            other @ (ListState::Wanted
            | ListState::Asked { .. }
            | ListState::Asking(_)
            | ListState::Draining(_)
            | ListState::Reading(_)
            | ListState::Dating(..)
            | ListState::Holding(_)
            | ListState::Done) => self.state = other,
        }
    }

    /// What the store did not take, or a session did not answer: the LIST is asked again, and
    /// nothing of this one is sent twice. A name that was asked late is asked later.
    pub(super) fn break_off(&mut self) {
        // One folder's counters must not cost all the others: they can be opened.
        self.uncounted |= matches!(self.state, ListState::Asked { .. });
        self.state = match std::mem::replace(&mut self.state, ListState::Done) {
            ListState::Done => return,
            ListState::Closing => {
                self.state = ListState::Closing;
                return;
            }
            ListState::Examining(mut work)
            | ListState::Dating(mut work, _)
            | ListState::Opening(mut work)
                if work.late =>
            {
                self.late.extend(work.fresh.pop_front());
                ListState::Done
            }
            _ => ListState::Wanted,
        };
        self.generation += 1;
    }

    /// Takes a new name out of what is still to be asked; returns its path.
    pub(super) fn drop_name(&mut self, name: &WireName) -> Option<String> {
        let mut path = None;
        let mut keep = |f: &ListedFolder| {
            let is_it = f.remote_id == *name;
            if is_it {
                path = Some(f.path.clone());
            }
            !is_it
        };
        self.late.retain(&mut keep);
        if let ListState::Examining(work) | ListState::Dating(work, _) = &mut self.state {
            work.fresh.retain(&mut keep);
        }
        path
    }
}

/// An opening was acknowledged; `opened` is the stored row, unless it was refused.
fn on_opened(work: &mut Todo, opened: Option<FolderId>, run: &mut Cx<'_>) {
    work.unacked = work.unacked.saturating_sub(1);
    run.counts().folder_changes += u64::from(opened.is_some());
}
