//! A name that is new: EXAMINE, the date of the account's newest mail, and the commit that opens
//! the folder.

use crate::commit::change::FolderChange;
use crate::commit::rows::FolderRow;
use crate::failure::Failure;
use crate::mail::folder::{ListedFolder, WireName};
use crate::provider::folders::{Examined, FolderRequest, Sampled};
use crate::run::context::{RunEffects, RunFacts};
use crate::run::folders::context::{FolderCx, Want};
use crate::run::folders::folder::{Folder, told};
use crate::run::folders::listing::state::{ListState, Todo, is_inbox};
use crate::run::folders::listing::{JustOpened, Listing};
use crate::run::folders::refusals::state::is_incomplete;
use crate::run::folders::set::Folders;
use crate::time::Micros;

/// Folders whose opening is being stored.
const OPENINGS: u8 = 32;

impl Listing {
    pub(in crate::run::folders) fn on_examined(
        &mut self,
        answer: Result<Examined, Failure>,
        cx: &mut FolderCx<'_>,
    ) {
        let mut work = match std::mem::replace(&mut self.state, ListState::Done) {
            ListState::Examining(work) => work,
            ListState::Asking(asking) => {
                // What tells nothing is no absence.
                let is_there = answer.as_ref().map_or_else(is_incomplete, |_| true);
                return self.on_missing_asked(*asking, is_there, cx);
            }
            ListState::Matching(matching) => {
                return self.on_match_examined(*matching, answer.ok(), cx);
            }
            // A newest mail that cannot be told bounds nothing.
            ListState::Dating(work, examined) => return self.open_shown(work, examined, None, cx),
            other => {
                self.state = other;
                return;
            }
        };
        let Some(fresh) = work.fresh.front() else { return self.next_folder(work, cx) };
        // A date that cannot be had bounds nothing.
        let ends = cx.notes.ends_sessions(&fresh.remote_id);
        match answer {
            Ok(examined)
                if cx.run.account().opened_at.is_none()
                    && is_inbox(fresh)
                    && examined.exists > 0
                    && !ends =>
            {
                let (remote_id, uidvalidity) = (fresh.remote_id.clone(), examined.uidvalidity);
                self.state = ListState::Dating(work, examined);
                cx.run.ask(self.owner(), FolderRequest::Newest { remote_id, uidvalidity });
            }
            Ok(examined) => self.open_shown(work, examined, None, cx),
            Err(failure) => {
                if let Some(fresh) = work.fresh.pop_front() {
                    work.complete &= cx.run.account().shut.contains_key(&fresh.remote_id);
                    cx.want(Want::Refused { name: fresh, failure });
                }
                self.next_folder(work, cx);
            }
        }
    }

    /// The server's rows of a sample: of the newest mail of the account's first folder, for a clock that is
    /// ahead, or of a new name that may be a missing folder.
    pub(in crate::run::folders) fn on_sampled(&mut self, rows: &[Sampled], cx: &mut FolderCx<'_>) {
        if matches!(self.state, ListState::Dating(..)) {
            self.on_dated(rows, cx);
        } else {
            self.on_match_sampled(rows, cx);
        }
    }

    fn on_dated(&mut self, newest: &[Sampled], cx: &mut FolderCx<'_>) {
        match std::mem::replace(&mut self.state, ListState::Done) {
            ListState::Dating(work, examined) => {
                let date = newest.iter().filter_map(|row| row.internal_date).max();
                self.open_shown(work, examined, date, cx);
            }
            other => self.state = other,
        }
    }

    /// The counters with which a folder of a new account was listed. They are as old as the LIST:
    /// what came here since, from wherever, is above them. INBOX is opened for its date.
    pub(super) fn shown_at_first(
        &self,
        fresh: &ListedFolder,
        late: bool,
        cx: &FolderCx<'_>,
    ) -> Option<Examined> {
        let is_asked = is_inbox(fresh) || late || cx.notes.ends_sessions(&fresh.remote_id);
        let shown = self.counters.get(&fresh.remote_id).filter(|_| cx.known.is_first && !is_asked);
        // There are no more messages than UIDs.
        shown.filter(|shown| shown.uidnext > shown.exists).copied()
    }

    /// Opens what this session was asked to open.
    fn open_shown(
        &mut self,
        work: Todo,
        examined: Examined,
        newest: Option<Micros>,
        cx: &mut FolderCx<'_>,
    ) {
        // An empty one has no listing to be asked for.
        let is_of_use = cx.known.is_first && examined.exists > 0;
        let name = work.fresh.front().filter(|_| is_of_use).map(|fresh| &fresh.remote_id);
        let opened =
            |name: &WireName| JustOpened { name: name.clone(), asked: work.asked, shown: examined };
        self.opened = name.map(opened);
        self.open_next(work, examined, newest, cx);
    }

    pub(super) fn open_next(
        &mut self,
        mut work: Todo,
        examined: Examined,
        newest: Option<Micros>,
        cx: &mut FolderCx<'_>,
    ) {
        let Some(folder) = work.fresh.pop_front() else { return self.next_folder(work, cx) };
        // What comes after the first folder does not wait for it to be durable, INBOX apart: its
        // mail is fetched first.
        let waits = is_inbox(&folder) || cx.run.account().opened_at.is_none();
        work.inbox |= is_inbox(&folder);
        work.unacked += 1;
        let mark = told(&examined);
        // Not the LIST's begin, unless it has shown the counters: what another folder still showed
        // since may have come here before this was asked.
        let (uidvalidity, started) = (examined.uidvalidity, work.asked);
        let names = cx.known.names;
        cx.run.commit(
            self.owner(),
            FolderChange::Open { folder, uidvalidity, mark, started, newest, names },
        );
        if waits || work.unacked >= OPENINGS {
            self.state = ListState::Opening(work);
        } else {
            self.next_folder(work, cx);
        }
    }
}

/// A folder row that this run did not know.
pub(in crate::run::folders) fn adopt(row: FolderRow, folders: &mut Folders) {
    if let Some(folder) = Folder::new(row).filter(|folder| !folders.contains(folder.row.id)) {
        folders.insert(folder);
    }
}
