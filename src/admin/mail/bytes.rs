//! The bytes of a message and of its parts, as files: no browser shows them.

use crate::admin::Shared;
use crate::admin::mail::range::{Wanted, wanted};
use crate::admin::mail::stream::{Sent, body};
use crate::admin::problem::{Problem, ProblemOf};
use crate::config::Place;
use crate::derive::read::{MailBytes, Stored, Unread, beginning, read_now};
use crate::fault;
use crate::store::Reader;
use crate::store::list::MailLists;
use crate::store::mail::{StoredMail, StoredMails};
use axum::body::Body;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use postrider_core::derive::{self, Attachment};
use postrider_core::mail::body::BodyHash;
use postrider_core::mail::id::MessageId;
use postrider_core::mime::Encoding;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Messages that are read for answers at a time: each takes some memory until its answer has begun.
const READS: usize = 8;

/// Lists that are read at a time. What is around their messages is asked at once, of few connections, too
/// (`store::mail`): others have theirs.
const LISTED: usize = 3;

/// Where mail is read, and how many requests do at a time.
#[derive(Clone, Debug)]
pub struct StoredBytes {
    rows: StoredMails,
    lists: MailLists,
    bodies: PathBuf,
    reads: Arc<Semaphore>,
    listed: Arc<Semaphore>,
}

impl StoredBytes {
    /// Of these rows, and the packs in this folder.
    #[must_use]
    pub fn new(reader: &Reader, bodies: PathBuf) -> Self {
        let (rows, lists) = (StoredMails::new(reader.clone()), MailLists::new(reader.clone()));
        let connections = match reader.place() {
            Place::Server(server) => usize::try_from(server.readers).unwrap_or(usize::MAX),
            Place::File(_) => usize::MAX,
        };
        let listed = LISTED.min(connections.saturating_sub(1)).max(1);
        Self {
            rows,
            lists,
            bodies,
            reads: Arc::new(Semaphore::new(READS)),
            listed: Arc::new(Semaphore::new(listed)),
        }
    }

    /// What is known of messages.
    pub(super) fn rows(&self) -> &StoredMails {
        &self.rows
    }

    /// Lists of them.
    pub(super) fn lists(&self) -> &MailLists {
        &self.lists
    }

    /// Where their bytes are.
    pub(super) fn bodies(&self) -> &std::path::Path {
        &self.bodies
    }

    /// Turns to read a list.
    pub(super) fn turns(&self) -> Arc<Semaphore> {
        Arc::clone(&self.listed)
    }

    /// A turn to read; whoever waits too long for it is told so.
    pub(super) async fn turn(&self) -> Result<SemaphorePermit<'_>, Problem> {
        self.reads.acquire().await.map_err(|_| Problem::late())
    }
}

/// A message by its number, as the path has it.
pub(super) async fn stored(shared: &Shared, id: &str) -> Result<StoredMail, Problem> {
    let missing = || Problem::missing("message");
    let id = id.parse().map(MessageId).map_err(|_| missing())?;
    let mail = shared.mail.rows().message(id).await?.ok_or_else(missing)?;
    fault::hold_back("hold.read");
    Ok(mail)
}

/// What cannot be read where a row says may have been moved since that was read: then the row is read once more.
fn may_have_moved<T>(told: &Result<T, Problem>) -> bool {
    let is_damaged = |problem: &Problem| problem.status == StatusCode::BAD_GATEWAY.as_u16();
    told.as_ref().err().is_some_and(is_damaged)
}

/// Its bytes are not what they were.
fn damaged(why: &str) -> Problem {
    let text = format!(
        "its stored bytes cannot be read ({why}); `postrider verify` finds out, what else is known of it is there"
    );
    Problem::new(StatusCode::BAD_GATEWAY, "damaged", text)
}

/// Whether it is to be parsed in an answer: what has ended the process twice is not.
pub(super) fn not_left_out(mail: &StoredMail) -> Result<(), String> {
    if mail.is_left_out() {
        return Err("the process has ended twice while it read this message".to_owned());
    }
    Ok(())
}

