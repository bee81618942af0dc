//! Watching INBOX: between runs on the session in hand, beside a long run on one to spare.

use crate::account::follow::follower::Follower;
use crate::account::follow::mailbox::is_inbox;
use crate::account::follow::stage::{
    After, BESIDE_AFTER, BESIDE_AGAIN, Cause, NextLook, Stage, widen,
};
use crate::account::follow::vocabulary::{Output, SessionRole};
use crate::failure::Failure;
use crate::job::slots::Level;
use crate::mail::folder::WireName;
use crate::mail::id::FolderId;
use crate::provider::Connected;
use crate::provider::watch::{Hint, Noticed, Unwatched};
use crate::recovery::decide::{Verdict, decide};
use crate::recovery::history::SURVIVAL;
use crate::run::event::{Action, Event, SecondNews};
use crate::run::scope::{Depth, Scope};
use crate::standing::Phase;
use crate::time::Now;
use std::collections::BTreeMap;
use std::time::Duration;

/// Runs in a row that hints began and that found nothing, after which hints are gathered for a
/// while.
const FRUITLESS: u8 = 5;
/// For so long.
const FRUITLESS_WAIT: Duration = Duration::from_secs(30);

/// After so many watches in a row that ended before the server told of every folder, it is not asked to.
const NARROW: u8 = 2;

/// Told names that are no folders of ours; more are not looked for.
const MAX_UNLISTED: usize = 1000;

/// The longest wait before a watch that was cut is begun anew.
const WATCH_WAIT: Duration = Duration::from_secs(90);
/// A watch that was cut sooner tells nothing about how long one lives.
const RENEW_FLOOR: Duration = Duration::from_secs(60);
/// A watch that was cut sooner says nothing of idle connections.
const RENEW_LEAST: Duration = Duration::from_secs(5);

impl Follower {
    /// Between runs the session watches INBOX; where it cannot, it is given back.
    pub(super) fn watch(&mut self, out: &mut Vec<Output>) {
        if self.sessions.beside.is_some() {
            self.sessions.main = self.sessions.beside.take();
            return out.push(Output::Promote);
        }
        self.sessions.release(SessionRole::Beside, out);
        if self.watching.lacks_idle || !self.watch_on(SessionRole::Main, out) {
            self.sessions.release(SessionRole::Main, out);
        }
    }

    pub(super) fn watch_on(&mut self, which: SessionRole, out: &mut Vec<Output>) -> bool {
        let Some(inbox) = self.mailbox.watchable() else { return false };
        let (remote_id, seen) = (inbox.remote_id.clone(), inbox.mark);
        let Some(held) = self.sessions.held(which) else { return false };
        self.watching.number += 1;
        let (number, renew, wide) =
            (self.watching.number, self.watching.renew, self.watching.narrow < NARROW);
        held.watch = Some(number);
        out.push(Output::Watch { number, which, remote_id, seen, renew, wide });
        true
    }

    pub(super) fn on_beside(&mut self, at: Option<Connected>, now: Now, out: &mut Vec<Output>) {
        // Whether or not it has come: another is asked for later, should this one go.
        if let Some(working) = self.stage.working() {
            (working.second_wished, working.beside_at) = (false, now.mono + BESIDE_AGAIN);
        }
        match (at, &mut self.stage) {
            (Some(at), Stage::Working(_)) if self.sessions.beside.is_none() => {
                self.use_beside(at, now, out)
            }
            (Some(_), _) => out.push(Output::Release(SessionRole::Beside)),
            (None, Stage::Working(working)) => {
                if std::mem::take(&mut working.wants_second) {
                    self.drive(Event::Second(SecondNews::NoneSpared), now, out);
                }
            }
            (None, _) => {}
        }
    }

    /// The last look closed the gap before its watch: it is closed once.
    fn has_caught_up(&self) -> bool {
        match &self.stage {
            Stage::Working(working) => working.cause == Cause::Stale,
            Stage::Resting(rest) => rest.caught_up,
            Stage::Asking(wanted) => wanted.caught_up,
            _ => false,
        }
    }

    /// Nothing has come since the last look: a server that lives would have said so.
    fn is_settled(&self) -> bool {
        match &self.stage {
            Stage::Working(working) => self
                .mailbox
                .inbox_id()
                .and_then(|id| working.machine.passed(id))
                .is_some_and(|(_, settled)| settled),
            Stage::Resting(_) => self.is_well(),
            Stage::Asking(_) => self.waits_for_history() && self.is_well(),
            _ => false,
        }
    }

    fn is_well(&self) -> bool {
        self.history.failed_runs < self.rules.settings.policy.cool_down_after
    }

