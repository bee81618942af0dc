//! What is read of messages for who reads mail: short queries, bounded answers.

use crate::store::derive::stored_derive;
use crate::store::failure::Trouble;
use crate::store::read::{Reader, failed};
use crate::store::sql::mail::{
    FileColumns, FilesOfMails, HistoryOfMail, ListedMails, MessageOfNumber, PeopleOfMails,
    PlacesOfMails, RowsAround,
};
use crate::store::sql::query::{Asks, Document};
use crate::store::sql::shown::StoredEvent;
use postrider_core::derive::Attachment;
use postrider_core::failure::Failure;
use postrider_core::list::{Facts, Filter, Lying, Met, Position};
use postrider_core::mail::body::StoredBody;
use postrider_core::mail::flags::Flags;
use postrider_core::mail::id::MessageId;
use postrider_core::mime::{Encoding, PersonRole};
use postrider_core::time::Micros;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Semaphore;

pub use crate::store::sql::mail::{ListedMail, MailPerson, MailPlace, StoredMail};

impl StoredMail {
    /// Whether the process has ended twice while it read it.
    #[must_use]
    pub fn is_left_out(&self) -> bool {
        let derive = stored_derive(self.derive.clone());
        derive.is_some_and(|derive| derive.left_out().contains(self.mail.message.0))
    }

    /// Its bytes, and where they lie.
    #[must_use]
    pub fn body(&self) -> StoredBody {
        let Self { pack, offset, length, stored, .. } = *self;
        StoredBody { hash: self.mail.hash, pack, offset, length, stored }
    }
}

impl From<FileColumns> for Attachment {
    fn from(row: FileColumns) -> Self {
        Self {
            number: row.part,
            media_type: row.media_type,
            name: row.name,
            is_inline: row.inline,
            content_id: row.content_id,
            encoding: Encoding::named(&row.encoding),
            octets: row.offset..row.offset.saturating_add(row.octets),
            size: row.size,
            sha256: row.sha256.0,
        }
    }
}

/// A message of a list, with what is around it.
#[derive(Debug)]
pub struct ListedMessage {
    /// The message.
    pub mail: ListedMail,
    /// Where it lies.
    pub places: Vec<MailPlace>,
    /// Who is named in it.
    pub people: Vec<MailPerson>,
    /// The files in it.
    pub files: Vec<Attachment>,
}

/// A message, as far as a filter asks.
#[derive(Debug)]
pub(super) struct KnownMail {
    mail: ListedMail,
    places: Vec<Lying>,
    people: Vec<Met>,
}

impl KnownMail {
    /// Whether it is in a list, if it was found there.
    pub(super) fn is_in(&self, filter: &Filter, found: Position) -> bool {
        let Self { mail, places, people } = self;
        let received_at = if filter.is_by_place() { Micros(found.at) } else { mail.received_at };
        let facts = Facts {
            is_deleted: mail.deleted_at.is_some(),
            thread: mail.thread,
            received_at,
            size: mail.size,
            attachments: mail.attachments.unwrap_or(0),
            subject: mail.subject.as_deref(),
            message_id: mail.message_id.as_deref(),
            places,
            people,
        };
        filter.has(found, &facts)
    }
}

fn lying(place: &MailPlace) -> Lying {
    let uid = i64::try_from(place.uid).unwrap_or(i64::MAX);
    let flags = Flags::from_columns(&place.flags, &place.keywords);
    Lying { folder: place.folder, at: place.at, uid, flags }
}

fn met(person: MailPerson) -> Option<Met> {
    let role = PersonRole::of(&person.role)?;
    let MailPerson { contact, key, address, name, .. } = person;
    Some(Met { role, contact, key, address, name })
}

/// Rows by their message.
fn by_message<T>(rows: impl IntoIterator<Item = (MessageId, T)>) -> RowsOf<T> {
    let mut of: RowsOf<T> = BTreeMap::new();
    rows.into_iter().for_each(|(message, row)| of.entry(message).or_default().push(row));
    of
}

