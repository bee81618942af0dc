//! Watching INBOX: between runs on the session in hand, beside a long run on one to spare.

use crate::account::follow::follower::{After, Follower, SessionHeld, Stage, is_inbox};
use crate::account::follow::vocabulary::{Output, Slot};
use crate::failure::Failure;
use crate::mail::id::FolderId;
use crate::provider::Connected;
use crate::provider::folders::{Hint, Unwatched};
use crate::recovery::decide::{Verdict, decide};
use crate::recovery::history::SURVIVAL;
use crate::run::event::{Action, Event};
use crate::run::scope::{Depth, Scope};
use crate::run::summary::FolderLine;
use crate::standing::Phase;
use crate::time::Now;
use std::time::Duration;

/// When there was no session to spare beside a run, the next one is asked for after this.
const BESIDE_AGAIN: Duration = Duration::from_secs(60);

/// Runs in a row that hints began and that found nothing, after which hints are gathered for a while.
const FRUITLESS: u8 = 5;
/// For so long.
const FRUITLESS_WAIT: Duration = Duration::from_secs(30);

/// The longest wait before a watch that was cut is begun anew.
const WATCH_WAIT: Duration = Duration::from_secs(90);
/// A watch that was cut sooner tells nothing about how long one lives.
const RENEW_FLOOR: Duration = Duration::from_secs(60);
/// A watch that was cut sooner says nothing of idle connections.
const RENEW_LEAST: Duration = Duration::from_secs(5);

impl Follower {
    /// Between runs the session watches INBOX; where it cannot, it is given back.
    pub(super) fn watch(&mut self, out: &mut Vec<Output>) {
        if self.beside.is_some() {
            self.main = self.beside.take();
            return out.push(Output::Promote);
        }
        self.release(Slot::Beside, out);
        if self.unable || !self.watch_on(Slot::Main, out) {
            self.release(Slot::Main, out);
        }
    }

    pub(super) fn watch_on(&mut self, which: Slot, out: &mut Vec<Output>) -> bool {
        // A folder that stands still cannot be looked at: a hint of it would lead nowhere, again and again.
        let fit = |f: &&FolderLine| is_inbox(f) && !f.excluded && !f.stalled;
        let Some(inbox) = self.folders.iter().find(fit) else { return false };
        let (remote_id, seen) = (inbox.remote_id.clone(), (inbox.mark.uidnext, inbox.mark.exists));
        let held = match which {
            Slot::Main => &mut self.main,
            Slot::Beside => &mut self.beside,
        };
        let Some(held) = held else { return false };
        self.watches += 1;
        held.watch = Some(self.watches);
        out.push(Output::Watch { number: self.watches, which, remote_id, seen, renew: self.renew });
        true
    }

    pub(super) fn on_beside(&mut self, at: Option<Connected>, now: Now, out: &mut Vec<Output>) {
        match (at, &self.stage) {
            (Some(at), Stage::Working(_)) if self.beside.is_none() => {
                self.beside = Some(SessionHeld { at, since: now.mono, watch: None });
                if !self.watch_on(Slot::Beside, out) {
                    self.release(Slot::Beside, out);
                }
            }
            (Some(_), _) => out.push(Output::Release(Slot::Beside)),
            (None, _) => self.beside_at = now.mono + BESIDE_AGAIN,
        }
        self.wished = self.beside.is_some();
    }

