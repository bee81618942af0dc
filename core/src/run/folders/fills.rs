//! Pages of mail: what is fetched, what each part commits, and what becomes of pages that are
//! dropped.

pub(super) mod suspects;

use crate::budget::{Lane, Wait};
use crate::commit::change::{FolderChange, Poison};
use crate::failure::Failure;
use crate::mail::id::FolderId;
use crate::mail::page::{Again, Page};
use crate::mail::uid_set::UidSet;
use crate::provider::folders::Request;
use crate::run::context::{RunEffects, RunView};
use crate::run::event::Token;
use crate::run::fetcher::PagesLeft;
use crate::run::folders::folder::{Fill, FillKind, Owner};
use crate::run::folders::state::{Cx, FolderWork};
use std::collections::VecDeque;

/// Pages that a session has when others wait for it: one is read while the next is on its way.
const READ: usize = 3;

impl FolderWork {
    /// Asks for a page. `open` is what it is to settle: the UIDs asked for, and for history the
    /// holes around them.
    pub(super) fn start_fill(
        &mut self,
        id: FolderId,
        kind: FillKind,
        asked: UidSet,
        open: UidSet,
        cx: &mut Cx<'_>,
    ) {
        let Some(folder) = self.folders.get(&id) else { return };
        let request = Request::Fetch {
            remote_id: folder.row.remote_id.clone(),
            uidvalidity: folder.lanes.live.uidvalidity,
            uids: asked.clone(),
            estimated: cx.account().sizes_estimated,
            lane: if kind == FillKind::Arrivals { Lane::Live } else { Lane::Backfill },
            names: cx.account().names,
            seeks: self.seeks,
            pieces: self.comes_in_pieces(id, kind, &asked),
        };
        let token = cx.ask_page(|token| Owner::Page(id, token), request);
        if let Some(folder) = self.folders.get_mut(&id) {
            folder.fresher = folder.fresher.union(&asked);
            folder.fills.insert(
                token,
                Fill { kind, asked, open, fetching: true, dead: false, unacked: VecDeque::new() },
            );
        }
    }

    /// Takes UIDs that do not exist (the index does not show them) out of `remaining`.
    pub(super) fn close_holes(&mut self, id: FolderId, range: UidSet, cx: &mut Cx<'_>) {
        let Some(folder) = self.folders.get_mut(&id) else { return };
        let uidvalidity = folder.lanes.live.uidvalidity;
        let token = Token::HOLES;
        let fill = Fill {
            kind: FillKind::Backfill,
            asked: UidSet::new(),
            open: range.clone(),
            fetching: false,
            dead: false,
            unacked: VecDeque::from([(0, 0, 0)]),
        };
        folder.fills.insert(token, fill);
        let noted = self.noted_mail(id).intersect(&range);
        let change =
            FolderChange::Backfill { folder: id, uidvalidity, range, page: Page::default() };
        cx.commit(Owner::Page(id, token), change);
        for uid in noted.iter() {
            self.forget_note(&Poison::Mail(id, uidvalidity, uid), cx);
        }
    }

