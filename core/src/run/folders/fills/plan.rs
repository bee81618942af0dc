//! What is read next of a folder's past: what somebody asked for, flagged mail, the newest, history downwards, due retries; and
//! last, one mail alone, what is suspicious or what sessions have ended at.

use crate::commit::change::FolderChange;
use crate::mail::id::FolderId;
use crate::mail::uid_set::UidSet;
use crate::provider::folders::FolderRequest;
use crate::run::context::{RunEffects, RunFacts};
use crate::run::fetcher::PagesLeft;
use crate::run::first::FirstEnd;
use crate::run::folders::context::FolderCx;
use crate::run::folders::fills::Fills;
use crate::run::folders::fills::choosing::{comes_first, first_end, is_coming};
use crate::run::folders::fills::part::{Fill, FillKind, SentPart};
use crate::run::folders::folder::{Cx, Folder, Owner};
use crate::run::folders::notes::Notes;
use crate::run::folders::set::Folders;
use crate::run::settings::Settings;

/// A folder of so many times its newest messages is read at once: it is opened but once.
const SMALL: u64 = 3;
/// So many times as many pages may be in flight where they are small.
const SHARED: usize = 10;
/// Pages that a session has when others wait for it: one is read while the next is on its way.
const READ: usize = 3;

/// How far into a folder's past a page may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layer {
    /// What somebody asked for.
    First,
    Flagged,
    Newest,
    History,
}

/// Where the run stands, for who plans its pages.
#[derive(Debug)]
pub(in crate::run::folders) struct PagePlan {
    /// LIST is over.
    pub(in crate::run::folders) is_listed: bool,
    /// FolderPasses are under way or wanted, but for those that go last.
    pub(in crate::run::folders) is_passing: bool,
    /// The folder that was just listed for the first time, and is open.
    pub(in crate::run::folders) open: Option<FolderId>,
}

/// Fetches under way and pages not acknowledged.
fn in_flight(cx: &FolderCx<'_>) -> usize {
    cx.run.pages() + cx.folders.sealed()
}

fn has_room(cx: &FolderCx<'_>) -> bool {
    in_flight(cx) < cx.run.settings().pages_in_flight
}

/// The same for mail that is asked for where the session has its folder open, and for what is live:
/// small pages share what makes them durable.
fn has_room_for_more(cx: &FolderCx<'_>) -> bool {
    let Settings { pages_in_flight, page_messages, .. } = *cx.run.settings();
    let most = pages_in_flight.saturating_mul(page_messages);
    in_flight(cx) < pages_in_flight.saturating_mul(SHARED)
        && usize::try_from(cx.folders.asked()).is_ok_and(|asked| asked < most)
}

/// Whether a session shows that it can open a folder before a mail of it is asked for at which sessions
/// end: then that is asked first.
fn probes_first(id: FolderId, cx: &mut FolderCx<'_>) -> bool {
    let Some(folder) = cx.folders.get(&id) else { return false };
    if cx.notes.opens_last(folder) {
        return true;
    }
    if !cx.notes.wants_probe(folder) {
        return false;
    }
    probe(id, cx);
    true
}

/// Asks whether a folder can be opened.
pub(in crate::run::folders) fn probe(id: FolderId, cx: &mut FolderCx<'_>) {
    let is_asked = cx.run.is_asked_for(|owner| *owner == Owner::Probe(id));
    if !is_asked && let Some(name) = cx.name_of(id) {
        cx.run.ask(Owner::Probe(id), FolderRequest::examine(name));
    }
}

