//! The work of folders as the machine sees it: which step of it each answer moves on.

use crate::commit::change::{Poison, Refusal};
use crate::commit::rows::{AccountRow, FolderRow};
use crate::failure::{Class, Failure, Provenance, Reach};
use crate::mail::id::FolderId;
use crate::provider::Capabilities;
use crate::provider::folders::{Answer, Request};
use crate::recovery::decide::Verdict;
use crate::run::context::{RunEffects, RunView};
use crate::run::event::{AccountSnapshot, Token};
use crate::run::fetcher::PagesLeft;
use crate::run::folders::folder::{Owner, of_folder};
use crate::run::folders::listing::state::Listing;
use crate::run::folders::state::{Cx, FolderWork};
use crate::run::reads::Rows;
use crate::run::scope::Depth;
use crate::run::settings::Settings;
use crate::run::summary::{Counts, FolderLine};
use crate::run::work::{Cut, OpenQuestion, Taken, Work};
use crate::time::Micros;

/// Messages that a line about those that could not be fetched names.
const NAMED: usize = 3;

impl Work for FolderWork {
    type Owner = Owner;

    const LIMBO: bool = true;

    const NOBODY: Owner = Owner::Nobody;

    fn opened(before: Option<Self>, snapshot: AccountSnapshot, cx: &mut Cx<'_>) -> Self {
        Self::of(before, snapshot, cx)
    }

    fn connected(&mut self, capabilities: &Capabilities) {
        self.proof = capabilities.proof;
        self.names = capabilities.names;
        self.answered.clear();
        self.just_opened = None;
        self.ask_bare_again();
    }

    fn plan(&mut self, cx: &mut Cx<'_>) -> bool {
        self.plan_all(cx)
    }

    fn pages_left(&self, cx: &Cx<'_>) -> PagesLeft {
        FolderWork::pages_left(self, cx)
    }

    fn wants_other_session(&self, over: bool, cx: &Cx<'_>) -> bool {
        self.has_suspects_of(over, cx) || (over && self.has_bare())
    }

    fn answered(
        &mut self,
        question: OpenQuestion<Owner>,
        answer: Result<Answer, Failure>,
        cx: &mut Cx<'_>,
    ) -> Result<(), Failure> {
        let request = question.request.as_ref();
        match &answer {
            Ok(answer) if !is_about(request, answer) => {
                return Err(Failure::bug("an answer is about another folder than its question"));
            }
            Ok(_) => self.note_answered(request, cx),
            Err(failure) if is_the_folders(failure, cx) => self.note_answered(request, cx),
            Err(_) => {}
        }
        match answer {
            Ok(answer) => self.on_answer(&question, answer, cx),
            Err(failure) => self.on_failure(question, failure, cx),
        }
    }

    fn cut(&mut self, token: Token, owner: Owner, failure: &Failure, cx: &mut Cx<'_>) -> Cut {
        self.note_cut(token, owner, failure, cx)
    }

    fn rows(&mut self, token: Token, owner: Owner, rows: Rows, cx: &mut Cx<'_>) {
        match (owner, rows) {
            (Owner::Pass(id, generation), Rows::Folder(rows))
                if self.is_current(id, generation) =>
            {
                self.on_pass_rows(id, &rows, cx);
            }
            (Owner::Pass(id, generation), Rows::Sample(ours))
                if self.is_current(id, generation) =>
            {
                self.on_compare_rows(id, ours, cx);
            }
            (Owner::Pass(id, generation), Rows::Keys(ours)) if self.is_current(id, generation) => {
                self.on_keys_read(id, ours, cx);
            }
            (Owner::Pass(..), _) => {}
            (Owner::Listing(generation), Rows::Folder(rows)) if generation == self.generation => {
                self.on_listing_rows(&rows.living.uids(), cx);
            }
            (_, Rows::Folder(_) | Rows::Keys(_) | Rows::Feed(_)) => {}
            (_, Rows::Sample(ours)) => self.on_match_rows(token, ours, cx),
        }
    }

    fn unread(&mut self, owner: Owner) {
        if let Owner::Pass(id, generation) = owner
            && self.is_current(id, generation)
        {
            self.break_off_pass(id, false);
        }
    }

