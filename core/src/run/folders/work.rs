//! The work of folders as the machine of a run sees it: which machine each answer moves on.

use crate::commit::change::{Poison, Refusal};
use crate::commit::rows::{AccountRow, FolderRow};
use crate::failure::{Class, Failure, Reach};
use crate::mail::id::FolderId;
use crate::provider::Capabilities;
use crate::provider::folders::{FolderAnswer, FolderRequest};
use crate::provider::{Answer, Request, not_asked};
use crate::recovery::decide::Verdict;
use crate::run::context::{RunEffects, RunFacts};
use crate::run::event::{AccountSnapshot, Token};
use crate::run::fetcher::PagesLeft;
use crate::run::first::FirstEnd;
use crate::run::folders::context::Want;
use crate::run::folders::fills::choosing::first_end;
use crate::run::folders::fills::plan::{pages_left, wants_newest};
use crate::run::folders::folder::{Cx, Owner, of_folder};
use crate::run::folders::listing::opening::adopt;
use crate::run::folders::notes::is_cut;
use crate::run::folders::passes::turn::ExamineAnswer;
use crate::run::folders::passes::{Keys, Side};
use crate::run::folders::report;
use crate::run::folders::state::FolderWork;
use crate::run::reads::Rows;
use crate::run::scope::Depth;
use crate::run::settings::Settings;
use crate::run::summary::{Counts, FolderSummary};
use crate::run::work::{Cut, OpenQuestion, Taken, Work};
use crate::time::Micros;

impl Work for FolderWork {
    type Owner = Owner;

    const LIMBO: bool = true;

    const NOBODY: Owner = Owner::Nobody;

    fn opened(before: Option<Self>, snapshot: AccountSnapshot, run: &mut Cx<'_>) -> Self {
        Self::of(before, snapshot, run)
    }

    fn connected(&mut self, capabilities: &Capabilities, run: &mut Cx<'_>) {
        self.known.proof = capabilities.proof;
        self.known.names = capabilities.names;
        self.notes.connected();
        self.with(run, |m, cx| {
            m.listing.take_opened();
            m.refusals.connected(cx);
        });
    }

    fn plan(&mut self, run: &mut Cx<'_>) -> bool {
        self.plan_all(run)
    }

    fn pages_left(&self, run: &Cx<'_>) -> PagesLeft {
        pages_left(&self.folders, run)
    }

    fn reads_past(&self, settings: &Settings) -> bool {
        self.machines.listing.is_over()
            && !self.passes_left()
            && self.folders.are_filling()
            && !wants_newest(&self.folders, &self.notes, settings)
    }

    fn first_end(&self, settings: &Settings) -> FirstEnd {
        first_end(&self.folders, &self.notes, settings)
    }

    fn withholds(&self) -> bool {
        self.folders.unread() > 0
    }

    fn wants_other_session(&self, over: bool, run: &Cx<'_>) -> bool {
        let fills = &self.machines.fills;
        let is_suspicious = run.is_closed()
            && !self.passes_left()
            && self.machines.listing.is_over()
            && fills.needs_other_session(over, &self.folders, run);
        is_suspicious || (over && self.machines.refusals.has_bare())
    }

    fn answered(
        &mut self,
        question: OpenQuestion<Owner>,
        answer: Result<Answer, Failure>,
        run: &mut Cx<'_>,
    ) -> Result<(), Failure> {
        let request = question.request.as_ref();
        match &answer {
            Ok(answer) if !is_about(request, answer) => {
                return Err(Failure::bug("an answer is about another folder than its question"));
            }
            Ok(_) => self.notes.answered(request, run),
            Err(failure) if is_the_folders(failure, run) => self.notes.answered(request, run),
            Err(_) => {}
        }
        match answer {
            Ok(Answer::Folders(answer)) => self.on_answer(&question, answer, run),
            Ok(Answer::Deferred(wait)) => {
                let Owner::Page(id, _) = question.owner else { return Err(not_asked()) };
                self.with(run, |m, cx| m.fills.defer(id, question.token, wait, cx))
            }
            Ok(_) => Err(not_asked()),
            Err(failure) => self.on_failure(question, failure, run),
        }
    }

