//! What the end of a run tells, and what follows it.

use crate::account::follow::follower::Follower;
use crate::account::follow::mailbox::is_inbox;
use crate::account::follow::stage::{After, Cause, NextLook, Parked, Resting, Stage, Working};
use crate::account::follow::vocabulary::{Output, SessionRole};
use crate::failure::{Class, Failure, When};
use crate::job::slots::Level;
use crate::run::scope::Scope;
use crate::run::summary::{FolderSummary, Summary};
use crate::standing::{Outcome, Standing};
use crate::time::Now;
use std::time::Duration;

/// An account whose config cannot be used is looked at so often.
const HOURLY: Duration = Duration::from_secs(3600);
/// Second looks in a row that are not left to the schedule.
const SECOND_LOOKS: u8 = 3;

fn is_soon(summary: &Summary) -> bool {
    summary.failure.as_ref().is_some_and(|failure| failure.when == When::Soon)
}

impl Follower {
    /// The run under way has ended.
    pub(super) fn finished(&mut self, summary: Summary, now: Now, out: &mut Vec<Output>) {
        let Stage::Working(working) = std::mem::replace(&mut self.stage, Stage::Ended) else {
            return;
        };
        if self.sessions.borrowed.is_some() {
            self.sessions.release(SessionRole::Beside, out);
        }
        self.runs_ended = self.run;
        self.history = summary.history.clone();
        if working.forgets {
            self.forget();
        }
        let nothing = matches!(working.cause, Cause::Hint | Cause::Stale)
            && summary.failure.is_none()
            && !summary.counts.changed();
        self.watching.fruitless =
            if nothing { self.watching.fruitless.saturating_add(1) } else { 0 };
        self.learn(&summary, working.began, now);
        self.learn_undone(&summary);
        let is_well = matches!(summary.outcome, Outcome::Success | Outcome::Partial);
        let put_off = is_well && (summary.put_off || working.past);
        if put_off {
            self.spaces_logins(working.began, now);
        }
        let caught_up = working.cause == Cause::Stale;
        self.stage = self.next_stage(&summary, caught_up, now);
        // Refused with the secret before, while there is another.
        if summary.outcome != Outcome::Cancelled && working.secret_changed && self.is_refused() {
            self.forget();
            self.stage = Stage::Resting(Resting { next: now.mono, scope: None, caught_up });
        }
        // What waits for a budget waits for its time.
        let past = put_off && self.deferred.is_none();
        let next = self.behind(&working, &summary);
        let pushed = working.again.pushed;
        out.push(Output::Ended(Box::new(summary)));
        match (working.after, &self.stage) {
            _ if self.rules.once => self.end(out),
            (After::End, _) => self.end(out),
            (After::Pause, _) => self.pause(out),
            (After::Rest, Stage::Resting(_)) => match next {
                Some(look) => {
                    self.ask_for(look, out);
                    if let Stage::Asking(wanted) = &mut self.stage {
                        wanted.past = past;
                    }
                }
                None => {
                    self.watch(out);
                    // What is left of the past waits for its turn, while INBOX is watched.
                    if past {
                        let scope = self.schedule.scope_of_budget(now.mono, true);
                        self.ask_at(Level::History, scope, Cause::Plan, out);
                    }
                    if let Stage::Asking(wanted) = &mut self.stage {
                        wanted.caught_up = caught_up;
                    }
                }
            },
            (After::Rest, _) => self.sessions.release_all(out),
        }
        if let Some(hint) = pushed {
            self.on_push(hint, now, out);
        }
    }

    /// What is looked at right behind the run that has ended. The numbers of those that are not are used up: nobody is to
    /// take another run for theirs.
    fn behind(&mut self, working: &Working, summary: &Summary) -> Option<NextLook> {
        let goes_on = working.after == After::Rest
            && matches!(self.stage, Stage::Resting(_))
            && !self.rules.once;
        // Who has ordered waits as the account does.
        let waits = summary.outcome == Outcome::Failed;
        let next = working.again.next.clone().filter(|next| goes_on && !(waits && next.by_job));
        self.run += working.again.numbers() - u64::from(next.is_some());
        self.runs_ended = self.run;
        next
    }

