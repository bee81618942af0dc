//! The pass of a folder: EXAMINE, the whole index, arrivals, facts with the evidence rule, repair,
//! and the mark last.

pub(super) mod compare;
pub(super) mod conclude;
pub(super) mod differ;
pub(super) mod gate;
pub(super) mod pairs;
pub(super) mod prove;
pub(super) mod rematch;
pub(super) mod sight;
pub(super) mod weigh;
pub(super) mod window;

use crate::commit::change::{AccountChange, FolderChange, Poison};
use crate::failure::{Class, Failure, Provenance, Reach};
use crate::mail::cursor::Mark;
use crate::mail::id::FolderId;
use crate::mail::uid_flags::UidFlags;
use crate::mail::uid_set::UidSet;
use crate::provider::folders::{Changed, Enough, Examined, Request, Since};
use crate::run::context::{RunEffects, RunView};
use crate::run::evidence::Fit;
use crate::run::folders::folder::{FillKind, Folder, Owner, of_folder};
use crate::run::folders::passes::conclude::counted_mark;
use crate::run::folders::passes::gate::{counted, is_unchanged, settled};
use crate::run::folders::passes::sight::{Extent, Pass, Seen};
use crate::run::folders::passes::weigh::{Weighed, first_misfit, weigh};
use crate::run::folders::refusals::state::is_bare;
use crate::run::folders::state::{Cx, FolderWork};
use crate::run::reads::Query;
use crate::run::scope::Depth;
use crate::time::Micros;
use std::collections::BTreeSet;

/// Times in a run that a folder's UIDs may begin anew under its questions.
const LOST: u8 = 3;

/// Whether what is told of changes can be all of it: where HIGHESTMODSEQ has risen there is
/// something (where what went is not told: fewer messages than at the mark), and where it has fallen
/// the server has forgotten.
fn is_told(changed: &Changed, examined: &Examined, since: u64, mark: &Mark) -> bool {
    let gone = match &changed.vanished {
        Some(gone) => !gone.is_empty(),
        None => examined.exists < mark.exists,
    };
    let is_something = gone || !changed.rows.is_empty();
    examined.modseq == since || (examined.modseq > since && is_something)
}

impl Folder {
    /// Whether its name is another folder's now, as the server says (RFC 8474 §4.1).
    pub(super) fn is_other(&self, shown: &Examined) -> bool {
        let known = self.lanes.live.mailbox;
        shown.mailbox.is_some() && known.is_some() && shown.mailbox != known
    }

    /// No pass was ever complete, and nothing is held of it.
    fn is_new(&self) -> bool {
        self.row.passed_at.is_none() && !self.row.held
    }

    /// A pass is over.
    pub(super) fn saw(&mut self, seen: Option<&Seen>, depth: Depth) {
        if let Some(seen) = seen {
            self.see(seen, seen.is_whole());
        }
        self.looked = true;
        self.seen = self.seen.max(Some(depth));
    }

    /// Notes what a pass saw of the history that is still to be read.
    pub(super) fn see(&mut self, seen: &Seen, whole: bool) {
        let index = seen.rows.uids().intersect(&self.lanes.backfill.remaining);
        let flagged = seen.rows.iter().filter(|(_, flags)| flags.is_flagged()).map(|(uid, _)| uid);
        self.flagged = flagged.collect::<UidSet>().intersect(&index);
        self.index = Some(index);
        (self.whole, self.as_listed) = (whole, whole);
    }
}

impl FolderWork {
    pub(super) fn start_pass(&mut self, id: FolderId, cx: &mut Cx<'_>) {
        let started = cx.stamp();
        self.examine(id, started, 0, cx);
    }

