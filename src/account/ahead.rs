//! The account's rows, read while it rests, so that what a server's hint begins does not wait for
//! the database. Nobody but the account's actor changes them: what it sends to be written makes
//! what was read before of no use.

use crate::account::args::AccountArgs;
use crate::account::message::AccountMsg;
use crate::reply::ReplyTo;
use crate::store::message::StoreMsg;
use postrider_core::commit::clock::Correction;
use postrider_core::failure::Failure;
use postrider_core::mail::cursor::Lanes;
use postrider_core::run::event::AccountSnapshot;
use postrider_core::time::Micros;
use ractor::ActorRef;

/// Rows that are larger are not kept, an account at rest is to cost little: folders, octets of their
/// names.
const FOLDERS: usize = 64;
const NAMES: usize = 8 * 1024;

/// Rows for the next run, where it need not read them.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    number: u64,
    is_asked: bool,
    rows: Option<Box<AccountSnapshot>>,
}

impl Ahead {
    /// Asks for them, while nothing waits for them.
    pub(super) fn read(&mut self, args: &AccountArgs, me: &ActorRef<AccountMsg>) {
        let Some(number) = self.ask() else { return };
        let me = me.clone();
        let reply = ReplyTo::new(move |answer: Option<Result<AccountSnapshot, Failure>>| {
            // What could not be read is read, and said, when it is needed.
            if let Some(Ok(rows)) = answer {
                drop(me.cast(AccountMsg::ReadAhead(number, Box::new(rows))));
            }
        });
        args.store.send(StoreMsg::Open(args.open.clone(), false, reply));
    }

    /// The number under which they are to be asked for; `None` where they have been.
    fn ask(&mut self) -> Option<u64> {
        (!std::mem::replace(&mut self.is_asked, true)).then_some(self.number)
    }

    /// They were read. Rows that say something else as time goes by are not kept.
    pub(super) fn keep(&mut self, number: u64, rows: Box<AccountSnapshot>) {
        let lasts = rows.feed.is_none()
            && rows.due.is_empty()
            && rows.lone.is_empty()
            && rows.burst.is_empty()
            && rows.folders.iter().all(|folder| folder.failures.is_empty());
        let unread = |lanes: &Lanes| !lanes.backfill.remaining.is_empty();
        let is_small = rows.folders.len() <= FOLDERS
            && rows.folders.iter().map(|f| f.remote_id.len() + f.path.len()).sum::<usize>()
                <= NAMES
            && rows.account.list_look.is_none()
            && !rows.folders.iter().any(|f| {
                f.look.is_some() || f.misfit.is_some() || f.lanes.as_ref().is_some_and(unread)
            });
        if number == self.number && lasts && is_small {
            self.rows = Some(rows);
        }
    }

    /// Something of the account is written.
    pub(super) fn forget(&mut self) {
        *self = Self { number: self.number + 1, ..Self::default() };
    }

    /// For the run that begins. What a clock has written that was ahead is to be read anew.
    pub(super) fn take(&mut self, now: Micros) -> Option<Box<AccountSnapshot>> {
        let rows = self.rows.take();
        let rows = rows.filter(|rows| Correction::due(&rows.account, &rows.folders, now).is_none());
        self.forget();
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_core::commit::feed::rows::{FeedAccount, FeedRows};
    use postrider_core::commit::rows::{AccountRow, FolderRow};
    use postrider_core::mail::cursor::Mark;
    use postrider_core::mail::id::{AccountId, FolderId, Incarnation, UidValidity};
    use std::collections::BTreeMap;

    fn rows(folders: i64) -> Box<AccountSnapshot> {
        let folder = |n| FolderRow::new(FolderId(n), Vec::new(), String::new(), None, Micros(0));
        let account = AccountRow::fresh(AccountId(1), Incarnation(1));
        let mut rows = AccountSnapshot::of(account);
        rows.folders = (0..folders).map(folder).collect();
        Box::new(rows)
    }

    #[test]
    fn rows_serve_one_run() {
        let mut ahead = Ahead::default();
        let number = ahead.ask().unwrap();
        assert_eq!(ahead.ask(), None, "it has been asked");
        ahead.keep(number, rows(2));
        assert!(ahead.take(Micros(9)).is_some_and(|rows| rows.folders.len() == 2));
        assert!(ahead.take(Micros(9)).is_none());
    }

    #[test]
    fn rows_of_a_clock_that_was_ahead_are_read_anew() {
        let mut ahead = Ahead::default();
        let number = ahead.ask().unwrap();
        let mut of_the_future = rows(1);
        of_the_future.account.stamped_at = Some(Micros::from_seconds(86_400));
        ahead.keep(number, of_the_future);
        assert!(ahead.take(Micros(9)).is_none());
    }

    #[test]
    fn what_is_written_ends_what_was_read_before() {
        let mut ahead = Ahead::default();
        let first = ahead.ask().unwrap();
        ahead.forget();
        ahead.keep(first, rows(1));
        assert!(ahead.take(Micros(9)).is_none(), "it was read before the write");
        let second = ahead.ask().unwrap();
        ahead.keep(second, rows(1));
        ahead.forget();
        assert!(ahead.take(Micros(9)).is_none());
        let taken = ahead.ask().unwrap();
        assert!(ahead.take(Micros(9)).is_none(), "nothing has come");
        ahead.keep(taken, rows(1));
        assert!(ahead.take(Micros(9)).is_none(), "the run that began has read for itself");
    }

    #[test]
    fn rows_that_change_with_time_are_not_kept() {
        let kept = |rows| {
            let mut ahead = Ahead::default();
            let number = ahead.ask().unwrap();
            ahead.keep(number, rows);
            ahead.take(Micros(9)).is_some()
        };
        assert!(kept(rows(64)));
        assert!(!kept(rows(65)), "too many");
        let mut long = rows(1);
        long.folders[0].path = "x".repeat(NAMES + 1);
        assert!(!kept(long));
        let mark = Mark { uidnext: 9, exists: 8, modseq: 0 };
        let mut unread = rows(1);
        unread.folders[0].lanes = Some(Lanes::opened(UidValidity(1), mark, None));
        assert!(!kept(unread), "its history is still to be read");
        let mut failed = rows(1);
        failed.folders[0].failures.insert(7);
        assert!(!kept(failed));
        for spoil in [
            |rows: &mut AccountSnapshot| {
                rows.feed = Some(Box::new(FeedRows {
                    account: rows.account.clone(),
                    state: FeedAccount::default(),
                    feeds: BTreeMap::new(),
                    places: BTreeMap::new(),
                }))
            },
            |rows: &mut AccountSnapshot| {
                drop(rows.due.insert(FolderId(1), [7].into_iter().collect()))
            },
            |rows: &mut AccountSnapshot| {
                drop(rows.lone.insert(FolderId(1), [7].into_iter().collect()))
            },
            |rows: &mut AccountSnapshot| {
                drop(rows.burst.insert(FolderId(1), [7].into_iter().collect()))
            },
        ] {
            let mut spoilt = rows(1);
            spoil(&mut spoilt);
            assert!(!kept(spoilt));
        }
    }
}
