//! The words of messages that are derived: those that there were go, those that were read come.

use crate::store::derive::DerivedMail;
use crate::store::failure::Trouble;
use crate::store::sql::query::Document;
use crate::store::sql::words::{DropWordRows, DropWords, PutWordRows, PutWords, number, row};
use crate::store::transaction::{Sql, Transaction};
use postrider_core::derive::rank;
use postrider_core::mail::id::AccountId;

/// Writes them, in the order of their numbers: so a row more is no write of its own.
pub(super) async fn keep_words(
    db: &Transaction,
    account: AccountId,
    mails: &[&DerivedMail],
) -> Result<(), Trouble> {
    let numbered =
        |mail: &&DerivedMail| (number(rank(mail.received_at, mail.message)), mail.message);
    let mut numbers: Vec<_> = mails.iter().map(numbered).collect();
    numbers.sort_unstable();
    let before = Document::of(&numbers)?;
    db.put(DropWords { words: before.clone() }).await?;
    db.put(DropWordRows { words: before }).await?;
    let of = |mail: &&DerivedMail| {
        let words = mail.read.as_ref().ok()?.words.as_ref()?;
        let (id, message) = numbered(mail);
        Some((id, message, row(db.dialect(), account, words)))
    };
    let mut rows: Vec<_> = mails.iter().filter_map(of).collect();
    if rows.is_empty() {
        return Ok(());
    }
    rows.sort_unstable_by_key(|row| row.0);
    let numbers: Vec<_> = rows.iter().map(|(id, message, ..)| (id, message)).collect();
    // Of two that have one number the later has none.
    db.put(PutWordRows { words: Document::of(&numbers)? }).await?;
    db.put(PutWords { words: Document::of(&rows)? }).await
}