    pub(super) fn examine(&mut self, id: FolderId, started: Micros, misses: u8, cx: &mut Cx<'_>) {
        let Some(folder) = self.folders.get_mut(&id) else { return };
        folder.generation += 1;
        folder.wanted = false;
        folder.hinted = false;
        folder.unproven = false;
        folder.settles_first = false;
        let depth = if misses > 0 { Depth::Full } else { std::mem::take(&mut folder.depth) };
        folder.pass = Some(Pass::Examining { started, misses, depth });
        let flags = settled(folder, started).filter(|_| misses == 0 && !cx.doubts());
        let uidvalidity = folder.lanes.live.uidvalidity;
        let flags = flags.filter(|flags| flags.modseq > 0);
        let since = flags.map(|flags| Since { uidvalidity, modseq: flags.modseq });
        let enough = match depth {
            // What ends limbo is what the server says now, not what an open folder was told.
            _ if cx.rounds() > 0 || folder.row.passed_at.is_none() => Enough::Nothing,
            Depth::Quick => Enough::Counts,
            Depth::Told => Enough::Flags,
            Depth::Full => Enough::Nothing,
        };
        let remote_id = folder.row.remote_id.clone();
        let opened = self.just_opened.take().filter(|(name, ..)| misses == 0 && *name == remote_id);
        if let Some((_, asked, examined)) = opened.filter(|_| !cx.doubts()) {
            folder.pass = Some(Pass::Examining { started: asked, misses, depth });
            return self.on_pass_examined(id, examined, None, None, cx);
        }
        let request = Request::Examine { remote_id, since, enough };
        let owner = self.pass_owner(id);
        cx.ask(owner, request);
    }

    pub(super) fn on_pass_examined(
        &mut self,
        id: FolderId,
        mut examined: Examined,
        changed: Option<Changed>,
        told: Option<UidFlags>,
        cx: &mut Cx<'_>,
    ) {
        let Some(folder) = self.folders.get_mut(&id) else { return };
        let Some(Pass::Examining { started, misses, depth }) = folder.pass.take() else { return };
        self.opens(id, cx);
        let Some(folder) = self.folders.get_mut(&id) else { return };
        let is_open = told.is_some();
        let live = &folder.lanes.live;
        if examined.uidvalidity != live.uidvalidity
            && !folder.row.held
            && folder.row.failures.is_empty()
        {
            return self.open_anew(id, started, examined, cx);
        }
        if examined.uidvalidity != live.uidvalidity {
            return self.start_rematch(id, started, misses, examined, cx);
        }
        let other = folder.is_other(&examined);
        if other && !self.listed {
            // Another folder of that name: LIST says which names there are, before it is looked at whole.
            (folder.wanted, folder.depth, folder.doubted) = (true, Depth::Full, true);
            return;
        }
        if examined.inferred {
            // The highest UID falls when the newest mail is deleted; UIDNEXT itself never does.
            examined.uidnext = examined.uidnext.max(live.mark.uidnext).max(live.uidnext);
        }
        // What was told once was too high, or the server was put back: a whole listing says what is
        // there.
        let fell = examined.uidnext < live.mark.uidnext.max(live.uidnext);
        if fell && is_open {
            // What an open folder tells may be less than a listing has shown since.
            folder.depth = Depth::Full;
            return self.examine(id, started, 0, cx);
        }
        if fell && !folder.fills.is_empty() {
            // What a page on its way takes for a hole may be mail by now: it is settled first.
            (folder.wanted, folder.depth, folder.settles_first) = (true, Depth::Full, true);
            return;
        }
        folder.fresher = UidSet::new();
        if fell {
            // Bytes that were kept may be of a mail that is no more under that UID.
            folder.suspects.clear();
        }
        if misses == 0
            && !is_open
            && !other
            && !cx.doubts()
            && is_unchanged(folder, &examined, started)
        {
            folder.chain = folder.lanes.live.uidnext;
            let marked = counted_mark(started, examined, false, folder);
            return self.mark(id, marked, None, Depth::Full, cx);
        }
        if let (Some(flags), Some(changed)) = (settled(folder, started), changed)
            && flags.modseq > 0
            && (misses == 0 && !fell && !other)
            && is_told(&changed, &examined, flags.modseq, &folder.lanes.live.mark)
        {
            folder.chain = folder.lanes.live.uidnext;
            let known = UidSet::range(1, folder.chain.saturating_sub(1));
            let todo = changed.rows.uids().minus(&known);
            let vanished = changed.vanished.map(|gone| gone.intersect(&known));
            let seen = Seen::of_changes(started, examined, flags, changed.rows, vanished);
            folder.pass = Some(Pass::Arriving { seen, todo });
            return;
        }
        if let (Depth::Told, Some(rows)) = (depth, told)
            && let Some(arrived) = counted(folder, &examined)
        {
            folder.chain = folder.lanes.live.uidnext;
            let seen = Seen::of_told(started, examined, rows);
            folder.pass = Some(Pass::Arriving { seen, todo: arrived });
            return;
        }
        if depth == Depth::Quick
            && !other
            && let Some(arrived) = counted(folder, &examined)
        {
            folder.chain = folder.lanes.live.uidnext;
            if arrived.is_empty() {
                let marked = counted_mark(started, examined, is_open, folder);
                return self.mark(id, marked, None, Depth::Quick, cx);
            }
            folder.pass = Some(Pass::Counting { started, examined, told: is_open, todo: arrived });
            return;
        }
        if is_open {
            // More has happened than that mail came: now it is opened, and tells what.
            folder.depth = Depth::Full;
            return self.examine(id, started, 0, cx);
        }
        if misses == 0 && !other && !cx.insists() && self.asks_window(id, started, examined, cx) {
            return;
        }
        let Some(folder) = self.folders.get_mut(&id) else { return };
        if examined.exists == 0 {
            folder.pass = Some(Pass::Indexing { started, misses, examined, fell });
            return self.on_pass_indexed(id, UidFlags::default(), 0, cx);
        }
        let (remote_id, uidvalidity) = (folder.row.remote_id.clone(), examined.uidvalidity);
        let request = Request::Index { remote_id, uidvalidity, uids: None };
        folder.pass = Some(Pass::Indexing { started, misses, examined, fell });
        let owner = self.pass_owner(id);
        cx.ask(owner, request);
    }

