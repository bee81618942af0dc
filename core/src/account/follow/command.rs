//! What a human wants of an account.

use crate::account::follow::follower::Follower;
use crate::account::follow::stage::{After, Cause, NextLook, Resting, Stage};
use crate::account::follow::vocabulary::{Command, Conflict, Order, Output, Status};
use crate::failure::Class;
use crate::job::slots::Level;
use crate::provider::Family;
use crate::recovery::history::History;
use crate::run::event::Event;
use crate::run::scope::Scope;
use crate::standing::{EventKind, Phase, Standing};
use crate::time::Now;
use std::time::Duration;

const PAUSED: &str = "paused by an operator";

impl Follower {
    /// Whether a command makes sense now.
    ///
    /// # Errors
    /// [`Conflict`], with the reason.
    pub fn accepts(&self, command: &Command) -> Result<(), Conflict> {
        match (command, &self.stage) {
            (Command::Stop, _) => Ok(()),
            (_, Stage::Ended) => Err(Conflict("the account has been stopped")),
            (
                Command::SyncNow | Command::Retry | Command::ResetErrors | Command::Order(_),
                Stage::Paused,
            ) => Err(Conflict("the account is paused: resume it first")),
            // Who orders waits as the account does.
            (Command::Order(Order { first: Some(_), .. }), _)
                if self.rules.settings.family == Family::Feed =>
            {
                Err(Conflict("what is read first cannot be chosen with its provider"))
            }
            (Command::Order(_), Stage::New(_)) => Err(Conflict("the account has not begun")),
            (Command::Order(_), Stage::Parked(_)) => {
                Err(Conflict("the account waits until something changes"))
            }
            (Command::Order(_), Stage::Working(working)) if working.after != After::Rest => {
                Err(Conflict("its run is being ended"))
            }
            (Command::Order(_), _) if self.waits_in_trouble() => {
                Err(Conflict("the account waits before its next try"))
            }
            (
                Command::Cancel,
                Stage::New(_) | Stage::Resting(_) | Stage::Parked(_) | Stage::Paused,
            ) => Err(Conflict("no run is under way")),
            _ => Ok(()),
        }
    }

    pub(super) fn command(&mut self, command: Command, now: Now, out: &mut Vec<Output>) {
        match command {
            Command::Stop => self.stop(now, out),
            Command::Pause => match self.stage.working() {
                Some(working) => {
                    // Durable before the run has settled: a crash in between must not forget it.
                    let event = (working.after < After::Pause).then_some(EventKind::AccountPaused);
                    out.push(Output::Persist {
                        standing: Standing::Paused,
                        reason: PAUSED.into(),
                        event,
                    });
                    self.end_run(After::Pause, now, out);
                }
                None => self.pause(out),
            },
            Command::Cancel => match &self.stage {
                Stage::Working(_) => self.end_run(After::Rest, now, out),
                Stage::Asking(_) => self.withdraw(now, out),
                _ => {}
            },
            Command::Resume => self.resume(out),
            Command::SyncNow => self.run_now(Scope::Insist, now, out),
            Command::Retry => self.run_now(Scope::Everything, now, out),
            Command::Order(order) => {
                let (scope, level) = (order.scope(), order.level);
                let first = order.first.into_iter().collect();
                self.look_soon(
                    NextLook { scope, level, by_job: true, by_operator: false, first },
                    now,
                    out,
                );
            }
            Command::ResetErrors => {
                match &mut self.stage {
                    Stage::Ended | Stage::Paused => return,
                    Stage::Working(working) => working.forgets = true,
                    _ => {}
                }
                self.forget();
                self.run_now(Scope::Doubt, now, out);
            }
            Command::Woken => self.secret_changed(now, out),
        }
    }

    /// Whoever wanted it was refused. A pause is taken back; what else was begun asks the database how the
    /// account stands, and so does the run that goes on here: nobody may know what became of that write.
    pub(super) fn not_stored(&mut self, command: Command, out: &mut Vec<Output>) {
        match &mut self.stage {
            _ if command != Command::Pause => {}
            Stage::Paused => self.ask(Scope::Everything, Cause::Plan, out),
            Stage::Working(working) if working.after == After::Pause => working.take_pause_back(),
            _ => {}
        }
    }

    fn stop(&mut self, now: Now, out: &mut Vec<Output>) {
        if !matches!(self.stage, Stage::Working(_)) {
            return self.end(out);
        }
        // What it waits for is not forgotten with the process. A run that is being ended waits for
        // nothing.
        let status = self.status();
        if status.standing.tries_again() && !self.rules.once {
            out.push(Output::Persist {
                standing: status.standing,
                reason: status.reason,
                event: None,
            });
        }
        self.end_run(After::End, now, out);
    }

    fn resume(&mut self, out: &mut Vec<Output>) {
        let resumed = || Output::Persist {
            standing: Standing::Starting,
            reason: "resumed by an operator".into(),
            event: None,
        };
        match &mut self.stage {
            Stage::Paused => {
                out.push(resumed());
                self.ask(Scope::Everything, Cause::Plan, out);
            }
            // The pause is still settling: it is taken back, and followed by a look at everything.
            Stage::Working(working) if working.after == After::Pause => {
                out.push(resumed());
                working.take_pause_back();
            }
            // It works; what is stored may still be a pause, if the store was away when that was
            // taken back. A run that has read its rows has found none.
            Stage::Working(working)
                if matches!(working.machine.phase(), Phase::Opening | Phase::Reopening) =>
            {
                out.push(resumed());
            }
            Stage::Asking(_) | Stage::New(_) => out.push(resumed()),
            Stage::Resting(_) => {
                let Status { standing, reason, .. } = self.status();
                out.push(Output::Persist { standing, reason, event: None });
            }
            Stage::Working(_) | Stage::Parked(_) => {}
            Stage::Ended => {}
        }
    }

