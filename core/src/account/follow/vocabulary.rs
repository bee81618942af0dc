//! What a follower is told, and what it tells its shell.

use crate::account::schedule::Mode;
use crate::failure::{Class, Failure};
use crate::job::slots::Level;
use crate::mail::cursor::Mark;
use crate::mail::folder::WireName;
use crate::provider::Connected;
use crate::provider::push::PushHint;
use crate::provider::watch::{Hint, Noticed, Unwatched};
use crate::recovery::history::History;
use crate::recovery::waiting::Waiting;
use crate::run::event::{Action, Event};
use crate::run::first::FirstOf;
use crate::run::scope::Scope;
use crate::run::settings::Settings;
use crate::run::summary::Summary;
use crate::standing::{EventKind, Standing};
use std::time::Duration;

/// What the follower may know of the config.
#[derive(Clone, Debug)]
pub struct Rules {
    /// For each run.
    pub settings: Settings,
    /// How often.
    pub mode: Mode,
    /// Run once and end.
    pub once: bool,
}

/// What it begins with, as stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Begin {
    /// At once.
    #[default]
    Run,
    /// A human paused it before the restart.
    Paused,
    /// It waits for something outside, for this reason.
    Parked(Standing, String),
    /// It was waiting, and goes on with that.
    Waiting(Waiting),
}

/// What an account went through, and what its next incarnation begins with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// Failures so far.
    pub history: History,
    /// How it begins.
    pub begin: Begin,
}

/// What a human wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Stop working until `Resume`.
    Pause,
    /// Work again.
    Resume,
    /// End the run that is under way.
    Cancel,
    /// Look at everything now.
    SyncNow,
    /// Forget failures, and try.
    ResetErrors,
    /// Rows of the ledger are due: look at them now.
    Retry,
    /// A job: look at everything. Unlike the others it cuts no wait short.
    Order(Order),
    /// The secret has changed: who waited for one tries again.
    Woken,
    /// End for good.
    Stop,
}

/// What a job orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Nothing is believed of what counters prove.
    pub doubts: bool,
    /// How soon it is to begin.
    pub level: Level,
    /// What of the unread history is read, and nothing else of it; none: as always.
    pub first: Option<FirstOf>,
}

impl Order {
    pub(super) fn scope(&self) -> Scope {
        match (self.doubts, self.level) {
            (true, _) => Scope::Doubt,
            (false, Level::Operator) => Scope::Insist,
            (false, _) => Scope::Everything,
        }
    }
}

/// Why a command cannot be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict(pub &'static str);

/// What it wants of the slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlotWish {
    /// None: it rests, or its run waits for a session or for a time.
    #[default]
    None,
    /// One, at this level.
    Wanted(Level),
    /// Its run works on one, which it had at this level.
    Held(Level),
}

impl SlotWish {
    /// At which level, if its run wants one or has it.
    #[must_use]
    pub fn level(self) -> Option<Level> {
        match self {
            Self::None => None,
            Self::Wanted(level) | Self::Held(level) => Some(level),
        }
    }
}

/// Which of the two sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionRole {
    /// The one that runs work on.
    Main,
    /// The one that watches beside a long run, or reads some of its pages.
    Beside,
}

/// What happens.
#[derive(Debug)]
pub enum Input {
    /// Begin.
    Start,
    /// The run of this number has got its slot.
    Granted(u64),
    /// Something for the machine of the run with this number.
    Machine(u64, Event),
    /// A session for runs is logged in.
    Connected(Connected),
    /// None could be had.
    ConnectFailed(Failure),
    /// The session that was wished for, if there was one.
    Beside(Option<Connected>),
    /// Somebody better waits for a slot: what is left of the past is for another run.
    PutOff,
    /// Somebody else needs the session beside.
    Recalled,
    /// What it asked for comes later, at the earliest at this monotonic time: the endpoint is down
    /// and probed, or has no budget for it. Nothing: it is no longer held up.
    Held(Option<(Failure, Duration)>),
    /// A hint of the watch of this number.
    Hinted(u64, Hint),
    /// What that watch tells of another folder, by wire name.
    Told(u64, WireName, Noticed),
    /// That watch is over.
    Unwatched(u64, Result<Unwatched, Failure>),
    /// The provider tells of something, from outside a session.
    Pushed(PushHint),
    /// The follower's own timer.
    Tick,
    /// A human.
    Command(Command),
    /// What this command was to change could not be stored, and is not to be.
    NotStored(Command),
}

/// What the shell is to do.
#[derive(Debug)]
pub enum Output {
    /// Carry an action of the run of this number out. What concerns sessions, and `Finish`, never
    /// comes this way.
    Run(u64, Action),
    /// Get a slot for the run of this number, or a better place in the line: `Granted` when it may begin, or go
    /// on. `Follower::slot` says how long it is wanted.
    AskSlot(u64),
    /// Get a session for runs.
    Connect,
    /// Get one more, if one is to spare.
    Wish,
    /// Give a session back.
    Release(SessionRole),
    /// The session beside becomes the one for runs; that one is given back.
    Promote,
    /// Watch this folder.
    Watch {
        /// Comes back with hints.
        number: u64,
        /// On which session.
        which: SessionRole,
        /// Wire name.
        remote_id: WireName,
        /// The counters as the last pass saw them.
        seen: Mark,
        /// Begin IDLE anew after this: connections were cut when it lasted longer.
        renew: Option<Duration>,
        /// Of every other folder, too.
        wide: bool,
    },
    /// Send `Tick` after this much monotonic time; replaces the tick before.
    TickAfter(Duration),
    /// Store the account's state.
    Persist {
        /// How it stands.
        standing: Standing,
        /// Why.
        reason: String,
        /// The event that tells it.
        event: Option<EventKind>,
    },
    /// A run ended.
    Ended(Box<Summary>),
    /// Nothing will happen any more.
    Done,
}

/// What the account is doing, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// How it stands.
    pub standing: Standing,
    /// Why.
    pub reason: String,
    /// What kind of failure that is.
    pub class: Option<Class>,
    /// A folder or a mail stands still.
    pub stalled: bool,
    /// It is throttled, and new mail comes in all the same: only history waits.
    pub follows: bool,
    /// When something happens next, monotonic.
    pub next: Option<Duration>,
}