    fn committed(&mut self, owner: Owner, taken: Taken, goes_on: bool, cx: &mut Cx<'_>) {
        let opening = matches!(self.listing, Listing::Opening(_) | Listing::Examining(_));
        let mut opened = None;
        match taken {
            Taken::Done(rows) => {
                opened = rows.folder.as_ref().map(|f| f.id);
                self.on_done(owner, rows.folder, cx);
            }
            Taken::Refused(refusal, rows) => {
                self.on_refused(owner, refusal, rows.and_then(|rows| rows.folder), cx)
            }
        }
        // An acknowledgement of an earlier LIST has been noted; it moves nothing in this one.
        if goes_on && owner == self.list_owner() {
            self.on_listing_committed(opened.filter(|_| opening), cx);
        }
    }

    fn not_taken(&mut self, owner: Owner) -> bool {
        // A page is sent again; what a LIST concluded is not: the next one decides.
        let Owner::Listing(generation) = owner else { return true };
        if generation == self.generation {
            if matches!(self.listing, Listing::Closing) {
                self.listing = Listing::Wanted;
            }
            self.break_off_listing();
        }
        false
    }

    fn cut_off(&mut self) {
        self.drop_fetching();
        self.break_off_listing();
        self.forget_refusals();
        for id in self.folders.ids() {
            self.break_off_pass(id, true);
        }
    }

    fn want(&mut self, folder: FolderId, depth: Depth) {
        self.want_pass(folder, depth);
    }

    fn next_round(&mut self) {
        self.listing = Listing::Wanted;
        for folder in self.folders.values_mut() {
            folder.wanted = !folder.is_left();
            // A message that only moved raises UIDNEXT where it went.
            folder.depth = Depth::Quick;
            folder.looked = false;
        }
    }

    fn refresh(&mut self) {
        self.folders.refresh();
    }

    fn keep(&mut self, cx: &mut Cx<'_>) {
        self.store_first_notes(cx);
    }

    fn leave_undone(&mut self, cx: &mut Cx<'_>) {
        let failing = || self.folders.values().filter(|f| !f.row.excluded);
        let open: u64 = failing().map(|f| f.row.failures.len()).sum();
        if open > 0 {
            let named = failing().flat_map(|f| f.row.failures.iter().map(move |uid| (f, uid)));
            let named: Vec<String> =
                named.take(NAMED).map(|(f, uid)| format!("{} UID {uid}", f.row.path)).collect();
            let more = if open > NAMED as u64 { ", …" } else { "" };
            cx.leave(format!(
                "{open} message(s) could not be fetched ({}{more}); they are in the ledger and are tried again",
                named.join(", ")
            ));
        }
        let held = |name: &Vec<u8>| {
            self.folders.values().any(|f| f.row.excluded && f.row.remote_id == *name)
        };
        let shut = cx.account().shut.keys().filter(|name| !held(name)).count();
        if shut > 0 {
            cx.leave(format!(
                "{shut} folder(s) are listed and cannot be opened; they are asked again in their own time"
            ));
        }
    }

    fn refused_alike(&self) -> Option<Failure> {
        let mut ours = self.folders.values().filter(|f| !f.row.excluded);
        let first = ours.next()?.stalled.clone().filter(|f| f.class != Class::StateLost)?;
        let mut others = 0;
        for folder in ours {
            others += 1;
            if folder.stalled.as_ref().is_none_or(|f| f.class != first.class) {
                return None;
            }
        }
        (others > 0).then(|| Failure {
            reach: Reach::Account,
            text: format!("every folder is refused: {}", first.text).into(),
            ..first
        })
    }

    fn live_end_stalled(&self, settings: &Settings) -> Option<Failure> {
        if !settings.folders.wants("INBOX") {
            return None;
        }
        let Some(inbox) = self.folders.inbox().and_then(|id| self.folders.get(&id)) else {
            let text = "INBOX is not here yet";
            return Some(Failure::new(Class::Provider, Reach::Folder, Provenance::Server, text));
        };
        let stalled = inbox.stalled.clone()?;
        Some(Failure { text: format!("INBOX stands still: {}", stalled.text).into(), ..stalled })
    }