    /// The run that waits for a slot is no longer wanted.
    fn withdraw(&mut self, now: Now, out: &mut Vec<Output>) {
        self.runs_ended = self.run;
        let next = self.schedule.next(now.mono);
        let inbox_at = match &self.stage {
            Stage::Asking(wanted) => wanted.inbox_at.or(self.second.due),
            _ => None,
        };
        self.stage = Stage::Resting(Resting {
            next: inbox_at.map_or(next, |at| at.min(next)),
            scope: None,
            caught_up: false,
        });
        if self.sessions.main.is_none_or(|held| held.watch.is_none()) {
            self.watch(out);
        }
    }

    /// The secret is another: who was refused with the one before tries again at once. To anybody
    /// else it is no news, but for a run whose login may be on its way with the old one: it is
    /// remembered until that is answered.
    pub(super) fn secret_changed(&mut self, now: Now, out: &mut Vec<Output>) {
        let refused = self.is_refused();
        match &mut self.stage {
            Stage::Parked(_) => {
                self.forget();
                self.run_now(Scope::Insist, now, out);
            }
            Stage::Resting(_) if refused => {
                self.forget();
                self.run_now(Scope::Insist, now, out);
            }
            Stage::Asking(_) if refused => self.forget(),
            Stage::Working(working) => {
                working.secret_changed = true;
                self.try_anew(now, out);
            }
            _ => {}
        }
    }

    /// Whether what it is in trouble for may be the secret's.
    pub(super) fn is_refused(&self) -> bool {
        self.trouble
            .as_ref()
            .is_some_and(|failure| matches!(failure.class, Class::Auth | Class::Config))
    }

    /// A run that waits, refused with the secret before, waits no longer.
    pub(super) fn try_anew(&mut self, now: Now, out: &mut Vec<Output>) {
        let refused = self.is_refused();
        let Some(working) = self.stage.working() else { return };
        if working.secret_changed && refused && working.machine.phase() == Phase::Waiting {
            working.secret_changed = false;
            self.drive(Event::Woke, now, out);
        }
    }

    pub(super) fn forget(&mut self) {
        let has_logged_in = self.history.has_logged_in;
        self.history = History { has_logged_in, ..History::default() };
        self.schedule.failed(0, Duration::ZERO);
    }

    /// Whether it waits because something went wrong: an order is for who can work, and cuts no wait short.
    fn waits_in_trouble(&self) -> bool {
        self.trouble.is_some()
            && match &self.stage {
                Stage::Resting(_) => true,
                Stage::Working(working) => {
                    working.held.is_some()
                        || matches!(working.machine.phase(), Phase::Waiting | Phase::Reopening)
                }
                _ => false,
            }
    }

    /// A run of everything, now or right after the one that is under way; a wait inside that one is
    /// cut short.
    fn run_now(&mut self, scope: Scope, now: Now, out: &mut Vec<Output>) {
        let level = Level::Operator;
        self.look_soon(NextLook::at(scope, level), now, out);
    }

    /// The same, this soon, for a job perhaps.
    fn look_soon(&mut self, look: NextLook, now: Now, out: &mut Vec<Output>) {
        match &mut self.stage {
            Stage::Ended | Stage::Paused => {}
            Stage::Asking(wanted) => {
                // Who doubts is not served by less.
                let scope = look.scope.or(&wanted.scope);
                *wanted.instead(look.level) = scope.clone();
                wanted.by_operator |= look.by_operator;
                wanted.by_job |= look.by_job;
                wanted.first.extend(look.first);
                self.look_again(&scope, out);
            }
            Stage::Working(working) => {
                working.level = working.level.min(look.level);
                let by_job = look.by_job;
                working.again.next = Some(match working.again.next.take() {
                    Some(known) => look.with(known),
                    None => look,
                });
                if by_job {
                    return;
                }
                if matches!(working.machine.phase(), Phase::Waiting | Phase::Reopening) {
                    self.drive(Event::Woke, now, out);
                }
            }
            Stage::New(_) | Stage::Resting(_) | Stage::Parked(_) => {
                self.ask_for(look, out);
            }
        }
    }

    pub(super) fn end_run(&mut self, after: After, now: Now, out: &mut Vec<Output>) {
        if let Some(working) = self.stage.working() {
            working.after = working.after.max(after);
            working.again.give_up();
        }
        self.drive(Event::Stop, now, out);
    }

    pub(super) fn pause(&mut self, out: &mut Vec<Output>) {
        let event = (!matches!(self.stage, Stage::Paused)).then_some(EventKind::AccountPaused);
        self.runs_ended = self.run;
        self.stage = Stage::Paused;
        self.trouble = None;
        self.sessions.release_all(out);
        out.push(Output::Persist { standing: Standing::Paused, reason: PAUSED.into(), event });
    }
}
