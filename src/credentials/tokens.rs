//! The tokens of a credential, and how they lie in its row.

use crate::credentials::issuer::Issued;
use crate::credentials::vault::Vault;
use postrider_core::failure::{Class, Failure};
use postrider_core::oauth::CredentialRow;
use postrider_core::time::Micros;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

/// A generation of tokens.
#[derive(Clone, Debug)]
pub struct TokenPair {
    /// Shown to the mail server; empty where the issuer gave none that can be.
    pub access: SecretString,
    /// Shown to the issuer for the next generation.
    pub refresh: SecretString,
}

#[derive(Deserialize, Serialize)]
struct Written {
    access: String,
    refresh: String,
}

/// What a generation is sealed under: it opens as nobody else's, and as no other generation.
fn about(row: &CredentialRow) -> String {
    format!("{} {} {}", row.issuer, row.version, row.username)
}

impl TokenPair {
    /// What an issuer gave; without another refresh token the one before stays.
    #[must_use]
    pub fn of(issued: &Issued, before: Option<&Self>) -> Option<Self> {
        let refresh = issued.refresh.clone().or_else(|| before.map(|t| t.refresh.clone()))?;
        Some(Self { access: issued.access.clone().unwrap_or_default(), refresh })
    }

    /// Opens a row's.
    ///
    /// # Errors
    /// Class config: sealed with another key.
    pub fn open(row: &CredentialRow, vault: &Vault) -> Result<Self, Failure> {
        let clear = vault.open(&about(row), &row.sealed)?;
        let written: Written = serde_json::from_slice(&clear)
            .map_err(|e| Failure::bug("the stored tokens cannot be read").caused_by(e))?;
        Ok(Self { access: written.access.into(), refresh: written.refresh.into() })
    }

    /// The same, for a login: who lost the key has to give it, or to grant access anew.
    ///
    /// # Errors
    /// Class auth: sealed with another key.
    pub fn to_log_in(row: &CredentialRow, vault: &Vault) -> Result<Self, Failure> {
        Self::open(row, vault).map_err(|closed| match closed.class {
            Class::Config => Failure { class: Class::Auth, ..closed },
            _ => closed,
        })
    }

    /// Seals them into a row.
    ///
    /// # Errors
    /// Class bug: the system has no randomness.
    pub fn seal(&self, mut row: CredentialRow, vault: &Vault) -> Result<CredentialRow, Failure> {
        let written = Written {
            access: self.access.expose_secret().to_owned(),
            refresh: self.refresh.expose_secret().to_owned(),
        };
        let clear = serde_json::to_vec(&written)
            .map_err(|e| Failure::bug("the tokens cannot be written").caused_by(e))?;
        row.sealed = vault.seal(&about(&row), &clear)?;
        vault.print().clone_into(&mut row.key_print);
        Ok(row)
    }
}

/// The row of what an issuer gave now: the generation behind `version`.
#[must_use]
pub fn row_of(
    account: &str,
    issuer: &str,
    username: &str,
    version: i64,
    issued: &Issued,
    now: Micros,
) -> CredentialRow {
    CredentialRow {
        account: account.to_owned(),
        issuer: issuer.to_owned(),
        username: username.to_owned(),
        version: version + 1,
        sealed: Vec::new(),
        key_print: String::new(),
        scopes: issued.scopes.clone().unwrap_or_default(),
        granted_at: now,
        renewed_at: now,
        expires_at: now.plus(issued.life),
        trouble: None,
    }
}
