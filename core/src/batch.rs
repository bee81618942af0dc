//! Group commit: how much goes into one transaction. Pure.

use crate::commit::change::feed::FeedStep;
use crate::commit::change::{Change, Commit, FolderChange};
use crate::haste::Haste;
use std::time::Duration;

/// Work in a transaction before it is committed: long enough to share a sync, short enough for
/// control writes behind it.
pub const TRANSACTION: Duration = Duration::from_millis(25);
/// The same where more than one waits at its begin: pages of an index that several touch are written once.
pub const BEHIND: Duration = Duration::from_millis(100);

/// Mail of the past gives way to what other accounts wait for, so long.
pub const GIVES_WAY: Duration = Duration::from_secs(1);
/// When it last had to within this time, its transactions are short: somebody else will soon wait behind one.
pub const LIVELY: Duration = Duration::from_secs(2);
/// An answer of a feed with more messages is no news.
const NEWS: usize = 20;

/// Whether it is mail of the past, for which nobody waits.
#[must_use]
pub fn is_past(change: &Change) -> bool {
    match change {
        Change::Folder(FolderChange::Backfill { .. }) => true,
        Change::Feed(feed) => {
            matches!(&feed.step, FeedStep::Got { found, .. } if found.len() > NEWS)
        }
        Change::Folder(_) | Change::Account(_) => false,
    }
}

/// Small pages of history wait so long for others: they share what a transaction costs and writes beside
/// its rows (bench `first`, 100 folders: a fifth less is written, for a tenth less of CPU).
pub const COMPANY: Duration = Duration::from_millis(4);
/// Marks of passes that nobody waits for wait so long for the next pages.
const MARKS: Duration = Duration::from_millis(50);
/// So many pages wait for no others.
const ENOUGH: usize = 6;
/// So many commits wait for none, whatever they are.
pub const MANY: usize = 64;
/// Of a page of more octets, what a transaction costs is a small part.
const SMALL: u64 = 1 << 20;

/// How long the commits that wait may wait for others to share their transaction; none where they may not.
/// Small pages of history may, and marks of passes with them or alone. Nothing waits while a run waits for
/// it (`Action::Hurry`), or when there is much already.
#[must_use]
pub fn patience(waiting: &[&Commit]) -> Option<Duration> {
    let (mut pages, mut marks) = (0, 0);
    for commit in waiting {
        match &commit.change {
            Change::Folder(FolderChange::Backfill { page, .. }) if page.octets() < SMALL => {
                pages += 1;
            }
            Change::Folder(FolderChange::Pass { .. }) if commit.haste == Haste::Soon => {}
            Change::Folder(FolderChange::Pass { .. }) => marks += 1,
            _ => return None,
        }
    }
    match pages {
        _ if waiting.is_empty() || waiting.len() >= MANY => None,
        0 if marks > 0 => None,
        0 => Some(MARKS),
        1..ENOUGH => Some(COMPANY),
        _ => None,
    }
}

/// Rows of a piece, at least: fewer cost more by their transaction than by themselves.
const PIECE_LEAST: i64 = 50;

/// How many rows a piece of long work goes over: as many as a transaction has time for, so that what
/// waits behind it waits no longer than behind a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PieceSize {
    rows: i64,
    most: i64,
}

impl PieceSize {
    /// At first, and at most, so many.
    #[must_use]
    pub fn of(most: i64) -> Self {
        Self { rows: most, most }
    }

    /// Rows of the next piece.
    #[must_use]
    pub fn rows(self) -> i64 {
        self.rows
    }

    /// The same, when the last piece took so long.
    #[must_use]
    pub fn after(self, took: Duration) -> Self {
        let rows = match took {
            took if took > TRANSACTION => self.rows / 2,
            took if took < TRANSACTION / 3 => self.rows.saturating_mul(2),
            _ => self.rows,
        };
        Self { rows: rows.clamp(PIECE_LEAST.min(self.most), self.most), ..self }
    }
}

/// A transaction that is being filled.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    until: Duration,
}

impl Batch {
    /// Begins at `mono`, when so many commits wait; others come in between now and then, if it is `lively`.
    #[must_use]
    pub fn begin(mono: Duration, waiting: usize, lively: bool) -> Self {
        Self { until: mono + if waiting > 1 && !lively { BEHIND } else { TRANSACTION } }
    }

