//! A web server that takes events: Standard Webhooks 1.0.0. No redirect is followed, no proxy is asked, and every address
//! is judged before it is connected to.

use crate::deliver::parcel::Parcel;
use crate::deliver::sign::{Key, keys, signature};
use crate::deliver::sink::{Sink, SinkAnswer, cut};
use crate::http;
use crate::http::reach::{Judging, NotReached, ReachRule, literal_of};
use crate::provider::Redactor;
use crate::reply::Soon;
use postrider_core::deliver::{DeliveryOutcome, NotTaken};
use postrider_core::plain::PlainText;
use postrider_core::time::Micros;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};
use std::collections::BTreeMap;
use std::error::Error;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use tokio_rustls::rustls::{Error as TlsError, InvalidMessage};

/// Longest time until a status is there.
const ANSWER: Duration = Duration::from_secs(15);
/// And until a connection is.
const CONNECT: Duration = Duration::from_secs(5);
/// Behind the status, so much of the answer is read, for so long.
const READ: usize = 64 * 1024;
const READ_FOR: Duration = Duration::from_secs(2);
/// What is shorter, of what follows a host, is no secret.
const WORD: usize = 8;
/// A connection that nothing goes over is kept so long.
const IDLE: Duration = Duration::from_secs(30);

/// Clients, one for what may be reached: what was connected to for one is used for no other.
#[derive(Clone, Debug, Default)]
pub(super) struct Clients(Arc<Mutex<BTreeMap<ReachRule, Client>>>);

impl Clients {
    fn of(&self, reach: ReachRule) -> Result<Client, reqwest::Error> {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = clients.get(&reach) {
            return Ok(known.clone());
        }
        let client = http::builder(CONNECT)
            .http1_only()
            .no_proxy()
            .tcp_nodelay(true)
            .pool_idle_timeout(IDLE)
            .dns_resolver(Arc::new(Judging(reach)))
            .build()?;
        clients.insert(reach, client.clone());
        Ok(client)
    }
}

/// A web server that takes events.
#[derive(Clone)]
pub(super) struct Webhook {
    pub(super) clients: Clients,
    pub(super) url: Url,
    pub(super) secret_file: PathBuf,
    pub(super) allow_private: bool,
}

/// An error and what is behind it, down to the first cause: what an error of the system holds is no source of it.
fn causes(e: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    let first: &(dyn Error + 'static) = e;
    std::iter::successors(Some(first), |why| {
        let why: &(dyn Error + 'static) = *why;
        match why.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => why.source(),
        }
    })
}

/// Why there is no answer, in words that name no URL.
fn unanswered(e: reqwest::Error) -> SinkAnswer {
    let e = e.without_url();
    if let Some(why) = causes(&e).find_map(|why| why.downcast_ref::<NotReached>()) {
        return SinkAnswer::without(DeliveryOutcome::Refused, why.to_string());
    }
    // Somebody is there, who is not believed, or does not speak TLS.
    let tls = causes(&e).find_map(|why| why.downcast_ref::<TlsError>());
    let is_eof = |why: &(dyn Error + 'static)| {
        let io = why.downcast_ref::<std::io::Error>();
        io.is_some_and(|io| io.kind() == ErrorKind::UnexpectedEof)
    };
    let (outcome, what) = if e.is_connect() && (tls.is_some() || causes(&e).any(is_eof)) {
        (DeliveryOutcome::Broken, "no TLS")
    } else if e.is_connect() {
        (DeliveryOutcome::Unreached, "no connection")
    } else if e.is_timeout() {
        (DeliveryOutcome::Late, "no answer in time")
    } else {
        (DeliveryOutcome::Broken, "the connection has ended before the answer")
    };
    let why = match tls {
        Some(TlsError::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            "who is there speaks none".to_owned()
        }
        _ => causes(&e).last().map(ToString::to_string).unwrap_or_default(),
    };
    SinkAnswer::without(outcome, PlainText::from(format!("{what}: {why}").as_str()).as_str())
}

/// How long it is to be waited, as the answer says (RFC 9110 §10.2.3).
fn retry_after(response: &Response, now: Micros) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = OffsetDateTime::parse(text, &Rfc2822).ok()?.unix_timestamp();
    Some(Micros::from_seconds(at).since(now))
}

