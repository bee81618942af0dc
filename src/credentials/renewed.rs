//! A credential whose tokens are renewed: whoever logs in asks its actor.

use crate::credentials::actor::{CredentialMsg, CredentialRequest, is_same};
use crate::credentials::tokens::TokenPair;
use crate::credentials::vault::Vault;
use crate::handle::Handle;
use crate::provider::{Coming, Credential, Redactor, Secret};
use crate::reply::ReplyTo;
use postrider_core::failure::{Class, Failure, Provenance, Reach, When};
use postrider_core::oauth::CredentialRow;
use postrider_core::time::Micros;
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;
use tokio::sync::oneshot;

/// Longest wait for the actor: a call of the issuer, and the database.
const RENEWAL_TIMEOUT: Duration = Duration::from_secs(70);

/// TokenPair that an actor renews.
#[derive(Debug)]
pub struct Renewed {
    username: String,
    actor: Handle<CredentialMsg>,
    mark: String,
    shown: Redactor,
}

impl Renewed {
    /// Through this actor. `mark` tells the grant from others.
    #[must_use]
    pub fn new(username: String, actor: Handle<CredentialMsg>, mark: String) -> Self {
        Self { username, actor, mark, shown: Redactor::default() }
    }

    async fn token(&self, refused: Option<SecretString>) -> Result<SecretString, Failure> {
        let (sender, answer) = oneshot::channel();
        // Who no longer waits asks again.
        let reply = ReplyTo::new(move |answer| drop(sender.send(answer)));
        self.actor.send(CredentialRequest::Token { refused, reply });
        match tokio::time::timeout(RENEWAL_TIMEOUT, answer).await {
            Ok(Ok(Some(answer))) => answer,
            Ok(Ok(None) | Err(_)) => Err(Failure::bug("the credential's actor died")),
            Err(_) => {
                let text =
                    format!("its token was not renewed within {} s", RENEWAL_TIMEOUT.as_secs());
                Err(Failure::new(Class::Timeout, Reach::Account, Provenance::Deadline, text))
            }
        }
    }
}

impl Credential for Renewed {
    fn username(&self) -> &str {
        &self.username
    }

    fn shown(&self) -> &Redactor {
        &self.shown
    }

    fn mark(&self) -> String {
        self.mark.clone()
    }

    fn secret(&self) -> Coming<'_, Result<Secret, Failure>> {
        Box::pin(async { Ok(Secret::Token(self.token(None).await?)) })
    }

    fn renewed<'a>(&'a self, refused: &'a Secret) -> Coming<'a, Result<Option<Secret>, Failure>> {
        Box::pin(async move {
            let token = self.token(Some(refused.text().clone())).await?;
            Ok((!is_same(&token, refused.text())).then_some(Secret::Token(token)))
        })
    }
}

/// The token that is stored, for who only looks: it renews nothing.
#[derive(Debug)]
pub struct LookedUp {
    username: String,
    token: SecretString,
    shown: Redactor,
}

impl LookedUp {
    /// That of this row, while it is good, for an account (its id, its user, its issuer).
    ///
    /// # Errors
    /// Class auth: another key, nobody has granted access, or its time is over.
    pub fn of(
        (account, username, issuer): (&str, &str, &str),
        row: Option<&CredentialRow>,
        vault: &Vault,
        now: Micros,
    ) -> Result<Self, Failure> {
        let human = |text: String| {
            Failure::new(Class::Auth, Reach::Account, Provenance::Local, text)
                .when(When::AfterChange)
        };
        let Some(row) = row else {
            return Err(human(format!(
                "nobody has granted access yet: run `postrider auth login {account}`"
            )));
        };
        if row.username != username || row.issuer != issuer {
            return Err(human(format!(
                "access was granted to {} by {}: run `postrider auth login {account}`",
                row.username, row.issuer
            )));
        }
        let tokens = TokenPair::to_log_in(row, vault)?;
        if row.expires_at <= now || tokens.access.expose_secret().is_empty() {
            return Err(human(
                "its stored token is over, and only a server or a sync renews it: run `postrider sync --once`".into(),
            ));
        }
        let shown = Redactor::default();
        Ok(Self { username: row.username.clone(), token: tokens.access, shown })
    }
}

impl Credential for LookedUp {
    fn username(&self) -> &str {
        &self.username
    }

    fn shown(&self) -> &Redactor {
        &self.shown
    }

    fn mark(&self) -> String {
        String::new()
    }

    fn secret(&self) -> Coming<'_, Result<Secret, Failure>> {
        let secret = Secret::Token(self.token.clone());
        Box::pin(std::future::ready(Ok(secret)))
    }
}
