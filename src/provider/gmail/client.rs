//! Questions to the API: one GET each, shown a token, with deadlines, its answer read as it comes.
#![expect(
    clippy::disallowed_methods,
    reason = "a connection's deadlines are its own: silence, and the pace of an answer"
)]

use crate::clock::Clock;
use crate::provider::gmail::failure::{GmailRefusal, without_addresses};
use crate::provider::gmail::wire::Profile;
use crate::provider::trust::{Tls, unbelieved};
use crate::provider::{Credential, Denied, Leash, Purse, Secret, Units};
use crate::telemetry::wire::WireLog;
use postrider_core::budget::Lane;
use postrider_core::failure::{Class, Failure, Provenance, Reach, When};
use postrider_core::provider::server::{QuotaPlan, Security, Server, Timeouts};
use postrider_core::time::Micros;
use reqwest::Response;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, DATE, HeaderValue, RETRY_AFTER};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_rustls::rustls::Error as TlsError;

/// Octets of an answer that is no message: 500 records of history are far less.
const ANSWER: usize = 16 * 1024 * 1024;
/// An answer that takes longer than its deadline goes on while it brings so many octets a second.
const PACE: u64 = 1024;
/// Octets of one answer that may be on their way (RFC 9113 §5.2).
const STREAM_WINDOW: u32 = 256 * 1024;
/// What the login has said of the history is believed for so long.
const YOUNG: Duration = Duration::from_secs(2);
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
    began: Instant,
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
    credential: Arc<dyn Credential>,
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

fn network(text: impl Into<String>) -> Failure {
    Failure::new(Class::Network, Reach::Session, Provenance::Local, text)
}

/// The server's clock, as an answer shows it.
fn clock(response: &Response) -> Option<Micros> {
    let date = response.headers().get(DATE)?.to_str().ok()?;
    let nanos = OffsetDateTime::parse(date, &Rfc2822).ok()?.unix_timestamp_nanos();
    i64::try_from(nanos / 1000).ok().map(Micros)
}

/// HTTP to a server, with these roots.
///
/// # Errors
/// Class config.
pub(super) fn http(server: &Server, tls: Option<&Tls>) -> Result<reqwest::Client, Failure> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("postrider/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(server.timeouts.connect)
        .tcp_nodelay(true)
        // A body that is not read on (its sink waits) must leave room for the others.
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(STREAM_WINDOW * 16)
        .pool_idle_timeout(server.timeouts.idle)
        // A redirect could carry the token elsewhere.
        .redirect(reqwest::redirect::Policy::none());
    if let Some(tls) = tls {
        let mut settings = tls.settings().as_ref().clone();
        settings.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        builder = builder.tls_backend_preconfigured(settings);
    }
    if server.security == Security::Plain {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|e| {
        let text = "no HTTP client can be made";
        Failure::new(Class::Config, Reach::Account, Provenance::Local, text)
            .when(When::AfterChange)
            .caused_by(e)
    })
}

/// Where the API is, up to the name of a question.
pub(super) fn root(server: &Server) -> String {
    let scheme = if server.security == Security::Plain { "http" } else { "https" };
    let host =
        if server.host.contains(':') { format!("[{}]", server.host) } else { server.host.clone() };
    let base = server.api.as_ref().map(|api| api.base.as_str()).unwrap_or_default();
    format!("{scheme}://{host}:{}{base}/gmail/v1/users/me/", server.port)
}

/// What a question met instead of an answer.
pub(super) fn unheard(place: &str, e: reqwest::Error) -> Failure {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&e);
    while let Some(error) = cause {
        let tls = error.downcast_ref::<TlsError>().or_else(|| {
            let io = error.downcast_ref::<std::io::Error>()?;
            io.get_ref()?.downcast_ref::<TlsError>()
        });
        if let Some(TlsError::InvalidCertificate(why)) = tls {
            let text = unbelieved(place, why);
            return Failure::new(Class::Config, Reach::Endpoint, Provenance::Local, text)
                .when(When::AfterChange);
        }
        cause = error.source();
    }
    let e = e.without_url();
    if e.is_connect() {
        let text = format!("cannot connect to {place}");
        return Failure { reach: Reach::Endpoint, ..network(text) }.caused_by(e);
    }
    network("a question was cut off").caused_by(e)
}

