//! What this process has done to the store: whether its start is counted, and who was handed out before.

use crate::store::apply::HandOut;
use crate::store::connect::Database;
use crate::store::failure::Trouble;
use crate::store::instance::StartCount;
use std::collections::BTreeSet;

/// What this process has done to the store.
#[derive(Debug)]
pub(super) struct ThisProcess {
    /// Counted before the first thing that is stored.
    start: Option<StartCount>,
    /// The accounts that were handed out.
    handed_out: BTreeSet<String>,
    /// Of what an earlier store actor did nothing is known.
    restarted: bool,
}

impl ThisProcess {
    pub(super) fn new(start: StartCount, restarted: bool) -> Self {
        Self { start: Some(start), handed_out: BTreeSet::new(), restarted }
    }

    /// How an account is handed out to somebody new: the first in this process has nobody before it whose
    /// commits could still come (one process alone has the data folder).
    pub(super) fn hands_out(&mut self, name: &str) -> HandOut {
        let is_first = self.handed_out.insert(name.to_owned()) && !self.restarted;
        if is_first { HandOut::First } else { HandOut::Raised }
    }

    /// Whether its start is counted.
    pub(super) fn is_counted(&self) -> bool {
        self.start.is_none()
    }

    /// Something is to be stored: the start is counted before.
    pub(super) async fn count_start(&mut self, db: &Database) -> Result<(), Trouble> {
        if let Some(start) = &self.start {
            start.count(db).await?;
            self.start = None;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_first_of_a_process_has_nobody_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let db = crate::store::open(&dir.path().join("x.db").into()).await.unwrap();
        let (_, _, start) = crate::store::agree(&db, dir.path()).await.unwrap();
        let mut process = ThisProcess::new(start.clone(), false);
        assert_eq!(process.hands_out("a"), HandOut::First);
        assert_eq!(process.hands_out("b"), HandOut::First);
        assert_eq!(process.hands_out("a"), HandOut::Raised);
        assert_eq!(ThisProcess::new(start, true).hands_out("a"), HandOut::Raised);
        db.close().await;
    }

    /// A start that stores nothing is not counted, and one that does is counted once.
    #[tokio::test]
    async fn a_start_is_counted_before_the_first_thing_that_is_stored() {
        let dir = tempfile::tempdir().unwrap();
        let db = crate::store::open(&dir.path().join("x.db").into()).await.unwrap();
        let starts = || {
            let told = std::fs::read_to_string(dir.path().join("starts")).ok();
            told.map(|told| told.trim().to_owned())
        };
        for counted in [None, Some("1 0")] {
            let (_, is_older, start) = crate::store::agree(&db, dir.path()).await.unwrap();
            assert!(!is_older);
            let mut process = ThisProcess::new(start, false);
            assert_eq!(starts(), None, "it has only looked");
            if counted.is_some() {
                process.count_start(&db).await.unwrap();
                process.count_start(&db).await.unwrap();
            }
            assert_eq!(starts().as_deref(), counted);
        }
        // Behind an end that noted nothing, though something may have been told, it is counted at once; not
        // behind a stop.
        let mut counted = "2 0";
        for _ in 0..2 {
            let (_, is_older, _) = crate::store::agree(&db, dir.path()).await.unwrap();
            assert!(!is_older);
            assert_eq!(starts().as_deref(), Some(counted));
            crate::store::note_stop(&db, dir.path()).await.unwrap();
            counted = "2 1";
        }
        std::fs::write(dir.path().join("starts"), "7 0").unwrap();
        let (_, is_older, _) = crate::store::agree(&db, dir.path()).await.unwrap();
        assert!(is_older, "the folder knows of starts that the database has not seen");
        assert_eq!(starts().as_deref(), Some("8 0"), "that is counted at once");
        db.close().await;
    }
}
