//! The mailbox: messages with labels, and the history of what happened to them.

use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Labels that every mailbox has.
const SYSTEM: [&str; 15] = [
    "CHAT",
    "SENT",
    "INBOX",
    "IMPORTANT",
    "TRASH",
    "DRAFT",
    "SPAM",
    "CATEGORY_FORUMS",
    "CATEGORY_UPDATES",
    "CATEGORY_PERSONAL",
    "CATEGORY_PROMOTIONS",
    "CATEGORY_SOCIAL",
    "YELLOW_STAR",
    "STARRED",
    "UNREAD",
];

/// A message.
#[derive(Clone, Debug)]
pub struct Message {
    /// The exact bytes.
    pub raw: Arc<Vec<u8>>,
    /// Its labels.
    pub labels: BTreeSet<String>,
    /// The historyId of its last change.
    pub history: u64,
    /// When it came, in milliseconds since 1970.
    pub date: i64,
}

/// What happened to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// It came.
    Added,
    /// It is gone for good.
    Deleted,
    /// It got labels.
    Labelled(BTreeSet<String>),
    /// It lost labels.
    Unlabelled(BTreeSet<String>),
}

/// One record of history.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its historyId.
    pub id: u64,
    /// The message.
    pub message: String,
    /// What happened.
    pub what: Happened,
}

/// What a mailbox holds.
#[derive(Debug)]
pub struct Contents {
    /// Whose it is.
    pub address: String,
    /// Labels: id, name.
    pub labels: BTreeMap<String, String>,
    /// Messages by id.
    pub messages: BTreeMap<String, Message>,
    /// In order.
    pub history: Vec<Record>,
    /// The historyId of now.
    pub now: u64,
    /// What came before is forgotten.
    pub floor: u64,
    /// Where it is to push to.
    pub topic: Option<String>,
    next: u64,
    /// The list that was asked for last: of when and what, and its ids.
    listed: ((u64, Option<String>, bool), Vec<String>),
}

/// A mailbox. Clones share it.
#[derive(Clone, Debug)]
pub struct GmailBox(Arc<Mutex<Contents>>);

fn set<S: AsRef<str>>(labels: &[S]) -> BTreeSet<String> {
    labels.iter().map(|label| label.as_ref().to_owned()).collect()
}

impl Contents {
    fn tell(&mut self, message: &str, what: Happened) {
        // Numbers have gaps.
        self.now += 3;
        self.history.push(Record { id: self.now, message: message.to_owned(), what });
        if let Some(message) = self.messages.get_mut(message) {
            message.history = self.now;
        }
    }

    /// Ids, newest first: those with a label, or all; without what lies in spam or trash, unless
    /// `everything` is wanted. It is kept for the next page.
    pub fn newest(&mut self, label: Option<&str>, everything: bool) -> &[String] {
        let of = (self.now, label.map(str::to_owned), everything);
        if self.listed.0 != of {
            let is_hidden = |m: &Message| {
                m.labels.contains("CHAT")
                    || (!everything && (m.labels.contains("SPAM") || m.labels.contains("TRASH")))
            };
            let is_wanted =
                |m: &Message| !is_hidden(m) && label.is_none_or(|label| m.labels.contains(label));
            let mut all: Vec<_> = self.messages.iter().filter(|(_, m)| is_wanted(m)).collect();
            all.sort_by(|a, b| (b.1.date, b.0).cmp(&(a.1.date, a.0)));
            self.listed = (of, all.into_iter().map(|(id, _)| id.clone()).collect());
        }
        &self.listed.1
    }
}

impl GmailBox {
    /// An empty mailbox.
    #[must_use]
    pub fn new(address: &str) -> Self {
        let labels = SYSTEM.iter().map(|id| ((*id).to_owned(), (*id).to_owned())).collect();
        Self(Arc::new(Mutex::new(Contents {
            address: address.to_owned(),
            labels,
            messages: BTreeMap::new(),
            history: Vec::new(),
            now: 184_000,
            floor: 0,
            topic: None,
            next: 0,
            listed: ((0, None, false), Vec::new()),
        })))
    }

