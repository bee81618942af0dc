//! Messages, for who reads mail.

use crate::store::sql::query::{Document, queries, rows};
use crate::store::sql::shown::StoredEvent;
use postrider_core::mail::body::BodyHash;
use postrider_core::mail::id::{FolderId, MessageId};
use postrider_core::time::Micros;

rows! {
    /// A message, and what is derived of it so far.
    pub struct ListedMail {
        /// The message.
        pub message: MessageId,
        /// Its account's id in the config.
        pub account: String,
        /// Its thread, under the number that it has now.
        pub thread: Option<i64>,
        /// Subject, decoded.
        pub subject: Option<String>,
        /// Message-ID without angle brackets.
        pub message_id: Option<String>,
        /// Its Date field.
        pub date: Option<Micros>,
        /// When its server received it, or it is said to have been written, or it was stored.
        pub received_at: Micros,
        /// Octets.
        pub size: u64,
        /// When its server had deleted it.
        pub deleted_at: Option<Micros>,
        /// The beginning of its text.
        pub snippet: Option<String>,
        /// Who wrote it has one of the account's addresses.
        pub outgoing: Option<bool>,
        /// The id of the list that it came by.
        pub list_id: Option<String>,
        /// How many people it names beyond those that are kept.
        pub more_people: Option<u64>,
        /// Files in it.
        pub attachments: Option<u64>,
        /// Its bytes.
        pub hash: BodyHash,
    }

    /// A message, what is derived of it, and where its bytes are.
    pub struct StoredMail {
        /// The message.
        pub mail: ListedMail,
        /// How it could be read.
        pub parse: Option<String>,
        /// Of the code that read it.
        pub version: Option<u32>,
        /// Which of its account's messages are still to be derived: JSON.
        pub derive: Option<String>,
        /// Its account's own addresses, as they are compared: JSON.
        pub addresses: Option<String>,
        /// Where its bytes lie.
        pub pack: i64,
        /// Where in it.
        pub offset: u64,
        /// How many.
        pub length: u64,
        /// How many they take there, where they are compressed.
        pub stored: Option<u64>,
        /// Its bytes are what its provider tells of it.
        pub synthetic: bool,
    }

    /// Where a message lies.
    pub struct MailPlace {
        /// The message.
        pub message: MessageId,
        /// The folder.
        pub folder: FolderId,
        /// Its name for people.
        pub path: String,
        /// What it is for.
        pub role: Option<String>,
        /// The message's UID there.
        pub uid: u64,
        /// Its date there, where it has one.
        pub at: i64,
        /// Its flags.
        pub flags: String,
        /// Its keywords.
        pub keywords: String,
    }

    /// A file of a message.
    pub(in crate::store) struct FileColumns {
        pub(in crate::store) message: MessageId,
        pub(in crate::store) part: String,
        pub(in crate::store) media_type: String,
        pub(in crate::store) name: Option<String>,
        pub(in crate::store) inline: bool,
        pub(in crate::store) content_id: Option<String>,
        pub(in crate::store) size: u64,
        pub(in crate::store) sha256: BodyHash,
        pub(in crate::store) encoding: String,
        pub(in crate::store) offset: u64,
        pub(in crate::store) octets: u64,
    }

    pub(in crate::store) struct CountAround {
        pub(in crate::store) message: MessageId,
        pub(in crate::store) count: u64,
    }

    /// Somebody in a message.
    pub struct MailPerson {
        /// The message.
        pub message: MessageId,
        /// As what.
        pub role: String,
        /// The address as the mail writes it.
        pub address: String,
        /// What the mail calls them.
        pub name: Option<String>,
        /// Where among those of this role.
        pub position: u64,
        /// Who it is.
        pub contact: i64,
        /// The address as it is compared.
        pub key: String,
    }
}

queries! {
    /// A text about messages.
    MailText, mail:
    MessageOfNumber { message: MessageId } -> StoredMail;
    ListedMails { mails: Document } -> ListedMail;
    PlacesOfMails { mails: Document } -> MailPlace;
    FilesOfMails { mails: Document } -> FileColumns;
    /// Of each role the first so many.
    PeopleOfMails { mails: Document, most: i64 } -> MailPerson;
    /// How many files and people each has.
    RowsAround { mails: Document } -> CountAround;
    /// Behind this number, so many.
    HistoryOfMail { message: MessageId, after: i64, most: u32 } -> StoredEvent;
}
