//! Questions to the API: one GET each, shown a token, with deadlines, its answer read as it comes.

mod login;

use crate::clock::Clock;
use crate::provider::api::call::{ApiCalls, Incoming};
use crate::provider::api::http::{API_URL, nonsense, root, server_clock, unreadable};
use crate::provider::gmail::failure::GmailRefusal;
use crate::provider::{Denied, GuardedCredential, Purse, Secret, Units};
use crate::telemetry::wire::WireLog;
use postrider_core::budget::Lane;
use postrider_core::failure::{Class, Failure, Provenance, Reach, When};
use postrider_core::provider::server::{QuotaPlan, Server};
use postrider_core::time::Micros;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Where its questions are.
pub(super) const PATH: &str = "/gmail/v1/users/me/";
/// What bodies of ours are.
const JSON: &str = "application/json";
/// What getProfile and labels cost.
pub(super) const SMALL: u64 = 1;

/// What was said to a question.
pub(super) enum HttpAnswer {
    /// An answer, its body still to come.
    Answer(Incoming),
    /// Something else.
    Refused(GmailRefusal),
}

/// A way to the API, with connections of its own.
#[derive(Debug)]
pub(super) struct GmailClient {
    pub(super) calls: ApiCalls,
    root: String,
    /// What may be spent, and what a message costs.
    pub(super) plan: QuotaPlan,
    credential: GuardedCredential,
    shown: Mutex<Option<Secret>>,
    account: String,
    wire: WireLog,
    purse: Purse,
    /// Whose mailbox it is has been looked at.
    known: AtomicBool,
    /// The end of the history as the login has seen it, and when.
    head: Mutex<Option<(String, Instant)>>,
    clock: Clock,
}

impl GmailClient {
    pub(super) fn new(
        (server, plan): (&Server, QuotaPlan),
        http: reqwest::Client,
        credential: GuardedCredential,
        (account, wire, purse): (String, WireLog, Purse),
    ) -> Self {
        let place = format!("{}:{}", server.host, server.port);
        Self {
            calls: ApiCalls::to((place, API_URL), http, server.timeouts),
            root: root(server, PATH),
            plan,
            credential,
            shown: Mutex::default(),
            account,
            wire,
            purse,
            head: Mutex::default(),
            known: AtomicBool::new(false),
            clock: Clock::start(),
        }
    }

    /// Asks for the units of a question.
    ///
    /// # Errors
    /// [`Denied`], by variant.
    pub(super) async fn pay(&self, lane: Lane, units: u64) -> Result<Units, Denied> {
        self.purse.ask(lane, units).await
    }

    /// Asks a question that is paid. A token that is refused is exchanged, once.
    ///
    /// # Errors
    /// Network, timeout, and whatever keeps a token from being had.
    pub(super) async fn ask(&self, path: &str) -> Result<HttpAnswer, Failure> {
        self.call(path, None).await
    }

    /// The same; with a body it is a POST.
    async fn call(&self, path: &str, body: Option<&str>) -> Result<HttpAnswer, Failure> {
        let method = if body.is_some() { "POST" } else { "GET" };
        let mut secret = self.secret().await?;
        let mut exchanged = false;
        loop {
            self.wire.sent(&self.account, format!("{method} {path}").as_bytes(), false);
            let response = self.send(path, body, &secret).await?;
            if response.response.status().is_success() {
                return Ok(HttpAnswer::Answer(response));
            }
            let refusal = self.refusal(response).await?;
            if refusal.status == 401 && !exchanged {
                exchanged = true;
                // Where there is no other one it is shown once more: one refusal may be an error.
                if let Some(other) = self.other(&secret).await? {
                    secret = other;
                }
                continue;
            }
            return Ok(HttpAnswer::Refused(refusal));
        }
    }

    async fn secret(&self) -> Result<Secret, Failure> {
        let mut shown = self.shown.lock().await;
        if let Some(secret) = shown.as_ref() {
            return Ok(secret.clone());
        }
        let secret = self.credential.secret().await?;
        *shown = Some(secret.clone());
        Ok(secret)
    }

    /// Another token than this one; whoever asks meanwhile waits for the same.
    async fn other(&self, refused: &Secret) -> Result<Option<Secret>, Failure> {
        let mut shown = self.shown.lock().await;
        let is_same = |a: &Secret| a.text().expose_secret() == refused.text().expose_secret();
        if let Some(secret) = shown.as_ref().filter(|secret| !is_same(secret)) {
            return Ok(Some(secret.clone()));
        }
        let other = self.credential.renewed(refused).await?;
        if other.is_some() {
            shown.clone_from(&other);
            // Whose mailbox this one opens is to be seen.
            self.known.store(false, Ordering::Relaxed);
        }
        Ok(other)
    }

