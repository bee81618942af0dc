//! What a run knows whatever its work is, and what of it a step of the work may read and do.

use crate::budget::{Lane, Wait};
use crate::commit::change::{AccountChange, Change, Commit};
use crate::commit::rows::AccountRow;
use crate::failure::Failure;
use crate::haste::Haste;
use crate::mail::id::SessionId;
use crate::provider::Request;
use crate::provider::folders::FolderRequest;
use crate::recovery::decide::{Verdict, decide};
use crate::recovery::history::History;
use crate::run::book::Book;
use crate::run::event::{Action, Token};
use crate::run::fetcher::SecondFetcher;
use crate::run::reads::{Query, QuietProof};
use crate::run::scope::Scope;
use crate::run::settings::Settings;
use crate::run::summary::Counts;
use crate::standing::Standing;
use crate::time::{Micros, Now};

/// What a run begins with.
#[derive(Debug)]
pub(crate) struct RunStart {
    pub(crate) settings: Settings,
    pub(crate) history: History,
    pub(crate) scope: Scope,
}

/// What a run knows whatever its work is.
#[derive(Debug)]
pub(crate) struct Common<O> {
    pub(crate) settings: Settings,
    pub(crate) scope: Scope,
    /// How the account stands and why, as stored.
    pub(crate) stood: Option<(Standing, String)>,
    pub(crate) account: AccountRow,
    pub(crate) book: Book<O>,
    pub(crate) session: Option<SessionId>,
    pub(super) second: SecondFetcher,
    pub(crate) counts: Counts,
    pub(crate) undone: Undone,
    pub(crate) history: History,
    pub(crate) started: Micros,
    pub(crate) rounds: u8,
    /// Commits that were refused.
    pub(crate) refusals: u32,
    /// Asked how much is in limbo.
    pub(crate) counting: bool,
    /// Nothing is left to do before then.
    pub(crate) rests: bool,
}

/// What a run does not do.
#[derive(Debug, Default)]
pub(crate) struct Undone {
    /// What it leaves undone, a line each.
    pub(crate) left: Vec<String>,
    /// What only waits for its time, a line each.
    pub(crate) waits: Vec<String>,
    /// A large absence waits for a second look.
    pub(crate) second_look: bool,
    /// There is no budget for mail of the past before then.
    pub(crate) deferred: Option<Wait>,
    /// Mail of the past is left to another run.
    pub(crate) put_off: bool,
}

impl<O> Common<O> {
    /// At its beginning, or, behind `before`, where the store was asked anew.
    pub(super) fn new(start: RunStart, account: AccountRow, before: Option<Self>) -> Self {
        let RunStart { settings, history, scope } = start;
        let book = Book::new(before.as_ref().map(|before| &before.book));
        let fresh = Self {
            settings,
            scope,
            stood: None,
            account,
            book,
            session: None,
            second: SecondFetcher::default(),
            counts: Counts::default(),
            undone: Undone::default(),
            history,
            started: Micros::default(),
            rounds: 0,
            refusals: 0,
            counting: false,
            rests: false,
        };
        let Some(before) = before else { return fresh };
        let Self { session, counts, undone, started, rounds, .. } = before;
        let undone = Undone { waits: Vec::new(), ..undone };
        Self { session, counts, undone, started, rounds, ..fresh }
    }

    /// Notes what the run leaves undone, once.
    pub(crate) fn leave(&mut self, text: String) {
        if !self.undone.left.contains(&text) {
            self.undone.left.push(text);
        }
    }

    /// Why pages of the past wait for a budget now, if they do.
    pub(super) fn deferral(&self, now: Now) -> Option<&Wait> {
        self.undone.deferred.as_ref().filter(|wait| wait.until > now.mono)
    }
}

/// What a step of the work may read of its run.
pub(crate) trait RunFacts {
    /// Whom an answer belongs to.
    type Owner: Copy;

    fn now(&self) -> Now;

    fn settings(&self) -> &Settings;

    fn scope(&self) -> &Scope;

    fn account(&self) -> &AccountRow;

    fn session(&self) -> Option<SessionId>;

    /// Looks at everything that are behind it.
    fn rounds(&self) -> u8;

    /// Nothing is asked, and nothing waits to be answered.
    fn is_closed(&self) -> bool;

    /// Whether anything but pages is asked.
    fn is_asking(&self) -> bool;

    /// Whether a session is asked on behalf of this one.
    fn is_asked_for(&self, is_it: impl Fn(&Self::Owner) -> bool) -> bool;

    /// Whether the store is asked on behalf of this one.
    fn is_pending_for(&self, is_it: impl Fn(&Self::Owner) -> bool) -> bool;

    /// Pages that are asked for.
    fn pages(&self) -> usize;

