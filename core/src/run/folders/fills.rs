//! Pages of mail: what is fetched, what each part commits, and what becomes of pages that are
//! dropped.

pub(super) mod choosing;
mod first;
pub(super) mod part;
pub(super) mod plan;
mod suspects;

use crate::budget::{Lane, Wait};
use crate::commit::change::{FolderChange, Poison};
use crate::failure::{Class, Failure};
use crate::mail::id::{FolderId, SessionId};
use crate::mail::page::{Again, Page, Unfetched};
use crate::mail::uid_set::UidSet;
use crate::provider::folders::{FolderRequest, Sampled};
use crate::recovery::asked::ends_processes;
use crate::run::context::{RunEffects, RunFacts};
use crate::run::event::Token;
use crate::run::folders::context::{FolderCx, Want};
use crate::run::folders::fills::choosing::wishes_of;
use crate::run::folders::fills::part::{Fill, FillKind, SentPart};
use crate::run::folders::folder::{Folder, Owner};
use crate::run::folders::notes::{GOES_LAST, LEFT_ALONE};
use crate::run::folders::set::Folders;

/// The machine of pages.
#[derive(Debug, Default)]
pub(super) struct Fills {
    /// The session that told suspicious lengths: another one is asked.
    suspicious: Option<SessionId>,
    /// Lengths that two sessions told alike, against RFC822.SIZE.
    equal_sizes: u32,
}

impl Fills {
    /// At the beginning, or after the store was asked anew: what sessions have shown is still true.
    pub(super) fn new(before: Option<Self>) -> Self {
        let equal_sizes = before.map_or(0, |before| before.equal_sizes);
        Self { suspicious: None, equal_sizes }
    }

    /// Asks for a page. `open` is what it is to settle: the UIDs asked for, and for history the
    /// holes around them.
    pub(super) fn start(
        &self,
        id: FolderId,
        kind: FillKind,
        asked: UidSet,
        open: UidSet,
        cx: &mut FolderCx<'_>,
    ) {
        let lone = asked.first().filter(|_| asked.len() == 1);
        if let Some(uid) = lone.filter(|uid| cx.notes.is_left_out(id, *uid)) {
            return self.settle_as_row(id, kind, uid, &ends_processes(), cx);
        }
        let Some(folder) = cx.folders.get(&id) else { return };
        let request = FolderRequest::Fetch {
            remote_id: folder.row.remote_id.clone(),
            uidvalidity: folder.lanes.live.uidvalidity,
            uids: asked.clone(),
            estimated: cx.run.account().sizes_estimated,
            lane: if kind == FillKind::Arrivals { Lane::Live } else { Lane::Backfill },
            names: cx.run.account().names,
            seeks: cx.known.seeks,
            pieces: comes_in_pieces(folder, kind, &asked, cx),
            suspect: lone.is_some_and(|uid| cx.notes.is_suspect(id, uid)),
        };
        let token = cx.run.ask_page(|token| Owner::Page(id, token), request);
        cx.want(Want::Asked { folder: id, uids: asked.clone() });
        if let Some(Folder { fill, lanes, .. }) = cx.folders.get_mut(&id) {
            if kind == FillKind::Arrivals && !fill.arrives() {
                fill.chain = lanes.live.uidnext;
            }
            fill.pages.insert(token, Fill::asked(kind, asked, open));
        }
    }

