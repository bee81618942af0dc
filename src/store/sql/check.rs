//! Whether what is derived fits: what is stored of it, and what is of nothing that there is.

use crate::store::sql::query::{Document, queries, rows};
use crate::store::sql::threads::ThreadColumns;
use postrider_core::mail::body::BodyHash;
use postrider_core::mail::id::{AccountId, MessageId};
use postrider_core::time::Micros;

rows! {
    /// A mail of a thread, and where its bytes are.
    pub(in crate::store) struct MailOfThread {
        pub(in crate::store) message: MessageId,
        pub(in crate::store) thread: i64,
        pub(in crate::store) rank: i64,
        pub(in crate::store) received_at: Micros,
        /// What its server calls its thread.
        pub(in crate::store) told: Option<String>,
        /// How it could be read.
        pub(in crate::store) parse: String,
        pub(in crate::store) hash: BodyHash,
        pub(in crate::store) pack: i64,
        pub(in crate::store) offset: u64,
        pub(in crate::store) length: u64,
        pub(in crate::store) stored: Option<u64>,
    }

    /// What is derived of a message, as its row has it.
    pub struct DerivedColumns {
        /// The message.
        pub message: MessageId,
        /// Its account.
        pub account: AccountId,
        /// Where it stands in lists.
        pub rank: i64,
        /// When it was received.
        pub received_at: Micros,
        /// The beginning of its text.
        pub snippet: String,
        /// Files in it.
        pub attachments: u64,
        /// The list that it came by.
        pub list_id: Option<String>,
        /// How it could be read.
        pub parse: String,
        /// Of the code that read it.
        pub version: u32,
        /// Its account's owner wrote it.
        pub outgoing: bool,
        /// How many more people are named in it.
        pub more_people: u64,
    }

    pub(in crate::store) struct Stray {
        pub(in crate::store) id: i64,
    }

    pub(in crate::store) struct StrayWord {
        pub(in crate::store) id: i64,
        pub(in crate::store) message: MessageId,
    }

    /// A word of the index, and how often it stands there.
    pub(in crate::store) struct WordTerm {
        pub(in crate::store) term: String,
        pub(in crate::store) count: u64,
    }

    /// A word where it stands.
    pub(in crate::store) struct WordPlace {
        /// The word.
        pub(in crate::store) term: String,
        /// The number of the words that it is of.
        pub(in crate::store) doc: i64,
        /// In which column.
        pub(in crate::store) field: String,
        /// Behind how many.
        pub(in crate::store) place: i64,
    }
}

queries! {
    /// A text that finds what does not fit, or takes it away.
    CheckText, check:
    /// Threads of an account, from one on, in the order of their ranks.
    ThreadsBehind { account: AccountId, rank: i64, id: i64, most: i64 } -> ThreadColumns;
    MailsOfThreads { threads: Document, most: i64 } -> MailOfThread;
    DerivedOfMails { mails: Document } -> DerivedColumns;
    /// Rows of no message.
    StrayDerived { account: AccountId, most: i64 } -> Stray;
    StrayFiles { most: i64 } -> Stray;
    StrayPeople { most: i64 } -> Stray;
    StrayWords { most: i64 } -> StrayWord;
    /// Words of no row.
    StrayTexts { most: i64 } -> Stray;
    /// Contacts whom no mail names, or who are not what mails say of them; those behind a number.
    StrayContacts { account: AccountId, behind: i64, most: i64 } -> Stray;
    /// Mails that stand in no thread.
    StrayMails { account: AccountId, most: i64 } -> MailOfThread;
    /// Threads of no mail.
    StrayThreads { account: AccountId, most: i64 } -> Stray;
    /// Numbers of threads that lead elsewhere than the mail of that number.
    StrayAliases { account: AccountId, most: i64 } -> Stray;
    /// Those of these rows of words that are not there, or are others.
    OtherWords { words: Document } -> Stray;
    /// Words of the index, behind one.
    WordTerms { behind: String, most: i64 } -> WordTerm;
    /// Where the words behind one and up to another stand, in documents from one on, so many.
    WordPlaces { behind: String, upto: String, from: i64, most: i64 } -> WordPlace;
    DropDerived { messages: Document };
    DropTexts { words: Document };
    DropAliases { aliases: Document };
    // Of threads whose mails are to be joined anew.
    ForgetKeys { account: AccountId, keys: Document };
    ForgetMails { threads: Document };
    ForgetAliases { threads: Document };
    ForgetThreads { threads: Document };
    /// Messages, each with its thread.
    PutInThreads { rows: Document };
    RecountThreads { threads: Document };
}
