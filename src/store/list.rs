//! Lists of messages, in pages: each is read in pieces, and looks at a bounded number of rows.

use crate::store::derive::stored_derive;
use crate::store::failure::Trouble;
use crate::store::mail::{AroundWhat, ListedMessage, StoredMails};
use crate::store::page::{few, pieces, taken, wanted};
use crate::store::read::Reader;
use crate::store::sql::list::{
    AccountOfContact, AccountOfFolder, ContactsOfAddress, FolderOfAccount, FoldersOfAccounts,
    NamedFolder, NewestOfAccounts, NewestOfContacts, NewestOfFolders, NewestOfThreads, Number,
    NumbersOfThread, ReadAccount, ReadAccounts, UnseenOfFolders,
};
use crate::store::sql::words::{FindWords, asked, number};
use postrider_core::derive::{Derive, Reads, VERSION};
use postrider_core::list::{Below, Filter, LOOKED_AT_MOST, Merge, Position, Source, Who};
use postrider_core::mail::folder::Role;
use postrider_core::mail::id::{FolderId, MessageId};
use postrider_core::word::folded;
use std::collections::BTreeSet;

pub use crate::store::page::{Listed, NoPage, Part, Scope};

/// Messages that are looked at in one go, at most; and where it is looked who is named in them.
const BATCH_MOST: usize = 1000;
const PEOPLE_BATCH: usize = 100;
/// Accounts that one question names to the index of words, at most.
const NAMED_MOST: usize = 200;

/// What is read around the messages of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum With {
    /// Who is named, and what lies in them.
    Everything,
    /// What lies in them.
    Files,
}

/// Reads lists.
#[derive(Clone, Debug)]
pub struct MailLists {
    pub(super) reader: Reader,
    pub(super) mails: StoredMails,
}

/// What leads to messages.
struct Leads {
    /// With the numbers that things have now.
    filter: Filter,
    /// The lists that are read as one.
    lists: Vec<i64>,
    /// What the index of words is asked.
    words: Option<String>,
}

impl MailLists {
    /// Reads through this.
    #[must_use]
    pub fn new(reader: Reader) -> Self {
        Self { mails: StoredMails::new(reader.clone()), reader }
    }

    /// The accounts of this name, or owner, or all; of those that a reader sees, who may see one owner's alone.
    ///
    /// # Errors
    /// [`NoPage`], by variant.
    pub async fn scope(
        &self,
        (name, owner): (Option<&str>, Option<&str>),
        seen_by: Option<&str>,
    ) -> Result<Scope, NoPage> {
        if owner.is_some() && seen_by.is_some() && owner != seen_by {
            return Err(NoPage::Missing("owner"));
        }
        let of = owner.or(seen_by).map(str::to_owned);
        let is_all = name.is_none() && of.is_none();
        let account = name.map(str::to_owned);
        let rows = self.reader.ask(ReadAccounts { name: account, owner: of }).await?;
        match (rows.is_empty(), name, owner) {
            (true, Some(_), _) => return Err(NoPage::Missing("account")),
            (true, None, Some(_)) => return Err(NoPage::Missing("owner")),
            _ => {}
        }
        // Where there is no mail nothing is found, and nobody has said that nothing may be.
        let (mut is_complete, mut has_words, mut has_all_words) = (true, rows.is_empty(), true);
        let mut all = None;
        for ReadAccount { derive, newest, .. } in &rows {
            let (derive, newest) = (stored_derive(derive.clone()), newest.unwrap_or(0));
            let made = derive.as_ref().map(Derive::made);
            has_words |= made.map_or(newest == 0, |made| made.words != Reads::Off);
            // While one is built anew it has others than the rest.
            let words = made.map(|made| made.words).filter(|_| newest > 0);
            has_all_words &= newest == 0 || words.is_some() && *all.get_or_insert(words) == words;
            let is_read = derive.is_some_and(|derive| {
                derive.made().version == VERSION && derive.owed(newest).is_empty()
            });
            is_complete &= newest == 0 || is_read;
        }
        let accounts = rows.into_iter().map(|row| row.id).collect();
        Ok(Scope { accounts, is_all, has_words, has_all_words, is_complete })
    }

