//! A mailbox behind a grant: messages in folders, and what of them is told.

use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Folders that every mailbox has: id, name, attribute.
const SYSTEM: [(&str, &str, &str); 6] = [
    ("INBOX", "INBOX", "\\Inbox"),
    ("SENT", "Sent", "\\Sent"),
    ("DRAFT", "Drafts", "\\Drafts"),
    ("TRASH", "Trash", "\\Trash"),
    ("SPAM", "Junk", "\\Junk"),
    ("ARCHIVE", "Archive", "\\Archive"),
];

/// A message.
#[derive(Clone, Debug)]
pub struct NylasMail {
    /// The exact bytes.
    pub raw: Arc<Vec<u8>>,
    /// The ids of its folders.
    pub folders: BTreeSet<String>,
    /// It has not been read.
    pub unread: bool,
    /// It is starred.
    pub starred: bool,
    /// When it came, in seconds since 1970.
    pub date: i64,
}

/// A folder.
#[derive(Clone, Debug)]
pub struct NylasFolder {
    /// Its name.
    pub name: String,
    /// The folder that it lies in.
    pub parent: Option<String>,
    /// What it is for.
    pub attribute: Option<&'static str>,
}

/// What a mailbox holds.
#[derive(Debug)]
pub struct NylasContents {
    /// The grant's id.
    pub grant: String,
    /// Whose it is.
    pub address: String,
    /// What is behind it: `google`, `microsoft`, `imap`.
    pub provider: String,
    /// The grant is good.
    pub is_valid: bool,
    /// What is older (seconds) is told only to who asks the server behind it.
    pub kept_since: Option<i64>,
    /// Folders by id.
    pub folders: BTreeMap<String, NylasFolder>,
    /// Messages by id.
    pub(super) messages: BTreeMap<String, NylasMail>,
    /// When each came, and its id: the order that lists have.
    pub(super) order: BTreeSet<(i64, String)>,
    next: u64,
}

/// A mailbox. Clones share it.
#[derive(Clone, Debug)]
pub struct NylasBox(Arc<Mutex<NylasContents>>);

impl NylasContents {
    /// A folder's path.
    #[must_use]
    pub fn path(&self, id: &str) -> String {
        let Some(folder) = self.folders.get(id) else { return id.to_owned() };
        match &folder.parent {
            Some(parent) => format!("{}/{}", self.path(parent), folder.name),
            None => folder.name.clone(),
        }
    }
}

impl NylasBox {
    /// An empty mailbox behind a grant.
    #[must_use]
    pub fn new(grant: &str, address: &str, provider: &str) -> Self {
        let folder = |(id, name, attribute): (&str, &str, &'static str)| {
            let (name, attribute) = (name.to_owned(), Some(attribute));
            (id.to_owned(), NylasFolder { name, parent: None, attribute })
        };
        let is_there = |(id, ..): &(&str, &str, &str)| provider != "google" || *id != "ARCHIVE";
        Self(Arc::new(Mutex::new(NylasContents {
            grant: grant.to_owned(),
            address: address.to_owned(),
            provider: provider.to_owned(),
            is_valid: true,
            kept_since: None,
            folders: SYSTEM.into_iter().filter(is_there).map(folder).collect(),
            messages: BTreeMap::new(),
            order: BTreeSet::new(),
            next: 0,
        })))
    }

