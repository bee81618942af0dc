//! LIST and what follows from it: folders that are gone, folders that are new.
//!
//! What LIST lacks is asked by name; what the server refuses to open too is a look, and two looks
//! on two sessions end a folder. A folder that is listed and cannot be opened is *shut*: a ledger
//! row, and the run goes on without it.

pub(super) mod opening;
pub(super) mod rename;
pub(super) mod state;

use crate::commit::change::{AccountChange, FolderChange, Poison};
use crate::commit::rows::Shut;
use crate::failure::{Class, Failure};
use crate::mail::folder::ListedFolder;
use crate::mail::id::FolderId;
use crate::mail::uid_set::UidSet;
use crate::plain::PlainText;
use crate::provider::folders::Request;
use crate::run::context::{RunEffects, RunView};
use crate::run::evidence::{Sight, judge_list};
use crate::run::folders::folder::Owner;
use crate::run::folders::listing::opening::on_opened;
use crate::run::folders::listing::state::{Asking, Listing, Matching, Todo, is_inbox};
use crate::run::folders::refusals::state::is_bare;
use crate::run::folders::state::{Cx, FolderWork};
use crate::run::reads::{Query, QuietProof};
use crate::time::Micros;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Locations that one commit ends when a folder is gone.
const DROP_CHUNK: usize = 2000;

impl FolderWork {
    pub(super) fn start_listing(&mut self, cx: &mut Cx<'_>) {
        self.generation += 1;
        self.forget_fresh();
        let started = cx.stamp();
        self.listing = Listing::Asked { started };
        self.listed = true;
        let without = cx.doubts() || self.uncounted;
        let counters_of = if without { Vec::new() } else { self.provable(started) };
        let anew = cx.account().listed_at.is_none() && !without;
        cx.ask(self.list_owner(), Request::List { counters_of, anew });
    }