    /// A page of messages. By rank all of them are of one list, whichever they were found in.
    ///
    /// # Errors
    /// [`NoPage`], by variant.
    pub async fn messages(
        &self,
        scope: &Scope,
        filter: &Filter,
        part: Part,
        with: With,
    ) -> Result<Listed<ListedMessage>, NoPage> {
        let leads = self.resolved(scope, filter.clone()).await?;
        let filter = &leads.filter;
        let most = if filter.needs_people() { PEOPLE_BATCH } else { BATCH_MOST };
        let mut merge = Merge::new(&leads.lists, filter.bounds(), part.behind, part.limit + 1);
        let (mut found, mut last, mut batch) = (Vec::new(), part.behind, part.limit.min(most));
        let next = loop {
            let taken = taken(&mut merge, batch);
            let judged = self.judged(filter, &taken).await?;
            let room = part.limit - found.len();
            let is_full = judged.len() >= room;
            found.extend(judged.into_iter().take(room));
            if is_full {
                break found.last().map(|(position, _)| *position);
            }
            last = taken.last().map(|(position, _)| *position).or(last);
            if taken.len() < batch {
                if merge.is_over() {
                    break None;
                }
                if merge.looked_at() >= LOOKED_AT_MOST {
                    break last;
                }
                self.refill(&mut merge, &leads).await?;
            }
            batch = (2 * batch).min(most);
        };
        let mut messages: Vec<MessageId> = found.iter().map(|(_, message)| *message).collect();
        // A page may be short: what is around its messages has its bound, too.
        let fits = self.mails.fitting(&messages).await?;
        let next = match found.len() > fits {
            true => found.get(fits - 1).map(|(position, _)| *position),
            false => next,
        };
        messages.truncate(fits);
        let people = if with == With::Everything { i64::MAX } else { 0 };
        let mut whole = self.mails.whole(&messages, AroundWhat { people, files: true }).await?;
        let of_list = |position: Position| match filter.is_by_place() {
            true => position,
            // It may go from one to another while it is read.
            false => Position { list: 0, ..position },
        };
        let item = |(position, message)| Some((of_list(position), whole.remove(&message)?));
        let items = found.into_iter().take(fits).filter_map(item).collect();
        Ok(Listed { items, next: next.map(of_list) })
    }

    /// What leads to the messages.
    async fn resolved(&self, scope: &Scope, mut filter: Filter) -> Result<Leads, NoPage> {
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
        let mut numbers = Vec::new();
        if let Some(thread) = filter.thread {
            let rows = self.reader.ask(NumbersOfThread { thread }).await?;
            let first = rows.first().filter(|first| scope.has(first.account));
            let now = first.ok_or(NoPage::Missing("thread"))?.id;
            filter.thread = Some(now);
            numbers = std::iter::once(now).chain(rows.iter().filter_map(|n| n.moves)).collect();
        }
        self.find_folders(scope, &mut filter).await?;
        let mut words = None;
        let ids = |rows: Vec<Number>| rows.into_iter().map(|row| row.id).collect();
        let accounts = scope.document()?;
        let lists = match (filter.source(), filter.folder, filter.leading()) {
            (Source::Words, ..) => {
                words = Some(self.asked(scope, &filter)?);
                vec![0]
            }
            (Source::Threads, ..) => numbers,
            (Source::Contacts, _, Some(leading)) => match &leading.who {
                Who::Contact(contact) => vec![*contact],
                Who::Key(key) => {
                    let of = ContactsOfAddress { accounts, key: key.clone() };
                    ids(self.reader.ask(of).await?)
                }
            },
            (Source::Folders | Source::Unseen, Some(folder), _) => vec![folder.0],
            (Source::Unseen, None, _) => {
                self.folders_of(scope).await?.iter().map(|row| row.id.0).collect()
            }
            _ => scope.lists()?,
        };
        Ok(Leads { filter, lists: few(lists)?, words })
    }