    /// What it holds, to look at or to change.
    pub fn lock(&self) -> MutexGuard<'_, NylasContents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message comes, at a Unix time in seconds. Returns its id.
    pub fn insert(&self, raw: impl Into<Vec<u8>>, folders: &[&str], date: i64) -> String {
        let mut contents = self.lock();
        contents.next += 1;
        // Ids do not sort by time.
        let id = format!("{:016x}", contents.next.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let folders = folders.iter().map(|id| (*id).to_owned()).collect();
        let (raw, unread) = (Arc::new(raw.into()), true);
        let mail = NylasMail { raw, folders, unread, starred: false, date };
        contents.messages.insert(id.clone(), mail);
        contents.order.insert((date, id.clone()));
        id
    }

    /// A message changes.
    pub fn change(&self, id: &str, change: impl FnOnce(&mut NylasMail)) {
        let mut contents = self.lock();
        let Some(mail) = contents.messages.get_mut(id) else { return };
        let before = mail.date;
        change(mail);
        let now = mail.date;
        contents.order.remove(&(before, id.to_owned()));
        contents.order.insert((now, id.to_owned()));
    }

    /// A message goes into these folders, and out of all others.
    pub fn put_into(&self, id: &str, folders: &[&str]) {
        self.change(id, |mail| mail.folders = folders.iter().map(|id| (*id).to_owned()).collect());
    }

    /// A message is gone for good.
    pub fn delete(&self, id: &str) {
        let mut contents = self.lock();
        if let Some(mail) = contents.messages.remove(id) {
            contents.order.remove(&(mail.date, id.to_owned()));
        }
    }

    /// A folder of the user's. Returns its id.
    pub fn create_folder(&self, name: &str, parent: Option<&str>) -> String {
        let mut contents = self.lock();
        contents.next += 1;
        // Ids of some providers are names.
        let id = format!("folder {}", contents.next);
        let (name, parent) = (name.to_owned(), parent.map(str::to_owned));
        contents.folders.insert(id.clone(), NylasFolder { name, parent, attribute: None });
        id
    }

    /// A folder goes, and no message lies in it any more.
    pub fn delete_folder(&self, id: &str) {
        let mut contents = self.lock();
        contents.folders.remove(id);
        for mail in contents.messages.values_mut() {
            mail.folders.remove(id);
        }
    }

    /// Every id, in no order that means anything.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        self.lock().messages.keys().cloned().collect()
    }

    /// What a mirror of it is to hold: place, hash, flags, sorted.
    #[must_use]
    pub fn manifest(&self) -> Vec<String> {
        let contents = self.lock();
        let mut lines = Vec::new();
        for mail in contents.messages.values() {
            let mut flags = Vec::new();
            for (flag, is_set) in [("\\Flagged", mail.starred), ("\\Seen", !mail.unread)] {
                if is_set {
                    flags.push(flag);
                }
            }
            let digest = Sha256::digest(mail.raw.as_slice());
            let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            let mut places: Vec<String> = mail.folders.iter().map(|id| contents.path(id)).collect();
            let is_apart = ["TRASH", "SPAM"].iter().any(|id| mail.folders.contains(*id));
            if contents.provider == "google" && !is_apart {
                places.push("All Mail".into());
            }
            lines
                .extend(places.iter().map(|place| format!("{place}\t{hash}\t{}", flags.join(" "))));
        }
        lines.sort();
        lines
    }
}

/// A webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NylasWebhook {
    /// Its id.
    pub id: String,
    /// Where it is sent to.
    pub url: String,
    /// Of what it tells.
    pub triggers: Vec<String>,
    /// `active`, `failing`, `failed`, `pause`.
    pub status: String,
    /// What it signs with: told once.
    pub secret: String,
}

/// An application: its key, and the mailboxes that were granted to it. Clones share it.
#[derive(Clone, Debug)]
pub struct NylasApplication {
    pub(super) key: String,
    pub(super) grants: Arc<Mutex<Vec<NylasBox>>>,
    pub(super) webhooks: Arc<Mutex<Vec<NylasWebhook>>>,
    /// How many were made.
    pub(super) made: Arc<AtomicU64>,
}

impl NylasApplication {
    /// One with this key and these mailboxes.
    #[must_use]
    pub fn new(key: &str, grants: &[&NylasBox]) -> Self {
        let grants = grants.iter().map(|it| (*it).clone()).collect();
        let grants = Arc::new(Mutex::new(grants));
        Self { key: key.to_owned(), grants, webhooks: Arc::default(), made: Arc::default() }
    }

    /// A mailbox of it.
    #[must_use]
    pub fn grant(&self, id: &str) -> Option<NylasBox> {
        let grants = self.grants.lock().unwrap_or_else(PoisonError::into_inner);
        grants.iter().find(|it| it.lock().grant == id).cloned()
    }
}