    pub(super) fn on_listed(
        &mut self,
        listed: Vec<ListedFolder>,
        unreadable: Option<PlainText>,
        cx: &mut Cx<'_>,
    ) {
        let Listing::Asked { started } = self.listing else { return };
        self.listed_from = started;
        let shown = listed.len();
        let mut names: BTreeMap<Vec<u8>, ListedFolder> =
            listed.into_iter().map(|f| (f.remote_id.clone(), f)).collect();
        let missing: BTreeSet<FolderId> = self
            .folders
            .values()
            .filter(|f| !names.contains_key(&f.row.remote_id))
            .map(|f| f.row.id)
            .collect();
        let mut work = Todo { started, complete: true, ..Todo::default() };
        // A shut name that is listed no more, or that the config leaves out, is no trouble any
        // more.
        let is_over = |name: &Vec<u8>, shut: &Shut| match names.get(name) {
            Some(folder) => !cx.settings().folders.wants(&folder.path),
            // Behind a line that cannot be read it cannot be asked either: that line's own row
            // stands for it.
            None => unreadable.is_none() || (!name.is_empty() && shut.due_at <= cx.now().wall),
        };
        let over = cx.account().shut.iter().filter(|(name, shut)| is_over(name, shut));
        work.unlisted = over.map(|(name, _)| name.clone()).collect();
        // A mailbox without INBOX is none: that answer is not believed.
        let has_inbox = names.values().any(is_inbox) || self.folders.values().any(|f| f.is_inbox());
        if !has_inbox && unreadable.is_none() {
            work.complete = false;
            let text = format!(
                "LIST shows {shown} folder(s) and no INBOX: this is not believed, and looked at again"
            );
            cx.leave(text);
        }
        for folder in self.folders.values_mut() {
            let wanted = cx.settings().folders.wants(&folder.row.path);
            self.refiltered |= folder.row.excluded == wanted;
            folder.row.excluded = !wanted;
            if !wanted {
                folder.unproven = false;
                work.excluded.insert(folder.row.id);
            }
            names.remove(&folder.row.remote_id);
        }
        let wanted = names.into_values().filter(|f| cx.settings().folders.wants(&f.path));
        let (easy, hard): (VecDeque<_>, Vec<_>) = wanted.map(|f| (self.is_hard(&f, cx), f)).fold(
            Default::default(),
            |(mut easy, mut hard): (VecDeque<ListedFolder>, Vec<ListedFolder>),
             (is_hard, folder)| {
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
        work.complete &= hard
            .iter()
            .all(|f| cx.account().shut.contains_key(&f.remote_id) || self.is_judged(&f.remote_id));
        self.late = self.in_turn(hard, cx);
        let nothing = work.fresh.is_empty() && self.late.is_empty();
        if shown > 0
            && nothing
            && cx.account().shut.is_empty()
            && self.folders.values().all(|f| f.row.excluded)
        {
            cx.leave(format!("the folder filter matches none of the {shown} folders"));
        }
        // INBOX first: its newest page is what people wait for, also where an earlier session has
        // opened it.
        work.inbox = cx.account().listed_at.is_none()
            && self.folders.inbox().is_some()
            && !self.is_inbox_settled();
        work.fresh.make_contiguous().sort_by_key(|f| !is_inbox(f));
        if let Some(line) = unreadable {
            self.shut_line(line.into(), started, cx);
        }
        let todo = missing.iter().copied().collect();
        self.ask_missing(Asking { work, missing, todo }, cx);
    }

    /// A line of LIST that cannot be read is a shut folder without a name: a ledger row when it is
    /// new, and daily.
    fn shut_line(&mut self, line: String, seen: Micros, cx: &mut Cx<'_>) {
        let due =
            cx.account().shut.get(&Vec::new()).is_none_or(|shut| shut.due_at <= cx.now().wall);
        if due {
            let (remote_id, path, class) = (Vec::new(), String::new(), Class::InvalidData);
            let text = format!("a line of LIST cannot be read: {line}");
            let change = AccountChange::Shut {
                remote_id,
                path,
                folder: None,
                class,
                text,
                seen,
                at: cx.now().wall,
                soon: false,
            };
            cx.commit(Owner::Nobody, change);
        }
    }

    /// Whether a name is asked last of all: it is shut, or sessions have ended at it.
    fn is_hard(&self, folder: &ListedFolder, cx: &Cx<'_>) -> bool {
        cx.account().shut.contains_key(&folder.remote_id)
            || self.ends_sessions(&folder.remote_id)
            || self.is_judged(&folder.remote_id)
    }

    /// Whether sessions have ended at this folder's EXAMINE or index.
    pub(super) fn ends_sessions(&self, remote_id: &[u8]) -> bool {
        self.is_noted(&Poison::Examine(remote_id.to_vec()))
            || self.is_noted(&Poison::Index(remote_id.to_vec()))
    }

    /// Names that are due, those that wait longest first.
    fn in_turn(&self, mut hard: Vec<ListedFolder>, cx: &Cx<'_>) -> VecDeque<ListedFolder> {
        let due = |f: &ListedFolder| cx.account().shut.get(&f.remote_id).map(|shut| shut.due_at);
        // Who asks by hand does not wait for INBOX.
        let at_once =
            |f: &ListedFolder| cx.insists() || (is_inbox(f) && !cx.settings().policy.stays);
        hard.retain(|f| !self.is_judged(&f.remote_id));
        hard.retain(|f| at_once(f) || due(f).is_none_or(|due| due <= cx.now().wall));
        hard.sort_by_key(|f| (self.ends_sessions(&f.remote_id), due(f)));
        hard.into()
    }

    /// Asks the next name that LIST lacks; when all are asked, looks for them under new names.
    fn ask_missing(&mut self, mut asking: Asking, cx: &mut Cx<'_>) {
        while let Some(id) = asking.todo.front().copied() {
            let Some(folder) = self.folders.get(&id) else {
                asking.todo.pop_front();
                continue;
            };
            let remote_id = folder.row.remote_id.clone();
            if self.is_noted(&Poison::Examine(remote_id.clone())) {
                // Nobody knows: the question would end the session. It is put last of all, with the
                // folder's pass.
                asking.todo.pop_front();
                asking.missing.remove(&id);
                continue;
            }
            self.listing = Listing::Asking(Box::new(asking));
            return cx.ask(self.list_owner(), Request::examine(remote_id));
        }
        let Asking { work, missing, .. } = asking;
        self.match_folders(Matching::new(work, missing), cx);
    }

    /// A name that LIST lacks: where it can be opened, LIST has lied.
    pub(super) fn on_missing_asked(&mut self, mut asking: Asking, opens: bool, cx: &mut Cx<'_>) {
        if let Some(id) = asking.todo.pop_front()
            && opens
        {
            asking.missing.remove(&id);
        }
        self.ask_missing(asking, cx);
    }

    /// Renames are known: judges what is still missing, and goes on with the rest.
    pub(super) fn judge_missing(
        &mut self,
        mut work: Todo,
        missing: BTreeSet<FolderId>,
        cx: &mut Cx<'_>,
    ) {
        work.complete &= missing.is_empty();
        let Some(session) = cx.session() else { return };
        let sight = Sight { session, at: work.started, confirm_after: cx.settings().confirm_after };
        let ruling = judge_list(missing, cx.account().list_look.as_ref(), sight);
        if !ruling.held.is_empty() {
            cx.look_again();
            let names: Vec<&str> = ruling
                .held
                .iter()
                .filter_map(|id| self.folders.get(id))
                .map(|f| f.row.path.as_str())
                .collect();
            let text = format!(
                "LIST lacks {} folder(s) ({}): a second look, {} s later on a new session, must agree",
                names.len(),
                names.join(", "),
                cx.settings().confirm_after.as_secs()
            );
            cx.leave(text);
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
                cx.commit(self.list_owner(), AccountChange::ListLook(look));
            }
            None => self.next_folder(work, cx),
        }
    }

    pub(super) fn next_folder(&mut self, mut work: Todo, cx: &mut Cx<'_>) {
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
            cx.read(self.list_owner(), Query::Folder { folder: id, uids: None });
        } else if let Some(fresh) = work.fresh.front() {
            if work.inbox && !is_inbox(fresh) {
                let shown = work.fresh.iter().filter_map(|name| self.counters.get(&name.remote_id));
                work.unopened = shown.map(|shown| u64::from(shown.exists)).sum();
                self.listing = Listing::Holding(work);
                return;
            }
            if let Some(shown) = self.shown_at_first(fresh, work.late) {
                work.asked = work.started;
                return self.open_next(work, shown, None, cx);
            }
            let request = Request::examine(fresh.remote_id.clone());
            work.asked = cx.stamp();
            self.listing = Listing::Examining(work);
            cx.ask(self.list_owner(), request);
        } else if work.unacked > 0 {
            // That the LIST was complete is not said before every folder of it is durable.
            self.listing = Listing::Opening(work);
        } else if work.complete && !work.late && self.is_as_stored(&work, cx) {
            self.listing = Listing::Done;
            cx.prove(QuietProof::List { started: work.started });
        } else if work.complete && !work.late {
            self.listing = Listing::Closing;
            let Todo { started, excluded, unlisted, .. } = work;
            cx.commit(self.list_owner(), AccountChange::Listed { started, excluded, unlisted });
        } else {
            self.listing = Listing::Done;
        }
    }