impl GmailClient {
    pub(super) fn new(
        (server, plan): (&Server, QuotaPlan),
        http: reqwest::Client,
        credential: Arc<dyn Credential>,
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
        let mut secret = self.secret().await?;
        let mut exchanged = false;
        loop {
            self.wire.sent(&self.account, format!("GET {path}").as_bytes(), false);
            let response = self.get(path, &secret).await?;
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

    async fn get(&self, path: &str, secret: &Secret) -> Result<Incoming, Failure> {
        let token = secret.text().expose_secret();
        let mut bearer = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| {
            let text = "the access token has signs that no header carries";
            Failure::new(Class::Config, Reach::Account, Provenance::Local, text)
                .when(When::AfterChange)
        })?;
        bearer.set_sensitive(true);
        let request = self.http.get(format!("{}{path}", self.root)).header(AUTHORIZATION, bearer);
        let silence = self.timeouts.connect + self.timeouts.greeting + self.timeouts.silence;
        self.asked.fetch_add(1, Ordering::AcqRel);
        self.leash.busy.store(true, Ordering::Relaxed);
        let _working =
            OpenCall { asked: Arc::clone(&self.asked), busy: Arc::clone(&self.leash.busy) };
        let began = Instant::now();
        let heard = tokio::time::timeout(silence, request.send()).await;
        let response = heard
            .map_err(|_| self.late("an answer", silence))?
            .map_err(|e| unheard(&self.place, e))?;
        self.leash.octets.fetch_add(1, Ordering::Relaxed);
        Ok(Incoming { _working, response, began, octets: 0, mark: 0 })
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
        let silence = self.timeouts.silence;
        let read = tokio::time::timeout(silence, from.response.chunk()).await;
        let piece = read
            .map_err(|_| self.late("the next octets of an answer", silence))?
            .map_err(|e| unheard(&self.place, e))?;
        let Some(piece) = piece else { return Ok(None) };
        let length = piece.len() as u64;
        self.leash.octets.fetch_add(length, Ordering::Relaxed);
        from.octets += length;
        let deadline = self.timeouts.command;
        if from.began.elapsed() > deadline {
            if from.octets - from.mark < PACE.saturating_mul(deadline.as_secs().max(1)) {
                return Err(self.late("an answer", deadline));
            }
            (from.began, from.mark) = (Instant::now(), from.octets);
        }
        Ok(Some(piece))
    }

    /// The whole of an answer that is no message.
    async fn whole(&self, mut from: Incoming) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        while let Some(piece) = self.piece(&mut from).await? {
            body.extend_from_slice(piece.as_ref());
            if body.len() > ANSWER {
                let text = format!("an answer is longer than {ANSWER} octets");
                return Err(Failure::new(
                    Class::Provider,
                    Reach::Account,
                    Provenance::Server,
                    text,
                ));
            }
        }
        Ok(body)
    }

    async fn refusal(&self, from: Incoming) -> Result<GmailRefusal, Failure> {
        let status = from.response.status().as_u16();
        let after = from.response.headers().get(RETRY_AFTER);
        let seconds = after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let body = self.whole(from).await?;
        Ok(GmailRefusal::read(status, &body, seconds.map(Duration::from_secs)))
    }

    /// What a refusal means. What is no word of the API may come from somewhere else.
    pub(super) fn failure(&self, refusal: &GmailRefusal) -> Failure {
        let failure = refusal.failure(self.clock.now().wall);
        if refusal.is_told || refusal.status >= 500 {
            return failure;
        }
        let text = format!("{} (it was asked at {}: is the API there?)", failure.text, self.root);
        Failure { text, ..failure }
    }

    /// Asks, and reads the answer as JSON; with the server's clock.
    ///
    /// # Errors
    /// As [`GmailClient::ask`]; an answer that is none.
    pub(super) async fn json<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<Result<(T, Micros), GmailRefusal>, Failure> {
        let response = match self.ask(path).await? {
            HttpAnswer::Answer(response) => response,
            HttpAnswer::Refused(refusal) => return Ok(Err(refusal)),
        };
        let clock = clock(&response.response).unwrap_or_else(|| self.clock.now().wall);
        let body = self.whole(response).await?;
        match serde_json::from_slice(&body) {
            Ok(answer) => Ok(Ok((answer, clock))),
            Err(e) => Err(nonsense(&body, &e)),
        }
    }