fn numbers(messages: &[MessageId]) -> Result<Document, Trouble> {
    Document::of(&messages.iter().map(|message| message.0).collect::<Vec<_>>())
}

/// Reads what is known of messages.
#[derive(Clone, Debug)]
pub struct StoredMails {
    reader: Reader,
    turns: Arc<Semaphore>,
}

/// Questions about messages that are asked at a time: others have questions, too.
const ASKED: usize = 3;

impl StoredMails {
    /// Reads through this.
    #[must_use]
    pub fn new(reader: Reader) -> Self {
        Self { reader, turns: Arc::new(Semaphore::new(ASKED)) }
    }

    /// A message by its number.
    ///
    /// # Errors
    /// Class storage.
    pub async fn message(&self, message: MessageId) -> Result<Option<StoredMail>, Failure> {
        self.reader.ask_one(MessageOfNumber { message }).await.map_err(failed)
    }

    /// A message with what is around it, as far as that is derived.
    ///
    /// # Errors
    /// Class storage.
    pub async fn around(&self, mail: ListedMail) -> Result<ListedMessage, Failure> {
        let mut around = self.around_all(&[mail.message], Around::ALL).await.map_err(failed)?;
        Ok(around.of(mail))
    }

    /// What is told of it, behind a number, so many.
    ///
    /// # Errors
    /// Class storage.
    pub async fn history(
        &self,
        message: MessageId,
        after: i64,
        most: u32,
    ) -> Result<Vec<StoredEvent>, Failure> {
        self.reader.ask(HistoryOfMail { message, after, most }).await.map_err(failed)
    }

    /// An answer, in its turn.
    async fn ask<Q: Asks>(&self, query: Q) -> Result<Vec<Q::Row>, Trouble> {
        // Nobody ends the turns: one that has none is asked all the same.
        let _turn = self.turns.acquire().await.ok();
        self.reader.ask(query).await
    }

    /// Messages with what is around them. Those that are gone meanwhile are missing.
    pub(super) async fn whole(
        &self,
        messages: &[MessageId],
        around: AroundWhat,
    ) -> Result<BTreeMap<MessageId, ListedMessage>, Trouble> {
        if messages.is_empty() {
            return Ok(BTreeMap::new());
        }
        let asked = ListedMails { mails: numbers(messages)? };
        let (mails, mut around) =
            tokio::try_join!(self.ask(asked), Box::pin(self.around_all(messages, around)))?;
        Ok(mails.into_iter().map(|mail| (mail.message, around.of(mail))).collect())
    }

    /// How many of these messages are told at a time: of the first ones, in whose order they are, so many that what is
    /// around them is no more than a request may take; one at least.
    pub(super) async fn fitting(&self, messages: &[MessageId]) -> Result<usize, Trouble> {
        if messages.is_empty() {
            return Ok(0);
        }
        let rows = self.ask(RowsAround { mails: numbers(messages)? }).await?;
        let of: BTreeMap<MessageId, u64> =
            rows.into_iter().map(|row| (row.message, row.count)).collect();
        let mut sum = 0;
        let fits = messages.iter().take_while(|message| {
            sum += 1 + of.get(message).copied().unwrap_or(0);
            sum <= AROUND_MOST
        });
        Ok(fits.count().max(1))
    }

    /// Messages, as far as a filter asks.
    pub(super) async fn known(
        &self,
        messages: &[MessageId],
        filter: &Filter,
    ) -> Result<BTreeMap<MessageId, KnownMail>, Trouble> {
        if messages.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mails = self.ask(ListedMails { mails: numbers(messages)? });
        let places = async {
            match filter.needs_places() {
                true => self.places(messages).await,
                false => Ok(BTreeMap::new()),
            }
        };
        let people = async {
            match filter.needs_people() {
                true => self.people(messages, i64::MAX).await,
                false => Ok(BTreeMap::new()),
            }
        };
        let (mails, mut places, mut people) =
            tokio::try_join!(mails, Box::pin(places), Box::pin(people))?;
        let known = |mail: ListedMail| {
            let places = places.remove(&mail.message).unwrap_or_default();
            let people = people.remove(&mail.message).unwrap_or_default();
            let places = places.iter().map(lying).collect();
            let people = people.into_iter().filter_map(met).collect();
            (mail.message, KnownMail { mail, places, people })
        };
        Ok(mails.into_iter().map(known).collect())
    }

