//! What is derived beside what it is derived from: what is stored of messages, of threads and of their words, and what
//! is of nothing that there is.

use crate::store::derive::{DerivedMail, own_addresses, stored_derive};
use crate::store::failure::Trouble;
use crate::store::mail::StoredMails;
use crate::store::mending::{Strays, Unjoined, body, keys};
use crate::store::read::{Reader, failed};
use crate::store::sql::check::{
    DerivedOfMails, MailOfThread, MailsOfThreads, OtherWords, Stray, StrayAliases, StrayContacts,
    StrayDerived, StrayFiles, StrayMails, StrayPeople, StrayTexts, StrayThreads, StrayWord,
    StrayWords, ThreadsBehind, WordPlaces, WordTerms,
};
use crate::store::sql::contacts::{ContactOfMail, ContactsOfMails};
use crate::store::sql::derive::{DeriveState, DerivedAccounts};
use crate::store::sql::query::{Dialect, Document};
use crate::store::sql::threads::ThreadsOfKeys;
use crate::store::sql::words::{number, row};
use postrider_core::contact::{MessageContact, is_outgoing};
use postrider_core::derive::{Attachment, Derive, Look, VERSION, rank};
use postrider_core::failure::Failure;
use postrider_core::mail::body::StoredBody;
use postrider_core::mail::id::{AccountId, MessageId};
use postrider_core::mime::{Parse, PersonRole};
use postrider_core::thread::{Group, GroupedMail, Thread, ThreadKey};
use postrider_core::word::WordText;
use std::collections::{BTreeMap, BTreeSet};

pub use crate::store::sql::check::DerivedColumns;
pub use words::WordsSeen;

mod words;

/// What is of nothing is found so much at a time.
const STRAYS: i64 = 500;
/// Threads that are looked at together, at most; and mails of theirs.
const THREADS: i64 = 200;
const MAILS: i64 = 2000;
/// A thread of more mails is not looked into.
const MAILS_OF_ONE: i64 = 20_000;

/// What does not fit a message of which there is no row.
pub const NOTHING: &str = "nothing is derived of it";

/// Who is named in a mail, as its rows have it.
#[derive(Debug, Default)]
pub(super) struct NamedIn {
    pub(super) people: Vec<MessageContact>,
    ranks: BTreeSet<i64>,
}

impl NamedIn {
    /// Whether a row says that its mail is of another rank.
    pub(super) fn has_other_rank(&self, rank: i64) -> bool {
        self.ranks.iter().any(|other| *other != rank)
    }
}

/// Rows of who is named, mail by mail.
pub(super) fn named_in(rows: Vec<ContactOfMail>) -> Result<BTreeMap<i64, NamedIn>, Trouble> {
    let mut named: BTreeMap<i64, NamedIn> = BTreeMap::new();
    for row in rows {
        let damaged = || Trouble::Damaged("what somebody is named as is damaged".into());
        let role = PersonRole::of(&row.role).ok_or_else(damaged)?;
        let position = usize::try_from(row.position).map_err(|_| damaged())?;
        let one =
            MessageContact { role, position, key: row.key, address: row.address, name: row.name };
        let of = named.entry(row.message.0).or_default();
        of.people.push(one);
        of.ranks.insert(row.rank);
    }
    named.values_mut().for_each(|of| of.people.sort_by_key(|one| (one.role, one.position)));
    Ok(named)
}

/// How an account's mail is derived.
#[derive(Debug)]
pub struct DerivedState {
    /// What is owed; nothing where nothing was ever derived.
    pub derive: Option<Derive>,
    /// The highest number of a message.
    pub newest: i64,
    /// Its server tells threads.
    pub tells_threads: bool,
    own: BTreeSet<String>,
    is_whole: bool,
}

impl DerivedState {
    /// Whether what is derived of a message is to fit.
    #[must_use]
    pub fn is_derived(&self, message: i64) -> bool {
        self.derive.as_ref().is_some_and(|derive| {
            // What other code has made is made anew.
            let is_owed = derive.made().version != VERSION
                || !self.is_whole && derive.owed(self.newest).contains(message);
            !is_owed && !derive.left_out().contains(message)
        })
    }

    /// Whether nothing is derived of it, since the process has ended twice over it.
    #[must_use]
    pub fn is_left_out(&self, message: i64) -> bool {
        self.derive.as_ref().is_some_and(|derive| derive.left_out().contains(message))
    }

