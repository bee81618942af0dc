//! When the write-ahead log is folded into the database: while nobody writes, and beside the connection that
//! does. Where a commit has to do it, that one takes tens of milliseconds.
#![expect(clippy::disallowed_methods, reason = "a task beside the store, which hears of its end")]

use crate::store::sql::sqlite::file::SqliteFile;
use std::time::Duration;

/// Pages of the log from which it is folded: as many as SQLite itself would let gather.
const MUCH: u64 = 1000;
/// What a transaction writes, about, and what a row adds to it.
const TRANSACTION: u64 = 32;
const ROW: u64 = 2;
/// Nobody has written for so long.
pub(in crate::store) const PAUSE: Duration = Duration::from_millis(500);

/// Longest wait for the disk.
const DEADLINE: Duration = Duration::from_secs(30);

/// Folds the log; tells when that is over, however it has ended.
pub(in crate::store) fn begin(file: SqliteFile, over: impl FnOnce() + Send + 'static) {
    tokio::spawn(async move {
        match tokio::time::timeout(DEADLINE, file.fold()).await {
            Ok(Ok(())) => {}
            Ok(Err(e)) => tracing::debug!("the write-ahead log cannot be folded now: {e}"),
            Err(_) => {
                tracing::debug!("the write-ahead log was not folded in {} s", DEADLINE.as_secs())
            }
        }
        over();
    });
}

/// What has gathered in the log.
#[derive(Debug, Default)]
pub(in crate::store) struct Gathered {
    /// Pages, about.
    pages: u64,
    /// As many were there when the pause that is awaited began.
    awaited: Option<u64>,
    folding: bool,
}

impl Gathered {
    /// A transaction of so many rows was kept.
    pub(in crate::store) fn kept(&mut self, rows: usize) {
        self.pages += TRANSACTION + ROW * rows as u64;
    }

    /// Whether a pause is to be awaited from now on.
    pub(in crate::store) fn awaits_pause(&mut self) -> bool {
        let begins = self.pages >= MUCH && self.awaited.is_none() && !self.folding;
        if begins {
            self.awaited = Some(self.pages);
        }
        begins
    }

    /// The time of a pause is over: whether it was one, and the log is folded now.
    pub(in crate::store) fn folds(&mut self) -> bool {
        self.folding = self.awaited.take() == Some(self.pages);
        if self.folding {
            self.pages = 0;
        }
        self.folding
    }

    /// It is folded, or cannot be now.
    pub(in crate::store) fn folded(&mut self) {
        self.folding = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn much_is_folded_when_nobody_writes() {
        let mut log = Gathered::default();
        for _ in 0..MUCH / TRANSACTION {
            log.kept(0);
            assert!(!log.awaits_pause(), "little");
        }
        log.kept(10);
        assert!(log.awaits_pause());
        assert!(!log.awaits_pause(), "it is awaited already");
        log.kept(1);
        assert!(!log.folds(), "somebody wrote");
        assert!(log.awaits_pause());
        assert!(log.folds());
        log.kept(1000);
        assert!(!log.awaits_pause(), "it is being folded");
        log.folded();
        assert!(log.awaits_pause(), "what came meanwhile counts");
    }
}
