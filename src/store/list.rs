//! Lists of mail, in pages: each is read in pieces, and looks at a bounded number of rows.

use crate::store::derive::stored_derive;
use crate::store::failure::Trouble;
use crate::store::mail::{ListedMessage, StoredMails};
use crate::store::read::{Reader, failed};
use crate::store::sql::list::{
    AccountOfContact, AccountOfFolder, ContactsOfAccounts, ContactsOfAddress, FolderOfAccount,
    FoldersOfAccounts, ListedContacts, ListedThreads, NewestOfAccounts, NewestOfContacts,
    NewestOfFolders, NewestOfThreads, Number, NumbersOfThread, NumbersThatMove, Piece, ReadAccount,
    ReadAccounts, ThreadsOfAccounts, UnseenOfFolders,
};
use crate::store::sql::query::{Asks, Document};
use postrider_core::derive::VERSION;
use postrider_core::failure::Failure;
use postrider_core::list::{Below, Filter, LOOKED_AT_MOST, Merge, Position, Source, Who};
use postrider_core::mail::id::{AccountId, MessageId};
use std::collections::{BTreeMap, BTreeSet};

pub use crate::store::sql::list::{ListedContact, ListedThread};

/// Lists that are read as one, at most: an account each, or a folder.
const LISTS_MOST: usize = 5000;

/// Messages that are looked at in one go, at most.
const BATCH_MOST: usize = 1000;

/// Messages of a thread that are looked at, the newest ones.
pub const OF_THREAD: usize = 200;

/// Why there is no page.
#[derive(Debug)]
pub enum NoPage {
    /// There is no such account, folder, thread, contact.
    Missing(&'static str),
    /// So many accounts, or folders of them, are too many to be read as one.
    TooMany(usize),
    /// The database.
    Failed(Failure),
}

impl From<Failure> for NoPage {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Trouble> for NoPage {
    fn from(why: Trouble) -> Self {
        Self::Failed(failed(why))
    }
}

/// Whose mail is read.
#[derive(Clone, Debug)]
pub struct Scope {
    accounts: Vec<AccountId>,
    /// Nothing of it is still to be derived.
    pub is_complete: bool,
}

impl Scope {
    fn has(&self, account: AccountId) -> bool {
        self.accounts.contains(&account)
    }

    fn document(&self) -> Result<Document, Trouble> {
        Document::of(&self.accounts.iter().map(|account| account.0).collect::<Vec<_>>())
    }

    fn lists(&self) -> Vec<i64> {
        self.accounts.iter().map(|account| account.0).collect()
    }
}

/// From where a page goes on, and how long it may be.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Behind this.
    pub behind: Option<Position>,
    /// So many.
    pub limit: usize,
}

/// Part of a list.
#[derive(Debug)]
pub struct Listed<T> {
    /// What is in it, and where it stands.
    pub items: Vec<(Position, T)>,
    /// Behind which it goes on; nothing at the end.
    pub next: Option<Position>,
}

/// A thread, and the newest of its messages that their server still has.
#[derive(Debug)]
pub struct ShownThread {
    /// The thread.
    pub thread: ListedThread,
    /// Newest first.
    pub messages: Vec<ListedMessage>,
}

/// Reads lists.
#[derive(Clone, Debug)]
pub struct MailLists {
    reader: Reader,
    mails: StoredMails,
}

impl MailLists {
    /// Reads through this.
    #[must_use]
    pub fn new(reader: Reader) -> Self {
        Self { mails: StoredMails::new(reader.clone()), reader }
    }

    /// The accounts of this name, or owner, or all.
    ///
    /// # Errors
    /// [`NoPage`], by variant.
    pub async fn scope(&self, name: Option<&str>, owner: Option<&str>) -> Result<Scope, NoPage> {
        let (account, of) = (name.map(str::to_owned), owner.map(str::to_owned));
        let rows = self.reader.ask(ReadAccounts { name: account, owner: of }).await?;
        match (rows.is_empty(), name, owner) {
            (true, Some(_), _) => return Err(NoPage::Missing("account")),
            (true, None, Some(_)) => return Err(NoPage::Missing("owner")),
            _ => {}
        }
        let is_complete = |row: &ReadAccount| {
            let newest = row.newest.unwrap_or(0);
            let derive = stored_derive(row.derive.clone());
            let is_read = derive.is_some_and(|derive| {
                derive.version() == VERSION && derive.owed(newest).is_empty()
            });
            newest == 0 || is_read
        };
        let is_complete = rows.iter().all(is_complete);
        Ok(Scope { accounts: rows.into_iter().map(|row| row.id).collect(), is_complete })
    }

