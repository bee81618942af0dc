//! Nylas's routes over the mailboxes of an application.

use crate::nylas::mailbox::{NylasApplication, NylasContents, NylasMail};
use crate::play::{Api, ApiServer, Play, Question, put};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use serde_json::{Value, json};
use std::sync::PoisonError;

/// The most that a page may show, and what it shows where nothing is said.
const MOST: usize = 200;
const USUAL: usize = 50;

/// A running server of Nylas's API; it ends when dropped.
pub type NylasServer = ApiServer<NylasApplication>;

/// Why a question has no answer: status, type, message.
type Refused = (u16, &'static str, &'static str);

const NO_MESSAGE: Refused = (404, "not_found_error", "Message not found");

impl Play {
    /// Refuses as Nylas does.
    #[must_use]
    pub fn nylas(status: u16, kind: &str, message: &str) -> Self {
        let error = json!({"type": kind, "message": message});
        let body = json!({"request_id": "r", "error": error}).to_string().into_bytes();
        Self { status, body: Some(body), ..Self::default() }
    }
}

impl Question {
    /// Whether it is about the grant itself.
    #[must_use]
    pub fn is_of_grant(&self) -> bool {
        self.path.split('/').count() == 2
    }

    /// The id of a message that is asked about, and whether its bytes are wanted.
    #[must_use]
    pub fn message(&self) -> Option<(&str, bool)> {
        let (_, id) = self.path.split_once("/messages/")?;
        Some((id, self.query.get("fields").is_some_and(|fields| fields == "raw_mime")))
    }

    /// Whether messages are listed.
    #[must_use]
    pub fn lists(&self) -> bool {
        self.path.ends_with("/messages")
    }
}

impl Api for NylasApplication {
    const ROOT: &'static str = "/v3/";
    const PACKS: bool = true;

    fn unknown() -> Play {
        Play::nylas(401, "invalid_authentication", "Bearer token invalid")
    }

    fn well(&self, question: &Question) -> (u16, Vec<u8>) {
        match self.found(question) {
            Ok(found) => (200, found.to_string().into_bytes()),
            Err((status, kind, message)) => {
                let play = Play::nylas(status, kind, message);
                (status, play.body.unwrap_or_default())
            }
        }
    }
}

impl NylasApplication {
    fn found(&self, question: &Question) -> Result<Value, Refused> {
        if question.token != self.key {
            return Err((401, "invalid_authentication", "Bearer token invalid"));
        }
        let mut parts = question.path.splitn(4, '/');
        match parts.next() {
            Some("grants") => {}
            Some("webhooks") => return self.webhook(question, parts.next()),
            _ => return Err((404, "not_found_error", "Not found")),
        }
        let Some(grant) = parts.next() else {
            let grants = self.grants.lock().unwrap_or_else(PoisonError::into_inner);
            let shown: Vec<Value> = grants.iter().map(|it| grant_of(&it.lock())).collect();
            return Ok(json!({"request_id": "r", "data": shown}));
        };
        let Some(mailbox) = self.grant(grant) else {
            return Err((404, "grant_not_found", "No Grant found with this ID"));
        };
        let contents = mailbox.lock();
        let data = match (parts.next(), parts.next()) {
            (None, _) => return Ok(json!({"request_id": "r", "data": grant_of(&contents)})),
            _ if !contents.is_valid => {
                return Err((401, "unauthorized", "Grant is no longer valid"));
            }
            (Some("folders"), None) => {
                return page(folders(&contents).into_iter(), question, |it| it);
            }
            (Some("messages"), None) => return list(&contents, question),
            (Some("messages"), Some(id)) => one(&contents, id, question)?,
            _ => return Err((404, "not_found_error", "Not found")),
        };
        Ok(json!({"request_id": "r", "data": data}))
    }
}

fn grant_of(contents: &NylasContents) -> Value {
    let status = if contents.is_valid { "valid" } else { "invalid" };
    json!({
        "id": contents.grant,
        "object": "grant",
        "provider": contents.provider,
        "email": contents.address,
        "grant_status": status,
        "scope": ["mail.read"],
        "created_at": 1_700_000_000,
    })
}

fn folders(contents: &NylasContents) -> Vec<Value> {
    let shown = |(id, folder): (&String, &crate::nylas::mailbox::NylasFolder)| {
        json!({
            "id": id,
            "grant_id": contents.grant,
            "object": "folder",
            "name": folder.name,
            "parent_id": folder.parent,
            "system_folder": folder.attribute.is_some(),
            "attributes": folder.attribute.iter().collect::<Vec<_>>(),
        })
    };
    contents.folders.iter().map(shown).collect()
}

