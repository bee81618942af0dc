//! The states of a run's machine, and what each holds.

use crate::failure::Failure;
use crate::recovery::history::History;
use crate::run::context::{Common, RunCtx, RunStart};
use crate::run::event::Action;
use crate::run::settings::Settings;
use crate::run::work::Work;
use crate::standing::Outcome;
use crate::time::Now;

/// A run that is under way.
#[derive(Debug)]
pub(super) struct Run<W: Work> {
    pub(super) shared: Common<W::Owner>,
    pub(super) work: W,
}

impl<W: Work> Run<W> {
    /// The work, and the cx for one step of it.
    pub(super) fn at<'a>(
        &'a mut self,
        now: Now,
        out: &'a mut Vec<Action>,
    ) -> (&'a mut W, RunCtx<'a, W::Owner>) {
        (&mut self.work, RunCtx::new(&mut self.shared, now, out))
    }
}

/// How a run is being ended.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) outcome: Outcome,
    pub(super) failure: Option<Failure>,
    /// Nothing is tried again before something outside changes.
    pub(super) parked: bool,
    pub(super) sent: bool,
}

/// What a machine waits for; the table at the top of `machine.rs` says it in full.
#[derive(Debug)]
pub(super) enum State<W: Work> {
    Dormant { settings: Settings, history: History },
    Opening { start: RunStart, run: Option<Box<Run<W>>> },
    Reopening { start: RunStart, run: Option<Box<Run<W>>> },
    Connecting(Box<Run<W>>),
    Working(Box<Run<W>>),
    Waiting { run: Box<Run<W>>, reopen: bool },
    Closing(Box<Run<W>>, Ending),
    Finished,
}