    /// The whole index came; `exists` is what EXISTS was when it was complete.
    pub(super) fn on_pass_indexed(
        &mut self,
        id: FolderId,
        rows: UidFlags,
        exists: u32,
        cx: &mut Cx<'_>,
    ) {
        let Some(folder) = self.folders.get_mut(&id) else { return };
        if matches!(folder.pass, Some(Pass::Windowing { .. })) {
            return self.on_window(id, rows);
        }
        let Some(Pass::Indexing { started, misses, mut examined, fell }) = folder.pass.take()
        else {
            return;
        };
        let Some(session) = cx.session() else { return };
        let listed = rows.uids();
        folder.lacked = false;
        // Whatever has come or gone meanwhile.
        let hides = [examined.exists, exists].into_iter().any(|n| self.proof.view.hides(n));
        let weighed = weigh(folder, &mut examined, &listed, exists, fell, session);
        if weighed.fit != Fit::Whole && misses == 0 {
            return self.examine(id, started, 1, cx);
        }
        // Two in a row: either the answer lost lines, or this server's EXISTS never fits.
        let (mut misfit, mut kept) = (None, UidSet::new());
        match &weighed.fit {
            Fit::Whole => {}
            Fit::Believed(rest) => kept = rest.clone(),
            Fit::First => {
                misfit = first_misfit(folder, &examined, &weighed, listed.clone(), started, cx);
            }
        }
        let Weighed { below, surplus, .. } = weighed;
        let believed = surplus != 0 && misfit.is_none();
        let floor = if hides { listed.first().unwrap_or(1) } else { 1 };
        let why = match (believed, hides) {
            (true, _) => Some("EXISTS never fits its listing".to_owned()),
            (_, true) => {
                Some(format!("the server shows {} messages of it at most", examined.exists))
            }
            _ => None,
        };
        let unproved = why.as_ref().map(|why| match believed {
            true => format!("EXISTS says {}, its listings show {below}", examined.exists),
            false => format!("{why}, the newest: what is older is kept as it was"),
        });
        if let Some(why) = why {
            cx.leave(format!("folder {} is not proved: {why}", folder.row.path));
        }
        folder.chain = folder.lanes.live.uidnext;
        let arrived: UidSet = listed.minus(&UidSet::range(1, folder.chain.saturating_sub(1)));
        let (used_again, unsure) = (UidSet::new(), BTreeSet::new());
        let seen = Seen {
            started,
            examined,
            rows,
            extent: Extent::Whole,
            unproved,
            misfit,
            kept,
            surplus,
            fell,
            floor,
            compared: false,
            used_again,
            unsure,
        };
        if self.is_first
            && folder.is_new()
            && !seen.fell
            && seen.misfit.is_none()
            && seen.unproved.is_none()
        {
            // Nothing is held that it could lack: what it shows is asked for while it is open.
            folder.see(&seen, true);
            self.listed_last = Some(id);
        }
        self.compare_or_go_on(id, seen, arrived, cx);
    }