    /// A part of a page came.
    ///
    /// # Errors
    /// A bug when the session settled what nobody asked for, or ended without settling all of it.
    pub(super) fn on_page(
        &mut self,
        id: FolderId,
        token: Token,
        mut page: Page,
        last: bool,
        cx: &mut Cx<'_>,
    ) -> Result<(), Failure> {
        let Some(folder) = self.folders.get_mut(&id) else { return Ok(()) };
        let Some(fill) = folder.fills.get_mut(&token) else { return Ok(()) };
        self.answered.insert(folder.row.remote_id.clone());
        if !fill.dead && !page.suspects.is_empty() && !fill.open.contains_all(&page.suspected()) {
            return Err(Failure::bug("a page shows other UIDs than it was asked for"));
        }
        let (kind, dead, alone) = (fill.kind, fill.dead, fill.asked.len() == 1);
        match kind {
            _ if dead => page.suspects.clear(),
            FillKind::Retry if alone => self.judge_suspects(id, &mut page, cx),
            FillKind::Retry | FillKind::Backfill | FillKind::Arrivals => {
                self.suspect(id, &mut page, cx)
            }
        }
        let Some(folder) = self.folders.get_mut(&id) else { return Ok(()) };
        let Some(fill) = folder.fills.get_mut(&token) else { return Ok(()) };
        if fill.dead {
            fill.fetching = !last;
            folder.fills.retain(|_, fill| fill.fetching || !fill.unacked.is_empty());
            return Ok(());
        }
        let settled = page.settled();
        let unsettled = fill.open.intersect(&fill.asked).minus(&settled);
        if !fill.open.contains_all(&settled) || (last && !unsettled.is_empty()) {
            return Err(Failure::bug("a page settled other UIDs than it was asked for"));
        }
        let reached = settled.last().unwrap_or(0);
        if !last && unsettled.first().is_some_and(|uid| uid < reached) {
            return Err(Failure::bug("a page's parts did not come in order"));
        }
        let uidvalidity = folder.lanes.live.uidvalidity;
        fill.fetching = !last;
        folder.lacks(&page.gone, kind);
        let Some(fill) = folder.fills.get_mut(&token) else { return Ok(()) };
        let elsewhere = page.failed.iter().filter(|f| f.again == Again::Elsewhere).count();
        let failed = page.failed.len() - elsewhere;
        fill.unacked.push_back((page.rows.len() as u64, page.octets(), failed as u64));
        let canaries = std::mem::take(&mut folder.canaries);
        if !canaries.is_empty() && page.brings_bytes() {
            // The fault that met the whole burst has gone.
            folder.due = folder.due.union(&canaries.minus(&settled));
        }
        let change = match fill.kind {
            FillKind::Backfill => {
                let range = if last {
                    fill.open.clone()
                } else {
                    fill.open.intersect(&UidSet::range(1, reached))
                };
                fill.open = fill.open.minus(&range);
                FolderChange::Backfill { folder: id, uidvalidity, range, page }
            }
            FillKind::Arrivals => {
                let from = folder.chain;
                folder.chain = from.max(reached.saturating_add(1));
                fill.open = fill.open.minus(&settled);
                FolderChange::Arrivals { folder: id, uidvalidity, from, to: folder.chain, page }
            }
            FillKind::Retry => {
                fill.open = fill.open.minus(&settled);
                FolderChange::Retry { folder: id, uidvalidity, uids: settled.clone(), page }
            }
        };
        cx.commit(Owner::Page(id, token), change);
        let noted = !self.notes.is_empty();
        for uid in settled.iter().filter(|_| noted) {
            self.forget_note(&Poison::Mail(id, uidvalidity, uid), cx);
        }
        Ok(())
    }

    /// What is kept of messages whose length another session would tell alike is committed as it
    /// is.
    pub(super) fn commit_believed(&mut self, id: FolderId, cx: &mut Cx<'_>) {
        while let Some(page) = self.believed(id, cx.settings().page_messages, cx) {
            let Some(folder) = self.folders.get(&id) else { return };
            let uids = page.settled();
            let uidvalidity = folder.lanes.live.uidvalidity;
            let unacked = VecDeque::from([(page.rows.len() as u64, page.octets(), 0)]);
            let kind = FillKind::Retry;
            let fill = Fill {
                kind,
                asked: uids.clone(),
                open: UidSet::new(),
                fetching: false,
                dead: false,
                unacked,
            };
            let token = cx.token();
            if let Some(folder) = self.folders.get_mut(&id) {
                folder.fills.insert(token, fill);
            }
            let change = FolderChange::Retry { folder: id, uidvalidity, uids, page };
            cx.commit(Owner::Page(id, token), change);
        }
    }

    /// History that waits to be read. It waits for a session where that has more pages than it reads at a time,
    /// and the store has not most of what was read to write.
    pub(super) fn pages_left(&self, cx: &Cx<'_>) -> PagesLeft {
        let is_behind = self.folders.sealed() * 2 >= cx.settings().pages_in_flight;
        match cx.pages_of_own() {
            READ.. if !is_behind => PagesLeft::ForSession,
            READ.. => PagesLeft::ForStore,
            _ if cx.deferral().is_some() => PagesLeft::None,
            // Also in folders that are still to be listed.
            _ if self.folders.unread() > self.folders.asked() => PagesLeft::Some,
            _ => PagesLeft::None,
        }
    }

