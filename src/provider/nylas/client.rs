//! Questions to the API about one grant: one GET each, shown the application's key.

use crate::clock::Clock;
use crate::provider::api::MailApi;
use crate::provider::api::call::{ApiCalls, Incoming};
use crate::provider::api::http::{API_URL, encoded, nonsense, root, server_clock, unreadable};
use crate::provider::nylas::failure::NylasRefusal;
use crate::provider::nylas::wire::{GrantRow, One};
use crate::provider::{Denied, GuardedCredential, Purse, Units};
use crate::telemetry::wire::WireLog;
use postrider_core::budget::Lane;
use postrider_core::failure::{Class, Failure, Provenance, Reach, When};
use postrider_core::provider::server::{QuotaPlan, Server};
use postrider_core::time::Micros;
use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Method, RequestBuilder};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// What a question about the grant costs.
const SMALL: u64 = 1;

/// What was said to a question.
pub(super) enum HttpAnswer {
    /// An answer, its body still to come.
    Answer(Incoming),
    /// Something else.
    Refused(NylasRefusal),
}

/// Octets of what is told of a whole message.
const TOLD: usize = 8 * 1024 * 1024;
/// Raw MIME that is refused for so long, so often, to all and without a pause, is not handed out.
const LASTING: Duration = Duration::from_secs(600);
const OFTEN: u32 = 20;
const IN_A_ROW: Duration = Duration::from_secs(120);
/// A key that opened the application is believed for so long.
const GOOD: Duration = Duration::from_secs(60);

fn is_imap(provider: &str) -> bool {
    matches!(provider, "imap" | "icloud" | "yahoo")
}

/// Whether raw MIME is handed out.
#[derive(Clone, Copy, Debug, Default)]
enum RawMime {
    #[default]
    Unasked,
    Came,
    /// Since then, until then, so often in a row; and it never came.
    Refused {
        since: Duration,
        last: Duration,
        times: u32,
    },
}

/// What is behind a grant: the same for all its sessions.
#[derive(Debug)]
pub(super) struct Behind {
    provider: OnceLock<String>,
    raw: Mutex<RawMime>,
    /// When the key opened the application.
    good: Mutex<Option<Duration>>,
    /// Who reads what is told of a whole message.
    telling: tokio::sync::Mutex<()>,
    /// Folders that could not be listed at the server behind it.
    unlisted: Mutex<BTreeSet<String>>,
    /// Since when there is no such grant, and how long that is not believed.
    gone: Mutex<Option<Duration>>,
    gone_after: Duration,
    clock: Clock,
}

impl Behind {
    pub(super) fn of(gone_after: Duration) -> Self {
        Self {
            gone: Mutex::default(),
            gone_after,
            provider: OnceLock::new(),
            raw: Mutex::default(),
            good: Mutex::default(),
            telling: tokio::sync::Mutex::default(),
            unlisted: Mutex::default(),
            clock: Clock::start(),
        }
    }

    fn provider(&self) -> Option<&str> {
        self.provider.get().map(String::as_str)
    }

    /// There is such a grant, or there is none: whether that is believed.
    fn is_gone(&self, is_missing: bool) -> bool {
        let mono = self.clock.now().mono;
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_missing {
            *gone = None;
            return false;
        }
        let since = *gone.get_or_insert(mono);
        since < mono && mono.saturating_sub(since) >= self.gone_after
    }

    /// A login has seen this provider, if any. Another one than before is not believed: its folders are others.
    fn is(&self, told: Option<String>) -> Result<(), Failure> {
        let Some(told) = told else { return Ok(()) };
        let known = self.provider.get_or_init(|| told.clone());
        if *known == told {
            return Ok(());
        }
        let text = format!("the grant was of {known}, and is said to be of {told} now");
        Err(Failure::new(Class::Provider, Reach::Account, Provenance::Server, text))
    }