    /// Takes UIDs that do not exist (the index does not show them) out of `remaining`.
    fn close_holes(&self, id: FolderId, range: UidSet, cx: &mut FolderCx<'_>) {
        let Some(folder) = cx.folders.get_mut(&id) else { return };
        let uidvalidity = folder.lanes.live.uidvalidity;
        let token = Token::HOLES;
        let (kind, nothing) = (FillKind::Backfill, UidSet::new());
        let fill = Fill::sent(kind, nothing, range.clone(), SentPart::default());
        folder.fill.pages.insert(token, fill);
        let noted = cx.notes.noted_mail(id).intersect(&range);
        let change =
            FolderChange::Backfill { folder: id, uidvalidity, range, page: Page::default() };
        cx.run.commit(Owner::Page(id, token), change);
        for uid in noted.iter() {
            cx.want(Want::Forget(Poison::Mail(id, uidvalidity, uid)));
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
        cx: &mut FolderCx<'_>,
    ) -> Result<(), Failure> {
        let Some(folder) = cx.folders.get_mut(&id) else { return Ok(()) };
        let Some(fill) = folder.fill.pages.get_mut(&token) else { return Ok(()) };
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
        let Some(Folder { fill: part, lanes, .. }) = cx.folders.get_mut(&id) else { return Ok(()) };
        let Some(fill) = part.pages.get_mut(&token) else { return Ok(()) };
        if fill.dead {
            fill.fetching = !last;
            part.drop_settled();
            return Ok(());
        }
        let settled = page.settled();
        fill.take(&page, &settled, last)?;
        let (uidvalidity, reached) = (lanes.live.uidvalidity, settled.last().unwrap_or(0));
        let gone = page.gone.clone();
        let brings_bytes = page.brings_bytes();
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
                let from = part.chain;
                part.chain = from.max(reached.saturating_add(1));
                fill.open = fill.open.minus(&settled);
                FolderChange::Arrivals { folder: id, uidvalidity, from, to: part.chain, page }
            }
            FillKind::Retry => {
                fill.open = fill.open.minus(&settled);
                FolderChange::Retry { folder: id, uidvalidity, uids: settled.clone(), page }
            }
        };
        let canaries = std::mem::take(&mut part.canaries);
        if !canaries.is_empty() && brings_bytes {
            // The fault that met the whole burst has gone.
            part.due = part.due.union(&canaries.minus(&settled));
        }
        cx.run.commit(Owner::Page(id, token), change);
        let index = cx.folders.get(&id).and_then(|folder| folder.listing.index());
        if lacks(index, &gone, kind) {
            cx.want(Want::Lacks { folder: id });
        }
        for uid in settled.iter().filter(|_| !cx.notes.is_empty()) {
            cx.wants.push(Want::Forget(Poison::Mail(id, uidvalidity, uid)));
        }
        Ok(())
    }

    /// A page's commit was answered.
    pub(super) fn on_answered(
        &self,
        id: FolderId,
        token: Token,
        refused: bool,
        cx: &mut FolderCx<'_>,
    ) {
        let Some(Folder { fill: part, row, .. }) = cx.folders.get_mut(&id) else { return };
        let mut arrivals = false;
        if let Some(fill) = part.pages.get_mut(&token) {
            arrivals = fill.kind == FillKind::Arrivals;
            let sent = fill.unacked.pop_front().unwrap_or_default();
            if !refused {
                let counts = cx.run.counts();
                counts.stored += sent.messages;
                counts.octets += sent.octets;
                counts.failed += sent.failed;
            }
            if !fill.fetching && fill.unacked.is_empty() {
                part.pages.remove(&token);
            }
            if !refused && !arrivals {
                cx.wants.push(Want::Prove { folder: id });
            }
        }
        if refused && arrivals {
            break_chain(id, cx);
        } else if refused {
            // What is no longer in `remaining`, or no longer a failure, is not asked for again.
            part.due = part.due.intersect(&row.failures);
        }
    }

    /// A page will not come: what it has not settled stays in `remaining`.
    pub(super) fn drop(&self, id: FolderId, token: Token, cx: &mut FolderCx<'_>) {
        let Some(Folder { fill: part, .. }) = cx.folders.get_mut(&id) else { return };
        let mut arrivals = false;
        if let Some(fill) = part.pages.get_mut(&token) {
            fill.fetching = false;
            fill.asked = fill.asked.minus(&fill.open);
            fill.open = UidSet::new();
            arrivals = fill.kind == FillKind::Arrivals;
        }
        if arrivals {
            break_chain(id, cx);
        }
        if let Some(Folder { fill: part, .. }) = cx.folders.get_mut(&id) {
            part.drop_settled();
        }
    }

    /// A page was not asked for, since there is no budget for it now: no page of the past is before
    /// then.
    ///
    /// # Errors
    /// A bug when it is a page that must not wait.
    pub(super) fn defer(
        &self,
        id: FolderId,
        token: Token,
        wait: Wait,
        cx: &mut FolderCx<'_>,
    ) -> Result<(), Failure> {
        let fill = cx.folders.get(&id).and_then(|folder| folder.fill.pages.get(&token));
        let kind = fill.map(|fill| fill.kind);
        if kind == Some(FillKind::Arrivals) {
            return Err(Failure::bug("mail that has just come was left for later"));
        }
        let again = fill.map(|fill| fill.asked.clone()).unwrap_or_default();
        self.drop(id, token, cx);
        let folder = cx.folders.get_mut(&id).filter(|_| kind == Some(FillKind::Retry));
        if let Some(Folder { fill: part, .. }) = folder {
            if part.canaries.contains_all(&again) {
                // One of a burst was to show whether the fault has gone: it has shown nothing.
                part.burst = std::mem::take(&mut part.canaries);
            } else {
                let queue = if again.len() == 1 { &mut part.lone } else { &mut part.due };
                *queue = queue.union(&again);
            }
        }
        cx.run.defer(wait);
        Ok(())
    }

    /// When mail of a folder came that is still to be read; or that cannot be had now.
    pub(super) fn on_dates(&self, id: FolderId, rows: Option<Vec<Sampled>>, cx: &mut FolderCx<'_>) {
        let Some(folder) = cx.folders.get_mut(&id) else { return };
        let wishes = wishes_of(folder, &cx.run.settings().first);
        folder.fill.first.told(&wishes, rows);
    }

    /// The session is gone: so are the pages it still owed.
    pub(super) fn cut_off(&self, cx: &mut FolderCx<'_>) {
        let owed = |f: &Folder| {
            let fetching = f.fill.pages.iter().filter(|(_, fill)| fill.fetching);
            fetching.map(|(token, _)| (f.row.id, *token)).collect::<Vec<_>>()
        };
        let owed: Vec<(FolderId, Token)> = cx.folders.values().flat_map(owed).collect();
        for (id, token) in owed {
            self.drop(id, token, cx);
        }
        for id in cx.folders.ids() {
            let folder = cx.folders.get_mut(&id).filter(|f| f.fill.first.is_asking());
            if let Some(Folder { fill, .. }) = folder {
                fill.first.cut_off();
            }
        }
    }

    /// Sessions have ended at a mail, the `count`th time now. At the third note, or when a row is tried
    /// again, it is a row of the ledger; returns whether it is. At the second it is set aside, and the rest
    /// of its page comes in halves.
    pub(super) fn settle_cut(
        &self,
        (id, token, uid): (FolderId, Token, u32),
        count: u32,
        failure: &Failure,
        cx: &mut FolderCx<'_>,
    ) -> bool {
        let size = cx.run.settings().page_messages;
        let Some(Folder { fill: part, row, .. }) = cx.folders.get_mut(&id) else {
            return false;
        };
        let Some(fill) = part.pages.get(&token) else { return false };
        let (kind, alone) = (fill.kind, fill.asked.len() == 1);
        let is_row = kind == FillKind::Retry && row.failures.contains(uid);
        if !alone || (count < LEFT_ALONE && !is_row) {
            if count >= GOES_LAST {
                part.size = Some((part.size(size) / 2).max(1));
            }
            return false;
        }
        self.settle_as_row(id, kind, uid, failure, cx);
        true
    }

    /// A mail will not come: it is a row of the ledger, and its page goes on without it.
    fn settle_as_row(
        &self,
        id: FolderId,
        kind: FillKind,
        uid: u32,
        failure: &Failure,
        cx: &mut FolderCx<'_>,
    ) {
        let Some(Folder { fill: part, lanes, .. }) = cx.folders.get_mut(&id) else { return };
        let uidvalidity = lanes.live.uidvalidity;
        let text = failure.chain().into();
        let failed =
            Unfetched { uid, class: failure.class, text, again: Again::Spaced, came: None };
        let page = Page { failed: vec![failed], ..Page::default() };
        let uids = UidSet::one(uid);
        let change = match kind {
            FillKind::Backfill => {
                FolderChange::Backfill { folder: id, uidvalidity, range: uids.clone(), page }
            }
            FillKind::Retry => {
                FolderChange::Retry { folder: id, uidvalidity, uids: uids.clone(), page }
            }
            FillKind::Arrivals => {
                let from = part.chain().unwrap_or(lanes.live.uidnext);
                part.chain = from.max(uid.saturating_add(1));
                FolderChange::Arrivals { folder: id, uidvalidity, from, to: part.chain, page }
            }
        };
        part.lone = part.lone.minus(&uids);
        let mine = cx.run.token();
        let sent = SentPart { failed: 1, ..SentPart::default() };
        part.pages.insert(mine, Fill::sent(kind, uids, UidSet::new(), sent));
        cx.run.commit(Owner::Page(id, mine), change);
        if failure.class == Class::Bug {
            cx.want(Want::Forget(Poison::Mail(id, uidvalidity, uid)));
        }
    }
}