    fn cut(&mut self, token: Token, owner: Owner, failure: &Failure, run: &mut Cx<'_>) -> Cut {
        if self.notes.goes_further(failure) {
            return Cut::Further;
        }
        if !is_cut(failure) || run.session().is_none() {
            return Cut::Unnoted;
        }
        let first = run.oldest_question();
        let (token, owner) = first.filter(|(first, _)| *first < token).unwrap_or((token, owner));
        // Nobody needs to know when mail came: it is not asked again in this run.
        if matches!(owner, Owner::Dates(_)) {
            return Cut::Unnoted;
        }
        let Some((about, worked)) = self.cut_at(token, owner, run) else { return Cut::Unnoted };
        let count = self.notes.count(&about);
        let settled = match (&about, owner) {
            (Poison::Mail(id, _, uid), Owner::Page(_, fill)) => {
                let mail = (*id, fill, *uid);
                self.with(run, |m, cx| m.fills.settle_cut(mail, count, failure, cx))
            }
            _ => self.notes.is_to_be_left(&about, count) && self.leave(&about, failure, run),
        };
        self.notes.note(&about, count, settled, failure, run);
        // A folder that is shut now ends no other session of this run.
        let is_done = settled && !matches!(owner, Owner::Page(..));
        self.notes.cut(worked || is_done)
    }

    fn rows(&mut self, token: Token, owner: Owner, rows: Rows, run: &mut Cx<'_>) {
        match (owner, rows) {
            (Owner::Pass(id, pass), rows) if self.is_current(id, pass) => {
                self.with(run, |m, cx| match rows {
                    Rows::Folder(rows) => m.passes.on_rows(id, &rows, cx),
                    Rows::Sample(ours) => m.passes.on_sample(id, Side::Ours(ours), cx),
                    Rows::Keys(ours) => m.passes.on_keys(id, Keys::Ours(ours), cx),
                    Rows::Feed(_) => {}
                });
            }
            (Owner::Pass(..), _) => {}
            (Owner::Listing(list), Rows::Folder(rows))
                if self.machines.listing.is_current(list) =>
            {
                self.with(run, |m, cx| m.listing.on_rows(&rows.living.uids(), cx));
            }
            (_, Rows::Folder(_) | Rows::Keys(_) | Rows::Feed(_)) => {}
            (_, Rows::Sample(ours)) => {
                self.with(run, |m, cx| m.listing.on_match_rows(token, ours.rows, cx));
            }
        }
    }

    fn unread(&mut self, owner: Owner) {
        if let Owner::Pass(id, pass) = owner
            && self.is_current(id, pass)
        {
            self.folders.break_off_pass(id, false);
        }
    }

    fn committed(&mut self, owner: Owner, taken: Taken, goes_on: bool, run: &mut Cx<'_>) {
        let opening = self.machines.listing.is_opening();
        let mut opened = None;
        match taken {
            Taken::Done(rows) => {
                opened = rows.folder.as_ref().map(|f| f.id);
                self.on_done(owner, rows.folder, run);
            }
            Taken::Refused(refusal, rows) => {
                self.on_refused(owner, refusal, rows.and_then(|rows| rows.folder), run)
            }
        }
        // An acknowledgement of an earlier LIST has been noted; it moves nothing in this one.
        if goes_on && owner == self.machines.listing.owner() {
            let opened = opened.filter(|_| opening);
            self.with(run, |m, cx| m.listing.on_committed(opened, cx));
        }
    }

    fn not_taken(&mut self, owner: Owner) -> bool {
        // A page is sent again; what a LIST concluded is not: the next one decides.
        let Owner::Listing(list) = owner else { return true };
        let listing = &mut self.machines.listing;
        if listing.is_current(list) {
            if listing.is_closing() {
                listing.want();
            }
            listing.break_off();
        }
        false
    }

