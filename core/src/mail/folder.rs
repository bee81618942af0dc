//! Folders as a provider lists them.

words! {
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
    /// The name as it came over the wire: the folder's identity for this provider.
    pub remote_id: Vec<u8>,
    /// The name for people: UTF-8, with the server's delimiter.
    pub path: String,
    /// The hierarchy delimiter, if there is one.
    pub delimiter: Option<char>,
    /// Its role, if it has one.
    pub role: Option<Role>,
}
