//! What a repair asks.

use crate::store::sql::commit::Found;
use crate::store::sql::integrity::OneMessage;
use crate::store::sql::query::{Document, queries, rows};
use postrider_core::mail::body::BodyHash;
use postrider_core::mail::id::{AccountId, FolderId, Identity, MessageId, UidValidity};
use postrider_core::standing::EventKind;

rows! {
    pub(in crate::store) struct NameColumn {
        pub(in crate::store) identity: Identity,
    }

    /// A place of a message that has a UID there.
    pub(in crate::store) struct PlaceOfMessage {
        pub(in crate::store) message: MessageId,
        pub(in crate::store) folder: FolderId,
        pub(in crate::store) uid: u64,
    }

    pub(in crate::store) struct UidColumn {
        pub(in crate::store) uid: i64,
    }

    pub(in crate::store) struct ValidityColumn {
        pub(in crate::store) uidvalidity: UidValidity,
    }

    /// Where bytes lie: a message's, or those of a row of their own.
    pub(in crate::store) struct BodyPlace {
        pub(in crate::store) id: i64,
        pub(in crate::store) hash: BodyHash,
        pub(in crate::store) pack: i64,
        pub(in crate::store) offset: u64,
        pub(in crate::store) length: u64,
        pub(in crate::store) stored: Option<u64>,
    }

    /// What an event says, and of which folder.
    pub(in crate::store) struct FolderTold {
        pub(in crate::store) folder: i64,
        pub(in crate::store) data: String,
    }
}

queries! {
    /// A text that a repair asks.
    RepairAskedText, repair_asked:
    /// Messages behind this one whose bytes have no row.
    Bodyless { account: AccountId, after: i64, most: i64 } -> OneMessage;
    HighestMessage {} -> OneMessage;
    MessagesBehind { account: AccountId, after: i64, most: i64 } -> OneMessage;
    /// Messages of neither bytes nor a place, of which another has all that is known.
    Twinned { account: AccountId, most: i64 } -> OneMessage;
    BodiesOf { messages: Document } -> BodyPlace;
    /// Rows of bytes that no message names, behind this one.
    UnnamedBodies { after: i64, most: i64 } -> BodyPlace;
    /// What events have told of folders' names, the oldest first.
    FoldersTold { account: AccountId, folders: Document, created: EventKind, renamed: EventKind } -> FolderTold;
    /// Whether the bytes of any body are lost.
    AnyLost {} -> Found;
    /// The names that a server has given messages.
    NamesOf { messages: Document } -> NameColumn;
    /// Of these messages, those of neither bytes nor a place that nobody was told to be deleted.
    Untold { messages: Document } -> OneMessage;
    /// Where messages live, by UID.
    PlacesOf { messages: Document } -> PlaceOfMessage;
    /// What its UIDs belong to, as its row says, or else what lay there last.
    ValidityOf { folder: FolderId } -> ValidityColumn;
    /// UIDs at which something lives, or has failed.
    KnownUids { folder: FolderId, uidvalidity: UidValidity } -> UidColumn;
}