    /// As if nothing were owed: what is to be read anew was derived before.
    #[must_use]
    pub fn whole(self) -> Self {
        Self { is_whole: true, ..self }
    }
}

/// What is stored of a message that is derived.
#[derive(Debug)]
pub struct StoredDerived {
    row: Option<DerivedColumns>,
    files: Vec<Attachment>,
    named: NamedIn,
}

impl StoredDerived {
    /// What does not fit what a mail says.
    #[must_use]
    pub fn amiss(
        &self,
        mail: &DerivedMail,
        account: AccountId,
        of: &DerivedState,
    ) -> Vec<&'static str> {
        let Some(row) = &self.row else { return vec![NOTHING] };
        let read = mail.read.as_ref().ok();
        let text = read.map_or("", |read| read.snippet.as_str());
        let (files, list_id) = match read {
            Some(read) => (read.attachments.as_slice(), read.header.list_id.as_deref()),
            None => (&[][..], None),
        };
        let mut files: Vec<&Attachment> = files.iter().collect();
        files.sort_by_key(|file| file.octets.start);
        let rank = rank(mail.received_at, mail.message);
        let fits = [
            ("account", row.account == account),
            ("rank", row.rank == rank && !self.named.has_other_rank(rank)),
            ("received_at", row.received_at == mail.received_at),
            ("snippet", row.snippet == text),
            ("list_id", row.list_id.as_deref() == list_id),
            ("parse", row.parse == mail.parse()),
            ("outgoing", row.outgoing == is_outgoing(&of.own, &mail.people)),
            ("more_people", usize::try_from(row.more_people) == Ok(mail.more_people)),
            ("people", self.named.people == mail.people),
            (
                "attachments",
                usize::try_from(row.attachments) == Ok(files.len())
                    && self.files.iter().eq(files.iter().copied()),
            ),
        ];
        fits.into_iter().filter(|(_, fits)| !fits).map(|(what, _)| what).collect()
    }
}

/// Where the next threads are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Behind {
    rank: i64,
    id: i64,
}

/// Threads that are looked at together; what their mails say is still to be read.
#[derive(Debug)]
pub struct Threads {
    /// Their rows.
    pub threads: BTreeMap<i64, Thread>,
    mails: Vec<MailOfThread>,
    /// Behind these.
    pub next: Behind,
    /// It has too many mails to be looked into.
    pub is_large: bool,
    is_told: bool,
}

impl Threads {
    /// Where the mails are whose bytes say what joins them, as far as they may be read; nothing where their server tells it.
    #[must_use]
    pub fn bodies(&self, of: &DerivedState) -> Vec<(i64, StoredBody)> {
        let may_be_read = |mail: &&MailOfThread| !self.is_told && !of.is_left_out(mail.message.0);
        self.mails.iter().filter(may_be_read).map(body).collect()
    }
}

/// Reads what is to be compared.
#[derive(Clone, Debug)]
pub struct DerivedChecks {
    reader: Reader,
    mails: StoredMails,
}

impl DerivedChecks {
    /// Reads through this.
    #[must_use]
    pub fn new(reader: Reader) -> Self {
        Self { mails: StoredMails::new(reader.clone()), reader }
    }

    /// How an account is derived.
    ///
    /// # Errors
    /// Class storage.
    pub async fn state(&self, account: AccountId) -> Result<Option<DerivedState>, Failure> {
        let found = self.reader.ask_one(DerivedAccounts { account: Some(account) }).await;
        let Some(found) = found.map_err(failed)? else { return Ok(None) };
        let state = self.reader.ask_one(DeriveState { account }).await.map_err(failed)?;
        Ok(state.map(|state| DerivedState {
            derive: stored_derive(found.derive),
            newest: found.newest.unwrap_or(0),
            tells_threads: state.tells_threads,
            own: own_addresses(state.addresses.as_deref()),
            is_whole: false,
        }))
    }

    /// What is stored of these.
    ///
    /// # Errors
    /// Class storage.
    pub async fn stored(
        &self,
        messages: &[MessageId],
    ) -> Result<BTreeMap<MessageId, StoredDerived>, Failure> {
        self.read(messages).await.map_err(failed)
    }