    /// Nothing was ever stored of the folder, and it shows another UIDVALIDITY: what it was opened
    /// under was a lie.
    fn open_anew(&mut self, id: FolderId, started: Micros, examined: Examined, cx: &mut Cx<'_>) {
        let Some(folder) = self.folders.get_mut(&id) else { return };
        if folder.lost >= LOST {
            let text = "UIDVALIDITY is another whenever it is asked";
            let failure = Failure::new(Class::StateLost, Reach::Folder, Provenance::Server, text);
            return self.stand_still(id, failure, cx);
        }
        folder.lost += 1;
        folder.pass = Some(Pass::Reopening);
        let (from, uidvalidity) = (folder.lanes.live.uidvalidity, examined.uidvalidity);
        let mark =
            Mark { uidnext: examined.uidnext, exists: examined.exists, modseq: examined.modseq };
        let owner = self.pass_owner(id);
        cx.commit(owner, FolderChange::Reopen { folder: id, from, uidvalidity, mark, started });
    }

    /// Takes the next arrivals to fetch, if the folder's pass has some.
    pub(super) fn take_arrivals(&mut self, id: FolderId, cx: &Cx<'_>) -> Option<UidSet> {
        let aside = self.aside(id);
        let size = cx.settings().page_messages;
        let folder = self.folders.get_mut(&id)?;
        let size = folder.page.unwrap_or(size);
        match &mut folder.pass {
            Some(Pass::Arriving { todo, .. } | Pass::Counting { todo, .. }) if !todo.is_empty() => {
                // They come in their order, and a mail at which sessions end comes alone.
                let first = todo.first();
                let alone = first.is_some_and(|uid| aside.contains(uid));
                let page: UidSet = if alone {
                    first.into_iter().collect()
                } else {
                    todo.iter().take(size).take_while(|uid| !aside.contains(*uid)).collect()
                };
                *todo = todo.minus(&page);
                Some(page)
            }
            _ => None,
        }
    }

    /// Moves on every pass that waited for pages or acknowledgements.
    pub(super) fn advance_passes(&mut self, cx: &mut Cx<'_>) {
        for id in self.folders.passing() {
            self.advance_pass(id, cx);
        }
    }

    fn advance_pass(&mut self, id: FolderId, cx: &mut Cx<'_>) {
        let Some(folder) = self.folders.get_mut(&id) else { return };
        match folder.pass.take() {
            Some(Pass::Arriving { seen, todo })
                if todo.is_empty()
                    && !folder.fills.values().any(|f| f.kind == FillKind::Arrivals) =>
            {
                let busy = folder.in_flight();
                let about = seen.about();
                folder.pass = Some(Pass::Reading { seen, busy });
                let owner = self.pass_owner(id);
                cx.read(owner, Query::Folder { folder: id, uids: about });
            }
            // Nothing more is read: the mark follows its pages, and is refused with them.
            Some(Pass::Counting { started, examined, told, todo })
                if todo.is_empty() && !folder.is_arriving() =>
            {
                let marked = counted_mark(started, examined, told, folder);
                self.mark(id, marked, None, Depth::Quick, cx);
            }
            Some(Pass::Settling(settling)) => self.settle(id, settling, cx),
            other => folder.pass = other,
        }
    }

