//! The small vocabulary that every provider speaks: what the machine asks and what a session answers.

use crate::mail::flags::Flags;
use crate::mail::id::UidValidity;
use crate::mail::page::Page;
use crate::mail::uid_set::UidSet;
use crate::time::Micros;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a folder is for (RFC 6154 SPECIAL-USE, and INBOX).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The inbox.
    Inbox,
    /// Everything.
    All,
    /// Archived mail.
    Archive,
    /// Drafts.
    Drafts,
    /// Flagged mail.
    Flagged,
    /// Spam.
    Junk,
    /// Sent mail.
    Sent,
    /// Deleted mail.
    Trash,
}

impl Role {
    /// The stored word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::All => "all",
            Self::Archive => "archive",
            Self::Drafts => "drafts",
            Self::Flagged => "flagged",
            Self::Junk => "junk",
            Self::Sent => "sent",
            Self::Trash => "trash",
        }
    }
}

/// A folder as LIST shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedFolder {
    /// The name as it came over the wire: the folder's identity for this provider.
    pub remote_id: Vec<u8>,
    /// The name for people: UTF-8, with the server's delimiter.
    pub path: String,
    /// The hierarchy delimiter, if there is one.
    pub delimiter: Option<char>,
    /// Its role, if it has one.
    pub role: Option<Role>,
}

/// What EXAMINE said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Examined {
    /// UIDVALIDITY.
    pub uidvalidity: UidValidity,
    /// UIDNEXT.
    pub uidnext: u32,
    /// The server did not tell UIDNEXT: the session has asked `UID FETCH * (UID)`, and it may fall.
    pub inferred: bool,
    /// EXISTS.
    pub exists: u32,
    /// HIGHESTMODSEQ, 0 where there is none.
    pub modseq: u64,
}

/// UIDs with their flags, compact: 8 octets a message and one copy of each distinct flag set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UidFlags {
    rows: Vec<(u32, u32)>,
    sets: Vec<Flags>,
    index: BTreeMap<Flags, u32>,
    sorted: bool,
}

impl UidFlags {
    /// Adds a UID. A UID told twice counts once; the later word wins. Returns the octets that its flags cost: none where
    /// another UID has the same.
    pub fn push(&mut self, uid: u32, flags: Flags) -> usize {
        let next = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
        let mut octets = 0;
        let set = *self.index.entry(flags).or_insert_with_key(|flags| {
            octets = 64 + 2 * flags.as_str().len();
            self.sets.push(flags.clone());
            next
        });
        self.sorted = self.rows.last().is_none_or(|last| self.sorted && last.0 < uid) || self.rows.is_empty();
        self.rows.push((uid, set));
        octets
    }

    /// Sorts by UID and drops what was told twice. Call once after the last push.
    #[must_use]
    pub fn finished(mut self) -> Self {
        self.index = BTreeMap::new();
        if !self.sorted {
            self.rows.sort_by_key(|row| row.0);
            let mut kept: Vec<(u32, u32)> = Vec::with_capacity(self.rows.len());
            for row in self.rows {
                match kept.last_mut() {
                    Some(last) if last.0 == row.0 => *last = row,
                    _ => kept.push(row),
                }
            }
            self.rows = kept;
            self.sorted = true;
        }
        self
    }

    /// The number of UIDs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// UIDs with flags, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Flags)> {
        self.rows.iter().filter_map(|&(uid, set)| Some((uid, self.sets.get(set as usize)?)))
    }

    /// The flags of one UID.
    #[must_use]
    pub fn get(&self, uid: u32) -> Option<&Flags> {
        let at = self.rows.binary_search_by_key(&uid, |row| row.0).ok()?;
        self.sets.get(self.rows.get(at)?.1 as usize)
    }

    /// The UIDs alone.
    #[must_use]
    pub fn uids(&self) -> UidSet {
        self.rows.iter().map(|row| row.0).collect()
    }
}