    fn raw(&self) -> MutexGuard<'_, RawMime> {
        self.raw.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A way to one grant, with connections of its own.
#[derive(Debug)]
pub(super) struct NylasClient {
    pub(super) calls: ApiCalls,
    /// Where the grant is.
    root: String,
    /// Where what is the application's is.
    application: String,
    /// The grant's id.
    grant: String,
    pub(super) plan: QuotaPlan,
    credential: GuardedCredential,
    account: String,
    wire: WireLog,
    purse: Purse,
    clock: Clock,
    /// What is behind the grant, as the first login of the process has seen it.
    behind: Arc<Behind>,
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
        let place = format!("{}:{}", server.host, server.port);
        Self {
            calls: ApiCalls::to((place, API_URL), http, server.timeouts),
            root: root(server, &format!("/v3/grants/{}", encoded(grant))),
            application: root(server, "/v3"),
            grant: grant.to_owned(),
            plan,
            credential,
            account,
            wire,
            purse,
            clock: behind.clock,
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
        let username = self.credential.username();
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

    /// Raw MIME was handed out.
    pub(super) fn has_bytes(&self) {
        *self.behind.raw() = RawMime::Came;
    }

    /// Raw MIME was refused. Whether it has been for as long as no hiccup lasts, whatever was asked for.
    pub(super) fn has_no_bytes(&self) -> bool {
        let (mut raw, mono) = (self.behind.raw(), self.clock.now().mono);
        let (since, times) = match *raw {
            RawMime::Came => return false,
            RawMime::Refused { since, last, times } if mono.saturating_sub(last) < IN_A_ROW => {
                (since, times.saturating_add(1))
            }
            RawMime::Refused { .. } | RawMime::Unasked => (mono, 1),
        };
        *raw = RawMime::Refused { since, last: mono, times };
        times >= OFTEN && mono.saturating_sub(since) >= LASTING
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
        let mut all = self.behind.unlisted.lock().unwrap_or_else(PoisonError::into_inner);
        if all.insert(folder.to_owned()) {
            let said = &refusal.message;
            tracing::warn!(
                "mail older than 90 days of the folder {folder:?} is not seen: its server refuses the list with {}: {said}",
                refusal.status
            );
        }
        Ok(())
    }

    /// How many folders could not be listed whole.
    pub(super) fn unlisted(&self) -> usize {
        self.behind.unlisted.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// What is behind it, for people.
    pub(super) fn told(&self) -> String {
        let provider = self.behind.provider().unwrap_or("a provider that is not told");
        let bytes = match *self.behind.raw() {
            RawMime::Unasked => "",
            RawMime::Came => ", which hands out raw MIME",
            RawMime::Refused { .. } => {
                ", which refused raw MIME: if it goes on so, messages are kept as what is told of them"
            }
        };
        format!("grant {} of {provider}{bytes}", self.grant)
    }

    /// Seconds, by our clock: a day more or less does not count.
    pub(super) fn now(&self) -> i64 {
        self.clock.now().wall.0.div_euclid(1_000_000)
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
        self.wire.sent(&self.account, format!("GET {path}").as_bytes(), false);
        let answer = self.get(&format!("{}{path}", self.root), unpacked).await?;
        if answer.response.status().is_success() {
            return Ok(HttpAnswer::Answer(answer));
        }
        Ok(HttpAnswer::Refused(self.refusal(answer).await?))
    }

    async fn get(&self, place: &str, unpacked: bool) -> Result<Incoming, Failure> {
        let mut request = self.calls.http.get(place);
        if unpacked {
            request = request.header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        self.send(request).await
    }

    async fn send(&self, request: RequestBuilder) -> Result<Incoming, Failure> {
        let secret = self.credential.secret().await?;
        let bearer = format!("Bearer {}", secret.text().expose_secret());
        let mut bearer = HeaderValue::from_str(&bearer).map_err(|_| {
            let text = "the key has signs that no header carries";
            Failure::new(Class::Config, Reach::Endpoint, Provenance::Local, text)
                .when(When::AfterChange)
        })?;
        bearer.set_sensitive(true);
        self.calls.send(request.header(AUTHORIZATION, bearer)).await
    }

    /// Asks about what is the application's, or has it changed; paid.
    ///
    /// # Errors
    /// As [`NylasClient::ask`]; there are no units for as long as no session waits.
    pub(super) async fn ask_application(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<HttpAnswer, Failure> {
        let _units = self.pay_look(SMALL).await?;
        self.wire.sent(&self.account, format!("{method} {path}").as_bytes(), false);
        let mut request = self.calls.http.request(method, format!("{}{path}", self.application));
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let answer = self.send(request).await?;
        if answer.response.status().is_success() {
            return Ok(HttpAnswer::Answer(answer));
        }
        Ok(HttpAnswer::Refused(self.refusal(answer).await?))
    }

    async fn refusal(&self, answer: Incoming) -> Result<NylasRefusal, Failure> {
        let status = answer.response.status().as_u16();
        let after = answer.response.headers().get(RETRY_AFTER);
        let seconds = after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        // Of one that is too long the status is all that is told.
        let body = self.whole(answer).await?.unwrap_or_default();
        let refusal = NylasRefusal::read(status, &body, seconds.map(Duration::from_secs));
        let redactor = self.credential.redactor();
        let kind = redactor.text(&refusal.kind).into();
        let message = redactor.text(&refusal.message).into();
        Ok(NylasRefusal { kind, message, ..refusal })
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
        let mono = self.clock.now().mono;
        let good = *self.behind.good.lock().unwrap_or_else(PoisonError::into_inner);
        if good.is_some_and(|at| mono.saturating_sub(at) < GOOD) {
            return Some(Some(Reach::Account));
        }
        let grants = format!("{}/grants?limit=1", self.application);
        let status = self.get(&grants, false).await.ok()?.response.status();
        if status.is_success() {
            *self.behind.good.lock().unwrap_or_else(PoisonError::into_inner) = Some(mono);
        }
        match status.as_u16() {
            401 => Some(Some(Reach::Endpoint)),
            429 | 500.. => None,
            _ => Some(status.is_success().then_some(Reach::Account)),
        }
    }

    async fn whole(&self, from: Incoming) -> Result<Option<Vec<u8>>, Failure> {
        self.calls.whole(from, self.credential.redactor()).await
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
        self.read(answer).await.map(Ok)
    }

    /// Reads an answer as JSON; with the server's clock.
    ///
    /// # Errors
    /// It is none, or holds more than was asked for.
    pub(super) async fn read<T: DeserializeOwned>(
        &self,
        answer: Incoming,
    ) -> Result<(T, Micros), Failure> {
        let clock = server_clock(&answer.response).unwrap_or_else(|| self.clock.now().wall);
        let Some(body) = self.whole(answer).await? else {
            return Err(unreadable("it holds more than was asked for"));
        };
        Ok((object(&body)?, clock))
    }

    /// Reads what is told of a whole message.
    ///
    /// # Errors
    /// As [`NylasClient::read`].
    pub(super) async fn read_told<T: DeserializeOwned>(
        &self,
        answer: Incoming,
    ) -> Result<T, Failure> {
        match self.calls.gathered(answer, self.credential.redactor(), TOLD).await? {
            Some(body) => object(&body),
            None => Err(unreadable("it is longer than a message may be")),
        }
    }
}

/// An answer that is an object.
fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    let is_object = body.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{');
    match serde_json::from_slice(body) {
        Ok(_) if !is_object => Err(unreadable("it is no object")),
        Ok(answer) => Ok(answer),
        Err(e) => Err(nonsense(body, &e)),
    }
}
