//! A server over HTTP that answers as an API does, and what it is told to do wrong.
#![expect(clippy::disallowed_methods, reason = "a server serves on, at the pace that it is told")]

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue,
};
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Octets of a question's body.
const BODY: usize = 64 * 1024;
/// Shorter answers are not packed.
const PACKED: usize = 512;

/// An API over what clones share.
pub trait Api: Clone + Send + Sync + 'static {
    /// Before every path.
    const ROOT: &'static str;
    /// Whether answers are packed for who asks for that.
    const PACKS: bool;

    /// The refusal of who shows nothing.
    fn unknown() -> Play;

    /// An answer as the API gives it: status and body.
    fn well(&self, question: &Question) -> (u16, Vec<u8>);
}

/// What was asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// Its method.
    pub method: String,
    /// The path below the API's root.
    pub path: String,
    /// What stands behind the question mark.
    pub query: BTreeMap<String, String>,
    /// The token that was shown.
    pub token: String,
    /// What came with it; empty where it was a GET.
    pub body: String,
    /// How many questions there were before.
    pub number: usize,
}

impl Question {
    /// A message's id, where its bytes are asked for.
    #[must_use]
    pub fn raw(&self) -> Option<&str> {
        let id = self.path.strip_prefix("messages/")?;
        (self.query.get("format").map(String::as_str) == Some("raw")).then_some(id)
    }

    /// A message's id, where its state alone is asked for.
    #[must_use]
    pub fn minimal(&self) -> Option<&str> {
        let id = self.path.strip_prefix("messages/")?;
        (self.query.get("format").map(String::as_str) == Some("minimal")).then_some(id)
    }
}

/// What is done instead of answering.
#[derive(Clone, Debug, Default)]
pub struct Play {
    /// The status.
    pub status: u16,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body; none for the real one.
    pub body: Option<Vec<u8>>,
    /// The connection is cut after so many octets of the body.
    pub cut: Option<usize>,
    /// The body ends after so many octets, as if that were all.
    pub short: Option<usize>,
    /// It takes so long.
    pub delay: Duration,
}

impl Play {
    /// Refuses, for a reason.
    #[must_use]
    pub fn refuse(status: u16, reason: &str, message: &str) -> Self {
        let body = json!({"error": {
            "code": status,
            "message": message,
            "errors": [{"domain": "global", "reason": reason, "message": message}],
        }});
        Self { status, body: Some(body.to_string().into_bytes()), ..Self::default() }
    }

    /// Answers with this text.
    #[must_use]
    pub fn says(status: u16, kind: &str, body: &str) -> Self {
        let headers = vec![("content-type", kind.to_owned())];
        Self { status, headers, body: Some(body.into()), ..Self::default() }
    }
}

/// Says what is done wrong; nothing for what is answered well.
pub type Script = Arc<dyn Fn(&Question) -> Option<Play> + Send + Sync>;

struct Shop<A> {
    api: A,
    script: Script,
    log: Mutex<Vec<Question>>,
}

/// A running server; it ends when dropped.
pub struct ApiServer<A> {
    port: u16,
    shop: Arc<Shop<A>>,
    task: JoinHandle<()>,
}

impl<A> std::fmt::Debug for ApiServer<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiServer").field("port", &self.port).finish_non_exhaustive()
    }
}

impl<A> Drop for ApiServer<A> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<A: Api> ApiServer<A> {
    /// Starts on a free port of loopback.
    ///
    /// # Errors
    /// Whatever the system says.
    pub async fn start(
        api: &A,
        script: impl Fn(&Question) -> Option<Play> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::start_at(api, 0, script).await
    }

