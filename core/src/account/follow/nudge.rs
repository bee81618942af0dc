//! A nudge: a provider has told from outside a session that something is another.

use crate::account::follow::follower::Follower;
use crate::account::follow::stage::{After, Cause, Stage};
use crate::account::follow::vocabulary::Output;
use crate::job::slots::Level;
use crate::provider::Family;
use crate::provider::push::PushHint;
use crate::run::event::Event;
use crate::run::scope::{Depth, Scope};
use crate::standing::{Phase, Standing};
use crate::time::Now;

impl Follower {
    /// A feed asks for changes, elsewhere INBOX is looked at quickly; a run under way takes it along. Who is parked or
    /// paused takes none, nor who waits because its last run failed: the look that ends the wait sees it all the same.
    pub(super) fn on_push(&mut self, hint: PushHint, now: Now, out: &mut Vec<Output>) {
        let inbox = self.mailbox.inbox_id();
        let is_feed = self.rules.settings.family == Family::Feed;
        if inbox.is_none() && !is_feed {
            return;
        }
        // Who was refused asks whether that is so still; what else ails it is not mended by that.
        let may_be_let_in = match &self.stage {
            Stage::Parked(parked) => parked.standing == Standing::NeedsReauth,
            Stage::Working(_) => true,
            _ => self.is_refused(),
        };
        // One that waits because it was refused is asked for again with that, and needs no other behind it.
        let is_driven = hint == PushHint::Grant
            && self.is_refused()
            && self.stage.working().is_some_and(|work| work.machine.phase() == Phase::Waiting);
        if hint == PushHint::Grant && may_be_let_in {
            self.secret_changed(now, out);
        }
        if is_driven {
            return;
        }
        // An import, and who has failed, is no sooner wanted for it: all of it is looked at anyway.
        let is_late = self.is_first() || self.failed_runs() > 0;
        // That may be a wait that the process before has stored.
        let waits = self.failed_runs() > 0 || (is_feed && self.trouble.is_some());
        let folders = inbox.map(|id| (id, Depth::Quick)).into_iter().collect();
        let scope = Scope::Some { list: false, folders };
        match &mut self.stage {
            Stage::Asking(wanted) => {
                if wanted.waits_for_past() {
                    wanted.cause = Cause::Push;
                }
                let level = if is_late { wanted.level } else { hint.level() };
                let wanted = wanted.instead(level);
                *wanted = scope.or(wanted);
            }
            Stage::Working(working) => match working.machine.phase() {
                // What it has asked for may be older than that, or it has read its rows before.
                _ if hint >= PushHint::Places => {
                    if working.after == After::Rest {
                        working.again.pushed = working.again.pushed.max(Some(hint));
                    }
                }
                // It asks for all that has changed when it has read its rows.
                Phase::Opening | Phase::Reopening if is_feed => {}
                Phase::Opening | Phase::Reopening | Phase::Closing => {
                    if working.after == After::Rest {
                        working.again.pushed = working.again.pushed.max(Some(hint));
                    }
                }
                _ => {
                    self.hinted(hint.level().max(Level::Hint));
                    // A feed knows what it is about.
                    let of = inbox.unwrap_or_default();
                    self.drive(Event::Nudged(of, Depth::Quick), now, out);
                }
            },
            Stage::Resting(rest) if !waits => {
                let known = rest.scope.take();
                let scope = match known {
                    Some(known) => scope.or(&known),
                    None => scope,
                };
                self.ask_at(hint.level(), scope, Cause::Push, out);
            }
            Stage::New(_) | Stage::Resting(_) | Stage::Parked(_) | Stage::Paused | Stage::Ended => {
            }
        }
    }
}
