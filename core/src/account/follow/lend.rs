//! Lending pages of a run to the session beside it, and what comes back.

use crate::account::follow::follower::{Follower, SessionHeld, is_inbox};
use crate::account::follow::hands::{Brought, Errand};
use crate::account::follow::stage::Stage;
use crate::account::follow::vocabulary::{Output, Slot};
use crate::failure::Failure;
use crate::mail::page::Page;
use crate::provider::Connected;
use crate::provider::folders::{Answer, Request};
use crate::run::event::{Action, Event, Token};
use crate::run::scope::Depth;
use crate::time::Now;
use std::time::Duration;

/// After a session that helped was lost, or was needed elsewhere, the next one is asked for after this.
const HELP_AGAIN: Duration = Duration::from_secs(60);
/// How often it is looked whether the session that helps has something to do.
const TEND: Duration = Duration::from_secs(5);
/// While it helps nobody watches: INBOX is looked at so often. A look may list all of it.
const LOOK: Duration = Duration::from_secs(60);

impl Follower {
    /// The run puts a question.
    pub(super) fn put(&mut self, token: Token, request: Request, out: &mut Vec<Output>) {
        let errands = self.hands.ask(token, request);
        self.send(errands, out);
    }

    fn send(&self, errands: Vec<Errand>, out: &mut Vec<Output>) {
        out.extend(errands.into_iter().map(|errand| match errand {
            Errand::Own(token, request) => Output::Run(self.run, Action::Ask { token, request }),
            Errand::Lent(number, token, request) => Output::Lend { number, token, request },
        }));
    }

    /// Both sessions are asked for what there is to be read; where that is more than one reads, and mail
    /// is what the run waits for, another is wished for, or what watches reads, too.
    pub(super) fn share(&mut self, now: Now, out: &mut Vec<Output>) {
        let errands = self.hands.share();
        self.send(errands, out);
        if self.hands.is_gone() {
            self.let_go(now, out);
        }
        let wants_other = self.main.is_some() && self.hands.wants_other(now.mono);
        let Stage::Working(working) = &mut self.stage else { return };
        if !wants_other {
            return working.bottleneck.forget();
        }
        if !working.bottleneck.lacks_mail(now.mono) {
            return;
        }
        if self.beside.is_some() {
            self.lend_to(now, out);
        } else if !std::mem::replace(&mut working.wished, true) {
            self.hands.wished();
            out.push(Output::Wish);
        }
    }

    /// A session that was wished for is there, while a run works: it helps, or it watches.
    pub(super) fn use_beside(&mut self, at: Connected, now: Now, out: &mut Vec<Output>) {
        self.beside = Some(SessionHeld { at, since: now.mono, watch: None, wide: false });
        if self.hands.wishes() && self.main.is_some() {
            self.lend_to(now, out);
        } else if !self.watch_on(Slot::Beside, out) {
            self.release(Slot::Beside, out);
            if let Some(working) = self.stage.working() {
                working.beside_at = now.mono + HELP_AGAIN;
            }
        }
    }

    /// The session beside helps from here on; a watch there ends with what it is asked.
    fn lend_to(&mut self, now: Now, out: &mut Vec<Output>) {
        let watches = self.beside.as_ref().is_some_and(|beside| beside.watch.is_some());
        let inbox = self.folders.iter().find(|folder| watches && is_inbox(folder));
        self.hands.begin(inbox.map(|inbox| inbox.remote_id.clone()), now.mono);
        if let Some(working) = self.stage.working() {
            working.beside_at = now.mono + TEND;
        }
        let errands = self.hands.share();
        self.send(errands, out);
    }

    /// What the session beside has brought. How it fails is nobody's failure but its own.
    pub(super) fn on_lent(
        &mut self,
        number: u64,
        token: Token,
        answer: Result<Answer, Failure>,
        now: Now,
        out: &mut Vec<Output>,
    ) {
        match self.hands.brought(number, token, answer) {
            Brought::Nothing => self.share(now, out),
            Brought::Answer(token, answer) => {
                self.drive(Event::Answered { token, answer: Ok(answer) }, now, out);
            }
            Brought::Lost(failure) => {
                out.push(Output::Run(self.run, Action::Report(failure)));
                self.let_go(now, out);
            }
        }
    }

    /// Somebody else needs the session beside.
    pub(super) fn on_recalled(&mut self, now: Now, out: &mut Vec<Output>) {
        self.hands.recall();
        self.share(now, out);
    }

    /// A session is no longer there for its watch.
    pub(super) fn give_up(&mut self, which: Slot, now: Now, out: &mut Vec<Output>) {
        if which == Slot::Beside && self.hands.has_other() {
            return self.let_go(now, out);
        }
        self.release(which, out);
    }

    /// The session beside helps no more, and is given back.
    fn let_go(&mut self, now: Now, out: &mut Vec<Output>) {
        let again = now.mono + HELP_AGAIN;
        self.release(Slot::Beside, out);
        self.take_back(again, now, out);
        if let Some(working) = self.stage.working() {
            (working.wished, working.beside_at) = (false, again);
        }
    }

    /// The session beside goes; the run may have another.
    fn give_back(&mut self, out: &mut Vec<Output>) {
        self.release(Slot::Beside, out);
        if let Some(working) = self.stage.working() {
            working.wished = false;
        }
    }

    /// What was lent and is not here the run's own session reads.
    fn take_back(&mut self, again: Duration, now: Now, out: &mut Vec<Output>) {
        for token in self.hands.end(again) {
            // All of it has come, but for the word that this is all.
            let answer = Ok(Answer::Fetched { page: Page::default(), last: true });
            self.drive(Event::Answered { token, answer }, now, out);
        }
        let errands = self.hands.share();
        self.send(errands, out);
    }

    /// The run's session is gone, or the run is over: nothing is lent any more.
    pub(super) fn forget_lent(&mut self, out: &mut Vec<Output>) {
        if self.hands.forget() {
            self.give_back(out);
        }
    }

    /// A session that has nothing more to read watches; while it reads INBOX is looked at.
    pub(super) fn tend(&mut self, now: Now, out: &mut Vec<Output>) {
        self.learn_lines();
        if self.hands.is_idle() {
            self.take_back(now.mono, now, out);
            if self.rules.once || self.watching.unable || !self.watch_on(Slot::Beside, out) {
                self.give_back(out);
            }
        } else if let Some(inbox) =
            self.live_end().filter(|_| self.hands.is_look_due(now.mono, LOOK))
        {
            self.drive(Event::Nudged(inbox, Depth::Quick), now, out);
        }
        if let Some(working) = self.stage.working() {
            working.beside_at = now.mono + TEND;
        }
    }
}
