//! Gmail's routes over a mailbox.

use crate::mailbox::{Contents, GmailBox, Happened, Message};
use crate::play::{Api, ApiServer, Play, Question, put};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use serde_json::{Value, json};

/// The most that a page may show.
const MOST: usize = 500;
/// Until when it pushes (milliseconds): for long.
const WATCHED: u64 = 4_102_444_800_000;

/// A running server of Gmail's API; it ends when dropped.
pub type GmailServer = ApiServer<GmailBox>;

impl Api for GmailBox {
    const ROOT: &'static str = "/gmail/v1/users/me/";
    const PACKS: bool = false;

    fn unknown() -> Play {
        Play::refuse(401, "required", "Login Required.")
    }

    fn well(&self, question: &Question) -> (u16, Vec<u8>) {
        well(&mut self.lock(), question)
    }
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
