//! What accounts log in with, as the config has it: held secrets, and grants that are renewed.
#![expect(clippy::disallowed_methods, reason = "secrets are read off the runtime, and waited for")]

use crate::clock::Clock;
use crate::config::{Account, Config, OAuthClient, SecretFrom, is_safe_url};
use crate::credentials::issuer::{Issuer, IssuerPlace};
use crate::credentials::pace::Pace;
use crate::credentials::service::{Delegated, ServiceKey};
use crate::credentials::{Held, LookedUp, Renewed, Vault};
use crate::provider::Credential;
use crate::store::{OpenError, Reader, open_for_reading};
use postrider_core::failure::{Class, Failure, Provenance, Reach, When};
use postrider_core::oauth::CredentialRow;
use postrider_core::provider::server::{AskedPush, PulledPush};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What grants are renewed with: taken up at the start.
#[derive(Debug, Default)]
pub struct Grants {
    pub(super) issuers: BTreeMap<&'static str, Arc<Issuer>>,
    pub(super) services: BTreeMap<&'static str, (Arc<Issuer>, Arc<ServiceKey>)>,
    pub(crate) vault: Option<Arc<Vault>>,
    pub(super) pace: Arc<Pace>,
}

/// What an account logs in with.
#[derive(Clone, Debug)]
pub enum Given {
    /// A secret that somebody else keeps.
    Held(Arc<Held>),
    /// A grant.
    Renewed(Arc<Renewed>),
    /// A service account.
    Delegated(Arc<Delegated>),
}

impl Given {
    /// As an account takes it.
    #[must_use]
    pub fn credential(&self) -> Arc<dyn Credential> {
        match self {
            Self::Held(held) => Arc::<Held>::clone(held),
            Self::Renewed(renewed) => Arc::<Renewed>::clone(renewed),
            Self::Delegated(delegated) => Arc::<Delegated>::clone(delegated),
        }
    }

    /// Takes another's secret over. Returns whether it is another secret; a grant sees to that
    /// itself.
    #[must_use]
    pub fn exchange(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Held(held), Self::Held(other)) => held.exchange(other),
            _ => false,
        }
    }
}

pub(super) fn config_failure(text: String) -> Failure {
    Failure::new(Class::Config, Reach::Account, Provenance::Local, text).when(When::AfterChange)
}

/// The issuer that a client of the config is registered with.
///
/// # Errors
/// Class config: its secret cannot be had, or a URL is none.
pub fn issuer(client: &OAuthClient) -> Result<Issuer, Failure> {
    let secret = client.client_secret.clone().map(SecretFrom::File);
    let secret = secret.map(|from| from.get_as("client_secret")).transpose()?;
    let place = IssuerPlace {
        name: client.name.to_owned(),
        client_id: client.client_id.clone(),
        auth_url: client.auth_url.clone(),
        token_url: client.token_url.clone(),
        device_url: client.device_url.clone(),
        scopes: client.scopes.clone(),
    };
    Issuer::at(place, secret.as_ref())
}

/// Whether a scope only says who somebody is, and nothing of mail.
#[must_use]
pub fn is_identity(scope: &str) -> bool {
    matches!(scope, "openid" | "email" | "profile" | "offline_access")
}

/// A service account, and where it asks for tokens: for mail alone.
///
/// # Errors
/// Class config: its key cannot be had or is none, or the URL is none.
pub fn service(client: &OAuthClient) -> Result<(Issuer, ServiceKey), Failure> {
    let Some(file) = &client.service_key else {
        return Err(config_failure(format!("[oauth.{}] has no service account", client.name)));
    };
    let wrong = |why: &str| {
        config_failure(format!(
            "oauth.{}.service_account_file {}: {why}",
            client.name,
            file.display()
        ))
    };
    let text =
        std::fs::read_to_string(file).map_err(|e| wrong("it cannot be read").caused_by(e))?;
    let key = ServiceKey::read(&text.into()).map_err(wrong)?;
    let place = IssuerPlace {
        name: client.name.to_owned(),
        client_id: client.client_id.clone(),
        auth_url: client.auth_url.clone(),
        token_url: client.token_url.clone(),
        device_url: None,
        scopes: client.scopes.iter().filter(|scope| !is_identity(scope)).cloned().collect(),
    };
    Ok((Issuer::at(place, None)?, key))
}