    async fn folders_of(&self, scope: &Scope) -> Result<Vec<NamedFolder>, NoPage> {
        Ok(self.reader.ask(FoldersOfAccounts { accounts: scope.document()? }).await?)
    }

    /// The folders that a question names: by their path, its last part, or what they are for.
    async fn find_folders(&self, scope: &Scope, filter: &mut Filter) -> Result<(), NoPage> {
        let named = filter.query.as_ref().map(|query| query.folders.clone()).unwrap_or_default();
        if named.is_empty() {
            return Ok(());
        }
        let folders = self.folders_of(scope).await?;
        let folders: Vec<_> = folders.iter().map(|folder| (folder, folded(&folder.path))).collect();
        for (name, is_not) in named {
            let is_called = |(folder, path): &&(&NamedFolder, String)| {
                let delimiter = folder.delimiter.as_deref().filter(|one| !one.is_empty());
                let leaf = delimiter.and_then(|one| path.rsplit(one).next());
                let role = folder.role.as_deref();
                *path == name || leaf == Some(name.as_str()) || role == Some(name.as_str())
            };
            let found: BTreeSet<FolderId> =
                folders.iter().filter(is_called).map(|(folder, _)| folder.id).collect();
            // A name that nothing has is likely another's.
            if found.is_empty() && !is_not && Role::from_word(&name).is_none() {
                return Err(NoPage::NoFolder(name));
            }
            filter.among.push((found, is_not));
        }
        Ok(())
    }

    fn asked(&self, scope: &Scope, filter: &Filter) -> Result<String, NoPage> {
        let Some(query) = &filter.query else { return Err(NoPage::NoWords) };
        if !scope.has_words {
            return Err(NoPage::NoWords);
        }
        if !scope.is_all && scope.accounts.len() > NAMED_MOST {
            return Err(NoPage::TooMany(scope.accounts.len()));
        }
        let accounts = (!scope.is_all).then_some(scope.accounts.as_slice());
        Ok(asked(self.reader.dialect(), accounts, query))
    }

    /// Reads on where something is lacking.
    async fn refill(&self, merge: &mut Merge<MessageId>, leads: &Leads) -> Result<(), NoPage> {
        let (below, most) = merge.wants();
        let rows = if let (Some(asked), Some(below)) = (&leads.words, below.first()) {
            self.with_words((asked, leads.filter.bounds().1), *below, most).await?
        } else {
            let (lists, count) = wanted(&below, most)?;
            let (reader, most) = (&self.reader, count);
            match leads.filter.source() {
                Source::Threads => pieces(reader, NewestOfThreads { lists, most }).await?,
                Source::Contacts => pieces(reader, NewestOfContacts { lists, most }).await?,
                Source::Folders => pieces(reader, NewestOfFolders { lists, most }).await?,
                Source::Unseen => pieces(reader, UnseenOfFolders { lists, most }).await?,
                Source::Accounts | Source::Words => {
                    pieces(reader, NewestOfAccounts { lists, most }).await?
                }
            }
        };
        merge.found(rows.into_iter().map(|(position, of)| (position, MessageId(of))), most);
        Ok(())
    }

    /// What has the words.
    async fn with_words(
        &self,
        (asked, least): (&str, i64),
        below: Below,
        most: usize,
    ) -> Result<Vec<(Position, i64)>, Trouble> {
        let Below { list, at, id } = below;
        let behind = number(at).saturating_sub(1);
        let until = if least == i64::MIN { i64::MAX } else { number(least) };
        // One more: that with which it goes on may be there.
        let count = i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1);
        let query = FindWords { asked: asked.to_owned(), behind, until, most: count };
        let rows = self.reader.ask(query).await?.into_iter();
        let rows = rows.map(|row| {
            let message = row.message.0;
            (Position { at: number(row.id), id: message, list }, message)
        });
        Ok(rows.filter(|(position, _)| (position.at, position.id) < (at, id)).take(most).collect())
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
}