/// What siblings want of a folder's pages; none of it needs the run.
impl Folders {
    /// Bytes that are kept of a folder may be of mail that is no more under that UID.
    pub(super) fn forget_suspects(&mut self, id: FolderId) {
        if let Some(Folder { fill, .. }) = self.get_mut(&id) {
            fill.suspects.clear();
        }
    }

    /// Its UIDs have begun anew: what was remembered of the old ones is void.
    pub(super) fn forget_retries(&mut self, id: FolderId) {
        if let Some(Folder { fill, .. }) = self.get_mut(&id) {
            fill.forget_uids();
        }
    }
}

/// Whether the last listing has shown what a page found to be no more.
fn lacks(index: Option<&UidSet>, gone: &UidSet, kind: FillKind) -> bool {
    match kind {
        // A failure was shown, or would have ended.
        FillKind::Retry => !gone.is_empty(),
        _ => index.is_some_and(|index| !index.intersect(gone).is_empty()),
    }
}

/// A link of the live chain is missing: nothing that was to follow it may be committed. The
/// pass begins anew.
fn break_chain(id: FolderId, cx: &mut FolderCx<'_>) {
    if let Some(Folder { fill: part, .. }) = cx.folders.get_mut(&id) {
        for fill in part.pages.values_mut().filter(|fill| fill.kind == FillKind::Arrivals) {
            fill.dead = true;
        }
    }
    cx.want(Want::RestartPass { folder: id });
}

/// Whether a mail that is asked for alone is to come in pieces: sessions have ended at it as a
/// whole, or it has failed so before.
fn comes_in_pieces(folder: &Folder, kind: FillKind, asked: &UidSet, cx: &FolderCx<'_>) -> bool {
    let Some(uid) = asked.first().filter(|_| asked.len() == 1) else { return false };
    let about = Poison::Mail(folder.row.id, folder.lanes.live.uidvalidity, uid);
    let failed = kind == FillKind::Retry
        && folder.row.failures.contains(uid)
        && !folder.fill.suspects.contains_key(&uid);
    failed || cx.notes.is_noted(&about)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_that_showed_what_is_not_there_proves_nothing() {
        let index = UidSet::range(5, 9);
        let lacks = |gone: UidSet, kind| lacks(Some(&index), &gone, kind);
        assert!(!lacks(UidSet::range(1, 4), FillKind::Backfill), "a hole");
        assert!(!lacks(UidSet::new(), FillKind::Retry), "all of it came");
        assert!(lacks(UidSet::one(5), FillKind::Backfill), "it was listed");
        assert!(lacks(UidSet::one(1), FillKind::Retry), "it was held for there");
    }
}
