//! The events that a commit can write, before they have their numbers.

use crate::mail::flags::Flags;
use crate::mail::id::{FolderId, MessageId};

/// The kinds of event that a commit can write; the word is what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventKind {
    /// A message we did not hold.
    MessageCreated,
    /// Flags or the number of locations changed.
    MessageUpdated,
    /// It left one folder and is in another.
    MessageMoved,
    /// It is gone from every folder.
    MessageDeleted,
    /// It was deleted and is back.
    MessageRestored,
    /// A folder was opened.
    FolderCreated,
    /// A folder has another name.
    FolderRenamed,
    /// A folder is gone.
    FolderDeleted,
    /// The account's first opening.
    AccountStarted,
}

impl EventKind {
    /// The stored word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MessageCreated => "message.created",
            Self::MessageUpdated => "message.updated",
            Self::MessageMoved => "message.moved",
            Self::MessageDeleted => "message.deleted",
            Self::MessageRestored => "message.restored",
            Self::FolderCreated => "folder.created",
            Self::FolderRenamed => "folder.renamed",
            Self::FolderDeleted => "folder.deleted",
            Self::AccountStarted => "account.started",
        }
    }
}

/// What an event says of a message's locations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// `changed` is all of them.
    State,
    /// Those in `changed` began.
    Began,
    /// Those in `changed` ended.
    Ended,
    /// Those in `changed` have other flags.
    Flags,
}

impl What {
    /// The stored word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Began => "began",
            Self::Ended => "ended",
            Self::Flags => "flags",
        }
    }
}

/// A location as an event tells it: folder, UID, flags.
pub type Told = (FolderId, u32, Flags);

/// Locations that an event shows at most: n copies of a mail cost n, not n².
pub const SHOWN: usize = 20;

/// An event before it has its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventDraft {
    /// What happened.
    pub kind: EventKind,
    /// In which folder.
    pub folder: Option<FolderId>,
    /// To which message.
    pub message: Option<MessageId>,
    /// Old mail that is only now read.
    pub backfill: bool,
    /// What `changed` says.
    pub what: What,
    /// What changed.
    pub changed: Vec<Told>,
    /// Locations after it, those that changed first; all of them if `count` is not more than [`SHOWN`].
    pub locations: Vec<Told>,
    /// Locations after it.
    pub count: u64,
    /// The folder's path, where the event is about a folder.
    pub path: Option<String>,
    /// The server has deleted it, and it is kept for ever.
    pub kept: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words are the public contract.
    #[test]
    fn words() {
        use EventKind as K;
        let kinds = [
            (K::MessageCreated, "message.created"),
            (K::MessageUpdated, "message.updated"),
            (K::MessageMoved, "message.moved"),
            (K::MessageDeleted, "message.deleted"),
            (K::MessageRestored, "message.restored"),
            (K::FolderCreated, "folder.created"),
            (K::FolderRenamed, "folder.renamed"),
            (K::FolderDeleted, "folder.deleted"),
            (K::AccountStarted, "account.started"),
        ];
        assert!(kinds.iter().all(|(kind, word)| kind.as_str() == *word));
        let whats = [(What::State, "state"), (What::Began, "began"), (What::Ended, "ended"), (What::Flags, "flags")];
        assert!(whats.iter().all(|(what, word)| what.as_str() == *word));
    }
}