    fn cut_off(&mut self, run: &mut Cx<'_>) {
        self.with(run, |m, cx| m.fills.cut_off(cx));
        self.machines.listing.break_off();
        self.with(run, |m, cx| m.refusals.cut_off(cx));
        for id in self.folders.ids() {
            self.folders.break_off_pass(id, true);
        }
    }

    fn want(&mut self, folder: FolderId, depth: Depth) {
        self.folders.want_pass(folder, depth);
    }

    fn next_round(&mut self) {
        self.machines.listing.want();
        self.folders.next_round();
    }

    fn keep(&mut self, run: &mut Cx<'_>) {
        self.notes.keep_asked(&self.folders);
        self.notes.store_first(run);
    }

    fn leave_undone(&mut self, run: &mut Cx<'_>) {
        report::leave_undone(&self.folders, run);
    }

    fn refused_alike(&self) -> Option<Failure> {
        report::refused_alike(&self.folders)
    }

    fn live_end_stalled(&self, settings: &Settings) -> Option<Failure> {
        report::live_end_stalled(&self.folders, settings)
    }

    fn passed(&self, folder: FolderId) -> Option<(Option<Micros>, bool)> {
        let pass = &self.folders.get(&folder)?.pass;
        Some((pass.shown_at(), !pass.is_wanted() && !pass.is_under_way()))
    }

    fn lines(&self, account: &AccountRow) -> Vec<FolderSummary> {
        report::lines(&self.folders, self.known.proof, account)
    }

    fn totals(&self, counts: Counts) -> Counts {
        let remaining = self.folders.unread() + self.machines.listing.unopened();
        Counts { folders: self.folders.looked(), remaining, ..counts }
    }
}

/// The name that an answer repeats is the name that was asked about.
fn is_about(request: Option<&Request>, answer: &Answer) -> bool {
    let Answer::Folders(answer) = answer else { return true };
    answer.remote_id().is_none_or(|name| request.and_then(Request::remote_id) == Some(name))
}

/// Whether the run goes on without the folder: what `decide` says is obeyed.
fn is_the_folders(failure: &Failure, run: &Cx<'_>) -> bool {
    failure.reach == Reach::Folder && run.verdict(failure) == Verdict::LeaveOut
}

impl FolderWork {
    /// Whether an answer belongs to the pass that is under way.
    fn is_current(&self, folder: FolderId, pass: u32) -> bool {
        self.folders.get(&folder).is_some_and(|f| f.pass.is_current(pass))
    }