    /// Whether a LIST that lacks nothing tells the store nothing. While messages are looked for, it
    /// ends limbo, and only a commit can say so.
    fn is_as_stored(&self, work: &Todo, cx: &Cx<'_>) -> bool {
        cx.rounds() == 0
            && cx.account().listed_at.is_some()
            && cx.account().list_look.is_none()
            && work.unlisted.is_empty()
            && !self.refiltered
    }

    /// Goes on where the LIST waited for pages: of a folder that is gone, or INBOX's newest.
    pub(super) fn resume_listing(&mut self, cx: &mut Cx<'_>) {
        match std::mem::replace(&mut self.listing, Listing::Done) {
            Listing::Draining(work) => self.next_folder(work, cx),
            Listing::Holding(mut work) if self.is_inbox_settled() => {
                work.inbox = false;
                self.next_folder(work, cx);
            }
            other => self.listing = other,
        }
    }

    /// Nothing is under way, so INBOX's newest page will not come now: the other folders wait no
    /// longer. Returns whether they did.
    pub(super) fn stop_holding(&mut self, cx: &mut Cx<'_>) -> bool {
        match std::mem::replace(&mut self.listing, Listing::Done) {
            Listing::Holding(mut work) => {
                work.inbox = false;
                self.next_folder(work, cx);
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
            // What has come is stored before whatever comes behind it.
            let is_here = inbox.fills.values().all(|fill| !fill.fetching);
            let idle = inbox.pass.is_none() && !inbox.wanted && is_here;
            inbox.row.excluded
                || inbox.is_left()
                || inbox.doubted
                || self.ends_sessions(&inbox.row.remote_id)
                || (idle && (inbox.paged || inbox.has_read_all()))
        })
    }

