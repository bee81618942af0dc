//! Questions to the API about one grant: one GET each, shown the application's key.

use crate::provider::api::MailApi;
use crate::provider::api::http::{encoded, root};
use crate::provider::nylas::behind::{Behind, is_imap};
use crate::provider::nylas::calls::{HttpAnswer, NylasCalls};
use crate::provider::nylas::failure::NylasRefusal;
use crate::provider::nylas::wire::{GrantRow, One};
use crate::provider::{Denied, GuardedCredential, Purse, Units};
use crate::telemetry::wire::WireLog;
use postrider_core::budget::Lane;
use postrider_core::failure::{Class, Failure, Provenance, Reach, When};
use postrider_core::provider::server::{QuotaPlan, Server};
use postrider_core::time::Micros;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

/// What a question about the grant costs.
const SMALL: u64 = 1;

/// A way to one grant, with connections of its own.
#[derive(Debug)]
pub(super) struct NylasClient {
    pub(super) calls: NylasCalls,
    /// Where the grant is.
    root: String,
    /// The grant's id.
    grant: String,
    pub(super) plan: QuotaPlan,
    purse: Purse,
    /// What is behind the grant, as the first login of the process has seen it.
    pub(super) behind: Arc<Behind>,
    /// Its folders, as they were told last.
    pub(super) folder_ids: Mutex<Option<Arc<BTreeSet<String>>>>,
    /// Where it is read by IMAP: what was read last is older than what Nylas keeps.
    pub(super) older: AtomicBool,
}

impl NylasClient {
    pub(super) fn new(
        (server, grant, plan): (&Server, &str, QuotaPlan),
        behind: Arc<Behind>,
        http: reqwest::Client,
        credential: GuardedCredential,
        (account, wire, purse): (String, WireLog, Purse),
    ) -> Self {
        let clock = behind.clock;
        Self {
            calls: NylasCalls::to(server, http, (credential, clock), (account, wire)),
            root: root(server, &format!("/v3/grants/{}", encoded(grant))),
            grant: grant.to_owned(),
            plan,
            purse,
            behind,
            older: AtomicBool::new(false),
            folder_ids: Mutex::default(),
        }
    }

    pub(super) async fn units(&self, lane: Lane, units: u64) -> Result<Units, Denied> {
        self.purse.ask(lane, units).await
    }

    /// Logs in: the grant shows that the key is good, that the grant is, and whose mailbox it opens.
    ///
    /// # Errors
    /// The key or the grant is refused; it is another mailbox; network and timeout.
    pub(super) async fn log_in(&self) -> Result<(), Failure> {
        let found =
            self.json::<One<GrantRow>>("").await.map_err(|failure| match failure.class {
                Class::Network | Class::Timeout if failure.reach == Reach::Session => {
                    Failure { reach: Reach::Endpoint, ..failure }
                }
                _ => failure,
            })?;
        let (One { data: grant }, _) = match found {
            Ok(found) => found,
            // No other thing was asked for.
            Err(refusal) if refusal.status == 404 && refusal.is_told => {
                let text = "the application has no such grant: see whether `grant_id` is right, and the region";
                let (class, when) = match self.behind.is_gone(true) {
                    true => (Class::Auth, When::AfterChange),
                    // It is asked about once more before anybody is told to give it anew.
                    false => (Class::Provider, When::After(self.behind.gone_after)),
                };
                return Err(
                    Failure::new(class, Reach::Account, Provenance::Server, text).when(when)
                );
            }
            Err(refusal) => return Err(self.failure(&refusal).await),
        };
        self.behind.is_gone(false);
        if grant.grant_status.as_deref().is_some_and(|status| status != "valid") {
            let text = "the grant is no longer valid: the mailbox's owner has to log in again";
            return Err(Failure::new(Class::Auth, Reach::Account, Provenance::Server, text)
                .when(When::AfterChange));
        }
        let username = self.calls.username();
        if grant.email.is_some_and(|email| email.to_lowercase() != username.to_lowercase()) {
            let text = "the grant is of another mailbox than `username` names: write the other's name, or this one's grant_id";
            return Err(Failure::new(Class::Config, Reach::Account, Provenance::Server, text)
                .when(When::AfterChange));
        }
        self.behind.is(grant.provider.map(|provider| provider.to_lowercase()))
    }

    /// The same, on a session that is logged in.
    ///
    /// # Errors
    /// As [`NylasClient::log_in`].
    pub(super) async fn ask_grant(&self) -> Result<(), Failure> {
        let _units = self.pay_look(SMALL).await?;
        self.log_in().await
    }