    fn on_answer(
        &mut self,
        question: &OpenQuestion<Owner>,
        answer: FolderAnswer,
        run: &mut Cx<'_>,
    ) -> Result<(), Failure> {
        match (question.owner, answer) {
            (Owner::Listing(_), FolderAnswer::Listed { folders, unreadable, counters }) => {
                self.with(run, |m, cx| {
                    let judged = m.refusals.judged();
                    m.listing.on_listed((folders, unreadable), counters, judged, cx);
                });
            }
            (Owner::Listing(_), FolderAnswer::Examined { examined, .. }) => {
                self.with(run, |m, cx| m.listing.on_examined(Ok(examined), cx));
            }
            (Owner::Listing(_), FolderAnswer::Sampled { rows, .. }) => {
                self.with(run, |m, cx| m.listing.on_sampled(&rows, cx));
            }
            (Owner::Pass(id, _), FolderAnswer::Examined { examined, changed, told, .. }) => {
                let shown = ExamineAnswer { examined, changed, told };
                self.on_pass_examined(id, shown, run);
            }
            (Owner::Pass(id, _), FolderAnswer::Indexed { rows, exists, .. }) => {
                self.with(run, |m, cx| m.passes.on_indexed(id, rows, exists, cx));
            }
            (Owner::Pass(id, _), FolderAnswer::Uids { uids, exists, .. }) => {
                self.with(run, |m, cx| m.passes.on_uids(id, &uids, exists, cx));
            }
            (Owner::Pass(id, _), FolderAnswer::Keyed { rows, exists, .. }) => {
                self.with(run, |m, cx| m.passes.on_keys(id, Keys::Theirs(rows, exists), cx));
            }
            (Owner::Pass(id, _), FolderAnswer::Sampled { rows, threads, .. }) => {
                self.with(run, |m, cx| m.passes.on_sample(id, Side::Theirs(rows, threads), cx));
            }
            (Owner::Dates(id), FolderAnswer::Sampled { rows, .. }) => {
                self.with(run, |m, cx| m.fills.on_dates(id, Some(rows), cx));
            }
            // The session has answered.
            (Owner::Probe(id), FolderAnswer::Examined { .. }) => {
                self.with(run, |m, cx| m.refusals.opens(id, cx));
            }
            (Owner::Trial, FolderAnswer::Examined { .. }) => {
                return self.with(run, |m, cx| m.refusals.on_tried(Ok(()), cx));
            }
            (Owner::Page(id, _), FolderAnswer::Fetched { page, last }) => {
                if !last {
                    run.keep_open(question.token, question.owner, question.page);
                }
                let folder = self.folders.get(&id).filter(|f| f.fill.has(question.token));
                if let Some(name) = folder.map(|folder| folder.row.remote_id.clone()) {
                    self.notes.has_brought(name);
                }
                let token = question.token;
                return self.with(run, |m, cx| m.fills.on_page(id, token, page, last, cx));
            }
            _ => return Err(not_asked()),
        }
        Ok(())
    }

    /// EXAMINE was answered, for a pass: the folder opens.
    fn on_pass_examined(&mut self, id: FolderId, shown: ExamineAnswer, run: &mut Cx<'_>) {
        if self.folders.get(&id).is_some_and(|folder| folder.pass.is_examining()) {
            self.with(run, |m, cx| m.refusals.opens(id, cx));
            self.with(run, |m, cx| m.passes.on_examined(id, shown, cx));
        }
    }

    /// What is one folder's trouble is its alone; anything else is the run's.
    fn on_failure(
        &mut self,
        question: OpenQuestion<Owner>,
        failure: Failure,
        run: &mut Cx<'_>,
    ) -> Result<(), Failure> {
        let OpenQuestion { token, owner, request, .. } = question;
        if !is_the_folders(&failure, run) {
            // The question is open still, for who looks which was the oldest.
            run.leave_open(token, request);
            return Err(failure);
        }
        match owner {
            Owner::Listing(_) if !self.machines.listing.is_asked() => {
                self.with(run, |m, cx| m.listing.on_examined(Err(failure), cx));
            }
            Owner::Probe(_) => {}
            Owner::Dates(id) => {
                self.with(run, |m, cx| m.fills.on_dates(id, None, cx));
                if failure.class == Class::StateLost {
                    self.with(run, |m, cx| m.refusals.on_trouble(id, failure, false, cx));
                }
            }
            Owner::Trial => return self.with(run, |m, cx| m.refusals.on_tried(Err(failure), cx)),
            Owner::Page(id, _) => {
                self.with(run, |m, cx| m.fills.drop(id, token, cx));
                // Opening it was a part of the question, and no session ended at that.
                if let Some(name) = self.folders.get(&id).map(|folder| folder.row.remote_id.clone())
                {
                    self.notes.forget(&Poison::Examine(name), run);
                }
                let opening = failure.class != Class::StateLost;
                self.with(run, |m, cx| m.refusals.on_trouble(id, failure, opening, cx));
            }
            // A mail whose size cannot be told costs itself: its part is not compared.
            Owner::Pass(id, _)
                if failure.class != Class::StateLost
                    && self.folders.get(&id).is_some_and(|f| f.pass.is_comparing()) =>
            {
                run.report(&of_folder(id, &failure));
                self.with(run, |m, cx| m.passes.on_sample(id, Side::NOTHING, cx));
            }
            Owner::Pass(id, _) => {
                let opening =
                    matches!(request, Some(Request::Folders(FolderRequest::Examine { .. })));
                self.with(run, |m, cx| m.refusals.on_trouble(id, failure, opening, cx));
            }
            Owner::Listing(_) | Owner::Nobody => {
                run.leave_open(token, request);
                return Err(failure);
            }
        }
        Ok(())
    }

