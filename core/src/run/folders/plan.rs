//! What comes next. The order: LIST; INBOX's pass and its newest page; the other passes; flagged
//! mail; the newest of each folder; history downwards; due retries. Arrivals always go first.

use crate::commit::change::Poison;
use crate::mail::id::FolderId;
use crate::mail::uid_set::UidSet;
use crate::provider::folders::Request;
use crate::run::context::{RunEffects, RunView};
use crate::run::folders::folder::{FillKind, Folder, Owner};
use crate::run::folders::listing::state::Listing;
use crate::run::folders::passes::sight::Pass;
use crate::run::folders::state::{Cx, FolderWork};
use crate::run::settings::Settings;

/// A folder of so many times its newest messages is read at once: it is opened but once.
const SMALL: u64 = 3;

/// So many times as many pages may be in flight where they are small.
const SHARED: usize = 10;

/// How far into a folder's past a page may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layer {
    Flagged,
    Newest,
    History,
}

impl FolderWork {
    /// Starts whatever there is room for. Returns whether the round is over: nothing is left to
    /// start or to wait for.
    pub(super) fn plan_all(&mut self, cx: &mut Cx<'_>) -> bool {
        self.folders.refresh();
        self.advance_passes(cx);
        self.folders.refresh();
        self.resume_listing(cx);
        self.folders.refresh();
        let over = cx.session().is_some() && self.start_what_fits(cx);
        self.folders.refresh();
        over
    }

    fn start_what_fits(&mut self, cx: &mut Cx<'_>) -> bool {
        if matches!(self.listing, Listing::Wanted) {
            if !cx.is_asking() {
                self.start_listing(cx);
            }
            return false;
        }
        self.plan_arrivals(cx);
        self.plan_proofs(cx);
        self.folders.refresh();
        self.plan_passes(cx);
        self.folders.refresh();
        self.plan_pages(cx);
        self.folders.refresh();
        let rests = self.is_idle(cx) && self.folders.passing().is_empty();
        if (rests || self.is_proof_late(cx)) && self.prove_by_counters(cx) {
            return false;
        }
        if rests && self.stop_holding(cx) {
            return false;
        }
        if self.is_idle(cx) && self.plan_last(cx) {
            return false;
        }
        self.is_round_over(cx)
    }

    /// Nothing is asked, and nothing waits to be answered.
    fn is_idle(&self, cx: &Cx<'_>) -> bool {
        cx.is_closed() && !self.folders.is_filling()
    }

    /// What ends sessions, and what was shut, is asked when all else is done: where fewest sessions
    /// have ended first.
    fn plan_last(&mut self, cx: &mut Cx<'_>) -> bool {
        if !matches!(self.listing, Listing::Done) || self.passes_left() {
            return false;
        }
        let count = |name: &[u8]| {
            let of = |about| self.notes.get(&about).map_or(0, |noted| noted.count);
            of(Poison::Examine(name.to_vec())).max(of(Poison::Index(name.to_vec())))
        };
        let wanting = self
            .folders
            .wanting()
            .filter_map(|id| Some((count(&self.folders.get(&id)?.row.remote_id), id)));
        // A folder whose mail is owed has had its pass: nothing else opens it, as soon as that may be
        // read.
        let is_owed = |id: &FolderId| cx.deferral().is_none() && self.waits_to_be_opened(*id);
        let owed = self.folders.hungry().into_iter().filter(is_owed);
        let owed =
            owed.filter_map(|id| Some((count(&self.folders.get(&id)?.row.remote_id), id, true)));
        let last = wanting.map(|(cuts, id)| (cuts, id, false)).chain(owed).min();
        let late = self.late.front().map(|name| count(&name.remote_id));
        match last {
            Some((cuts, id, is_owed)) if late.is_none_or(|late| cuts <= late) => {
                if is_owed {
                    self.probe(id, cx);
                } else {
                    self.start_pass(id, cx);
                }
                true
            }
            _ => self.start_late(cx),
        }
    }

    /// Whether mail of the folder is to be read, and is not asked for since sessions have ended at its
    /// opening.
    fn waits_to_be_opened(&self, id: FolderId) -> bool {
        let Some(folder) = self.folders.get(&id) else { return false };
        let failures = &folder.row.failures;
        let is_owed = folder
            .index
            .as_ref()
            .is_some_and(|index| !index.intersect(&folder.lanes.backfill.remaining).is_empty())
            || !folder.due.union(&folder.lone).intersect(failures).is_empty();
        is_owed && self.opens_last(folder)
    }

    /// A folder whose opening ends sessions is opened last of all, by its pass or by a probe: nobody
    /// is kept waiting for its mail.
    fn opens_last(&self, folder: &Folder) -> bool {
        self.is_last(folder) && !self.answered.contains(&folder.row.remote_id)
    }