fn page<T>(
    all: impl Iterator<Item = T>,
    question: &Question,
    shown: impl Fn(T) -> Value,
) -> Result<Value, Refused> {
    let from = match question.query.get("page_token") {
        None => 0,
        Some(token) => token
            .parse::<usize>()
            .map_err(|_| (400, "invalid_request_error", "invalid page_token"))?,
    };
    let most = question.query.get("limit").and_then(|n| n.parse().ok());
    let most = most.unwrap_or(USUAL).clamp(1, MOST);
    let mut rest = all.skip(from);
    let page: Vec<Value> = rest.by_ref().take(most).map(shown).collect();
    let mut found = json!({"request_id": "r", "data": page});
    if rest.next().is_some() {
        put(&mut found, "next_cursor", Value::from((from + most).to_string()));
    }
    Ok(found)
}

/// Whether a message is told: of what is older than what is kept, only where the server behind is asked.
fn is_told(contents: &NylasContents, mail: &NylasMail, question: &Question) -> bool {
    let behind = question.query.get("query_imap").is_some_and(|text| text == "true");
    behind || contents.kept_since.is_none_or(|since| mail.date >= since)
}

fn list(contents: &NylasContents, question: &Question) -> Result<Value, Refused> {
    let of = |key: &str| question.query.get(key);
    let seconds = |key: &str| of(key).and_then(|text| text.parse::<i64>().ok());
    let (after, before, within) = (seconds("received_after"), seconds("received_before"), of("in"));
    if of("query_imap").is_some() && within.is_none() {
        return Err((400, "invalid_request_error", "query_imap needs `in`"));
    }
    if within.is_some_and(|id| !contents.folders.contains_key(id)) {
        return Err((404, "not_found_error", "Folder not found"));
    }
    let is_wanted = |mail: &NylasMail| {
        within.is_none_or(|id| mail.folders.contains(id)) && is_told(contents, mail, question)
    };
    let from = after.map_or(i64::MIN, |after| after.saturating_add(1));
    let to = before.unwrap_or(i64::MAX).max(from);
    let window = contents.order.range((from, String::new())..(to, String::new())).rev();
    let mail = |id: &str| contents.messages.get_key_value(id);
    let shown = |(id, mail): (&String, &NylasMail)| selected(contents, (id, mail), question);
    // What is passed over is not looked up where all of it is wanted.
    if within.is_none() && contents.kept_since.is_none() {
        let shown = |(_, id): &(i64, String)| mail(id).map_or(Value::Null, shown);
        return page(window, question, shown);
    }
    let found = window.filter_map(|(_, id)| mail(id));
    page(found.filter(|(_, mail)| is_wanted(mail)), question, shown)
}

fn one(contents: &NylasContents, id: &str, question: &Question) -> Result<Value, Refused> {
    let mail = contents.messages.get(id).filter(|mail| is_told(contents, mail, question));
    let mail = mail.ok_or(NO_MESSAGE)?;
    if question.message().is_some_and(|(_, raw)| raw) {
        return Ok(json!({
            "grant_id": contents.grant,
            "object": "message",
            "id": id,
            "raw_mime": URL_SAFE.encode(mail.raw.as_slice()),
        }));
    }
    Ok(selected(contents, (id, mail), question))
}

/// A message, or what of it is asked for.
fn selected(
    contents: &NylasContents,
    (id, mail): (&str, &NylasMail),
    question: &Question,
) -> Value {
    let mut all = json!({
        "id": id,
        "grant_id": contents.grant,
        "object": "message",
        "thread_id": format!("t-{id}"),
        "subject": "…",
        "date": mail.date,
        "unread": mail.unread,
        "starred": mail.starred,
        "folders": mail.folders,
        "from": [{"name": "A", "email": "a@example.org"}],
        "body": "<p>…</p>",
        "snippet": "…",
    });
    if question.query.get("fields").is_some_and(|fields| fields == "include_headers") {
        let name = json!({"name": "Message-Id", "value": format!("<{id}@example.org>")});
        put(&mut all, "headers", json!([name]));
    }
    let Some(fields) = question.query.get("select") else { return all };
    let fields: Vec<&str> = fields.split(',').collect();
    let Value::Object(all) = all else { return all };
    Value::Object(all.into_iter().filter(|(key, _)| fields.contains(&key.as_str())).collect())
}