/// What a request says of the octets that it wants.
pub(super) struct Asked(HeaderMap);

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let mut headers = parts.headers.clone();
        // Ranges are of GET alone (RFC 9110 §14.2).
        if parts.method != Method::GET {
            headers.remove(header::RANGE);
        }
        Ok(Self(headers))
    }
}

/// What is handed out.
struct File {
    media_type: String,
    name: String,
    length: u64,
    hash: BodyHash,
    sent: Sent,
}

/// A name as a header carries any. Source: RFC 8187 §3.2.
fn attachment(name: &str) -> String {
    let mut told = "attachment; filename*=UTF-8''".to_owned();
    for octet in name.bytes() {
        if octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~') {
            told.push(char::from(octet));
        } else {
            told.push_str(&format!("%{octet:02X}"));
        }
    }
    told
}

/// What every answer with octets of a mail says: it is a file, and whatever opens it all the same runs nothing.
pub(in crate::admin) fn as_file(response: &mut Response, media_type: &str, name: &str) {
    let plain = HeaderValue::from_static("application/octet-stream");
    let told = [
        (header::CONTENT_TYPE, HeaderValue::from_str(media_type).unwrap_or(plain)),
        (
            header::CONTENT_DISPOSITION,
            HeaderValue::from_str(&attachment(name))
                .unwrap_or(HeaderValue::from_static("attachment")),
        ),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
        (
            header::HeaderName::from_static("cross-origin-resource-policy"),
            HeaderValue::from_static("same-origin"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("private")),
    ];
    response.headers_mut().extend(told);
}

/// A file, or the range of it that is asked for.
async fn handed_out(
    shared: &Shared,
    headers: &HeaderMap,
    mut file: File,
) -> Result<Response, Problem> {
    let (length, tag) = (file.length, format!("\"{}\"", file.hash));
    let (status, range) = match wanted(headers, &tag, length) {
        Wanted::Nothing => (StatusCode::NOT_MODIFIED, None),
        Wanted::Whole => (StatusCode::OK, None),
        Wanted::Part(part) => (StatusCode::PARTIAL_CONTENT, Some(part)),
        Wanted::Beyond => {
            let text = format!("Range: it has {length} octets; write one like bytes=0-99");
            let problem =
                Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, "range_not_satisfiable", text);
            let mut response = problem.into_response();
            if let Ok(range) = HeaderValue::from_str(&format!("bytes */{length}")) {
                response.headers_mut().insert(header::CONTENT_RANGE, range);
            }
            return Ok(response);
        }
    };
    let mut told = vec![
        (header::ETAG, tag),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::HeaderName::from_static("repr-digest"), digest(&file.hash)),
    ];
    let octets = if status == StatusCode::NOT_MODIFIED {
        Body::empty()
    } else {
        let sent = range.clone().unwrap_or(0..length);
        told.push((header::CONTENT_LENGTH, (sent.end - sent.start).to_string()));
        if let Some(part) = &range {
            let Some(last) = part.end.checked_sub(1) else { return Err(Problem::missing("range")) };
            told.push((header::CONTENT_RANGE, format!("bytes {}-{last}/{length}", part.start)));
        }
        // A part of it is held against nothing.
        file.sent.hash = range.is_none().then_some(file.hash);
        file.sent.wanted = sent;
        let _turn = shared.mail.turn().await?;
        let octets = body(shared.mail.bodies(), file.sent).await;
        octets.map_err(|why| damaged(&why.to_string()))?
    };
    let mut response = (status, octets).into_response();
    as_file(&mut response, &file.media_type, &file.name);
    for (name, value) in told {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

/// Of the whole, whatever part of it is sent. Source: RFC 9530 §3.
fn digest(hash: &BodyHash) -> String {
    format!("sha-256=:{}:", base64::engine::general_purpose::STANDARD.encode(hash.0))
}

/// Where a mail's bytes lie, and what they are.
pub(super) fn bytes_of(mail: &StoredMail) -> MailBytes {
    MailBytes { body: mail.body(), synthetic: mail.synthetic }
}

/// The message, octet by octet as its server has it; of one that is `synthetic`, what its provider tells of it, as JSON.
#[utoipa::path(get, path = "/v1/messages/{id}/raw", tag = "mail", params(("id" = i64, Path, description = "Its number")), responses(
    (status = 200, content((Vec<u8> = "message/rfc822"), (Vec<u8> = "application/json"))), (status = 206, content_type = "message/rfc822", body = Vec<u8>),
    (status = 304), ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<416>, ProblemOf<502>, ProblemOf<503>))]