/// A question to a session. Folder questions name the folder by its wire name and the UIDVALIDITY they are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// All folders that can be opened.
    List,
    /// The folder's counters now.
    Examine {
        /// Wire name.
        remote_id: Vec<u8>,
    },
    /// UIDs and flags of the whole folder.
    Index {
        /// Wire name.
        remote_id: Vec<u8>,
        /// What the question is about.
        uidvalidity: UidValidity,
    },
    /// The size of every message of the folder (to verify; a run never asks it).
    Sizes {
        /// Wire name.
        remote_id: Vec<u8>,
        /// What the question is about.
        uidvalidity: UidValidity,
    },
    /// Size and INTERNALDATE of these UIDs: whether a folder is another one under a new name.
    Sample {
        /// Wire name.
        remote_id: Vec<u8>,
        /// What the question is about.
        uidvalidity: UidValidity,
        /// The UIDs.
        uids: UidSet,
    },
    /// IDLE in this folder until another question comes. `seen` is what the last pass saw: where the folder is another now,
    /// that is the first hint.
    Watch {
        /// Wire name.
        remote_id: Vec<u8>,
        /// UIDNEXT and EXISTS.
        seen: (u32, u32),
        /// Begin IDLE anew after this: connections were cut when it lasted longer.
        renew: Option<Duration>,
    },
    /// Messages, in pages; each UID is settled by exactly one part.
    Fetch {
        /// Wire name.
        remote_id: Vec<u8>,
        /// What the question is about.
        uidvalidity: UidValidity,
        /// UIDs that an index has shown.
        uids: UidSet,
        /// RFC822.SIZE is an estimate there: a length that differs from it is no suspicion.
        estimated: bool,
    },
    /// Size and INTERNALDATE of the newest message of a folder that is open.
    Newest {
        /// Wire name.
        remote_id: Vec<u8>,
        /// What the question is about.
        uidvalidity: UidValidity,
    },
}

impl Request {
    /// The folder that it is about, by wire name.
    #[must_use]
    pub fn remote_id(&self) -> Option<&[u8]> {
        match self {
            Self::List => None,
            Self::Examine { remote_id }
            | Self::Index { remote_id, .. }
            | Self::Sizes { remote_id, .. }
            | Self::Sample { remote_id, .. }
            | Self::Watch { remote_id, .. }
            | Self::Newest { remote_id, .. }
            | Self::Fetch { remote_id, .. } => Some(remote_id),
        }
    }
}

/// A message as a sample tells it, to recognise a folder under another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampled {
    /// UID.
    pub uid: u32,
    /// RFC822.SIZE, or the stored length.
    pub size: u64,
    /// INTERNALDATE.
    pub internal_date: Option<Micros>,
}

/// What a watch noticed. A hint, never the truth: a pass looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Mail came or went.
    Counts,
    /// Flags changed.
    Flags,
    /// The folder had to be opened anew: nobody tells what happened to flags since the last pass.
    Stale,
    /// Nothing: the server has proved that it is there.
    Alive,
}

/// Why a watch is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwatched {
    /// Another question came.
    Asked,
    /// The server has no IDLE.
    Unable,
    /// Somebody else needs the session more: it has logged out.
    Retired,
}

/// A session's answer. There is one per request, but for `Fetch`, which may come in several parts, and `Watch`, whose hints
/// are followed by `Unwatched`.
#[derive(Debug)]
pub enum Answer {
    /// To `List`.
    Listed {
        /// The folders that can be read.
        folders: Vec<ListedFolder>,
        /// A line that cannot be read, if there was one: a folder without a name.
        unreadable: Option<String>,
    },
    /// To `Examine`.
    Examined {
        /// The name that was asked about.
        remote_id: Vec<u8>,
        /// The counters.
        examined: Examined,
    },
    /// To `Index`: the rows, and EXISTS when the answer was complete.
    Indexed {
        /// The name that was asked about.
        remote_id: Vec<u8>,
        /// UIDs and flags.
        rows: UidFlags,
        /// The folder's EXISTS after the tagged OK.
        exists: u32,
    },
    /// To `Sizes`: RFC822.SIZE by UID.
    Sized(BTreeMap<u32, u64>),
    /// To `Sample` and `Newest`.
    Sampled {
        /// The name that was asked about.
        remote_id: Vec<u8>,
        /// What is there of what was asked for.
        rows: Vec<Sampled>,
    },
    /// To `Watch`: something may have changed.
    Hinted(Hint),
    /// To `Watch`: it is over.
    Unwatched(Unwatched),
    /// To `Fetch`: a part settles the next UIDs of those asked for, ascending; `last` when none are left.
    Fetched {
        /// What was settled.
        page: Page,
        /// Whether this was the last part.
        last: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uid_flags_sort_and_keep_the_last_word() {
        let mut rows = UidFlags::default();
        rows.push(5, Flags::new(["\\Seen"]));
        rows.push(3, Flags::default());
        rows.push(5, Flags::new(["\\Flagged"]));
        let rows = rows.finished();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows.get(5).unwrap().as_str(), "\\Flagged");
        assert_eq!(rows.uids().to_string(), "3,5");
    }
}
