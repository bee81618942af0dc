//! What a provider is: a server that opens sessions, and sessions that answer questions.

use crate::provider::coming::Coming;
use crate::provider::credential::GuardedCredential;
use crate::provider::credits::Credits;
use crate::provider::memory::{self, Memory};
use crate::provider::purse::Purse;
use crate::provider::redact::Redactor;
use crate::provider::sink::{Sink, Sinks};
use crate::provider::waits::Waits;
use crate::telemetry::wire::WireLog;
use postrider_core::budget::Quota;
use postrider_core::failure::Failure;
use postrider_core::provider::{Answer, Request};
use postrider_core::provider::{Capabilities, Family};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{Notify, OwnedSemaphorePermit};

/// What a session is opened with.
#[derive(Debug)]
pub struct Opening {
    /// For which account (its id in the config).
    pub account: String,
    /// Where commands are noted.
    pub wire: WireLog,
    /// Where bodies go.
    pub sinks: Sinks,
    /// What its mail may take of the process's memory.
    pub credits: Credits,
    /// What questions are paid with.
    pub purse: Purse,
    /// What the account holds.
    pub memory: Arc<dyn Memory>,
}

impl Opening {
    /// For questions that bring no bodies, beside the engine: nothing is kept, nothing is noted.
    #[must_use]
    pub fn to_look(account: &str) -> Self {
        let credits = Credits::of(1);
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

    /// Logins in a second that it takes of all its accounts together, where that is known.
    fn logins(&self) -> Option<u32> {
        None
    }

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

    /// Folders that a list of everything could not show whole, for verify.
    fn unlisted(&self) -> usize {
        0
    }

    /// What stands behind it, for people, where its login does not say.
    fn behind(&self) -> Option<String> {
        None
    }

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
    /// Waits of it for room or units.
    pub waits: Waits,
    /// Somebody else needs the session: a watch ends, and the session logs out.
    pub retire: Arc<Notify>,
}

/// Questions on their way to a session. What is answered to them repeats no secret, and rows of mail in
/// it are counted until they are stored: while too many are not, nobody is asked for more. Only
/// `OpenSession::run` makes one.
pub struct Asks {
    questions: UnboundedReceiver<Ask>,
    /// A question for mail that waits for room.
    waiting: Option<Ask>,
    /// That wait: it goes on where a dropped `recv` has left it, so that its minute is one.
    room: Option<Coming<'static, Option<OwnedSemaphorePermit>>>,
    redactor: Redactor,
    account: String,
    credits: Credits,
}

impl std::fmt::Debug for Asks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asks").field("next", &self.waiting).finish_non_exhaustive()
    }
}

impl Asks {
    /// These, of an account; answers to them go through `redactor`, and their rows are counted and marked.
    pub(super) fn of(
        questions: UnboundedReceiver<Ask>,
        redactor: Redactor,
        account: String,
        credits: Credits,
    ) -> Self {
        Self { questions, waiting: None, room: None, redactor, account, credits }
    }

    /// Waits until the database has taken enough of what was read; a minute at most.
    ///
    /// # Cancel safety
    /// A dropped wait changes nothing.
    pub fn room(&self) -> impl Future<Output = ()> + Send + use<> {
        self.credits.rows.clone().room()
    }

    /// The next question; none when none will come.
    ///
    /// # Cancel safety
    /// A dropped wait has taken none.
    pub async fn recv(&mut self) -> Option<Ask> {
        if self.waiting.is_none() {
            self.waiting = Some(self.questions.recv().await?);
        }
        let mut permit = None;
        if let Some(ask) = self.waiting.as_ref().filter(|ask| ask.request.brings_mail()) {
            let room = self.credits.rows.clone().room();
            let alone = ask.request.is_suspect().then(|| self.credits.in_flight.clone().alone());
            let wait = async move {
                room.await;
                alone?.await
            };
            permit = self.room.get_or_insert_with(|| Box::pin(wait)).await;
            self.room = None;
        }
        self.waiting.take().map(|ask| self.heard(ask, permit))
    }

    /// The next question, if there is one already.
    ///
    /// # Errors
    /// There is none now that may be asked, or none will come.
    pub fn try_recv(&mut self) -> Result<Ask, TryRecvError> {
        let ask = match self.waiting.take() {
            Some(ask) => ask,
            None => self.questions.try_recv()?,
        };
        let waits = ask.request.is_suspect() || !self.credits.rows.has_room();
        if ask.request.brings_mail() && waits {
            self.waiting = Some(ask);
            return Err(TryRecvError::Empty);
        }
        self.room = None;
        Ok(self.heard(ask, None))
    }

    fn heard(&self, ask: Ask, permit: Option<OwnedSemaphorePermit>) -> Ask {
        let Credits { rows, in_flight, .. } = self.credits.clone();
        let redactor = self.redactor.clone();
        let mut open = in_flight.asked(&self.account, &ask.request, permit);
        let mut told = ask.answer;
        let answer = move |answer: Result<Answer, Failure>| {
            told(match answer {
                Ok(answer) => {
                    let marked = open.brought(&answer);
                    Ok(rows.counted(redactor.answer(answer), marked))
                }
                Err(failure) => Err(redactor.failure(failure)),
            });
        };
        Ask { request: ask.request, answer: Box::new(answer) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_core::budget::Lane;
    use postrider_core::failure::Class;
    use postrider_core::mail::page::{Again, Page, Unfetched};
    use postrider_core::provider::feeds::FeedRequest;
    use postrider_core::provider::folders::{FolderAnswer, FolderRequest};
    use std::sync::mpsc::channel;
    use tokio::sync::mpsc::unbounded_channel;

    #[tokio::test]
    async fn nobody_is_asked_for_mail_while_too_much_waits_for_the_database() {
        let (ask, questions) = unbounded_channel();
        let credits = Credits::of(1000);
        let mut asks = Asks::of(questions, Redactor::default(), "a".to_owned(), credits);
        let (told, hears) = channel();
        let question = |request: Request| {
            let told = told.clone();
            let answer = move |answer| drop(told.send(answer));
            ask.send(Ask { request, answer: Box::new(answer) }).unwrap();
        };
        let get = || {
            Request::Feed(FeedRequest::Get { wanted: Vec::new(), lane: Lane::Live, suspect: false })
        };
        question(get());
        question(get());
        question(FolderRequest::examine(Vec::new().into()).into());
        let mut first = asks.recv().await.unwrap();
        let text = "x".repeat(500).as_str().into();
        let failed =
            Unfetched { uid: 1, class: Class::Provider, text, again: Again::default(), came: None };
        let page = Page { failed: vec![failed], ..Page::default() };
        (first.answer)(Ok(Answer::Folders(FolderAnswer::Fetched { page, last: true })));
        let unstored = hears.recv().unwrap();
        assert!(asks.try_recv().is_err(), "too much waits");
        let second = tokio::time::timeout(Duration::from_millis(20), asks.recv()).await;
        assert!(second.is_err(), "nor is it waited for in vain: nothing is lost of it");
        assert!(asks.room.is_some(), "what was waited counts");
        drop(unstored);
        assert!(asks.try_recv().unwrap().request.brings_mail());
        assert!(asks.room.is_none(), "the next one waits for itself");
        assert!(!asks.recv().await.unwrap().request.brings_mail(), "in their order");
    }
}