    async fn read(
        &self,
        messages: &[MessageId],
    ) -> Result<BTreeMap<MessageId, StoredDerived>, Trouble> {
        let mails = Document::of(&messages)?;
        let rows = self.reader.ask(DerivedOfMails { mails: mails.clone() }).await?;
        let mut rows: BTreeMap<MessageId, DerivedColumns> =
            rows.into_iter().map(|row| (row.message, row)).collect();
        let mut named = named_in(self.reader.ask(ContactsOfMails { mails }).await?)?;
        let mut files = self.mails.files_of(messages).await?;
        let of = |message: &MessageId| {
            let row = rows.remove(message);
            let files = files.remove(message).unwrap_or_default();
            let named = named.remove(&message.0).unwrap_or_default();
            (*message, StoredDerived { row, files, named })
        };
        Ok(messages.iter().map(of).collect())
    }

    /// What is of nothing, so much of each kind: what goes at that time, or all of it when nothing is owed.
    ///
    /// # Errors
    /// Class storage.
    pub async fn strays(&self, account: AccountId, look: Look) -> Result<Strays, Failure> {
        let mut strays = Strays::default();
        let found = async {
            self.of_no_message(account, &mut strays).await?;
            if look == Look::After {
                self.of_no_mail(account, &mut strays).await?;
            }
            Ok(())
        };
        found.await.map_err(failed)?;
        Ok(strays)
    }

    async fn of_no_message(&self, account: AccountId, strays: &mut Strays) -> Result<(), Trouble> {
        let (reader, most) = (&self.reader, STRAYS);
        strays.derived = ids(reader.ask(StrayDerived { account, most }).await?);
        strays.files = ids(reader.ask(StrayFiles { most }).await?);
        strays.people = ids(reader.ask(StrayPeople { most }).await?);
        let words = reader.ask(StrayWords { most }).await?;
        strays.words = words.into_iter().map(|StrayWord { id, message }| (id, message)).collect();
        strays.texts = ids(reader.ask(StrayTexts { most }).await?);
        strays.mails = Unjoined(reader.ask(StrayMails { account, most }).await?);
        strays.aliases = ids(reader.ask(StrayAliases { account, most }).await?);
        Ok(())
    }

    async fn of_no_mail(&self, account: AccountId, strays: &mut Strays) -> Result<(), Trouble> {
        let (reader, most) = (&self.reader, STRAYS);
        strays.contacts = ids(reader.ask(StrayContacts { account, behind: 0, most }).await?);
        strays.threads = ids(reader.ask(StrayThreads { account, most }).await?);
        Ok(())
    }

    /// The next threads of an account, in the order of their ranks; nothing behind the last.
    ///
    /// # Errors
    /// Class storage.
    pub async fn threads(
        &self,
        account: AccountId,
        of: &DerivedState,
        behind: Behind,
    ) -> Result<Option<Threads>, Failure> {
        self.some_threads(account, of, behind).await.map_err(failed)
    }

    async fn some_threads(
        &self,
        account: AccountId,
        of: &DerivedState,
        behind: Behind,
    ) -> Result<Option<Threads>, Trouble> {
        let Behind { rank, id } = behind;
        let mut rows = self.reader.ask(ThreadsBehind { account, rank, id, most: THREADS }).await?;
        let mut most = MAILS;
        loop {
            let Some(last) = rows.last() else { return Ok(None) };
            let next = Behind { rank: last.rank, id: last.id };
            let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
            let asked = MailsOfThreads { threads: Document::of(&ids)?, most: most + 1 };
            let mails = self.reader.ask(asked).await?;
            let is_large = i64::try_from(mails.len()).unwrap_or(i64::MAX) > most;
            if is_large && (rows.len() > 1 || most < MAILS_OF_ONE) {
                if rows.len() == 1 {
                    most = MAILS_OF_ONE;
                }
                rows.truncate((rows.len() / 2).max(1));
                continue;
            }
            let threads = rows.into_iter().map(|row| (row.id, Thread::from(row))).collect();
            return Ok(Some(Threads { threads, mails, next, is_large, is_told: of.tells_threads }));
        }
    }

