//! The work of feeds as the machine sees it: which step of it each answer moves on.

use crate::commit::change::AccountChange;
use crate::commit::rows::AccountRow;
use crate::failure::{Failure, Reach};
use crate::mail::id::FolderId;
use crate::provider::Capabilities;
use crate::provider::feeds::FeedAnswer;
use crate::provider::{Answer, not_asked};
use crate::run::context::{RunEffects, RunFacts};
use crate::run::event::{AccountSnapshot, Token};
use crate::run::feed::lane::FeedLane;
use crate::run::feed::owner::{Cx, FeedOwner};
use crate::run::feed::state::Counting;
use crate::run::feed::state::FeedWork;
use crate::run::fetcher::PagesLeft;
use crate::run::reads::{FeedFound, QuietProof, Rows};
use crate::run::scope::Depth;
use crate::run::settings::Settings;
use crate::run::summary::{ChangesTold, Counts, FolderSummary};
use crate::run::work::{Cut, OpenQuestion, Taken, Work};
use crate::time::Micros;

impl Work for FeedWork {
    type Owner = FeedOwner;

    const LIMBO: bool = false;

    const NOBODY: FeedOwner = FeedOwner::Nobody;

    fn opened(before: Option<Self>, snapshot: AccountSnapshot, cx: &mut Cx<'_>) -> Self {
        // The session may be the same.
        let traits = before.map(|before| before.traits).unwrap_or_default();
        Self::of(traits, snapshot, cx)
    }

    fn connected(&mut self, capabilities: &Capabilities, _: &mut Cx<'_>) {
        self.traits = capabilities.feed;
        self.gets.connected();
    }

    fn plan(&mut self, cx: &mut Cx<'_>) -> bool {
        self.plan_places(cx);
        self.plan_changes(cx);
        self.plan_gets(cx);
        self.plan_walk(cx);
        self.plan_count(cx);
        // A list may have found that it needs to know the labels first.
        self.plan_places(cx);
        cx.is_closed() && self.stash.is_empty()
    }

    fn pages_left(&self, _: &Cx<'_>) -> PagesLeft {
        PagesLeft::None
    }

    fn reads_past(&self, _: &Settings) -> bool {
        // A list is read to its end.
        let looks = self.placing.wanted || self.walk.is_some();
        self.gets.reads_past() && !self.lanes.values().any(FeedLane::is_wanted) && !looks
    }

    fn changes_told(&self) -> ChangesTold {
        let is_all = !self.lanes.is_empty() && self.lanes.values().all(FeedLane::is_done);
        ChangesTold { newest: self.beside.newest.clone(), is_all, glance: self.beside.glance }
    }

    fn withholds(&self) -> bool {
        self.gets.deferred
    }

    fn wants_other_session(&self, over: bool, _: &Cx<'_>) -> bool {
        over && self.gets.elsewhere
    }

    fn answered(
        &mut self,
        question: OpenQuestion<FeedOwner>,
        answer: Result<Answer, Failure>,
        cx: &mut Cx<'_>,
    ) -> Result<(), Failure> {
        match answer? {
            Answer::Feed(answer) => self.on_answer(question, answer, cx),
            Answer::Deferred(wait) if matches!(question.owner, FeedOwner::Get(_)) => {
                self.defer_page(question.token, wait, cx);
                Ok(())
            }
            _ => Err(not_asked()),
        }
    }

    fn cut(&mut self, _: Token, owner: FeedOwner, failure: &Failure, cx: &mut Cx<'_>) -> Cut {
        // What ended at another question, or for everybody, is no message's doing.
        let is_theirs = matches!(owner, FeedOwner::Get(_)) && failure.reach < Reach::Account;
        if is_theirs { self.note_cut(failure, cx) } else { Cut::Unnoted }
    }

    fn rows(&mut self, _: Token, owner: FeedOwner, rows: Rows, cx: &mut Cx<'_>) {
        let Rows::Feed(found) = rows else { return };
        match (owner, found) {
            (FeedOwner::Due, FeedFound::Due { rows, waits }) => self.on_due(rows, waits),
            (FeedOwner::Walk(generation), found) if self.is_walking(generation) => match found {
                FeedFound::Known(known) => self.on_known(known, cx),
                FeedFound::Held(rows) => self.on_held(rows, cx),
                FeedFound::Away(ids) => self.on_away(ids, cx),
                FeedFound::Tally(tally) => self.on_walk_tallied(tally, cx),
                FeedFound::Due { .. } => {}
            },
            (FeedOwner::Counts, FeedFound::Tally(tally)) => self.on_tallied(tally),
            _ => {}
        }
    }