    /// Whether Nylas reads this mailbox by IMAP: of what is older than 90 days it keeps nothing.
    pub(super) fn is_imap(&self) -> bool {
        self.behind.provider().is_some_and(is_imap)
    }

    /// Whether it may be so, as far as is told.
    pub(super) fn may_be_imap(&self) -> bool {
        self.behind.provider().is_none_or(is_imap)
    }

    /// Whether its folders are Google's labels.
    pub(super) fn is_google(&self) -> bool {
        self.behind.provider().is_some_and(|it| it == "google")
    }

    /// Waits until nobody else reads what is told of a whole message.
    pub(super) async fn told_alone(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.behind.telling.lock().await
    }

    /// A folder cannot be listed at the server behind it: what is old there is not seen.
    ///
    /// # Errors
    /// It is the grant that is refused.
    pub(super) async fn passes_over(
        &self,
        folder: &str,
        refusal: &NylasRefusal,
    ) -> Result<(), Failure> {
        self.ask_grant().await?;
        // One that is gone has nothing to be seen.
        if refusal.status == 404 {
            return Ok(());
        }
        if self.behind.passes_over(folder) {
            let said = &refusal.message;
            tracing::warn!(
                "mail older than 90 days of the folder {folder:?} is not seen: its server refuses the list with {}: {said}",
                refusal.status
            );
        }
        Ok(())
    }

    /// What is behind it, for people.
    pub(super) fn told(&self) -> String {
        format!("grant {} of {}", self.grant, self.behind.told())
    }

    /// Seconds, by our clock: a day more or less does not count.
    pub(super) fn now(&self) -> i64 {
        self.behind.clock.now().wall.0.div_euclid(1_000_000)
    }

    /// Asks a question that is paid.
    ///
    /// # Errors
    /// Network, timeout, and whatever keeps the key from being had.
    pub(super) async fn ask(&self, path: &str) -> Result<HttpAnswer, Failure> {
        self.call(path, false).await
    }

    /// The same, for what gains little by being packed, and whose length is of use.
    pub(super) async fn ask_unpacked(&self, path: &str) -> Result<HttpAnswer, Failure> {
        self.call(path, true).await
    }

    async fn call(&self, path: &str, unpacked: bool) -> Result<HttpAnswer, Failure> {
        let place = format!("{}{path}", self.root);
        self.calls.get((path, &place), unpacked).await
    }

    /// What a refusal means. Whether it is the key's or the grant's is asked where neither is told: a key that is
    /// refused opens nothing else, either. What is no word of the API may come from somewhere else.
    pub(super) async fn failure(&self, refusal: &NylasRefusal) -> Failure {
        let asked = match refusal.is_doubtful() {
            true => self.whose_fault().await,
            false => Some(None),
        };
        let failure = match asked {
            Some(reach) => refusal.failure(reach),
            None if refusal.is_of_key() => refusal.failure(None),
            // A wrong "the grant" asks a human for nothing.
            None => {
                let text = format!(
                    "the server said {}, and not whether that is the key or the grant",
                    refusal.status
                );
                return Failure::new(Class::Provider, Reach::Account, Provenance::Server, text);
            }
        };
        if refusal.is_told || refusal.status >= 500 || refusal.status == 429 {
            return failure;
        }
        let text = format!("{} (it was asked at {}: is the API there?)", failure.text, self.root);
        Failure { text: text.into(), class: Class::Provider, when: When::BackOff, ..failure }
    }

    /// Whether the key opens the application: how far its refusal reaches; nothing where the words have to tell. None: it
    /// cannot be asked now.
    async fn whose_fault(&self) -> Option<Option<Reach>> {
        if self.behind.is_open() {
            return Some(Some(Reach::Account));
        }
        let status = self.calls.knock().await.ok()?;
        if status.is_success() {
            self.behind.opens();
        }
        match status.as_u16() {
            401 => Some(Some(Reach::Endpoint)),
            429 | 500.. => None,
            _ => Some(status.is_success().then_some(Reach::Account)),
        }
    }

    /// Asks, and reads the answer as JSON; with the server's clock.
    ///
    /// # Errors
    /// As [`NylasClient::ask`]; an answer that is none.
    pub(super) async fn json<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<Result<(T, Micros), NylasRefusal>, Failure> {
        let answer = match self.ask(path).await? {
            HttpAnswer::Answer(answer) => answer,
            HttpAnswer::Refused(refusal) => return Ok(Err(refusal)),
        };
        self.calls.read(answer).await.map(Ok)
    }
}