    /// These threads with what their mails say; `read` has it of those whose bytes say it, as far as they can be read.
    ///
    /// # Errors
    /// Class storage.
    pub async fn group(
        &self,
        account: AccountId,
        of: &DerivedState,
        threads: Threads,
        mut read: BTreeMap<i64, Vec<ThreadKey>>,
    ) -> Result<Group, Failure> {
        let is_told = threads.is_told;
        let grouped = |mail: MailOfThread| {
            // What could not be read stands where it stood.
            let is_read = is_told || mail.parse != Parse::Failed.as_str();
            let keys = keys(&mail, is_told, &mut read).filter(|_| is_read);
            GroupedMail {
                message: mail.message.0,
                thread: mail.thread,
                keys: keys.filter(|_| of.is_derived(mail.message.0)),
                rank: mail.rank,
                received_at: mail.received_at.0,
            }
        };
        let mails: Vec<GroupedMail> = threads.mails.into_iter().map(grouped).collect();
        let keys: BTreeSet<&ThreadKey> =
            mails.iter().filter_map(|mail| mail.keys.as_ref()).flatten().collect();
        let keys: Vec<String> = keys.into_iter().map(ThreadKey::to_string).collect();
        let keys = self.keys(account, &keys).await.map_err(failed)?;
        Ok(Group { threads: threads.threads, mails, keys })
    }

    async fn keys(
        &self,
        account: AccountId,
        keys: &[String],
    ) -> Result<BTreeMap<ThreadKey, i64>, Trouble> {
        let mut found = BTreeMap::new();
        for some in keys.chunks(5000) {
            let keys = Document::of(&some)?;
            for row in self.reader.ask(ThreadsOfKeys { account, keys }).await? {
                let damaged = |_| Trouble::Damaged("a thread's key is damaged".into());
                found.insert(ThreadKey(row.key.try_into().map_err(damaged)?), row.thread.id);
            }
        }
        Ok(found)
    }

    /// Numbers of words, of these mails, that are not there; on a database that keeps words whole, those that are others.
    ///
    /// # Errors
    /// Class storage.
    pub async fn other_words(
        &self,
        mails: &[(i64, MessageId, &WordText)],
        account: AccountId,
    ) -> Result<BTreeSet<i64>, Failure> {
        let dialect = self.reader.dialect();
        let of = |(id, message, words): &(i64, MessageId, &WordText)| {
            (*id, *message, row(dialect, account, words))
        };
        let rows: Vec<_> = mails.iter().map(of).collect();
        let asked = async {
            let words = Document::of(&rows)?;
            self.reader.ask(OtherWords { words }).await
        };
        Ok(asked.await.map_err(failed)?.into_iter().map(|row| row.id).collect())
    }

    /// Whether the index has to be read itself to know what words are in it.
    #[must_use]
    pub fn reads_index(&self) -> bool {
        self.reader.dialect() == Dialect::Sqlite
    }

    /// Takes away, of the words that mails have, those that the index has.
    ///
    /// # Errors
    /// Class storage.
    pub async fn see_words(&self, seen: &mut WordsSeen) -> Result<(), Failure> {
        self.all_words(seen).await.map_err(failed)
    }

    async fn all_words(&self, seen: &mut WordsSeen) -> Result<(), Trouble> {
        const PLACES: i64 = 50_000;
        const TERMS: i64 = 1000;
        let mut behind = String::new();
        loop {
            let terms = self.reader.ask(WordTerms { behind: behind.clone(), most: TERMS }).await?;
            let (mut count, mut upto) = (0, None);
            for term in &terms {
                count += i64::try_from(term.count).unwrap_or(i64::MAX);
                if upto.is_some() && count > PLACES / 2 {
                    break;
                }
                upto = Some(term.term.clone());
            }
            let Some(upto) = upto else { return Ok(()) };
            // Of one word as many as there are, document by document: what comes meanwhile comes before them.
            let mut from = i64::MIN;
            loop {
                let (behind, upto) = (behind.clone(), upto.clone());
                let asked = WordPlaces { behind, upto, from, most: PLACES };
                let mut places = self.reader.ask(asked).await?;
                let is_full = i64::try_from(places.len()).unwrap_or(i64::MAX) >= PLACES;
                let last = places.last().map_or(i64::MAX, |place| place.doc);
                if is_full {
                    places.retain(|place| place.doc < last);
                }
                places.iter().for_each(|place| seen.sees(place));
                if !is_full {
                    break;
                }
                from = last;
            }
            behind = upto;
        }
    }
}

fn ids(rows: Vec<Stray>) -> Vec<i64> {
    rows.into_iter().map(|row| row.id).collect()
}

/// The number of the words of a message.
#[must_use]
pub fn words_number(mail: &DerivedMail) -> i64 {
    number(rank(mail.received_at, mail.message))
}