    fn probe(&self, id: FolderId, cx: &mut Cx<'_>) {
        let probing = cx.is_asked_for(|owner| *owner == Owner::Probe(id));
        if !probing && let Some(folder) = self.folders.get(&id) {
            cx.ask(Owner::Probe(id), Request::examine(folder.row.remote_id.clone()));
        }
    }

    /// Whether passes are under way or wanted, but for those that go last.
    fn passes_left(&self) -> bool {
        let is_last = |id: FolderId| self.folders.get(&id).is_some_and(|f| self.is_last(f));
        !self.folders.passing().is_empty()
            || !self.folders.doubted().is_empty()
            || self.folders.wanting().any(|id| !is_last(id))
    }

    fn has_room(&self, cx: &Cx<'_>) -> bool {
        self.pages_in_flight(cx) < cx.settings().pages_in_flight
    }

    /// The same for mail that is asked for where the session has its folder open, and for what is live:
    /// small pages share what makes them durable.
    fn has_room_for_more(&self, cx: &Cx<'_>) -> bool {
        let Settings { pages_in_flight, page_messages, .. } = *cx.settings();
        let most = pages_in_flight.saturating_mul(page_messages);
        self.pages_in_flight(cx) < pages_in_flight.saturating_mul(SHARED)
            && usize::try_from(self.folders.asked()).is_ok_and(|asked| asked < most)
    }

    fn plan_arrivals(&mut self, cx: &mut Cx<'_>) {
        for id in self.folders.passing() {
            while self.has_room_for_more(cx) && !self.probes_first(id, cx) {
                let Some(uids) = self.take_arrivals(id, cx) else { break };
                self.start_fill(id, FillKind::Arrivals, uids.clone(), uids, cx);
                self.folders.refresh();
            }
        }
    }

    /// Before a mail is asked for at which sessions end, the session shows that it can open the
    /// folder. Returns whether that is under way.
    fn probes_first(&mut self, id: FolderId, cx: &mut Cx<'_>) -> bool {
        if self.folders.get(&id).is_some_and(|folder| self.opens_last(folder)) {
            return true;
        }
        if !self.wants_probe(id) {
            return false;
        }
        self.probe(id, cx);
        true
    }

    fn plan_passes(&mut self, cx: &mut Cx<'_>) {
        let inbox = self.folders.inbox();
        let holding = matches!(self.listing, Listing::Holding(_));
        if cx.is_asking() || !(holding || matches!(self.listing, Listing::Done)) {
            return;
        }
        if self.ask_uids(cx) {
            return;
        }
        // What is listed is read while it is open, before the next is opened.
        let is_news = inbox.is_some_and(|inbox| self.folders.wanting().any(|id| id == inbox));
        if !holding && !is_news && self.reads_while_open(cx) {
            return;
        }
        // One folder is compared at a time: its questions go out between reads of our rows, and
        // those of many would pile up behind one session.
        if self.is_comparing() {
            return;
        }
        if !holding {
            self.prove_listed(cx);
            self.folders.refresh();
        }
        // INBOX's newest page goes before the other folders.
        let inbox_first =
            inbox.and_then(|id| self.folders.get(&id)).is_some_and(|f| f.pass.is_some());
        match self.next_pass(holding) {
            Some(id) if !inbox_first || Some(id) == inbox => self.start_pass(id, cx),
            Some(_) => {}
            None if !holding && self.folders.passing().is_empty() => {
                let doubted = self.folders.doubted();
                for id in &doubted {
                    if let Some(folder) = self.folders.get_mut(id) {
                        folder.doubted = false;
                    }
                }
                if !doubted.is_empty() {
                    self.listing = Listing::Wanted;
                    self.start_listing(cx);
                } else if self.plan_trial(cx) {
                    self.folders.refresh();
                }
            }
            None => {}
        }
    }

    /// Whether it is a folder of a new account that was just listed: nothing is known of it that
    /// another pass could show to be gone.
    fn is_open_first(&self, id: FolderId) -> bool {
        let Some(f) = self.folders.get(&id) else { return false };
        // Of a pass that has not listed it again nothing is known yet.
        let is_seen = matches!(
            f.pass,
            None | Some(
                Pass::Arriving { .. }
                    | Pass::Reading { .. }
                    | Pass::Settling(_)
                    | Pass::Marking { .. }
            )
        );
        let is_asked_anew = f.wanted || f.doubted || f.settles_first || !is_seen;
        let is_ours = !f.is_left() && !f.row.excluded && !self.is_last(f);
        self.is_first && !self.has_many_suspects() && !is_asked_anew && is_ours
    }

