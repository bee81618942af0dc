//! What Gmail's API answers, as JSON (Gmail API reference, v1). What is not read is not named.

use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// Digits of a number, at most: 64 bits have 20, and they may become more.
const DIGITS: usize = 30;
/// Octets of a message's id, at most; Gmail's have 16 today.
const ID: usize = 128;
/// Octets of a label's id, at most.
const LABEL: usize = 256;
/// Octets of a page's token, at most: it is asked for with the next page.
const TOKEN: usize = 2048;

/// Whether a text is an id of a message: what it becomes a part of (URLs, rows) takes these signs.
pub(super) fn is_id(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    (1..=ID).contains(&text.len()) && text.bytes().all(is_plain)
}

/// Whether a text is a number as the API tells them.
pub(super) fn is_digits(text: &str) -> bool {
    (1..=DIGITS).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

/// The mailbox that an address names, in one writing: letters of any case, and dots before gmail.com, do not count.
pub(in crate::provider) fn mailbox(address: &str) -> String {
    let lower = address.to_lowercase();
    match lower.split_once('@') {
        Some((name, "gmail.com" | "googlemail.com")) => {
            let name = name.split('+').next().unwrap_or_default().replace('.', "");
            format!("{name}@gmail.com")
        }
        _ => lower,
    }
}

/// The id of a message.
fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let id = String::deserialize(deserializer)?;
    if is_id(&id) { Ok(id) } else { Err(D::Error::custom("no id")) }
}

/// An id that may be left out; what is none is not told.
fn plain<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Text(String),
        Other(serde::de::IgnoredAny),
    }
    Ok(match Either::deserialize(deserializer)? {
        Either::Text(text) => Some(text).filter(|text| is_id(text)),
        Either::Other(_) => None,
    })
}

/// A number, as text or not; what is none is not told.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(i64),
        Text(String),
        Other(serde::de::IgnoredAny),
    }
    Ok(match Either::deserialize(deserializer)? {
        Either::Number(number) => Some(number),
        Either::Text(text) => text.parse().ok(),
        Either::Other(_) => None,
    })
}

/// The id of a label.
fn label<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let id = String::deserialize(deserializer)?;
    let is_one = (1..=LABEL).contains(&id.len()) && !id.chars().any(char::is_control);
    if is_one { Ok(id) } else { Err(D::Error::custom("no label")) }
}

/// What the next page is asked for with; an empty one is none.
fn token<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let token = Option::<String>::deserialize(deserializer)?.filter(|token| !token.is_empty());
    let is_one = |token: &String| {
        token.len() <= TOKEN && token.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
    };
    if token.as_ref().is_none_or(is_one) { Ok(token) } else { Err(D::Error::custom("no token")) }
}

/// A number that may be longer than 64 bits: kept as its digits, whether it comes as text or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Digits(pub(super) String);

impl<'de> Deserialize<'de> for Digits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Text(String),
            Number(u64),
        }
        let digits = match Either::deserialize(deserializer)? {
            Either::Text(text) => text,
            Either::Number(number) => number.to_string(),
        };
        if is_digits(&digits) { Ok(Self(digits)) } else { Err(D::Error::custom("no number")) }
    }
}

/// users.getProfile.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Profile {
    pub(super) email_address: String,
    pub(super) messages_total: Option<u64>,
    pub(super) history_id: Digits,
}

/// users.labels.list.
#[derive(Debug, Deserialize)]
pub(super) struct LabelList {
    #[serde(default)]
    pub(super) labels: Vec<Label>,
}

/// A label.
#[derive(Debug, Deserialize)]
pub(super) struct Label {
    #[serde(deserialize_with = "label")]
    pub(super) id: String,
    #[serde(default)]
    pub(super) name: String,
}

/// users.messages.list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessageList {
    #[serde(default)]
    pub(super) messages: Vec<MessageId>,
    #[serde(default, deserialize_with = "token")]
    pub(super) next_page_token: Option<String>,
}

/// A message by its id.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessageId {
    #[serde(deserialize_with = "id")]
    pub(super) id: String,
    #[serde(default, deserialize_with = "plain")]
    pub(super) thread_id: Option<String>,
}

/// users.messages.get, but for its bytes; and a message in a record of history.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message {
    #[serde(deserialize_with = "id")]
    pub(super) id: String,
    #[serde(default, deserialize_with = "plain")]
    pub(super) thread_id: Option<String>,
    /// Left out where it is empty.
    pub(super) label_ids: Option<Vec<String>>,
    pub(super) history_id: Option<Digits>,
    /// Octets, about.
    pub(super) size_estimate: Option<u64>,
    /// Milliseconds since 1970.
    #[serde(default, deserialize_with = "number")]
    pub(super) internal_date: Option<i64>,
}

/// users.history.list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HistoryList {
    #[serde(default)]
    pub(super) history: Vec<Record>,
    #[serde(default, deserialize_with = "token")]
    pub(super) next_page_token: Option<String>,
    pub(super) history_id: Option<Digits>,
}

/// What has changed at one historyId.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    pub(super) id: Digits,
    #[serde(default)]
    pub(super) messages_added: Vec<Mentioned>,
    #[serde(default)]
    pub(super) messages_deleted: Vec<Mentioned>,
    #[serde(default)]
    pub(super) labels_added: Vec<Labelled>,
    #[serde(default)]
    pub(super) labels_removed: Vec<Labelled>,
}

/// A message in a record.
#[derive(Debug, Deserialize)]
pub(super) struct Mentioned {
    pub(super) message: Message,
}

/// Labels that a message got, or lost.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Labelled {
    pub(super) message: Message,
    #[serde(default)]
    pub(super) label_ids: Vec<String>,
}

/// Any answer: whether it is a refusal.
#[derive(Debug, Deserialize)]
pub(super) struct AnyBody {
    #[serde(default)]
    pub(super) error: Option<serde::de::IgnoredAny>,
}

/// The body of a refusal.
#[derive(Debug, Deserialize)]
pub(super) struct RefusalBody {
    pub(super) error: ErrorBody,
}

/// What is wrong.
#[derive(Debug, Deserialize)]
pub(super) struct ErrorBody {
    #[serde(default, deserialize_with = "number")]
    pub(super) code: Option<i64>,
    #[serde(default)]
    pub(super) message: String,
    #[serde(default)]
    pub(super) errors: Vec<ErrorItem>,
    #[serde(default)]
    pub(super) details: Vec<ErrorItem>,
    #[serde(default)]
    pub(super) status: String,
}

/// One reason.
#[derive(Debug, Deserialize)]
pub(super) struct ErrorItem {
    #[serde(default)]
    pub(super) reason: String,
}