    fn passed(&self, folder: FolderId) -> Option<(Option<Micros>, bool)> {
        let folder = self.folders.get(&folder)?;
        Some((folder.shown_at, !folder.wanted && folder.pass.is_none()))
    }

    fn lines(&self, account: &AccountRow) -> Vec<FolderLine> {
        self.lines_of(account)
    }

    fn totals(&self, counts: Counts) -> Counts {
        let unopened = if let Listing::Holding(work) = &self.listing { work.unopened } else { 0 };
        let remaining = self.folders.unread() + unopened;
        Counts { folders: self.folders.looked(), remaining, ..counts }
    }
}

/// The name that an answer repeats is the name that was asked about.
fn is_about(request: Option<&Request>, answer: &Answer) -> bool {
    let asked = request.and_then(Request::remote_id);
    match answer {
        Answer::Examined { remote_id, .. }
        | Answer::Indexed { remote_id, .. }
        | Answer::Uids { remote_id, .. }
        | Answer::Keyed { remote_id, .. }
        | Answer::Sampled { remote_id, .. } => asked == Some(remote_id.as_slice()),
        _ => true,
    }
}

impl FolderWork {
    /// Takes the notes away of what has answered, and remembers that the session works for it.
    fn note_answered(&mut self, request: Option<&Request>, cx: &mut Cx<'_>) {
        let Some(name) = request.and_then(Request::remote_id) else { return };
        let about = match request {
            Some(Request::Examine { .. }) => {
                self.opened.insert(name.to_vec());
                Poison::Examine(name.to_vec())
            }
            _ => {
                self.indexed.insert(name.to_vec());
                // Opening it was a part of the question.
                self.forget_note(&Poison::Examine(name.to_vec()), cx);
                Poison::Index(name.to_vec())
            }
        };
        self.answered.insert(name.to_vec());
        self.forget_note(&about, cx);
    }

    fn on_answer(
        &mut self,
        question: &OpenQuestion<Owner>,
        answer: Answer,
        cx: &mut Cx<'_>,
    ) -> Result<(), Failure> {
        match (question.owner, answer) {
            (Owner::Listing(_), Answer::Listed { folders, unreadable, counters }) => {
                self.counters = counters;
                self.on_listed(folders, unreadable, cx)
            }
            (Owner::Listing(_), Answer::Examined { examined, .. }) => {
                self.on_listing_examined(Ok(examined), cx)
            }
            (Owner::Listing(_), Answer::Sampled { rows, .. })
                if matches!(self.listing, Listing::Dating(..)) =>
            {
                self.on_dated(&rows, cx);
            }
            (Owner::Listing(_), Answer::Sampled { rows, .. }) => self.on_match_sampled(&rows, cx),
            (Owner::Pass(id, _), Answer::Examined { examined, changed, told, .. }) => {
                self.on_pass_examined(id, examined, changed, told, cx)
            }
            (Owner::Pass(id, _), Answer::Indexed { rows, exists, .. }) => {
                self.on_pass_indexed(id, rows, exists, cx)
            }
            (Owner::Pass(id, _), Answer::Uids { uids, exists, .. }) => {
                self.on_uids(id, &uids, exists, cx)
            }
            (Owner::Pass(id, _), Answer::Keyed { rows, exists, .. }) => {
                self.on_keyed(id, rows, exists, cx)
            }
            (Owner::Pass(id, _), Answer::Sampled { rows, .. }) => self.on_compared(id, &rows, cx),
            // The session has answered.
            (Owner::Probe(id), Answer::Examined { .. }) => self.opens(id, cx),
            (Owner::Trial, Answer::Examined { .. }) => return self.on_tried(Ok(()), cx),
            (Owner::Page(id, _), Answer::Fetched { page, last }) => {
                if !last {
                    cx.keep_open(question.token, question.owner, question.page);
                }
                return self.on_page(id, question.token, page, last, cx);
            }
            (Owner::Page(id, _), Answer::Deferred(wait)) => {
                return self.defer_fill(id, question.token, wait, cx);
            }
            _ => return Err(Failure::bug("a session answered another question than it was asked")),
        }
        Ok(())
    }