    /// Whether newest mail of the folder that is open is still to be asked for.
    fn reads_while_open(&self, cx: &Cx<'_>) -> bool {
        let Some(id) = self.listed_last.filter(|id| self.is_open_first(*id)) else { return false };
        let aside = self.aside(id);
        let recent = cx.settings().recent_messages;
        let Some(folder) = self.folders.get(&id) else { return false };
        let Some(index) = &folder.index else { return false };
        let wanted = newest(folder, recent).union(&folder.flagged.intersect(index)).minus(&aside);
        let free = folder.lanes.backfill.remaining.minus(&folder.claimed());
        cx.deferral().is_none() && !wanted.intersect(&free).is_empty()
    }

    /// The folder that is to be passed next: INBOX alone while the others wait for it.
    fn next_pass(&self, holding: bool) -> Option<FolderId> {
        let arrives = |f: &Folder| f.fills.values().any(|fill| fill.kind == FillKind::Arrivals);
        let free = |f: &Folder| {
            f.pass.is_none() && !arrives(f) && (!f.settles_first || f.fills.is_empty())
        };
        let fits = |id: &FolderId| self.folders.get(id).is_some_and(free);
        let wanting = || self.folders.wanting().filter(fits);
        if holding {
            let inbox = self.folders.inbox();
            return wanting().find(|id| Some(*id) == inbox);
        }
        wanting().find(|id| self.folders.get(id).is_some_and(|f| !self.is_last(f)))
    }

    /// A folder at which sessions end is passed after the others.
    fn is_last(&self, folder: &Folder) -> bool {
        !self.notes.is_empty() && self.ends_sessions(&folder.row.remote_id)
    }

    fn plan_pages(&mut self, cx: &mut Cx<'_>) {
        let newest =
            |f: &Folder| f.fills.is_empty() && f.pass.is_none() && f.row.passed_at.is_some();
        let defers = cx.deferral().is_some();
        if let Some(inbox) = self.folders.inbox()
            && !defers
            && self.folders.get(&inbox).is_some_and(newest)
            && self.has_room_for_more(cx)
            && self.fill_one(inbox, Layer::Newest, cx)
            && let Some(folder) = self.folders.get_mut(&inbox)
        {
            folder.paged = true;
        }
        if !matches!(self.listing, Listing::Done) {
            return;
        }
        if let Some(id) = self.listed_last.filter(|id| !defers && self.is_open_first(*id)) {
            for tier in [Layer::Flagged, Layer::Newest] {
                while self.has_room_for_more(cx) && self.fill_one(id, tier, cx) {
                    self.folders.refresh();
                }
            }
        }
        if self.passes_left() {
            return;
        }
        let hungry = self.folders.hungry();
        for id in &hungry {
            self.commit_believed(*id, cx);
        }
        self.folders.refresh();
        if defers {
            return;
        }
        if self.has_many_suspects() {
            return self.plan_suspects(&hungry, cx);
        }
        for tier in [Layer::Flagged, Layer::Newest, Layer::History] {
            for id in &hungry {
                while self.has_room(cx) && self.fill_one(*id, tier, cx) {
                    self.folders.refresh();
                }
            }
        }
        for id in &hungry {
            while self.has_room(cx) && self.retry_one(*id, cx) {
                self.folders.refresh();
            }
        }
        self.folders.refresh();
        if self.pages_in_flight(cx) == 0 && !self.folders.is_filling() {
            self.plan_alone(&hungry, cx);
        }
    }

    /// One mail that is asked for alone, after all else: at which sessions have ended, or of
    /// another length than announced.
    fn plan_alone(&mut self, hungry: &[FolderId], cx: &mut Cx<'_>) {
        for id in hungry {
            let aside = self.aside(*id);
            let Some(folder) = self.folders.get(id).filter(|f| !f.is_left()) else {
                continue;
            };
            let seen = folder.index.clone().unwrap_or_default();
            if let Some(uid) =
                aside.intersect(&folder.lanes.backfill.remaining).intersect(&seen).first()
            {
                return self.ask_alone(*id, FillKind::Backfill, uid, cx);
            }
            if let Some(uid) = aside.intersect(&folder.due).intersect(&folder.row.failures).first()
            {
                return self.ask_alone(*id, FillKind::Retry, uid, cx);
            }
        }
        self.plan_suspects(hungry, cx);
    }