    /// What a run's end tells of the account and its folders.
    fn learn(&mut self, summary: &Summary, began: Duration, now: Now) {
        match summary.outcome {
            Outcome::Failed => {
                self.history.failed_runs = self.history.failed_runs.saturating_add(1);
                self.schedule.failed(self.history.failed_runs, now.mono);
                self.trouble.clone_from(&summary.failure);
                self.watching.unlisted.clear();
            }
            Outcome::Success | Outcome::Partial => {
                self.history.failed_runs = 0;
                self.schedule.failed(0, now.mono);
                self.trouble.clone_from(&summary.inbox_failure);
            }
            Outcome::Cancelled => self.trouble = None,
        }
        // A run that did not come so far, or looked elsewhere, knows nothing about it.
        let read = summary.outcome != Outcome::Failed
            && !summary.folders.is_empty()
            && !summary.folders.iter().any(|f| !f.excluded && f.history_left);
        // A run that began before the wait was over cannot end it either.
        let still = self.deferred.take().filter(|wait| began < wait.until && !read);
        self.deferred = summary.deferred.clone().or(still);
        let has_inbox = summary.folders.iter().any(is_inbox);
        self.schedule.lacks_inbox(summary.inbox_failure.is_some() && !has_inbox, now.mono);
        if summary.folders.is_empty() {
            // It has looked, and there is nothing to look at: what was due is behind it.
            if matches!(summary.outcome, Outcome::Success | Outcome::Partial) {
                self.schedule.looked(&[], now.mono);
            }
            return;
        }
        self.mailbox.folders.clone_from(&summary.folders);
        self.forget_listed();
        // A glance at what a feed tells leaves all that is due to another run.
        if !summary.sight.changes.glance {
            self.schedule.looked(&summary.folders, now.mono);
        }
        // A first run learns only here which folder is INBOX; where there is none, every folder is
        // the live end.
        let live =
            |f: &&FolderSummary| !f.excluded && (is_inbox(f) || self.mailbox.inbox_id().is_none());
        if self.mailbox.proved.is_none()
            && summary.folders.iter().filter(live).any(|f| f.looked.is_some())
        {
            self.mailbox.proved = Some(began);
        }
    }

    fn next_stage(&mut self, summary: &Summary, caught_up: bool, now: Now) -> Stage {
        let parked = |standing| {
            let reason = summary.failure.as_ref().map(Failure::to_string).unwrap_or_default();
            Stage::Parked(Parked {
                standing,
                reason,
                class: summary.failure.as_ref().map(|failure| failure.class),
            })
        };
        let next = match summary.outcome {
            Outcome::Failed if summary.parked && summary.class == Some(Class::Auth) => {
                return parked(Standing::NeedsReauth);
            }
            // Names, certificates and files mend without a word to us.
            Outcome::Failed if summary.parked && summary.class == Some(Class::Config) => {
                now.mono + HOURLY
            }
            Outcome::Failed if summary.parked => return parked(Standing::Failed),
            // A trouble of moments, until it has lasted.
            Outcome::Failed if is_soon(summary) && !self.schedule.is_cooling(now.mono) => {
                let next = self.schedule.after_refusal(self.history.failed_runs, now.mono);
                // It has looked at nothing.
                let scope = Some(Scope::Everything);
                return Stage::Resting(Resting { next, scope, caught_up });
            }
            Outcome::Failed => self.schedule.after_failure(self.history.failed_runs, now.mono),
            _ => {
                if summary.sight.second_look && self.second.taken < SECOND_LOOKS {
                    // INBOX is watched meanwhile; what that begins does not put this off.
                    let due = now.mono + self.rules.settings.confirm_after + Duration::from_secs(1);
                    self.second.due.get_or_insert(due);
                } else if !summary.sight.second_look && self.second.due.is_none() {
                    self.second.taken = 0;
                }
                let next = self.schedule.next(now.mono);
                let next = self.deferred.as_ref().map_or(next, |wait| next.min(wait.until));
                self.second.due.map_or(next, |due| next.min(due))
            }
        };
        Stage::Resting(Resting { next, scope: None, caught_up })
    }
}
