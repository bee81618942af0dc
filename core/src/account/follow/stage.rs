//! The stages of a follower's life, and what is true in each.

use crate::account::follow::vocabulary::Begin;
use crate::account::machine::Machine;
use crate::failure::{Class, Failure};
use crate::job::slots::Level;
use crate::mail::folder::WireName;
use crate::mail::id::FolderId;
use crate::provider::push::PushHint;
use crate::run::first::FirstOf;
use crate::run::scope::{Depth, Scope};
use crate::standing::{RunCause, Standing};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A run that lasts longer gets a watch beside it.
pub(super) const BESIDE_AFTER: Duration = Duration::from_secs(2);
/// When there was no session to spare beside a run, the next one is asked for after this.
pub(super) const BESIDE_AGAIN: Duration = Duration::from_secs(60);
/// While the run has that session nobody watches: INBOX is looked at so often. A look may list all of it.
pub(super) const INBOX_LOOK_EVERY: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) enum Stage {
    /// It has not begun.
    New(Begin),
    /// A run is wanted, and waits for a slot.
    Asking(NextRun),
    Working(Box<Working>),
    Resting(Resting),
    Parked(Parked),
    Paused,
    Ended,
}

impl Stage {
    pub(super) fn working(&mut self) -> Option<&mut Working> {
        if let Self::Working(working) = self { Some(working) } else { None }
    }
}

/// Why a run is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The schedule, a command, the start.
    Plan,
    /// A watch told something.
    Hint,
    /// A watch began after what it was to see.
    Stale,
    /// The provider told of something, from outside a session.
    Push,
}

/// The run that is wanted next.
#[derive(Debug)]
pub(super) struct NextRun {
    pub(super) scope: Scope,
    pub(super) cause: Cause,
    pub(super) level: Level,
    /// Mail of the past was put off: it is asked for again behind this run.
    pub(super) past: bool,
    /// The look before it closed the gap before the watch.
    pub(super) caught_up: bool,
    /// A watch has ended: INBOX is looked at then, though the run is wanted for history alone.
    pub(super) inbox_at: Option<Duration>,
    /// A job wants it.
    pub(super) by_job: bool,
    /// An operator does.
    pub(super) by_operator: bool,
    /// What of the past it is to read, where somebody has asked for some of it.
    pub(super) first: Vec<FirstOf>,
}

impl NextRun {
    pub(super) fn new(scope: Scope, cause: Cause, level: Level) -> Self {
        let (past, caught_up, inbox_at, first) = (false, false, None, Vec::new());
        let (by_job, by_operator) = (false, false);
        Self { scope, cause, level, past, caught_up, inbox_at, by_job, by_operator, first }
    }

    /// Why it is begun, for people.
    pub(super) fn told_cause(&self) -> RunCause {
        match (self.level, self.cause) {
            _ if self.by_job => RunCause::Job,
            _ if self.by_operator => RunCause::Operator,
            (Level::History, _) => RunCause::History,
            (_, Cause::Hint | Cause::Stale | Cause::Push) => RunCause::Hint,
            (_, Cause::Plan) => RunCause::Schedule,
        }
    }

    /// It is wanted for mail of the past alone.
    pub(super) fn waits_for_past(&self) -> bool {
        self.level == Level::History
    }

    /// A watch has told something. Returns what it is to look at for that; none where looks find nothing, and
    /// INBOX is looked at later.
    pub(super) fn hinted(&mut self, cause: Cause, later: Option<Duration>) -> Option<&mut Scope> {
        if self.waits_for_past() {
            if let Some(later) = later {
                self.inbox_at = Some(self.inbox_at.map_or(later, |at| at.min(later)));
                return None;
            }
            self.cause = cause;
        }
        Some(self.instead(Level::Hint))
    }

    /// It is wanted this soon, for something else where it was wanted for history alone: that comes behind it.
    /// Returns what it is to look at.
    pub(super) fn instead(&mut self, level: Level) -> &mut Scope {
        if self.waits_for_past() && level < Level::History {
            self.past = true;
            self.scope = Scope::Some { list: false, folders: BTreeMap::new() };
        }
        self.level = self.level.min(level);
        &mut self.scope
    }
}

/// What a run goes on with when it has its slot.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// A session has come.
    pub(super) connected: bool,
    /// Its time is over.
    pub(super) woke: bool,
    /// Folders that are to be looked at.
    pub(super) nudged: BTreeMap<FolderId, Depth>,
}

/// The slot of a run that is under way.
#[derive(Debug)]
pub(super) enum Slot {
    /// It works.
    Held,
    /// It waits for a session, or for a time: others have it meanwhile.
    Free,
    /// It could go on, and waits for a slot.
    Asked(Held),
}

/// What is to follow the run that is being ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum After {
    Rest,
    Pause,
    End,
}

/// What is looked at right after a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NextLook {
    pub(super) scope: Scope,
    /// How soon it is to begin.
    pub(super) level: Level,
    /// A job alone wants it: it cuts no wait short.
    pub(super) by_job: bool,
    /// An operator wants it.
    pub(super) by_operator: bool,
    /// What of the past it is to read, where somebody asks for some of it.
    pub(super) first: Vec<FirstOf>,
}