    /// What is one folder's trouble is its alone; anything else is the run's.
    fn on_failure(
        &mut self,
        question: OpenQuestion<Owner>,
        failure: Failure,
        cx: &mut Cx<'_>,
    ) -> Result<(), Failure> {
        let OpenQuestion { token, owner, request, .. } = question;
        if !is_the_folders(&failure, cx) {
            // The question is open still, for who looks which was the oldest.
            cx.leave_open(token, request);
            return Err(failure);
        }
        match owner {
            Owner::Listing(_) if !matches!(self.listing, Listing::Asked { .. }) => {
                self.on_listing_examined(Err(failure), cx);
            }
            Owner::Probe(_) => {}
            Owner::Trial => return self.on_tried(Err(failure), cx),
            Owner::Page(id, _) => {
                self.drop_fill(id, token);
                // Opening it was a part of the question, and no session ended at that.
                if let Some(name) = self.folders.get(&id).map(|folder| folder.row.remote_id.clone())
                {
                    self.forget_note(&Poison::Examine(name), cx);
                }
                let opening = failure.class != Class::StateLost;
                self.folder_trouble(id, failure, opening, cx);
            }
            // A mail whose size cannot be told costs itself: its part is not compared.
            Owner::Pass(id, _) if self.compares(id) && failure.class != Class::StateLost => {
                cx.report(&of_folder(id, &failure));
                self.on_compared(id, &[], cx);
            }
            Owner::Pass(id, _) => {
                let opening = matches!(request, Some(Request::Examine { .. }));
                self.folder_trouble(id, failure, opening, cx);
            }
            Owner::Listing(_) | Owner::Nobody => {
                cx.leave_open(token, request);
                return Err(failure);
            }
        }
        Ok(())
    }

    fn on_done(&mut self, owner: Owner, row: Option<FolderRow>, cx: &mut Cx<'_>) {
        if let Some(row) = &row {
            self.stored(row.clone());
        }
        match owner {
            Owner::Listing(generation) => {
                if generation == self.generation && matches!(self.listing, Listing::Closing) {
                    self.listing = Listing::Done;
                }
                if let Some(row) = row {
                    self.adopt_folder(row);
                }
            }
            Owner::Pass(id, generation) if self.is_current(id, generation) => {
                self.on_pass_committed(id, cx)
            }
            Owner::Page(id, fill) => {
                // Holes are closed without a word from the server: they prove nothing about it.
                if fill != Token::HOLES {
                    cx.brought();
                }
                self.on_page_answered(id, fill, false, cx);
            }
            Owner::Pass(..) | Owner::Probe(_) | Owner::Trial | Owner::Nobody => {}
        }
    }

    fn on_refused(
        &mut self,
        owner: Owner,
        refusal: Refusal,
        row: Option<FolderRow>,
        cx: &mut Cx<'_>,
    ) {
        if let Some(row) = row {
            self.stored(row.clone());
            // An `Open` whose first answer was lost: the folder is there already.
            if let Owner::Listing(_) = owner {
                self.adopt_folder(row);
            }
        }
        match owner {
            Owner::Pass(id, generation) if self.is_current(id, generation) => {
                self.break_off_pass(id, false)
            }
            Owner::Page(id, fill) => self.on_page_answered(id, fill, true, cx),
            Owner::Pass(..)
            | Owner::Listing(_)
            | Owner::Probe(_)
            | Owner::Trial
            | Owner::Nobody => {}
        }
        if let (Refusal::Missing, Owner::Pass(id, _) | Owner::Page(id, _)) = (refusal, owner) {
            // It was dropped by a commit that this run no longer waited for. If the server has it,
            // it is a new one.
            self.folders.remove(&id);
            if matches!(self.listing, Listing::Done) {
                self.listing = Listing::Wanted;
            }
        }
    }
}

/// Whether the run goes on without the folder: what `decide` says is obeyed.
fn is_the_folders(failure: &Failure, cx: &Cx<'_>) -> bool {
    cx.verdict(failure) == Verdict::SkipFolder
}
