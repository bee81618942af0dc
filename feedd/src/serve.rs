//! The HTTP side: Gmail's routes over a mailbox, and what it is told to do wrong.
#![expect(clippy::disallowed_methods, reason = "a server serves on, at the pace that it is told")]

use crate::mailbox::{Contents, GmailBox, Happened, Message};
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Before every path.
const ROOT: &str = "/gmail/v1/users/me/";
/// The most that a page may show.
const MOST: usize = 500;
/// Until when it pushes (milliseconds): for long.
const WATCHED: u64 = 4_102_444_800_000;
/// Octets of a question's body.
const BODY: usize = 64 * 1024;

/// What was asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// The path below `users/me/`.
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

struct Shop {
    mailbox: GmailBox,
    script: Script,
    log: Mutex<Vec<Question>>,
}

/// A running server; it ends when dropped.
pub struct GmailServer {
    port: u16,
    shop: Arc<Shop>,
    task: JoinHandle<()>,
}

impl std::fmt::Debug for GmailServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GmailServer").field("port", &self.port).finish_non_exhaustive()
    }
}

impl Drop for GmailServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl GmailServer {
    /// Starts on a free port of loopback.
    ///
    /// # Errors
    /// Whatever the system says.
    pub async fn start(
        mailbox: &GmailBox,
        script: impl Fn(&Question) -> Option<Play> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::start_at(mailbox, 0, script).await
    }

    /// Starts on a port of loopback.
    ///
    /// # Errors
    /// Whatever the system says.
    pub async fn start_at(
        mailbox: &GmailBox,
        port: u16,
        script: impl Fn(&Question) -> Option<Play> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let port = listener.local_addr()?.port();
        let (app, shop) = open(mailbox, script);
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

fn open(
    mailbox: &GmailBox,
    script: impl Fn(&Question) -> Option<Play> + Send + Sync + 'static,
) -> (axum::Router, Arc<Shop>) {
    let shop = Arc::new(Shop {
        mailbox: mailbox.clone(),
        script: Arc::new(script),
        log: Mutex::default(),
    });
    (axum::Router::new().fallback(answer).with_state(Arc::clone(&shop)), shop)
}

/// The API itself, for a server of another kind.
pub fn router(
    mailbox: &GmailBox,
    script: impl Fn(&Question) -> Option<Play> + Send + Sync + 'static,
) -> axum::Router {
    open(mailbox, script).0
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

async fn answer(State(shop): State<Arc<Shop>>, request: Request) -> Response {
    let pairs = request.uri().query().unwrap_or_default().split('&');
    let query = pairs
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), decoded(value)))
        .collect();
    let shown = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = shown.and_then(|text| text.strip_prefix("Bearer ")).unwrap_or_default();
    let Some(path) = request.uri().path().strip_prefix(ROOT) else {
        return send(&Play::says(404, "text/html", "<html>Not Found</html>"), Vec::new());
    };
    let (path, token) = (path.to_owned(), token.to_owned());
    let body = axum::body::to_bytes(request.into_body(), BODY).await.unwrap_or_default();
    let body = String::from_utf8_lossy(&body).into_owned();
    let question = {
        let mut log = shop.log.lock().unwrap_or_else(PoisonError::into_inner);
        let question = Question { path, query, token, body, number: log.len() };
        log.push(question.clone());
        question
    };
    if question.token.is_empty() {
        return send(&Play::refuse(401, "required", "Login Required."), Vec::new());
    }
    let play = (shop.script)(&question);
    if let Some(play) = &play
        && !play.delay.is_zero()
    {
        tokio::time::sleep(play.delay).await;
    }
    let (status, body) = well(&mut shop.mailbox.lock(), &question);
    let mut play = play.unwrap_or_default();
    if play.status == 0 {
        play.status = status;
    }
    send(&play, body)
}

