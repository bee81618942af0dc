//! What a run knows whatever its work is, and the desk at which a step works: that, the time, and
//! the actions to be done.

use crate::budget::{Lane, Wait};
use crate::commit::change::{Change, Commit};
use crate::commit::rows::AccountRow;
use crate::failure::Failure;
use crate::haste::Haste;
use crate::mail::id::SessionId;
use crate::provider::folders::Request;
use crate::recovery::history::History;
use crate::run::book::Book;
use crate::run::event::{Action, Token};
use crate::run::fetcher::{PagesLeft, SecondFetcher};
use crate::run::reads::{Query, QuietProof};
use crate::run::scope::Scope;
use crate::run::settings::Settings;
use crate::run::summary::Counts;
use crate::standing::Standing;
use crate::time::{Micros, Now};
use std::ops::{Deref, DerefMut};

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
    /// What it leaves undone, a line each.
    pub(crate) left: Vec<String>,
    /// What only waits for its time, a line each.
    pub(crate) waits: Vec<String>,
    pub(crate) history: History,
    pub(crate) started: Micros,
    pub(crate) rounds: u8,
    /// Commits that were refused.
    pub(crate) refusals: u32,
    /// Asked how much is in limbo.
    pub(crate) counting: bool,
    /// A large absence waits for a second look.
    pub(crate) second_look: bool,
    /// There is no budget for mail of the past before then.
    pub(crate) deferred: Option<Wait>,
    /// Nothing is left to do before then.
    pub(crate) rests: bool,
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
            left: Vec::new(),
            waits: Vec::new(),
            history,
            started: Micros::default(),
            rounds: 0,
            refusals: 0,
            counting: false,
            second_look: false,
            deferred: None,
            rests: false,
        };
        let Some(before) = before else { return fresh };
        let Self { session, counts, left, started, rounds, second_look, deferred, .. } = before;
        Self { session, counts, left, started, rounds, second_look, deferred, ..fresh }
    }

    /// Whether a human asks: then what is shut, or waits for another try, is looked at now.
    pub(crate) fn insists(&self) -> bool {
        matches!(self.scope, Scope::Insist | Scope::Doubt)
    }

    /// Whether what counters prove is not believed.
    pub(crate) fn doubts(&self) -> bool {
        self.scope == Scope::Doubt
    }

    /// Notes what the run leaves undone, once.
    pub(crate) fn leave(&mut self, text: String) {
        if !self.left.contains(&text) {
            self.left.push(text);
        }
    }

    /// Notes what only waits for its time.
    pub(crate) fn await_later(&mut self, text: String) {
        self.waits.push(text);
    }
}

/// Where a step works.
#[derive(Debug)]
pub(crate) struct Desk<'a, O> {
    shared: &'a mut Common<O>,
    pub(crate) now: Now,
    pub(crate) out: &'a mut Vec<Action>,
}

impl<O> Deref for Desk<'_, O> {
    type Target = Common<O>;

    fn deref(&self) -> &Common<O> {
        self.shared
    }
}

impl<O> DerefMut for Desk<'_, O> {
    fn deref_mut(&mut self) -> &mut Common<O> {
        self.shared
    }
}

impl<'a, O> Desk<'a, O> {
    pub(super) fn new(shared: &'a mut Common<O>, now: Now, out: &'a mut Vec<Action>) -> Self {
        Self { shared, now, out }
    }

    /// An instant later than every earlier one of this account.
    pub(crate) fn stamp(&mut self) -> Micros {
        let now = self.now;
        self.book.stamp(now)
    }

    /// A token that nothing has yet.
    pub(crate) fn token(&mut self) -> Token {
        self.book.token()
    }

    /// Asks the session.
    pub(crate) fn ask(&mut self, owner: O, request: Request) {
        let token = self.token();
        self.book.asks.insert(token, (owner, false));
        self.book.about.insert(token, request.clone());
        self.shared.second.ask_own(token, request, self.out);
    }

    /// Asks for a page, whoever is free; its owner knows its token.
    pub(crate) fn ask_page(&mut self, owner: impl FnOnce(Token) -> O, request: Request) -> Token {
        let token = self.token();
        let own = self.pages_of_own();
        let Common { book, second, .. } = &mut *self.shared;
        let folder = of_the_past(&request);
        let is_seconds = folder.is_some_and(|f| second.is_free(f, own, book.about.values()));
        book.asks.insert(token, (owner(token), true));
        if is_seconds {
            second.ask(token, request, self.out);
        } else {
            second.ask_own(token, request, self.out);
        }
        token
    }

    /// What the run's own session was asked first, of all that it has not answered.
    pub(crate) fn oldest_question(&self) -> Option<(Token, O)>
    where
        O: Copy,
    {
        let second = &self.shared.second;
        let is_own = |token: &Token| !second.was_asked(*token) && !second.is_held(*token);
        let mut asked = self.book.asks.iter().filter(|(token, _)| is_own(token));
        asked.next().map(|(token, (owner, _))| (*token, *owner))
    }

    /// Pages that the run's own session is asked for.
    pub(crate) fn pages_of_own(&self) -> usize {
        self.book.pages().saturating_sub(self.shared.second.pages())
    }

    /// The second session, where these pages are left to be asked for.
    pub(super) fn tend_second(&mut self, left: PagesLeft) {
        self.shared.second.tend(left, self.now.mono, self.out);
    }

    /// Pages of the past wait until then.
    pub(crate) fn defer(&mut self, wait: Wait) {
        if self.deferral().is_none_or(|before| before.until < wait.until) {
            self.deferred = Some(wait);
        }
    }

    /// Why pages of the past wait now, if they do.
    pub(crate) fn deferral(&self) -> Option<&Wait> {
        self.deferred.as_ref().filter(|wait| wait.until > self.now.mono)
    }

    /// Says that a failure was handled here.
    pub(crate) fn report(&mut self, failure: &Failure) {
        self.out.push(Action::Report(failure.clone()));
    }

    /// Reads rows of the account.
    pub(crate) fn read(&mut self, owner: O, query: Query) -> Token {
        let token = self.token();
        self.book.pending.insert(token, owner);
        self.out.push(Action::Read { token, query });
        token
    }

    /// Something was proved, and nothing changed.
    pub(crate) fn prove(&mut self, proof: QuietProof) {
        self.out.push(Action::Prove(proof));
    }

    pub(crate) fn commit(&mut self, owner: O, change: impl Into<Change>) {
        self.commit_in(Haste::Now, owner, change);
    }

    /// The same; how soon the run is to hear of it.
    pub(crate) fn commit_in(&mut self, haste: Haste, owner: O, change: impl Into<Change>) {
        let token = self.token();
        let at = self.stamp();
        let commit = Commit {
            account: self.account.id,
            incarnation: self.account.incarnation,
            at,
            change: change.into(),
            haste,
        };
        self.book.pending.insert(token, owner);
        if haste == Haste::Soon {
            self.book.sent_patient(token);
        }
        self.out.push(Action::Commit { token, commit: Box::new(commit) });
    }
}

/// The folder of a page of the past, which may be read by whichever session, at whatever time. One mail that is
/// asked for alone is asked for because of something.
fn of_the_past(page: &Request) -> Option<&[u8]> {
    match page {
        Request::Fetch { lane: Lane::Backfill, uids, remote_id, .. } if uids.len() > 1 => {
            Some(remote_id)
        }
        _ => None,
    }
}
