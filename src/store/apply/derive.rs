//! What is derived of messages, and what is still owed: a constant number of statements, whatever there is of it.

use super::contacts::keep_people;
use super::indexed::keep_words;
use super::mend::mend;
use super::numbers::Numbers;
use super::threads::{join_threads, move_some, moves};
use crate::store::derive::{
    DeriveChange, DeriveOrder, DeriveStands, DerivedMail, own_addresses, stored_derive,
};
use crate::store::failure::Trouble;
use crate::store::sql::derive::{
    DeriveState, DropAttachments, MessagesThere, OwedMails, PutAttachments, PutDerived, SaveDerive,
    TellThreads,
};
use crate::store::sql::query::Document;
use crate::store::transaction::{Sql, Transaction};
use postrider_core::contact::is_outgoing;
use postrider_core::derive::{self, Attachment, Derive, Derived, MOST, Span, VERSION, rank};
use postrider_core::mail::body::BodyHash;
use postrider_core::mail::id::{AccountId, MessageId};
use postrider_core::thread::{ThreadKey, ThreadMail};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Octets of a text that says why nothing could be read.
const ERROR: usize = 500;

/// Writes it. None where the account is gone; whether something was written.
pub(in crate::store) async fn derive(
    db: &Transaction,
    order: &DeriveOrder,
) -> Result<(Option<DeriveStands>, bool), Trouble> {
    let account = order.account;
    let Some(row) = db.ask_one(DeriveState { account }).await? else { return Ok((None, false)) };
    let stored = stored_derive(row.derive).unwrap_or_else(|| Derive::new(order.made));
    let before = stored.clone();
    let mut has_moved = false;
    let next = match &order.change {
        DeriveChange::Begin => {
            let asked = stored.asked().unwrap_or(Span { low: 1, high: 0 });
            let Span { low, high } = asked;
            let mails = db.ask(OwedMails { account, low, high, most: MOST + 1 }).await?;
            stored.begun(order.made, &mails.iter().map(|mail| mail.message.0).collect())
        }
        DeriveChange::Ask(span) => stored.asks(*span),
        DeriveChange::Again => stored.again(order.made),
        DeriveChange::Move => {
            has_moved = move_some(db, account).await?;
            stored
        }
        DeriveChange::Mend(mending) => {
            has_moved = mend(db, account, mending).await?;
            // Of a message that is there it is derived anew.
            let dropped: derive::Numbers = mending.strays.derived.iter().copied().collect();
            let mut owes = stored;
            owes.put_back(&dropped.minus(owes.left_out()));
            owes
        }
        DeriveChange::Looked(look) => stored.looked(*look),
        DeriveChange::Take { span, seen, rows, next } => {
            // Rows of other code than the account's are not mixed with its.
            let is_ours = stored.made() == order.made;
            let taken = stored.clone().taken(*span, *seen).filter(|_| is_ours);
            let Some(taken) = taken else {
                let stands = DeriveStands { derive: stored, is_refused: true, moves: false };
                return Ok((Some(stands), false));
            };
            let own = own_addresses(row.addresses.as_deref());
            write(db, account, rows, (row.tells_threads, &own)).await?;
            taken.asks(*next)
        }
    };
    let is_changed = next != before;
    if is_changed {
        db.put(SaveDerive { account, derive: Document::of(&next)? }).await?;
    }
    let moves = moves(db, account).await?;
    let stands = DeriveStands { derive: next, is_refused: false, moves };
    Ok((Some(stands), is_changed || has_moved))
}

async fn write(
    db: &Transaction,
    account: AccountId,
    rows: &[DerivedMail],
    (is_told, own): (bool, &BTreeSet<String>),
) -> Result<(), Trouble> {
    if rows.is_empty() {
        return Ok(());
    }
    let messages: Vec<MessageId> = rows.iter().map(|mail| mail.message).collect();
    let messages = Document::of(&messages)?;
    db.put(DropAttachments { messages: messages.clone() }).await?;
    // What was purged since it was read leaves nothing; what was told of its thread since counts.
    let there = db.ask(MessagesThere { account, messages }).await?;
    let again: Vec<MessageId> =
        there.iter().filter(|row| row.was_derived).map(|row| row.id).collect();
    let there: BTreeMap<MessageId, Option<String>> =
        there.into_iter().map(|row| (row.id, row.thread)).collect();
    let rows = || rows.iter().filter(|mail| there.contains_key(&mail.message));
    let told = |mail: &DerivedMail| there.get(&mail.message)?.as_deref();
    let mails = rows().map(|mail| thread_mail(mail, is_told.then(|| told(mail))));
    let mails: Vec<ThreadMail> = mails.collect();
    let threads = join_threads(db, account, &mails).await?;
    let thread = |mail: &DerivedMail| threads.get(&mail.message.0).copied();
    let derived: Vec<_> = rows().map(|mail| derived_row(mail, thread(mail), own)).collect();
    db.put(PutDerived { account, rows: Document::of(&derived)? }).await?;
    keep_people(db, account, &rows().collect::<Vec<_>>(), &again).await?;
    keep_words(db, account, &rows().collect::<Vec<_>>()).await?;
    let read = rows().filter_map(|mail| Some((mail.message, mail.read.as_ref().ok()?)));
    let files = read.flat_map(|(message, read)| {
        read.attachments.iter().map(move |file| attachment_row(message, file))
    });
    let files: Vec<_> = files.collect();
    if !files.is_empty() {
        db.put(PutAttachments { account, rows: Document::of(&files)? }).await?;
    }
    Ok(())
}

