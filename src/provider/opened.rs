//! The one way to a session: whatever a provider shows to a server is known to the [`Redactor`], and
//! nothing that it tells goes round it.

use crate::provider::credential::{Credential, GuardedCredential};
use crate::provider::credits::Credits;
use crate::provider::redact::Redactor;
use crate::provider::session::{Ask, Asks, Endpoint, Leash, Opening, Session, Watching};
use postrider_core::failure::Failure;
use postrider_core::plain::PlainText;
use postrider_core::provider::Capabilities;
use postrider_core::provider::{Answer, Request};
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedReceiver;

/// A session that is logged in.
pub struct OpenSession {
    session: Box<dyn Session>,
    redactor: Redactor,
    account: String,
    credits: Credits,
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
    let redactor = credential.shown().clone();
    let (account, credits) = (opening.account.clone(), opening.credits.clone());
    let guarded = GuardedCredential::of(credential);
    match endpoint.open(guarded, opening).await {
        Ok(session) => Ok(OpenSession { session, redactor, account, credits }),
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

    /// Folders that a list of everything could not show whole.
    #[must_use]
    pub fn unlisted(&self) -> usize {
        self.session.unlisted()
    }

    /// What stands behind it, for people, where its login does not say.
    #[must_use]
    pub fn behind(&self) -> Option<PlainText> {
        self.session.behind().map(|text| self.redactor.text(&text))
    }

    /// Answers one question that is not about bodies.
    ///
    /// # Errors
    /// As [`Session::answer`].
    pub async fn answer(&mut self, request: impl Into<Request>) -> Result<Answer, Failure> {
        let request = &request.into();
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
        let Self { session, redactor, account, credits } = self;
        let asks = Asks::of(questions, redactor.clone(), account, credits);
        session.run(asks, watching).await.map_err(|failure| redactor.failure(failure))
    }

    /// Logs out.
    pub async fn close(self) {
        self.session.close().await;
    }
}
