//! What a run came to, for people, exit codes and the run's row.

use crate::budget::Wait;
use crate::failure::{Class, Failure};
use crate::mail::cursor::Mark;
use crate::mail::feed::MailVersion;
use crate::mail::folder::{Role, WireName};
use crate::mail::id::FolderId;
use crate::provider::Proof;
use crate::recovery::history::History;
use crate::run::first::FirstEnd;
use crate::run::scope::Depth;
use crate::standing::Outcome;

/// Counters of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Folders looked at.
    pub folders: u64,
    /// Messages whose pages were committed.
    pub stored: u64,
    /// Raw octets of those.
    pub octets: u64,
    /// Flag changes and absences committed.
    pub facts: u64,
    /// Messages that could not be fetched.
    pub failed: u64,
    /// UIDs still to be read, as far as is known now.
    pub remaining: u64,
    /// Folders opened, dropped.
    pub folder_changes: u64,
}

impl Counts {
    /// Whether the run wrote anything that a reader can see.
    #[must_use]
    pub fn changed(&self) -> bool {
        self.stored + self.facts + self.failed + self.folder_changes > 0
    }
}

/// What a server has shown a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// A large absence waits for a second look, on another session.
    pub second_look: bool,
    /// What it told of changes by message.
    pub changes: ChangesTold,
}

/// What a server told a run of changes by message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangesTold {
    /// The newest of them, where they have versions.
    pub newest: Option<MailVersion>,
    /// It has said that there are no more.
    pub is_all: bool,
    /// It was a glance at what a hint tells: all that is due is for another run.
    pub glance: bool,
}

/// A run's end.
#[derive(Clone, Debug)]
pub struct Summary {
    /// How it ended.
    pub outcome: Outcome,
    /// Counters.
    pub counts: Counts,
    /// It has a row, and an event, of its own.
    pub told: bool,
    /// What was left, a line each.
    pub left: Vec<String>,
    /// What only waits for its time, a line each.
    pub waits: Vec<String>,
    /// What ended it early.
    pub failure: Option<Failure>,
    /// The class that decides the exit code, for `Failed`.
    pub class: Option<Class>,
    /// Whether nothing is tried again before something outside changes.
    pub parked: bool,
    /// What the server has shown it.
    pub sight: Sight,
    /// Why INBOX stands still, if it does: then the account is not well.
    pub inbox_failure: Option<Failure>,
    /// There is no budget for mail of the past before then.
    pub deferred: Option<Wait>,
    /// Somebody better waited: what is left of the past goes on in another run.
    pub put_off: bool,
    /// What it has read of what somebody asked for first.
    pub first: FirstEnd,
    /// The folders as the run leaves them; empty when it did not get that far.
    pub folders: Vec<FolderSummary>,
    /// The account's failures, for the next run.
    pub history: History,
}

/// A folder at the end of a run, for the schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderSummary {
    /// Row number.
    pub id: FolderId,
    /// Wire name.
    pub remote_id: WireName,
    /// Name for people.
    pub path: String,
    /// Role.
    pub role: Option<Role>,
    /// The config leaves it out.
    pub excluded: bool,
    /// It was left alone, and why stands in the ledger.
    pub stalled: bool,
    /// It is listed and cannot be opened: it is asked again in its own time.
    pub shut: bool,
    /// How closely this run has looked at it.
    pub looked: Option<Depth>,
    /// What the last complete pass saw.
    pub mark: Mark,
    /// Whether history is still to be read.
    pub history_left: bool,
    /// How the server of this run proves its changes; none where they are told by message id.
    pub proof: Option<Proof>,
}

impl Summary {
    /// A summary of nothing.
    #[must_use]
    pub fn of(outcome: Outcome, history: History) -> Self {
        Self {
            outcome,
            counts: Counts::default(),
            told: false,
            left: Vec::new(),
            waits: Vec::new(),
            failure: None,
            class: None,
            parked: false,
            sight: Sight::default(),
            inbox_failure: None,
            deferred: None,
            put_off: false,
            first: FirstEnd::Nothing,
            folders: Vec::new(),
            history,
        }
    }

    /// A summary of what a failure prevented.
    #[must_use]
    pub fn failed(failure: Failure, history: History) -> Self {
        let class = Some(failure.class);
        Self { class, failure: Some(failure), ..Self::of(Outcome::Failed, history) }
    }
}
