//! Speaking to the server of a data folder: where it is and with which token stand in the folder.

use crate::admin::{address, token};
use crate::boot::lock::is_held;
use crate::cli::args::{ClientArgs, Mirror};
use crate::cli::exit::Exit;
use crate::cli::names::{acting, places};
use crate::cli::patience::waited;
use crate::config::Config;
use crate::http;
use reqwest::{Certificate, Method, StatusCode};
use serde::Serialize;
use serde_json::Value;
use std::io::{ErrorKind, Write};
use std::time::Duration;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// An answer takes no longer; a purge and the feed take theirs.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(70);

/// Octets of mail may be many, and who reads them slow.
const COPY_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

/// A client of one server.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum CallError {
    /// No server runs on this data folder.
    NoServer,
    /// It was said; this is how to end.
    Said(Exit),
}

fn mirror_of(args: &ClientArgs) -> Mirror {
    Mirror { config: args.config.clone(), data: args.data.clone() }
}

/// The config that a command is about which changes something.
pub(super) fn config_of(args: &ClientArgs) -> Result<Config, Exit> {
    acting(&mirror_of(args))
}

/// The config that a command is about which only looks.
pub(super) fn seen_by(args: &ClientArgs) -> Result<Config, Exit> {
    places(&mirror_of(args))
}

fn said(text: &str, exit: Exit) -> CallError {
    eprintln!("{text}");
    CallError::Said(exit)
}

impl Client {
    /// The client of the server that runs on this config's data folder.
    pub(super) fn of(config: &Config) -> Result<Self, CallError> {
        let dir = &config.data_dir;
        // What an earlier server left there is not asked: somebody else may listen by now, and
        // would get the token.
        if !is_held(dir) {
            return Err(CallError::NoServer);
        }
        let url = address::find(dir)
            .map_err(|e| said(&format!("{}/admin.url: {e}", dir.display()), Exit::Storage))?;
        let url = url.ok_or(CallError::NoServer)?;
        let token = token::own(dir).map_err(|e| {
            let file = token::file_of(dir);
            let text = "the token of whoever asks is read there: a start writes the file where it is missing";
            said(&format!("{}: {e}; {text}", file.display()), Exit::Storage)
        })?;
        let builder = http::builder(CONNECT).timeout(ANSWER_TIMEOUT).read_timeout(ANSWER_TIMEOUT);
        let mut builder = builder.no_proxy();
        if let Some((cert, _)) = &config.admin.tls {
            let pem = std::fs::read(cert)
                .map_err(|e| said(&format!("admin.tls_cert: {e}"), Exit::Usage))?;
            let roots = Certificate::from_pem_bundle(&pem)
                .map_err(|e| said(&format!("admin.tls_cert: {e}"), Exit::Usage))?;
            builder = builder.tls_certs_merge(roots);
        }
        let http = builder.build().map_err(|e| said(&format!("no HTTP client: {e}"), Exit::Bug))?;
        Ok(Self { http, url, token })
    }