    fn unread(&mut self, owner: FeedOwner) {
        match owner {
            FeedOwner::Due => self.unread_due(),
            FeedOwner::Walk(generation) if self.is_walking(generation) => self.break_off_walk(),
            FeedOwner::Counts => self.counting = Counting::No,
            _ => {}
        }
    }

    fn committed(&mut self, owner: FeedOwner, taken: Taken, goes_on: bool, cx: &mut Cx<'_>) {
        let (rows, done) = match taken {
            Taken::Done(rows) => (Some(rows), true),
            Taken::Refused(_, rows) => (rows, false),
        };
        if let Some(rows) = rows.and_then(|rows| rows.feed) {
            self.stored(*rows);
        }
        match owner {
            FeedOwner::Places if done && goes_on => {
                if let Some(session) = cx.session() {
                    self.on_places_stored(session, cx);
                } else {
                    self.drop_places();
                }
            }
            FeedOwner::Places => self.drop_places(),
            FeedOwner::Changes(feed) => {
                if done {
                    cx.brought();
                }
                self.on_words_stored(feed, done);
            }
            FeedOwner::Get(token) => {
                if done {
                    cx.brought();
                }
                self.on_got_stored(token);
            }
            FeedOwner::Walk(generation) if self.is_walking(generation) => {
                if done && goes_on {
                    self.on_walk_stored(cx);
                } else {
                    self.break_off_walk();
                }
            }
            FeedOwner::Excluded => {
                self.excluding = false;
                self.gets.look_again();
            }
            FeedOwner::Nobody => self.gets.look_again(),
            FeedOwner::Head(_) | FeedOwner::Walk(_) | FeedOwner::Due | FeedOwner::Counts => {}
        }
    }

    fn not_taken(&mut self, owner: FeedOwner) -> bool {
        match owner {
            // What was seen is judged by when it was seen: the next answer decides.
            FeedOwner::Places => {
                self.drop_places();
                false
            }
            FeedOwner::Walk(generation) => {
                if self.is_walking(generation) {
                    self.break_off_walk();
                }
                false
            }
            _ => true,
        }
    }

    fn cut_off(&mut self, _: &mut Cx<'_>) {
        self.placing.cut_off();
        for lane in self.lanes.values_mut() {
            lane.cut_off();
        }
        self.gets.cut_off();
        self.break_off_walk();
        if self.counting == Counting::Asked {
            self.counting = Counting::No;
            self.beside.count = true;
        }
    }

    fn want(&mut self, _: FolderId, _: Depth) {
        // A hint that names ids has made them owed; a window is not asked for so often.
        if !self.traits.windows {
            self.want_changes();
        }
        self.gets.look_again();
    }

    fn next_round(&mut self) {
        self.want_changes();
    }

    fn keep(&mut self, cx: &mut Cx<'_>) {
        self.tell_proof(cx);
        if let Some(asked) = self.gets.ends.unstored(self.gets.is_idle()) {
            cx.commit(FeedOwner::Nobody, AccountChange::Asked(asked));
        }
    }

