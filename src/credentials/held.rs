//! A secret that somebody else keeps: a password, or an access token that another program renews.
#![expect(clippy::disallowed_methods, reason = "a file is read on a thread that may block")]

use crate::config::SecretFrom;
use crate::provider::{Coming, Credential, Redactor, Secret};
use postrider_core::failure::Failure;
use secrecy::{ExposeSecret, SecretString};
use std::sync::{Mutex, PoisonError};

/// A secret that may be exchanged: sessions go on with the one they logged in with, the next login
/// uses the new one.
#[derive(Debug)]
pub struct Held {
    username: String,
    shown: Redactor,
    current: Mutex<MarkedSecret>,
}

#[derive(Clone, Debug)]
struct MarkedSecret {
    secret: Secret,
    /// Where it is looked up again when a server says that its time is over.
    source: SecretFrom,
    mark: String,
}

impl Held {
    /// This one, which came from there. `mark` tells it from others, and nothing else.
    #[must_use]
    pub fn new(username: String, source: SecretFrom, text: SecretString, mark: String) -> Self {
        let secret = shown(&source, text);
        let (current, shown) =
            (Mutex::new(MarkedSecret { secret, source, mark }), Redactor::default());
        Self { username, shown, current }
    }

    /// Takes another's secret over. Returns whether it is another secret.
    pub fn exchange(&self, other: &Self) -> bool {
        let new = other.current();
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let differs = is_another(&current.secret, &new.secret);
        *current = new;
        if differs {
            self.shown.forget_words();
        }
        differs
    }

    fn current(&self) -> MarkedSecret {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What is shown of what was found there.
fn shown(source: &SecretFrom, text: SecretString) -> Secret {
    match source {
        SecretFrom::Token(_) => Secret::Token(text),
        SecretFrom::File(_)
        | SecretFrom::Variable(_)
        | SecretFrom::Command(_)
        | SecretFrom::Inline(_)
        | SecretFrom::Grant(_)
        | SecretFrom::Service(_) => Secret::Password(text),
    }
}

fn is_another(one: &Secret, other: &Secret) -> bool {
    one.text().expose_secret() != other.text().expose_secret()
}

impl Credential for Held {
    fn username(&self) -> &str {
        &self.username
    }

    fn shown(&self) -> &Redactor {
        &self.shown
    }

    fn mark(&self) -> String {
        self.current().mark
    }

    fn secret(&self) -> Coming<'_, Result<Secret, Failure>> {
        let secret = self.current().secret;
        Box::pin(std::future::ready(Ok(secret)))
    }

    /// Who renews a token may have done so just now: its file is read before it is believed to be
    /// over.
    fn renewed<'a>(&'a self, refused: &'a Secret) -> Coming<'a, Result<Option<Secret>, Failure>> {
        Box::pin(async move {
            let Secret::Token(_) = refused else { return Ok(None) };
            let source = self.current().source;
            let from = source.clone();
            let got = tokio::task::spawn_blocking(move || from.get()).await;
            let text = got.map_err(|_| Failure::bug("reading the token panicked"))??;
            let secret = shown(&source, text);
            Ok(is_another(&secret, refused).then_some(secret))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[tokio::test]
    async fn an_exchange_is_seen_by_whoever_holds_it() {
        let of = |secret: &str, mark: &str| {
            let source = SecretFrom::Variable("X".into());
            Held::new("u".into(), source, secret.to_owned().into(), mark.into())
        };
        let held = of("old", "1");
        assert!(!held.exchange(&of("old", "1")));
        assert!(held.exchange(&of("new", "2")));
        let secret = held.secret().await.unwrap();
        assert_eq!((secret.text().expose_secret(), held.mark().as_str()), ("new", "2"));
        assert!(!format!("{held:?}").contains("new"), "it is never printed");
        assert!(held.renewed(&secret).await.unwrap().is_none(), "a password is not renewed");
    }

    #[tokio::test]
    async fn a_token_is_read_again_before_it_is_believed_to_be_over() {
        let dir = tempfile::tempdir().unwrap();
        let file: PathBuf = dir.path().join("token");
        std::fs::write(&file, "one\n").unwrap();
        let source = SecretFrom::Token(file.clone());
        let held = Held::new("u".into(), source.clone(), source.get().unwrap(), "1".into());
        let first = held.secret().await.unwrap();
        assert!(held.renewed(&first).await.unwrap().is_none(), "nobody has renewed it");
        std::fs::write(&file, "two\n").unwrap();
        let second = held.renewed(&first).await.unwrap().unwrap();
        assert!(matches!(&second, Secret::Token(text) if text.expose_secret() == "two"));
        // Another file is named meanwhile: the first one counts no more.
        let other = dir.path().join("other");
        std::fs::write(&other, "three\n").unwrap();
        let source = SecretFrom::Token(other.clone());
        assert!(held.exchange(&Held::new(
            "u".into(),
            source,
            "three".to_owned().into(),
            "2".into()
        )));
        let third = held.renewed(&first).await.unwrap().unwrap();
        assert_eq!(third.text().expose_secret(), "three");
        std::fs::remove_file(&other).unwrap();
        assert!(held.renewed(&first).await.unwrap_err().text.contains("access_token_file"));
    }
}
