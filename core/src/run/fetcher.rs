//! A second session that reads pages of the past beside the run's own, where one session is what a run
//! waits for. It brings mail and says nothing else: what it does not bring, or tells to be gone, the run's
//! own session is asked, and how it fails is nobody's failure.
//!
//! Two sessions do not answer in one order, and flags or absences that are older than they seem would be
//! believed: so it reads of a folder only while no question about it is open, and what is asked of a folder
//! waits for the pages of it that are under way. A server may show a folder as its session has last seen it:
//! after such a question the second one opens it anew.

use crate::failure::Failure;
use crate::mail::folder::WireName;
use crate::mail::page::Page;
use crate::mail::uid_set::UidSet;
use crate::provider::folders::{FolderAnswer, FolderRequest};
use crate::provider::{Answer, Request, not_asked};
use crate::run::event::{Action, Token};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// So long pages are left when another session is wished for.
const LEFT: Duration = Duration::from_secs(1);
/// After one that was lost, needed elsewhere or not to be had, another is wished for after this.
const WISH_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// What it is asked beside pages: nobody waits for the answer, and no question has this token.
const NOBODY: Token = Token(0);

/// Where it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Presence {
    #[default]
    Away,
    Wished,
    Here,
    /// Somebody else needs it: it goes when it has brought what it was asked for.
    Leaving,
}

/// What pages of the past a run has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PagesLeft {
    /// None, or none that a second session would be asked for now.
    None,
    /// Some; they wait for something else than a session.
    Some,
    /// Some, and most of what was read waits for the store.
    ForStore,
    /// Some, and another session would read them now.
    ForSession,
}

/// A page that it was asked for.
#[derive(Debug)]
struct Lent {
    /// For what of it has yet to come.
    request: Request,
    /// It has told nothing but mail so far.
    sure: bool,
}

/// What came of an answer of the second session.
#[derive(Debug, Default)]
pub(crate) struct Brought {
    /// For the run.
    pub(crate) answer: Option<Answer>,
    /// What the run's own session is asked, under the same token.
    pub(crate) rest: Option<Request>,
    /// The session is of no more use.
    pub(crate) lost: Option<Failure>,
}

/// The second session of a run, and what waits for it.
#[derive(Debug, Default)]
pub(crate) struct SecondFetcher {
    presence: Presence,
    /// Since when pages are left.
    since: Option<Duration>,
    /// None is wished for before then.
    again: Duration,
    lent: BTreeMap<Token, Lent>,
    /// Pages that it was asked for, and that nobody waits for any more.
    late: BTreeSet<Token>,
    /// Folders that it has opened since something else was asked of them.
    fresh: BTreeSet<WireName>,
    /// What waits for pages of its folder, in its order.
    held: VecDeque<(Token, Request)>,
}

impl SecondFetcher {
    /// The run's own session is asked this, unless it waits for pages of its folder.
    pub(super) fn ask_own(&mut self, token: Token, request: Request, out: &mut Vec<Action>) {
        let is_page = request.brings_mail();
        let is_held = request.remote_id().is_some_and(|folder| self.holds(folder));
        let waits = if is_page { is_held } else { is_held || !self.held.is_empty() };
        if waits || (!is_page && self.reads_of(&request)) {
            return self.held.push_back((token, request));
        }
        self.send(token, request, out);
    }

    fn send(&mut self, token: Token, request: Request, out: &mut Vec<Action>) {
        if let (false, Some(folder)) = (request.brings_mail(), request.remote_id()) {
            self.fresh.remove(folder);
        }
        out.push(Action::Ask { token, request });
    }

    /// Whether pages of the folder that this is about are under way here.
    fn reads_of(&self, request: &Request) -> bool {
        let folder = request.remote_id();
        folder.is_some() && self.lent.values().any(|lent| lent.request.remote_id() == folder)
    }

    /// Whether something about this folder waits.
    fn holds(&self, folder: &WireName) -> bool {
        self.held.iter().any(|(_, request)| request.remote_id() == Some(folder))
    }