/// The beginning of an answer: what comes behind it is not waited for.
async fn beginning(mut response: Response) -> String {
    let mut read = Vec::new();
    let reading = async {
        while read.len() < READ {
            match response.chunk().await {
                Ok(Some(chunk)) => read.extend(chunk.iter().take(READ - read.len())),
                // The status has been said, whatever comes of the rest.
                Ok(None) | Err(_) => break,
            }
        }
    };
    drop(tokio::time::timeout(READ_FOR, reading).await);
    String::from_utf8_lossy(&read).into_owned()
}

async fn answer(response: Response, redactor: &Redactor, now: Micros) -> SinkAnswer {
    let status = response.status();
    let not_taken = match status {
        _ if status.is_success() => None,
        StatusCode::GONE => Some(NotTaken::Gone),
        _ => Some(NotTaken::Later(retry_after(&response, now))),
    };
    let said = if status.is_redirection() {
        "a redirect is not followed; write the url that it leads to".to_owned()
    } else {
        redactor.text(&beginning(response).await).as_str().to_owned()
    };
    let is_taken = not_taken.is_none();
    let outcome = if is_taken { DeliveryOutcome::Taken } else { DeliveryOutcome::Refused };
    SinkAnswer { outcome, not_taken, status: Some(status.as_u16().into()), text: cut(&said) }
}

impl Webhook {
    /// What it may reach, and whether its URL names something else.
    fn reach(&self) -> Result<ReachRule, NotReached> {
        let reach = ReachRule::of(&self.url, self.allow_private)?;
        // Whoever connects asks nobody for an address that is written.
        literal_of(&self.url).map_or(Ok(()), |address| reach.judge(address))?;
        Ok(reach)
    }

    async fn given(self, parcel: Arc<Parcel>, now: Micros) -> SinkAnswer {
        let refused = |why: String| SinkAnswer::without(DeliveryOutcome::Refused, why);
        let reach = match self.reach() {
            Ok(reach) => reach,
            Err(why) => return refused(why.to_string()),
        };
        let keys = match keys(&self.secret_file) {
            Ok(keys) => keys,
            Err(why) => return refused(why),
        };
        let client = match self.clients.of(reach) {
            Ok(client) => client,
            Err(e) => return refused(format!("no HTTPS: the TLS roots cannot be had: {e}")),
        };
        let seconds = now.0.div_euclid(1_000_000);
        let mut request = client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &parcel.id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signature(&keys, &parcel.id, seconds, &parcel.body));
        if let Some((first, last)) = parcel.lost {
            request = request.header("postrider-lost", format!("{first}-{last}"));
        }
        match tokio::time::timeout(ANSWER, request.body(parcel.body.clone()).send()).await {
            Ok(Ok(response)) => answer(response, &self.hides(&keys), now).await,
            Ok(Err(e)) => unanswered(e),
            Err(_) => SinkAnswer::without(DeliveryOutcome::Late, "no answer within 15 s"),
        }
    }

    /// What no text repeats: the secrets, and what follows the host, which may be one.
    fn hides(&self, keys: &[Key]) -> Redactor {
        let redactor = Redactor::default();
        let path = self.url.path();
        let query = self.url.query().unwrap_or_default();
        for secret in [path, query] {
            if secret.len() >= WORD {
                redactor.hide(secret);
            }
        }
        for key in keys {
            redactor.hide(&key.text);
            redactor.hide(key.text.trim_start_matches("whsec_"));
        }
        redactor
    }

    /// Whether a connection can be had.
    async fn connects(self) -> bool {
        let Ok(reach) = self.reach() else { return false };
        let (Some(host), Some(port)) = (self.url.host_str(), self.url.port_or_known_default())
        else {
            return false;
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let looked = async {
            let found = Judging(reach).look(host, port).await.ok()?;
            tokio::net::TcpStream::connect(found.as_slice()).await.ok()
        };
        matches!(tokio::time::timeout(CONNECT, looked).await, Ok(Some(_)))
    }
}

impl Sink for Webhook {
    fn send(&self, parcel: Arc<Parcel>, now: Micros) -> Soon<SinkAnswer> {
        Box::pin(self.clone().given(parcel, now))
    }

    fn is_there(&self) -> Soon<bool> {
        Box::pin(self.clone().connects())
    }
}
