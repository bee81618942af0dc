//! What comes next. The order: LIST; INBOX's pass and its newest page; the other passes; flagged
//! mail; the newest of each folder; history downwards; due retries. Arrivals always go first.

use crate::mail::folder::WireName;
use crate::mail::id::FolderId;
use crate::run::context::RunFacts;
use crate::run::folders::fills::plan::{PagePlan, probe};
use crate::run::folders::folder::{Cx, Folder};
use crate::run::folders::passes::FolderPasses;
use crate::run::folders::passes::compare::is_comparing;
use crate::run::folders::refusals::TrialTurn;
use crate::run::folders::state::FolderWork;

impl FolderWork {
    /// Starts whatever there is room for. Returns whether the round is over: nothing is left to
    /// start or to wait for.
    pub(super) fn plan_all(&mut self, run: &mut Cx<'_>) -> bool {
        self.with(run, |m, cx| m.passes.advance(cx));
        self.with(run, |m, cx| m.listing.resume(cx));
        run.session().is_some() && self.start_what_fits(run)
    }

    fn start_what_fits(&mut self, run: &mut Cx<'_>) -> bool {
        if self.machines.listing.is_wanted() {
            if !run.is_asking() {
                self.start_listing(run);
            }
            return false;
        }
        self.with(run, |m, cx| m.fills.plan_arrivals(FolderPasses::take_arrivals, cx));
        self.with(run, |m, cx| m.passes.plan_proofs(m.listing.asks_counters(), cx));
        self.plan_passes(run);
        self.plan_pages(run);
        let rests = self.is_idle(run) && !self.folders.are_passing();
        if self.plan_proof(rests, run) {
            return false;
        }
        if rests && self.with(run, |m, cx| m.listing.stop_holding(cx)) {
            return false;
        }
        if self.is_idle(run) && self.plan_last(run) {
            return false;
        }
        self.is_round_over(run)
    }

    fn start_listing(&mut self, run: &mut Cx<'_>) {
        self.with(run, |m, cx| m.listing.start(cx));
    }

    fn start_pass(&mut self, id: FolderId, run: &mut Cx<'_>) {
        let is_it =
            |name: &WireName| self.folders.get(&id).is_some_and(|f| f.row.remote_id == *name);
        let opened = self.machines.listing.take_opened();
        let opened = opened.filter(|opened| is_it(&opened.name) && !run.doubts());
        if opened.is_some() {
            self.with(run, |m, cx| m.refusals.opens(id, cx));
        }
        self.with(run, |m, cx| m.passes.start(id, opened, cx));
    }

    /// Nothing is asked, and nothing waits to be answered.
    fn is_idle(&self, run: &Cx<'_>) -> bool {
        run.is_closed() && !self.folders.are_filling()
    }

    fn is_round_over(&self, run: &Cx<'_>) -> bool {
        self.machines.listing.is_over() && self.is_idle(run) && !self.folders.are_to_pass()
    }

    /// Proves by their counters the folders that are read. Returns whether there were some.
    fn plan_proof(&mut self, rests: bool, run: &mut Cx<'_>) -> bool {
        let is_over = self.machines.listing.is_over();
        let proves = self.with(run, |m, cx| {
            (rests || (is_over && m.passes.is_proof_late(cx))) && m.passes.prove_by_counters(cx)
        });
        if proves {
            self.start_listing(run);
        }
        proves
    }

    /// What ends sessions, and what was shut, is asked when all else is done: where fewest sessions
    /// have ended first.
    fn plan_last(&mut self, run: &mut Cx<'_>) -> bool {
        if !self.machines.listing.is_over() || self.passes_left() {
            return false;
        }
        let cuts_at = |id: FolderId| {
            self.folders.get(&id).map(|folder| self.notes.cuts_at(&folder.row.remote_id))
        };
        let wanting = self.folders.wanting().into_iter().filter_map(|id| Some((cuts_at(id)?, id)));
        // A folder whose mail is owed has had its pass: nothing else opens it, as soon as that may be
        // read.
        let defers = run.defers();
        let is_owed = |id: &FolderId| !defers && self.waits_to_be_opened(*id);
        let owed = self.folders.hungry().into_iter().filter(is_owed);
        let owed = owed.filter_map(|id| Some((cuts_at(id)?, id, true)));
        let last = wanting.map(|(cuts, id)| (cuts, id, false)).chain(owed).min();
        let late = self.machines.listing.late().next().map(|name| self.notes.cuts_at(name));
        match last {
            Some((cuts, id, is_owed)) if late.is_none_or(|late| cuts <= late) => {
                if is_owed {
                    self.with(run, |_, cx| probe(id, cx));
                } else {
                    self.start_pass(id, run);
                }
                true
            }
            _ => self.with(run, |m, cx| m.listing.start_late(cx)),
        }
    }