    /// Pages that the run's own session is asked for.
    fn pages_of_own(&self) -> usize;

    /// What a question that is open is, unless it is a page.
    fn question(&self, token: Token) -> Option<&Request>;

    /// What the run's own session was asked first, of all that it has not answered.
    fn oldest_question(&self) -> Option<(Token, Self::Owner)>;

    /// Whether pages of the past wait now: for a budget, or for another run.
    fn defers(&self) -> bool;

    /// What a failure leads to.
    fn verdict(&self, failure: &Failure) -> Verdict;

    /// Whether a human asks: then what is shut, or waits for another try, is looked at now.
    fn insists(&self) -> bool {
        self.scope().insists()
    }

    /// Whether what counters prove is not believed.
    fn doubts(&self) -> bool {
        *self.scope() == Scope::Doubt
    }
}

/// What a step of the work may do to its run: phases, sessions, history and rounds are not among it.
pub(crate) trait RunEffects: RunFacts {
    /// An instant later than every earlier one of this account.
    fn stamp(&mut self) -> Micros;

    /// Makes [`RunEffects::stamp`] later than this.
    fn stamp_after(&mut self, instant: Option<Micros>);

    /// A token that nothing has yet.
    fn token(&mut self) -> Token;

    /// Asks the session.
    fn ask(&mut self, owner: Self::Owner, request: impl Into<Request>);

    /// Asks for a page, whoever is free; its owner knows its token.
    fn ask_page(
        &mut self,
        owner: impl FnOnce(Token) -> Self::Owner,
        request: impl Into<Request>,
    ) -> Token;

    /// A question has more answers than the one that came.
    fn keep_open(&mut self, token: Token, owner: Self::Owner, page: bool);

    /// A question was not answered: it counts as open for who looks which was the oldest.
    fn leave_open(&mut self, token: Token, request: Option<Request>);

    /// Reads rows of the account.
    fn read(&mut self, owner: Self::Owner, query: Query) -> Token;

    /// Something was proved, and nothing changed.
    fn prove(&mut self, proof: QuietProof);

    fn commit(&mut self, owner: Self::Owner, change: impl Into<Change>) {
        self.commit_in(Haste::Now, owner, change);
    }

    /// The same; how soon the run is to hear of it.
    fn commit_in(&mut self, haste: Haste, owner: Self::Owner, change: impl Into<Change>);

    /// The server estimates the sizes that it announces.
    fn estimate_sizes(&mut self, owner: Self::Owner);

    /// What a session brought is durable: the server works.
    fn brought(&mut self);

    /// Says that a failure was handled here.
    fn report(&mut self, failure: &Failure);

    /// Notes what the run leaves undone, once.
    fn leave(&mut self, text: String);

    /// Notes what only waits for its time.
    fn await_later(&mut self, text: String);

    /// What was seen is one look: another run is to take the second.
    fn look_again(&mut self);

    /// What has been done.
    fn counts(&mut self) -> &mut Counts;

    /// Pages of the past wait until then.
    fn defer(&mut self, wait: Wait);

    /// What is left of the past is for another run.
    fn put_off(&mut self);
}

/// A run, where a step of its work stands: what it may read of it and what it may do to it are traits.
#[derive(Debug)]
pub(crate) struct RunCtx<'a, O> {
    shared: &'a mut Common<O>,
    now: Now,
    out: &'a mut Vec<Action>,
}

impl<'a, O> RunCtx<'a, O> {
    pub(super) fn new(shared: &'a mut Common<O>, now: Now, out: &'a mut Vec<Action>) -> Self {
        Self { shared, now, out }
    }

    /// The same, for a part of the step.
    pub(crate) fn again(&mut self) -> RunCtx<'_, O> {
        RunCtx { shared: self.shared, now: self.now, out: self.out }
    }
}

impl<O: Copy> RunFacts for RunCtx<'_, O> {
    type Owner = O;

    fn now(&self) -> Now {
        self.now
    }

    fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    fn scope(&self) -> &Scope {
        &self.shared.scope
    }

    fn account(&self) -> &AccountRow {
        &self.shared.account
    }

    fn session(&self) -> Option<SessionId> {
        self.shared.session
    }

    fn rounds(&self) -> u8 {
        self.shared.rounds
    }

    fn is_closed(&self) -> bool {
        self.shared.book.is_closed()
    }

    fn is_asking(&self) -> bool {
        self.shared.book.is_asking()
    }

    fn is_asked_for(&self, is_it: impl Fn(&O) -> bool) -> bool {
        self.shared.book.asks.values().any(|(owner, _)| is_it(owner))
    }

    fn is_pending_for(&self, is_it: impl Fn(&O) -> bool) -> bool {
        self.shared.book.pending.values().any(is_it)
    }

    fn pages(&self) -> usize {
        self.shared.book.pages()
    }

    fn pages_of_own(&self) -> usize {
        self.pages().saturating_sub(self.shared.second.pages())
    }

    fn question(&self, token: Token) -> Option<&Request> {
        self.shared.book.about.get(&token)
    }

    fn oldest_question(&self) -> Option<(Token, O)> {
        let second = &self.shared.second;
        let is_own = |token: &Token| !second.was_asked(*token) && !second.is_held(*token);
        let mut asked = self.shared.book.asks.iter().filter(|(token, _)| is_own(token));
        asked.next().map(|(token, (owner, _))| (*token, *owner))
    }

    fn defers(&self) -> bool {
        self.shared.undone.put_off || self.shared.deferral(self.now).is_some()
    }

    fn verdict(&self, failure: &Failure) -> Verdict {
        decide(failure, &self.shared.history, &self.shared.settings.policy, self.now)
    }
}

