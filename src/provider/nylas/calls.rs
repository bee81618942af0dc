//! A question over HTTP, shown the application's key: what it costs and what its refusal means is for who asks.

use crate::clock::Clock;
use crate::provider::api::call::{ApiCalls, Incoming};
use crate::provider::api::http::{API_URL, nonsense, root, server_clock, unreadable};
use crate::provider::nylas::failure::NylasRefusal;
use crate::provider::{GuardedCredential, Leash};
use crate::telemetry::wire::WireLog;
use postrider_core::failure::{Class, Failure, Provenance, Reach, When};
use postrider_core::provider::server::Server;
use postrider_core::time::Micros;
use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, StatusCode};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// What was said to a question.
pub(super) enum HttpAnswer {
    /// An answer, its body still to come.
    Answer(Incoming),
    /// Something else.
    Refused(NylasRefusal),
}

/// Octets of what is told of a whole message.
const TOLD: usize = 8 * 1024 * 1024;

/// A way to the API, with connections of its own.
#[derive(Debug)]
pub(super) struct NylasCalls {
    pub(super) http: ApiCalls,
    /// Where what is the application's is.
    root: String,
    credential: GuardedCredential,
    clock: Clock,
    account: String,
    wire: WireLog,
}

impl NylasCalls {
    /// To this server; written down as this account's.
    pub(super) fn to(
        server: &Server,
        http: reqwest::Client,
        (credential, clock): (GuardedCredential, Clock),
        (account, wire): (String, WireLog),
    ) -> Self {
        let place = format!("{}:{}", server.host, server.port);
        let http = ApiCalls::to((place, API_URL), http, server.timeouts);
        Self { http, root: root(server, "/v3"), credential, clock, account, wire }
    }

    pub(super) fn leash(&self) -> &Leash {
        &self.http.leash
    }

    pub(super) fn username(&self) -> &str {
        self.credential.username()
    }

    /// What hides the key.
    pub(super) fn hides(&self, failure: Failure) -> Failure {
        self.credential.redactor().failure(failure)
    }

    /// Asks at a place, which is written down as this; paid.
    ///
    /// # Errors
    /// Network, timeout, and whatever keeps the key from being had.
    pub(super) async fn get(
        &self,
        (path, place): (&str, &str),
        unpacked: bool,
    ) -> Result<HttpAnswer, Failure> {
        self.wire.sent(&self.account, format!("GET {path}").as_bytes(), false);
        let mut request = self.http.http.get(place);
        if unpacked {
            request = request.header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        self.told(self.send(request).await?).await
    }

    /// Asks about what is the application's, or has it changed.
    ///
    /// # Errors
    /// As [`NylasCalls::get`].
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<HttpAnswer, Failure> {
        self.wire.sent(&self.account, format!("{method} {path}").as_bytes(), false);
        let mut request = self.http.http.request(method, format!("{}{path}", self.root));
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        self.told(self.send(request).await?).await
    }

    /// Asks for something that every good key opens.
    ///
    /// # Errors
    /// As [`NylasCalls::get`].
    pub(super) async fn knock(&self) -> Result<StatusCode, Failure> {
        let request = self.http.http.get(format!("{}/grants?limit=1", self.root));
        Ok(self.send(request).await?.response.status())
    }

    async fn told(&self, answer: Incoming) -> Result<HttpAnswer, Failure> {
        if answer.response.status().is_success() {
            return Ok(HttpAnswer::Answer(answer));
        }
        Ok(HttpAnswer::Refused(self.refusal(answer).await?))
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
        self.http.send(request.header(AUTHORIZATION, bearer)).await
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

    async fn whole(&self, from: Incoming) -> Result<Option<Vec<u8>>, Failure> {
        self.http.whole(from, self.credential.redactor()).await
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
    /// As [`NylasCalls::read`].
    pub(super) async fn read_told<T: DeserializeOwned>(
        &self,
        answer: Incoming,
    ) -> Result<T, Failure> {
        match self.http.gathered(answer, self.credential.redactor(), TOLD).await? {
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
