//! The events that a commit can write, before they have their numbers.

use crate::mail::flags::Flags;
use crate::mail::id::{FolderId, MessageId};
use crate::standing::EventKind;

string_enum! {
    /// What an event says of a message's locations.
    What {
        /// `changed` is all of them.
        State => "state",
        /// Those in `changed` began.
        Began => "began",
        /// Those in `changed` ended.
        Ended => "ended",
        /// Those in `changed` have other flags.
        Flags => "flags",
    }
}

/// A location as an event tells it: folder, UID, flags.
pub type ToldPlace = (FolderId, u64, Flags);

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
    pub changed: Vec<ToldPlace>,
    /// Locations after it, those that changed first; all of them if `count` is not more than
    /// [`SHOWN`].
    pub locations: Vec<ToldPlace>,
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
        let words: Vec<&str> = What::ALL.iter().map(|what| what.as_str()).collect();
        assert_eq!(words, ["state", "began", "ended", "flags"]);
    }
}