    /// Whether mail of the folder is to be read, and is not asked for since sessions have ended at its
    /// opening.
    fn waits_to_be_opened(&self, id: FolderId) -> bool {
        let Some(folder) = self.folders.get(&id) else { return false };
        let is_owed = !folder.has_read_all() || folder.fill.owes_retry(&folder.row.failures);
        is_owed && self.notes.opens_last(folder)
    }

    /// Whether passes are under way or wanted, but for those that go last.
    pub(super) fn passes_left(&self) -> bool {
        let is_last = |id: FolderId| self.folders.get(&id).is_some_and(|f| self.is_last(f));
        self.folders.are_passing()
            || !self.folders.doubted().is_empty()
            || self.folders.wanting().into_iter().any(|id| !is_last(id))
    }

    /// A folder at which sessions end is passed after the others.
    fn is_last(&self, folder: &Folder) -> bool {
        self.notes.ends_sessions(&folder.row.remote_id)
    }

    fn plan_passes(&mut self, run: &mut Cx<'_>) {
        let inbox = self.folders.inbox();
        let holding = self.machines.listing.is_holding();
        if run.is_asking() || !(holding || self.machines.listing.is_over()) {
            return;
        }
        if self.with(run, |_, cx| FolderPasses::ask_uids(cx)) {
            return;
        }
        // What is listed is read while it is open, before the next is opened.
        let is_news = inbox.is_some_and(|inbox| self.folders.wanting().contains(&inbox));
        let open = self.open_first();
        let reads = self.with(run, |m, cx| open.is_some_and(|id| m.fills.reads_while_open(id, cx)));
        if !holding && !is_news && reads {
            return;
        }
        // One folder is compared at a time: its questions go out between reads of our rows, and
        // those of many would pile up behind one session.
        if is_comparing(&self.folders) {
            return;
        }
        if !holding {
            self.with(run, |m, cx| {
                let shown = m.listing.take_counters();
                let left = m.passes.prove_listed(&shown, m.listing.from(), cx);
                m.listing.keep_counters(left);
            });
        }
        // INBOX's newest page goes before the other folders.
        let inbox_first =
            inbox.and_then(|id| self.folders.get(&id)).is_some_and(|f| f.pass.is_under_way());
        match self.next_pass(holding) {
            Some(id) if !inbox_first || Some(id) == inbox => self.start_pass(id, run),
            Some(_) => {}
            None if !holding && !self.folders.are_passing() => self.plan_doubts(run),
            None => {}
        }
    }

    /// All else is passed: LIST is asked where something is doubted, or refused by a server that answers.
    fn plan_doubts(&mut self, run: &mut Cx<'_>) {
        let is_list = self.folders.end_doubts()
            || self.with(run, |m, cx| m.refusals.plan(m.listing.late(), cx)) == TrialTurn::List;
        if is_list {
            self.start_listing(run);
        }
    }

    /// The folder of a new account that was just listed, and is open: nothing is known of it that another
    /// pass could show to be gone.
    fn open_first(&self) -> Option<FolderId> {
        let id = self.machines.passes.listed_last()?;
        let f = self.folders.get(&id)?;
        let is_ours = !f.is_left() && !f.row.excluded && !self.is_last(f);
        let is_first = self.known.is_first && f.pass.is_as_listed() && is_ours;
        (is_first && !self.machines.fills.has_many_suspects(&self.folders)).then_some(id)
    }

    /// The folder that is to be passed next: INBOX alone while the others wait for it.
    fn next_pass(&self, holding: bool) -> Option<FolderId> {
        let fits = |id: &FolderId| self.folders.get(id).is_some_and(|f| f.is_free());
        let wanting = self.folders.wanting();
        let mut wanting = wanting.into_iter().filter(fits);
        if holding {
            let inbox = self.folders.inbox();
            return wanting.find(|id| Some(*id) == inbox);
        }
        wanting.find(|id| self.folders.get(id).is_some_and(|f| !self.is_last(f)))
    }

    fn plan_pages(&mut self, run: &mut Cx<'_>) {
        let at = PagePlan {
            is_listed: self.machines.listing.is_over(),
            is_passing: self.passes_left(),
            open: self.open_first(),
        };
        self.with(run, |m, cx| m.fills.plan(&at, cx));
    }
}
