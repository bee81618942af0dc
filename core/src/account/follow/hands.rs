//! A second pair of hands: while a run asks for more pages of the past than one session reads,
//! another session reads some of them, if one is to spare. It brings mail and says nothing else:
//! what it does not bring the run's own session is asked, and how it fails is nobody's failure.
//!
//! A run knows of one session, which answers in order. Two do not, and flags or absences that are
//! older than they seem would be believed: so a page is lent only while nothing is asked of its
//! folder, and what is asked of a folder waits for the pages of it that are lent. A server may show
//! a folder as the session has last seen it: after such a question the other one opens it anew.

use crate::failure::Failure;
use crate::mail::uid_set::UidSet;
use crate::provider::folders::{Answer, Request};
use crate::run::event::Token;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Pages that a session is asked for at a time: while one is read the next is on its way.
const AHEAD: usize = 2;

/// What the other session is asked beside pages; nobody waits for the answer.
const NOBODY: Token = Token(u64::MAX);

/// Where the other session is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Other {
    /// Nobody has asked for it.
    #[default]
    Away,
    Wished,
    /// It helps, under this number.
    Helps(u64),
    /// Somebody else needs it: it goes when it has brought what it was asked for.
    Leaves(u64),
}

/// Who is asked what.
#[derive(Debug)]
pub(super) enum Errand {
    /// The run's own session.
    Own(Token, Request),
    /// The other one, which helps under this number.
    Lent(u64, Token, Request),
}

/// What came of an answer of the other session.
#[derive(Debug)]
pub(super) enum Brought {
    /// Nothing that anybody waits for.
    Nothing,
    /// This, for the run.
    Answer(Token, Answer),
    /// It is of no more use.
    Lost(Failure),
}

/// The questions of a run, and which session has them.
#[derive(Debug, Default)]
pub(super) struct Hands {
    number: u64,
    other: Other,
    /// It is not asked for again before then.
    again: Duration,
    /// When it began to help, or somebody looked after it last.
    looked: Duration,
    /// Pages of the past that the run's session was asked for.
    own: BTreeMap<Token, Vec<u8>>,
    /// Everything else that it was asked, by folder.
    open: BTreeMap<Token, Option<Vec<u8>>>,
    /// The folder that it was asked about last.
    at: Vec<u8>,
    /// What of its pages the other session has yet to bring.
    lent: BTreeMap<Token, Request>,
    /// Pages that nobody was asked for yet.
    pages: VecDeque<(Token, Request)>,
    /// Questions that wait for pages of their folder.
    held: VecDeque<(Token, Request)>,
    /// Folders of which something was asked since the other session has opened them.
    stale: BTreeSet<Vec<u8>>,
}

impl Hands {
    /// A run puts a question.
    pub(super) fn ask(&mut self, token: Token, request: Request) -> Vec<Errand> {
        if is_page(&request) {
            self.pages.push_back((token, request));
        } else {
            self.held.push_back((token, request));
        }
        self.share()
    }

    /// The run's session has answered, for good.
    pub(super) fn answered(&mut self, token: Token) {
        self.own.remove(&token);
        self.open.remove(&token);
    }

    /// Who is asked next for what is not asked yet.
    pub(super) fn share(&mut self) -> Vec<Errand> {
        let mut out = Vec::new();
        loop {
            let before = out.len();
            while let Some((token, request)) = self.free_question() {
                self.take(token, request, &mut out);
            }
            if let Some((token, request)) = self.own_page() {
                self.take(token, request, &mut out);
            }
            if let Some((number, token, request)) = self.page_to_lend() {
                if let Some(folder) = request.remote_id().and_then(|f| self.stale.take(f)) {
                    out.push(Errand::Lent(number, NOBODY, Request::examine(folder)));
                }
                self.lent.insert(token, request.clone());
                out.push(Errand::Lent(number, token, request));
            }
            if out.len() == before {
                return out;
            }
        }
    }

    fn take(&mut self, token: Token, request: Request, out: &mut Vec<Errand>) {
        let folder = request.remote_id().map(<[u8]>::to_vec);
        if let Some(folder) = &folder {
            self.at.clone_from(folder);
        }
        match folder {
            Some(folder) if is_page(&request) => drop(self.own.insert(token, folder)),
            folder => {
                self.stale.extend(folder.clone());
                self.open.insert(token, folder);
            }
        }
        out.push(Errand::Own(token, request));
    }

    /// The first question, if no page of its folder that was asked for before it is with the other
    /// session, or with nobody.
    fn free_question(&mut self) -> Option<(Token, Request)> {
        let (token, request) = self.held.front()?;
        let before = |(page, asked): (&Token, &Request)| {
            page < token && asked.remote_id() == request.remote_id()
        };
        let pages = self.lent.iter().chain(self.pages.iter().map(|(token, page)| (token, page)));
        let waits = request.remote_id().is_some() && pages.into_iter().any(before);
        if waits { None } else { self.held.pop_front() }
    }

    /// The next page of the run's own session: of the folder that it has open, or any when it has
    /// none to read. Without another session it has them all.
    fn own_page(&mut self) -> Option<(Token, Request)> {
        let alone = !matches!(self.other, Other::Helps(_));
        if !alone && self.own.len() >= AHEAD {
            return None;
        }
        let is_free = |token: &Token, page: &Request| {
            !self.held.iter().any(|(q, asked)| q < token && asked.remote_id() == page.remote_id())
        };
        let fits = |page: &Request| {
            alone || self.own.is_empty() || page.remote_id() == Some(self.at.as_slice())
        };
        let at = self.pages.iter().position(|(token, page)| fits(page) && is_free(token, page))?;
        self.pages.remove(at)
    }