    /// Logs in: the profile shows that the token is good, and whose mailbox it opens. It is not paid:
    /// it is one unit, and nobody logs in often.
    ///
    /// # Errors
    /// As [`GmailClient::profile`]; of reach endpoint where nobody answers.
    pub(super) async fn log_in(&self) -> Result<(), Failure> {
        let at = Instant::now();
        let found = self.profile_unpaid().await.map_err(|failure| match failure.class {
            Class::Network | Class::Timeout => Failure { reach: Reach::Endpoint, ..failure },
            _ => failure,
        })?;
        *self.head.lock().await = found.map(|(profile, _)| (profile.history_id.0, at));
        Ok(())
    }

    /// Whether the login has just seen that the history ends here; it is said once.
    pub(super) async fn is_head(&self, cursor: &str) -> bool {
        let head = self.head.lock().await.take();
        head.is_some_and(|(head, at)| head == cursor && at.elapsed() < YOUNG)
    }

    /// The mailbox's profile; none where the server has no such question (emulators).
    ///
    /// # Errors
    /// It is another mailbox than the account's; as [`GmailClient::ask`].
    pub(super) async fn profile(&self) -> Result<Option<(Profile, Micros)>, Failure> {
        let _units = self.pay_look(SMALL).await?;
        self.profile_unpaid().await
    }

    async fn profile_unpaid(&self) -> Result<Option<(Profile, Micros)>, Failure> {
        let found = match self.json::<Profile>("profile").await? {
            Ok(found) => Some(found),
            Err(refusal) if refusal.status == 404 && refusal.is_json => None,
            Err(refusal) => return Err(self.failure(&refusal)),
        };
        if let Some((profile, _)) = &found
            && !is_same_mailbox(&profile.email_address, self.credential.username())
        {
            let text = "the token opens another mailbox than `username` names: give it the token of this one, or write the other's name";
            return Err(Failure::new(Class::Config, Reach::Account, Provenance::Server, text)
                .when(When::AfterChange));
        }
        self.known.store(true, Ordering::Relaxed);
        Ok(found)
    }

    /// Looks whose mailbox it is, where another token is shown than at the login.
    ///
    /// # Errors
    /// As [`GmailClient::profile`].
    pub(super) async fn look_whose(&self) -> Result<(), Failure> {
        if self.known.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.profile().await.map(drop)
    }
}

impl Incoming {
    /// How long its body is, where that is told.
    pub(super) fn length(&self) -> Option<u64> {
        self.response.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }
}

/// An answer that is none: a page for people stands before the server (a captive portal), it is cut
/// off, or it is something else.
pub(super) fn nonsense(body: &[u8], e: &serde_json::Error) -> Failure {
    let is_page = body.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'<');
    if is_page {
        let text = "it was answered by a page for people, not by the API: something stands between";
        return Failure { reach: Reach::Endpoint, ..network(text) };
    }
    if e.is_eof() {
        return network("an answer was cut off");
    }
    let text = without_addresses(&format!("an answer cannot be read: {e}"));
    Failure::new(Class::Provider, Reach::Account, Provenance::Server, text)
}

/// Whether two addresses name one mailbox of Gmail's: letters of any case, and dots before
/// gmail.com, do not count.
fn is_same_mailbox(a: &str, b: &str) -> bool {
    let plain = |address: &str| {
        let lower = address.to_lowercase();
        match lower.split_once('@') {
            Some((name, "gmail.com" | "googlemail.com")) => {
                let name = name.split('+').next().unwrap_or_default().replace('.', "");
                format!("{name}@gmail.com")
            }
            _ => lower,
        }
    };
    plain(a) == plain(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailboxes_are_told_from_each_other() {
        assert!(is_same_mailbox("Me@Example.org", "me@example.org"));
        assert!(is_same_mailbox("first.last@gmail.com", "FirstLast@googlemail.com"));
        assert!(!is_same_mailbox("first.last@example.org", "firstlast@example.org"));
        assert!(!is_same_mailbox("a@gmail.com", "b@gmail.com"));
    }

    #[test]
    fn what_stands_between_is_not_the_server() {
        let judge = |body: &[u8]| {
            let e = serde_json::from_slice::<Profile>(body).unwrap_err();
            let failure = nonsense(body, &e);
            (failure.class, failure.reach)
        };
        assert_eq!(judge(b"  <!doctype html>"), (Class::Network, Reach::Endpoint));
        assert_eq!(judge(b"{\"emailAddress\": \"a"), (Class::Network, Reach::Session));
        assert_eq!(judge(b"{\"historyId\": []}"), (Class::Provider, Reach::Account));
    }
}