pub(super) async fn raw(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    asked: Asked,
) -> Result<Response, Problem> {
    let told = raw_of(&shared, &id, &asked).await;
    if may_have_moved(&told) { raw_of(&shared, &id, &asked).await } else { told }
}

async fn raw_of(shared: &Shared, id: &str, asked: &Asked) -> Result<Response, Problem> {
    let mail = stored(shared, id).await?;
    let (stored, length) = (mail.body(), mail.length);
    let encoding = Encoding::Identity;
    let sent = Sent { body: stored, octets: 0..length, encoding, wanted: 0..length, hash: None };
    // What is no mail is not called one.
    let (end, media_type) = match mail.synthetic {
        true => ("json", "application/json"),
        false => ("eml", "message/rfc822"),
    };
    let (name, media_type) = (format!("message-{id}.{end}"), media_type.to_owned());
    handed_out(shared, &asked.0, File { media_type, name, length, hash: mail.mail.hash, sent })
        .await
}

/// A part of a message, decoded, by its number as `attachments` and IMAP have it.
#[utoipa::path(get, path = "/v1/messages/{id}/parts/{number}", tag = "mail", params(("id" = i64, Path, description = "Its number"), ("number" = String, Path, description = "The part's, like 2.1")), responses(
    (status = 200, content_type = "*/*", body = Vec<u8>), (status = 206, content_type = "*/*", body = Vec<u8>),
    (status = 304), ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<416>, ProblemOf<502>, ProblemOf<503>))]
pub(super) async fn part(
    State(shared): State<Shared>,
    Path((id, number)): Path<(String, String)>,
    asked: Asked,
) -> Result<Response, Problem> {
    let told = part_of(&shared, (&id, &number), &asked).await;
    if may_have_moved(&told) { part_of(&shared, (&id, &number), &asked).await } else { told }
}

async fn part_of(
    shared: &Shared,
    (id, number): (&str, &str),
    asked: &Asked,
) -> Result<Response, Problem> {
    let mail = stored(shared, id).await?;
    if mail.synthetic {
        // Nothing of its bytes is held.
        return Err(Problem::missing("part"));
    }
    let files = shared.mail.rows().files(mail.mail.message).await?;
    let found = match files.into_iter().find(|file| file.number == number) {
        Some(file) if mail.version == Some(derive::VERSION) => Some(file),
        // What is no file, or is not derived yet, is looked for.
        _ => {
            not_left_out(&mail).map_err(|why| damaged(&why))?;
            let _turn = shared.mail.turn().await?;
            let wanted = number.to_owned();
            let found = read_now(shared.mail.bodies(), bytes_of(&mail), move |mail| {
                derive::part(mail, &wanted)
            });
            let found = found.await;
            found.map_err(|why| damaged(&why))?
        }
    };
    let found = found.ok_or_else(|| Problem::missing("part"))?;
    let Attachment { media_type, name, encoding, octets, size: length, sha256, .. } = found;
    let sent = Sent { body: mail.body(), octets, encoding, wanted: 0..length, hash: None };
    let name = name.unwrap_or_else(|| format!("part-{id}-{number}"));
    let hash = BodyHash(sha256);
    handed_out(shared, &asked.0, File { media_type, name, length, hash, sent }).await
}