    async fn send(
        &self,
        path: &str,
        body: Option<&str>,
        secret: &Secret,
    ) -> Result<Incoming, Failure> {
        let token = secret.text().expose_secret();
        let mut bearer = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| {
            let text = "the access token has signs that no header carries";
            Failure::new(Class::Config, Reach::Account, Provenance::Local, text)
                .when(When::AfterChange)
        })?;
        bearer.set_sensitive(true);
        let place = format!("{}{path}", self.root);
        let request = match body {
            Some(body) => {
                self.calls.http.post(place).header(CONTENT_TYPE, JSON).body(body.to_owned())
            }
            None => self.calls.http.get(place),
        };
        let request = request.header(AUTHORIZATION, bearer);
        self.calls.send(request).await
    }

    /// The whole of an answer that is no message; none where it holds more than one may.
    async fn whole(&self, from: Incoming) -> Result<Option<Vec<u8>>, Failure> {
        self.calls.whole(from, self.credential.redactor()).await
    }

    async fn refusal(&self, from: Incoming) -> Result<GmailRefusal, Failure> {
        let status = from.response.status().as_u16();
        let after = from.response.headers().get(RETRY_AFTER);
        let seconds = after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        // Of one that is too long the status is all that is told.
        let body = self.whole(from).await?.unwrap_or_default();
        let refusal = GmailRefusal::read(status, &body, seconds.map(Duration::from_secs));
        Ok(self.hushed(refusal))
    }

    /// A refusal that repeats nothing, before anything of it is cut.
    fn hushed(&self, refusal: GmailRefusal) -> GmailRefusal {
        let redactor = self.credential.redactor();
        let reason = redactor.text(&refusal.reason).into();
        let message = redactor.text(&refusal.message).into();
        GmailRefusal { reason, message, ..refusal }
    }

    /// What a refusal means. What is no word of the API may come from somewhere else.
    pub(super) fn failure(&self, refusal: &GmailRefusal) -> Failure {
        let failure = refusal.failure(self.clock.now().wall);
        if refusal.is_told || refusal.is_too_long || refusal.status >= 500 {
            return failure;
        }
        let text = format!("{} (it was asked at {}: is the API there?)", failure.text, self.root);
        Failure { text: text.into(), ..failure }
    }

    /// Asks, and reads the answer as JSON; with the server's clock.
    ///
    /// # Errors
    /// As [`GmailClient::ask`]; an answer that is none.
    pub(super) async fn json<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<Result<(T, Micros), GmailRefusal>, Failure> {
        self.json_of(path, None).await
    }

    /// The same of a POST with this body.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &str,
    ) -> Result<Result<(T, Micros), GmailRefusal>, Failure> {
        self.json_of(path, Some(body)).await
    }

    /// A POST whose answer says nothing.
    pub(super) async fn tell(&self, path: &str) -> Result<Result<(), GmailRefusal>, Failure> {
        match self.call(path, Some("{}")).await? {
            HttpAnswer::Answer(_) => Ok(Ok(())),
            HttpAnswer::Refused(refusal) => Ok(Err(refusal)),
        }
    }

    async fn json_of<T: DeserializeOwned>(
        &self,
        path: &str,
        body: Option<&str>,
    ) -> Result<Result<(T, Micros), GmailRefusal>, Failure> {
        let response = match self.call(path, body).await? {
            HttpAnswer::Answer(response) => response,
            HttpAnswer::Refused(refusal) => return Ok(Err(refusal)),
        };
        let clock = server_clock(&response.response).unwrap_or_else(|| self.clock.now().wall);
        let Some(body) = self.whole(response).await? else {
            return Ok(Err(GmailRefusal::too_long()));
        };
        // A refusal is one under whatever status it comes.
        if let Some(refusal) = GmailRefusal::under_ok(&body) {
            return Ok(Err(self.hushed(refusal)));
        }
        let is_object = body.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{');
        match serde_json::from_slice(&body) {
            Ok(_) if !is_object => Err(unreadable("it is no object")),
            Ok(answer) => Ok(Ok((answer, clock))),
            Err(e) => Err(nonsense(&body, &e)),
        }
    }
}
