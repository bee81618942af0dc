//! Lists of threads and of contacts, in pages.

use crate::store::list::{Listed, MailLists, NoPage, Part, Scope};
use crate::store::mail::{AroundWhat, ListedMessage};
use crate::store::page::{pieces, taken, wanted};
use crate::store::sql::list::{
    ContactsOfAccounts, ContactsOfAddress, ListedContacts, ListedThreads, NewestOfThreads,
    NumbersOfThread, NumbersThatMove, ThreadsOfAccounts,
};
use crate::store::sql::query::Document;
use postrider_core::list::{Below, LOOKED_AT_MOST, Merge, Position};
use postrider_core::mail::id::MessageId;
use std::collections::BTreeMap;

pub use crate::store::sql::list::{ListedContact, ListedThread};

/// Messages of a thread that are looked at, the newest ones.
const OF_THREAD: usize = 200;
/// Of so many, the newest ones, so many people of each field are told.
const NAMED_IN: usize = 10;
const NAMED: i64 = 10;
/// All of a list.
const ALL: ((i64, i64), i64) = ((i64::MAX, i64::MAX), i64::MIN);

/// A thread, and the newest of its messages that their server still has.
#[derive(Debug)]
pub struct ShownThread {
    /// The thread.
    pub thread: ListedThread,
    /// Newest first; of the first ones with some of who is named there, of none with its files.
    pub messages: Vec<ListedMessage>,
}

impl MailLists {
    /// A page of threads: those of which a message is among the newest that its server still has.
    ///
    /// # Errors
    /// [`NoPage`], by variant.
    pub async fn threads(&self, scope: &Scope, part: Part) -> Result<Listed<ShownThread>, NoPage> {
        let mut merge = Merge::new(&scope.lists()?, ALL, part.behind, part.limit);
        let (mut items, mut last, mut looked_at) = (Vec::new(), part.behind, 0);
        let next = loop {
            let room = LOOKED_AT_MOST.saturating_sub(looked_at) / OF_THREAD;
            let taken = taken(&mut merge, room.clamp(1, part.limit - items.len()));
            let ids: Vec<i64> = taken.iter().map(|(_, thread)| *thread).collect();
            let (mut shown, looked) = self.shown_threads(&ids).await?;
            // What has no message is looked at, too.
            looked_at += looked.max(ids.len());
            let found = taken.iter().filter_map(|(position, id)| {
                let thread = shown.remove(id).filter(|thread| !thread.messages.is_empty())?;
                Some((*position, thread))
            });
            items.extend(found);
            last = taken.last().map(|(position, _)| *position).or(last);
            if merge.is_over() {
                break None;
            }
            if items.len() >= part.limit || looked_at.max(merge.looked_at()) >= LOOKED_AT_MOST {
                break last;
            }
            if taken.is_empty() {
                let (below, most) = merge.wants();
                let (lists, count) = wanted(&below, most)?;
                let query = ThreadsOfAccounts { lists, most: count };
                merge.found(pieces(&self.reader, query).await?, most);
            }
        };
        Ok(Listed { items, next })
    }

    /// A thread by any number that it had.
    ///
    /// # Errors
    /// [`NoPage`], by variant.
    pub async fn thread(&self, id: i64) -> Result<ShownThread, NoPage> {
        let numbers = self.reader.ask(NumbersOfThread { thread: id }).await?;
        let now = numbers.first().ok_or(NoPage::Missing("thread"))?.id;
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
        let (lists, most) = wanted(&all, OF_THREAD)?;
        let mut of: BTreeMap<i64, Vec<MessageId>> = BTreeMap::new();
        for (position, message) in pieces(&self.reader, NewestOfThreads { lists, most }).await? {
            let Some(thread) = now.get(&position.list) else { continue };
            let messages = of.entry(*thread).or_default();
            if messages.len() < OF_THREAD {
                messages.push(MessageId(message));
            }
        }
        let messages: Vec<MessageId> = of.values().flatten().copied().collect();
        let newest: Vec<MessageId> =
            of.values().flat_map(|of| of.iter().take(NAMED_IN)).copied().collect();
        let mut people = self.mails.people(&newest, NAMED).await?;
        let bare = AroundWhat { people: 0, files: false };
        let mut whole = self.mails.whole(&messages, bare).await?;
        let mut shown = BTreeMap::new();
        for thread in self.reader.ask(ListedThreads { threads: Document::of(&ids)? }).await? {
            let messages = of.remove(&thread.id).unwrap_or_default();
            let living = messages
                .iter()
                .filter_map(|message| {
                    let people = people.remove(message).unwrap_or_default();
                    whole.remove(message).map(|found| ListedMessage { people, ..found })
                })
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
        let (found, next) = match key {
            Some(key) => self.contacts_of(scope, key, part).await?,
            None => {
                let mut merge = Merge::new(&scope.lists()?, ALL, part.behind, part.limit + 1);
                let mut all = Vec::new();
                loop {
                    all.extend(taken(&mut merge, part.limit - all.len()));
                    let is_enough = all.len() >= part.limit || merge.looked_at() >= LOOKED_AT_MOST;
                    if merge.is_over() || is_enough {
                        break;
                    }
                    let (below, most) = merge.wants();
                    let (lists, count) = wanted(&below, most)?;
                    let query = ContactsOfAccounts { lists, most: count };
                    merge.found(pieces(&self.reader, query).await?, most);
                }
                let last = all.last().map(|(position, _)| *position);
                (all, last.filter(|_| !merge.is_over()))
            }
        };
        let mut rows = self.listed_contacts(found.iter().map(|(_, id)| *id).collect()).await?;
        let row = |(position, id)| Some((position, rows.remove(&id)?));
        Ok(Listed { items: found.into_iter().filter_map(row).collect(), next })
    }

    /// Those of an address: one an account.
    async fn contacts_of(
        &self,
        scope: &Scope,
        key: String,
        part: Part,
    ) -> Result<(Vec<(Position, i64)>, Option<Position>), NoPage> {
        let of = ContactsOfAddress { accounts: scope.document()?, key };
        let rows = self.reader.ask(of).await?.into_iter();
        let rows = rows.map(|row| (Position { at: 0, id: row.id, list: 0 }, row.id));
        let behind =
            |(position, _): &(Position, i64)| part.behind.is_none_or(|behind| *position < behind);
        let mut all: Vec<(Position, i64)> = rows.filter(behind).collect();
        all.sort_unstable_by(|a, b| b.cmp(a));
        let is_over = all.len() <= part.limit;
        all.truncate(part.limit);
        let last = all.last().map(|(position, _)| *position);
        Ok((all, last.filter(|_| !is_over)))
    }

    /// A contact.
    ///
    /// # Errors
    /// [`NoPage`], by variant.
    pub async fn contact(&self, id: i64) -> Result<ListedContact, NoPage> {
        self.listed_contacts(vec![id]).await?.remove(&id).ok_or(NoPage::Missing("contact"))
    }

    async fn listed_contacts(&self, ids: Vec<i64>) -> Result<BTreeMap<i64, ListedContact>, NoPage> {
        let rows = self.reader.ask(ListedContacts { contacts: Document::of(&ids)? }).await?;
        Ok(rows.into_iter().map(|row| (row.id, row)).collect())
    }
}