    /// Whether another commit may still join at `mono`.
    #[must_use]
    pub fn has_room(self, mono: Duration) -> bool {
        mono < self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::body::{BodyHash, BodyRef};
    use crate::mail::cursor::Mark;
    use crate::mail::flags::Flags;
    use crate::mail::id::{AccountId, FolderId, Identity, Incarnation, UidValidity};
    use crate::mail::message::Fetched;
    use crate::mail::page::Page;
    use crate::mail::uid_set::UidSet;
    use crate::mime::HeaderFacts;
    use crate::time::Micros;

    const FOLDER: FolderId = FolderId(1);
    const UIDVALIDITY: UidValidity = UidValidity(9);

    #[expect(clippy::disallowed_methods, reason = "a test's bodies are durable by definition")]
    fn page(octets: u64) -> Page {
        let body = BodyRef::sealed(BodyHash([1; 32]), 1, 0, octets);
        let row = Fetched {
            thread: None,
            uid: 1,
            identity: Identity("h:x".into()),
            body,
            flags: Flags::default(),
            modseq: None,
            internal_date: None,
            header: HeaderFacts::default(),
            announced: None,
            held: false,
        };
        Page { rows: vec![row], ..Page::default() }
    }

    fn history(octets: u64) -> Change {
        let (page, range) = (page(octets), UidSet::new());
        let (folder, uidvalidity) = (FOLDER, UIDVALIDITY);
        Change::Folder(FolderChange::Backfill { folder, uidvalidity, range, page })
    }

    fn mark() -> Change {
        let mark = Mark { uidnext: 1, exists: 0, modseq: 0 };
        Change::Folder(FolderChange::Pass {
            folder: FOLDER,
            uidvalidity: UIDVALIDITY,
            from: mark,
            chain: 1,
            to: mark,
            put_back: UidSet::new(),
            started: Micros(1),
            told: false,
            unproved: None,
            surplus: 0,
            rewind: None,
            compared: false,
            flags: None,
            mailbox: None,
        })
    }

    fn sent(change: Change) -> Commit {
        let (account, incarnation) = (AccountId(1), Incarnation(1));
        Commit { account, incarnation, at: Micros(1), change, haste: Haste::Now }
    }

    #[test]
    fn only_what_nobody_waits_for_waits_for_company() {
        let facts = sent(Change::Folder(FolderChange::Facts {
            folder: FOLDER,
            uidvalidity: UIDVALIDITY,
            flags: Vec::new(),
            gone: UidSet::new(),
            again: UidSet::new(),
            started: Micros(1),
        }));
        let (small, large) = (sent(history(SMALL - 1)), sent(history(SMALL)));
        let (mark, last) = (Commit { haste: Haste::Soon, ..sent(mark()) }, sent(mark()));
        assert_eq!(patience(&[&small]), Some(COMPANY));
        assert_eq!(patience(&[&mark, &small, &last]), Some(COMPANY));
        assert_eq!(patience(&[]), None);
        assert_eq!(patience(&[&last]), None, "a run may wait for its end");
        assert_eq!(patience(&[&mark, &last]), None);
        assert_eq!(patience(&[&mark; ENOUGH]), Some(MARKS), "it has more to do");
        assert_eq!(patience(&[&mark; MANY]), None);
        assert_eq!(patience(&[&large]), None);
        assert_eq!(patience(&[&small, &large]), None);
        assert_eq!(patience(&[&small, &facts]), None, "what has happened is told at once");
        assert_eq!(patience(&[&mark, &facts]), None);
        assert_eq!(patience(&[&small; ENOUGH - 1]), Some(COMPANY));
        assert_eq!(patience(&[&small; ENOUGH]), None);
    }

    #[test]
    fn is_bounded_by_time() {
        for (waiting, lively, until) in [(1, false, 1025), (2, false, 1100), (2, true, 1025)] {
            let batch = Batch::begin(Duration::from_secs(1), waiting, lively);
            assert!(batch.has_room(Duration::from_secs(1)), "{waiting}");
            assert!(batch.has_room(Duration::from_millis(until - 1)), "{waiting}");
            assert!(!batch.has_room(Duration::from_millis(until)), "{waiting}");
        }
    }

    #[test]
    fn a_piece_is_as_large_as_there_is_time_for() {
        let size = PieceSize::of(1000);
        assert_eq!(size.rows(), 1000);
        let late = TRANSACTION + Duration::from_millis(1);
        let halved = size.after(late);
        assert_eq!(halved.rows(), 500);
        assert_eq!(halved.after(TRANSACTION).rows(), 500, "it had time for it");
        assert_eq!(halved.after(TRANSACTION / 4).rows(), 1000);
        assert_eq!(size.after(TRANSACTION / 4).rows(), 1000, "no more than at first");
        let least = (0..20).fold(size, |size, _| size.after(late));
        assert_eq!(least.rows(), PIECE_LEAST);
        assert_eq!(PieceSize::of(7).after(late).rows(), 7);
    }
}
