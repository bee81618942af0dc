//! What is read of one message for who reads mail: short queries, bounded answers.

use crate::store::derive::stored_derive;
use crate::store::read::{Reader, failed};
use crate::store::sql::mail::{
    FileColumns, FilesOfMail, MessageOfNumber, PeopleOfMail, PlacesOfMail,
};
use postrider_core::derive::Attachment;
use postrider_core::failure::Failure;
use postrider_core::mail::body::StoredBody;
use postrider_core::mail::id::MessageId;
use postrider_core::mime::Encoding;

pub use crate::store::sql::mail::{MailPerson, MailPlace, StoredMail};

impl StoredMail {
    /// Whether the process has ended twice while it read it.
    #[must_use]
    pub fn is_left_out(&self, message: MessageId) -> bool {
        let derive = stored_derive(self.derive.clone());
        derive.is_some_and(|derive| derive.left_out().contains(message.0))
    }

    /// Its bytes, and where they lie.
    #[must_use]
    pub fn body(&self) -> StoredBody {
        let Self { hash, pack, offset, length, .. } = *self;
        StoredBody { hash, pack, offset, length }
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

/// Reads what is known of messages.
#[derive(Clone, Debug)]
pub struct StoredMails {
    reader: Reader,
}

impl StoredMails {
    /// Reads through this.
    #[must_use]
    pub fn new(reader: Reader) -> Self {
        Self { reader }
    }

    /// A message by its number.
    ///
    /// # Errors
    /// Class storage.
    pub async fn message(&self, message: MessageId) -> Result<Option<StoredMail>, Failure> {
        self.reader.ask_one(MessageOfNumber { message }).await.map_err(failed)
    }

    /// Where it lies.
    ///
    /// # Errors
    /// Class storage.
    pub async fn places(&self, message: MessageId) -> Result<Vec<MailPlace>, Failure> {
        self.reader.ask(PlacesOfMail { message }).await.map_err(failed)
    }

    /// Its files, as far as they are derived.
    ///
    /// # Errors
    /// Class storage.
    pub async fn files(&self, message: MessageId) -> Result<Vec<Attachment>, Failure> {
        let rows = self.reader.ask(FilesOfMail { message }).await.map_err(failed)?;
        Ok(rows.into_iter().map(Attachment::from).collect())
    }

    /// Who is named in it, as far as that is derived.
    ///
    /// # Errors
    /// Class storage.
    pub async fn people(&self, message: MessageId) -> Result<Vec<MailPerson>, Failure> {
        self.reader.ask(PeopleOfMail { message }).await.map_err(failed)
    }
}