    fn page_to_lend(&mut self) -> Option<(u64, Token, Request)> {
        let Other::Helps(number) = self.other else { return None };
        if self.lent.len() >= AHEAD {
            return None;
        }
        let held = self.held.iter().map(|(_, request)| request.remote_id());
        let busy: Vec<_> = held.chain(self.open.values().map(Option::as_deref)).collect();
        // LIST may tell counters of any folder.
        let is_free = |page: &Request| {
            busy.iter().all(|about| about.is_some_and(|about| Some(about) != page.remote_id()))
        };
        let at = self.pages.iter().position(|(_, page)| is_free(page))?;
        self.pages.remove(at).map(|(token, page)| (number, token, page))
    }

    /// Whether one session has more to read than it was asked for, and nobody has asked for another.
    pub(super) fn wants_other(&self, now: Duration) -> bool {
        self.other == Other::Away && self.own.len() > AHEAD && now >= self.again
    }

    /// Another session was asked for.
    pub(super) fn wished(&mut self) {
        self.other = Other::Wished;
    }

    /// Whether it was asked for, and has not come.
    pub(super) fn wishes(&self) -> bool {
        self.other == Other::Wished
    }

    /// It is there. Of a folder that it has `watched` it shows what it was told there: as servers tell it,
    /// that may be a minute old.
    pub(super) fn begin(&mut self, watched: Option<Vec<u8>>, now: Duration) {
        self.number += 1;
        (self.other, self.looked) = (Other::Helps(self.number), now);
        self.stale = watched.into_iter().collect();
    }

    /// There is none; the next one is asked for then.
    pub(super) fn refused(&mut self, again: Duration) {
        (self.other, self.again) = (Other::Away, again);
    }

    /// Whether the other session helps.
    pub(super) fn has_other(&self) -> bool {
        matches!(self.other, Other::Helps(_) | Other::Leaves(_))
    }

    /// Whether it has nothing to do.
    pub(super) fn is_idle(&self) -> bool {
        self.lent.is_empty() && self.pages.is_empty()
    }

    /// Whether nobody has looked for so long what comes meanwhile; from here on somebody has.
    pub(super) fn is_look_due(&mut self, now: Duration, every: Duration) -> bool {
        let is_due = now.saturating_sub(self.looked) >= every;
        if is_due {
            self.looked = now;
        }
        is_due
    }

    /// Somebody else needs it.
    pub(super) fn recall(&mut self) {
        if let Other::Helps(number) = self.other {
            self.other = Other::Leaves(number);
        }
    }

    /// Whether it can go.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self.other, Other::Leaves(_)) && self.lent.is_empty()
    }

    /// It is lost, or goes: what it has not brought the run's own session reads. Returns the pages of
    /// which all has come.
    pub(super) fn end(&mut self, again: Duration) -> Vec<Token> {
        self.refused(again);
        let is_all =
            |page: &Request| matches!(page, Request::Fetch { uids, .. } if uids.is_empty());
        let lent = std::mem::take(&mut self.lent);
        let (all, back): (Vec<_>, Vec<_>) = lent.into_iter().partition(|(_, page)| is_all(page));
        back.into_iter().rev().for_each(|page| self.pages.push_front(page));
        all.into_iter().map(|(token, _)| token).collect()
    }

    /// No session will answer what is asked. Says whether the other one helped.
    pub(super) fn forget(&mut self) -> bool {
        let other = self.has_other();
        *self = Self { number: self.number, again: self.again, ..Self::default() };
        other
    }

    /// What the other session has answered.
    pub(super) fn brought(
        &mut self,
        number: u64,
        token: Token,
        answer: Result<Answer, Failure>,
    ) -> Brought {
        let is_it = matches!(self.other, Other::Helps(n) | Other::Leaves(n) if n == number);
        let Some(Request::Fetch { uids, .. }) = self.lent.get_mut(&token).filter(|_| is_it) else {
            return Brought::Nothing;
        };
        match answer {
            Ok(Answer::Fetched { page, last }) => {
                let (page, sure) = page.only_mail();
                let came: UidSet = page.rows.iter().map(|row| row.uid).collect();
                *uids = uids.minus(&came);
                let over = sure && last;
                if (over || !sure)
                    && let Some(rest) = self.lent.remove(&token).filter(|_| !over)
                {
                    // Who tells it alone is not believed.
                    self.held.push_front((token, rest));
                }
                let nothing = !over && page.rows.is_empty();
                let answer = Answer::Fetched { page, last: over };
                if nothing { Brought::Nothing } else { Brought::Answer(token, answer) }
            }
            // There is no budget for the account, whoever asks.
            Ok(Answer::Deferred(wait)) => {
                self.lent.remove(&token);
                Brought::Answer(token, Answer::Deferred(wait))
            }
            Ok(_) => {
                Brought::Lost(Failure::bug("a session answered another question than it was asked"))
            }
            Err(failure) => Brought::Lost(failure),
        }
    }
}

/// A page of the past: it may be read by whichever session, at whatever time. One mail that is asked
/// for alone is asked for because of something.
fn is_page(request: &Request) -> bool {
    matches!(request, Request::Fetch { lane: crate::budget::Lane::Backfill, uids, .. } if uids.len() > 1)
}

#[cfg(test)]
pub(super) mod tests;