    /// A client of a server in this process.
    pub(crate) fn near(url: &str, token: String) -> Option<Self> {
        let http = http::builder(CONNECT).timeout(ANSWER_TIMEOUT).no_proxy().build().ok()?;
        Some(Self { http, url: url.to_owned(), token })
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<Value, (Option<StatusCode>, String)> {
        let request = self.http.request(method, format!("{}{path}", self.url)).query(query);
        self.answer(request).await
    }

    async fn answer(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<Value, (Option<StatusCode>, String)> {
        let response =
            request.bearer_auth(&self.token).send().await.map_err(|e| (None, format!("{e:#}")))?;
        let status = response.status();
        let body: Value = response.json().await.map_err(|e| {
            // An answer that broke off is none; one that is no JSON is somebody else's.
            let is_cut = e.is_body() || e.is_timeout() || (status.is_success() && e.is_decode());
            (Some(status).filter(|_| !is_cut), e.to_string())
        })?;
        if status.is_success() {
            return Ok(body);
        }
        let detail =
            body.get("detail").and_then(Value::as_str).unwrap_or("no reason was given").to_owned();
        Err((Some(status), detail))
    }

    /// A POST, without a word about what goes wrong.
    pub(crate) async fn quietly(&self, path: &str) -> Option<Value> {
        self.ask(Method::POST, path, &[]).await.ok()
    }

    /// A GET, without a word about what goes wrong.
    pub(crate) async fn quiet(&self, path: &str) -> Option<Value> {
        self.ask(Method::GET, path, &[]).await.ok()
    }

    /// A request; what goes wrong is said.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<Value, CallError> {
        self.call_worded(method, path, query, str::to_owned).await
    }

    /// A request; what is refused is told in the words of who asks.
    pub(super) async fn call_worded(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        worded: impl Fn(&str) -> String,
    ) -> Result<Value, CallError> {
        waited(&"the server's answer", self.ask(method, path, query))
            .await
            .map_err(|(status, text)| Self::refused(&self.url, status, &worded(&text)))
    }

    /// Writes what is at a path, as it comes: octets are as they are told, whole or with an error.
    pub(super) async fn copy(&self, path: &str, out: &mut impl Write) -> Result<(), CallError> {
        // Much takes its time; silence ends it.
        let request = self.http.get(format!("{}{path}", self.url)).timeout(COPY_TIMEOUT);
        let request = request.bearer_auth(&self.token);
        let cut = |e: reqwest::Error| Self::refused(&self.url, None, &format!("{e:#}"));
        let mut response = request.send().await.map_err(cut)?;
        let status = response.status();
        if !status.is_success() {
            let told: Value = response.json().await.unwrap_or_default();
            let detail = told.get("detail").and_then(Value::as_str);
            let detail = detail.unwrap_or("no reason was given");
            return Err(Self::refused(&self.url, Some(status), detail));
        }
        while let Some(piece) = response.chunk().await.map_err(cut)? {
            match out.write_all(&piece) {
                Ok(()) => {}
                // Who reads has enough.
                Err(e) if e.kind() == ErrorKind::BrokenPipe => return Ok(()),
                Err(e) => return Err(said(&format!("stdout: {e}"), Exit::Storage)),
            }
        }
        let done = out.flush();
        done.or_else(|e| match e.kind() {
            ErrorKind::BrokenPipe => Ok(()),
            _ => Err(said(&format!("stdout: {e}"), Exit::Storage)),
        })
    }

    /// Posts a document.
    pub(super) async fn send(&self, path: &str, body: &impl Serialize) -> Result<Value, CallError> {
        let request = self.http.post(format!("{}{path}", self.url)).json(body);
        self.answer(request).await.map_err(|(status, text)| Self::refused(&self.url, status, &text))
    }

    /// Whether the server calls itself ready; else why not.
    pub(super) async fn ready(&self) -> Result<(), String> {
        let response = self
            .http
            .get(format!("{}/readyz", self.url))
            .send()
            .await
            .map_err(|e| format!("{e:#}"))?;
        let is_ready = response.status().is_success();
        let body: Value = response.json().await.map_err(|e| e.to_string())?;
        let reasons = body.get("reasons").and_then(Value::as_array).cloned().unwrap_or_default();
        let told: Vec<&str> = reasons.iter().filter_map(Value::as_str).collect();
        if is_ready { Ok(()) } else { Err(told.join("; ")) }
    }

    /// A GET that outlives a restart of the server: `None` while none answers.
    pub(super) async fn patient(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<Option<Value>, CallError> {
        match self.ask(Method::GET, path, query).await {
            Ok(value) => Ok(Some(value)),
            // It is going, or coming.
            Err((None | Some(StatusCode::SERVICE_UNAVAILABLE), _)) => Ok(None),
            Err((Some(status), text)) => Err(Self::refused(&self.url, Some(status), &text)),
        }
    }

    fn refused(url: &str, status: Option<StatusCode>, text: &str) -> CallError {
        match status {
            None => said(&format!("the server at {url} does not answer: {text}"), Exit::Network),
            Some(
                StatusCode::NOT_FOUND
                | StatusCode::CONFLICT
                | StatusCode::BAD_REQUEST
                | StatusCode::GONE,
            ) => said(text, Exit::Usage),
            Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => said(text, Exit::Auth),
            Some(StatusCode::SERVICE_UNAVAILABLE) => said(text, Exit::Storage),
            Some(status) => said(&format!("the server answered {status}: {text}"), Exit::Bug),
        }
    }

    /// Every item of a list, page by page.
    pub(super) async fn all(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<Vec<Value>, CallError> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut asked = query.to_vec();
            asked.extend(cursor.take().map(|cursor| ("cursor", cursor)));
            let page = self.call(Method::GET, path, &asked).await?;
            items.extend(page.get("items").and_then(Value::as_array).cloned().unwrap_or_default());
            match page.get("next").and_then(Value::as_str) {
                Some(next) => cursor = Some(next.to_owned()),
                None => return Ok(items),
            }
        }
    }
}

/// An account's id as it stands in a path.
pub(super) fn in_path(id: &str) -> String {
    id.bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}

/// The client of the server, or `None` while none runs: then the database is asked.
pub(super) fn near_or_none(config: &Config) -> Result<Option<Client>, Exit> {
    match Client::of(config) {
        Ok(client) => Ok(Some(client)),
        Err(CallError::NoServer) => Ok(None),
        Err(CallError::Said(exit)) => Err(exit),
    }
}

/// How a command ends that needs a server.
pub(super) fn exit_of(trouble: CallError, config: &Config) -> Exit {
    match trouble {
        CallError::Said(exit) => exit,
        CallError::NoServer => {
            eprintln!(
                "no server runs on {}; start one there (`postrider serve`, or `postrider demo` for its own data)",
                config.data_dir.display()
            );
            Exit::Network
        }
    }
}
