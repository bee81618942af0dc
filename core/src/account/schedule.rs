//! When a folder is looked at: interval(folder) = max(mode's interval, folder's floor), stretched
//! after failed runs. Pure; every time here is monotonic, so a wall clock that jumps moves nothing.

use crate::mail::folder::Role;
use crate::mail::id::FolderId;
use crate::recovery::backoff::mix;
use crate::recovery::decide::Policy;
use crate::run::scope::{Depth, Scope};
use crate::run::summary::FolderSummary;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// How often a mailbox is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// From 5 min.
    Aggressive,
    /// From 15 min.
    #[default]
    Balanced,
    /// From 2 h.
    Conservative,
}

impl Mode {
    /// Its shortest interval.
    #[must_use]
    pub fn shortest(self) -> Duration {
        match self {
            Self::Aggressive => 5 * MINUTE,
            Self::Balanced => 15 * MINUTE,
            Self::Conservative => 120 * MINUTE,
        }
    }
}

/// What kind of folder it is, for its floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// INBOX.
    Inbox,
    /// Sent and drafts.
    Own,
    /// Any other.
    Active,
    /// Archive and "all mail".
    Archive,
}

impl Tier {
    /// The tier of a folder.
    #[must_use]
    pub fn of(role: Option<Role>, path: &str) -> Self {
        match role {
            _ if path.eq_ignore_ascii_case("INBOX") => Self::Inbox,
            Some(Role::Inbox) => Self::Inbox,
            Some(Role::Sent | Role::Drafts) => Self::Own,
            Some(Role::Archive | Role::All) => Self::Archive,
            Some(Role::Flagged | Role::Junk | Role::Trash | Role::Chats) | None => Self::Active,
        }
    }

    /// It is not looked at more often than this.
    #[must_use]
    pub fn floor(self) -> Duration {
        match self {
            Self::Inbox => 5 * MINUTE,
            Self::Own => 15 * MINUTE,
            Self::Active => 30 * MINUTE,
            Self::Archive => 24 * 60 * MINUTE,
        }
    }

    /// The word for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::Own => "own",
            Self::Active => "active",
            Self::Archive => "archive",
        }
    }
}

/// From so many failed runs on (`Policy::stretch_after`) the schedule is at least this.
#[must_use]
pub fn stretch(failed_runs: u32, after: u32) -> Duration {
    if failed_runs < after {
        return Duration::ZERO;
    }
    (5 * MINUTE)
        .saturating_mul(1_u32.checked_shl(failed_runs.min(16)).unwrap_or(u32::MAX))
        .min(240 * MINUTE)
}

/// The schedule of one account.
#[derive(Debug)]
pub struct Schedule {
    mode: Mode,
    policy: Policy,
    runs: u64,
    due: BTreeMap<FolderId, Duration>,
    /// Folders that stand still, and how often in a row.
    stalled: BTreeMap<FolderId, usize>,
    /// Folders whose history is still to be read.
    unread: BTreeSet<FolderId>,
    /// Until when nothing but an operator begins a run.
    cools_until: Duration,
    /// INBOX is not there: since how many runs, and when it is looked for.
    absent: Option<(usize, Duration)>,
}

/// What stands still is looked at again after these, not after the mode's interval.
const STANDING: [Duration; 3] = [MINUTE, Duration::from_secs(5 * 60), Duration::from_secs(15 * 60)];

fn standing(times: usize) -> Duration {
    STANDING.get(times).copied().unwrap_or(STANDING[2])
}

impl Schedule {
    /// A schedule that knows no folder yet.
    #[must_use]
    pub fn new(mode: Mode, policy: Policy) -> Self {
        Self {
            mode,
            policy,
            runs: 0,
            due: BTreeMap::new(),
            stalled: BTreeMap::new(),
            unread: BTreeSet::new(),
            cools_until: Duration::ZERO,
            absent: None,
        }
    }

    /// A duration by up to 10 % shorter, so that accounts that began together drift apart.
    fn spread(&self, interval: Duration) -> Duration {
        let permille = mix(self.policy.salt ^ self.runs) % 101;
        interval - interval / 1000 * u32::try_from(permille).unwrap_or(0)
    }