/// Where Google issues tokens, unless the key of a service account says otherwise.
const TOKENS: &str = "https://oauth2.googleapis.com/token";
/// What a subscription is pulled from with.
const PUBSUB: &str = "https://www.googleapis.com/auth/pubsub";

/// What a queue is asked with: the service account's own access.
///
/// # Errors
/// Class config: its key cannot be had or is none.
pub fn puller(place: &PulledPush, clock: Clock) -> Result<Arc<dyn Credential>, Failure> {
    let wrong = |why: &str| {
        let file = place.key_file.display();
        config_failure(format!("webhooks.gmail.service_account_file {file}: {why}"))
    };
    let text = std::fs::read_to_string(&place.key_file)
        .map_err(|e| wrong("it cannot be read").caused_by(e))?;
    let key = ServiceKey::read(&text.into()).map_err(wrong)?;
    let token_url = key.token_url().unwrap_or(TOKENS).to_owned();
    if !is_safe_url(&token_url) {
        return Err(wrong("its token_uri is no URL that begins with https://"));
    }
    let place = IssuerPlace {
        name: "google".to_owned(),
        client_id: String::new(),
        auth_url: token_url.clone(),
        token_url,
        device_url: None,
        scopes: vec![PUBSUB.to_owned()],
    };
    Ok(Arc::new(Delegated::own(Arc::new(key), Arc::new(Issuer::at(place, None)?), clock)))
}

/// What an application is asked with about what is its own: its key, as its file has it now.
///
/// # Errors
/// Class config: it cannot be had.
pub async fn application_key(place: &AskedPush) -> Result<Arc<dyn Credential>, Failure> {
    let source = SecretFrom::File(place.key_file.clone());
    let from = source.clone();
    let got = tokio::task::spawn_blocking(move || from.get_as("api_key")).await;
    let key = got.map_err(|_| Failure::bug("reading a key panicked"))??;
    Ok(Arc::new(Held::new(place.application.clone(), source, key, String::new())))
}

/// The vault whose key the config names.
///
/// # Errors
/// Class config: the key cannot be had, or is none.
pub fn vault(config: &Config) -> Result<Vault, Failure> {
    let Some(from) = &config.key else {
        return Err(config_failure("there is no key: write key_file into [credentials]".into()));
    };
    let key = from.get_as("key")?;
    Vault::with(&key).map_err(|why| config_failure(format!("[credentials]: {why}")))
}