    pub(super) fn on_hint(&mut self, number: u64, hint: Hint, now: Now, out: &mut Vec<Output>) {
        if !self.sessions.is_current(number) {
            return;
        }
        if let Hint::Names | Hint::Untold = hint {
            self.watching.unlisted.clear();
        }
        let inbox = self.mailbox.inbox_id();
        let of_inbox = |depth| inbox.map(|id| (id, depth)).into_iter().collect();
        let (list, folders): (bool, BTreeMap<_, _>) = match hint {
            Hint::Alive => {
                if self.is_settled() {
                    self.mailbox.proved = Some(now.mono);
                }
                return;
            }
            Hint::Wide => {
                self.watching.narrow = 0;
                if let Some(held) = self.sessions.watching(number) {
                    held.wide = true;
                }
                return;
            }
            // One look closes that gap; were it to open it again, the schedule stands behind.
            Hint::Stale if self.has_caught_up() => {
                self.mailbox.proved = Some(now.mono);
                return;
            }
            Hint::Counts => (false, of_inbox(Depth::Quick)),
            Hint::Flags => (false, of_inbox(Depth::Told)),
            Hint::Stale => (false, of_inbox(Depth::Full)),
            Hint::Names => (true, BTreeMap::new()),
            Hint::Untold => {
                if let Some(held) = self.sessions.watching(number) {
                    held.wide = false;
                }
                let known = self.mailbox.folders.iter().filter(|f| !f.excluded && !f.stalled);
                (true, known.map(|f| (f.id, Depth::Full)).collect())
            }
        };
        let cause = if hint == Hint::Stale { Cause::Stale } else { Cause::Hint };
        if list || !folders.is_empty() {
            self.look(list, &folders, cause, now, out);
        }
    }

    /// A watch tells of another folder: what is not as the last pass has left it is looked at.
    pub(super) fn on_told(
        &mut self,
        number: u64,
        name: &WireName,
        shown: Noticed,
        now: Now,
        out: &mut Vec<Output>,
    ) {
        if !self.sessions.is_current(number) {
            return;
        }
        match self.mailbox.folders.iter().find(|f| f.remote_id == *name) {
            // Nobody knows it: LIST says what it is. What is no folder of ours then is none until names
            // change.
            None if self.watching.unlisted.len() < MAX_UNLISTED
                && self.watching.unlisted.insert(name.clone()) =>
            {
                self.look(true, &BTreeMap::new(), Cause::Hint, now, out);
            }
            None => {}
            Some(f) if f.excluded || f.stalled || f.shut || shown.is_as(&f.mark) => {}
            Some(f) => {
                let counts = shown.uidnext.is_some() || shown.exists.is_some();
                let depth = if counts { Depth::Quick } else { Depth::Full };
                let folders = [(f.id, depth)].into_iter().collect();
                self.look(false, &folders, Cause::Hint, now, out);
            }
        }
    }

    /// What has become a folder of ours is strange no more.
    pub(super) fn forget_listed(&mut self) {
        let folders = &self.mailbox.folders;
        self.watching.unlisted.retain(|name| !folders.iter().any(|f| f.remote_id == *name));
    }

    /// These folders are looked at as soon as may be, and with `list` LIST.
    fn look(
        &mut self,
        list: bool,
        folders: &BTreeMap<FolderId, Depth>,
        cause: Cause,
        now: Now,
        out: &mut Vec<Output>,
    ) {
        // What one session was told, another one does not know.
        let elsewhere = matches!(self.stage, Stage::Working(_));
        let whole = |depth| if elsewhere && depth == Depth::Told { Depth::Full } else { depth };
        let folders: BTreeMap<_, _> = folders.iter().map(|(id, d)| (*id, whole(*d))).collect();
        let add = |scope: &mut Scope| {
            for (folder, depth) in &folders {
                widen(scope, *folder, *depth);
            }
            if let Scope::Some { list: listed, .. } = scope {
                *listed |= list;
            }
        };
        let is_cooling = self.schedule.is_cooling(now.mono);
        let nothing = || Scope::Some { list: false, folders: BTreeMap::new() };
        match &mut self.stage {
            Stage::Asking(wanted) => {
                let later = self.watching.fruitless >= FRUITLESS;
                let later = later.then(|| now.mono + FRUITLESS_WAIT);
                wanted.hinted(cause, later).into_iter().for_each(add);
            }
            Stage::Working(working) => {
                // A run that is only beginning or ending takes no hints: they are looked at right
                // after it. Nor does one ask LIST again.
                let phase = working.machine.phase();
                let later = matches!(phase, Phase::Opening | Phase::Reopening | Phase::Closing);
                if (later || list) && working.after == After::Rest {
                    let nothing = || NextLook::at(nothing(), Level::Hint);
                    let next = working.again.next.get_or_insert_with(nothing);
                    next.by_job = false;
                    add(&mut next.scope);
                }
                self.hinted(Level::Hint);
                if !later {
                    for (folder, depth) in &folders {
                        self.drive(Event::Nudged(*folder, *depth), now, out);
                    }
                }
            }
            Stage::Resting(rest) if self.watching.fruitless >= FRUITLESS => {
                rest.next = rest.next.min(now.mono + FRUITLESS_WAIT);
                let scope = rest.scope.get_or_insert_with(nothing);
                add(scope);
                // INBOX is what is missed soonest.
                if let Some(inbox) =
                    self.mailbox.folders.iter().find(|f| is_inbox(f) && !f.excluded)
                {
                    widen(scope, inbox.id, Depth::Full);
                }
                if let Scope::Some { list, .. } = scope {
                    *list = true;
                }
            }
            Stage::Resting(_) if !is_cooling => {
                let mut scope = nothing();
                add(&mut scope);
                self.ask(scope, cause, out);
            }
            Stage::Resting(rest) => add(rest.scope.get_or_insert_with(nothing)),
            _ => {}
        }
    }