    /// What a session has ended at, and whether it had worked otherwise.
    fn cut_at(&self, token: Token, owner: Owner, run: &Cx<'_>) -> Option<(Poison, bool)> {
        if let Owner::Page(id, fill) = owner {
            let folder = self.folders.get(&id)?;
            return Some(self.notes.at_mail(folder, folder.fill.first_open(fill)?));
        }
        self.notes.at_folder(run.question(token)?)
    }

    /// A folder at which three sessions have ended is shut.
    fn leave(&mut self, about: &Poison, failure: &Failure, run: &mut Cx<'_>) -> bool {
        let (Poison::Examine(name) | Poison::Index(name)) = about else { return false };
        let known = self.folders.named(name).map(|f| (f.row.id, f.row.path.clone()));
        let listing = &mut self.machines.listing;
        let (folder, path) = match known {
            Some((id, path)) => {
                self.folders.stall(id, failure.clone());
                (Some(id), path)
            }
            None => {
                let path = listing.drop_name(name);
                (None, path.unwrap_or_else(|| String::from_utf8_lossy(name).into_owned()))
            }
        };
        listing.shut((name.clone(), path), folder, failure, run);
        true
    }

    fn on_done(&mut self, owner: Owner, row: Option<FolderRow>, run: &mut Cx<'_>) {
        if let Some(row) = &row {
            self.folders.stored(row.clone());
        }
        match owner {
            Owner::Listing(list) => {
                if self.machines.listing.is_current(list) {
                    self.machines.listing.close();
                }
                if let Some(row) = row {
                    adopt(row, &mut self.folders);
                }
            }
            Owner::Pass(id, pass) if self.is_current(id, pass) => {
                self.with(run, |m, cx| m.passes.on_committed(id, cx));
            }
            Owner::Page(id, fill) => {
                // Holes are closed without a word from the server: they prove nothing about it.
                if fill != Token::HOLES {
                    run.brought();
                }
                self.with(run, |m, cx| m.fills.on_answered(id, fill, false, cx));
            }
            Owner::Pass(..) | Owner::Probe(_) | Owner::Dates(_) | Owner::Trial | Owner::Nobody => {}
        }
    }

    fn on_refused(
        &mut self,
        owner: Owner,
        refusal: Refusal,
        row: Option<FolderRow>,
        run: &mut Cx<'_>,
    ) {
        if let Some(row) = row {
            self.folders.stored(row.clone());
            // An `Open` whose first answer was lost: the folder is there already.
            if let Owner::Listing(_) = owner {
                adopt(row, &mut self.folders);
            }
        }
        match owner {
            Owner::Pass(id, pass) if self.is_current(id, pass) => {
                self.folders.break_off_pass(id, false)
            }
            Owner::Page(id, fill) => {
                self.with(run, |m, cx| m.fills.on_answered(id, fill, true, cx));
            }
            Owner::Pass(..)
            | Owner::Listing(_)
            | Owner::Probe(_)
            | Owner::Dates(_)
            | Owner::Trial
            | Owner::Nobody => {}
        }
        if let (Refusal::Missing, Owner::Pass(id, _) | Owner::Page(id, _)) = (refusal, owner) {
            // It was dropped by a commit that this run no longer waited for. If the server has it,
            // it is a new one.
            self.folders.remove(&id);
            self.see_to(Want::RelistIfListed, run);
        }
    }
}
