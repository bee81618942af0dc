//! What faces show.

use crate::store::sql::query::{Document, queries, rows};
use crate::store::sql::reading::Counted;
use postrider_core::mail::body::BodyHash;
use postrider_core::mail::id::{AccountId, MessageId};
use postrider_core::standing::Standing;
use postrider_core::time::Micros;

rows! {
    /// An account's row.
    pub struct StoredAccount {
        /// Row number.
        pub id: i64,
        /// Its id in the config.
        pub name: String,
        /// `imap`.
        pub provider: String,
        /// Who logs in.
        pub username: String,
        /// How it stands.
        pub standing: Standing,
        /// Why.
        pub reason: String,
        /// Since when.
        pub since: Micros,
        /// Failures so far, JSON.
        pub history: Option<String>,
        /// A mark of the secret and place it is parked with.
        pub parked_for: Option<String>,
        /// For what it waits, JSON.
        pub waits: Option<String>,
        /// Messages held that the server has too.
        pub messages: i64,
        /// Octets of those.
        pub octets: i64,
        /// What kind of failure the account is in, if it is in one.
        pub class: Option<String>,
        /// Open rows of the ledger about its folders and mails; not those that are left out.
        pub failures: i64,
        /// Mails that a human leaves out.
        pub left_out: i64,
        /// When INBOX was last passed, as far as that is stored: of one that was open still, where that proved
        /// it whole.
        pub looked_at: Option<Micros>,
        /// When all its folders were last proved whole; nothing while one never was.
        pub proved_at: Option<Micros>,
        /// Whose it is.
        pub owner: Option<String>,
    }

    /// A folder.
    pub struct StoredFolder {
        /// Row number.
        pub id: i64,
        /// Path.
        pub path: String,
        /// Role.
        pub role: Option<String>,
        /// UIDVALIDITY.
        pub uidvalidity: i64,
        /// EXISTS at the last pass.
        pub exists: i64,
        /// Living locations.
        pub messages: i64,
        /// Open failures; not those that are left out.
        pub failures: i64,
        /// Mails that a human leaves out.
        pub left_out: i64,
        /// Start of the last complete pass that opened the folder or counted it anew.
        pub passed_at: Option<Micros>,
        /// Start of the last pass that proved it whole.
        pub proved_at: Option<Micros>,
        /// Why it is not proved although its pass was complete.
        pub unproved: Option<String>,
        /// What was proved when all of it was looked at, JSON as stored.
        pub proof: Option<String>,
        /// The config leaves it out.
        pub excluded: bool,
        /// The lanes, JSON as stored.
        pub live: String,
        /// See `live`.
        pub backfill: String,
    }

    /// A run that changed something or failed.
    pub struct StoredRun {
        /// Row number.
        pub id: i64,
        /// Its account.
        pub account: String,
        /// Begin.
        pub started_at: Micros,
        /// End.
        pub finished_at: Micros,
        /// `success`, `partial`, `failed`, `cancelled`.
        pub outcome: String,
        /// Why it is not a success.
        pub reason: String,
        /// Why it was begun; nothing is known of those of an older version.
        pub cause: Option<String>,
        /// Messages stored.
        pub stored: i64,
        /// Octets fetched.
        pub octets: i64,
        /// Facts applied: flags and absences.
        pub facts: i64,
        /// Messages that could not be fetched.
        pub failed: i64,
    }

    /// An event of the feed.
    pub struct StoredEvent {
        /// Number.
        pub seq: i64,
        /// UUIDv7.
        pub id: String,
        /// When.
        pub at: Micros,
        /// What.
        pub kind: String,
        /// Its account; none when it was purged.
        pub account: Option<String>,
        /// Whose that is.
        pub owner: Option<String>,
        /// The folder's number.
        pub folder: Option<i64>,
        /// The message's number.
        pub message: Option<i64>,
        /// Old mail that is only now read.
        pub backfill: bool,
        /// JSON: the state after it.
        pub data: String,
    }

    /// The numbers of the first and the last event; (1, 0) where there is none.
    pub struct EventNumbers {
        /// The first.
        pub first: i64,
        /// The last.
        pub last: i64,
    }

    /// When an event was told.
    pub struct EventTime {
        /// Its number.
        pub seq: i64,
        /// When.
        pub at: Micros,
    }

    /// What is stored of a message beside its bytes.
    pub struct MailHead {
        /// The message.
        pub message: MessageId,
        /// The hash of its bytes.
        pub hash: BodyHash,
        /// How many those are.
        pub size: u64,
        /// Message-ID without angle brackets.
        pub message_id: Option<String>,
        /// Subject, decoded.
        pub subject: Option<String>,
        /// From, decoded.
        pub from_text: Option<String>,
        /// To, decoded.
        pub to_text: Option<String>,
        /// Its Date field.
        pub date: Option<Micros>,
    }

    pub(in crate::store) struct EventNumber {
        pub(in crate::store) seq: Option<i64>,
    }

    pub(in crate::store) struct NamedPack {
        pub(in crate::store) pack: i64,
        pub(in crate::store) end: i64,
    }
}

queries! {
    /// A text by which faces read.
    ShownText, shown:
    /// The one of this name, or all.
    StoredAccounts { name: Option<String> } -> StoredAccount;
    StoredFolders { account: AccountId } -> StoredFolder;
    StoredRuns { account: Option<String>, before: Option<i64>, most: u32, owner: Option<String> } -> StoredRun;
    /// Of an owner's accounts, of an account, of these kinds: where anything is said of that.
    StoredEvents {
        after: i64,
        upto: i64,
        owner: Option<String>,
        account: Option<String>,
        kinds: Option<Document>,
        most: u32,
    } -> StoredEvent;
    EventTimes { after: i64, most: u32 } -> EventTime;
    HeadsOfMails { messages: Document } -> MailHead;
    EventSpan {} -> EventNumbers;
    FirstEvent { after: i64 } -> EventNumber;
    UnprovedFolders { removed: Standing } -> Counted;
    NamedPacks {} -> NamedPack;
}
