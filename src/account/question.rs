//! A question that is open: dropped before its last answer, it says that none will come.

use crate::account::message::AccountMsg;
use crate::connection::SessionLease;
use crate::fault;
use crate::handle::{Backlog, Queued};
use crate::provider::Ask;
use postrider_core::account::follow::Input;
use postrider_core::failure::{Class, Failure, Provenance, Reach};
use postrider_core::provider::watch::WatchAnswer;
use postrider_core::provider::{Answer, Request, not_asked};
use postrider_core::run::event::{Event, Token};
use ractor::ActorRef;

/// What the answers belong to.
#[derive(Clone, Copy, Debug)]
enum Waiter {
    /// A question of a run.
    Run(u64, Token),
    /// A watch.
    Watch(u64),
}

/// An open question.
#[derive(Debug)]
pub(super) struct PendingQuestion {
    account: ActorRef<AccountMsg>,
    depth: Backlog,
    owner: Waiter,
    open: bool,
}

impl PendingQuestion {
    /// A question that the run of this number put.
    pub(super) fn run(
        account: &ActorRef<AccountMsg>,
        depth: &Backlog,
        run: u64,
        token: Token,
    ) -> Self {
        Self {
            account: account.clone(),
            depth: depth.clone(),
            owner: Waiter::Run(run, token),
            open: true,
        }
    }

    /// A watch of this number.
    pub(super) fn watch(account: &ActorRef<AccountMsg>, depth: &Backlog, number: u64) -> Self {
        Self {
            account: account.clone(),
            depth: depth.clone(),
            owner: Waiter::Watch(number),
            open: true,
        }
    }

    pub(super) fn answered(&mut self, answer: Result<Answer, Failure>) {
        if matches!(self.owner, Waiter::Run(..)) && fault::loses("lose.answer") {
            self.open = false;
            return;
        }
        self.open = matches!(&answer, Ok(answer) if answer.goes_on());
        let input = match (self.owner, answer) {
            (Waiter::Run(run, token), answer) => {
                Input::Machine(run, Event::Answered { token, answer })
            }
            (Waiter::Watch(number), Ok(Answer::Watch(WatchAnswer::Hinted(hint)))) => {
                Input::Hinted(number, hint)
            }
            (Waiter::Watch(number), Ok(Answer::Watch(WatchAnswer::Told(name, shown)))) => {
                Input::Told(number, name, shown)
            }
            (Waiter::Watch(number), Ok(Answer::Watch(WatchAnswer::Unwatched(end)))) => {
                Input::Unwatched(number, Ok(end))
            }
            (Waiter::Watch(number), Ok(_)) => Input::Unwatched(number, Err(not_asked())),
            (Waiter::Watch(number), Err(failure)) => Input::Unwatched(number, Err(failure)),
        };
        // An account that is gone needs no answers.
        drop(self.account.cast(AccountMsg::Input(Queued::new(input, &self.depth))));
    }
}

impl Drop for PendingQuestion {
    fn drop(&mut self) {
        if self.open {
            let gone = Failure::new(
                Class::Network,
                Reach::Session,
                Provenance::Local,
                "the session ended without an answer",
            );
            self.answered(Err(gone));
        }
    }
}

/// Puts a question to a session, if it is there.
pub(super) fn ask(lease: Option<&SessionLease>, request: Request, mut question: PendingQuestion) {
    let answer = Box::new(move |answer: Result<Answer, Failure>| question.answered(answer));
    match lease {
        Some(lease) => lease.ask(Ask { request, answer }),
        // Dropped, the question says that there will be no answer.
        None => drop(Ask { request, answer }),
    }
}
