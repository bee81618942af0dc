//! What Gmail's API answers, as JSON (Gmail API reference, v1). What is not read is not named.

use serde::{Deserialize, Deserializer};

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
        Ok(Self(match Either::deserialize(deserializer)? {
            Either::Text(text) => text,
            Either::Number(number) => number.to_string(),
        }))
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
    pub(super) next_page_token: Option<String>,
}

/// A message by its id.
#[derive(Debug, Deserialize)]
pub(super) struct MessageId {
    pub(super) id: String,
}

/// users.messages.get, but for its bytes; and a message in a record of history.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message {
    pub(super) id: String,
    /// Left out where it is empty.
    pub(super) label_ids: Option<Vec<String>>,
    pub(super) history_id: Option<Digits>,
    /// Octets, about.
    pub(super) size_estimate: Option<u64>,
    /// Milliseconds since 1970.
    pub(super) internal_date: Option<Digits>,
}

/// users.history.list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HistoryList {
    #[serde(default)]
    pub(super) history: Vec<Record>,
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

/// The body of a refusal.
#[derive(Debug, Deserialize)]
pub(super) struct RefusalBody {
    pub(super) error: ErrorBody,
}

/// What is wrong.
#[derive(Debug, Deserialize)]
pub(super) struct ErrorBody {
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