    /// A page's commit was answered.
    pub(super) fn on_page_answered(
        &mut self,
        id: FolderId,
        token: Token,
        refused: bool,
        cx: &mut Cx<'_>,
    ) {
        let Some(folder) = self.folders.get_mut(&id) else { return };
        let mut arrivals = false;
        if let Some(fill) = folder.fills.get_mut(&token) {
            arrivals = fill.kind == FillKind::Arrivals;
            let (stored, octets, failed) = fill.unacked.pop_front().unwrap_or_default();
            if !refused {
                cx.counts().stored += stored;
                cx.counts().octets += octets;
                cx.counts().failed += failed;
            }
            if !fill.fetching && fill.unacked.is_empty() {
                folder.fills.remove(&token);
            }
            folder.unproven |= !refused && !arrivals;
        }
        if refused {
            if arrivals {
                self.break_chain(id);
            } else if let Some(folder) = self.folders.get_mut(&id) {
                // What is no longer in `remaining`, or no longer a failure, is not asked for again.
                folder.due = folder.due.intersect(&folder.row.failures);
            }
        }
    }

    /// A link of the live chain is missing: nothing that was to follow it may be committed. The
    /// pass begins anew.
    fn break_chain(&mut self, id: FolderId) {
        if let Some(folder) = self.folders.get_mut(&id) {
            for fill in folder.fills.values_mut().filter(|fill| fill.kind == FillKind::Arrivals) {
                fill.dead = true;
            }
        }
        self.break_off_pass(id, false);
    }

    /// A page will not come: what it has not settled stays in `remaining`.
    pub(super) fn drop_fill(&mut self, id: FolderId, token: Token) {
        let Some(folder) = self.folders.get_mut(&id) else { return };
        if let Some(fill) = folder.fills.get_mut(&token) {
            fill.fetching = false;
            fill.asked = fill.asked.minus(&fill.open);
            fill.open = UidSet::new();
            if fill.kind == FillKind::Arrivals {
                self.break_chain(id);
            }
        }
        if let Some(folder) = self.folders.get_mut(&id) {
            folder.fills.retain(|_, fill| fill.fetching || !fill.unacked.is_empty());
        }
    }

    /// A page was not asked for, since there is no budget for it now: no page of the past is before
    /// then.
    ///
    /// # Errors
    /// A bug when it is a page that must not wait.
    pub(super) fn defer_fill(
        &mut self,
        id: FolderId,
        token: Token,
        wait: Wait,
        cx: &mut Cx<'_>,
    ) -> Result<(), Failure> {
        let fill = self.folders.get(&id).and_then(|folder| folder.fills.get(&token));
        let kind = fill.map(|fill| fill.kind);
        if kind == Some(FillKind::Arrivals) {
            return Err(Failure::bug("mail that has just come was left for later"));
        }
        let again = fill.map(|fill| fill.asked.clone()).unwrap_or_default();
        self.drop_fill(id, token);
        if let Some(folder) = self.folders.get_mut(&id).filter(|_| kind == Some(FillKind::Retry)) {
            if folder.canaries.contains_all(&again) {
                // One of a burst was to show whether the fault has gone: it has shown nothing.
                folder.burst = std::mem::take(&mut folder.canaries);
            } else {
                let queue = if again.len() == 1 { &mut folder.lone } else { &mut folder.due };
                *queue = queue.union(&again);
            }
        }
        cx.defer(wait);
        Ok(())
    }

    /// The session is gone: so are the pages it still owed.
    pub(super) fn drop_fetching(&mut self) {
        let owed: Vec<(FolderId, Token)> = self
            .folders
            .values()
            .flat_map(|f| {
                f.fills
                    .iter()
                    .filter(|(_, fill)| fill.fetching)
                    .map(|(token, _)| (f.row.id, *token))
            })
            .collect();
        for (id, token) in owed {
            self.drop_fill(id, token);
        }
    }
}
