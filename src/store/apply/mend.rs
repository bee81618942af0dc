//! Takes away what is of nothing, counts anew what is counted otherwise than it is, and forgets threads whose mails do not
//! fit: these are joined anew.

use super::threads::join_threads;
use crate::store::failure::Trouble;
use crate::store::mending::{Mending, Strays};
use crate::store::sql::check::{
    DropAliases, DropDerived, DropTexts, ForgetAliases, ForgetKeys, ForgetMails, ForgetThreads,
    PutInThreads, RecountThreads,
};
use crate::store::sql::contacts::{DropNamed, DropUnnamed, RecountContacts};
use crate::store::sql::derive::{DropAttachments, MessagesThere};
use crate::store::sql::query::Document;
use crate::store::sql::words::{DropWordRows, DropWords};
use crate::store::transaction::{Sql, Transaction};
use postrider_core::mail::id::{AccountId, MessageId};
use postrider_core::thread::{ThreadKey, ThreadMail};
use std::collections::BTreeSet;

/// Mends it; whether it has written.
pub(super) async fn mend(
    db: &Transaction,
    account: AccountId,
    mending: &Mending,
) -> Result<bool, Trouble> {
    let Mending { strays, recount, forget, keys, join } = mending;
    sweep(db, strays).await?;
    let forgotten: Vec<i64> = forget.iter().chain(&strays.threads).copied().collect();
    if !forgotten.is_empty() {
        let threads = Document::of(&forgotten)?;
        let keys: Vec<String> = keys.iter().map(ThreadKey::to_string).collect();
        db.put(ForgetKeys { account, keys: Document::of(&keys)? }).await?;
        db.put(ForgetMails { threads: threads.clone() }).await?;
        db.put(ForgetAliases { threads: threads.clone() }).await?;
        db.put(ForgetThreads { threads }).await?;
    }
    if !recount.is_empty() {
        db.put(RecountThreads { threads: Document::of(recount)? }).await?;
    }
    // What was purged since it was read is not joined.
    let messages: Vec<MessageId> = join.iter().map(|mail| MessageId(mail.message)).collect();
    let there = db.ask(MessagesThere { account, messages: Document::of(&messages)? }).await?;
    let there: BTreeSet<i64> = there.iter().map(|row| row.id.0).collect();
    let join: Vec<ThreadMail> =
        join.iter().filter(|mail| there.contains(&mail.message)).cloned().collect();
    if !join.is_empty() {
        let threads = join_threads(db, account, &join).await?;
        let threads: Vec<(i64, i64)> = threads.into_iter().collect();
        db.put(PutInThreads { rows: Document::of(&threads)? }).await?;
    }
    Ok(!mending.is_empty())
}

async fn sweep(db: &Transaction, strays: &Strays) -> Result<(), Trouble> {
    let Strays { derived, files, people, words, texts, contacts, aliases, .. } = strays;
    if !words.is_empty() {
        let words = Document::of(words)?;
        db.put(DropWords { words: words.clone() }).await?;
        db.put(DropWordRows { words }).await?;
    }
    if !texts.is_empty() {
        db.put(DropTexts { words: Document::of(texts)? }).await?;
    }
    if !files.is_empty() {
        db.put(DropAttachments { messages: Document::of(files)? }).await?;
    }
    if !people.is_empty() {
        db.put(DropNamed { mails: Document::of(people)? }).await?;
    }
    if !derived.is_empty() {
        db.put(DropDerived { messages: Document::of(derived)? }).await?;
    }
    if !aliases.is_empty() {
        db.put(DropAliases { aliases: Document::of(aliases)? }).await?;
    }
    if !contacts.is_empty() {
        let contacts = Document::of(contacts)?;
        db.put(DropUnnamed { contacts: contacts.clone() }).await?;
        db.put(RecountContacts { contacts }).await?;
    }
    Ok(())
}
