//! The one enum of works: which kind of run an account has. Whoever begins runs need not know.

use crate::budget::Wait;
use crate::mail::id::FolderId;
use crate::provider::Family;
use crate::recovery::history::History;
use crate::run::event::{Action, Event};
use crate::run::feed::FeedWork;
use crate::run::folders::FolderWork;
use crate::run::machine::RunMachine;
use crate::run::settings::Settings;
use crate::run::summary::{Counts, FolderSummary};
use crate::standing::Phase;
use crate::time::{Micros, Now, Steady};

/// The machine of a run.
#[derive(Debug)]
pub enum Machine {
    /// Mail lies in folders and has UIDs.
    Folders(FoldersMachine),
    /// Changes are told by message id.
    Feed(FeedMachine),
}

/// The machine of a run through folders.
#[derive(Debug)]
pub struct FoldersMachine(RunMachine<FolderWork>);

/// The machine of a run along feeds.
#[derive(Debug)]
pub struct FeedMachine(RunMachine<FeedWork>);

/// The same of whichever it is.
macro_rules! either {
    ($machine:expr, $run:ident => $done:expr) => {
        match $machine {
            Machine::Folders(FoldersMachine($run)) => $done,
            Machine::Feed(FeedMachine($run)) => $done,
        }
    };
}

impl Machine {
    /// A machine that waits for `Begin`.
    #[must_use]
    pub fn new(settings: Settings, history: History) -> Self {
        match settings.family {
            Family::Folders => Self::Folders(FoldersMachine(RunMachine::new(settings, history))),
            Family::Feed => Self::Feed(FeedMachine(RunMachine::new(settings, history))),
        }
    }

    /// Takes one event.
    #[must_use]
    pub fn step(self, event: Event, now: Now) -> (Self, Vec<Action>) {
        match self {
            Self::Folders(FoldersMachine(machine)) => {
                let (machine, actions) = machine.step(event, now);
                (Self::Folders(FoldersMachine(machine)), actions)
            }
            Self::Feed(FeedMachine(machine)) => {
                let (machine, actions) = machine.step(event, now);
                (Self::Feed(FeedMachine(machine)), actions)
            }
        }
    }

    /// The clock that it goes by, for the run after this one.
    #[must_use]
    pub fn clock(&self) -> Steady {
        either!(self, run => run.clock())
    }

    /// What it waits for.
    #[must_use]
    pub fn phase(&self) -> Phase {
        either!(self, run => run.phase())
    }

    /// The account's history, for the incarnation after this one.
    #[must_use]
    pub fn history(&self) -> History {
        either!(self, run => run.history())
    }

    /// When the last durable pass of a folder began, and whether nothing more is wanted of it now.
    #[must_use]
    pub fn passed(&self, folder: FolderId) -> Option<(Option<Micros>, bool)> {
        either!(self, run => run.passed(folder))
    }

    /// What it waits for, where it waits for nothing but a budget.
    #[must_use]
    pub fn rests(&self) -> Option<&Wait> {
        either!(self, run => run.rests())
    }

    /// Whether it reads nothing but mail of the past.
    #[must_use]
    pub fn reads_past(&self) -> bool {
        either!(self, run => run.reads_past())
    }

    /// Whether it leaves mail of the past to another run.
    #[must_use]
    pub fn is_put_off(&self) -> bool {
        either!(self, run => run.is_put_off())
    }

    /// The folders of the run that is under way.
    #[must_use]
    pub fn lines(&self) -> Option<Vec<FolderSummary>> {
        either!(self, run => run.lines())
    }

    /// What has been done, and what remains as far as is known.
    #[must_use]
    pub fn counts(&self) -> Counts {
        either!(self, run => run.counts())
    }
}
