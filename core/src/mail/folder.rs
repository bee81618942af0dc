//! Folders as a provider lists them.

use std::borrow::Borrow;
use std::fmt::{self, Debug, Formatter};
use std::ops::Deref;

/// A folder's name as it came over the wire, octet by octet: its identity for a folder provider. What
/// people are shown is its path.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WireName(Vec<u8>);

impl Deref for WireName {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Borrow<[u8]> for WireName {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl Debug for WireName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Vec<u8>> for WireName {
    fn from(octets: Vec<u8>) -> Self {
        Self(octets)
    }
}

impl From<&[u8]> for WireName {
    fn from(octets: &[u8]) -> Self {
        Self(octets.to_vec())
    }
}

impl<const N: usize> From<&[u8; N]> for WireName {
    fn from(octets: &[u8; N]) -> Self {
        Self(octets.to_vec())
    }
}

impl PartialEq<[u8]> for WireName {
    fn eq(&self, octets: &[u8]) -> bool {
        self.0 == octets
    }
}

impl<const N: usize> PartialEq<[u8; N]> for WireName {
    fn eq(&self, octets: &[u8; N]) -> bool {
        self.0 == octets
    }
}

string_enum! {
    /// What a folder is for (RFC 6154 SPECIAL-USE, and INBOX).
    Role {
        /// The inbox.
        Inbox => "inbox",
        /// Everything.
        All => "all",
        /// Archived mail.
        Archive => "archive",
        /// Conversations that are no mail: never synced.
        Chats => "chats",
        /// Drafts.
        Drafts => "drafts",
        /// Flagged mail.
        Flagged => "flagged",
        /// Spam.
        Junk => "junk",
        /// Sent mail.
        Sent => "sent",
        /// Deleted mail.
        Trash => "trash",
    }
}

/// A folder as LIST shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedFolder {
    /// Its name for the server.
    pub remote_id: WireName,
    /// The name for people: UTF-8, with the server's delimiter.
    pub path: String,
    /// The hierarchy delimiter, if there is one.
    pub delimiter: Option<char>,
    /// Its role, if it has one.
    pub role: Option<Role>,
}