impl Grants {
    /// What the accounts of this config need, if any: a key that is missing, or another than all
    /// stored tokens were sealed with, ends the start.
    ///
    /// # Errors
    /// Class config, with what is missing.
    pub async fn of(config: &Config, reader: &Reader) -> Result<Self, Failure> {
        let named = |client: &str| {
            config
                .accounts
                .iter()
                .any(|a| matches!(a.secret, SecretFrom::Grant(name) if name == client))
        };
        let wanted: Vec<OAuthClient> =
            config.oauth.values().filter(|client| named(client.name)).cloned().collect();
        let services = Self::services_of(config).await?;
        if wanted.is_empty() {
            return Ok(Self { services, ..Self::default() });
        }
        let of = config.clone();
        let made = tokio::task::spawn_blocking(move || {
            let issuers = wanted.iter().map(|client| Ok((client.name, Arc::new(issuer(client)?))));
            Ok((issuers.collect::<Result<BTreeMap<_, _>, Failure>>()?, vault(&of)?))
        });
        let (issuers, vault) =
            made.await.map_err(|_| Failure::bug("reading the secrets panicked"))??;
        let is_ours = |row: &CredentialRow| {
            config.accounts.iter().any(|a| {
                a.secret.grant().is_some()
                    && (a.id == row.account || a.was.as_ref() == Some(&row.account))
            })
        };
        let rows = reader.credentials(None).await?;
        let (open, shut): (Vec<_>, Vec<_>) =
            rows.iter().filter(|row| is_ours(row)).partition(|row| row.key_print == vault.print());
        if let Some(row) = shut.first() {
            let text = format!(
                "the tokens of {} were sealed with another key ({}) than that of [credentials] ({}): give the key that they \
                 were sealed with, or run `postrider auth login {}`",
                shut.iter().map(|row| row.account.as_str()).collect::<Vec<_>>().join(", "),
                row.key_print,
                vault.print(),
                row.account
            );
            // A key that opens nothing is the wrong one; with one that opens some, the others wait for a human.
            if open.is_empty() {
                return Err(config_failure(text));
            }
            tracing::warn!("{text}");
        }
        Ok(Self { issuers, services, vault: Some(Arc::new(vault)), pace: Arc::default() })
    }

    async fn services_of(
        config: &Config,
    ) -> Result<BTreeMap<&'static str, (Arc<Issuer>, Arc<ServiceKey>)>, Failure> {
        let named = |client: &str| {
            config
                .accounts
                .iter()
                .any(|a| matches!(a.secret, SecretFrom::Service(name) if name == client))
        };
        let wanted: Vec<OAuthClient> =
            config.oauth.values().filter(|client| named(client.name)).cloned().collect();
        let read = move |client: &OAuthClient| {
            let (issuer, key) = service(client)?;
            Ok((client.name, (Arc::new(issuer), Arc::new(key))))
        };
        let made = tokio::task::spawn_blocking(move || wanted.iter().map(read).collect());
        made.await.map_err(|_| Failure::bug("reading the service account panicked"))?
    }
}

/// What an account logs in with, for who is not the engine: a grant is not renewed.
///
/// # Errors
/// Class config when the secret cannot be had; auth where nobody has granted access, or the token
/// is over; storage.
pub async fn looked_up(account: &Account, config: &Config) -> Result<Arc<dyn Credential>, Failure> {
    if let SecretFrom::Service(name) = account.secret {
        let services = Grants::services_of(config).await?;
        let missing = || config_failure(format!("there is no [oauth.{name}]"));
        let (issuer, key) = services.get(name).cloned().ok_or_else(missing)?;
        let clock = crate::clock::Clock::start();
        let (username, pace) = (account.username.clone(), Arc::default());
        return Ok(Arc::new(Delegated::to(username, key, issuer, pace, clock)));
    }
    let Some(name) = account.secret.grant() else {
        let secret = account.secret.get()?;
        let (username, source) = (account.username.clone(), account.secret.clone());
        return Ok(Arc::new(Held::new(username, source, secret, String::new())));
    };
    let vault = vault(config)?;
    let mut row = None;
    match open_for_reading(&config.database).await {
        Ok(db) => {
            let found = Reader::new(&db).credentials(None).await;
            db.close().await;
            row = row_of_account(&found?, account).cloned();
        }
        Err(OpenError::Missing(_)) => {}
        Err(e) => return Err(Failure::storage(format!("{e}"))),
    }
    let now = crate::clock::Clock::start().now().wall;
    let wanted = (account.id.as_str(), account.username.as_str(), name);
    Ok(Arc::new(LookedUp::of(wanted, row.as_ref(), &vault, now)?))
}

/// The row of an account, or of the id that it had before.
#[must_use]
pub fn row_of_account<'a>(
    rows: &'a [CredentialRow],
    account: &Account,
) -> Option<&'a CredentialRow> {
    let named = |name: &str| rows.iter().find(|row| row.account == name);
    named(&account.id).or_else(|| account.was.as_deref().and_then(named))
}
