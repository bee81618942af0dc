//! Credentials as accounts hold them: asked at each login, and exchanged while the account goes on.

use crate::provider::{Coming, Credential};
use postrider_core::failure::Failure;
use secrecy::{ExposeSecret, SecretString};
use std::sync::{Mutex, PoisonError};

/// A password that may be exchanged: sessions go on with the one they logged in with, the next
/// login uses the new one.
#[derive(Debug)]
pub struct Password {
    username: String,
    current: Mutex<MarkedSecret>,
}

#[derive(Clone, Debug)]
struct MarkedSecret {
    secret: SecretString,
    mark: String,
}

impl Password {
    /// This one. `mark` tells it from others, and nothing else.
    #[must_use]
    pub fn new(username: String, secret: SecretString, mark: String) -> Self {
        Self { username, current: Mutex::new(MarkedSecret { secret, mark }) }
    }

    /// Takes another's secret over. Returns whether it is another secret.
    pub fn exchange(&self, other: &Self) -> bool {
        let new = other.current();
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let differs = current.secret.expose_secret() != new.secret.expose_secret();
        *current = new;
        differs
    }

    fn current(&self) -> MarkedSecret {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Credential for Password {
    fn username(&self) -> &str {
        &self.username
    }

    fn mark(&self) -> String {
        self.current().mark
    }

    fn secret(&self) -> Coming<'_, Result<SecretString, Failure>> {
        let secret = self.current().secret;
        Box::pin(std::future::ready(Ok(secret)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_exchange_is_seen_by_whoever_holds_it() {
        let of = |secret: &str, mark: &str| {
            Password::new("u".into(), secret.to_owned().into(), mark.into())
        };
        let held = of("old", "1");
        assert!(!held.exchange(&of("old", "1")));
        assert!(held.exchange(&of("new", "2")));
        assert_eq!(
            (held.secret().await.unwrap().expose_secret(), held.mark().as_str()),
            ("new", "2")
        );
        assert!(!format!("{held:?}").contains("new"), "it is never printed");
    }
}