    /// A page of messages.
    ///
    /// # Errors
    /// [`NoPage`], by variant.
    pub async fn messages(
        &self,
        scope: &Scope,
        filter: &Filter,
        part: Part,
    ) -> Result<Listed<ListedMessage>, NoPage> {
        let (filter, lists) = self.resolved(scope, filter.clone()).await?;
        let (below, least) = filter.bounds();
        let mut merge = Merge::new(&lists, below, part.behind, part.limit + 1);
        let (mut ids, mut last, mut batch) = (Vec::new(), part.behind, part.limit);
        let next = loop {
            let taken = taken(&mut merge, batch, least);
            let judged = self.judged(&filter, &taken).await?;
            let room = part.limit - ids.len();
            let is_full = judged.len() >= room;
            ids.extend(judged.into_iter().take(room));
            if is_full {
                break ids.last().map(|(position, _)| *position);
            }
            last = taken.last().map(|(position, _)| *position).or(last);
            if taken.len() < batch && !self.refilled(&mut merge, &filter).await? {
                // Either all of it was looked at, or as much as a request may.
                break last.filter(|last| !merge.is_over() && last.at >= least);
            }
            batch = (2 * batch).min(BATCH_MOST);
        };
        let messages: Vec<MessageId> = ids.iter().map(|(_, message)| *message).collect();
        let mut whole = self.mails.whole(&messages).await?;
        let found = |(position, message)| Some((position, whole.remove(&message)?));
        Ok(Listed { items: ids.into_iter().filter_map(found).collect(), next })
    }

    /// What leads to the messages: the filter with the numbers that things have now, and the lists that are read.
    async fn resolved(
        &self,
        scope: &Scope,
        mut filter: Filter,
    ) -> Result<(Filter, Vec<i64>), NoPage> {
        if let Some(folder) = filter.folder {
            let of = self.reader.ask_one(AccountOfFolder { folder }).await?;
            let is_there = |of: &FolderOfAccount| scope.has(of.account) && of.deleted_at.is_none();
            of.filter(is_there).ok_or(NoPage::Missing("folder"))?;
        }
        for named in &filter.people {
            if let Who::Contact(contact) = named.who {
                let of = self.reader.ask_one(AccountOfContact { contact }).await?;
                of.filter(|of| scope.has(of.account)).ok_or(NoPage::Missing("contact"))?;
            }
        }
        let mut lists = Vec::new();
        if let Some(thread) = filter.thread {
            let numbers = self.reader.ask(NumbersOfThread { thread }).await?;
            let first = numbers.first().filter(|first| scope.has(first.account));
            let now = first.ok_or(NoPage::Missing("thread"))?.id;
            filter.thread = Some(now);
            lists = std::iter::once(now).chain(numbers.iter().filter_map(|n| n.moves)).collect();
        }
        let accounts = scope.document()?;
        let ids = |rows: Vec<Number>| rows.into_iter().map(|row| row.id);
        match (filter.source(), filter.folder, filter.leading()) {
            (Source::Threads, ..) => {}
            (Source::Contacts, _, Some(leading)) => match &leading.who {
                Who::Contact(contact) => lists = vec![*contact],
                Who::Key(key) => {
                    let of = ContactsOfAddress { accounts, key: key.clone() };
                    lists = ids(self.reader.ask(of).await?).collect();
                }
            },
            (Source::Folders | Source::Unseen, Some(folder), _) => lists = vec![folder.0],
            (Source::Unseen, None, _) => {
                lists = ids(self.reader.ask(FoldersOfAccounts { accounts }).await?).collect();
            }
            _ => lists = scope.lists(),
        }
        match lists.len() {
            0..=LISTS_MOST => Ok((filter, lists)),
            many => Err(NoPage::TooMany(many)),
        }
    }

    /// Reads on where something is lacking; not where a request has looked at enough.
    async fn refilled(
        &self,
        merge: &mut Merge<MessageId>,
        filter: &Filter,
    ) -> Result<bool, NoPage> {
        if merge.is_over() || merge.looked_at() >= LOOKED_AT_MOST {
            return Ok(false);
        }
        let (below, most) = merge.wants();
        let (lists, most) = pieces(&below, most)?;
        let rows = match filter.source() {
            Source::Accounts => self.pieces(NewestOfAccounts { lists, most }).await?,
            Source::Threads => self.pieces(NewestOfThreads { lists, most }).await?,
            Source::Contacts => self.pieces(NewestOfContacts { lists, most }).await?,
            Source::Folders => self.pieces(NewestOfFolders { lists, most }).await?,
            Source::Unseen => self.pieces(UnseenOfFolders { lists, most }).await?,
        };
        merge.found(rows.into_iter().map(|(position, of)| (position, MessageId(of))));
        Ok(true)
    }