    /// Starts on a port of loopback.
    ///
    /// # Errors
    /// Whatever the system says.
    pub async fn start_at(
        api: &A,
        port: u16,
        script: impl Fn(&Question) -> Option<Play> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let port = listener.local_addr()?.port();
        let (app, shop) = open(api, script);
        let serving = axum::serve(listener, app);
        let task = tokio::spawn(async move { drop(serving.await) });
        Ok(Self { port, shop, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What is written as `api_url`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What was asked since this was called last.
    #[must_use]
    pub fn asked(&self) -> Vec<Question> {
        std::mem::take(&mut *self.shop.log.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn open<A: Api>(
    api: &A,
    script: impl Fn(&Question) -> Option<Play> + Send + Sync + 'static,
) -> (axum::Router, Arc<Shop<A>>) {
    let shop = Arc::new(Shop { api: api.clone(), script: Arc::new(script), log: Mutex::default() });
    (axum::Router::new().fallback(answer::<A>).with_state(Arc::clone(&shop)), shop)
}

/// The API itself, for a server of another kind.
pub fn router<A: Api>(
    api: &A,
    script: impl Fn(&Question) -> Option<Play> + Send + Sync + 'static,
) -> axum::Router {
    open(api, script).0
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'+' => b' ',
            b'%' => {
                let hex: Vec<u8> = rest.by_ref().take(2).collect();
                let hex = String::from_utf8_lossy(&hex).into_owned();
                u8::from_str_radix(&hex, 16).unwrap_or(b'?')
            }
            other => other,
        };
        bytes.push(byte);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn answer<A: Api>(State(shop): State<Arc<Shop<A>>>, request: Request) -> Response {
    let pairs = request.uri().query().unwrap_or_default().split('&');
    let query = pairs
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), decoded(value)))
        .collect();
    let shown = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = shown.and_then(|text| text.strip_prefix("Bearer ")).unwrap_or_default();
    let Some(path) = request.uri().path().strip_prefix(A::ROOT) else {
        return send(&Play::says(404, "text/html", "<html>Not Found</html>"), Vec::new(), false);
    };
    let (path, token) = (path.to_owned(), token.to_owned());
    let method = request.method().to_string();
    let takes = request.headers().get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    let packs = A::PACKS && takes.is_some_and(|takes| takes.contains("gzip"));
    let body = axum::body::to_bytes(request.into_body(), BODY).await.unwrap_or_default();
    let body = String::from_utf8_lossy(&body).into_owned();
    let question = {
        let mut log = shop.log.lock().unwrap_or_else(PoisonError::into_inner);
        let question = Question { method, path, query, token, body, number: log.len() };
        log.push(question.clone());
        question
    };
    if question.token.is_empty() {
        return send(&A::unknown(), Vec::new(), false);
    }
    let play = (shop.script)(&question);
    if let Some(play) = &play
        && !play.delay.is_zero()
    {
        tokio::time::sleep(play.delay).await;
    }
    let (status, body) = shop.api.well(&question);
    let mut play = play.unwrap_or_default();
    if play.status == 0 {
        play.status = status;
    }
    send(&play, body, packs)
}

fn send(play: &Play, body: Vec<u8>, packs: bool) -> Response {
    let mut body = play.body.clone().unwrap_or(body);
    let packs = packs && body.len() >= PACKED;
    if packs {
        body = packed(&body);
    }
    body.truncate(play.short.unwrap_or(usize::MAX));
    let body = match play.cut {
        None => Body::from(body),
        Some(cut) => {
            body.truncate(cut);
            let pieces = [Ok(Bytes::from(body)), Err(io::Error::other("cut"))];
            Body::from_stream(futures_util::stream::iter(pieces))
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(play.status).unwrap_or_default();
    let headers = response.headers_mut();
    if packs {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    for (name, value) in &play.headers {
        if let Ok(value) = value.parse() {
            headers.insert(*name, value);
        }
    }
    if !headers.contains_key(CONTENT_TYPE)
        && let Ok(kind) = "application/json; charset=UTF-8".parse()
    {
        headers.insert(CONTENT_TYPE, kind);
    }
    response
}

fn packed(body: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    // Memory takes everything.
    if packer.write_all(body).is_err() {
        return Vec::new();
    }
    packer.finish().unwrap_or_default()
}

/// Puts a value into an object.
pub(crate) fn put(into: &mut Value, key: &str, value: Value) {
    if let Some(object) = into.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}
