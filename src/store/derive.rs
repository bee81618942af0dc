//! What is asked of the store for what is derived: which messages are owed, and to keep what was read of them.

use crate::store::failure::Trouble;
use crate::store::mending::Mending;
use crate::store::read::{Reader, failed};
use crate::store::sql::derive::{DerivedAccount, DerivedAccounts, OwedMails, OwedMessages};
use crate::store::sql::query::Document;
use postrider_core::contact::MessageContact;
use postrider_core::derive::{Derive, Derived, Look, Made, Reads, Span, VERSION};
use postrider_core::failure::Failure;
use postrider_core::mail::id::{AccountId, MessageId};
use postrider_core::mime::Parse;
use postrider_core::time::Micros;
use std::collections::{BTreeMap, BTreeSet};

pub use crate::store::sql::derive::OwedMail;

/// An account as what derives finds it.
#[derive(Clone, Debug)]
pub struct FoundAccount {
    /// The account.
    pub id: AccountId,
    /// What is owed, as it is stored.
    pub derive: Option<Derive>,
    /// The highest number of a message of it that is seen.
    pub newest: i64,
    /// Mails are still to be moved to the thread that theirs is part of.
    pub moves: bool,
}

/// What was read of a message.
#[derive(Debug)]
pub struct DerivedMail {
    /// The message.
    pub message: MessageId,
    /// When it was received.
    pub received_at: Micros,
    /// Who is named in it.
    pub people: Vec<MessageContact>,
    /// How many more.
    pub more_people: usize,
    /// What was read; or why nothing was.
    pub read: Result<Derived, String>,
}

impl DerivedMail {
    /// How it could be read: `ok`, `lenient`, `failed`.
    #[must_use]
    pub fn parse(&self) -> &'static str {
        let read = self.read.as_ref();
        let parse = |read: &Derived| if read.is_lenient { Parse::Lenient } else { Parse::Ok };
        read.map_or(Parse::Failed, parse).as_str()
    }
}

/// What happens to the set of what is owed of an account.
#[derive(Debug)]
pub enum DeriveChange {
    /// A process begins with it.
    Begin,
    /// This is read now, or nothing is.
    Ask(Option<Span>),
    /// A range is derived, as far as its reader saw.
    Take {
        /// The range.
        span: Span,
        /// The highest number that was seen.
        seen: i64,
        /// Each message of the account in it.
        rows: Vec<DerivedMail>,
        /// What is read next.
        next: Option<Span>,
    },
    /// Everything is owed anew.
    Again,
    /// Mails are moved to the thread that theirs has become part of.
    Move,
    /// What is stored and fits no mail goes, or is counted anew.
    Mend(Box<Mending>),
    /// It was looked through for what fits no mail.
    Looked(Look),
}

/// The same of an account.
#[derive(Debug)]
pub struct DeriveOrder {
    /// The account.
    pub account: AccountId,
    /// What rows are to be made by.
    pub made: Made,
    /// What happens.
    pub change: DeriveChange,
}

impl DeriveOrder {
    /// Messages that it writes.
    pub(super) fn rows(&self) -> usize {
        match &self.change {
            DeriveChange::Take { rows, .. } => rows.len(),
            _ => 0,
        }
    }
}

/// How an account stands behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeriveStands {
    /// What is owed.
    pub derive: Derive,
    /// A range that was to be taken was not owed: nothing was written.
    pub is_refused: bool,
    /// Mails are still to be moved to the thread that theirs is part of.
    pub moves: bool,
}

/// What is answered: nothing where the account is gone.
pub type DeriveAnswer = Result<Option<DeriveStands>, Failure>;

/// What is owed of an account, as its row has it. Where that cannot be read everything is owed: nothing is lost by it.
pub(super) fn stored_derive(stored: Option<String>) -> Option<Derive> {
    serde_json::from_str(&stored?).ok()
}

/// Addresses that are the account's own, as they are compared.
pub(super) fn own_addresses(stored: Option<&str>) -> BTreeSet<String> {
    stored.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// Messages that are left out and named, at most.
const NAMED: usize = 100;

/// How far an account's mail is derived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DerivedStanding {
    /// Of the code that does.
    pub version: u32,
    /// Messages of which it still has to.
    pub behind: u64,
    /// Messages at which the process has ended twice.
    pub left_out: Vec<i64>,
}

/// Reads what is owed.
#[derive(Clone, Debug)]
pub struct OwedReader {
    reader: Reader,
}

impl OwedReader {
    /// Reads through this.
    #[must_use]
    pub fn new(reader: Reader) -> Self {
        Self { reader }
    }

    /// All accounts, with their highest message numbers.
    ///
    /// # Errors
    /// Class storage.
    pub async fn accounts(&self) -> Result<Vec<FoundAccount>, Failure> {
        let found = |row: DerivedAccount| FoundAccount {
            id: row.id,
            derive: stored_derive(row.derive),
            newest: row.newest.unwrap_or(0),
            moves: row.moves,
        };
        let rows = self.reader.ask(DerivedAccounts { account: None }).await.map_err(failed)?;
        Ok(rows.into_iter().map(found).collect())
    }

    /// What is derived of all accounts, or of one; what is owed is counted.
    ///
    /// # Errors
    /// Class storage.
    pub async fn standings(
        &self,
        account: Option<AccountId>,
    ) -> Result<BTreeMap<AccountId, DerivedStanding>, Failure> {
        self.counted(account).await.map_err(failed)
    }

    async fn counted(
        &self,
        account: Option<AccountId>,
    ) -> Result<BTreeMap<AccountId, DerivedStanding>, Trouble> {
        let mut standings = BTreeMap::new();
        for row in self.reader.ask(DerivedAccounts { account }).await? {
            // What other code has derived is derived anew.
            let derive = stored_derive(row.derive);
            let derive = derive.filter(|derive| derive.made().version == VERSION);
            let derive = derive.unwrap_or_else(|| Derive::new(Made::now(Reads::Off)));
            let owed = derive.owed(row.newest.unwrap_or(0));
            let behind = if owed.is_empty() {
                // What is stored is looked through still.
                u64::from(derive.looks().is_some())
            } else {
                let ranges = Document::of(&owed.ranges())?;
                let counted = self.reader.ask_one(OwedMessages { account: row.id, ranges }).await?;
                counted.map_or(0, |counted| u64::try_from(counted.count).unwrap_or(0))
            };
            let left_out = derive.left_out().iter().take(NAMED).collect();
            let standing = DerivedStanding { version: VERSION, behind, left_out };
            standings.insert(row.id, standing);
        }
        Ok(standings)
    }

    /// Messages of a range by their numbers, so many at most.
    ///
    /// # Errors
    /// Class storage.
    pub async fn mails(
        &self,
        account: AccountId,
        span: Span,
        most: i64,
    ) -> Result<Vec<OwedMail>, Failure> {
        let Span { low, high } = span;
        self.reader.ask(OwedMails { account, low, high, most }).await.map_err(failed)
    }
}