    fn leave_undone(&mut self, cx: &mut Cx<'_>) {
        let waits = self.gets.waits;
        if waits.failed > 0 {
            let open = waits.failed;
            cx.leave(format!(
                "{open} message(s) could not be fetched; they are in the ledger and are tried again"
            ));
        }
        let unanswered = self.gets.unanswered();
        if unanswered > 0 {
            cx.leave(format!(
                "{unanswered} message(s) were asked for and not answered; they are asked for again"
            ));
        }
        if waits.missing > 0 {
            let missing = waits.missing;
            cx.leave(format!(
                "{missing} message(s) were not to be found; what another session does not find either ends"
            ));
        }
        if waits.settling > 0 {
            let settling = waits.settling;
            cx.await_later(format!("{settling} message(s) are asked about once more"));
        }
        if self.rows.state.debt.is_some() {
            cx.await_later("all lists are compared with the mirror once more".to_owned());
        }
        if let Some(misfit) = self.rows.state.misfit.filter(|misfit| *misfit != 0) {
            let (n, than) = (misfit.unsigned_abs(), if misfit > 0 { "more" } else { "fewer" });
            cx.await_later(format!(
                "the server counts {n} message(s) {than} than it lists: what it lists is held, but nothing is proved"
            ));
        }
        if self.rows.account.list_look.is_some() {
            cx.leave("a place is no longer listed; it ends when another session agrees".to_owned());
        }
        // What only waits for its time is looked at again then.
        if self.gets.waits.next.is_some() || self.rows.state.debt.is_some() {
            cx.look_again();
        }
    }

    fn refused_alike(&self) -> Option<Failure> {
        None
    }

    fn live_end_stalled(&self, _: &Settings) -> Option<Failure> {
        None
    }

    fn passed(&self, folder: FolderId) -> Option<(Option<Micros>, bool)> {
        let row = self.rows.places.get(&folder)?;
        let looked = row.passed_at.max(self.proof.looked);
        Some((looked, self.lanes.values().all(|lane| !lane.is_wanted())))
    }

    fn lines(&self, _: &AccountRow) -> Vec<FolderSummary> {
        self.lines_of()
    }

    fn totals(&self, counts: Counts) -> Counts {
        let remaining = self.gets.remaining();
        Counts { folders: self.rows.places.len() as u64, remaining, ..counts }
    }
}

impl FeedWork {
    fn on_answer(
        &mut self,
        question: OpenQuestion<FeedOwner>,
        answer: FeedAnswer,
        cx: &mut Cx<'_>,
    ) -> Result<(), Failure> {
        let OpenQuestion { token, owner, page, .. } = question;
        match (owner, answer) {
            (FeedOwner::Places, FeedAnswer::Placed { places, labels, derived, clock }) => {
                self.on_placed(places, labels, derived, clock, cx);
            }
            (FeedOwner::Head(feed), FeedAnswer::Headed { cursor, clock }) => {
                self.on_headed(feed, cursor, clock, cx);
            }
            (FeedOwner::Changes(feed), FeedAnswer::Changed { items, next }) => {
                self.on_changed(feed, items, next, cx);
            }
            (FeedOwner::Changes(feed), FeedAnswer::Expired) => self.on_expired(feed, cx),
            (FeedOwner::Changes(feed) | FeedOwner::Head(feed), FeedAnswer::NoPlace) => {
                self.on_no_place(feed);
            }
            (FeedOwner::Changes(feed), FeedAnswer::TokenDead) => {
                self.on_changes_token_dead(feed, cx);
            }
            (FeedOwner::Get(_), FeedAnswer::Got { found, last }) => {
                if !last {
                    cx.keep_open(token, owner, page);
                }
                self.on_got(token, found, last, cx);
            }
            (FeedOwner::Counts, FeedAnswer::Counted(count)) => self.on_counted(count, cx),
            (FeedOwner::Walk(generation), answer) => {
                if self.is_walking(generation) {
                    self.on_walk_answer(answer, cx)?;
                }
            }
            _ => return Err(not_asked()),
        }
        Ok(())
    }

    fn on_walk_answer(&mut self, answer: FeedAnswer, cx: &mut Cx<'_>) -> Result<(), Failure> {
        match answer {
            FeedAnswer::Page { rows, next } => self.on_page(rows, next, cx),
            FeedAnswer::Changed { items, next } => self.on_round(items, next, cx),
            FeedAnswer::TokenDead => self.on_walk_token_dead(cx),
            FeedAnswer::NoPlace => self.on_walk_no_place(),
            FeedAnswer::Counted(count) => self.on_walk_counted(count, cx),
            _ => return Err(not_asked()),
        }
        Ok(())
    }

    /// What was proved without changing anything is written with the next page.
    pub(super) fn tell_proof(&mut self, cx: &mut Cx<'_>) {
        let proof = std::mem::take(&mut self.proof);
        if proof != crate::run::reads::FeedProof::default() {
            cx.prove(QuietProof::Feed(proof));
        }
    }
}