    /// What it holds, to look at or to change.
    pub fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message comes. Returns its id.
    pub fn insert(&self, raw: impl Into<Vec<u8>>, labels: &[&str], date: i64) -> String {
        let mut contents = self.lock();
        contents.next += 1;
        // Ids do not sort by time.
        let id = format!("{:016x}", contents.next.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let message = Message { raw: Arc::new(raw.into()), labels: set(labels), history: 0, date };
        contents.messages.insert(id.clone(), message);
        contents.tell(&id, Happened::Added);
        id
    }

    /// A message gets and loses labels.
    pub fn modify(&self, id: &str, add: &[&str], remove: &[&str]) {
        let mut contents = self.lock();
        let Some(message) = contents.messages.get_mut(id) else { return };
        let come: BTreeSet<String> = &set(add) - &message.labels;
        let go: BTreeSet<String> = &set(remove) & &message.labels;
        message.labels = &(&message.labels | &come) - &go;
        if !come.is_empty() {
            contents.tell(id, Happened::Labelled(come));
        }
        if !go.is_empty() {
            contents.tell(id, Happened::Unlabelled(go));
        }
    }

    /// A message goes to the trash.
    pub fn trash(&self, id: &str) {
        self.modify(id, &["TRASH"], &["INBOX", "SPAM"]);
    }

    /// A message is gone for good.
    pub fn delete(&self, id: &str) {
        let mut contents = self.lock();
        if contents.messages.remove(id).is_some() {
            contents.tell(id, Happened::Deleted);
        }
    }

    /// A draft is saved: another message, under another id.
    pub fn save_draft(&self, before: Option<&str>, raw: impl Into<Vec<u8>>, date: i64) -> String {
        let id = self.insert(raw, &["DRAFT"], date);
        if let Some(before) = before {
            self.delete(before);
        }
        id
    }

    /// A label of the user's. Returns its id.
    pub fn create_label(&self, name: &str) -> String {
        let mut contents = self.lock();
        contents.next += 1;
        let id = format!("Label_{}", contents.next);
        contents.labels.insert(id.clone(), name.to_owned());
        id
    }

    /// A label goes, and no message has it any more.
    pub fn delete_label(&self, id: &str) {
        let holders: Vec<String> = {
            let mut contents = self.lock();
            contents.labels.remove(id);
            let has = contents.messages.iter().filter(|(_, m)| m.labels.contains(id));
            has.map(|(id, _)| id.clone()).collect()
        };
        for holder in holders {
            self.modify(&holder, &[], &[id]);
        }
    }

    /// What came before now is forgotten.
    pub fn forget_history(&self) {
        let mut contents = self.lock();
        contents.now += 3;
        contents.floor = contents.now;
        contents.history.clear();
    }

    /// Every id, in no order that means anything.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        self.lock().messages.keys().cloned().collect()
    }

    /// What a mirror of it is to hold: place, hash, flags, sorted. `wants`: the places that are
    /// synced.
    #[must_use]
    pub fn manifest(&self, wants: impl Fn(&str) -> bool) -> Vec<String> {
        let contents = self.lock();
        let mut lines = Vec::new();
        for message in contents.messages.values() {
            let has = |label: &str| message.labels.contains(label);
            if has("CHAT") || (has("TRASH") && !wants("Trash")) || (has("SPAM") && !wants("Spam")) {
                continue;
            }
            let mut flags = Vec::new();
            for (flag, is_set) in [
                ("$Important", has("IMPORTANT")),
                ("\\Draft", has("DRAFT")),
                ("\\Flagged", has("STARRED")),
                ("\\Seen", !has("UNREAD")),
            ] {
                if is_set {
                    flags.push(flag);
                }
            }
            let digest = Sha256::digest(message.raw.as_slice());
            let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            let mut places: Vec<String> = Vec::new();
            if !has("TRASH") && !has("SPAM") {
                places.push("All Mail".into());
            }
            for label in &message.labels {
                places.push(match label.as_str() {
                    "UNREAD" | "STARRED" | "IMPORTANT" | "YELLOW_STAR" => continue,
                    "SENT" => "Sent".into(),
                    "DRAFT" => "Drafts".into(),
                    "TRASH" => "Trash".into(),
                    "SPAM" => "Spam".into(),
                    "CATEGORY_FORUMS" => "Category/Forums".into(),
                    "CATEGORY_UPDATES" => "Category/Updates".into(),
                    "CATEGORY_PERSONAL" => "Category/Personal".into(),
                    "CATEGORY_PROMOTIONS" => "Category/Promotions".into(),
                    "CATEGORY_SOCIAL" => "Category/Social".into(),
                    id => contents.labels.get(id).cloned().unwrap_or_default(),
                });
            }
            places.retain(|place| wants(place));
            lines
                .extend(places.iter().map(|place| format!("{place}\t{hash}\t{}", flags.join(" "))));
        }
        lines.sort();
        lines
    }
}