    /// A run ended at `mono`: what it looked at fully is due an interval later, what it did not
    /// stays due.
    pub fn looked(&mut self, folders: &[FolderSummary], mono: Duration) {
        self.runs += 1;
        let unread = folders.iter().filter(|f| !f.excluded && f.history_left);
        self.unread = unread.map(|f| f.id).collect();
        let (mut due, mut stalled) = (BTreeMap::new(), BTreeMap::new());
        for folder in folders.iter().filter(|f| !f.excluded) {
            let interval = self.mode.shortest().max(Tier::of(folder.role, &folder.path).floor());
            let before = self.due.get(&folder.id).copied();
            // Only a full look earns the interval; what was left alone, or not come to, is due
            // again after the shortest.
            let again = || mono + self.spread(self.mode.shortest());
            let next = match folder.looked {
                // What is shut has a time of its own.
                _ if folder.shut && Tier::of(folder.role, &folder.path) != Tier::Inbox => again(),
                _ if folder.stalled || folder.shut => {
                    let times = self.stalled.get(&folder.id).copied().unwrap_or(0);
                    stalled.insert(folder.id, times + 1);
                    mono + standing(times).min(interval)
                }
                Some(Depth::Full) => mono + self.spread(interval),
                Some(Depth::Quick | Depth::Told) | None => {
                    before.filter(|before| *before > mono).unwrap_or_else(again)
                }
            };
            due.insert(folder.id, next);
        }
        self.due = due;
        self.stalled = stalled;
    }

    /// A run ended at `mono`, and INBOX is not there though it is wanted; or is, or is not wanted.
    pub fn lacks_inbox(&mut self, is_absent: bool, mono: Duration) {
        let times = self.absent.map_or(0, |(times, _)| times + 1);
        self.absent = is_absent.then(|| (times, mono + standing(times)));
    }

    /// When something is due next.
    #[must_use]
    pub fn next(&self, mono: Duration) -> Duration {
        let due = self.due.values().copied().chain(self.absent.map(|(_, at)| at));
        due.min().unwrap_or(mono + self.spread(self.mode.shortest()))
    }

    /// When a run is followed by the next that found the server refusing all of it.
    #[must_use]
    pub fn after_refusal(&self, failed_runs: u32, mono: Duration) -> Duration {
        let times = usize::try_from(failed_runs).unwrap_or(usize::MAX).saturating_sub(1);
        mono + standing(times)
    }

    /// So many runs have failed in a row, the last of them now.
    pub fn failed(&mut self, failed_runs: u32, mono: Duration) {
        let Policy { cool_down_after, cool_down, .. } = self.policy;
        let cools = failed_runs >= cool_down_after;
        self.cools_until = if cools { mono + cool_down } else { Duration::ZERO };
    }

    /// Whether nothing but an operator begins a run.
    #[must_use]
    pub fn is_cooling(&self, mono: Duration) -> bool {
        mono < self.cools_until
    }

    /// When a run that failed is followed by the next.
    #[must_use]
    pub fn after_failure(&self, failed_runs: u32, mono: Duration) -> Duration {
        let shortest = self.mode.shortest().max(Tier::Inbox.floor());
        let stretched = stretch(failed_runs, self.policy.stretch_after);
        (mono + self.spread(shortest).max(stretched)).max(self.cools_until)
    }

    /// What is due at `mono`, and what will be within a tenth of the shortest interval.
    #[must_use]
    pub fn scope(&self, mono: Duration) -> Scope {
        if self.due.is_empty() || !self.unread.is_empty() {
            return Scope::Everything;
        }
        Scope::Some { list: true, folders: self.due_by(mono) }
    }

    fn due_by(&self, mono: Duration) -> BTreeMap<FolderId, Depth> {
        let soon = mono + self.mode.shortest() / 10;
        let due = self.due.iter().filter(|(_, at)| **at <= soon);
        due.map(|(id, _)| (*id, Depth::Full)).collect()
    }

    /// The same where history waits for a budget: what is due, and, when the wait is over, the
    /// folders whose history is to be read. The others are not looked at for it: looking costs, too.
    #[must_use]
    pub fn scope_of_budget(&self, mono: Duration, is_over: bool) -> Scope {
        // Where it is no folder's history that has waited, it is mail that is tried again, or of a feed.
        if self.due.is_empty() || (is_over && self.unread.is_empty()) {
            return Scope::Everything;
        }
        let mut folders = self.due_by(mono);
        if is_over {
            folders.extend(self.unread.iter().map(|id| (*id, Depth::Full)));
        }
        Scope::Some { list: true, folders }
    }
}

#[cfg(test)]
mod tests;
