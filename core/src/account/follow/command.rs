//! What a human wants of an account.

use crate::account::follow::follower::{After, Follower, Stage};
use crate::account::follow::vocabulary::{Command, Conflict, Output};
use crate::failure::Class;
use crate::recovery::history::History;
use crate::run::event::Event;
use crate::run::scope::Scope;
use crate::standing::{EventKind, Phase, Standing};
use crate::time::Now;

const PAUSED: &str = "paused by an operator";

impl Follower {
    /// Whether a command makes sense now.
    ///
    /// # Errors
    /// [`Conflict`], with the reason.
    pub fn accepts(&self, command: Command) -> Result<(), Conflict> {
        match (command, &self.stage) {
            (Command::Stop, _) => Ok(()),
            (_, Stage::Ended) => Err(Conflict("the account has been stopped")),
            (Command::SyncNow | Command::ResetErrors, Stage::Paused) => {
                Err(Conflict("the account is paused: resume it first"))
            }
            (Command::Cancel, Stage::Resting { .. } | Stage::Parked(..) | Stage::Paused) => {
                Err(Conflict("no run is under way"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn command(&mut self, command: Command, now: Now, out: &mut Vec<Output>) {
        let working = matches!(self.stage, Stage::Working(_));
        match command {
            Command::Stop if working => {
                // What it waits for is not forgotten with the process. A run that is being ended waits for nothing.
                let status = self.status();
                if status.standing.tries_again() && !self.rules.once {
                    out.push(Output::Persist { standing: status.standing, reason: status.reason, event: None });
                }
                self.end_run(After::End, now, out);
            }
            Command::Stop => self.end(out),
            Command::Pause if working => {
                // Durable before the run has settled: a crash in between must not forget it.
                let event = (self.after < After::Pause).then_some(EventKind::AccountPaused);
                out.push(Output::Persist { standing: Standing::Paused, reason: PAUSED.into(), event });
                self.end_run(After::Pause, now, out);
            }
            Command::Pause => self.pause(out),
            Command::Cancel if working => self.end_run(After::Rest, now, out),
            Command::Cancel => {}
            Command::Resume if matches!(self.stage, Stage::Paused) => {
                out.push(Output::Persist {
                    standing: Standing::Starting,
                    reason: "resumed by an operator".into(),
                    event: None,
                });
                self.begin_run(Scope::Everything, now, out);
            }
            // The pause is still settling: it is taken back, and followed by a look at everything.
            Command::Resume if self.after == After::Pause => {
                out.push(Output::Persist {
                    standing: Standing::Starting,
                    reason: "resumed by an operator".into(),
                    event: None,
                });
                self.after = After::Rest;
                self.again = Some(Scope::Everything);
            }
            Command::Resume => {}
            Command::SyncNow | Command::ResetErrors if matches!(self.stage, Stage::Ended | Stage::Paused) => {}
            Command::SyncNow | Command::ResetErrors => {
                if command == Command::ResetErrors {
                    self.forget();
                    self.forgets = working;
                }
                self.run_now(now, out);
            }
            Command::Woken => self.woken(now, out),
        }
    }

    /// The secret is another: who was refused with the one before tries again at once. To anybody else it is no news, but for
    /// a run whose login may be on its way with the old one: it is remembered until that is answered.
    fn woken(&mut self, now: Now, out: &mut Vec<Output>) {
        match &self.stage {
            Stage::Parked(..) => {
                self.forget();
                self.run_now(now, out);
            }
            Stage::Resting { .. } if self.is_refused() => {
                self.forget();
                self.run_now(now, out);
            }
            Stage::Working(_) => {
                self.woken = true;
                self.try_anew(now, out);
            }
            Stage::Resting { .. } | Stage::Paused | Stage::Ended => {}
        }
    }

    /// Whether what it is in trouble for may be the secret's.
    fn is_refused(&self) -> bool {
        self.trouble.as_ref().is_some_and(|failure| matches!(failure.class, Class::Auth | Class::Config))
    }

    /// A run that waits, refused with the secret before, waits no longer.
    pub(super) fn try_anew(&mut self, now: Now, out: &mut Vec<Output>) {
        let waits = matches!(&self.stage, Stage::Working(machine) if machine.phase() == Phase::Waiting);
        if self.woken && waits && self.is_refused() {
            self.woken = false;
            self.drive(Event::Woke, now, out);
        }
    }

    /// A run has ended, refused: with the secret before, if there is another since.
    pub(super) fn was_woken(&mut self) -> bool {
        std::mem::take(&mut self.woken) && self.is_refused()
    }

    pub(super) fn forget(&mut self) {
        let has_logged_in = self.history.has_logged_in;
        self.history = History { has_logged_in, ..History::default() };
    }

    /// A run of everything, now or right after the one that is under way; a wait inside that one is cut short.
    pub(super) fn run_now(&mut self, now: Now, out: &mut Vec<Output>) {
        if let Stage::Working(machine) = &self.stage {
            self.again = Some(Scope::Insist);
            if matches!(machine.phase(), Phase::Waiting | Phase::Reopening) {
                self.drive(Event::Woke, now, out);
            }
            return;
        }
        self.begin_run(Scope::Insist, now, out);
    }

    pub(super) fn end_run(&mut self, after: After, now: Now, out: &mut Vec<Output>) {
        self.after = self.after.max(after);
        self.again = None;
        self.drive(Event::Stop, now, out);
    }

    pub(super) fn pause(&mut self, out: &mut Vec<Output>) {
        let event = (!matches!(self.stage, Stage::Paused)).then_some(EventKind::AccountPaused);
        self.stage = Stage::Paused;
        self.trouble = None;
        self.release_all(out);
        out.push(Output::Persist { standing: Standing::Paused, reason: PAUSED.into(), event });
    }
}
