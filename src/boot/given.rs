//! What accounts of a running engine log in with: held secrets, and grants whose actors renew them.
#![expect(
    clippy::disallowed_methods,
    reason = "secrets are read off the runtime, and waited for; the database has a deadline"
)]

use crate::boot::grants::{Given, config_failure};
use crate::boot::wiring::Engine;
use crate::config::{Account, SecretFrom};
use crate::credentials::actor::{CredentialArgs, GrantRows, mark_of};
use crate::credentials::service::Delegated;
use crate::credentials::{Held, Renewed};
use crate::handle::Handle;
use crate::provider::Coming;
use crate::reply::ReplyTo;
use crate::store::message::{StoreMsg, StoreRequest};
use crate::store::orders::Control;
use crate::store::{Done, Reader};
use crate::supervision::root::RootMsg;
use postrider_core::failure::Failure;
use postrider_core::oauth::CredentialRow;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Longest wait for a row to be durable.
const DURABLE: Duration = Duration::from_secs(40);

/// Rows of credentials in the database.
#[derive(Debug)]
struct StoredGrants {
    reader: Reader,
    store: Handle<StoreMsg>,
}

impl StoredGrants {
    async fn control(&self, control: Control) -> Result<Done, Failure> {
        let (sender, done) = oneshot::channel();
        // Who no longer waits learns it from the row.
        let reply =
            ReplyTo::new(move |done: Option<Result<Done, Failure>>| drop(sender.send(done)));
        self.store.send(StoreRequest::Control(control, reply));
        match tokio::time::timeout(DURABLE, done).await {
            Ok(Ok(Some(done))) => done,
            Ok(Ok(None) | Err(_)) | Err(_) => Err(Failure::storage("the database did not answer")),
        }
    }
}

impl GrantRows for StoredGrants {
    fn row<'a>(
        &'a self,
        accounts: &'a [String],
    ) -> Coming<'a, Result<Option<CredentialRow>, Failure>> {
        Box::pin(async move {
            for account in accounts {
                let mut rows = self.reader.credentials(Some(account)).await?;
                if let Some(row) = rows.pop() {
                    return Ok(Some(row));
                }
            }
            Ok(None)
        })
    }

    fn renew(&self, from: i64, row: CredentialRow) -> Coming<'_, Result<bool, Failure>> {
        Box::pin(async move {
            let done = self.control(Control::Renew { from, row: Box::new(row) }).await?;
            Ok(done == Done::Changed)
        })
    }

    fn note(&self, row: &CredentialRow, error: String) -> Coming<'_, Result<(), Failure>> {
        let (account, version) = (row.account.clone(), row.version);
        Box::pin(async move {
            self.control(Control::NotRenewed { account, version, error }).await.map(|_| ())
        })
    }
}

impl Engine {
    /// What an account logs in with. The mark of a held secret is of secret and place, 16 bits and
    /// salted: it tells that they changed.
    ///
    /// # Errors
    /// Class config when the secret cannot be had.
    pub async fn given(&self, account: &Account) -> Result<Given, Failure> {
        if let SecretFrom::Grant(name) = account.secret {
            return Ok(Given::Renewed(Arc::new(self.renewed(account, name).await?)));
        }
        if let SecretFrom::Service(name) = account.secret {
            let late =
                || config_failure(format!("[oauth.{name}] takes effect with the next start"));
            let (issuer, key) = self.grants().services.get(name).cloned().ok_or_else(late)?;
            let (username, pace) = (account.username.clone(), Arc::clone(&self.grants().pace));
            let clock = self.registry().clock();
            return Ok(Given::Delegated(Arc::new(Delegated::to(
                username, key, issuer, pace, clock,
            ))));
        }
        let wanted = account.clone();
        // A command that prints a password takes its time.
        let got = tokio::task::spawn_blocking(move || wanted.secret.get()).await;
        let secret = got.map_err(|_| Failure::bug("reading the secret panicked"))??;
        let mut hash = Sha256::new();
        let place = (self.instance(), &account.host, account.port, &account.username);
        hash.update(format!("{place:?} {:?}", account.security));
        hash.update(secret.expose_secret());
        let mark = hash.finalize().iter().take(2).map(|b| format!("{b:02x}")).collect();
        let source = account.secret.clone();
        Ok(Given::Held(Arc::new(Held::new(account.username.clone(), source, secret, mark))))
    }

    async fn renewed(&self, account: &Account, name: &str) -> Result<Renewed, Failure> {
        let late = || config_failure(format!("[oauth.{name}] takes effect with the next start"));
        let grants = self.grants();
        let issuer = grants.issuers.get(name).ok_or_else(late)?;
        let vault = grants.vault.as_ref().ok_or_else(late)?;
        let names: Vec<String> =
            [Some(account.id.clone()), account.was.clone()].into_iter().flatten().collect();
        let rows = StoredGrants { reader: self.reader().clone(), store: self.store().clone() };
        let row = rows.row(&names).await?;
        let args = CredentialArgs {
            path: format!("root/credentials/{}", account.id),
            names,
            username: account.username.clone(),
            issuer: Arc::clone(issuer),
            vault: Arc::clone(vault),
            rows: Arc::new(rows),
            clock: self.registry().clock(),
            pace: Arc::clone(&grants.pace),
            registry: self.registry().clone(),
        };
        let (reply, handle) = oneshot::channel();
        let gone = || Failure::bug("the tree has ended");
        self.root().cast(RootMsg::Credential(Box::new(args), reply)).map_err(|_| gone())?;
        let handle = handle.await.map_err(|_| gone())?;
        Ok(Renewed::new(account.username.clone(), handle, mark_of(row.as_ref())))
    }
}