impl NextLook {
    /// A look at this, this soon.
    pub(super) fn at(scope: Scope, level: Level) -> Self {
        let by_operator = level == Level::Operator;
        Self { scope, level, by_job: false, by_operator, first: Vec::new() }
    }

    /// Something else wants to look, too.
    pub(super) fn with(self, mut other: Self) -> Self {
        other.first.extend(self.first);
        Self {
            scope: self.scope.or(&other.scope),
            level: self.level.min(other.level),
            by_job: self.by_job && other.by_job,
            by_operator: self.by_operator || other.by_operator,
            first: other.first,
        }
    }
}

/// What comes behind a run.
#[derive(Debug, Default)]
pub(super) struct Behind {
    pub(super) next: Option<NextLook>,
    /// A provider told of something when the run had asked already.
    pub(super) pushed: Option<PushHint>,
    /// What was to come, and is not wanted any more: the numbers of those runs are used up.
    pub(super) dropped: u64,
}

impl Behind {
    /// How many numbers are spoken for.
    pub(super) fn numbers(&self) -> u64 {
        self.dropped + u64::from(self.next.is_some())
    }

    /// It is not wanted any more.
    pub(super) fn give_up(&mut self) {
        self.dropped += u64::from(self.next.take().is_some());
        self.pushed = None;
    }
}

/// A run is under way.
#[derive(Debug)]
pub(super) struct Working {
    pub(super) machine: Machine,
    pub(super) cause: Cause,
    pub(super) began: Duration,
    /// When a second session is asked for next, to watch beside the run.
    pub(super) beside_at: Duration,
    /// It has been asked for.
    pub(super) second_wished: bool,
    /// The run wishes for it.
    pub(super) wants_second: bool,
    pub(super) after: After,
    /// What is looked at right after it.
    pub(super) again: Behind,
    /// Failures are to be forgotten when it has ended.
    pub(super) forgets: bool,
    /// The secret was exchanged while it may have been logging in.
    pub(super) secret_changed: bool,
    /// Why its endpoint keeps it waiting, and until when at least.
    pub(super) held: Option<(Failure, Duration)>,
    /// When its timer rings.
    pub(super) wakes: Option<Duration>,
    pub(super) slot: Slot,
    /// At which level it asks for one.
    pub(super) level: Level,
    /// Mail of the past is asked for behind it.
    pub(super) past: bool,
}

impl Working {
    pub(super) fn new(machine: Machine, wanted: &NextRun, now: Duration) -> Self {
        Self {
            machine,
            cause: wanted.cause,
            began: now,
            beside_at: now + BESIDE_AFTER,
            second_wished: false,
            wants_second: false,
            after: After::Rest,
            again: Behind::default(),
            forgets: false,
            secret_changed: false,
            held: None,
            wakes: None,
            slot: Slot::Held,
            level: wanted.level,
            past: wanted.past,
        }
    }

    /// The pause that it is ended for is taken back: behind it everything is looked at.
    pub(super) fn take_pause_back(&mut self) {
        self.after = After::Rest;
        if !self.again.next.as_ref().is_some_and(|next| next.scope.insists()) {
            let (scope, level) = (Scope::Everything, Level::Hint);
            self.again.next = Some(NextLook::at(scope, level));
        }
    }
}

/// Nothing is to be done before `next`, or a hint.
#[derive(Debug)]
pub(super) struct Resting {
    pub(super) next: Duration,
    /// What is looked at then; the schedule says what is due where nothing is named.
    pub(super) scope: Option<Scope>,
    /// The last run was begun to see what happened to flags between a pass and its watch.
    pub(super) caught_up: bool,
}

/// It waits for something outside.
#[derive(Debug)]
pub(super) struct Parked {
    pub(super) standing: Standing,
    pub(super) reason: String,
    /// What kind of failure it is; unknown of what was stored.
    pub(super) class: Option<Class>,
}

/// What is known of watching this mailbox's server.
#[derive(Debug, Default)]
pub(super) struct Watches {
    /// Numbers the watches.
    pub(super) number: u64,
    /// The server has no IDLE.
    pub(super) lacks_idle: bool,
    /// Watches in a row that ended before the server told of every folder.
    pub(super) narrow: u8,
    /// Told names that no LIST has made folders of ours.
    pub(super) unlisted: BTreeSet<WireName>,
    /// Watches were cut early: IDLE is begun anew before the time at which that happened.
    pub(super) renew: Option<Duration>,
    /// Runs in a row that a hint began and that found nothing.
    pub(super) fruitless: u8,
}

/// Adds a folder to what is looked at; the closest look that was asked for counts.
pub(super) fn widen(scope: &mut Scope, folder: FolderId, depth: Depth) {
    if let Scope::Some { folders, .. } = scope {
        let wanted = folders.entry(folder).or_insert(depth);
        *wanted = (*wanted).max(depth);
    }
}