    /// Its files, as far as they are derived.
    ///
    /// # Errors
    /// Class storage.
    pub async fn files(&self, message: MessageId) -> Result<Vec<Attachment>, Failure> {
        let mut files = self.files_of(&[message]).await.map_err(failed)?;
        Ok(files.remove(&message).unwrap_or_default())
    }

    pub(super) async fn files_of(
        &self,
        messages: &[MessageId],
    ) -> Result<RowsOf<Attachment>, Trouble> {
        let rows = self.ask(FilesOfMails { mails: numbers(messages)? }).await?;
        let mut of = by_message(rows.into_iter().map(|row| (row.message, Attachment::from(row))));
        of.values_mut().for_each(|files| files.sort_by_key(|file| file.octets.start));
        Ok(of)
    }

    async fn around_all(
        &self,
        messages: &[MessageId],
        what: AroundWhat,
    ) -> Result<Around, Trouble> {
        let people = async {
            match what.people {
                0 => Ok(BTreeMap::new()),
                most => self.people(messages, most).await,
            }
        };
        let files = async {
            match what.files {
                true => self.files_of(messages).await,
                false => Ok(BTreeMap::new()),
            }
        };
        let (places, people, files) =
            tokio::try_join!(Box::pin(self.places(messages)), Box::pin(people), Box::pin(files))?;
        Ok(Around { places, people, files })
    }

    /// The first so many of each role.
    pub(super) async fn people(
        &self,
        messages: &[MessageId],
        most: i64,
    ) -> Result<RowsOf<MailPerson>, Trouble> {
        let rows = self.ask(PeopleOfMails { mails: numbers(messages)?, most }).await?;
        let mut of = by_message(rows.into_iter().map(|row| (row.message, row)));
        let order = |person: &MailPerson| (person.role.clone(), person.position);
        of.values_mut().for_each(|people| people.sort_by_cached_key(order));
        Ok(of)
    }

    async fn places(&self, messages: &[MessageId]) -> Result<RowsOf<MailPlace>, Trouble> {
        let rows = self.ask(PlacesOfMails { mails: numbers(messages)? }).await?;
        let mut of = by_message(rows.into_iter().map(|row| (row.message, row)));
        let order = |a: &MailPlace, b: &MailPlace| (&a.path, a.uid).cmp(&(&b.path, b.uid));
        of.values_mut().for_each(|places| places.sort_by(order));
        Ok(of)
    }
}

pub(super) type RowsOf<T> = BTreeMap<MessageId, Vec<T>>;

/// Rows around the messages of a page, at most: files in them, and people who are named.
const AROUND_MOST: u64 = 10_000;

/// What is read around messages, beside where they lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct AroundWhat {
    /// Of each role so many people.
    pub(super) people: i64,
    /// Their files.
    pub(super) files: bool,
}

/// What is around messages.
struct Around {
    places: RowsOf<MailPlace>,
    people: RowsOf<MailPerson>,
    files: RowsOf<Attachment>,
}

impl Around {
    const ALL: AroundWhat = AroundWhat { people: i64::MAX, files: true };

    fn of(&mut self, mail: ListedMail) -> ListedMessage {
        let of = mail.message;
        ListedMessage {
            mail,
            places: self.places.remove(&of).unwrap_or_default(),
            people: self.people.remove(&of).unwrap_or_default(),
            files: self.files.remove(&of).unwrap_or_default(),
        }
    }
}
