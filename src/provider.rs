//! The door to servers. Whoever wants a session says where, who and with which secret, and gets one
//! whose kind it does not know: nothing outside `provider/` names a provider. One is a directory;
//! its wire types never leave it.

mod coming;
mod gmail;
mod head;
pub mod imap;
mod memory;
mod opened;
mod purse;
mod redact;
mod sink;
mod trust;

pub use coming::Coming;
pub use memory::{HeldBody, Memory};
pub use opened::{Asks, OpenSession, Shown, open};
pub use purse::{Denied, Payee, Payment, Purse, Units};
pub use redact::Redactor;
pub use sink::{Sink, Sinks};

use crate::telemetry::wire::WireLog;
use postrider_core::budget::Quota;
use postrider_core::failure::{Class, Failure, Provenance, Reach, When};
use postrider_core::provider::folders::{Answer, Request};
use postrider_core::provider::server::Server;
use postrider_core::provider::{Capabilities, Family};
use secrecy::SecretString;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};

/// What is shown at a login; never printed.
#[derive(Clone, Debug)]
pub enum Secret {
    /// A password.
    Password(SecretString),
    /// An OAuth2 access token (RFC 6750).
    Token(SecretString),
}

impl Secret {
    /// The secret itself.
    #[must_use]
    pub fn text(&self) -> &SecretString {
        match self {
            Self::Password(text) | Self::Token(text) => text,
        }
    }
}

/// Who logs in, at the moment of a login.
#[derive(Clone, Debug)]
pub struct Login {
    /// User name.
    pub username: String,
    /// What is shown.
    pub secret: Secret,
}

/// What an account logs in with.
pub trait Credential: std::fmt::Debug + Send + Sync {
    /// As whom.
    fn username(&self) -> &str;

    /// Tells the secret of now, and its place, from others, and nothing else about it: another one
    /// wakes who was parked.
    fn mark(&self) -> String;

    /// The secret of now; asked at each login.
    ///
    /// # Errors
    /// Whatever keeps it from being had.
    fn secret(&self) -> Coming<'_, Result<Secret, Failure>>;

    /// Another secret than this one, which a server has just refused as if its time were over: it is
    /// tried once, at once. `None` where there is no other.
    ///
    /// # Errors
    /// Whatever keeps it from being had.
    fn renewed<'a>(&'a self, _refused: &'a Secret) -> Coming<'a, Result<Option<Secret>, Failure>> {
        Box::pin(std::future::ready(Ok(None)))
    }
}

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

    /// Connects and logs in. Asked through [`open`] alone: nobody else can show a credential.
    ///
    /// # Errors
    /// Network and timeout (reach endpoint), auth, config, and whatever the server's words mean.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    fn open<'a>(
        &'a self,
        credential: Shown,
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

/// A server of this kind (the config's word) at this place.
///
/// # Errors
/// Class config when TLS roots cannot be had, or no provider has this word.
pub fn endpoint(kind: &str, server: Server) -> Result<Arc<dyn Endpoint>, Failure> {
    match kind {
        imap::KIND => Ok(Arc::new(imap::ImapEndpoint::of(server)?)),
        gmail::KIND => Ok(Arc::new(gmail::GmailEndpoint::of(server)?)),
        other => {
            let text = format!("there is no provider \"{other}\"");
            Err(Failure::new(Class::Config, Reach::Account, Provenance::Local, text)
                .when(When::AfterChange))
        }
    }
}