/// Everything of an account is owed anew: what is derived of its mail rests on what is no longer so.
pub(super) async fn owe_all(db: &impl Sql, account: AccountId) -> Result<(), Trouble> {
    let row = db.ask_one(DeriveState { account }).await?;
    let Some(derive) = row.and_then(|row| stored_derive(row.derive)) else { return Ok(()) };
    db.put(SaveDerive { account, derive: Document::of(&derive.all_again())? }).await
}

/// What servers call the threads of messages that were stored without: what is derived of those is owed anew.
pub(super) async fn tell_threads(
    db: &Transaction,
    numbers: &mut Numbers,
    account: AccountId,
    told: &[(MessageId, String)],
) -> Result<(), Trouble> {
    let messages: Vec<MessageId> = told.iter().map(|(message, _)| *message).collect();
    let there = db.ask(MessagesThere { account, messages: Document::of(&messages)? }).await?;
    let untold = there.into_iter().filter(|row| row.thread.is_none());
    let untold: derive::Numbers = untold.map(|row| row.id.0).collect();
    if untold.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = told.iter().filter(|(message, _)| untold.contains(message.0)).collect();
    db.put(TellThreads { rows: Document::of(&rows)? }).await?;
    owe_again(db, numbers, account, &untold).await
}

/// What is derived of these is owed anew.
pub(super) async fn owe_again(
    db: &Transaction,
    numbers: &mut Numbers,
    account: AccountId,
    messages: &derive::Numbers,
) -> Result<(), Trouble> {
    let row = db.ask_one(DeriveState { account }).await?;
    let Some(mut derive) = row.and_then(|row| stored_derive(row.derive)) else { return Ok(()) };
    // What has ended the process does so again, whatever its thread is.
    let left_out = derive.left_out().clone();
    derive.put_back(&messages.minus(&left_out));
    db.put(SaveDerive { account, derive: Document::of(&derive)? }).await?;
    numbers.put_back();
    Ok(())
}

/// What joins it with others: where its server tells threads, what that calls its thread, and until it is told nothing;
/// elsewhere the ids that it names, if it could be read.
fn thread_mail(mail: &DerivedMail, told: Option<Option<&str>>) -> ThreadMail {
    let DerivedMail { message, received_at, read, .. } = mail;
    let keys = match (told, read) {
        (Some(thread), _) => thread.into_iter().map(ThreadKey::of_provider).collect(),
        (None, Ok(read)) => read.keys.clone(),
        (None, Err(_)) => Vec::new(),
    };
    let received_at = *received_at;
    let rank = rank(received_at, *message);
    ThreadMail { message: message.0, keys, rank, received_at: received_at.0 }
}

fn derived_row(mail: &DerivedMail, thread: Option<i64>, own: &BTreeSet<String>) -> impl Serialize {
    let DerivedMail { message, received_at, read, .. } = mail;
    let read = read.as_ref();
    let text = |of: fn(&Derived) -> Option<&str>| read.ok().and_then(of);
    (
        message,
        rank(*received_at, *message),
        received_at.0,
        text(|read| Some(&read.snippet)).unwrap_or_default(),
        read.map_or(0, |read| read.attachments.len()),
        text(|read| read.header.list_id.as_deref()),
        mail.parse(),
        read.err().map(|why| why.chars().take(ERROR).collect::<String>()),
        VERSION,
        thread,
        is_outgoing(own, &mail.people),
        mail.more_people,
    )
}

fn attachment_row(message: MessageId, file: &Attachment) -> impl Serialize {
    (
        message,
        &file.number,
        &file.media_type,
        &file.name,
        file.is_inline,
        &file.content_id,
        file.encoding.as_str(),
        file.octets.start,
        file.octets.end.saturating_sub(file.octets.start),
        file.size,
        BodyHash(file.sha256).to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_core::derive::{Made, Reads};
    use postrider_core::mime::Header;
    use postrider_core::time::Micros;

    fn mail(message: i64) -> DerivedMail {
        let keys = vec![ThreadKey([u8::try_from(message).unwrap(); 16])];
        let read = Derived {
            header: Header::default(),
            keys,
            snippet: String::new(),
            attachments: Vec::new(),
            words: None,
            is_lenient: false,
        };
        let (message, received_at) = (MessageId(message), Micros(0));
        DerivedMail { message, received_at, people: Vec::new(), more_people: 0, read: Ok(read) }
    }

    /// What was purged, or is another account's, between its reading and its writing leaves no row; and a set that
    /// cannot be read is everything.
    #[tokio::test]
    async fn what_is_gone_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let db = crate::store::open(&dir.path().join("x.db").into()).await.unwrap();
        for sql in [
            "INSERT INTO account (id, name, provider, host, username, identity_kind, state, reason, since, incarnation, derive) \
             VALUES (1, 'a', 'imap', '', '', 'hash', '', '', 0, 1, 'no JSON')",
            "INSERT INTO message (id, account, size, stored_at, parse) VALUES (1, 1, 1, 0, 'ok'), (2, 9, 1, 0, 'ok')",
        ] {
            db.writer.run(sql).await.unwrap();
        }
        let (span, rows) = (Span { low: 1, high: 3 }, [1, 2, 3].map(mail).into());
        let change = DeriveChange::Take { span, seen: 3, rows, next: None };
        let tx = db.begin().await.unwrap();
        let order = DeriveOrder { account: AccountId(1), made: Made::now(Reads::Off), change };
        let (stands, is_changed) = derive(&tx, &order).await.unwrap();
        tx.commit().await.unwrap();
        assert!(is_changed && !stands.unwrap().is_refused);
        for table in ["derived", "thread", "thread_key"] {
            let sql = format!("SELECT count(*) FROM {table}");
            let count: i64 = db.writer.run(&sql).await.unwrap()[0].try_get_by_index(0).unwrap();
            assert_eq!(count, 1, "{table}");
        }
        db.close().await;
    }
}