    pub(super) fn on_hint(&mut self, number: u64, hint: Hint, now: Now, out: &mut Vec<Output>) {
        let current = [self.main, self.beside].into_iter().flatten().any(|held| held.watch == Some(number));
        if !current {
            return;
        }
        let depth = match hint {
            Hint::Alive => {
                // Nothing has come since the last look, and the server would have said so.
                let settled = match &self.stage {
                    Stage::Working(machine) => {
                        self.live_end().and_then(|id| machine.passed(id)).is_some_and(|(_, settled)| settled)
                    }
                    Stage::Resting { .. } => !self.is_cooling(),
                    Stage::Parked(..) | Stage::Paused | Stage::Ended => false,
                };
                if settled {
                    self.proved = Some(now.mono);
                }
                return;
            }
            // One look closes that gap; were it to open it again, the schedule stands behind.
            Hint::Stale if self.caught_up => {
                self.proved = Some(now.mono);
                return;
            }
            Hint::Counts => Depth::Quick,
            Hint::Flags | Hint::Stale => Depth::Full,
        };
        let Some(inbox) = self.live_end() else { return };
        match &self.stage {
            // A run that is only beginning or ending takes no hints: they are looked at right after it.
            Stage::Working(machine)
                if matches!(machine.phase(), Phase::Opening | Phase::Reopening | Phase::Closing) =>
            {
                if self.after == After::Rest {
                    self.look_again(inbox, depth);
                }
            }
            Stage::Working(_) => self.drive(Event::Nudged(inbox, depth), now, out),
            Stage::Resting { next, .. } if self.fruitless >= FRUITLESS => {
                let (next, again) = (*next, now.mono + FRUITLESS_WAIT);
                if again < next {
                    let folders = [(inbox, Depth::Full)].into_iter().collect();
                    self.stage = Stage::Resting { next: again, scope: Some(Scope::Some { list: true, folders }) };
                }
            }
            Stage::Resting { .. } if !self.is_cooling() => {
                let folders = [(inbox, depth)].into_iter().collect();
                self.begin_run(Scope::Some { list: false, folders }, now, out);
                self.caught_up = hint == Hint::Stale;
                self.hinted = true;
            }
            Stage::Resting { .. } | Stage::Parked(..) | Stage::Paused | Stage::Ended => {}
        }
    }

    /// Adds a folder to what is looked at right after the run; the closest look that was asked for counts.
    fn look_again(&mut self, folder: FolderId, depth: Depth) {
        let nothing = || Scope::Some { list: false, folders: Default::default() };
        if let Scope::Some { folders, .. } = self.again.get_or_insert_with(nothing) {
            let wanted = folders.entry(folder).or_insert(depth);
            *wanted = (*wanted).max(depth);
        }
    }

    pub(super) fn on_unwatched(
        &mut self,
        number: u64,
        end: Result<Unwatched, Failure>,
        now: Now,
        out: &mut Vec<Output>,
    ) {
        let is_main = self.main.is_some_and(|held| held.watch == Some(number));
        let is_beside = self.beside.is_some_and(|held| held.watch == Some(number));
        if !is_main && !is_beside {
            return;
        }
        let which = if is_main { Slot::Main } else { Slot::Beside };
        let since = if is_main { self.main } else { self.beside }.map_or(now.mono, |held| held.since);
        match end {
            // What came with the last hint has been heard by now.
            Ok(Unwatched::Asked) => {
                if let Some(main) = self.main.as_mut().filter(|_| is_main) {
                    main.watch = None;
                }
            }
            Ok(Unwatched::Unable) => {
                self.unable = true;
                self.release(which, out);
            }
            Ok(Unwatched::Retired) => self.release(which, out),
            Err(failure) => {
                self.release(which, out);
                if is_main {
                    self.lost(failure, since, now, out);
                }
            }
        }
    }

    /// The watching session ended by itself: what it would have told is looked for after a wait that grows.
    pub(super) fn lost(&mut self, failure: Failure, since: Duration, now: Now, out: &mut Vec<Output>) {
        let Stage::Resting { next, .. } = &self.stage else { return };
        let next = *next;
        let life = now.mono.saturating_sub(since);
        if life >= SURVIVAL {
            self.history.survived();
            self.renew = None;
        } else if life >= RENEW_LEAST {
            // One cut proves little: IDLE is never begun anew more often than this.
            let renew = (life * 4 / 5).max(RENEW_FLOOR);
            self.renew = Some(self.renew.map_or(renew, |before| before.min(renew)));
        }
        self.history.failed(&failure, now.wall);
        out.push(Output::Run(self.run, Action::Report(failure.clone())));
        // It is never given up for the schedule: at the longest wait it is kept up.
        let wait = match decide(&failure, &self.history, &self.rules.settings.policy, now) {
            Verdict::Wait(wait) | Verdict::Restart(wait) => Some(wait),
            Verdict::GiveUp if !self.is_cooling() => Some(WATCH_WAIT),
            _ => None,
        };
        if let Some(wait) = wait {
            let inbox = self.live_end().map(|id| (id, Depth::Quick));
            let scope = Scope::Some { list: false, folders: inbox.into_iter().collect() };
            let again = now.mono.saturating_add(wait);
            self.stage = if again < next {
                Stage::Resting { next: again, scope: Some(scope) }
            } else {
                Stage::Resting { next, scope: None }
            };
        }
        self.trouble = Some(failure);
    }

    pub(super) fn wants_beside(&self) -> bool {
        !self.rules.once && !self.unable && !self.wished && self.beside.is_none()
    }
}
