//! The one enum of works: which kind of run an account has. Whoever begins runs need not know.

use crate::budget::Wait;
use crate::mail::id::FolderId;
use crate::recovery::history::History;
use crate::run::event::{Action, Event};
use crate::run::folders::FolderWork;
use crate::run::machine::RunMachine;
use crate::run::settings::Settings;
use crate::run::summary::{Counts, FolderLine};
use crate::standing::Phase;
use crate::time::{Micros, Now};

/// The machine of a run.
#[derive(Debug)]
pub enum Machine {
    /// Mail lies in folders and has UIDs.
    Folders(FoldersMachine),
}

/// The machine of a run through folders.
#[derive(Debug)]
pub struct FoldersMachine(RunMachine<FolderWork>);

impl Machine {
    /// A machine that waits for `Begin`.
    #[must_use]
    pub fn new(settings: Settings, history: History) -> Self {
        Self::Folders(FoldersMachine(RunMachine::new(settings, history)))
    }

    /// Takes one event.
    #[must_use]
    pub fn step(self, event: Event, now: Now) -> (Self, Vec<Action>) {
        let Self::Folders(FoldersMachine(machine)) = self;
        let (machine, actions) = machine.step(event, now);
        (Self::Folders(FoldersMachine(machine)), actions)
    }

    fn run(&self) -> &RunMachine<FolderWork> {
        let Self::Folders(FoldersMachine(machine)) = self;
        machine
    }

    /// What it waits for.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.run().phase()
    }

    /// The account's history, for the incarnation after this one.
    #[must_use]
    pub fn history(&self) -> History {
        self.run().history()
    }

    /// When the last durable pass of a folder began, and whether nothing more is wanted of it now.
    #[must_use]
    pub fn passed(&self, folder: FolderId) -> Option<(Option<Micros>, bool)> {
        self.run().passed(folder)
    }

    /// What it waits for, where it waits for nothing but a budget.
    #[must_use]
    pub fn rests(&self) -> Option<&Wait> {
        self.run().rests()
    }

    /// The folders of the run that is under way.
    #[must_use]
    pub fn lines(&self) -> Option<Vec<FolderLine>> {
        self.run().lines()
    }

    /// What has been done, and what remains as far as is known.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.run().counts()
    }
}