fn send(play: &Play, body: Vec<u8>) -> Response {
    let mut body = play.body.clone().unwrap_or(body);
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

/// An answer as Gmail gives it.
fn well(contents: &mut Contents, question: &Question) -> (u16, Vec<u8>) {
    let refused = |status, reason, message| {
        let play = Play::refuse(status, reason, message);
        (status, play.body.unwrap_or_default())
    };
    let found = match question.path.as_str() {
        "profile" => json!({
            "emailAddress": contents.address,
            "messagesTotal": contents.messages.len(),
            "threadsTotal": contents.messages.len(),
            "historyId": contents.now.to_string(),
        }),
        "watch" => {
            let asked: Value = serde_json::from_str(&question.body).unwrap_or_default();
            let topic = asked.get("topicName").and_then(Value::as_str);
            let Some(topic) = topic.filter(|topic| topic.starts_with("projects/")) else {
                return refused(400, "invalidArgument", "Invalid topicName");
            };
            if contents.topic.as_deref().is_some_and(|other| other != topic) {
                let text = "Only one user push notification client allowed per developer (call /stop then try again)";
                return refused(400, "invalidArgument", text);
            }
            contents.topic = Some(topic.to_owned());
            json!({"historyId": contents.now.to_string(), "expiration": WATCHED.to_string()})
        }
        "stop" => {
            contents.topic = None;
            return (204, Vec::new());
        }
        "labels" => {
            let label = |(id, name): (&String, &String)| {
                let kind = if id.starts_with("Label_") { "user" } else { "system" };
                json!({"id": id, "name": name, "type": kind})
            };
            json!({"labels": contents.labels.iter().map(label).collect::<Vec<_>>()})
        }
        "messages" => match list(contents, question) {
            Ok(found) => found,
            Err(message) => return refused(400, "invalidArgument", message),
        },
        "history" => match history(contents, question) {
            Some(found) => found,
            None => return refused(404, "notFound", "Requested entity was not found."),
        },
        path => {
            let id = path.strip_prefix("messages/");
            let found = id.and_then(|id| Some((id, contents.messages.get(id)?)));
            let Some((id, message)) = found else {
                return refused(404, "notFound", "Requested entity was not found.");
            };
            let mut found = shown(id, message);
            if question.raw().is_some() {
                // Where it stands among the others says nothing.
                put(&mut found, "raw", Value::from(URL_SAFE.encode(message.raw.as_slice())));
            }
            found
        }
    };
    (200, found.to_string().into_bytes())
}

fn shown(id: &str, message: &Message) -> Value {
    let mut found = json!({
        "id": id,
        "threadId": thread_of(id, message),
        "snippet": "…",
        "sizeEstimate": message.raw.len(),
        "historyId": message.history.to_string(),
        "internalDate": message.date.to_string(),
    });
    // Left out where there are none.
    if !message.labels.is_empty() {
        put(&mut found, "labelIds", json!(message.labels));
    }
    found
}

/// A message's thread: that of its `X-Thread` field, else one of its own.
fn thread_of(id: &str, message: &Message) -> String {
    let raw = String::from_utf8_lossy(&message.raw);
    let mut lines = raw.lines().take_while(|line| !line.is_empty());
    let told = lines.find_map(|line| line.strip_prefix("X-Thread: ")?.trim().parse::<u64>().ok());
    told.map_or_else(|| id.to_owned(), |thread| format!("{thread:x}"))
}

fn put(into: &mut Value, key: &str, value: Value) {
    if let Some(object) = into.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}

fn most(question: &Question) -> usize {
    let asked = question.query.get("maxResults").and_then(|n| n.parse().ok());
    asked.unwrap_or(100).clamp(1, MOST)
}

/// Pages by the id of their last message: what comes meanwhile shifts them, as at Gmail.
fn list(contents: &mut Contents, question: &Question) -> Result<Value, &'static str> {
    let label = question.query.get("labelIds").map(String::as_str);
    if label.is_some_and(|label| !contents.labels.contains_key(label)) {
        return Err("Invalid label");
    }
    let everything = question.query.get("includeSpamTrash").is_some_and(|text| text == "true");
    let from = match question.query.get("pageToken") {
        None => 0,
        Some(token) => token.parse::<usize>().map_err(|_| "Invalid pageToken")?,
    };
    let most = most(question);
    let all = contents.newest(label, everything);
    let (count, page): (usize, Vec<String>) =
        (all.len(), all.iter().skip(from).take(most).cloned().collect());
    // Who names fields is told those.
    let tells = question.query.get("fields").is_none_or(|fields| fields.contains("threadId"));
    let shown = |id: String| {
        let message = contents.messages.get(&id).filter(|_| tells);
        match message.map(|message| thread_of(&id, message)) {
            Some(thread) => json!({"id": id, "threadId": thread}),
            None => json!({"id": id}),
        }
    };
    let page: Vec<Value> = page.into_iter().map(shown).collect();
    let mut found = json!({"resultSizeEstimate": count});
    if !page.is_empty() {
        put(&mut found, "messages", Value::from(page));
    }
    if from + most < count {
        put(&mut found, "nextPageToken", Value::from((from + most).to_string()));
    }
    Ok(found)
}

fn history(contents: &Contents, question: &Question) -> Option<Value> {
    let since: u64 = question.query.get("startHistoryId")?.parse().ok()?;
    if since < contents.floor || since > contents.now {
        return None;
    }
    let token = question.query.get("pageToken").and_then(|token| token.parse().ok());
    let (from, most) = (token.unwrap_or(since), most(question));
    let mut records = contents.history.iter().filter(|record| record.id > from);
    let page: Vec<_> = records.by_ref().take(most).collect();
    let mut found = json!({"historyId": contents.now.to_string()});
    if let (Some(last), true) = (page.last(), records.next().is_some()) {
        put(&mut found, "nextPageToken", Value::from(last.id.to_string()));
    }
    let told: Vec<Value> = page
        .iter()
        .map(|record| {
            let message = match contents.messages.get(&record.message) {
                Some(message) => json!({"id": record.message, "labelIds": message.labels}),
                None => json!({"id": record.message}),
            };
            let mut told = json!({"id": record.id.to_string(), "messages": [message]});
            let (key, value) = match &record.what {
                Happened::Added => ("messagesAdded", json!([{"message": message}])),
                Happened::Deleted => ("messagesDeleted", json!([{"message": message}])),
                Happened::Labelled(ids) => {
                    ("labelsAdded", json!([{"message": message, "labelIds": ids}]))
                }
                Happened::Unlabelled(ids) => {
                    ("labelsRemoved", json!([{"message": message, "labelIds": ids}]))
                }
            };
            put(&mut told, key, value);
            told
        })
        .collect();
    if !told.is_empty() {
        put(&mut found, "history", Value::from(told));
    }
    Some(found)
}
