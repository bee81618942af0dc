//! The folders as the last run left them, and how fresh the live end is.

use crate::account::machine::Machine;
use crate::mail::id::FolderId;
use crate::run::summary::FolderSummary;
use crate::time::{Micros, Now};
use std::time::Duration;

/// The wall clock may run away from the other one by so much in a run.
const DRIFT: Duration = Duration::from_secs(1);

/// What is known of the mailbox between runs.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    /// As the last run left them.
    pub(super) folders: Vec<FolderSummary>,
    /// When the live end was last proved.
    pub(super) proved: Option<Duration>,
    /// The last pass of INBOX that is known to be durable.
    pub(super) passed: Option<Micros>,
}

impl Mailbox {
    /// The folder whose proof is the account's: INBOX.
    pub(super) fn inbox_id(&self) -> Option<FolderId> {
        self.folders.iter().find(|f| is_inbox(f) && !f.excluded).map(|f| f.id)
    }

    /// INBOX, where it can be watched. A folder that stands still cannot be looked at: a hint of it
    /// would lead nowhere, again and again.
    pub(super) fn watchable(&self) -> Option<&FolderSummary> {
        self.folders.iter().find(|f| is_inbox(f) && !f.excluded && !f.stalled)
    }

    pub(super) fn stalled_folders(&self) -> usize {
        self.folders.iter().filter(|f| !f.excluded && (f.stalled || f.shut)).count()
    }

    /// The folders of a first run are known before it ends.
    pub(super) fn learn_lines(&mut self, machine: &Machine) {
        if self.folders.is_empty()
            && let Some(lines) = machine.lines()
        {
            self.folders = lines;
        }
    }

    /// A pass of INBOX proves the live end as it was when the pass began; one of an earlier run has done
    /// so.
    pub(super) fn note_pass(&mut self, machine: &Machine, began: Duration, now: Now) {
        if let Some((Some(passed), _)) = self.inbox_id().and_then(|id| machine.passed(id))
            && self.passed != Some(passed)
        {
            let ago = u64::try_from(now.wall.0.saturating_sub(passed.0)).unwrap_or(0);
            let (ago, run) = (Duration::from_micros(ago), now.mono.saturating_sub(began));
            if ago <= run + DRIFT {
                self.passed = Some(passed);
                self.proved = Some(now.mono.saturating_sub(ago.min(run)));
            }
        }
    }
}

pub(super) fn is_inbox(folder: &FolderSummary) -> bool {
    folder.path.eq_ignore_ascii_case("INBOX")
}
