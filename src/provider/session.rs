//! What a provider is: a server that opens sessions, and sessions that answer questions.

use crate::provider::coming::Coming;
use crate::provider::credential::GuardedCredential;
use crate::provider::memory::{self, Memory};
use crate::provider::purse::Purse;
use crate::provider::redact::Redactor;
use crate::provider::sink::{Sink, Sinks};
use crate::telemetry::wire::WireLog;
use postrider_core::budget::Quota;
use postrider_core::failure::Failure;
use postrider_core::provider::folders::{Answer, Request};
use postrider_core::provider::{Capabilities, Family};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{Notify, Semaphore};

/// What a session is opened with.
#[derive(Debug)]
pub struct Opening {
    /// For which account (its id in the config).
    pub account: String,
    /// Where commands are noted.
    pub wire: WireLog,
    /// Where bodies go.
    pub sinks: Sinks,
    /// Pages being read, in the whole process.
    pub credits: Arc<Semaphore>,
    /// What questions are paid with.
    pub purse: Purse,
    /// What the account holds.
    pub memory: Arc<dyn Memory>,
}

impl Opening {
    /// For questions that bring no bodies, beside the engine: nothing is kept, nothing is noted.
    #[must_use]
    pub fn to_look(account: &str) -> Self {
        let credits = Arc::new(Semaphore::new(1));
        let (wire, purse) = (WireLog::default(), Purse::default());
        let sinks = Sinks::new(Sink::none);
        let memory = Arc::new(memory::Blank);
        Self { account: account.to_owned(), wire, sinks, credits, purse, memory }
    }
}

/// A server that speaks one protocol.
pub trait Endpoint: std::fmt::Debug + Send + Sync {
    /// The protocol's word, as config and rows have it.
    fn kind(&self) -> &'static str;

    /// Longest time without a sign of life that its own deadlines allow; a session that hangs
    /// longer is killed.
    fn patience(&self) -> Duration;

    /// Which family of questions it answers.
    fn family(&self) -> Family {
        Family::Folders
    }

    /// What questions cost here, and what may be spent on them.
    fn quota(&self) -> Quota;

    /// Connects and logs in. Asked through [`open`](super::open) alone: nobody else can show a credential.
    ///
    /// # Errors
    /// Network and timeout (reach endpoint), auth, config, and whatever the server's words mean.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    fn open<'a>(
        &'a self,
        credential: GuardedCredential,
        opening: Opening,
    ) -> Coming<'a, Result<Box<dyn Session>, Failure>>;

    /// Whether the server is there: connects, hears its greeting, says goodbye.
    ///
    /// # Errors
    /// Network and timeout (reach endpoint), or what the greeting said.
    fn probe(&self) -> Coming<'_, Result<(), Failure>>;
}

/// A logged-in session. One that saw an error of a reach beyond the folder is never used again.
pub trait Session: Send {
    /// What the server can do on it.
    fn capabilities(&self) -> Capabilities;

    /// What its owner sees of it.
    fn leash(&self) -> Leash;

    /// Answers one question that is not about bodies.
    ///
    /// # Errors
    /// Whatever the server's words mean.
    fn answer<'a>(&'a mut self, request: &'a Request) -> Coming<'a, Result<Answer, Failure>>;

    /// Answers questions in their order until their sender is dropped (then it logs out), or until
    /// the first failure that ends the session; that failure is the answer to the question it met.
    /// `watching` is told when a watch begins and ends.
    fn run(self: Box<Self>, asks: Asks, watching: Watching)
    -> Coming<'static, Result<(), Failure>>;

    /// Logs out.
    fn close(self: Box<Self>) -> Coming<'static, ()>;
}

/// Told when a watch begins and ends.
pub type Watching = Box<dyn Fn(bool) + Send>;

/// A question on its way to a session.
pub struct Ask {
    /// The question.
    pub request: Request,
    /// Takes each answer; the last one consumes it.
    pub answer: Box<dyn FnMut(Result<Answer, Failure>) + Send>,
}

impl std::fmt::Debug for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ask").field("request", &self.request).finish_non_exhaustive()
    }
}

/// What a session's owner may see of it, and ask of it, from outside.
#[derive(Clone, Debug, Default)]
pub struct Leash {
    /// It works on a question (and does not wait for a credit of the process).
    pub busy: Arc<AtomicBool>,
    /// Octets read so far.
    pub octets: Arc<AtomicU64>,
    /// Somebody else needs the session: a watch ends, and the session logs out.
    pub retire: Arc<Notify>,
}

/// Questions on their way to a session; what is answered to them repeats no secret. Only
/// `OpenSession::run` makes one.
#[derive(Debug)]
pub struct Asks {
    questions: UnboundedReceiver<Ask>,
    redactor: Redactor,
}

impl Asks {
    /// These; answers to them go through `redactor`.
    pub(super) fn of(questions: UnboundedReceiver<Ask>, redactor: Redactor) -> Self {
        Self { questions, redactor }
    }

    /// The next question; none when none will come.
    ///
    /// # Cancel safety
    /// A dropped wait has taken none.
    pub async fn recv(&mut self) -> Option<Ask> {
        self.questions.recv().await.map(|ask| self.heard(ask))
    }

    /// The next question, if there is one already.
    ///
    /// # Errors
    /// There is none now, or none will come.
    pub fn try_recv(&mut self) -> Result<Ask, TryRecvError> {
        self.questions.try_recv().map(|ask| self.heard(ask))
    }

    fn heard(&self, ask: Ask) -> Ask {
        let (redactor, mut told) = (self.redactor.clone(), ask.answer);
        let answer = move |answer: Result<Answer, Failure>| {
            told(match answer {
                Ok(answer) => Ok(redactor.answer(answer)),
                Err(failure) => Err(redactor.failure(failure)),
            });
        };
        Ask { request: ask.request, answer: Box::new(answer) }
    }
}
