//! Group commit: how much goes into one transaction. Pure.

use crate::commit::change::{Change, FolderChange};
use std::time::Duration;

/// Work in a transaction before it is committed: long enough to share a sync, short enough for
/// control writes behind it.
pub const TRANSACTION: Duration = Duration::from_millis(25);
/// The same where more than one waits at its begin: pages of an index that several touch are written once.
pub const BEHIND: Duration = Duration::from_millis(100);

/// Small pages of history wait so long for others: they share what a transaction costs and writes beside
/// its rows (bench `first`, 100 folders: a fifth less is written, for a tenth less of CPU).
pub const COMPANY: Duration = Duration::from_millis(4);
/// So many wait for no others.
pub const ENOUGH: usize = 6;
/// Of a page of more octets, what a transaction costs is a small part.
const SMALL: u64 = 1 << 20;

/// Whether what waits may wait for others: small pages of history, for which nobody waits, and the marks
/// of passes beside them.
#[must_use]
pub fn has_time(waiting: &[&Change]) -> bool {
    let is_history = |change: &&Change| match change {
        Change::Folder(FolderChange::Backfill { page, .. }) => page.octets() < SMALL,
        _ => false,
    };
    let is_mark = |change: &&Change| matches!(change, Change::Folder(FolderChange::Pass { .. }));
    waiting.len() < ENOUGH
        && waiting.iter().any(is_history)
        && waiting.iter().all(|change| is_history(change) || is_mark(change))
}

/// A transaction that is being filled.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    until: Duration,
}

impl Batch {
    /// Begins at `mono`, when so many commits wait.
    #[must_use]
    pub fn begin(mono: Duration, waiting: usize) -> Self {
        Self { until: mono + if waiting > 1 { BEHIND } else { TRANSACTION } }
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
    use crate::mail::id::{FolderId, Identity, UidValidity};
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

    #[test]
    fn only_small_history_waits_for_company() {
        let facts = Change::Folder(FolderChange::Facts {
            folder: FOLDER,
            uidvalidity: UIDVALIDITY,
            flags: Vec::new(),
            gone: UidSet::new(),
            again: UidSet::new(),
            started: Micros(1),
        });
        let (small, large, mark) = (history(SMALL - 1), history(SMALL), mark());
        assert!(has_time(&[&small]));
        assert!(has_time(&[&mark, &small, &mark]));
        assert!(!has_time(&[]));
        assert!(!has_time(&[&mark]), "a run may wait for its end");
        assert!(!has_time(&[&large]));
        assert!(!has_time(&[&small, &large]));
        assert!(!has_time(&[&small, &facts]), "what has happened is told at once");
        assert!(has_time(&[&small; ENOUGH - 1]));
        assert!(!has_time(&[&small; ENOUGH]));
    }

    #[test]
    fn is_bounded_by_time() {
        for (waiting, until) in [(1, 1025), (2, 1100)] {
            let batch = Batch::begin(Duration::from_secs(1), waiting);
            assert!(batch.has_room(Duration::from_secs(1)), "{waiting}");
            assert!(batch.has_room(Duration::from_millis(until - 1)), "{waiting}");
            assert!(!batch.has_room(Duration::from_millis(until)), "{waiting}");
        }
    }
}