    fn plan_suspects(&mut self, hungry: &[FolderId], cx: &mut Cx<'_>) {
        if self.pages_in_flight(cx) > 0 || self.folders.is_filling() {
            return;
        }
        let same = self.suspicious.is_some() && self.suspicious == cx.session();
        for id in hungry {
            let Some(folder) = self.folders.get(id).filter(|f| !f.is_left()) else {
                continue;
            };
            let lone = folder.lone.intersect(&folder.row.failures);
            let kept: UidSet = folder.suspects.keys().copied().collect();
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

    fn ask_alone(&mut self, id: FolderId, kind: FillKind, uid: u32, cx: &mut Cx<'_>) {
        if self.probes_first(id, cx) {
            return;
        }
        let one = UidSet::one(uid);
        if let Some(folder) = self.folders.get_mut(&id) {
            folder.due = folder.due.minus(&one);
            folder.lone = folder.lone.minus(&one);
        }
        self.start_fill(id, kind, one.clone(), one, cx);
    }

    /// Whether the suspects need another session than this one, and nothing else does.
    pub(super) fn has_suspects_of(&self, over: bool, cx: &Cx<'_>) -> bool {
        let same = self.suspicious.is_some() && self.suspicious == cx.session();
        let kept = |f: &Folder| {
            f.lone.iter().any(|uid| f.suspects.contains_key(&uid) && f.row.failures.contains(uid))
        };
        same && cx.is_closed()
            && !self.passes_left()
            && matches!(self.listing, Listing::Done)
            && (over || self.has_many_suspects())
            && self.folders.values().any(kept)
    }

    /// Starts one page of a folder's past; says whether there was one.
    fn fill_one(&mut self, id: FolderId, tier: Layer, cx: &mut Cx<'_>) -> bool {
        let (size, recent) = (cx.settings().page_messages, cx.settings().recent_messages);
        let aside = self.aside(id);
        let Some(folder) = self.folders.get(&id) else { return false };
        let Some(index) = folder.index.as_ref().filter(|_| !folder.is_left()) else {
            return false;
        };
        let size = folder.page.unwrap_or(size);
        let free =
            folder.lanes.backfill.remaining.minus(&folder.claimed()).minus(&aside.intersect(index));
        let todo = index.intersect(&free);
        if todo.is_empty() {
            if !free.is_empty() && folder.whole && tier == Layer::History && folder.fills.is_empty()
            {
                self.close_holes(id, free, cx);
                return true;
            }
            return false;
        }
        let uids: UidSet = match tier {
            Layer::Flagged => folder.flagged.intersect(&free).iter_down().take(size).collect(),
            Layer::Newest => {
                newest(folder, recent).intersect(&free).iter_down().take(size).collect()
            }
            Layer::History => todo.iter_down().take(size).collect(),
        };
        let (Some(low), Some(high)) = (uids.first(), uids.last()) else { return false };
        if self.probes_first(id, cx) {
            return false;
        }
        let Some(folder) = self.folders.get(&id) else { return false };
        let open = if tier == Layer::Flagged || !folder.whole {
            uids.clone()
        } else {
            // The holes around the UIDs go with them: up to the top if nothing is above, to the
            // bottom if nothing is below.
            let top = if todo.last() == Some(high) { u32::MAX } else { high };
            let bottom = if todo.first() == Some(low) { 1 } else { low };
            free.intersect(&UidSet::range(bottom, top)).minus(&todo.minus(&uids))
        };
        self.start_fill(id, FillKind::Backfill, uids, open, cx);
        true
    }

    fn retry_one(&mut self, id: FolderId, cx: &mut Cx<'_>) -> bool {
        let size = cx.settings().page_messages;
        let aside = self.aside(id);
        let Some(folder) = self.folders.get(&id).filter(|f| !f.is_left()) else {
            return false;
        };
        let free = folder.due.intersect(&folder.row.failures).minus(&aside);
        let uids: UidSet = free.iter().take(folder.page.unwrap_or(size)).collect();
        // One of a burst shows whether the fault has gone.
        let uids = if uids.is_empty() { folder.burst.first().into_iter().collect() } else { uids };
        if uids.is_empty() || self.probes_first(id, cx) {
            return false;
        }
        if let Some(folder) = self.folders.get_mut(&id) {
            folder.due = folder.due.minus(&uids);
            if folder.burst.contains_all(&uids) {
                folder.canaries = std::mem::take(&mut folder.burst);
            }
        }
        self.start_fill(id, FillKind::Retry, uids.clone(), uids, cx);
        true
    }

    fn is_round_over(&self, cx: &Cx<'_>) -> bool {
        matches!(self.listing, Listing::Done)
            && cx.is_closed()
            && !self.folders.is_passing()
            && !self.folders.is_filling()
    }
}

/// The newest messages that the last pass saw unread by us; of a folder that is not much larger, all.
fn newest(folder: &Folder, recent: u64) -> UidSet {
    let Some(index) = folder.index.as_ref() else { return UidSet::new() };
    if index.len() <= recent.saturating_mul(SMALL) {
        return index.clone();
    }
    index.iter_down().take(usize::try_from(recent).unwrap_or(usize::MAX)).collect()
}

#[cfg(test)]
mod tests;