impl Fills {
    /// Asks for what is new, while there is room: `take` hands over the next of a folder's pass.
    pub(in crate::run::folders) fn plan_arrivals(
        &self,
        take: impl Fn(FolderId, &mut FolderCx<'_>) -> Option<UidSet>,
        cx: &mut FolderCx<'_>,
    ) {
        for id in cx.folders.passing() {
            while has_room_for_more(cx) && !probes_first(id, cx) {
                let Some(uids) = take(id, cx) else { break };
                self.start(id, FillKind::Arrivals, uids.clone(), uids, cx);
            }
        }
    }

    /// Asks for what there is room for.
    pub(in crate::run::folders) fn plan(&self, at: &PagePlan, cx: &mut FolderCx<'_>) {
        let defers = cx.run.defers();
        let rests =
            |f: &Folder| f.fill.is_empty() && !f.pass.is_under_way() && f.row.passed_at.is_some();
        if let Some(inbox) = cx.folders.inbox()
            && !defers
            && cx.folders.get(&inbox).is_some_and(rests)
            && has_room_for_more(cx)
            && self.fill_one(inbox, Layer::Newest, cx)
            && let Some(Folder { fill, .. }) = cx.folders.get_mut(&inbox)
        {
            fill.paged = true;
        }
        if !at.is_listed {
            return;
        }
        if let Some(id) = at.open.filter(|_| !defers) {
            for tier in [Layer::Flagged, Layer::Newest] {
                while has_room_for_more(cx) && self.fill_one(id, tier, cx) {}
            }
        }
        if at.is_passing {
            return;
        }
        let hungry = cx.folders.hungry();
        for id in &hungry {
            self.commit_believed(*id, cx);
        }
        if defers {
            return;
        }
        if self.has_many_suspects(cx.folders) {
            return self.plan_suspects(&hungry, cx);
        }
        if self.plan_first(&hungry, cx) {
            return;
        }
        for tier in [Layer::Flagged, Layer::Newest, Layer::History] {
            // Who was asked for some of the past leaves the rest to another run.
            if tier == Layer::History {
                match first_end(cx.folders, cx.notes, cx.run.settings()) {
                    FirstEnd::Read | FirstEnd::Undated => return cx.run.put_off(),
                    FirstEnd::Left if is_coming(cx.folders) => return,
                    // What of it cannot be asked for now comes with all else.
                    FirstEnd::Left | FirstEnd::Nothing => {}
                }
            }
            for id in &hungry {
                while has_room(cx) && self.fill_one(*id, tier, cx) {}
            }
        }
        for id in &hungry {
            while has_room(cx) && self.retry_one(*id, cx) {}
        }
        if in_flight(cx) == 0 && !cx.folders.are_filling() {
            self.plan_alone(&hungry, cx);
        }
    }

    /// Asks for what comes first, because somebody asked. Returns whether the rest waits for it.
    fn plan_first(&self, hungry: &[FolderId], cx: &mut FolderCx<'_>) -> bool {
        if cx.run.settings().first.is_empty() {
            return false;
        }
        let mut waits = false;
        for id in hungry {
            while has_room(cx) && comes_first(*id, cx) && self.fill_one(*id, Layer::First, cx) {}
            waits |= comes_first(*id, cx);
        }
        // Where nothing of it can be asked for now, it holds up nobody.
        waits && (in_flight(cx) > 0 || cx.run.is_asking())
    }

    /// Whether newest mail of the folder that is open is still to be asked for.
    pub(in crate::run::folders) fn reads_while_open(
        &self,
        id: FolderId,
        cx: &FolderCx<'_>,
    ) -> bool {
        let recent = cx.run.settings().recent_messages;
        let Some(folder) = cx.folders.get(&id) else { return false };
        let Some(index) = folder.listing.index() else { return false };
        let flagged = folder.listing.flagged().intersect(index);
        let wanted = newest(folder, recent).union(&flagged).minus(&cx.notes.aside(id));
        let free = folder.lanes.backfill.remaining.minus(&folder.fill.claimed());
        !cx.run.defers() && !wanted.intersect(&free).is_empty()
    }

    /// One mail that is asked for alone, after all else: at which sessions have ended, or of
    /// another length than announced.
    fn plan_alone(&self, hungry: &[FolderId], cx: &mut FolderCx<'_>) {
        for id in hungry {
            let aside = cx.notes.aside(*id);
            let Some(folder) = cx.folders.get(id).filter(|f| !f.is_left()) else {
                continue;
            };
            let seen = folder.listing.index().cloned().unwrap_or_default();
            let left = aside.intersect(&folder.lanes.backfill.remaining).intersect(&seen);
            if let Some(uid) = cx.notes.least_suspect(*id, &left) {
                return self.ask_alone(*id, FillKind::Backfill, uid, cx);
            }
            let due = aside.intersect(&folder.fill.due).intersect(&folder.row.failures);
            if let Some(uid) = due.first() {
                return self.ask_alone(*id, FillKind::Retry, uid, cx);
            }
        }
        self.plan_suspects(hungry, cx);
    }

    fn plan_suspects(&self, hungry: &[FolderId], cx: &mut FolderCx<'_>) {
        if in_flight(cx) > 0 || cx.folders.are_filling() {
            return;
        }
        let same = self.is_suspicious(&cx.run);
        for id in hungry {
            let Some(folder) = cx.folders.get(id).filter(|f| !f.is_left()) else {
                continue;
            };
            let lone = folder.fill.lone.intersect(&folder.row.failures);
            let kept: UidSet = folder.fill.suspects.keys().copied().collect();
            // Who told the length is not asked again.
            let next = if same {
                lone.minus(&kept).first()
            } else {
                lone.intersect(&kept).first().or(lone.first())
            };
            if let Some(uid) = next {
                return self.ask_alone(*id, FillKind::Retry, uid, cx);
            }
        }
    }

    fn ask_alone(&self, id: FolderId, kind: FillKind, uid: u32, cx: &mut FolderCx<'_>) {
        if probes_first(id, cx) {
            return;
        }
        let one = UidSet::one(uid);
        if let Some(Folder { fill, .. }) = cx.folders.get_mut(&id) {
            fill.due = fill.due.minus(&one);
            fill.lone = fill.lone.minus(&one);
        }
        self.start(id, kind, one.clone(), one, cx);
    }

    /// Whether it is this session that told suspicious lengths.
    fn is_suspicious(&self, run: &Cx<'_>) -> bool {
        self.suspicious.is_some() && self.suspicious == run.session()
    }

    /// Whether suspects need another session than this one, where nothing else is to be done.
    pub(in crate::run::folders) fn needs_other_session(
        &self,
        over: bool,
        folders: &Folders,
        run: &Cx<'_>,
    ) -> bool {
        self.is_suspicious(run)
            && (over || self.has_many_suspects(folders))
            && folders.values().any(|f| f.fill.has_suspect_of(&f.row.failures))
    }

    /// Starts one page of a folder's past; says whether there was one.
    fn fill_one(&self, id: FolderId, tier: Layer, cx: &mut FolderCx<'_>) -> bool {
        let Settings { page_messages, recent_messages: recent, .. } = *cx.run.settings();
        let Some(folder) = cx.folders.get(&id) else { return false };
        let Some(index) = folder.listing.index().filter(|_| !folder.is_left()) else {
            return false;
        };
        let aside = cx.notes.aside(id).intersect(index);
        let (size, is_whole) = (folder.fill.size(page_messages), folder.listing.is_whole());
        let free = folder.lanes.backfill.remaining.minus(&folder.fill.claimed()).minus(&aside);
        let todo = index.intersect(&free);
        if todo.is_empty() {
            let is_last = is_whole && tier == Layer::History && folder.fill.is_empty();
            if !free.is_empty() && is_last {
                self.close_holes(id, free, cx);
                return true;
            }
            return false;
        }
        let uids: UidSet = match tier {
            Layer::First => folder.fill.first.of(&todo).iter_down().take(size).collect(),
            Layer::Flagged => {
                folder.listing.flagged().intersect(&free).iter_down().take(size).collect()
            }
            Layer::Newest => {
                newest(folder, recent).intersect(&free).iter_down().take(size).collect()
            }
            Layer::History => todo.iter_down().take(size).collect(),
        };
        let (Some(low), Some(high)) = (uids.first(), uids.last()) else { return false };
        if probes_first(id, cx) {
            return false;
        }
        let open = if matches!(tier, Layer::First | Layer::Flagged) || !is_whole {
            uids.clone()
        } else {
            // The holes around the UIDs go with them: up to the top if nothing is above, to the
            // bottom if nothing is below.
            let top = if todo.last() == Some(high) { u32::MAX } else { high };
            let bottom = if todo.first() == Some(low) { 1 } else { low };
            free.intersect(&UidSet::range(bottom, top)).minus(&todo.minus(&uids))
        };
        self.start(id, FillKind::Backfill, uids, open, cx);
        true
    }

    fn retry_one(&self, id: FolderId, cx: &mut FolderCx<'_>) -> bool {
        let size = cx.run.settings().page_messages;
        let aside = cx.notes.aside(id);
        let Some(folder) = cx.folders.get(&id).filter(|f| !f.is_left()) else {
            return false;
        };
        let part = &folder.fill;
        let free = part.due.intersect(&folder.row.failures).minus(&aside);
        let uids: UidSet = free.iter().take(part.size(size)).collect();
        // One of a burst shows whether the fault has gone.
        let uids = if uids.is_empty() { part.burst.first().into_iter().collect() } else { uids };
        if uids.is_empty() || probes_first(id, cx) {
            return false;
        }
        if let Some(Folder { fill, .. }) = cx.folders.get_mut(&id) {
            fill.due = fill.due.minus(&uids);
            if fill.burst.contains_all(&uids) {
                fill.canaries = std::mem::take(&mut fill.burst);
            }
        }
        self.start(id, FillKind::Retry, uids.clone(), uids, cx);
        true
    }

    /// What is kept of messages whose length another session would tell alike is committed as it
    /// is.
    fn commit_believed(&self, id: FolderId, cx: &mut FolderCx<'_>) {
        while let Some(page) = self.believed(id, cx.run.settings().page_messages, cx) {
            let Some(Folder { fill, lanes, .. }) = cx.folders.get_mut(&id) else { return };
            let (uids, uidvalidity) = (page.settled(), lanes.live.uidvalidity);
            let (messages, octets) = (page.rows.len() as u64, page.octets());
            let sent = SentPart { messages, octets, failed: 0 };
            let token = cx.run.token();
            let kind = FillKind::Retry;
            fill.pages.insert(token, Fill::sent(kind, uids.clone(), UidSet::new(), sent));
            let change = FolderChange::Retry { folder: id, uidvalidity, uids, page };
            cx.run.commit(Owner::Page(id, token), change);
        }
    }
}

/// History that waits to be read. It waits for a session where that has more pages than it reads at a time,
/// and the store has not most of what was read to write.
pub(in crate::run::folders) fn pages_left(folders: &Folders, run: &Cx<'_>) -> PagesLeft {
    let is_behind = folders.sealed() * 2 >= run.settings().pages_in_flight;
    match run.pages_of_own() {
        READ.. if !is_behind => PagesLeft::ForSession,
        READ.. => PagesLeft::ForStore,
        _ if run.defers() => PagesLeft::None,
        // Also in folders that are still to be listed.
        _ if folders.unread() > folders.asked() => PagesLeft::Some,
        _ => PagesLeft::None,
    }
}

/// Whether of any folder newest or flagged mail is still to be read: that is no history yet.
pub(in crate::run::folders) fn wants_newest(
    folders: &Folders,
    notes: &Notes,
    settings: &Settings,
) -> bool {
    let wants = |folder: &Folder| {
        let index = folder.listing.index();
        let flagged =
            index.map(|index| folder.listing.flagged().intersect(index)).unwrap_or_default();
        // What is asked for alone, or in a folder that is opened last, comes after all else.
        let first = newest(folder, settings.recent_messages).union(&flagged);
        let first = first.minus(&notes.aside(folder.row.id));
        let is_last = notes.opens_last(folder);
        !is_last && !first.intersect(&folder.lanes.backfill.remaining).is_empty()
    };
    folders.hungry().iter().filter_map(|id| folders.get(id)).any(wants)
}

/// The newest messages that the last pass saw unread by us; of a folder that is not much larger, all.
fn newest(folder: &Folder, recent: u64) -> UidSet {
    let Some(index) = folder.listing.index() else { return UidSet::new() };
    if index.len() <= recent.saturating_mul(SMALL) {
        return index.clone();
    }
    index.iter_down().take(usize::try_from(recent).unwrap_or(usize::MAX)).collect()
}

#[cfg(test)]
mod tests;