    /// A commit of the pass is durable.
    pub(super) fn on_pass_committed(&mut self, id: FolderId, cx: &mut Cx<'_>) {
        let Some(folder) = self.folders.get_mut(&id) else { return };
        match folder.pass.take() {
            Some(Pass::Settling(mut settling)) => {
                settling.unacked = settling.unacked.saturating_sub(1);
                folder.pass = Some(Pass::Settling(settling));
            }
            Some(Pass::Marking { started, seen, depth }) => {
                folder.shown_at = Some(started);
                folder.saw(seen.as_ref(), depth);
            }
            Some(Pass::Rematching(rematching)) => self.on_rematch_committed(id, rematching, cx),
            // Opened anew, it is listed like a new one.
            Some(Pass::Reopening) => {
                folder.wanted = true;
                folder.depth = Depth::Full;
                folder.forget_uids();
                self.notes.retain(|about, _| !matches!(about, Poison::Mail(of, ..) if *of == id));
            }
            // The pass was broken off while this commit was on its way.
            other => folder.pass = other,
        }
    }

    /// A folder's own trouble. It may have another name by now, so LIST is asked first, whatever it
    /// said before; where that still shows the folder and `opening` it is refused again, it is asked
    /// whether that is the server's.
    pub(super) fn folder_trouble(
        &mut self,
        id: FolderId,
        failure: Failure,
        opening: bool,
        cx: &mut Cx<'_>,
    ) {
        let Some(folder) = self.folders.get_mut(&id).filter(|f| f.stalled.is_none() && !f.bare)
        else {
            return;
        };
        if opening && is_bare(&failure) {
            cx.report(&of_folder(id, &failure));
            self.break_off_pass(id, false);
            return self.answer_barely(id, failure, cx);
        }
        folder.refusals = folder.refusals.saturating_add(u8::from(opening));
        if opening && folder.refusals > 1 && !folder.tried {
            folder.refused = Some(failure);
            return self.break_off_pass(id, false);
        }
        let first = (opening && folder.refusals == 1) || !self.listed;
        if !(first && opening) {
            cx.report(&of_folder(id, &failure));
        }
        if failure.class == Class::StateLost && folder.wanted && folder.pass.is_none() {
            // Several pages were on their way when the numbers changed: once.
            return;
        }
        if failure.class == Class::StateLost && folder.lost < LOST {
            // What was asked was asked of the old numbers: the next pass sees the new ones.
            folder.lost += 1;
            (folder.wanted, folder.depth) = (true, Depth::Full);
            return self.break_off_pass(id, false);
        }
        if !first || failure.class == Class::StateLost {
            return self.stand_still(id, failure, cx);
        }
        self.break_off_pass(id, false);
        if let Some(folder) = self.folders.get_mut(&id) {
            folder.wanted = true;
            folder.doubted = true;
        }
    }

    /// The folder is left alone for the rest of the run; its rows and cursor stay as they are.
    pub(super) fn stand_still(&mut self, id: FolderId, failure: Failure, cx: &mut Cx<'_>) {
        let Some(folder) = self.folders.get_mut(&id) else { return };
        cx.leave(format!("folder {} stands still: {failure}", folder.row.path));
        let at = cx.stamp();
        let change = AccountChange::Fail {
            folder: Some(id),
            class: failure.class,
            text: failure.chain(),
            at,
        };
        self.stall(id, failure);
        cx.commit(Owner::Nobody, change);
    }

    /// Forgets a pass that needs its session, or whose ground has moved; it is begun anew.
    pub(super) fn break_off_pass(&mut self, id: FolderId, session_lost: bool) {
        let Some(folder) = self.folders.get_mut(&id) else { return };
        let needs_session = match &folder.pass {
            Some(
                Pass::Examining { .. }
                | Pass::Counting { .. }
                | Pass::Indexing { .. }
                | Pass::Windowing { .. }
                | Pass::Comparing(_)
                | Pass::Arriving { .. }
                | Pass::Differing { .. }
                | Pass::Reading { .. },
            ) => true,
            Some(Pass::Rematching(rematching)) => !rematching.is_known(),
            Some(Pass::Settling(_) | Pass::Marking { .. } | Pass::Reopening) | None => false,
        };
        if folder.pass.is_some() && (needs_session || !session_lost) {
            folder.pass = None;
            folder.wanted = !folder.is_left();
            folder.depth = Depth::Full;
        }
    }
}
