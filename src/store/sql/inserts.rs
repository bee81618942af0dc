//! Rows as they are inserted.

use crate::store::sql::query::{Document, queries};
use postrider_core::mail::body::BodyHash;
use postrider_core::mail::id::{AccountId, FolderId, MessageId, UidValidity};
use postrider_core::standing::EventKind;
use postrider_core::time::Micros;

queries! {
    /// A text that inserts rows.
    RowText, inserts:
    Body { hash: BodyHash, pack: i64, offset: u64, length: u64, stored_at: Micros };
    Message {
        account: AccountId,
        id: MessageId,
        identity: Option<String>,
        hash: BodyHash,
        size: u64,
        internal_date: Option<Micros>,
        stored_at: Micros,
        places: u64,
        announced: Option<u64>,
        message_id: Option<String>,
        subject: Option<String>,
        from_text: Option<String>,
        to_text: Option<String>,
        cc_text: Option<String>,
        date: Option<Micros>,
        parse: &'static str,
        version: Option<String>,
        thread: Option<String>,
        synthetic: bool,
    };
    Location {
        folder: FolderId,
        uidvalidity: UidValidity,
        uid: u64,
        message: MessageId,
        flags: String,
        keywords: String,
        modseq: Option<i64>,
        internal_date: Option<Micros>,
        began_at: Micros,
        ended_at: Option<Micros>,
    };
    Event {
        account: AccountId,
        at: Micros,
        seq: i64,
        id: String,
        kind: EventKind,
        folder: Option<FolderId>,
        message: Option<MessageId>,
        backfill: bool,
        data: Document,
    };
}