impl<O: Copy> RunEffects for RunCtx<'_, O> {
    fn stamp(&mut self) -> Micros {
        self.shared.book.stamp(self.now)
    }

    fn stamp_after(&mut self, instant: Option<Micros>) {
        self.shared.book.stamp_after(instant);
    }

    fn token(&mut self) -> Token {
        self.shared.book.token()
    }

    fn ask(&mut self, owner: O, request: impl Into<Request>) {
        let (token, request) = (self.token(), request.into());
        self.shared.book.asks.insert(token, (owner, false));
        self.shared.book.about.insert(token, request.clone());
        self.shared.second.ask_own(token, request, self.out);
    }

    fn ask_page(&mut self, owner: impl FnOnce(Token) -> O, request: impl Into<Request>) -> Token {
        let (token, request) = (self.token(), request.into());
        let own = self.pages_of_own();
        let Common { book, second, .. } = &mut *self.shared;
        let folder = of_the_past(&request);
        let is_seconds =
            folder.is_some_and(|f| second.is_free(&f.into(), own, book.about.values()));
        book.asks.insert(token, (owner(token), true));
        if is_seconds {
            second.ask(token, request, self.out);
        } else {
            second.ask_own(token, request, self.out);
        }
        token
    }

    fn keep_open(&mut self, token: Token, owner: O, page: bool) {
        self.shared.book.asks.insert(token, (owner, page));
    }

    fn leave_open(&mut self, token: Token, request: Option<Request>) {
        self.shared.book.about.extend(request.map(|request| (token, request)));
    }

    fn read(&mut self, owner: O, query: Query) -> Token {
        let token = self.token();
        self.shared.book.pending.insert(token, owner);
        self.out.push(Action::Read { token, query });
        token
    }

    fn prove(&mut self, proof: QuietProof) {
        if let QuietProof::List { started } = &proof {
            self.shared.account.listed_at = Some(*started);
        }
        self.out.push(Action::Prove(proof));
    }

    fn commit_in(&mut self, haste: Haste, owner: O, change: impl Into<Change>) {
        let token = self.token();
        let at = self.stamp();
        let commit = Commit {
            account: self.shared.account.id,
            incarnation: self.shared.account.incarnation,
            at,
            change: change.into(),
            haste,
        };
        self.shared.book.pending.insert(token, owner);
        if haste == Haste::Soon {
            self.shared.book.sent_patient(token);
        }
        self.out.push(Action::Commit { token, commit: Box::new(commit) });
    }

    fn estimate_sizes(&mut self, owner: O) {
        self.shared.account.sizes_estimated = true;
        self.commit(owner, AccountChange::SizesEstimated);
    }

    fn brought(&mut self) {
        self.shared.history.survived();
    }

    fn report(&mut self, failure: &Failure) {
        self.out.push(Action::Report(failure.clone()));
    }

    fn leave(&mut self, text: String) {
        self.shared.leave(text);
    }

    fn await_later(&mut self, text: String) {
        self.shared.undone.waits.push(text);
    }

    fn look_again(&mut self) {
        self.shared.undone.second_look = true;
    }

    fn counts(&mut self) -> &mut Counts {
        &mut self.shared.counts
    }

    fn defer(&mut self, wait: Wait) {
        let before = self.shared.deferral(self.now);
        if before.is_none_or(|before| before.until < wait.until) {
            self.shared.undone.deferred = Some(wait);
        }
    }

    fn put_off(&mut self) {
        self.shared.undone.put_off = true;
    }
}

/// The folder of a page of the past, which may be read by whichever session, at whatever time. One mail that is
/// asked for alone is asked for because of something.
fn of_the_past(page: &Request) -> Option<&[u8]> {
    match page {
        Request::Folders(FolderRequest::Fetch {
            lane: Lane::Backfill, uids, remote_id, ..
        }) if uids.len() > 1 => Some(remote_id),
        _ => None,
    }
}
