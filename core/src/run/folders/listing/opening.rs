//! A name that is new: EXAMINE, the date of the account's newest mail, and the commit that opens
//! the folder.

use crate::commit::change::FolderChange;
use crate::commit::rows::FolderRow;
use crate::failure::Failure;
use crate::mail::cursor::Mark;
use crate::mail::folder::ListedFolder;
use crate::mail::id::FolderId;
use crate::provider::folders::{Examined, Request, Sampled};
use crate::run::context::{RunEffects, RunView};
use crate::run::folders::folder::Folder;
use crate::run::folders::listing::state::{Listing, Todo, is_inbox};
use crate::run::folders::refusals::state::is_bare;
use crate::run::folders::state::{Cx, FolderWork};
use crate::time::Micros;

/// Folders whose opening is being stored.
const OPENINGS: u8 = 32;

impl FolderWork {
    pub(in crate::run::folders) fn on_listing_examined(
        &mut self,
        answer: Result<Examined, Failure>,
        cx: &mut Cx<'_>,
    ) {
        let mut work = match std::mem::replace(&mut self.listing, Listing::Done) {
            Listing::Examining(work) => work,
            Listing::Asking(asking) => {
                // What tells nothing is no absence.
                let is_there = answer.as_ref().map_or_else(is_bare, |_| true);
                return self.on_missing_asked(*asking, is_there, cx);
            }
            Listing::Matching(matching) => {
                return self.on_match_examined(*matching, answer.ok(), cx);
            }
            // A newest mail that cannot be told bounds nothing.
            Listing::Dating(work, examined) => return self.open_shown(work, examined, None, cx),
            other => {
                self.listing = other;
                return;
            }
        };
        let Some(fresh) = work.fresh.front() else { return self.next_folder(work, cx) };
        // A date that cannot be had bounds nothing.
        let ends = self.ends_sessions(&fresh.remote_id);
        match answer {
            Ok(examined)
                if cx.account().opened_at.is_none()
                    && is_inbox(fresh)
                    && examined.exists > 0
                    && !ends =>
            {
                let (remote_id, uidvalidity) = (fresh.remote_id.clone(), examined.uidvalidity);
                self.listing = Listing::Dating(work, examined);
                cx.ask(self.list_owner(), Request::Newest { remote_id, uidvalidity });
            }
            Ok(examined) => self.open_shown(work, examined, None, cx),
            Err(failure) => {
                if let Some(fresh) = work.fresh.pop_front() {
                    work.complete &= cx.account().shut.contains_key(&fresh.remote_id);
                    self.refuse_fresh(fresh, failure, cx);
                }
                self.next_folder(work, cx);
            }
        }
    }

    /// The newest mail of the account's first folder, for a clock that is ahead.
    pub(in crate::run::folders) fn on_dated(&mut self, newest: &[Sampled], cx: &mut Cx<'_>) {
        match std::mem::replace(&mut self.listing, Listing::Done) {
            Listing::Dating(work, examined) => {
                let date = newest.iter().filter_map(|row| row.internal_date).max();
                self.open_shown(work, examined, date, cx);
            }
            other => self.listing = other,
        }
    }

    /// The counters with which a folder of a new account was listed. They are as old as the LIST:
    /// what came here since, from wherever, is above them. INBOX is opened for its date.
    pub(in crate::run::folders) fn shown_at_first(
        &self,
        fresh: &ListedFolder,
        late: bool,
    ) -> Option<Examined> {
        let is_asked = is_inbox(fresh) || late || self.ends_sessions(&fresh.remote_id);
        let shown = self.counters.get(&fresh.remote_id).filter(|_| self.is_first && !is_asked);
        // There are no more messages than UIDs.
        shown.filter(|shown| shown.uidnext > shown.exists).copied()
    }

    /// Opens what this session was asked to open.
    fn open_shown(
        &mut self,
        work: Todo,
        examined: Examined,
        newest: Option<Micros>,
        cx: &mut Cx<'_>,
    ) {
        // An empty one has no listing to be asked for.
        let is_of_use = self.is_first && examined.exists > 0;
        let name = work.fresh.front().filter(|_| is_of_use).map(|fresh| &fresh.remote_id);
        self.just_opened = name.map(|name| (name.clone(), work.asked, examined));
        self.open_next(work, examined, newest, cx);
    }

    pub(in crate::run::folders) fn open_next(
        &mut self,
        mut work: Todo,
        examined: Examined,
        newest: Option<Micros>,
        cx: &mut Cx<'_>,
    ) {
        let Some(folder) = work.fresh.pop_front() else { return self.next_folder(work, cx) };
        // What comes after the first folder does not wait for it to be durable, INBOX apart: its
        // mail is fetched first.
        let waits = is_inbox(&folder) || cx.account().opened_at.is_none();
        work.inbox |= is_inbox(&folder);
        work.unacked += 1;
        let mark =
            Mark { uidnext: examined.uidnext, exists: examined.exists, modseq: examined.modseq };
        // Not the LIST's begin, unless it has shown the counters: what another folder still showed
        // since may have come here before this was asked.
        let (uidvalidity, started) = (examined.uidvalidity, work.asked);
        let names = self.names;
        cx.commit(
            self.list_owner(),
            FolderChange::Open { folder, uidvalidity, mark, started, newest, names },
        );
        if waits || work.unacked >= OPENINGS {
            self.listing = Listing::Opening(work);
        } else {
            self.next_folder(work, cx);
        }
    }

    /// A folder row that this run did not know.
    pub(in crate::run::folders) fn adopt_folder(&mut self, row: FolderRow) {
        if let Some(folder) =
            Folder::new(row).filter(|folder| !self.folders.contains(folder.row.id))
        {
            self.folders.insert(folder);
        }
    }
}

/// An opening was acknowledged; `opened` is the stored row, unless it was refused.
pub(in crate::run::folders) fn on_opened(
    work: &mut Todo,
    opened: Option<FolderId>,
    cx: &mut Cx<'_>,
) {
    work.unacked = work.unacked.saturating_sub(1);
    cx.counts().folder_changes += u64::from(opened.is_some());
}