    async fn pieces<Q: Asks<Row = Piece>>(&self, query: Q) -> Result<Vec<(Position, i64)>, NoPage> {
        let mut all = Vec::new();
        for Piece { list, found } in self.reader.ask(query).await? {
            let rows = found.map_or_else(Vec::new, |found| found.0);
            let rows = rows.into_iter().map(|(at, id, of)| (Position { at, id, list }, of));
            all.extend(rows);
        }
        // A database says of no list in which order its texts were put together.
        all.sort_unstable_by(|a, b| b.cmp(a));
        Ok(all)
    }

    /// Those of them that are in the list, in their order.
    async fn judged(
        &self,
        filter: &Filter,
        taken: &[(Position, MessageId)],
    ) -> Result<Vec<(Position, MessageId)>, NoPage> {
        let ids: BTreeSet<MessageId> = taken.iter().map(|(_, message)| *message).collect();
        let ids: Vec<MessageId> = ids.into_iter().collect();
        let known = self.mails.known(&ids, filter).await?;
        let is_in = |(position, message): &&(Position, MessageId)| {
            known.get(message).is_some_and(|known| known.is_in(filter, *position))
        };
        Ok(taken.iter().filter(is_in).copied().collect())
    }

    /// A page of threads: those of which a message is among the newest that its server still has.
    ///
    /// # Errors
    /// [`NoPage`], by variant.
    pub async fn threads(&self, scope: &Scope, part: Part) -> Result<Listed<ShownThread>, NoPage> {
        let lists = scope.lists();
        if lists.len() > LISTS_MOST {
            return Err(NoPage::TooMany(lists.len()));
        }
        let mut merge = Merge::new(&lists, (i64::MAX, i64::MAX), part.behind, part.limit);
        let (mut items, mut last, mut looked_at) = (Vec::new(), part.behind, 0);
        let next = loop {
            let taken = taken(&mut merge, part.limit - items.len(), i64::MIN);
            let ids: Vec<i64> = taken.iter().map(|(_, thread)| *thread).collect();
            let (mut shown, looked) = self.shown_threads(&ids).await?;
            looked_at += looked;
            let found = taken.iter().filter_map(|(position, id)| {
                let thread = shown.remove(id).filter(|thread| !thread.messages.is_empty())?;
                Some((*position, thread))
            });
            items.extend(found);
            last = taken.last().map(|(position, _)| *position).or(last);
            if items.len() >= part.limit || looked_at >= LOOKED_AT_MOST {
                break last.filter(|_| !merge.is_over());
            }
            if merge.is_over() {
                break None;
            }
            if taken.is_empty() {
                let (below, most) = merge.wants();
                let (lists, most) = pieces(&below, most)?;
                merge.found(self.pieces(ThreadsOfAccounts { lists, most }).await?);
            }
        };
        Ok(Listed { items, next })
    }

    /// A thread by any number that it had.
    ///
    /// # Errors
    /// [`NoPage`], by variant.
    pub async fn thread(&self, scope: &Scope, id: i64) -> Result<ShownThread, NoPage> {
        let numbers = self.reader.ask(NumbersOfThread { thread: id }).await?;
        let first = numbers.first().filter(|first| scope.has(first.account));
        let now = first.ok_or(NoPage::Missing("thread"))?.id;
        let (mut shown, _) = self.shown_threads(&[now]).await?;
        shown.remove(&now).ok_or(NoPage::Missing("thread"))
    }

