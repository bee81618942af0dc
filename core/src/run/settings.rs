//! What a run may know of the config, and of what somebody asked for.

use crate::provider::Family;
use crate::recovery::decide::Policy;
use crate::run::filter::FolderFilter;
use crate::run::first::FirstOf;
use crate::standing::RunCause;
use crate::time::Steady;
use std::time::Duration;

/// What a run may know of the config.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which kind of provider it is.
    pub family: Family,
    /// Retries and waits.
    pub policy: Policy,
    /// How long a first look waits for its second.
    pub confirm_after: Duration,
    /// Absences up to this number need no second look (20 % of a folder beside it).
    pub guard_floor: u64,
    /// Messages in a page.
    pub page_messages: usize,
    /// Pages being read, or sealed and not acknowledged: enough that neither the session nor the
    /// store waits for the other.
    pub pages_in_flight: usize,
    /// The newest messages of each folder that come before history.
    pub recent_messages: u64,
    /// The newest UIDs of each folder whose flags are looked at each time, where a server has no
    /// modseq.
    pub flags_window: u32,
    /// The folders wanted.
    pub folders: FolderFilter,
    /// Why it is begun.
    pub cause: RunCause,
    /// What of the unread history it reads, because somebody asked: the rest is for the next run. Nothing: all of it.
    pub first: Vec<FirstOf>,
    /// The clock that it goes by.
    pub clock: Steady,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            family: Family::default(),
            policy: Policy::default(),
            confirm_after: Duration::from_secs(60),
            guard_floor: 50,
            page_messages: 500,
            pages_in_flight: 6,
            recent_messages: 1000,
            flags_window: 1000,
            folders: FolderFilter::default(),
            cause: RunCause::Schedule,
            first: Vec::new(),
            clock: Steady::default(),
        }
    }
}
