//! Questions to the API: one GET each, shown a token, with deadlines, its answer read as it comes.
#![expect(
    clippy::disallowed_methods,
    reason = "a connection's deadlines are its own: silence, and the pace of an answer"
)]

mod login;

use crate::clock::Clock;
use crate::provider::gmail::failure::GmailRefusal;
use crate::provider::gmail::http::{API_URL, nonsense, root, server_clock, unanswered, unreadable};
use crate::provider::{Denied, GuardedCredential, Leash, Purse, Secret, Units};
use crate::telemetry::wire::WireLog;
use postrider_core::budget::Lane;
use postrider_core::failure::{Class, Failure, Provenance, Reach, When};
use postrider_core::provider::server::{QuotaPlan, Server, Timeouts};
use postrider_core::time::Micros;
use reqwest::Response;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Octets of an answer that is no message: 500 records of history are far less.
const ANSWER_OCTETS: usize = 4 * 1024 * 1024;
/// Objects and values in it, counted as it comes: 500 ids or records were asked for, and what is made of
/// a value takes more room than its octets.
const OBJECTS: usize = 50_000;
const VALUES: usize = 300_000;
/// An answer that takes longer than its deadline goes on while it brings so many octets a second.
const PACE: u64 = 1024;
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

/// Something is being asked: while this lives the session works.
struct OpenCall {
    asked: Arc<AtomicUsize>,
    busy: Arc<AtomicBool>,
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        if self.asked.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.busy.store(false, Ordering::Relaxed);
        }
    }
}

/// An answer whose body is coming.
pub(super) struct Incoming {
    _working: OpenCall,
    response: Response,
    /// How long it was waited for, since the mark: who takes its bytes may be slow, too.
    waited: Duration,
    octets: u64,
    mark: u64,
}

/// A way to the API, with connections of its own.
#[derive(Debug)]
pub(super) struct GmailClient {
    http: reqwest::Client,
    root: String,
    place: String,
    timeouts: Timeouts,
    /// What may be spent, and what a message costs.
    pub(super) plan: QuotaPlan,
    credential: GuardedCredential,
    shown: Mutex<Option<Secret>>,
    account: String,
    wire: WireLog,
    purse: Purse,
    /// What its owner sees of it.
    pub(super) leash: Leash,
    /// Questions that are open.
    asked: Arc<AtomicUsize>,
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
        Self {
            http,
            root: root(server),
            place: format!("{}:{}", server.host, server.port),
            timeouts: server.timeouts,
            plan,
            credential,
            shown: Mutex::default(),
            account,
            wire,
            purse,
            leash: Leash::default(),
            asked: Arc::default(),
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

    /// Pays for a look; there is none that waits for another run.
    ///
    /// # Errors
    /// There are no units for as long as no session waits.
    pub(super) async fn pay_look(&self, units: u64) -> Result<Units, Failure> {
        match self.pay(Lane::Live, units).await {
            Ok(units) => Ok(units),
            Err(Denied::Over(failure)) => Err(failure),
            Err(Denied::Later(_)) => Err(Failure::bug("a look was left for later")),
        }
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
            Some(body) => self.http.post(place).header(CONTENT_TYPE, JSON).body(body.to_owned()),
            None => self.http.get(place),
        };
        let request = request.header(AUTHORIZATION, bearer);
        let silence = self.timeouts.connect + self.timeouts.greeting + self.timeouts.silence;
        self.asked.fetch_add(1, Ordering::AcqRel);
        self.leash.busy.store(true, Ordering::Relaxed);
        let _working =
            OpenCall { asked: Arc::clone(&self.asked), busy: Arc::clone(&self.leash.busy) };
        let began = Instant::now();
        let heard = tokio::time::timeout(silence, request.send()).await;
        let response = heard
            .map_err(|_| self.late("an answer", silence))?
            .map_err(|e| unanswered((&self.place, API_URL), e))?;
        self.leash.octets.fetch_add(1, Ordering::Relaxed);
        Ok(Incoming { _working, response, waited: began.elapsed(), octets: 0, mark: 0 })
    }

    fn late(&self, what: &str, after: Duration) -> Failure {
        let text = format!("{what} took longer than {} s", after.as_secs_f32());
        Failure::new(Class::Timeout, Reach::Session, Provenance::Deadline, text)
    }

    /// The next octets of an answer; none at its end.
    ///
    /// # Errors
    /// It is cut off, or it does not keep the pace.
    pub(super) async fn piece(
        &self,
        from: &mut Incoming,
    ) -> Result<Option<impl AsRef<[u8]> + use<>>, Failure> {
        let (silence, began) = (self.timeouts.silence, Instant::now());
        let read = tokio::time::timeout(silence, from.response.chunk()).await;
        let piece = read
            .map_err(|_| self.late("the next octets of an answer", silence))?
            .map_err(|e| unanswered((&self.place, API_URL), e))?;
        let Some(piece) = piece else { return Ok(None) };
        let length = piece.len() as u64;
        self.leash.octets.fetch_add(length, Ordering::Relaxed);
        from.octets += length;
        from.waited += began.elapsed();
        let deadline = self.timeouts.command;
        if from.waited > deadline {
            if from.octets - from.mark < PACE.saturating_mul(deadline.as_secs().max(1)) {
                return Err(self.late("an answer", deadline));
            }
            (from.waited, from.mark) = (Duration::ZERO, from.octets);
        }
        Ok(Some(piece))
    }

    /// The whole of an answer that is no message; none where it holds more than one may.
    async fn whole(&self, mut from: Incoming) -> Result<Option<Vec<u8>>, Failure> {
        let mut body = Vec::new();
        let (mut objects, mut values) = (0, 0);
        while let Some(piece) = self.piece(&mut from).await? {
            let piece = piece.as_ref();
            body.extend_from_slice(piece);
            objects += memchr::memchr_iter(b'{', piece).count();
            values += memchr::memchr_iter(b',', piece).count();
            if body.len() > ANSWER_OCTETS || objects > OBJECTS || values > VALUES {
                return Ok(None);
            }
        }
        // A token that comes back as data would be kept, and shown in a URL or a log.
        if self.credential.redactor().is_quoted_in(&body) {
            return Err(unreadable("it repeats the request"));
        }
        Ok(Some(body))
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

impl Incoming {
    /// How long its body is, where that is told.
    pub(super) fn length(&self) -> Option<u64> {
        self.response.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }
}
