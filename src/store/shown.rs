//! Reads for people: what admin, terminal and feed show. Short queries, bounded answers.

use crate::store::read::{Reader, failed};
use crate::store::sql::list::{OwnerOfAccount, OwnerOfContact, OwnerOfMessage, OwnerOfThread};
use crate::store::sql::query::Document;
use crate::store::sql::shown::{
    EventNumbers, EventSpan, EventTime, EventTimes, FirstEvent, HeadsOfMails, MailHead, NamedPack,
    NamedPacks, StoredAccount, StoredAccounts, StoredEvent, StoredEvents, StoredFolder,
    StoredFolders, StoredRun, StoredRuns,
};
use postrider_core::failure::Failure;
use postrider_core::mail::body::{SPARED_PACK, WHOLE_PACK};
use postrider_core::mail::id::AccountId;
use postrider_core::recovery::waiting::Waiting;
use postrider_core::time::Micros;
use std::collections::BTreeMap;

/// Whose runs or events are asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct OfAccounts<'a> {
    /// Only this account's.
    pub account: Option<&'a str>,
    /// Only this owner's.
    pub owner: Option<&'a str>,
}

/// Something that is an account's, and so its owner's.
#[derive(Clone, Copy, Debug)]
pub enum Thing<'a> {
    /// The account of this name.
    Account(&'a str),
    /// A message.
    Message(i64),
    /// A thread, by any number that it had.
    Thread(i64),
    /// A contact.
    Contact(i64),
}

impl StoredAccount {
    /// Since when it stands so; where it waits, since when it does.
    #[must_use]
    pub fn troubled_since(&self) -> Micros {
        let waiting = self.waiting().filter(|_| self.standing.tries_again());
        waiting.map_or(self.since, |waiting| waiting.since.min(self.since))
    }

    /// For what it waits; what is no such text says nothing.
    #[must_use]
    pub fn waiting(&self) -> Option<Waiting> {
        serde_json::from_str(self.waits.as_deref()?).ok()
    }
}

impl Reader {
    /// Every account with its totals, by name; or the one of this name.
    ///
    /// # Errors
    /// Class storage.
    pub async fn stored_accounts(&self, name: Option<&str>) -> Result<Vec<StoredAccount>, Failure> {
        self.ask(StoredAccounts { name: name.map(str::to_owned) }).await.map_err(failed)
    }

    /// The living folders of an account.
    ///
    /// # Errors
    /// Class storage.
    pub async fn stored_folders(&self, account: i64) -> Result<Vec<StoredFolder>, Failure> {
        self.ask(StoredFolders { account: AccountId(account) }).await.map_err(failed)
    }

    /// Runs that changed something or failed, the newest first, older than the run `before`.
    ///
    /// # Errors
    /// Class storage.
    pub async fn stored_runs(
        &self,
        of: OfAccounts<'_>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<StoredRun>, Failure> {
        let (account, owner) = (of.account.map(str::to_owned), of.owner.map(str::to_owned));
        self.ask(StoredRuns { account, before, most: limit, owner }).await.map_err(failed)
    }

    /// Events behind one number, up to the other, in order: of these accounts and kinds, if any are named.
    ///
    /// # Errors
    /// Class storage.
    pub async fn stored_events(
        &self,
        (after, upto): (i64, i64),
        (of, kinds): (OfAccounts<'_>, Option<&[&str]>),
        most: u32,
    ) -> Result<Vec<StoredEvent>, Failure> {
        let (account, owner) = (of.account.map(str::to_owned), of.owner.map(str::to_owned));
        let kinds = kinds.map(|kinds| Document::of(&kinds)).transpose().map_err(failed)?;
        self.ask(StoredEvents { after, upto, owner, account, kinds, most }).await.map_err(failed)
    }

    /// When the next events behind a number were told, so many.
    ///
    /// # Errors
    /// Class storage.
    pub async fn event_times(&self, after: i64, most: u32) -> Result<Vec<EventTime>, Failure> {
        self.ask(EventTimes { after, most }).await.map_err(failed)
    }

    /// What is stored of messages beside their bytes; nothing of those that are purged.
    ///
    /// # Errors
    /// Class storage.
    pub async fn heads_of(&self, messages: &[i64]) -> Result<Vec<MailHead>, Failure> {
        let messages = Document::of(&messages).map_err(failed)?;
        self.ask(HeadsOfMails { messages }).await.map_err(failed)
    }

    /// The number of the first event behind one.
    ///
    /// # Errors
    /// Class storage.
    pub async fn first_event(&self, after: i64) -> Result<Option<i64>, Failure> {
        let found = self.ask_one(FirstEvent { after }).await.map_err(failed)?;
        Ok(found.and_then(|found| found.seq))
    }

    /// Whose it is, where anybody's; nothing where there is no such thing.
    ///
    /// # Errors
    /// Class storage.
    pub async fn owner_of(&self, thing: Thing<'_>) -> Result<Option<Option<String>>, Failure> {
        let owned = match thing {
            Thing::Account(name) => self.ask_one(OwnerOfAccount { name: name.to_owned() }).await,
            Thing::Message(message) => self.ask_one(OwnerOfMessage { message }).await,
            Thing::Thread(thread) => self.ask_one(OwnerOfThread { thread }).await,
            Thing::Contact(contact) => self.ask_one(OwnerOfContact { contact }).await,
        };
        Ok(owned.map_err(failed)?.map(|owned| owned.owner))
    }

    /// The lowest number of an event that is kept, and the last that was told; (1, 0) when there is none.
    ///
    /// # Errors
    /// Class storage.
    pub async fn event_span(&self) -> Result<EventNumbers, Failure> {
        let span = self.ask_one(EventSpan {}).await.map_err(failed)?;
        Ok(span.unwrap_or(EventNumbers { first: 1, last: 0 }))
    }

    /// The packs that body rows name, and where the last body in each ends.
    ///
    /// # Errors
    /// Class storage.
    pub async fn named_packs(&self) -> Result<BTreeMap<i64, u64>, Failure> {
        // A body of no octets needs no file.
        let packs = self.ask(NamedPacks {}).await.map_err(failed)?;
        let mut ends = BTreeMap::new();
        for NamedPack { pack, end } in packs {
            // An end that is none is of a body that is lost: where its octets lay nothing is cut off.
            let end = u64::try_from(end).unwrap_or(SPARED_PACK);
            let known = ends.entry(pack).or_insert(end);
            if *known != end {
                *known = WHOLE_PACK;
            }
        }
        Ok(ends)
    }
}