    /// Threads under the numbers that they have now, and how many messages were looked at.
    async fn shown_threads(
        &self,
        ids: &[i64],
    ) -> Result<(BTreeMap<i64, ShownThread>, usize), NoPage> {
        if ids.is_empty() {
            return Ok((BTreeMap::new(), 0));
        }
        let moving = self.reader.ask(NumbersThatMove { threads: Document::of(&ids)? }).await?;
        let mut now: BTreeMap<i64, i64> = ids.iter().map(|id| (*id, *id)).collect();
        now.extend(moving.iter().filter_map(|number| Some((number.moves?, number.id))));
        let all: Vec<Below> =
            now.keys().map(|id| Below { list: *id, at: i64::MAX, id: i64::MAX }).collect();
        let (lists, most) = pieces(&all, OF_THREAD)?;
        let mut of: BTreeMap<i64, Vec<MessageId>> = BTreeMap::new();
        for (position, message) in self.pieces(NewestOfThreads { lists, most }).await? {
            let Some(thread) = now.get(&position.list) else { continue };
            let messages = of.entry(*thread).or_default();
            if messages.len() < OF_THREAD {
                messages.push(MessageId(message));
            }
        }
        let messages: Vec<MessageId> = of.values().flatten().copied().collect();
        let mut whole = self.mails.whole(&messages).await?;
        let mut shown = BTreeMap::new();
        for thread in self.reader.ask(ListedThreads { threads: Document::of(&ids)? }).await? {
            let messages = of.remove(&thread.id).unwrap_or_default();
            let living = messages
                .iter()
                .filter_map(|message| whole.remove(message))
                .filter(|message| message.mail.deleted_at.is_none());
            shown.insert(thread.id, ShownThread { messages: living.collect(), thread });
        }
        Ok((shown, messages.len()))
    }

    /// A page of contacts; or those that have this address, as it is compared.
    ///
    /// # Errors
    /// [`NoPage`], by variant.
    pub async fn contacts(
        &self,
        scope: &Scope,
        key: Option<String>,
        part: Part,
    ) -> Result<Listed<ListedContact>, NoPage> {
        let lists = scope.lists();
        if lists.len() > LISTS_MOST {
            return Err(NoPage::TooMany(lists.len()));
        }
        let (found, is_over) = match key {
            Some(key) => {
                let of = ContactsOfAddress { accounts: scope.document()?, key };
                let ids = self.reader.ask(of).await?.into_iter().map(|row| row.id);
                let of = |id| (Position { at: 0, id, list: 0 }, id);
                let behind = |(position, _): &(Position, i64)| {
                    part.behind.is_none_or(|behind| *position < behind)
                };
                let mut all: Vec<(Position, i64)> = ids.map(of).filter(behind).collect();
                all.sort_unstable_by(|a, b| b.cmp(a));
                let is_over = all.len() <= part.limit;
                all.truncate(part.limit);
                (all, is_over)
            }
            None => {
                let mut merge =
                    Merge::new(&lists, (i64::MAX, i64::MAX), part.behind, part.limit + 1);
                let mut all = Vec::new();
                while all.len() < part.limit && !merge.is_over() {
                    let more = taken(&mut merge, part.limit - all.len(), i64::MIN);
                    if more.is_empty() {
                        let (below, most) = merge.wants();
                        let (lists, most) = pieces(&below, most)?;
                        merge.found(self.pieces(ContactsOfAccounts { lists, most }).await?);
                    }
                    all.extend(more);
                }
                (all, merge.is_over())
            }
        };
        let next = found.last().map(|(position, _)| *position).filter(|_| !is_over);
        let mut rows = self.listed_contacts(found.iter().map(|(_, id)| *id).collect()).await?;
        let row = |(position, id)| Some((position, rows.remove(&id)?));
        Ok(Listed { items: found.into_iter().filter_map(row).collect(), next })
    }

    /// A contact.
    ///
    /// # Errors
    /// [`NoPage`], by variant.
    pub async fn contact(&self, scope: &Scope, id: i64) -> Result<ListedContact, NoPage> {
        let of = self.reader.ask_one(AccountOfContact { contact: id }).await?;
        of.filter(|of| scope.has(of.account)).ok_or(NoPage::Missing("contact"))?;
        self.listed_contacts(vec![id]).await?.remove(&id).ok_or(NoPage::Missing("contact"))
    }

    async fn listed_contacts(&self, ids: Vec<i64>) -> Result<BTreeMap<i64, ListedContact>, NoPage> {
        let rows = self.reader.ask(ListedContacts { contacts: Document::of(&ids)? }).await?;
        Ok(rows.into_iter().map(|row| (row.id, row)).collect())
    }
}

/// The next ones, so many at most, as far as they do not stand below the least.
fn taken<T>(merge: &mut Merge<T>, most: usize, least: i64) -> Vec<(Position, T)> {
    let next = std::iter::from_fn(|| merge.take());
    next.take(most).take_while(|(position, _)| position.at >= least).collect()
}

/// As the texts take them.
fn pieces(below: &[Below], most: usize) -> Result<(Document, i64), Trouble> {
    let lists: Vec<(i64, i64, i64)> =
        below.iter().map(|below| (below.list, below.at, below.id)).collect();
    Ok((Document::of(&lists)?, i64::try_from(most).unwrap_or(i64::MAX)))
}