    /// Whether the next page of this folder is its own: it is as free as the run's session, which has so many
    /// pages to read and opens the next folder, and none of the questions that are open may tell something of the folder.
    pub(super) fn is_free<'a>(
        &self,
        folder: &WireName,
        own: usize,
        mut open: impl Iterator<Item = &'a Request>,
    ) -> bool {
        self.presence == Presence::Here
            && self.lent.len() <= own
            && open.all(|asked| asked.remote_id().is_some_and(|about| about != folder))
    }

    /// It is asked for a page.
    pub(super) fn ask(&mut self, token: Token, request: Request, out: &mut Vec<Action>) {
        if let Some(folder) = request.remote_id()
            && self.fresh.insert(folder.clone())
        {
            let request = FolderRequest::examine(folder.clone());
            out.push(Action::AskSecond { token: NOBODY, request: request.into() });
        }
        self.lent.insert(token, Lent { request: request.clone(), sure: true });
        out.push(Action::AskSecond { token, request });
    }

    /// Pages that it was asked for.
    pub(super) fn pages(&self) -> usize {
        self.lent.len()
    }

    /// Whether this is a page that it was asked for.
    pub(super) fn reads(&self, token: Token) -> bool {
        self.lent.contains_key(&token)
    }

    /// What it has answered.
    pub(super) fn brought(&mut self, token: Token, answer: Result<Answer, Failure>) -> Brought {
        let Some(mut lent) = self.lent.remove(&token) else { return Brought::default() };
        let mut brought = match answer {
            Ok(Answer::Folders(FolderAnswer::Fetched { page, last })) => {
                let (page, sure) =
                    if lent.sure { page.only_mail() } else { (Page::default(), false) };
                let is_over = lent.takes(&page, sure);
                let answer = (last && is_over || !page.rows.is_empty()).then_some(Answer::Folders(
                    FolderAnswer::Fetched { page, last: last && is_over },
                ));
                let rest = (last && !is_over).then(|| lent.request.clone());
                if !last {
                    self.lent.insert(token, lent);
                }
                Brought { answer, rest, lost: None }
            }
            // There is no budget for the account, whoever asks.
            Ok(answer @ Answer::Deferred(_)) => {
                Brought { answer: Some(answer), ..Brought::default() }
            }
            Ok(_) => lent.lost(not_asked()),
            Err(failure) => lent.lost(failure),
        };
        // It is lost once, with the first of its pages.
        brought.lost = brought.lost.filter(|_| self.is_here());
        brought
    }

    fn is_here(&self) -> bool {
        matches!(self.presence, Presence::Here | Presence::Leaving)
    }

    /// What it has not brought the run's own session reads, in front of what is asked of the folder.
    pub(super) fn give_back(&mut self, token: Token, rest: Request) {
        self.held.push_front((token, rest));
    }

    /// It goes, lost or not: what it still owes it will say.
    pub(super) fn end(&mut self, lost: Option<Failure>, now: Duration, out: &mut Vec<Action>) {
        if self.is_here() {
            out.push(Action::LeaveSecond { watches: false, lost });
        }
        self.leave(now + WISH_AGAIN_AFTER);
    }

    fn leave(&mut self, again: Duration) {
        (self.presence, self.again, self.since) = (Presence::Away, again, None);
        self.fresh.clear();
    }

    /// No session will answer what is asked, or nobody waits for it. How what this one was asked ends says
    /// nothing of the run's own session.
    pub(super) fn forget(&mut self, out: &mut Vec<Action>) {
        if self.is_here() {
            out.push(Action::LeaveSecond { watches: false, lost: None });
        }
        let Self { again, lent, mut late, .. } = std::mem::take(self);
        late.extend(lent.into_keys());
        *self = Self { again, late, ..Self::default() };
    }

    /// Whether this is a question of the second session, also one that nobody waits for any more.
    pub(super) fn was_asked(&self, token: Token) -> bool {
        self.reads(token) || self.late.contains(&token)
    }

    /// Whether this was not sent yet.
    pub(super) fn is_held(&self, token: Token) -> bool {
        self.held.iter().any(|(held, _)| *held == token)
    }

    /// It is there. Says whether it is wanted.
    pub(super) fn came(&mut self) -> bool {
        let is_wanted = self.presence == Presence::Wished;
        if is_wanted {
            self.presence = Presence::Here;
        }
        is_wanted
    }

    /// There is none.
    pub(super) fn is_not_to_be_had(&mut self, now: Duration) {
        if self.presence == Presence::Wished {
            self.leave(now + WISH_AGAIN_AFTER);
        }
    }

    /// Somebody else needs it.
    pub(super) fn recall(&mut self) {
        if self.presence == Presence::Here {
            self.presence = Presence::Leaving;
        }
    }

    /// Sends what has waited long enough, wishes for a session where one is lacked, and lets it go where
    /// nothing is left for it.
    pub(super) fn tend(&mut self, left: PagesLeft, now: Duration, out: &mut Vec<Action>) {
        while let Some((token, request)) = self.held.pop_front() {
            if !request.brings_mail() && self.reads_of(&request) {
                self.held.push_front((token, request));
                break;
            }
            self.send(token, request, out);
        }
        let since = match left {
            PagesLeft::None | PagesLeft::ForStore => None,
            PagesLeft::Some | PagesLeft::ForSession => self.since.or(Some(now)),
        };
        self.since = since;
        let is_long = since.is_some_and(|since| now.saturating_sub(since) >= LEFT);
        match self.presence {
            Presence::Away if left == PagesLeft::ForSession && is_long && now >= self.again => {
                self.presence = Presence::Wished;
                out.push(Action::WishSecond);
            }
            Presence::Here if self.lent.is_empty() && left == PagesLeft::None => {
                out.push(Action::LeaveSecond { watches: true, lost: None });
                self.leave(now);
            }
            Presence::Leaving if self.lent.is_empty() => self.end(None, now, out),
            Presence::Away | Presence::Wished | Presence::Here | Presence::Leaving => {}
        }
    }
}

impl Lent {
    /// This has come of it. Says whether that is all.
    fn takes(&mut self, page: &Page, sure: bool) -> bool {
        self.sure &= sure;
        let Request::Folders(FolderRequest::Fetch { uids, .. }) = &mut self.request else {
            return true;
        };
        let came: UidSet = page.rows.iter().map(|row| row.uid).collect();
        *uids = uids.minus(&came);
        uids.is_empty()
    }

    /// It has ended: what has not come is read by the run's own session.
    fn lost(self, failure: Failure) -> Brought {
        let is_over = matches!(&self.request, Request::Folders(FolderRequest::Fetch { uids, .. }) if uids.is_empty());
        let over = || Answer::Folders(FolderAnswer::Fetched { page: Page::default(), last: true });
        Brought {
            answer: is_over.then(over),
            rest: (!is_over).then_some(self.request),
            lost: Some(failure),
        }
    }
}

#[cfg(test)]
mod tests;
