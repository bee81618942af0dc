//! What the API says, as far as it is read (Nylas v3, "Messages", "Folders", "Errors"): leniently, and within limits.

use serde::de::{Error, IgnoredAny};
use serde::{Deserialize, Deserializer};

/// Octets of an id at most: those of Microsoft's mailboxes have some 150.
const ID: usize = 512;
/// Octets of a page's token at most: it is asked for with the next page.
const TOKEN: usize = 4096;
/// Folders that a message may lie in.
const FOLDERS: usize = 1000;

/// Whether a text is an id: what it becomes a part of (URLs, rows) takes it encoded.
pub(super) fn is_id(text: &str) -> bool {
    (1..=ID).contains(&text.len()) && !text.chars().any(|c| c.is_control() || c.is_whitespace())
}

fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let id = String::deserialize(deserializer)?;
    if is_id(&id) { Ok(id) } else { Err(D::Error::custom("no id")) }
}

/// What is none of its kind is not told.
fn lenient<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either<T> {
        Good(T),
        Other(IgnoredAny),
    }
    Ok(match Either::deserialize(deserializer)? {
        Either::Good(good) => Some(good),
        Either::Other(_) => None,
    })
}

fn token<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let token = Option::<String>::deserialize(deserializer)?.filter(|token| !token.is_empty());
    let is_one =
        |token: &String| token.len() <= TOKEN && token.bytes().all(|b| b.is_ascii_graphic());
    if token.as_ref().is_none_or(is_one) { Ok(token) } else { Err(D::Error::custom("no token")) }
}

/// Whether a text is a folder's id: of some providers it is a name.
fn is_folder(text: &str) -> bool {
    (1..=ID).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// Empty where it is none: one odd folder is no trouble of the others.
fn folder<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let id = lenient::<D, String>(deserializer)?;
    Ok(id.filter(|id| is_folder(id)).unwrap_or_default())
}

fn folders<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    let all = lenient::<D, Vec<String>>(deserializer)?;
    let all = all.filter(|all| all.len() <= FOLDERS);
    // An odd one beside others is left out; where there is no other, nothing is told.
    Ok(all.and_then(|all| {
        let was_told = !all.is_empty();
        let good: Vec<String> = all.into_iter().filter(|id| is_folder(id)).collect();
        (!was_told || !good.is_empty()).then_some(good)
    }))
}

/// An answer about one thing.
#[derive(Debug, Deserialize)]
pub(super) struct One<T> {
    pub(super) data: T,
}

/// A page of a list.
#[derive(Debug, Deserialize)]
pub(super) struct Many<T> {
    pub(super) data: Vec<T>,
    #[serde(default, deserialize_with = "token")]
    pub(super) next_cursor: Option<String>,
}

impl<T> Default for Many<T> {
    fn default() -> Self {
        Self { data: Vec::new(), next_cursor: None }
    }
}

/// A message, without what it says.
#[derive(Debug, Deserialize)]
pub(super) struct MessageRow {
    #[serde(deserialize_with = "id")]
    pub(super) id: String,
    /// None: they are not told.
    #[serde(default, deserialize_with = "folders")]
    pub(super) folders: Option<Vec<String>>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) unread: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) starred: Option<bool>,
    /// Seconds.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) date: Option<i64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) thread_id: Option<String>,
}

/// What is answered where the bytes are asked for, but for them.
#[derive(Debug, Deserialize)]
pub(super) struct RawRow {
    #[serde(deserialize_with = "id")]
    pub(super) id: String,
}

/// A folder.
#[derive(Debug, Deserialize)]
pub(super) struct FolderRow {
    /// Empty: it has none that can be asked for.
    #[serde(default, deserialize_with = "folder")]
    pub(super) id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) parent_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) attributes: Option<Vec<String>>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) system_folder: Option<bool>,
}

/// A grant.
#[derive(Debug, Deserialize)]
pub(super) struct GrantRow {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) provider: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) email: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) grant_status: Option<String>,
}

/// A webhook.
#[derive(Debug, Deserialize)]
pub(super) struct WebhookRow {
    #[serde(deserialize_with = "id")]
    pub(super) id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) webhook_url: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) trigger_types: Option<Vec<String>>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) status: Option<String>,
}

/// One that was made just now: its secret is told this once, and is never printed.
#[derive(Deserialize)]
pub(super) struct NewWebhook {
    #[serde(deserialize_with = "id")]
    pub(super) id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) webhook_secret: Option<String>,
}

/// A refusal.
#[derive(Debug, Deserialize)]
pub(super) struct RefusalBody {
    pub(super) error: ErrorBody,
}

/// What it says.
#[derive(Debug, Deserialize)]
pub(super) struct ErrorBody {
    #[serde(default, rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) message: String,
    /// What the provider behind has said, in whatever shape.
    pub(super) provider_error: Option<IgnoredAny>,
}
