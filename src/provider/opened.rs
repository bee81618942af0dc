//! What a provider is given, and what it gives back: whatever it shows to a server is known to the
//! [`Redactor`], and nothing that it tells goes round it.

use crate::provider::redact::{Redactor, plain};
use crate::provider::{Ask, Credential, Endpoint, Leash, Opening, Secret, Session, Watching};
use postrider_core::failure::Failure;
use postrider_core::provider::Capabilities;
use postrider_core::provider::folders::{Answer, Request};
use secrecy::ExposeSecret;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::mpsc::error::TryRecvError;

/// What an account logs in with, as a provider sees it: a secret that it is given is hidden from
/// then on. Only [`open`] makes one.
#[derive(Clone, Debug)]
pub struct Shown {
    credential: Arc<dyn Credential>,
    redactor: Redactor,
}

impl Shown {
    /// As whom.
    #[must_use]
    pub fn username(&self) -> &str {
        self.credential.username()
    }

    /// The secret of now.
    ///
    /// # Errors
    /// Whatever keeps it from being had.
    pub async fn secret(&self) -> Result<Secret, Failure> {
        let secret = self.credential.secret().await?;
        self.hide(&secret);
        Ok(secret)
    }

    /// Another secret than this one, which a server has just refused; none where there is none.
    ///
    /// # Errors
    /// Whatever keeps it from being had.
    pub async fn renewed(&self, refused: &Secret) -> Result<Option<Secret>, Failure> {
        let renewed = self.credential.renewed(refused).await?;
        if let Some(secret) = &renewed {
            self.hide(secret);
        }
        Ok(renewed)
    }

    /// Looks at texts before they are cut, and at answers before they are kept.
    #[must_use]
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    fn hide(&self, secret: &Secret) {
        let text = secret.text().expose_secret();
        self.redactor.hide(text);
        if let Secret::Password(_) = secret {
            self.redactor.hide(&plain(self.username(), text));
        }
    }
}

/// Questions on their way to a session; what is answered to them repeats no secret. Only
/// [`OpenSession::run`] makes one.
#[derive(Debug)]
pub struct Asks {
    questions: UnboundedReceiver<Ask>,
    redactor: Redactor,
}

impl Asks {
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

/// A session that is logged in.
pub struct OpenSession {
    session: Box<dyn Session>,
    redactor: Redactor,
}

impl std::fmt::Debug for OpenSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OpenSession")
    }
}

/// Connects and logs in: the one way to a session.
///
/// # Errors
/// As [`Endpoint::open`].
///
/// # Cancel safety
/// Dropping the future closes the connection.
pub async fn open(
    endpoint: &dyn Endpoint,
    credential: Arc<dyn Credential>,
    opening: Opening,
) -> Result<OpenSession, Failure> {
    let redactor = Redactor::default();
    let shown = Shown { credential, redactor: redactor.clone() };
    match endpoint.open(shown, opening).await {
        Ok(session) => Ok(OpenSession { session, redactor }),
        Err(failure) => Err(redactor.failure(failure)),
    }
}

impl OpenSession {
    /// What the server can do on it.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        self.session.capabilities()
    }

    /// What its owner sees of it.
    #[must_use]
    pub fn leash(&self) -> Leash {
        self.session.leash()
    }

    /// Answers one question that is not about bodies.
    ///
    /// # Errors
    /// As [`Session::answer`].
    pub async fn answer(&mut self, request: &Request) -> Result<Answer, Failure> {
        match self.session.answer(request).await {
            Ok(answer) => Ok(self.redactor.answer(answer)),
            Err(failure) => Err(self.redactor.failure(failure)),
        }
    }

    /// Answers questions, as [`Session::run`].
    ///
    /// # Errors
    /// As there.
    pub async fn run(
        self,
        questions: UnboundedReceiver<Ask>,
        watching: Watching,
    ) -> Result<(), Failure> {
        let Self { session, redactor } = self;
        let asks = Asks { questions, redactor: redactor.clone() };
        session.run(asks, watching).await.map_err(|failure| redactor.failure(failure))
    }

    /// Logs out.
    pub async fn close(self) {
        self.session.close().await;
    }
}