    /// Asks one of the names that are asked when all else is done. Returns whether there was one.
    pub(super) fn start_late(&mut self, cx: &mut Cx<'_>) -> bool {
        let Some(name) = self.late.pop_front() else { return false };
        let fresh = VecDeque::from([name]);
        self.next_folder(
            Todo { started: self.listed_from, fresh, late: true, ..Todo::default() },
            cx,
        );
        true
    }

    pub(super) fn on_listing_rows(&mut self, living: &UidSet, cx: &mut Cx<'_>) {
        match std::mem::replace(&mut self.listing, Listing::Done) {
            Listing::Reading(work) => self.drop_chunk(work, living.clone(), cx),
            other => self.listing = other,
        }
    }

    fn drop_chunk(&mut self, work: Todo, left: UidSet, cx: &mut Cx<'_>) {
        let Some(folder) = work.lost.front().copied() else { return self.next_folder(work, cx) };
        let uids: UidSet = left.iter().take(DROP_CHUNK).collect();
        let left = left.minus(&uids);
        let last = left.is_empty();
        self.listing = Listing::Dropping { work, left };
        self.seeks = true;
        cx.commit(self.list_owner(), FolderChange::DropFolder { folder, uids, last });
    }

    /// A folder is listed and cannot be opened: its ledger row, and the run goes on.
    pub(super) fn shut(
        &mut self,
        remote_id: &[u8],
        path: &str,
        folder: Option<FolderId>,
        failure: &Failure,
        cx: &mut Cx<'_>,
    ) {
        cx.leave(format!("folder {path} cannot be opened: {failure}"));
        let (remote_id, path, class, text) =
            (remote_id.to_vec(), path.to_owned(), failure.class, failure.chain());
        let (seen, at, soon) = (self.listed_from, cx.now().wall, is_bare(failure));
        cx.commit(
            Owner::Nobody,
            AccountChange::Shut { remote_id, path, folder, class, text, seen, at, soon },
        );
    }

    /// A commit of the LIST was answered: `folder` is the stored row it left, if there is one.
    pub(super) fn on_listing_committed(&mut self, opened: Option<FolderId>, cx: &mut Cx<'_>) {
        match std::mem::replace(&mut self.listing, Listing::Done) {
            Listing::Looking(work) => self.next_folder(work, cx),
            Listing::Dropping { mut work, left } if left.is_empty() => {
                if let Some(id) = work.lost.pop_front() {
                    self.folders.remove(&id);
                    cx.counts().folder_changes += 1;
                }
                self.next_folder(work, cx);
            }
            Listing::Dropping { work, left } => self.drop_chunk(work, left, cx),
            Listing::Opening(mut work) => {
                on_opened(&mut work, opened, cx);
                self.next_folder(work, cx);
            }
            Listing::Examining(mut work) => {
                on_opened(&mut work, opened, cx);
                self.listing = Listing::Examining(work);
            }
            Listing::Closing => self.listing = Listing::Done,
            Listing::Matching(matching) => self.on_match_committed(*matching, cx),
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

    /// What the store did not take, or a session did not answer: the LIST is asked again, and
    /// nothing of this one is sent twice. A name that was asked late is asked later.
    pub(super) fn break_off_listing(&mut self) {
        // One folder's counters must not cost all the others: they can be opened.
        self.uncounted |= matches!(self.listing, Listing::Asked { .. });
        self.listing = match std::mem::replace(&mut self.listing, Listing::Done) {
            Listing::Done => return,
            Listing::Closing => {
                self.listing = Listing::Closing;
                return;
            }
            Listing::Examining(mut work)
            | Listing::Dating(mut work, _)
            | Listing::Opening(mut work)
                if work.late =>
            {
                self.late.extend(work.fresh.pop_front());
                Listing::Done
            }
            _ => Listing::Wanted,
        };
        self.generation += 1;
    }

    /// Takes a new name out of what is still to be asked; returns its path.
    pub(super) fn drop_name(&mut self, name: &[u8]) -> Option<String> {
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
}