/// Its header, as it is, to 256 KiB.
#[utoipa::path(get, path = "/v1/messages/{id}/headers", tag = "mail", params(("id" = i64, Path, description = "Its number")), responses(
    (status = 200, content_type = "text/plain", body = Vec<u8>), ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<502>, ProblemOf<503>))]
pub(super) async fn headers(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let told = header_of(&shared, &id).await;
    let octets = if may_have_moved(&told) { header_of(&shared, &id).await } else { told }?;
    let mut response = Body::from(octets).into_response();
    as_file(&mut response, "text/plain", &format!("message-{id}-header.txt"));
    Ok(response)
}

async fn header_of(shared: &Shared, id: &str) -> Result<Vec<u8>, Problem> {
    let mail = stored(shared, id).await?;
    let _turn = shared.mail.turn().await?;
    let read = read_now(shared.mail.bodies(), bytes_of(&mail), |mail| {
        let mut octets = beginning(mail)?;
        let is_blank = |rest: &[u8]| rest.starts_with(b"\r\n") || rest.starts_with(b"\n");
        let is_end = |at: &usize| {
            let begins = at.checked_sub(1).is_none_or(|before| octets.get(before) == Some(&b'\n'));
            begins && octets.get(*at..).is_some_and(is_blank)
        };
        let end = (0..octets.len()).find(is_end).unwrap_or(octets.len());
        octets.truncate(end);
        Ok(octets)
    });
    read.await.map_err(|why| damaged(&why))
}

/// What is shown of it, as text; HTML is made text where there is nothing else.
#[utoipa::path(get, path = "/v1/messages/{id}/text", tag = "mail", params(("id" = i64, Path, description = "Its number")), responses(
    (status = 200, content_type = "text/plain", body = String), ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<502>, ProblemOf<503>))]
pub(super) async fn text(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let read = shown(&shared, &id, |mail| derive::shown_text(mail).map(Some)).await?;
    let text = read.unwrap_or_default();
    let mut response = Body::from(text).into_response();
    as_file(&mut response, "text/plain; charset=utf-8", &format!("message-{id}.txt"));
    Ok(response)
}

/// What is shown of it, as HTML, where it has any. Nothing is taken out of it: it is never to be shown where scripts run.
#[utoipa::path(get, path = "/v1/messages/{id}/html", tag = "mail", params(("id" = i64, Path, description = "Its number")), responses(
    (status = 200, content_type = "text/html", body = String), ProblemOf<401>, ProblemOf<403>, ProblemOf<404>, ProblemOf<502>, ProblemOf<503>))]
pub(super) async fn html(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let read = shown(&shared, &id, |mail| derive::shown_html(mail)).await?;
    let html = read.ok_or_else(|| Problem::missing("HTML in this message"))?;
    let mut response = Body::from(html).into_response();
    as_file(&mut response, "text/html; charset=utf-8", &format!("message-{id}.html"));
    Ok(response)
}

/// What is shown of a message, read from its bytes.
async fn shown(
    shared: &Shared,
    id: &str,
    read: fn(&mut Stored<'_>) -> Result<Option<String>, Unread>,
) -> Result<Option<String>, Problem> {
    let told = shown_once(shared, id, read).await;
    if may_have_moved(&told) { shown_once(shared, id, read).await } else { told }
}

async fn shown_once(
    shared: &Shared,
    id: &str,
    read: fn(&mut Stored<'_>) -> Result<Option<String>, Unread>,
) -> Result<Option<String>, Problem> {
    let mail = stored(shared, id).await?;
    not_left_out(&mail).map_err(|why| damaged(&why))?;
    let _turn = shared.mail.turn().await?;
    let read = read_now(shared.mail.bodies(), bytes_of(&mail), read).await;
    read.map_err(|why| damaged(&why))
}
