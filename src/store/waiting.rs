//! What waits for the writer.

use crate::reply::ReplyTo;
use crate::store::apply::Pass;
use crate::store::orders::{Control, OpenAccount, OpenHow};
use postrider_core::batch::{GIVES_WAY, LIVELY, is_past};
use postrider_core::commit::change::Commit;
use postrider_core::commit::change::CommitAnswer;
use postrider_core::failure::Failure;
use postrider_core::mail::id::AccountId;
use postrider_core::run::event::AccountSnapshot;
use std::collections::VecDeque;
use std::time::Duration;

/// What is done between the transactions of pages.
#[derive(Debug)]
pub(super) enum Order {
    Control(Control),
    Pass(Pass),
}

/// What goes into transactions, in its order.
#[derive(Debug)]
pub(super) enum Waiting {
    Commit(Box<Commit>, ReplyTo<CommitAnswer>),
    Open(OpenAccount, OpenHow, ReplyTo<Result<AccountSnapshot, Failure>>),
}

impl Waiting {
    /// The commit, if it is one.
    pub(super) fn commit(&self) -> Option<&Commit> {
        match self {
            Self::Commit(commit, _) => Some(commit),
            Self::Open(..) => None,
        }
    }
}

/// What waits, in its order: of one account as it was sent. Mail of the past gives way to what others wait for.
#[derive(Debug, Default)]
pub(super) struct Line {
    line: VecDeque<Place>,
    /// When somebody has last gone before another account's past, or beside the line.
    passed: Option<Duration>,
}

#[derive(Debug)]
struct Place {
    waiting: Waiting,
    /// Whose it is; of who opens anew nobody knows yet.
    account: Option<AccountId>,
    /// Others may go before it until then.
    yields: Option<Duration>,
}

impl Line {
    /// Takes its place.
    pub(super) fn push(&mut self, waiting: Waiting, mono: Duration) {
        let (account, past) = match &waiting {
            Waiting::Commit(commit, _) => (Some(commit.account), is_past(&commit.change)),
            Waiting::Open(_, OpenHow::Again(account), _) => (Some(*account), false),
            Waiting::Open(_, OpenHow::Anew, _) => (None, false),
        };
        let stays_before = |place: &Place| {
            let yields = place.yields.is_some_and(|until| mono < until);
            !yields || place.account == account
        };
        let at = match (past, account) {
            (true, _) | (_, None) => self.line.len(),
            (false, Some(_)) => self.line.iter().rposition(stays_before).map_or(0, |at| at + 1),
        };
        if at < self.line.len() {
            self.passed = Some(mono);
        }
        let yields = past.then(|| mono.saturating_add(GIVES_WAY));
        self.line.insert(at, Place { waiting, account, yields });
    }

    /// Somebody beside the line waits to be written down, and to be answered then.
    pub(super) fn hastens(&mut self, mono: Duration) {
        self.passed = Some(mono);
    }

    /// Whether others come in between these days.
    pub(super) fn is_lively(&self, mono: Duration) -> bool {
        self.passed.is_some_and(|passed| mono.saturating_sub(passed) < LIVELY)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.line.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Waiting> {
        self.line.iter().map(|place| &place.waiting)
    }

    pub(super) fn front(&self) -> Option<&Waiting> {
        self.iter().next()
    }

    pub(super) fn pop(&mut self) -> Option<Waiting> {
        self.line.pop_front().map(|place| place.waiting)
    }

    /// What waits in front, if it is a commit.
    pub(super) fn pop_commit(&mut self) -> Option<(Box<Commit>, ReplyTo<CommitAnswer>)> {
        if !matches!(self.front(), Some(Waiting::Commit(..))) {
            return None;
        }
        match self.pop() {
            Some(Waiting::Commit(commit, reply)) => Some((commit, reply)),
            Some(Waiting::Open(..)) | None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_core::commit::change::{AccountChange, Change, FolderChange};
    use postrider_core::haste::Haste;
    use postrider_core::mail::id::{FolderId, Incarnation, UidValidity};
    use postrider_core::mail::page::Page;
    use postrider_core::mail::uid_set::UidSet;
    use postrider_core::standing::Standing;
    use postrider_core::time::Micros;

    fn commit(account: i64, nth: i64, change: Change) -> Waiting {
        let commit = Commit {
            account: AccountId(account),
            incarnation: Incarnation(1),
            at: Micros(nth),
            change,
            haste: Haste::Now,
        };
        Waiting::Commit(Box::new(commit), ReplyTo::new(|_| ()))
    }

    fn past(account: i64, nth: i64) -> Waiting {
        let change = FolderChange::Backfill {
            folder: FolderId(1),
            uidvalidity: UidValidity(1),
            range: UidSet::new(),
            page: Page::default(),
        };
        commit(account, nth, Change::Folder(change))
    }

    fn news(account: i64, nth: i64) -> Waiting {
        let change = AccountChange::Stand {
            standing: Standing::Idle,
            reason: String::new(),
            next_attempt_at: None,
            event: None,
        };
        commit(account, nth, Change::Account(change))
    }

    fn open(how: OpenHow) -> Waiting {
        let open = OpenAccount {
            name: "a".into(),
            provider: "imap",
            host: String::new(),
            username: String::new(),
            keep: false,
            owner: None,
            addresses: Default::default(),
        };
        Waiting::Open(open, how, ReplyTo::new(|_| ()))
    }

    /// Commits as (account, number), in their order; an account that is opened has none.
    fn order(line: &Line) -> Vec<Option<(i64, i64)>> {
        line.iter()
            .map(|waiting| waiting.commit().map(|commit| (commit.account.0, commit.at.0)))
            .collect()
    }

    /// What is of one account stays in its order; other accounts' mail of the past lets it pass, for a while.
    #[test]
    fn news_goes_before_the_past_of_others() {
        let at = Duration::from_millis;
        let mut line = Line::default();
        for nth in 1..=3 {
            line.push(past(1, nth), at(0));
        }
        line.push(past(2, 4), at(0));
        assert!(!line.is_lively(at(0)));
        let mut other = Line::default();
        other.hastens(at(0));
        assert!(other.is_lively(at(1999)) && !other.is_lively(at(2000)), "who waits beside it");
        line.push(news(3, 5), at(1));
        assert!(line.is_lively(at(1)) && line.is_lively(at(2000)) && !line.is_lively(at(2001)));
        line.push(news(4, 6), at(1));
        line.push(news(1, 7), at(1));
        line.push(open(OpenHow::Again(AccountId(3))), at(1));
        let all = [(3, 5), (4, 6), (1, 1), (1, 2), (1, 3), (1, 7)].map(Some);
        let tail = [None, Some((2, 4))];
        let want: Vec<_> = all.into_iter().chain(tail).collect();
        assert_eq!(order(&line), want, "behind its own, and behind whoever stays");
        // Of who opens anew nobody knows what it has sent: all of it is done first, and nobody passes it.
        line.push(open(OpenHow::Anew), at(1));
        line.push(news(5, 8), at(1));
        assert_eq!(order(&line)[7..], [Some((2, 4)), None, Some((5, 8))]);
        // Who has given way for long does no longer.
        let mut line = Line::default();
        line.push(past(1, 1), at(0));
        line.push(past(1, 2), at(500));
        line.push(news(2, 3), at(1000));
        assert_eq!(order(&line), [(1, 1), (2, 3), (1, 2)].map(Some));
        line.push(news(2, 4), at(1500));
        assert_eq!(order(&line), [(1, 1), (2, 3), (1, 2), (2, 4)].map(Some));
        assert!(line.pop_commit().is_some() && line.len() == 3);
    }
}