    pub(super) fn on_unwatched(
        &mut self,
        number: u64,
        end: Result<Unwatched, Failure>,
        now: Now,
        out: &mut Vec<Output>,
    ) {
        let Some(which) = self.sessions.role_of(number) else { return };
        let Some(held) = self.sessions.held(which) else { return };
        let (since, narrow) = (held.since, !held.wide);
        match end {
            // What came with the last hint has been heard by now.
            Ok(Unwatched::Asked) => held.watch = None,
            Ok(Unwatched::Unable) => {
                self.watching.lacks_idle = true;
                self.give_up(which, now, out);
            }
            Ok(Unwatched::Retired) => self.give_up(which, now, out),
            Err(failure) => {
                // It may have ended at being asked for every folder.
                self.watching.narrow = self.watching.narrow.saturating_add(u8::from(narrow));
                self.give_up(which, now, out);
                if which == SessionRole::Main {
                    self.lost(failure, since, now, out);
                }
            }
        }
    }

    /// The watching session ended by itself: what it would have told is looked for after a wait
    /// that grows.
    fn lost(&mut self, failure: Failure, since: Duration, now: Now, out: &mut Vec<Output>) {
        if !matches!(self.stage, Stage::Resting(_)) && !self.waits_for_history() {
            return;
        }
        self.learn_from_cut(now.mono.saturating_sub(since));
        self.history.failed(&failure, now.wall);
        out.push(Output::Run(self.run, Action::Report(failure.clone())));
        // It is never given up for the schedule: at the longest wait it is kept up.
        let wait = match decide(&failure, &self.history, &self.rules.settings.policy, now) {
            Verdict::Wait(wait) | Verdict::Restart(wait) => Some(wait),
            Verdict::GiveUp if !self.schedule.is_cooling(now.mono) => Some(WATCH_WAIT),
            _ => None,
        };
        let inbox = self.mailbox.inbox_id();
        let again = wait.map(|wait| now.mono.saturating_add(wait));
        match (&mut self.stage, again) {
            (Stage::Resting(rest), Some(again)) => {
                let folders = inbox.map(|id| (id, Depth::Quick)).into_iter().collect();
                // What the schedule looks at sooner is all of it.
                rest.scope = (again < rest.next).then_some(Scope::Some { list: false, folders });
                rest.next = rest.next.min(again);
            }
            (Stage::Asking(wanted), Some(_)) => wanted.inbox_at = again,
            _ => {}
        }
        self.trouble = Some(failure);
    }

    /// How long a watch lived until it was cut tells how long one may be kept up.
    fn learn_from_cut(&mut self, life: Duration) {
        if life >= SURVIVAL {
            self.history.survived();
            (self.watching.renew, self.watching.narrow) = (None, 0);
        } else if life >= RENEW_LEAST {
            // One cut proves little: IDLE is never begun anew more often than this.
            let renew = (life * 4 / 5).max(RENEW_FLOOR);
            self.watching.renew =
                Some(self.watching.renew.map_or(renew, |before| before.min(renew)));
        }
    }

    /// A run that lasts is to have a session beside it, if it has one of its own.
    pub(super) fn wish_beside(&mut self, now: Now, out: &mut Vec<Output>) {
        self.learn_lines();
        let has_main = self.sessions.main.is_some() && !self.mailbox.folders.is_empty();
        let Stage::Working(working) = &mut self.stage else { return };
        if has_main {
            working.second_wished = true;
            out.push(Output::Wish);
        } else {
            working.beside_at = now.mono + BESIDE_AFTER;
        }
    }

    /// The folders of a first run are known before it ends.
    pub(super) fn learn_lines(&mut self) {
        if let Stage::Working(working) = &self.stage {
            self.mailbox.learn_lines(&working.machine);
        }
    }

    pub(super) fn wants_beside(&self) -> bool {
        let second_wished = matches!(&self.stage, Stage::Working(working) if working.second_wished);
        !self.rules.once
            && !self.watching.lacks_idle
            && !second_wished
            && self.sessions.beside.is_none()
    }
}
