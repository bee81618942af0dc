//! A mailbox in memory, changed from inside by whoever runs the server.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// A message.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The exact bytes.
    pub raw: Arc<Vec<u8>>,
    /// Flags and keywords.
    pub flags: Vec<String>,
    /// INTERNALDATE as the wire says it, without quotes; empty means NIL.
    pub date: String,
}

impl Mail {
    /// A message without flags.
    #[must_use]
    pub fn new(raw: impl Into<Vec<u8>>) -> Self {
        Self {
            raw: Arc::new(raw.into()),
            flags: Vec::new(),
            date: "01-Feb-2024 10:00:00 +0000".into(),
        }
    }

    /// Sets the flags.
    #[must_use]
    pub fn flagged(mut self, flags: &[&str]) -> Self {
        self.flags = flags.iter().map(|f| (*f).to_owned()).collect();
        self
    }

    /// Sets the INTERNALDATE.
    #[must_use]
    pub fn dated(mut self, date: &str) -> Self {
        date.clone_into(&mut self.date);
        self
    }
}

/// Numbers folders.
static FOLDERS: AtomicU64 = AtomicU64::new(1);

/// A folder.
#[derive(Clone, Debug)]
pub struct Folder {
    /// UIDVALIDITY.
    pub uidvalidity: u32,
    /// UIDNEXT.
    pub uidnext: u32,
    /// What it keeps when it is renamed.
    pub id: u64,
    /// SPECIAL-USE attribute, with its backslash; may be empty.
    pub role: String,
    /// The messages by UID.
    pub mail: BTreeMap<u32, Mail>,
}

/// A user's folders. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Mailbox {
    folders: Arc<Mutex<BTreeMap<String, Folder>>>,
    changed: Arc<watch::Sender<u64>>,
}

impl Mailbox {
    /// A mailbox with an empty INBOX.
    #[must_use]
    pub fn new() -> Self {
        let mailbox = Self::default();
        mailbox.create("INBOX", "");
        mailbox
    }

    /// Tells who is in IDLE that something has changed.
    pub fn touch(&self) {
        self.changed.send_modify(|n| *n += 1);
    }

    /// Told of every change.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// The folders, locked: for changes that must be seen together ([`Mailbox::touch`] tells of
    /// them).
    pub fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Folder>> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a folder, if there is none of that name.
    pub fn create(&self, name: &str, role: &str) {
        let id = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let (role, mail) = (role.into(), BTreeMap::new());
        let folder = Folder { uidvalidity: 1000, uidnext: 1, id, role, mail };
        self.lock().entry(name.into()).or_insert(folder);
    }

    /// Renames a folder; its messages keep their UIDs. Nothing happens when there is no such
    /// folder, or one of that name.
    pub fn rename(&self, from: &str, to: &str) {
        let mut folders = self.lock();
        if !folders.contains_key(to)
            && let Some(folder) = folders.remove(from)
        {
            folders.insert(to.into(), folder);
        }
    }

    /// Removes a folder.
    pub fn delete(&self, name: &str) {
        self.lock().remove(name);
    }

    /// Appends a message; returns its UID. The folder is made if need be.
    pub fn append(&self, folder: &str, mail: Mail) -> u32 {
        self.create(folder, "");
        let mut folders = self.lock();
        let Some(folder) = folders.get_mut(folder) else { return 0 };
        let uid = folder.uidnext;
        folder.uidnext += 1;
        folder.mail.insert(uid, mail);
        drop(folders);
        self.touch();
        uid
    }

    /// Expunges a message and returns it.
    pub fn expunge(&self, folder: &str, uid: u32) -> Option<Mail> {
        let mail = self.lock().get_mut(folder)?.mail.remove(&uid);
        self.touch();
        mail
    }

    /// Moves a message; returns its new UID.
    pub fn relocate(&self, from: &str, uid: u32, to: &str) -> Option<u32> {
        let mail = self.expunge(from, uid)?;
        Some(self.append(to, mail))
    }

    /// Replaces a message's flags.
    pub fn set_flags(&self, folder: &str, uid: u32, flags: &[&str]) {
        if let Some(mail) = self.lock().get_mut(folder).and_then(|f| f.mail.get_mut(&uid)) {
            mail.flags = flags.iter().map(|f| (*f).to_owned()).collect();
        }
        self.touch();
    }

    /// All messages: folder, UID, message.
    #[must_use]
    pub fn all(&self) -> Vec<(String, u32, Mail)> {
        let folders = self.lock();
        let each = |(name, folder): (&String, &Folder)| {
            folder
                .mail
                .iter()
                .map(|(uid, mail)| (name.clone(), *uid, mail.clone()))
                .collect::<Vec<_>>()
        };
        folders.iter().flat_map(each).collect()
    }
}
