//! A Google service account with domain-wide delegation: it signs for each mailbox itself (RFC 7523),
//! and nobody grants anything. Its tokens are kept in memory alone: another one costs nothing.
#![expect(clippy::disallowed_methods, reason = "a turn that is near is waited for")]

use crate::clock::Clock;
use crate::credentials::actor::is_same;
use crate::credentials::issuer::{Issuer, unusable};
use crate::credentials::pace::Pace;
use crate::provider::{Coming, Credential, Redactor, Secret};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use postrider_core::failure::{Class, Failure, Provenance, Reach, When};
use postrider_core::oauth::renew_at;
use postrider_core::time::Micros;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// For how long a signature asks: the longest that Google gives.
const LIFE: u64 = 3600;
/// A turn that is farther away is told to the account, which waits for it.
const NEAR: Duration = Duration::from_secs(1);

/// The key of a service account, as Google hands it out (a JSON file).
#[derive(Clone)]
pub struct ServiceKey {
    email: String,
    number: String,
    key: EncodingKey,
    /// Where it is to ask, as its file has it.
    token_url: Option<String>,
}

impl std::fmt::Debug for ServiceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceKey").field("number", &self.number).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct KeyFile {
    client_email: String,
    private_key: String,
    #[serde(default)]
    private_key_id: String,
    token_uri: Option<String>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    aud: &'a str,
    scope: &'a str,
    iat: u64,
    exp: u64,
}

impl ServiceKey {
    /// Reads the text of a key file.
    ///
    /// # Errors
    /// What it lacks, for people; never what is in it.
    pub fn read(text: &SecretString) -> Result<Self, &'static str> {
        let file: KeyFile = serde_json::from_str(text.expose_secret())
            .map_err(|_| "it is no service account's key: download one as JSON")?;
        let key = EncodingKey::from_rsa_pem(file.private_key.as_bytes())
            .map_err(|_| "its private_key is no RSA key")?;
        let (email, number) = (file.client_email, file.private_key_id);
        Ok(Self { email, number, key, token_url: file.token_uri })
    }

    /// Where it is to ask, as its file has it.
    #[must_use]
    pub fn token_url(&self) -> Option<&str> {
        self.token_url.as_deref()
    }

    /// Asks for access to a mailbox, in the service account's name; to none: for what is its own.
    fn sign(
        &self,
        issuer: &Issuer,
        mailbox: Option<&str>,
        at: Micros,
    ) -> Result<SecretString, Failure> {
        let iat = u64::try_from(at.0.div_euclid(1_000_000)).unwrap_or(0);
        let place = issuer.place();
        let scope = place.scopes.join(" ");
        let claims = Claims {
            iss: &self.email,
            sub: mailbox,
            aud: &place.token_url,
            scope: &scope,
            iat,
            exp: iat + LIFE,
        };
        let header = Header { kid: Some(self.number.clone()), ..Header::new(Algorithm::RS256) };
        let signed = jsonwebtoken::encode(&header, &claims, &self.key)
            .map_err(|e| Failure::bug("the service account's key does not sign").caused_by(e))?;
        Ok(signed.into())
    }
}

/// Access to one mailbox, or to what is the service account's own.
#[derive(Debug)]
pub struct Delegated {
    username: String,
    /// It is for somebody else's.
    delegates: bool,
    key: Arc<ServiceKey>,
    issuer: Arc<Issuer>,
    pace: Arc<Pace>,
    clock: Clock,
    held: Mutex<DelegatedState>,
    shown: Redactor,
}

#[derive(Debug, Default)]
struct DelegatedState {
    token: Option<ServiceToken>,
    /// When its turn to ask is: it is kept while it is waited for.
    turn: Option<Duration>,
}

#[derive(Debug)]
struct ServiceToken {
    access: SecretString,
    renew_at: Micros,
}

impl Delegated {
    /// To the mailbox of this user.
    #[must_use]
    pub fn to(
        username: String,
        key: Arc<ServiceKey>,
        issuer: Arc<Issuer>,
        pace: Arc<Pace>,
        clock: Clock,
    ) -> Self {
        let (held, shown) = Default::default();
        Self { username, delegates: true, key, issuer, pace, clock, held, shown }
    }

    /// To what the service account may do itself.
    #[must_use]
    pub fn own(key: Arc<ServiceKey>, issuer: Arc<Issuer>, clock: Clock) -> Self {
        let username = key.email.clone();
        Self { delegates: false, ..Self::to(username, key, issuer, Arc::default(), clock) }
    }

    /// A token that is good for a while, another one than `refused`. Whoever asks meanwhile waits
    /// for the same.
    ///
    /// # Cancel safety
    /// The next one asks again.
    async fn token(&self, refused: Option<&SecretString>) -> Result<SecretString, Failure> {
        let mut held = self.held.lock().await;
        let now = self.clock.now();
        let good = held.token.as_ref().filter(|token| {
            now.wall < token.renew_at && !refused.is_some_and(|it| is_same(it, &token.access))
        });
        if let Some(token) = good {
            return Ok(token.access.clone());
        }
        let turn = *held.turn.get_or_insert_with(|| self.pace.turn(now.mono));
        let wait = turn.saturating_sub(now.mono);
        if wait > NEAR {
            let text = "many tokens are asked for at once; it waits for its turn";
            let failure = Failure::new(Class::RateLimit, Reach::Account, Provenance::Local, text);
            return Err(failure.when(When::After(wait)));
        }
        tokio::time::sleep(wait).await;
        held.turn = None;
        let at = self.clock.now().wall;
        let mailbox = self.delegates.then_some(self.username.as_str());
        let signed = self.key.sign(&self.issuer, mailbox, at)?;
        let issued = self.issuer.assert(&signed).await?;
        let renew_at = renew_at(at, issued.life, &self.username);
        let access = issued.access.ok_or_else(unusable)?;
        held.token = Some(ServiceToken { access: access.clone(), renew_at });
        Ok(access)
    }
}

impl Credential for Delegated {
    fn username(&self) -> &str {
        &self.username
    }

    fn shown(&self) -> &Redactor {
        &self.shown
    }

    fn mark(&self) -> String {
        format!("service {}", self.key.number)
    }

    fn secret(&self) -> Coming<'_, Result<Secret, Failure>> {
        Box::pin(async { Ok(Secret::Token(self.token(None).await?)) })
    }

    fn renewed<'a>(&'a self, refused: &'a Secret) -> Coming<'a, Result<Option<Secret>, Failure>> {
        Box::pin(async move {
            let token = self.token(Some(refused.text())).await?;
            Ok((!is_same(&token, refused.text())).then_some(Secret::Token(token)))
        })
    }
}
