//! What an account logs in with, and what a provider gets of it.

use crate::provider::coming::Coming;
use crate::provider::redact::{Redactor, plain};
use postrider_core::failure::Failure;
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;

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
    /// What tells it from others, and is no secret.
    pub mark: String,
}

/// What an account logs in with.
pub trait Credential: std::fmt::Debug + Send + Sync {
    /// As whom.
    fn username(&self) -> &str;

    /// Tells the secret of now, and its place, from others, and nothing else about it: another one
    /// wakes who was parked.
    fn mark(&self) -> String;

    /// What hides its secrets, those of now and those of before: the same for all its sessions.
    fn shown(&self) -> &Redactor;

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

/// What an account logs in with, as a provider sees it: a secret that it is given is hidden from
/// then on. Only [`open`](super::open) makes one for a session.
#[derive(Clone, Debug)]
pub struct GuardedCredential {
    credential: Arc<dyn Credential>,
}

impl GuardedCredential {
    /// Of this credential.
    pub(super) fn of(credential: Arc<dyn Credential>) -> Self {
        Self { credential }
    }

    /// As whom.
    #[must_use]
    pub fn username(&self) -> &str {
        self.credential.username()
    }

    /// What tells it from others, and is no secret.
    #[must_use]
    pub fn mark(&self) -> String {
        self.credential.mark()
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
        self.credential.shown()
    }

    fn hide(&self, secret: &Secret) {
        let text = secret.text().expose_secret();
        self.redactor().hide(text);
        if let Secret::Password(_) = secret {
            self.redactor().hide(&plain(self.username(), text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::redact::REPEATED;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// Another token each time.
    #[derive(Debug, Default)]
    struct Rotating(AtomicU32, Redactor);

    impl Credential for Rotating {
        fn username(&self) -> &'static str {
            "u"
        }
        fn mark(&self) -> String {
            String::new()
        }
        fn shown(&self) -> &Redactor {
            &self.1
        }
        fn secret(&self) -> Coming<'_, Result<Secret, Failure>> {
            let token = format!("token-number-{}", self.0.fetch_add(1, Ordering::SeqCst));
            Box::pin(std::future::ready(Ok(Secret::Token(token.into()))))
        }
    }

    /// A proxy repeats what it has kept: the token of a session that is over.
    #[tokio::test]
    async fn the_next_session_hides_what_an_earlier_one_has_shown() {
        let credential: Arc<dyn Credential> = Arc::new(Rotating::default());
        let first = GuardedCredential::of(Arc::clone(&credential)).secret().await.unwrap();
        let next = GuardedCredential::of(credential);
        let second = next.secret().await.unwrap();
        for secret in [first, second] {
            let text = format!("NO {} is over", secret.text().expose_secret());
            assert_eq!(next.redactor().text(&text), REPEATED);
        }
    }
}
